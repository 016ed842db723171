"""Neurons where faults harm least: the same network, fewer wrong weights, and the arrays say the same."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import HafnetError
from model.faults import FREE, LRS, ArrayPlace, CellFaults, FaultMap, random_faults
from model.faulty import FaultyArrays
from model.golden import infer
from model.mapping import Geometry
from model.network import DenseLayer, Network, WeightedLayer
from model.placement import load_sensitivities, place
from model.plan import Plan
from model.random_network import random_network

TEXTS = (
    "20-9-5-3",
    "20-9t-5t-3t",
    "1-1-1",
    "5x4x2-6c3p1-m2-4-3",
    "6x6x1-4c3-m2-6c1-avg-3",
    "4x4x2-4c3p1g2-6c3p1-4-3",
    "3x3x1b4-5c2-7-2",
)


def plan_of(network: Network, fidelity: str = "devices", **geometry: int) -> Plan:
    return Plan(Geometry(**{"rows": 4, "columns": 7, **geometry}), fidelity=fidelity)  # type: ignore[arg-type]


def inputs(network: Network, count: int = 40) -> np.ndarray:
    low, high = network.encoding.range
    return np.random.default_rng(1).integers(low, high, (count, network.encoding.values), endpoint=True)


def wrong_weights(network: Network, plan: Plan, faults: FaultMap) -> dict[str, int]:
    read = FaultyArrays(network, plan, faults).layers
    return {
        layer.name: int(np.sum(layer.weights != found.weights))
        for layer, found in zip(network.layers, read, strict=True)
        if isinstance(layer, WeightedLayer) and isinstance(found, WeightedLayer)
    }


@pytest.mark.parametrize("text", TEXTS)
@given(seed=st.integers(0, 2**32))
def test_it_computes_the_same_and_has_fewer_wrong_weights(text: str, seed: int) -> None:
    network = random_network(text, seed=seed)
    plan = plan_of(network)
    faults = random_faults(network.topology, plan, stuck=0.2, weak=0.0, seed=seed)
    found = place(network, plan, faults)
    assert np.array_equal(infer(found.network, inputs(network)).scores, infer(network, inputs(network)).scores)
    before, after = (wrong_weights(each, plan, faults) for each in (network, found.network))
    for layer in found.layers:
        assert sorted(layer.order) == list(range(len(layer.order)))
        assert layer.after == pytest.approx(after[layer.name])
    first = found.layers[0]  # later ones have their inputs in another order as well
    assert first.before == pytest.approx(before[first.name])
    assert all(layer.after <= layer.before + 1e-9 for layer in found.layers)


def test_no_other_order_of_a_small_layer_is_better() -> None:
    network = random_network("7-5-2", seed=4)
    plan = plan_of(network, "noisy")
    faults = random_faults(network.topology, plan, stuck=0.3, weak=0.3, seed=5)
    shares = {"hidden0": np.array([1.0, 5.0, 0.0, 2.0, 3.0])}
    found = place(network, plan, faults, shares)
    layer = network.hidden[0]
    assert isinstance(layer, DenseLayer)
    weights = np.maximum(shares["hidden0"] / shares["hidden0"].mean(), 0.01)
    weights /= weights.mean()
    least = np.inf  # of the expectation by hand: of each cell, over what a noisy read gives
    for order in itertools.permutations(range(5)):
        first = DenseLayer(layer.name, layer.weights[list(order)], layer.thresholds[list(order)])
        moved = Network(network.encoding, (first,), network.output)
        cells = FaultyArrays(moved, plan, faults)._cells[0]
        weak = cells.grid.matrix(cells.weak) / 256
        read = cells.grid.matrix(cells.weights)
        wrong = np.where(read == first.weights, weak, 1 - weak)
        least = min(least, float(weights[list(order)] @ wrong.sum(axis=1)))
    assert found.layers[0].weighted[1] == pytest.approx(least)


def test_the_neuron_that_matters_most_gets_the_row_without_faults() -> None:
    network = random_network("7-3-2", seed=1)
    plan = plan_of(network)
    stuck = np.full((2, 4, 7), FREE, dtype=np.int8)
    stuck[:, :2] = LRS  # of rows 0 and 1 each read is the mismatch
    none = np.zeros((4, 7), dtype=np.uint8)
    faults = FaultMap({ArrayPlace(0, 0, 0): CellFaults(stuck, none, none)})
    for neuron in range(3):
        matters = np.zeros(3)
        matters[neuron] = 1
        assert place(network, plan, faults, {"hidden0": matters}).layers[0].order[2] == neuron


@pytest.mark.parametrize("ternary", ["", "t"])
def test_weak_cells_count_by_their_chance(ternary: str) -> None:
    network = random_network(f"7-4{ternary}-2", seed=1)
    plan = plan_of(network, "noisy")
    weak = np.zeros((4, 7), dtype=np.uint8)
    weak[1] = 64
    free, none = np.full((2, 4, 7), FREE, dtype=np.int8), np.zeros((4, 7), dtype=np.uint8)
    faults = FaultMap({ArrayPlace(0, 0, 0): CellFaults(free, none, weak)})
    assert place(network, plan, faults).layers[0].before == pytest.approx(7 * 0.25)
    steady = plan_of(network, "devices")
    assert place(network, steady, faults).layers[0].before == 0


def test_classes_and_groups_keep_their_order() -> None:
    network = random_network("4x4x2-4c3p1g2-6c3p1-4-3", seed=1)
    plan = plan_of(network)
    faults = random_faults(network.topology, plan, stuck=0.3, weak=0.0)
    layers = {layer.name: layer for layer in place(network, plan, faults).layers}
    first, *middle, last = layers.values()
    assert first.fixed == "channels of groups keep their order"
    assert last.fixed == "classes keep their order"
    assert not any(layer.fixed for layer in middle)
    for layer in (first, last):
        assert np.array_equal(layer.order, np.arange(len(layer.order)))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"hidden9": np.ones(3)}, "sensitivities of 'hidden9' are given, which is no layer of neurons"),
        ({"hidden0": np.ones(3)}, r"layer 'hidden0': sensitivities have shape \(3,\), but \(9,\) is needed"),
        ({"hidden0": np.full(9, -1.0)}, "layer 'hidden0': a sensitivity is -1, but must be 0 or more"),
        ({"hidden0": np.full(9, np.nan)}, "layer 'hidden0': a sensitivity is nan, but must be 0 or more"),
    ],
)
def test_sensitivities_that_cannot_be_are_said(values: dict[str, np.ndarray], says: str) -> None:
    network = random_network("20-9-3", seed=1)
    with pytest.raises(HafnetError, match=says):
        place(network, plan_of(network), FaultMap(), values)


RANKING = "layer,neuron,changed,lost\nhidden0,1,0.5,0.1\nhidden0,0,0.25,0\noutput,0,0,0\noutput,1,1,1\n"


def test_a_ranking_is_read(tmp_path: Path) -> None:
    path = tmp_path / "neurons.csv"
    path.write_text(RANKING)
    found = load_sensitivities(path, random_network("3-2-2", seed=1))
    assert {name: values.tolist() for name, values in found.items()} == {"hidden0": [0.25, 0.5], "output": [0, 1]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RANKING.replace("output,1", "output,2"), "neuron 2 of 'output' is none of 3-2-2"),
        (RANKING.replace("output,1", "output,0"), "neuron 0 of 'output' is there twice"),
        (RANKING.replace("output,1,1,1\n", ""), "neuron 1 of 'output' is missing"),
        (RANKING.replace("0.25", "much"), "row 2 has 'much' as changed, but a number is needed"),
        (RANKING.replace("changed", "moved"), "column 'changed' is there 0 times, but must be once"),
        ("", "is empty, but a header with layer, neuron, changed is needed"),
    ],
)
def test_a_ranking_of_something_else_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "neurons.csv"
    path.write_text(text)
    with pytest.raises(HafnetError, match=says):
        load_sensitivities(path, random_network("3-2-2", seed=1))


def test_a_map_of_other_arrays_is_refused() -> None:
    network = random_network("20-9-3", seed=1)
    faults = FaultMap({ArrayPlace(7, 0, 0): CellFaults.none(4, 7)})
    with pytest.raises(HafnetError, match="layer7_g0_t0 is none of the arrays"):
        place(network, plan_of(network), faults)
