"""±1 values, bits and packed words: the only place that knows bit order.

Bit 1 means +1, bit 0 means -1. Bit 0 of a word is column 0, and the first word holds the lowest columns.
Everything here is vectorised over the leading axes: the last axis is the bit (or word) axis.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint8]


def to_bits(values: npt.ArrayLike) -> Bits:
    """±1 values of any shape to bits of the same shape (+1 -> 1, everything below 0 -> 0; sign(0) = +1)."""
    return (np.asarray(values) >= 0).astype(np.uint8)


def to_signs(bits: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Bits of any shape to ±1 values of the same shape (int8)."""
    return (2 * np.asarray(bits, dtype=np.int8) - 1).astype(np.int8, copy=False)


def pack_bytes(bits: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """(..., n) bits to (..., ceil(n / 8)) bytes; unused high bits of the last byte are 0."""
    return np.packbits(np.asarray(bits, dtype=np.uint8), axis=-1, bitorder="little")


def unpack_bytes(packed: npt.NDArray[np.uint8], count: int) -> Bits:
    """(..., ceil(count / 8)) bytes to (..., count) bits."""
    return np.unpackbits(packed, axis=-1, count=count, bitorder="little")


def pack_uint64(bits: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """(..., n) bits to (..., ceil(n / 64)) words of 64 bits; unused high bits of the last word are 0."""
    packed = pack_bytes(bits)
    short = -packed.shape[-1] % 8
    padded = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(0, short)])
    return np.ascontiguousarray(padded).view(np.dtype("<u8")).astype(np.uint64, copy=False)


def to_ints(rows: npt.ArrayLike) -> list[int]:
    """(words, n) bits to the integers that a port of n bits carries, one a row."""
    packed = pack_bytes(rows)
    size, data = packed.shape[-1], packed.tobytes()
    return [int.from_bytes(data[start : start + size], "little") for start in range(0, len(data), size)]


def from_ints(words: Sequence[int], count: int) -> Bits:
    """One word or more on a port of `count` bits to (words, count) bits. Raises OverflowError where one is too wide."""
    for word in words:
        if word >> count:
            raise OverflowError(f"{word:#x} does not fit in {count} bits")
    size = (count + 7) // 8
    data = b"".join(word.to_bytes(size, "little") for word in words)
    return unpack_bytes(np.frombuffer(data, dtype=np.uint8).reshape(len(words), size), count)


def to_int(bits: npt.ArrayLike) -> int:
    """One row of n bits to the integer that a port of n bits carries."""
    return to_ints(np.asarray(bits)[np.newaxis])[0]


def from_int(word: int, count: int) -> Bits:
    """The integer on a port of `count` bits to its row of bits. Raises OverflowError where it does not fit."""
    row: Bits = from_ints([word], count)[0]
    return row
