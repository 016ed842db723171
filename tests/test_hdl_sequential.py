"""The dataflow sequential_to_parallel as emitted: what tools say of it, and how it grows."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from simulators import Require
from test_hdl_emit import icarus, structure, verilator, yosys

from hdl.arrays.columns import Columns
from hdl.arrays.shelf import Part, Shelf, parts_of
from hdl.arrays.stack import Stack
from hdl.emit import Emission, emit
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
    "shelves": layer(210, 3, 1, 2, 7, ONCE, True, "thresholds", 16),
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


def described(block: Any) -> int:
    """The bits of all wires that are described: what time and memory of emission follow."""
    emission = Emission()
    emission.module(block)
    return sum(int(width) for text in emission.texts.values() for width in re.findall(r"wire width (\d+)", text))


@pytest.mark.parametrize("blocks", [None, 4], ids=["one lane", "lanes of 4"])
def test_wide_arrays_are_described_once_however_many_there_are(blocks: int | None) -> None:
    def stack(arrays: int) -> Stack:
        lanes = 1 if blocks is None else arrays // blocks
        made = Stack(4 * arrays, 4, 4, 512, lanes, ONCE, False, "thresholds")
        assert made.shelf.size == arrays
        return made

    assert described(stack(8 * 112)) < 2 * described(stack(112))


def test_a_stack_is_put_up_by_tens_and_hundreds() -> None:
    for count in (1, 9, 10, 11, 99, 100, 101, 200, 512, 1000, 1999, 4096):
        parts = list(parts_of(count))
        numbers = [number for part in parts for number in range(part.first, part.first + part.size)]
        assert numbers == list(range(count))
        # All numbers of a part share their first digits, and have as many more as the part is large.
        for part in parts:
            digits = {str(number) for number in range(part.first, part.first + part.size)}
            rest = len(str(part.size)) - 1
            assert len({each[: len(each) - rest] for each in digits}) == 1
    assert list(parts_of(211)) == [
        *(Part(10 * ten, 10) for ten in range(10)),
        Part(100, 100),
        Part(200, 10),
        Part(210, 1),
    ]


def test_a_part_of_a_shelf_has_its_lanes() -> None:
    shelf = Shelf((7,) * 4, 7, 28, 2, 1, 3)
    assert [shelf.cut(Part(10 * ten, 10)) for ten in range(2)] == [
        (0, Shelf((7, 3), 7, 28, 2, 1, 3)),
        (1, Shelf((4, 6), 7, 28, 2, 1, 3)),
    ]
    assert shelf.cut(Part(21, 7)) == (3, Shelf((7,), 7, 28, 2, 1, 3))


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
