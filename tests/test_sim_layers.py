"""Layers of neurons and of pooling on their benches, as the accelerator has them; and defects that must be caught.

A layer alone on its grid of arrays (`sim.bench_dense`, `sim.bench_classifier`) must keep its pace to the cycle; any one
(`sim.bench_layer`) its results.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import promises
import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import BOTH, ICARUS, Require

from hdl.accelerator import Accelerator
from hdl.arrays.grid import GridHardware
from hdl.arrays.group import GroupHardware
from hdl.arrays.host_access import HostAccessHardware
from hdl.arrays.number_loader import NumberLoaderHardware
from hdl.layers.classifier import ClassifierHardware
from hdl.layers.collector import CollectorHardware
from hdl.layers.layer import Layer, LayerHardware
from hdl.layers.pooling import PoolLayerHardware
from hdl.layers.sequential_classifier import RankerHardware
from model import images
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.network import ConvolutionLayer, DenseLayer, Network
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from sim.blocks import build_block, run_block
from sim.tools import Tool

SEED = 1


@dataclass(frozen=True)
class Case:
    """A layer of a network: that of this index in a topology, on arrays of rows x columns.

    `program`: the host writes every memory first. `in_arrays`: numbers live in the arrays.
    """

    text: str
    index: int = 0
    size: tuple[int, int] = (4, 16)
    lanes: int = 1
    program: bool = False
    dataflow: Dataflow = P2S
    scores: bool = True
    top: int = 1
    in_arrays: bool = False

    def __str__(self) -> str:
        words = [self.text, str(self.index), "x".join(map(str, self.size)), f"{self.lanes} lanes"]
        words += ["S2P"] * (self.dataflow == S2P) + ["programmed"] * self.program + ["in arrays"] * self.in_arrays
        return ", ".join([*words, *["no scores"] * (not self.scores), *[f"top {self.top}"] * (self.top != 1)])

    @property
    def network(self) -> Network:
        """A random one, whose layer has the extremes of thresholds or offsets at both ends."""
        network = random_network(self.text, SEED)
        layer, top = network.layers[self.index], 0
        if isinstance(layer, DenseLayer | ConvolutionLayer):
            top, thresholds = network.topology.top(self.index), layer.thresholds.copy()
            thresholds[0], thresholds[-1] = 0, top + 1
            hidden = list(network.hidden)
            hidden[self.index] = replace(layer, thresholds=thresholds)
            return replace(network, hidden=tuple(hidden))
        if self.index == len(network.hidden):
            top, offsets = network.topology.top(self.index), network.output.offsets.copy()
            offsets[0], offsets[-1] = top, -top
            return replace(network, output=replace(network.output, offsets=offsets))
        return network

    @property
    def plan(self) -> Plan:
        network = self.network
        layers = [LayerPlan() for _ in network.layers]
        layers[self.index] = LayerPlan(self.dataflow, self.lanes)
        return Plan(Geometry(*self.size), tuple(layers), self.in_arrays)

    @property
    def accelerator(self) -> Accelerator:
        return Accelerator(self.network.topology, self.plan, self.scores, self.top)

    @property
    def block(self) -> Any:
        """The hardware of the layer."""
        return self.accelerator.layers[self.index]

    def memories(self) -> dict[str, tuple[list[int], int]]:
        """What the layer's memories hold; where the host is to write them, every bit is wrong before."""
        contents = {}
        for image in images.words(self.network, self.plan):
            if image.layer == self.index:
                wrong = (1 << image.width) - 1 if self.program else 0
                contents[image.name.removeprefix(f"layer{self.index}")] = (
                    [word ^ wrong for word in image.words],
                    image.width,
                )
        return contents

    def run(self, tool: Tool, bench: str, folder: Path) -> Any:
        """Emit and build the layer and run a bench on it; what the bench answers."""
        block, network = self.block, folder / "network.safetensors"
        if bench != "layer" and isinstance(block, Layer):
            block = block.engine
        design = build_block(tool, block, folder)
        self.network.save(network)
        job: dict[str, Any] = {"network": str(network), "program": self.program, "seed": SEED}
        if bench == "layer":
            job |= {"plan": asdict(self.plan), "index": self.index, "scores": self.scores, "top": self.top}
        return run_block(design, bench, folder / "run", block, self.memories(), **job)


def parameters(*listed: tuple[Case, tuple[str, ...]]) -> list[Any]:
    """Parameters (simulator, case)."""
    return [pytest.param(tool, case, id=f"{tool}: {case}") for case, tools in listed for tool in tools]


def slow(*listed: Case) -> list[Any]:
    """The same on Icarus, for whoever has the time."""
    return [pytest.param("icarus", case, id=f"icarus: {case}", marks=pytest.mark.slow) for case in listed]


GRIDS = [
    *parameters(
        (Case("33-9-4", lanes=2, program=True), BOTH),
        (Case("64-33-2", size=(32, 32)), ICARUS),
        (Case("9-17-2", size=(2, 4), lanes=3), ICARUS),  # 6 reads, 3 blocks
        (Case("33-9t-4", lanes=4, program=True), ICARUS),
        (Case("1x1x12-12c1g4t-4", lanes=3), ICARUS),
        (Case("1x1x12-12c1g4-4", size=(2, 16), lanes=6), ICARUS),  # two slices at once
        (Case("12b5/4-7-4", size=(3, 5), lanes=3, program=True), ICARUS),
        (Case("12b3-1t-4", size=(3, 5)), ICARUS),  # one step
        (Case("1x6x7-avg-9t-4", index=1, lanes=2), ICARUS),
        (Case("20-9-4", size=(4, 8), lanes=2, program=True, in_arrays=True), ICARUS),
    ),
    *slow(
        Case("1-1-1", size=(1, 1)),
        Case("7-3-2", size=(2, 4)),
        Case("8-2-2", size=(2, 8), program=True),
        Case("1-17-2", size=(32, 1), program=True),
        Case("20-6-2", size=(1, 7), program=True),
        Case("33-9-4", lanes=9, program=True),
        Case("9-17-2", size=(2, 4), lanes=5, program=True),
        Case("1x1x12-12c1g4-4"),
        Case("1x1x12-12c1g4-4", lanes=12),
        Case("1x1x12-12c1g12-4", size=(2, 2), lanes=4),
        Case("1x1x8b3-6c1g2-4", lanes=3),
        Case("9r4x3-5-3", lanes=2),
        Case("12b5-7-4", size=(3, 5), lanes=7),
        Case("33-9t-4", lanes=4, program=True, in_arrays=True),
        Case("7-3-2", size=(2, 2), lanes=3, in_arrays=True),
        Case("40-5-2", size=(7, 64), in_arrays=True),  # numbers in a single row
    ),
]
CLASSIFIERS = [
    *parameters(
        (Case("9-6", size=(4, 8), program=True), ICARUS),
        (Case("9-7t", size=(2, 8), lanes=2, program=True, top=3), ICARUS),
        (Case("9b2-7", size=(2, 8), lanes=7, scores=False, top=2), ICARUS),
        (Case("9-5", size=(2, 8), lanes=2, top=0, in_arrays=True), ICARUS),
    ),
    *slow(
        Case("1-1", size=(1, 1)),
        Case("17-5", scores=False),
        Case("3-10", size=(8, 32), lanes=3, program=True, top=10),
        Case("9-5t", size=(3, 3), lanes=4, program=True, in_arrays=True),
    ),
]
LAYERS = [
    *parameters(
        (Case("4x5x2b2-6c3x2p1f2g2-3", lanes=3, program=True), BOTH),  # window, planes, slices
        (Case("3x3x2-4c2-m2x1-5-3", index=2, size=(3, 8), lanes=2), ICARUS),  # gathered
        (Case("7r3x4d2s5-5-3", size=(3, 8), lanes=2), ICARUS),
        (Case("4x4x3-5c3t-m2-3", index=1, program=True), ICARUS),
        (Case("3x3x1-4c2-3", dataflow=S2P, size=(3, 3), lanes=2, program=True), ICARUS),
        (Case("9-7-5", index=1, dataflow=S2P, size=(3, 3), lanes=2, program=True, top=2), BOTH),
    ),
    *slow(
        Case("4x4x2-3c3p1f1-3", program=True),
        Case("4x4x4-4c2s2g4t-3", lanes=2),
        Case("5x4x2-m3x2s1-3"),
        Case("9-7-5", index=1, dataflow=S2P, size=(3, 3), lanes=7, scores=False),
        Case("9-7-5t", index=1, dataflow=S2P, size=(3, 3), lanes=3, program=True, top=0),
        Case("4x4x2-m2-avg-5", index=2, dataflow=S2P, size=(3, 3), lanes=2, top=5),
    ),
]


@pytest.mark.parametrize(("simulator", "case"), GRIDS)
def test_dense(simulator: str, case: Case, tmp_path: Path, require_simulator: Require) -> None:
    case.run(require_simulator(simulator), "dense", tmp_path)


@pytest.mark.parametrize(("simulator", "case"), CLASSIFIERS)
def test_classifier(simulator: str, case: Case, tmp_path: Path, require_simulator: Require) -> None:
    case.run(require_simulator(simulator), "classifier", tmp_path)


@pytest.mark.parametrize(("simulator", "case"), LAYERS)
def test_layer(simulator: str, case: Case, tmp_path: Path, require_simulator: Require) -> None:
    answer = case.run(require_simulator(simulator), "layer", tmp_path)
    assert answer["cycles"] == pytest.approx(promises.of_layer(case.accelerator, case.index), abs=0.5)


PLAIN, LANES, TERNARY = Case("33-9-4"), Case("33-9-4", lanes=2, program=True), Case("33-9t-4", lanes=4, program=True)
SLICED, TWO_SLICES = Case("1x1x12-12c1g4t-4", lanes=3), Case("1x1x12-12c1g4-4", size=(2, 16), lanes=6)
NARROW, PLANES = Case("1x1x12-12c1g4-4"), Case("12b5/4-7-4", size=(3, 5), lanes=3)
IN_ARRAYS = Case("20-9-4", size=(4, 8), lanes=2, program=True, in_arrays=True)
CLASSES, BEST = Case("9-7t", size=(2, 8), lanes=2), Case("9-5", size=(2, 8), lanes=2, top=2)
WINDOWS = Case("4x5x2b2-6c3x2p1f2g2-3", lanes=3)
POOL = Case("4x4x3-5c3t-m2-3", index=1, program=True)
RANKED = Case("9-7-5", index=1, dataflow=S2P, size=(3, 3), lanes=2, top=2)
IN_STEPS = Case("9-17-5", index=1, dataflow=S2P, size=(3, 3), lanes=2, top=2)  # scores ranked in two steps
HERE = "Mux(controller.masked, index, stack) if lane"

# One defect of each idea in every run.
MUTANTS = (
    Mutant("dense", LANES, GridHardware, "_arrays", HERE, "stack if lane"),  # the host programs all lanes at once
    Mutant("dense", NARROW, GridHardware, "_next_slice", "passed == steps - 1", "passed == 0"),
    Mutant("dense", LANES, GridHardware, "_access", "access.write & (access.lane == index)", "access.write"),
    Mutant("dense", IN_ARRAYS, NumberLoaderHardware, ELABORATE, "grid.number_bits - 1", "grid.number_bits - 2"),
    Mutant("classifier", CLASSES, ClassifierHardware, ELABORATE, "offset.as_signed()", "offset"),
    Mutant("layer", WINDOWS, LayerHardware, "_sliced", "index * each", "0"),
    Mutant(
        "layer", POOL, PoolLayerHardware, ELABORATE, "taken & (order.command == LayerCommand.WRITE_NUMBER)", "taken"
    ),
    Mutant("layer", RANKED, RankerHardware, ELABORATE, "self.i.valid & ~busy", "self.i.valid"),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant("dense", PLAIN, CollectorHardware, ELABORATE, "reserved != 2", "reserved != 3"),
    Mutant("dense", PLAIN, CollectorHardware, ELABORATE, "reserved != 2", "reserved == 0"),
    Mutant("dense", PLAIN, CollectorHardware, ELABORATE, "full & (~self.o.valid | self.o.ready)", "full"),
    Mutant("dense", PLAIN, GridHardware, "_walk", "(stack == last_block) & ", ""),
    Mutant("dense", PLAIN, GridHardware, "_walk", "with m.If(opens)", "with m.If(1)"),
    Mutant("dense", PLAIN, GridHardware, "_walk", "self.go & clear", "clear"),
    Mutant("dense", PLANES, GridHardware, "_walk", "(~first | may_start)", "(may_start)"),
    Mutant("dense", PLANES, GridHardware, "_walk", "Mux(turn == block.presentations - 1, 0, turn + 1)", "0"),
    Mutant("dense", PLAIN, GridHardware, ELABORATE, "controller.sampled | sampled.any()", "controller.sampled"),
    Mutant("dense", LANES, GridHardware, "_arrays", HERE, "index if lane"),
    Mutant("dense", TWO_SLICES, GridHardware, "_arrays", "words[lane // neurons if", "words[0 if"),
    Mutant("dense", NARROW, GridHardware, "_next_slice", "opens | ended", "opens"),
    Mutant("dense", TWO_SLICES, GridHardware, "_next_slice", "move * block.fan_in", "block.fan_in"),
    Mutant("dense", SLICED, GridHardware, "_next_slice", "taken & ended & ~opens", "taken & ended"),
    Mutant("dense", LANES, GridHardware, "_numbers", "Mux(last_step, 0, step + 1)", "step + 1"),
    Mutant("dense", LANES, GridHardware, "_access", "eq(numbers.read_data)", "eq(lanes[0].read_data)"),
    Mutant("dense", PLAIN, GroupHardware, ELABORATE, "Mux(counted, total, 0)", "total"),
    Mutant("dense", TERNARY, GroupHardware, ELABORATE, "self.hv & here", "self.hv"),
    Mutant("dense", TERNARY, GroupHardware, ELABORATE, "tile.q & here.replicate(self.block.map.word_width)", "tile.q"),
    Mutant("dense", IN_ARRAYS, NumberLoaderHardware, ELABORATE, "(grid.reads, rows)", "(grid.reads - 1, rows)"),
    Mutant("dense", IN_ARRAYS, NumberLoaderHardware, ELABORATE, "+ grid.blocks + first", "+ first"),
    Mutant("dense", IN_ARRAYS, NumberLoaderHardware, ELABORATE, "self.lane == grid.number_lanes - 1", "1"),
    Mutant("dense", IN_ARRAYS, NumberLoaderHardware, ELABORATE, "Cat(gathered[1:], bits[0])", "Cat(bits[0], gathered)"),
    Mutant("dense", IN_ARRAYS, HostAccessHardware, "_walk", "settled.eq(0)", "settled.eq(1)"),
    Mutant("dense", IN_ARRAYS, HostAccessHardware, "_walk", "m.d.sync += stale.eq(1)", "m.d.sync += stale.eq(0)"),
    Mutant("dense", LANES, HostAccessHardware, ELABORATE, "Mux(finished, self.selected,", "Mux(0, 0,"),
    Mutant("classifier", BEST, ClassifierHardware, ELABORATE, "last.eq(grid.last)", "last.eq(0)"),
    Mutant("classifier", BEST, ClassifierHardware, ELABORATE, "o.ready.eq(taken)", "o.ready.eq(self.o.ready)"),
    Mutant("classifier", BEST, ClassifierHardware, ELABORATE, "(each.go for each in collectors).all()", "(1).all()"),
    Mutant("layer", WINDOWS, LayerHardware, ELABORATE, "source.ready.eq(engine.i.ready & ~held)", "source.ready.eq(1)"),
    Mutant("layer", POOL, PoolLayerHardware, ELABORATE, "write_addr.eq(order.index)", "write_addr.eq(0)"),
    Mutant("layer", IN_STEPS, RankerHardware, ELABORATE, "step == steps - 1", "step == 0"),
    Mutant("layer", RANKED, RankerHardware, ELABORATE, "found.eq(1)", "found.eq(0)"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        mutant.block.run(require_simulator("icarus"), mutant.bench, tmp_path)
