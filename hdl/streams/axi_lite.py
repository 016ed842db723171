"""AXI4-Lite (ARM IHI 0022) on one side, single-cycle register accesses on the other."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware


class Response(enum.Enum, shape=2):
    """BRESP and RRESP."""

    OKAY = 0
    SLVERR = 2


def axi_lite(address_width: int) -> wiring.Signature:
    """AXI4-Lite with 32-bit data from the manager's side."""
    return wiring.Signature(
        {
            "awaddr": Out(address_width),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(32),
            "wstrb": Out(4),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_width),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(32),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )


@dataclass(frozen=True)
class AxiLiteBridge:
    """An AXI4-Lite subordinate that turns transactions into accesses of 32-bit registers.

    Ports: `axil`; `write` with `write_word` (address / 4), `write_data`, `write_mask` (one bit for each bit, from
    WSTRB), answered in the same cycle by `write_refused`; `read` with `read_word`, answered in the same cycle by
    `read_data` and `read_refused`. A refused access ends in SLVERR. A write with all strobes low, as a bridge from a
    wider bus makes them, is answered OKAY and never reaches the registers, wherever it goes: `write` comes with a bit
    of `write_mask` at least.

    One write in 2 cycles and one read in 2 cycles at most; both at once. Protection bits are ignored.
    """

    address_width: int

    @property
    def name(self) -> str:
        return f"hafnet_axi_lite_{self.address_width}"

    @property
    def signature(self) -> wiring.Signature:
        word = self.address_width - 2
        return wiring.Signature(
            {
                "axil": In(axi_lite(self.address_width)),
                "write": Out(1),
                "write_word": Out(word),
                "write_data": Out(32),
                "write_mask": Out(32),
                "write_refused": In(1),
                "read": Out(1),
                "read_word": Out(word),
                "read_data": In(32),
                "read_refused": In(1),
            }
        )

    def create(self) -> "AxiLiteHardware":
        return AxiLiteHardware(self)


class AxiLiteHardware(Hardware):
    """Address and data of a write are taken in any order; an access begins when its answer has room."""

    axil: Any
    write: Signal
    write_word: Signal
    write_data: Signal
    write_mask: Signal
    write_refused: Signal
    read: Signal
    read_word: Signal
    read_data: Signal
    read_refused: Signal

    def __init__(self, block: AxiLiteBridge) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        axil = self.axil
        strobes = Signal(4)
        has_address = Signal()
        has_data = Signal()
        has_read = Signal()
        taken = Signal()  # a write, whether it has a strobe or not
        m.d.comb += [
            axil.awready.eq(~has_address),
            axil.wready.eq(~has_data),
            axil.arready.eq(~has_read),
            taken.eq(has_address & has_data & (~axil.bvalid | axil.bready)),
            self.write.eq(taken & strobes.any()),
            self.read.eq(has_read & (~axil.rvalid | axil.rready)),
            *(self.write_mask[8 * lane : 8 * lane + 8].eq(strobes[lane].replicate(8)) for lane in range(4)),
        ]
        with m.If(axil.bready):
            m.d.sync += axil.bvalid.eq(0)
        with m.If(axil.rready):
            m.d.sync += axil.rvalid.eq(0)
        with m.If(axil.awvalid & axil.awready):
            m.d.sync += [has_address.eq(1), self.write_word.eq(axil.awaddr[2:])]
        with m.If(axil.wvalid & axil.wready):
            m.d.sync += [has_data.eq(1), self.write_data.eq(axil.wdata), strobes.eq(axil.wstrb)]
        with m.If(axil.arvalid & axil.arready):
            m.d.sync += [has_read.eq(1), self.read_word.eq(axil.araddr[2:])]
        with m.If(taken):
            m.d.sync += [
                has_address.eq(0),
                has_data.eq(0),
                axil.bvalid.eq(1),
                axil.bresp.eq(Mux(self.write & self.write_refused, Response.SLVERR, Response.OKAY)),
            ]
        with m.If(self.read):
            m.d.sync += [
                has_read.eq(0),
                axil.rvalid.eq(1),
                axil.rdata.eq(self.read_data),
                axil.rresp.eq(Mux(self.read_refused, Response.SLVERR, Response.OKAY)),
            ]
        return m
