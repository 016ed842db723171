"""`Topology`: everything about a network but its weights, thresholds and offsets.

It is what hardware is made from: the same Verilog serves every network of one topology. A feature map of height x
width x channels travels row by row, a pixel at a time: bit (y * width + x) * channels + c of the flattened map is
channel c of pixel (y, x). A 1-D map has height 1. Its text is described in `model.topology_text`.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple, Self, TypeAlias

from model.errors import HafnetError, short
from model.given import described, integer, sequence
from model.windows import NO_PADDING, Padding, Pair, output_size

DEEPEST = 16
"""Most bits of a fixed-point or stochastic code."""
MOST_LAYERS = 4096
"""Far more than anyone trains: with more than these a text or a file is damaged or hostile."""
COUNT_LIMIT = 2**30
"""Counts stay below it, so that scores, which reach twice as far, fit in 32 bits."""


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


def _check_depth(depth: int) -> None:
    if not 1 <= depth <= DEEPEST:
        raise HafnetError(f"encoding: codes of {depth} bits are not possible, only of 1 … {DEEPEST}")


@dataclass(frozen=True)
class PlaneInput:
    """`width` codes of `depth` bits, of which the top `planes` planes are presented.

    Raises HafnetError for a depth outside 1 … 16, and for planes that the codes have not.
    """

    width: int
    depth: int
    planes: int

    def __post_init__(self) -> None:
        _check_depth(self.depth)
        if not 1 <= self.planes <= self.depth:
            raise HafnetError(
                f"encoding: {self.planes} planes of codes of {self.depth} bits, but 1 … {self.depth} are there"
            )

    @property
    def presentations(self) -> Presentations:
        return Presentations(self.planes, halving=True)

    def __str__(self) -> str:
        return f"b{self.depth}" + (f"/{self.planes}" if self.planes != self.depth else "")


@dataclass(frozen=True)
class StochasticInput:
    """`width` codes of `depth` bits, presented `times` times as random bits, `draws` of them drawn in a cycle.

    The random numbers are a generator's with `seed`, or, where `external` is not 0, from as many true random sources
    outside. Raises HafnetError for a depth outside 1 … 16, times outside 1 … 4096, draws outside 1 … 64, external
    sources outside 0 … 64, and a seed outside 0 … 2^64 - 1. A topology also refuses more draws than a word has values.
    """

    width: int
    depth: int
    times: int
    draws: int = 1
    seed: int = 0
    external: int = 0

    def __post_init__(self) -> None:
        _check_depth(self.depth)
        if not 1 <= self.times <= 4096:
            raise HafnetError(f"encoding: {self.times} presentations are not possible, only 1 … 4096")
        if not 1 <= self.draws <= 64:
            raise HafnetError(f"encoding: {self.draws} draws a cycle are not possible, only 1 … 64")
        if not 0 <= self.external <= 64:
            raise HafnetError(f"encoding: {self.external} external random sources are not possible, only 0 … 64")
        if not 0 <= self.seed < 2**64:
            raise HafnetError(f"encoding: seed {self.seed} is outside 0 … 2^64 - 1")
        if self.external and self.seed:
            raise HafnetError(f"encoding: seed {self.seed} is of no use to {self.external} random sources outside")

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

    `kernel` and `stride` are (vertical, horizontal); `padding` is (top, left, bottom, right); `fill` is the bit of
    padding in all channels (its code, where the input is codes); `groups` splits channels of input and output alike (as
    many as input channels: depthwise). A neuron's inputs are ordered (kernel row, kernel column, channel of its group).
    """

    source: Map
    channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
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
        return Map(*output_size(self.source[:2], self.kernel, self.stride), self.source.channels)

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

    `names` are what errors call the layers: layer0, layer1, … unless given. Raises HafnetError where a layer's shape
    does not follow from the one before, a kernel is larger than its padded input, a layer cannot take the encoding, or
    a count could reach 2^30, and for more than 4,096 layers.
    """

    input: Input
    layers: tuple[LayerShape, ...]
    names: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.input, Input):
            raise HafnetError(f"the input of a topology is {described(self.input)}, but must be a BitInput or the like")
        object.__setattr__(
            self, "layers", sequence("the layers of a topology", self.layers, LayerShape, "layer shapes")
        )
        if len(self.layers) > MOST_LAYERS:
            raise too_many_layers()
        names: tuple[str, ...] = sequence("the names of layers", self.names, str, "texts")
        object.__setattr__(self, "names", names or tuple(f"layer{index}" for index in range(len(self.layers))))
        if len(self.names) != len(self.layers):
            raise HafnetError(
                f"a topology of {len(self.layers)} layers has {len(self.names)} names, but each needs one"
            )
        integer("the width of the input", self.input.width)
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
        for index, (name, layer) in enumerate(zip(self.names, self.layers, strict=True)):
            if isinstance(layer, Dense | Convolution) and self.top(index) >= COUNT_LIMIT:
                raise HafnetError(f"layer {name!r}: counts reach {self.top(index)}, but must stay below 2^30")

    @classmethod
    def dense(cls, shape: Iterable[int]) -> Self:
        """Dense layers only, from input bits and fan-outs. Raises HafnetError for fewer than two, or one below 1."""
        given: tuple[Any, ...] = sequence("a shape", shape, object, "integers")
        numbers = tuple(integer("a shape: a size", each) for each in given)
        if len(numbers) < 2 or min(numbers) < 1:
            raise HafnetError(f"shape {short(numbers)} is not input bits and one fan-out or more, all at least 1")
        return cls(BitInput(numbers[0]), tuple(map(Dense, numbers, numbers[1:])))

    @staticmethod
    def parse(text: str) -> "Topology":
        """The inverse of `str`. Raises HafnetError, naming the part that is wrong; see `model.topology_text`."""
        from model import topology_text

        return topology_text.parse(text)

    @cached_property
    def presentations(self) -> tuple[Presentations, ...]:
        """How each layer sees its input; single for pooling layers."""
        found = [Presentations() if isinstance(self.layers[0], MaxPool | AveragePool) else self.input.presentations]
        for layer in self.layers[:-1]:
            pixels = layer.source.height * layer.source.width if isinstance(layer, AveragePool) else 1
            found.append(Presentations(pixels))
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


def too_many_layers() -> HafnetError:
    """What is said of more layers than anyone trains."""
    return HafnetError(f"a network of more than {MOST_LAYERS} layers is not possible")


def _check_layer(name: str, layer: LayerShape, given: Input) -> None:
    where = f"layer {short(name)}"
    for member in fields(layer):
        value = getattr(layer, member.name)
        if member.name == "ternary":
            continue
        for number in value if isinstance(value, tuple) else (value,):
            integer(f"{where}: {member.name}", number)
    if isinstance(layer, Dense):
        if min(layer.fan_in, layer.fan_out) < 1:
            raise HafnetError(f"{where}: fan-in {layer.fan_in} and fan-out {layer.fan_out} must be at least 1")
        _check_draws(where, layer.fan_in, given)
        return
    if min(layer.source) < 1:
        raise HafnetError(f"{where}: a map of {layer.source} is not possible, all its sizes must be at least 1")
    if not isinstance(layer, Convolution) and not isinstance(given, BitInput):
        raise HafnetError(
            f"{where}: pooling takes bits, but the encoding gives codes of {given.depth} bits in "
            f"{given.presentations.count} presentations"
        )
    if isinstance(layer, AveragePool):
        return
    padding = layer.padding if isinstance(layer, Convolution) else NO_PADDING
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
        _check_draws(where, layer.kernel[0] * layer.kernel[1] * layer.source.channels, given)


def _check_draws(where: str, values: int, given: Input) -> None:
    if isinstance(given, StochasticInput) and given.draws > values:
        raise HafnetError(
            f"{where}: {given.draws} draws a cycle are not possible, because a word that it sees has {values} values"
        )
