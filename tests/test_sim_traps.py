"""Traps that others fell into, each with whole accelerators on Icarus, and with a defect that springs it."""

import itertools
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from defects import ELABORATE, Defect
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.arrays.grid import GridHardware
from hdl.arrays.group import Group
from hdl.arrays.stack import StackHardware
from hdl.generate import generate
from hdl.layers.ranking import RankingHardware
from hdl.neurons.popcount import Popcount
from hdl.neurons.tally import TallyHardware
from hdl.streams.packets import RESULT_WIDTH
from model import images
from model.encoding import Thermometer
from model.formats import FORMATS
from model.golden import infer
from model.mapping import P2S, S2P, Cell, Dataflow, Geometry
from model.network import ConvolutionLayer, DenseLayer, Network, OutputLayer
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from sim import records
from sim.passes import inputs
from sim.runner import SimulationError
from sim.tools import Tool
from sim.verify import Verification, build_accelerator, code_bits, verify


def plan_for(size: tuple[int, int], *layers: tuple[Dataflow, int]) -> Plan:
    return Plan(Geometry(*size), tuple(LayerPlan(*each) for each in layers))


def run(
    tool: Tool,
    network: Network,
    plan: Plan,
    samples: Any,
    folder: Path,
    tamper: Callable[[Path], None] = lambda images: None,
    **options: Any,
) -> Verification:
    """Generate, export, `tamper` with the images, and verify."""
    generate(Accelerator(network.topology, plan, **options), folder / "verilog")
    images.export(network, plan, folder / "images")
    tamper(folder / "images")
    return verify(tool, network, Samples(samples), folder / "verilog", folder / "images", folder / "simulation")


def random_values(network: Network, count: int) -> Any:
    low, high = network.encoding.range
    return np.random.default_rng(3).integers(low, high, (count, network.encoding.values), endpoint=True)


# Results shifted by one image that shows only when inputs come with gaps.

STREAMS = {
    "dense": ("24-12-9-5", plan_for((8, 16), (P2S, 1), (P2S, 2), (P2S, 5))),
    "sequential": ("16-8-3", plan_for((8, 16), (S2P, 4), (S2P, 2))),
    "zig-zag": ("20-8-6-3", plan_for((8, 16), (P2S, 1), (S2P, 1), (P2S, 1))),
    "convolution by planes": ("4x4x2b2-3c3p1-m2-5-3", Plan(Geometry(8, 16))),
    "average": ("3x4x3-4c2-avg-3", Plan(Geometry(8, 16))),
}
SAMPLES = 12


def run_gaps(tool: Tool, text: str, plan: Plan, folder: Path) -> None:
    """An accelerator on `sim.bench_gaps`, with images whose results all differ from those of their neighbours."""
    network = random_network(text, seed=2)
    trace = infer(network, random_values(network, 400))
    rows = [0]
    for row in range(len(trace.scores)):
        if (trace.scores[row] != trace.scores[rows[-1]]).any() and len(rows) < SAMPLES:
            rows.append(row)
    assert len(rows) == SAMPLES
    manifest = generate(Accelerator(network.topology, plan, top=0), folder / "verilog")
    images.export(network, plan, folder / "run" / manifest.image_default)
    design = build_accelerator(tool, folder / "verilog", manifest, folder / "build")
    codes = code_bits(trace.inputs[rows], network.topology.input.depth)
    beats = records.packet_beats(codes, manifest.input_width)
    results = (trace.scores[rows].astype(np.int64) % (1 << RESULT_WIDTH)).tolist()
    design.run("sim.bench_gaps", folder / "run", {"beats": beats, "results": results})


@pytest.mark.parametrize("name", STREAMS)
def test_results_are_not_shifted_by_an_image_when_inputs_come_with_gaps(
    name: str, tmp_path: Path, require_simulator: Require
) -> None:
    run_gaps(require_simulator("icarus"), *STREAMS[name], tmp_path)


def test_a_shift_that_shows_only_with_gaps_is_found(
    tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a layer begins another image when the one before is done, whether there is one or not."""
    begins, always = "self.i.valid & begun", "(self.i.valid | self.strobe) & begun"
    Defect(GridHardware, "_walk", begins, always).apply(monkeypatch)
    with pytest.raises(SimulationError) as caught:
        run_gaps(require_simulator("icarus"), "24-9", Plan(Geometry(8, 16)), tmp_path)
    assert re.search(r"bench_gaps\.without_gaps +PASS", str(caught.value))
    assert re.search(r"bench_gaps\.with_gaps +FAIL", str(caught.value))


# A popcount one bit short at a fan-in of 2^k.

POWERS = (64, 32, 16, 8, 4, 2, 1, 1)
"""Every fan-in of 2^k up to 64, one layer behind the other."""


def all_ones_network(ternary: bool) -> Network:
    """Weights +1 everywhere: a neuron fires if all its inputs are 1, and so do then all neurons behind it."""
    hidden = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(POWERS[:-1])):
        thresholds = np.full(fan_out, fan_in * (2 if ternary else 1), dtype=np.int32)
        hidden.append(DenseLayer(f"hidden{index}", np.ones((fan_out, fan_in), np.int8), thresholds, ternary))
    output = OutputLayer("output", np.ones((1, 1), np.int8), np.array([1], dtype=np.int32), ternary)
    return Network(Thermometer(POWERS[0], (1,)), tuple(hidden), output)


def plan_of_powers(dataflows: tuple[Dataflow, ...], size: tuple[int, int], lanes: int) -> Plan:
    """Each layer with as many of the lanes as it can have."""
    count = len(POWERS) - 1
    chosen = [dataflows[index % len(dataflows)] for index in range(count)]
    most = [POWERS[index + (chosen[index] == P2S)] for index in range(count)]
    return Plan(
        Geometry(*size), tuple(LayerPlan(each, min(lanes, top)) for each, top in zip(chosen, most, strict=True))
    )


POWER_PLANS = {
    "P2S": plan_of_powers((P2S,), (8, 64), 4),
    "P2S, two tiles": plan_of_powers((P2S,), (8, 32), 1),
    "S2P": plan_of_powers((S2P,), (8, 16), 4),
    "zig-zag": plan_of_powers((P2S, S2P), (4, 4), 1),
}


def run_powers(tool: Tool, name: str, ternary: bool, folder: Path) -> Verification:
    """Images of ones only, of zeros only, and with one bit of the other kind."""
    network, ones = all_ones_network(ternary), np.ones(POWERS[0], dtype=np.int64)
    almost = ones.copy()
    almost[5] = 0
    samples = [ones, 1 - ones, almost, ones, 1 - almost]
    fired = infer(network, samples).bits
    assert all(fired[layer.name].all(axis=1).tolist() == [True, False, False, True, False] for layer in network.hidden)
    return run(tool, network, POWER_PLANS[name], samples, folder)


@pytest.mark.parametrize("ternary", [False, True], ids=["binary", "ternary"])
@pytest.mark.parametrize("name", POWER_PLANS)
def test_a_popcount_is_wide_enough_for_a_fan_in_of_two_to_the_k(
    name: str, ternary: bool, tmp_path: Path, require_simulator: Require
) -> None:
    result = run_powers(require_simulator("icarus"), name, ternary, tmp_path)
    assert result.mismatches == 0, str(result.first[0])


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        (
            "P2S",
            Defect(Popcount, "signature", "self.width.bit_length()", "(self.width - 1).bit_length() or 1"),
        ),
        ("P2S, two tiles", Defect(Group, "signature", "self.top.bit", "(self.top - 1 or 1).bit")),
        ("S2P", Defect(TallyHardware, ELABORATE, "self.block.top.bit", "(self.block.top - 1 or 1).bit")),
    ],
)
@pytest.mark.parametrize("ternary", [False, True], ids=["binary", "ternary"])
def test_a_popcount_one_bit_short_is_found(
    name: str,
    defect: Defect,
    ternary: bool,
    tmp_path: Path,
    require_simulator: Require,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defect.apply(monkeypatch)
    assert run_powers(require_simulator("icarus"), name, ternary, tmp_path).mismatches > 0


# Padding counted as matches.


def fill_padding(network: Network, plan: Plan, folder: Path) -> None:
    """Make every cell that holds no weight a random bit, and every number that is nobody's an extreme."""
    random = Random(1)
    source = json.loads((folder / images.MANIFEST).read_text())
    for entry in source["images"]:
        grid = plan.maps(network.topology)[entry["layer"]]
        path = folder / entry["file"]
        words = [int(line, 16) for line in path.read_text().split()]
        if grid is None:
            continue  # the modes of a pooling layer
        if entry["kind"] == "array":
            for row in range(len(words)):
                for column in range(plan.geometry.columns):
                    if grid.synapse(Cell(entry["group"], entry["tile"], row, column)) is None:
                        words[row] |= random.getrandbits(1) << column
        elif (len(words) - 1) * grid.number_lanes + entry["group"] >= grid.fan_out:
            # A threshold that always fires is 0 already; an offset is made the largest.
            words[-1] = (1 << entry["width"] - 1) - 1 if entry["kind"] == "offsets" else 0
        path.write_text("".join(f"{word:0{-(-entry['width'] // 4)}x}\n" for word in words))
        entry["crc32"] = f"{zlib.crc32(path.read_bytes()):08x}"
    (folder / images.MANIFEST).write_text(json.dumps(source))


PADDED = {
    "columns and lanes": ("21-9-7", plan_for((4, 8), (P2S, 4), (P2S, 5))),
    "rows": ("21-9-7", plan_for((4, 8), (S2P, 4), (S2P, 2))),
    "ternary": ("21-9t-7t", plan_for((4, 8), (P2S, 2), (S2P, 2))),
    "windows": ("4x4x3-5c3p1f1-m2-7", plan_for((4, 8), (P2S, 2), (P2S, 1), (P2S, 4))),
}


@pytest.mark.usefixtures("images_unseen")
@pytest.mark.parametrize("name", PADDED)
def test_padding_of_arrays_and_lanes_is_not_counted(name: str, tmp_path: Path, require_simulator: Require) -> None:
    text, plan = PADDED[name]
    network = random_network(text, seed=4)
    before = list(images.words(network, plan))

    def tamper(folder: Path) -> None:
        fill_padding(network, plan, folder)
        after = [(folder / f"{image.name}.hex").read_text() for image in before]
        assert after != [FORMATS["hex"].write(image.words, image.width).decode() for image in before]

    tool = require_simulator("icarus")
    result = run(tool, network, plan, random_values(network, 20), tmp_path, tamper, top=3)
    assert result.mismatches == 0, str(result.first[0])


@pytest.mark.usefixtures("images_unseen")
@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("columns and lanes", Defect(Group, "tile", "self.map.used_columns(index)", "self.columns")),
        ("columns and lanes", Defect(RankingHardware, "_lanes", "lane >= used", "False")),
        ("rows", Defect(StackHardware, "elaborate", "Mux(self.ending, (1 << left) - 1, -1)", "-1")),
    ],
)
def test_padding_that_is_counted_is_found(
    name: str, defect: Defect, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect.apply(monkeypatch)
    with pytest.raises(AssertionError, match="sample"):
        test_padding_of_arrays_and_lanes_is_not_counted(name, tmp_path, require_simulator)


@pytest.mark.parametrize(("fill", "counts"), [(0, (4, 6, 9)), (1, (9, 9, 9))])
def test_padding_of_a_map_counts_as_the_bit_that_it_is(
    fill: int, counts: tuple[int, int, int], tmp_path: Path, require_simulator: Require
) -> None:
    """A map of ones under weights +1: a corner sees 4 pixels, an edge 6, and padding a 1 only where `fill` says so."""
    drawn = random_network(f"3x3x1-5c3p1f{fill}-4", seed=1)
    layer = drawn.hidden[0]
    assert isinstance(layer, ConvolutionLayer)
    thresholds = np.array([4, 5, 6, 7, 9], dtype=np.int32)
    layer = replace(layer, weights=np.ones_like(layer.weights), thresholds=thresholds)
    network, ones = replace(drawn, hidden=(layer,)), np.ones((1, 9), dtype=np.int64)
    corner, edge, centre = counts
    seen = np.array([[corner, edge, corner], [edge, centre, edge], [corner, edge, corner]])
    right = seen[:, :, np.newaxis] >= thresholds
    assert (infer(network, ones).bits[layer.name][0] == right).all()
    result = run(require_simulator("icarus"), network, Plan(Geometry(4, 8)), ones, tmp_path)
    assert result.mismatches == 0, str(result.first[0])
    assert result.values == inputs(1) * (9 * 5 + 4 + 1)
