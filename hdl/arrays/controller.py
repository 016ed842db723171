"""Sequencing of the arrays of one layer: reads at full rate, pulses, and nothing unsafe in between.

What pulses a row needs is decided by `hdl.arrays.programmer.Programmer`; here they are made, and here are the
interlocks, so that they hold whatever is asked.
"""

from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import Operation, Side, control_lines
from hdl.arrays.spare_table import each, many
from hdl.block import Hardware, index_width
from model.errors import HafnetError

READBACK_LATENCY = 2
"""Cycles from the last cycle of `sen` to the row's bits on the controller's `q`: array and group register."""


TIMING = data.StructLayout({"precharge": 8, "sense": 8})
"""Lengths of the phases of a read in cycles; they may be changed at any time and hold from the next phase on.

`precharge` is SEN low before each read, 0 if the array precharges within the cycle (one read a cycle); `sense` is SEN
high, where 0 counts as 1.
"""

PULSE = data.StructLayout({"operation": Operation, "side": Side, "amplitude": 8, "setup": 16, "length": 16, "count": 8})
"""A train of `count` pulses of SET, RESET or FORM: `setup` cycles in which all lines stand before each of them,
`length` cycles of `hv`; 0 counts as 1 in all three. `amplitude` is the code for the DAC or regulator that makes the
voltage."""


class Command(enum.Enum, shape=1):
    """What is asked of one row of one array."""

    PULSE = 0
    READ_BACK = 1


@dataclass(frozen=True)
class Limits:
    """What no configuration can exceed, because it is built in: `longest_pulse`, cycles for which `hv` may be high
    without a pause, and `pulsed_at_once`, devices that may be pulsed together. Raises HafnetError where one is out of
    its range.
    """

    longest_pulse: int = 10_000
    pulsed_at_once: int = 32

    def __post_init__(self) -> None:
        for name, unit in (("longest_pulse", "cycles"), ("pulsed_at_once", "devices")):
            value, most = getattr(self, name), (1 << 16) - 1
            if not 1 <= value <= most:
                raise HafnetError(f"limits: {name} is {value} {unit}, but must be 1 … {most}")

    @property
    def suffix(self) -> str:
        """What the names of blocks with these limits end with: nothing for the usual ones."""
        return "" if self == Limits() else f"_limits{self.longest_pulse}x{self.pulsed_at_once}"


@dataclass(frozen=True)
class ArrayController:
    """Drives the shared lines of `groups` × `tiles` arrays of `rows` × `columns`.

    Ports:
      `timing`    phase lengths, see `TIMING`
      `supply_ok` the programming voltage is stable: without it `hv` is low from the next cycle on
      `read`      stream of {group, row}: rows to read, all tiles of the group at once. Taken every
                  precharge + sense cycles; with precharge 0 and sense 1 that is one read a cycle
      `sampled`   high in the last cycle of `sen` of a read from `read`: the arrays' outputs are valid in the next cycle
      `host`      stream of {command, group, tile, row, pulse, bits}: one row of one array. Has priority over `read`
      `done`      high for one cycle when a host command is finished, with `failed` (PULSE: a pulse was left out or cut
                  short) and `read_bits` (READ_BACK: what was read)
      `group`, `tile`, `row`, `operation`, `side`, `amplitude`, `hv`, `sen`, `mask`, `masked`
                  to the arrays (`amplitude`: to the DAC), all registers: group and tile that are addressed; `masked`
                  says that the X lines carry `mask` (pulses, read-back) and not the layer's input
      `remapped`, `hits`  only with `spares`: {valid, row} of so many rows that are remapped in some array, which stand
                  still while a command is under way; and which of them `row` is, a register that changes with it
      `q`         the outputs of the addressed array, READBACK_LATENCY cycles after the last cycle of `sen`

    PULSE gives the devices whose bit in `bits` (a bit a column) is 1 a train of pulses, see `PULSE`, those of the first
    `limits.pulsed_at_once` columns first, then those of as many behind them, and so on; columns among which there is
    none to pulse are passed over. All that it is made of is latched when it is taken. Before each pulse there are
    `setup` cycles with all lines as in the pulse but `hv` low, behind it one of recovery; columns that are passed over
    take setup + 1. READ_BACK is a read with X = 1, precharged for at least one cycle. From the cycle in which it is
    taken to that of `done`, both counted, a command takes 2 cycles and its pulses, or
    max(precharge, 1) + sense + READBACK_LATENCY + 2. A train of READ, which is no pulse, fails without one.

    What holds whatever is asked: `hv` and `sen` are never high in the same cycle; `hv` is high for at most
    `limits.longest_pulse` cycles, counted by a counter of its own, and low for 2 at least before it rises again; while
    it is high, the cycle before it rises and the cycle after it falls, all other lines stand still, and at most
    `limits.pulsed_at_once` bits of `mask` are 1; it is low one cycle after `supply_ok`, and the train ends there;
    `amplitude` is 0 when nothing is pulsed.
    """

    groups: int
    tiles: int
    rows: int
    columns: int
    ternary: bool = False
    limits: Limits = field(default_factory=Limits)
    spares: int = 0

    @property
    def name(self) -> str:
        size = f"{self.groups}x{self.tiles}_{self.rows}x{self.columns}"
        spares = f"_spares{self.spares}" * (self.spares > 0)
        return f"hafnet_controller_{size}" + "_ternary" * self.ternary + spares + self.limits.suffix

    @property
    def word_width(self) -> int:
        """Bits of a row as it is read back."""
        return self.columns * (2 if self.ternary else 1)

    @property
    def parts(self) -> int:
        """Parts of a row that are pulsed one after the other."""
        return -(-self.columns // self.limits.pulsed_at_once)

    @property
    def location(self) -> dict[str, int]:
        return {"group": index_width(self.groups), "row": index_width(self.rows)}

    @property
    def signature(self) -> wiring.Signature:
        read = data.StructLayout({**self.location})
        command = {"tile": index_width(self.tiles), "command": Command, "pulse": PULSE, "bits": self.columns}
        host = data.StructLayout({**self.location, **command})
        of_rows = data.StructLayout({"valid": 1, "row": index_width(self.rows)})
        remapping = {"remapped": In(many(of_rows, self.spares)), "hits": Out(self.spares)}
        return wiring.Signature(
            {
                "timing": In(TIMING),
                "supply_ok": In(1),
                "read": In(stream.Signature(read)),
                "sampled": Out(1),
                "host": In(stream.Signature(host)),
                "done": Out(1),
                "failed": Out(1),
                "read_bits": Out(self.word_width),
                "group": Out(index_width(self.groups)),
                "tile": Out(index_width(self.tiles)),
                **control_lines(self.rows, Out),
                "amplitude": Out(8),
                "mask": Out(self.columns),
                "masked": Out(1),
                "q": In(self.word_width),
                **(remapping if self.spares else {}),
            }
        )

    def create(self) -> "ControllerHardware":
        return ControllerHardware(self)


class State(enum.Enum, shape=3):
    """What the arrays do in this cycle."""

    IDLE = 0
    PRECHARGE = 1
    SENSE = 2
    SETUP = 3
    PULSE = 4
    RECOVER = 5
    WAIT = 6


class ControllerHardware(Hardware):
    """One state machine with one phase counter, and a watchdog over `hv` beside it."""

    timing: Any
    supply_ok: Signal
    read: Any
    sampled: Signal
    host: Any
    done: Signal
    failed: Signal
    read_bits: Signal
    group: Signal
    tile: Signal
    row: Signal
    operation: Any
    side: Any
    amplitude: Signal
    hv: Signal
    sen: Signal
    mask: Signal
    masked: Signal
    q: Signal
    remapped: Any
    hits: Signal

    def __init__(self, block: ArrayController) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        state = Signal(State)
        left = Signal(16)  # cycles of this phase after the present one
        last = Signal()
        m.d.comb += last.eq(left == 0)
        m.d.sync += [self.done.eq(0), left.eq(left - 1)]
        pulse: Any = Signal(data.StructLayout({"setup": 16, "length": 16, "count": 8}))
        again = Signal(8)  # pulses of these columns after the present one

        def enter_precharge() -> None:
            m.d.sync += [state.eq(State.PRECHARGE), self.sen.eq(0), left.eq(_rest(self.timing.precharge))]

        def enter_sense() -> None:
            m.d.sync += [state.eq(State.SENSE), self.sen.eq(1), left.eq(_rest(self.timing.sense))]

        free = Signal()  # a new operation may begin in the next cycle
        m.d.comb += free.eq((state == State.IDLE) | ((state == State.SENSE) & last & ~self.masked))
        m.d.comb += [
            self.sampled.eq((state == State.SENSE) & last & ~self.masked),
            self.host.ready.eq(free),
            self.read.ready.eq(free & ~self.host.valid),
        ]

        advance = Signal()
        more, devices = self._parts(m, free, advance)
        overdue = self._watchdog(m)
        with m.Switch(state):
            with m.Case(State.PRECHARGE), m.If(last):
                enter_sense()
            with m.Case(State.SENSE), m.If(last & self.masked):
                m.d.sync += [state.eq(State.WAIT), self.sen.eq(0), left.eq(READBACK_LATENCY - 1)]
            with m.Case(State.SETUP), m.If(last):
                m.d.sync += [state.eq(State.RECOVER), left.eq(pulse.length)]
                with m.If(~self.supply_ok | (self.operation == Operation.READ)):
                    m.d.sync += self.failed.eq(1)
                with m.Elif(self.mask.any()):
                    m.d.sync += [state.eq(State.PULSE), self.hv.eq(1)]
            with m.Case(State.PULSE), m.If(last | overdue | ~self.supply_ok):
                m.d.sync += [state.eq(State.RECOVER), self.failed.eq(~last | ~self.supply_ok)]
                with m.If(last):
                    m.d.sync += self.hv.eq(0)
            with m.Case(State.RECOVER):
                m.d.sync += [state.eq(State.SETUP), left.eq(pulse.setup)]
                with m.If(~self.failed & self.mask.any() & again.any()):
                    m.d.sync += again.eq(again - 1)
                with m.Elif(~self.failed & more):
                    m.d.comb += advance.eq(1)
                    m.d.sync += [again.eq(pulse.count), self.mask.eq(devices)]
                with m.Else():
                    m.d.sync += [state.eq(State.IDLE), self.operation.eq(Operation.READ), self.amplitude.eq(0)]
                    m.d.sync += [self.masked.eq(0), self.done.eq(1)]
            with m.Case(State.WAIT), m.If(last):
                m.d.sync += [state.eq(State.IDLE), self.masked.eq(0), self.done.eq(1), self.read_bits.eq(self.q)]

        with m.If(free):
            with m.If(self.host.valid):
                order = self.host.payload
                m.d.sync += [
                    self.masked.eq(1),
                    self.group.eq(order.group),
                    self.tile.eq(order.tile),
                    self.row.eq(order.row),
                    self.sen.eq(0),
                    self.failed.eq(0),
                ]
                self._hit(m, order.row)
                with m.If(order.command == Command.PULSE):
                    m.d.sync += [
                        state.eq(State.SETUP),
                        self.operation.eq(order.pulse.operation),
                        self.side.eq(order.pulse.side),
                        self.amplitude.eq(order.pulse.amplitude),
                        left.eq(_rest(order.pulse.setup)),
                        again.eq(_rest(order.pulse.count)),
                        pulse.setup.eq(_rest(order.pulse.setup)),
                        pulse.length.eq(_rest(order.pulse.length)),
                        pulse.count.eq(_rest(order.pulse.count)),
                        self.mask.eq(devices),
                    ]
                with m.Else():
                    m.d.sync += self.mask.eq(-1)
                    enter_precharge()
            with m.Elif(self.read.valid):
                m.d.sync += [self.group.eq(self.read.payload.group), self.row.eq(self.read.payload.row)]
                self._hit(m, self.read.payload.row)
                with m.If(self.timing.precharge == 0):
                    enter_sense()
                with m.Else():
                    enter_precharge()
            with m.Else():
                m.d.sync += [state.eq(State.IDLE), self.sen.eq(0)]
        # The last word on `hv`, whatever the state machine does.
        with m.If(overdue | ~self.supply_ok):
            m.d.sync += self.hv.eq(0)
        return m

    def _hit(self, m: Module, row: Value) -> None:
        """Find the row that is selected next among those that are remapped."""
        if self.block.spares:
            hits = [entry.valid & (entry.row == row) for entry in each(self.remapped)]
            m.d.sync += self.hits.eq(Cat(hits))

    def _watchdog(self, m: Module) -> Value:
        """Count the cycles of `hv`; returns whether this one is the last in which it may be high."""
        longest = self.block.limits.longest_pulse
        passed = Signal(range(longest + 1))  # cycles that `hv` has been high before this one
        overdue = Signal()
        m.d.comb += overdue.eq(self.hv & (passed == longest - 1))
        m.d.sync += passed.eq(Mux(self.hv & ~overdue, passed + 1, 0))
        return overdue

    def _parts(self, m: Module, opens: Value, advance: Value) -> tuple[Value, Value]:
        """The parts of a row that are pulsed one after the other: the first is next while the row `opens`, another one
        after each `advance`. Returns whether there is one after the present one, and which devices of the next one are
        pulsed.
        """
        bits, most, columns = self.host.payload.bits, self.block.limits.pulsed_at_once, self.block.columns
        if self.block.parts == 1:
            return Const(0), bits
        wanted = Signal(columns)
        present = Signal(range(self.block.parts))
        devices = Signal(columns)
        m.d.comb += devices[:most].eq(Mux(opens, bits[:most], 0))
        for number in range(1, self.block.parts):
            part = slice(number * most, (number + 1) * most)
            m.d.comb += devices[part].eq(Mux(~opens & (present == number - 1), wanted[part], 0))
        with m.If(opens):
            m.d.sync += [present.eq(0), wanted.eq(bits)]
        with m.Elif(advance):
            m.d.sync += present.eq(present + 1)
        return present != self.block.parts - 1, devices


def _rest(length: Value) -> Value:
    """What is left of a phase after its first cycle; a length of 0 counts as 1."""
    return Mux(length == 0, 0, length - 1)[: len(length)]
