"""Rows of an array from an AXI4-Stream packet, one at a time, for whoever pulses them more slowly than they come."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width
from hdl.streams.packets import axi_stream, beats

ROW_BEAT = 32
"""Bits of a beat."""


@dataclass(frozen=True)
class RowReceiver:
    """Rows of up to `width` bits from packets of whole rows, each in last_beat + 1 beats, bit 0 of the first one first.

    Ports:
      `axis`      the packets
      `open`      packets are taken; where it falls within a packet, the rest of that packet is dropped as it comes
      `last_beat` beats of a row but one; it stands still while `open` is high
      `o`         stream of {bits, last}: a row, and whether the packet ends with it. Bits of beats that a row does not
                  have are left over from other rows. There is room for one row: the next one comes when it is taken
      `wrong`     a packet has ended within a row: nothing more is taken while `open` stays high

    Throughput: one row in last_beat + 2 cycles. Latency from the last beat of a row to `o.valid` 1 cycle.
    """

    width: int

    @property
    def name(self) -> str:
        return f"hafnet_row_receiver_{self.width}"

    @property
    def beats(self) -> int:
        """Beats of the widest row."""
        return beats(self.width, ROW_BEAT)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "axis": In(axi_stream(ROW_BEAT)),
                "open": In(1),
                "last_beat": In(index_width(self.beats)),
                "o": Out(stream.Signature(data.StructLayout({"bits": self.width, "last": 1}))),
                "wrong": Out(1),
            }
        )

    def create(self) -> "RowReceiverHardware":
        return RowReceiverHardware(self)


class RowReceiverHardware(Hardware):
    """A register of one row, a beat counter, and the memory that a packet is to be dropped."""

    axis: Any
    open: Signal
    last_beat: Signal
    o: Any
    wrong: Signal

    def __init__(self, block: RowReceiver) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words = [Signal(ROW_BEAT, name=f"word{beat}", reset_less=True) for beat in range(self.block.beats)]
        beat = Signal.like(self.last_beat)
        begun = Signal()  # a packet has begun and not ended
        dropping = Signal()
        taken = Signal()
        m.d.comb += [
            self.axis.tready.eq((self.open & ~self.o.valid & ~self.wrong) | dropping),
            taken.eq(self.axis.tvalid & self.axis.tready),
            self.o.payload.bits.eq(Cat(words)),
        ]
        with m.If(taken):
            m.d.sync += begun.eq(~self.axis.tlast)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken & ~dropping):
            with m.Switch(beat):
                for number, word in enumerate(words):
                    with m.Case(number):
                        m.d.sync += word.eq(self.axis.tdata)
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == self.last_beat):
                m.d.sync += [beat.eq(0), self.o.valid.eq(1), self.o.payload.last.eq(self.axis.tlast)]
            with m.Elif(self.axis.tlast):
                m.d.sync += [beat.eq(0), self.wrong.eq(1)]
        with m.If(dropping & taken & self.axis.tlast):
            m.d.sync += dropping.eq(0)
        with m.If(~self.open):
            m.d.sync += [beat.eq(0), self.o.valid.eq(0), self.wrong.eq(0)]
            with m.If(begun & ~(taken & self.axis.tlast)):
                m.d.sync += dropping.eq(1)
        return m
