"""The arrays of a stack, which are as many as it has rows: put up by tens, hundreds and thousands, each described once.

An array's number is part of the path of its image, so a block that holds several arrays must leave them their numbers.
A shelf holds ten, a hundred, a thousand … arrays whose numbers share all digits but the last one, two, three …: whoever
holds it adds the digits in front, and it adds one digit to each child. What is wide (the lines of all columns) is
described once for each shelf of a kind, and not once for each array.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import Array, control_lines, level, same_row
from hdl.arrays.spare_table import each, many, remapped
from hdl.block import Hardware, index_width, place
from hdl.neurons.popcount import tree_or
from hdl.neurons.tally import column_counts
from model.plan import Fidelity


class Part(NamedTuple):
    """Arrays that stand side by side in a stack or a shelf: the `first` of them, and how many there are."""

    first: int
    size: int


def parts_of(count: int) -> Iterator[Part]:
    """The shelves and single arrays of a stack of `count` arrays: as few as there can be."""
    first = 0
    while first < count:
        size = 1
        # Number 7 is no 007: the lowest ten are a shelf, the lowest hundred are not.
        while first % (10 * size) == 0 and first + 10 * size <= count and (first or size == 1):
            size *= 10
        yield Part(first, size)
        first += size


@dataclass(frozen=True)
class Shelf:
    """Arrays of some lanes of a stack, with the counts of what they say.

    `lanes` says how many arrays of each lane in turn are here; a whole lane has `blocks` arrays, the stack `groups`.
    The first `neurons` of the `columns` are counted; the others are padding.

    Ports:
      `first`, `block`  the number of the first array in the stack, and in its lane; both stand still
      `group`, `row`, `operation`, `side`, `hv`, `sen`, `mask`, `masked`, `remapped`  as in `hdl.arrays.stack.Stack`
      `x`         an input for each lane, while `sen` is high
      `read`      of each lane the array `group` is sensed; a host command (`masked`) senses array `group` of the stack
      `counts`    of each neuron, how many of the lanes say +1 (ternary: the sum of thermometer codes), 1 cycle after
                  `sen`: the lowest bits of all neurons, then their next bits, …
      `high`, `positive`  which outputs Q of the array that is sensed are high, and, if ternary, which Qb are low; of
                  several ones, the OR; 0 if none is
    """

    lanes: tuple[int, ...]
    blocks: int
    groups: int
    neurons: int
    rows: int
    columns: int
    ternary: bool = False
    fidelity: Fidelity = "bits"
    entries: int = 0

    @property
    def name(self) -> str:
        lanes = "_".join(f"{len(list(same))}x{size}" for size, same in groupby(self.lanes))
        size = f"{lanes}_of{self.blocks}_{self.groups}_{self.neurons}_{self.rows}x{self.columns}"
        spares = f"_spares{self.entries}" * (self.entries > 0)
        return f"hafnet_shelf_{size}" + "_ternary" * self.ternary + spares + level(self.fidelity)

    @property
    def size(self) -> int:
        """Arrays."""
        return sum(self.lanes)

    @property
    def array(self) -> Array:
        return Array(self.rows, self.columns, self.ternary, self.fidelity)

    @property
    def bits(self) -> int:
        """Bits of a count."""
        return (len(self.lanes) * (2 if self.ternary else 1)).bit_length()

    @property
    def parts(self) -> list[Part]:
        """What a shelf of 10, 100, 1000 … holds."""
        size = self.size // 10
        return [Part(place * size, size) for place in range(10)]

    def find(self, index: int) -> tuple[int, int]:
        """Of an array of the shelf: its lane, as one of `lanes`, and how many arrays of this lane stand before it."""
        lane = 0
        while index >= self.lanes[lane]:
            index -= self.lanes[lane]
            lane += 1
        return lane, index

    def cut(self, part: Part) -> tuple[int, "Shelf"]:
        """The first lane of a part, and the part as a shelf of its own."""
        lane, before = self.find(part.first)
        lanes, left = [], part.size
        for size in (self.lanes[lane] - before, *self.lanes[lane + 1 :]):
            lanes.append(min(size, left))
            left -= lanes[-1]
            if left == 0:
                break
        kind = (self.neurons, self.rows, self.columns, self.ternary, self.fidelity, self.entries)
        return lane, Shelf(tuple(lanes), self.blocks, self.groups, *kind)

    @property
    def signature(self) -> wiring.Signature:
        group = index_width(self.groups)
        entry = data.StructLayout({"hit": 1, "group": group, "spare": index_width(self.rows)})
        more: dict[str, wiring.Member] = {"remapped": In(many(entry, self.entries))} if self.entries else {}
        if self.ternary:
            more["positive"] = Out(self.columns)
        return wiring.Signature(
            {
                "first": In(group),
                "block": In(index_width(self.blocks)),
                "group": In(group),
                **control_lines(self.rows, In),
                "mask": In(self.columns),
                "masked": In(1),
                "x": In(len(self.lanes)),
                "read": In(len(self.lanes)),
                "counts": Out(self.bits * self.neurons),
                "high": Out(self.columns),
                **more,
            }
        )

    def create(self) -> "ShelfHardware":
        return ShelfHardware(self)


class ShelfHardware(Hardware):
    """Ten arrays, or ten shelves."""

    first: Signal
    block: Signal
    hv: Signal
    x: Signal
    read: Signal
    counts: Signal
    high: Signal
    positive: Signal

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        super().__init__(shelf.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lines = Lines(self, self.first, self.block, self.hv, self.x, self.read)
        held = hold(m, platform, self.shelf, lines, self.shelf.parts)
        neurons = self.shelf.neurons
        m.d.comb += [self.counts[bit * neurons :][:neurons].eq(word) for bit, word in enumerate(held.counts)]
        m.d.comb += self.high.eq(held.high)
        if held.positive is not None:
            m.d.comb += self.positive.eq(held.positive)
        return m


class Lines(NamedTuple):
    """What arrays are given: the lines of `Shelf`, of which some are those of `ports`."""

    ports: Any
    first: Value | int
    block: Value | int
    hv: Value
    x: Value
    read: Value

    def number(self, index: int) -> Value | int:
        """What array `index` of the shelf is called in the stack."""
        return _plus(self.first, index)

    def place(self, lane: int, before: int) -> Value | int:
        """The place in its lane of an array, by the number of arrays before it here."""
        return before if lane else _plus(self.block, before)


class Held(NamedTuple):
    """What they say: as the outputs of `Shelf`; `counts` are a word for each bit of a count."""

    counts: list[Value]
    high: Value
    positive: Value | None


def hold(m: Module, platform: Any, shelf: Shelf, lines: Lines, parts: Sequence[Part], image: str = "") -> Held:
    """Place the parts of a shelf, or of a stack that is seen as one, and join them to `lines`.

    `image` is what the paths of all images below go on with, before the number.
    """
    inputs: dict[int, Signal] = {}  # of the arrays of each lane
    said: dict[int, list[Held]] = {}  # by the single arrays of each lane
    counts: list[list[Value]] = [[] for _ in range(shelf.bits)]
    whole: list[Held] = []
    of_one_lane: dict[int, list[Held]] = {}
    for part in parts:
        if part.size == 1:
            lane, before = shelf.find(part.first)
            if lane not in inputs:
                x = inputs[lane] = Signal(shelf.columns, name=f"x{lane}")
                m.d.comb += x.eq(Mux(lines.ports.masked, lines.ports.mask, Mux(lines.x[lane], -1, 0)))
            held = _array(m, platform, shelf, lines, part.first, lane, before, inputs[lane], image)
            said.setdefault(lane, []).append(held)
            continue
        lane, kind = shelf.cut(part)
        held = _shelf(m, platform, shelf, lines, part, image)
        whole.append(held)
        if len(kind.lanes) == 1:
            of_one_lane.setdefault(lane, []).append(held)
        else:
            for bit, word in enumerate(held.counts):
                counts[bit].append(word)
    # Of a lane one array is sensed at a time.
    for lane, arrays in said.items():
        high = tree_or(m, [held.high for held in arrays], f"high{lane}")
        rails = [held.positive for held in arrays if held.positive is not None]
        positive = tree_or(m, rails, f"positive{lane}") if rails else None
        whole.append(Held([], high, positive))
        counts[0].append(high[: shelf.neurons])
    counts[0] += [held.positive[: shelf.neurons] for held in whole if held.positive is not None and not held.counts]
    for lane, shelves in of_one_lane.items():
        for bit in range(len(shelves[0].counts)):
            counts[bit].append(tree_or(m, [held.counts[bit] for held in shelves], f"lane{lane}_count{bit}"))
    low_b = [held.positive for held in whole if held.positive is not None]
    return Held(
        column_counts(m, counts),
        tree_or(m, [held.high for held in whole], "high"),
        tree_or(m, low_b, "positive") if low_b else None,
    )


def _shelf(m: Module, platform: Any, parent: Shelf, lines: Lines, part: Part, image: str) -> Held:
    """Place a shelf, and join it to the lines."""
    lane, shelf = parent.cut(part)
    before, neurons = parent.find(part.first)[1], parent.neurons
    digits = f"{part.first // part.size}" if part.first or not image else ""
    held = place(m, platform, f"shelf{part.first}", shelf, image=image + digits, mask=lines.ports.mask)
    last = lane + len(shelf.lanes)
    m.d.comb += [
        held.first.eq(lines.number(part.first)),
        held.block.eq(lines.place(lane, before)),
        held.group.eq(lines.ports.group),
        *same_row(held, lines.ports),
        held.hv.eq(lines.hv),
        held.sen.eq(lines.ports.sen),
        held.masked.eq(lines.ports.masked),
        held.x.eq(lines.x[lane:last]),
        held.read.eq(lines.read[lane:last]),
    ]
    if shelf.entries:
        m.d.comb += held.remapped.eq(lines.ports.remapped)
    counts = [held.counts[bit * neurons :][:neurons] for bit in range(shelf.bits)]
    return Held(counts, held.high, held.positive if shelf.ternary else None)


def _array(
    m: Module, platform: Any, shelf: Shelf, lines: Lines, index: int, lane: int, before: int, x: Signal, image: str
) -> Held:
    """Place array `index`, which has so many before it in its lane, and join it to the lines and to input `x`."""
    ports, columns, number = lines.ports, shelf.columns, lines.number(index)
    addressed, sen, sensed = (Signal(name=f"group{index}_{name}") for name in ("addressed", "sen", "sensed"))
    array = place(m, platform, f"group{index}", shelf.array, image=f"{image}{index}", x=x)
    m.d.comb += [
        addressed.eq(ports.masked & (ports.group == number)),
        sen.eq(ports.sen & (addressed | (lines.read[lane] & (ports.group == lines.place(lane, before))))),
        *same_row(array, ports),
        array.hv.eq(lines.hv & addressed),
        array.sen.eq(sen),
    ]
    if shelf.entries:
        hits = [entry.hit & (entry.group == number) for entry in each(ports.remapped)]
        spares = [entry.spare for entry in each(ports.remapped)]
        m.d.comb += array.row.eq(remapped(m, ports.row, hits, spares, f"spare{index}"))
    m.d.sync += sensed.eq(sen)
    high = Signal(columns, name=f"q{index}")
    m.d.comb += high.eq(Mux(sensed, array.q, 0))
    if not shelf.ternary:
        return Held([], high, None)
    positive = Signal(columns, name=f"positive{index}")
    m.d.comb += positive.eq(high & ~array.qb)
    return Held([], high, positive)


def _plus(base: Value | int, index: int) -> Value | int:
    """Their sum, without an adder for nothing."""
    return base + index if index else base
