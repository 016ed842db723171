"""Statistical tests of random bits: the P-values of four tests of NIST SP 800-22 rev. 1a (2010).

A P-value is the probability that a perfect source gives a sequence that looks no better than this one. The standard
calls a sequence random where it is at least 0.01. All take a sequence of (n,) bits; section numbers are the standard's.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc

from model.bits import Bits

SIGNIFICANCE = 0.01
"""Level of significance that the standard advises (section 1.1.5)."""


def monobit(sequence: npt.ArrayLike) -> float:
    """Frequency (monobit) test, section 2.1: are there as many ones as zeroes? For 100 bits or more."""
    row = _bits(sequence)
    excess = abs(2 * int(row.sum()) - len(row))
    return math.erfc(excess / math.sqrt(2 * len(row)))


def block_frequency(sequence: npt.ArrayLike, size: int) -> float:
    """Frequency test within blocks of `size` bits, section 2.2; the last bits that fill no block are dropped.

    For 100 bits or more, blocks of 20 or more that are longer than 1 % of the sequence, and less than 100 of them.
    """
    row = _bits(sequence)
    blocks = len(row) // size
    shares = row[: blocks * size].reshape(blocks, size).mean(axis=1)
    chi_squared = 4 * size * float(((shares - 0.5) ** 2).sum())
    return float(gammaincc(blocks / 2, chi_squared / 2))


def runs(sequence: npt.ArrayLike) -> float:
    """Runs test, section 2.3: do the bits change as often as they should? For 100 bits or more.

    0 where the ones are so far from a half that the monobit test has failed already (section 2.3.4, step 2).
    """
    row = _bits(sequence)
    count, share = len(row), float(row.mean())
    if abs(share - 0.5) >= 2 / math.sqrt(count):
        return 0.0
    found = 1 + int(np.count_nonzero(row[1:] != row[:-1]))
    even = 2 * share * (1 - share)
    return math.erfc(abs(found - count * even) / (math.sqrt(2 * count) * even))


def serial(sequence: npt.ArrayLike, length: int) -> tuple[float, float]:
    """Serial test, section 2.11: is every pattern of `length` bits as frequent as any other? Its two P-values.

    For `length` of 2 or more and less than floor(log2 n) - 2. The sequence is taken as a circle.
    """
    row = _bits(sequence)
    psi = [_psi_squared(row, length - shorter) for shorter in range(3)]
    first, second = psi[0] - psi[1], psi[0] - 2 * psi[1] + psi[2]
    return float(gammaincc(2 ** (length - 2), first / 2)), float(gammaincc(2.0 ** (length - 3), second / 2))


def _psi_squared(row: npt.NDArray[np.int64], length: int) -> float:
    """How unevenly the patterns of `length` bits occur (section 2.11.4, step 3); 0 for patterns of no bits."""
    if length == 0:
        return 0.0
    patterns = np.zeros(len(row), dtype=np.int64)
    for place in range(length):
        patterns = patterns << 1 | np.roll(row, -place)
    counts = np.bincount(patterns, minlength=1 << length)
    return (1 << length) / len(row) * float((counts.astype(np.float64) ** 2).sum()) - len(row)


def _bits(sequence: npt.ArrayLike | Bits) -> npt.NDArray[np.int64]:
    return np.asarray(sequence, dtype=np.int64)
