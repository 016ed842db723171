"""A layer of neurons in the dataflow `sequential_to_parallel`: an array's row is an input, its column a neuron.

Each read presents one input, or one to each of several lanes, to all neurons, which add up what their columns say and
decide all at once when the last input has been read.
"""

from dataclasses import dataclass
from typing import Any, Literal

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.array import same_row
from hdl.bank import Bank
from hdl.block import Hardware, place
from hdl.controller import TIMING, ArrayController, Command
from hdl.grid import layer_ports
from hdl.host_access import HostCommand
from hdl.popcount import tree_or
from hdl.strip import Strip
from hdl.tally import Tally, column_counts
from model.mapping import S2P, Geometry, LayerMap
from model.topology import Presentations

STEP = data.StructLayout({"strobe": 1, "first": 1, "double": 1, "last": 1})
"""What goes with the outputs of a read: they count; they are the first of an image; what came before counts twice; they
are the last of an image."""


@dataclass(frozen=True)
class Columns:
    """A layer of `fan_in` × `fan_out` on arrays of `rows` × `columns`, which reads `lanes` inputs at once.

    An image is `presentations.count` presentations of `reads` = ceil(fan_in / lanes) words each.

    Ports:
      `timing`    phase lengths, see `hdl.controller.TIMING`; they may be changed at any time and hold from the next
                  image on: until all images that were started are done, no new one may be
      `steady`    the phase lengths that hold now, for whoever feeds `i` without ever being stalled
      `start`     whoever feeds `i` begins an image; only while `go` is high
      `go`        all words of one more image can be taken without waiting for `o`, for the host or for new phase
                  lengths. There is room for 2 images: one in the accumulators, one that is offered
      `i`         stream of `lanes` bits: word s of a presentation carries inputs s * lanes … s * lanes + lanes - 1, the
                  first in bit 0. One word is taken every precharge + sense cycles of `steady`, with no pause between
                  presentations or images; so a source of just that rate needs neither buffer nor `ready`
      `o`         stream of one word an image: a bit a neuron (`numbers` are thresholds), or a score a class, `score_width`
                  bits two's complement (`numbers` are offsets); neuron 0 lowest
      `host`, `done`, `failed`, `read_bits`  as in `hdl.grid.Grid`; taken when no image is under way

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

    @property
    def name(self) -> str:
        size = f"{self.fan_in}x{self.fan_out}_{self.rows}x{self.columns}_l{self.lanes}"
        times = f"{'h' if self.presentations.halving else 'p'}{self.presentations.count}"
        return f"hafnet_columns_{size}_{times}_{self.numbers}" + "_ternary" * self.ternary

    @property
    def map(self) -> LayerMap:
        geometry = Geometry(self.rows, self.columns)
        return LayerMap(self.fan_in, self.fan_out, geometry, S2P, self.lanes, self.ternary)

    @property
    def strip(self) -> Strip:
        return Strip(self.map.tiles, self.rows, self.columns, self.ternary)

    @property
    def rails(self) -> int:
        """What a cell adds to its neuron's count at most."""
        return 2 if self.ternary else 1

    def tally(self, tile: int) -> Tally:
        """The neurons of this column of arrays."""
        top = self.fan_in * self.rails * self.presentations.total
        return Tally(self.map.used_columns(tile), self.lanes * self.rails, top, self.numbers)

    @property
    def result_width(self) -> int:
        """Bits of the result of an image."""
        return self.fan_out * self.tally(0).result_width

    @property
    def bank(self) -> Bank:
        return Bank(self.tally(0).number_width, self.fan_out)

    @property
    def controller(self) -> ArrayController:
        return ArrayController(self.map.groups, self.map.tiles, self.rows, self.columns, self.ternary)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **layer_ports(self.lanes, self.host_width),
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
    done: Signal
    failed: Signal
    read_bits: Signal

    def __init__(self, block: Columns) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        controller = place(m, platform, "controller", self.block.controller)
        numbers = place(m, platform, "numbers", self.block.bank, image=f"_{self.block.numbers}_l0")
        m.d.comb += controller.timing.eq(self.steady)
        step, short = self._walk(m, controller)
        counts = self._arrays(m, platform, controller, short)

        # The outputs come 1 cycle after `sampled`, their counts another cycle later.
        sensed, counted = Signal(STEP), Signal(STEP)
        m.d.sync += [sensed.eq(step), sensed.strobe.eq(controller.sampled), counted.eq(sensed)]
        self._neurons(m, platform, counts, counted, numbers.all)
        quiet = self._admit(m, controller)
        self._host(m, controller, numbers, quiet)
        return m

    def _walk(self, m: Module, controller: Any) -> tuple[Any, Signal]:
        """Read the row of each word; returns what goes with the read under way, and whether it leaves lanes out."""
        grid, count = self.block.map, self.block.presentations.count
        block, row = Signal.like(controller.group, name="next_block"), Signal.like(controller.row, name="next_row")
        presentation = Signal(range(max(2, count)))
        begins, ends, ends_image = Signal(), Signal(), Signal()
        step, short = Signal(STEP), Signal()
        m.d.comb += [
            begins.eq((block == 0) & (row == 0)),
            ends.eq((block == grid.blocks - 1) & (row == (grid.reads - 1) % self.block.rows)),
            ends_image.eq(ends & (presentation == count - 1)),
            controller.read.payload.group.eq(block),
            controller.read.payload.row.eq(row),
            controller.read.valid.eq(self.i.valid),
            self.i.ready.eq(controller.read.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                step.first.eq(begins & (presentation == 0)),
                step.double.eq(begins if self.block.presentations.halving else 0),
                step.last.eq(ends_image),
                short.eq(ends),
            ]
            with m.If(ends):
                m.d.sync += [block.eq(0), row.eq(0), presentation.eq(Mux(ends_image, 0, presentation + 1))]
            with m.Elif(row == self.block.rows - 1):
                m.d.sync += [block.eq(block + 1), row.eq(0)]
            with m.Else():
                m.d.sync += row.eq(row + 1)
        return step, short

    def _arrays(self, m: Module, platform: Any, controller: Any, short: Signal) -> list[Value]:
        """The strips behind the controller; returns the counts of all neurons, bit by bit."""
        grid, columns = self.block.map, self.block.columns
        x = Signal(self.block.lanes, reset_less=True)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += x.eq(self.i.payload)
        left = grid.fan_in - (grid.reads - 1) * grid.lanes  # lanes that have an input in the last read
        words: list[Value] = []
        for lane in range(grid.lanes):
            line = Signal(columns, name=f"x{lane}")
            m.d.comb += line.eq(Mux(controller.masked, controller.mask, x[lane].replicate(columns)))
            strips = []
            for block in range(grid.blocks):
                index = lane * grid.blocks + block
                strip = place(m, platform, f"group{index}", self.block.strip, image=f"_g{index}")
                addressed, read = Signal(name=f"group{index}_addressed"), Signal(name=f"group{index}_read")
                m.d.comb += [
                    addressed.eq(controller.masked & (controller.group == index)),
                    read.eq(~controller.masked & (controller.group == block) & (~short if lane >= left else 1)),
                    strip.tile.eq(controller.tile),
                    *same_row(strip, controller),
                    strip.hv.eq(controller.hv & addressed),
                    strip.sen.eq(controller.sen & (addressed | read)),
                    strip.x.eq(line),
                ]
                strips.append(strip)
            words.append(tree_or(m, [strip.q for strip in strips], f"q{lane}"))
            if self.block.ternary:
                words.append(tree_or(m, [strip.positive for strip in strips], f"positive{lane}"))
        self._read_back(m, controller, words)
        counts = [Signal(grid.fan_out, name=f"count{bit}") for bit in range(len(words).bit_length())]
        m.d.sync += [
            count.eq(bits)
            for count, bits in zip(counts, column_counts(m, [word[: grid.fan_out] for word in words]), strict=True)
        ]
        return list(counts)

    def _read_back(self, m: Module, controller: Any, words: list[Value]) -> None:
        """The outputs of the one array that a host command addresses, for the controller."""
        grid, columns = self.block.map, self.block.columns
        rails = [words]
        if self.block.ternary:
            high, positive = words[::2], words[1::2]
            rails = [positive, high]
        merged = [tree_or(m, rail, f"rail{number}") for number, rail in enumerate(rails)]
        tiles = []
        for index in range(grid.tiles):
            here = Signal(name=f"tile{index}_here")
            m.d.comb += here.eq(controller.tile == index)
            part = Cat(rail[index * columns : (index + 1) * columns] for rail in merged)
            if self.block.ternary:
                part = Cat(part[:columns], ~part[columns:])  # Q low: the weight is -1
            tiles.append(part & here.replicate(len(part)))
        back = Signal.like(controller.q, name="back")
        m.d.sync += back.eq(tree_or(m, tiles, "back"))
        m.d.comb += controller.q.eq(back)

    def _neurons(self, m: Module, platform: Any, counts: list[Value], step: Any, numbers: Value) -> None:
        """The accumulators, and the word of results that they leave when an image is over."""
        columns = self.block.columns
        results: list[Value] = []
        for index in range(self.block.map.tiles):
            kind = self.block.tally(index)
            tally = place(m, platform, f"tally{index}", kind)
            start = index * columns
            m.d.comb += [
                tally.strobe.eq(step.strobe),
                tally.first.eq(step.first),
                tally.double.eq(step.double),
                tally.counts.eq(Cat(count[start : start + kind.neurons] for count in counts)),
                tally.numbers.eq(numbers[start * kind.number_width :][: kind.neurons * kind.number_width]),
            ]
            results.append(tally.results)
        full = Signal()  # the accumulators hold the sums of an image
        with m.If(full & (~self.o.valid | self.o.ready)):
            m.d.sync += [self.o.payload.eq(Cat(results)), self.o.valid.eq(1), full.eq(0)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step.strobe & step.last):
            m.d.sync += full.eq(1)

    def _admit(self, m: Module, controller: Any) -> Signal:
        """Count the images under way and let one more in where there is room; returns whether there are none."""
        images = Signal(range(3))  # started and not yet taken from `o`
        quiet, changed, busy = Signal(), Signal(), Signal()
        m.d.sync += images.eq(images + self.start - (self.o.valid & self.o.ready))
        m.d.comb += [
            changed.eq(self.timing.as_value() != self.steady.as_value()),
            quiet.eq((images == self.o.valid) & controller.host.ready),
            self.go.eq((images != 2) & ~changed & ~self.host.valid & ~busy),
        ]
        with m.If(quiet):
            m.d.sync += self.steady.eq(self.timing)
        with m.If(controller.host.valid & controller.host.ready):
            m.d.sync += busy.eq(1)
        with m.Elif(controller.done):
            m.d.sync += busy.eq(0)
        allowed = Signal()
        m.d.comb += allowed.eq(quiet & ~changed)
        return allowed

    def _host(self, m: Module, controller: Any, numbers: Any, quiet: Signal) -> None:
        """The host's way to the arrays and to the numbers."""
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
            numbers.read_en.eq(on_numbers),
            numbers.read_addr.eq(order.index),
            numbers.write_en.eq(on_numbers & (order.command == HostCommand.WRITE_NUMBER)),
            numbers.write_addr.eq(order.index),
            numbers.write_data.eq(order.bits),
            self.done.eq(controller.done | finished),
            self.failed.eq(controller.failed & ~finished),
            self.read_bits.eq(Mux(finished, numbers.read_data, controller.read_bits)),
        ]
        m.d.sync += finished.eq(on_numbers)
