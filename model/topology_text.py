"""The text of a topology: its input and its layers with dashes between them.

    784-1024-1024-10               dense layers; the last one is the output layer
    32x32x3b8-64c3p1-m2-128c3-10   8-bit input; convolution of 64 channels, kernel 3, padding 1; max-pooling 2; …; dense
    1x1000x12-32c1x7s1x2p0x3-avg-2 1-D: kernel 1 x 7, stride 1 x 2, padding 3 left and right; average pooling; dense

Input: values, or height x width x channels, and behind them nothing for bits, or

    b8         8-bit fixed point
    b8/4       of which the top 4 planes count
    r8x16      8-bit values as random bits in 16 presentations
    r8x16d4s7  from 4 draws a cycle of the generator with seed 7
    r8x16e2    from the XOR of 2 true random sources outside

Layers:

    N     dense layer of N neurons
    NcK   convolution of N channels; then, in this order, sS stride, pP padding, fF value of padding, gG groups
    mK    max-pooling; sS stride (the kernel unless given)
    avg   global average pooling, before a dense layer

A `t` behind a dense layer or convolution: ternary weights. K, S and P are one number for both directions or vertical x
horizontal, and P may be top x left x bottom x right.
"""

import re

from model.errors import HafnetError, short
from model.topology import (
    MOST_LAYERS,
    AveragePool,
    BitInput,
    Convolution,
    Dense,
    Input,
    LayerShape,
    Map,
    MaxPool,
    PlaneInput,
    StochasticInput,
    Topology,
    too_many_layers,
)
from model.windows import Pair

# A number has at most 20 digits: those of the largest seed.
_NUMBER = r"[0-9]{1,20}"
_SIZE = rf"{_NUMBER}(?:x{_NUMBER})?"
_SIDES = rf"{_NUMBER}(?:x{_NUMBER}(?:x{_NUMBER}x{_NUMBER})?)?"
_INPUT = re.compile(
    rf"({_NUMBER})(?:x({_NUMBER})x({_NUMBER}))?"
    rf"(?:b({_NUMBER})(?:/({_NUMBER}))?|r({_NUMBER})x({_NUMBER})(?:d({_NUMBER}))?(?:s({_NUMBER})|e({_NUMBER}))?)?"
)
_DENSE = re.compile(rf"({_NUMBER})(t?)")
_CONVOLUTION = re.compile(
    rf"({_NUMBER})c({_SIZE})(?:s({_SIZE}))?(?:p({_SIDES}))?(?:f({_NUMBER}))?(?:g({_NUMBER}))?(t?)"
)
_MAX_POOL = re.compile(rf"m({_SIZE})(?:s({_SIZE}))?")


def parse(text: str) -> Topology:
    """The topology that has this text. Raises HafnetError, naming the part that is wrong."""
    if not isinstance(text, str):
        raise HafnetError(f"shape {short(text)} is no text, such as 784-128-10")
    first, *rest = text.split("-", MOST_LAYERS + 1)
    if len(rest) > MOST_LAYERS:
        raise HafnetError(f"shape {short(text)}: {too_many_layers()}")
    part = first
    try:
        given, source = _input(first)
        layers: list[LayerShape] = []
        for part in rest:
            layers.append(_layer(part, source))
            source = layers[-1].result
    except HafnetError as error:
        raise HafnetError(f"shape {short(text)}: {short(part)}: {error}") from None
    try:
        return Topology(given, tuple(layers))
    except HafnetError as error:
        raise HafnetError(f"shape {short(text)}: {error}") from None


def _input(part: str) -> tuple[Input, Map]:
    match = _INPUT.fullmatch(part)
    if match is None:
        raise HafnetError("an input is written such as 784, 28x28x1, 32x32x3b8 or 784r8x16")
    height, width, channels, depth, planes, random, times, draws, seed, external = match.groups()
    source = Map(int(height), int(width), int(channels)) if width else Map(1, 1, int(height))
    if depth:
        return PlaneInput(source.bits, int(depth), int(planes or depth)), source
    if random:
        rest = (int(times), int(draws or 1), int(seed or 0), int(external or 0))
        return StochasticInput(source.bits, int(random), *rest), source
    return BitInput(source.bits), source


def _layer(part: str, source: Map) -> LayerShape:
    if match := _DENSE.fullmatch(part):
        return Dense(source.bits, int(match[1]), bool(match[2]))
    if match := _CONVOLUTION.fullmatch(part):
        channels, kernel, stride, padding, fill, groups, ternary = match.groups()
        top, left, bottom, right = _sides(padding or "0")
        return Convolution(
            source,
            int(channels),
            _pair(kernel),
            _pair(stride or "1"),
            (top, left, bottom, right),
            int(fill or 0),
            int(groups or 1),
            bool(ternary),
        )
    if match := _MAX_POOL.fullmatch(part):
        return MaxPool(source, _pair(match[1]), _pair(match[2] or match[1]))
    if part == "avg":
        return AveragePool(source)
    raise HafnetError("a layer is written such as 128, 64c3p1, m2 or avg")


def _pair(text: str) -> Pair:
    numbers = [int(number) for number in text.split("x")]
    return numbers[0], numbers[-1]


def _sides(text: str) -> list[int]:
    numbers = [int(number) for number in text.split("x")]
    return numbers if len(numbers) == 4 else 2 * list(_pair(text))
