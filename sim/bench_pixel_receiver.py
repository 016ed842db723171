"""Bench of the pixel receiver: images as packets, some too short, some too long, and rubbish beyond the image; then at
full rate, and with the door closed behind it.

Job: `blocks`, the members of each `hdl.streams.pixel_receiver.PixelReceiver` by the name of its ports; `seed`. Answer:
by the same names `images`, how many came through, `wrong`, how many packets were dropped, `cycles`, those of an image.
"""

import itertools
import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hdl.streams.pixel_receiver import PixelReceiver
from sim import clocking, job
from sim.exchange import Stream, exchange, first_difference, pauses, stream
from sim.rack import Ports, blocks_of

PACKETS = 12
WRONG_PROBABILITY = 0.4


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def pixel_receiver(dut: Any) -> None:
    task = job.load()
    blocks = blocks_of(task, PixelReceiver)
    for name in blocks:
        ports = Ports(dut, name)
        ports.axis__tvalid.value = ports.o__ready.value = 0
    await clocking.start(dut)
    tasks = {name: cocotb.start_soon(exercise(Ports(dut, name), block, task["seed"])) for name, block in blocks.items()}
    job.answer({name: await each for name, each in tasks.items()})


def packet(block: PixelReceiver, length: int, source: random.Random) -> tuple[list[tuple[int, int]], list[Any]]:
    """A packet of random beats, and the words that it holds if its length is right."""
    beats = [source.getrandbits(block.bus) for _ in range(length)]
    image = sum(beat << (block.bus * number) for number, beat in enumerate(beats))
    words = [(image >> (block.depth * number) & ((1 << block.depth) - 1),) for number in range(block.count)]
    return [(beat, int(number == length - 1)) for number, beat in enumerate(beats)], words


async def exercise(ports: Any, block: PixelReceiver, seed: int) -> dict[str, int]:
    """The answer of one block."""
    source, clk, label = random.Random(seed), ports.clk, block.name
    axis = Stream(ports.axis__tvalid, ports.axis__tready, (ports.axis__tdata, ports.axis__tlast))
    o, count = stream(ports, "o"), block.beats
    wrongs = images = dropped = 0

    async def count_wrongs() -> None:
        nonlocal wrongs
        while True:
            await RisingEdge(clk)
            wrongs += int(ports.wrong.value)

    counter = cocotb.start_soon(count_wrongs())
    for pause in pauses(seed):
        beats: list[tuple[int, int]] = []
        expected: list[Any] = []
        for number in range(PACKETS):
            # The last packet is whole: nothing of those before it may cling to it.
            is_wrong = number < PACKETS - 1 and source.random() < WRONG_PROBABILITY
            lengths = [wrong for wrong in range(1, 3 * count + 2) if wrong != count] if is_wrong else [count]
            packed, words = packet(block, source.choice(lengths), source)
            beats += packed
            expected += [] if is_wrong else words
            dropped, images = dropped + is_wrong, images + (not is_wrong)
        found = await exchange(clk, axis, o, beats, len(expected), pause)
        assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"
        assert wrongs == dropped, f"{label}: {dropped} packets were wrong, but `wrong` was high {wrongs} times"

    whole = [packet(block, count, source) for _ in range(PACKETS)]
    beats, expected = [beat for packed, _ in whole for beat in packed], [word for _, words in whole for word in words]
    found = await exchange(clk, axis, o, beats, len(expected))
    assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"
    latency, contract = found.offered[0] - found.taken[count - 1], 2 + -(-block.depth // block.bus)
    assert latency == contract, f"{label}: a latency of {latency} cycles, not {contract}"
    ends = found.passed[block.count - 1 :: block.count]
    cycles = max(count, block.count)
    assert all(one + cycles == other for one, other in itertools.pairwise(ends)), (
        f"{label}: images end in cycles {ends}, not {cycles} apart"
    )

    # While nobody takes a word, two packets fit; they leave unharmed.
    ports.o__ready.value = 0
    taken, two = 0, beats[: 2 * count]
    for _ in range(10 * count + 10):
        ports.axis__tvalid.value = int(taken < len(two))
        if taken < len(two):
            ports.axis__tdata.value, ports.axis__tlast.value = two[taken]
        await RisingEdge(clk)
        taken += int(taken < len(two) and int(ports.axis__tready.value))
    assert taken == len(two), f"{label}: only {taken} beats are taken while no word leaves"
    ports.axis__tvalid.value = 0
    found = await exchange(clk, axis, o, [], 2 * block.count)
    assert found.words == expected[: 2 * block.count], f"{label}: {first_difference(found.words, expected)}"
    counter.cancel()
    return {"images": images, "wrong": dropped, "cycles": cycles}
