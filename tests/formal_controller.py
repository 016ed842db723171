"""What is claimed of the array controller: interlocks of the high voltage, and reads neither lost nor invented.

Claims are on ports and survive whatever changes inside. Lemmas are on registers inside, without which the induction
would begin in states that cannot be, and are to be written anew with the controller.
"""

from typing import Any

from amaranth.hdl import Assert, Cat, Const, Cover, Module, Mux, ResetSignal, Signal, Value

from hdl.arrays.array import Operation
from hdl.arrays.controller import ArrayController, Command, State
from hdl.block import index_width
from sim.formal import Claims


def before(m: Module, name: str, value: Value) -> Signal:
    """The value of the cycle before, reset or not."""
    register = Signal(len(value), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


def ones(word: Value) -> Value:
    """How many bits of a word are 1."""
    bits = [word[index] for index in range(len(word))]
    return sum(bits[1:], start=bits[0])


def at_least_one(value: Value) -> Value:
    """A length or count, of which 0 counts as 1."""
    return Mux(value == 0, 1, value)


class ControllerClaims(Claims):
    """Claims on an `ArrayController`. `device` chooses any column when an order is taken, whose pulses are counted."""

    timing: Any
    supply_ok: Signal
    read: Any
    sampled: Signal
    host: Any
    done: Signal
    failed: Signal
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
    hits: Signal
    device: Signal
    state: Signal
    left: Signal
    again: Signal
    passed: Signal
    pulse: Signal
    present: Signal
    wanted: Signal

    def __init__(self, block: ArrayController) -> None:
        self.columns, self.limits, self.parts, self.spares = block.columns, block.limits, block.parts, block.spares
        inside: dict[str, Any] = {"state": 3, "left": 16, "again": 8, "pulse": 40}
        inside["passed"] = range(block.limits.longest_pulse + 1)
        if block.parts > 1:
            inside |= {"present": range(block.parts), "wanted": block.columns}
        super().__init__(
            block, {name: (name, shape) for name, shape in inside.items()}, {"device": index_width(block.columns)}
        )

    def add_claims(self, m: Module) -> None:
        order = self.host.payload
        asked: Any = Signal(order.shape(), name="asked")  # the order under way, or the last one
        under_way = Signal()
        with m.If(self.host.valid & self.host.ready):
            m.d.sync += [under_way.eq(1), asked.eq(order)]
        with m.Elif(self.done):
            m.d.sync += under_way.eq(0)
        pulses = under_way & (asked.command == Command.PULSE)
        hv_before, reset_before = before(m, "hv_before", self.hv), before(m, "reset_before", ResetSignal())
        self._interlocks(m, hv_before, reset_before)
        self._orders(m, asked, under_way, pulses)
        self._lengths(m, asked, pulses, hv_before & ~reset_before & ~self.hv, hv_before)
        self._counts(m, asked, pulses, self.hv & ~hv_before)
        self._reads(m)

    def _in(self, *states: State) -> Value:
        return Cat(self.state == state.value for state in states).any()

    def _taken(self) -> Value:
        return Cat(self.host.valid, self.host.ready).all()

    def _place(self, lines: Any) -> Value:
        return Cat(lines.group, lines.tile, lines.row)

    def _interlocks(self, m: Module, hv_before: Signal, reset_before: Signal) -> None:
        """High voltage against SEN, the supply, the next pulse, and changes on the lines that say where it acts."""
        spare = self.hits if self.spares else Const(0, 0)
        lines = Cat(self._place(self), self.operation, self.side, self.amplitude, self.mask, self.masked, spare)
        lines_before, sen_before = before(m, "lines_before", lines), before(m, "sen_before", self.sen)
        supply_before, hv_earlier = before(m, "supply_before", self.supply_ok), before(m, "hv_earlier", hv_before)
        still = self.hv | (hv_before & ~reset_before)
        devices, most = ones(self.mask), self.limits.pulsed_at_once
        m.d.comb += [
            Assert(~(self.hv & self.sen), "high voltage never with SEN"),
            Assert(~((self.hv & sen_before) | (self.sen & hv_before)), "a cycle between high voltage and SEN"),
            Assert(~(self.hv & ~hv_before & hv_earlier), "two cycles between pulses"),
            Assert(~self.hv | supply_before, "no high voltage a cycle after the supply is lost"),
            Assert(~still | (lines == lines_before), "lines stand still before, in and after a pulse"),
            Assert(
                ~self.hv | (self.operation.as_value() != Operation.READ.value), "a pulse is a SET, a RESET or a FORM"
            ),
            Assert(~self.hv | self.masked, "a pulse acts where the mask says"),
            Assert(~self.hv | (devices <= most), "no more devices at once than the limit"),
            Assert(self.hv == self._in(State.PULSE), "lemma: high voltage in one state"),
            Assert(self.sen == self._in(State.SENSE), "lemma: SEN in one state"),
            Assert(self._in(*State), "lemma: no other states"),
            Assert(~hv_before | reset_before | self._in(State.PULSE, State.RECOVER), "lemma: recovery behind a pulse"),
            Cover(hv_before & reset_before, "a reset in a pulse"),
            Cover(hv_before & ~self.hv & self._in(State.RECOVER) & ~supply_before, "a supply that is lost in a pulse"),
            Cover(self.hv & (devices == min(most, self.columns)), "as many devices at once as there may be"),
        ]
        for operation in (Operation.SET, Operation.RESET, Operation.FORM):
            m.d.comb += Cover(self.hv & (self.operation.as_value() == operation.value), f"a pulse of {operation.name}")

    def _part(self) -> Value:
        """The columns of the part of a row that is pulsed at present."""
        most = self.limits.pulsed_at_once
        part: Value = Const(0, self.columns)
        for number in range(self.parts):
            columns = sum(1 << column for column in range(self.columns) if column // most == number)
            part = Mux(self.present == number, columns, part) if self.parts > 1 else Const(columns, self.columns)
        return part[: self.columns]

    def _orders(self, m: Module, asked: Any, under_way: Value, pulses: Value) -> None:
        """Pulses only where the host asks for them, and of what it asks; one `done` an order."""
        train = asked.pulse
        held = (self._place(self) == self._place(asked)) & ~self._in(State.IDLE)
        asks = Cat(self.operation, self.side, self.amplitude) == Cat(train.operation, train.side, train.amplitude)
        pulsing = self._in(State.SETUP, State.PULSE, State.RECOVER)
        lengths = Cat((at_least_one(value) - 1)[: len(value)] for value in (train.setup, train.length, train.count))
        m.d.comb += [
            Assert(
                ~self.hv | (pulses & (self._place(self) == self._place(asked)) & asks),
                "a pulse is of the row, operation and side of its order",
            ),
            Assert(~(self.hv & (self.mask & ~asked.bits).any()), "no device is pulsed that the order does not name"),
            Assert(
                (self.amplitude == 0) | (pulses & (self.amplitude == train.amplitude)),
                "no amplitude but that of an order to pulse",
            ),
            Assert(~self.done | under_way, "no order ends that was not taken"),
            Assert(~self._taken() | ~under_way | self.done, "no order is taken before the last one ended"),
            Assert(under_way == (self.masked | self.done), "lemma: mask or done while an order is under way"),
            Assert(~(self.masked & self.done), "lemma: no mask with done"),
            Assert(~self.masked | held, "lemma: the order is held"),
            Assert(~self._in(State.WAIT) | self.masked, "lemma: only orders wait"),
            Assert(pulsing == (self.masked & pulses), "lemma: only orders to pulse make pulses"),
            Assert(pulsing | (self.amplitude == 0), "lemma: amplitude"),
            Assert(~pulsing | asks, "lemma: the lines of a pulse"),
            Assert(~pulsing | (self.mask == (asked.bits & self._part())), "lemma: the devices of a pulse"),
            Assert(~pulsing | (self.pulse == lengths), "lemma: the train"),
            Cover(self.done & ~pulses, "a row that is read back"),
        ]
        if self.parts > 1:
            m.d.comb += [
                Assert(~pulsing | (self.wanted == asked.bits), "lemma: devices still to come"),
                Assert(~pulsing | (self.present < self.parts), "lemma: no other parts"),
            ]

    def _lengths(self, m: Module, asked: Any, pulses: Value, ends: Value, hv_before: Value) -> None:
        """A pulse lasts no longer than its order and the limit say, whatever comes in the meantime."""
        length, longest = at_least_one(asked.pulse.length), self.limits.longest_pulse
        age, cut = Signal(17), Signal()  # cycles of the pulse, the present one counted; a pulse was cut short
        m.d.sync += age.eq(Mux(self.hv, age + 1, 1))
        short = ends & (age <= length)
        with m.If(self._taken()):
            m.d.sync += cut.eq(0)
        with m.Elif(short):
            m.d.sync += cut.eq(1)
        later = self.host.payload.pulse.length
        m.d.comb += [
            Assert(~self.hv | (age <= length), "a pulse no longer than its order says"),
            Assert(~self.hv | (age <= longest), "a pulse no longer than the limit"),
            Assert(~(self.done & cut) | self.failed, "an order fails where a pulse is cut short"),
            Assert(~self.hv | (age + self.left == length), "lemma: what is left of a pulse"),
            Assert(Mux(self.hv, self.passed + 1 == age, hv_before | (self.passed == 0)), "lemma: the watchdog"),
            Assert(~(cut | short) | self.failed, "lemma: a cut is remembered"),
            Assert(~(self.failed & self._in(State.SETUP, State.PULSE)), "lemma: nothing is pulsed behind a failure"),
            Cover(self.hv & (age == 2) & (length == 2) & (later > 2), "an order that waits for a longer pulse"),
            Cover(self.done & pulses & cut & (length > longest), "a pulse that the watchdog ends")
            if longest < 8
            else Cover(self.hv & (age == 3), "a pulse of three cycles"),
        ]

    def _counts(self, m: Module, asked: Any, pulses: Value, begins: Value) -> None:
        """Each device sees as many pulses as its order says, and no other."""
        device, times = Signal(range(self.columns)), Signal(9)
        with m.If(self._taken()):
            m.d.sync += [device.eq(self.device), times.eq(0)]
        with m.Elif(begins & self.mask.bit_select(device, 1)):
            m.d.sync += times.eq(times + 1)
        count, named = at_least_one(asked.pulse.count), asked.bits.bit_select(device, 1)
        so_far = times + (begins & self.mask.bit_select(device, 1))
        expected = Mux(named, count, 0)
        pulsing = self._in(State.SETUP, State.PULSE, State.RECOVER)
        m.d.comb += [
            Assert(~pulses | (so_far <= expected), "no device is pulsed more often than the order says"),
            Assert(
                ~(self.done & pulses & ~self.failed) | (so_far == expected) | (device >= self.columns),
                "an order that does not fail pulses each of its devices as often as it says",
            ),
            Assert(~pulsing | (self.again < count), "lemma: pulses still to come"),
            Cover(self.done & pulses & ~self.failed & (so_far == 2), "a train of two pulses"),
        ]
        most = self.limits.pulsed_at_once
        number = self.present if self.parts > 1 else Const(0)
        first, last = number * most, number * most + (most - 1)
        with m.If(pulsing):
            with m.If(~named | (device > last)):
                m.d.comb += Assert(so_far == 0, "lemma: a device that is not pulsed yet")
            with m.Elif(device < first):
                m.d.comb += Assert(so_far == count, "lemma: a device that has seen its pulses")
            with m.Elif(self._in(State.SETUP)):
                m.d.comb += Assert(so_far + self.again + 1 == count, "lemma: pulses before the next one")
            with m.Elif(~self.failed):
                m.d.comb += Assert(so_far + self.again == count, "lemma: pulses up to this one")
            with m.Else():
                m.d.comb += Assert(so_far + self.again <= count, "lemma: pulses up to a failure")

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
