"""Bench of the encoders: the presentations of random images and of extreme ones, with back-pressure, taken as fast as
they come, and taken at the pace that the encoder promises.

Job: `kind`, the class of `hdl.inputs.encoder`; `block`, its members; `seed`. Answer: `images` and `presentations`, how
many were compared.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.inputs import encoder as blocks
from hdl.inputs.encoder import PlaneSplitter, StochasticEncoder
from model import bits, presentations
from model.presentations import Values, bernoulli, steps
from sim import clocking, job
from sim.streams import never, receive, send, stalls

IMAGES = 20
"""Images of each of the three ways to take them."""

Encoder = PlaneSplitter | StochasticEncoder


def images(block: Encoder, seed: int) -> Values:
    """(3 * IMAGES, values): the least and the greatest of all values, and random ones."""
    top = (1 << block.bits) - 1
    found: Values = np.random.default_rng(seed).integers(
        0, top, (3 * IMAGES, block.values), endpoint=True, dtype=np.uint16
    )
    found[0], found[1] = 0, top
    return found


def entropy_words(block: StochasticEncoder, seed: int, count: int) -> list[tuple[int]]:
    """Words from outside: a quarter of them all 0 or all 1."""
    source, width = random.Random(seed), block.draws * block.bits
    extremes = 0, (1 << width) - 1
    return [(source.choice(extremes) if source.random() < 1 / 4 else source.getrandbits(width),) for _ in range(count)]


def expected(block: Encoder, values: Values, entropy: list[tuple[int]]) -> bits.Bits:
    """(images, presentations, values) bits."""
    if isinstance(block, PlaneSplitter):
        return presentations.planes(values, block.bits, block.planes)
    if block.seed is not None:
        return presentations.stochastic_bits(values, block.bits, block.presentations, block.seed, draws=block.draws)
    drawn = bits.from_ints([word for (word,) in entropy], block.draws * block.bits)
    places = 1 << np.arange(block.bits)
    numbers = (drawn.reshape(len(entropy), block.draws, block.bits) * places).sum(axis=2)
    return bernoulli(values, block.bits, block.presentations, numbers)


async def paced(dut: Any, count: int, period: int) -> list[tuple[int, ...]]:
    """Look at each presentation for `period` cycles and take it in the last; the next one must be there at once."""
    found: list[tuple[int, ...]] = []
    while not int(dut.o__valid.value):
        await RisingEdge(dut.clk)
    while len(found) < count:
        for cycle in range(period):
            dut.o__ready.value = int(cycle == period - 1)
            await RisingEdge(dut.clk)
            assert int(dut.o__valid.value), f"presentation {len(found)} was not there once the one before it was taken"
        found.append((int(dut.o__payload.value),))
    dut.o__ready.value = 0
    return found


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def encoder(dut: Any) -> None:
    task = job.load()
    seed, block = task["seed"], getattr(blocks, task["kind"])(**task["block"])
    splits = isinstance(block, PlaneSplitter)
    each = block.planes if splits else block.presentations
    cycles = 1 if splits else steps(block.values, block.draws)
    outside = not splits and block.seed is None

    values = images(block, seed)
    places = np.arange(block.bits, dtype=np.uint16)
    words = [(word,) for word in bits.to_ints((values[:, :, np.newaxis] >> places & 1).reshape(len(values), -1))]
    entropy = entropy_words(block, seed, len(values) * each * cycles) if outside else []
    right = expected(block, values, entropy)
    rows = [(word,) for word in bits.to_ints(right.reshape(-1, block.values))]

    dut.i__valid.value = dut.o__ready.value = 0
    if outside:
        dut.entropy__valid.value = 0
    await clocking.start(dut)
    output = dut.o__valid, dut.o__ready, [dut.o__payload]
    for part, way in enumerate(("stalled", "at full rate", "paced")):
        first, last = part * IMAGES, (part + 1) * IMAGES
        # Gaps as long, on average, as what goes on meanwhile: some are longer, some shorter.
        gaps = {"i": each * cycles, "entropy": 1, "o": cycles}
        stall = {
            port: stalls(seed + number, gap / (gap + 1)) if way == "stalled" else never
            for number, (port, gap) in enumerate(gaps.items())
        }
        start = clocking.cycle()
        drawn = entropy[first * each * cycles : last * each * cycles]
        senders = [send(dut.clk, dut.i__valid, dut.i__ready, [dut.i__payload], words[first:last], stall["i"])]
        if outside:
            port = dut.entropy__valid, dut.entropy__ready, [dut.entropy__payload]
            senders.append(send(dut.clk, *port, drawn, stall["entropy"]))
        running = [cocotb.start_soon(sender) for sender in senders]
        count = IMAGES * each
        if way == "paced":
            found = await paced(dut, count, cycles)
        else:
            found = await receive(dut.clk, *output, count, stall["o"])
        took = clocking.cycle() - start - 1  # the source's first image stands there a cycle after its start
        compare(block, rows[first * each : last * each], found, each, way)
        for sender in running:
            await sender  # no word of entropy is passed over, and none is left
        await ClockCycles(dut.clk, 2 * cycles + 2)
        assert not int(dut.o__valid.value), f"{way}: a presentation more came out"
        if way == "at full rate":
            right_time = (1 if splits else 1 + cycles) + (count - 1) * cycles + 1
            assert took == right_time, f"{count} presentations took {took} cycles, not {right_time}"
    job.answer({"images": len(values), "presentations": len(rows)})


def compare(block: Encoder, right: list[tuple[int]], got: list[tuple[int, ...]], each: int, way: str) -> None:
    """Fail at the first wrong bit, with its place."""
    for number, ((a,), (b,)) in enumerate(zip(right, got, strict=True)):
        if a != b:
            value = (a ^ b).bit_length() - 1
            image, presentation = divmod(number, each)
            raise AssertionError(
                f"{way}, image {image}, presentation {presentation}, value {value} of {block.values}: "
                f"expected {a >> value & 1}, got {b >> value & 1}"
            )
