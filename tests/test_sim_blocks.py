"""Every block below the accelerator on its bench, on both simulators; and benches that must fail where it is spoilt."""

import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdl.popcount
from hdl.array import Array, ArrayEmulation
from hdl.classifier import Classifier, ClassifierHardware
from hdl.collector import CollectorHardware
from hdl.controller import ArrayController, ControllerHardware
from hdl.dense import Dense
from hdl.grid import GridHardware
from hdl.group import GroupHardware
from hdl.neuron import Neuron, NeuronHardware
from hdl.packets import PacketReceiver, PacketReceiverHardware
from hdl.popcount import Popcount
from hdl.tile import Tile, TileHardware
from model.images import words
from model.mapping import Geometry, offset_width, threshold_width
from model.network import Network
from model.random_network import random_network
from sim.blocks import build_block, run_block
from sim.runner import SimulationError
from sim.tools import Tool

SEED = 1


def dense(fan_in: int, fan_out: int, rows: int, columns: int) -> Dense:
    return Dense(fan_in, fan_out, rows, columns, host_width=max(columns, threshold_width(fan_in)))


def classifier(fan_in: int, classes: int, rows: int, columns: int, scores: bool) -> Classifier:
    return Classifier(fan_in, classes, rows, columns, scores, host_width=max(columns, offset_width(fan_in)))


def network_for(block: Dense | Classifier, seed: int) -> Network:
    """A random network whose first layer `block` is, with extreme thresholds or offsets at both ends."""
    fan_in = block.fan_in
    if isinstance(block, Dense):
        network = random_network((fan_in, block.fan_out, 1), seed)
        thresholds = network.hidden[0].thresholds.copy()
        thresholds[0], thresholds[-1] = 0, fan_in + 1
        return replace(network, hidden=(replace(network.hidden[0], thresholds=thresholds),))
    network = random_network((fan_in, block.classes), seed)
    offsets = network.output.offsets.copy()
    offsets[0], offsets[-1] = fan_in, -fan_in
    return replace(network, output=replace(network.output, offsets=offsets))


def on_bench(tool: Tool, bench: str, block: Any, folder: Path, program: bool = False) -> Any:
    """Emit and build `block` and run its bench on it; what the bench answers."""
    design = build_block(tool, block, folder)
    job: dict[str, Any] = {"seed": SEED}
    memories = {}
    if isinstance(block, Array | Tile):
        # All cells random, padding too.
        job["words"] = np.random.default_rng(SEED).integers(0, 1 << block.columns, block.rows, dtype=np.uint64).tolist()
        memories[""] = (job["words"], block.columns)
    if isinstance(block, Dense | Classifier):
        network = network_for(block, SEED)
        network.save(folder / "network.safetensors")
        job |= {"network": str(folder / "network.safetensors"), "program": program}
        for image in words(network, Geometry(block.rows, block.columns)):
            if image.layer == 0:
                # Where the host is to write them, every bit is wrong before.
                wrong = (1 << image.width) - 1 if program else 0
                memories[image.name.removeprefix("layer0")] = ([word ^ wrong for word in image.words], image.width)
    return run_block(design, bench, folder / "run", block, memories, **job)


BOTH = ("icarus", "verilator")
ICARUS = ("icarus",)


def cases(*listed: tuple[Any, tuple[str, ...]]) -> list[Any]:
    """Parameters (simulator, block); a Verilator build costs ten times an Icarus build, so few blocks go to both."""
    return [pytest.param(tool, block, id=f"{tool}-{block.name}") for block, tools in listed for tool in tools]


Require = Callable[[str], Tool]


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(*((Popcount(width), ICARUS) for width in (1, 2, 7, 8, 9, 31, 33)), (Popcount(64), BOTH)),
)
def test_popcount(simulator: str, block: Popcount, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "popcount", block, tmp_path)
    assert answer["words"] >= min(1 << block.width, 500)


@pytest.mark.parametrize(
    ("simulator", "block"), cases(*((Neuron(fan_in), ICARUS) for fan_in in (1, 7, 64)), (Neuron(255), BOTH))
)
def test_neuron(simulator: str, block: Neuron, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "neuron", block, tmp_path)
    assert answer["pairs"] >= min((block.fan_in + 1) * (block.fan_in + 2), 1000)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (Tile(1, 1, 1), ICARUS),
        (Tile(1, 8, 5), ICARUS),
        (Tile(7, 1, 1), ICARUS),
        (Tile(33, 31, 16), ICARUS),
        (Tile(32, 32, 17), BOTH),
        (Array(1, 1), ICARUS),
        (Array(6, 33), ICARUS),
    ),
)
def test_tile(simulator: str, block: Tile | Array, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "tile", block, tmp_path)
    assert answer["pulses"] > 50
    assert answer["reads"] > 200


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (ArrayController(1, 1, 1, 1), ICARUS),
        (ArrayController(1, 3, 5, 7), ICARUS),
        (ArrayController(3, 1, 8, 33), ICARUS),
        (ArrayController(2, 2, 4, 32), BOTH),
    ),
)
def test_controller(simulator: str, block: ArrayController, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "controller", block, tmp_path)
    assert answer["reads"] >= 1000
    assert answer["programmed"] >= 50
    assert answer["read_back"] >= 20
    assert answer["failed"] > 0 or block.columns == 1


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases((dense(1, 1, 1, 1), ICARUS), (dense(7, 3, 2, 4), ICARUS), (dense(64, 33, 32, 32), ICARUS)),
)
def test_dense_of_loaded_images(simulator: str, block: Dense, tmp_path: Path, require_simulator: Require) -> None:
    on_bench(require_simulator(simulator), "dense", block, tmp_path)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (dense(33, 9, 4, 16), BOTH),
        (dense(8, 2, 2, 8), ICARUS),
        (dense(1, 17, 32, 1), ICARUS),
        (dense(20, 6, 1, 7), ICARUS),
    ),
)
def test_dense_that_the_host_programs(simulator: str, block: Dense, tmp_path: Path, require_simulator: Require) -> None:
    on_bench(require_simulator(simulator), "dense", block, tmp_path, program=True)


@pytest.mark.parametrize(
    ("simulator", "block", "program"),
    [
        ("icarus", classifier(1, 1, 1, 1, True), False),
        ("icarus", classifier(17, 5, 4, 16, False), False),
        ("icarus", classifier(3, 10, 8, 32, True), True),
    ],
)
def test_classifier(
    simulator: str, block: Classifier, program: bool, tmp_path: Path, require_simulator: Require
) -> None:
    on_bench(require_simulator(simulator), "classifier", block, tmp_path, program)


@pytest.mark.parametrize(
    ("simulator", "block"), cases(*((PacketReceiver(*members), ICARUS) for members in ((1, 8), (33, 32), (100, 8))))
)
def test_receiver(simulator: str, block: PacketReceiver, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "receiver", block, tmp_path)
    assert answer["images"] > 10
    assert answer["wrong"] > 10


@dataclass(frozen=True)
class Mutant:
    """A defect: in the source of `member` of `target` (a class or a module), `old` becomes `new`; `block` on its bench
    must then fail.
    """

    bench: str
    block: Any
    target: Any
    member: str
    old: str
    new: str
    program: bool = False

    def __str__(self) -> str:
        return f"{self.bench}: {self.target.__name__}.{self.member}: {self.old} -> {self.new}"

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Replace the member, for one test, by one made of the changed source."""
        before: Any = vars(self.target)[self.member]
        function: Any = before.fget if isinstance(before, property) else before
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(self.old) == 1, f"{self} no longer fits the source: choose another defect"
        module = self.target if inspect.ismodule(self.target) else sys.modules[self.target.__module__]
        made: dict[str, Any] = {}
        exec(source.replace(self.old, self.new), vars(module), made)
        patch.setattr(self.target, self.member, made[self.member])


POPCOUNT, NEURON, TILE, ARRAY = Popcount(8), Neuron(7), Tile(5, 8, 5), Array(5, 8)
CONTROLLER, DENSE = ArrayController(2, 2, 4, 8), dense(20, 9, 4, 8)
CLASSIFIER, RECEIVER = classifier(9, 6, 4, 8, True), PacketReceiver(33, 8)
ELABORATE = "elaborate"

# One defect of each block in every run.
MUTANTS = (
    Mutant("popcount", POPCOUNT, Popcount, "signature", "self.width.bit_length()", "(self.width - 1).bit_length()"),
    Mutant("neuron", NEURON, NeuronHardware, ELABORATE, "self.popcount >=", "self.popcount >"),
    Mutant("tile", TILE, TileHardware, ELABORATE, "array.q[: self", "array.q[-self"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "(self.side == Side.BL)", "1"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "verify & (self.q != bits)", "0"),
    Mutant("dense", DENSE, CollectorHardware, ELABORATE, "reserved != 2", "reserved != 3"),
    Mutant("classifier", CLASSIFIER, ClassifierHardware, ELABORATE, "grid.number.as_signed()", "grid.number"),
    Mutant("receiver", RECEIVER, PacketReceiverHardware, ELABORATE, "& ~overlong", ""),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant("popcount", Popcount(9), hdl.popcount, "_tree", "if len(terms) % 2", "if False"),
    Mutant("neuron", NEURON, Neuron, "signature", "threshold_width(self.fan_in)", "self.fan_in.bit_length()"),
    Mutant("neuron", NEURON, NeuronHardware, ELABORATE, "self.fired.eq(self.strobe)", "self.fired.eq(1)"),
    Mutant("tile", TILE, TileHardware, ELABORATE, "m.d.sync +=", "m.d.comb +="),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "Mux(sensed, equal, precharged)", "equal"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "Mux(sensed, ~equal, precharged)", "~equal"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "cells.write_addr.eq(row)", "cells.write_addr.eq(self.row)"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "cells.read_data | x", "x"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "self.sen | self.hv", "self.sen"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "verify & (self.q", "(self.q"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "Mux(length == 0, 0, length - 1)", "length"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "READBACK_LATENCY - 1", "READBACK_LATENCY"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "READBACK_LATENCY - 1", "0"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, ", self.hv.eq(0)", ""),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "bits if ones else ~bits", "bits"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "enter_pulse(0, order.bits)", "enter_pulse(0, -1)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "free & ~self.host.valid", "free"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.timing.precharge == 0", "0"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "Signal(16)", "Signal(9)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "Operation.SET, rest[", "Operation.RESET, rest["),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.operation.eq(Operation.READ), ", ""),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.tile.eq(order.tile)", "self.tile.eq(0)"),
    Mutant("dense", DENSE, GridHardware, "_walk", "(group == grid.groups - 1) & ", ""),
    Mutant("dense", DENSE, GridHardware, "_walk", "with m.If(first)", "with m.If(1)"),
    Mutant(
        "dense", DENSE, GridHardware, "_walk", "self.i.valid & self.go & ~self.host.valid", "self.i.valid & self.go"
    ),
    Mutant("dense", DENSE, GridHardware, "_arrays", "controller.group == index", "1"),
    Mutant("dense", DENSE, GridHardware, "_numbers", "Mux(last_neuron, 0, neuron + 1)", "neuron + 1"),
    Mutant("dense", DENSE, GridHardware, ELABORATE, " & ~controller.sampled & ~sampled.any()", ""),
    Mutant("dense", DENSE, GroupHardware, ELABORATE, "Mux(counted, total, 0)", "total"),
    Mutant("dense", DENSE, GroupHardware, ELABORATE, "self.hv & here", "self.hv", program=True),
    Mutant("dense", DENSE, GroupHardware, ELABORATE, "tile.q & here.replicate(columns)", "tile.q"),
    Mutant("dense", DENSE, CollectorHardware, ELABORATE, "full & (~self.o.valid | self.o.ready)", "full"),
    Mutant("dense", DENSE, CollectorHardware, ELABORATE, "reserved != 2", "reserved == 0"),
    Mutant("receiver", RECEIVER, PacketReceiverHardware, ELABORATE, "self.wrong.eq(~whole)", "self.wrong.eq(0)"),
    Mutant("receiver", RECEIVER, PacketReceiverHardware, ELABORATE, "overlong.eq(0), ", ""),
)


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(mutant, id=str(mutant)) for mutant in MUTANTS]
    + [pytest.param(mutant, id=str(mutant), marks=pytest.mark.slow) for mutant in MORE_MUTANTS],
)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the bench that must complain: a defect that stops emission or a simulator's build would prove nothing."""
    mutant.apply(monkeypatch)
    with pytest.raises(SimulationError, match=f"sim.bench_{mutant.bench} failed on icarus") as caught:
        on_bench(require_simulator("icarus"), mutant.bench, mutant.block, tmp_path, mutant.program)
    assert re.search(rf"sim\.bench_{mutant.bench}\.\w+ +FAIL", str(caught.value))
