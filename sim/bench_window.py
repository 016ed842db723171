"""Bench of the sliding windows: maps of every density with gaps and back-pressure, then at every pace of a consumer.

Job: `blocks`, the members of each `hdl.layers.window.Window` by the name of its ports; `seed`. Answer: by the same
names the cycles of a map for each interval of the consumer.
"""

import itertools
from typing import Any

import cocotb
import numpy as np

from hdl.layers.window import Window
from model import bits, windows
from sim import clocking, job
from sim.exchange import every, exchange, first_difference, pauses, stream
from sim.rack import Ports, blocks_of
from sim.streams import never

MAPS = 7
"""Maps of a pass: enough for a walk to gain the lead that it can."""
INTERVALS = (1, 2, 3, 5, 8, 20)
DENSITIES = (1.0, 0.0, 0.5, 0.9, 1.0, 0.1, 0.0)
"""Chance of a bit to be 1, map by map: what one leaves behind would show in the next."""


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def window(dut: Any) -> None:
    task = job.load()
    blocks = blocks_of(task, Window)
    for name in blocks:
        ports = Ports(dut, name)
        ports.i__valid.value = ports.o__ready.value = 0
    await clocking.start(dut)
    tasks = {name: cocotb.start_soon(exercise(Ports(dut, name), block, task["seed"])) for name, block in blocks.items()}
    job.answer({name: await each for name, each in tasks.items()})


def ends(axis: windows.Axis) -> list[int]:
    """Where along one direction windows end, counted from the first pixel."""
    return [axis.kernel - 1 - axis.before + index * axis.stride for index in range(axis.outputs)]


async def exercise(ports: Any, block: Window, seed: int) -> list[tuple[int, int]]:
    """(interval, cycles of a map) for each of INTERVALS."""
    rows, columns = block.sliding.rows, block.sliding.columns
    random = np.random.default_rng(seed)
    shape = (MAPS, block.height, block.width, block.depth)
    maps = (random.random(shape) < np.reshape(DENSITIES, (MAPS, 1, 1, 1))).astype(np.uint8)
    fill = bits.from_int(block.fill, block.depth)
    golden = windows.windows(maps, block.kernel, block.stride, block.padding, fill)
    expected = [(word,) for word in bits.to_ints(golden.reshape(-1, golden.shape[-1]))]
    words = [(word,) for word in bits.to_ints(maps.reshape(-1, block.depth))]
    source, sink, label = stream(ports, "i"), stream(ports, "o"), block.name

    for pause in pauses(seed):
        found = await exchange(ports.clk, source, sink, words, len(expected), pause)
        assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"

    rates, each = [], len(expected) // MAPS
    for interval in INTERVALS:
        found = await exchange(ports.clk, source, sink, words, len(expected), interval=interval)
        assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"
        cycles = found.passed[-1] - found.passed[-1 - each]
        contract = block.cycles(interval)
        assert cycles == contract, f"{label}: {cycles} cycles a map at an interval of {interval}, not {contract}"
        rates.append((interval, cycles))

    # Pixels so slow that no padding holds them up, and the windows of the first map that end at a pixel.
    slow = every(block.padding[1] + block.padding[3] + 2)
    found = await exchange(ports.clk, source, sink, words, len(expected), (slow, never))
    assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"
    for number, (row, column) in enumerate(itertools.product(*(ends(axis) for axis in (rows, columns)))):
        if row < block.height and column < block.width:
            latency = found.offered[number] - found.taken[row * block.width + column]
            assert latency == (2 if block.buffered else 0), f"{label}: a latency of {latency} cycles"
    return rates
