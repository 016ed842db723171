"""SEC-DED codes: what they correct, what they detect, and the bit error rate that they leave."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.device.ecc import SecDed
from model.errors import HafnetError

APART = 4.5
"""Standard deviations of the mean that a simulated rate may be from the exact one; seeds are fixed."""
LENGTHS = (1, 2, 3, 4, 5, 8, 11, 16, 26, 32, 57, 64)


@pytest.mark.parametrize(
    ("data_bits", "bits"),
    [(1, 4), (4, 8), (8, 13), (11, 16), (16, 22), (26, 32), (32, 39), (57, 64), (64, 72), (128, 137)],
)
def test_known_lengths(data_bits: int, bits: int) -> None:
    code = SecDed(data_bits)
    assert code.bits == bits
    assert str(code) == f"({bits}, {data_bits})"
    assert code.cells_per_bit == bits / data_bits


@pytest.mark.parametrize("data_bits", LENGTHS)
def test_every_single_error_is_corrected_and_every_double_one_detected(data_bits: int) -> None:
    code, generator = SecDed(data_bits), np.random.default_rng(data_bits)
    data = generator.integers(0, 2, data_bits, dtype=np.uint8)
    word = code.encode(data[None])[0]
    assert word.sum() % 2 == 0
    for count in (0, 1, 2):
        places = list(itertools.combinations(range(code.bits), count))
        read = np.repeat(word[None], len(places), axis=0)
        for row, at in zip(read, places, strict=True):
            row[list(at)] ^= 1
        decoded, detected = code.decode(read)
        if count < 2:
            assert np.array_equal(decoded, np.repeat(data[None], len(places), axis=0))
            assert not detected.any()
        else:
            assert detected.all()
            assert np.array_equal(decoded, read[:, :data_bits])


@pytest.mark.parametrize("rate", [1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("data_bits", [1, 3, 4, 5, 8])
def test_the_exact_rate_against_all_error_patterns(data_bits: int, rate: float) -> None:
    code = SecDed(data_bits)
    patterns = (np.arange(1 << code.bits)[:, None] >> np.arange(code.bits) & 1).astype(np.uint8)
    errors = patterns.sum(axis=1)
    chance = rate**errors * (1 - rate) ** (code.bits - errors)
    decoded, _ = code.decode(patterns)
    assert float(code.residual(rate)) == pytest.approx(float(chance @ decoded.mean(axis=1)), rel=1e-6)


@pytest.mark.parametrize("rate", [0.003, 0.03, 0.2])
@pytest.mark.parametrize("data_bits", [4, 11, 32, 64, 120])
def test_the_exact_rate_against_simulation(data_bits: int, rate: float) -> None:
    code, words = SecDed(data_bits), 100_000
    wrong = code.simulate(rate, np.random.default_rng(1), words) / data_bits
    assert abs(wrong.mean() - float(code.residual(rate))) < APART * wrong.std() / np.sqrt(words)


@pytest.mark.parametrize("rate", [1e-3, 1e-6, 1e-9, 1e-12])
def test_rare_errors_leave_the_square(rate: float) -> None:
    """Two errors among the 8 bits, which the decoder leaves: 28 pairs, a quarter of the bits of each."""
    assert float(SecDed(4).residual(rate)) == pytest.approx(7 * rate**2, rel=0.01)


def test_extremes() -> None:
    code = SecDed(64)
    assert code.residual([0.0, 0.5]).tolist() == [0.0, 0.5]
    assert code.simulate(0.0, np.random.default_rng(0), 10).tolist() == [0] * 10
    assert code.residual(np.zeros((2, 3))).shape == (2, 3)


@settings(deadline=None)
@given(st.sampled_from(LENGTHS), st.floats(0, 1))
def test_a_rate_is_a_probability(data_bits: int, rate: float) -> None:
    assert 0 <= float(SecDed(data_bits).residual(rate)) <= 1


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_rate_outside_0_to_1_is_said(rate: float) -> None:
    for use in (SecDed(4).residual, lambda wrong: SecDed(4).simulate(wrong, np.random.default_rng(0), 1)):
        with pytest.raises(HafnetError) as caught:
            use(rate)
        assert str(caught.value) == f"a bit error rate is {rate:g}, but a probability is from 0 to 1"


@pytest.mark.parametrize("data_bits", [0, -4, 1025])
def test_a_length_that_cannot_be_is_said(data_bits: int) -> None:
    with pytest.raises(HafnetError, match=f"a word of {data_bits} data bits is not possible: 1 to 1024 are"):
        SecDed(data_bits)
