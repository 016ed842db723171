"""Every leaf block on its bench, on both simulators; and benches that must fail where it is spoilt."""

import random
from pathlib import Path
from typing import Any

import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import BOTH, ICARUS, Require, cases

import hdl.arrays.controller
import hdl.neurons.popcount
from hdl.arrays.array import Array, ArrayEmulation
from hdl.arrays.controller import ArrayController, ControllerHardware, Limits
from hdl.arrays.devices import DevicesEmulation
from hdl.arrays.noise import NoiseHardware
from hdl.arrays.tile import Tile, TileHardware
from hdl.inputs.random_source import SeededXoshiroHardware
from hdl.neurons.accumulator import Accumulator, AccumulatorHardware
from hdl.neurons.neuron import Neuron, NeuronHardware
from hdl.neurons.popcount import Popcount
from hdl.streams.packets import PacketReceiver, PacketReceiverHardware
from sim.blocks import build_block, run_block
from sim.device_cells import Chip
from sim.rack import Rack, run_rack
from sim.tools import Tool

SEED = 1


def on_bench(tool: Tool, bench: str, block: Any, folder: Path) -> Any:
    """Emit and build `block`, or a rack of blocks of one kind, and run its bench on it; what the bench answers."""
    design = build_block(tool, block, folder)
    if isinstance(block, Rack):
        return run_rack(design, block, bench, type(block.blocks[0]), folder / "run", {}, seed=SEED)
    job: dict[str, Any] = {"seed": SEED}
    memories = {}
    if isinstance(block, Array | Tile) and block.fidelity != "bits":
        chip = Chip.random(block.rows, block.columns, block.ternary, SEED)
        job["chip"] = chip.job()
        memories = chip.memories(block.columns, block.ternary, block.fidelity == "noisy")
    elif isinstance(block, Array | Tile):
        # All cells random, padding too; ternary ones of all four kinds.
        width, source = block.columns * (2 if block.ternary else 1), random.Random(SEED)
        job["words"] = [source.getrandbits(width) for _ in range(block.rows)]
        memories[""] = (job["words"], width)
    return run_block(design, bench, folder / "run", block, memories, **job)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(*((Popcount(width), ICARUS) for width in (1, 2, 7, 8, 9, 31, 33)), (Popcount(64), BOTH)),
)
def test_popcount(simulator: str, block: Popcount, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "popcount", block, tmp_path)
    assert answer["words"] >= min(1 << block.width, 500)


@pytest.mark.parametrize(
    ("simulator", "block"), cases(*((Neuron(top), ICARUS) for top in (1, 7, 64)), (Neuron(255), BOTH))
)
def test_neuron(simulator: str, block: Neuron, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "neuron", block, tmp_path)
    assert answer["pairs"] >= min((block.top + 1) * (block.top + 2), 1000)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (Tile(1, 1, 1), ICARUS),
        (Tile(1, 8, 5), ICARUS),
        (Tile(7, 1, 1), ICARUS),
        (Tile(33, 31, 16), ICARUS),
        (Tile(32, 32, 17), BOTH),
        (Tile(1, 1, 1, ternary=True), ICARUS),
        (Tile(5, 16, 16, ternary=True), ICARUS),
        (Tile(7, 19, 11, ternary=True), BOTH),
        (Array(1, 1), ICARUS),
        (Array(6, 33), ICARUS),
        (Array(6, 33, ternary=True), ICARUS),
        (Array(1, 1, fidelity="devices"), ICARUS),
        (Array(5, 18, fidelity="devices"), BOTH),
        (Array(5, 18, ternary=True, fidelity="devices"), ICARUS),
        (Array(1, 1, fidelity="noisy"), ICARUS),
        (Array(6, 33, fidelity="noisy"), ICARUS),
        (Array(7, 17, ternary=True, fidelity="noisy"), BOTH),
        (Tile(5, 16, 11, fidelity="noisy"), ICARUS),
        (Tile(4, 9, 9, ternary=True, fidelity="noisy"), ICARUS),
    ),
)
def test_tile(simulator: str, block: Tile | Array, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "tile", block, tmp_path)
    assert answer["pulses"] > 50
    assert answer["reads"] > 200
    assert (answer["zeros"] > 50) == block.ternary
    assert (answer["erred"] > 50) == (block.fidelity == "noisy")


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (ArrayController(1, 1, 1, 1), ICARUS),
        (ArrayController(1, 1, 2, 5, limits=Limits(1, 1)), ICARUS),
        (ArrayController(1, 3, 5, 7, limits=Limits(4, 3)), ICARUS),
        (ArrayController(3, 1, 8, 33), ICARUS),
        (ArrayController(2, 2, 4, 32, limits=Limits(9, 8)), BOTH),
        (ArrayController(1, 1, 1, 1, ternary=True), ICARUS),
        (ArrayController(2, 3, 3, 17, ternary=True, limits=Limits(9, 16)), BOTH),
    ),
)
def test_controller(simulator: str, block: ArrayController, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "controller", block, tmp_path)
    assert answer["reads"] >= 1000
    assert answer["trains"] >= 50
    assert answer["pulses"] >= 50
    assert answer["read_back"] >= 20
    assert answer["trains"] > 1.5 * answer["failed"] > 0


ACCUMULATORS = (
    Accumulator(1, 1, 1, 2, halving=False),
    Accumulator(1, 3, 5, 3, halving=True),
    Accumulator(2, 1, 7, 3, halving=False),
    Accumulator(2, 2, 8, 2, halving=True),
    Accumulator(3, 1, 4, 16, halving=False),
    Accumulator(7, 4, 16, 5, halving=True),
    Accumulator(33, 2, 3, 2, halving=False),
)


@pytest.mark.parametrize("simulator", BOTH)
def test_accumulator(simulator: str, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "accumulator", Rack(ACCUMULATORS), tmp_path)
    for block, cycles in zip(ACCUMULATORS, answer.values(), strict=True):
        strobes = 12 * block.presentations * block.steps
        assert cycles == strobes - 1 + 2  # no cycle between two strobes, 2 from the last one to its sum


@pytest.mark.parametrize(
    ("simulator", "block"), cases(*((PacketReceiver(*members), ICARUS) for members in ((1, 8), (33, 32), (100, 8))))
)
def test_receiver(simulator: str, block: PacketReceiver, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "receiver", block, tmp_path)
    assert answer["images"] > 10
    assert answer["wrong"] > 10


POPCOUNT, NEURON, TILE, ARRAY = Popcount(8), Neuron(7), Tile(5, 8, 5), Array(5, 8)
TERNARY_TILE, TERNARY_ARRAY = Tile(5, 8, 5, ternary=True), Array(5, 8, ternary=True)
DEVICES, NOISY, TERNARY_NOISY = (
    Array(3, 9, fidelity="devices"),
    Array(3, 9, fidelity="noisy"),
    Array(3, 9, ternary=True, fidelity="noisy"),
)
CONTROLLER = ArrayController(2, 2, 4, 8, limits=Limits(9, 3))
SHORTEST = ArrayController(1, 1, 2, 5, limits=Limits(1, 1))
SINGLE, PLANES, SUMS = (Rack((block,)) for block in (ACCUMULATORS[1], ACCUMULATORS[5], ACCUMULATORS[2]))
RECEIVER = PacketReceiver(33, 8)

# One defect of each block in every run.
MUTANTS = (
    Mutant("popcount", POPCOUNT, Popcount, "signature", "self.width.bit_length()", "(self.width - 1).bit_length()"),
    Mutant("neuron", NEURON, NeuronHardware, ELABORATE, "self.popcount >=", "self.popcount >"),
    Mutant(
        "tile", TILE, TileHardware, ELABORATE, "popcount.bits.eq(array.q[:used])", "popcount.bits.eq(array.q[-used:])"
    ),
    Mutant("tile", TERNARY_TILE, TileHardware, ELABORATE, "~array.qb[:used]", "array.q[:used]"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "(self.side == Side.BL)", "1"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, " & (self.operation != Operation.FORM)", ""),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "Cat(low, low_b) & formed.read_data", "Cat(low, low_b)"),
    Mutant("tile", DEVICES, DevicesEmulation, "_weights", "(states | faults[: 2 * columns])", "states"),
    Mutant("tile", TERNARY_NOISY, DevicesEmulation, "_weights", "(guess & mismatch)", "guess"),
    Mutant("tile", NOISY, NoiseHardware, ELABORATE, "word_select(column, BYTE) <", "word_select(column, BYTE) <="),
    Mutant(
        "controller", CONTROLLER, ControllerHardware, ELABORATE, "with m.If(overdue | ~self.supply_ok)", "with m.If(0)"
    ),
    Mutant("controller", CONTROLLER, ControllerHardware, "_parts", "wanted[part]", "bits[part]"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, " | (self.operation == Operation.READ)", ""),
    Mutant("accumulator", PLANES, AccumulatorHardware, ELABORATE, "Mux(opening, 0, ", "("),
    Mutant("receiver", RECEIVER, PacketReceiverHardware, ELABORATE, "& ~overlong", ""),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant("popcount", Popcount(9), hdl.neurons.popcount, "_tree", "if len(terms) % 2", "if False"),
    Mutant("neuron", NEURON, Neuron, "signature", "threshold_width(self.top)", "self.top.bit_length()"),
    Mutant("neuron", NEURON, NeuronHardware, ELABORATE, "self.fired.eq(self.strobe)", "self.fired.eq(1)"),
    Mutant("tile", TILE, TileHardware, ELABORATE, "m.d.sync +=", "m.d.comb +="),
    Mutant("tile", TERNARY_TILE, TileHardware, ELABORATE, "sensed_word(array, self.block.ternary)", "array.q"),
    Mutant("tile", TERNARY_TILE, Tile, "signature", "(self.rails * self.used).bit_length()", "self.used.bit_length()"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "Mux(sensed, ~negative, precharged)", "~negative"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "Mux(sensed, ~positive, precharged)", "~positive"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "cells.write_addr.eq(row)", "cells.write_addr.eq(self.row)"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "cells.read_data | pulsed_cells", "pulsed_cells"),
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "self.sen | self.hv", "self.sen"),
    Mutant("tile", TERNARY_ARRAY, ArrayEmulation, ELABORATE, "low & ~low_b, low_b & ~low", "low, low_b"),
    Mutant("tile", TERNARY_ARRAY, ArrayEmulation, ELABORATE, "Mux(side_b, Cat(Const(0, columns), x), x)", "x"),
    Mutant(
        "tile", TERNARY_ARRAY, ArrayEmulation, ELABORATE, "Mux(side_b,", "Mux(self.side == Side.BLB,"
    ),  # what stands there a cycle after the pulse
    Mutant("tile", ARRAY, ArrayEmulation, ELABORATE, "self.hv & (self.operation != Operation.FORM)", "self.hv"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "acted & ~formed.read_data", "acted"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "formed.read_data | forms", "formed.read_data"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "moved.eq(states | forms)", "moved.eq(states)"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "moved.eq(states & ~acted)", "moved.eq(states)"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "Mux(side == Side.BLB", "Mux(self.side == Side.BLB"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "m.Switch(operation)", "m.Switch(self.operation)"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "~(moved[:columns] ^ moved[columns:])", "moved[:columns]"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "pulsed & ~self.hv", "pulsed & self.hv"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "self.sen | self.hv", "self.sen"),
    Mutant("tile", DEVICES, DevicesEmulation, ELABORATE, "faults.read_en.eq(self.sen)", "faults.read_en.eq(self.hv)"),
    Mutant("tile", DEVICES, DevicesEmulation, "_weights", "& ~faults[2 * columns : 4 * columns]", ""),
    Mutant("tile", DEVICES, DevicesEmulation, "_weights", "(~(low ^ low_b) & mismatch)) ^", "~(low ^ low_b)) ^"),
    Mutant("tile", NOISY, DevicesEmulation, "_weights", "noise.sen.eq(self.sen)", "noise.sen.eq(1)"),
    Mutant("tile", TERNARY_NOISY, DevicesEmulation, "_weights", "(guess & ~mismatch)", "0"),
    Mutant("tile", TERNARY_NOISY, DevicesEmulation, "_weights", "low & ~low_b & ~errs", "low & ~low_b"),
    Mutant("tile", TERNARY_NOISY, DevicesEmulation, "_weights", "~low & low_b & ~errs", "~low & low_b"),
    Mutant("tile", NOISY, NoiseHardware, ELABORATE, "o.ready.eq(sensed)", "o.ready.eq(self.sen)"),
    Mutant("tile", NOISY, NoiseHardware, ELABORATE, "word_select(index, STATE", "word_select(0, STATE"),
    Mutant("tile", NOISY, SeededXoshiroHardware, ELABORATE, "Cat(s, word)", "Cat(word, s)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "READBACK_LATENCY - 1", "READBACK_LATENCY"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "READBACK_LATENCY - 1", "0"),
    Mutant(
        "controller",
        CONTROLLER,
        ControllerHardware,
        ELABORATE,
        ", self.failed.eq(~last | ~self.supply_ok)]",
        "]",
    ),
    Mutant(
        "controller",
        CONTROLLER,
        ControllerHardware,
        ELABORATE,
        "self.failed.eq(~last | ~self.supply_ok)",
        "self.failed.eq(~last)",
    ),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "m.d.sync += self.failed.eq(1)", "pass"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "with m.Elif(self.mask.any())", "with m.Else()"),
    Mutant(
        "controller",
        CONTROLLER,
        ControllerHardware,
        ELABORATE,
        "m.If(last | overdue | ~self.supply_ok)",
        "m.If(last | overdue)",
    ),
    Mutant(
        "controller",
        CONTROLLER,
        ControllerHardware,
        ELABORATE,
        "m.If(last | overdue | ~self.supply_ok)",
        "m.If(last | ~self.supply_ok)",
    ),
    Mutant(
        "controller",
        CONTROLLER,
        ControllerHardware,
        ELABORATE,
        "left.eq(pulse.length)",
        "left.eq(_rest(self.host.payload.pulse.length))",
    ),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "left.eq(pulse.setup)", "left.eq(0)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.mask.any() & again.any()", "self.mask.any()"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "m.Elif(~self.failed & more)", "m.Elif(more)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "again.eq(pulse.count)", "again.eq(0)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, ", self.amplitude.eq(0)]", "]"),
    Mutant(
        "controller",
        CONTROLLER,
        ControllerHardware,
        ELABORATE,
        "self.amplitude.eq(order.pulse.amplitude)",
        "self.amplitude.eq(order.pulse.amplitude | 1)",
    ),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.failed.eq(0)", "self.failed.eq(self.failed)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.operation.eq(Operation.READ), ", ""),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "free & ~self.host.valid", "free"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.timing.precharge == 0", "0"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "Signal(16)", "Signal(9)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "again = Signal(8)", "again = Signal(3)"),
    Mutant("controller", CONTROLLER, ControllerHardware, ELABORATE, "self.tile.eq(order.tile)", "self.tile.eq(0)"),
    Mutant("controller", CONTROLLER, ControllerHardware, "_watchdog", "longest - 1", "longest"),
    Mutant("controller", SHORTEST, ControllerHardware, "_watchdog", "self.hv & (passed", "(passed"),
    Mutant("controller", CONTROLLER, ControllerHardware, "_parts", "slice(number * most", "slice(number * most - 1"),
    Mutant("controller", CONTROLLER, ControllerHardware, "_parts", "present.eq(0), ", ""),
    Mutant("controller", CONTROLLER, hdl.arrays.controller, "_rest", "Mux(length == 0, 0, length - 1)", "(length - 1)"),
    Mutant("accumulator", PLANES, AccumulatorHardware, ELABORATE, "old << 1 if block.halving else old", "old"),
    Mutant("accumulator", PLANES, AccumulatorHardware, ELABORATE, "narrow))", "narrow) << 1)"),
    Mutant("accumulator", SINGLE, AccumulatorHardware, ELABORATE, "block.steps == 1", "False"),
    Mutant("accumulator", SUMS, AccumulatorHardware, ELABORATE, "write_addr.eq(address)", "write_addr.eq(step)"),
    Mutant("accumulator", SUMS, AccumulatorHardware, ELABORATE, "write_en.eq(adding)", "write_en.eq(self.strobe)"),
    Mutant("accumulator", SUMS, AccumulatorHardware, ELABORATE, "self.strobe & (turn", "(turn"),
    Mutant("accumulator", SUMS, Accumulator, "total", ".total", ".total // 2"),
    Mutant("receiver", RECEIVER, PacketReceiverHardware, ELABORATE, "self.wrong.eq(~whole)", "self.wrong.eq(0)"),
    Mutant("receiver", RECEIVER, PacketReceiverHardware, ELABORATE, "overlong.eq(0), ", ""),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.bench, mutant.block, tmp_path)


@pytest.mark.slow
def test_a_bench_leaves_no_rewritten_modules_in_foreign_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """Its rewriting is for benches. (pytest rewrites its own plugins, in site-packages.)"""
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "kept"))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    on_bench(require_simulator("icarus"), "popcount", Popcount(2), tmp_path / "run")
    kept = {path for path in (tmp_path / "kept").rglob("*-pytest-*.pyc") if "site-packages" not in path.parts}
    assert {path.name.partition(".")[0] for path in kept} == {"bench_popcount"}
