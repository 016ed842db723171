"""Golden inference against a definition that is slow and plain to read, and its two methods against each other."""

import itertools
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import golden
from model.bits import to_signs
from model.encoding import Thermometer
from model.errors import HafnetError
from model.network import DenseLayer, Network, OutputLayer, WeightedLayer
from model.random_network import random_network
from model.topology import Presentations

METHODS = get_args(golden.Method)


def network_of(hidden: list[DenseLayer], output: OutputLayer, width: int) -> Network:
    return Network(Thermometer(width, (1,)), tuple(hidden), output)


def samples(network: Network, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 4, (count, network.encoding.values))


@given(st.integers(1, 130), st.integers(1, 20), st.integers(1, 7), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_both_methods_count_what_the_definition_counts(fan_in: int, fan_out: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = to_signs(random.integers(0, 2, (fan_out, fan_in)))
    inputs = random.integers(0, 2, (count, fan_in), dtype=np.uint8)
    expected = [
        [sum(int(bit) == (weight == 1) for bit, weight in zip(row, neuron, strict=True)) for neuron in weights]
        for row in inputs
    ]
    for method in METHODS:
        counts = golden.popcounts(weights, inputs, method=method)
        assert counts.dtype == np.int32
        assert counts.tolist() == expected


@given(st.lists(st.integers(1, 130), min_size=2, max_size=4), st.sampled_from([(1,), (0, 2)]), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_methods_agree_on_every_intermediate(shape: list[int], levels: tuple[int, ...], seed: int) -> None:
    shape[0] *= len(levels)
    network = random_network(shape, seed, levels)
    values = samples(network, 5, seed)
    one, other = (golden.infer(network, values, method=method) for method in METHODS)
    assert one.inputs.shape == (5, shape[0])
    assert [*one.counts] == [*other.counts] == [layer.name for layer in network.layers]
    assert [*one.bits] == [*other.bits] == [layer.name for layer in network.hidden]
    for layer in network.layers:
        assert isinstance(layer, WeightedLayer)
        assert one.counts[layer.name].shape == (5, layer.fan_out)
        assert np.array_equal(one.counts[layer.name], other.counts[layer.name])
    for layer in network.hidden:
        assert isinstance(layer, DenseLayer)
        fired = one.counts[layer.name] >= layer.thresholds
        assert np.array_equal(one.bits[layer.name], fired)
        assert np.array_equal(one.bits[layer.name], other.bits[layer.name])
    assert one.scores.dtype == np.int32
    assert np.array_equal(one.scores, one.counts["output"] + network.output.offsets)
    assert np.array_equal(one.scores, other.scores)
    assert one.classes.dtype == np.int64
    assert one.classes.tolist() == [row.index(max(row)) for row in one.scores.tolist()]
    assert np.array_equal(one.classes, other.classes)


@pytest.mark.parametrize("method", METHODS)
def test_extreme_thresholds_always_and_never_fire(method: golden.Method) -> None:
    weights = np.ones((4, 3), dtype=np.int8)
    layer = DenseLayer("extreme", weights, np.array([0, 1, 3, 4]))
    network = network_of([layer], OutputLayer("output", np.ones((2, 4), dtype=np.int8), np.array([0, 0])), 3)
    trace = golden.infer(network, np.array(list(itertools.product([0, 1], repeat=3))), method=method)
    assert trace.bits["extreme"].T.tolist() == [[1] * 8, [0] + [1] * 7, [0] * 7 + [1], [0] * 8]


def test_the_lowest_class_wins_a_tie() -> None:
    output = OutputLayer("output", np.array([[-1, -1], [1, 1], [1, -1], [1, 1]]), np.array([0, 0, 1, 0]))
    trace = golden.infer(network_of([], output, 2), np.array([[1, 1], [0, 0], [1, 0]]))
    assert trace.scores.tolist() == [[0, 2, 2, 2], [2, 0, 2, 0], [1, 1, 3, 1]]
    assert trace.classes.tolist() == [1, 0, 2]


def test_negative_scores_are_compared_as_signed() -> None:
    output = OutputLayer("output", np.array([[1, 1], [1, 1]]), np.array([-2, -1]))
    assert golden.infer(network_of([], output, 2), np.array([[0, 0]])).scores.tolist() == [[-2, -1]]
    assert golden.classify(network_of([], output, 2), np.array([[0, 0]])).tolist() == [1]


@pytest.mark.parametrize("count", [0, 1, golden.CHUNK, golden.CHUNK + 1])
def test_classify_is_infer_without_intermediates(count: int) -> None:
    network = random_network((20, 33, 10), seed=3, levels=(0, 2))
    values = samples(network, count, seed=4)
    classes = golden.classify(network, values)
    assert classes.shape == (count,)
    assert np.array_equal(classes, golden.infer(network, values).classes)


def test_a_product_that_float32_cannot_hold_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = Presentations(16, halving=True)
    presented = np.ones((1, 16, 401), dtype=np.uint8)
    weights = np.array([[1] * 401, [-1] * 401, [1] * 400 + [-1]], dtype=np.int8)
    # Odd and above 2^24: float32 holds only the even numbers there.
    expected = [[401 * 65535, 0, 400 * 65535]]
    for method in METHODS:
        assert golden.counts(weights, presented, planes, method=method).tolist() == expected
    twice = [[2 * count for count in row] for row in expected]
    for method in METHODS:
        assert golden.counts(weights, presented, planes, ternary=True, method=method).tolist() == twice
    monkeypatch.setattr(golden, "FLOAT32_LIMIT", 2**62)
    assert golden.counts(weights, presented, planes).tolist() != expected


def test_wrong_inputs_are_told_in_a_sentence() -> None:
    network = random_network((4, 2), seed=0)
    with pytest.raises(HafnetError, match=r"shape \(1, 5\), but the encoding takes \(samples, 4\)"):
        golden.classify(network, np.zeros((1, 5), dtype=np.int64))
    with pytest.raises(HafnetError, match="float64, but the encoding takes integers"):
        golden.infer(network, np.zeros((1, 4)))
    with pytest.raises(HafnetError, match="shape \\(\\), but"):
        golden.classify(network, 3)
    with pytest.raises(HafnetError, match="'fast' is neither 'matmul' nor 'packed'"):
        golden.infer(network, np.zeros((1, 4), dtype=np.int64), method="fast")  # type: ignore[arg-type]
