"""A layer of neurons in the dataflow `sequential_to_parallel`: an array's row is an input, its column a neuron.

Each read presents one input, or one to each of several lanes, to all neurons, which add up what their columns say and
decide all at once when the last input has been read.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.arrays.array import level, same_row
from hdl.arrays.controller import TIMING, ArrayController, Limits
from hdl.arrays.grid import join_access, layer_ports
from hdl.arrays.host_access import HostAccess
from hdl.arrays.reserve import Reserve
from hdl.arrays.spare_table import each
from hdl.arrays.stack import Stack
from hdl.bank import Bank
from hdl.block import Hardware, place
from hdl.neurons.popcount import tree_or
from model.mapping import S2P, LayerMap, offset_width, threshold_width
from model.plan import Fidelity
from model.topology import Presentations

READ = data.StructLayout({"first": 1, "twice": 1, "ending": 1, "last": 1})
"""Where in an image a read is: the first one; the first of a presentation before which all counts twice; the last of
a presentation; the last one."""
RESULT_LATENCY = 4
"""Cycles from the last cycle of `sen` of an image's last read to its result: arrays, counts, sums, output."""


@dataclass(frozen=True)
class Columns:
    """A layer of `fan_in` × `fan_out` on arrays of `rows` × `columns`, which reads `lanes` inputs at once.

    An image is `presentations.count` presentations of `reads` = ceil(fan_in / lanes) words each.

    Ports:
      `timing`    phase lengths, see `hdl.arrays.controller.TIMING`; they may be changed at any time and hold from the
                  next image on: until all images that were started are done, no new one may be
      `steady`    the phase lengths that hold now, for whoever feeds `i` without ever being stalled
      `start`     whoever feeds `i` begins an image; only while `go` is high
      `go`        all words of one more image can be taken without waiting for `o`, for the host or for new phase
                  lengths. There is room for 2 images: one in the accumulators, one that is offered
      `i`         stream of `lanes` bits: word s of a presentation carries inputs s * lanes … s * lanes + lanes - 1, the
                  first in bit 0. One word is taken every precharge + sense cycles of `steady`, with no pause between
                  presentations or images; so a source of just that rate needs neither buffer nor `ready`
      `o`         stream of one word an image: a bit a neuron (`numbers` are thresholds), or a score a class,
                  `score_width` bits two's complement (`numbers` are offsets); neuron 0 lowest
      and those of the host, see `hdl.arrays.host_access.host_ports`; a command is taken when no image is under way

    Throughput: one image in max(cycles, (cycles + 5) / 2) cycles, where cycles = count × reads × (precharge + sense),
    if an image is started with its first word and may be in the cycle in which `go` rises. Latency from taking an
    image's first word to offering its result: cycles + 4, if words come without gaps.
    """

    fan_in: int
    fan_out: int
    rows: int
    columns: int
    lanes: int
    presentations: Presentations
    ternary: bool
    numbers: Literal["thresholds", "offsets"]
    host_width: int
    numbers_in_arrays: bool = False
    fidelity: Fidelity = "bits"
    limits: Limits = field(default_factory=Limits)
    reserve: Reserve = field(default_factory=Reserve)

    @property
    def name(self) -> str:
        size = f"{self.fan_in}x{self.fan_out}_{self.rows}x{self.columns}_l{self.lanes}_{self.stack(0).times}"
        rows = "_rows" * self.numbers_in_arrays + level(self.fidelity)
        return (
            f"hafnet_columns_{size}_{self.numbers}"
            + "_ternary" * self.ternary
            + rows
            + self.limits.suffix
            + self.reserve.suffix
        )

    @property
    def map(self) -> LayerMap:
        geometry = self.reserve.geometry(self.rows, self.columns)
        top = self.fan_in * (2 if self.ternary else 1) * self.presentations.total
        width = threshold_width(top) if self.numbers == "thresholds" else offset_width(top)
        bits = width if self.numbers_in_arrays else 0
        return LayerMap(self.fan_in, self.fan_out, geometry, S2P, self.lanes, self.ternary, bits)

    def stack(self, tile: int) -> Stack:
        """The arrays and neurons of this place; the last one may have padding columns."""
        neurons, shape = self.map.used_columns(tile), (self.rows, self.columns, self.lanes)
        kind, rows = (self.ternary, self.numbers), self.map.number_rows
        return Stack(self.fan_in, neurons, *shape, self.presentations, *kind, rows, self.fidelity, self.reserve)

    @property
    def result_width(self) -> int:
        """Bits of the result of an image."""
        return self.fan_out * self.stack(0).tally.result_width

    @property
    def bank(self) -> Bank:
        return Bank(self.stack(0).tally.number_width, self.fan_out, image=not self.numbers_in_arrays)

    @property
    def access(self) -> HostAccess:
        return HostAccess.of(self.controller, self.map, self.stack(0).tally.number_width, self.host_width, self.reserve)

    @property
    def controller(self) -> ArrayController:
        size = (self.map.groups, self.map.tiles, self.rows, self.columns)
        return ArrayController(*size, self.ternary, self.limits, self.reserve.entries)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **layer_ports(self.lanes, self.host_width, self.reserve.signed),
                "steady": Out(TIMING),
                "start": In(1),
                "go": Out(1),
                "o": Out(stream.Signature(self.result_width)),
            }
        )

    def create(self) -> "ColumnsHardware":
        return ColumnsHardware(self)


class ColumnsHardware(Hardware):
    """Controller, strips, neurons, and the count of the images under way."""

    timing: Any
    steady: Any
    start: Signal
    go: Signal
    i: Any
    o: Any
    host: Any

    def __init__(self, block: Columns) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        controller = place(m, platform, "controller", self.block.controller)
        bank = self.block.bank
        numbers = place(m, platform, "numbers", bank, image=f"_{self.block.numbers}_l0" * bank.image)
        access = place(m, platform, "access", self.block.access)
        join_access(m, self, access, controller)
        m.d.comb += controller.timing.eq(self.steady)
        x, read = self._walk(m, controller)
        results = self._stacks(m, platform, controller, access, x, read, numbers.all)
        full = self._offer(m, results, controller.sampled & read.last)
        self._admit(m, controller, access, full)
        m.d.comb += [
            numbers.read_en.eq(access.select),
            numbers.read_addr.eq(access.index),
            numbers.write_en.eq(access.write),
            numbers.write_addr.eq(access.index),
            numbers.write_data.eq(access.number),
            access.selected.eq(numbers.read_data),
        ]
        return m

    def _walk(self, m: Module, controller: Any) -> tuple[Signal, Any]:
        """Read the rows of each word; returns the word and the place in the image of the read under way."""
        grid, count = self.block.map, self.block.presentations.count
        block, row = Signal.like(controller.group, name="next_block"), Signal.like(controller.row, name="next_row")
        presentation = Signal(range(max(2, count)))
        x = Signal(self.block.lanes, reset_less=True)
        begins = Signal()
        ends = Signal()
        ends_image = Signal()
        read: Any = Signal(READ, name="read")
        rows = grid.geometry.used_rows
        last_block, last_row = divmod(grid.reads - 1, rows)
        m.d.comb += [
            begins.eq((block == 0) & (row == 0)),
            ends.eq((block == last_block) & (row == last_row)),
            ends_image.eq(ends & (presentation == count - 1)),
            controller.read.payload.group.eq(block),
            controller.read.payload.row.eq(row),
            controller.read.valid.eq(self.i.valid),
            self.i.ready.eq(controller.read.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                x.eq(self.i.payload),
                read.first.eq(begins & (presentation == 0)),
                read.twice.eq(begins if self.block.presentations.halving else 0),
                read.ending.eq(ends),
                read.last.eq(ends_image),
            ]
            with m.If(ends):
                m.d.sync += [block.eq(0), row.eq(0), presentation.eq(Mux(ends_image, 0, presentation + 1))]
            with m.Elif(row == rows - 1):
                m.d.sync += [block.eq(block + 1), row.eq(0)]
            with m.Else():
                m.d.sync += row.eq(row + 1)
        return x, read

    def _stacks(
        self, m: Module, platform: Any, controller: Any, access: Any, x: Signal, read: Any, numbers: Value
    ) -> Value:
        """The stacks behind the controller; returns the results of all neurons."""
        results, back = [], []
        for index in range(self.block.map.tiles):
            kind = self.block.stack(index)
            stack = place(m, platform, f"stack{index}", kind, image=f"_t{index}")
            start, width = index * self.block.columns, kind.tally.number_width
            m.d.comb += [
                stack.group.eq(controller.group),
                *same_row(stack, controller),
                stack.hv.eq(controller.hv),
                stack.sen.eq(controller.sen),
                stack.mask.eq(controller.mask),
                stack.masked.eq(controller.masked),
                stack.x.eq(x),
                stack.ending.eq(read.ending),
                stack.step.strobe.eq(controller.sampled),
                stack.step.first.eq(read.first),
                stack.step.twice.eq(read.twice),
                stack.numbers.eq(numbers[start * width : (start + kind.neurons) * width]),
                stack.selected.eq(controller.tile == index),
            ]
            if self.block.reserve.entries:
                for hit, entry, its in zip(controller.hits, each(access.entries), each(stack.remapped), strict=True):
                    m.d.comb += [
                        its.hit.eq(hit & (entry.tile == index)),
                        its.group.eq(entry.group),
                        its.spare.eq(entry.spare),
                    ]
            results.append(stack.results)
            back.append(stack.q)
        m.d.comb += controller.q.eq(tree_or(m, back, "q"))
        return Cat(results)

    def _offer(self, m: Module, results: Value, coming: Value) -> Signal:
        """Give the results away; the last read of an image that they come from is sampled when they are `coming`.

        Returns whether the accumulators hold the sums of an image, which are still to meet their numbers.
        """
        delayed = Signal(RESULT_LATENCY - 2)
        full = Signal()
        m.d.sync += delayed.eq(Cat(coming, delayed))
        with m.If(full & (~self.o.valid | self.o.ready)):
            m.d.sync += [self.o.payload.eq(results), self.o.valid.eq(1), full.eq(0)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(delayed[-1]):
            m.d.sync += full.eq(1)
        return full

    def _admit(self, m: Module, controller: Any, access: Any, full: Signal) -> None:
        """Count the images under way, and let one more in where there is room, or the host where there is none."""
        images = Signal(range(3))  # started and not yet taken from `o`
        quiet = Signal()
        changed = Signal()
        m.d.sync += images.eq(images + self.start - (self.o.valid & self.o.ready))
        m.d.comb += [
            changed.eq(self.timing.as_value() != self.steady.as_value()),
            quiet.eq((images == self.o.valid + full) & controller.host.ready),
            access.quiet.eq(quiet & ~changed),
            access.numbers_free.eq(~full),
            self.go.eq((images != 2) & ~changed & access.clear),
        ]
        with m.If(quiet):
            m.d.sync += self.steady.eq(self.timing)
