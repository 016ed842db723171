"""Networks with random weights, for benchmarks and tests."""

import math
from collections.abc import Sequence

import numpy as np

from model import bits
from model.encoding import Encoding, FixedPoint, Stochastic, Thermometer
from model.errors import HafnetError
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    DenseLayer,
    HiddenLayer,
    Int32,
    MaxPoolLayer,
    Network,
    OutputLayer,
    Signs,
)
from model.topology import (
    AveragePool,
    BitInput,
    Dense,
    Input,
    MaxPool,
    PlaneInput,
    Topology,
    Weighted,
)


def random_network(shape: Topology | str | Sequence[int], seed: int, levels: Sequence[int] = (1,)) -> Network:
    """A network of the given topology (or its text, or input bits and fan-outs of dense layers) with random weights.

    Thresholds cover 0 … top + 1. Bits of the input are a thermometer's with `levels`, whose number must divide them.
    Raises HafnetError where it does not, and for an impossible shape.
    """
    if isinstance(shape, str):
        topology = Topology.parse(shape)
    else:
        topology = shape if isinstance(shape, Topology) else Topology.dense(shape)
    random = np.random.default_rng(seed)
    hidden: list[HiddenLayer] = []
    for index, layer in enumerate(topology.layers[:-1]):
        name = f"hidden{index}"
        if isinstance(layer, AveragePool):
            hidden.append(AveragePoolLayer(name, layer.source))
        elif isinstance(layer, MaxPool):
            modes = random.integers(0, 2, layer.source.channels, dtype=np.uint8)
            hidden.append(MaxPoolLayer(name, layer.source, layer.kernel, layer.stride, modes))
        else:
            weights = _weights(random, layer)
            thresholds = _thresholds(random, topology, index)
            if isinstance(layer, Dense):
                hidden.append(DenseLayer(name, weights, thresholds, layer.ternary))
            else:
                weights = weights.reshape(layer.channels, *layer.kernel, -1)
                rest = (layer.source, layer.stride, layer.padding, layer.fill, layer.groups, layer.ternary)
                hidden.append(ConvolutionLayer(name, weights, thresholds, *rest, order="OHWI"))
    last = topology.output
    weights = _weights(random, last)
    reach = max(1, round(_spread(topology, len(topology.layers) - 1)))
    # As far as counts spread: with larger ones the same class would win every time.
    offsets = random.integers(-reach, reach, last.fan_out, endpoint=True, dtype=np.int32)
    output = OutputLayer("output", weights, offsets, last.ternary)
    return Network(_encoding(topology.input, levels), tuple(hidden), output, {"recipe": "random", "seed": seed})


def _weights(random: np.random.Generator, layer: Weighted) -> Signs:
    shape = (layer.fan_out, layer.fan_in)
    if layer.ternary:
        return random.integers(-1, 1, shape, endpoint=True, dtype=np.int8)
    return bits.to_signs(random.integers(0, 2, shape, dtype=np.uint8))


def _spread(topology: Topology, index: int) -> float:
    """About the standard deviation of a layer's counts."""
    layer = topology.layers[index]
    assert isinstance(layer, Weighted)
    return topology.top(index) / math.sqrt(layer.fan_in) / 2


def _thresholds(random: np.random.Generator, topology: Topology, index: int) -> Int32:
    layer, top = topology.layers[index], topology.top(index)
    assert isinstance(layer, Weighted)
    # Around half the largest count a threshold decides something; the extremes are drawn for one neuron in eight.
    usual = np.clip(random.normal(top / 2, _spread(topology, index), layer.fan_out).round(), 0, top + 1)
    extreme = random.choice([0, 1, top, top + 1], layer.fan_out)
    thresholds: Int32 = np.where(random.random(layer.fan_out) < 1 / 8, extreme, usual).astype(np.int32)
    return thresholds


def _encoding(given: Input, levels: Sequence[int]) -> Encoding:
    if isinstance(given, BitInput):
        if levels and given.width % len(levels):
            raise HafnetError(f"{given.width} input bits are no multiple of {len(levels)} levels")
        return Thermometer(given.width // max(1, len(levels)), tuple(levels))
    if isinstance(given, PlaneInput):
        return FixedPoint(given.width, given.depth, 0, given.planes)
    return Stochastic(given.width, given.depth, 0, given.times, given.draws, given.seed, given.external)
