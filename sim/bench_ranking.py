"""Bench of the ranking: random scores, many of them equal and at the ends of their range, with and without gaps.

Job: `block`, the members of the `hdl.layers.ranking.Ranking`; `seed`. Answer: `ties`, how many images had one that
decided.
"""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.block import index_width
from hdl.layers.ranking import Ranking
from model import golden
from sim import clocking, job

IMAGES = 200
GAP_PROBABILITY = 0.3


def scores_for(block: Ranking, source: random.Random) -> list[int]:
    """One image's scores: of the whole range, or of a few neighbouring values, or of the ends only."""
    low, high = -(1 << block.width - 1), (1 << block.width - 1) - 1
    middle = source.randint(low, high)
    ranges = ((low, high), (max(low, middle - 1), min(high, middle + 1)), (middle, middle))
    first, last = source.choice(ranges)
    if source.random() < 0.2:
        return source.choices((low, high), k=block.classes)
    return [source.randint(first, last) for _ in range(block.classes)]


def steps(block: Ranking, images: list[list[int]], source: random.Random) -> Iterator[tuple[int, int, int, int | None]]:
    """`strobe`, `scores` and `last` of each cycle, and which image ends in it; lanes without a class hold rubbish, and
    so does everything while `strobe` is low.
    """
    lanes, width = block.lanes, block.width
    for number, scores in enumerate(images):
        for first in range(0, block.classes, lanes):
            # Whole images without a gap in odd ones.
            while number % 2 == 0 and source.random() < GAP_PROBABILITY:
                yield 0, source.getrandbits(lanes * width), 1, None
            word = source.getrandbits(lanes * width)
            for lane, score in enumerate(scores[first : first + lanes]):
                word &= ~(((1 << width) - 1) << lane * width)
                word |= score % (1 << width) << lane * width
            last = first + lanes >= block.classes
            yield 1, word, int(last), number if last else None
    for _ in range(block.latency + 1):
        yield 0, 0, 0, None


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def ranking(dut: Any) -> None:
    task = job.load()
    block, source = Ranking(**task["block"]), random.Random(task["seed"])
    images = [scores_for(block, source) for _ in range(IMAGES)]
    expected = golden.rank(np.array(images, dtype=np.int32), block.top).tolist()
    dut.strobe.value = dut.scores.value = dut.last.value = 0
    await clocking.start(dut)
    width = index_width(block.classes)
    ended: list[int | None] = [None] * block.latency
    for strobe, word, last, number in steps(block, images, source):
        dut.strobe.value, dut.scores.value, dut.last.value = strobe, word, last
        await RisingEdge(dut.clk)
        due = ended.pop(0)
        ended.append(number)
        assert int(dut.found.value) == (due is not None), f"`found` is not {block.latency} cycles after `last`"
        if due is not None:
            indices = int(dut.indices.value)
            got = [indices >> width * place & ((1 << width) - 1) for place in range(block.top)]
            assert got == expected[due], f"image {due}: expected {expected[due]}, got {got}"
    # A tie decides where a score that is among the best is there a second time.
    job.answer({"ties": sum(scores.count(scores[best[-1]]) > 1 for scores, best in zip(images, expected, strict=True))})
