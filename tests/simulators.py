"""Which simulators a case runs on."""

from collections.abc import Callable
from typing import Any

import pytest

from sim.tools import Tool

BOTH = ("icarus", "verilator")
ICARUS = ("icarus",)
VERILATOR = ("verilator",)

Require = Callable[[str], Tool]
"""The fixture `require_simulator`: the tool of that name; skips or fails a test where it is not there."""


def cases(*listed: tuple[Any, tuple[str, ...]]) -> list[Any]:
    """Parameters (simulator, block); a Verilator build costs ten times an Icarus build, so few blocks go to both."""
    return [pytest.param(tool, block, id=f"{tool}-{block.name}") for block, tools in listed for tool in tools]
