"""From one value at a time to all values of an image at once, without ever stopping the arrays."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware


@dataclass(frozen=True)
class Collector:
    """Gathers `count` values of `width` bits into one word, value 0 lowest.

    A sense amplifier cannot be held up, so room is reserved beforehand: `go` says that the results of one more image
    fit, and `start` reserves the room. There is room for 2 images: one that is being gathered, one that is offered.

    Ports: `start`, `go`; `strobe` and `value`, in order; `o`, the stream of whole words. Latency from an image's last
    value to `o.valid` 2 cycles. An image's room is free again 1 cycle after `o` took it.
    """

    count: int
    width: int

    @property
    def name(self) -> str:
        return f"hafnet_collector_{self.count}x{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "start": In(1),
                "go": Out(1),
                "strobe": In(1),
                "value": In(self.width),
                "o": Out(stream.Signature(self.count * self.width)),
            }
        )

    def create(self) -> "CollectorHardware":
        return CollectorHardware(self)


class CollectorHardware(Hardware):
    """A shift register, an output register, and the count of images that have room reserved."""

    start: Signal
    go: Signal
    strobe: Signal
    value: Signal
    o: Any

    def __init__(self, block: Collector) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count, width = self.block.count, self.block.width
        gathered = Signal(count * width, reset_less=True)
        filled = Signal(range(max(2, count)))
        full = Signal()
        with m.If(full & (~self.o.valid | self.o.ready)):
            m.d.sync += [self.o.payload.eq(gathered), self.o.valid.eq(1), full.eq(0)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.strobe):
            m.d.sync += gathered.eq(Cat(gathered[width:], self.value))
            with m.If(filled == count - 1):
                m.d.sync += [filled.eq(0), full.eq(1)]
            with m.Else():
                m.d.sync += filled.eq(filled + 1)

        reserved = Signal(range(3))
        m.d.comb += self.go.eq(reserved != 2)
        m.d.sync += reserved.eq(reserved + self.start - (self.o.valid & self.o.ready))
        return m
