"""What is claimed of the array controller: interlocks of the high voltage, and reads neither lost nor invented.

Claims are on ports and survive whatever changes inside. Lemmas are on registers inside, without which the induction
would begin in states that cannot be, and are to be written anew with the controller.
"""

from typing import Any

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, ResetSignal, Signal, Value

from hdl.arrays.array import Operation, Side
from hdl.arrays.controller import PULSES, ArrayController, Command, State
from sim.formal import Claims


def before(m: Module, name: str, value: Value) -> Signal:
    """The value of the cycle before, reset or not."""
    register = Signal(len(value), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


class ControllerClaims(Claims):
    """Claims on an `ArrayController`."""

    timing: Any
    read: Any
    sampled: Signal
    host: Any
    done: Signal
    group: Signal
    tile: Signal
    row: Signal
    operation: Any
    side: Any
    hv: Signal
    sen: Signal
    mask: Signal
    masked: Signal
    state: Signal
    left: Signal
    pulse: Signal
    bits: Signal
    verify: Signal

    def __init__(self, block: ArrayController) -> None:
        self.columns, self.ternary = block.columns, block.ternary
        inside = {"state": 3, "left": 16, "pulse": 2, "bits": block.word_width, "verify": 1}
        super().__init__(block, {name: (name, bits) for name, bits in inside.items()})

    def claim(self, m: Module) -> None:
        self._interlocks(m)
        self._lengths(m)
        self._orders(m)
        self._reads(m)

    def _in(self, *states: State) -> Value:
        return Cat(self.state == state.value for state in states).any()

    def _interlocks(self, m: Module) -> None:
        """High voltage against SEN, against the next pulse, and against changes on the lines that say where it acts."""
        lines = Cat(self.group, self.tile, self.row, self.operation, self.side, self.mask, self.masked)
        lines_before, reset_before = before(m, "lines_before", lines), before(m, "reset_before", ResetSignal())
        hv_before, sen_before = before(m, "hv_before", self.hv), before(m, "sen_before", self.sen)
        hv_earlier = before(m, "hv_earlier", hv_before)
        operation = self.operation.as_value()
        still = self.hv | (hv_before & ~reset_before)
        m.d.comb += [
            Assert(~(self.hv & self.sen), "high voltage never with SEN"),
            Assert(~((self.hv & sen_before) | (self.sen & hv_before)), "a cycle between high voltage and SEN"),
            Assert(~(self.hv & ~hv_before & hv_earlier), "two cycles between pulses"),
            Assert(~still | (lines == lines_before), "lines stand still before, in and after a pulse"),
            Assert(
                ~self.hv | (operation == Operation.SET.value) | (operation == Operation.RESET.value),
                "a pulse is a SET or a RESET",
            ),
            Assert(~self.hv | self.masked, "a pulse acts where the mask says"),
            Assert(self.hv == self._in(State.PULSE), "lemma: high voltage in one state"),
            Assert(self.sen == self._in(State.SENSE), "lemma: SEN in one state"),
            Assert(self._in(*State), "lemma: no other states"),
            Assert(~hv_before | reset_before | self._in(State.PULSE, State.RECOVER), "lemma: recovery behind a pulse"),
            Cover(self.hv & hv_before & hv_earlier & (operation == Operation.SET.value), "a SET of three cycles"),
            Cover(self.hv & (operation == Operation.RESET.value), "a RESET"),
            Cover(hv_before & reset_before, "a reset in a pulse"),
        ]

    def _lengths(self, m: Module) -> None:
        """A pulse lasts no longer than `timing` said in the cycle before it, whatever it says later."""
        length = Mux(self.operation.as_value() == Operation.SET.value, self.timing.set_pulse, self.timing.reset_pulse)
        limit, age = Signal(16), Signal(17)  # cycles of the pulse, the present one counted
        with m.If(self.hv):
            m.d.sync += age.eq(age + 1)
        with m.Else():
            m.d.sync += [age.eq(1), limit.eq(Mux(length == 0, 1, length))]
        m.d.comb += [
            Assert(~self.hv | (age <= limit), "a pulse no longer than its limit"),
            Assert(~self.hv | (age + self.left == limit), "lemma: what is left of a pulse"),
            Cover(self.hv & (age == 3) & (length < 2), "a length that is cut in a pulse"),
            Cover(self.hv & (age == 2) & (limit == 2) & (length > 2), "a length that grows in a pulse"),
        ]

    def _orders(self, m: Module) -> None:
        """Pulses only where the host asks for them, each device by one operation only; one `done` an order."""
        order, taken = self.host.payload, self.host.valid & self.host.ready
        under_way, programs = Signal(), Signal()
        asked, bits = Signal(len(self._place(self))), Signal(len(self.bits))
        seen = {pulse: Signal(self.columns, name=f"pulsed{index}") for index, pulse in enumerate(PULSES)}
        with m.If(taken):
            m.d.sync += [
                under_way.eq(1),
                programs.eq(order.command == Command.PROGRAM),
                asked.eq(self._place(order)),
                bits.eq(order.bits),
                *(pulsed.eq(0) for pulsed in seen.values()),
            ]
        with m.Elif(self.done):
            m.d.sync += under_way.eq(0)
        low = {Side.BL: bits[: self.columns], Side.BLB: bits[self.columns :] if self.ternary else ~bits}
        programming = self._in(State.SETUP, State.PULSE, State.RECOVER)
        wrong, was_wrong, lines = [], [], []
        for index, (operation, side) in enumerate(PULSES):
            devices = low[side] if operation is Operation.SET else ~low[side]
            pulsed, here = seen[operation, side], (self.operation == operation) & (self.side == side)
            with m.If(self.hv & here):
                m.d.sync += pulsed.eq(pulsed | self.mask)
            wrong.append(self.hv & here & (self.mask & ~devices).any())
            was_wrong.append((pulsed & ~devices).any())
            lines.append(~programming | (self.pulse != index) | (here & (self.mask == devices)))
            m.d.comb += Cover(self.hv & here & self.mask.any(), f"{operation.name} of {side.name}")
        both = [seen[Operation.SET, side] & seen[Operation.RESET, side] for side in Side]
        m.d.comb += [
            Assert(~Cat(wrong).any(), "a pulse is what the order has for each of its devices"),
            Assert(~Cat(both).any(), "no device sees SET and RESET in one order"),
            Assert(
                ~self.hv | (under_way & programs & (self._place(self) == asked)),
                "high voltage only where an order asks for it",
            ),
            Assert(~self.done | under_way, "no order ends that was not taken"),
            Assert(~taken | ~under_way | self.done, "no order is taken before the last one ended"),
            Assert(under_way == (self.masked | self.done), "lemma: mask or done while an order is under way"),
            Assert(~(self.masked & self.done), "lemma: no mask with done"),
            Assert(
                ~self.masked
                | (
                    (self._place(self) == asked)
                    & (self.bits == bits)
                    & (self.verify == programs)
                    & ~self._in(State.IDLE)
                ),
                "lemma: the order is held",
            ),
            Assert(~self._in(State.WAIT) | self.masked, "lemma: only orders wait"),
            Assert(~programming | (self.masked & self.verify), "lemma: only orders to program make pulses"),
            Assert(Cat(lines).all(), "lemma: the lines of each pulse"),
            Assert(~Cat(was_wrong).any(), "lemma: pulses were what the order has"),
            Cover(self.done & programs, "a row that is programmed"),
        ]

    def _place(self, lines: Any) -> Value:
        return Cat(lines.group, lines.tile, lines.row)

    def _reads(self, m: Module) -> None:
        """Each read that is taken is sampled once, on its own lines, before the next one or an order is taken."""
        taken, order = self.read.valid & self.read.ready, self.host.valid & self.host.ready
        owed, waited, sampled_before = Signal(), Signal(9), before(m, "sampled_before", self.sampled)
        precharge, sense = Signal(8), Signal(8)  # the longest that the phases of this read may be
        where, asked = Cat(self.group, self.row), Signal(len(self.group) + len(self.row))
        senses, senses_longest = Mux(self.timing.sense == 0, 1, self.timing.sense), Signal(8)
        m.d.comb += senses_longest.eq(Mux(senses > sense, senses, sense))
        m.d.sync += [waited.eq(waited + 1), sense.eq(Mux(taken, senses, senses_longest))]
        with m.If(taken):
            m.d.sync += [
                owed.eq(1),
                waited.eq(1),
                precharge.eq(self.timing.precharge),
                asked.eq(Cat(self.read.payload.group, self.read.payload.row)),
            ]
        with m.Elif(self.sampled):
            m.d.sync += owed.eq(0)
        end = precharge + Mux(self._in(State.PRECHARGE), 0, sense)
        reading = self._in(State.PRECHARGE, State.SENSE) & ~self.masked
        m.d.comb += [
            Assert(~self.sampled | owed, "no read is invented"),
            Assert(~(taken & order) & (~(taken | order) | ~owed | self.sampled), "no read is lost"),
            Assert(~owed | (waited <= precharge + sense), "a read is no longer than its phases"),
            Assert(
                ~self.sampled | (self.sen & ~self.masked & (where == asked)), "a read is of the row that was asked for"
            ),
            Assert(owed == reading, "lemma: a read is under way in two states"),
            Assert(~owed | (where == asked), "lemma: the lines of a read"),
            Assert(~owed | (waited + self.left <= end), "lemma: what is left of a read"),
            Cover(self.sampled & sampled_before, "reads in two cycles"),
            Cover(self.sampled & (waited > 3), "a read of more than three cycles"),
            Cover(sampled_before & order, "an order behind a read"),
        ]
