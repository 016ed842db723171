"""Bit-exact integer inference: the only authority on what the right answer is.

The count of a neuron is what its layer's sense amplifiers and adders give:

- binary weights: the popcount, the number of ones among XNOR(input, weight) = (dot product + fan-in) / 2;
- ternary weights: positives - negatives + fan-in = dot product + fan-in, where a cell is positive if its XNOR is +1,
  negative if it is -1, and neither if its weight is 0. (Each product, as a two-bit thermometer code, adds 0, 1 or 2.)

Where a layer sees its input in several presentations (bit planes, random bits, pixels to be averaged), the count is the
sum of each presentation's, times what the presentation counts. Two methods compute it, and a property test holds them
equal:

- `matmul`: one matrix product of weights and signed sums of the presentations; its sums are integers of at most the
  largest count, which float32 holds exactly up to 2^24 in whatever order a BLAS adds; wider layers are refused.
- `packed`: for each presentation XOR of 64-bit words and a population count, where the unused bits of the last word (0
  on both sides) never count.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from model import bits
from model.encoding import Codes
from model.errors import HafnetError
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    Int32,
    MaxPoolLayer,
    Network,
    OutputLayer,
    Signs,
)
from model.presentations import planes, stochastic_bits
from model.topology import BitInput, Input, PlaneInput, Presentations, StochasticInput
from model.windows import max_pool, windows

Method: TypeAlias = Literal["matmul", "packed"]

MATMUL_LIMIT = 2**24

# Samples at a time in `classify`: 512 to 2,048 measured alike on 2 cores, and on busy ones fewer products suffer less.
CHUNK = 2048
# A chunk of maps is smaller: as many samples as keep the windows of a layer near this many bits.
CHUNK_BITS = 2**26


@dataclass(frozen=True, eq=False)
class Trace:
    """Every intermediate of an inference, by layer name.

    Members: `inputs`, (samples, values) codes or bits as the encoding gives them; `counts`, int32, for every layer of
    neurons: (samples, fan_out), or (samples, rows, columns, channels) of a convolution; `bits`, likewise, the results of
    every hidden layer (of average pooling: its counts, int32); `scores`, (samples, classes) int32, the output layer's
    counts plus offsets; `classes`, (samples,) int64, the index of the highest score, the lowest on a tie.
    """

    inputs: Codes
    counts: Mapping[str, Int32]
    bits: Mapping[str, npt.NDArray[Any]]
    scores: Int32
    classes: npt.NDArray[np.int64]


def popcounts(weights: Signs, inputs: bits.Bits, *, method: Method = "matmul") -> Int32:
    """Counts of one presentation to binary or ternary weights: (fan_out, fan_in) of ±1 (or 0) and (samples, fan_in)
    bits to (samples, fan_out) int32. A matrix without a 0 is binary. Raises HafnetError as `counts` does.
    """
    return counts(weights, inputs[:, np.newaxis], Presentations(), ternary=bool((weights == 0).any()), method=method)


def counts(
    weights: Signs,
    presented: bits.Bits,
    presentations: Presentations = Presentations(),
    *,
    ternary: bool = False,
    method: Method = "matmul",
) -> Int32:
    """Counts of neurons: (fan_out, fan_in) weights and (samples, presentations, fan_in) bits to (samples, fan_out) int32.

    Raises HafnetError for an unknown method, and with `matmul` for a largest count of 2^24 or more.
    """
    if method == "matmul":
        if presented.shape[1] == 1:
            return signed_counts(weights, bits.to_signs(presented[:, 0]), 1, ternary)
        shares = np.array(presentations.weights, dtype=np.int32)
        sums = np.einsum("stn,t->sn", presented.astype(np.int32), shares) * 2 - presentations.total
        return signed_counts(weights, sums, presentations.total, ternary)
    if method == "packed":
        found = np.zeros((len(presented), len(weights)), dtype=np.int32)
        for index, share in enumerate(presentations.weights):
            found += share * _packed(weights, presented[:, index], ternary)
        return found
    raise HafnetError(f"method {method!r} is neither 'matmul' nor 'packed'")


def signed_counts(weights: Signs, sums: npt.NDArray[Any], total: int, ternary: bool) -> Int32:
    """Counts from (samples, fan_in) sums of presentations as signs, each in -total … total."""
    most = weights.shape[1] * total
    if most >= MATMUL_LIMIT:
        what = f"fan-in {most}" if total == 1 else f"fan-in times presentations {most}"
        raise HafnetError(f"{what} is not below 2^24, where float32 is exact: method 'packed' is needed")
    product = sums.astype(np.float32) @ weights.astype(np.float32).T
    found: Int32 = product.astype(np.int32)
    found += most
    if not ternary:
        found >>= 1
    return found


def _packed(weights: Signs, inputs: bits.Bits, ternary: bool) -> Int32:
    theirs = bits.pack_uint64(inputs)
    if ternary:
        # Positives are ones of the input under +1 and zeros under -1; negatives the other way round.
        plus, minus = bits.pack_uint64(weights > 0), bits.pack_uint64(weights < 0)
        found = np.full((len(inputs), len(weights)), weights.shape[1], dtype=np.int32)
        for word in range(plus.shape[1]):
            column = theirs[:, word, np.newaxis]
            found += np.bitwise_count(column & plus[:, word]).astype(np.int32)
            found += np.bitwise_count(~column & minus[:, word])
            found -= np.bitwise_count(column & minus[:, word])
            found -= np.bitwise_count(~column & plus[:, word])
        return found
    ours = bits.pack_uint64(bits.to_bits(weights))
    found = np.full((len(inputs), len(weights)), weights.shape[1], dtype=np.int32)
    for word in range(ours.shape[1]):
        found -= np.bitwise_count(theirs[:, word, np.newaxis] ^ ours[:, word])
    return found


def present(given: Input, words: npt.NDArray[Any], first: int) -> bits.Bits:
    """(words, values) codes or bits to the (words, presentations, values) bits that a layer sees of them.

    `first` is the number of words that came before. Raises HafnetError for random bits from an external source.
    """
    if isinstance(given, PlaneInput):
        return planes(words, given.depth, given.planes)
    if isinstance(given, StochasticInput):
        if given.external:
            raise HafnetError("random bits come from an external source, which no golden model can foresee")
        return stochastic_bits(words, given.depth, given.times, given.seed, draws=given.draws, first=first)
    return words[:, np.newaxis]


def fire(found: Int32, thresholds: Int32) -> bits.Bits:
    """(…, fan_out) counts and (fan_out,) thresholds to bits: 1 iff count >= threshold."""
    return (found >= thresholds).astype(np.uint8)


def infer(network: Network, values: npt.ArrayLike, *, method: Method = "matmul", first: int = 0) -> Trace:
    """Run (samples, values) integers through the network and keep every intermediate.

    `first` samples came before since reset: a generator of random bits runs on. Raises HafnetError where the values do not fit the encoding, and as `counts` does.
    """
    return _trace(network, network.encoding.encode(values), method, first)


def classify(network: Network, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The class of each sample, (samples, values) integers to (samples,), without room for all intermediates.

    The same computation as `infer`, in chunks of samples. Raises HafnetError as `infer` does.
    """
    inputs = network.encoding.encode(values)
    chunk = _chunk(network)
    starts = range(0, max(len(inputs), 1), chunk)
    return np.concatenate([_trace(network, inputs[start : start + chunk], "matmul", start).classes for start in starts])


def rank(scores: Int32, count: int) -> npt.NDArray[np.int64]:
    """(samples, classes) scores to (samples, count) classes, the highest score first, the lowest index on a tie."""
    return np.argsort(-scores.astype(np.int64), axis=1, kind="stable")[:, :count].astype(np.int64)


def _chunk(network: Network) -> int:
    widest = [layer.shape.positions * layer.fan_in for layer in network.layers if isinstance(layer, ConvolutionLayer)]
    return min([CHUNK, *(max(1, CHUNK_BITS // width) for width in widest)])


def _trace(network: Network, inputs: Codes, method: Method, first: int) -> Trace:
    """The intermediates of samples of which the first is number `first`."""
    found: dict[str, Int32] = {}
    fired: dict[str, npt.NDArray[Any]] = {}
    current: npt.NDArray[Any] = inputs
    pixels: npt.NDArray[Any] | None = None  # of a map whose average the next layer takes
    for index, layer in enumerate(network.layers):
        if isinstance(layer, MaxPoolLayer):
            maps = current.reshape(-1, *layer.source)
            current = fired[layer.name] = max_pool(maps, layer.kernel, layer.stride, layer.conjunctive)
            continue
        if isinstance(layer, AveragePoolLayer):
            pixels = current.reshape(len(current), -1, layer.source.channels)
            fired[layer.name] = pixels.sum(axis=1, dtype=np.int32)
            continue
        presentations = network.topology.presentations[index]
        given = network.topology.input if index == 0 else BitInput(0)
        if isinstance(layer, ConvolutionLayer):
            count = _convolution(layer, current, given, presentations, method, first)
        else:
            words = current.reshape(len(current), -1)
            presented = present(given, words, first) if pixels is None else pixels
            count = counts(layer.weights, presented, presentations, ternary=layer.ternary, method=method)
            pixels = None
        found[layer.name] = count
        if not isinstance(layer, OutputLayer):
            current = fired[layer.name] = fire(count, layer.thresholds)
    scores = found[network.output.name] + network.output.offsets
    return Trace(inputs, found, fired, scores, np.argmax(scores, axis=1).astype(np.int64))


def _convolution(
    layer: ConvolutionLayer,
    codes: npt.NDArray[Any],
    given: Input,
    presentations: Presentations,
    method: Method,
    first: int,
) -> Int32:
    """(samples, …) bits or codes to counts (samples, rows, columns, channels)."""
    shape = layer.shape
    maps = codes.reshape(-1, *layer.source)
    seen = windows(maps, shape.kernel, layer.stride, layer.padding, layer.fill)
    # Each window is presented by itself, so that no count has to be kept for a whole map.
    words = seen.reshape(-1, math.prod(shape.kernel) * layer.source.channels)
    presented = present(given, words, first * shape.positions)
    slices = presented.reshape(*presented.shape[:2], math.prod(shape.kernel), layer.groups, -1)
    parts = [
        counts(
            weights.reshape(len(weights), -1),
            slices[:, :, :, group].reshape(*presented.shape[:2], -1),
            presentations,
            ternary=layer.ternary,
            method=method,
        )
        for group, weights in enumerate(np.split(layer.weights, layer.groups))
    ]
    size = shape.result
    return np.concatenate(parts, axis=1).reshape(-1, size.height, size.width, size.channels)
