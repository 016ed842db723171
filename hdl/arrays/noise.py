"""The noise of an array's sense amplifiers: which columns of a read err, from generators that golden mirrors."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.bank import Bank
from hdl.block import Hardware, index_width, place
from hdl.inputs.random_source import SeededXoshiro128
from hdl.storage import Storage
from model.random_bits import STATE, WORD

BYTE = 8


@dataclass(frozen=True)
class Noise:
    """Draws a byte a column in every cycle of sensing; a cell whose byte is below its weakness errs.

    Ports: `sen` and `row`, those of the array; `errs`, in the cycle after `sen` was high, the columns that err. The
    weaknesses are the image `_weak`, a byte a cell; where the generators begin is `_noise`: see `model.faulty` and
    `model.device_images`. After reset `sen` must be low for a cycle. Throughput 1 row a cycle.
    """

    rows: int
    columns: int

    @property
    def name(self) -> str:
        return f"hafnet_noise_{self.rows}x{self.columns}"

    @property
    def generators(self) -> int:
        return -(-self.columns * BYTE // WORD)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"sen": In(1), "row": In(index_width(self.rows)), "errs": Out(self.columns)})

    def create(self) -> "NoiseHardware":
        return NoiseHardware(self)


class NoiseHardware(Hardware):
    """Generators, the row's weaknesses, and a comparator a column."""

    sen: Signal
    row: Signal
    errs: Signal

    def __init__(self, block: Noise) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        weak = place(
            m, platform, "weakness", Storage(BYTE * self.block.columns, self.block.rows, clear=True), image="_weak"
        )
        seeds = place(m, platform, "seeds", Bank(STATE + WORD, self.block.generators, clear=True), image="_noise")
        for memory in (weak, seeds):
            m.d.comb += [memory.write_en.eq(0), memory.write_addr.eq(0), memory.write_data.eq(0)]
        m.d.comb += [
            weak.read_en.eq(self.sen),
            weak.read_addr.eq(self.row),
            seeds.read_en.eq(0),
            seeds.read_addr.eq(0),
        ]
        sensed = Signal()
        m.d.sync += sensed.eq(self.sen)
        words = []
        for index in range(self.block.generators):
            generator = place(m, platform, f"generator{index}", SeededXoshiro128())
            m.d.comb += [
                generator.seed.eq(seeds.all.word_select(index, STATE + WORD)),
                generator.o.ready.eq(sensed),
            ]
            words.append(generator.o.payload)
        octets = Cat(words)
        m.d.comb += self.errs.eq(
            Cat(
                octets.word_select(column, BYTE) < weak.read_data.word_select(column, BYTE)
                for column in range(self.block.columns)
            )
        )
        return m
