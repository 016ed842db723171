"""Sliding windows over a stream of pixels: line memories, and registers for what is inside the window."""

import hashlib
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.block import Hardware, place
from hdl.storage import Storage
from hdl.streams.buffer import Buffer
from model.errors import HafnetError
from model.windows import Axis, Padding, Pair, Sliding


@dataclass(frozen=True)
class Window:
    """Windows of `kernel` (rows, columns) that slide by `stride` over maps of `height` × `width` pixels of `depth`
    bits, with `padding` (top, left, bottom, right) by pixels of the value `fill`.

    Ports: `i`, the pixels of map after map in row-major order; `o`, one word for each window in row-major order of the
    output positions, its bits in the order kernel row, kernel column, bit of the pixel.

    The map is walked with its padding, one position a cycle, as far as a window or a pixel reaches (`positions`).
    Padding is walked without waiting for pixels, pixels that no window uses are taken and dropped. The walk stops where
    a window is complete and the one before it has not been taken. `cycles` tells the cycles of a map. Latency from
    taking a window's last pixel to offering the window: 2 cycles, where the walk waited for this pixel. A kernel of
    1 × 1 is no more than a choice of pixels: no register, latency 0.

    Raises HafnetError as `model.windows.Sliding` does, and for a depth below 1 or a fill that `depth` bits cannot hold.
    """

    height: int
    width: int
    depth: int
    kernel: Pair
    stride: Pair
    padding: Padding
    fill: int

    def __post_init__(self) -> None:
        _ = self.sliding  # its rules are those of the window
        if self.depth < 1:
            raise HafnetError(f"a pixel of {self.depth} bits is not possible: it must have at least 1")
        if self.fill < 0 or self.fill >> self.depth:
            raise HafnetError(f"padding pixels of {self.fill:#x} are not possible: {self.depth} bits must hold them")

    @property
    def name(self) -> str:
        members = (("k", self.kernel), ("s", self.stride), ("p", self.padding))
        parts = "".join(f"_{letter}{'x'.join(map(str, numbers))}" for letter, numbers in members)
        fill = f"{self.fill:x}"
        if len(fill) > 16:  # a name of any depth must remain one that tools take
            fill = "h" + hashlib.sha256(fill.encode()).hexdigest()[:16]
        return f"hafnet_window_{self.height}x{self.width}x{self.depth}{parts}_f{fill}"

    @property
    def sliding(self) -> Sliding:
        return Sliding(self.height, self.width, self.kernel, self.stride, self.padding)

    @property
    def positions(self) -> int:
        """Positions of a map that are walked."""
        return self.sliding.positions

    def cycles(self, interval: int = 1) -> int:
        """Cycles of a map where pixels always wait and the consumer takes a window every `interval` cycles at most: see
        `model.windows.Sliding.cycles`.
        """
        return self.sliding.cycles(interval)

    @property
    def buffered(self) -> bool:
        """Whether there is anything to hold: a single pixel is its own window."""
        return self.kernel != (1, 1)

    @property
    def signature(self) -> wiring.Signature:
        kernel_rows, kernel_columns = self.kernel
        return wiring.Signature(
            {
                "i": In(stream.Signature(self.depth)),
                "o": Out(stream.Signature(kernel_rows * kernel_columns * self.depth)),
            }
        )

    def create(self) -> "WindowHardware":
        return WindowHardware(self)


class WindowHardware(Hardware):
    """A walk over the padded map; a memory of the lines before; registers of the columns before; the window on offer.

    What memory and registers hold of an earlier map is never part of a window: a window reaches back kernel - 1 lines
    and columns, and none is complete before as many of its own map have been walked.
    """

    i: Any
    o: Any

    def __init__(self, block: Window) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        rows, columns = block.sliding.rows, block.sliding.columns
        step = Signal()  # the walk goes on
        x, next_x, column_ends, row_over = _walk(m, "x", columns, step)
        y, _, row_ends, _ = _walk(m, "y", rows, step & row_over)
        is_pixel = Signal()
        complete = Signal()  # a window ends here
        m.d.comb += [is_pixel.eq(_inside(y, rows) & _inside(x, columns)), complete.eq(column_ends & row_ends)]
        if not block.buffered:
            m.d.comb += [
                self.o.payload.eq(self.i.payload),
                self.o.valid.eq(self.i.valid & complete),
                self.i.ready.eq(self.o.ready | ~complete),
                step.eq(self.i.valid & self.i.ready),
            ]
            return m

        source = place(m, platform, "pixels", Buffer(block.depth))
        connect(m, flipped(self.i), source.i)
        may_go = Signal()
        pixel = Signal(block.depth)
        m.d.comb += [
            may_go.eq(~complete | ~self.o.valid | self.o.ready),
            source.o.ready.eq(is_pixel & may_go),
            step.eq((~is_pixel | source.o.valid) & may_go),
            pixel.eq(Mux(is_pixel, source.o.payload, Const(block.fill, block.depth))),
        ]
        window = self._window(m, platform, pixel, step, x, next_x)
        with m.If(step & complete):
            m.d.sync += [self.o.payload.eq(window), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _window(self, m: Module, platform: Any, pixel: Value, step: Value, x: Value, next_x: Value) -> Value:
        """The window that ends at the present position, whose pixel is `pixel`."""
        block, depth = self.block, self.block.depth
        kernel_rows, kernel_columns = block.kernel
        above: Value = Const(0, 0)  # the pixels above the present one, the highest first
        if kernel_rows > 1:
            line, bits = block.sliding.columns.walked, (kernel_rows - 1) * depth
            if line > 1:
                lines = place(m, platform, "lines", Storage(bits, line, image=False))
                # The next column is read one step ahead: with one column only, it would be the one that is written.
                m.d.comb += [lines.read_en.eq(step), lines.read_addr.eq(next_x)]
                m.d.comb += [lines.write_en.eq(step), lines.write_addr.eq(x)]
                m.d.comb += lines.write_data.eq(Cat(lines.read_data, pixel)[depth:])
                above = lines.read_data
            else:
                above = Signal(bits, name="lines", reset_less=True)
                with m.If(step):
                    m.d.sync += above.eq(Cat(above, pixel)[depth:])
        column = Signal(kernel_rows * depth)
        m.d.comb += column.eq(Cat(above, pixel))
        window: list[Value] = []
        for row in range(kernel_rows):
            newest = column.word_select(row, depth)
            if kernel_columns > 1:
                left = Signal((kernel_columns - 1) * depth, name=f"left{row}", reset_less=True)
                with m.If(step):
                    m.d.sync += left.eq(Cat(left, newest)[depth:])
                window.append(left)
            window.append(newest)
        return Cat(window)


def _walk(m: Module, name: str, axis: Axis, step: Value) -> tuple[Value, Value, Value, Value]:
    """The position along one direction, the next one, whether a window ends here, and whether this is the last."""
    if axis.walked == 1:
        return Const(0), Const(0), Const(1), Const(1)
    position = Signal(range(axis.walked), name=name)
    following = Signal.like(position, name=f"next_{name}")
    last = Signal(name=f"last_{name}")
    ends = Signal(name=f"ends_{name}")
    m.d.comb += [last.eq(position == axis.walked - 1), following.eq(Mux(last, 0, position + 1))]
    with m.If(step):
        m.d.sync += position.eq(following)
    if axis.kernel == axis.stride == 1:
        m.d.comb += ends.eq(1)
    else:
        wait = Signal(range(max(axis.kernel, axis.stride)), init=axis.kernel - 1, name=f"wait_{name}")
        m.d.comb += ends.eq(wait == 0)
        with m.If(step):
            m.d.sync += wait.eq(Mux(last, axis.kernel - 1, Mux(ends, axis.stride - 1, wait - 1)))
    return position, following, ends, last


def _inside(position: Value, axis: Axis) -> Value:
    """Whether a position is a pixel of the map, not padding."""
    inside: Value = Const(1)
    if axis.before:
        inside &= position >= axis.before
    if axis.walked > axis.before + axis.size:
        inside &= position < axis.before + axis.size
    return inside
