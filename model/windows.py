"""Sliding windows over feature maps: what convolution and pooling are made of.

A feature map is height × width × channels; a batch of them an array (samples, height, width, channels). Sequences of
one dimension have height 1. A window's values are in the order kernel row, kernel column, channel, and windows in
row-major order of the output positions, as in the ONNX operators Conv and MaxPool (auto_pad NOTSET, ceil_mode 0).
"""

import functools
import itertools
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from model.bits import Bits
from model.errors import HafnetError

Pair: TypeAlias = tuple[int, int]
"""Along the height, along the width."""
Padding: TypeAlias = tuple[int, int, int, int]
"""Padding pixels at the top, left, bottom and right: the order of ONNX."""
NO_PADDING: Padding = (0, 0, 0, 0)

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Axis:
    """One direction of sliding windows: `size` pixels between `before` and `after` pixels of padding.

    `name` is the direction's in messages. Raises HafnetError where a member breaks its rule.
    """

    name: str
    size: int
    kernel: int
    stride: int
    before: int
    after: int

    def __post_init__(self) -> None:
        for what, value in (("map", self.size), ("kernel", self.kernel), ("stride", self.stride)):
            if value < 1:
                raise HafnetError(f"the {self.name} of the {what} is {value}, but must be at least 1")
        for padding in (self.before, self.after):
            if not 0 <= padding < self.kernel:
                raise HafnetError(
                    f"padding by {padding} along the {self.name} is not possible: with a kernel of {self.kernel} it "
                    f"must be 0 … {self.kernel - 1}"
                )
        if self.kernel > self.padded:
            raise HafnetError(
                f"a kernel of {self.name} {self.kernel} is larger than its input, {self.padded} with its padding"
            )

    @property
    def padded(self) -> int:
        """Pixels with the padding."""
        return self.before + self.size + self.after

    @property
    def outputs(self) -> int:
        """Windows along this direction."""
        return (self.padded - self.kernel) // self.stride + 1

    @property
    def walked(self) -> int:
        """Positions up to the last that a window or a pixel reaches."""
        return max((self.outputs - 1) * self.stride + self.kernel, self.before + self.size)

    def inside(self, position: int) -> bool:
        """Whether a position that is walked is a pixel, not padding."""
        return self.before <= position < self.before + self.size

    def ends(self, position: int) -> bool:
        """Whether a window ends at a position that is walked."""
        return position >= self.kernel - 1 and (position - self.kernel + 1) % self.stride == 0


@dataclass(frozen=True)
class Sliding:
    """Windows of `kernel` that slide by `stride` over maps of `height` × `width` with `padding`.

    Raises HafnetError for a kernel that is larger than the padded map, a stride below 1, and padding that is not
    smaller than the kernel.
    """

    height: int
    width: int
    kernel: Pair
    stride: Pair
    padding: Padding = NO_PADDING

    def __post_init__(self) -> None:
        _ = self.rows, self.columns  # their rules are those of the whole

    @property
    def rows(self) -> Axis:
        return Axis("height", self.height, self.kernel[0], self.stride[0], self.padding[0], self.padding[2])

    @property
    def columns(self) -> Axis:
        return Axis("width", self.width, self.kernel[1], self.stride[1], self.padding[1], self.padding[3])

    @property
    def output(self) -> Pair:
        """Height and width of the map of windows."""
        return self.rows.outputs, self.columns.outputs

    @property
    def positions(self) -> int:
        """Positions of a map with its padding, as far as a window or a pixel reaches."""
        return self.rows.walked * self.columns.walked

    def cycles(self, interval: int = 1) -> int:
        """Cycles that `hdl.layers.window.Window` takes for a map, one position a cycle, where pixels always wait and
        the consumer takes a window every `interval` cycles at most.

        Never less than `positions`, nor than windows × `interval`. Between the completion of one window and the next
        lie `gap` positions: the stride within a row, more at the start of a row and of a map. Where the consumer finds
        no window, it waits: a window that completes `ahead` cycles before it is taken (at least 1, and at most
        `interval`, because there is room for one window besides that on offer) is followed by one that completes
        min(ahead + interval - gap, interval) cycles ahead or, where this is below 1, makes the consumer wait for the
        difference. The result is the steady state, once as many maps have passed as it takes to gain the lead.
        """
        rows, columns = self.rows, self.columns
        span, line = (columns.outputs - 1) * columns.stride, columns.walked
        next_row, area = rows.stride * line - span, (rows.outputs - 1) * rows.stride * line + span
        in_row = (columns.stride, columns.outputs - 1)
        gaps = [(self.positions - area, 1), in_row, *((next_row, 1), in_row) * (rows.outputs - 1)]
        most = interval if self.kernel != (1, 1) else 1  # a single pixel is its own window: nothing is held

        def walk(ahead: int) -> tuple[int, int]:
            """How far ahead the walk is after one more map, and how long the consumer waited during it."""
            waited = 0
            for gap, times in gaps:
                ahead += times * (interval - gap)
                waited += max(0, 1 - ahead)
                ahead = min(max(ahead, 1), most)
            return ahead, waited

        windows = rows.outputs * columns.outputs
        # A map moves the lead by a constant between two limits: from the limit it moves to, it no longer changes.
        steady, _ = walk(most if windows * interval >= self.positions else 1)
        return windows * interval + walk(steady)[1]


def output_size(size: Pair, kernel: Pair, stride: Pair, padding: Padding = NO_PADDING) -> Pair:
    """Height and width of what comes out of a map of `size`. Raises HafnetError as `Sliding` does."""
    return Sliding(*size, kernel, stride, padding).output


def windows(
    maps: npt.NDArray[Value], kernel: Pair, stride: Pair, padding: Padding = NO_PADDING, fill: npt.ArrayLike = 0
) -> npt.NDArray[Value]:
    """(samples, H, W, C) of bits or integers to (samples, out_h, out_w, kh * kw * C) of the same type.

    `fill` is the value of padding: one for all channels, or (C,). The result is one copy, kh * kw / (stride_h *
    stride_w) times as large as the maps: give as many samples at a time as memory allows. Raises HafnetError as
    `Sliding` does.
    """
    samples, height, width, channels = maps.shape
    sliding = Sliding(height, width, kernel, stride, padding)
    top, left, bottom, right = padding
    if any(padding):
        padded = np.empty((samples, top + height + bottom, left + width + right, channels), maps.dtype)
        padded[...] = np.asarray(fill, maps.dtype)
        padded[:, top : top + height, left : left + width] = maps
        maps = padded
    views = np.lib.stride_tricks.sliding_window_view(maps, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(samples, *sliding.output, kernel[0] * kernel[1] * channels)


def max_pool(maps: Bits, kernel: Pair, stride: Pair, conjunctive: npt.ArrayLike = False) -> Bits:
    """Max-pooling of (samples, H, W, C) bits to (samples, out_h, out_w, C): OR over each window.

    Where `conjunctive`, one truth value for all channels or (C,), is true, AND: the maximum of values that were
    multiplied by a negative scale before they became bits. Raises HafnetError as `Sliding` does.
    """
    out_h, out_w = output_size((maps.shape[1], maps.shape[2]), kernel, stride)
    flip = np.asarray(conjunctive, dtype=np.uint8)  # AND of bits = complement of the OR of their complements
    corners = itertools.product(range(kernel[0]), range(kernel[1]))
    slices = (
        maps[:, y : y + (out_h - 1) * stride[0] + 1 : stride[0], x : x + (out_w - 1) * stride[1] + 1 : stride[1]] ^ flip
        for y, x in corners
    )
    pooled: Bits = functools.reduce(np.bitwise_or, slices) ^ flip
    return pooled
