"""Bench of the popcount: every word up to 10 bits, above them the words at which a count goes wrong and random ones.

Job: `block`, the members of the `hdl.neurons.popcount.Popcount`; `seed`. Answer: `words`, how many were compared.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from hdl.neurons.popcount import Popcount
from model import bits, golden
from sim import job

EXHAUSTIVE = 10
"""Widest popcount of which every word is tried."""
RANDOM_WORDS = 500


def words_for(width: int, seed: int) -> list[int]:
    """All words, or: none, all, one and all but one of the bits set, and random words of every density."""
    if width <= EXHAUSTIVE:
        return list(range(1 << width))
    full = (1 << width) - 1
    source = random.Random(seed)
    words = [0, full, *(1 << bit for bit in range(width)), *(full ^ 1 << bit for bit in range(width))]
    for _ in range(RANDOM_WORDS):
        density = source.random()
        words.append(sum((source.random() < density) << bit for bit in range(width)))
    return words


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def popcount(dut: Any) -> None:
    task = job.load()
    width = Popcount(**task["block"]).width
    words = words_for(width, task["seed"])
    ones = np.ones((1, width), dtype=np.int8)
    expected = golden.popcounts(ones, bits.from_ints(words, width))[:, 0].tolist()
    for word, right in zip(words, expected, strict=True):
        dut.bits.value = word
        await Timer(1, unit="ns")
        got = int(dut.count.value)
        assert got == right, f"popcount of {word:#x}, {width} bits: expected {right}, got {got}"
    job.answer({"words": len(words)})
