"""The output layer in the dataflow `sequential_to_parallel`: all scores at once, and then their ranking."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.columns import Columns
from hdl.arrays.controller import TIMING
from hdl.arrays.grid import join_host, layer_ports
from hdl.block import Hardware, index_width, place
from hdl.layers.ranking import Ranking
from hdl.layers.serializer import Serializer
from hdl.streams.packets import result_layout
from model.mapping import score_width


@dataclass(frozen=True)
class Ranker:
    """The ranking of scores that come all at once: it looks at them `lanes` at a time.

    Ports: `i`, a stream of words of `classes` scores of `width` bits, class 0 lowest; `o`, a stream of results (see
    `hdl.streams.packets.result_layout`), the `top` best classes, and with `scores` the scores. The word stays on `i`
    until its result is taken. Throughput: one image in ceil(classes / lanes) + latency of `hdl.layers.ranking.Ranking`
    + 1 cycles and those for which its result is offered; nothing but these last ones where `top` is 0. Latency from `i`
    to `o` as much.
    """

    classes: int
    width: int
    lanes: int
    top: int
    scores: bool

    @property
    def name(self) -> str:
        kind = "scores" if self.scores else "class"
        return f"hafnet_ranker_{self.classes}x{self.width}_{self.lanes}_top{self.top}_{kind}"

    @property
    def ranking(self) -> Ranking:
        return Ranking(self.classes, self.width, self.lanes, self.top)

    @property
    def signature(self) -> wiring.Signature:
        result = result_layout(self.classes, self.width if self.scores else 0, self.top)
        word = stream.Signature(self.classes * self.width)
        return wiring.Signature({"i": In(word), "o": Out(stream.Signature(result))})

    def create(self) -> "RankerHardware":
        return RankerHardware(self)


class RankerHardware(Hardware):
    """A shift register of the scores before the ranking."""

    i: Any
    o: Any

    def __init__(self, block: Ranker) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        m.d.comb += self.i.ready.eq(self.o.valid & self.o.ready)
        if block.scores:
            m.d.comb += self.o.payload.scores.eq(self.i.payload)
        if not block.top:
            m.d.comb += self.o.valid.eq(self.i.valid)
            return m
        steps, part = -(-block.classes // block.lanes), block.lanes * block.width
        ranking = place(m, platform, "ranking", block.ranking)
        waiting = Signal(steps * part, reset_less=True)
        busy = Signal()
        feeding = Signal()
        step = Signal(index_width(steps))
        m.d.comb += [
            ranking.strobe.eq(feeding),
            ranking.scores.eq(waiting[:part]),
            ranking.last.eq(step == steps - 1),
        ]
        with m.If(feeding):
            m.d.sync += waiting.eq(waiting >> part)
            with m.If(ranking.last):
                m.d.sync += [feeding.eq(0), step.eq(0)]
            with m.Else():
                m.d.sync += step.eq(step + 1)
        with m.If(self.i.valid & ~busy):
            m.d.sync += [busy.eq(1), feeding.eq(1), waiting.eq(self.i.payload)]
        found = Signal()
        m.d.comb += [
            self.o.valid.eq(found | ranking.found),
            self.o.payload.indices.eq(ranking.indices),
        ]
        with m.If(ranking.found):
            m.d.sync += found.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [busy.eq(0), found.eq(0)]
        return m


@dataclass(frozen=True)
class SequentialClassifier:
    """An output layer whose scores are those of `sink`, a `hdl.arrays.columns.Columns` with offsets.

    Ports: `o` as in `hdl.layers.classifier.Classifier`; `i`, a stream of words of fan_in bits; and those of the host,
    see `hdl.arrays.host_access.host_ports`. With `streamed` the inputs come from a layer that reads in the same pace:
    `i`, `start`, `go` and `steady` are then those of the sink.

    Throughput: one image in max(cycles, (cycles + 5 + ranks) / 2, ranks) cycles, where cycles = presentations × reads ×
    (precharge + sense) and ranks are the cycles of `ranker`: an image has its room until its result is taken. Latency
    from taking an image's first word to offering its result: cycles + 5 (`streamed`: 4) and the ranker's.
    """

    sink: Columns
    scores: bool = True
    top: int = 1
    streamed: bool = False

    @property
    def name(self) -> str:
        kind = f"_top{self.top}" * (self.top != 1) + ("_scores" if self.scores else "_class")
        before = "streamed" if self.streamed else "sequential"
        return self.sink.name.replace("columns", f"{before}_classifier").replace("_offsets", "") + kind

    @property
    def classes(self) -> int:
        return self.sink.fan_out

    @property
    def score_width(self) -> int:
        return score_width(self.sink.stack(0).tally.top)

    @property
    def ranker(self) -> Ranker:
        """Quick enough not to be slower than a quarter of the layer's reads, if it can."""
        reads = self.sink.presentations.count * self.sink.map.reads
        lanes = min(self.classes, -(-self.classes * 4 // reads))
        return Ranker(self.classes, self.score_width, lanes, self.top, self.scores)

    @property
    def signature(self) -> wiring.Signature:
        sink = self.sink
        results = self.ranker.signature.members["o"]
        if self.streamed:
            more = {"start": In(1), "go": Out(1), "steady": Out(TIMING)}
            return wiring.Signature(
                {**layer_ports(sink.lanes, sink.host_width, sink.reserve.signed), **more, "o": results}
            )
        return wiring.Signature({**layer_ports(sink.fan_in, sink.host_width, sink.reserve.signed), "o": results})

    def create(self) -> "SequentialClassifierHardware":
        return SequentialClassifierHardware(self)


class SequentialClassifierHardware(Hardware):
    """Serializer -> columns -> ranker."""

    steady: Any
    start: Signal
    go: Signal
    i: Any
    o: Any

    def __init__(self, block: SequentialClassifier) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block.sink
        sink = place(m, platform, "columns", block)
        ranker = place(m, platform, "ranker", self.block.ranker)
        join_host(m, self, sink)
        connect(m, sink.o, ranker.i)
        connect(m, ranker.o, flipped(self.o))
        if self.block.streamed:
            connect(m, flipped(self.i), sink.i)
            m.d.comb += [sink.start.eq(self.start), self.go.eq(sink.go), self.steady.eq(sink.steady)]
            return m
        serializer = Serializer(block.fan_in, block.lanes, block.presentations.count)
        source = place(m, platform, "serializer", serializer)
        connect(m, flipped(self.i), source.i)
        connect(m, source.o, sink.i)
        m.d.comb += [sink.start.eq(source.start), source.go.eq(sink.go)]
        return m
