"""What is claimed of popcounts: of each width, the sum of the bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Assert, Const, Cover, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, place
from hdl.neurons.popcount import Popcount
from sim.formal import Claims


@dataclass(frozen=True)
class Popcounts:
    """Popcounts of several widths of the lowest of the same bits: `count<width>`."""

    widths: tuple[int, ...]

    name = "popcounts"

    @property
    def signature(self) -> wiring.Signature:
        counts = {f"count{width}": Out(width.bit_length()) for width in self.widths}
        return wiring.Signature({"bits": In(max(self.widths)), **counts})

    def create(self) -> "PopcountsHardware":
        return PopcountsHardware(self)


class PopcountsHardware(Hardware):
    """One beside the other."""

    bits: Signal

    def __init__(self, block: Popcounts) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for width in self.block.widths:
            popcount = place(m, platform, f"of{width}", Popcount(width))
            m.d.comb += [popcount.bits.eq(self.bits[:width]), getattr(self, f"count{width}").eq(popcount.count)]
        return m


class PopcountClaims(Claims):
    """The definition: one bit after the other is added up."""

    bits: Signal

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = widths
        super().__init__(Popcounts(tuple(widths)))

    def claim(self, m: Module) -> None:
        before: Value = Const(0, 1)
        for width in self.widths:
            count = getattr(self, f"count{width}")
            m.d.comb += [
                Assert(count == before + self.bits[width - 1], f"a popcount of {width} is that of a bit less, and the bit"),
                Cover(count == width, f"{width} ones"),
            ]
            before = count
