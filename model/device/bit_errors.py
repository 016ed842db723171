"""Bit error rates of one read, in closed form and by Monte Carlo: 1T1R against a fixed reference, 2T2R, ternary 2T2R.

Resistances are log-normal and the amplifier's offset is Gaussian in ln R, so that every read compares normal numbers.
With Q the upper tail of the standard normal distribution, m and s mean and spread of ln R, o the offset's spread:

- 1T1R: an LRS reads wrong above the reference, an HRS below it, Q(|m - ln R_ref| / sqrt(s² + o²)) each.
- 2T2R: wrong where the LRS is the larger one, Q((m_H - m_L) / sqrt(s_L² + s_H² + o²)).

At the reference where both states err alike, without offset, 1T1R has Q(D / (s_L + s_H)) with D = m_H - m_L. So for
small rates the exponent e in `2T2R = 1T1R ^ e` comes near (s_L + s_H)² / (s_L² + s_H²): 2, the square, where both
spreads are alike, and less where one is larger.
"""

import functools
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrc, ndtr, ndtri

from model.device.checks import positive
from model.device.pcsa import Amplifier
from model.device.resistance import LogNormal, States
from model.errors import HafnetError

Floats: TypeAlias = npt.NDArray[np.float64]

REACH = 9.0
"""Standard deviations that integrals extend over: what is beyond is 1e-19."""
NODES = 200
"""Nodes of Gauss-Legendre quadrature in each piece of an integral."""
BATCH = 1 << 20
"""Reads drawn at once."""


@dataclass(frozen=True)
class Estimate:
    """Errors counted in so many independent reads."""

    errors: int
    reads: int

    @property
    def rate(self) -> float:
        return self.errors / self.reads

    def deviations(self, rate: float) -> float:
        """How far the count is from an expected rate: the deviate of a normal number that is as rare.

        From the tail of the binomial distribution, so that it holds where few errors or none are expected too.
        """
        tails = bdtr(self.errors, self.reads, rate), bdtrc(self.errors - 1, self.reads, rate)
        return max(0.0, -float(ndtri(min(1.0, *tails))))


def reference(states: States) -> float:
    """The reference (ohm) that is as many spreads above the low state as below the high one: both err alike."""
    low, high = states.lrs, states.hrs
    total = low.sigma + high.sigma
    share = low.sigma / total if total else 0.5
    return math.exp(low.mean + share * (high.mean - low.mean))


def one_device(states: States, amplifier: Amplifier, against: float | None = None) -> float:
    """Bit error rate of 1T1R against a reference resistance (ohm; by default `reference`), both states as frequent.

    Raises HafnetError for a reference that is not above 0.
    """
    level = math.log(_reference(states, against))
    return 0.5 * (
        _below(level - states.lrs.mean, states.lrs.sigma, amplifier.offset_sigma)
        + _below(states.hrs.mean - level, states.hrs.sigma, amplifier.offset_sigma)
    )


def two_devices(states: States, amplifier: Amplifier) -> float:
    """Bit error rate of 2T2R with an amplifier that decides always, whatever its sense phase."""
    window = states.hrs.mean - states.lrs.mean
    return _below(window, states.lrs.sigma, states.hrs.sigma, amplifier.offset_sigma)


def ternary(states: States, amplifier: Amplifier) -> Floats:
    """Probability of each read of a 2T2R cell: (3, 3), rows are the weights written, columns those read, -1, 0, +1.

    A read is 0 where both branches are slower than the sense phase. That, and all of the row of weight 0, has a closed
    form; a wrong sign is an integral over the first branch and the offset. Where the sense phase has no end, no read
    is 0, and weight 0 reads either sign.
    """
    limit = math.log(amplifier.limit)
    slow_low, slow_high = (_below(limit - state.mean, state.sigma) for state in (states.lrs, states.hrs))
    quick_high = _below(states.hrs.mean - limit, states.hrs.sigma)
    undecided, wrong = slow_low * slow_high, _wrong_sign(states, amplifier, limit)
    right = max(0.0, 1 - undecided - wrong)
    other = quick_high * (2 - quick_high) / 2  # 1 - (1 - quick)², without losing digits
    return np.array([[right, undecided, wrong], [other, slow_high**2, other], [wrong, undecided, right]])


def count_one_device(
    states: States, amplifier: Amplifier, generator: np.random.Generator, reads: int, against: float | None = None
) -> Estimate:
    """The errors of `reads` 1T1R cells, drawn one by one. Raises HafnetError as `one_device` does."""
    level, errors = math.log(_reference(states, against)), 0
    for count in _batches(reads):
        high = generator.random(count) < 0.5
        seen = np.where(high, _drawn(states.hrs, generator, count), _drawn(states.lrs, generator, count))
        faster = level - seen + amplifier.offset_sigma * generator.standard_normal(count)
        errors += int(np.count_nonzero(decided(faster, generator) == np.where(high, 1, -1)))
    return Estimate(errors, reads)


def count_two_devices(states: States, amplifier: Amplifier, generator: np.random.Generator, reads: int) -> Estimate:
    """The errors of `reads` 2T2R cells, drawn one by one; all of weight +1, as both signs are alike."""
    errors = 0
    for count in _batches(reads):
        faster = _drawn(states.hrs, generator, count) - _drawn(states.lrs, generator, count)
        faster += amplifier.offset_sigma * generator.standard_normal(count)
        errors += int(np.count_nonzero(decided(faster, generator) < 0))
    return Estimate(errors, reads)


def count_ternary(
    states: States, amplifier: Amplifier, generator: np.random.Generator, reads: int
) -> npt.NDArray[np.int64]:
    """Reads of `reads` 2T2R cells of each weight, counted as `ternary` has their probabilities: (3, 3)."""
    counted = np.zeros((3, 3), dtype=np.int64)
    limit = math.log(amplifier.limit)
    pairs = ((states.hrs, states.lrs), (states.hrs, states.hrs), (states.lrs, states.hrs))
    for row, (left, right) in zip(counted, pairs, strict=True):
        for count in _batches(reads):
            first, second = _drawn(left, generator, count), _drawn(right, generator, count)
            faster = second - first + amplifier.offset_sigma * generator.standard_normal(count)
            read = np.where(np.minimum(first, second) < limit, decided(faster, generator), 0)
            row += np.bincount(read + 1, minlength=3)
    return counted


def decided(faster: Floats, generator: np.random.Generator) -> npt.NDArray[np.int8]:
    """Which branch turns the latch over: +1 where `faster`, ln of right over left, is above 0; ties at random."""
    signs = np.sign(faster)
    ties = signs == 0
    signs[ties] = generator.choice([-1.0, 1.0], np.count_nonzero(ties))
    return signs.astype(np.int8)


def exponent(single: npt.ArrayLike, double: npt.ArrayLike) -> float:
    """e of `double = factor * single ^ e`, the least-squares line through the logarithms of two or more pairs of rates.

    Raises HafnetError for rates outside 0 … 1 (both excluded) and for fewer than two different ones.
    """
    pair = [np.asarray(rates, dtype=np.float64) for rates in (single, double)]
    if not all(np.all((rates > 0) & (rates < 1)) for rates in pair):
        raise HafnetError("an exponent is asked for between error rates that are not all between 0 and 1")
    if np.unique(pair[0]).size < 2:
        raise HafnetError("an exponent is asked for between fewer than two different error rates")
    x, y = (np.log(rates) - np.mean(np.log(rates)) for rates in pair)
    return float(x @ y / (x @ x))


def _reference(states: States, against: float | None) -> float:
    if against is not None:
        positive("the reference resistance", against, "ohm")
    return reference(states) if against is None else against


def _drawn(state: LogNormal, generator: np.random.Generator, count: int) -> Floats:
    """ln R of so many devices: each differs from the median as a device, and again as a cycle."""
    deviates = generator.standard_normal((2, count))
    drawn: Floats = state.mean + state.device_sigma * deviates[0] + state.cycle_sigma * deviates[1]
    return drawn


def _batches(reads: int) -> list[int]:
    if reads < 1:
        raise HafnetError(f"{reads} reads are asked for, but at least 1 is needed")
    return [min(BATCH, reads - start) for start in range(0, reads, BATCH)]


def _below(distance: float, *sigmas: float) -> float:
    """Probability that a normal number of mean `distance` and these spreads is below 0; half of a tie."""
    spread = math.hypot(*sigmas)
    if math.isinf(distance) or not spread:
        return 0.5 * (1 - float(np.sign(distance)))
    return float(ndtr(-distance / spread))


@functools.cache
def _legendre() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return np.asarray(nodes), np.asarray(weights)


def _nodes(mean: float, sigma: float, cut: float) -> tuple[Floats, Floats]:
    """Nodes and weights of the expectation over a normal number, cut in two where the integrand jumps."""
    if not sigma:
        return np.array([mean]), np.array([1.0])
    inner = min(max((cut - mean) / sigma, -REACH), REACH)
    nodes, weights = _legendre()
    z, w = [], []
    for low, high in ((-REACH, inner), (inner, REACH)):
        half = (high - low) / 2
        z.append(low + half * (nodes + 1))
        w.append(half * weights)
    at = np.concatenate(z)
    return mean + sigma * at, np.concatenate(w) * np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)


def _wrong_sign(states: States, amplifier: Amplifier, limit: float) -> float:
    """Probability that a cell (LRS, HRS) is decided for its HRS, without a difference of larger numbers."""
    low, high = states.lrs, states.hrs
    first, weights = _nodes(low.mean, low.sigma, limit)
    offset, shares = _nodes(0.0, amplifier.offset_sigma, 0.0)
    # The HRS must be below ln R_LRS - offset, and one of both below the limit.
    bound = first[:, None] - offset[None, :]
    bound = np.where(first[:, None] < limit, bound, np.minimum(bound, limit))
    distance = bound - high.mean
    wrong = ndtr(distance / high.sigma) if high.sigma else (1 + np.sign(distance)) / 2
    return float(weights @ wrong @ shares)
