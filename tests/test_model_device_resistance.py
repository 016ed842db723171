"""The law of resistances, its presets, and ageing."""

import dataclasses
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.device.ageing import Ageing
from model.device.bit_errors import one_device, two_devices
from model.device.presets import AGEING, AMPLIFIER, HFO2, PRESETS
from model.device.resistance import Condition, LogNormal, States
from model.errors import HafnetError

conditions = st.builds(Condition, st.floats(1e-6, 1e-3), st.floats(0.5, 4), st.floats(1e-9, 1e-3))


def test_the_low_state_is_inverse_to_the_current() -> None:
    low = [HFO2.states(Condition(current, 2.0)).lrs.median for current in (10e-6, 100e-6)]
    assert low == pytest.approx([40e3, 4e3])


def test_a_volt_of_reset_is_a_decade() -> None:
    high = [HFO2.states(Condition(55e-6, volts)).hrs.median for volts in (1.0, 2.0, 3.0)]
    low = HFO2.states(Condition(55e-6, 2.0)).lrs.median
    assert [each / low for each in high] == pytest.approx([1, 10, 100])


def test_a_pulse_ten_times_as_long_is_worth_its_voltage() -> None:
    long, strong = (HFO2.states(Condition(55e-6, *rest)) for rest in ((2.0, 1e-5), (2.2, 1e-6)))
    assert (long.hrs.median, long.hrs.sigma) == pytest.approx((strong.hrs.median, strong.hrs.sigma))
    assert long.lrs == strong.lrs


def test_below_the_onset_there_is_one_state() -> None:
    states = HFO2.states(Condition(55e-6, 0.9))
    assert states.lrs == states.hrs


@given(conditions, st.floats(1.01, 10))
def test_more_current_spreads_less_and_the_high_state_spreads_more(condition: Condition, more: float) -> None:
    states = HFO2.states(condition)
    stronger = HFO2.states(dataclasses.replace(condition, set_current=condition.set_current * more))
    assert stronger.lrs.sigma < states.lrs.sigma
    assert stronger.hrs.sigma < states.hrs.sigma
    assert states.hrs.sigma >= states.lrs.sigma
    assert states.hrs.median >= states.lrs.median


def test_spreads_by_hand() -> None:
    """50 defects at 55 µA, 200 at 220 µA; one decade of gap; devices half as far apart as cycles."""
    low, more = (HFO2.states(Condition(current, 2.0)) for current in (55e-6, 220e-6))
    assert low.lrs.cycle_sigma == pytest.approx(math.sqrt(1 / 50))
    assert more.lrs.cycle_sigma == pytest.approx(math.sqrt(1 / 200))
    assert low.hrs.cycle_sigma == pytest.approx(math.sqrt(1 / 50 + 0.085 * math.log(10)))
    assert low.hrs.device_sigma == pytest.approx(low.hrs.cycle_sigma / 2)


def test_both_spreads_add_in_squares() -> None:
    assert LogNormal(1e4, 0.3, 0.4).sigma == pytest.approx(0.5)
    assert LogNormal(1e4, 0.0).sigma == 0
    assert LogNormal(math.e, 0.1).mean == pytest.approx(1)


def test_presets_go_from_strong_to_weak() -> None:
    states = [HFO2.states(preset.condition) for preset in PRESETS.values()]
    for law in (one_device, two_devices):
        rates = [law(each, AMPLIFIER) for each in states]
        assert rates == sorted(rates)
    assert all("estimate" in preset.source for preset in PRESETS.values())


def test_fresh_devices_have_not_aged() -> None:
    condition = PRESETS["nominal"].condition
    states = HFO2.states(condition)
    assert AGEING.aged(states, condition) == states


@given(conditions, st.floats(0, 1e12), st.floats(0, 1e10), st.floats(1.1, 10))
def test_age_closes_the_window(condition: Condition, cycles: float, seconds: float, more: float) -> None:
    states = HFO2.states(condition)
    young = AGEING.aged(states, condition, cycles, seconds)
    for old in (
        AGEING.aged(states, condition, cycles * more, seconds),
        AGEING.aged(states, condition, cycles, seconds * more),
    ):
        assert old.lrs.median >= young.lrs.median >= states.lrs.median
        assert old.hrs.median <= young.hrs.median <= states.hrs.median
        assert old.lrs.sigma >= young.lrs.sigma >= states.lrs.sigma
        assert old.hrs.device_sigma == states.hrs.device_sigma


def test_low_voltage_endures_billions_of_cycles() -> None:
    assert AGEING.cycles(Condition(55e-6, 2.5)) == pytest.approx(1e6)
    assert AGEING.cycles(Condition(55e-6, 1.5)) == pytest.approx(1e10)


def test_wear_and_time_by_hand() -> None:
    states = States(LogNormal(1e4, 0.3, 0.1), LogNormal(1e5, 0.4, 0.1))
    ageing = Ageing(endurance=1e6, lrs_wear=0.5, hrs_wear=1.0, lrs_drift=0.1, hrs_drift=0.2, diffusion=0.01)
    old = ageing.aged(states, Condition(55e-6, 2.5), cycles=3e6, seconds=math.e - 1)
    assert old.lrs.median == pytest.approx(1e4 * 2 * math.exp(0.1))
    assert old.hrs.median == pytest.approx(1e5 / 4 * math.exp(-0.2))
    assert old.lrs.cycle_sigma == pytest.approx(math.sqrt(0.09 + 0.01))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Condition(0, 2), "the SET compliance current is 0 A, but must be above 0"),
        (lambda: Condition(-1e-6, 2), "the SET compliance current is -1e-06 A, but must be above 0"),
        (lambda: Condition(1e-6, 0), "the RESET voltage is 0 V, but must be above 0"),
        (lambda: Condition(1e-6, 2, 0), "the pulse length is 0 s, but must be above 0"),
        (lambda: Condition(1e-6, 2, -1e-9), "the pulse length is -1e-09 s, but must be above 0"),
        (lambda: Condition(1e-6, math.nan), "the RESET voltage is nan V, but must be above 0"),
        (lambda: Condition(math.inf, 1), "the SET compliance current is inf A, but must be above 0"),
        (lambda: LogNormal(0, 0.1), "a median resistance is 0 ohm, but must be above 0"),
        (lambda: LogNormal(1e4, -0.1), "a spread from cycle to cycle is -0.1, but must be at least 0"),
        (lambda: LogNormal(1e4, 0.1, math.nan), "a spread from device to device is nan, but must be at least 0"),
        (lambda: dataclasses.replace(HFO2, defects=0), "the number of defects is 0, but must be above 0"),
        (lambda: Ageing(endurance=0), "the endurance is 0 cycles, but must be above 0"),
        (lambda: Ageing(hrs_wear=-1), "ageing: hrs_wear is -1, but must be at least 0"),
        (
            lambda: AGEING.aged(HFO2.states(Condition(1e-5, 2)), Condition(1e-5, 2), cycles=-1),
            "the number of cycles is -1, but must be at least 0",
        ),
        (
            lambda: AGEING.aged(HFO2.states(Condition(1e-5, 2)), Condition(1e-5, 2), seconds=-1),
            "the time since programming is -1 s, but must be at least 0",
        ),
    ],
)
def test_what_cannot_be_is_said(make: Callable[[], object], says: str) -> None:
    with pytest.raises(HafnetError) as caught:
        make()
    assert str(caught.value) == says
