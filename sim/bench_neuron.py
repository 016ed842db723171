"""Bench of the threshold neuron: popcounts against thresholds, one pair a cycle, with gaps.

Job: `block`, the members of the `hdl.neurons.neuron.Neuron`; `seed`. Answer: `pairs`, how many were compared.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.neurons.neuron import Neuron
from model import golden
from sim import clocking, job

EXHAUSTIVE = 40
"""Largest fan-in of which every popcount meets every threshold."""
RANDOM_PAIRS = 1000
GAP_PROBABILITY = 0.2


def pairs_for(top: int, source: random.Random) -> list[tuple[int, int]]:
    """(popcount, threshold) in random order: all, or the neighbours of equality, the extremes, and random ones."""
    if top <= EXHAUSTIVE:
        pairs = [(count, threshold) for count in range(top + 1) for threshold in range(top + 2)]
    else:
        pairs = [(count, threshold) for count in (0, 1, top - 1, top) for threshold in (0, 1, top, top + 1)]
        pairs += [(count, count + more) for count in range(1, top) for more in (-1, 0, 1)]
        pairs += [(source.randint(0, top), source.randint(0, top + 1)) for _ in range(RANDOM_PAIRS)]
    source.shuffle(pairs)
    return pairs


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def neuron(dut: Any) -> None:
    task = job.load()
    top = Neuron(**task["block"]).top
    source = random.Random(task["seed"])
    pairs = pairs_for(top, source)
    counts, thresholds = np.array(pairs, dtype=np.int32).T
    expected = golden.fire(counts[np.newaxis], thresholds)[0].tolist()
    dut.strobe.value = dut.popcount.value = dut.threshold.value = 0
    await clocking.start(dut)
    position, before = 0, None
    while position < len(pairs) or before is not None:
        strobe = position < len(pairs) and source.random() >= GAP_PROBABILITY
        count, threshold = pairs[position] if strobe else (source.randint(0, top), source.randint(0, top + 1))
        dut.strobe.value, dut.popcount.value, dut.threshold.value = int(strobe), count, threshold
        await RisingEdge(dut.clk)
        assert int(dut.fired.value) == (before is not None), "`fired` is not `strobe` of 1 cycle before"
        if before is not None:
            got = int(dut.fire.value)
            assert got == expected[before], (
                f"largest count {top}, (popcount, threshold) {pairs[before]}: expected {expected[before]}, got {got}"
            )
        before = position if strobe else None
        position += strobe
    job.answer({"pairs": len(pairs)})
