"""What is claimed of a ranking: it is the definition of argmax, and of the best k."""

from itertools import pairwise
from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, Value, signed
from formal_controller import before

from hdl.block import index_width
from hdl.layers.ranking import Ranking
from sim.formal import Claims


class RankingClaims(Claims):
    """Claims on a ranking that is given whole images of any scores, with any gaps.

    In the place p of the best stands the class before which come p others: a class comes before another one if its
    score is higher, or equal and its index lower.
    """

    strobe: Signal
    scores: Signal
    last: Signal
    found: Signal
    indices: Signal
    base: Signal

    def __init__(self, block: Ranking) -> None:
        self.ranking, self.levels = block, block.latency - 1
        inside: dict[str, tuple[str, Any]] = {"base": ("base", index_width(block.classes))}
        inside |= {f"best{k}": (f"best{k}", signed(block.width)) for k in range(block.top)}
        inside |= {f"taken{k}": (f"taken{k}", 1) for k in range(block.lanes, block.top)}
        super().__init__(block, inside)

    def add_claims(self, m: Module) -> None:
        block = self.ranking
        classes, width, lanes = block.classes, block.width, block.lanes
        strobes = -(-classes // lanes)

        given = Signal(range(strobes))  # strobes of this image so far
        with m.If(self.strobe):
            m.d.sync += given.eq(Mux(self.last, 0, given + 1))
        m.d.comb += [
            Assume(self.last == (given == strobes - 1), "the last scores of an image are marked"),
            Assert(given < strobes, "lemma: strobes of an image"),
        ]

        # The scores as they come to the best so far, behind the mergers of the lanes.
        strobe, last, scores = self.strobe, self.last, self.scores
        passing: list[Value] = []
        for level in range(self.levels):
            now = strobe, last, scores
            strobe, last = Signal(name=f"strobe{level}"), Signal(name=f"last{level}")
            passing.append(strobe)
            scores = before(m, f"scores{level}", now[2])
            m.d.sync += [strobe.eq(now[0]), last.eq(now[1])]
        seen, filled, ended = Signal(range(strobes)), Signal(range(classes + 1)), Signal()
        image = [Signal(signed(width), name=f"score{index}", reset_less=True) for index in range(classes)]
        m.d.sync += ended.eq(strobe & last)
        with m.If(strobe):
            m.d.sync += [seen.eq(Mux(last, 0, seen + 1)), filled.eq(Mux(last, classes, (seen + 1) * lanes))]
            for index, score in enumerate(image):
                with m.If(seen == index // lanes):
                    m.d.sync += score.eq(scores.word_select(index % lanes, width))

        ranks = []
        for index, score in enumerate(image):
            first = [(other >= score) if j < index else (other > score) for j, other in enumerate(image) if j != index]
            there = [j < filled for j in range(classes) if j != index]
            rank = Signal(range(classes), name=f"rank{index}")
            m.d.comb += rank.eq(
                sum((a & b for a, b in zip(first[1:], there[1:], strict=True)), start=first[0] & there[0])
            )
            ranks.append(rank)
        wrong, wrong_so_far = [], []
        for place in range(block.top):
            found = self.indices.word_select(place, index_width(classes))
            rank, score = Signal(range(classes), name=f"rank_of{place}"), Signal(signed(width), name=f"score_of{place}")
            with m.Switch(found):
                for index in range(classes):
                    with m.Case(index):
                        m.d.comb += [rank.eq(ranks[index]), score.eq(image[index])]
            right = (found < filled) & (rank == place)
            wrong.append(~right)
            wrong_so_far.append((place < filled) & ~(right & (getattr(self, f"best{place}") == score)))
        taken = [getattr(self, f"taken{place}") == (place < filled) for place in range(lanes, block.top)]
        ties: Value = Cat(a == b for a, b in pairwise(image)).any()
        m.d.comb += [
            Assert(~self.found | ~Cat(wrong).any(), "in each place stands the class before which come as many"),
            Assert(self.found == ended, "each image is ranked once"),
            Assert(((seen == 0) & ~ended) | ~Cat(wrong_so_far).any(), "lemma: the places so far"),
            Assert((seen == 0) | Cat(taken).all(), "lemma: places that are taken"),
            Assert(self.base == (seen * lanes)[: len(self.base)], "lemma: the class of the first lane"),
            Assert(seen < strobes, "lemma: strobes that are ranked"),
            Assert(sum(passing, start=seen) % strobes == given, "lemma: strobes between lanes and ranks"),
            Assert((seen == 0) | (filled == seen * lanes), "lemma: scores that are ranked"),
            Assert(~ended | (filled == classes), "lemma: all scores are ranked in the end"),
            Cover(self.found & ties & (self.indices != 0), "an image with a tie"),
            Cover(self.found & before(m, "strobe_before", self.strobe) & self.strobe, "images without a gap"),
        ]
