"""The dense hidden layer: a grid of arrays, threshold neurons, and a word of bits for the next layer."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from hdl.block import Hardware, place
from hdl.collector import Collector
from hdl.grid import Grid, join_grid, layer_ports
from hdl.neuron import Neuron


@dataclass(frozen=True)
class Dense:
    """A layer of `fan_out` threshold neurons of `fan_in` inputs on arrays of `rows` × `columns`.

    Ports: `i`, a stream of images, one word of `fan_in` bits each; `o`, a stream of one word of `fan_out` bits each,
    neuron 0 in bit 0; `timing`, `host`, `done`, `failed`, `read_bits` as in `hdl.grid.Grid`, the numbers being the
    neurons' thresholds.

    Throughput: one image in max(reads, (reads + 7) / 2) cycles, where reads = fan_out × (precharge + sense): from 7
    reads on, the arrays never pause between images. The second term is due to the room for two images behind the arrays
    (see `hdl.collector.Collector`): two images are taken one after the other in every reads + 7 cycles. Latency
    from taking an image to offering its result: reads + 6 cycles.
    """

    fan_in: int
    fan_out: int
    rows: int
    columns: int
    host_width: int

    @property
    def name(self) -> str:
        return f"hafnet_dense_{self.fan_in}x{self.fan_out}_{self.rows}x{self.columns}"

    @property
    def grid(self) -> Grid:
        return Grid(self.fan_in, self.fan_out, self.rows, self.columns, "thresholds", self.host_width)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({**layer_ports(self.fan_in, self.host_width), "o": Out(stream.Signature(self.fan_out))})

    def create(self) -> "DenseHardware":
        return DenseHardware(self)


class DenseHardware(Hardware):
    """Grid -> neuron -> collector."""

    timing: Any
    i: Any
    o: Any
    host: Any
    done: Signal
    failed: Signal
    read_bits: Signal

    def __init__(self, block: Dense) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        grid = place(m, platform, "grid", self.block.grid)
        neuron = place(m, platform, "neuron", Neuron(self.block.fan_in))
        collector = place(m, platform, "collector", Collector(self.block.fan_out, 1))
        join_grid(m, self, grid)
        connect(m, collector.o, flipped(self.o))
        m.d.comb += [
            grid.go.eq(collector.go),
            collector.start.eq(grid.i.valid & grid.i.ready),
            neuron.strobe.eq(grid.strobe),
            neuron.popcount.eq(grid.popcount),
            neuron.threshold.eq(grid.number),
            collector.strobe.eq(neuron.fired),
            collector.value.eq(neuron.fire),
        ]
        return m
