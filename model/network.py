"""`Network`: the contract between everything that makes networks and everything that is made from one.

A network is an input encoding, hidden layers with integer thresholds, and a dense output layer with integer offsets.
All of it is validated when it is built, so nothing behind it checks again. Arrays are copied and made read-only. What
hardware needs to know of it, everything but weights, thresholds and offsets, is its `Topology`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from model import bits
from model.encoding import Encoding
from model.errors import HafnetError, listed, short
from model.given import array, described, integer, plain, sequence
from model.topology import AveragePool, Convolution, Dense, LayerShape, Map, MaxPool, Topology, Weighted
from model.windows import NO_PADDING, Padding, Pair

Int32 = npt.NDArray[np.int32]
Signs = npt.NDArray[np.int8]
Origin: TypeAlias = Mapping[str, str | int | float]
PLACED_FROM = "placed_from"
"""The origin of a placed network tells by this name the digest of the network whose neurons were put elsewhere."""


WeightOrder: TypeAlias = Literal["OHWI", "OIHW"]
ORDERS: dict[WeightOrder, str] = {
    "OHWI": "channels, kernel rows, kernel columns, input channels / groups",
    "OIHW": "channels, input channels / groups, kernel rows, kernel columns",
}
"""How the axes of a convolution's weights may be ordered when they are given: as here, and as in torch."""


def _weights(name: str, given: npt.ArrayLike, axes: str, ternary: bool) -> npt.NDArray[Any]:
    """Numbers of as many axes as are named."""
    found = array(f"layer {name!r}: weights", given)
    allowed = "+1, 0 and -1" if ternary else "+1 and -1"
    if found.dtype.kind not in "iuf":
        raise HafnetError(f"layer {name!r}: weights are {found.dtype}, but must be numbers {allowed}")
    count = axes.count(",") + 1
    if found.ndim != count or 0 in found.shape:
        ones = ", ".join(["1"] * count)
        raise HafnetError(f"layer {name!r}: weights have shape {found.shape}, but ({axes}) >= ({ones}) is needed")
    return found


def _frozen_weights(name: str, array: npt.NDArray[Any], ternary: bool) -> Signs:
    wrong = (array != 1) & (array != -1) & ((array != 0) | (not ternary))
    if wrong.any():
        index = tuple(np.argwhere(wrong)[0].tolist())
        source = index[1] if len(index) == 2 else index[1:]
        rule = "neither +1, 0 nor -1" if ternary else "neither +1 nor -1"
        raise HafnetError(f"layer {name!r}: weight {array[index]} of neuron {index[0]}, input {source} is {rule}")
    frozen = array.astype(np.int8)
    frozen.flags.writeable = False
    return frozen


def _frozen_integers(name: str, kind: str, given: npt.ArrayLike, fan_out: int) -> Int32:
    found = array(f"layer {name!r}: {kind}s", given)
    if found.shape != (fan_out,):
        raise HafnetError(f"layer {name!r}: {kind}s have shape {found.shape}, but {fan_out} neurons need ({fan_out},)")
    if found.dtype.kind not in "iu":
        raise HafnetError(f"layer {name!r}: {kind}s are {found.dtype}, but must be integers")
    wrong = (found < -(2**31)) | (found >= 2**31)
    if wrong.any():
        neuron = int(np.argmax(wrong))
        raise HafnetError(f"layer {name!r}: {kind} {found[neuron]} of neuron {neuron} does not fit in 32 bits")
    frozen = found.astype(np.int32)
    frozen.flags.writeable = False
    return frozen


def _whole(name: str, what: str, given: Any, parts: str) -> tuple[int, ...]:
    """As many ints as there are words in `parts`."""
    words = parts.split(", ")
    try:
        numbers = tuple(given)
    except TypeError:
        numbers = ()
    if len(numbers) != len(words):
        raise HafnetError(f"layer {name!r}: {what} is {short(given)}, but must be ({parts})")
    return tuple(integer(f"layer {name!r}: {word} of {what}", each) for word, each in zip(words, numbers, strict=True))


@dataclass(frozen=True, eq=False)
class Layer:
    """What all layers share: a name. `arrays` are the layer's contents by their names in files."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not self.name.isprintable() or len(self.name) > 64:
            raise HafnetError(f"layer name {short(self.name)} is not 1 to 64 printable characters")

    def _freeze_source(self, source: Any) -> None:
        object.__setattr__(self, "source", Map(*_whole(self.name, "map", source, "height, width, channels")))

    def _freeze_pair(self, member: str) -> None:
        pair = _whole(self.name, member, getattr(self, member), "vertical, horizontal")
        object.__setattr__(self, member, pair)

    @property
    def shape(self) -> LayerShape:
        """The layer without its contents."""
        raise NotImplementedError

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {}

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Layer)
            and (self.name, self.shape) == (other.name, other.shape)
            and all(np.array_equal(array, other.arrays[key]) for key, array in self.arrays.items())
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash


@dataclass(frozen=True, eq=False)
class WeightedLayer(Layer):
    """What layers of neurons share: weights, and one integer a neuron."""

    weights: Signs

    integers_name = ""
    """What the integers are called: thresholds or offsets."""

    @property
    def shape(self) -> Weighted:
        raise NotImplementedError

    @property
    def matrix(self) -> Signs:
        """The weights as (fan_out, fan_in)."""
        return self.weights.reshape(len(self.weights), -1)

    @property
    def fan_in(self) -> int:
        return math.prod(self.weights.shape[1:])

    @property
    def fan_out(self) -> int:
        return int(self.weights.shape[0])

    @property
    def integers(self) -> Int32:
        """The one integer of each neuron: its threshold or its offset."""
        integers: Int32 = getattr(self, self.integers_name)
        return integers

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"weights": self.weights, self.integers_name: self.integers}

    def _ordered(self, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The weights with their axes in the order that `weights` promises."""
        return weights

    def _freeze(self, axes: str, ternary: Any) -> None:
        if not isinstance(ternary, bool | np.bool_):
            raise HafnetError(f"layer {self.name!r}: ternary is {short(ternary)}, but must be True or False")
        object.__setattr__(self, "ternary", bool(ternary))
        weights = self._ordered(_weights(self.name, self.weights, axes, bool(ternary)))
        object.__setattr__(self, "weights", _frozen_weights(self.name, weights, bool(ternary)))
        singular, given = self.integers_name.removesuffix("s"), getattr(self, self.integers_name)
        object.__setattr__(self, self.integers_name, _frozen_integers(self.name, singular, given, self.fan_out))


@dataclass(frozen=True, eq=False)
class DenseLayer(WeightedLayer):
    """A hidden layer of threshold neurons: a neuron fires (+1) iff its count >= its threshold.

    Members: `weights`, (fan_out, fan_in) of ±1, or of +1, 0, -1 where the layer is `ternary`; `thresholds`, (fan_out,)
    integers. The count is the popcount, or, of ternary weights, positives - negatives + fan-in; see `model.golden`. In
    a network, thresholds must be 0 … top + 1, where `top` is the largest count: 0 always fires and top + 1 never does.
    Raises HafnetError, naming the layer and the rule.

    Behind a map the inputs are ordered (row, column, channel). Torch's Flatten orders (channel, row, column): weights
    from there must become `w.reshape(fan_out, channels, rows, columns).transpose(0, 2, 3, 1).reshape(fan_out, -1)`.
    """

    thresholds: Int32
    ternary: bool = False

    integers_name = "thresholds"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze("fan-out, fan-in", self.ternary)

    @property
    def shape(self) -> Dense:
        return Dense(self.fan_in, self.fan_out, self.ternary)


@dataclass(frozen=True, eq=False)
class ConvolutionLayer(WeightedLayer):
    """A convolution of threshold neurons, one a channel: each fires at each position iff its count >= its threshold.

    Members: `weights`, (channels, kernel rows, kernel columns, input channels / groups) of ±1 (or +1, 0, -1);
    `thresholds`, (channels,) integers as in `DenseLayer`; `source`, the input map; the others as in
    `model.topology.Convolution`. 1-D: height 1. Raises HafnetError, naming the layer and the rule.

    `order` says how the axes of the weights that are given are ordered: "OHWI" as above, "OIHW" as torch has them
    (channels, input channels / groups, kernel rows, kernel columns). It may be left out where the sizes allow the first
    order only. Afterwards weights and `order` are always OHWI.
    """

    thresholds: Int32
    source: Map
    stride: Pair = (1, 1)
    padding: Padding = NO_PADDING
    fill: int = 0
    groups: int = 1
    ternary: bool = False
    order: WeightOrder | None = field(default=None, kw_only=True, repr=False)

    integers_name = "thresholds"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze_source(self.source)
        self._freeze_pair("stride")
        padding = _whole(self.name, "padding", self.padding, "top, left, bottom, right")
        object.__setattr__(self, "padding", padding)
        for member in ("fill", "groups"):
            object.__setattr__(self, member, integer(f"layer {self.name!r}: {member}", getattr(self, member)))
        if self.order not in (None, *ORDERS):
            raise HafnetError(f"layer {self.name!r}: order is {short(self.order)}, but must be one of {listed(ORDERS)}")
        self._freeze(ORDERS[self.order or "OHWI"], self.ternary)
        object.__setattr__(self, "order", "OHWI")

    def _ordered(self, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
        where, needed = f"layer {self.name!r}: weights", self.source.channels
        fits = {order: weights.shape[order.index("I")] * self.groups == needed for order in ORDERS}
        if self.order is None and all(fits.values()) and weights.shape[1:] != (1, 1, 1):
            either = " or, as in torch, ".join(f"({axes}): order='{order}'" for order, axes in ORDERS.items())
            raise HafnetError(f"{where} of shape {weights.shape} may be {either}; say which")
        order = self.order or "OHWI"
        if not fits[order]:
            has = weights.shape[order.index("I")] * self.groups
            other = next((f"; order='{each}' would fit" for each in ORDERS if fits[each]), "")
            raise HafnetError(
                f"{where} ({ORDERS[order]}) of shape {weights.shape} in {self.groups} groups are for {has} input "
                f"channels, but the map of {self.source} has {needed}{other}"
            )
        return weights if order == "OHWI" else np.ascontiguousarray(np.moveaxis(weights, 1, -1))

    @property
    def shape(self) -> Convolution:
        channels, rows, columns = self.weights.shape[:3]
        kernel = (int(rows), int(columns))
        rest = (self.stride, self.padding, self.fill, self.groups, self.ternary)
        return Convolution(self.source, int(channels), kernel, *rest)


@dataclass(frozen=True, eq=False)
class MaxPoolLayer(Layer):
    """Max-pooling on bits behind the threshold: the OR of a window, or its AND.

    Where pooling comes before batch norm and the folded scale of a channel is negative, the largest value is that
    which fires least: `conjunctive`, (channels,) bits, is 1 there. Raises HafnetError, naming the layer and the rule.
    """

    source: Map
    kernel: Pair
    stride: Pair
    conjunctive: bits.Bits

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze_source(self.source)
        self._freeze_pair("kernel")
        self._freeze_pair("stride")
        where = f"layer {self.name!r}: conjunctive"
        given, channels = array(where, self.conjunctive), self.source.channels
        if given.shape != (channels,):
            raise HafnetError(f"{where} has shape {given.shape}, but {channels} channels need ({channels},)")
        if given.dtype.kind not in "iub":
            raise HafnetError(f"{where} is {given.dtype}, but must be bits")
        wrong = (given != 0) & (given != 1)
        if wrong.any():
            channel = int(np.argmax(wrong))
            raise HafnetError(f"{where} is {given[channel]} of channel {channel}, but must be 0 or 1")
        frozen = given.astype(np.uint8)
        frozen.flags.writeable = False
        object.__setattr__(self, "conjunctive", frozen)

    @property
    def shape(self) -> MaxPool:
        return MaxPool(self.source, self.kernel, self.stride)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"conjunctive": self.conjunctive}


@dataclass(frozen=True, eq=False)
class AveragePoolLayer(Layer):
    """Global average pooling: the number of ones of each channel. A dense layer must follow, which takes counts."""

    source: Map

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze_source(self.source)

    @property
    def shape(self) -> AveragePool:
        return AveragePool(self.source)


@dataclass(frozen=True, eq=False)
class OutputLayer(WeightedLayer):
    """The last layer: score = count + offset for each class; the class with the highest score wins, the lowest index
    on a tie.

    Members: `weights`, (classes, fan_in) of ±1 (or +1, 0, -1 where `ternary`); `offsets`, (classes,) integers, in a
    network -top … top, where `top` is the largest count. Raises HafnetError, naming the layer and the rule.
    """

    offsets: Int32
    ternary: bool = False

    integers_name = "offsets"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze("fan-out, fan-in", self.ternary)

    @property
    def shape(self) -> Dense:
        return Dense(self.fan_in, self.fan_out, self.ternary)


def _check_range(layer: WeightedLayer, low: int, high: int) -> None:
    wrong = (layer.integers < low) | (layer.integers > high)
    if wrong.any():
        neuron, kind = int(np.argmax(wrong)), layer.integers_name.removesuffix("s")
        value = layer.integers[neuron]
        raise HafnetError(f"layer {layer.name!r}: {kind} {value} of neuron {neuron} is outside {low} … {high}")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise HafnetError(f"origin: the name {short(key)} is not a text")
    return str(plain("origin: a name", key))


HiddenLayer: TypeAlias = DenseLayer | ConvolutionLayer | MaxPoolLayer | AveragePoolLayer


@dataclass(frozen=True, eq=False)
class Network:
    """A binarized network as integers: encoding, hidden layers in order, output layer, and where it came from.

    `origin` is free, texts and numbers by name: by custom `recipe`, `data`, `seed`, `accuracy`. `topology` is made from
    the others. Two networks are equal when they compute the same from the same weights, whatever their origin. Raises
    HafnetError where layers do not follow from each other, or an integer is beyond what its layer can count.
    """

    encoding: Encoding
    hidden: tuple[HiddenLayer, ...]
    output: OutputLayer
    origin: Origin = field(default_factory=dict)
    topology: Topology = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.encoding, Encoding):
            kinds = listed(kind.__name__ for kind in get_args(Encoding))
            raise HafnetError(f"encoding is {described(self.encoding)}, but must be one of {kinds}")
        object.__setattr__(self, "hidden", sequence("hidden", self.hidden, Layer, "layers"))
        for hidden in self.hidden:
            if not isinstance(hidden, HiddenLayer):
                raise HafnetError(f"layer {hidden.name!r} is no hidden layer, but all before the last must be")
        if not isinstance(self.output, Layer):
            raise HafnetError(f"output is {described(self.output)}, but must be an OutputLayer")
        if not isinstance(self.output, OutputLayer):
            raise HafnetError(f"layer {self.output.name!r} is no OutputLayer, but the last layer must be")
        if not isinstance(self.origin, Mapping):
            raise HafnetError(f"origin is {described(self.origin)}, but must be a dict")
        origin = {_key(key): plain(f"origin: {short(key)}", value) for key, value in self.origin.items()}
        object.__setattr__(self, "origin", origin)
        names = tuple(layer.name for layer in self.layers)
        if len(set(names)) < len(names):
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            raise HafnetError(f"layer {twice!r}: the name is used twice")
        shapes = tuple(layer.shape for layer in self.layers)
        object.__setattr__(self, "topology", Topology(self.encoding.input, shapes, names))
        for index, layer in enumerate(self.layers):
            if isinstance(layer, WeightedLayer):
                top = self.topology.top(index)
                _check_range(layer, *((-top, top) if layer is self.output else (0, top + 1)))

    @property
    def layers(self) -> tuple[HiddenLayer | OutputLayer, ...]:
        """All layers in order, the output layer last."""
        return (*self.hidden, self.output)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and (
            (self.encoding, self.hidden, self.output) == (other.encoding, other.hidden, other.output)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    @property
    def digest(self) -> str:
        """The SHA-256, in 64 digits, of encoding, layers and their contents; see `model.network_file`.

        Equal networks have equal digests, whatever their origin. What was made from a network carries it.
        """
        from model import network_file

        return network_file.digest(self)

    def save(self, path: Path | str) -> None:
        """Write the network to `path`, whole or not at all; see `model.network_file`."""
        from model import network_file

        network_file.save(self, path)

    @classmethod
    def load(cls, path: Path | str) -> "Network":
        """Read a network. Raises HafnetError for a missing, truncated, changed, newer or inconsistent file."""
        from model import network_file

        return network_file.load(path)
