"""Bench of the argmax: random scores, many of them equal and at the ends of their range, with and without gaps.

Job: `block`, the members of the `hdl.classifier.Argmax`; `seed`. Answer: `ties`, how many images had one.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.classifier import Argmax
from sim import clocking, job

IMAGES = 200
GAP_PROBABILITY = 0.3


def scores_for(block: Argmax, source: random.Random) -> list[int]:
    """One image's scores: of the whole range, or of a few neighbouring values, or of the ends only."""
    low, high = -(1 << block.width - 1), (1 << block.width - 1) - 1
    middle = source.randint(low, high)
    ranges = ((low, high), (max(low, middle - 1), min(high, middle + 1)), (middle, middle))
    first, last = source.choice(ranges)
    if source.random() < 0.2:
        return source.choices((low, high), k=block.classes)
    return [source.randint(first, last) for _ in range(block.classes)]


@cocotb.test(timeout_time=0.2, timeout_unit="ms")
async def argmax(dut: Any) -> None:
    task = job.load()
    block, source = Argmax(**task["block"]), random.Random(task["seed"])
    images = [scores_for(block, source) for _ in range(IMAGES)]
    expected = np.argmax(images, axis=1).tolist()
    dut.strobe.value = dut.score.value = dut.last.value = 0
    await clocking.start(dut)
    due: int | None = None
    for number, scores in enumerate([*images, [0]]):
        for position, score in enumerate(scores):
            # Whole images without a gap in odd ones.
            while number % 2 == 0 and source.random() < GAP_PROBABILITY:
                dut.strobe.value, dut.score.value, dut.last.value = 0, source.getrandbits(block.width), 1
                await RisingEdge(dut.clk)
                check(dut, due, expected)
                due = None
            last = position == len(scores) - 1
            dut.strobe.value, dut.score.value, dut.last.value = 1, score % (1 << block.width), int(last)
            await RisingEdge(dut.clk)
            check(dut, due, expected)
            due = number if last else None
    job.answer({"ties": sum(scores.count(max(scores)) > 1 for scores in images)})


def check(dut: Any, due: int | None, expected: list[int]) -> None:
    """In this cycle the result of image `due` is there, or none."""
    assert int(dut.found.value) == (due is not None), "`found` is not 1 cycle after `last`"
    if due is not None:
        index = int(dut.index.value)
        assert index == expected[due], f"image {due}: expected {expected[due]}, got {index}"
