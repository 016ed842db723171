"""The list of rows that failed, oldest first, until the host has taken them."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, place
from hdl.storage import Storage


@dataclass(frozen=True)
class FailureList:
    """A list of `depth` rows, a power of two, each named by `width` bits.

    Ports: `push` adds `row`; where the list is full the row is lost, and `overflow` tells so until the next `pop`,
    which takes the oldest row off, if there is one; `count`, how many there are; `first`, the oldest, valid 2 cycles
    after it has become the oldest, and 0 where there is none.
    """

    depth: int
    width: int

    @property
    def name(self) -> str:
        return f"hafnet_failure_list_{self.depth}x{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "push": In(1),
                "row": In(self.width),
                "pop": In(1),
                "count": Out(range(self.depth + 1)),
                "overflow": Out(1),
                "first": Out(self.width),
            }
        )

    def create(self) -> "FailureListHardware":
        return FailureListHardware(self)


class FailureListHardware(Hardware):
    """A ring in a memory."""

    push: Signal
    row: Signal
    pop: Signal
    count: Signal
    overflow: Signal
    first: Signal

    def __init__(self, block: FailureList) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        depth = self.block.depth
        ring = place(m, platform, "ring", Storage(self.block.width, depth, image=False))
        write = Signal(range(depth))
        read = Signal(range(depth))
        pushed = Signal()
        popped = Signal()
        m.d.comb += [
            pushed.eq(self.push & (self.count != depth)),
            popped.eq(self.pop & (self.count != 0)),
            ring.write_en.eq(pushed),
            ring.write_addr.eq(write),
            ring.write_data.eq(self.row),
            ring.read_en.eq(1),
            ring.read_addr.eq(read),
            self.first.eq(Mux(self.count == 0, 0, ring.read_data)),
        ]
        m.d.sync += [write.eq(write + pushed), read.eq(read + popped), self.count.eq(self.count + pushed - popped)]
        with m.If(self.push & ~pushed):
            m.d.sync += self.overflow.eq(1)
        with m.Elif(self.pop):
            m.d.sync += self.overflow.eq(0)
        return m
