"""The dataflow sequential_to_parallel on its bench, on both simulators, and the bench on spoilt hardware."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import BOTH, ICARUS, Require, cases

import hdl.arrays.shelf
import hdl.arrays.stack
from hdl.accelerator import Accelerator
from hdl.arrays.columns import Columns, ColumnsHardware
from hdl.arrays.host_access import HostAccessHardware
from hdl.arrays.shelf import Lines, ShelfHardware
from hdl.arrays.stack import StackHardware
from hdl.generate import generate
from hdl.layers.sequential_dense import SequentialDense
from hdl.layers.serializer import SerializerHardware
from hdl.neurons.tally import TallyHardware
from model import images
from model.images import words
from model.mapping import S2P, Geometry, offset_width, threshold_width
from model.network import DenseLayer, Network
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import BitInput, Dense, Input, PlaneInput, Presentations, StochasticInput, Topology
from sim.blocks import build_block, run_block
from sim.paced import Paced
from sim.tools import Tool
from sim.verify import verify

SEED = 1
ONCE, TWICE, PLANES = Presentations(), Presentations(2), Presentations(3, halving=True)


def layer(
    fan_in: int,
    fan_out: int,
    rows: int,
    columns: int,
    lanes: int = 1,
    presentations: Presentations = ONCE,
    ternary: bool = False,
    scores: bool = False,
) -> SequentialDense:
    rails = 2 if ternary else 1
    top = fan_in * rails * presentations.total
    width = max(columns * rails, offset_width(top) if scores else threshold_width(top))
    kind: Literal["thresholds", "offsets"] = "offsets" if scores else "thresholds"
    return SequentialDense(Columns(fan_in, fan_out, rows, columns, lanes, presentations, ternary, kind, width))


CROSSED = layer(19, 3, 1, 2, 3, ternary=True)  # shelves of ten arrays with a lane and a part of another one


def network_for(block: SequentialDense, seed: int) -> Network:
    """A random network whose first layer `block` is, with extreme numbers at both ends, and no weight 0 in neuron 0."""
    sink = block.sink
    times, shape = sink.presentations, Dense(sink.fan_in, sink.fan_out, sink.ternary)
    given: Input = BitInput(sink.fan_in)
    if times.halving:
        given = PlaneInput(sink.fan_in, times.count, times.count)
    elif times.count > 1:
        given = StochasticInput(sink.fan_in, 8, times.count, 1, 0, 0)
    top = sink.stack(0).tally.top
    if sink.numbers == "offsets":
        network = random_network(Topology(given, (shape,)), seed)
        weights = network.output.weights.copy()
        weights[0] |= 1
        offsets = network.output.offsets.copy()
        offsets[0], offsets[-1] = top, -top
        return replace(network, output=replace(network.output, weights=weights, offsets=offsets))
    network = random_network(Topology(given, (shape, Dense(sink.fan_out, 1))), seed)
    first = network.layers[0]
    assert isinstance(first, DenseLayer)
    weights = first.weights.copy()
    weights[0] |= 1
    thresholds = first.thresholds.copy()
    thresholds[0], thresholds[-1] = 0, top + 1
    return replace(network, hidden=(replace(first, weights=weights, thresholds=thresholds),))


def on_bench(tool: Tool, block: SequentialDense, folder: Path, program: bool = False, paced: bool = False) -> Any:
    """Emit and build `block` and run its bench on it; what the bench answers."""
    design = build_block(tool, Paced(block.sink) if paced else block, folder)
    network = network_for(block, SEED)
    network.save(folder / "network.safetensors")
    memories = {}
    plans = (LayerPlan(S2P, block.sink.lanes), *[LayerPlan()] * (len(network.layers) - 1))
    for image in words(network, Plan(Geometry(block.sink.rows, block.sink.columns), plans)):
        if image.layer == 0:
            # Where the host is to write them, every bit is wrong before.
            wrong = (1 << image.width) - 1 if program else 0
            memories[image.name.removeprefix("layer0")] = ([word ^ wrong for word in image.words], image.width)
    job = {"network": str(folder / "network.safetensors"), "program": program, "paced": paced, "seed": SEED}
    return run_block(design, "sequential", folder / "run", block, memories, **job)


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
        (layer(9, 6, 4, 4, 1, TWICE), ICARUS),
        (layer(7, 3, 2, 4, 7, ternary=True, scores=True), ICARUS),
        (layer(33, 5, 4, 2, 5, PLANES, scores=True), ICARUS),
        (layer(12, 5, 1, 6, 12), BOTH),  # a lane an array
        (CROSSED, ICARUS),
    ),
)
def test_memories_that_the_host_programs(
    simulator: str, block: SequentialDense, tmp_path: Path, require_simulator: Require
) -> None:
    on_bench(require_simulator(simulator), block, tmp_path, program=True)


@pytest.mark.parametrize(
    ("text", "lanes"),
    [
        pytest.param("213-3-2", 1, id="one lane", marks=pytest.mark.slow),
        pytest.param("203-3t-2", 7, id="lanes of 29"),
        pytest.param("211-2-2", 211, id="a lane an array"),
    ],
)
def test_arrays_on_shelves_of_a_hundred_agree_with_golden(
    text: str, lanes: int, tmp_path: Path, require_simulator: Require
) -> None:
    network = random_network(text, seed=5)
    plan = Plan(Geometry(1, 4), (LayerPlan(S2P, lanes), LayerPlan()))
    manifest = generate(Accelerator(network.topology, plan), tmp_path / "verilog")
    assert sum(each.file.startswith("hafnet_shelf_") for each in manifest.files) >= 2
    images.export(network, plan, tmp_path / "images")
    values = np.random.default_rng(6).integers(0, 2, (8, network.encoding.values))
    folders = (tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation")
    result = verify(require_simulator("icarus"), network, Samples(values), *folders, scrub=True)
    assert result.mismatches == 0, str(result.first[0])


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases((layer(1, 3, 2, 2), ICARUS), (layer(31, 7, 4, 4, 4), BOTH), (layer(19, 5, 8, 4, scores=True), ICARUS)),
)
def test_a_source_that_cannot_be_held_up(
    simulator: str, block: SequentialDense, tmp_path: Path, require_simulator: Require
) -> None:
    """No word is lost, whatever happens to the phase lengths, the host's commands and the results' consumer."""
    answer = on_bench(require_simulator(simulator), block, tmp_path, paced=True)
    assert answer["changes"] > 50


SMALL = layer(7, 5, 2, 4, 2, PLANES, ternary=True)
COUNTS = layer(13, 5, 2, 4, 5, TWICE, scores=True)
WALK = layer(8, 9, 2, 4)

BENCH = "sequential"
SHELVES = hdl.arrays.shelf

# One defect of each block in every run.
MUTANTS = (
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "(1 << left) - 1", "-1"),
    Mutant(BENCH, SMALL, TallyHardware, ELABORATE, "self.twice", "0"),
    Mutant(BENCH, WALK, ColumnsHardware, "_admit", "images != 2", "images != 3"),
    Mutant(BENCH, SMALL, SerializerHardware, ELABORATE, "(self.go | ~first)", "self.go"),
    Mutant(BENCH, layer(17, 3, 8, 4), ColumnsHardware, "_admit", "with m.If(quiet)", "with m.If(1)", paced=True),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant(BENCH, SMALL, SHELVES, "_array", "Mux(sensed, array.q, 0)", "array.q"),
    Mutant(BENCH, SMALL, SHELVES, "_array", "high & ~array.qb", "high"),
    Mutant(BENCH, SMALL, SHELVES, "_array", "ports.group == lines.place(lane, before)", "1"),
    Mutant(BENCH, SMALL, SHELVES, "_array", "ports.masked & (ports.group == number)", "ports.masked"),
    Mutant(BENCH, SMALL, hdl.arrays.stack, "hold", "Mux(lines.x[lane]", "Mux(lines.x[0]"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "Mux(self.ending, (1 << left) - 1, -1)", "-1"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "self.hv & self.selected", "self.hv", program=True),
    Mutant(BENCH, CROSSED, ShelfHardware, ELABORATE, "self.block, self.hv", "0, self.hv"),
    Mutant(BENCH, CROSSED, SHELVES, "_shelf", "lines.x[lane:last]", "lines.x[0 : last - lane]"),
    Mutant(BENCH, CROSSED, SHELVES, "_shelf", "lines.read[lane:last]", "lines.read[0 : last - lane]"),
    Mutant(BENCH, CROSSED, SHELVES, "_shelf", "lines.number(part.first)", "0"),
    Mutant(BENCH, CROSSED, Lines, "place", "before if lane else _plus(self.block, before)", "before"),
    Mutant(BENCH, CROSSED, hdl.arrays.stack, "hold", "counts[bit].append(word)", "counts[bit].append(word & ~word)"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "~word)", "word)"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "Mux(self.selected, word, 0)", "word"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "counted.strobe", "sensed.strobe"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "counted.first", "sensed.first"),
    Mutant(BENCH, SMALL, StackHardware, ELABORATE, "counted.twice", "sensed.twice"),
    Mutant(BENCH, COUNTS, SHELVES, "column_counts", "(c & (a | b))", "(c & a)"),
    Mutant(BENCH, COUNTS, SHELVES, "column_counts", "a ^ b ^ c", "a ^ b"),
    Mutant(BENCH, COUNTS, TallyHardware, ELABORATE, ".as_signed()", ""),
    Mutant(BENCH, COUNTS, TallyHardware, ELABORATE, "Mux(self.first, 0,", "Mux(0, 0,"),
    Mutant(BENCH, WALK, TallyHardware, ELABORATE, "total >= number", "total > number"),
    Mutant(
        "sequential", WALK, TallyHardware, ELABORATE, "self.block.top.bit_length()", "(self.block.top - 1).bit_length()"
    ),
    Mutant(BENCH, COUNTS, ColumnsHardware, "_walk", "begins & (presentation == 0)", "begins"),
    Mutant(BENCH, COUNTS, ColumnsHardware, "_walk", "ends & (presentation == count - 1)", "ends"),
    Mutant(BENCH, COUNTS, ColumnsHardware, "_walk", "if self.block.presentations.halving else 0", ""),
    Mutant(BENCH, WALK, ColumnsHardware, "_walk", "(block == 0) & (row == 0)", "(row == 0)"),
    Mutant(BENCH, WALK, ColumnsHardware, "_offer", "full & (~self.o.valid | self.o.ready)", "full"),
    Mutant(BENCH, WALK, ColumnsHardware, "_admit", "images == self.o.valid + full", "1", paced=True),
    Mutant(BENCH, WALK, ColumnsHardware, "_admit", "self.o.valid + full", "self.o.valid"),
    Mutant(BENCH, WALK, HostAccessHardware, ELABORATE, "settled.eq(~self.host.valid", "settled.eq(1", paced=True),
    Mutant(BENCH, WALK, HostAccessHardware, ELABORATE, "~self.host.valid & ~busy &", "~self.host.valid &", paced=True),
    Mutant(BENCH, WALK, ColumnsHardware, "_admit", "(images != 2) & ~changed", "(images != 2)", paced=True),
    Mutant(BENCH, WALK, ColumnsHardware, "_admit", "images != 2", "images == 0"),
    Mutant(BENCH, WALK, HostAccessHardware, ELABORATE, "(on_arrays | self.numbers_free)", "1"),
    Mutant(BENCH, SMALL, SerializerHardware, ELABORATE, "& (word == words - 1)", ""),
    Mutant(BENCH, SMALL, SerializerHardware, ELABORATE, "word.eq(0)", "word.eq(word)"),
    Mutant(BENCH, SMALL, SerializerHardware, ELABORATE, "& self.i.ready & first", "& self.i.ready"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.block, tmp_path, **mutant.options)
