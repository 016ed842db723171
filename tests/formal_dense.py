"""What is claimed of a whole dense layer: each bit of each result, whatever back-pressure there is."""

from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value
from formal_arrays import matches
from formal_streams import held

from hdl.arrays.controller import State
from hdl.block import index_width
from hdl.layers.dense import Dense
from sim.formal import Claims


class DenseClaims(Claims):
    """Claims on a dense layer of one tile a block, its arrays filled with anything and left alone by the host.

    `mark` chooses any image when it is taken, and `neuron` any of its bits, to be found again in a result. The lemmas
    follow this bit: not yet sampled, on its way from array to neuron, in the collector.
    """

    i: Any
    o: Any
    host: Any
    mark: Signal
    neuron: Signal
    asks: Signal
    takes: Signal
    sampled: Signal
    state: Signal
    masked: Signal
    hv: Signal
    sen: Signal
    group: Signal
    row: Signal
    next_block: Signal
    next_row: Signal
    step: Signal
    x: Signal
    fired: Signal
    fire: Signal
    filled: Signal
    full: Signal
    gathered: Signal
    reserved: Signal

    def __init__(self, block: Dense) -> None:
        grid = block.grid
        assert grid.map.tiles == grid.presentations == grid.lanes == grid.slices == 1
        self.grid = grid
        blocks, row, reads = index_width(grid.map.blocks), index_width(grid.rows), grid.map.reads
        inside: dict[str, tuple[str, Any]] = {
            "asks": ("grid.controller.read__valid", 1),
            "takes": ("grid.controller.read__ready", 1),
            "sampled": ("grid.controller.sampled", 1),
            "state": ("grid.controller.state", 3),
            "masked": ("grid.controller.masked", 1),
            "hv": ("grid.controller.hv", 1),
            "sen": ("grid.controller.sen", 1),
            "group": ("grid.controller.group", blocks),
            "row": ("grid.controller.row", row),
            "next_block": ("grid.next_block", blocks),
            "next_row": ("grid.next_row", row),
            "step": ("grid.step", index_width(reads)),
            "x": ("grid.x", grid.fan_in),
            "fired": ("neuron0.fired", 1),
            "fire": ("neuron0.fire", 1),
            "filled": ("collector.filled", range(reads)),
            "full": ("collector.full", 1),
            "gathered": ("collector.gathered", reads),
            "reserved": ("collector.reserved", range(3)),
        }
        for neuron in range(grid.fan_out):
            group, place = divmod(neuron, grid.rows)
            word = f"grid.group{group}.tile0.array.cells.words[{place}]"
            inside[f"weights{neuron}"] = (word, grid.columns * (2 if grid.ternary else 1))
            inside[f"threshold{neuron}"] = (f"grid.numbers0.words[{neuron}]", grid.number_width)
        super().__init__(block, inside, {"mark": 1, "neuron": range(reads)})

    def _fires(self, x: Value) -> list[Value]:
        """The definition: what each neuron says of an input."""
        fires = []
        for neuron in range(self.grid.fan_out):
            weights, threshold = getattr(self, f"weights{neuron}"), getattr(self, f"threshold{neuron}")
            agreed = matches(weights, x, self.grid.ternary)[: self.grid.fan_in]
            fires.append(sum(agreed[1:], start=agreed[0]) >= threshold)
        return fires

    def add_claims(self, m: Module) -> None:
        reads = self.grid.map.reads
        started, given, taken = self.i.valid & self.i.ready, self.o.valid & self.o.ready, self.asks & self.takes
        under_way, whole = Signal(range(3)), self.full + self.o.valid
        to_take, owed, flying = Signal(range(reads)), Signal(), Signal(4)
        m.d.sync += [under_way.eq(under_way + started - given), flying.eq(Cat(self.sampled, flying))]
        with m.If(taken):
            m.d.sync += [owed.eq(1), to_take.eq(Mux(to_take == 0, reads, to_take) - 1)]
        with m.Elif(self.sampled):
            m.d.sync += owed.eq(0)
        turn = Mux(to_take == 0, 0, reads - to_take)
        reading = (self.state == State.PRECHARGE.value) | (self.state == State.SENSE.value)

        marked, kept, ahead, flown = Signal(), Signal(), Signal(range(3)), Signal(4)
        bit, expected = Signal(range(reads)), Signal()
        waits = marked & ~flown.any() & ~kept
        being_read = (turn + reads - 1) % reads
        m.d.sync += flown.eq(Cat(self.sampled & waits & (being_read == bit), flown))
        with m.If(flown[3]):
            m.d.sync += kept.eq(1)
        with m.If(started & self.mark & ~marked):
            m.d.sync += [marked.eq(1), kept.eq(0), ahead.eq(under_way - given), bit.eq(self.neuron)]
            m.d.sync += expected.eq(Cat(self._fires(self.i.payload)).bit_select(self.neuron, 1))
        with m.Elif(given & marked):
            m.d.sync += [marked.eq(ahead != 0), ahead.eq(ahead - 1)]

        lines = self.group * self.grid.rows + self.row
        m.d.comb += [
            Assume(~self.host.valid, "the host leaves the arrays alone"),
            Assume(self.neuron < reads, "there is such a neuron"),
            Assert(~self.o.valid | (under_way != 0), "no result is invented"),
            Assert(
                ~(given & marked & (ahead == 0)) | (self.o.payload.bit_select(bit, 1) == expected),
                "each bit of each result is that of its neuron and its image",
            ),
            Assert(held(m, "o", self.o), "a result stays until it is taken"),
            Assert(
                under_way * reads == whole * reads + sum(flying, start=self.filled + owed + to_take),
                "no read is dropped or repeated",
            ),
            Assert((to_take < reads) & (self.filled < reads) & (bit < reads), "lemma: counters in their bounds"),
            Assert(self.next_row < self.grid.rows, "lemma: rows of a block"),
            Assert((under_way <= 2) & (self.reserved == under_way), "lemma: room for two"),
            Assert(~self.full | (self.filled == 0), "lemma: a whole word is alone"),
            Assert(owed == reading, "lemma: a read is under way in two states"),
            Assert(reading | (self.state == State.IDLE.value), "lemma: no other states"),
            Assert(~self.masked & ~self.hv, "lemma: no order is under way"),
            Assert(self.sen == (self.state == State.SENSE.value), "lemma: SEN in one state"),
            Assert(self.next_block * self.grid.rows + self.next_row == turn, "lemma: the walk"),
            Assert(~owed | ((lines == being_read) & (self.row < self.grid.rows)), "lemma: the lines of a read"),
            Assert(self.fired == flying[3], "lemma: from array to neuron"),
            Assert(self.step == (self.filled + flying[2] + flying[3]) % reads, "lemma: the step"),
            Assert(~flown[3] | (self.fire == expected), "lemma: what the neuron says of the marked read"),
            Assert((flown & (flown - 1)) == 0, "lemma: the marked read once"),
            Assert(~flown.any() | (marked & ~kept), "lemma: the marked read on its way"),
            Assert((flown & ~flying) == 0, "lemma: the marked read is one"),
            Cover(
                given & marked & (ahead == 0) & (under_way == 2) & expected, "a result is taken while one is under way"
            ),
            Cover(self.full & self.o.valid & ~self.o.ready, "a result waits for another"),
        ]
        for stage in range(4):
            before_it = whole * reads + self.filled + sum(flying[stage + 1 :], start=Const(0, 1))
            with m.If(flown[stage]):
                m.d.comb += Assert(
                    before_it == ahead * reads + bit, f"lemma: what is before the marked read in stage {stage}"
                )
        with m.If(waits):
            m.d.comb += [
                Assert(ahead + 1 == under_way, "lemma: the marked image is the last"),
                Assert(bit + to_take + owed >= reads, "lemma: the marked read is still to come"),
                Assert(
                    Cat(self._fires(self.x)).bit_select(bit, 1) == expected,
                    "lemma: the marked image is before the arrays",
                ),
            ]
        with m.If(marked & kept):
            gathering = self.gathered.bit_select((reads - self.filled + bit)[: len(bit) + 1], 1)
            m.d.comb += Assert(ahead <= whole, "lemma: results before the marked one")
            with m.If(ahead == whole):
                m.d.comb += Assert((bit < self.filled) & (gathering == expected), "lemma: marked and still gathered")
            with m.Elif((ahead == 0) & self.o.valid):
                m.d.comb += Assert(self.o.payload.bit_select(bit, 1) == expected, "lemma: marked and offered")
            with m.Else():
                m.d.comb += Assert(
                    self.full & (self.gathered.bit_select(bit, 1) == expected), "lemma: marked and whole"
                )
