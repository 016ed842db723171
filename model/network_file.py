"""The file of a network: one `.safetensors` with bit-packed weights.

Tensors of layer N: `layerN.weights`, uint8, (fan_out, ceil(fan_in / 8)), bit 1 = +1, bit 0 of byte 0 = input 0, and for
ternary layers `layerN.nonzero`, likewise, bit 0 = weight 0 (its bit in `layerN.weights` is then 0); `layerN.thresholds`
or `layerN.offsets`, int32; `layerN.conjunctive`, uint8 bits of a max-pooling layer's channels. One metadata entry
`hafnet`, a JSON text with the format's version, the encoding, the layers with their kinds and shapes, and the origin.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from safetensors.numpy import save as save_tensors

from model import bits
from model.encoding import Encoding, FixedPoint, Stochastic, Thermometer, integer
from model.errors import HafnetError
from model.files import read_tensors, write_whole
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    DenseLayer,
    HiddenLayer,
    MaxPoolLayer,
    Network,
    OutputLayer,
    Signs,
    WeightedLayer,
)
from model.topology import AveragePool, Convolution, Dense, LayerShape, MaxPool

VERSION = 1

KINDS: Mapping[str, type[LayerShape]] = {
    "dense": Dense,
    "convolution": Convolution,
    "max_pool": MaxPool,
    "average_pool": AveragePool,
}
ENCODINGS: Mapping[str, type[Encoding]] = {
    "thermometer": Thermometer,
    "fixed_point": FixedPoint,
    "stochastic": Stochastic,
}

Tensors = Mapping[str, npt.NDArray[Any]]


def describe(kinds: Mapping[str, type[Any]], value: Any) -> dict[str, Any]:
    """A dataclass as plain values for JSON, with its kind."""
    kind = next(name for name, of in kinds.items() if type(value) is of)
    plain: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return {"kind": kind, **plain}


def understand(kinds: Mapping[str, type[Any]], plain: Mapping[str, Any], what: str) -> Any:
    """The inverse. Raises HafnetError for an unknown kind, or members that are missing or of a wrong type."""
    given = dict(plain)
    kind = given.pop("kind")
    if kind not in kinds:
        raise HafnetError(f"{what}: kind {kind!r} is not one of {', '.join(kinds)}")
    try:
        return TypeAdapter(kinds[kind]).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or kind
        raise HafnetError(f"{what}: {where} is {first['input']!r} ({first['msg']})") from None


def save(network: Network, path: Path | str) -> None:
    """Write the network to `path`, whole or not at all. The same network gives the same bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        for name, array in layer.arrays.items():
            if name != "weights":
                tensors[f"layer{index}.{name}"] = np.array(array)
        if isinstance(layer, WeightedLayer):
            tensors[f"layer{index}.weights"] = bits.pack_bytes(layer.matrix > 0)
            if layer.shape.ternary:  # type: ignore[union-attr]  # weighted shapes have it
                tensors[f"layer{index}.nonzero"] = bits.pack_bytes(layer.matrix != 0)
    header = {
        "version": VERSION,
        "encoding": describe(ENCODINGS, network.encoding),
        "layers": [{"name": layer.name, **describe(KINDS, layer.shape)} for layer in network.layers],
        "origin": dict(network.origin),
    }
    # One metadata entry: the order of several is not fixed by the library.
    write_whole(path, save_tensors(tensors, metadata={"hafnet": json.dumps(header, sort_keys=True)}))


def load(path: Path | str) -> Network:
    """Read a network. Raises HafnetError for a missing, truncated, newer or inconsistent file."""
    tensors, metadata = read_tensors(path)
    try:
        return _from_parts(metadata, tensors)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None


def _from_parts(metadata: Mapping[str, str], tensors: Tensors) -> Network:
    if "hafnet" not in metadata:
        raise HafnetError("a .safetensors file, but not a network (metadata entry 'hafnet' is missing)")
    try:
        header = json.loads(metadata["hafnet"])
        version = integer("format version", header["version"])
        if version > VERSION:
            raise HafnetError(f"format version {version} is newer than {VERSION}, the newest known here")
        if version < 1:
            raise HafnetError(f"format version {version} never was")
        encoding = understand(ENCODINGS, header["encoding"], "encoding")
        described = []
        for each in header["layers"]:
            name = str(each["name"])
            plain = {key: value for key, value in each.items() if key != "name"}
            described.append((name, understand(KINDS, plain, f"layer {name!r}")))
        origin = dict(header["origin"])
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise HafnetError(f"metadata entry 'hafnet' is damaged ({type(error).__name__}: {error})") from None
    if not described:
        raise HafnetError("the file describes no layer, but at least an output layer is needed")
    hidden = tuple(
        hidden_layer(name, shape, _contents(tensors, index, name)) for index, (name, shape) in enumerate(described[:-1])
    )
    name, shape = described[-1]
    output = output_layer(name, shape, _contents(tensors, len(hidden), name))
    return Network(encoding, hidden, output, origin)


def _contents(tensors: Tensors, index: int, name: str) -> Any:
    """A reader of one layer's arrays."""

    def read(kind: str, shape: LayerShape) -> npt.NDArray[Any]:
        key = f"layer{index}.{kind}"
        if key not in tensors:
            raise HafnetError(f"layer {name!r}: tensor {key!r} is missing")
        if kind != "weights":
            return tensors[key]
        assert isinstance(shape, Dense | Convolution)
        positive = _unpacked(name, tensors[key], shape)
        if not shape.ternary:
            return bits.to_signs(positive)
        nonzero = _unpacked(name, read("nonzero", shape), shape)
        return (2 * positive.astype(np.int8) - 1) * nonzero.astype(np.int8)

    return read


def _unpacked(name: str, packed: npt.NDArray[Any], shape: Dense | Convolution) -> bits.Bits:
    expected = (shape.fan_out, (shape.fan_in + 7) // 8)
    if packed.dtype != np.uint8 or packed.shape != expected:
        raise HafnetError(
            f"layer {name!r}: packed weights are {packed.dtype} {packed.shape}, but {shape.fan_out} neurons of fan-in "
            f"{shape.fan_in} need uint8 {expected}"
        )
    if shape.fan_in % 8 and (packed[:, -1] >> (shape.fan_in % 8)).any():
        raise HafnetError(
            f"layer {name!r}: a weight beyond fan-in {shape.fan_in} is set, but the last byte must be filled with 0"
        )
    return bits.unpack_bytes(packed, shape.fan_in)


def hidden_layer(name: str, shape: LayerShape, contents: Any) -> HiddenLayer:
    """The hidden layer of this shape; `contents(kind, shape)` gives its weights as a (fan_out, fan_in) matrix,
    thresholds or modes.
    """
    if isinstance(shape, Dense):
        return DenseLayer(name, contents("weights", shape), contents("thresholds", shape), shape.ternary)
    if isinstance(shape, Convolution):
        weights: Signs = contents("weights", shape).reshape(shape.channels, *shape.kernel, -1)
        rest = (shape.source, shape.stride, shape.padding, shape.fill, shape.groups, shape.ternary)
        return ConvolutionLayer(name, weights, contents("thresholds", shape), *rest)
    if isinstance(shape, MaxPool):
        return MaxPoolLayer(name, shape.source, shape.kernel, shape.stride, contents("conjunctive", shape))
    return AveragePoolLayer(name, shape.source)


def output_layer(name: str, shape: LayerShape, contents: Any) -> OutputLayer:
    """The output layer of this shape, as `hidden_layer`. Raises HafnetError where the shape is no dense layer's."""
    if not isinstance(shape, Dense):
        raise HafnetError(f"layer {name!r} is the last one, but only a dense layer can be the output layer")
    return OutputLayer(name, contents("weights", shape), contents("offsets", shape), shape.ternary)
