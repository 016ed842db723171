"""Bench of the bank of registers: what it was loaded with, then random reads and writes, a read and a write at a time.

Job: `blocks`, the members of each `hdl.bank.Bank` by the name of its ports; `words`, by the same names what each was
loaded with; `seed`. Answer: by the same names how many words were read while they were written.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hdl.bank import Bank
from sim import clocking, job
from sim.rack import Ports, blocks_of

CYCLES = 300


@cocotb.test(timeout_time=0.1, timeout_unit="ms")
async def bank(dut: Any) -> None:
    task = job.load()
    answer = {}
    await clocking.start(dut)
    for name, block in blocks_of(task, Bank).items():
        answer[name] = await exercise(Ports(dut, name), block, task["words"][name], task["seed"])
    job.answer(answer)


async def exercise(ports: Any, block: Bank, words: list[int], seed: int) -> int:
    """How many words were read while they were written."""
    source, collisions = random.Random(seed), 0
    words = list(words)
    read: int | None = None  # what the last read gave
    for _ in range(CYCLES):
        reads, writes = source.randrange(2), source.randrange(2)
        read_address, address, data = (
            source.randrange(limit) for limit in (block.depth, block.depth, 1 << block.width)
        )
        ports.read_en.value, ports.read_addr.value = reads, read_address
        ports.write_en.value, ports.write_addr.value, ports.write_data.value = writes, address, data
        await RisingEdge(ports.clk)
        # These are the values before the edge.
        everything = sum(word << (block.width * index) for index, word in enumerate(words))
        assert int(ports.all.value) == everything, f"`all` is {int(ports.all.value):#x}, not {everything:#x}"
        assert read is None or int(ports.read_data.value) == read, f"a read gave not {read:#x}"
        collisions += reads & writes & (read_address == address)
        read = words[read_address] if reads else read
        words[address] = data if writes else words[address]
    ports.read_en.value = ports.write_en.value = 0
    return collisions
