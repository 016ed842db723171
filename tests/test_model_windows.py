"""Sliding windows and max-pooling against PyTorch on random shapes."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from model.errors import HafnetError
from model.windows import Padding, Pair, Sliding, max_pool, output_size, windows


@dataclass(frozen=True)
class Case:
    """A batch's shape, and the windows that slide over it."""

    shape: tuple[int, int, int, int]
    kernel: Pair
    stride: Pair
    padding: Padding
    seed: int

    def maps(self, low: int, high: int, dtype: Any) -> Any:
        return np.random.default_rng(self.seed).integers(low, high, self.shape).astype(dtype)


@st.composite
def cases(draw: st.DrawFn, padded: bool = True) -> Case:
    """Any shape, kernels larger than the map among them where padding makes room."""
    shape = tuple(draw(st.integers(1, most)) for most in (3, 9, 9, 5))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, side - 1)) if padded else 0 for side in (*kernel, *kernel))
    for size, side, before, after in zip(shape[1:3], kernel, padding[:2], padding[2:], strict=True):
        assume(before + size + after >= side)
    stride = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    return Case(shape, kernel, stride, padding, draw(st.integers(0, 1000)))  # type: ignore[arg-type]


def torch_maps(maps: Any) -> torch.Tensor:
    """(samples, H, W, C) as PyTorch has it."""
    return torch.from_numpy(maps.astype(np.float64)).permute(0, 3, 1, 2)


@given(cases(), st.booleans())
@settings(deadline=None)
def test_windows_are_those_of_unfold(case: Case, by_channel: bool) -> None:
    samples, height, width, channels = case.shape
    maps = case.maps(-100, 100, np.int16)
    fill = np.arange(channels) - 2 if by_channel else np.full(channels, -7)
    top, left, bottom, right = case.padding
    planes = [
        functional.pad(plane, (left, right, top, bottom), value=float(value))
        for plane, value in zip(torch_maps(maps).unbind(1), fill, strict=True)
    ]
    unfolded = functional.unfold(torch.stack(planes, 1), case.kernel, stride=case.stride)
    out_h, out_w = output_size((height, width), case.kernel, case.stride, case.padding)
    # PyTorch: (samples, C * kh * kw, positions), the channel first.
    expected = unfolded.reshape(samples, channels, -1, out_h, out_w).permute(0, 3, 4, 2, 1)
    found = windows(maps, case.kernel, case.stride, case.padding, fill if by_channel else -7)
    assert found.dtype == maps.dtype
    assert np.array_equal(found, expected.reshape(samples, out_h, out_w, -1).numpy())


@given(cases(padded=False))
@settings(deadline=None)
def test_pooling_is_the_maximum_of_scaled_bits(case: Case) -> None:
    maps = case.maps(0, 2, np.uint8)
    conjunctive = np.random.default_rng(case.seed).random(case.shape[3]) < 0.5
    scale = np.where(conjunctive, -1.0, 1.0)
    pooled = functional.max_pool2d(torch_maps(maps * scale), case.kernel, case.stride).permute(0, 2, 3, 1)
    found = max_pool(maps, case.kernel, case.stride, conjunctive)
    assert found.dtype == np.uint8
    assert np.array_equal(found, pooled.numpy() * scale)
    assert np.array_equal(max_pool(maps, case.kernel, case.stride), max_pool(maps, case.kernel, case.stride, False))


def test_windows_of_no_sample() -> None:
    assert windows(np.zeros((0, 4, 5, 2), np.uint8), (3, 3), (1, 1), (1, 1, 1, 1)).shape == (0, 4, 5, 18)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ((4, 4, (5, 1), (1, 1)), "a kernel of height 5 is larger than its input, 4 with its padding"),
        ((4, 1, (1, 4), (1, 1), (0, 1, 0, 1)), "a kernel of width 4 is larger than its input, 3 with its padding"),
        ((4, 4, (2, 2), (1, 0)), "the width of the stride is 0, but must be at least 1"),
        ((4, 4, (0, 2), (1, 1)), "the height of the kernel is 0, but must be at least 1"),
        ((4, 0, (2, 2), (1, 1)), "the width of the map is 0, but must be at least 1"),
        ((4, 4, (2, 2), (1, 1), (0, 0, 0, 2)), "padding by 2 along the width is not possible: with a kernel of 2"),
        ((4, 4, (2, 2), (1, 1), (-1, 0, 0, 0)), "padding by -1 along the height is not possible"),
        ((4, 4, (1, 1), (1, 1), (0, 0, 1, 0)), "with a kernel of 1 it must be 0 … 0"),
    ],
)
def test_what_cannot_slide_is_refused(members: Any, says: str) -> None:
    with pytest.raises(HafnetError, match=re.escape(says)):
        Sliding(*members)
    height, width, *rest = members
    with pytest.raises(HafnetError, match=re.escape(says)):
        output_size((height, width), *rest)
