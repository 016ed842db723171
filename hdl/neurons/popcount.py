"""Counting ones: balanced trees, or a target's own compressors."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware
from hdl.neurons.netlist import Netlist
from hdl.neurons.targets import COUNTS, Target, check_target, suffix


def _tree(m: Module, values: Sequence[Value], name: str, join: Callable[[Value, Value], Value]) -> Value:
    level = 0
    terms = list(values)
    while len(terms) > 1:
        level += 1
        nodes: list[Value] = []
        for index in range(0, len(terms) - 1, 2):
            joined = join(terms[index], terms[index + 1])
            node = Signal(joined.shape(), name=f"{name}{level}_{index // 2}")
            m.d.comb += node.eq(joined)
            nodes.append(node)
        if len(terms) % 2:
            nodes.append(terms[-1])
        terms = nodes
    return terms[0]


def tree_sum(m: Module, values: Sequence[Value]) -> Value:
    """The sum of `values` as a balanced tree of named adders (`sum()` would make a chain)."""
    return _tree(m, values, "sum", operator.add)


def tree_or(m: Module, values: Sequence[Value], name: str) -> Value:
    """The bitwise OR of `values` as a balanced tree: merges words of which all but one are 0."""
    return _tree(m, values, f"{name}_or", operator.or_)


@dataclass(frozen=True)
class Popcount:
    """Number of ones among `width` bits: `bits` -> `count`, combinational.

    `target` is what it is built of: "generic" of gates, else of that FPGA's own primitives, see `hdl.neurons.targets`.
    """

    width: int
    target: Target = "generic"

    def __post_init__(self) -> None:
        check_target(self.target)

    @property
    def name(self) -> str:
        return f"hafnet_popcount_{self.width}" + suffix(self.target)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"bits": In(self.width), "count": Out(self.width.bit_length())})

    def create(self) -> "PopcountTree | PopcountStructure":
        return PopcountTree(self) if self.target == "generic" else PopcountStructure(self)


class PopcountTree(Hardware):
    """The plain popcount: a binary tree of adders."""

    bits: Signal
    count: Signal

    def __init__(self, block: Popcount) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.count.eq(tree_sum(m, list(self.bits)))
        return m


class PopcountStructure(PopcountTree):
    """The target's netlist where Verilog is written; in Amaranth's own simulator, which knows no primitives, a tree."""

    def __init__(self, block: Popcount) -> None:
        super().__init__(block)
        self.block = block

    def elaborate(self, platform: Any) -> Module:
        if platform is None:
            return super().elaborate(platform)
        m, netlist = Module(), Netlist()
        bits = netlist.bus(self.block.width)
        count = COUNTS[self.block.target](netlist, bits)
        netlist.prune(count)
        value = netlist.place(m, dict(zip(bits, self.bits, strict=True)))
        m.d.comb += self.count.eq(Cat(value(bit) for bit in count))
        return m
