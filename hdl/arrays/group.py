"""A group: the row of tiles that reads one neuron at a time, and the sum of their counts."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import control_lines, level, same_row
from hdl.arrays.spare_table import each, many, remapped
from hdl.arrays.tile import Tile
from hdl.block import Hardware, index_width, place
from hdl.neurons.popcount import tree_or, tree_sum
from hdl.neurons.targets import Target, suffix
from model.mapping import Geometry, LayerMap
from model.plan import Fidelity


@dataclass(frozen=True)
class Group:
    """The tiles along the input of a layer, `fan_in` columns of them in use, with a registered popcount of them all.

    `popcount` is the count of `hdl.arrays.tile.Tile`: of `ternary` arrays positives - negatives + fan-in.

    Ports: `row`, `operation`, `side`, `sen` go to all tiles, `hv` to the tile whose index is `tile`; `x` is the X lines
    of all columns, tile after tile; `popcount` is the sum over all tiles 3 cycles after `sen`, and 0 where `sen` was
    low; `q` is the addressed tile's `q` 2 cycles after `sen`, and 0 where it was low. Throughput 1 row a cycle. With
    `spares`, `remapped` are so many entries {hit, tile, spare}: tile `tile` selects row `spare` where `hit` is high.
    """

    fan_in: int
    rows: int
    columns: int
    ternary: bool = False
    target: Target = "generic"
    fidelity: Fidelity = "bits"
    spares: int = 0

    @property
    def name(self) -> str:
        size = f"{self.fan_in}_{self.rows}x{self.columns}"
        return (
            f"hafnet_group_{size}"
            + "_ternary" * self.ternary
            + self._spares
            + level(self.fidelity)
            + suffix(self.target)
        )

    @property
    def _spares(self) -> str:
        return f"_spares{self.spares}" * (self.spares > 0)

    @property
    def map(self) -> LayerMap:
        """The group as a layer of its own."""
        return LayerMap(self.fan_in, self.rows, Geometry(self.rows, self.columns), ternary=self.ternary)

    @property
    def tiles(self) -> int:
        return self.map.tiles

    def tile(self, index: int) -> Tile:
        """The tile at this place; the last one may have padding columns."""
        used = self.map.used_columns(index)
        return Tile(self.rows, self.columns, used, self.ternary, self.target, self.fidelity)

    @property
    def top(self) -> int:
        """The largest count."""
        return self.fan_in * (2 if self.ternary else 1)

    @property
    def signature(self) -> wiring.Signature:
        entry = data.StructLayout({"hit": 1, "tile": index_width(self.tiles), "spare": index_width(self.rows)})
        more = {"remapped": In(many(entry, self.spares))} if self.spares else {}
        return wiring.Signature(
            {
                "tile": In(index_width(self.tiles)),
                **control_lines(self.rows, In),
                "x": In(self.tiles * self.columns),
                "q": Out(self.map.word_width),
                "popcount": Out(self.top.bit_length()),
                **more,
            }
        )

    def create(self) -> "GroupHardware":
        return GroupHardware(self)


class GroupHardware(Hardware):
    """Tiles, adder tree, and the way back for one tile's outputs."""

    tile: Signal
    row: Signal
    operation: Any
    side: Any
    hv: Signal
    sen: Signal
    x: Signal
    q: Signal
    popcount: Signal
    remapped: Any

    def __init__(self, block: Group) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self.block.columns
        tiles = [
            place(m, platform, f"tile{index}", self.block.tile(index), image=f"_t{index}")
            for index in range(self.block.tiles)
        ]
        selected = []
        for index, tile in enumerate(tiles):
            here = Signal(name=f"here{index}")
            m.d.comb += [
                here.eq(self.tile == index),
                *same_row(tile, self),
                tile.hv.eq(self.hv & here),
                tile.sen.eq(self.sen),
                tile.x.eq(self.x[index * columns : (index + 1) * columns]),
            ]
            if self.block.spares:
                hits = [entry.hit & (entry.tile == index) for entry in each(self.remapped)]
                spares = [entry.spare for entry in each(self.remapped)]
                m.d.comb += tile.row.eq(remapped(m, self.row, hits, spares, f"spare{index}"))
            selected.append(tile.q & here.replicate(self.block.map.word_width))
        addressed = tree_or(m, selected, "q")
        sensed = Signal()
        counted = Signal()
        total = Signal.like(self.popcount)
        m.d.comb += total.eq(tree_sum(m, [tile.count for tile in tiles]))
        m.d.sync += [
            sensed.eq(self.sen),
            counted.eq(sensed),
            self.q.eq(Mux(sensed, addressed, 0)),
            self.popcount.eq(Mux(counted, total, 0)),
        ]
        return m
