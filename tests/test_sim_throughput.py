"""The throughput that `hdl.accelerator.Accelerator` and its layers promise, cycle by cycle on Icarus."""

from pathlib import Path
from typing import Any

import numpy as np
import promises
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.generate import generate
from hdl.registers import Timing
from model import images
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim.verify import verify

SAMPLES = 24
SETTLED = 8
"""So many of the last results come at the pace of the slowest part: whatever is before it is full by then."""


def accelerator(text: str, *layers: tuple[Dataflow, int], **options: Any) -> Accelerator:
    plan = Plan(Geometry(8, 16), tuple(LayerPlan(*each) for each in layers))
    return Accelerator(Topology.parse(text), plan, **options)


P1, S1 = (P2S, 1), (S2P, 1)
ACCELERATORS = {
    "first layer": accelerator("24-40-5-4"),
    "output layer with scores": accelerator("24-5-4-40"),
    "input packet": accelerator("400-12-4", input_width=8),
    "one neuron a layer": accelerator("9-1-1-1"),
    "lanes": accelerator("24-40-21-10", (P2S, 3), (P2S, 2), (P2S, 5), scores=False),
    "sequential": accelerator("40-9-4", (S2P, 2), (S2P, 2), scores=False),
    "zig-zag": accelerator("24-30-9-4", (P2S, 2), (S2P, 2), P1, scores=False),
    "convolution": accelerator("5x6x2-9c3p1-m2-4", scores=False),
    "planes": accelerator("7b3-9-4", scores=False),
}
MORE_ACCELERATORS = {
    "middle layer": accelerator("24-5-40-4"),
    "output layer": accelerator("24-5-4-40", scores=False),
    "the best five": accelerator("24-5-4-40", scores=False, top=5),
    "result packet": accelerator("24-21-20"),
    "input packet as long as the reads": accelerator("400-50-4", input_width=8),
    "one neuron a layer, classes only": accelerator("9-1-1-1", scores=False),
    "one layer": accelerator("24-10", scores=False),
    "six neurons a hidden layer": accelerator("24-6-1", scores=False),
    "slow arrays": accelerator("24-9-4", timing=Timing(precharge=2, sense=3)),
    "average": accelerator("4x4x2-6c2-avg-5-3", scores=False),
    "few channels": accelerator("4x4x2-3c2-5", scores=False),
    "few channels of planes": accelerator("4x4x2b2-3c2-5", scores=False),
    "ternary": accelerator("24-9t-4t", (P2S, 1), (S2P, 3)),
    "sequential classes": accelerator("9-8", (S2P, 3), scores=False, top=2),
    "depthwise": accelerator("4x4x6-6c2g6-5", (P2S, 2), P1, scores=False),
    "random bits": accelerator("12r4x6d4-9-3", scores=False),
}
CASES = [
    *(pytest.param(each, id=name) for name, each in ACCELERATORS.items()),
    *(pytest.param(each, id=name, marks=pytest.mark.slow) for name, each in MORE_ACCELERATORS.items()),
]


@pytest.mark.parametrize("accelerator", CASES)
def test_an_image_takes_the_promised_cycles(
    accelerator: Accelerator, tmp_path: Path, require_simulator: Require
) -> None:
    generate(accelerator, tmp_path / "verilog")
    network = random_network(accelerator.topology, seed=1)
    images.export(network, accelerator.plan, tmp_path / "images")
    low, high = network.encoding.range
    values = np.random.default_rng(2).integers(low, high, (SAMPLES, network.encoding.values), endpoint=True)
    tool, folders = require_simulator("icarus"), (tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation")
    result = verify(tool, network, Samples(values), *folders)
    assert result.mismatches == 0

    ends = promises.result_cycles(tmp_path / "simulation")
    assert (ends[-1] - ends[-1 - SETTLED]) / SETTLED == promises.of_accelerator(accelerator)
    assert promises.pipeline(accelerator).cycles() == promises.of_accelerator(accelerator)
    assert ends == promises.pipeline(accelerator).ends(SAMPLES)
    # The pipeline starts empty, so that the first results are not slower than those that follow.
    assert result.cycles is not None
    assert result.cycles <= promises.of_accelerator(accelerator)


@pytest.mark.parametrize("accelerator", CASES)
def test_the_promise_is_the_largest_part_and_a_constant(accelerator: Accelerator) -> None:
    """At a position of a window two images of few reads take some cycles more than their reads."""
    shapes = accelerator.topology.layers
    positions = [shape.result.height * shape.result.width for shape in shapes]
    row = accelerator.timing.precharge + accelerator.timing.sense
    reads = [row * accelerator.reads(index) for index in range(len(shapes))]
    largest = max(*reads, *promises.of_packets(accelerator))
    assert largest <= promises.of_accelerator(accelerator) <= largest + 6 * max(positions)


@pytest.mark.parametrize("text", ["64-96-96-10", "784-1024-1024-10"])
def test_where_a_hidden_layer_is_the_largest_there_is_no_constant(text: str) -> None:
    chosen = Accelerator(Topology.parse(text))
    assert promises.of_accelerator(chosen) == max(chosen.reads(index) for index in range(len(chosen.layers)))


def test_the_edge_of_a_map_costs_a_convolution_next_to_nothing() -> None:
    chosen = Accelerator(Topology.parse("32x32x3-16c3p1-m2-32c3p1-m2-10"))
    reads = max(chosen.reads(index) for index in range(len(chosen.layers)))
    assert reads <= promises.of_accelerator(chosen) < 1.005 * reads
