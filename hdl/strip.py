"""A strip: arrays side by side whose columns are neurons, so that a row of theirs is one input of all of them."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.array import Array, control_lines, same_row
from hdl.block import Hardware, index_width, place


@dataclass(frozen=True)
class Strip:
    """`tiles` arrays of `rows` × `columns` side by side, sensed together.

    Ports: `row`, `operation`, `side`, `sen` and `x` go to all arrays, `hv` to the one whose index is `tile` (see
    `hdl.array.Array`); `q` is what their amplifiers say, array after array, 1 cycle after `sen`, and all zeros where
    `sen` was low. Of a `ternary` strip `positive` tells which of the outputs in `q` are so because Qb is low (and not
    because the cell holds 0), so that `q` and `positive` together are the product as a thermometer code: none for -1,
    one for 0, two for +1. Throughput 1 row a cycle.
    """

    tiles: int
    rows: int
    columns: int
    ternary: bool = False

    @property
    def name(self) -> str:
        return f"hafnet_strip_{self.tiles}_{self.rows}x{self.columns}" + "_ternary" * self.ternary

    @property
    def signature(self) -> wiring.Signature:
        width = self.tiles * self.columns
        return wiring.Signature(
            {
                "tile": In(index_width(self.tiles)),
                **control_lines(self.rows, In),
                "x": In(self.columns),
                "q": Out(width),
                **({"positive": Out(width)} if self.ternary else {}),
            }
        )

    def create(self) -> "StripHardware":
        return StripHardware(self)


class StripHardware(Hardware):
    """The arrays, and silence where they were not asked."""

    tile: Signal
    row: Signal
    operation: Any
    side: Any
    hv: Signal
    sen: Signal
    x: Signal
    q: Signal
    positive: Signal

    def __init__(self, block: Strip) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        arrays = []
        for index in range(self.block.tiles):
            kind = Array(self.block.rows, self.block.columns, self.block.ternary)
            array = place(m, platform, f"tile{index}", kind, image=f"_t{index}")
            m.d.comb += [
                *same_row(array, self),
                array.hv.eq(self.hv & (self.tile == index)),
                array.sen.eq(self.sen),
                array.x.eq(self.x),
            ]
            arrays.append(array)
        sensed = Signal()
        m.d.sync += sensed.eq(self.sen)
        asked = sensed.replicate(len(self.q))
        m.d.comb += self.q.eq(Cat(array.q for array in arrays) & asked)
        if self.block.ternary:
            m.d.comb += self.positive.eq(self.q & ~Cat(array.qb for array in arrays))
        return m
