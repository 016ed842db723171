from pathlib import Path

import pytest

from model.device.situation import Situation, Sweep
from model.device.table import Table
from model.energy import coefficients
from model.errors import HafnetError
from model.placement import load_sensitivities
from model.random_network import random_network
from model.readers import read_csv

TABLE = (
    "set_current_uA,reset_voltage_V,pulse_ns,lrs_median_ohm,lrs_sigma,hrs_median_ohm,hrs_sigma\n"
    "55,2.0,100,7e3,1,8e4,1\n"
)
COEFFICIENTS = "event,capacitance_fF,source\nreads,2,measured\n"
RANKING = "layer,neuron,changed\nhidden0,0,0.5\nhidden0,1,0.25\noutput,0,0\noutput,1,1\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_table_is_read_whatever_wrote_it(tmp_path: Path, end: str, mark: str) -> None:
    path, network = tmp_path / "table.csv", random_network("3-2-2", seed=1)
    for load, text in (
        (Table.load, TABLE),
        (coefficients.load, COEFFICIENTS),
        (lambda path: repr(load_sensitivities(path, network)), RANKING),
    ):
        path.write_bytes(text.encode())
        plain = load(path)
        path.write_bytes((mark + text.replace("\n", end)).encode())
        assert load(path) == plain
        for name, separator in (("';'", ";"), ("a tab", "\t"), ("'|'", "|")):
            path.write_bytes((mark + text.replace(",", separator).replace("\n", end)).encode())
            with pytest.raises(HafnetError, match=f"its columns are separated by {name}, but ',' is expected"):
                load(path)


def test_both_characters_that_look_like_micro_are_one(tmp_path: Path) -> None:
    micro, mu = "\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"
    path, found = tmp_path / "table.csv", []
    for unit in ("u", micro, mu):
        path.write_text(TABLE.replace("_uA", f"_{unit}A").replace("_ns", f"_{unit}s"), encoding="utf-8")
        found.append(Table.load(path))
    assert found[0] == found[1] == found[2]
    assert Situation.parse(f"set_current_{mu}A=20") == Situation.parse(f"set_current_{micro}A=20")
    assert Sweep.parse(f"pulse_{mu}s=1,2").values == Sweep.parse("pulse_us=1,2").values


def test_quoted_fields_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b'\r\n"a","b, c"\r\n,\r\n\r\n1,"two\r\nlines"\r\n')
    assert read_csv(path, "a header") == [["a", "b, c"], ["1", "two\nlines"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty, but a header is needed"),
        (b"\n , \n", "is empty, but a header is needed"),
        (b'a,"b\n', r"cannot be read as CSV \(unexpected end of data\)"),
        (b"x" * 200_000, r"cannot be read as CSV \(field larger than field limit \(131072\)\)"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(HafnetError, match=rf"table\.csv: {message}"):
        read_csv(tmp_path / "table.csv", "a header")
