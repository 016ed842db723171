"""The host's way to a layer's arrays and numbers, and the numbers' way out of the arrays where these hold them."""

from dataclasses import dataclass
from typing import Any, Self

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.controller import TIMING, ArrayController, Command
from hdl.arrays.number_loader import NumberLoader
from hdl.block import Hardware, index_width, place
from model.mapping import LayerMap


class HostCommand(enum.Enum, shape=3):
    """What the host asks of one layer: one row of one array, or one neuron's number (threshold, offset or mode)."""

    NONE = 0
    PROGRAM_ROW = 1
    READ_ROW = 2
    WRITE_NUMBER = 3
    READ_NUMBER = 4


def host_layout(width: int) -> data.StructLayout:
    """A host command: `index` is the row, or the place of a number in its lane; the lane is then `group`; `bits` is as
    wide as the widest word.
    """
    return data.StructLayout({"command": HostCommand, "group": 16, "tile": 16, "index": 16, "bits": width})


def host_ports(host_width: int) -> dict[str, wiring.Member]:
    """The way of the host to a layer."""
    return {
        "timing": In(TIMING),
        "host": In(stream.Signature(host_layout(host_width))),
        "done": Out(1),
        "failed": Out(1),
        "read_bits": Out(host_width),
    }


PATIENCE = 1023
"""Cycles after a programmed row before the numbers are read again: a host that programs a layer has not to wait for
them after every row.
"""


@dataclass(frozen=True)
class HostAccess:
    """Host commands for the arrays behind `controller`, and for their `numbers` in each of `lanes`.

    Ports:
      `host`, `done`, `failed`, `read_bits`   as in `host_ports`
      `quiet`       between images, and nothing is on its way: the controller takes a command
      `numbers_free`  the numbers, too, are in nobody's use
      `clear`       an image may begin: no command waits or is under way, and the numbers are those of the arrays
      `order`, `ended`, `ended_failed`, `row_bits`   to and from the controller: `host`, `done`, `failed`, `read_bits`
      `select`, `write`, `lane`, `index`, `number`   a number is read (`selected`, one cycle later) or written

    With a `loader` the numbers are in the arrays. They are read from there after reset and after each programmed row,
    before the next image (see `hdl.arrays.number_loader.NumberLoader`), PATIENCE cycles after the last row; the host
    then writes rows and no numbers.
    """

    controller: ArrayController
    lanes: int
    numbers: int
    number_width: int
    host_width: int
    loader: NumberLoader | None = None

    @classmethod
    def of(cls, grid: LayerMap, number_width: int, host_width: int) -> Self:
        """The way to the arrays of `grid` and to its numbers."""
        size = grid.geometry
        controller = ArrayController(grid.groups, grid.tiles, size.rows, size.columns, grid.ternary)
        loader = NumberLoader(grid) if grid.number_bits else None
        return cls(controller, grid.number_lanes, grid.numbers, number_width, host_width, loader)

    @property
    def name(self) -> str:
        text = f"{self.controller.name.replace('controller', 'host_access')}_{self.lanes}x{self.numbers}"
        loader = self.loader.name.removeprefix("hafnet") if self.loader is not None else ""
        return f"{text}_{self.number_width}to{self.host_width}{loader}"

    @property
    def signature(self) -> wiring.Signature:
        ports = host_ports(self.host_width)
        ports.pop("timing")
        rows = self.controller.signature.members
        return wiring.Signature(
            {
                **ports,
                "quiet": In(1),
                "numbers_free": In(1),
                "clear": Out(1),
                "order": rows["host"].flip(),
                "ended": In(1),
                "ended_failed": In(1),
                "row_bits": In(self.controller.word_width),
                "select": Out(1),
                "write": Out(1),
                "lane": Out(index_width(self.lanes)),
                "index": Out(index_width(self.numbers)),
                "number": Out(self.number_width),
                "selected": In(self.number_width),
            }
        )

    def create(self) -> "HostAccessHardware":
        return HostAccessHardware(self)


class HostAccessHardware(Hardware):
    """A switch between host and loader."""

    host: Any
    done: Signal
    failed: Signal
    read_bits: Signal
    quiet: Signal
    numbers_free: Signal
    clear: Signal
    order: Any
    ended: Signal
    ended_failed: Signal
    row_bits: Signal
    select: Signal
    write: Signal
    lane: Signal
    index: Signal
    number: Signal
    selected: Signal

    def __init__(self, block: HostAccess) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        asked, order = self.host.payload, self.order.payload
        on_arrays, on_numbers, finished, busy = Signal(), Signal(), Signal(), Signal()
        taken = Signal()  # a command on the arrays begins
        m.d.comb += [
            on_arrays.eq((asked.command == HostCommand.PROGRAM_ROW) | (asked.command == HostCommand.READ_ROW)),
            on_numbers.eq(self.host.valid & self.host.ready & ~on_arrays),
            self.host.ready.eq(self.quiet & ~busy & (on_arrays | self.numbers_free)),
            self.order.valid.eq(self.host.valid & self.host.ready & on_arrays),
            order.command.eq(Mux(asked.command == HostCommand.PROGRAM_ROW, Command.PROGRAM, Command.READ_BACK)),
            order.group.eq(asked.group),
            order.tile.eq(asked.tile),
            order.row.eq(asked.index),
            order.bits.eq(asked.bits),
            self.select.eq(on_numbers),
            self.write.eq(on_numbers & (asked.command == HostCommand.WRITE_NUMBER)),
            self.lane.eq(asked.group),
            self.index.eq(asked.index),
            self.number.eq(asked.bits),
            self.done.eq(self.ended | finished),
            self.failed.eq(self.ended_failed & ~finished),
            self.read_bits.eq(Mux(finished, self.selected, self.row_bits)),
            self.clear.eq(~self.host.valid & ~busy),
            taken.eq(self.order.valid & self.order.ready),
        ]
        m.d.sync += finished.eq(on_numbers)
        with m.If(taken):
            m.d.sync += busy.eq(1)
        with m.Elif(self.ended):
            m.d.sync += busy.eq(0)
        if self.block.loader is not None:
            self._load(m, place(m, platform, "loader", self.block.loader), taken, busy)
        return m

    def _load(self, m: Module, loader: Any, taken: Value, busy: Signal) -> None:
        """Read the numbers from the arrays while they are stale, before host or images come in."""
        stale = Signal(init=1)
        rest = Signal(range(PATIENCE + 1))  # cycles in which the host may have another row to program
        with m.If(taken & ~loader.busy):
            m.d.sync += rest.eq(PATIENCE)
        with m.Elif((rest != 0) & ~busy):
            m.d.sync += rest.eq(rest - 1)
        programs = self.order.payload.command == Command.PROGRAM
        with m.If(taken & programs & ~loader.busy):
            m.d.sync += stale.eq(1)
        with m.Elif(loader.ended):
            m.d.sync += stale.eq(0)
        m.d.comb += [
            loader.start.eq(stale & self.quiet & self.numbers_free & ~busy & ~self.host.valid & (rest == 0)),
            loader.row_ended.eq(self.ended),
            loader.row_bits.eq(self.row_bits),
            loader.order.ready.eq(self.order.ready & loader.busy),
        ]
        with m.If(stale | loader.busy):
            m.d.comb += self.clear.eq(0)
        with m.If(loader.busy):
            order = self.order.payload
            m.d.comb += [
                self.host.ready.eq(0),
                self.done.eq(0),
                self.failed.eq(0),
                self.order.valid.eq(loader.order.valid),
                order.eq(loader.order.payload),
                self.select.eq(0),
                self.write.eq(loader.write),
                self.lane.eq(loader.lane),
                self.index.eq(loader.index),
                self.number.eq(loader.number),
            ]
