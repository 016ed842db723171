"""The registers and what their commands do, between an AXI4-Lite host and layers of imperfect devices."""

from pathlib import Path
from typing import Any

import pytest
from simulators import BOTH, ICARUS, Require

from hdl.programming import LayerSize
from hdl.registers import HostRegisters, Timing
from sim.blocks import build_block, run_block
from sim.tools import Tool

NARROW = HostRegisters(
    8, 2, 3, 5, (LayerSize(1, 2, 1, 2), LayerSize(2, 1, 0, 0, ternary=True), LayerSize(0, 0, 1, 4)), 10, Timing()
)
WIDE = HostRegisters(8, 2, 4, 37, (LayerSize(0, 0, 1, 3), LayerSize(2, 2, 2, 2, ternary=True)), 74, Timing())
ONE = HostRegisters(1, 1, 1, 1, (LayerSize(1, 1, 1, 1),), 1, Timing())


def on_bench(tool: Tool, block: HostRegisters, folder: Path) -> Any:
    return run_block(build_block(tool, block, folder), "registers", folder / "run", block, seed=1)


@pytest.mark.parametrize(
    ("simulator", "block"),
    [
        pytest.param(tool, block, id=f"{tool}-{name}")
        for name, block, tools in (("narrow", NARROW, BOTH), ("wide", WIDE, ICARUS), ("one", ONE, ICARUS))
        for tool in tools
    ],
)
def test_commands_do_what_was_foretold(
    simulator: str, block: HostRegisters, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), block, tmp_path)
    assert answer["retries"] > 10
