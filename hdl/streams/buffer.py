"""Two words of room in a stream, so that nobody has to know within the cycle whether the consumer is ready."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware


@dataclass(frozen=True)
class Buffer:
    """A stream of words of `width` bits, cut by registers in both directions.

    Ports: streams `i` and `o`. Throughput 1 word a cycle, latency 1 cycle; there is room for 2 words.
    """

    width: int

    @property
    def name(self) -> str:
        return f"hafnet_buffer_{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"i": In(stream.Signature(self.width)), "o": Out(stream.Signature(self.width))})

    def create(self) -> "BufferHardware":
        return BufferHardware(self)


class BufferHardware(Hardware):
    """The word that is offered, and a spare one for what was on its way when the consumer stopped."""

    i: Any
    o: Any

    def __init__(self, block: Buffer) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        spare = Signal(self.block.width, reset_less=True)
        held = Signal()  # the spare word waits
        m.d.comb += self.i.ready.eq(~held)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [
                self.o.payload.eq(Mux(held, spare, self.i.payload)),
                self.o.valid.eq(held | self.i.valid),
                held.eq(0),
            ]
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [spare.eq(self.i.payload), held.eq(1)]
        return m
