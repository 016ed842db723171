"""The dataflow sequential_to_parallel as emitted: what tools say of it, and how it grows."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from simulators import Require
from test_hdl_emit import icarus, structure, verilator, yosys

from hdl.arrays.columns import Columns
from hdl.emit import emit
from hdl.generate import WAIVERS
from hdl.layers.sequential_dense import SequentialDense
from model.topology import Presentations

ONCE = Presentations()


def layer(*members: Any) -> SequentialDense:
    return SequentialDense(Columns(*members))


LAYERS = {
    "one cell": layer(1, 1, 1, 1, 1, ONCE, False, "thresholds", 8),
    "ternary planes": layer(20, 9, 4, 8, 3, Presentations(3, halving=True), True, "thresholds", 16),
    "scores": layer(20, 9, 4, 8, 20, ONCE, False, "offsets", 16),
    "thresholds in the arrays": layer(20, 9, 4, 8, 3, ONCE, False, "thresholds", 16, True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_tools_read_it_without_a_word(name: str, tmp_path: Path, require_simulator: Require) -> None:
    block = LAYERS[name]
    files = emit(block)
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    shutil.copy(WAIVERS, tmp_path)
    require_simulator("icarus")
    assert icarus(tmp_path, block.name, list(files)) == ""
    assert verilator(require_simulator("verilator"), tmp_path, block.name, list(files)) == ""
    # Without images there is nothing to load.
    script = f"chparam -set LOAD 0 {block.name}; {structure(block.name)}"
    assert yosys(tmp_path, list(files), script) == ""


def test_it_grows_with_groups_and_tiles_and_not_with_their_product() -> None:
    def lines(times: int) -> int:
        block = layer(128 * times, 64 * times, 16, 16, 4, ONCE, False, "thresholds", 16)
        assert block.sink.map.arrays == 32 * times**2
        return sum(text.count("\n") for text in emit(block).values())

    small, medium, large = lines(1), lines(4), lines(7)
    assert medium < 4 * small
    assert large - medium < 1.1 * (medium - small)


def test_every_property_of_a_layer_is_in_its_name() -> None:
    """Equal names are equal blocks."""
    variants = [
        layer(8, 8, 4, 4, *rest)
        for rest in (
            (1, ONCE, False, "thresholds", 16),
            (2, ONCE, False, "thresholds", 16),
            (1, Presentations(2), False, "thresholds", 16),
            (1, Presentations(2, halving=True), False, "thresholds", 16),
            (1, ONCE, True, "thresholds", 16),
            (1, ONCE, False, "offsets", 16),
            (1, ONCE, False, "thresholds", 16, True),
        )
    ]
    for names in (
        {block.name for block in variants},
        {block.sink.name for block in variants},
        {block.sink.stack(0).name for block in variants},
    ):
        assert len(names) == len(variants)
