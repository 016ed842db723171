"""The output layer: popcount scores with an offset for each class, and the class with the highest one."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width, place
from hdl.collector import Collector
from hdl.grid import Grid, join_grid, layer_ports
from model.mapping import score_width


@dataclass(frozen=True)
class Argmax:
    """The index of the highest of `classes` scores of `width` bits, two's complement; the lowest index on a tie.

    Ports: `strobe`, `score` and `last`, scores in order of their index, `last` with the final one; `found` with
    `index`, 1 cycle after `last`. Throughput 1 score a cycle, with no gap between images.
    """

    classes: int
    width: int

    @property
    def name(self) -> str:
        return f"hafnet_argmax_{self.classes}x{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "strobe": In(1),
                "score": In(signed(self.width)),
                "last": In(1),
                "found": Out(1),
                "index": Out(index_width(self.classes)),
            }
        )

    def create(self) -> "ArgmaxHardware":
        return ArgmaxHardware(self)


class ArgmaxHardware(Hardware):
    """The best score so far and its index."""

    strobe: Signal
    score: Signal
    last: Signal
    found: Signal
    index: Signal

    def __init__(self, block: Argmax) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        best = Signal.like(self.score, reset_less=True)
        position = Signal.like(self.index)
        m.d.sync += self.found.eq(self.strobe & self.last)
        with m.If(self.strobe):
            m.d.sync += position.eq(Mux(self.last, 0, position + 1))
            # A score that is only equal does not replace: the lowest index wins a tie.
            with m.If((position == 0) | (self.score > best)):
                m.d.sync += [best.eq(self.score), self.index.eq(position)]
        return m


def result_layout(classes: int, score_width: int) -> data.StructLayout:
    """The result of one image: `index`, the class, and `scores`, class 0 lowest, unless their width is 0."""
    members: dict[str, Any] = {"index": index_width(classes)}
    if score_width:
        members["scores"] = classes * score_width
    return data.StructLayout(members)


@dataclass(frozen=True)
class Classifier:
    """A layer of `classes` scores of `fan_in` inputs on arrays of `rows` × `columns`: score = popcount + offset.

    Ports: `i`, a stream of images, one word of `fan_in` bits each; `o`, a stream of {index, scores}, `index` being
    the class, `scores` (only with `scores`) all scores of `score_width` bits, class 0 lowest; the others as in
    `hdl.grid.Grid`, the numbers being the classes' offsets.

    Throughput: one image in max(reads, (reads + 7 + beats) / 2) cycles, where reads = classes × (precharge + sense) and
    beats are the cycles for which a result is offered until it is taken. Latency from taking an image to offering its
    result: reads + 7 cycles.
    """

    fan_in: int
    classes: int
    rows: int
    columns: int
    scores: bool
    host_width: int

    @property
    def name(self) -> str:
        kind = "scores" if self.scores else "class"
        return f"hafnet_classifier_{self.fan_in}x{self.classes}_{self.rows}x{self.columns}_{kind}"

    @property
    def fan_out(self) -> int:
        return self.classes

    @property
    def score_width(self) -> int:
        return score_width(self.fan_in)

    @property
    def grid(self) -> Grid:
        return Grid(self.fan_in, self.classes, self.rows, self.columns, "offsets", self.host_width)

    @property
    def signature(self) -> wiring.Signature:
        result = result_layout(self.classes, self.score_width if self.scores else 0)
        return wiring.Signature({**layer_ports(self.fan_in, self.host_width), "o": Out(stream.Signature(result))})

    def create(self) -> "ClassifierHardware":
        return ClassifierHardware(self)


class ClassifierHardware(Hardware):
    """Grid -> offset adder -> argmax and collectors."""

    timing: Any
    i: Any
    o: Any
    host: Any
    done: Signal
    failed: Signal
    read_bits: Signal

    def __init__(self, block: Classifier) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        grid = place(m, platform, "grid", self.block.grid)
        argmax = place(m, platform, "argmax", Argmax(self.block.classes, self.block.score_width))
        classes = place(m, platform, "class_collector", Collector(1, index_width(self.block.classes)))
        join_grid(m, self, grid)
        scored, last = Signal(), Signal()
        score = Signal(signed(self.block.score_width), reset_less=True)
        m.d.sync += [scored.eq(grid.strobe), last.eq(grid.last), score.eq(grid.popcount + grid.number.as_signed())]
        started, taken = Signal(), Signal()
        m.d.comb += [
            started.eq(grid.i.valid & grid.i.ready),
            argmax.strobe.eq(scored),
            argmax.score.eq(score),
            argmax.last.eq(last),
            classes.start.eq(started),
            classes.strobe.eq(argmax.found),
            classes.value.eq(argmax.index),
            self.o.payload.index.eq(classes.o.payload),
            taken.eq(self.o.valid & self.o.ready),
            classes.o.ready.eq(taken),
        ]
        if self.block.scores:
            # The two collectors fill a cycle apart; a result is offered when both have theirs.
            scores = place(m, platform, "score_collector", Collector(self.block.classes, self.block.score_width))
            m.d.comb += [
                scores.start.eq(started),
                scores.strobe.eq(scored),
                scores.value.eq(score),
                scores.o.ready.eq(taken),
                self.o.payload.scores.eq(scores.o.payload),
                self.o.valid.eq(classes.o.valid & scores.o.valid),
                grid.go.eq(classes.go & scores.go),
            ]
        else:
            m.d.comb += [self.o.valid.eq(classes.o.valid), grid.go.eq(classes.go)]
        return m
