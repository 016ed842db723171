"""Which weight is in which array, row and column, and back.

Dataflow `parallel_to_sequential`: one read presents all inputs at once and yields one output neuron, so a layer of
fan-in n and fan-out m on arrays of R rows by C columns is a grid of `groups` = ceil(m / R) by `tiles` = ceil(n / C)
arrays. Neuron j is row j mod R of group j div R; input i is column i mod C of tile i div C. Cells that hold no weight
(padding) are written as 0 and never counted: the hardware of the last tile leaves its padding columns out.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.bits import Bits, to_bits, to_signs
from model.errors import HafnetError
from model.network import Signs, integer

LARGEST = 4096


@dataclass(frozen=True)
class Geometry:
    """Everything about the arrays that is not in the network.

    Members: `rows` and `columns` of one array, 1 … 4096 each; the default is the published kilobit test chip.
    Raises HafnetError for any other size.
    """

    rows: int = 32
    columns: int = 32

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            size = integer(f"the number of {name} of an array", getattr(self, name))
            object.__setattr__(self, name, size)
            if not 1 <= size <= LARGEST:
                raise HafnetError(f"an array with {size} {name} is not possible: {name} must be 1 … {LARGEST}")


class Cell(NamedTuple):
    """One 2T2R cell of a layer's grid."""

    group: int
    tile: int
    row: int
    column: int


class Synapse(NamedTuple):
    """One weight of a layer: from `source` (an input's index) to `neuron`."""

    neuron: int
    source: int


@dataclass(frozen=True)
class LayerMap:
    """The grid of arrays of one layer: `groups` × `tiles` arrays of the geometry's size."""

    fan_in: int
    fan_out: int
    geometry: Geometry

    @property
    def groups(self) -> int:
        """Arrays along the output: each group of R neurons has a row of arrays of its own."""
        return -(-self.fan_out // self.geometry.rows)

    @property
    def tiles(self) -> int:
        """Arrays along the input."""
        return -(-self.fan_in // self.geometry.columns)

    @property
    def arrays(self) -> int:
        return self.groups * self.tiles

    @property
    def reads(self) -> int:
        """Row reads per image: one for each neuron."""
        return self.fan_out

    @property
    def fill(self) -> float:
        """Share of all cells that hold a weight."""
        return self.fan_in * self.fan_out / (self.arrays * self.geometry.rows * self.geometry.columns)

    def used_columns(self, tile: int) -> int:
        """Columns of a tile that hold weights; the others are padding."""
        return min(self.geometry.columns, self.fan_in - tile * self.geometry.columns)

    def cell(self, synapse: Synapse) -> Cell:
        """Where a weight is. Raises HafnetError for a neuron or input that the layer has not."""
        if not (0 <= synapse.neuron < self.fan_out and 0 <= synapse.source < self.fan_in):
            raise HafnetError(f"{synapse} is not in a layer of fan-in {self.fan_in} and fan-out {self.fan_out}")
        group, row = divmod(synapse.neuron, self.geometry.rows)
        tile, column = divmod(synapse.source, self.geometry.columns)
        return Cell(group, tile, row, column)

    def synapse(self, cell: Cell) -> Synapse | None:
        """Which weight a cell holds, None for padding. Raises HafnetError for a cell that the grid has not."""
        shape = (self.groups, self.tiles, self.geometry.rows, self.geometry.columns)
        if not all(0 <= index < size for index, size in zip(cell, shape, strict=True)):
            raise HafnetError(f"{cell} is not in a grid of {shape} groups, tiles, rows and columns")
        neuron = cell.group * self.geometry.rows + cell.row
        source = cell.tile * self.geometry.columns + cell.column
        return Synapse(neuron, source) if neuron < self.fan_out and source < self.fan_in else None

    def scatter(self, weights: Signs) -> Bits:
        """(fan_out, fan_in) of ±1 to (groups, tiles, rows, columns) of bits, padding 0."""
        rows, columns = self.geometry.rows, self.geometry.columns
        padded = np.zeros((self.groups * rows, self.tiles * columns), dtype=np.uint8)
        padded[: self.fan_out, : self.fan_in] = to_bits(weights)
        return padded.reshape(self.groups, rows, self.tiles, columns).transpose(0, 2, 1, 3)

    def gather(self, arrays: Bits) -> Signs:
        """The inverse of `scatter`; what the padding cells hold is left out."""
        rows, columns = self.geometry.rows, self.geometry.columns
        flat = arrays.transpose(0, 2, 1, 3).reshape(self.groups * rows, self.tiles * columns)
        return to_signs(flat[: self.fan_out, : self.fan_in])


def map_layers(shape: Sequence[int], geometry: Geometry) -> tuple[LayerMap, ...]:
    """The grids of all layers of a network of this shape (`Network.shape`), in order."""
    return tuple(LayerMap(fan_in, fan_out, geometry) for fan_in, fan_out in itertools.pairwise(shape))


def threshold_width(fan_in: int) -> int:
    """Bits of a threshold: 0 … fan-in + 1, unsigned."""
    return (fan_in + 1).bit_length()


def offset_width(fan_in: int) -> int:
    """Bits of a class's offset: -fan-in … fan-in, two's complement."""
    return fan_in.bit_length() + 1


def score_width(fan_in: int) -> int:
    """Bits of a class's score: -fan-in … 2 fan-in, two's complement."""
    return (2 * fan_in).bit_length() + 1
