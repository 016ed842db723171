"""The host's way to a layer's arrays and numbers, and the numbers' way out of the arrays where these hold them."""

from dataclasses import dataclass
from typing import Any, Self

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.controller import PULSE, TIMING, ArrayController, Command
from hdl.arrays.number_loader import NumberLoader
from hdl.block import Hardware, index_width, place
from model.mapping import LayerMap


class LayerCommand(enum.Enum, shape=2):
    """What a layer is asked to do with one row of one array, or one neuron's number (threshold, offset or mode)."""

    PULSE_ROW = 0
    READ_ROW = 1
    WRITE_NUMBER = 2
    READ_NUMBER = 3


def host_layout(width: int) -> data.StructLayout:
    """A command to a layer: `index` is the row, or the place of a number in its lane; the lane is then `group`; `bits`
    is as wide as the widest word: the columns that are pulsed, see `hdl.arrays.controller.PULSE`, or a number.
    """
    address = {"group": 16, "tile": 16, "index": 16}
    return data.StructLayout({"command": LayerCommand, **address, "pulse": PULSE, "bits": width})


def host_ports(host_width: int) -> dict[str, wiring.Member]:
    """The way of the host to a layer.

    `timing` and `supply_ok` as in `hdl.arrays.controller.ArrayController`, and `amplitude`, its code for the DAC.
    `host` is a stream of `host_layout`: taken between images only, when nothing is under way. No image begins while
    `claim` is high, so that several commands in a row meet no image. `done` is high for one cycle when a command is
    finished, with `failed` (a pulse was left out or cut short) and `read_bits`. `resting` tells that nothing is under
    way in the arrays and no command waits.
    """
    return {
        "timing": In(TIMING),
        "supply_ok": In(1),
        "claim": In(1),
        "host": In(stream.Signature(host_layout(host_width))),
        "done": Out(1),
        "failed": Out(1),
        "read_bits": Out(host_width),
        "amplitude": Out(8),
        "resting": Out(1),
    }


PATIENCE = 1023
"""Cycles after a pulsed row before the numbers are read again: a host that programs a layer has not to wait for
them after every row.
"""


@dataclass(frozen=True)
class HostAccess:
    """Host commands for the arrays behind `controller`, and for their `numbers` in each of `lanes`.

    Ports:
      `claim`, `host`, `done`, `failed`, `read_bits`   as in `host_ports`
      `quiet`       between images, and nothing is on its way: the controller takes a command
      `numbers_free`  the numbers, too, are in nobody's use
      `clear`       an image may begin: no command waits or is under way, and the numbers are those of the arrays
      `order`, `ended`, `ended_failed`, `row_bits`   to and from the controller: `host`, `done`, `failed`, `read_bits`
      `select`, `write`, `lane`, `index`, `number`   a number is read (`selected`, one cycle later) or written

    With a `loader` the numbers are in the arrays. They are read from there after reset and after each pulsed row,
    before the next image (see `hdl.arrays.number_loader.NumberLoader`), PATIENCE cycles after the last one; the host
    then writes rows and no numbers.
    """

    controller: ArrayController
    lanes: int
    numbers: int
    number_width: int
    host_width: int
    loader: NumberLoader | None = None

    @classmethod
    def of(cls, controller: ArrayController, grid: LayerMap, number_width: int, host_width: int) -> Self:
        """The way to the arrays of `grid` behind their controller, and to its numbers."""
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
        rows = self.controller.signature.members
        return wiring.Signature(
            {
                **{name: ports[name] for name in ("claim", "host", "done", "failed", "read_bits")},
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

    claim: Signal
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
            on_arrays.eq((asked.command == LayerCommand.PULSE_ROW) | (asked.command == LayerCommand.READ_ROW)),
            on_numbers.eq(self.host.valid & self.host.ready & ~on_arrays),
            self.host.ready.eq(self.quiet & ~busy & (on_arrays | self.numbers_free)),
            self.order.valid.eq(self.host.valid & self.host.ready & on_arrays),
            order.command.eq(Mux(asked.command == LayerCommand.PULSE_ROW, Command.PULSE, Command.READ_BACK)),
            order.pulse.eq(asked.pulse),
            order.group.eq(asked.group),
            order.tile.eq(asked.tile),
            order.row.eq(asked.index),
            order.bits.eq(asked.bits),
            self.select.eq(on_numbers),
            self.write.eq(on_numbers & (asked.command == LayerCommand.WRITE_NUMBER)),
            self.lane.eq(asked.group),
            self.index.eq(asked.index),
            self.number.eq(asked.bits),
            self.done.eq(self.ended | finished),
            self.failed.eq(self.ended_failed & ~finished),
            self.read_bits.eq(Mux(finished, self.selected, self.row_bits)),
            self.clear.eq(~self.host.valid & ~busy & ~self.claim),
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
        pulses = self.order.payload.command == Command.PULSE
        with m.If(taken & pulses & ~loader.busy):
            m.d.sync += stale.eq(1)
        with m.Elif(loader.ended):
            m.d.sync += stale.eq(0)
        asked = self.host.valid | self.claim
        m.d.comb += [
            loader.start.eq(stale & self.quiet & self.numbers_free & ~busy & ~asked & (rest == 0)),
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
