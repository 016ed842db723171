"""From a stream of words to one word of them all: what stands between pixels and a dense layer."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.block import Hardware, place
from hdl.streams.buffer import Buffer


@dataclass(frozen=True)
class Gather:
    """Each `count` words of `width` bits to one word, word 0 lowest.

    Ports: streams `i` of `width` bits and `o` of `width` × `count`. The next image is gathered, up to its last word,
    while one waits for its consumer. Throughput 1 word a cycle, with no gap between images; latency from taking an
    image's last word to offering the image 2 cycles.
    """

    width: int
    count: int

    @property
    def name(self) -> str:
        return f"hafnet_gather_{self.width}x{self.count}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {"i": In(stream.Signature(self.width)), "o": Out(stream.Signature(self.width * self.count))}
        )

    def create(self) -> "GatherHardware":
        return GatherHardware(self)


class GatherHardware(Hardware):
    """A shift register for all words but the last, which stays in the buffer until the output register is free."""

    i: Any
    o: Any

    def __init__(self, block: Gather) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, count = self.block.width, self.block.count
        source = place(m, platform, "source", Buffer(width))
        connect(m, flipped(self.i), source.i)
        taken = Signal()
        last = Signal()
        m.d.comb += [source.o.ready.eq(~last | ~self.o.valid | self.o.ready), taken.eq(source.o.valid & source.o.ready)]
        gathered: Value = Const(0, 0)
        if count == 1:
            m.d.comb += last.eq(1)
        else:
            gathered = Signal((count - 1) * width, reset_less=True)
            filled = Signal(range(count))
            m.d.comb += last.eq(filled == count - 1)
            with m.If(taken):
                m.d.sync += gathered.eq(Cat(gathered, source.o.payload)[width:])
                with m.If(last):
                    m.d.sync += filled.eq(0)
                with m.Else():
                    m.d.sync += filled.eq(filled + 1)
        with m.If(taken & last):
            m.d.sync += [self.o.payload.eq(Cat(gathered, source.o.payload)), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
