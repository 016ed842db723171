"""The file of a network: one `.safetensors` with bit-packed weights.

Tensors of layer N: `layerN.weights`, uint8, (fan_out, ceil(fan_in / 8)), bit 1 = +1, bit 0 of byte 0 = input 0, and for
ternary layers `layerN.nonzero`, likewise, where a 0 says that the weight is 0 (its bit in `layerN.weights` is then 0);
`layerN.thresholds` or `layerN.offsets`, int32; `layerN.conjunctive`, uint8, one 0 or 1 a channel of max-pooling. One
metadata entry `hafnet`, a JSON text: the encoding, the layers' kinds and shapes, the origin, and what `model.tensors`
adds, the format's version (3; 2 had no digest) and the digest. There are no other members and tensors.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from model import bits
from model.encoding import Encoding, FixedPoint, Stochastic, Thermometer
from model.errors import HafnetError, listed, short
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    DenseLayer,
    HiddenLayer,
    MaxPoolLayer,
    Network,
    Origin,
    OutputLayer,
    Signs,
    WeightedLayer,
)
from model.readers import first_error
from model.tensors import Form, Tensors, read_tensors, write_tensors
from model.tensors import digest as digest_of
from model.topology import (
    MOST_LAYERS,
    AveragePool,
    Convolution,
    Dense,
    LayerShape,
    MaxPool,
    Topology,
    too_many_layers,
)

VERSION = 3
FORM = Form("network", "hafnet", ("encoding", "layers", "origin"), VERSION, undigested=2)

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

# Made once: a file may have thousands of layers.
_ADAPTERS: Mapping[type[Any], "TypeAdapter[Any]"] = {
    kind: TypeAdapter(kind) for kind in (*KINDS.values(), *ENCODINGS.values())
}


def describe(kinds: Mapping[str, type[Any]], value: Any) -> dict[str, Any]:
    """A dataclass as plain values for JSON, with its kind."""
    kind = next(name for name, of in kinds.items() if type(value) is of)
    plain: dict[str, Any] = _ADAPTERS[type(value)].dump_python(value, mode="json")
    return {"kind": kind, **plain}


def understand(kinds: Mapping[str, type[Any]], plain: Mapping[str, Any], what: str) -> Any:
    """The inverse. Raises HafnetError for an unknown kind, and members that are unknown, missing or of a wrong type."""
    given = dict(plain)
    kind = given.pop("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise HafnetError(f"{what}: kind {short(kind)} is not one of {listed(kinds)}")
    known = [member.name for member in dataclasses.fields(kinds[kind])]
    if unknown := set(given) - set(known):
        raise HafnetError(f"{what}: member {short(min(unknown))} is not known, only {', '.join(known)}")
    try:
        return _ADAPTERS[kinds[kind]].validate_python(given)
    except ValidationError as error:
        where, rule, value = first_error(error)
        broken = "is missing" if rule == "missing" else f"is {short(value)} ({rule})"
        raise HafnetError(f"{what}: {where or kind} {broken}") from None


def describe_layers(network: Network) -> list[dict[str, Any]]:
    """Name, kind and shape of every layer as plain values for JSON."""
    return [{"name": layer.name, **describe(KINDS, layer.shape)} for layer in network.layers]


def understand_layers(encoding: Encoding, plain: Iterable[Mapping[str, Any]]) -> Topology:
    """The topology that `describe_layers` described. Raises HafnetError where it is none, KeyError without a name."""
    names: list[str] = []
    shapes: list[LayerShape] = []
    for each in plain:
        if len(names) == MOST_LAYERS:
            raise too_many_layers()
        names.append(str(each["name"]))
        members = {key: value for key, value in each.items() if key != "name"}
        shapes.append(understand(KINDS, members, f"layer {short(names[-1])}"))
    return Topology(encoding.input, tuple(shapes), tuple(names))


def digest(network: Network) -> str:
    """The SHA-256 of what a network is, whatever its origin: equal networks have equal ones."""
    return digest_of(_described(network), _tensors(network))


def save(network: Network, path: Path | str) -> None:
    """Write the network to `path`, whole or not at all. The same network gives the same bytes."""
    write_tensors(path, FORM, {**_described(network), "origin": dict(network.origin)}, _tensors(network))


def _described(network: Network) -> dict[str, Any]:
    return {"encoding": describe(ENCODINGS, network.encoding), "layers": describe_layers(network)}


def _tensors(network: Network) -> dict[str, npt.NDArray[Any]]:
    tensors: dict[str, npt.NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        for name, array in layer.arrays.items():
            tensors[f"layer{index}.{name}"] = np.array(array)
        if isinstance(layer, WeightedLayer):
            tensors[f"layer{index}.weights"] = bits.pack_bytes(layer.matrix > 0)
            if layer.shape.ternary:
                tensors[f"layer{index}.nonzero"] = bits.pack_bytes(layer.matrix != 0)
    return tensors


def load(path: Path | str) -> Network:
    """Read a network. Raises HafnetError for a missing, truncated, changed, newer or inconsistent file."""
    header, tensors = read_tensors(path, FORM)
    try:
        return _from_parts(header, tensors)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None


def _from_parts(header: Mapping[str, Any], tensors: Tensors) -> Network:
    try:
        encoding = understand(ENCODINGS, header["encoding"], "encoding")
        topology = understand_layers(encoding, header["layers"])
        origin = dict(header["origin"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HafnetError(f"metadata entry 'hafnet' is damaged ({type(error).__name__}: {error})") from None
    left = dict(tensors)
    contents = [_contents(left, index, topology) for index in range(len(topology.layers))]
    if left:
        raise HafnetError(f"tensor {short(min(left))} belongs to nothing in the network")
    return assemble(encoding, topology, contents, origin)


def _contents(tensors: dict[str, npt.NDArray[Any]], index: int, topology: Topology) -> Tensors:
    """One layer's arrays by their names, taken out of the tensors."""
    name, shape = topology.names[index], topology.layers[index]

    def read(kind: str) -> npt.NDArray[Any]:
        key = f"layer{index}.{kind}"
        if key not in tensors:
            raise HafnetError(f"layer {name!r}: tensor {key!r} is missing")
        return tensors.pop(key)

    if isinstance(shape, AveragePool):
        return {}
    if isinstance(shape, MaxPool):
        return {"conjunctive": read("conjunctive")}
    weights = 2 * _unpacked(name, read("weights"), shape).astype(np.int8) - 1
    if shape.ternary:
        nonzero = _unpacked(name, read("nonzero"), shape).astype(np.int8)
        both = np.argwhere((weights == 1) & (nonzero == 0))
        if len(both):
            neuron, source = both[0].tolist()
            raise HafnetError(f"layer {name!r}: weight of neuron {neuron}, input {source} is both +1 and 0")
        weights *= nonzero
    kind = "offsets" if index == len(topology.layers) - 1 else "thresholds"
    return {"weights": weights, kind: read(kind)}


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


def assemble(encoding: Encoding, topology: Topology, contents: Sequence[Tensors], origin: Origin) -> Network:
    """The network of a topology and of each layer's arrays by their names; weights are (fan_out, fan_in).

    Raises HafnetError where an array breaks a rule of its layer.
    """
    *hidden, last = zip(topology.names, topology.layers, contents, strict=True)
    name, shape, arrays = last
    assert isinstance(shape, Dense)  # a rule of every topology
    output = OutputLayer(name, arrays["weights"], arrays["offsets"], shape.ternary)
    return Network(encoding, tuple(_hidden_layer(*each) for each in hidden), output, origin)


def _hidden_layer(name: str, shape: LayerShape, arrays: Tensors) -> HiddenLayer:
    if isinstance(shape, Dense):
        return DenseLayer(name, arrays["weights"], arrays["thresholds"], shape.ternary)
    if isinstance(shape, Convolution):
        weights: Signs = arrays["weights"].reshape(shape.channels, *shape.kernel, -1)
        rest = (shape.source, shape.stride, shape.padding, shape.fill, shape.groups, shape.ternary)
        return ConvolutionLayer(name, weights, arrays["thresholds"], *rest, order="OHWI")
    if isinstance(shape, MaxPool):
        return MaxPoolLayer(name, shape.source, shape.kernel, shape.stride, arrays["conjunctive"])
    return AveragePoolLayer(name, shape.source)
