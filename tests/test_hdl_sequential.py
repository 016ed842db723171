"""The dataflow sequential_to_parallel as emitted: what tools say of it, and how it grows."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_hdl_emit import icarus, structure, verilator, yosys

from hdl.emit import emit
from hdl.generate import WAIVERS
from hdl.sequential_dense import ONCE, SequentialDense
from model.topology import Presentations
from sim.tools import Tool

LAYERS = {
    "one cell": SequentialDense(1, 1, 1, 1, 8),
    "ternary planes": SequentialDense(20, 9, 4, 8, 16, 3, Presentations(3, halving=True), ternary=True),
    "scores": SequentialDense(20, 9, 4, 8, 16, 20, numbers="offsets"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_tools_read_it_without_a_word(name: str, tmp_path: Path, require_simulator: Callable[[str], Tool]) -> None:
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
        block = SequentialDense(128 * times, 64 * times, 16, 16, 16, 4, ONCE)
        assert block.sink.map.arrays == 32 * times**2
        return sum(text.count("\n") for text in emit(block).values())

    small, medium, large = lines(1), lines(4), lines(7)
    assert medium < 4 * small
    assert large - medium < 1.1 * (medium - small)


def test_every_property_of_a_layer_is_in_its_name() -> None:
    """Equal names are equal blocks."""
    variants = [
        SequentialDense(8, 8, 4, 4, 16, *rest)
        for rest in (
            (1, ONCE),
            (2, ONCE),
            (1, Presentations(2)),
            (1, Presentations(2, halving=True)),
            (1, ONCE, True),
            (1, ONCE, False, "offsets"),
        )
    ]
    for names in (
        {block.name for block in variants},
        {block.sink.name for block in variants},
        {block.sink.stack(0).name for block in variants},
    ):
        assert len(names) == len(variants)
