"""Which weight is in which array, row and column, and back.

A layer is a matrix of fan_out × fan_in weights on arrays of R rows by C columns. Its dataflow says which side of the
matrix the rows of the arrays are:

- `parallel_to_sequential` (P2S): a row is a neuron, a column an input. A read presents all inputs of a neuron at once.
- `sequential_to_parallel` (S2P): a row is an input, a column a neuron. A read presents one input to all neurons.

`lanes` rows are read at once, each in arrays of its own: row k of the matrix (of its transpose for S2P) is read in step
k div lanes by lane k mod lanes, so that successive rows are read together. A lane is a stack of `blocks` arrays: step s
is row s mod R of block s div R. Group `lane · blocks + block` is one array high and `tiles` = ceil(columns of the
matrix / C) arrays wide. Cells that hold no weight (padding) are written as 0 and never counted.

Where the numbers of the neurons (thresholds or offsets) live in the arrays too, they are behind the weights: lane l
(S2P: lane 0) has, from the step after its last read on, its numbers of `number_bits` bits each, one behind the other,
lowest bit first, in the columns of tile 0, tile 1 and so on, row after row.

An array may keep rows back, so that fewer than R hold weights and numbers, and R is the number of these above: its last
row is then its signature (see `model.signatures`), and those before it are spare, to take the place of rows that fail.
Spare rows are written as 0.

A cell of an image is one bit, 1 = +1, or in ternary layers two: whether the device on BL is LRS (+1), and, `columns`
bits further up in the word, whether the one on BLb is (-1); neither for 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from model import bits
from model.bits import Bits
from model.errors import HafnetError
from model.given import integer
from model.network import Signs
from model.signatures import Signatures

LARGEST = 4096

Dataflow: TypeAlias = Literal["parallel_to_sequential", "sequential_to_parallel"]
P2S: Dataflow = "parallel_to_sequential"
S2P: Dataflow = "sequential_to_parallel"


@dataclass(frozen=True)
class Geometry:
    """The size of the arrays, and which of their rows are kept back.

    Members: `rows` and `columns` of one array, 1 … 4096 each; the default is the published kilobit test chip.
    `signature`: the last row of each is its signature. `spare_rows`: so many before it are spare. Raises HafnetError
    for any other size, where no row is left, and where one column is to tell of spare rows.
    """

    rows: int = 32
    columns: int = 32
    spare_rows: int = 0
    signature: bool = False

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            size = integer(f"the number of {name} of an array", getattr(self, name))
            object.__setattr__(self, name, size)
            if not 1 <= size <= LARGEST:
                raise HafnetError(f"an array with {size} {name} is not possible: {name} must be 1 … {LARGEST}")
        object.__setattr__(self, "spare_rows", integer("the number of spare rows of an array", self.spare_rows))
        if self.spare_rows < 0:
            raise HafnetError(f"{self.spare_rows} spare rows are not possible, only 0 or more")
        if self.used_rows < 1:
            kept = f"{self.spare_rows} spare rows" + " and a signature row" * self.signature
            raise HafnetError(f"an array of {self.rows} rows with {kept} has no row left for weights")
        if self.signature and self.spare_rows and self.columns < 2:
            raise HafnetError("a signature that tells of spare rows needs arrays of at least 2 columns, not of 1")

    def __str__(self) -> str:
        """32 x 32, or, where rows are kept back, 32 x 32 (2 spare rows, signed)."""
        spare = f"{self.spare_rows} spare row" + "s" * (self.spare_rows > 1) if self.spare_rows else ""
        kept = ", ".join(filter(None, (spare, "signed" * self.signature)))
        return f"{self.rows} x {self.columns}" + f" ({kept})" * bool(kept)

    @property
    def used_rows(self) -> int:
        """Rows that hold weights and numbers: the first ones."""
        return self.rows - self.spare_rows - self.signature


class Cell(NamedTuple):
    """One 2T2R cell of a layer's arrays."""

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
    """The arrays of one layer: `groups` × `tiles` of the geometry's size.

    Raises HafnetError for lanes that are not 1 … as many as the matrix has rows.
    """

    fan_in: int
    fan_out: int
    geometry: Geometry
    dataflow: Dataflow = P2S
    lanes: int = 1
    ternary: bool = False
    number_bits: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.lanes <= self.matrix_rows:
            rows = f"{self.matrix_rows} {'neurons' if self.dataflow == P2S else 'inputs'}"
            raise HafnetError(f"{self.lanes} lanes are not possible for {rows}, only 1 … {self.matrix_rows}")

    @property
    def matrix_rows(self) -> int:
        """Rows of the matrix that are read one after the other or in lanes: neurons (P2S) or inputs (S2P)."""
        return self.fan_out if self.dataflow == P2S else self.fan_in

    @property
    def matrix_columns(self) -> int:
        """Columns that a read senses at once: inputs (P2S) or neurons (S2P)."""
        return self.fan_in if self.dataflow == P2S else self.fan_out

    @property
    def reads(self) -> int:
        """Row reads, one after the other, for one presentation of one input word."""
        return -(-self.matrix_rows // self.lanes)

    @property
    def blocks(self) -> int:
        """Arrays in the stack of a lane."""
        return -(-(self.reads + self.number_rows) // self.geometry.used_rows)

    @property
    def number_lanes(self) -> int:
        """Lanes that have numbers: each its own (P2S), or the first one all (S2P)."""
        return self.lanes if self.dataflow == P2S else 1

    @property
    def numbers(self) -> int:
        """Numbers of such a lane; the last one is nobody's where the lanes do not come out even."""
        return self.reads if self.dataflow == P2S else self.fan_out

    @property
    def number_rows(self) -> int:
        """Rows of a lane that hold its numbers; 0 where these live elsewhere."""
        return -(-self.numbers * self.number_bits // (self.tiles * self.geometry.columns))

    @property
    def groups(self) -> int:
        """Arrays along the rows of the matrix."""
        return self.lanes * self.blocks

    @property
    def tiles(self) -> int:
        """Arrays along the columns of the matrix."""
        return -(-self.matrix_columns // self.geometry.columns)

    @property
    def arrays(self) -> int:
        return self.groups * self.tiles

    @property
    def fill(self) -> float:
        """Share of all cells that hold a weight."""
        return self.fan_in * self.fan_out / (self.arrays * self.geometry.rows * self.geometry.columns)

    @property
    def word_width(self) -> int:
        """Bits of a row of an array in an image."""
        return self.geometry.columns * (2 if self.ternary else 1)

    @property
    def signatures(self) -> Signatures:
        """What may be in the last row of each array, where it is a signature."""
        return Signatures(self.geometry.columns, self.ternary)

    def used_columns(self, tile: int) -> int:
        """Columns of a tile that hold weights; the others are padding."""
        return min(self.geometry.columns, self.matrix_columns - tile * self.geometry.columns)

    def rows_read(self, group: int) -> int:
        """Rows of the arrays of a group that are sensed, from row 0 on, for one presentation of one input word.

        P2S senses all lanes in the last step, S2P only those that have an input left.
        """
        lane, block = divmod(group, self.blocks)
        rows = min(self.geometry.used_rows, max(0, self.reads - block * self.geometry.used_rows))
        left = self.matrix_rows - (self.reads - 1) * self.lanes
        last = block == (self.reads - 1) // self.geometry.used_rows
        return rows - (self.dataflow == S2P and last and lane >= left)

    @property
    def number_words(self) -> int:
        """Words, of a row of one array each, that are read of such a lane until all its numbers are known."""
        return -(-self.numbers * self.number_bits // self.geometry.columns)

    def cell(self, synapse: Synapse) -> Cell:
        """Where a weight is. Raises HafnetError for a neuron or input that the layer has not."""
        if not (0 <= synapse.neuron < self.fan_out and 0 <= synapse.source < self.fan_in):
            raise HafnetError(f"{synapse} is not in a layer of fan-in {self.fan_in} and fan-out {self.fan_out}")
        along, across = synapse if self.dataflow == P2S else reversed(synapse)
        step, lane = divmod(along, self.lanes)
        block, row = divmod(step, self.geometry.used_rows)
        tile, column = divmod(across, self.geometry.columns)
        return Cell(lane * self.blocks + block, tile, row, column)

    def synapse(self, cell: Cell) -> Synapse | None:
        """Which weight a cell holds, None for padding. Raises HafnetError for a cell that the layer has not."""
        shape = (self.groups, self.tiles, self.geometry.rows, self.geometry.columns)
        if not all(0 <= index < size for index, size in zip(cell, shape, strict=True)):
            raise HafnetError(f"{cell} is not in a grid of {shape} groups, tiles, rows and columns")
        lane, block = divmod(cell.group, self.blocks)
        along = (block * self.geometry.used_rows + cell.row) * self.lanes + lane
        across = cell.tile * self.geometry.columns + cell.column
        if cell.row >= self.geometry.used_rows or along >= self.matrix_rows or across >= self.matrix_columns:
            return None
        return Synapse(along, across) if self.dataflow == P2S else Synapse(across, along)

    def scatter(self, weights: Signs) -> Bits:
        """(fan_out, fan_in) weights to (groups, tiles, rows, word_width) of bits, padding 0, signatures VALID."""
        planes = [self._scatter(weights > 0)]
        if self.ternary:
            planes.append(self._scatter(weights < 0))
        arrays = np.concatenate(planes, axis=3)
        kept = np.zeros((*arrays.shape[:2], self.geometry.rows - self.geometry.used_rows, self.word_width), np.uint8)
        if self.geometry.signature:
            kept[:, :, -1] = bits.from_int(self.signatures.valid, self.word_width)
        return np.concatenate([arrays, kept], axis=2)

    def scatter_numbers(self, arrays: Bits, numbers: Bits) -> None:
        """Write (number_lanes, numbers, number_bits) bits, lowest first, into arrays as `scatter` gives them."""
        columns = self.geometry.columns
        for held, places in zip(numbers.reshape(self.number_lanes, -1), self._number_places(), strict=True):
            index = tuple(each[: held.size] for each in places)
            arrays[index] = held
            if self.ternary:  # a 0 is as clear a difference as a 1
                group, tile, row, column = index
                arrays[group, tile, row, column + columns] = 1 - held

    def gather_numbers(self, arrays: Bits) -> Bits:
        """The inverse of `scatter_numbers`."""
        size = self.numbers * self.number_bits
        lanes = [arrays[tuple(each[:size] for each in places)] for places in self._number_places()]
        return np.array(lanes, dtype=np.uint8).reshape(self.number_lanes, self.numbers, self.number_bits)

    def _number_places(self) -> Iterator[tuple[npt.NDArray[np.intp], ...]]:
        """For each lane with numbers: group, tile, row and column of each bit that its number rows have room for."""
        columns = self.geometry.columns
        place = np.arange(self.number_rows * self.tiles * columns)
        step, across = np.divmod(place, self.tiles * columns)
        block, row = np.divmod(self.reads + step, self.geometry.used_rows)
        tile, column = np.divmod(across, columns)
        for lane in range(self.number_lanes):
            yield lane * self.blocks + block, tile, row, column

    def gather(self, arrays: Bits) -> Signs:
        """The inverse of `scatter`; what the padding cells hold is left out. Both devices LRS reads as 0."""
        columns = self.geometry.columns
        plus = self.matrix(arrays[..., :columns]).astype(np.int8)
        minus = self.matrix(arrays[..., columns:]).astype(np.int8) if self.ternary else 1 - plus
        signs: Signs = plus - minus
        return signs

    def _scatter(self, marked: npt.NDArray[np.bool_]) -> Bits:
        rows, columns = self.geometry.used_rows, self.geometry.columns
        matrix = marked if self.dataflow == P2S else marked.T
        padded = np.zeros((self.blocks * rows * self.lanes, self.tiles * columns), dtype=np.uint8)
        padded[: matrix.shape[0], : matrix.shape[1]] = matrix
        parts = padded.reshape(self.blocks, rows, self.lanes, self.tiles, columns)
        return parts.transpose(2, 0, 3, 1, 4).reshape(self.groups, self.tiles, rows, columns)

    def matrix(self, arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(groups, tiles, rows, columns) of whatever belongs to cells, to (fan_out, fan_in), padding left out."""
        rows, columns = self.geometry.used_rows, self.geometry.columns
        used = arrays[:, :, :rows]
        parts = used.reshape(self.lanes, self.blocks, self.tiles, rows, columns).transpose(1, 3, 0, 2, 4)
        flat = parts.reshape(self.blocks * rows * self.lanes, self.tiles * columns)
        matrix = flat[: self.matrix_rows, : self.matrix_columns]
        return matrix if self.dataflow == P2S else matrix.T


def threshold_width(top: int) -> int:
    """Bits of a threshold: 0 … top + 1, unsigned, where `top` is the largest count."""
    return (top + 1).bit_length()


def offset_width(top: int) -> int:
    """Bits of a class's offset: -top … top, two's complement."""
    return top.bit_length() + 1


def score_width(top: int) -> int:
    """Bits of a class's score: -top … 2 top, two's complement."""
    return (2 * top).bit_length() + 1
