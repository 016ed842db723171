"""What is claimed of the way from arrays to results: no read is dropped or repeated, whatever back-pressure there is.

Two proofs meet: the grid starts an image only where `go` allows it, and then yields each of its counts once and in
order (`GridClaims`); whoever does so loses and repeats nothing in the collector (`CollectorClaims`).
"""

from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value
from formal_controller import before

from hdl.arrays.controller import State
from hdl.arrays.grid import Grid
from hdl.block import index_width
from hdl.layers.collector import Collector
from sim.formal import Claims


def held(m: Module, name: str, o: Any) -> Value:
    """Whether a word of a stream that was not taken is still offered."""
    waits, word = Signal(name=f"{name}_waits"), before(m, f"{name}_before", o.payload)
    m.d.sync += waits.eq(o.valid & ~o.ready)
    stays: Value = ~waits | (o.valid & (o.payload == word))
    return stays


class CollectorClaims(Claims):
    """Claims on a collector behind anybody who keeps to `go`. `mark` chooses any value, to be found again in a word."""

    start: Signal
    go: Signal
    strobe: Signal
    value: Signal
    o: Any
    mark: Signal
    filled: Signal
    full: Signal
    gathered: Signal
    reserved: Signal

    def __init__(self, block: Collector) -> None:
        self.count = block.count
        shapes = {"filled": range(block.count), "full": 1, "gathered": block.count * block.width, "reserved": range(3)}
        super().__init__(block, {name: (name, shape) for name, shape in shapes.items()}, {"mark": 1})

    def add_claims(self, m: Module) -> None:
        count, given = self.count, self.o.valid & self.o.ready
        due, place, whole = Signal(range(2 * count + 1)), Signal(range(count)), Signal(range(3))
        completes, waits = self.strobe & (place == count - 1), Signal()
        m.d.sync += [
            due.eq(due + Mux(self.start, count, 0) - self.strobe),  # values that are still to come
            whole.eq(whole + completes - given),  # words that are complete and not yet taken
            waits.eq((whole != 0) & ~self.o.valid),
        ]
        with m.If(self.strobe):
            m.d.sync += place.eq(Mux(completes, 0, place + 1))

        marked, ahead, marked_place = Signal(), Signal(range(3)), Signal(range(count))
        value = Signal.like(self.value, name="marked_value")
        with m.If(self.strobe & self.mark & ~marked):
            m.d.sync += [marked.eq(1), ahead.eq(whole - given), marked_place.eq(place), value.eq(self.value)]
        with m.Elif(given & marked):
            m.d.sync += [marked.eq(ahead != 0), ahead.eq(ahead - 1)]
        offered = self.o.payload.word_select(marked_place, len(value))
        gathered = self.gathered.word_select(marked_place, len(value))
        gathering = self.gathered.word_select((count - place + marked_place)[: len(place) + 1], len(value))
        m.d.comb += [
            Assume(~self.start | self.go, "images begin where there is room"),
            Assume(~self.strobe | (due != 0), "values are of images that began"),
            Assert(~(given & marked & (ahead == 0)) | (offered == value), "each value is at its place in its word"),
            Assert(~self.o.valid | (whole != 0), "no word is invented"),
            Assert(~waits | self.o.valid, "no word is lost"),
            Assert(held(m, "o", self.o), "a word stays until it is taken"),
            Assert((self.filled == place) & (place < count), "lemma: values of the word so far"),
            Assert(self.full + self.o.valid == whole, "lemma: where whole words are"),
            Assert(~self.full | (place == 0), "lemma: a whole word is alone"),
            Assert(self.reserved * count == due + whole * count + place, "lemma: what room is reserved for"),
            Assert(self.reserved <= 2, "lemma: room for two"),
            Cover(given & marked & (ahead == 0) & ~self.go, "a word is taken where no room is left"),
            Cover(self.full & self.o.valid & ~self.o.ready, "a whole word waits for another"),
        ]
        with m.If(marked):
            m.d.comb += Assert(ahead <= whole, "lemma: words before the marked one")
            with m.If(ahead == whole):
                m.d.comb += Assert((marked_place < place) & (gathering == value), "lemma: marked and still gathered")
            with m.Elif((ahead == 0) & self.o.valid):
                m.d.comb += Assert(offered == value, "lemma: marked and offered")
            with m.Else():
                m.d.comb += Assert(self.full & (gathered == value), "lemma: marked and whole")


class GridClaims(Claims):
    """Claims on a grid of single presentations and one lane, before a layer that gives `go` as it likes."""

    i: Any
    go: Signal
    start: Signal
    strobe: Signal
    last: Signal
    sampled: Signal
    asks: Signal
    takes: Signal
    place: Signal
    order_valid: Signal
    order_ready: Signal
    masked: Signal
    state: Signal
    next_block: Signal
    next_row: Signal
    step: Signal

    def __init__(self, block: Grid) -> None:
        assert block.presentations == block.lanes == block.slices == 1
        self.reads, self.rows = block.map.reads, block.rows
        blocks, row = index_width(block.map.blocks), index_width(block.rows)
        inside: dict[str, tuple[str, Any]] = {
            "sampled": ("controller.sampled", 1),
            "asks": ("controller.read__valid", 1),
            "takes": ("controller.read__ready", 1),
            "place": ("controller.read__payload", blocks + row),
            "order_valid": ("controller.host__valid", 1),
            "order_ready": ("controller.host__ready", 1),
            "masked": ("controller.masked", 1),
            "state": ("controller.state", 3),
            "next_block": ("next_block", blocks),
            "next_row": ("next_row", row),
            "step": ("step", index_width(block.map.reads)),
        }
        super().__init__(block, inside)

    def add_claims(self, m: Module) -> None:
        reads, blocks = self.reads, len(self.next_block)
        taken, order = self.asks & self.takes, self.order_valid & self.order_ready
        to_take, owed, step = Signal(range(reads)), Signal(), Signal(range(reads))
        due = Signal(range(3 * reads + 8))  # counts of images that began which are still to come
        flying = Signal(3)
        with m.If(taken):
            m.d.sync += [owed.eq(1), to_take.eq(Mux(to_take == 0, reads, to_take) - 1)]
        with m.Elif(self.sampled):
            m.d.sync += owed.eq(0)
        with m.If(self.strobe):
            m.d.sync += step.eq(Mux(step == reads - 1, 0, step + 1))
        m.d.sync += [due.eq(due + Mux(self.start, reads, 0) - self.strobe), flying.eq(Cat(self.sampled, flying))]
        turn = Mux(to_take == 0, 0, reads - to_take)
        place = self.place[:blocks] * self.rows + self.place[blocks:]
        reading = (self.state == State.PRECHARGE.value) | (self.state == State.SENSE.value)
        m.d.comb += [
            Assert(~self.start | self.go, "an image begins where there is room"),
            Assert(self.start == (self.i.valid & self.i.ready), "an image is taken when it begins"),
            Assert(self.start == (taken & (to_take == 0)), "an image begins with its first read"),
            Assert(~taken | (place == turn), "each row is read in its turn"),
            Assert((to_take == 0) | self.asks, "an image that began is read to its end"),
            Assert(self.strobe == flying[2], "each read has one count, three cycles after it was sampled"),
            Assert(~self.strobe | (due != 0), "no count is invented"),
            Assert(~self.strobe | (self.last == (step == reads - 1)), "the last count of an image says so"),
            Assert(~order | (due == 0), "orders come between images"),
            Assert(due == to_take + owed + flying[0] + flying[1] + flying[2], "no count is lost"),
            Assert(~(taken | order) | ~owed | self.sampled, "lemma: reads one by one"),
            Assert(~self.sampled | owed, "lemma: samples are of reads"),
            Assert(owed == (reading & ~self.masked), "lemma: a read is under way in two states"),
            Assert(
                reading | (self.masked == (self.state != State.IDLE.value)), "lemma: orders are under way in the others"
            ),
            Assert(self.next_block * self.rows + self.next_row == turn, "lemma: the walk"),
            Assert((self.next_row < self.rows) & (to_take < reads) & (step < reads), "lemma: counters in their bounds"),
            Assert(self.step == Mux(self.strobe, Mux(step == reads - 1, 0, step + 1), step), "lemma: the step"),
            Cover(self.start & self.strobe & (due > reads // 2), "an image begins while one is under way"),
            Cover(order & (before(m, "last_before", self.last)), "an order behind an image"),
        ]
