"""Hamming codes that correct one error and detect two (SEC-DED), and the bit error rate that they leave.

R. Hamming, "Error detecting and error correcting codes", Bell System Technical Journal 29 (1950): k data bits and m
check bits with 2^m >= k + m + 1, and one more bit that makes the number of ones even. Every column of the parity check
matrix has a one in the last row, so that one error gives an odd syndrome and two an even one, which no column has.

The decoder flips the bit whose column is the syndrome. Any other syndrome is left as it was read: two errors are
detected, but there is nothing better to put in their place. What matters to a neural network is how many data bits are
wrong in the end, hence errors are counted by bit, not by word.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.bits import Bits
from model.device.checks import probabilities
from model.errors import HafnetError

BATCH = 1 << 16
"""Words simulated at once."""
MOST_DATA_BITS = 1024


@dataclass(frozen=True)
class SecDed:
    """The shortest such code for `data_bits`: 4 gives (8, 4), 64 gives (72, 64).

    Raises HafnetError for data bits outside 1 … 1024.
    """

    data_bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.data_bits <= MOST_DATA_BITS:
            raise HafnetError(f"a word of {self.data_bits} data bits is not possible: 1 to {MOST_DATA_BITS} are")

    def __str__(self) -> str:
        return f"({self.bits}, {self.data_bits})"

    @property
    def checks(self) -> int:
        """Check bits, the last of which is the parity of the word."""
        return next(m for m in range(2, 64) if 2**m >= self.data_bits + m + 1) + 1

    @property
    def bits(self) -> int:
        """Bits of a word, data bits first."""
        return self.data_bits + self.checks

    @property
    def cells_per_bit(self) -> float:
        """Stored bits for each data bit."""
        return self.bits / self.data_bits

    def encode(self, data: npt.ArrayLike) -> Bits:
        """(words, data_bits) bits to (words, bits)."""
        given = np.asarray(data, dtype=np.uint8)
        checks = given @ _columns(self)[: self.data_bits, :-1] & 1
        word = np.concatenate([given, checks], axis=1)
        parity = np.bitwise_xor.reduce(word, axis=1, keepdims=True)
        return np.concatenate([word, parity], axis=1)

    def decode(self, word: npt.ArrayLike) -> tuple[Bits, npt.NDArray[np.bool_]]:
        """(words, bits) as read to (words, data_bits), and which words have errors that were only detected."""
        read = np.array(word, dtype=np.uint8)
        columns = _columns(self)
        powers = 1 << np.arange(self.checks)
        place = np.full(1 << self.checks, -1)
        place[columns.astype(np.int64) @ powers] = np.arange(self.bits)
        syndrome = (read.astype(np.float32) @ columns.astype(np.float32)).astype(np.int64) & 1
        number = syndrome @ powers
        at = place[number]
        rows = np.flatnonzero(at >= 0)
        read[rows, at[rows]] ^= 1
        return read[:, : self.data_bits], (number > 0) & (at < 0)

    def residual(self, rate: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Error rate of data bits after decoding, for independent errors of the stored bits at these rates (any shape).

        Exact for every length. Bit i is wrong in the end if it was read wrong and not corrected, which is when the
        others' syndrome is not 0, or read right and flipped, which is when theirs is column i. Their syndrome is t with
        probability 2^-r sum_a (-1)^(a.t) (1 - 2p)^w(a), over all a of r bits, where w(a) is how many of the others'
        columns have an odd product with a (the characters of a sum of independent bits).
        Raises HafnetError for a rate outside 0 … 1.
        """
        rates = probabilities("a bit error rate", rate)
        columns = _columns(self).astype(np.int64)
        vectors = np.arange(1 << self.checks)[:, None] >> np.arange(self.checks) & 1
        odd = vectors @ columns.T & 1  # (2^r, bits)
        others = odd.sum(axis=1, keepdims=True) - odd[:, : self.data_bits]
        signs = 1 - 2 * odd[:, : self.data_bits]
        found = np.empty(rates.size)
        for index, p in enumerate(rates.flat):
            powers = _less_one(p, others)
            some = -powers.mean(axis=0)
            this = (signs * powers).mean(axis=0)
            found[index] = np.mean(p * some + (1 - p) * this)
        return np.clip(found, 0, 1).reshape(rates.shape)

    def simulate(self, rate: float, generator: np.random.Generator, words: int) -> npt.NDArray[np.int64]:
        """Wrong data bits of each of so many random words after encoding, independent errors, and decoding: (words,).

        Raises HafnetError for a rate outside 0 … 1.
        """
        probabilities("a bit error rate", rate)
        wrong = []
        for start in range(0, words, BATCH):
            count = min(BATCH, words - start)
            data = generator.integers(0, 2, (count, self.data_bits), dtype=np.uint8)
            flips = generator.random((count, self.bits)) < rate
            decoded, _ = self.decode(self.encode(data) ^ flips)
            wrong.append(np.count_nonzero(decoded != data, axis=1))
        return np.concatenate(wrong)


def _less_one(rate: float, exponents: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(1 - 2 * rate) ^ n - 1, without losing digits where the rate is small."""
    if rate < 0.25:
        return np.asarray(np.expm1(exponents * np.log1p(-2 * rate)), dtype=np.float64)
    return np.asarray((1 - 2 * rate) ** exponents - 1.0, dtype=np.float64)


@functools.lru_cache(maxsize=64)
def _columns(code: SecDed) -> Bits:
    """(bits, checks): a row is the column of the parity check matrix of that bit.

    Check bits have one 1 besides the last row's, the word's parity none, data bits the other numbers in order.
    """
    last = code.checks - 1
    used = [number for number in range(3, 1 << last) if number & (number - 1)][: code.data_bits]
    numbers = np.array([*used, *(1 << bit for bit in range(last)), 0])
    columns = (numbers[:, None] >> np.arange(last) & 1).astype(np.uint8)
    columns = np.concatenate([columns, np.ones((code.bits, 1), dtype=np.uint8)], axis=1)
    columns.flags.writeable = False
    return columns
