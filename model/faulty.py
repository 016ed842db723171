"""`FaultyArrays`: what sense amplifiers say of cells with faults, read by read, as the emulation of the arrays does.

Without noise a cell reads as one weight: its devices where they differ, its mismatch where they are alike (0 in a
ternary array). So the network is another one, whose layers are `FaultyArrays.layers`.

With noise a read of a weak cell errs where its byte is below its weakness. A cell that reads as ±1 then reads as the
other sign, or in a ternary array as 0; one that reads as 0 reads as its mismatch. The bytes of a read are one group of
the array's generators (see `model.device_images`), and every cycle in which the array is sensed draws one, whoever
asked:

- after reset the signature of each array is read where there are any, group by group, then tile by tile; and then the
  loader of numbers that live in arrays reads word after word of each lane in turn;
- a host's read, and the verify read of a programmed row, senses all arrays of a group;
- an image senses, for each of its windows and each of their presentations, `LayerMap.rows_read` rows of every array.

A read takes as many cycles of sensing as the phase is long, and the last one counts.

A row that is remapped to a spare one reads as that one, and has its faults.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from model import bits, images, random_bits
from model.device_images import BYTES, layer_states, streams
from model.faults import FREE, HRS, NO_FAULTS, ArrayPlace, CellFaults, FaultMap
from model.mapping import LayerMap
from model.network import HiddenLayer, Int32, Network, OutputLayer, Signs, WeightedLayer
from model.plan import Plan

CHUNK_BYTES = 2**24
"""Random bytes at a time."""
NO_GENERATORS: random_bits.States = np.zeros((0, 0, 0, 4), dtype=np.uint32)


@dataclass(frozen=True, eq=False)
class _Weak:
    """Weak cells of some neurons, all of one group, a row each: what holds them, and what they do to their neuron's
    count where they err and their input is 1; where it is 0, they do the opposite.
    """

    group: int
    neuron: npt.NDArray[np.intp]
    source: npt.NDArray[np.intp]
    tile: npt.NDArray[np.intp]
    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    weak: npt.NDArray[np.uint8]
    change: npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class _Cells:
    """The cells of a layer, (groups, tiles, rows, columns) each: `weights`, as they read without noise; `mismatches`,
    as those that read as 0 read where they err (±1); and `weak`. `generators` are those of the arrays before their
    first step, (groups, tiles, streams, 4).
    """

    grid: LayerMap
    weights: Signs
    mismatches: Signs
    weak: npt.NDArray[np.uint8]
    generators: random_bits.States

    def changes(self, where: Any) -> Signs:
        """What is added to the weights of the cells at these places where they err."""
        weights = self.weights[where]
        other = 0 if self.grid.ternary else -weights
        found: Signs = np.where(weights == 0, self.mismatches[where], other) - weights
        return found

    def weak_cells(self, neurons: slice) -> Iterator[_Weak]:
        """The weak cells of `neurons`, a range of them, group by group; its first neuron is number 0."""
        grid, shape = self.grid, self.weights.shape
        weak = grid.matrix(self.weak)[neurons]
        neuron, source = np.nonzero(weak)
        place = grid.matrix(np.arange(self.weights.size).reshape(shape))[neurons][neuron, source]
        # The amplifiers' count of a binary cell is 0 or 1, of a ternary one 0, 1 or 2.
        group, *where = np.unravel_index(place, shape)
        change = self.changes((group, *where)) // (1 if grid.ternary else 2)
        for each in np.unique(group).tolist():
            here = group == each
            held = (neuron, source, *where, weak[neuron, source], change)
            yield _Weak(each, *(array[here] for array in held))


class FaultyArrays:
    """The arrays of `network` under `plan` with the faults of `faults`, after reset; a read senses for `sense` cycles.
    Where there are spare rows, `spare_entries` rows of a layer can be remapped.

    What the host reads and writes after that is to be told by `read_row`, `write_row` and so on; `invalid` are the
    arrays of each layer, (group, tile), whose signatures were not right when they were last read. Raises HafnetError
    where the fault map is not one for network and plan.
    """

    def __init__(
        self, network: Network, plan: Plan, faults: FaultMap = NO_FAULTS, sense: int = 1, spare_entries: int = 0
    ) -> None:
        self.network, self.plan, self.faults = network, plan.of(network.topology), faults
        self.sense, self.spare_entries = max(1, sense), spare_entries
        faults.check(network.topology, self.plan)
        self._none = CellFaults.none(self.plan.geometry.rows, self.plan.geometry.columns)
        self._pristine: dict[int, npt.NDArray[np.bool_]] = {}
        """Devices that have not been formed, (groups, tiles, 2, rows, columns) by layer; none before `erase`."""
        self._cells = {
            index: self._read(index, grid)
            for index, grid in enumerate(self.plan.maps(network.topology))
            if grid is not None
        }
        self._numbers: dict[int, Int32] = {}
        self._drawn: Counter[tuple[int, int]] = Counter()
        """Bytes that each array of a group has drawn a column, by layer and group."""
        self._spares: dict[int, dict[tuple[int, int, int], int]] = {index: {} for index in self._cells}
        """The spare row that each remapped row of a layer, {group, tile, row}, is."""
        self.taken = 0
        """Spare rows that have taken another one's place, those included that have failed themselves."""
        self.invalid: dict[int, list[tuple[int, int]]] = {}
        for index in self._cells:
            self.walk(index, self.sense)

    @property
    def noisy(self) -> bool:
        """Whether reads may err."""
        return self.plan.fidelity == "noisy"

    @property
    def layers(self) -> tuple[HiddenLayer | OutputLayer, ...]:
        """The network's layers with the weights that are read without noise, and the numbers that the hardware uses."""
        found: list[HiddenLayer | OutputLayer] = []
        for index, layer in enumerate(self.network.layers):
            if index in self._cells:
                assert isinstance(layer, WeightedLayer)
                cells = self._cells[index]
                weights = cells.grid.matrix(cells.weights).reshape(layer.weights.shape)
                numbers = {layer.integers_name: self._numbers.get(index, layer.integers)}
                layer = replace(layer, weights=weights, **numbers)  # type: ignore[arg-type]
            found.append(layer)
        return tuple(found)

    def read_row(self, layer: int, group: int, tile: int, row: int, sense: int) -> int:
        """The word that a host's read gives of one row of one array, as in the array's image; it is drawn for."""
        rows, tiles = np.array([row]), np.array([tile])
        return bits.to_int(self._host_reads(layer, group, rows, tiles, sense)[0])

    def contents(self, layer: int, group: int, tile: int) -> list[int]:
        """The words that an array's rows read as without noise, but those that are kept back."""
        cells = self._cells[layer]
        used = cells.weights[group, tile, : cells.grid.geometry.used_rows]
        return bits.to_ints(_word_bits(used, cells.grid.ternary))

    def erase(self, pristine: bool = False) -> None:
        """Let all arrays hold words of zeros, as images of zeros make them; or `pristine`: no device is formed."""
        for layer, cells in self._cells.items():
            groups, tiles, rows, columns = cells.weights.shape
            self._pristine[layer] = np.full((groups, tiles, 2, rows, columns), pristine)
            held = np.zeros((groups, tiles, rows, cells.grid.word_width), dtype=np.uint8)
            cells.weights[:] = self._sensed(layer, cells.grid, held)

    def form_row(self, layer: int, group: int, tile: int, row: int, side: int, columns: int) -> None:
        """Form the devices on BL (`side` 0) or BLb (1) of a row of one array, in the `columns` whose bits are 1."""
        place = self._spares[layer].get((group, tile, row), row)
        selected = bits.from_int(columns, self.plan.geometry.columns).astype(bool)
        if layer in self._pristine:
            self._pristine[layer][group, tile, side, place, selected] = False

    def write_row(self, layer: int, group: int, tile: int, row: int, word: int, columns: int | None = None) -> None:
        """Program a row of one array, in the `columns` whose bits are 1 (None: all)."""
        cells, grid = self._cells[layer], self._cells[layer].grid
        width = grid.geometry.columns
        held = bits.from_int(word, grid.word_width)
        selected = bits.from_int((1 << width) - 1 if columns is None else columns, width).astype(bool)
        place = self._spares[layer].get((group, tile, row), row)
        stuck, mismatch = self._fixed(layer, group, tile)
        weights = sensed_weights(held, grid.ternary, stuck[:, place], mismatch[place])
        cells.weights[group, tile, place, selected] = weights[selected]
        self._mirror(layer, group, tile, row)

    def take_spare(self, layer: int, group: int, tile: int, row: int) -> bool:
        """Remap a row to the array's next spare one; False where there is none, or no entry in the table."""
        geometry, taken, key = self.plan.geometry, self._spares[layer], (group, tile, row)
        rows = [spare for (*array, _), spare in taken.items() if (group, tile) == tuple(array)]
        spare = max(rows, default=geometry.used_rows - 1) + 1
        if spare >= geometry.used_rows + geometry.spare_rows or len({*taken, key}) > self.spare_entries:
            return False
        taken[key] = spare
        self.taken += 1
        self._mirror(layer, group, tile, row)
        return True

    def has_spares(self, layer: int, group: int, tile: int) -> bool:
        """Whether rows of an array are remapped."""
        return any((group, tile) == key[:2] for key in self._spares[layer])

    def table(self, layer: int) -> list[int]:
        """The entries of a layer's table of remapped rows, as the host reads them (see docs/accelerator.md)."""
        return [
            row | spare << 16 | 1 << 31 | group << 32 | tile << 48
            for (group, tile, row), spare in self._spares[layer].items()
        ]

    def reset(self) -> None:
        """A reset, after which the host writes the tables of remapped rows back: random bytes are drawn anew, and what
        is read from the arrays is read once without the tables, and once with them.
        """
        self._drawn.clear()
        self.taken = 0
        for index in self._cells:
            for _ in range(1 + bool(self._spares[index])):
                self.walk(index, self.sense)

    def walk(self, layer: int, sense: int) -> None:
        """Let the layer read its signatures, if there are any, and then its numbers, if they live in arrays."""
        cells = self._cells[layer]
        grid, tiles = cells.grid, np.arange(cells.grid.tiles)
        self.invalid[layer] = []
        if grid.geometry.signature:
            rows = np.full(grid.tiles, grid.geometry.rows - 1)
            right = {False: grid.signatures.valid, True: grid.signatures.spared}
            for group in range(grid.groups):
                words = bits.to_ints(self._host_reads(layer, group, rows, tiles, sense))
                for tile, word in enumerate(words):
                    if word != right[self.has_spares(layer, group, tile)]:
                        self.invalid[layer].append((group, tile))
        self._load_numbers(layer, sense)

    def _mirror(self, layer: int, group: int, tile: int, row: int) -> None:
        """Let a row that is remapped be as the spare one is."""
        spare = self._spares[layer].get((group, tile, row))
        if spare is not None:
            for each in (self._cells[layer].weights, self._cells[layer].mismatches, self._cells[layer].weak):
                each[group, tile, row] = each[group, tile, spare]

    def _load_numbers(self, layer: int, sense: int) -> None:
        """Let the layer's loader read its numbers from the arrays, if they live there."""
        cells = self._cells[layer]
        grid = cells.grid
        if not grid.number_bits:
            return
        words = np.arange(grid.number_words)
        step, tile = np.divmod(words, grid.tiles)
        block, row = np.divmod(grid.reads + step, grid.geometry.used_rows)
        lanes = []
        for lane in range(grid.number_lanes):
            parts = [
                self._host_reads(layer, lane * grid.blocks + int(each), row[block == each], tile[block == each], sense)
                for each in np.unique(block)
            ]
            held = np.concatenate(parts)[:, : grid.geometry.columns].reshape(-1)[: grid.numbers * grid.number_bits]
            lanes.append(bits.to_ints(held.reshape(grid.numbers, grid.number_bits)))
        self._numbers[layer] = images.numbers_of_lanes(self.network.topology, layer, lanes).astype(np.int32)

    def errors(self, layer: int, presented: bits.Bits, shares: tuple[int, ...], first: int, neurons: slice) -> Int32:
        """What noise adds to counts: (words, presentations, fan_in) bits that `neurons` see to (words, neurons) int32.

        `shares` is what each presentation counts, `first` the number of words that the layer saw before, and
        `neurons` a range of them from its start to its end.
        """
        grid, count = self._cells[layer].grid, presented.shape[1]
        found = np.zeros((len(presented), neurons.stop - neurons.start), dtype=np.int32)
        for cells in self._cells[layer].weak_cells(neurons) if self.noisy else ():
            each, octet = np.divmod(cells.column, BYTES)
            generators, which = np.unique(cells.tile * streams(grid.geometry.columns) + each, return_inverse=True)
            cycles = count * grid.rows_read(cells.group) * self.sense
            size = max(1, CHUNK_BYTES // (4 * cycles * len(generators)))
            for start in range(0, len(presented), size):
                part = presented[start : start + size]
                passed = (first + start) * cycles
                drawn = self._draw(layer, cells.group, generators, passed, len(part) * cycles)[
                    self.sense - 1 :: self.sense
                ]
                octets = drawn.reshape(len(part), count, -1, len(generators))[:, :, cells.row, which]
                errs = (octets >> (8 * octet).astype(np.uint32) & 0xFF) < cells.weak
                changes = errs * bits.to_signs(part[:, :, cells.source]) * cells.change
                sums = np.einsum("wpk,p->kw", changes, np.array(shares, dtype=np.int32))
                np.add.at(found[start : start + size].T, cells.neuron, sums)
        return found

    def _read(self, index: int, grid: LayerMap) -> _Cells:
        """The cells of a layer: their devices are set as the weights need them, but for those that are stuck."""
        size, columns = grid.geometry, grid.geometry.columns
        mismatch = np.zeros((grid.groups, grid.tiles, size.rows, columns), dtype=np.uint8)
        weak = np.zeros_like(mismatch)
        for place, found in self.faults.arrays.items():
            if place.layer == index:
                where = place.group, place.tile
                mismatch[where], weak[where] = found.mismatch, found.weak
        weights = self._sensed(index, grid, images.array_bits(self.network, self.plan, index))
        generators = NO_GENERATORS
        if self.noisy:
            generators = layer_states(self.network.topology, self.plan, self.faults.seed, index)
        return _Cells(grid, weights, bits.to_signs(mismatch), weak, generators)

    def _sensed(self, layer: int, grid: LayerMap, held: bits.Bits) -> Signs:
        """What the arrays of a layer that hold these bits read as without noise."""
        weights = sensed_weights(held, grid.ternary)
        faulty = [place[1:] for place in self.faults.arrays if place.layer == layer]
        every = itertools.product(range(grid.groups), range(grid.tiles))
        for where in every if layer in self._pristine else faulty:
            weights[where] = sensed_weights(held[where], grid.ternary, *self._fixed(layer, *where))
        return weights

    def _fixed(self, layer: int, group: int, tile: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint8]]:
        """Of the devices of an array those that no SET and RESET moves, pristine ones among them, as
        `model.faults.CellFaults.stuck`; and its mismatches.
        """
        found = self.faults.arrays.get(ArrayPlace(layer, group, tile), self._none)
        if layer not in self._pristine:
            return found.stuck, found.mismatch
        pristine = self._pristine[layer][group, tile] & (found.stuck == FREE)
        return np.where(pristine, np.int8(HRS), found.stuck), found.mismatch

    def _host_reads(
        self,
        layer: int,
        group: int,
        rows: npt.NDArray[np.intp],
        tiles: npt.NDArray[np.intp],
        sense: int,
    ) -> bits.Bits:
        """Rows of the arrays of a group, read one after the other: (reads, word_width) bits."""
        cells = self._cells[layer]
        grid, count, sense = cells.grid, len(rows), max(1, sense)
        weights = cells.weights[group, tiles, rows]
        weak = cells.weak[group, tiles, rows]
        if self.noisy and weak.any():
            each = streams(grid.geometry.columns)
            drawn = self._draw(layer, group, np.arange(grid.tiles * each), 0, count * sense)[sense - 1 :: sense]
            mine = drawn.reshape(count, grid.tiles, each)[np.arange(count), tiles]
            octets = np.ascontiguousarray(mine).astype("<u4").view(np.uint8)[:, : grid.geometry.columns]
            weights = weights + (octets < weak) * cells.changes((group, tiles, rows))
        self._drawn[layer, group] += count * sense
        return _word_bits(weights, grid.ternary)

    def _draw(self, layer: int, group: int, chosen: npt.NDArray[np.intp], passed: int, count: int) -> random_bits.Words:
        """(count, chosen) words that some generators of the arrays of a group give, after as many as were drawn and
        `passed` more.
        """
        states = self._cells[layer].generators[group].reshape(-1, 4)[chosen]
        return random_bits.words(states, self._drawn[layer, group] + passed, count)


def sensed_weights(
    held: bits.Bits,
    ternary: bool,
    stuck: npt.NDArray[np.int8] | None = None,
    mismatch: npt.NDArray[np.uint8] | None = None,
) -> Signs:
    """What cells that hold (…, word_width) bits read as without noise, with these faults: (…, columns) weights."""
    columns = held.shape[-1] // 2 if ternary else held.shape[-1]
    devices = [held[..., :columns], held[..., columns:] if ternary else 1 - held]
    if stuck is not None:
        devices = [np.where(each == FREE, device, each) for each, device in zip(stuck, devices, strict=True)]
    weights = devices[0].astype(np.int8) - devices[1].astype(np.int8)
    if mismatch is not None and not ternary:
        weights = np.where(weights == 0, bits.to_signs(mismatch), weights)
    return weights.astype(np.int8)


def _word_bits(weights: Signs, ternary: bool) -> bits.Bits:
    """(…, columns) weights to the (…, word_width) bits of an image's words."""
    planes = [weights > 0, weights < 0] if ternary else [weights > 0]
    return np.concatenate(planes, axis=-1).astype(np.uint8)
