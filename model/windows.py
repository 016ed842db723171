"""Temporary."""

import numpy as np


def output_size(size, kernel, stride, padding):
    top, left, bottom, right = padding
    return (
        (size[0] + top + bottom - kernel[0]) // stride[0] + 1,
        (size[1] + left + right - kernel[1]) // stride[1] + 1,
    )


def windows(maps, kernel, stride, padding, fill):
    top, left, bottom, right = padding
    p = np.pad(maps, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    v = np.lib.stride_tricks.sliding_window_view(p, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    v = v.transpose(0, 1, 2, 4, 5, 3)
    return v.reshape(*v.shape[:3], -1)


def max_pool(maps, kernel, stride, conjunctive):
    v = np.lib.stride_tricks.sliding_window_view(maps, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    return np.where(conjunctive.astype(bool), v.min(axis=(4, 5)), v.max(axis=(4, 5)))
