"""Sequencing of the arrays of one layer: reads at full rate, programming with verify, and nothing unsafe in between."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import Operation, Side, control_lines
from hdl.block import Hardware, index_width

READBACK_LATENCY = 2
"""Cycles from the last cycle of `sen` to the row's bits on the controller's `q`: array and group register."""


TIMING = data.StructLayout({"precharge": 8, "sense": 8, "set_pulse": 16, "reset_pulse": 16})
"""Lengths of the phases in cycles; they may be changed at any time and hold from the next phase on.

`precharge` is SEN low before each read, 0 if the array precharges within the cycle (one read a cycle); `sense` is SEN
high; `set_pulse` and `reset_pulse` are the pulses' lengths. 0 counts as 1 in all but `precharge`.
"""


class Command(enum.Enum, shape=1):
    """What the host asks of one row of one array."""

    PROGRAM = 0
    READ_BACK = 1


@dataclass(frozen=True)
class ArrayController:
    """Drives the shared lines of `groups` × `tiles` arrays of `rows` × `columns`.

    Ports:
      `timing`    phase lengths, see `TIMING`
      `read`      stream of {group, row}: rows to read, all tiles of the group at once. Taken every
                  precharge + sense cycles; with precharge 0 and sense 1 that is one read a cycle
      `sampled`   high in the last cycle of `sen` of a read from `read`: the arrays' outputs are valid in the next cycle
      `host`      stream of {command, group, tile, row, bits}: one row of one array. Has priority over `read`
      `done`      high for one cycle when a host command is finished, with `failed` (PROGRAM: the verify read differs
                  from `bits`) and `read_bits` (what was read)
      `group`, `tile`, `row`, `operation`, `side`, `hv`, `sen`, `mask`, `masked`
                  to the arrays, all registers: group and tile that are addressed; `masked` says that the X lines
                  carry `mask` (pulses, verify, read-back) and not the layer's input
      `q`         the outputs of the addressed array, READBACK_LATENCY cycles after the last cycle of `sen`

    PROGRAM of a row is four pulses, SET of BL and RESET of BLb where the bit is 1, SET of BLb and RESET of BL where it
    is 0 (`ternary`: words have a bit for the device on BL, then, `columns` bits up, one for that on BLb, and each
    device is SET where its bit is 1, RESET where it is 0), each after a cycle of set-up and before a cycle of recovery
    with `hv` low, then a verify read with X = 1. From the cycle in which it is taken to that of `done`, both counted,
    it takes 2 × (set + reset) + 8 cycles of pulses and max(precharge, 1) + sense + READBACK_LATENCY + 2; READ_BACK
    takes only the latter. `hv` and `sen` are never high in the same cycle.
    """

    groups: int
    tiles: int
    rows: int
    columns: int
    ternary: bool = False

    @property
    def name(self) -> str:
        size = f"{self.groups}x{self.tiles}_{self.rows}x{self.columns}"
        return f"hafnet_controller_{size}" + "_ternary" * self.ternary

    @property
    def word_width(self) -> int:
        """Bits of a row as the host writes and reads it."""
        return self.columns * (2 if self.ternary else 1)

    @property
    def location(self) -> dict[str, int]:
        return {"group": index_width(self.groups), "row": index_width(self.rows)}

    @property
    def signature(self) -> wiring.Signature:
        read = data.StructLayout({**self.location})
        host = data.StructLayout(
            {**self.location, "tile": index_width(self.tiles), "command": Command, "bits": self.word_width}
        )
        return wiring.Signature(
            {
                "timing": In(TIMING),
                "read": In(stream.Signature(read)),
                "sampled": Out(1),
                "host": In(stream.Signature(host)),
                "done": Out(1),
                "failed": Out(1),
                "read_bits": Out(self.word_width),
                "group": Out(index_width(self.groups)),
                "tile": Out(index_width(self.tiles)),
                **control_lines(self.rows, Out),
                "mask": Out(self.columns),
                "masked": Out(1),
                "q": In(self.word_width),
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


# The four pulses of a programmed row. A device that is to be LRS is SET, one that is to be HRS is RESET.
PULSES = (
    (Operation.SET, Side.BL),
    (Operation.RESET, Side.BLB),
    (Operation.SET, Side.BLB),
    (Operation.RESET, Side.BL),
)


class ControllerHardware(Hardware):
    """One state machine with one phase counter."""

    timing: Any
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
    hv: Signal
    sen: Signal
    mask: Signal
    masked: Signal
    q: Signal

    def __init__(self, block: ArrayController) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        state = Signal(State)
        left = Signal(16)  # cycles of this phase after the present one
        bits = Signal(self.block.word_width)
        verify = Signal()  # the host command is PROGRAM
        pulse = Signal(range(len(PULSES)))
        last = Signal()
        m.d.comb += last.eq(left == 0)
        m.d.sync += [self.done.eq(0), left.eq(left - 1)]

        # What is left of each phase after its first cycle; a length of 0 counts as 1.
        rest = {}
        for name in ("precharge", "sense", "set_pulse", "reset_pulse"):
            length = getattr(self.timing, name)
            rest[name] = Signal(length.shape(), name=f"{name}_rest")
            m.d.comb += rest[name].eq(Mux(length == 0, 0, length - 1))

        def enter_pulse(index: int, bits: Any) -> None:
            operation, side = PULSES[index]
            low = bits[: self.block.columns]  # where the device on this side is to be LRS
            if side is Side.BLB:
                low = bits[self.block.columns :] if self.block.ternary else ~low
            m.d.sync += [
                state.eq(State.SETUP),
                pulse.eq(index),
                self.operation.eq(operation),
                self.side.eq(side),
                self.mask.eq(low if operation is Operation.SET else ~low),
            ]

        def enter_precharge() -> None:
            m.d.sync += [state.eq(State.PRECHARGE), self.sen.eq(0), left.eq(rest["precharge"])]

        def enter_sense() -> None:
            m.d.sync += [state.eq(State.SENSE), self.sen.eq(1), left.eq(rest["sense"])]

        free = Signal()  # a new operation may begin in the next cycle
        m.d.comb += free.eq((state == State.IDLE) | ((state == State.SENSE) & last & ~self.masked))
        m.d.comb += [
            self.sampled.eq((state == State.SENSE) & last & ~self.masked),
            self.host.ready.eq(free),
            self.read.ready.eq(free & ~self.host.valid),
        ]

        with m.Switch(state):
            with m.Case(State.PRECHARGE), m.If(last):
                enter_sense()
            with m.Case(State.SENSE), m.If(last & self.masked):
                m.d.sync += [state.eq(State.WAIT), self.sen.eq(0), left.eq(READBACK_LATENCY - 1)]
            with m.Case(State.SETUP):
                length = Mux(self.operation == Operation.SET, rest["set_pulse"], rest["reset_pulse"])
                m.d.sync += [state.eq(State.PULSE), self.hv.eq(1), left.eq(length)]
            with m.Case(State.PULSE), m.If(last):
                m.d.sync += [state.eq(State.RECOVER), self.hv.eq(0)]
            with m.Case(State.RECOVER), m.Switch(pulse):
                for index in range(1, len(PULSES)):
                    with m.Case(index - 1):
                        enter_pulse(index, bits)
                with m.Default():
                    m.d.sync += [self.operation.eq(Operation.READ), self.mask.eq(-1)]
                    enter_precharge()
            with m.Case(State.WAIT), m.If(last):
                m.d.sync += [
                    state.eq(State.IDLE),
                    self.masked.eq(0),
                    self.done.eq(1),
                    self.failed.eq(verify & (self.q != bits)),
                    self.read_bits.eq(self.q),
                ]

        with m.If(free):
            with m.If(self.host.valid):
                order = self.host.payload
                m.d.sync += [
                    self.masked.eq(1),
                    self.group.eq(order.group),
                    self.tile.eq(order.tile),
                    self.row.eq(order.row),
                    bits.eq(order.bits),
                    verify.eq(order.command == Command.PROGRAM),
                    self.sen.eq(0),
                ]
                with m.If(order.command == Command.PROGRAM):
                    enter_pulse(0, order.bits)
                with m.Else():
                    m.d.sync += self.mask.eq(-1)
                    enter_precharge()
            with m.Elif(self.read.valid):
                m.d.sync += [self.group.eq(self.read.payload.group), self.row.eq(self.read.payload.row)]
                with m.If(self.timing.precharge == 0):
                    enter_sense()
                with m.Else():
                    enter_precharge()
            with m.Else():
                m.d.sync += [state.eq(State.IDLE), self.sen.eq(0)]
        return m
