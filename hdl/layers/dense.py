"""The dense hidden layer: a grid of arrays, threshold neurons, and a word of bits for the next layer."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.grid import Grid, join_host, layer_ports
from hdl.block import Hardware, place
from hdl.layers.collector import Collector
from hdl.neurons.neuron import Neuron


@dataclass(frozen=True)
class Dense:
    """A layer of threshold neurons on the arrays of `grid`, whose numbers are the thresholds.

    Ports: `i` as in `hdl.arrays.grid.Grid`; `o`, a stream of one word of fan_out bits an image, neuron 0 in bit 0; and
    those of the host, see `hdl.arrays.host_access.host_ports`. With `streamed`, for a layer behind that takes neurons
    as they come, instead of `o`: `fired` with `lanes` bits of `fire`, those of neurons s × lanes … in step s, and
    `start` and `go` as in the grid.

    Throughput: one image in max(cycles, (cycles + behind) / 2) cycles, where cycles = presentations × reads ×
    (precharge + sense) and behind = 7, with several presentations 9: from as many cycles on, the arrays never pause
    between images. The second term is due to the room for two images behind the arrays (see
    `hdl.layers.collector.Collector`): two images are taken one after the other in every cycles + behind. Latency from
    taking an image to offering its result, if its words come as fast as they are taken: cycles + behind - 1.
    """

    grid: Grid
    streamed: bool = False

    @property
    def name(self) -> str:
        kind = "streamed" if self.streamed else "dense"
        return self.grid.name.replace("grid", kind).replace("_thresholds", "")

    @property
    def fan_out(self) -> int:
        return self.grid.fan_out

    @property
    def signature(self) -> wiring.Signature:
        grid = self.grid
        ports: dict[str, wiring.Member] = layer_ports(grid.slices * grid.fan_in, grid.host_width, grid.reserve.signed)
        if self.streamed:
            ports |= {"go": In(1), "start": Out(1), "fired": Out(1), "fire": Out(grid.lanes)}
        else:
            ports["o"] = Out(stream.Signature(grid.fan_out))
        return wiring.Signature(ports)

    def create(self) -> "DenseHardware":
        return DenseHardware(self)


class DenseHardware(Hardware):
    """Grid -> neurons -> collector."""

    i: Any
    o: Any
    go: Signal
    start: Signal
    fired: Signal
    fire: Signal

    def __init__(self, block: Dense) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block.grid
        grid = place(m, platform, "grid", block)
        join_host(m, self, grid)
        connect(m, flipped(self.i), grid.i)
        neurons = []
        for lane in range(block.lanes):
            neuron = place(m, platform, f"neuron{lane}", Neuron(block.top))
            m.d.comb += [
                neuron.strobe.eq(grid.strobe),
                neuron.popcount.eq(grid.counts.word_select(lane, block.top.bit_length())),
                neuron.threshold.eq(grid.numbers.word_select(lane, block.number_width)),
            ]
            neurons.append(neuron)
        fire = Cat(neuron.fire for neuron in neurons)
        if self.block.streamed:
            m.d.comb += [
                grid.go.eq(self.go),
                self.start.eq(grid.start),
                self.fired.eq(neurons[0].fired),
                self.fire.eq(fire),
            ]
            return m
        collector = place(m, platform, "collector", Collector(block.map.reads, block.lanes))
        m.d.comb += [
            grid.go.eq(collector.go),
            collector.start.eq(grid.start),
            collector.strobe.eq(neurons[0].fired),
            collector.value.eq(fire),
            self.o.valid.eq(collector.o.valid),
            # The last step may have lanes without a neuron: they are highest.
            self.o.payload.eq(collector.o.payload),
            collector.o.ready.eq(self.o.ready),
        ]
        return m
