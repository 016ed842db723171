"""Bench of the accumulators of presentations: images without a gap, and with gaps anywhere.

Job: `blocks`, the members of each `hdl.neurons.accumulator.Accumulator` by the name of its ports; `seed`. Answer: by
the same names the cycles from the first strobe to the last sums of the images without a gap.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.neurons.accumulator import Accumulator
from model import bits
from model.topology import Presentations
from sim import clocking, job
from sim.rack import Ports, blocks_of
from sim.streams import Stall, never, stalls

IMAGES = 12
GAPS = (0.2, 0.9)
"""Chances of a cycle without a strobe."""


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def accumulator(dut: Any) -> None:
    task = job.load()
    blocks = blocks_of(task, Accumulator)
    for name in blocks:
        ports = Ports(dut, name)
        ports.strobe.value = ports.counts.value = 0
    await clocking.start(dut)
    tasks = {name: cocotb.start_soon(exercise(Ports(dut, name), block, task["seed"])) for name, block in blocks.items()}
    job.answer({name: await each for name, each in tasks.items()})


async def exercise(ports: Any, block: Accumulator, seed: int) -> int:
    """Cycles of the images without a gap."""
    cycles = await run(ports, block, seed, never)
    for gap in GAPS:
        await run(ports, block, seed + 1, stalls(seed, gap))
    return cycles


def packed(rows: Any, width: int) -> list[int]:
    """(words, lanes) numbers to words of `width` bits a number, lane 0 lowest."""
    places = (rows[:, :, np.newaxis] >> np.arange(width)) & 1
    return bits.to_ints(places.reshape(len(rows), -1))


async def run(ports: Any, block: Accumulator, seed: int, gap: Stall) -> int:
    """Send all counts and compare the sums in their cycle; what stands beside `counts` in a gap is rubbish."""
    source = np.random.default_rng(seed)
    presentations = Presentations(block.presentations, block.halving)
    counts = source.integers(0, block.top, (IMAGES, block.presentations, block.steps, block.lanes), endpoint=True)
    counts[1], counts[2] = block.top, 0  # the largest sums, and none behind them
    sums = np.tensordot(counts, presentations.weights, axes=(1, 0))
    assert sums.max() == block.total
    words = packed(counts.reshape(-1, block.lanes), block.top.bit_length())
    rubbish = packed(source.integers(0, block.top, (64, block.lanes), endpoint=True), block.top.bit_length())
    expected = packed(sums.reshape(-1, block.lanes), block.total.bit_length())
    passes = block.presentations * block.steps  # strobes an image
    sent, cycle, last = 0, 0, 0
    found: list[int] = []
    coming, due = False, False  # in the next cycle sums are due, in this one they are
    while sent < len(words) or coming or due:
        strobe = sent < len(words) and not gap()
        ports.strobe.value, ports.counts.value = int(strobe), words[sent] if strobe else rubbish[cycle % 64]
        await RisingEdge(ports.clk)
        assert int(ports.coming.value) == coming, f"{block.name}: `coming` is not {int(coming)} after {sent} strobes"
        if due:
            image, step = divmod(len(found), block.steps)
            found.append(int(ports.sums.value))
            right = expected[len(found) - 1]
            assert found[-1] == right, f"{block.name}: image {image}, step {step}: {found[-1]:#x}, not {right:#x}"
            last = cycle
        due, coming = coming, strobe and sent % passes >= passes - block.steps
        sent += strobe
        cycle += 1
    assert len(found) == len(expected)
    return last
