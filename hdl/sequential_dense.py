"""The dense layer in the dataflow `sequential_to_parallel`, fed with all inputs of an image at once."""

from dataclasses import dataclass
from typing import Any, Literal

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from hdl.block import Hardware, place
from hdl.columns import Columns
from hdl.grid import layer_ports
from hdl.serializer import Serializer
from model.topology import Presentations

ONCE = Presentations()


@dataclass(frozen=True)
class SequentialDense:
    """A layer of `fan_out` neurons of `fan_in` inputs, `lanes` of them read at once, on arrays of `rows` × `columns`.

    Ports: `i`, a stream of `presentations.count` words of `fan_in` bits an image; `o`, a stream of one word an image,
    with thresholds a bit a neuron, neuron 0 in bit 0; this and `timing`, `host`, `done`, `failed`, `read_bits` as in
    `hdl.columns.Columns`.

    Throughput: one image in max(cycles, (cycles + 6) / 2) cycles, where cycles = count × ceil(fan_in / lanes) ×
    (precharge + sense). Latency from taking an image's first word to offering its result: cycles + 5.
    """

    fan_in: int
    fan_out: int
    rows: int
    columns: int
    host_width: int
    lanes: int = 1
    presentations: Presentations = ONCE
    ternary: bool = False
    numbers: Literal["thresholds", "offsets"] = "thresholds"

    @property
    def name(self) -> str:
        return self.sink.name.replace("columns", "sequential_dense")

    @property
    def sink(self) -> Columns:
        shape = (self.fan_in, self.fan_out, self.rows, self.columns, self.lanes)
        return Columns(*shape, self.presentations, self.ternary, self.numbers, self.host_width)

    @property
    def signature(self) -> wiring.Signature:
        results = stream.Signature(self.sink.result_width)
        return wiring.Signature({**layer_ports(self.fan_in, self.host_width), "o": Out(results)})

    def create(self) -> "SequentialDenseHardware":
        return SequentialDenseHardware(self)


class SequentialDenseHardware(Hardware):
    """Serializer -> columns."""

    timing: Any
    i: Any
    o: Any
    host: Any
    done: Signal
    failed: Signal
    read_bits: Signal

    def __init__(self, block: SequentialDense) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        serializer = Serializer(self.block.fan_in, self.block.lanes, self.block.presentations.count)
        source = place(m, platform, "serializer", serializer)
        sink = place(m, platform, "columns", self.block.sink)
        connect(m, flipped(self.i), source.i)
        connect(m, source.o, sink.i)
        connect(m, sink.o, flipped(self.o))
        connect(m, flipped(self.host), sink.host)
        m.d.comb += [
            sink.timing.eq(self.timing),
            sink.start.eq(source.start),
            source.go.eq(sink.go),
            self.done.eq(sink.done),
            self.failed.eq(sink.failed),
            self.read_bits.eq(sink.read_bits),
        ]
        return m
