"""An array whose cells are two devices each: pristine until formed, in low or high resistance, or stuck in either.

The states of devices follow from the pulses, and what an amplifier says from the states. It is an emulation to find out
with, on an FPGA at full speed or in simulation, what a network, or whoever programs it, makes of a faulty chip.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hdl.arrays.array import Array, Operation, Side
from hdl.arrays.noise import Noise
from hdl.block import Hardware, place
from hdl.storage import Storage


class DevicesEmulation(Hardware):
    """The array as a memory of devices, and one of their faults; see `model.device_images` for what they load.

    At the end of a pulse SET brings the devices that it acts on into LRS, and RESET into HRS, if they are formed; FORM
    forms those that are pristine, and brings them into LRS. A pristine device reads as HRS, and a stuck one as the
    state that it is stuck at, whatever the pulses. Where both devices of a cell are alike, a binary array reads the
    cell's mismatch, and a ternary one 0.

    Loaded from images the devices are formed and hold the weights. Where none is loaded (LOAD is 0) they are pristine
    and without faults: the host is to form them.

    The memories: `cells`, as in `hdl.arrays.array.ArrayEmulation`; of a binary array `alike`, where the device on BLb
    is not the complement of that on BL; `formed`, without which a device is HRS, whatever `cells` say; and `faults`.
    """

    row: Signal
    operation: Any
    side: Any
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
        rows, columns, ternary = self.block.rows, self.block.columns, self.block.ternary
        width = columns * (2 if ternary else 1)
        cells = place(m, platform, "cells", Storage(width, rows))
        formed = place(m, platform, "formed", Storage(2 * columns, rows, clear=True), image="_formed")
        faults = place(m, platform, "faults", Storage(5 * columns, rows, clear=True), image="_faults")
        memories = [cells, formed]
        low, low_b = cells.read_data[:columns], cells.read_data[columns:]
        if not ternary:
            alike = place(m, platform, "alike", Storage(columns, rows, image=False, clear=True))
            memories.append(alike)
            low_b = ~(low ^ alike.read_data)
        states = Signal(2 * columns)  # of the devices, 1 for LRS: those on BL, then those on BLb
        m.d.comb += states.eq(Cat(low, low_b) & formed.read_data)

        sensed = Signal()
        x = Signal(columns, name="x_sensed", reset_less=True)
        m.d.sync += [sensed.eq(self.sen), x.eq(self.x)]
        for memory in memories:
            m.d.comb += [memory.read_en.eq(self.sen | self.hv), memory.read_addr.eq(self.row)]
        m.d.comb += [faults.read_en.eq(self.sen), faults.read_addr.eq(self.row)]
        m.d.comb += [faults.write_en.eq(0), faults.write_addr.eq(0), faults.write_data.eq(0)]
        plus, minus = self._weights(m, platform, states, faults.read_data)
        m.d.comb += [
            self.q.eq(Mux(sensed, ~((~x & plus) | (x & minus)), (1 << columns) - 1)),
            self.qb.eq(Mux(sensed, ~((x & plus) | (~x & minus)), (1 << columns) - 1)),
        ]

        # The devices change when the pulse is over; the row's old states were read during the pulse.
        pulsed = Signal()
        row = Signal.like(self.row, name="row_pulsed", reset_less=True)
        operation = Signal(Operation, name="operation_pulsed", reset_less=True)
        side = Signal(Side, name="side_pulsed", reset_less=True)
        acted = Signal(2 * columns)
        moved = Signal(2 * columns)
        m.d.sync += [pulsed.eq(self.hv), row.eq(self.row), operation.eq(self.operation), side.eq(self.side)]
        m.d.comb += acted.eq(Mux(side == Side.BLB, Cat(x & 0, x), x))
        forms = (acted & ~formed.read_data) & (operation == Operation.FORM).replicate(2 * columns)
        with m.Switch(operation):
            with m.Case(Operation.SET):
                m.d.comb += moved.eq(states | acted)
            with m.Case(Operation.RESET):
                m.d.comb += moved.eq(states & ~acted)
            with m.Default():
                m.d.comb += moved.eq(states | forms)
        for memory in memories:
            m.d.comb += [memory.write_en.eq(pulsed & ~self.hv), memory.write_addr.eq(row)]
        m.d.comb += [cells.write_data.eq(moved), formed.write_data.eq(formed.read_data | forms)]
        if not ternary:
            m.d.comb += alike.write_data.eq(~(moved[:columns] ^ moved[columns:]))
        return m

    def _weights(self, m: Module, platform: Any, states: Value, faults: Value) -> tuple[Value, Value]:
        """Which cells of the row read as +1, and which as -1."""
        columns = self.block.columns
        seen = Signal(2 * columns)
        m.d.comb += seen.eq((states | faults[: 2 * columns]) & ~faults[2 * columns : 4 * columns])
        low, low_b, mismatch = seen[:columns], seen[columns:], faults[4 * columns :]
        plus = Signal(columns)
        minus = Signal(columns)
        errs = Signal(columns)
        if self.block.fidelity == "noisy":
            noise = place(m, platform, "noise", Noise(self.block.rows, columns))
            m.d.comb += [noise.sen.eq(self.sen), noise.row.eq(self.row), errs.eq(noise.errs)]
        if self.block.ternary:
            guess = ~(low ^ low_b) & errs
            m.d.comb += [
                plus.eq((low & ~low_b & ~errs) | (guess & mismatch)),
                minus.eq((~low & low_b & ~errs) | (guess & ~mismatch)),
            ]
        else:
            m.d.comb += [plus.eq(((low & ~low_b) | (~(low ^ low_b) & mismatch)) ^ errs), minus.eq(~plus)]
        return plus, minus
