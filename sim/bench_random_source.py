"""Bench of the random sources: every word as golden draws it, with back-pressure, at full rate, and after a reset.

Job: `kind`, the class of `hdl.inputs.random_source`; `block`, its members; `seed`, of the bench. Answer: `words`, how
many were compared.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.inputs import random_source
from hdl.inputs.random_source import RandomWords, Xoshiro128
from model import bits, random_bits
from sim import clocking, job
from sim.streams import never, receive, stalls

WORDS = 300
STALL_PROBABILITY = 0.4


def expected(block: Xoshiro128 | RandomWords, count: int) -> list[int]:
    """The first words of a source."""
    if isinstance(block, Xoshiro128):
        found: list[int] = random_bits.draws(block.seed, block.stream, 0, count).tolist()
        return found
    single = random_bits.numbers(block.seed, 1, block.width, 0, count)
    return bits.to_ints(single)


@cocotb.test(timeout_time=0.1, timeout_unit="ms")
async def source(dut: Any) -> None:
    task = job.load()
    block = getattr(random_source, task["kind"])(**task["block"])
    words = [(word,) for word in expected(block, 2 * WORDS)]
    assert len(set(words)) > min(WORDS, 1 << 6) or block.width < 8, "a source that repeats itself tests nothing"
    dut.o__ready.value = 0
    await clocking.start(dut)
    assert int(dut.o__valid.value), "no word is offered after reset"
    offered = int(dut.o__payload.value)
    await ClockCycles(dut.clk, 5)
    assert int(dut.o__payload.value) == offered == words[0][0], "a word that nobody took is gone"

    stall = stalls(task["seed"], STALL_PROBABILITY)
    found = await receive(dut.clk, dut.o__valid, dut.o__ready, [dut.o__payload], WORDS, stall)
    assert found == words[:WORDS], _difference(words, found)
    start = clocking.cycle()
    found = await receive(dut.clk, dut.o__valid, dut.o__ready, [dut.o__payload], WORDS, never)
    assert found == words[WORDS:], _difference(words[WORDS:], found)
    assert clocking.cycle() - start == WORDS, f"{WORDS} words took {clocking.cycle() - start} cycles"

    dut.rst.value, dut.o__ready.value = 1, 1  # a word that is taken while the reset is on counts for nothing
    await ClockCycles(dut.clk, 3)
    dut.rst.value, dut.o__ready.value = 0, 0
    await RisingEdge(dut.clk)
    found = await receive(dut.clk, dut.o__valid, dut.o__ready, [dut.o__payload], WORDS, never)
    assert found == words[:WORDS], f"after a reset: {_difference(words, found)}"
    job.answer({"words": int(np.size(words)) + WORDS})


def _difference(right: list[tuple[int]], got: list[tuple[int, ...]]) -> str:
    number = next(index for index, word in enumerate(got) if word != right[index])
    return f"word {number}: expected {right[number][0]:#x}, got {got[number][0]:#x}"
