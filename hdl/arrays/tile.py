"""A tile: one array and the popcount of its own columns."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import Array, control_lines, level, same_row, sensed_word
from hdl.block import Hardware, place
from hdl.neurons.popcount import Popcount
from hdl.neurons.targets import Target, suffix
from model.plan import Fidelity


@dataclass(frozen=True)
class Tile:
    """An array of `rows` × `columns` and a registered count of the ones among its first `used` outputs.

    `target` is what the count is built of, see `hdl.neurons.popcount.Popcount`; `fidelity` is that of the array.

    The other columns are padding: whatever they hold, they are not counted.

    A `ternary` tile counts two bits a column, the product as a thermometer code: 00 for -1 (Q low), 01 for 0 (Q and Qb
    high), 11 for +1 (Qb low); so that the count is positives - negatives + used columns.

    Ports: `row`, `operation`, `side`, `hv`, `sen`, `x` go to the array (see `hdl.arrays.array.Array`); `q` is what its
    amplifiers say, 1 cycle after `sen`: a bit a column, or, ternary, whether it is positive, and `columns` bits further
    up whether it is negative; `count` is the count, 2 cycles after `sen`. Throughput 1 row a cycle. Where `sen` was low
    the count is that of precharged outputs and means nothing.
    """

    rows: int
    columns: int
    used: int
    ternary: bool = False
    target: Target = "generic"
    fidelity: Fidelity = "bits"

    @property
    def name(self) -> str:
        partial = "" if self.used == self.columns else f"_used{self.used}"
        kind = "_ternary" * self.ternary + level(self.fidelity) + suffix(self.target)
        return f"hafnet_tile_{self.rows}x{self.columns}{partial}{kind}"

    @property
    def array(self) -> Array:
        return Array(self.rows, self.columns, self.ternary, self.fidelity)

    @property
    def rails(self) -> int:
        """Bits that a column adds to the count at most."""
        return 2 if self.ternary else 1

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **control_lines(self.rows, In),
                "x": In(self.columns),
                "q": Out(self.rails * self.columns),
                "count": Out((self.rails * self.used).bit_length()),
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
        array = place(m, platform, "array", self.block.array)
        popcount = place(m, platform, "popcount", Popcount(self.block.rails * self.block.used, self.block.target))
        used = self.block.used
        m.d.comb += [
            *same_row(array, self),
            array.hv.eq(self.hv),
            array.sen.eq(self.sen),
            array.x.eq(self.x),
            self.q.eq(sensed_word(array, self.block.ternary)),
        ]
        if self.block.ternary:
            m.d.comb += popcount.bits.eq(Cat(array.q[:used], ~array.qb[:used]))
        else:
            m.d.comb += popcount.bits.eq(array.q[:used])
        m.d.sync += self.count.eq(popcount.count)
        return m
