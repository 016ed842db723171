"""`FaultyArrays`: what sense amplifiers say of cells with faults, read by read, as the emulation of the arrays does.

Without noise a cell reads as one weight: its devices where they differ, its mismatch where they are alike (0 in a
ternary array). So the network is another one, whose layers are `FaultyArrays.layers`.

With noise a read of a weak cell errs where its byte is below its weakness. A cell that reads as ±1 then reads as the
other sign, or in a ternary array as 0; one that reads as 0 reads as its mismatch. The bytes of a read are one group of
the array's generators (see `model.device_images`), and every cycle in which the array is sensed draws one, whoever
asked:

- after reset the loader of numbers that live in arrays reads word after word of each lane in turn;
- a host's read, and the verify read of a programmed row, senses all arrays of a group;
- an image senses, for each of its windows and each of their presentations, `LayerMap.rows_read` rows of every array.

A read takes as many cycles of sensing as the phase is long, and the last one counts.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from model import bits, images, random_bits
from model.device_images import BYTES, layer_states, streams
from model.faults import FREE, NO_FAULTS, FaultMap
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
    """The cells of a layer, (groups, tiles, rows, columns) each: `weights`, as they read without noise; `erring`, as
    they read where they err; and `weak`. `generators` are those of the arrays before their first step, (groups, tiles,
    streams, 4).
    """

    grid: LayerMap
    weights: Signs
    erring: Signs
    weak: npt.NDArray[np.uint8]
    generators: random_bits.States

    def weak_cells(self, neurons: slice) -> Iterator[_Weak]:
        """The weak cells of `neurons`, a range of them, group by group; its first neuron is number 0."""
        grid, shape = self.grid, self.weights.shape
        weak = grid.matrix(self.weak)[neurons]
        neuron, source = np.nonzero(weak)
        place = grid.matrix(np.arange(self.weights.size).reshape(shape))[neurons][neuron, source]
        # The amplifiers' count of a binary cell is 0 or 1, of a ternary one 0, 1 or 2.
        change = (self.erring.reshape(-1)[place] - self.weights.reshape(-1)[place]) // (1 if grid.ternary else 2)
        group, *where = np.unravel_index(place, shape)
        for each in np.unique(group).tolist():
            here = group == each
            held = (neuron, source, *where, weak[neuron, source], change)
            yield _Weak(each, *(array[here] for array in held))


class FaultyArrays:
    """The arrays of `network` under `plan` with the faults of `faults`, after reset; a read senses for `sense` cycles.

    What the host reads after that is to be told by `read_row`. Raises HafnetError where the fault map is not one for
    network and plan.
    """

    def __init__(self, network: Network, plan: Plan, faults: FaultMap = NO_FAULTS, sense: int = 1) -> None:
        self.network, self.plan, self.seed = network, plan.of(network.topology), faults.seed
        self.sense = max(1, sense)
        faults.check(network.topology, self.plan)
        self._cells = {
            index: self._read(index, grid, faults)
            for index, grid in enumerate(self.plan.maps(network.topology))
            if grid is not None
        }
        self._numbers: dict[int, Int32] = {}
        self._drawn: Counter[tuple[int, int]] = Counter()
        """Bytes that each array of a group has drawn a column, by layer and group."""
        for index in self._cells:
            self.load_numbers(index, self.sense)

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

    def load_numbers(self, layer: int, sense: int) -> None:
        """Let the layer's loader read its numbers from the arrays, if they live there."""
        cells = self._cells[layer]
        grid = cells.grid
        if not grid.number_bits:
            return
        words = np.arange(grid.number_words)
        step, tile = np.divmod(words, grid.tiles)
        block, row = np.divmod(grid.reads + step, grid.geometry.rows)
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

    def _read(self, index: int, grid: LayerMap, faults: FaultMap) -> _Cells:
        """The cells of a layer: their devices are set as the weights need them, but for those that are stuck."""
        size, columns = grid.geometry, grid.geometry.columns
        arrays = images.array_bits(self.network, self.plan, index)
        devices = [arrays[..., :columns], arrays[..., columns:] if grid.ternary else 1 - arrays]
        mismatch = np.zeros((grid.groups, grid.tiles, size.rows, columns), dtype=np.uint8)
        weak = np.zeros_like(mismatch)
        for place, found in faults.arrays.items():
            if place.layer == index:
                where = place.group, place.tile
                mismatch[where], weak[where] = found.mismatch, found.weak
                for device, stuck in zip(devices, found.stuck, strict=True):
                    device[where] = np.where(stuck == FREE, device[where], stuck)
        weights = devices[0].astype(np.int8) - devices[1].astype(np.int8)
        mismatches = bits.to_signs(mismatch)
        if not grid.ternary:
            weights = np.where(weights == 0, mismatches, weights).astype(np.int8)
        erring = np.where(weights == 0, mismatches, 0 if grid.ternary else -weights).astype(np.int8)
        generators = layer_states(self.network.topology, self.plan, self.seed, index) if self.noisy else NO_GENERATORS
        return _Cells(grid, weights, erring, weak, generators)

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
            weights = np.where(octets < weak, cells.erring[group, tiles, rows], weights)
        self._drawn[layer, group] += count * sense
        planes = [weights > 0, weights < 0] if grid.ternary else [weights > 0]
        return np.concatenate(planes, axis=1).astype(np.uint8)

    def _draw(self, layer: int, group: int, chosen: npt.NDArray[np.intp], passed: int, count: int) -> random_bits.Words:
        """(count, chosen) words that some generators of the arrays of a group give, after as many as were drawn and
        `passed` more.
        """
        states = self._cells[layer].generators[group].reshape(-1, 4)[chosen]
        return random_bits.words(states, self._drawn[layer, group] + passed, count)
