"""Counts of several presentations of an input, summed up neuron by neuron."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware, index_width, place
from hdl.storage import Storage
from model.topology import Presentations


@dataclass(frozen=True)
class Accumulator:
    """Sums the counts of `presentations` passes over `steps` steps, `lanes` counts a step, of at most `top` each.

    With `halving` each presentation counts half as much as the one before it: the sum so far is doubled before a count
    is added (Horner). The largest sum is `total`.

    Ports: `strobe`, `counts` (lane 0 lowest), steps in order, pass after pass; `coming`, in the next cycle in the last
    pass, and `sums` 2 cycles after `strobe`. Throughput 1 step a cycle, with no gap between passes or images. The sums
    wait in a memory of `steps` words.
    """

    steps: int
    lanes: int
    top: int
    presentations: int
    halving: bool

    @property
    def name(self) -> str:
        times = f"{self.presentations}{'h' if self.halving else ''}"
        return f"hafnet_accumulator_{self.steps}x{self.lanes}_{self.top}_{times}"

    @property
    def total(self) -> int:
        return self.top * Presentations(self.presentations, self.halving).total

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "strobe": In(1),
                "counts": In(self.lanes * self.top.bit_length()),
                "coming": Out(1),
                "sums": Out(self.lanes * self.total.bit_length()),
            }
        )

    def create(self) -> "AccumulatorHardware":
        return AccumulatorHardware(self)


class AccumulatorHardware(Hardware):
    """A memory that is read, added to and written in two cycles; a single register where there is a single step."""

    strobe: Signal
    counts: Signal
    coming: Signal
    sums: Signal

    def __init__(self, block: Accumulator) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        narrow, wide = block.top.bit_length(), block.total.bit_length()
        step = Signal(index_width(block.steps))
        turn = Signal(range(block.presentations))
        adding = Signal()
        opening = Signal()
        closing = Signal()
        counts = Signal.like(self.counts, name="counts_held", reset_less=True)
        address = Signal.like(step, reset_less=True)
        m.d.sync += [
            adding.eq(self.strobe),
            opening.eq(turn == 0),
            closing.eq(self.strobe & (turn == block.presentations - 1)),
            counts.eq(self.counts),
            address.eq(step),
        ]
        with m.If(self.strobe):
            with m.If(step == block.steps - 1):
                m.d.sync += [step.eq(0), turn.eq(Mux(turn == block.presentations - 1, 0, turn + 1))]
            with m.Else():
                m.d.sync += step.eq(step + 1)

        so_far = Signal.like(self.sums)
        added = Signal.like(self.sums)
        parts: list[Value] = []
        for lane in range(block.lanes):
            old = so_far.word_select(lane, wide)
            kept = Mux(opening, 0, old << 1 if block.halving else old)
            parts.append((kept + counts.word_select(lane, narrow))[:wide])
        m.d.comb += [added.eq(Cat(parts)), self.coming.eq(closing)]
        with m.If(adding):
            m.d.sync += self.sums.eq(added)
        if block.steps == 1:
            # A memory would still hold the old sum when the next pass reads it.
            m.d.comb += so_far.eq(self.sums)
        else:
            memory = place(m, platform, "memory", Storage(block.lanes * wide, block.steps, image=False))
            m.d.comb += [
                memory.read_en.eq(self.strobe),
                memory.read_addr.eq(step),
                so_far.eq(memory.read_data),
                memory.write_en.eq(adding),
                memory.write_addr.eq(address),
                memory.write_data.eq(added),
            ]
        return m
