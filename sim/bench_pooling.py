"""Bench of max-pooling: maps with gaps and back-pressure, with the modes that were loaded and with those of the host.

Job: `blocks`, the members of each `hdl.layers.pooling.MaxPool` by the name of its ports; `modes`, by the same names the
modes that each was loaded with; `seed`. Answer: by the same names the cycles of a map at full rate.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.layers.pooling import MaxPool
from model import bits, windows
from sim import clocking, job
from sim.exchange import exchange, first_difference, pauses, stream
from sim.rack import Ports, blocks_of

MAPS = 6
INTERVALS = (1, 4)
IDLE = {"i__valid": 0, "o__ready": 0, "read_en": 0, "read_addr": 0, "write_en": 0, "write_addr": 0, "write_data": 0}


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def pooling(dut: Any) -> None:
    task = job.load()
    blocks = blocks_of(task, MaxPool)
    for name in blocks:
        for port, value in IDLE.items():
            getattr(Ports(dut, name), port).value = value
    await clocking.start(dut)
    tasks = {
        name: cocotb.start_soon(exercise(Ports(dut, name), block, task["modes"][name], task["seed"]))
        for name, block in blocks.items()
    }
    job.answer({name: await each for name, each in tasks.items()})


async def read_back(ports: Any, modes: list[int]) -> None:
    """Compare each mode with what the host reads."""
    for index, mode in enumerate(modes):
        ports.read_en.value, ports.read_addr.value = 1, index
        await RisingEdge(ports.clk)
        ports.read_en.value = 0
        await RisingEdge(ports.clk)
        assert int(ports.read_data.value) == mode, f"the mode of channel {index} is not {mode}"


async def write(ports: Any, modes: list[int]) -> None:
    """Set all modes."""
    for index, mode in enumerate(modes):
        ports.write_en.value, ports.write_addr.value, ports.write_data.value = 1, index, mode
        await RisingEdge(ports.clk)
    ports.write_en.value = 0
    await RisingEdge(ports.clk)


async def exercise(ports: Any, block: MaxPool, modes: list[int], seed: int) -> int:
    """Cycles of a map at full rate."""
    # Most windows are of one value only where bits are seldom the other one: then OR and AND differ.
    source = np.random.default_rng(seed)
    density = np.resize([0.1, 0.9, 0.5], (MAPS, 1, 1, 1))
    maps = (source.random((MAPS, block.height, block.width, block.channels)) < density).astype(np.uint8)
    words = [(word,) for word in bits.to_ints(maps.reshape(-1, block.channels))]
    i, o, stall = stream(ports, "i"), stream(ports, "o"), pauses(seed)
    turn = random.Random(seed)
    others = [[1 - mode for mode in modes], [turn.randrange(2) for _ in modes]]
    for number, conjunctive in enumerate((modes, *others)):
        if number:
            await write(ports, conjunctive)
        await read_back(ports, conjunctive)
        pooled = windows.max_pool(maps, block.kernel, block.stride, conjunctive)
        expected = [(word,) for word in bits.to_ints(pooled.reshape(-1, block.channels))]
        found = await exchange(ports.clk, i, o, words, len(expected), stall[number])
        assert found.words == expected, f"{block.name}: {first_difference(found.words, expected)}"
    each = len(expected) // MAPS
    for interval in INTERVALS:
        found = await exchange(ports.clk, i, o, words, len(expected), interval=interval)
        assert found.words == expected, f"{block.name}: {first_difference(found.words, expected)}"
        cycles, contract = found.passed[-1] - found.passed[-1 - each], block.window.cycles(interval)
        assert cycles == contract, f"{block.name}: {cycles} cycles a map at an interval of {interval}, not {contract}"
    return block.window.cycles()
