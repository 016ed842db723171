"""A stand-in for a layer that reads neuron after neuron, before one that reads input after input."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from hdl.arrays.columns import Columns
from hdl.arrays.controller import ArrayController
from hdl.arrays.grid import join_host, layer_ports
from hdl.block import Hardware, place

BEHIND = 4
"""Cycles from the last cycle of `sen` of a read to its neurons' results in a layer of the dataflow
`parallel_to_sequential`."""


@dataclass(frozen=True)
class Paced:
    """`columns`, fed at the pace of an array controller that nobody can hold up.

    Ports: those of an `hdl.layers.sequential_dense.SequentialDense`, one word an image; and `lost`, high for ever once
    the columns were not ready for what the source had read.
    """

    columns: Columns

    @property
    def name(self) -> str:
        return f"hafnet_paced_{self.columns.name}"

    @property
    def signature(self) -> wiring.Signature:
        ports = layer_ports(self.columns.fan_in, self.columns.host_width, self.columns.reserve.signed)
        return wiring.Signature(
            {**ports, "o": Out(stream.Signature(self.columns.result_width)), "lost": Out(1)},
        )

    def create(self) -> "PacedHardware":
        return PacedHardware(self)


class PacedHardware(Hardware):
    """A controller that reads as many rows as there are words in an image, and the words, a few cycles later."""

    i: Any
    o: Any
    lost: Signal

    def __init__(self, block: Paced) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block.columns
        words = block.map.reads
        columns = place(m, platform, "columns", block)
        source = place(m, platform, "source", ArrayController(1, 1, 1, 1))
        connect(m, columns.o, flipped(self.o))
        join_host(m, self, columns)
        held = Signal(block.fan_in)
        left = Signal(range(words + 1))  # reads of the image that is held
        begins = Signal()
        m.d.comb += [
            source.timing.eq(columns.steady),
            begins.eq(self.i.valid & columns.go & (left == 0) & source.read.ready),
            self.i.ready.eq(columns.go & (left == 0) & source.read.ready),
            columns.start.eq(begins),
            source.read.valid.eq(begins | (left != 0)),
        ]
        # The words leave the register as the source samples its rows, which it may do when the next image is here.
        with m.If(source.sampled):
            m.d.sync += held.eq(held.rotate_right(block.lanes))
        with m.If(begins):
            m.d.sync += [held.eq(self.i.payload), left.eq(words - 1)]
        with m.Elif(source.read.ready & (left != 0)):
            m.d.sync += left.eq(left - 1)
        strobes, late = Signal(BEHIND), [Signal(block.lanes, name=f"late{age}") for age in range(BEHIND)]
        m.d.sync += strobes.eq(Cat(source.sampled, strobes))
        m.d.sync += [to.eq(by) for to, by in zip(late, [held[: block.lanes], *late], strict=False)]
        m.d.comb += [columns.i.valid.eq(strobes[-1]), columns.i.payload.eq(late[-1])]
        with m.If(columns.i.valid & ~columns.i.ready):
            m.d.sync += self.lost.eq(1)
        return m
