"""An array cell by cell: reads and probabilities against the closed forms, what stays and what is drawn anew."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.device.bit_errors import Estimate, ternary, two_devices
from model.device.cells import Devices, error_map
from model.device.pcsa import Amplifier
from model.device.presets import AMPLIFIER, HFO2, NEAR_THRESHOLD, PRESETS
from model.device.resistance import LogNormal, States
from model.errors import HafnetError

APART = 4.5
"""Standard deviations that a count may be from what is expected; seeds are fixed."""
WEAK = HFO2.states(PRESETS["weak set"].condition)
IDEAL = Amplifier(1.2, 0.4, 0, 1e-13)


@pytest.mark.parametrize("amplifier", [AMPLIFIER, NEAR_THRESHOLD.timed(3e4)], ids=["binary", "ternary"])
def test_reads_follow_the_closed_form(amplifier: Amplifier) -> None:
    """One row, so that every cell has an amplifier of its own and reads are independent."""
    columns, generator = 300_000, np.random.default_rng(1)
    expected = ternary(WEAK, amplifier)
    for weight in (-1, 0, 1):
        written = np.full((1, columns), weight)
        found, wrong = error_map(written, WEAK, amplifier, generator)
        for read in (-1, 0, 1):
            count = int(np.count_nonzero(found == read))
            assert Estimate(count, columns).deviations(expected[weight + 1, read + 1]) < APART
        assert np.array_equal(wrong, found != written)  # without noise a cell is right or wrong for ever


def test_read_noise_adds_to_the_spreads() -> None:
    columns, noise = 200_000, 0.3
    _, wrong = error_map(np.ones((1, columns)), WEAK, IDEAL, np.random.default_rng(2), noise)
    low, high = WEAK.lrs, WEAK.hrs
    noisy = States(low, LogNormal(high.median, math.hypot(high.sigma, noise)))
    assert abs(wrong.mean() - two_devices(noisy, IDEAL)) < APART * wrong.std() / math.sqrt(columns)


@pytest.mark.parametrize("amplifier", [AMPLIFIER, NEAR_THRESHOLD.timed(3e4)], ids=["binary", "ternary"])
def test_many_reads_of_the_same_cells_follow_their_probabilities(amplifier: Amplifier) -> None:
    generator, reads, noise = np.random.default_rng(3), 4000, 0.4
    written = generator.integers(-1, 2, (6, 7))
    cells = Devices.made(6, 7, generator).write(written, WEAK, generator)
    wrong = sum(cells.read(amplifier, generator, noise) != written for _ in range(reads))
    for count, rate in zip(np.asarray(wrong).flat, cells.wrong(amplifier, noise).flat, strict=True):
        assert Estimate(int(count), reads).deviations(float(rate)) < APART


def test_devices_stay_and_cycles_do_not() -> None:
    """ln R of one device in two writings: the device's part of the variance is common to both."""
    states = States(LogNormal(1e4, 0.3, 0.4), LogNormal(1e5, 0.6, 0.2))
    generator = np.random.default_rng(4)
    devices = Devices.made(200, 500, generator)
    first, second = (devices.write(np.ones((200, 500)), states, generator).resistances for _ in range(2))
    for side, state in enumerate((states.lrs, states.hrs)):
        a, b = first[side].ravel() - state.mean, second[side].ravel() - state.mean
        assert a.std() == pytest.approx(state.sigma, rel=0.01)
        assert np.mean(a * b) == pytest.approx(state.device_sigma**2, abs=4.5 * state.sigma**2 / math.sqrt(a.size))


def test_a_column_has_one_amplifier() -> None:
    """Equal branches fall as the amplifier leans, alike in all rows of a column and evenly over columns."""
    equal = States(LogNormal(1e4, 0), LogNormal(1e4, 0))
    found, _ = error_map(np.ones((5, 4000)), equal, AMPLIFIER, np.random.default_rng(5))
    assert np.all(found == found[0])
    assert Estimate(int(np.count_nonzero(found[0] < 0)), 4000).deviations(0.5) < APART


def test_ties_are_neither() -> None:
    equal = States(LogNormal(1e4, 0), LogNormal(1e4, 0))
    found, wrong = error_map(np.ones((50, 80)), equal, IDEAL, np.random.default_rng(6))
    assert np.all(wrong == 0.5)
    assert Estimate(int(np.count_nonzero(found < 0)), 4000).deviations(0.5) < APART


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.floats(0, 2), st.integers(0, 1000))
def test_probabilities_sum_to_one(rows: int, columns: int, noise: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    written = generator.integers(-1, 2, (rows, columns))
    cells = Devices.made(rows, columns, generator).write(written, WEAK, generator)
    for amplifier in (AMPLIFIER, NEAR_THRESHOLD.timed(3e4)):
        found = cells.probabilities(amplifier, noise)
        assert found.shape == (3, rows, columns)
        assert np.all(found >= 0)
        assert found.sum(axis=0) == pytest.approx(np.ones((rows, columns)))
        assert cells.wrong(amplifier, noise) == pytest.approx(
            1 - np.take_along_axis(found, written[None] + 1, axis=0)[0], abs=1e-12
        )


def test_one_cell_without_spread() -> None:
    sure = States(LogNormal(1e4, 0), LogNormal(1e5, 0))
    for weight in (-1, 0, 1):
        found, wrong = error_map([[weight]], sure, IDEAL.timed(3e4), np.random.default_rng(0))
        assert (found.tolist(), wrong.tolist()) == ([[weight]], [[0.0]])
        assert found.dtype == np.int8
        assert wrong.dtype == np.float64


def test_the_same_seed_gives_the_same_array() -> None:
    written = np.random.default_rng(7).choice([-1, 1], (8, 8))
    first, second = (error_map(written, WEAK, AMPLIFIER, np.random.default_rng(8), 0.2) for _ in range(2))
    assert np.array_equal(first.read, second.read)
    assert np.array_equal(first.wrong, second.wrong)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Devices.made(0, 4, np.random.default_rng(0)),
            "an array of 0 x 4 cells is asked for, but it needs at least 1 x 1",
        ),
        (
            lambda: Devices.made(2, 3, np.random.default_rng(0)).write(np.ones((3, 2)), WEAK, np.random.default_rng(0)),
            "weights have shape (3, 2), but the array has 2 rows x 3 columns",
        ),
        (
            lambda: error_map([[1, 2]], WEAK, AMPLIFIER, np.random.default_rng(0)),
            "a weight is 2, but a cell holds -1, 0 or +1",
        ),
        (
            lambda: error_map([1, 1], WEAK, AMPLIFIER, np.random.default_rng(0)),
            "weights have shape (2,), but an array has rows and columns",
        ),
        (
            lambda: error_map([[1]], WEAK, AMPLIFIER, np.random.default_rng(0), noise=-1),
            "read noise is -1, but must be at least 0",
        ),
    ],
)
def test_what_cannot_be_is_said(make: Callable[[], object], says: str) -> None:
    with pytest.raises(HafnetError) as caught:
        make()
    assert str(caught.value) == says
