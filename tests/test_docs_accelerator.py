"""The manual's table of registers is the one that the hardware has."""

import re
from pathlib import Path

from hdl.registers import Register

MANUAL = Path(__file__).parents[1] / "docs" / "accelerator.md"


def test_the_manual_lists_every_register_at_its_address() -> None:
    rows = re.findall(r"^\| (0x[0-9A-F]{3})[ …]*\| (\w+) \|", MANUAL.read_text(), re.MULTILINE)
    assert {name: int(address, 16) for address, name in rows} == {each.name: each.value for each in Register}
