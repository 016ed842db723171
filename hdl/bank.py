"""Registers whose contents are an image file: for data of the network that is needed all at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hdl.block import Hardware, blank, index_width
from hdl.storage import word_ports


@dataclass(frozen=True)
class Bank:
    """`depth` registers of `width` bits.

    Ports: `all`, the contents of all registers, word 0 lowest; `read_en`, `read_addr` -> `read_data` one cycle later,
    held until the next read; `write_en`, `write_addr`, `write_data`, visible one cycle later. A read of the word that
    is being written returns the old word. In Verilog this is the hand-written leaf hafnet_bank.sv, loaded from an
    image, unless it has none; with `clear` they are zeros where no image is loaded, as in Amaranth's own simulator.
    """

    width: int
    depth: int
    image: bool = True
    clear: bool = False

    name = "hafnet_bank"
    source = Path(__file__).with_name("hafnet_bank.sv")

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.width, "DEPTH": self.depth, "ADDRESS": index_width(self.depth)} | blank(
            self.image, self.clear
        )

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"all": Out(self.depth * self.width), **word_ports(self.width, self.depth)})

    def create(self) -> "BankModel":
        return BankModel(self)


class BankModel(Hardware):
    """The bank as Amaranth's simulator sees it."""

    all: Signal
    read_en: Signal
    read_addr: Signal
    read_data: Signal
    write_en: Signal
    write_addr: Signal
    write_data: Signal

    def __init__(self, block: Bank) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words = [Signal(self.block.width, name=f"word{index}") for index in range(self.block.depth)]
        m.d.comb += self.all.eq(Cat(words))
        with m.If(self.read_en):
            m.d.sync += self.read_data.eq(Array(words)[self.read_addr])
        for index, word in enumerate(words):
            with m.If(self.write_en & (self.write_addr == index)):
                m.d.sync += word.eq(self.write_data)
        return m
