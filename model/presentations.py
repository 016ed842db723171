"""Real-valued inputs as several presentations of bits: bit planes, and stochastic bits.

Values are unsigned integers of `bits` bits, v in 0 … 2^bits - 1. By planes, a layer sees the bits of all values from
the most significant down. Stochastically, it sees each value as a fresh random bit at a time, 1 with probability
v / 2^bits exactly: the bit is 1 iff v > r, r uniform over 0 … 2^bits - 1 (B. Gaines, Stochastic computing, AFIPS 1967).
So 0 is never 1, and the greatest value is 0 once in 2^bits times.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from model import random_bits
from model.bits import Bits
from model.errors import HafnetError

MOST_BITS = 16
"""Widest value."""
CHUNK = 1 << 20
"""Random numbers at a time: they stay in the cache."""

Values = npt.NDArray[np.uint16]


def check_planes(bits: int, planes: int) -> None:
    """Raise HafnetError where values of `bits` bits cannot be presented in `planes` planes."""
    _check_bits(bits)
    if not 1 <= planes <= bits:
        raise HafnetError(f"{planes} planes of {bits} bits, but 1 to {bits} can be presented")


def check_draws(values: int, bits: int, presentations: int, draws: int) -> None:
    """Raise HafnetError where `values` values of `bits` bits cannot be presented so often, `draws` of them a cycle."""
    _check_bits(bits)
    if presentations < 1:
        raise HafnetError(f"{presentations} presentations, but at least 1 is needed")
    if not 1 <= draws <= values:
        raise HafnetError(f"{draws} draws a cycle, but {values} values take 1 to {values}")


def planes(values: npt.ArrayLike, bits: int, planes: int) -> Bits:
    """(samples, values) integers to (samples, planes, values) bits, the most significant plane first.

    Only the top `planes` of the `bits` planes are given. Raises HafnetError for values that are not (samples, values)
    integers in 0 … 2^bits - 1, `bits` outside 1 … 16, and `planes` outside 1 … bits.
    """
    check_planes(bits, planes)
    array = _checked(values, bits)
    places = np.arange(bits - 1, bits - 1 - planes, -1, dtype=np.uint16)
    return ((array[:, np.newaxis] >> places[:, np.newaxis]) & 1).astype(np.uint8)


def steps(values: int, draws: int) -> int:
    """Cycles in which a presentation of `values` bits is drawn, `draws` bits a cycle."""
    return -(-values // draws)


def bernoulli(values: npt.ArrayLike, bits: int, presentations: int, numbers: npt.ArrayLike) -> Bits:
    """(samples, values) integers and the random numbers that they meet, to (samples, presentations, values) bits.

    `numbers` are (samples * presentations * steps(values, draws), draws) integers, a row for each cycle of drawing:
    those of a presentation's first cycle meet values 0 … draws - 1, those of its next cycle the next values, and those
    that are left over in its last cycle meet none. Presentations follow each other, and images.
    Raises HafnetError as `planes` does, and for less than 1 presentation, draws outside 1 … values, and too few or too
    many rows.
    """
    array, drawn = _checked(values, bits), np.asarray(numbers)
    samples, count = array.shape
    draws = drawn.shape[1]
    check_draws(count, bits, presentations, draws)
    cycles = steps(count, draws)
    if len(drawn) != samples * presentations * cycles:
        raise HafnetError(
            f"{len(drawn)} cycles of drawing, but {samples} images in {presentations} presentations of {cycles} take "
            f"{samples * presentations * cycles}"
        )
    met = drawn.reshape(samples, presentations, cycles * draws)[:, :, :count]
    return (array[:, np.newaxis] > met).view(np.uint8)


def stochastic_bits(
    values: npt.ArrayLike, bits: int, presentations: int, seed: int, *, draws: int = 1, first: int = 0
) -> Bits:
    """(samples, values) integers to (samples, presentations, values) bits, as `hdl.inputs.encoder.StochasticEncoder`
    gives them with the same members.

    The random numbers are `model.random_bits.numbers` of `seed`. The generators run on from image to image, and a word
    is drawn for left-over numbers too: image i starts at group i * presentations * steps(values, draws). `first` is
    the number of images that came before, since reset. Raises HafnetError as `bernoulli` does, and for a seed that is
    not in 0 … 2^64 - 1.
    """
    array = _checked(values, bits)
    samples, count = array.shape
    check_draws(count, bits, presentations, draws)
    each = presentations * steps(count, draws)
    found = np.empty((samples, presentations, count), dtype=np.uint8)
    for part in _chunks(samples, each * draws):
        numbers = random_bits.numbers(seed, bits, draws, (first + part.start) * each, (part.stop - part.start) * each)
        found[part] = bernoulli(array[part], bits, presentations, numbers)
    return found


def _chunks(samples: int, each: int) -> Iterator[slice]:
    size = max(1, CHUNK // each)
    return (slice(start, min(start + size, samples)) for start in range(0, samples, size))


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= MOST_BITS:
        raise HafnetError(f"values have {bits} bits, but may have 1 to {MOST_BITS}")


def _checked(values: npt.ArrayLike, bits: int) -> Values:
    _check_bits(bits)
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] < 1:
        raise HafnetError(f"values have shape {array.shape}, but (samples, values) with at least 1 value is needed")
    if array.dtype.kind not in "iu":
        raise HafnetError(f"values are {array.dtype}, but must be integers")
    if array.size and (array.min() < 0 or array.max() >= 1 << bits):
        wrong = array.min() if array.min() < 0 else array.max()
        raise HafnetError(f"value {wrong} does not fit in {bits} bits, which hold 0 … {(1 << bits) - 1}")
    return array.astype(np.uint16)
