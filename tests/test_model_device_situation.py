"""Situations of devices as text, and what is read in them."""

import numpy as np
import pytest

from model.device.bit_errors import one_device, reference, ternary, two_devices
from model.device.presets import AGEING, AMPLIFIER, HFO2, PRESETS
from model.device.resistance import Condition
from model.device.situation import QUANTITIES, Situation, Sweep
from model.device.units import written
from model.errors import HafnetError

NOMINAL = PRESETS["nominal"].condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nominal", Situation()),
        ("weak set", Situation(PRESETS["weak set"].condition)),
        (" fast , cycles = 1e6 ", Situation(PRESETS["fast"].condition, cycles=1e6)),
        ("reset_voltage_V=1.8", Situation(Condition(NOMINAL.set_current, 1.8, NOMINAL.pulse))),
        ("set_current_uA=20,pulse_us=0.5", Situation(Condition(20e-6, NOMINAL.reset_voltage, 0.5e-6))),
        ("strong,age_h=10,supply_mV=600", Situation(PRESETS["strong"].condition, supply=0.6, age=36_000)),
        ("cycles=1,cycles=2", Situation(cycles=2)),
    ],
)
def test_a_situation_from_its_text(text: str, expected: Situation) -> None:
    found = Situation.parse(text)
    for name in ("set_current", "reset_voltage", "pulse"):
        assert getattr(found.condition, name) == pytest.approx(getattr(expected.condition, name))
    assert (found.supply, found.cycles, found.age) == pytest.approx((expected.supply, expected.cycles, expected.age))


KNOWN = ", ".join(written(*each) for each in QUANTITIES.items())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "weak",
            "condition 'weak': 'weak' is neither a preset (strong, nominal, weak reset, weak set, fast) at its "
            f"beginning nor a quantity with its value ({KNOWN})",
        ),
        (
            "reset_voltage=1.8",
            "quantity 'reset_voltage' has no unit, but one of V, mV must follow, as reset_voltage_V",
        ),
        ("reset_voltage_kV=1.8", "quantity 'reset_voltage_kV' has unit 'kV', but it must be one of V, mV"),
        ("temperature_K=300", f"quantity 'temperature_K' is not known: there are {KNOWN}"),
        ("cycles=many", "cycles is 'many', but a number is needed"),
        ("cycles=-1", "the number of cycles is -1, but must be at least 0"),
        ("age_s=nan", "the time since programming is nan s, but must be at least 0"),
        ("pulse_ns=0", "the pulse length is 0 s, but must be above 0"),
    ],
)
def test_a_text_that_is_none_is_said(text: str, says: str) -> None:
    with pytest.raises(HafnetError) as caught:
        Situation.parse(text)
    assert str(caught.value) == says


def test_a_preset_stands_first() -> None:
    with pytest.raises(HafnetError, match=r"'fast' is neither a preset .* at its beginning"):
        Situation.parse("cycles=1, fast")


def test_what_is_read_is_what_the_parts_of_the_model_say() -> None:
    situation = Situation.parse("weak set, cycles=1e9, age_d=30, supply_V=0.6")
    fresh = HFO2.states(situation.condition)
    aged = AGEING.aged(fresh, situation.condition, 1e9, 30 * 86400)
    amplifier = AMPLIFIER.at(0.6)
    read = situation.read(HFO2)
    assert read.states == aged
    assert read.two == two_devices(aged, amplifier)
    assert read.one == one_device(aged, amplifier, reference(fresh))
    assert np.array_equal(read.ternary, ternary(aged, amplifier.timed(reference(fresh))))


def test_more_wear_less_voltage_and_a_lower_supply_err_more() -> None:
    rates = [
        Situation.parse(text).read(HFO2).two
        for text in ("nominal", "nominal,cycles=1e10", "reset_voltage_V=1.5", "reset_voltage_V=1.5,supply_V=0.45")
    ]
    assert rates == sorted(rates)
    assert len(set(rates)) == 4


def test_a_supply_below_the_threshold_is_refused() -> None:
    with pytest.raises(HafnetError, match=r"the supply is 0.3 V, but must be above the threshold voltage of 0.4 V"):
        Situation.parse("supply_V=0.3").read(HFO2)


def test_a_sweep_from_its_text() -> None:
    sweep = Sweep.parse("pulse_us=0.1, 1,0.1")
    assert (sweep.quantity, sweep.unit, sweep.numbers) == ("pulse", "us", (0.1, 1.0))
    assert sweep.values == pytest.approx((1e-7, 1e-6))
    assert sweep.title == "pulse length (us)"
    assert Sweep.parse("cycles=1e6").title == "cycles"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("reset_voltage_V", "sweep 'reset_voltage_V' has no values, as reset_voltage_V=1.5,2 has"),
        ("reset_voltage=1", "quantity 'reset_voltage' has no unit"),
        ("cycles=", "cycles is '', but a number is needed"),
    ],
)
def test_a_sweep_that_is_none_is_said(text: str, says: str) -> None:
    with pytest.raises(HafnetError, match=says):
        Sweep.parse(text)
