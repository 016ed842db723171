"""Golden on faulty arrays, against a chip that is read cell by cell and byte by byte."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from model import faulty, random_bits
from model.device_images import streams
from model.errors import HafnetError
from model.faults import NO_FAULTS, ArrayPlace, CellFaults, FaultMap, random_faults
from model.faulty import FaultyArrays
from model.golden import classify, infer, present
from model.mapping import P2S, S2P, Geometry, LayerMap, Synapse
from model.network import ConvolutionLayer, DenseLayer, Network, WeightedLayer
from model.plan import Fidelity, LayerPlan, Plan
from model.random_network import random_network
from model.topology import BitInput
from model.windows import windows


class Generators:
    """The bytes of each array, one group after the other."""

    def __init__(self, seed: int, columns: int) -> None:
        self.seed, self.columns = seed, columns
        self.drawn: dict[int, int] = defaultdict(int)

    def sense(self, number: int, cycles: int) -> list[int]:
        """The bytes that a read of array `number` meets in its last cycle."""
        self.drawn[number] += cycles
        each = streams(self.columns)
        words = [
            int(random_bits.draws(self.seed, number * each + index, self.drawn[number] - 1, 1)[0])
            for index in range(each)
        ]
        return [words[column // 4] >> 8 * (column % 4) & 255 for column in range(self.columns)]


class Chip:
    """A layer's arrays, read row by row as the controller does."""

    def __init__(
        self, grid: LayerMap, first: int, faults: FaultMap, layer: int, weights: np.ndarray, noisy: bool
    ) -> None:
        self.grid, self.first, self.faults, self.layer, self.weights, self.noisy = (
            grid,
            first,
            faults,
            layer,
            weights,
            noisy,
        )

    def cell(self, synapse: Synapse, octets: list[int]) -> int:
        """What a cell says."""
        group, tile, row, column = self.grid.cell(synapse)
        faults = self.faults.arrays[ArrayPlace(self.layer, group, tile)]
        weight = int(self.weights[synapse])
        low = [weight == 1, weight == -1]
        low = [
            bool(stuck) if stuck >= 0 else state for stuck, state in zip(faults.stuck[:, row, column], low, strict=True)
        ]
        mismatch = 1 if faults.mismatch[row, column] else -1
        said = low[0] - low[1]
        if not said and not self.grid.ternary:
            said = mismatch
        if self.noisy and octets[column] < faults.weak[row, column]:
            if not self.grid.ternary:
                return -said
            return 0 if said else mismatch
        return said

    def present(self, generators: Generators, cycles: int) -> np.ndarray:
        """The weights that one presentation meets: all rows of the matrix, step by step, in all lanes."""
        grid = self.grid
        met = np.zeros((grid.fan_out, grid.fan_in), dtype=np.int64)
        for step in range(grid.reads):
            for lane in range(grid.lanes):
                along = step * grid.lanes + lane
                if grid.dataflow == S2P and along >= grid.matrix_rows:
                    continue  # not sensed
                group = lane * grid.blocks + step // grid.geometry.rows
                for tile in range(grid.tiles):
                    octets = generators.sense(self.first + group * grid.tiles + tile, cycles)
                    if along >= grid.matrix_rows:
                        continue  # sensed, but no neuron is left
                    for column in range(grid.used_columns(tile)):
                        across = tile * grid.geometry.columns + column
                        synapse = Synapse(along, across) if grid.dataflow == P2S else Synapse(across, along)
                        met[synapse] = self.cell(synapse, octets)
        return met


def layer_inputs(network: Network, index: int, layer: WeightedLayer, seen: np.ndarray) -> np.ndarray:
    """(words, presentations, inputs) bits that the layer's neurons see."""
    given = network.topology.input if index == 0 else BitInput(layer.shape.inputs)
    if isinstance(layer, ConvolutionLayer):
        maps = seen.reshape(-1, *layer.source)
        seen = windows(maps, layer.shape.kernel, layer.stride, layer.padding, layer.fill)
    return present(given, seen.reshape(-1, layer.fan_in), 0)


def walk(network: Network, plan: Plan, faults: FaultMap, values: np.ndarray, cycles: int) -> Iterator[np.ndarray]:
    """The counts of each layer."""
    generators, number = Generators(faults.seed, plan.geometry.columns), 0
    current = network.encoding.encode(values)
    for index, (layer, grid) in enumerate(zip(network.layers, plan.maps(network.topology), strict=True)):
        assert isinstance(layer, WeightedLayer)
        assert grid is not None
        chip = Chip(grid, number, faults, index, layer.matrix, plan.fidelity == "noisy")
        number += grid.arrays
        counts = []
        for word in layer_inputs(network, index, layer, current):
            total = np.zeros(layer.fan_out, dtype=np.int64)
            for share, bits in zip(network.topology.presentations[index].weights, word, strict=True):
                products = chip.present(generators, cycles) * (2 * bits.astype(np.int64) - 1)
                total += share * ((products + 1).sum(axis=1) if grid.ternary else (products > 0).sum(axis=1))
            counts.append(total)
        found = np.array(counts).reshape(len(values), -1)
        yield found
        fired = found.reshape(-1, layer.fan_out) >= layer.integers
        current = fired.astype(np.uint8).reshape(len(values), -1)


CASES = [
    ("9-7-3", ((P2S, 1), (P2S, 2)), 1),
    ("9-7t-3t", ((P2S, 3), (S2P, 2)), 1),
    ("9-7-3", ((S2P, 2), (S2P, 4)), 3),
    ("4b3/2-5-3t", ((S2P, 3), (P2S, 2)), 2),
    ("3x3x2-3c2t-4", ((P2S, 2), (S2P, 1)), 1),
    ("3x2x1b2-3c2x1-4", ((S2P, 1), (P2S, 3)), 1),
]


@pytest.mark.parametrize("fidelity", ["devices", "noisy"])
@pytest.mark.parametrize(("text", "layers", "cycles"), CASES)
def test_golden_counts_what_the_cells_say(text: str, layers: tuple, cycles: int, fidelity: Fidelity) -> None:  # type: ignore[type-arg]
    network = random_network(text, seed=4)
    plan = Plan(Geometry(2, 5), tuple(LayerPlan(*each) for each in layers), fidelity=fidelity).of(network.topology)
    faults = random_faults(network.topology, plan, stuck=0.2, weak=0.6, seed=11)
    low, high = network.encoding.range
    values = np.random.default_rng(2).integers(low, high, (4, network.encoding.values), endpoint=True)
    trace = infer(network, values, faults=FaultyArrays(network, plan, faults, cycles))
    assert any(len(np.unique(each)) > 1 for each in trace.counts.values())
    for layer, right in zip(network.layers, walk(network, plan, faults, values, cycles), strict=True):
        assert np.array_equal(trace.counts[layer.name].reshape(len(values), -1), right), layer.name
    clean = infer(network, values)
    assert any((clean.counts[name] != trace.counts[name]).any() for name in trace.counts)


NETWORK = random_network("5x5x2-4c3t-m2x1s1-9-4", seed=8)
PLAN = Plan(Geometry(4, 6), numbers_in_arrays=True, fidelity="noisy").of(NETWORK.topology)
FAULTS = random_faults(NETWORK.topology, PLAN, stuck=0.05, weak=0.2, seed=5)
VALUES = np.random.default_rng(1).integers(0, 2, (12, 50))


def scores(values: np.ndarray, first: int = 0, sense: int = 1, method: str = "matmul") -> np.ndarray:
    found = infer(NETWORK, values, first=first, method=method, faults=FaultyArrays(NETWORK, PLAN, FAULTS, sense))  # type: ignore[arg-type]
    return found.scores


def test_noise_goes_on_from_image_to_image(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scores(VALUES)
    assert np.array_equal(np.concatenate([scores(VALUES[:5]), scores(VALUES[5:], first=5)]), whole)
    assert (scores(VALUES[5:]) != whole[5:]).any()
    assert (scores(VALUES, sense=2) != whole).any()
    assert np.array_equal(scores(VALUES, sense=0), whole)  # a phase of 0 cycles counts as 1
    assert np.array_equal(scores(VALUES, method="packed"), whole)
    monkeypatch.setattr(faulty, "CHUNK_BYTES", 1)
    assert np.array_equal(scores(VALUES), whole)


def test_classes_are_those_of_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.golden.CHUNK", 5)
    arrays = FaultyArrays(NETWORK, PLAN, FAULTS)
    assert np.array_equal(classify(NETWORK, VALUES, faults=arrays), np.argmax(scores(VALUES), axis=1))


@pytest.mark.parametrize("fidelity", ["bits", "devices", "noisy"])
def test_arrays_without_faults_are_the_network(fidelity: Fidelity) -> None:
    plan = Plan(Geometry(4, 6), numbers_in_arrays=True, fidelity=fidelity)
    arrays = FaultyArrays(NETWORK, plan)
    assert arrays.layers == NETWORK.layers
    assert np.array_equal(infer(NETWORK, VALUES, faults=arrays).scores, infer(NETWORK, VALUES).scores)


def test_at_the_level_of_devices_reads_do_not_err() -> None:
    weak = random_faults(NETWORK.topology, PLAN, stuck=0, weak=1)
    arrays = FaultyArrays(NETWORK, Plan(Geometry(4, 6), fidelity="devices"), weak_of_no_numbers(weak))
    assert arrays.layers == NETWORK.layers
    assert np.array_equal(infer(NETWORK, VALUES, faults=arrays).scores, infer(NETWORK, VALUES).scores)


def weak_of_no_numbers(faults: FaultMap) -> FaultMap:
    """The faults of those arrays that a plan without numbers in its arrays has, too."""
    maps = Plan(Geometry(4, 6)).maps(NETWORK.topology)
    return FaultMap(
        {
            place: each
            for place, each in faults.arrays.items()
            if (grid := maps[place.layer]) is not None and place.group < grid.groups and place.tile < grid.tiles
        }
    )


def test_stuck_devices_of_thresholds_move_them() -> None:
    """A threshold's bits are cells like others; one beyond the largest count is a neuron that never fires."""
    network = Network(
        NETWORK.encoding,
        (DenseLayer("a", np.ones((3, 50), dtype=np.int8), np.array([0, 7, 51])),),
        random_network("3-2", 1).output,
    )
    plan = Plan(Geometry(4, 50), numbers_in_arrays=True, fidelity="devices").of(network.topology)
    grid = plan.maps(network.topology)[0]
    assert grid is not None
    assert (grid.reads, grid.number_bits, grid.groups) == (3, 6, 1)
    none = CellFaults.none(4, 50)
    stuck = none.stuck.copy()
    stuck[0, 3, 3:9], stuck[1, 3, 3:9] = 1, 0  # bits 3 … 5 of the first threshold and 0 … 2 of the second
    faults = FaultMap({ArrayPlace(0, 0, 0): CellFaults(stuck, none.mismatch, none.weak)})
    found = FaultyArrays(network, plan, faults).layers[0]
    assert isinstance(found, DenseLayer)
    assert found.thresholds.tolist() == [56, 7, 51]
    assert infer(network, VALUES, faults=FaultyArrays(network, plan, faults)).bits["a"][:, 0].sum() == 0


def test_a_host_reads_what_the_amplifiers_say() -> None:
    network = random_network("4-2t-2", seed=3)
    plan = Plan(Geometry(2, 4), fidelity="noisy").of(network.topology)
    always = np.full((2, 4), 255, dtype=np.uint8)
    stuck = np.array([[[1, 1, 0, 0], [1, 1, 0, 0]], [[1, 0, 1, 0], [1, 0, 1, 0]]])
    mismatch = np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    quiet = FaultMap({ArrayPlace(0, 0, 0): CellFaults(stuck, mismatch, np.zeros_like(always))})
    arrays = FaultyArrays(network, plan, quiet)
    assert arrays.read_row(0, 0, 0, 0, 1) == arrays.read_row(0, 0, 0, 1, 1) == 0b0100_0010
    loud = FaultyArrays(network, plan, FaultMap({ArrayPlace(0, 0, 0): CellFaults(stuck, mismatch, always)}))
    words = [[loud.read_row(0, 0, 0, row, 2) for _ in range(40)] for row in (0, 1)]
    assert max(set(words[0]), key=words[0].count) == 0b0000_1001  # errs: decided cells read 0, others their mismatch
    assert max(set(words[1]), key=words[1].count) == 0b1001_0000


def test_arrays_of_another_network_are_refused() -> None:
    with pytest.raises(HafnetError, match="hold another network, of topology 4-2"):
        infer(NETWORK, VALUES, faults=FaultyArrays(random_network("4-2", 1), Plan(), NO_FAULTS))
