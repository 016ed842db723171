"""Whether a layer's arrays are whole: their signatures, read before the first image and whenever rows were pulsed."""

from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.controller import ArrayController, Command
from hdl.arrays.reserve import Reserve
from hdl.block import Hardware
from model.signatures import Signatures

VALIDITY = data.StructLayout({"checking": 1, "invalid": 16, "group": 16, "tile": 16})
"""What a layer says of its arrays: it has not read all signatures since rows were last pulsed; and when it last read
them, how many were not right (at most 65,535), and which array was the first of these."""


@dataclass(frozen=True)
class SignatureCheck:
    """Reads the signature of every array of the layer behind `controller`, group by group and tile by tile.

    Ports: `start` begins; `busy` from the next cycle on, until `ended` is high for one cycle with the last array;
    `order`, the controller's `host`, of which `row_ended` and `row_bits` are `done` and `read_bits`; `spared`, rows of
    the array in `order` are remapped, so that its signature is to be SPARED in place of VALID; `validity`, see
    `VALIDITY`, without `checking`: of an array of which no signature has been read yet it says nothing.

    An array takes precharge (at least 1) + sense + 4 cycles.
    """

    controller: ArrayController
    reserve: Reserve = field(default_factory=Reserve)

    @property
    def name(self) -> str:
        return self.controller.name.replace("controller", "signature_check") + self.reserve.suffix

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "start": In(1),
                "busy": Out(1),
                "ended": Out(1),
                "order": self.controller.signature.members["host"].flip(),
                "row_ended": In(1),
                "row_bits": In(self.controller.word_width),
                "spared": In(1),
                "validity": Out(VALIDITY),
            }
        )

    def create(self) -> "SignatureCheckHardware":
        return SignatureCheckHardware(self)


class SignatureCheckHardware(Hardware):
    """A walk over the arrays."""

    start: Signal
    busy: Signal
    ended: Signal
    order: Any
    row_ended: Signal
    row_bits: Signal
    spared: Signal
    validity: Any

    def __init__(self, block: SignatureCheck) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        arrays = self.block.controller
        signatures = Signatures(arrays.columns, arrays.ternary)
        group, tile = (Signal.like(self.order.payload[name], name=name) for name in ("group", "tile"))
        asking = Signal()
        wrong = Signal()
        last = Signal()
        right = (
            Mux(self.spared, signatures.spared, signatures.valid) if self.block.reserve.entries else signatures.valid
        )
        m.d.comb += [
            self.order.valid.eq(asking),
            self.order.payload.command.eq(Command.READ_BACK),
            self.order.payload.group.eq(group),
            self.order.payload.tile.eq(tile),
            self.order.payload.row.eq(arrays.rows - 1),
            wrong.eq(self.row_ended & self.busy & (self.row_bits != right)),
            last.eq((tile == arrays.tiles - 1) & (group == arrays.groups - 1)),
            self.ended.eq(self.row_ended & self.busy & last),
        ]
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.busy.eq(1), asking.eq(1), group.eq(0), tile.eq(0), self.validity.eq(0)]
        with m.If(asking & self.order.ready):
            m.d.sync += asking.eq(0)
        with m.If(wrong):
            with m.If(self.validity.invalid == 0):
                m.d.sync += [self.validity.group.eq(group), self.validity.tile.eq(tile)]
            with m.If(~self.validity.invalid.all()):
                m.d.sync += self.validity.invalid.eq(self.validity.invalid + 1)
        with m.If(self.row_ended & self.busy):
            with m.If(last):
                m.d.sync += self.busy.eq(0)
            with m.Else():
                m.d.sync += [asking.eq(1), tile.eq(tile + 1)]
                with m.If(tile == arrays.tiles - 1):
                    m.d.sync += [tile.eq(0), group.eq(group + 1)]
        return m
