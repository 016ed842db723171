"""Real-valued inputs as presentations of bits: by bit planes, and stochastically."""

import itertools
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, place
from hdl.inputs.random_source import RandomWords
from model import presentations, random_bits


@dataclass(frozen=True)
class PlaneSplitter:
    """The top `planes` bit planes of images of `values` unsigned values of `bits` bits, the most significant first:
    `model.presentations.planes`.

    Ports: `i`, the stream of images, value k in bits k * bits … k * bits + bits - 1; `o`, the stream of planes, bit k
    of value k. Latency from an image to its first plane 1 cycle. Throughput 1 plane a cycle, images without a gap.
    Raises HafnetError where `bits` is not 1 … 16 or `planes` not 1 … bits.
    """

    values: int
    bits: int
    planes: int

    def __post_init__(self) -> None:
        presentations.check_planes(self.bits, self.planes)

    @property
    def name(self) -> str:
        return f"hafnet_plane_splitter_{self.values}x{self.bits}_{self.planes}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {"i": In(stream.Signature(self.values * self.bits)), "o": Out(stream.Signature(self.values))}
        )

    def create(self) -> "PlaneSplitterHardware":
        return PlaneSplitterHardware(self)


class PlaneSplitterHardware(Hardware):
    """The planes that are still to come, and how many."""

    i: Any
    o: Any

    def __init__(self, block: PlaneSplitter) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        values, bits, planes = self.block.values, self.block.bits, self.block.planes
        waiting = [Signal(values, name=f"plane{number}", reset_less=True) for number in range(planes)]
        after = Signal(range(max(2, planes)))  # planes after the one that is offered
        m.d.comb += [
            self.o.payload.eq(waiting[0]),
            self.i.ready.eq(~self.o.valid | (self.o.ready & (after == 0))),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.o.valid.eq(1), after.eq(planes - 1)]
            for number, plane in enumerate(waiting):
                m.d.sync += plane.eq(Cat(self.i.payload[k * bits + bits - 1 - number] for k in range(values)))
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(after != 0), after.eq(Mux(after == 0, 0, after - 1))]
            for plane, following in itertools.pairwise(waiting):
                m.d.sync += plane.eq(following)
        return m


@dataclass(frozen=True)
class StochasticEncoder:
    """`presentations` of each image of `values` unsigned values of `bits` bits, in random bits: bit k of a presentation
    is 1 iff value k > r, r a fresh random number of `bits` bits, so with probability value / 2^bits.
    `model.presentations.stochastic_bits` gives the same bits.

    Values are drawn in order, `draws` a cycle. A cycle takes one word of draws * bits random bits; value k of the cycle
    meets its bits k * bits … k * bits + bits - 1, and in the last cycle of a presentation those without a value are
    lost. No word is taken without a use for it, and none is passed over between images.

    Ports: `i`, the stream of images, value k in bits k * bits … k * bits + bits - 1; `o`, the stream of presentations,
    bit k of value k; where `seed` is None, `entropy`, the stream of random words from outside, else
    `hdl.inputs.random_source.RandomWords` of the seed gives them.
    Throughput: a presentation in ceil(values / draws) cycles, images without a gap; one is drawn while the one before
    it is offered, so that whoever takes one at most every so many cycles never waits. Latency from an image to its
    first presentation 1 + ceil(values / draws) cycles. Raises HafnetError where `bits` is not 1 … 16, `presentations`
    less than 1, `draws` not 1 … values, or the seed not 0 … 2^64 - 1.
    """

    values: int
    bits: int
    presentations: int
    draws: int
    seed: int | None

    def __post_init__(self) -> None:
        presentations.check_draws(self.values, self.bits, self.presentations, self.draws)
        if self.seed is not None:
            random_bits.state(self.seed)

    @property
    def name(self) -> str:
        source = "entropy" if self.seed is None else f"{self.seed:x}"
        return f"hafnet_stochastic_encoder_{self.values}x{self.bits}_{self.presentations}_{self.draws}_{source}"

    @property
    def signature(self) -> wiring.Signature:
        ports = {"i": In(stream.Signature(self.values * self.bits)), "o": Out(stream.Signature(self.values))}
        if self.seed is None:
            ports["entropy"] = In(stream.Signature(self.draws * self.bits))
        return wiring.Signature(ports)

    def create(self) -> "StochasticEncoderHardware":
        return StochasticEncoderHardware(self)


class StochasticEncoderHardware(Hardware):
    """A ring of values that turns by `draws` a cycle, a shift register of their bits, and the presentation offered."""

    i: Any
    o: Any
    entropy: Any

    def __init__(self, block: StochasticEncoder) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        bits, draws, step = block.bits, block.draws, block.draws * block.bits
        cycles = presentations.steps(block.values, draws)
        entropy = self.entropy if block.seed is None else place(m, platform, "source", RandomWords(step, block.seed)).o

        ring = Signal(cycles * step, reset_less=True)  # beyond the last value 0, which gives bit 0
        drawn = Signal(cycles * draws, reset_less=True)
        busy = Signal()
        cycle = Signal(range(max(2, cycles)))
        presentation = Signal(range(max(2, block.presentations)))
        last_cycle = Signal()
        last = Signal()
        may_draw = Signal()
        drawing = Signal()
        fresh = Signal(draws)
        m.d.comb += [
            last_cycle.eq(cycle == cycles - 1),
            last.eq(presentation == block.presentations - 1),
            may_draw.eq(busy & (~last_cycle | ~self.o.valid | self.o.ready)),
            drawing.eq(may_draw & entropy.valid),
            entropy.ready.eq(may_draw),
            self.i.ready.eq(~busy | (drawing & last_cycle & last)),
            fresh.eq(Cat(ring.word_select(k, bits) > entropy.payload.word_select(k, bits) for k in range(draws))),
        ]
        word: Value = Cat(drawn[draws:], fresh)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(drawing):
            m.d.sync += [ring.eq(Cat(ring[step:], ring[:step])), drawn.eq(word), cycle.eq(cycle + 1)]
            with m.If(last_cycle):
                m.d.sync += [cycle.eq(0), self.o.valid.eq(1), self.o.payload.eq(word[: block.values])]
                m.d.sync += [presentation.eq(Mux(last, 0, presentation + 1)), busy.eq(~last)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [ring.eq(self.i.payload), busy.eq(1)]
        return m
