"""The threshold neuron: batch norm, bias and sign in one comparison."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware
from model.mapping import threshold_width


@dataclass(frozen=True)
class Neuron:
    """`fire` = (`popcount` >= `threshold`) for a neuron whose largest count is `top` (its fan-in, if its weights are
    binary and its input comes in a single presentation).

    Thresholds run from 0 (always fires) to top + 1 (never fires). `strobe` goes with the popcount, `fired` with
    `fire`, 1 cycle later. Throughput 1 neuron a cycle.
    """

    top: int

    @property
    def name(self) -> str:
        return f"hafnet_neuron_{self.top}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "strobe": In(1),
                "popcount": In(self.top.bit_length()),
                "threshold": In(threshold_width(self.top)),
                "fired": Out(1),
                "fire": Out(1),
            }
        )

    def create(self) -> "NeuronHardware":
        return NeuronHardware(self)


class NeuronHardware(Hardware):
    """One comparator and one register."""

    strobe: Signal
    popcount: Signal
    threshold: Signal
    fired: Signal
    fire: Signal

    def __init__(self, block: Neuron) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += [self.fired.eq(self.strobe), self.fire.eq(self.popcount >= self.threshold)]
        return m
