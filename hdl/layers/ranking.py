"""The classes of highest score: best first, the lowest index first on a tie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width
from hdl.neurons.popcount import tree_or


@dataclass(frozen=True)
class Ranking:
    """The indices of the `top` highest of `classes` scores of `width` bits, two's complement; top is 1 … classes.

    Ports: `strobe`, `scores` and `last`, `lanes` scores a strobe in order of their index, lane 0 lowest, `last` with
    the final ones, of which those beyond `classes` are void; `found` with `indices`, the best lowest, for one cycle,
    `latency` cycles after `last`. Throughput 1 strobe a cycle, with no gap between images.

    Lanes are merged two by two into sorted lists of at most `top`, with a register behind each merger, and the last
    list with the best so far: no path is longer than a comparison of two scores and a choice among a few words. Lists
    of a and b entries take a × b comparators: 1 a merger for top = 1, top² for a large top.
    """

    classes: int
    width: int
    lanes: int = 1
    top: int = 1

    @property
    def name(self) -> str:
        return f"hafnet_ranking_{self.classes}x{self.width}_{self.lanes}_top{self.top}"

    @property
    def latency(self) -> int:
        """Cycles from `last` to `found`: one a level of mergers, and one for the best so far."""
        return (self.lanes - 1).bit_length() + 1

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "strobe": In(1),
                "scores": In(self.lanes * self.width),
                "last": In(1),
                "found": Out(1),
                "indices": Out(self.top * index_width(self.classes)),
            }
        )

    def create(self) -> "RankingHardware":
        return RankingHardware(self)


class _Entry(NamedTuple):
    """A signed score and whose it is: among the lanes that were merged, then among the classes."""

    score: Value
    whose: Value


class RankingHardware(Hardware):
    """Mergers of lanes, level by level, and the merger of the best so far with what comes."""

    strobe: Signal
    scores: Signal
    last: Signal
    found: Signal
    indices: Signal

    def __init__(self, block: Ranking) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes, top = self.block.lanes, self.block.top
        lists, strobe, last = self._lanes(), self.strobe, self.last
        for level in range(self.block.latency - 1):
            pairs = zip(lists[::2], lists[1::2], strict=False)
            merged = [
                _merge(m, f"level{level}_{number}", _half(left, level, 0), _half(right, level, 1), top)
                for number, (left, right) in enumerate(pairs)
            ]
            merged += lists[2 * len(merged) :]
            lists = [_registered(m, f"level{level}_{number}", each) for number, each in enumerate(merged)]
            passed = Signal(name=f"level{level}_strobe")
            final = Signal(name=f"level{level}_last")
            m.d.sync += [passed.eq(strobe), final.eq(last)]
            strobe, last = passed, final
        (coming,) = lists

        base = Signal(index_width(self.block.classes))  # the class of lane 0
        coming = [_Entry(score, (base + whose)[: len(base)]) for score, whose in coming]
        best = [
            _Entry(Signal(signed(self.block.width), name=f"best{k}", reset_less=True), self._index(k))
            for k in range(top)
        ]
        # Which places of the list are taken: none at first, then one more for each lane.
        started = base != 0
        taken = {k: Signal(name=f"taken{k}") for k in range(len(coming), top)}
        valid = [started & taken[k] if k in taken else started for k in range(top)]
        found = _merge(m, "found", best, coming, top, valid)
        m.d.sync += self.found.eq(strobe & last)
        with m.If(strobe):
            m.d.sync += base.eq(Mux(last, 0, base + lanes))
            for old, new in zip(best, found, strict=True):
                m.d.sync += [old.score.eq(new.score), old.whose.eq(new.whose)]
            m.d.sync += [each.eq(valid[k - len(coming)]) for k, each in taken.items()]
        return m

    def _index(self, place: int) -> Value:
        width = index_width(self.block.classes)
        return self.indices[place * width : (place + 1) * width]

    def _lanes(self) -> list[list[_Entry]]:
        """A list of one entry for each lane; void scores are the lowest, and behind all others by their index."""
        width, lanes = self.block.width, self.block.lanes
        used = (self.block.classes - 1) % lanes + 1
        lists = []
        for lane in range(lanes):
            score = self.scores[lane * width : (lane + 1) * width].as_signed()
            if lane >= used:
                score = Mux(self.last, -(1 << width - 1), score)
            lists.append([_Entry(score, Const(0, 0))])
        return lists


def _half(entries: Sequence[_Entry], level: int, side: int) -> list[_Entry]:
    """The entries as the lower or upper half of 2^(level + 1) lanes."""
    return [
        _Entry(score, Cat(whose, Const(side << level - len(whose), level + 1 - len(whose)))) for score, whose in entries
    ]


def _merge(
    m: Module, name: str, left: Sequence[_Entry], right: Sequence[_Entry], keep: int, valid: Sequence[Value] = ()
) -> list[_Entry]:
    """The best `keep` of two sorted lists; on a tie those of `left` come first. Entries of `left` that are not `valid`
    come last.

    An entry's place is its place in its own list and the number of entries of the other one before it, which is known
    once each is compared with each: no chain of comparisons.
    """
    won = []  # for each entry of `left`, over which of `right`
    for i, ours in enumerate(left):
        row = Signal(len(right), name=f"{name}_won{i}")
        better = Cat(ours.score >= theirs.score for theirs in right)
        m.d.comb += row.eq(Mux(valid[i], better, 0) if valid else better)
        won.append(row)
    before_left = [[~bit for bit in row] for row in won]
    before_right = [[row[j] for row in won] for j in range(len(right))]
    merged = []
    for place in range(min(keep, len(left) + len(right))):
        candidates = [(entry, place - i, before_left[i]) for i, entry in reversed(list(enumerate(left)))]
        candidates += [(entry, place - j, before_right[j]) for j, entry in enumerate(right)]
        chosen = [
            (_count_is(before, count), Cat(entry.whose, entry.score))
            for entry, count, before in candidates
            if 0 <= count <= len(before)
        ]
        # The first choice is that an entry stays in its place: a register that keeps its value.
        (stays, word), *others = chosen
        if len(others) > 1:
            other = tree_or(m, [Mux(here, word, 0) for here, word in others], f"{name}_{place}")
        else:
            ((_, other),) = others
        both = Signal(len(word), name=f"{name}{place}")
        m.d.comb += both.eq(Mux(stays, word, other))
        split = len(left[0].whose)
        merged.append(_Entry(both[split:].as_signed(), both[:split]))
    return merged


def _count_is(ones: Sequence[Value], count: int) -> Value:
    """Whether `count` bits are 1, where all ones come before all zeros."""
    edge = [ones[count - 1]] if count else []
    edge += [~ones[count]] if count < len(ones) else []
    return Cat(edge).all()


def _registered(m: Module, name: str, entries: Sequence[_Entry]) -> list[_Entry]:
    """The entries a cycle later."""
    held = []
    for place, now in enumerate(entries):
        later = _Entry(
            Signal(signed(len(now.score)), name=f"{name}_score{place}", reset_less=True),
            Signal(len(now.whose), name=f"{name}_whose{place}", reset_less=True),
        )
        m.d.sync += [later.score.eq(now.score), later.whose.eq(now.whose)]
        held.append(later)
    return held
