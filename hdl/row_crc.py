"""The CRC-32 of rows that are read back, as `model.signatures.contents_crc32` has it of an image."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width

BYTE = 8
POLYNOMIAL = 0xEDB88320
"""That of CRC-32/ISO-HDLC (zlib, Ethernet), its highest power in bit 0. The register begins as ones, and the CRC is its
complement."""


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
    """A shift register of bytes, one of which a cycle enters the CRC."""

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
        rest = Signal(BYTE * self.block.bytes)
        left = Signal.like(self.last_byte, name="left")
        state = Signal(32)
        m.d.comb += self.crc.eq(~state)
        with m.If(self.clear):
            m.d.sync += state.eq(-1)
        with m.Elif(self.busy):
            m.d.sync += state.eq(_after(m, state, rest[:BYTE]))
        with m.If(self.load & ~self.busy):
            m.d.sync += [self.busy.eq(1), rest.eq(self.row), left.eq(self.last_byte)]
        with m.Elif(self.busy):
            m.d.sync += [rest.eq(rest >> BYTE), left.eq(left - 1), self.busy.eq(left != 0)]
        return m


def _after(m: Module, state: Value, byte: Value) -> Value:
    """The register after one more byte, whose lowest bit comes first."""
    for bit in range(BYTE):
        following = Signal(32, name=f"after_bit{bit}")
        m.d.comb += following.eq((state >> 1) ^ Mux(state[0] ^ byte[bit], Const(POLYNOMIAL, 32), 0))
        state = following
    return state
