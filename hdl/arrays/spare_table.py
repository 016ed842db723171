"""Which rows of a layer's arrays have failed, and which spare row of the same array stands for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width
from hdl.neurons.popcount import tree_or
from model.mapping import Geometry

ENTRY = data.StructLayout({"row": 16, "spare": 15, "valid": 1, "group": 16, "tile": 16})
"""A row that is remapped as the host reads and writes it: row `row` of array `group`, `tile` is its row `spare`."""


def entry_layout(groups: int, tiles: int, rows: int) -> data.StructLayout:
    """The same as a layer keeps it."""
    row = index_width(rows)
    return data.StructLayout(
        {"valid": 1, "row": row, "spare": row, "group": index_width(groups), "tile": index_width(tiles)}
    )


def many(layout: data.StructLayout, count: int) -> data.StructLayout:
    """So many of these side by side; `each` are they. (Verilog has no plain names for the fields of an array.)"""
    return data.StructLayout({f"entry{index}": layout for index in range(count)})


def each(entries: Any) -> list[Any]:
    """The entries of a view of `many`."""
    return [entries[name] for name, _ in entries.shape()]


def remapped(m: Module, row: Value, hits: Sequence[Value], spares: Sequence[Value], name: str) -> Value:
    """The row that an array selects: `row`, or, where one of `hits` is high, the one of `spares` at its place."""
    found = tree_or(m, [spare & hit.replicate(len(spare)) for hit, spare in zip(hits, spares, strict=True)], name)
    return Mux(Cat(hits).any(), found, row)


@dataclass(frozen=True)
class SpareTable:
    """A table of `entries` rows that are remapped, of any of `groups` × `tiles` arrays of this geometry.

    Ports:
      `group`, `tile`, `row`  what is asked about
      `spared`    an entry is of that array
      `full`      nothing can take the row's place: there is no spare row of the array left behind those that have been
                  taken, or no entry
      `take`      the array's next spare row takes the row's place, from the next cycle on. Where the row has been
                  remapped before, that spare row has failed too: it is lost
      `index`     an entry: `selected` is what it says, and with `write` it becomes `written`
      `entries`   all of them

    All answers come in the same cycle.
    """

    entries: int
    groups: int
    tiles: int
    geometry: Geometry

    @property
    def name(self) -> str:
        size = f"{self.entries}_{self.groups}x{self.tiles}_{self.geometry.rows}_{self.geometry.spare_rows}"
        return f"hafnet_spare_table_{size}" + "_signed" * self.geometry.signature

    @property
    def layout(self) -> data.StructLayout:
        return entry_layout(self.groups, self.tiles, self.geometry.rows)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "group": In(index_width(self.groups)),
                "tile": In(index_width(self.tiles)),
                "row": In(index_width(self.geometry.rows)),
                "spared": Out(1),
                "full": Out(1),
                "take": In(1),
                "index": In(index_width(self.entries)),
                "write": In(1),
                "written": In(ENTRY),
                "selected": Out(ENTRY),
                "entries": Out(many(self.layout, self.entries)),
            }
        )

    def create(self) -> "SpareTableHardware":
        return SpareTableHardware(self)


class SpareTableHardware(Hardware):
    """Registers, and a comparison of each entry with what is asked about."""

    group: Signal
    tile: Signal
    row: Signal
    spared: Signal
    full: Signal
    take: Signal
    index: Signal
    write: Signal
    written: Any
    selected: Any
    entries: Any

    def __init__(self, block: SpareTable) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        geometry = self.block.geometry
        kept: list[Any] = [Signal(self.block.layout, name=f"entry{index}") for index in range(self.block.entries)]
        m.d.comb += self.entries.as_value().eq(Cat(entry.as_value() for entry in kept))
        mine, same, free = [], [], []
        for index, entry in enumerate(kept):
            of_array = Signal(name=f"of_array{index}")
            of_row = Signal(name=f"of_row{index}")
            m.d.comb += [
                of_array.eq(entry.valid & (entry.group == self.group) & (entry.tile == self.tile)),
                of_row.eq(of_array & (entry.row == self.row)),
            ]
            mine.append(of_array)
            same.append(of_row)
            free.append(~entry.valid)

        # Spare rows are taken in ascending order, so that the highest one taken tells which are left.
        next_row = Signal(range(geometry.rows + 1))
        m.d.comb += next_row.eq(geometry.used_rows)
        following: Value = next_row
        for index, entry in enumerate(kept):
            higher = Signal(range(geometry.rows + 1), name=f"next{index}")
            m.d.comb += higher.eq(Mux(mine[index] & (entry.spare >= following), entry.spare + 1, following))
            following = higher
        chosen = []  # the row's own entry, or else the first free one
        before: Value = Cat(same).any()
        for index in range(self.block.entries):
            here = Signal(name=f"chosen{index}")
            m.d.comb += here.eq(same[index] | (~before & free[index]))
            before = before | here
            chosen.append(here)
        m.d.comb += [
            self.spared.eq(Cat(mine).any()),
            self.full.eq(~Cat(chosen).any() | (following >= geometry.used_rows + geometry.spare_rows)),
        ]
        for index, entry in enumerate(kept):
            with m.If(self.take & ~self.full & chosen[index]):
                m.d.sync += [
                    entry.valid.eq(1),
                    entry.group.eq(self.group),
                    entry.tile.eq(self.tile),
                    entry.row.eq(self.row),
                    entry.spare.eq(following),
                ]
            with m.Elif(self.write & (self.index == index)):
                m.d.sync += [entry[name].eq(self.written[name]) for name, _ in self.block.layout]
        m.d.comb += [
            self.selected[name].eq(Array(entry[name] for entry in kept)[self.index]) for name, _ in self.block.layout
        ]
        return m
