"""Bit-exact integer inference: the only authority on what the right answer is.

The popcount of a neuron is the number of ones among XNOR(input, weight). Two methods compute it, and a property test
holds them equal:

- `matmul`: the float32 matrix product of ±1 values, where popcount = (product + fan-in) / 2. Every partial sum is an
  integer of at most fan-in, and float32 holds all integers up to 2^24, so the product is exact in whatever order a
  BLAS adds; wider layers are refused.
- `packed`: XOR of 64-bit words and a population count, where popcount = fan-in - differing bits, so that the unused
  bits of the last word (0 on both sides) never count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from model import bits
from model.errors import HafnetError
from model.network import DenseLayer, Int32, Network, Signs

Method: TypeAlias = Literal["matmul", "packed"]

MATMUL_LIMIT = 2**24

# Samples at a time in `classify`: 512 to 2,048 measured alike on 2 cores, and on busy ones fewer products suffer less.
CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Trace:
    """Every intermediate of an inference, by layer name.

    Members: `inputs`, (samples, width) bits of the encoded input word; `popcounts`, (samples, fan_out) int32 for every
    layer; `bits`, (samples, fan_out) bits for every hidden layer; `scores`, (samples, classes) int32, the output
    layer's popcounts plus offsets; `classes`, (samples,) int64, the index of the highest score, the lowest on a tie.
    """

    inputs: bits.Bits
    popcounts: Mapping[str, Int32]
    bits: Mapping[str, bits.Bits]
    scores: Int32
    classes: npt.NDArray[np.int64]


def popcounts(weights: Signs, inputs: bits.Bits, *, method: Method = "matmul") -> Int32:
    """Popcounts of a layer: (fan_out, fan_in) of ±1 and (samples, fan_in) bits to (samples, fan_out) int32.

    Raises HafnetError for an unknown method, and for a fan-in of 2^24 or more with `matmul`.
    """
    fan_in = weights.shape[1]
    if method == "matmul":
        if fan_in >= MATMUL_LIMIT:
            raise HafnetError(f"fan-in {fan_in} is not below 2^24, where float32 is exact: method 'packed' is needed")
        product = bits.to_signs(inputs).astype(np.float32) @ weights.astype(np.float32).T
        counts: Int32 = product.astype(np.int32)
        counts += fan_in
        counts >>= 1
        return counts
    if method == "packed":
        theirs, ours = bits.pack_uint64(inputs), bits.pack_uint64(bits.to_bits(weights))
        counts = np.full((len(inputs), len(weights)), fan_in, dtype=np.int32)
        for word in range(ours.shape[1]):
            counts -= np.bitwise_count(theirs[:, word, np.newaxis] ^ ours[:, word])
        return counts
    raise HafnetError(f"method {method!r} is neither 'matmul' nor 'packed'")


def fire(counts: Int32, thresholds: Int32) -> bits.Bits:
    """(samples, fan_out) popcounts and (fan_out,) thresholds to bits: 1 iff popcount >= threshold."""
    return (counts >= thresholds).astype(np.uint8)


def infer(network: Network, values: npt.ArrayLike, *, method: Method = "matmul") -> Trace:
    """Run (samples, values) integers through the network and keep every intermediate.

    Raises HafnetError where the values do not fit the encoding, and as `popcounts` does.
    """
    return _trace(network, network.encoding.encode(values), method)


def classify(network: Network, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The class of each sample, (samples, values) integers to (samples,), without room for all intermediates.

    The same computation as `infer`, in chunks of samples. Raises HafnetError as `infer` does.
    """
    inputs = network.encoding.encode(values)
    starts = range(0, max(len(inputs), 1), CHUNK)
    return np.concatenate([_trace(network, inputs[start : start + CHUNK], "matmul").classes for start in starts])


def _trace(network: Network, inputs: bits.Bits, method: Method) -> Trace:
    counts: dict[str, Int32] = {}
    fired: dict[str, bits.Bits] = {}
    current = inputs
    for layer in network.layers:
        counts[layer.name] = popcounts(layer.weights, current, method=method)
        if isinstance(layer, DenseLayer):
            current = fired[layer.name] = fire(counts[layer.name], layer.thresholds)
    scores = counts[network.output.name] + network.output.offsets
    return Trace(inputs, counts, fired, scores, np.argmax(scores, axis=1).astype(np.int64))
