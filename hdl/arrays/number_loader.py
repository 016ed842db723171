"""Thresholds and offsets out of the arrays that hold them: read by the same sense amplifiers as the weights."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.controller import ArrayController, Command
from hdl.block import Hardware, index_width
from model.mapping import LayerMap


@dataclass(frozen=True)
class NumberLoader:
    """Reads the numbers of all lanes of `map` from the rows behind its weights (see `model.mapping`).

    Ports: `start` begins; `busy` from the next cycle on, until `ended` is high for one cycle with the last number;
    `order`, the controller's `host`, of which `row_ended` and `row_bits` are `done` and `read_bits`; `write`, with
    `lane`, `index` in the lane and `number`.

    A word is read, and then passes bit by bit, into numbers: as many cycles in all as the numbers have bits, and
    precharge (at least 1) + sense + 4 for each word.
    """

    map: LayerMap

    @property
    def name(self) -> str:
        grid, size = self.map, self.map.geometry
        shape = f"{grid.matrix_rows}x{grid.matrix_columns}_{size.rows}x{size.columns}_lanes{grid.lanes}"
        kept = f"_of{size.used_rows}" * (size.used_rows < size.rows)
        return f"hafnet_number_loader_{shape}{kept}_{grid.dataflow}_{grid.number_bits}" + "_ternary" * grid.ternary

    @property
    def controller(self) -> ArrayController:
        grid, size = self.map, self.map.geometry
        return ArrayController(grid.groups, grid.tiles, size.rows, size.columns, grid.ternary)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "start": In(1),
                "busy": Out(1),
                "ended": Out(1),
                "order": self.controller.signature.members["host"].flip(),
                "row_ended": In(1),
                "row_bits": In(self.map.word_width),
                "write": Out(1),
                "lane": Out(index_width(self.map.number_lanes)),
                "index": Out(index_width(self.map.numbers)),
                "number": Out(self.map.number_bits),
            }
        )

    def create(self) -> "NumberLoaderHardware":
        return NumberLoaderHardware(self)


class NumberLoaderHardware(Hardware):
    """A walk over the words, and a shift register from which numbers come out whole."""

    start: Signal
    busy: Signal
    ended: Signal
    order: Any
    row_ended: Signal
    row_bits: Signal
    write: Signal
    lane: Signal
    index: Signal
    number: Signal

    def __init__(self, block: NumberLoader) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        grid, rows, columns = self.block.map, self.block.map.geometry.used_rows, self.block.map.geometry.columns
        first_block, first_row = divmod(grid.reads, rows)
        group, row, tile = (Signal.like(self.order.payload[name], name=name) for name in ("group", "row", "tile"))
        base = Signal.like(group)  # the lane's first group
        asking = Signal()
        passing = Signal()
        bits = Signal(columns)
        left = Signal(range(max(2, columns)))
        gathered = Signal(grid.number_bits)
        place = Signal(range(max(2, grid.number_bits)))
        whole = place == grid.number_bits - 1
        of_lane = self.index == grid.numbers - 1
        m.d.comb += [
            self.order.valid.eq(asking),
            self.order.payload.command.eq(Command.READ_BACK),
            self.order.payload.group.eq(group),
            self.order.payload.row.eq(row),
            self.order.payload.tile.eq(tile),
            self.number.eq(Cat(gathered[1:], bits[0])),
            self.write.eq(passing & whole),
            self.ended.eq(self.write & of_lane & (self.lane == grid.number_lanes - 1)),
        ]
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.busy.eq(1), asking.eq(1), group.eq(first_block), row.eq(first_row), tile.eq(0)]
            m.d.sync += [base.eq(0), self.lane.eq(0), self.index.eq(0), place.eq(0)]
        with m.If(asking & self.order.ready):
            m.d.sync += asking.eq(0)
        with m.If(self.row_ended & self.busy):
            m.d.sync += [bits.eq(self.row_bits), left.eq(columns - 1), passing.eq(1)]
            with m.If(tile == grid.tiles - 1):
                m.d.sync += [tile.eq(0), row.eq(row + 1)]
                with m.If(row == rows - 1):
                    m.d.sync += [row.eq(0), group.eq(group + 1)]
            with m.Else():
                m.d.sync += tile.eq(tile + 1)
        with m.If(passing):
            m.d.sync += [bits.eq(bits >> 1), gathered.eq(self.number), left.eq(left - 1), place.eq(place + 1)]
            with m.If(left == 0):
                m.d.sync += [passing.eq(0), asking.eq(1)]
            with m.If(whole):
                m.d.sync += [place.eq(0), self.index.eq(self.index + 1)]
                with m.If(of_lane):
                    # What is left of the lane's last word is nobody's: on to the next lane's first one.
                    m.d.sync += [self.index.eq(0), self.lane.eq(self.lane + 1)]
                    m.d.sync += [passing.eq(0), asking.eq(1), row.eq(first_row), tile.eq(0)]
                    m.d.sync += [base.eq(base + grid.blocks), group.eq(base + grid.blocks + first_block)]
            with m.If(self.ended):
                m.d.sync += [self.busy.eq(0), asking.eq(0)]
        return m
