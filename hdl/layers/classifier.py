"""The output layer: counts with an offset for each class, and the classes with the highest scores."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from hdl.arrays.grid import Grid, join_host, layer_ports
from hdl.block import Hardware, index_width, place
from hdl.layers.collector import Collector
from hdl.layers.ranking import Ranking
from hdl.streams.packets import result_layout
from model.mapping import score_width


@dataclass(frozen=True)
class Classifier:
    """A layer of classes on the arrays of `grid`, whose numbers are the offsets: score = count + offset.

    Ports: `i` as in `hdl.arrays.grid.Grid`; `o`, a stream of {indices, scores} (see
    `hdl.streams.packets.result_layout`): the `top` classes of highest score, best first, and with `scores` the scores
    of all classes; and those of the host, see `hdl.arrays.host_access.host_ports`. `top` may be 0 where there are
    scores.

    Throughput: one image in max(cycles, (cycles + latency + beats) / 2) cycles, where cycles = presentations × reads ×
    (precharge + sense), latency = 6 + that of `hdl.layers.ranking.Ranking` (without a `top` 6 in all), with several
    presentations 2 more, and beats are the cycles for which a result is offered until it is taken. Latency from taking
    an image to offering its result, if its words come as fast as they are taken: cycles + latency.
    """

    grid: Grid
    scores: bool = True
    top: int = 1

    @property
    def name(self) -> str:
        kind = f"_top{self.top}" * (self.top != 1) + ("_scores" if self.scores else "_class")
        return self.grid.name.replace("grid", "classifier").replace("_offsets", "") + kind

    @property
    def classes(self) -> int:
        return self.grid.fan_out

    @property
    def score_width(self) -> int:
        return score_width(self.grid.top)

    @property
    def ranking(self) -> Ranking:
        return Ranking(self.classes, self.score_width, self.grid.lanes, self.top)

    @property
    def signature(self) -> wiring.Signature:
        result = result_layout(self.classes, self.score_width if self.scores else 0, self.top)
        ports = layer_ports(self.grid.slices * self.grid.fan_in, self.grid.host_width, self.grid.reserve.signed)
        return wiring.Signature({**ports, "o": Out(stream.Signature(result))})

    def create(self) -> "ClassifierHardware":
        return ClassifierHardware(self)


class ClassifierHardware(Hardware):
    """Grid -> offset adders -> ranking and collectors."""

    i: Any
    o: Any

    def __init__(self, block: Classifier) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block, lanes, width = self.block, self.block.grid.lanes, self.block.score_width
        grid = place(m, platform, "grid", block.grid)
        join_host(m, self, grid)
        connect(m, flipped(self.i), grid.i)
        scored = Signal()
        last = Signal()
        scores = [Signal(signed(width), name=f"score{lane}", reset_less=True) for lane in range(lanes)]
        m.d.sync += [scored.eq(grid.strobe), last.eq(grid.last)]
        for lane, score in enumerate(scores):
            count = grid.counts.word_select(lane, block.grid.top.bit_length())
            offset = grid.numbers.word_select(lane, block.grid.number_width)
            m.d.sync += score.eq(count + offset.as_signed())

        # The collectors fill some cycles apart; a result is offered when each has its own.
        taken = Signal()
        collectors = []
        if block.top:
            ranking = place(m, platform, "ranking", block.ranking)
            ranks = place(m, platform, "rank_collector", Collector(1, block.top * index_width(block.classes)))
            m.d.comb += [
                ranking.strobe.eq(scored),
                ranking.scores.eq(Cat(scores)),
                ranking.last.eq(last),
                ranks.strobe.eq(ranking.found),
                ranks.value.eq(ranking.indices),
                self.o.payload.indices.eq(ranks.o.payload),
            ]
            collectors.append(ranks)
        if block.scores:
            collected = place(m, platform, "score_collector", Collector(block.grid.map.reads, lanes * width))
            m.d.comb += [
                collected.strobe.eq(scored),
                collected.value.eq(Cat(scores)),
                self.o.payload.scores.eq(collected.o.payload),
            ]
            collectors.append(collected)
        m.d.comb += [
            taken.eq(self.o.valid & self.o.ready),
            self.o.valid.eq(Cat(each.o.valid for each in collectors).all()),
            grid.go.eq(Cat(each.go for each in collectors).all()),
        ]
        for each in collectors:
            m.d.comb += [each.start.eq(grid.start), each.o.ready.eq(taken)]
        return m
