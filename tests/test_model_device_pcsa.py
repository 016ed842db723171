"""The sense amplifier: time, limit and offset against the supply."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.device.pcsa import Amplifier
from model.device.presets import AMPLIFIER, NEAR_THRESHOLD
from model.errors import HafnetError


@pytest.mark.parametrize("supply", [1.2, 0.7, 0.45])
def test_a_branch_falls_by_the_threshold_in_that_time(supply: float) -> None:
    amplifier, resistance, steps = AMPLIFIER.at(supply), 1e4, 100_000
    seconds = amplifier.seconds_per_ohm * resistance
    voltage = np.float64(supply) * (1 - seconds / steps / (resistance * amplifier.load)) ** steps  # Euler's method
    assert supply - voltage == pytest.approx(amplifier.threshold, rel=1e-4)


@given(st.floats(0.41, 5), st.floats(1.001, 3))
def test_near_the_threshold_all_is_slower_and_less_sure(supply: float, more: float) -> None:
    low, high = AMPLIFIER.timed(1e5).at(supply), AMPLIFIER.timed(1e5).at(supply * more)
    assert low.seconds_per_ohm > high.seconds_per_ohm
    assert low.limit < high.limit
    assert low.offset_sigma > high.offset_sigma


def test_the_presets_say_how_much() -> None:
    assert NEAR_THRESHOLD.seconds_per_ohm / AMPLIFIER.seconds_per_ohm == pytest.approx(4.0, abs=0.05)
    assert NEAR_THRESHOLD.offset_sigma / AMPLIFIER.offset_sigma == pytest.approx(8)
    assert AMPLIFIER.limit == math.inf


@given(st.floats(1, 1e9))
def test_a_sense_phase_ends_at_its_limit(limit: float) -> None:
    assert AMPLIFIER.timed(limit).limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AMPLIFIER.at(0.4), "the supply is 0.4 V, but must be above the threshold voltage of 0.4 V"),
        (lambda: AMPLIFIER.at(-1), "the supply is -1 V, but must be above 0"),
        (lambda: Amplifier(1.2, 0.4, -0.01, 1e-13), "the mismatch of thresholds is -0.01 V, but must be at least 0"),
        (lambda: Amplifier(1.2, 0.4, 0.01, 0), "the load of a branch is 0 F, but must be above 0"),
        (lambda: Amplifier(1.2, 0.4, 0.01, 1e-13, 0), "the sense phase is 0 s, but must be above 0"),
        (lambda: AMPLIFIER.timed(0), "the limit of the sense phase is 0 ohm, but must be above 0"),
    ],
)
def test_what_cannot_be_is_said(make: Callable[[], object], says: str) -> None:
    with pytest.raises(HafnetError) as caught:
        make()
    assert str(caught.value) == says
