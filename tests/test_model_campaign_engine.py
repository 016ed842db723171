"""The engine of campaigns against golden, bit for bit."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model_topology import topologies
from torch import Tensor

from model import golden
from model.campaign import engine as module
from model.campaign.draw import err, faulty
from model.campaign.engine import Change, Engine, covers, with_weights
from model.campaign.layers import Neurons
from model.encoding import Thermometer
from model.errors import HafnetError
from model.network import Network, OutputLayer, WeightedLayer
from model.random_network import random_network
from model.topology import Topology

Values = npt.NDArray[np.int64]
CPU = torch.device("cpu")

MIXED = "8x8x3b3/2-6c3p1f5-m2s1-8c3g2-4"
KINDS = ("20-9-4", "20-9t-4t", "30r4x8d3-9-4", MIXED, "6x6x3r4x4-5c3-m2-4", "8x8x4-8c3s2p1f1g2t-avg-6t-4")


def asked(network: Network, seed: int, count: int = 30) -> tuple[Values, Values]:
    random = np.random.default_rng(seed)
    low, high = network.encoding.range
    values = random.integers(low, high, (count, network.encoding.values), endpoint=True)
    return values, random.integers(0, network.output.fan_out, count)


def weighted(network: Network) -> list[WeightedLayer]:
    return [layer for layer in network.layers if isinstance(layer, WeightedLayer)]


def check(network: Network, seed: int) -> None:
    """A map that errs everywhere, the network's own weights, and one layer alone that errs."""
    values, labels = asked(network, seed)
    engine = Engine(network, values, labels)
    everywhere = {layer.name: 0.2 for layer in weighted(network)}
    for rates in (everywhere, {}, {network.output.name: 0.5}):
        weights = faulty(network, rates, seed, 0)
        expected = golden.infer(with_weights(network, weights), values)
        assert np.array_equal(engine.classes(weights), expected.classes)
        assert engine.correct(weights) == np.sum(expected.classes == labels)
        if covers(network):
            scores = engine.scores(weights)
            assert scores.dtype == np.int32
            assert np.array_equal(scores, expected.scores)


@given(topologies(("bits", "planes", "stochastic")), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_any_network_with_any_errors_is_as_golden(topology: Topology, seed: int) -> None:
    check(random_network(topology, seed), seed)


def test_samples_in_many_chunks_are_as_golden(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in KINDS:
        network = random_network(text, seed=2)
        whole = golden.classify(network, asked(network, 3)[0])  # chunks of golden are its own matter
        monkeypatch.setattr(golden, "CHUNK", 7)
        values, labels = asked(network, 3)
        engine = Engine(network, values, labels)
        assert np.array_equal(engine.classes(), whole), text
        check(network, 4)
        monkeypatch.undo()


@pytest.mark.parametrize("text", ["255b16-6-3", "255b16-6t-3", "257b16-6-3", "257b16-6t-3", "255b16-3t", "256b16-3t"])
def test_the_largest_sums_are_exact_on_both_sides_of_2_to_the_24(text: str) -> None:
    network = random_network(text, seed=1)
    first, (low, high) = weighted(network)[0], network.encoding.range
    ones = with_weights(network, {first.name: np.ones_like(first.matrix)})
    random = np.random.default_rng(5)
    values = high - random.integers(0, 2, (40, network.encoding.values))  # sums around the largest one
    values[:3] = low
    top = network.topology.top(0)
    sums = golden.infer(ones, values).counts[first.name][:, 0]
    assert sums.max() > 0.9 * top
    if first is not network.output:
        thresholds = np.clip(np.median(sums).astype(int) + np.arange(-3, 3), 0, top + 1)
        ones = replace(ones, hidden=(replace(ones.hidden[0], thresholds=thresholds), *ones.hidden[1:]))
    found = Engine(ones, values, np.zeros(40)).scores()
    assert np.array_equal(found, golden.infer(ones, values).scores)
    assert len(np.unique(found)) > 1


def test_the_lowest_class_wins_a_tie() -> None:
    network = Network(Thermometer(4, (1,)), (), OutputLayer("output", np.ones((3, 4), int), np.array([0, 1, 1])))
    values, labels = asked(network, 1)
    assert Engine(network, values, labels).classes().tolist() == [1] * len(labels)


@pytest.mark.parametrize("text", KINDS)
def test_a_neuron_that_errs_alone_changes_what_the_whole_network_shows(text: str) -> None:
    network = random_network(text, seed=3)
    values, labels = asked(network, 6, 60)
    engine = Engine(network, values, labels)
    clean, random, changed = golden.classify(network, values), np.random.default_rng(7), 0
    for layer in weighted(network):
        numbers = [0, layer.fan_out // 2, layer.fan_out - 1]
        own = {number: np.repeat(layer.matrix[number][np.newaxis], 3, 0) for number in numbers}
        rows = {number: err(each, 0.3, random, layer.shape.ternary) for number, each in own.items()}
        found = engine.changes(layer.name, rows)
        assert len(found) == len(rows)
        for change, (number, each) in zip(found, rows.items(), strict=True):
            shown = []
            for row in each:
                matrix = layer.matrix.copy()
                matrix[number] = row
                shown.append(golden.classify(with_weights(network, {layer.name: matrix}), values))
            right = sum(int(np.sum(now == labels)) for now in shown)
            expected = Change(sum(int(np.sum(now != clean)) for now in shown), 3 * int(np.sum(clean == labels)) - right)
            assert change == expected, (layer.name, number)
            changed += change.changed
    assert changed


def test_a_device_that_rounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Neurons._words

    def rounded(self: Neurons, current: Tensor) -> Tensor:
        return words(self, current).bfloat16().to(self.dtype)

    monkeypatch.setattr(Neurons, "_words", rounded)
    bits, codes = (random_network(text, seed=1) for text in ("64-8-4", "64b12-4"))
    Engine(bits, *asked(bits, 1, 100))  # what is 0 or 1 stays so
    with pytest.raises(RuntimeError, match="torch on cpu does not compute what the golden model does"):
        Engine(codes, *asked(codes, 1, 100), device=CPU)


def test_products_are_never_rounded_to_fewer_bits() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        network = random_network("20-4", seed=1)
        Engine(network, *asked(network, 1))
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)


def test_values_that_do_not_fit_are_a_users_mistake() -> None:
    network = random_network("20b4-4", seed=1)
    with pytest.raises(HafnetError, match="value 16 of sample 0"):
        Engine(network, np.full((1, 20), 16), np.zeros(1))


def test_what_torch_does_not_do_has_no_scores() -> None:
    network = random_network("6x6x3r4x4-5c3-m2-4", seed=1)
    with pytest.raises(NotImplementedError, match="random bits before a convolution"):
        Engine(network, *asked(network, 1)).scores()


def test_one_core_is_lent_and_given_back() -> None:
    before = torch.get_num_threads()
    with module.one_core():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_a_gpu_is_as_golden() -> None:
    network = random_network("784-1024-1024-10", seed=1)
    values, labels = asked(network, 1, 3000)
    engine = Engine(network, values, labels)
    assert engine.device.type == "cuda"
    assert np.array_equal(engine.scores(), golden.infer(network, values).scores)
