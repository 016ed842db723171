"""Bench of the whitening blocks: raw bits as biased sources give them, with back-pressure and at full rate.

Job: `kind`, the class of `hdl.inputs.whitening`; `block`, its members; `seed`; `bits`, how many raw bits of each source
come; `ones`, the share of ones among them. Answer: `raw`, the raw bits of each source, and `words`, what came out, both
as the design saw and gave them.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from hdl.inputs import whitening as blocks
from hdl.inputs.whitening import Packer, VonNeumann, Whitener, XorWhitener
from model import whitening
from model.bits import Bits
from sim import clocking, job
from sim.streams import never, receive, send, stalls

STALLED_BITS = 400
STALL_PROBABILITY = 0.4

Whitening = XorWhitener | VonNeumann | Packer | Whitener


def expected(block: Whitening, raw: Bits) -> list[int]:
    """What comes out for (sources, count) raw bits."""
    mixed = raw[0] if isinstance(block, VonNeumann | Packer) else whitening.xor_whitened(raw)
    kept = whitening.von_neumann(mixed) if isinstance(block, VonNeumann | Whitener) else mixed
    return whitening.packed(kept, block.width) if isinstance(block, Packer | Whitener) else kept.tolist()


@cocotb.test(timeout_time=0.6, timeout_unit="ms")
async def whiten(dut: Any) -> None:
    task = job.load()
    block: Whitening = getattr(blocks, task["kind"])(**task["block"])
    source = random.Random(task["seed"])
    sources = block.sources if isinstance(block, XorWhitener | Whitener) else 0
    names = [f"raw__{number}" for number in range(sources)] or ["i"]
    ports = [[getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload")] for name in names]
    for valid, _, _ in ports:
        valid.value = 0
    dut.o__ready.value = 0
    await clocking.start(dut)

    raw = np.array([[int(source.random() < task["ones"]) for _ in range(task["bits"])] for _ in names], dtype=np.uint8)
    passed = 0
    answered: list[int] = []
    for last, stalled in ((STALLED_BITS, True), (task["bits"], False)):
        right = expected(block, raw[:, :last])
        senders = [
            cocotb.start_soon(
                send(
                    dut.clk,
                    valid,
                    ready,
                    [payload],
                    [(bit,) for bit in row[passed:last].tolist()],
                    stalls(task["seed"] + number, STALL_PROBABILITY) if stalled else never,
                )
            )
            for number, ((valid, ready, payload), row) in enumerate(zip(ports, raw, strict=True))
        ]
        # Some words wait longer than the next one takes, some shorter.
        wait = 4 * getattr(block, "width", 1)
        stall = stalls(task["seed"] - 1, wait / (wait + 1)) if stalled else never
        start = clocking.cycle()
        found = await receive(dut.clk, dut.o__valid, dut.o__ready, [dut.o__payload], len(right) - len(answered), stall)
        cycles = clocking.cycle() - start
        answered += [word for (word,) in found]
        assert answered == right, _difference(right, answered)
        for sender in senders:
            await sender
        dut.o__ready.value = 0
        await ClockCycles(dut.clk, 4)
        assert not int(dut.o__valid.value), "more came out than went in"
        # One bit a cycle of each source, and at most 5 cycles until the last word is out.
        assert stalled or cycles <= last - passed + 5, f"{last - passed} bits took {cycles} cycles"
        passed = last
    job.answer({"raw": raw.tolist(), "words": answered})


def _difference(right: list[int], got: list[int]) -> str:
    number = next(index for index, word in enumerate(got) if word != right[index])
    return f"word {number}: expected {right[number]:#x}, got {got[number]:#x}"
