"""The dense layer in the dataflow `sequential_to_parallel`, fed with all inputs of an image at once."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from hdl.arrays.columns import Columns
from hdl.arrays.grid import join_host, layer_ports
from hdl.block import Hardware, place
from hdl.layers.serializer import Serializer


@dataclass(frozen=True)
class SequentialDense:
    """A layer whose neurons are those of `sink`, a `hdl.arrays.columns.Columns`.

    Ports: `i`, a stream of `presentations.count` words of `fan_in` bits an image; `o`, a stream of one word an image,
    with thresholds a bit a neuron, neuron 0 in bit 0, as in `hdl.arrays.columns.Columns`; and those of the host, see
    `hdl.arrays.host_access.host_ports`.

    Throughput: one image in max(cycles, (cycles + 6) / 2) cycles, where cycles = count × ceil(fan_in / lanes) ×
    (precharge + sense). Latency from taking an image's first word to offering its result: cycles + 5.
    """

    sink: Columns

    @property
    def name(self) -> str:
        return self.sink.name.replace("columns", "sequential_dense")

    @property
    def signature(self) -> wiring.Signature:
        results = stream.Signature(self.sink.result_width)
        return wiring.Signature(
            {**layer_ports(self.sink.fan_in, self.sink.host_width, self.sink.reserve.signed), "o": Out(results)}
        )

    def create(self) -> "SequentialDenseHardware":
        return SequentialDenseHardware(self)


class SequentialDenseHardware(Hardware):
    """Serializer -> columns."""

    i: Any
    o: Any

    def __init__(self, block: SequentialDense) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block.sink
        source = place(m, platform, "serializer", Serializer(block.fan_in, block.lanes, block.presentations.count))
        sink = place(m, platform, "columns", block)
        connect(m, flipped(self.i), source.i)
        connect(m, source.o, sink.i)
        connect(m, sink.o, flipped(self.o))
        join_host(m, self, sink)
        m.d.comb += [sink.start.eq(source.start), source.go.eq(sink.go)]
        return m
