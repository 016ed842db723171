"""`Network`: the contract between everything that makes networks and everything that is made from one.

A network is an input encoding, hidden dense layers with integer thresholds, and an output layer with integer
offsets. All of it is validated when it is built, so nothing behind it checks again. Arrays are copied and made
read-only.

File: one `.safetensors` with bit-packed weights (`layerN.weights`, uint8, bit 1 = +1, bit 0 of byte 0 = input 0),
`layerN.thresholds` or `layerN.offsets` (int32), and one metadata entry `hafnet`, a JSON text with the format's
version, the encoding, the layers' names and shapes, and the origin.
"""

import itertools
import json
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from model import bits
from model.errors import HafnetError
from model.files import read_tensors, write_whole

VERSION = 1

Int32 = npt.NDArray[np.int32]
Signs = npt.NDArray[np.int8]
Origin: TypeAlias = Mapping[str, str | int | float]


def integer(what: str, value: Any) -> int:
    """The value as an int of Python. Raises HafnetError where it is none."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise HafnetError(f"{what} is {value!r}, but must be an integer") from None


@dataclass(frozen=True)
class Thermometer:
    """Thermometer input encoding: bit `k * i + j` of the input word is 1 iff value i >= levels[j].

    Members: `values`, the number of input values (>= 1); `levels`, k integers in rising order. k = 1 is plain
    binarization. Raises HafnetError where a member breaks its rule.
    """

    values: int
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", integer("encoding: the number of values", self.values))
        object.__setattr__(self, "levels", tuple(integer("encoding: a level", level) for level in self.levels))
        if self.values < 1:
            raise HafnetError(f"encoding: {self.values} input values, but at least 1 is needed")
        if not self.levels:
            raise HafnetError("encoding: a thermometer needs at least 1 level and has none")
        for low, high in itertools.pairwise(self.levels):
            if high <= low:
                raise HafnetError(f"encoding: level {high} follows {low}, but levels must rise")
        if max(abs(level) for level in self.levels) >= 2**31:
            raise HafnetError(f"encoding: levels {self.levels} do not all fit in 32 bits")

    @property
    def width(self) -> int:
        """Width of the input word: values times levels."""
        return self.values * len(self.levels)

    def encode(self, values: npt.ArrayLike) -> bits.Bits:
        """(samples, values) integers to (samples, width) bits."""
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] != self.values:
            raise HafnetError(f"inputs have shape {array.shape}, but the encoding takes (samples, {self.values})")
        if array.dtype.kind not in "iu":
            raise HafnetError(f"inputs are {array.dtype}, but the encoding takes integers")
        code = array[:, :, np.newaxis] >= np.asarray(self.levels, dtype=np.int64)
        return code.reshape(len(array), self.width).astype(np.uint8)


def _frozen_weights(name: str, weights: npt.ArrayLike) -> Signs:
    try:
        array = np.asarray(weights)
    except ValueError:
        raise HafnetError(f"layer {name!r}: weights are no matrix, because their rows differ in length") from None
    if array.dtype.kind not in "iuf":
        raise HafnetError(f"layer {name!r}: weights are {array.dtype}, but must be numbers +1 and -1")
    if array.ndim != 2 or 0 in array.shape:
        raise HafnetError(
            f"layer {name!r}: weights have shape {array.shape}, but (fan-out, fan-in) >= (1, 1) is needed"
        )
    wrong = (array != 1) & (array != -1)
    if wrong.any():
        neuron, source = np.argwhere(wrong)[0].tolist()
        raise HafnetError(
            f"layer {name!r}: weight {array[neuron, source]} of neuron {neuron}, input {source} is neither +1 nor -1"
        )
    frozen = array.astype(np.int8)
    frozen.flags.writeable = False
    return frozen


def _frozen_integers(name: str, kind: str, given: npt.ArrayLike, fan_out: int, low: int, high: int) -> Int32:
    try:
        array = np.asarray(given)
    except ValueError:
        raise HafnetError(f"layer {name!r}: {kind}s are no row of numbers") from None
    if array.shape != (fan_out,):
        raise HafnetError(f"layer {name!r}: {kind}s have shape {array.shape}, but {fan_out} neurons need ({fan_out},)")
    if array.dtype.kind not in "iu":
        raise HafnetError(f"layer {name!r}: {kind}s are {array.dtype}, but must be integers")
    wrong = (array < low) | (array > high)
    if wrong.any():
        neuron = int(np.argmax(wrong))
        raise HafnetError(f"layer {name!r}: {kind} {array[neuron]} of neuron {neuron} is outside {low} … {high}")
    frozen = array.astype(np.int32)
    frozen.flags.writeable = False
    return frozen


@dataclass(frozen=True, eq=False)
class Layer:
    """What hidden and output layers share: a name and a (fan_out, fan_in) matrix of ±1 weights."""

    name: str
    weights: Signs

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not self.name.isprintable() or len(self.name) > 64:
            raise HafnetError(f"layer name {self.name!r} is not 1 to 64 printable characters")
        object.__setattr__(self, "weights", _frozen_weights(self.name, self.weights))

    @property
    def fan_in(self) -> int:
        return int(self.weights.shape[1])

    @property
    def fan_out(self) -> int:
        return int(self.weights.shape[0])

    @property
    def integers(self) -> Int32:
        """The one integer of each neuron: its threshold or its offset."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Layer)
            and self.name == other.name
            and np.array_equal(self.weights, other.weights)
            and np.array_equal(self.integers, other.integers)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash


@dataclass(frozen=True, eq=False)
class DenseLayer(Layer):
    """A hidden layer of threshold neurons: a neuron fires (+1) iff its popcount >= its threshold.

    Members: `weights`, (fan_out, fan_in) of ±1; `thresholds`, (fan_out,) integers 0 … fan-in + 1, where 0 always
    fires and fan-in + 1 never does. Raises HafnetError, naming the layer and the rule.
    """

    thresholds: Int32

    def __post_init__(self) -> None:
        super().__post_init__()
        thresholds = _frozen_integers(self.name, "threshold", self.thresholds, self.fan_out, 0, self.fan_in + 1)
        object.__setattr__(self, "thresholds", thresholds)

    @property
    def integers(self) -> Int32:
        return self.thresholds


@dataclass(frozen=True, eq=False)
class OutputLayer(Layer):
    """The last layer: score = popcount + offset for each class; the class with the highest score wins, the lowest
    index on a tie.

    Members: `weights`, (classes, fan_in) of ±1; `offsets`, (classes,) integers -fan-in … fan-in. Raises HafnetError,
    naming the layer and the rule.
    """

    offsets: Int32

    def __post_init__(self) -> None:
        super().__post_init__()
        offsets = _frozen_integers(self.name, "offset", self.offsets, self.fan_out, -self.fan_in, self.fan_in)
        object.__setattr__(self, "offsets", offsets)

    @property
    def integers(self) -> Int32:
        return self.offsets


@dataclass(frozen=True, eq=False)
class Network:
    """A binarized network as integers: encoding, hidden layers in order, output layer, and where it came from.

    `origin` is free: by custom `recipe`, `data`, `seed`, `accuracy`. Two networks are equal when they compute the same
    from the same weights, whatever their origin. Raises HafnetError where layers do not follow from each other.
    """

    encoding: Thermometer
    hidden: tuple[DenseLayer, ...]
    output: OutputLayer
    origin: Origin = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(self, "origin", dict(self.origin))
        for key, value in self.origin.items():
            if not isinstance(value, str | int) and not (isinstance(value, float) and math.isfinite(value)):
                raise HafnetError(f"origin: {key!r} is {value!r}, but must be a text or a finite number")
        for hidden in self.hidden:
            if not isinstance(hidden, DenseLayer):
                raise HafnetError(f"layer {hidden.name!r} is no DenseLayer, but hidden layers must be")
        if not isinstance(self.output, OutputLayer):
            raise HafnetError(f"layer {self.output.name!r} is no OutputLayer, but the last layer must be")
        width, before = self.encoding.width, "the encoding"
        seen: set[str] = set()
        for layer in self.layers:
            if layer.fan_in != width:
                raise HafnetError(f"layer {layer.name!r}: fan-in is {layer.fan_in}, but {before} gives {width} bits")
            if layer.name in seen:
                raise HafnetError(f"layer {layer.name!r}: the name is used twice")
            seen.add(layer.name)
            width, before = layer.fan_out, f"layer {layer.name!r}"

    @property
    def layers(self) -> tuple[DenseLayer | OutputLayer, ...]:
        """All layers in order, the output layer last."""
        return (*self.hidden, self.output)

    @property
    def shape(self) -> tuple[int, ...]:
        """Input bits, then the fan-out of each layer: (784, 1024, 1024, 10)."""
        return (self.encoding.width, *(layer.fan_out for layer in self.layers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and (
            (self.encoding, self.hidden, self.output) == (other.encoding, other.hidden, other.output)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def save(self, path: Path | str) -> None:
        """Write the network to `path`, whole or not at all. The same network gives the same bytes."""
        tensors: dict[str, npt.NDArray[Any]] = {}
        for index, layer in enumerate(self.layers):
            tensors[f"layer{index}.weights"] = bits.pack_bytes(bits.to_bits(layer.weights))
            kind = "thresholds" if isinstance(layer, DenseLayer) else "offsets"
            tensors[f"layer{index}.{kind}"] = np.array(layer.integers)
        header = {
            "version": VERSION,
            "encoding": {"values": self.encoding.values, "levels": list(self.encoding.levels)},
            "layers": [{"name": layer.name, "fan_in": layer.fan_in, "fan_out": layer.fan_out} for layer in self.layers],
            "origin": dict(self.origin),
        }
        # One metadata entry: the order of several is not fixed by the library.
        data = save(tensors, metadata={"hafnet": json.dumps(header, sort_keys=True)})
        write_whole(path, data)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a network. Raises HafnetError for a missing, truncated, newer or inconsistent file."""
        tensors, metadata = read_tensors(path)
        try:
            return cls._from_parts(metadata, tensors)
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None

    @classmethod
    def _from_parts(cls, metadata: Mapping[str, str], tensors: Mapping[str, npt.NDArray[Any]]) -> Self:
        if "hafnet" not in metadata:
            raise HafnetError("a .safetensors file, but not a network (metadata entry 'hafnet' is missing)")
        try:
            header = json.loads(metadata["hafnet"])
            version = integer("format version", header["version"])
            if version > VERSION:
                raise HafnetError(f"format version {version} is newer than {VERSION}, the newest known here")
            if version < 1:
                raise HafnetError(f"format version {version} never was")
            encoding = Thermometer(header["encoding"]["values"], tuple(header["encoding"]["levels"]))
            described = [
                (str(each["name"]), integer("fan-in", each["fan_in"]), integer("fan-out", each["fan_out"]))
                for each in header["layers"]
            ]
            origin = dict(header["origin"])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise HafnetError(f"metadata entry 'hafnet' is damaged ({type(error).__name__}: {error})") from None
        if not described:
            raise HafnetError("the file describes no layer, but at least an output layer is needed")
        hidden = tuple(
            DenseLayer(name, *_tensors(tensors, index, "thresholds", name, fan_in, fan_out))
            for index, (name, fan_in, fan_out) in enumerate(described[:-1])
        )
        last = len(described) - 1
        name, fan_in, fan_out = described[last]
        output = OutputLayer(name, *_tensors(tensors, last, "offsets", name, fan_in, fan_out))
        return cls(encoding, hidden, output, origin)


def _tensors(
    tensors: Mapping[str, npt.NDArray[Any]], index: int, kind: str, name: str, fan_in: int, fan_out: int
) -> tuple[Signs, Int32]:
    for key in (f"layer{index}.weights", f"layer{index}.{kind}"):
        if key not in tensors:
            raise HafnetError(f"layer {name!r}: tensor {key!r} is missing")
    packed, integers = tensors[f"layer{index}.weights"], tensors[f"layer{index}.{kind}"]
    expected = (fan_out, (fan_in + 7) // 8)
    if packed.dtype != np.uint8 or packed.shape != expected:
        raise HafnetError(
            f"layer {name!r}: packed weights are {packed.dtype} {packed.shape}, but {fan_out} neurons of fan-in "
            f"{fan_in} need uint8 {expected}"
        )
    if fan_in % 8 and (packed[:, -1] >> (fan_in % 8)).any():
        raise HafnetError(
            f"layer {name!r}: a weight beyond fan-in {fan_in} is set, but the last byte must be filled with 0"
        )
    return bits.to_signs(bits.unpack_bytes(packed, fan_in)), integers


def dashed(shape: Sequence[int]) -> str:
    """A network's shape as people write it: 784-1024-1024-10."""
    return "-".join(map(str, shape))


def random_network(shape: Sequence[int], seed: int, levels: Sequence[int] = (1,)) -> Network:
    """A network of the given shape (input bits, fan-outs …) with random weights; thresholds cover 0 … fan-in + 1.

    For benchmarks and tests: the shape's first entry must be a multiple of the number of levels.
    """
    if len(shape) < 2 or shape[0] % len(levels):
        raise HafnetError(
            f"shape {tuple(shape)} needs two entries or more, the first a multiple of {len(levels)} levels"
        )
    random = np.random.default_rng(seed)
    weights = [
        bits.to_signs(random.integers(0, 2, (fan_out, fan_in), dtype=np.uint8))
        for fan_in, fan_out in itertools.pairwise(shape)
    ]
    hidden = []
    for index, matrix in enumerate(weights[:-1]):
        fan_out, fan_in = matrix.shape
        # Around half the fan-in a threshold decides something; the extremes are drawn for one neuron in eight.
        usual = np.clip(random.normal(fan_in / 2, fan_in**0.5 / 2, fan_out).round(), 0, fan_in + 1)
        extreme = random.choice([0, 1, fan_in, fan_in + 1], fan_out)
        thresholds = np.where(random.random(fan_out) < 1 / 8, extreme, usual).astype(np.int32)
        hidden.append(DenseLayer(f"hidden{index}", matrix, thresholds))
    classes, fan_in = weights[-1].shape
    reach = max(1, fan_in // 8)
    output = OutputLayer("output", weights[-1], random.integers(-reach, reach, classes, endpoint=True, dtype=np.int32))
    encoding = Thermometer(shape[0] // len(levels), tuple(levels))
    return Network(encoding, tuple(hidden), output, {"recipe": "random", "seed": seed})
