"""The tests of randomness against the worked examples of NIST SP 800-22 rev. 1a."""

import math

import numpy as np
import pytest

from model import random_bits
from model.bits import Bits
from sim.randomness import SIGNIFICANCE, block_frequency, monobit, runs, serial

PI = "1100100100001111110110101010001000100001011010001100001000110100110001001100011001100010100010111000"
"""The first 100 binary digits of pi, the example of sections 2.1.8, 2.2.8 and 2.3.8."""


def sequence(text: str) -> list[int]:
    return [int(digit) for digit in text]


def digits_of_e(count: int) -> Bits:
    """The first `count` binary digits of e, those before the point too: the series of 1 / k! by binary splitting."""

    def split(low: int, high: int) -> tuple[int, int]:
        """p and q with p / q = the sum of 1 / (low + 1) … 1 / ((low + 1) … k) for k up to high."""
        if high - low == 1:
            return 1, high
        middle = (low + high) // 2
        (p, q), (r, s) = split(low, middle), split(middle, high)
        return p * s + r, q * s

    terms = 10
    while math.lgamma(terms) < (count + 10) * math.log(2):
        terms *= 2
    p, q = split(0, terms)
    number = ((p + q) << (count - 2)) // q
    data = number.to_bytes(-(-count // 8), "big")
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8))[-count:]


def test_the_examples_of_monobit() -> None:
    assert monobit(sequence("1011010101")) == pytest.approx(0.527089, abs=1e-6)
    assert monobit(sequence(PI)) == pytest.approx(0.109599, abs=1e-6)


def test_the_examples_of_block_frequency() -> None:
    assert block_frequency(sequence("0110011010"), 3) == pytest.approx(0.801252, abs=1e-6)
    assert block_frequency(sequence(PI), 10) == pytest.approx(0.706438, abs=1e-6)


def test_the_examples_of_runs() -> None:
    assert runs(sequence("1001101011")) == pytest.approx(0.147232, abs=1e-6)
    assert runs(sequence(PI)) == pytest.approx(0.500798, abs=1e-6)
    assert runs(sequence("1" * 71 + "0" * 29)) == 0


def test_the_example_of_serial() -> None:
    """Section 2.11.8: a million digits of e, patterns of 2 bits."""
    digits = digits_of_e(1_000_000)
    assert "".join(map(str, digits[:20])) == "10101101111110000101"
    assert serial(digits, 2) == pytest.approx((0.843764, 0.561915), abs=1e-6)


def test_patterns_of_three_bits() -> None:
    """Section 2.11.4 up to its differences 1.6 and 0.8, which make igamc(2, 0.8) and igamc(1, 0.4)."""
    expected = 1.8 * math.exp(-0.8), math.exp(-0.4)
    assert serial(sequence("0011011101"), 3) == pytest.approx(expected, abs=1e-12)


def test_what_is_not_random_fails() -> None:
    """Each test sees what the one before it cannot."""
    even = np.arange(4096) % 2
    assert monobit(even) == 1
    assert runs(even) < SIGNIFICANCE
    halves = np.repeat([0, 1], 2048)
    assert monobit(halves) == 1
    assert block_frequency(halves, 64) < SIGNIFICANCE
    quarters = np.tile([0, 0, 1, 1], 1024)  # as many runs as there should be, and patterns of 2 bits as frequent
    assert runs(quarters) == 1
    assert serial(quarters, 2) == (1, 1)
    assert max(serial(quarters, 3)) < SIGNIFICANCE


def test_a_good_source_passes() -> None:
    random = random_bits.numbers(1, 1, 32, 0, 3125).ravel()
    assert min(monobit(random), block_frequency(random, 2000), runs(random), *serial(random, 8)) >= SIGNIFICANCE
