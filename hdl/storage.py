"""A synchronous memory, whose contents are an image file or nothing yet: where the hardware holds data by the row."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, blank, index_width


def word_ports(width: int, depth: int) -> dict[str, wiring.Member]:
    """The way to one word of `depth` words at a time: a read and a write port."""
    return {
        "read_en": In(1),
        "read_addr": In(index_width(depth)),
        "read_data": Out(width),
        "write_en": In(1),
        "write_addr": In(index_width(depth)),
        "write_data": In(width),
    }


@dataclass(frozen=True)
class Storage:
    """`depth` words of `width` bits with one read and one write port.

    Ports: `read_en`, `read_addr` -> `read_data` one cycle later, held until the next read; `write_en`, `write_addr`,
    `write_data`. A read of the word that is being written returns the old word. In Verilog this is the hand-written
    leaf hafnet_storage.sv; in Amaranth's own simulator a memory of zeros. A memory without an `image` is never loaded:
    it holds what passes through, and nobody reads a word of it that was not written before; unless it is to `clear`:
    then it begins with zeros wherever it loads no image.
    """

    width: int
    depth: int
    image: bool = True
    clear: bool = False

    name = "hafnet_storage"
    source = Path(__file__).with_name("hafnet_storage.sv")

    @property
    def parameters(self) -> dict[str, int]:
        return {"WIDTH": self.width, "DEPTH": self.depth, "ADDRESS": index_width(self.depth)} | blank(
            self.image, self.clear
        )

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(word_ports(self.width, self.depth))

    def create(self) -> "StorageModel":
        return StorageModel(self)


class StorageModel(Hardware):
    """The storage as Amaranth's simulator sees it."""

    read_en: Signal
    read_addr: Signal
    read_data: Signal
    write_en: Signal
    write_addr: Signal
    write_data: Signal

    def __init__(self, block: Storage) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # A memory of depth 1 would have an address of width 0: a second word that nobody reads avoids it.
        words: Any = memory.Memory(shape=self.block.width, depth=max(2, self.block.depth), init=[])
        m.submodules.words = words
        read, write = words.read_port(), words.write_port()
        m.d.comb += [
            read.en.eq(self.read_en),
            read.addr.eq(self.read_addr),
            self.read_data.eq(read.data),
            write.en.eq(self.write_en),
            write.addr.eq(self.write_addr),
            write.data.eq(self.write_data),
        ]
        return m
