"""The account of activities: its sums, its files, and a user's own coefficients."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from model.device.energy import Activity, Coefficient, Coefficients
from model.device.presets import PRESETS
from model.energy.account import EVENTS, PULSED, Account, as_csv, as_json
from model.energy.coefficients import load
from model.energy.plot import draw
from model.errors import HafnetError

FIRST = Activity(rows=20, reads=640, xnors=600, popcount_bits=600, thresholds=20, register_bits=300, clocked_bits=9000)
REST = Activity(memory_bits=64, register_bits=10, clocked_bits=800)
PRISTINE = Activity(forms=64, sets=96, resets=96, rows=3, reads=96)


def make(counted: bool = True, coefficients: Coefficients = Coefficients()) -> Account:  # noqa: B008 (immutable)
    preset = PRESETS["nominal"]
    layers = {"hidden0": FIRST, "streams and host": REST}
    formed = Activity(sets=32, resets=32, rows=1, reads=32)
    told = ("nominal", preset.source)
    return Account("30-10-2", layers, 2, counted, PRISTINE, formed, 1.0, preset.condition, *told, coefficients)


def test_by_hand() -> None:
    """Two images at 1 V: 10 word lines of 200 fF, 320 reads of 200 fF, 300 bits of 40 fF … each."""
    account = make()
    found = {line.event: line for line in account.lines()}
    assert list(found) == list(EVENTS) == list(Coefficients._fields)
    for event, count, joules in (
        ("rows", 10, 2e-12),
        ("reads", 320, 64e-12),
        ("popcount_bits", 300, 12e-12),
        ("thresholds", 10, 4e-12),
        ("memory_bits", 32, 3.2e-12),
        ("register_bits", 155, 3.1e-12),
        ("clocked_bits", 4900, 49e-12),
    ):
        assert found[event].count == count
        assert found[event].joules == pytest.approx(joules)
    total = sum(line.joules or 0 for line in found.values())
    assert account.inference.nanojoules_per_inference == pytest.approx(total * 1e9)
    assert account.inference.tops_per_watt == pytest.approx(2 * 300 / total / 1e12)


def test_layers_add_up() -> None:
    account = make()
    parts = [account.lines(activity) for activity in account.layers.values()]
    for index, line in enumerate(account.lines()):
        assert line.count == sum(each[index].count or 0 for each in parts)
        assert line.joules == pytest.approx(sum(each[index].joules or 0 for each in parts))


def test_what_was_not_counted_is_not_zero() -> None:
    account = make(counted=False)
    out = {line.event for line in account.lines() if line.count is None}
    assert out == {"memory_bits", "register_bits", "clocked_bits"} == set(account.left_out)
    assert {line.event for line in account.lines() if line.joules is None} == out
    assert "were not counted" in account.scope
    assert "not counted" not in make().scope
    told = json.loads(as_json(account))
    assert set(told["not_counted"]) == out
    assert {each["event"] for each in told["events"] if each["count"] is None} == out
    rows = [row for row in csv.DictReader(io.StringIO(as_csv(account))) if row["event"] in out]
    assert rows
    assert all(row["count"] == row["energy_nJ"] == "" for row in rows)


def test_csv_and_json_tell_the_same() -> None:
    account = make()
    rows, told = list(csv.DictReader(io.StringIO(as_csv(account)))), json.loads(as_json(account))
    inference = sum(float(row["energy_nJ"]) for row in rows if row["phase"] == "inference")
    assert inference == pytest.approx(told["nJ_per_inference"])
    assert told["operations_per_inference"] == 600
    assert "1 XNOR + 1 addition = 2 operations" in told["convention"]
    for phase, key in (("first programming", "first_programming"), ("programming again", "programming_again")):
        mine = [row for row in rows if row["phase"] == phase]
        assert {row["event"] for row in mine} == {*PULSED, "rows", "reads"}
        assert sum(float(row["energy_nJ"]) for row in mine) == pytest.approx(told[key]["total_nJ"])
    assert all(row["source"] for row in rows)
    assert told["condition"]["set_current_A"] == PRESETS["nominal"].condition.set_current


def test_no_digit_of_a_count_is_lost() -> None:
    rows = csv.DictReader(io.StringIO(as_csv(replace(make(), layers={"hidden0": Activity(rows=123_456_789)}))))
    assert next(rows)["count"] == "61728394.5"


@pytest.mark.parametrize("counted", [True, False])
def test_the_picture(counted: bool) -> None:
    files = draw(make(counted))
    assert files == draw(make(counted))
    assert files["png"].startswith(b"\x89PNG")
    text = "".join(ET.fromstring(files["svg"]).itertext())
    assert "hidden0" in text
    assert ("streams and host" in text) == counted
    assert "nJ an inference at 1 V" in text
    assert ("were not counted" in " ".join(text.split())) != counted


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_coefficients_take_their_places(tmp_path: Path) -> None:
    path = write(tmp_path, "source,event,capacitance_pF\nmeasured, reads ,0.05\n\nlayout,clocked_bits,0\n")
    found = load(path)
    assert found.reads.source == "measured"
    assert found.reads.farads == pytest.approx(50e-15)
    assert found.clocked_bits == Coefficient(0.0, "layout")
    assert found.rows == Coefficients().rows
    lines = {line.event: line for line in make(coefficients=found).lines()}
    assert lines["reads"].joules == pytest.approx(320 * 50e-15)
    assert (lines["clocked_bits"].joules, lines["clocked_bits"].source) == (0, "layout")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty, but a header with a unit is needed"),
        ("event,capacitance,source\n", "column 'capacitance' has no unit, but one of fF, aF, pF, F must follow"),
        ("event,capacitance_fJ,source\n", "column 'capacitance_fJ' has unit 'fJ', but it must be one of fF, aF, pF, F"),
        ("event,capacitance_fF\n", "column 'source' is there 0 times, but must be once"),
        ("event,source\n", "column 'capacitance_fF' is there 0 times, but must be once"),
        ("event,capacitance_fF,capacitance_pF,source\n", "column 'capacitance_fF' is there 2 times"),
        (
            "event,energy_pJ,source\n",
            "column 'energy_pJ' is not known: coefficients have event, capacitance_fF, source",
        ),
        ("event,capacitance_fF,source\nsets,1,me\n", "row 1: event 'sets' is not one of rows, reads"),
        ("event,capacitance_fF,source\nreads,1,me\nreads,2,me\n", "row 2: event 'reads' is there twice"),
        (
            "event,capacitance_fF,source\nreads,-1,me\n",
            "row 1: the capacitance of 'reads' is -1, but must be at least 0",
        ),
        ("event,capacitance_fF,source\nreads,nan,me\n", "row 1: the capacitance of 'reads' is nan"),
        ("event,capacitance_fF,source\nreads,few,me\n", "row 1 has 'few' as capacitance, but a number is needed"),
        ("event,capacitance_fF,source\nreads,1,\n", "row 1: the source of 'reads' is missing"),
        ("event,capacitance_fF,source\nreads,1\n", "row 1 has 2 fields, but the header has 3"),
    ],
)
def test_mistakes_in_coefficients(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(HafnetError) as caught:
        load(write(tmp_path, text))
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "mine.csv"))
