"""Points of a campaign from programming conditions: the rates are those that single cells show, the facts add up."""

import numpy as np
import pytest

from model.campaign.conditions import at_situations, swept
from model.campaign.draw import err
from model.device.bit_errors import reference
from model.device.cells import error_map
from model.device.energy import Pulses
from model.device.presets import AMPLIFIER, HFO2
from model.device.resistance import Condition, LogNormal, States
from model.device.situation import Situation, Sweep
from model.errors import HafnetError
from model.network import Network
from model.random_network import random_network

BINARY, TERNARY = random_network("30-20-4", seed=1), random_network("30-20t-4", seed=1)
WEAK = Situation.parse("weak set")


def test_a_sweep_gives_a_point_for_each_value() -> None:
    points = swept(BINARY, Sweep.parse("reset_voltage_mV=1200,1600"), WEAK)
    assert [(point.label, point.value) for point in points] == [("1200", 1200.0), ("1600", 1600.0)]
    for point, volts in zip(points, (1.2, 1.6), strict=True):
        rate = WEAK.with_("reset_voltage", volts).read(HFO2).two
        assert point.rates == {"hidden0": rate, "output": rate}
        assert point.facts["weight_error_rate"] == pytest.approx(rate)


def test_situations_lie_on_the_axis_of_error_rates() -> None:
    (point,) = at_situations(BINARY, [("weak", WEAK)], ["output"])
    assert set(point.rates) == {"output"}
    assert (point.label, point.value) == ("weak", point.facts["weight_error_rate"])


@pytest.mark.parametrize("network", [BINARY, TERNARY])
def test_weights_err_as_often_as_single_cells_do(network: Network) -> None:
    """Cells made, written and read one by one, with the amplifier that the point takes."""
    (point,) = at_situations(network, [("weak", WEAK)], ["hidden0"])
    random, states = np.random.default_rng(3), HFO2.states(WEAK.condition)
    ternary = network is TERNARY
    values = np.array([-1, 0, 1] if ternary else [-1, 1], dtype=np.int8)
    weights = random.choice(values, (400, 500))
    amplifier = AMPLIFIER.timed(reference(states)) if ternary else AMPLIFIER
    cells = error_map(weights, states, amplifier, random).read
    drawn = err(weights, point.rates["hidden0"], random, ternary)
    for value in values:
        for other in values:
            shares = [np.mean(each[weights == value] == other) for each in (cells, drawn)]
            assert shares[0] == pytest.approx(shares[1], abs=0.004)


def test_programming_costs_what_its_pulses_do() -> None:
    """A device SET and one RESET in a binary 2T2R cell, one of both in 1T1R, two RESET in a cell of weight 0."""
    pulses, condition = Pulses(), WEAK.condition
    both = pulses.cycle(condition)
    (point,) = at_situations(BINARY, [("", WEAK)])
    assert point.facts["programming_uJ"] == pytest.approx((30 * 20 + 20 * 4) * both * 1e6)
    (point,) = at_situations(TERNARY, [("", WEAK)], ["hidden0"])
    zeros = int(np.sum(TERNARY.layers[0].arrays["weights"] == 0))
    assert zeros
    expected = (600 - zeros) * both + zeros * 2 * pulses.reset(condition)
    assert point.facts["programming_uJ"] == pytest.approx(expected * 1e6)
    (point,) = at_situations(BINARY, [("", WEAK)], ["output"], cell="1T1R")
    plus = int(np.sum(BINARY.output.weights == 1))
    expected = plus * pulses.set(condition) + (80 - plus) * pulses.reset(condition)
    assert point.facts["programming_uJ"] == pytest.approx(expected * 1e6)


def test_one_device_errs_more_than_two() -> None:
    one, two = (at_situations(BINARY, [("", WEAK)], cell=cell)[0] for cell in ("1T1R", "2T2R"))
    assert one.rates["output"] > two.rates["output"] > 0  # type: ignore[operator]


def test_measured_states_take_the_place_of_the_law() -> None:
    class Measured:
        def states(self, condition: Condition) -> States:
            return States(LogNormal(5e3, 0.2), LogNormal(5e3, 0.2))

    (point,) = at_situations(BINARY, [("", WEAK)], source=Measured())
    assert point.rates["output"] == pytest.approx(0.5)
    assert point.facts["lrs_median_ohm"] == pytest.approx(5e3)


def test_ternary_weights_need_two_devices() -> None:
    with pytest.raises(HafnetError, match="layer 'hidden0' has ternary weights, which a 1T1R cell cannot hold"):
        at_situations(TERNARY, [("", WEAK)], cell="1T1R")
