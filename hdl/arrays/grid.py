"""A grid: the arrays of one layer, walked row by row, so that each image yields one count a neuron.

Dataflow `parallel_to_sequential`: all inputs of an image stand on the X lines while the controller reads row after row,
in every lane at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.array import level, same_row
from hdl.arrays.controller import ArrayController, Limits
from hdl.arrays.group import Group
from hdl.arrays.host_access import HostAccess, host_ports
from hdl.arrays.reserve import Reserve
from hdl.arrays.spare_table import each
from hdl.block import Hardware, index_width, place
from hdl.neurons.accumulator import Accumulator
from hdl.neurons.popcount import tree_or
from hdl.neurons.targets import Target, suffix
from hdl.storage import Storage
from model.mapping import P2S, LayerMap, offset_width, threshold_width
from model.plan import Fidelity

POPCOUNT_LATENCY = 3
"""Cycles from the last cycle of `sen` to the popcount: array, tile, group."""


def layer_ports(width: int, host_width: int, signed: bool) -> dict[str, wiring.Member]:
    """The ports that every layer of neurons has: its input, and the way of the host to its arrays and numbers."""
    return {"i": In(stream.Signature(width)), **host_ports(host_width, signed)}


def join_host(m: Module, layer: Any, inside: Any) -> None:
    """Give a layer's `host_ports` to the block inside that has them."""
    connect(m, flipped(layer.host), inside.host)
    m.d.comb += [getattr(inside, name).eq(getattr(layer, name)) for name in ("timing", "supply_ok", "claim")]
    answers = ["done", "failed", "read_bits", "amplitude", "resting"]
    if hasattr(layer, "validity"):
        m.d.comb += inside.trusted.eq(layer.trusted)
        answers.append("validity")
    m.d.comb += [getattr(layer, name).eq(getattr(inside, name)) for name in answers]


def join_access(m: Module, layer: Any, access: Any, controller: Any) -> None:
    """Put `hdl.arrays.host_access.HostAccess` between a layer's host ports and its controller."""
    settled = access.clear
    if hasattr(layer, "validity"):
        settled = access.settled
        m.d.comb += [access.trusted.eq(layer.trusted), layer.validity.eq(access.validity)]
    if hasattr(access, "entries"):
        for inside, entry in zip(each(controller.remapped), each(access.entries), strict=True):
            m.d.comb += [inside.valid.eq(entry.valid), inside.row.eq(entry.row)]
    connect(m, flipped(layer.host), access.host)
    connect(m, access.order, controller.host)
    m.d.comb += [
        access.claim.eq(layer.claim),
        controller.supply_ok.eq(layer.supply_ok),
        layer.done.eq(access.done),
        layer.failed.eq(access.failed),
        layer.read_bits.eq(access.read_bits),
        layer.amplitude.eq(controller.amplitude),
        layer.resting.eq(settled & access.quiet),
        access.ended.eq(controller.done),
        access.ended_failed.eq(controller.failed),
        access.row_bits.eq(controller.read_bits),
    ]


@dataclass(frozen=True)
class Grid:
    """The arrays of a layer of `fan_in` × `fan_out` with their controller and one number of each neuron.

    `lanes` neurons are read at once, as `model.mapping.LayerMap` has it. `slices` (the groups of a convolution) split
    neurons and inputs alike: a word of the input is `slices` words of `fan_in` bits, the first fan_out / slices neurons
    see the first of them, and so on; lanes must be read within a slice, or be as many whole slices. An image is
    `presentations` words, whose counts are summed as `hdl.neurons.accumulator.Accumulator` does. With
    `numbers_in_arrays` the numbers are read from rows behind the weights before the first image, and after each
    programmed row.

    Ports:
      `i`         stream of words of slices × fan_in bits. Taken when a word's first row is read
      `go`        the layer behind has room for the results of one more image; `start` tells that one has begun
      `strobe`    `lanes` counts and `numbers` (thresholds or offsets), lane 0 lowest, are valid: those of neurons
                  s × lanes … in step s, steps in order; `last` marks an image's last step, in which lanes that have no
                  neuron left mean nothing
      and those of the host, see `hdl.arrays.host_access.host_ports`

    Throughput: presentations × reads × (precharge + sense) cycles an image, where reads = ceil(fan_out / lanes), with
    no gap between words or images. Latency from the acceptance of an image's last word to the image's first counts:
    precharge + sense + POPCOUNT_LATENCY cycles, with several presentations 2 more.
    """

    fan_in: int
    fan_out: int
    rows: int
    columns: int
    numbers: Literal["thresholds", "offsets"]
    host_width: int
    lanes: int = 1
    slices: int = 1
    presentations: int = 1
    halving: bool = False
    ternary: bool = False
    numbers_in_arrays: bool = False
    target: Target = "generic"
    fidelity: Fidelity = "bits"
    limits: Limits = field(default_factory=Limits)
    reserve: Reserve = field(default_factory=Reserve)

    @property
    def name(self) -> str:
        text = f"hafnet_grid_{self.fan_in}x{self.fan_out}_{self.rows}x{self.columns}_{self.numbers}"
        text += f"_lanes{self.lanes}" * (self.lanes > 1) + f"_slices{self.slices}" * (self.slices > 1)
        times = f"_times{self.presentations}" + "h" * self.halving
        return (
            text
            + times * (self.presentations > 1)
            + "_ternary" * self.ternary
            + "_rows" * self.numbers_in_arrays
            + level(self.fidelity)
            + suffix(self.target)
            + self.limits.suffix
            + self.reserve.suffix
        )

    @property
    def map(self) -> LayerMap:
        geometry = self.reserve.geometry(self.rows, self.columns)
        bits = self.number_width if self.numbers_in_arrays else 0
        return LayerMap(self.fan_in, self.fan_out, geometry, P2S, self.lanes, self.ternary, bits)

    @property
    def accumulator(self) -> Accumulator:
        """What sums the presentations; where there is but one, its sums are the counts."""
        reads = -(-self.fan_out // self.lanes)
        return Accumulator(reads, self.lanes, self.group.top, self.presentations, self.halving)

    @property
    def top(self) -> int:
        """The largest count of an image."""
        return self.accumulator.total

    @property
    def number_width(self) -> int:
        return threshold_width(self.top) if self.numbers == "thresholds" else offset_width(self.top)

    @property
    def group(self) -> Group:
        kind = (self.ternary, self.target, self.fidelity)
        return Group(self.fan_in, self.rows, self.columns, *kind, self.reserve.entries)

    @property
    def access(self) -> HostAccess:
        return HostAccess.of(self.controller, self.map, self.number_width, self.host_width, self.reserve)

    @property
    def controller(self) -> ArrayController:
        size = (self.map.groups, self.map.tiles, self.rows, self.columns)
        return ArrayController(*size, self.ternary, self.limits, self.reserve.entries)

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                **layer_ports(self.slices * self.fan_in, self.host_width, self.reserve.signed),
                "go": In(1),
                "start": Out(1),
                "strobe": Out(1),
                "last": Out(1),
                "counts": Out(self.lanes * self.top.bit_length()),
                "numbers": Out(self.lanes * self.number_width),
            }
        )

    def create(self) -> "GridHardware":
        return GridHardware(self)


class GridHardware(Hardware):
    """Controller, groups, the walk over the rows, and the numbers read in step with it."""

    timing: Any
    i: Any
    go: Signal
    start: Signal
    strobe: Signal
    last: Signal
    counts: Signal
    numbers: Signal
    host: Any

    def __init__(self, block: Grid) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        controller = place(m, platform, "controller", self.block.controller)
        m.d.comb += controller.timing.eq(self.timing)
        first = Signal()  # the next read begins an image
        clear = Signal()  # the host lets one begin
        x = self._walk(m, controller, first, clear)
        counts, groups = self._arrays(m, platform, controller, x)
        access = place(m, platform, "access", self.block.access)
        if self.block.reserve.entries:
            self._remap(m, controller, access, groups)
        join_access(m, self, access, controller)
        m.d.comb += clear.eq(access.clear)

        sampled = Signal(POPCOUNT_LATENCY)
        m.d.sync += sampled.eq(Cat(controller.sampled, sampled))
        under_way: Value = controller.sampled | sampled.any()
        if self.block.presentations > 1:
            accumulator = place(m, platform, "accumulator", self.block.accumulator)
            coming = accumulator.coming
            adding = Signal(2)
            m.d.sync += adding.eq(Cat(sampled[-1], adding))
            m.d.comb += [
                accumulator.strobe.eq(sampled[-1]),
                accumulator.counts.eq(counts),
                self.counts.eq(accumulator.sums),
            ]
            under_way = under_way | adding.any()
        else:
            coming = sampled[-2]
            m.d.comb += self.counts.eq(counts)
        m.d.sync += self.strobe.eq(coming)
        m.d.comb += [
            access.quiet.eq(first & controller.host.ready & ~under_way),
            access.numbers_free.eq(1),
        ]
        step, lanes = self._numbers(m, platform, coming)
        self._access(m, access, coming, step, lanes)
        return m

    def _walk(self, m: Module, controller: Any, first: Signal, clear: Signal) -> Signal:
        """Read row after row for each word of each image; returns the word that stands before the arrays, the slice
        that is read lowest.
        """
        block, grid = self.block, self.block.map
        stack = Signal(index_width(grid.blocks), name="next_block")
        row = Signal.like(controller.row, name="next_row")
        x = Signal(block.slices * block.fan_in, reset_less=True)
        opens = Signal()
        is_final = Signal()
        taken = Signal()
        rows = grid.geometry.used_rows
        last_block, last_row = divmod(grid.reads - 1, rows)
        m.d.comb += [
            opens.eq((stack == 0) & (row == 0)),
            is_final.eq((stack == last_block) & (row == last_row)),
            controller.read.payload.group.eq(stack),
            controller.read.payload.row.eq(row),
            taken.eq(controller.read.valid & controller.read.ready),
            self.start.eq(taken & first),
        ]
        may_start = self.go & clear
        if block.presentations > 1:
            turn = Signal(range(block.presentations))
            begun = Signal()
            with m.If(taken & is_final):
                m.d.sync += turn.eq(Mux(turn == block.presentations - 1, 0, turn + 1))
            m.d.comb += [first.eq(opens & (turn == 0)), begun.eq(~first | may_start)]
        else:
            begun = Signal()
            m.d.comb += [first.eq(opens), begun.eq(may_start)]
        m.d.comb += [
            controller.read.valid.eq(Mux(opens, self.i.valid & begun, 1)),
            self.i.ready.eq(opens & begun & controller.read.ready),
        ]
        with m.If(taken):
            with m.If(is_final):
                m.d.sync += [stack.eq(0), row.eq(0)]
            with m.Elif(row == rows - 1):
                m.d.sync += [stack.eq(stack + 1), row.eq(0)]
            with m.Else():
                m.d.sync += row.eq(row + 1)
            with m.If(opens):
                m.d.sync += x.eq(self.i.payload)
        if block.slices > 1:
            self._next_slice(m, taken, opens, x)
        return x

    def _next_slice(self, m: Module, taken: Value, opens: Value, x: Signal) -> None:
        """Move the slices down when the next read is of neurons that see other ones."""
        block = self.block
        neurons = block.fan_out // block.slices
        steps, move = max(1, neurons // block.lanes), max(1, block.lanes // neurons)
        ended = Signal()
        if steps == 1:
            m.d.comb += ended.eq(1)
        else:
            passed = Signal(range(steps))  # steps since this slice's first
            m.d.comb += ended.eq(passed == steps - 1)
            with m.If(taken):
                m.d.sync += passed.eq(Mux(opens | ended, 0, passed + 1))
        with m.If(taken & ended & ~opens):
            m.d.sync += x.eq(x >> (move * block.fan_in))

    def _arrays(self, m: Module, platform: Any, controller: Any, x: Signal) -> tuple[Value, list[Any]]:
        """The groups behind the controller; returns the counts of the rows that were read, lane 0 lowest, and them."""
        block, grid = self.block, self.block.map
        neurons = block.fan_out // block.slices
        words: list[Value] = []
        for lane in range(block.lanes):
            seen = lane // neurons if block.slices > 1 else 0  # which of the slices that are read
            if seen == len(words):
                lines = Signal(grid.tiles * block.columns, name=f"x_lines{seen}" if block.slices > 1 else "x_lines")
                word = x[seen * block.fan_in : (seen + 1) * block.fan_in]
                m.d.comb += lines.eq(Mux(controller.masked, controller.mask.replicate(grid.tiles), word))
                words.append(lines)
        groups: list[Any] = []
        outputs: list[Value] = []
        counts: list[Value] = []
        for lane in range(block.lanes):
            lane_counts = []
            for stack in range(grid.blocks):
                index = lane * grid.blocks + stack
                # The host addresses one group, a read the same block of every lane.
                asked = Mux(controller.masked, index, stack) if lane else stack
                x_lines = words[lane // neurons if block.slices > 1 else 0]
                group = place(m, platform, f"group{index}", block.group, image=f"_g{index}", x=x_lines)
                here = Signal(name=f"group{index}_here")
                m.d.comb += [
                    here.eq(controller.group == asked),
                    group.tile.eq(controller.tile),
                    *same_row(group, controller),
                    group.hv.eq(controller.hv & here),
                    group.sen.eq(controller.sen & here),
                ]
                groups.append(group)
                outputs.append(group.q)
                lane_counts.append(group.popcount)
            counts.append(tree_or(m, lane_counts, f"count{lane}"))
        m.d.comb += controller.q.eq(tree_or(m, outputs, "q"))
        return Cat(counts), groups

    def _remap(self, m: Module, controller: Any, access: Any, groups: Sequence[Any]) -> None:
        """Tell each group which entries of the table are of its arrays, and of the row that is selected."""
        for index, group in enumerate(groups):
            for hit, entry, its in zip(controller.hits, each(access.entries), each(group.remapped), strict=True):
                m.d.comb += [
                    its.hit.eq(hit & (entry.group == index)),
                    its.tile.eq(entry.tile),
                    its.spare.eq(entry.spare),
                ]

    def _numbers(self, m: Module, platform: Any, coming: Value) -> tuple[Value, list[Any]]:
        """The neurons' numbers, read in step with their counts; returns that, and the memories of the lanes."""
        block = self.block
        step = Signal(index_width(block.map.reads))
        last_step = Signal()
        m.d.comb += last_step.eq(step == block.map.reads - 1)
        with m.If(coming):
            m.d.sync += step.eq(Mux(last_step, 0, step + 1))
        m.d.sync += self.last.eq(coming & last_step)
        storage = Storage(block.number_width, block.map.reads, image=not block.numbers_in_arrays)
        lanes = [
            place(m, platform, f"numbers{lane}", storage, image=f"_{block.numbers}_l{lane}" * storage.image)
            for lane in range(block.lanes)
        ]
        m.d.comb += self.numbers.eq(Cat(lane.read_data for lane in lanes))
        return step, lanes

    def _access(self, m: Module, access: Any, coming: Value, step: Value, lanes: list[Any]) -> None:
        """The host's way, or the loader's, to the numbers."""
        for index, numbers in enumerate(lanes):
            m.d.comb += [
                numbers.read_en.eq(coming | access.select),
                numbers.read_addr.eq(Mux(coming, step, access.index)),
                numbers.write_en.eq(access.write & (access.lane == index) if len(lanes) > 1 else access.write),
                numbers.write_addr.eq(access.index),
                numbers.write_data.eq(access.number),
            ]
        if len(lanes) == 1:
            m.d.comb += access.selected.eq(lanes[0].read_data)
            return
        asked = Signal.like(access.lane, name="asked")
        m.d.sync += asked.eq(access.lane)
        with m.Switch(asked):
            for index, numbers in enumerate(lanes):
                with m.Case(index):
                    m.d.comb += access.selected.eq(numbers.read_data)
