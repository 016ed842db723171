"""From the raw bits of true random sources to even ones: the way in for an external entropy source."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.block import Hardware, place


@dataclass(frozen=True)
class XorWhitener:
    """The XOR of a bit of each of `sources` streams: `model.whitening.xor_whitened`.

    Ports: `raw`, the streams of 1 bit, which may come each at its own pace; `o`, the stream of their XOR. A bit of
    each is taken in the same cycle, when all are there. Latency 1 cycle, throughput 1 bit a cycle.
    """

    sources: int

    @property
    def name(self) -> str:
        return f"hafnet_xor_whitener_{self.sources}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"raw": In(stream.Signature(1)).array(self.sources), "o": Out(stream.Signature(1))})

    def create(self) -> "XorWhitenerHardware":
        return XorWhitenerHardware(self)


class XorWhitenerHardware(Hardware):
    """A join of streams, and one register."""

    raw: Any
    o: Any

    def __init__(self, block: XorWhitener) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        taken = Signal()
        m.d.comb += taken.eq(Cat(source.valid for source in self.raw).all() & (~self.o.valid | self.o.ready))
        for source in self.raw:
            m.d.comb += source.ready.eq(taken)
        with m.If(taken):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(Cat(source.payload for source in self.raw).xor())]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


@dataclass(frozen=True)
class VonNeumann:
    """Pairs of unlike bits: 0, 1 gives 0, and 1, 0 gives 1; like ones give nothing: `model.whitening.von_neumann`.

    Ports: `i` and `o`, streams of 1 bit. Latency from a pair's second bit 1 cycle. Throughput: 1 bit in a cycle, so 1
    bit out in 2 cycles at most, in 4 on average where the bits are even.
    """

    name = "hafnet_von_neumann"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"i": In(stream.Signature(1)), "o": Out(stream.Signature(1))})

    def create(self) -> "VonNeumannHardware":
        return VonNeumannHardware(self)


class VonNeumannHardware(Hardware):
    """The first bit of a pair, and the bit that is offered."""

    i: Any
    o: Any

    def __init__(self, block: VonNeumann) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first = Signal(reset_less=True)
        second = Signal()  # the next bit is the second of its pair
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [second.eq(~second), first.eq(self.i.payload)]
            with m.If(second & (first != self.i.payload)):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(first)]
        return m


@dataclass(frozen=True)
class Packer:
    """Words of `width` bits from single bits, the first bit lowest: `model.whitening.packed`.

    Ports: `i`, the stream of bits; `o`, the stream of words. Latency from a word's last bit 1 cycle, throughput 1 bit
    a cycle: a word is gathered while the one before it is offered.
    """

    width: int

    @property
    def name(self) -> str:
        return f"hafnet_packer_{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"i": In(stream.Signature(1)), "o": Out(stream.Signature(self.width))})

    def create(self) -> "PackerHardware":
        return PackerHardware(self)


class PackerHardware(Hardware):
    """A shift register, and the word that is offered."""

    i: Any
    o: Any

    def __init__(self, block: Packer) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self.block.width
        gathered = Signal(width, reset_less=True)
        filled = Signal(range(max(2, width)))
        word: Value = Cat(gathered[1:], self.i.payload)
        last = filled == width - 1
        m.d.comb += self.i.ready.eq(~last | ~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += gathered.eq(word)
            with m.If(last):
                m.d.sync += [filled.eq(0), self.o.valid.eq(1), self.o.payload.eq(word)]
            with m.Else():
                m.d.sync += filled.eq(filled + 1)
        return m


@dataclass(frozen=True)
class Whitener:
    """Whitened words of `width` bits from `sources` true random sources: their XOR, von Neumann's pairs of it, packed.

    Ports: `raw`, streams of 1 bit as those of `XorWhitener`; `o`, the stream of words, which can stand in for
    `hdl.inputs.random_source.RandomWords`. Throughput: 1 bit of each source a cycle, so a word in about 4 * width
    cycles where the XOR is even, later where it is not. Latency from the last bit of a word 3 cycles.
    """

    sources: int
    width: int

    @property
    def name(self) -> str:
        return f"hafnet_whitener_{self.sources}x{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        raw = In(stream.Signature(1)).array(self.sources)
        return wiring.Signature({"raw": raw, "o": Out(stream.Signature(self.width))})

    def create(self) -> "WhitenerHardware":
        return WhitenerHardware(self)


class WhitenerHardware(Hardware):
    """The three stages, one after the other."""

    raw: Any
    o: Any

    def __init__(self, block: Whitener) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        mixed = place(m, platform, "mixed", XorWhitener(self.block.sources))
        pairs = place(m, platform, "pairs", VonNeumann())
        words = place(m, platform, "words", Packer(self.block.width))
        for source, port in zip(self.raw, mixed.raw, strict=True):
            connect(m, flipped(source), port)
        connect(m, mixed.o, pairs.i)
        connect(m, pairs.o, words.i)
        connect(m, words.o, flipped(self.o))
        return m
