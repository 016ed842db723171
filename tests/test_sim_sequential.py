"""The dataflow sequential_to_parallel on its bench, on both simulators, and the bench on spoilt hardware."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdl.sequential_dense import SequentialDense
from model.images import words
from model.mapping import S2P, Geometry, offset_width, threshold_width
from model.network import DenseLayer, Network
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.topology import BitInput, Dense, Input, PlaneInput, Presentations, StochasticInput, Topology
from sim.blocks import build_block, run_block
from sim.paced import Paced
from sim.tools import Tool

SEED = 1
Require = Callable[[str], Tool]


def layer(
    fan_in: int,
    fan_out: int,
    rows: int,
    columns: int,
    lanes: int = 1,
    presentations: Presentations = Presentations(),
    ternary: bool = False,
    scores: bool = False,
) -> SequentialDense:
    rails = 2 if ternary else 1
    top = fan_in * rails * presentations.total
    width = max(columns * rails, offset_width(top) if scores else threshold_width(top))
    return SequentialDense(
        fan_in, fan_out, rows, columns, width, lanes, presentations, ternary, "offsets" if scores else "thresholds"
    )


def network_for(block: SequentialDense, seed: int) -> Network:
    """A random network whose first layer `block` is, with extreme numbers at both ends."""
    times, shape = block.presentations, Dense(block.fan_in, block.fan_out, block.ternary)
    given: Input = BitInput(block.fan_in)
    if times.halving:
        given = PlaneInput(block.fan_in, times.count, times.count)
    elif times.count > 1:
        given = StochasticInput(block.fan_in, 8, times.count, 1, 0, False)
    top = block.sink.tally(0).top
    if block.numbers == "offsets":
        network = random_network(Topology(given, (shape,)), seed)
        offsets = network.output.offsets.copy()
        offsets[0], offsets[-1] = top, -top
        return replace(network, output=replace(network.output, offsets=offsets))
    network = random_network(Topology(given, (shape, Dense(block.fan_out, 1))), seed)
    first = network.layers[0]
    assert isinstance(first, DenseLayer)
    thresholds = first.thresholds.copy()
    thresholds[0], thresholds[-1] = 0, top + 1
    return replace(network, hidden=(replace(first, thresholds=thresholds),))


def on_bench(tool: Tool, block: SequentialDense, folder: Path, program: bool = False, paced: bool = False) -> Any:
    """Emit and build `block` and run its bench on it; what the bench answers."""
    design = build_block(tool, Paced(block.sink) if paced else block, folder)
    network = network_for(block, SEED)
    network.save(folder / "network.safetensors")
    memories = {}
    plans = (LayerPlan(S2P, block.lanes), *[LayerPlan()] * (len(network.layers) - 1))
    for image in words(network, Plan(Geometry(block.rows, block.columns), plans)):
        if image.layer == 0:
            # Where the host is to write them, every bit is wrong before.
            wrong = (1 << image.width) - 1 if program else 0
            memories[image.name.removeprefix("layer0")] = ([word ^ wrong for word in image.words], image.width)
    job = {"network": str(folder / "network.safetensors"), "program": program, "paced": paced, "seed": SEED}
    return run_block(design, "sequential", folder / "run", block, memories, **job)


def cases(*listed: tuple[SequentialDense, tuple[str, ...]]) -> list[Any]:
    return [
        pytest.param(tool, block, id=f"{tool}-{block.name.removeprefix('hafnet_sequential_dense_')}")
        for block, tools in listed
        for tool in tools
    ]


BOTH = ("icarus", "verilator")
ICARUS = ("icarus",)
TWICE, PLANES = Presentations(2), Presentations(3, halving=True)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (layer(1, 1, 1, 1), ICARUS),
        (layer(20, 9, 4, 8, 3, PLANES, ternary=True), BOTH),
        (layer(5, 4, 1, 1, 2, scores=True), ICARUS),
        (layer(3, 17, 2, 5, 3, PLANES), ICARUS),
        (layer(8, 1, 3, 4, 8, Presentations(5), ternary=True, scores=True), ICARUS),
    ),
)
def test_images_that_are_loaded(
    simulator: str, block: SequentialDense, tmp_path: Path, require_simulator: Require
) -> None:
    on_bench(require_simulator(simulator), block, tmp_path)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (layer(16, 6, 8, 4, 1, TWICE), ICARUS),
        (layer(7, 3, 2, 4, 7, ternary=True, scores=True), ICARUS),
        (layer(33, 5, 4, 2, 5, PLANES, scores=True), ICARUS),
    ),
)
def test_memories_that_the_host_programs(
    simulator: str, block: SequentialDense, tmp_path: Path, require_simulator: Require
) -> None:
    on_bench(require_simulator(simulator), block, tmp_path, program=True)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases((layer(1, 3, 2, 2), ICARUS), (layer(31, 7, 4, 4, 4), ICARUS), (layer(40, 9, 8, 4, scores=True), BOTH)),
)
def test_a_source_that_cannot_be_held_up(
    simulator: str, block: SequentialDense, tmp_path: Path, require_simulator: Require
) -> None:
    """No word is lost, whatever happens to the phase lengths, the host's commands and the results' consumer."""
    answer = on_bench(require_simulator(simulator), block, tmp_path, paced=True)
    assert answer["changes"] > 50
