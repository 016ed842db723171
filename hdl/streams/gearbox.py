"""From beats of one width to words of another, packed without gaps."""

import math
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware


@dataclass(frozen=True)
class Gearbox:
    """`count` words of `depth` bits from each ceil(count × depth / bus) beats of `bus` bits: the words packed without
    gaps, bit 0 of the first beat first.

    Ports: streams `i` of `bus` bits and `o` of `depth`. Bits of an image's last beat beyond its last word are ignored.
    Throughput: one image in max(beats, count) cycles. Latency from taking the beat that completes a word to offering
    the word: 1 cycle. `i` is ready in the cycle in which `o` becomes ready.
    """

    bus: int
    depth: int
    count: int

    @property
    def name(self) -> str:
        return f"hafnet_gearbox_{self.bus}to{self.depth}x{self.count}"

    @property
    def beats(self) -> int:
        """Beats of an image."""
        return -(-self.count * self.depth // self.bus)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"i": In(stream.Signature(self.bus)), "o": Out(stream.Signature(self.depth))})

    def create(self) -> "GearboxHardware":
        return GearboxHardware(self)


class GearboxHardware(Hardware):
    """A register of the bits that wait, the oldest lowest, and their number, counted in the greatest common divisor of
    the widths. A beat is added as soon as less than a word waits: room for that is all that full throughput takes, and
    the first beat of an image never comes before the last word of the one before goes.
    """

    i: Any
    o: Any

    def __init__(self, block: Gearbox) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, depth = self.block.bus, self.block.depth
        unit = math.gcd(bus, depth)
        word, beat = depth // unit, bus // unit
        bits = Signal(depth + bus - unit, reset_less=True)
        level = Signal(range(word + beat))
        kept = Signal.like(level)  # of these, what stays when the word on offer goes
        load = Signal()
        emit = Signal()
        last: Value = Const(1)  # the word on offer is the last of its image
        if self.block.count > 1:
            index = Signal(range(self.block.count))
            last = index == self.block.count - 1
            with m.If(emit):
                m.d.sync += index.eq(Mux(last, 0, index + 1))
        m.d.comb += [
            self.o.valid.eq(level >= word),
            self.o.payload.eq(bits),
            emit.eq(self.o.valid & self.o.ready),
            kept.eq(Mux(emit, Mux(last, 0, level - word), level)),
            self.i.ready.eq(kept < word),
            load.eq(self.i.valid & self.i.ready),
        ]
        rest, filled = (Signal.like(bits, name=name) for name in ("rest", "filled"))
        m.d.comb += [rest.eq(Mux(emit, bits >> depth, bits)), filled.eq(rest)]
        with m.If(load), m.Switch(kept):
            for place in range(word):
                with m.Case(place):
                    m.d.comb += filled.eq(Cat(rest[: place * unit], self.i.payload))
        m.d.sync += [bits.eq(filled), level.eq(kept + Mux(load, beat, 0))]
        return m
