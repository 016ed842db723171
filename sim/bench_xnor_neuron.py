"""Bench of the XNOR neuron: inputs, weights and a threshold, a new set each cycle.

Job: `block`, the members of the `hdl.neurons.xnor_neuron.XnorNeuron`; `seed`. Answer: `samples`, how many were
compared.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from hdl.neurons.xnor_neuron import XnorNeuron
from model import bits, golden
from model.mapping import threshold_width
from sim import clocking, job

SAMPLES = 150


def samples_for(fan_in: int, source: random.Random) -> list[tuple[int, int, int]]:
    """(x, w, threshold): counts at both ends, next to every power of 2 and at random; thresholds next to the count."""
    full, highest = (1 << fan_in) - 1, (1 << threshold_width(fan_in)) - 1
    counts = {0, 1, fan_in - 1, fan_in, *(2**k + more for k in range(fan_in.bit_length()) for more in (-1, 0, 1))}
    wanted = sorted(count for count in counts if 0 <= count <= fan_in)
    wanted += [source.randint(0, fan_in) for _ in range(SAMPLES - len(wanted))]
    samples = []
    for count in wanted:
        matches = sum(1 << place for place in source.sample(range(fan_in), count))
        x = source.getrandbits(fan_in)
        thresholds = {count, count + 1, max(0, count - 1), source.randint(0, fan_in + 1), source.choice([0, highest])}
        samples += [(x, x ^ matches ^ full, threshold) for threshold in thresholds]
    source.shuffle(samples)
    return samples


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def xnor_neuron(dut: Any) -> None:
    task = job.load()
    block = XnorNeuron(**task["block"])
    samples = samples_for(block.fan_in, random.Random(task["seed"]))
    x, w = (bits.from_ints([sample[place] for sample in samples], block.fan_in) for place in (0, 1))
    counts = (x == w).sum(axis=1, dtype=np.int32)
    thresholds = np.array([threshold for _, _, threshold in samples], dtype=np.int32)
    expected = golden.fire(counts, thresholds).tolist()
    if block.levels:
        await clocking.start(dut)
    for cycle in range(len(samples) + block.latency):
        dut.x.value, dut.w.value, dut.threshold.value = samples[min(cycle, len(samples) - 1)]
        await (RisingEdge(dut.clk) if block.levels else Timer(1, unit="ns"))
        if cycle >= block.latency:
            sample, got = cycle - block.latency, int(dut.fire.value)
            assert got == expected[sample], (
                f"{counts[sample]} matches of {block.fan_in}, threshold {thresholds[sample]}: "
                f"expected {expected[sample]}, got {got}"
            )
    job.answer({"samples": len(samples)})
