"""Where weights lie: the formulas for one cell against the rearrangement of whole layers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import HafnetError
from model.mapping import (
    LARGEST,
    P2S,
    S2P,
    Cell,
    Dataflow,
    Geometry,
    LayerMap,
    Synapse,
    offset_width,
    score_width,
    threshold_width,
)
from model.network import Signs


def keeping(rows: int, columns: int, spare_rows: int, signature: bool) -> Geometry:
    """So many rows for weights, and others behind them."""
    return Geometry(rows + spare_rows + signature, columns + 1, spare_rows, signature)


geometries = st.builds(Geometry, st.integers(1, 9), st.integers(1, 9)) | st.builds(
    keeping, st.integers(1, 9), st.integers(1, 8), st.integers(0, 3), st.booleans()
)


@st.composite
def grids(draw: st.DrawFn) -> LayerMap:
    fan_in, fan_out, dataflow = draw(st.integers(1, 25)), draw(st.integers(1, 25)), draw(st.sampled_from([P2S, S2P]))
    lanes = draw(st.integers(1, fan_out if dataflow == P2S else fan_in))
    return LayerMap(fan_in, fan_out, draw(geometries), dataflow, lanes, draw(st.booleans()))


def weights_for(grid: LayerMap, seed: int) -> Signs:
    random, shape = np.random.default_rng(seed), (grid.fan_out, grid.fan_in)
    return random.choice(np.array([-1, 0, 1] if grid.ternary else [-1, 1], dtype=np.int8), shape)


@given(grids(), st.integers(0, 2**32))
@settings(deadline=None)
def test_every_cell_holds_its_synapse_or_0(grid: LayerMap, seed: int) -> None:
    weights = weights_for(grid, seed)
    arrays, columns = grid.scatter(weights), grid.geometry.columns
    assert arrays.shape == (grid.groups, grid.tiles, grid.geometry.rows, grid.word_width)
    assert grid.word_width == columns * (1 + grid.ternary)
    held = set()
    for index in np.ndindex(grid.groups, grid.tiles, grid.geometry.rows, columns):
        cell = Cell(*index)
        synapse = grid.synapse(cell)
        word = arrays[cell.group, cell.tile, cell.row].tolist()
        plus, minus = word[cell.column], word[columns + cell.column] if grid.ternary else 0
        if synapse is None:
            signs = bool(grid.geometry.signature and cell.row == grid.geometry.rows - 1)
            valid = (cell.column % 2 == 0, grid.ternary and cell.column % 2 == 1) if signs else (0, 0)
            assert (plus, minus) == valid
            continue
        assert cell.row < grid.geometry.used_rows
        assert cell.column < grid.used_columns(cell.tile)
        weight = weights[synapse]
        assert (plus, minus) == (weight == 1, grid.ternary and weight == -1)
        assert grid.cell(synapse) == cell
        held.add(synapse)
    assert len(held) == weights.size
    assert grid.arrays == grid.groups * grid.tiles
    assert grid.fill == weights.size / (arrays.size // (1 + grid.ternary))
    assert sum(grid.used_columns(tile) for tile in range(grid.tiles)) == grid.matrix_columns


@given(grids())
def test_every_row_of_the_matrix_is_read_once_and_lanes_read_together(grid: LayerMap) -> None:
    rows = grid.fan_out if grid.dataflow == P2S else grid.fan_in
    assert grid.reads == -(-rows // grid.lanes)
    for along in range(rows):
        cell = grid.cell(Synapse(along, 0) if grid.dataflow == P2S else Synapse(0, along))
        lane, block = divmod(cell.group, grid.blocks)
        assert lane == along % grid.lanes
        assert block * grid.geometry.used_rows + cell.row == along // grid.lanes


@given(grids(), st.integers(0, 5))
def test_rows_are_read_from_the_first_on(grid: LayerMap, number_bits: int) -> None:
    """Those of numbers, behind them, are not; nor, sequential_to_parallel, is a lane that has no input left."""
    grid = replace(grid, number_bits=number_bits)
    read = [0] * grid.groups
    for step in range(grid.reads):
        for lane in range(grid.lanes):
            if grid.dataflow == P2S or step * grid.lanes + lane < grid.matrix_rows:
                read[lane * grid.blocks + step // grid.geometry.used_rows] += 1
    assert [grid.rows_read(group) for group in range(grid.groups)] == read
    assert grid.number_words * grid.geometry.columns >= grid.numbers * number_bits
    assert (grid.number_words - 1) * grid.geometry.columns < grid.numbers * number_bits


@given(grids(), st.integers(0, 2**32))
@settings(deadline=None)
def test_gather_undoes_scatter_whatever_the_padding_holds(grid: LayerMap, seed: int) -> None:
    weights = weights_for(grid, seed)
    arrays = grid.scatter(weights)
    assert np.array_equal(grid.gather(arrays), weights)
    used = grid.scatter(np.ones_like(weights))
    if grid.ternary:
        used |= grid.scatter(-np.ones_like(weights))
    assert np.array_equal(grid.gather(arrays | (used == 0)), weights)


def test_sequential_to_parallel_is_the_transpose() -> None:
    weights = weights_for(LayerMap(7, 5, Geometry(3, 2)), 1)
    one = LayerMap(7, 5, Geometry(3, 2), P2S, 2).scatter(weights)
    other = LayerMap(5, 7, Geometry(3, 2), S2P, 2).scatter(weights.T)
    assert np.array_equal(one, other)


def test_the_wide_network_takes_1856_arrays() -> None:
    grids = [LayerMap(fan_in, fan_out, Geometry()) for fan_in, fan_out in ((784, 1024), (1024, 1024), (1024, 10))]
    assert [grid.arrays for grid in grids] == [800, 1024, 32]
    assert grids[0].used_columns(24) == 16


@pytest.mark.parametrize(("dataflow", "most", "what"), [(P2S, 3, "neurons"), (S2P, 5, "inputs")])
def test_impossible_lanes_are_refused(dataflow: Dataflow, most: int, what: str) -> None:
    assert LayerMap(5, 3, Geometry(), dataflow, most).reads == 1
    for lanes in (0, -1, most + 1):
        with pytest.raises(HafnetError, match=rf"^{lanes} lanes are not possible for {most} {what}, only 1 … {most}$"):
            LayerMap(5, 3, Geometry(), dataflow, lanes)


@pytest.mark.parametrize("synapse", [Synapse(3, 0), Synapse(0, 5), Synapse(-1, 0), Synapse(0, -1)])
def test_a_synapse_outside_is_refused(synapse: Synapse) -> None:
    with pytest.raises(HafnetError, match=r"is not in a layer of fan-in 5 and fan-out 3$"):
        LayerMap(5, 3, Geometry(2, 2)).cell(synapse)


@pytest.mark.parametrize("cell", [Cell(2, 0, 0, 0), Cell(0, 3, 0, 0), Cell(0, 0, 2, 0), Cell(0, 0, 0, -1)])
def test_a_cell_outside_is_refused(cell: Cell) -> None:
    with pytest.raises(HafnetError, match=r"is not in a grid of \(2, 3, 2, 2\) groups, tiles, rows and columns$"):
        LayerMap(5, 3, Geometry(2, 2)).synapse(cell)


@pytest.mark.parametrize("size", [0, -1, LARGEST + 1])
def test_impossible_arrays_are_refused(size: int) -> None:
    with pytest.raises(HafnetError, match=rf"with {size} rows .* must be 1 … 4096$"):
        Geometry(rows=size)
    with pytest.raises(HafnetError, match=rf"with {size} columns .* must be 1 … 4096$"):
        Geometry(columns=size)
    assert Geometry(LARGEST, LARGEST).rows == LARGEST


@given(st.integers(1, 5000))
def test_widths_hold_their_ranges_and_no_bit_more(fan_in: int) -> None:
    assert 2 ** (threshold_width(fan_in) - 1) <= fan_in + 1 < 2 ** threshold_width(fan_in)
    assert 2 ** (offset_width(fan_in) - 2) <= fan_in < 2 ** (offset_width(fan_in) - 1)
    assert 2 ** (score_width(fan_in) - 2) <= 2 * fan_in < 2 ** (score_width(fan_in) - 1)
