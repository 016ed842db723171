"""One differential array at its digital boundary, and the emulation that stands behind it on FPGA and in simulation.

The boundary is what a chip designer's macro offers: word-line select, operation, side, high-voltage enable, sense
enable, the X inputs of the sense amplifiers, and their two outputs. Everything on our side of it is the same whether
the emulation or the macro stands behind it.
"""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import Flow, In, Out

from hdl.block import Hardware, index_width, place
from hdl.storage import Storage
from model.plan import Fidelity


class Operation(enum.Enum, shape=2):
    """What the array does to the selected row. All but READ act while high voltage is enabled, on the devices that
    `side` and `x` select.

    FORM brings a pristine device into low resistance, once, and leaves a formed one as it is.
    """

    READ = 0
    SET = 1
    RESET = 2
    FORM = 3


class Side(enum.Enum, shape=1):
    """Which device of each cell a programming pulse acts on: the one on BL or its complement on BLb."""

    BL = 0
    BLB = 1


def control_lines(rows: int, flow: Flow) -> dict[str, wiring.Member]:
    """The lines by which a controller rules arrays of `rows` rows; see `Array` for what they mean."""
    return {
        "row": flow(index_width(rows)),
        "operation": flow(Operation),
        "side": flow(Side),
        "hv": flow(1),
        "sen": flow(1),
    }


def same_row(inside: Any, outside: Any) -> list[Any]:
    """Statements that give `inside` the row, operation and side of `outside`; `hv` and `sen` are gated on the way."""
    return [getattr(inside, line).eq(getattr(outside, line)) for line in ("row", "operation", "side")]


def level(fidelity: Fidelity) -> str:
    """How a module of arrays of this fidelity is called, if they are more than bits."""
    return "" if fidelity == "bits" else f"_{fidelity}"


def sensed_word(array: Any, ternary: bool) -> Value:
    """What the amplifiers of an array say, as a word of an image: with X = 1, what its row holds."""
    return Cat(~array.qb, ~array.q) if ternary else array.q


@dataclass(frozen=True)
class Array:
    """`rows` × `columns` 2T2R cells with one XNOR sense amplifier (PCSA) a column.

    Ports, all synchronous to `clk`:
      `row`        word line that is selected
      `operation`  READ, or SET / RESET / FORM while `hv` is high
      `side`       BL or BLB: the device that a pulse acts on
      `hv`         high-voltage enable; a pulse lasts as many cycles as it is high. Row, operation, side and X must
                   hold during the pulse, and `hv` must be low for at least 1 cycle before the next pulse or read
      `sen`        sense enable: low precharges, high senses
      `x`          READ: input bit of each column; pulse: columns that are pulsed
      `q`, `qb`    the cycle after `sen` was high: XNOR(x, weight) and its complement; after `sen` was low: all ones
                   (precharged)

    A `ternary` array's cells may also hold weight 0, both devices HRS: `q` and `qb` then stay high.

    `fidelity` is that of the emulation behind the boundary: `bits`, below, or `hdl.arrays.devices`.

    Latency of a read 1 cycle; throughput 1 row a cycle.
    """

    rows: int
    columns: int
    ternary: bool = False
    fidelity: Fidelity = "bits"

    @property
    def name(self) -> str:
        return f"hafnet_array_{self.rows}x{self.columns}" + "_ternary" * self.ternary + level(self.fidelity)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **control_lines(self.rows, In),
                "x": In(self.columns),
                "q": Out(self.columns),
                "qb": Out(self.columns),
            }
        )

    def create(self) -> Hardware:
        if self.fidelity == "bits":
            return ArrayEmulation(self)
        from hdl.arrays.devices import DevicesEmulation  # which knows this boundary, too

        return DevicesEmulation(self)


class ArrayEmulation(Hardware):
    """The array as a memory of weights: one bit a cell, 1 = (BL low, BLb high resistance) = +1.

    Both devices of a cell are taken as one bit: SET of BL or RESET of BLb makes it 1, SET of BLb or RESET of BL makes
    it 0, at the end of the pulse. A ternary array has a bit a device, 1 = low resistance; where both are equal, the
    amplifier does not decide. All devices count as formed, so that FORM changes nothing.
    """

    row: Signal
    operation: Signal
    side: Signal
    hv: Signal
    sen: Signal
    x: Signal
    q: Signal
    qb: Signal

    def __init__(self, block: Array) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self.block.columns
        width = columns * (2 if self.block.ternary else 1)
        cells = place(m, platform, "cells", Storage(width, self.block.rows))

        sensed = Signal()
        x = Signal(columns, name="x_sensed", reset_less=True)
        m.d.comb += [cells.read_en.eq(self.sen | self.hv), cells.read_addr.eq(self.row)]
        m.d.sync += [sensed.eq(self.sen), x.eq(self.x)]
        positive = Signal(columns)  # XNOR(x, weight) is +1
        negative = Signal(columns)  # … is -1; neither, and the weight is 0
        precharged = (1 << columns) - 1
        if self.block.ternary:
            low, low_b = cells.read_data[:columns], cells.read_data[columns:]
            plus, minus = low & ~low_b, low_b & ~low
            m.d.comb += [positive.eq((x & plus) | (~x & minus)), negative.eq((~x & plus) | (x & minus))]
        else:
            m.d.comb += [positive.eq(~(x ^ cells.read_data)), negative.eq(~positive)]
        m.d.comb += [
            self.q.eq(Mux(sensed, ~negative, precharged)),
            self.qb.eq(Mux(sensed, ~positive, precharged)),
        ]

        # The cells change when the pulse is over; the row's old word was read during the pulse.
        pulsed = Signal()
        row = Signal.like(self.row, name="row_pulsed", reset_less=True)
        to_one = Signal(reset_less=True)
        pulsed_cells = Signal(width)
        if self.block.ternary:
            raises = self.operation == Operation.SET
            side_b = Signal(reset_less=True)
            m.d.sync += side_b.eq(self.side == Side.BLB)
            m.d.comb += pulsed_cells.eq(Mux(side_b, Cat(Const(0, columns), x), x))
        else:
            raises = (self.operation == Operation.SET) == (self.side == Side.BL)
            m.d.comb += pulsed_cells.eq(x)
        acts = self.hv & (self.operation != Operation.FORM)
        m.d.sync += [pulsed.eq(acts), row.eq(self.row), to_one.eq(raises)]
        m.d.comb += [
            cells.write_en.eq(pulsed & ~self.hv),
            cells.write_addr.eq(row),
            cells.write_data.eq(Mux(to_one, cells.read_data | pulsed_cells, cells.read_data & ~pulsed_cells)),
        ]
        return m
