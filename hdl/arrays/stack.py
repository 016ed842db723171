"""A stack: the arrays whose columns are the same neurons, one above the other, and these neurons."""

from dataclasses import dataclass, field
from typing import Any, Literal

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import control_lines, level
from hdl.arrays.reserve import Reserve
from hdl.arrays.shelf import Lines, Shelf, hold, parts_of
from hdl.arrays.spare_table import many
from hdl.block import Hardware, index_width, place
from hdl.neurons.tally import Tally
from model.mapping import S2P, LayerMap
from model.plan import Fidelity
from model.topology import Presentations

STEP = data.StructLayout({"strobe": 1, "first": 1, "twice": 1})
"""What goes with a read: it counts; it is the first of an image; what came before counts twice."""


@dataclass(frozen=True)
class Stack:
    """`neurons` neurons of `fan_in` inputs, of which `lanes` are read at once, on arrays of `rows` × `columns`.

    Ports:
      `group`, `row`, `operation`, `side`, `hv`, `sen`, `mask`, `masked`  from the controller. Of a read `group` is the
                  block that is read in all lanes, of a host command (`masked`) the group
      `x`         an input for each lane, while `sen` is high
      `ending`     the read is the last of a presentation: lanes that have no input left are not sensed
      `step`      what goes with the read, in the last cycle of its `sen`
      `numbers`   thresholds or offsets, `results`: see `hdl.neurons.tally.Tally`. Results are of the sums 3 cycles
                  after their step
      `selected`  host commands are for this stack: pulses act
      `q`         the outputs of the array that a host command reads, 2 cycles after `sen`; 0 if it is another stack's

    Throughput 1 read a cycle. With a `reserve` with spare rows, `remapped` are the table's entries {hit, group, spare}:
    the array of group `group` selects row `spare` where `hit` is high.
    """

    fan_in: int
    neurons: int
    rows: int
    columns: int
    lanes: int
    presentations: Presentations
    ternary: bool
    numbers: Literal["thresholds", "offsets"]
    number_rows: int = 0
    fidelity: Fidelity = "bits"
    reserve: Reserve = field(default_factory=Reserve)

    @property
    def name(self) -> str:
        size = f"{self.fan_in}x{self.neurons}_{self.rows}x{self.columns}_l{self.lanes}"
        rows = f"_rows{self.number_rows}" * (self.number_rows > 0) + level(self.fidelity)
        kind = "_ternary" * self.ternary + rows + self.reserve.suffix
        return f"hafnet_stack_{size}_{self.times}_{self.numbers}{kind}"

    @property
    def times(self) -> str:
        """The presentations, in a word."""
        return f"{'h' if self.presentations.halving else 'p'}{self.presentations.count}"

    @property
    def map(self) -> LayerMap:
        """The stack as a layer of its own."""
        geometry = self.reserve.geometry(self.rows, self.columns)
        return LayerMap(self.fan_in, self.neurons, geometry, S2P, self.lanes, self.ternary)

    @property
    def blocks(self) -> int:
        """Arrays of a lane, one above the other: they hold `number_rows` rows besides those of inputs."""
        return -(-(self.map.reads + self.number_rows) // self.map.geometry.used_rows)

    @property
    def shelf(self) -> Shelf:
        """Its arrays."""
        lanes, kind = (self.blocks,) * self.lanes, (self.ternary, self.fidelity, self.reserve.entries)
        return Shelf(lanes, self.blocks, sum(lanes), self.neurons, self.rows, self.columns, *kind)

    @property
    def rails(self) -> int:
        """What a cell adds to its neuron's count at most."""
        return 2 if self.ternary else 1

    @property
    def tally(self) -> Tally:
        top = self.fan_in * self.rails * self.presentations.total
        return Tally(self.neurons, self.lanes * self.rails, top, self.numbers)

    @property
    def signature(self) -> wiring.Signature:
        groups, entries = self.lanes * self.blocks, self.reserve.entries
        entry = data.StructLayout({"hit": 1, "group": index_width(groups), "spare": index_width(self.rows)})
        more = {"remapped": In(many(entry, entries))} if entries else {}
        return wiring.Signature(
            {
                "group": In(index_width(self.lanes * self.blocks)),
                **control_lines(self.rows, In),
                "mask": In(self.columns),
                "masked": In(1),
                "x": In(self.lanes),
                "ending": In(1),
                "step": In(STEP),
                "numbers": In(self.neurons * self.tally.number_width),
                "results": Out(self.neurons * self.tally.result_width),
                "selected": In(1),
                "q": Out(self.map.word_width),
                **more,
            }
        )

    def create(self) -> "StackHardware":
        return StackHardware(self)


class StackHardware(Hardware):
    """Arrays, the counts of their outputs, the neurons' accumulators, and the way back for one array's outputs."""

    group: Signal
    row: Signal
    operation: Any
    side: Any
    hv: Signal
    sen: Signal
    mask: Signal
    masked: Signal
    x: Signal
    ending: Signal
    step: Any
    numbers: Signal
    results: Signal
    selected: Signal
    q: Signal
    remapped: Any

    def __init__(self, block: Stack) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        left = block.fan_in - (block.map.reads - 1) * block.lanes  # lanes that have an input in the last read
        read = Signal(block.lanes, name="read")
        m.d.comb += read.eq(Mux(self.masked, 0, Mux(self.ending, (1 << left) - 1, -1)))
        lines = Lines(self, 0, 0, self.hv & self.selected, self.x, read)
        held = hold(m, platform, block.shelf, lines, list(parts_of(block.shelf.size)), image="_g")
        counts = [Signal(block.neurons, name=f"count{bit}") for bit in range(len(held.counts))]
        m.d.sync += [count.eq(bits) for count, bits in zip(counts, held.counts, strict=True)]
        tally = place(m, platform, "tally", self.block.tally)
        sensed: Any = Signal(STEP, name="sensed")
        counted: Any = Signal(STEP, name="counted")
        m.d.sync += [sensed.eq(self.step), counted.eq(sensed)]
        m.d.comb += [
            tally.strobe.eq(counted.strobe),
            tally.first.eq(counted.first),
            tally.twice.eq(counted.twice),
            tally.counts.eq(Cat(counts)),
            tally.numbers.eq(self.numbers),
            self.results.eq(tally.results),
        ]

        word = held.high
        if held.positive is not None:
            word = Cat(held.positive, ~word)  # Q low: the weight is -1
        m.d.sync += self.q.eq(Mux(self.selected, word, 0))
        return m
