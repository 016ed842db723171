"""The host's way to a layer's arrays and numbers, and the numbers' way out of the arrays where these hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.controller import PULSE, TIMING, ArrayController, Command
from hdl.arrays.number_loader import NumberLoader
from hdl.arrays.reserve import Reserve
from hdl.arrays.signature_check import VALIDITY, SignatureCheck
from hdl.arrays.spare_table import ENTRY, SpareTable, many
from hdl.block import Hardware, index_width, place
from model.mapping import P2S, LayerMap


class LayerCommand(enum.Enum, shape=3):
    """What a layer is asked to do with one row of one array, one neuron's number (threshold, offset or mode), or one
    entry of its table of remapped rows (see `hdl.arrays.spare_table.SpareTable`): TAKE_SPARE fails where it is full,
    HAS_SPARES where the array has none.
    """

    PULSE_ROW = 0
    READ_ROW = 1
    WRITE_NUMBER = 2
    READ_NUMBER = 3
    TAKE_SPARE = 4
    HAS_SPARES = 5
    WRITE_SPARE = 6
    READ_SPARE = 7


ON_TABLE = (LayerCommand.TAKE_SPARE, LayerCommand.HAS_SPARES, LayerCommand.WRITE_SPARE, LayerCommand.READ_SPARE)


def host_layout(width: int) -> data.StructLayout:
    """A command to a layer: `index` is the row, or the place of a number in its lane; the lane is then `group`; or an
    entry of the table; `bits` is as wide as the widest word: the columns that are pulsed, see
    `hdl.arrays.controller.PULSE`, a number, or an entry.
    """
    address = {"group": 16, "tile": 16, "index": 16}
    return data.StructLayout({"command": LayerCommand, **address, "pulse": PULSE, "bits": width})


def host_ports(host_width: int, signed: bool = False) -> dict[str, wiring.Member]:
    """The way of the host to a layer.

    `timing` and `supply_ok` as in `hdl.arrays.controller.ArrayController`, and `amplitude`, its code for the DAC.
    `host` is a stream of `host_layout`: taken between images only, when nothing is under way. No image begins while
    `claim` is high, so that several commands in a row meet no image. `done` is high for one cycle when a command is
    finished, with `failed` (a pulse was left out or cut short) and `read_bits`. `resting` tells that nothing is under
    way in the arrays and no command waits.

    Where arrays are `signed`, no image begins while one of them is not whole, as `validity` tells (see
    `hdl.arrays.signature_check.VALIDITY`), unless `trusted` is high.
    """
    ports: dict[str, wiring.Member] = {
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
    return ports | ({"trusted": In(1), "validity": Out(VALIDITY)} if signed else {})


PATIENCE = 1023
"""Cycles after a pulsed row before signatures and numbers are read again: a host that programs a layer has not to wait
for them after every row.
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

    Where arrays are signed there are `trusted` and `validity`, too, and `settled`: `clear`, but for arrays that are not
    whole. Where they have spare rows, `entries` are those of the table of remapped rows.

    With a `loader` the numbers are in the arrays. They are read from there after reset and after each pulsed row,
    before the next image (see `hdl.arrays.number_loader.NumberLoader`), PATIENCE cycles after the last one; the host
    then writes rows and no numbers. With a `check` the signatures are read, at the same times and before the numbers,
    and both also after the host has written the table of a `reserve` with spare rows.
    """

    controller: ArrayController
    lanes: int
    numbers: int
    number_width: int
    host_width: int
    loader: NumberLoader | None = None
    check: SignatureCheck | None = None
    table: SpareTable | None = None

    @classmethod
    def of(
        cls, controller: ArrayController, grid: LayerMap, number_width: int, host_width: int, reserve: Reserve
    ) -> Self:
        """The way to the arrays of `grid` behind their controller, and to its numbers."""
        loader = NumberLoader(grid) if grid.number_bits else None
        check = SignatureCheck(controller, reserve) if reserve.signed else None
        table = SpareTable(reserve.entries, grid.groups, grid.tiles, grid.geometry) if reserve.spare_rows else None
        return cls(controller, grid.number_lanes, grid.numbers, number_width, host_width, loader, check, table)

    @property
    def name(self) -> str:
        text = f"{self.controller.name.replace('controller', 'host_access')}_{self.lanes}x{self.numbers}"
        kept, loader = "_signed" * (self.check is not None), ""
        if self.loader is not None:  # its size is that of the controller
            grid = self.loader.map
            dataflow = "p2s" if grid.dataflow == P2S else "s2p"
            loader = f"_in_arrays_{grid.matrix_rows}x{grid.matrix_columns}_lanes{grid.lanes}_{dataflow}"
            kept = f"_of{grid.geometry.used_rows}" * (grid.geometry.used_rows < grid.geometry.rows) + kept
        if self.table is not None:
            kept = f"_spare{self.table.geometry.spare_rows}{kept}"
        return f"{text}_{self.number_width}to{self.host_width}{loader}{kept}"

    @property
    def signature(self) -> wiring.Signature:
        ports = host_ports(self.host_width, signed=True)
        rows = self.controller.signature.members
        more: dict[str, wiring.Member] = {}
        if self.check is not None:
            more |= {"trusted": ports["trusted"], "validity": ports["validity"], "settled": Out(1)}
        if self.table is not None:
            more["entries"] = Out(many(self.table.layout, self.table.entries))
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
                **more,
            }
        )

    def create(self) -> "HostAccessHardware":
        return HostAccessHardware(self)


class HostAccessHardware(Hardware):
    """A switch between the host and those that walk over the arrays by themselves."""

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
    trusted: Signal
    validity: Any
    settled: Signal
    entries: Any

    def __init__(self, block: HostAccess) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        asked, order = self.host.payload, self.order.payload
        on_arrays = Signal()
        on_numbers = Signal()
        finished = Signal()
        busy = Signal()
        settled = self.clear if self.block.check is None else self.settled
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
            settled.eq(~self.host.valid & ~busy & ~self.claim),
            taken.eq(self.order.valid & self.order.ready),
        ]
        m.d.sync += finished.eq(on_numbers)
        with m.If(taken):
            m.d.sync += busy.eq(1)
        with m.Elif(self.ended):
            m.d.sync += busy.eq(0)
        rewritten: Value = Const(0)
        if self.block.table is not None:
            table = place(m, platform, "spare_table", self.block.table)
            rewritten = self._look_up(m, table, on_numbers, finished)
        walks = {
            name: place(m, platform, name, block)
            for name, block in (("check", self.block.check), ("loader", self.block.loader))
            if block is not None
        }
        if walks:
            self._walk(m, walks, settled, taken, busy, rewritten)
        if "check" in walks:
            check = walks["check"]
            m.d.comb += [self.validity[name].eq(check.validity[name]) for name in ("invalid", "group", "tile")]
            m.d.comb += self.clear.eq(settled & (self.trusted | (check.validity.invalid == 0)))
            if self.block.table is not None:
                m.d.comb += check.spared.eq(table.spared)
        return m

    def _look_up(self, m: Module, table: Any, taken: Value, finished: Value) -> Value:
        """Ask the table of remapped rows, or write it; returns whether it changes."""
        asked, order = self.host.payload, self.order.payload
        on_table = Signal()
        failed = Signal(name="table_failed")
        selected: Any = Signal(ENTRY, name="entry_selected")
        takes, writes = (Signal(name=name) for name in ("takes_spare", "writes_spare"))
        m.d.comb += [
            takes.eq(taken & (asked.command == LayerCommand.TAKE_SPARE)),
            writes.eq(taken & (asked.command == LayerCommand.WRITE_SPARE)),
            table.group.eq(order.group),
            table.tile.eq(order.tile),
            table.row.eq(order.row),
            table.take.eq(takes),
            table.index.eq(asked.index),
            table.write.eq(writes),
            table.written.eq(asked.bits),
            self.entries.eq(table.entries),
        ]
        m.d.sync += [
            on_table.eq(Cat(asked.command == each for each in ON_TABLE).any()),
            failed.eq(Mux(asked.command == LayerCommand.HAS_SPARES, ~table.spared, takes & table.full)),
            selected.eq(table.selected),
        ]
        with m.If(finished & on_table):
            m.d.comb += [self.failed.eq(failed), self.read_bits.eq(selected)]
        return takes | writes

    def _walk(
        self, m: Module, walks: Mapping[str, Any], settled: Signal, taken: Value, busy: Signal, rewritten: Value
    ) -> None:
        """Read signatures and numbers from the arrays while what is known of them is stale, before host or images come
        in.
        """
        rest = Signal(range(PATIENCE + 1))  # cycles in which the host may have another row to program
        walking: Value = Cat(walk.busy for walk in walks.values()).any()
        with m.If((taken & ~walking) | rewritten):
            m.d.sync += rest.eq(PATIENCE)
        with m.Elif((rest != 0) & ~busy):
            m.d.sync += rest.eq(rest - 1)
        pulses = self.order.payload.command == Command.PULSE
        asked = self.host.valid | self.claim
        may_start = self.quiet & self.numbers_free & ~busy & ~asked & (rest == 0) & ~walking
        for name, walk in walks.items():
            stale = Signal(init=1, name=f"{name}_stale")
            with m.If((taken & pulses & ~walking) | rewritten):
                m.d.sync += stale.eq(1)
            with m.Elif(walk.ended):
                m.d.sync += stale.eq(0)
            m.d.comb += [
                walk.start.eq(stale & may_start),
                walk.row_ended.eq(self.ended),
                walk.row_bits.eq(self.row_bits),
                walk.order.ready.eq(self.order.ready & walk.busy),
            ]
            may_start = may_start & ~stale
            with m.If(stale | walk.busy):
                m.d.comb += settled.eq(0)
            if name == "check":
                m.d.comb += self.validity.checking.eq(stale | walk.busy)
            with m.If(walk.busy):
                m.d.comb += [
                    self.host.ready.eq(0),
                    self.done.eq(0),
                    self.failed.eq(0),
                    self.order.valid.eq(walk.order.valid),
                    self.order.payload.eq(walk.order.payload),
                    self.select.eq(0),
                ]
                if name == "loader":
                    m.d.comb += [
                        self.write.eq(walk.write),
                        self.lane.eq(walk.lane),
                        self.index.eq(walk.index),
                        self.number.eq(walk.number),
                    ]
