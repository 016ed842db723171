"""From one word of all inputs to the few at a time that a layer reads."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware


@dataclass(frozen=True)
class Serializer:
    """Each word of `width` bits as ceil(width / lanes) words of `lanes` bits, bit 0 first; what the last one has beyond
    them means nothing.

    An image is `count` words. Ports: streams `i` and `o`; `start` is high when the first word of an image is taken from
    `i`, and that happens only while `go` is high (see `hdl.arrays.columns.Columns`). Throughput 1 word of `o` a cycle,
    without a gap between images. Latency 1 cycle. `i` is ready in the cycle in which `o` becomes ready for the last
    word.
    """

    width: int
    lanes: int
    count: int = 1

    @property
    def name(self) -> str:
        return f"hafnet_serializer_{self.width}to{self.lanes}x{self.count}"

    @property
    def words(self) -> int:
        """Words of `o` for each of `i`."""
        return -(-self.width // self.lanes)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "i": In(stream.Signature(self.width)),
                "o": Out(stream.Signature(self.lanes)),
                "start": Out(1),
                "go": In(1),
            }
        )

    def create(self) -> "SerializerHardware":
        return SerializerHardware(self)


class SerializerHardware(Hardware):
    """A register that turns by so many lanes."""

    i: Any
    o: Any
    start: Signal
    go: Signal

    def __init__(self, block: Serializer) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words, count = self.block.words, self.block.count
        held = Signal(self.block.width, reset_less=True)
        word = Signal(range(max(2, words)))
        number = Signal(range(max(2, count)))
        first = Signal()
        free = Signal()
        m.d.comb += [
            first.eq(number == 0),
            free.eq(~self.o.valid | (self.o.ready & (word == words - 1))),
            self.i.ready.eq(free & (self.go | ~first)),
            self.start.eq(self.i.valid & self.i.ready & first),
            self.o.payload.eq(held[: self.block.lanes]),
        ]
        with m.If(self.o.ready):
            m.d.sync += [held.eq(held.rotate_right(self.block.lanes)), word.eq(word + 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                held.eq(self.i.payload),
                word.eq(0),
                self.o.valid.eq(1),
                number.eq(Mux(number == count - 1, 0, number + 1)),
            ]
        with m.Elif(free):
            m.d.sync += self.o.valid.eq(0)
        return m
