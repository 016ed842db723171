"""What is claimed of a popcount: it is the sum of its bits, which is the sum of all but one, and the last one."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from equivalence import equality

from hdl.block import Hardware, place
from hdl.neurons.popcount import Popcount


@dataclass(frozen=True)
class PopcountSum:
    """The popcount of all bits but the last, and the last one; of a single bit, that bit."""

    width: int

    @property
    def name(self) -> str:
        return f"popcount_sum_{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return Popcount(self.width).signature

    def create(self) -> "PopcountSumHardware":
        return PopcountSumHardware(self)

    def proof(self) -> str:
        """Lines of a script that fail where the popcount is another one."""
        below = [f"{Popcount(self.width - 1).name}.sv"] if self.width > 1 else []
        return equality(self.name, Popcount(self.width).name, *below)


class PopcountSumHardware(Hardware):
    """One adder."""

    bits: Signal
    count: Signal

    def __init__(self, block: PopcountSum) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self.block.width == 1:
            m.d.comb += self.count.eq(self.bits)
        else:
            others = place(m, platform, "others", Popcount(self.block.width - 1))
            m.d.comb += [others.bits.eq(self.bits[:-1]), self.count.eq(others.count + self.bits[-1])]
        return m
