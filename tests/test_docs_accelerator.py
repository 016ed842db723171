"""The manual's registers, commands and numbers are those that the hardware has."""

import re
from pathlib import Path

import pytest

from hdl.arrays.host_access import PATIENCE
from hdl.programming import FAILURES, HostCommand
from hdl.registers import AT_LEAST_ONE, IDENTIFICATION, KEY, MAP_VERSION, Register

MANUAL = (Path(__file__).parents[1] / "docs" / "accelerator.md").read_text(encoding="utf-8")


def test_the_manual_lists_every_register_at_its_address() -> None:
    rows = re.findall(r"^\| (0x[0-9A-F]{3})[ …]*\| (\w+) \|", MANUAL, re.MULTILINE)
    assert {name: int(address, 16) for address, name in rows} == {each.name: each.value for each in Register}


def test_the_manual_says_where_0_acts_as_1() -> None:
    rows = re.findall(r"^\| 0x[0-9A-F]{3} \| (\w+) .*acts as 1 \|$", MANUAL, re.MULTILINE)
    holding = {"READ_TIMING": "sense", "PULSES": "set_pulse reset_pulse", "FORM_PULSE": "form_pulse setup"}
    holding["COUNTS"] = "form_count set_count reset_count"
    assert rows == list(holding)
    assert set(" ".join(holding.values()).split()) == AT_LEAST_ONE


def test_the_manual_lists_every_command() -> None:
    (table,) = re.findall(r"^\| COMMAND \|.*\n\| --- .*\n((?:\|.*\n)+)", MANUAL, re.MULTILINE)
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", table, re.MULTILINE)
    assert {name: int(number) for number, name in rows} == {each.name: each.value for each in HostCommand if each.value}


@pytest.mark.parametrize(
    "sentence",
    [
        f'| ID | read | 0x{IDENTIFICATION:08X}, "HFNT" |',
        f"| version of this register map: {MAP_VERSION} |",
        f'| UNLOCK | write | 0x{KEY:08X}, "FORM"',
        f"rows in the list of failed rows, at most {FAILURES};",
        f"{PATIENCE:,} cycles after the last row that the host has programmed",
    ],
)
def test_the_manual_has_the_numbers_of_the_hardware(sentence: str) -> None:
    assert sentence in MANUAL
