"""Measured tables: what is read, what lies between the rows, and what is refused."""

import itertools
import math
from pathlib import Path

import pytest

from model.device.presets import HFO2
from model.device.resistance import Condition, LogNormal, States
from model.device.table import Table
from model.errors import HafnetError

HEADER = "set_current_uA,reset_voltage_V,pulse_ns,lrs_median_ohm,lrs_sigma,hrs_median_ohm,hrs_sigma\n"
ROW = "55,2.0,1000,7300,0.16,73000,0.5\n"


def load(folder: Path, text: str) -> Table:
    path = folder / "measured.csv"
    path.write_text(text, encoding="utf-8")
    return Table.load(path)


def grid(currents: tuple[float, ...], voltages: tuple[float, ...], pulses: tuple[float, ...]) -> Table:
    conditions = [Condition(*each) for each in itertools.product(currents, voltages, pulses)]
    return Table(tuple((condition, HFO2.states(condition)) for condition in conditions))


def test_a_table_is_read(tmp_path: Path) -> None:
    table = load(tmp_path, HEADER + ROW)
    expected = States(LogNormal(7300, 0.16), LogNormal(73000, 0.5))
    condition, states = table.rows[0]
    assert (condition.set_current, condition.reset_voltage, condition.pulse) == pytest.approx((55e-6, 2, 1e-6))
    assert states == expected
    found = table.states(Condition(55e-6, 2.0, 1e-6))
    assert (found.lrs.median, found.hrs.sigma) == pytest.approx((7300, 0.5))


def test_units_order_and_device_spreads(tmp_path: Path) -> None:
    header = (
        "hrs_median_kohm,pulse_us,lrs_median_Mohm,hrs_device_sigma,hrs_sigma,lrs_sigma,reset_voltage_mV,set_current_A\n"
    )
    _, states = load(tmp_path, "\ufeff" + header + "73, 1,0.0073,0.2,0.5,0.16,2000,0.000055\n\n").rows[0]
    assert states.lrs.median == pytest.approx(7300)
    assert states.hrs == LogNormal(73000, 0.5, 0.2)
    with_micro = HEADER.replace("uA", "µA").replace("pulse_ns", "pulse_µs")
    assert load(tmp_path, with_micro + ROW).rows[0][0].set_current == pytest.approx(55e-6)


def test_a_measured_condition_is_found_whatever_its_unit(tmp_path: Path) -> None:
    """55 µA and 0.055 mA are not the same floating-point number."""
    two = HEADER + ROW + ROW.replace("55,2.0", "20,1.5")
    table = load(tmp_path, two)
    assert 55 * 1e-6 != 0.055 * 1e-3
    assert table.states(Condition(0.055 * 1e-3, 2.0)) == table.states(Condition(55 * 1e-6, 2.0))


def test_rows_come_back() -> None:
    table = grid((10e-6, 30e-6, 100e-6), (1.5, 2.0, 2.5), (1e-7, 1e-6))
    for condition, states in table.rows:
        assert table.states(condition) == states


def test_between_the_rows_the_logarithms_are_linear() -> None:
    table = grid((10e-6, 100e-6), (2.0,), (1e-6,))
    low, high = (states for _, states in table.rows)
    found = table.states(Condition(math.sqrt(10) * 1e-5, 2.0, 1e-6))
    assert found.lrs.median == pytest.approx(math.sqrt(low.lrs.median * high.lrs.median))
    assert found.hrs.cycle_sigma == pytest.approx((low.hrs.cycle_sigma + high.hrs.cycle_sigma) / 2)


@pytest.mark.parametrize(
    "condition", [Condition(2e-5, 1.7, 5e-7), Condition(7e-5, 2.3, 2e-7), Condition(1e-5, 2.25, 1e-6)]
)
def test_between_many_rows_it_follows_the_law(condition: Condition) -> None:
    table = grid((10e-6, 20e-6, 40e-6, 100e-6), (1.5, 1.75, 2.0, 2.25, 2.5), (1e-7, 1e-6))
    found, law = table.states(condition), HFO2.states(condition)
    for a, b in ((found.lrs, law.lrs), (found.hrs, law.hrs)):
        assert a.median == pytest.approx(b.median, rel=1e-6)  # linear in these axes, in the law too
        assert (a.cycle_sigma, a.device_sigma) == pytest.approx((b.cycle_sigma, b.device_sigma), rel=0.06)


@pytest.mark.parametrize(
    "condition",
    [Condition(9e-6, 2, 1e-6), Condition(2e-5, 2.6, 1e-6), Condition(2e-5, 2, 2e-6), Condition(2e-5, 2, 9e-7)],
)
def test_outside_the_rows_nothing_is_known(condition: Condition) -> None:
    with pytest.raises(HafnetError, match="is outside the measured table"):
        grid((1e-5, 1e-4), (1.5, 2.5), (1e-6,)).states(condition)


def test_inside_the_box_but_outside_the_rows() -> None:
    corners = [Condition(1e-5, 1.5), Condition(1e-4, 1.5), Condition(1e-5, 2.5)]
    table = Table(tuple((condition, HFO2.states(condition)) for condition in corners))
    assert table.states(Condition(2e-5, 1.6)).lrs.median == pytest.approx(HFO2.states(Condition(2e-5, 1.6)).lrs.median)
    with pytest.raises(HafnetError, match="is outside the measured table"):
        table.states(Condition(9e-5, 2.4))


def test_rows_on_a_line_span_nothing() -> None:
    line = [Condition(1e-5 * 2**step, 1.5 + step) for step in range(3)]
    table = Table(tuple((condition, HFO2.states(condition)) for condition in line))
    with pytest.raises(
        HafnetError, match="a table that varies 2 quantities needs rows that span them, but its 3 do not"
    ):
        table.states(Condition(1.5e-5, 2.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty, but a header with units is needed"),
        (
            HEADER.replace("pulse_ns", "pulse") + ROW,
            "column 'pulse' has no unit, but one of ns, us, µs, ms, s must follow, as pulse_ns",
        ),
        (
            HEADER.replace("set_current_uA", "set_current") + ROW,
            "column 'set_current' has no unit, but one of uA, µA, nA, mA, A must follow, as set_current_uA",
        ),
        (
            HEADER.replace("reset_voltage_V", "reset_voltage_kV") + ROW,
            "column 'reset_voltage_kV' has unit 'kV', but it must be one of V, mV",
        ),
        (HEADER.replace("hrs_sigma", "lrs_sigma") + ROW, "column hrs_sigma is missing"),
        (HEADER.replace("pulse_ns,", ""), "column pulse_ns is missing"),
        (HEADER.replace("\n", ",pulse_us\n") + ROW, "column 'pulse' is there 2 times, but must be once"),
        (HEADER, "a table of measured states has no rows, but at least one is needed"),
        (HEADER + ROW + ROW, "a table of measured states has the condition 55 µA, 2 V, 1000 ns twice"),
        (HEADER + "55,2.0\n", "row 1 has 2 fields, but the header has 7"),
        (HEADER + ROW.replace("2.0", "two"), "row 1 has 'two' as reset_voltage, but a number is needed"),
        (HEADER + ROW.replace("1000", "0"), "row 1: the pulse length is 0 s, but must be above 0"),
        (HEADER + ROW.replace("55", "-55"), "row 1: the SET compliance current is -5.5e-05 A, but must be above 0"),
        (HEADER + ROW.replace("0.16", "-1"), "row 1: a spread from cycle to cycle is -1, but must be at least 0"),
        (HEADER + ROW.replace("7300,", "nan,"), "row 1: a median resistance is nan ohm, but must be above 0"),
    ],
)
def test_a_table_that_cannot_be_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(HafnetError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'measured.csv'}: {says}"


def test_an_unknown_column_is_said(tmp_path: Path) -> None:
    with pytest.raises(HafnetError, match="column 'temperature_K' is not known: there are set_current_uA, "):
        load(tmp_path, HEADER.replace("\n", ",temperature_K\n"))


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(HafnetError, match="no such file"):
        Table.load(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\xb5,\x00")
    with pytest.raises(HafnetError, match="byte b5 in line 2 is no UTF-8: save it again as UTF-8"):
        Table.load(tmp_path / "binary.csv")
