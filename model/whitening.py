"""Whitening: nearly even bits from a physical source whose bits are biased.

Von Neumann's method removes any bias of independent bits, but keeps a quarter of them at most; the XOR of n sources
makes the bias small without loss: with P(1) = 1/2 + e each, the XOR has P(1) = 1/2 + (-2)^(n - 1) * e^n (the piling-up
lemma). Neither mends bits that depend on those before them.
"""

import numpy as np
import numpy.typing as npt

from model import bits
from model.bits import Bits


def xor_whitened(raw: npt.ArrayLike) -> Bits:
    """(n, count) raw bits, one row a source, to (count,) bits: the XOR of all sources."""
    mixed: Bits = np.bitwise_xor.reduce(np.asarray(raw, dtype=np.uint8), axis=0)
    return mixed


def von_neumann(raw: npt.ArrayLike) -> Bits:
    """(count,) raw bits to as many as there are pairs of unlike bits: the pair 0, 1 gives 0, the pair 1, 0 gives 1.

    Pairs follow each other; a last bit without partner waits for one. J. von Neumann, Various techniques used in
    connection with random digits, NBS Applied Mathematics Series 12 (1951).
    """
    row = np.asarray(raw, dtype=np.uint8)
    pairs = row[: len(row) // 2 * 2].reshape(-1, 2)
    kept: Bits = pairs[pairs[:, 0] != pairs[:, 1], 0]
    return kept


def packed(row: npt.ArrayLike, width: int) -> list[int]:
    """(count,) bits to whole words of `width` bits, the first bit lowest; what is left over waits for more."""
    array = np.asarray(row, dtype=np.uint8)
    whole = array[: len(array) // width * width].reshape(-1, width)
    return bits.to_ints(whole) if len(whole) else []
