"""Where weights lie: the formulas for one cell against the rearrangement of whole layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bits import to_signs
from model.errors import HafnetError
from model.mapping import (
    LARGEST,
    Cell,
    Geometry,
    LayerMap,
    Synapse,
    map_layers,
    offset_width,
    score_width,
    threshold_width,
)

geometries = st.builds(Geometry, st.integers(1, 9), st.integers(1, 9))
grids = st.builds(LayerMap, st.integers(1, 25), st.integers(1, 25), geometries)


@given(grids, st.integers(0, 2**32))
@settings(deadline=None)
def test_every_cell_holds_its_synapse_or_0(grid: LayerMap, seed: int) -> None:
    weights = to_signs(np.random.default_rng(seed).integers(0, 2, (grid.fan_out, grid.fan_in)))
    arrays = grid.scatter(weights)
    assert arrays.shape == (grid.groups, grid.tiles, grid.geometry.rows, grid.geometry.columns)
    held = set()
    for index, bit in np.ndenumerate(arrays):
        cell = Cell(*index)
        synapse = grid.synapse(cell)
        used = cell.column < grid.used_columns(cell.tile)
        if synapse is None:
            assert bit == 0
            assert not used or cell.group * grid.geometry.rows + cell.row >= grid.fan_out
        else:
            assert used
            assert bit == (weights[synapse] == 1)
            assert grid.cell(synapse) == cell
            held.add(synapse)
    assert len(held) == weights.size
    assert grid.arrays == grid.groups * grid.tiles
    assert grid.fill == weights.size / arrays.size
    assert grid.reads == grid.fan_out
    assert sum(grid.used_columns(tile) for tile in range(grid.tiles)) == grid.fan_in


@given(grids, st.integers(0, 2**32))
@settings(deadline=None)
def test_gather_undoes_scatter_whatever_the_padding_holds(grid: LayerMap, seed: int) -> None:
    weights = to_signs(np.random.default_rng(seed).integers(0, 2, (grid.fan_out, grid.fan_in)))
    arrays = grid.scatter(weights)
    assert np.array_equal(grid.gather(arrays), weights)
    padding = grid.scatter(np.ones_like(weights)) == 0
    assert np.array_equal(grid.gather(arrays | padding), weights)


def test_the_wide_network_takes_1856_arrays() -> None:
    grids = map_layers((784, 1024, 1024, 10), Geometry())
    assert [(grid.fan_in, grid.fan_out) for grid in grids] == [(784, 1024), (1024, 1024), (1024, 10)]
    assert [grid.arrays for grid in grids] == [800, 1024, 32]
    assert grids[0].used_columns(24) == 16


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
