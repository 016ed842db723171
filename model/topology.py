"""`Topology`: everything about a network but its weights, thresholds and offsets.

It is what hardware is made from: the same Verilog serves every network of one topology. A feature map of height x
width x channels travels row by row, a pixel at a time: bit (y * width + x) * channels + c of the flattened map is
channel c of pixel (y, x). A 1-D map has height 1.

As text, a topology is its input and its layers with dashes between them:

    784-1024-1024-10               dense layers; the last one is the output layer
    32x32x3b8-64c3p1-m2-128c3-10   convolution of 64 channels, kernel 3, padding 1; max-pooling 2; dense
    1x1000x12-32c1x7s1x2p0x3-avg-2 1-D: kernel 1 x 7, stride 1 x 2; global average pooling

Input: values, with `b8` as 8-bit fixed point, `b8/4` of which the top 4 planes count, `r8x16` as stochastic bits of
8-bit values in 16 presentations (`r8x16d4s7`: 4 draws a cycle, seed 7; `r8x16e2`: from the XOR of 2 true random sources outside). Layers: `N` dense, `NcK`
convolution with `sS` stride, `pP` padding (`p1x2`, or `p0x1x2x3`: top, left, bottom, right), `fF` value of padding (0),
`gG` groups; `mK` max-pooling with `sS` stride (K); `avg`; a `t` behind a dense or convolution layer: ternary weights.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self, TypeAlias

from model.errors import HafnetError
from model.windows import output_size

Pair: TypeAlias = tuple[int, int]


class Map(NamedTuple):
    """A feature map."""

    height: int
    width: int
    channels: int

    @property
    def bits(self) -> int:
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"


@dataclass(frozen=True)
class Presentations:
    """How often a layer sees its input before it decides: `count` times, each counting as much as the one before, or,
    with `halving`, half as much (bit planes, most significant first).
    """

    count: int = 1
    halving: bool = False

    @property
    def weights(self) -> tuple[int, ...]:
        """What each presentation counts."""
        return tuple(1 << (self.count - 1 - index) if self.halving else 1 for index in range(self.count))

    @property
    def total(self) -> int:
        return sum(self.weights)


@dataclass(frozen=True)
class BitInput:
    """`width` bits, encoded by the host."""

    width: int

    depth = 1
    presentations = Presentations()

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class PlaneInput:
    """`width` codes of `depth` bits, of which the top `planes` planes are presented."""

    width: int
    depth: int
    planes: int

    @property
    def presentations(self) -> Presentations:
        return Presentations(self.planes, halving=True)

    def __str__(self) -> str:
        return f"b{self.depth}" + (f"/{self.planes}" if self.planes != self.depth else "")


@dataclass(frozen=True)
class StochasticInput:
    """`width` codes of `depth` bits, presented `times` times as random bits from a generator with `seed`, or from as many
    true random sources outside as `external` says. `draws` values meet a random number in a cycle.
    """

    width: int
    depth: int
    times: int
    draws: int
    seed: int
    external: int

    @property
    def presentations(self) -> Presentations:
        return Presentations(self.times)

    def __str__(self) -> str:
        return (
            f"r{self.depth}x{self.times}"
            + f"d{self.draws}" * (self.draws != 1)
            + (f"e{self.external}" if self.external else f"s{self.seed}" if self.seed else "")
        )


Input: TypeAlias = BitInput | PlaneInput | StochasticInput


@dataclass(frozen=True)
class Dense:
    """A dense layer; `ternary` weights are +1, 0, -1."""

    fan_in: int
    fan_out: int
    ternary: bool = False

    positions = 1

    @property
    def inputs(self) -> int:
        return self.fan_in

    @property
    def result(self) -> Map:
        return Map(1, 1, self.fan_out)

    def __str__(self) -> str:
        return f"{self.fan_out}" + "t" * self.ternary


@dataclass(frozen=True)
class Convolution:
    """A convolution of `channels` output channels on the map `source`.

    `kernel` and `stride` are (vertical, horizontal); `padding` is (top, left, bottom, right); `fill` is the bit (or code,
    before integer inputs) of a pixel of padding; `groups` splits channels of input and output alike (as many as input
    channels: depthwise). A neuron's inputs are ordered (kernel row, kernel column, channel).
    """

    source: Map
    channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    fill: int = 0
    groups: int = 1
    ternary: bool = False

    @property
    def inputs(self) -> int:
        return self.source.bits

    @property
    def fan_in(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.source.channels // self.groups

    @property
    def fan_out(self) -> int:
        return self.channels

    @property
    def result(self) -> Map:
        return Map(*output_size(self.source[:2], self.kernel, self.stride, self.padding), self.channels)

    @property
    def positions(self) -> int:
        """Output pixels."""
        return self.result.height * self.result.width

    def __str__(self) -> str:
        text = f"{self.channels}c{_pair(self.kernel)}"
        if self.stride != (1, 1):
            text += f"s{_pair(self.stride)}"
        top, left, bottom, right = self.padding
        if any(self.padding):
            text += "p" + (_pair((top, left)) if (top, left) == (bottom, right) else "x".join(map(str, self.padding)))
        text += f"f{self.fill}" * (self.fill != 0) + f"g{self.groups}" * (self.groups != 1)
        return text + "t" * self.ternary


@dataclass(frozen=True)
class MaxPool:
    """The OR of the bits of each channel in a window, or their AND where the folded scale is negative."""

    source: Map
    kernel: Pair
    stride: Pair

    @property
    def inputs(self) -> int:
        return self.source.bits

    @property
    def result(self) -> Map:
        return Map(*output_size(self.source[:2], self.kernel, self.stride, (0, 0, 0, 0)), self.source.channels)

    def __str__(self) -> str:
        return f"m{_pair(self.kernel)}" + (f"s{_pair(self.stride)}" if self.stride != self.kernel else "")


@dataclass(frozen=True)
class AveragePool:
    """The number of ones of each channel over the whole map: global average pooling, without the division.

    In hardware it is nothing of its own: the dense layer behind it sees one pixel after the other and adds up.
    """

    source: Map

    @property
    def inputs(self) -> int:
        return self.source.bits

    @property
    def result(self) -> Map:
        return Map(1, 1, self.source.channels)

    def __str__(self) -> str:
        return "avg"


Weighted: TypeAlias = Dense | Convolution
LayerShape: TypeAlias = Dense | Convolution | MaxPool | AveragePool


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


@dataclass(frozen=True)
class Topology:
    """The input and the layers in order; the last one is dense and is the output layer.

    `names` are what errors call the layers (layer0, layer1, … unless given). Raises HafnetError where a layer's shape does not follow from the one
    before, a kernel is larger than its padded input, or a layer cannot take the encoding.
    """

    input: Input
    layers: tuple[LayerShape, ...]
    names: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "names", self.names or tuple(f"layer{index}" for index in range(len(self.layers))))
        if self.input.width < 1:
            raise HafnetError(f"an input of {self.input.width} values is not possible, at least 1 is needed")
        if not self.layers:
            raise HafnetError("a network without layers is not possible, at least an output layer is needed")
        before, source = "the encoding", None
        for name, layer in zip(self.names, self.layers, strict=True):
            _check_layer(name, layer, self.input if source is None else BitInput(source.bits))
            given = self.input.width if source is None else source.bits
            if layer.inputs != given:
                what = "fan-in is" if isinstance(layer, Dense) else f"a map of {layer.source} has"
                unit = "values" if source is None and self.input.depth > 1 else "bits"
                raise HafnetError(f"layer {name!r}: {what} {layer.inputs}, but {before} gives {given} {unit}")
            if not isinstance(layer, Dense) and source is not None and layer.source != source:
                raise HafnetError(f"layer {name!r}: a map of {layer.source} is needed, but {before} gives {source}")
            before, source = f"layer {name!r}", layer.result
        if not isinstance(self.layers[-1], Dense):
            raise HafnetError(f"layer {name!r} is the last one, but only a dense layer can be the output layer")
        for name, (layer, behind) in zip(self.names, itertools.pairwise(self.layers), strict=False):
            if isinstance(layer, AveragePool) and not isinstance(behind, Dense):
                raise HafnetError(f"layer {name!r}: average pooling gives counts, and only a dense layer can take them")

    @classmethod
    def dense(cls, shape: Iterable[int]) -> Self:
        """Dense layers only, from input bits and fan-outs. Raises HafnetError where there are fewer than two numbers."""
        numbers = tuple(shape)
        if len(numbers) < 2 or min(numbers) < 1:
            raise HafnetError(f"shape {numbers} is not input bits and one fan-out or more, all at least 1")
        return cls(BitInput(numbers[0]), tuple(map(Dense, numbers, numbers[1:])))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises HafnetError, naming the part that is wrong."""
        first, *rest = text.split("-")
        match = re.fullmatch(
            r"(\d+)(?:x(\d+)x(\d+))?(?:b(\d+)(?:/(\d+))?|r(\d+)x(\d+)(?:d(\d+))?(?:s(\d+)|e(\d+))?)?", first
        )
        if match is None:
            raise HafnetError(f"shape {text!r}: {first!r} is no input such as 784, 28x28x1 or 32x32x3b8")
        height, width, channels, depth, planes, random, times, draws, seed, external = match.groups()
        source = Map(int(height), int(width), int(channels)) if width else Map(1, 1, int(height))
        given: Input = BitInput(source.bits)
        if depth:
            given = PlaneInput(source.bits, int(depth), int(planes or depth))
        elif random:
            given = StochasticInput(
                source.bits, int(random), int(times), int(draws or 1), int(seed or 0), int(external or 0)
            )
        layers: list[LayerShape] = []
        for part in rest:
            layers.append(_parse_layer(text, part, source))
            source = layers[-1].result
        return cls(given, tuple(layers))

    @cached_property
    def presentations(self) -> tuple[Presentations, ...]:
        """How each layer sees its input; single for pooling layers."""
        found = [self.input.presentations if not isinstance(self.layers[0], MaxPool | AveragePool) else Presentations()]
        for layer in self.layers[:-1]:
            pooled = isinstance(layer, AveragePool)
            found.append(Presentations(layer.source.height * layer.source.width) if pooled else Presentations())
        return tuple(found)

    def top(self, index: int) -> int:
        """The largest count that a neuron of layer `index` can reach over all presentations."""
        layer = self.layers[index]
        assert isinstance(layer, Dense | Convolution)
        return layer.fan_in * (2 if layer.ternary else 1) * self.presentations[index].total

    @property
    def output(self) -> Dense:
        last = self.layers[-1]
        assert isinstance(last, Dense)
        return last

    @property
    def source(self) -> Map:
        """The input as a map: that of the first layer, or a row of values before a dense one."""
        first = self.layers[0]
        return Map(1, 1, first.fan_in) if isinstance(first, Dense) else first.source

    def __str__(self) -> str:
        source = self.source
        values = str(self.input.width) if isinstance(self.layers[0], Dense) else str(source)
        return "-".join([values + str(self.input), *map(str, self.layers)])


def _check_layer(name: str, layer: LayerShape, given: Input) -> None:
    where = f"layer {name!r}"
    if isinstance(layer, Dense):
        if min(layer.fan_in, layer.fan_out) < 1:
            raise HafnetError(f"{where}: fan-in {layer.fan_in} and fan-out {layer.fan_out} must be at least 1")
        return
    if min(layer.source) < 1:
        raise HafnetError(f"{where}: a map of {layer.source} is not possible, all its sizes must be at least 1")
    if not isinstance(layer, Convolution) and given.depth > 1:
        raise HafnetError(f"{where}: pooling takes bits, but the encoding gives codes of {given.depth} bits")
    if isinstance(layer, AveragePool):
        return
    padding = layer.padding if isinstance(layer, Convolution) else (0, 0, 0, 0)
    try:
        output_size(layer.source[:2], layer.kernel, layer.stride, padding)
    except HafnetError as error:
        raise HafnetError(f"{where}: {error}") from None
    if isinstance(layer, Convolution):
        if layer.channels < 1:
            raise HafnetError(f"{where}: {layer.channels} output channels, but at least 1 is needed")
        if layer.groups < 1 or layer.source.channels % layer.groups or layer.channels % layer.groups:
            raise HafnetError(
                f"{where}: {layer.groups} groups do not divide {layer.source.channels} input channels and "
                f"{layer.channels} output channels"
            )
        if not 0 <= layer.fill < 1 << given.depth:
            raise HafnetError(f"{where}: padding of value {layer.fill} is outside 0 … {(1 << given.depth) - 1}")


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("x")) if text else ()


def _two(text: str | None, default: Pair) -> Pair:
    numbers = _numbers(text)
    return (numbers[0], numbers[-1]) if numbers else default


_SIZE = r"\d+(?:x\d+)?"
_DENSE = re.compile(r"(\d+)(t?)")
_CONVOLUTION = re.compile(rf"(\d+)c({_SIZE})(?:s({_SIZE}))?(?:p(\d+(?:x\d+x\d+x\d+|x\d+)?))?(?:f(\d+))?(?:g(\d+))?(t?)")
_MAX_POOL = re.compile(rf"m({_SIZE})(?:s({_SIZE}))?")


def _parse_layer(text: str, part: str, source: Map) -> LayerShape:
    if match := _DENSE.fullmatch(part):
        return Dense(source.bits, int(match[1]), bool(match[2]))
    if match := _CONVOLUTION.fullmatch(part):
        channels, kernel, stride, padding, fill, groups, ternary = match.groups()
        sides = _numbers(padding)
        top, left, bottom, right = sides if len(sides) == 4 else 2 * _two(padding, (0, 0))
        return Convolution(
            source,
            int(channels),
            _two(kernel, (1, 1)),
            _two(stride, (1, 1)),
            (top, left, bottom, right),
            int(fill or 0),
            int(groups or 1),
            bool(ternary),
        )
    if match := _MAX_POOL.fullmatch(part):
        kernel_size = _two(match[1], (1, 1))
        return MaxPool(source, kernel_size, _two(match[2], kernel_size))
    if part == "avg":
        return AveragePool(source)
    raise HafnetError(f"shape {text!r}: {part!r} is no layer such as 128, 64c3p1, m2 or avg")
