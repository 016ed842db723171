"""The CRC-32 of rows that are read back, as `model.signatures.contents_crc32` has it of an image."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width

BYTE = 8
CRC32 = CRC32_ISO_HDLC(data_width=BYTE)
"""That of zlib and Ethernet."""


@dataclass(frozen=True)
class RowCrc:
    """The CRC-32 of rows of up to `width` bits, as bytes, the lowest first.

    Ports: `clear` begins anew; `load` adds `row`, of which `last_byte` + 1 bytes count, while `busy` is low; `busy` is
    high from the next cycle on, for last_byte + 1 cycles; `crc` is that of all rows after that.
    """

    width: int

    @property
    def name(self) -> str:
        return f"hafnet_row_crc_{self.width}"

    @property
    def bytes(self) -> int:
        """Of the widest row."""
        return -(-self.width // BYTE)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "clear": In(1),
                "load": In(1),
                "row": In(self.width),
                "last_byte": In(index_width(self.bytes)),
                "busy": Out(1),
                "crc": Out(32),
            }
        )

    def create(self) -> "RowCrcHardware":
        return RowCrcHardware(self)


class RowCrcHardware(Hardware):
    """A shift register of bytes before Amaranth's CRC processor."""

    clear: Signal
    load: Signal
    row: Signal
    last_byte: Signal
    busy: Signal
    crc: Signal

    def __init__(self, block: RowCrc) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        processor: Any = CRC32.create()
        m.submodules.processor = processor
        rest = Signal(BYTE * self.block.bytes)
        left = Signal.like(self.last_byte, name="left")
        m.d.comb += [
            processor.start.eq(self.clear),
            processor.valid.eq(self.busy),
            processor.data.eq(rest[:BYTE]),
            self.crc.eq(processor.crc),
        ]
        with m.If(self.load & ~self.busy):
            m.d.sync += [self.busy.eq(1), rest.eq(self.row), left.eq(self.last_byte)]
        with m.Elif(self.busy):
            m.d.sync += [rest.eq(rest >> BYTE), left.eq(left - 1), self.busy.eq(left != 0)]
        return m
