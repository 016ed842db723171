"""Which simulators a case runs on."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sim.tools import Tool

BOTH = ("icarus", "verilator")
ICARUS = ("icarus",)
VERILATOR = ("verilator",)

Require = Callable[[str], Tool]
"""The fixture `require_simulator`: the tool of that name; skips or fails a test where it is not there."""


def runs(quick: Sequence[tuple[Any, str]], slow: Sequence[tuple[Any, str]]) -> pytest.MarkDecorator:
    """A test for each pair of a case's name and its simulator: the quick ones in every run, the slow ones where all
    tests are run.
    """
    chosen = [pytest.param(*each) for each in quick]
    return pytest.mark.parametrize(
        ("name", "simulator"), [*chosen, *(pytest.param(*each, marks=pytest.mark.slow) for each in slow)]
    )


def cases(*listed: tuple[Any, tuple[str, ...]]) -> list[Any]:
    """Parameters (simulator, block); a Verilator build costs ten times an Icarus build, so few blocks go to both."""
    return [pytest.param(tool, block, id=f"{tool}-{block.name}") for block, tools in listed for tool in tools]
