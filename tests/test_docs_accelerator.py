"""The manual's table of registers is the one that the hardware has."""

import re
from pathlib import Path

from hdl.registers import AT_LEAST_ONE, Register

MANUAL = Path(__file__).parents[1] / "docs" / "accelerator.md"


def test_the_manual_lists_every_register_at_its_address() -> None:
    rows = re.findall(r"^\| (0x[0-9A-F]{3})[ …]*\| (\w+) \|", MANUAL.read_text(), re.MULTILINE)
    assert {name: int(address, 16) for address, name in rows} == {each.name: each.value for each in Register}


def test_the_manual_says_where_0_acts_as_1() -> None:
    rows = re.findall(r"^\| 0x[0-9A-F]{3} \| (\w+) .*acts as 1 \|$", MANUAL.read_text(), re.MULTILINE)
    holding = {"READ_TIMING": "sense", "PULSES": "set_pulse reset_pulse", "FORM_PULSE": "form_pulse setup"}
    holding["COUNTS"] = "form_count set_count reset_count"
    assert rows == list(holding)
    assert set(" ".join(holding.values()).split()) == AT_LEAST_ONE
