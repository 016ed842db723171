"""A tile: one array and the popcount of its own columns."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.array import Array, control_lines, same_row
from hdl.block import Hardware, place
from hdl.popcount import Popcount


@dataclass(frozen=True)
class Tile:
    """An array of `rows` × `columns` and a registered count of the ones among its first `used` outputs.

    The other columns are padding: whatever they hold, they are not counted.

    Ports: `row`, `operation`, `side`, `hv`, `sen`, `x` go to the array (see `hdl.array.Array`); `q` are its outputs,
    1 cycle after `sen`; `count` is their popcount, 2 cycles after `sen`. Throughput 1 row a cycle. Where `sen` was low
    the count is that of precharged outputs and means nothing.
    """

    rows: int
    columns: int
    used: int

    @property
    def name(self) -> str:
        partial = "" if self.used == self.columns else f"_used{self.used}"
        return f"hafnet_tile_{self.rows}x{self.columns}{partial}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **control_lines(self.rows, In),
                "x": In(self.columns),
                "q": Out(self.columns),
                "count": Out(self.used.bit_length()),
            }
        )

    def create(self) -> "TileHardware":
        return TileHardware(self)


class TileHardware(Hardware):
    """Array, popcount, register."""

    row: Signal
    operation: Any
    side: Any
    hv: Signal
    sen: Signal
    x: Signal
    q: Signal
    count: Signal

    def __init__(self, block: Tile) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        array = place(m, platform, "array", Array(self.block.rows, self.block.columns))
        popcount = place(m, platform, "popcount", Popcount(self.block.used))
        m.d.comb += [
            *same_row(array, self),
            array.hv.eq(self.hv),
            array.sen.eq(self.sen),
            array.x.eq(self.x),
            self.q.eq(array.q),
            popcount.bits.eq(array.q[: self.block.used]),
        ]
        m.d.sync += self.count.eq(popcount.count)
        return m
