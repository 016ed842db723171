"""Counting ones: balanced trees."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware


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
    """Number of ones among `width` bits: `bits` -> `count`, combinational."""

    width: int

    @property
    def name(self) -> str:
        return f"hafnet_popcount_{self.width}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"bits": In(self.width), "count": Out(self.width.bit_length())})

    def create(self) -> "PopcountTree":
        return PopcountTree(self)


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
