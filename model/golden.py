"""Bit-exact integer inference: the only authority on what the right answer is.

The count of a neuron is what its layer's sense amplifiers and adders give:

- binary weights: the popcount, the number of ones among XNOR(input, weight) = (dot product + fan-in) / 2;
- ternary weights: positives - negatives + fan-in = dot product + fan-in, where a cell is positive if its XNOR is +1,
  negative if it is -1, and neither if its weight is 0. (Each product, as a two-bit thermometer code, adds 0, 1 or 2.)

Where a layer sees its input in several presentations (bit planes, random bits, pixels to be averaged), the count is the
sum of each presentation's, times what the presentation counts. Two methods compute it, and a property test holds them
equal:

- `matmul`: one matrix product of the weights and the sums of the presentations. All sums on the way are integers of at
  most fan-in times the presentations' total, which float32 holds exactly below 2^24 in whatever order a BLAS adds;
  from there on float64 is used, which holds all that a topology allows.
- `packed`: for each presentation XOR of 64-bit words and a population count, where the unused bits of the last word (0
  on both sides) never count.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from model import bits
from model.encoding import Codes
from model.errors import HafnetError, short
from model.faulty import FaultyArrays
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    HiddenLayer,
    Int32,
    MaxPoolLayer,
    Network,
    OutputLayer,
    Signs,
    WeightedLayer,
)
from model.presentations import bernoulli, planes, steps, stochastic_bits
from model.topology import BitInput, Input, PlaneInput, Presentations, StochasticInput
from model.windows import max_pool, windows

Entropy: TypeAlias = Callable[[int, int], npt.NDArray[np.uint16]]
"""What comes from true random sources outside: the first row and the number of rows of random numbers, to (rows, draws)
numbers; a row is what the encoder draws in a cycle, see `model.presentations.bernoulli`."""

Method: TypeAlias = Literal["matmul", "packed"]

FLOAT32_LIMIT = 2**24
"""Integers below it, and their sums, are exact in float32."""

ONCE = Presentations()

CHUNK = 2048
"""Samples at a time in `classify`: 512 to 2,048 measured alike on 2 cores; on busy ones fewer products suffer less."""
CHUNK_BITS = 2**25
"""Bits that a layer sees, or counts that it makes, at a time: as many samples as have no more, but at least one."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Every intermediate of an inference, by layer name.

    Members: `inputs`, (samples, values) codes or bits as the encoding gives them; `counts`, int32, for every layer of
    neurons: (samples, fan_out), or (samples, rows, columns, channels) of a convolution; `bits`, uint8, of every hidden
    layer: of neurons likewise, of max-pooling (samples, rows, columns, channels), and of average pooling (samples,
    channels) int32, the number of ones; `scores`, (samples, classes) int32, the output layer's counts plus offsets;
    `classes`, (samples,) int64, the index of the highest score, the lowest on a tie.
    """

    inputs: Codes
    counts: Mapping[str, Int32]
    bits: Mapping[str, npt.NDArray[Any]]
    scores: Int32
    classes: npt.NDArray[np.int64]


def popcounts(weights: Signs, inputs: bits.Bits, *, method: Method = "matmul") -> Int32:
    """Popcounts of binary weights: (fan_out, fan_in) of ±1 and (samples, fan_in) bits to (samples, fan_out) int32.

    Raises HafnetError for an unknown method.
    """
    return counts(weights, inputs[:, np.newaxis], method=method)


def counts(
    weights: Signs,
    presented: bits.Bits,
    presentations: Presentations = ONCE,
    *,
    ternary: bool = False,
    method: Method = "matmul",
) -> Int32:
    """Counts of neurons: (fan_out, fan_in) weights, (samples, presentations, fan_in) bits to (samples, fan_out) int32.

    Raises HafnetError for an unknown method.
    """
    if method == "matmul":
        if presented.shape[1] == 1:
            return _product(weights, presented[:, 0], 1, ternary)
        shares = np.array(presentations.weights, dtype=np.int32)
        sums = np.einsum("stn,t->sn", presented, shares, dtype=np.int32)
        return _product(weights, sums, presentations.total, ternary)
    if method == "packed":
        found = np.zeros((len(presented), len(weights)), dtype=np.int32)
        for index, share in enumerate(presentations.weights):
            found += share * _packed(weights, presented[:, index], ternary)
        return found
    raise HafnetError(f"method {short(method)} is neither 'matmul' nor 'packed'")


def _product(weights: Signs, sums: npt.NDArray[Any], total: int, ternary: bool) -> Int32:
    """Counts from (samples, fan_in) sums of presentations, each in 0 … total.

    With sums s, the dot product of signs is w · (2s - total), so the count is w · s + total (fan-in - sum(w)) / 2, an
    integer because ±1 weights and fan-in are even or odd alike; of ternary weights it is twice as much.
    """
    fan_in = weights.shape[1]
    exact: type[np.floating[Any]] = np.float32 if fan_in * total < FLOAT32_LIMIT else np.float64
    product = sums.astype(exact) @ weights.astype(exact).T
    found: Int32 = product.astype(np.int32)
    twice = total * (fan_in - weights.sum(axis=1, dtype=np.int32))
    if ternary:
        found *= 2
        found += twice
    else:
        found += twice // 2
    return found


def _packed(weights: Signs, inputs: bits.Bits, ternary: bool) -> Int32:
    theirs = bits.pack_uint64(inputs)
    if ternary:
        # Positives are ones of the input under +1 and zeros under -1; negatives the other way round.
        plus, minus = bits.pack_uint64(weights > 0), bits.pack_uint64(weights < 0)
        found = np.full((len(inputs), len(weights)), weights.shape[1], dtype=np.int32)
        for word in range(plus.shape[1]):
            column = theirs[:, word, np.newaxis]
            found += np.bitwise_count(column & plus[:, word])
            found += np.bitwise_count(~column & minus[:, word])
            found -= np.bitwise_count(column & minus[:, word])
            found -= np.bitwise_count(~column & plus[:, word])
        return found
    ours = bits.pack_uint64(bits.to_bits(weights))
    found = np.full((len(inputs), len(weights)), weights.shape[1], dtype=np.int32)
    for word in range(ours.shape[1]):
        found -= np.bitwise_count(theirs[:, word, np.newaxis] ^ ours[:, word])
    return found


def present(given: Input, words: npt.NDArray[Any], first: int, entropy: Entropy | None = None) -> bits.Bits:
    """(words, values) codes or bits to the (words, presentations, values) bits that a layer sees of them.

    `first` is the number of words that came before. Raises HafnetError for random bits from an external source without
    `entropy`.
    """
    if isinstance(given, PlaneInput):
        return planes(words, given.depth, given.planes)
    if isinstance(given, StochasticInput):
        if given.external:
            if entropy is None:
                raise HafnetError("random bits come from an external source, which no golden model can foresee")
            each = given.times * steps(words.shape[1], given.draws)
            return bernoulli(words, given.depth, given.times, entropy(first * each, len(words) * each))
        return stochastic_bits(words, given.depth, given.times, given.seed, draws=given.draws, first=first)
    return words[:, np.newaxis]


def fire(found: Int32, thresholds: Int32) -> bits.Bits:
    """(…, fan_out) counts and (fan_out,) thresholds to bits: 1 iff count >= threshold."""
    return (found >= thresholds).astype(np.uint8)


def infer(
    network: Network,
    values: npt.ArrayLike,
    *,
    method: Method = "matmul",
    first: int = 0,
    entropy: Entropy | None = None,
    faults: FaultyArrays | None = None,
) -> Trace:
    """Run (samples, values) integers through the network and keep every intermediate.

    `first` samples came before since reset: a generator of random bits runs on. `faults` are the network's arrays,
    where they have any. Raises HafnetError where the values do not fit the encoding, for random bits from outside
    without `entropy`, for an unknown method, and where `faults` are of another network.
    """
    return _trace(network, network.encoding.encode(values), _how(network, method, entropy, faults), first)


def classify(network: Network, values: npt.ArrayLike, *, faults: FaultyArrays | None = None) -> npt.NDArray[np.int64]:
    """The class of each sample, (samples, values) integers to (samples,), without room for all intermediates.

    The same computation as `infer`, in chunks of samples. Raises HafnetError as `infer` does.
    """
    inputs = network.encoding.encode(values)
    each = sum(layer.shape.positions * layer.fan_out for layer in network.layers if isinstance(layer, WeightedLayer))
    chunk = min(CHUNK, max(1, CHUNK_BITS // each))
    starts, how = range(0, max(len(inputs), 1), chunk), _how(network, faults=faults)
    return np.concatenate([_trace(network, inputs[start : start + chunk], how, start).classes for start in starts])


def rank(scores: Int32, count: int) -> npt.NDArray[np.int64]:
    """(samples, classes) scores to (samples, count) classes, the highest score first, the lowest index on a tie."""
    return np.argsort(-scores.astype(np.int64), axis=1, kind="stable")[:, :count].astype(np.int64)


@dataclass(frozen=True)
class _How:
    """How an inference is done: `layers` are the network's, as its arrays read them."""

    layers: tuple[HiddenLayer | OutputLayer, ...]
    method: Method
    entropy: Entropy | None
    faults: FaultyArrays | None


def _how(
    network: Network,
    method: Method = "matmul",
    entropy: Entropy | None = None,
    faults: FaultyArrays | None = None,
) -> _How:
    if faults is not None and faults.network != network:
        raise HafnetError(f"the faulty arrays hold another network, of topology {faults.network.topology}")
    return _How(network.layers if faults is None else faults.layers, method, entropy, faults)


def _trace(network: Network, inputs: Codes, how: _How, first: int) -> Trace:
    """The intermediates of samples of which the first is number `first` since reset."""
    found: dict[str, Int32] = {}
    fired: dict[str, npt.NDArray[Any]] = {}
    current: npt.NDArray[Any] = inputs
    for index, layer in enumerate(how.layers):
        if isinstance(layer, MaxPoolLayer):
            maps = current.reshape(-1, *layer.source)
            current = fired[layer.name] = max_pool(maps, layer.kernel, layer.stride, layer.conjunctive)
        elif isinstance(layer, AveragePoolLayer):
            # The dense layer behind it sees the pixels one after the other.
            source = layer.source
            current = current.reshape(-1, source.height * source.width, source.channels)
            fired[layer.name] = current.sum(axis=1, dtype=np.int32)
        else:
            assert isinstance(layer, WeightedLayer)
            count = found[layer.name] = _layer(network, index, current, how, first)
            if not isinstance(layer, OutputLayer):
                current = fired[layer.name] = fire(count, layer.integers)
    output = how.layers[-1]
    assert isinstance(output, OutputLayer)
    scores = found[output.name] + output.offsets
    return Trace(inputs, found, fired, scores, np.argmax(scores, axis=1).astype(np.int64))


def _layer(network: Network, index: int, seen: npt.NDArray[Any], how: _How, first: int) -> Int32:
    """Counts of a layer of neurons from what the layer before gave, in as many parts as memory asks for."""
    layer, presentations = how.layers[index], network.topology.presentations[index]
    assert isinstance(layer, WeightedLayer)
    given = network.topology.input if index == 0 else BitInput(layer.shape.inputs)
    pooled = index > 0 and isinstance(network.layers[index - 1], AveragePoolLayer)

    def part(start: int, some: npt.NDArray[Any]) -> Int32:
        if isinstance(layer, ConvolutionLayer):
            return _convolution(layer, index, some, given, presentations, how, start)
        presented = some if pooled else present(given, some.reshape(len(some), layer.fan_in), start, how.entropy)
        found = counts(layer.weights, presented, presentations, ternary=layer.shape.ternary, method=how.method)
        if how.faults is not None:
            found += how.faults.errors(index, presented, presentations.weights, start, slice(0, layer.fan_out))
        return found

    groups = layer.groups if isinstance(layer, ConvolutionLayer) else 1
    each = layer.shape.positions * max(layer.fan_in * groups * presentations.count, layer.fan_out)
    size = max(1, CHUNK_BITS // each)
    if len(seen) <= size:
        return part(first, seen)
    result = layer.shape.result if isinstance(layer, ConvolutionLayer) else (layer.fan_out,)
    found = np.empty((len(seen), *result), dtype=np.int32)
    for start in range(0, len(seen), size):
        found[start : start + size] = part(first + start, seen[start : start + size])
    return found


def _convolution(
    layer: ConvolutionLayer,
    index: int,
    codes: npt.NDArray[Any],
    given: Input,
    presentations: Presentations,
    how: _How,
    first: int,
) -> Int32:
    """(samples, …) bits or codes to counts (samples, rows, columns, channels)."""
    shape = layer.shape
    pixels = math.prod(shape.kernel)
    seen = windows(codes.reshape(-1, *layer.source), shape.kernel, layer.stride, layer.padding, layer.fill)
    # Each window is presented by itself, so that no count has to be kept for a whole map.
    words = seen.reshape(-1, pixels * layer.source.channels)
    presented = present(given, words, first * shape.positions, how.entropy)
    slices = presented.reshape(*presented.shape[:2], pixels, layer.groups, layer.source.channels // layer.groups)
    parts, neurons = [], layer.fan_out // layer.groups
    for group, weights in enumerate(np.split(layer.weights, layer.groups)):
        part = slices[:, :, :, group].reshape(*presented.shape[:2], layer.fan_in)
        matrix = weights.reshape(neurons, layer.fan_in)
        found = counts(matrix, part, presentations, ternary=layer.ternary, method=how.method)
        if how.faults is not None:
            there = slice(group * neurons, (group + 1) * neurons)
            found += how.faults.errors(index, part, presentations.weights, first * shape.positions, there)
        parts.append(found)
    return np.concatenate(parts, axis=1).reshape(-1, *shape.result)
