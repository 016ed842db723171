"""The registers and what their commands do, between an AXI4-Lite host and layers of imperfect devices."""

from pathlib import Path
from typing import Any

import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import BOTH, ICARUS, Require

from hdl.arrays.programmer import ProgrammerHardware
from hdl.failures import FailureListHardware
from hdl.programming import LayerSize, ProgrammingHardware
from hdl.registers import HostRegisters, HostRegistersHardware, Timing
from hdl.row_crc import RowCrcHardware
from hdl.streams.axi_lite import AxiLiteHardware
from hdl.streams.row_receiver import RowReceiverHardware
from sim.blocks import build_block, run_block
from sim.tools import Tool

NARROW = HostRegisters(
    8, 2, 3, 5, (LayerSize(1, 2, 1, 2), LayerSize(2, 1, 0, 0, ternary=True), LayerSize(0, 0, 1, 4)), 10, Timing()
)
WIDE = HostRegisters(8, 2, 4, 37, (LayerSize(0, 0, 1, 3), LayerSize(2, 2, 2, 2, ternary=True)), 74, Timing())
ONE = HostRegisters(1, 1, 1, 1, (LayerSize(1, 1, 1, 1),), 1, Timing())


def on_bench(tool: Tool, block: HostRegisters, folder: Path) -> Any:
    return run_block(build_block(tool, block, folder), "registers", folder / "run", block, seed=1)


@pytest.mark.parametrize(
    ("simulator", "block"),
    [
        pytest.param(tool, block, id=f"{tool}-{name}")
        for name, block, tools in (("narrow", NARROW, BOTH), ("wide", WIDE, ICARUS), ("one", ONE, ICARUS))
        for tool in tools
    ],
)
def test_commands_do_what_was_foretold(
    simulator: str, block: HostRegisters, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), block, tmp_path)
    assert answer["retries"] > 10


# One defect of each block in every run.
MUTANTS = (
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "Mux(again, self.wrong, 0) | is_wrong", "is_wrong"),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "m.If(programmer.cut)", "m.If(0)"),
    Mutant("registers", NARROW, HostRegistersHardware, "_allowed", "pulses & unlocked", "pulses"),
    Mutant("registers", NARROW, RowCrcHardware, ELABORATE, "self.busy.eq(left != 0)", "self.busy.eq(left > 1)"),
)
MORE_MUTANTS = (
    Mutant("registers", NARROW, AxiLiteHardware, ELABORATE, "taken & strobes.any()", "taken"),
    Mutant("registers", NARROW, AxiLiteHardware, ELABORATE, "Mux(self.write & ", "Mux("),
    Mutant("registers", NARROW, AxiLiteHardware, ELABORATE, "strobes[lane].replicate(8)", "-1"),
    Mutant("registers", NARROW, HostRegistersHardware, "_configuration", "Mux(value == 0, 1, value)", "value"),
    Mutant(
        "registers",
        NARROW,
        HostRegistersHardware,
        "_configuration",
        "self._fields(self.timing, programming.configuration)",
        "{}",
    ),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "| configuration.verify_first", ""),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "pulsed.eq(0)]", "pulsed.eq(1)]"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "& again & (self.row_bits", "& (self.row_bits"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "self.cut.eq(1)", "self.cut.eq(0)"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "begin(Stage.MINUS)", "finish(0)"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "pulsed & (left == 0)", "(left == 0)"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "left.eq(left - 1)", "left.eq(left)"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "Mux(raised[8], 255, raised)", "raised"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "self.retried.eq(pulsed)", "self.retried.eq(1)"),
    Mutant("registers", NARROW, ProgrammerHardware, ELABORATE, "self.wrong.eq(-1), ", ""),
    Mutant(
        "registers",
        NARROW,
        ProgrammerHardware,
        ELABORATE,
        "configuration.read_twice & ~again),",
        "configuration.read_twice),",
    ),
    Mutant("registers", NARROW, ProgrammerHardware, "_wanted", "low_b.eq(-1)", "low_b.eq(0)"),
    Mutant("registers", NARROW, ProgrammerHardware, "_judged", "on_bl | ", "0 | "),
    Mutant(
        "registers",
        NARROW,
        ProgrammerHardware,
        "_judged",
        "return on_bl | self._second",
        "return on_bl | 0 & self._second",
    ),
    Mutant("registers", NARROW, ProgrammerHardware, "_pulse", "self.wrong & chosen", "chosen"),
    Mutant(
        "registers",
        NARROW,
        ProgrammerHardware,
        "_pulse",
        "stage == (Stage.PLUS if on_bl else Stage.MINUS)",
        "stage != Stage.WORD",
    ),
    Mutant(
        "registers",
        NARROW,
        ProgrammerHardware,
        "_pulse",
        "pulse.amplitude.eq(amplitudes[name])",
        'pulse.amplitude.eq(self.configuration[f"{name}_amplitude"])',
    ),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "is_final & ~receiver.o.payload.last", "is_final"),
    Mutant(
        "registers",
        NARROW,
        ProgrammingHardware,
        ELABORATE,
        "receiver.o.payload.last | is_final",
        "receiver.o.payload.last",
    ),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "programmer.cut & lost", "programmer.cut"),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "(lost | ~self.supply_ok)", "~self.supply_ok"),
    Mutant(
        "registers",
        NARROW,
        ProgrammingHardware,
        ELABORATE,
        "self.outcome.failed | fails | programmer.unstable",
        "fails | programmer.unstable",
    ),
    Mutant(
        "registers",
        NARROW,
        ProgrammingHardware,
        ELABORATE,
        "Mux(scrubs, 0, self.index) + self.progress.rows",
        "self.index",
    ),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "self.progress.eq(0), ", ""),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "self.outcome.eq(0), ", ""),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "programmer.read | (", "("),
    Mutant(
        "registers",
        NARROW,
        ProgrammingHardware,
        "_layers",
        "self.busy & here & ~scrubs",
        "(order.valid | asks) & here & ~scrubs",
    ),
    Mutant("registers", NARROW, ProgrammingHardware, "_layers", "(order.valid | asks) & here", "order.valid | asks"),
    Mutant("registers", NARROW, ProgrammingHardware, "_layers", ".all() & ~self.busy", ".all()"),
    Mutant("registers", WIDE, ProgrammingHardware, "_shapes", "beats(2 * columns, ROW_BEAT", "beats(columns, ROW_BEAT"),
    Mutant("registers", WIDE, ProgrammingHardware, "_shapes", "beats(2 * columns, BYTE", "beats(columns, BYTE"),
    Mutant(
        "registers", WIDE, ProgrammingHardware, ELABORATE, "(state == State.ROW) & ~crc.busy", "(state == State.ROW)"
    ),
    Mutant(
        "registers",
        WIDE,
        ProgrammingHardware,
        ELABORATE,
        "m.Elif(scrubs), m.If(~crc.busy)",
        "m.Elif(scrubs), m.If(1)",
    ),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, "crc.clear.eq(self.start)", "crc.clear.eq(0)"),
    Mutant("registers", NARROW, ProgrammingHardware, "_layers", "self.busy & here & ~scrubs", "self.busy & here"),
    Mutant("registers", WIDE, RowCrcHardware, ELABORATE, "rest >> BYTE", "rest"),
    Mutant("registers", NARROW, ProgrammingHardware, ELABORATE, " & (under_way != HostCommand.READ_ROW)", ""),
    Mutant("registers", WIDE, RowReceiverHardware, ELABORATE, " & ~self.wrong", ""),
    Mutant("registers", NARROW, RowReceiverHardware, ELABORATE, "begun & ~(taken & self.axis.tlast)", "0"),
    Mutant(
        "registers", WIDE, RowReceiverHardware, ELABORATE, "self.o.valid.eq(0), self.wrong.eq(0)]", "self.wrong.eq(0)]"
    ),
    Mutant(
        "registers", WIDE, RowReceiverHardware, ELABORATE, "[beat.eq(0), self.o.valid.eq(0), ", "[self.o.valid.eq(0), "
    ),
    Mutant("registers", NARROW, FailureListHardware, ELABORATE, "self.count != depth", "1"),
    Mutant("registers", NARROW, FailureListHardware, ELABORATE, " & (self.count != 0)", ""),
    Mutant(
        "registers",
        NARROW,
        HostRegistersHardware,
        "_allowed",
        "array & ~protected & self.supply_ok",
        "array & ~protected",
    ),
    Mutant(
        "registers",
        NARROW,
        HostRegistersHardware,
        "_allowed",
        "array & ~protected & self.supply_ok",
        "array & self.supply_ok",
    ),
    Mutant("registers", NARROW, HostRegistersHardware, "_allowed", "number & ~protected", "number"),
    Mutant("registers", NARROW, HostRegistersHardware, ELABORATE, "protect[-1]", "Const(0)"),
    Mutant("registers", NARROW, HostRegistersHardware, ELABORATE, "written == KEY", "1"),
    Mutant("registers", NARROW, HostRegistersHardware, ELABORATE, "irq_status & ~cleared", "irq_status"),
    Mutant(
        "registers", NARROW, HostRegistersHardware, ELABORATE, "programming.ended & outcome.failed", "programming.ended"
    ),
    Mutant("registers", NARROW, HostRegistersHardware, ELABORATE, "irq_status & irq_enable", "irq_status"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.block, tmp_path)
