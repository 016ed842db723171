"""A grid: the arrays of one layer, walked row by row, so that each image yields one popcount a neuron.

Dataflow `parallel_to_sequential`: all inputs of an image stand on the X lines while the controller reads row after row.
"""

from dataclasses import dataclass
from typing import Any, Literal

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.array import same_row
from hdl.block import Hardware, place
from hdl.controller import TIMING, ArrayController, Command
from hdl.group import Group
from hdl.popcount import tree_or
from hdl.storage import Storage
from model.mapping import Geometry, LayerMap, offset_width, threshold_width

POPCOUNT_LATENCY = 3
"""Cycles from the last cycle of `sen` to the popcount: array, tile, group."""


class HostCommand(enum.Enum, shape=3):
    """What the host asks of one layer: one row of one array, or one neuron's number (threshold or offset)."""

    NONE = 0
    PROGRAM_ROW = 1
    READ_ROW = 2
    WRITE_NUMBER = 3
    READ_NUMBER = 4


def host_layout(width: int) -> data.StructLayout:
    """A host command: `index` is the row, or the neuron of an number; `bits` is as wide as the widest word."""
    return data.StructLayout({"command": HostCommand, "group": 16, "tile": 16, "index": 16, "bits": width})


def layer_ports(fan_in: int, host_width: int) -> dict[str, wiring.Member]:
    """The ports that every layer has: its input, and the way of the host to its arrays and numbers."""
    return {
        "timing": In(TIMING),
        "i": In(stream.Signature(fan_in)),
        "host": In(stream.Signature(host_layout(host_width))),
        "done": Out(1),
        "failed": Out(1),
        "read_bits": Out(host_width),
    }


def join_grid(m: Module, layer: Any, grid: Any) -> None:
    """Give a layer's `layer_ports` to its grid."""
    connect(m, flipped(layer.i), grid.i)
    connect(m, flipped(layer.host), grid.host)
    m.d.comb += [
        grid.timing.eq(layer.timing),
        layer.done.eq(grid.done),
        layer.failed.eq(grid.failed),
        layer.read_bits.eq(grid.read_bits),
    ]


@dataclass(frozen=True)
class Grid:
    """The arrays of a layer of `fan_in` × `fan_out` with their controller and one number of each neuron.

    Ports:
      `timing`    phase lengths, see `hdl.controller.TIMING`
      `i`         stream of one image a word: `fan_in` bits. Taken when its first row is read
      `go`        the layer behind has room for the results of one more image
      `strobe`    a neuron's `popcount` and `number` (threshold or offset) are valid; neurons come in order, `fan_out`
                  of them an image; `last` marks an image's last neuron
      `host`      stream of `host_layout(host_width)`: taken between images only, when nothing is under way
      `done`      high for one cycle when a host command is finished, with `failed` and `read_bits`

    Throughput: fan_out × (precharge + sense) cycles an image, with no gap between images. Latency from an image's
    acceptance to its first popcount: precharge + sense + POPCOUNT_LATENCY cycles.
    """

    fan_in: int
    fan_out: int
    rows: int
    columns: int
    numbers: Literal["thresholds", "offsets"]
    host_width: int

    @property
    def name(self) -> str:
        return f"hafnet_grid_{self.fan_in}x{self.fan_out}_{self.rows}x{self.columns}_{self.numbers}"

    @property
    def map(self) -> LayerMap:
        return LayerMap(self.fan_in, self.fan_out, Geometry(self.rows, self.columns))

    @property
    def number_width(self) -> int:
        return threshold_width(self.fan_in) if self.numbers == "thresholds" else offset_width(self.fan_in)

    @property
    def group(self) -> Group:
        return Group(self.fan_in, self.rows, self.columns)

    @property
    def controller(self) -> ArrayController:
        return ArrayController(self.map.groups, self.map.tiles, self.rows, self.columns)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **layer_ports(self.fan_in, self.host_width),
                "go": In(1),
                "strobe": Out(1),
                "last": Out(1),
                "popcount": Out(self.fan_in.bit_length()),
                "number": Out(self.number_width),
            }
        )

    def create(self) -> "GridHardware":
        return GridHardware(self)


class GridHardware(Hardware):
    """Controller, groups, the walk over the rows, and the numbers read in step with it."""

    timing: Any
    i: Any
    go: Signal
    strobe: Signal
    last: Signal
    popcount: Signal
    number: Signal
    host: Any
    done: Signal
    failed: Signal
    read_bits: Signal

    def __init__(self, block: Grid) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        controller = place(m, platform, "controller", self.block.controller)
        m.d.comb += controller.timing.eq(self.timing)
        first = Signal()  # the next read begins an image
        x = self._walk(m, controller, first)
        popcount = self._arrays(m, platform, controller, x)

        sampled = Signal(POPCOUNT_LATENCY)
        m.d.sync += sampled.eq(Cat(controller.sampled, sampled))
        quiet = Signal()  # between images, nothing on its way
        m.d.comb += [
            self.strobe.eq(sampled[-1]),
            self.popcount.eq(popcount),
            quiet.eq(first & controller.host.ready & ~controller.sampled & ~sampled.any()),
        ]
        self._numbers(m, platform, controller, coming=sampled[-2], quiet=quiet)
        return m

    def _walk(self, m: Module, controller: Any, first: Signal) -> Signal:
        """Read row after row of each image; returns the image that stands before the arrays."""
        grid = self.block.map
        group, row = Signal.like(controller.group, name="next_group"), Signal.like(controller.row, name="next_row")
        x = Signal(self.block.fan_in, reset_less=True)
        is_final = Signal()
        last_row = (self.block.fan_out - 1) % self.block.rows
        m.d.comb += [
            first.eq((group == 0) & (row == 0)),
            is_final.eq((group == grid.groups - 1) & (row == last_row)),
            controller.read.payload.group.eq(group),
            controller.read.payload.row.eq(row),
            controller.read.valid.eq(Mux(first, self.i.valid & self.go & ~self.host.valid, 1)),
            self.i.ready.eq(first & self.go & ~self.host.valid & controller.read.ready),
        ]
        with m.If(controller.read.valid & controller.read.ready):
            with m.If(first):
                m.d.sync += x.eq(self.i.payload)
            with m.If(is_final):
                m.d.sync += [group.eq(0), row.eq(0)]
            with m.Elif(row == self.block.rows - 1):
                m.d.sync += [group.eq(group + 1), row.eq(0)]
            with m.Else():
                m.d.sync += row.eq(row + 1)
        return x

    def _arrays(self, m: Module, platform: Any, controller: Any, x: Signal) -> Value:
        """The groups behind the controller; returns the popcount of the group that was read."""
        grid = self.block.map
        lines = Signal(grid.tiles * self.block.columns, name="x_lines")
        m.d.comb += lines.eq(Mux(controller.masked, controller.mask.replicate(grid.tiles), x))
        groups = []
        for index in range(grid.groups):
            group = place(m, platform, f"group{index}", self.block.group, image=f"_g{index}", x=lines)
            here = Signal(name=f"group{index}_here")
            m.d.comb += [
                here.eq(controller.group == index),
                group.tile.eq(controller.tile),
                *same_row(group, controller),
                group.hv.eq(controller.hv & here),
                group.sen.eq(controller.sen & here),
            ]
            groups.append(group)
        m.d.comb += controller.q.eq(tree_or(m, [group.q for group in groups], "q"))
        return tree_or(m, [group.popcount for group in groups], "popcount")

    def _numbers(self, m: Module, platform: Any, controller: Any, coming: Value, quiet: Signal) -> None:
        """The neurons' numbers, read in step with their popcounts, and the host's way to them and to the arrays."""
        storage = Storage(self.block.number_width, self.block.fan_out)
        numbers = place(m, platform, "numbers", storage, image=f"_{self.block.numbers}")
        neuron = Signal(numbers.read_addr.shape())
        last_neuron = Signal()
        m.d.comb += [last_neuron.eq(neuron == self.block.fan_out - 1), self.number.eq(numbers.read_data)]
        with m.If(coming):
            m.d.sync += neuron.eq(Mux(last_neuron, 0, neuron + 1))
        m.d.sync += self.last.eq(coming & last_neuron)

        order = self.host.payload
        on_arrays, on_numbers, finished = Signal(), Signal(), Signal()
        m.d.comb += [
            on_arrays.eq((order.command == HostCommand.PROGRAM_ROW) | (order.command == HostCommand.READ_ROW)),
            self.host.ready.eq(quiet),
            controller.host.valid.eq(self.host.valid & on_arrays & quiet),
            controller.host.payload.command.eq(
                Mux(order.command == HostCommand.PROGRAM_ROW, Command.PROGRAM, Command.READ_BACK)
            ),
            controller.host.payload.group.eq(order.group),
            controller.host.payload.tile.eq(order.tile),
            controller.host.payload.row.eq(order.index),
            controller.host.payload.bits.eq(order.bits),
            on_numbers.eq(self.host.valid & ~on_arrays & quiet),
            numbers.read_en.eq(coming | on_numbers),
            numbers.read_addr.eq(Mux(coming, neuron, order.index)),
            numbers.write_en.eq(on_numbers & (order.command == HostCommand.WRITE_NUMBER)),
            numbers.write_addr.eq(order.index),
            numbers.write_data.eq(order.bits),
            self.done.eq(controller.done | finished),
            self.failed.eq(controller.failed & ~finished),
            self.read_bits.eq(Mux(finished, numbers.read_data, controller.read_bits)),
        ]
        m.d.sync += finished.eq(on_numbers)
