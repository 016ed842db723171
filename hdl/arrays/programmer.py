"""What a row of devices is to hold, and how it comes to hold it: pulses, a verify read, and again where it is wrong.

Amplitudes begin low and rise from attempt to attempt, so that each device gets no more than it needs: pulses that are
too strong cost endurance (G. Wang et al., *Impact of program/erase operation on the performances of oxide-based
resistive switching memory*, Nanoscale Research Letters, 2015).
"""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import Operation, Side
from hdl.arrays.controller import PULSE
from hdl.arrays.host_access import LayerCommand
from hdl.block import Hardware

PULSED = ("form", "set", "reset")
"""The operations that pulse."""

CONFIGURATION = data.StructLayout(
    {
        "set_pulse": 16,
        "reset_pulse": 16,
        "form_pulse": 16,
        "setup": 16,
        **{f"{name}_count": 8 for name in PULSED},
        **{f"{name}_amplitude": 8 for name in PULSED},
        **{f"{name}_step": 8 for name in PULSED},
        "retries": 8,
        "verify_first": 1,
        "read_twice": 1,
    }
)
"""How devices are pulsed: cycles of a pulse of each operation and of the set-up before it, and pulses in a train (0
counts as 1); the amplitude's code at first, and by how much it rises with each retry; how many retries there are.

`verify_first`: what already reads right is not pulsed. `read_twice`: what does not read right twice is wrong.
"""


class RowCommand(enum.Enum, shape=2):
    """What is done with a row."""

    PROGRAM = 0
    FORM = 1
    VERIFY = 2
    READ = 3


@dataclass(frozen=True)
class Programmer:
    """Programs, forms, verifies or reads one row of `columns` cells of any layer, through pulses and reads.

    Ports:
      `configuration`  see `CONFIGURATION`; it stands still from `start` to `done`, as `word` and `ternary` do
      `start`     begins `command` (see `RowCommand`) on `word`: a bit a cell, or, where the row is `ternary`, a bit
                  for each device on BL and, `columns` bits further up, one for each on BLb
      `done`      high for one cycle when the row is finished; until the next `start` hold: `failed`, `cut` (a pulse was
                  left out or cut short; nothing more was done then), `unstable` (READ: two reads differ), and `wrong`,
                  the columns that did not read right
      `read`      high for one cycle when READ has `bits` for the host: what the row holds
      `retried`   high for one cycle when wrong columns are pulsed again
      `order`     stream of {command, pulse, bits} to the layer, whose answers are `ended`, `ended_failed`, `row_bits`

    PROGRAM pulses SET of BL and RESET of BLb in the columns where the bit is 1, SET of BLb and RESET of BL where it is
    0 (ternary: each device is SET where its bit is 1, RESET where it is 0), where there is anything to pulse, and reads
    the row. Columns that read wrong, and only these, are pulsed again, with amplitudes that are a step higher, up to
    255, until they are right or `retries` is reached.

    FORM makes of pristine devices a row of weights -1: it forms all devices on BL and programs +1 as above; then it
    forms all on BLb and programs -1. So each device has shown that it can be both. A device is formed again only
    where its column read wrong.

    VERIFY reads only; READ does so and gives what it read.
    """

    columns: int
    width: int

    @property
    def name(self) -> str:
        return f"hafnet_programmer_{self.columns}to{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        order = data.StructLayout({"command": LayerCommand, "pulse": PULSE, "bits": self.columns})
        return wiring.Signature(
            {
                "configuration": In(CONFIGURATION),
                "start": In(1),
                "command": In(RowCommand),
                "ternary": In(1),
                "word": In(self.width),
                "done": Out(1),
                "failed": Out(1),
                "cut": Out(1),
                "unstable": Out(1),
                "wrong": Out(self.columns),
                "read": Out(1),
                "bits": Out(self.width),
                "retried": Out(1),
                "order": Out(stream.Signature(order)),
                "ended": In(1),
                "ended_failed": In(1),
                "row_bits": In(self.width),
            }
        )

    def create(self) -> "ProgrammerHardware":
        return ProgrammerHardware(self)


class State(enum.Enum, shape=3):
    """What the programmer does in this cycle."""

    IDLE = 0
    PULSE = 1
    PULSED = 2
    READ = 3
    JUDGE = 4


class Stage(enum.Enum, shape=2):
    """What the row is to hold at the end of this stage."""

    WORD = 0
    PLUS = 1
    MINUS = 2


STEPS = (
    (Operation.FORM, Side.BL),
    (Operation.FORM, Side.BLB),
    (Operation.SET, Side.BL),
    (Operation.RESET, Side.BLB),
    (Operation.SET, Side.BLB),
    (Operation.RESET, Side.BL),
)
"""The pulses of an attempt, in their order. A device that is to be LRS is SET, one that is to be HRS is RESET."""


class ProgrammerHardware(Hardware):
    """A walk over the steps of an attempt, and the judgement of what was read."""

    configuration: Any
    start: Signal
    command: Any
    ternary: Signal
    word: Signal
    done: Signal
    failed: Signal
    cut: Signal
    unstable: Signal
    wrong: Signal
    read: Signal
    bits: Signal
    retried: Signal
    order: Any
    ended: Signal
    ended_failed: Signal
    row_bits: Signal

    def __init__(self, block: Programmer) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        configuration = self.configuration
        state = Signal(State)
        stage = Signal(Stage)
        step = Signal(range(len(STEPS)))
        command = Signal(RowCommand, name="under_way")
        left = Signal(8)  # retries that are left
        pulsed = Signal()  # the row has been pulsed at least once
        again = Signal()  # the second of two reads is due
        asked = Signal()  # the layer has been asked for a read
        amplitudes = {name: Signal(8, name=f"{name}_amplitude") for name in PULSED}
        low, low_b = self._wanted(m, stage)
        is_wrong = self._judged(low, low_b)
        self._offer(m, state, self._pulse(m, stage, step, amplitudes, low, low_b), asked)
        last_step = step == len(STEPS) - 1
        m.d.comb += [
            self.bits.eq(self.row_bits),
            self.read.eq((state == State.READ) & self.ended & (command == RowCommand.READ) & ~again),
        ]
        m.d.sync += self.done.eq(0)

        def attempt() -> None:
            m.d.sync += [state.eq(State.PULSE), step.eq(0), pulsed.eq(1)]

        def begin(goal: Stage) -> None:
            """All columns count as wrong, and amplitudes are those to begin with."""
            m.d.sync += [stage.eq(goal), self.wrong.eq(-1), left.eq(configuration.retries)]
            m.d.sync += [each.eq(configuration[f"{name}_amplitude"]) for name, each in amplitudes.items()]
            attempt()

        def finish(failed: Any) -> None:
            m.d.sync += [state.eq(State.IDLE), self.done.eq(1), self.failed.eq(failed)]

        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.start):
                m.d.sync += [command.eq(self.command), again.eq(0), self.cut.eq(0), self.unstable.eq(0)]
                with m.If(self.command == RowCommand.FORM):
                    begin(Stage.PLUS)
                with m.Else():
                    begin(Stage.WORD)
                    with m.If((self.command != RowCommand.PROGRAM) | configuration.verify_first):
                        m.d.sync += [state.eq(State.READ), pulsed.eq(0)]
            with m.Case(State.PULSE):
                with m.If(self.order.valid & self.order.ready):
                    m.d.sync += state.eq(State.PULSED)
                with m.Elif(~self.order.valid):  # nothing to do in this step
                    m.d.sync += [step.eq(step + 1), state.eq(Mux(last_step, State.READ, State.PULSE))]
            with m.Case(State.PULSED), m.If(self.ended):
                m.d.sync += [step.eq(step + 1), state.eq(Mux(last_step, State.READ, State.PULSE))]
                with m.If(self.ended_failed):
                    m.d.sync += self.cut.eq(1)
                    finish(1)
            with m.Case(State.READ):
                with m.If(self.order.valid & self.order.ready):
                    m.d.sync += asked.eq(1)
                with m.If(self.ended):
                    m.d.sync += [
                        asked.eq(0),
                        again.eq(configuration.read_twice & ~again),
                        self.wrong.eq(Mux(again, self.wrong, 0) | is_wrong),
                        self.unstable.eq((command == RowCommand.READ) & again & (self.row_bits != self.word)),
                        state.eq(Mux(configuration.read_twice & ~again, State.READ, State.JUDGE)),
                    ]
            with m.Case(State.JUDGE):
                with m.If(command == RowCommand.READ):
                    finish(self.unstable)
                with m.Elif(~self.wrong.any()):
                    with m.If(stage == Stage.PLUS):
                        begin(Stage.MINUS)
                    with m.Else():
                        finish(0)
                with m.Elif((command == RowCommand.VERIFY) | (pulsed & (left == 0))):
                    finish(1)
                with m.Else():
                    attempt()
                    m.d.comb += self.retried.eq(pulsed)
        with m.If(self.retried):
            m.d.sync += left.eq(left - 1)
            for name, amplitude in amplitudes.items():
                raised = amplitude + configuration[f"{name}_step"]
                m.d.sync += amplitude.eq(Mux(raised[8], 255, raised))
        return m

    def _wanted(self, m: Module, stage: Any) -> tuple[Signal, Signal]:
        """The columns whose device on BL is to be LRS, and those whose device on BLb is."""
        columns = self.block.columns
        low = Signal(columns, name="low")
        low_b = Signal(columns, name="low_b")
        with m.Switch(stage):
            with m.Case(Stage.PLUS):
                m.d.comb += low.eq(-1)
            with m.Case(Stage.MINUS):
                m.d.comb += low_b.eq(-1)
            with m.Default():
                m.d.comb += [low.eq(self.word[:columns]), low_b.eq(self._second(~self.word[:columns], self.word))]
        return low, low_b

    def _second(self, binary: Value, word: Value) -> Value:
        """What stands for BLb: in a ternary row the second half of a word."""
        columns = self.block.columns
        return Mux(self.ternary, word[columns : 2 * columns], binary) if len(word) >= 2 * columns else binary

    def _judged(self, low: Value, low_b: Value) -> Value:
        """The columns in which what is read is not what is wanted."""
        on_bl = self.row_bits[: self.block.columns] ^ low
        return on_bl | self._second(Const(0, self.block.columns), self.row_bits ^ Cat(low, low_b))

    def _pulse(self, m: Module, stage: Any, step: Value, amplitudes: Any, low: Value, low_b: Value) -> Any:
        """The pulse of a step, and the columns that it is for."""
        pulse: Any = Signal(PULSE, name="pulse")
        columns = Signal(self.block.columns, name="pulsed_columns")
        names = dict(zip((Operation.FORM, Operation.SET, Operation.RESET), PULSED, strict=True))
        m.d.comb += pulse.setup.eq(self.configuration.setup)
        with m.Switch(step):
            for number, (operation, side) in enumerate(STEPS):
                on_bl, name = side is Side.BL, names[operation]
                to_lrs, forms = low if on_bl else low_b, stage == (Stage.PLUS if on_bl else Stage.MINUS)
                forming = forms.replicate(len(columns))
                chosen = {Operation.FORM: forming, Operation.SET: to_lrs, Operation.RESET: ~to_lrs}
                with m.Case(number):
                    m.d.comb += [
                        columns.eq(self.wrong & chosen[operation]),
                        pulse.operation.eq(operation),
                        pulse.side.eq(side),
                        pulse.amplitude.eq(amplitudes[name]),
                        pulse.length.eq(self.configuration[f"{name}_pulse"]),
                        pulse.count.eq(self.configuration[f"{name}_count"]),
                    ]
        return pulse, columns

    def _offer(self, m: Module, state: Any, pulse: Any, asked: Value) -> None:
        """Order the pulse of this step, where there are columns for it, or a read."""
        order = self.order.payload
        m.d.comb += [order.pulse.eq(pulse[0]), order.bits.eq(pulse[1]), order.command.eq(LayerCommand.READ_ROW)]
        with m.If(state == State.PULSE):
            m.d.comb += [order.command.eq(LayerCommand.PULSE_ROW), self.order.valid.eq(pulse[1].any())]
        with m.Elif(state == State.READ):
            m.d.comb += self.order.valid.eq(~asked)
