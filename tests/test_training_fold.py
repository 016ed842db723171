"""Folding is exact: the integer network and the torch network in evaluation mode agree in every bit."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model_topology import topologies

from model import golden
from model.bits import to_bits, to_signs
from model.encoding import FixedPoint, Thermometer
from model.errors import HafnetError
from model.network import ConvolutionLayer, DenseLayer, MaxPoolLayer, Network
from model.samples import Integers
from model.topology import PlaneInput, Topology, Weighted
from model.training.datasets import load_digits
from model.training.fold import fold
from model.training.layers import AveragePooling, HiddenLayer, MaxPooling
from model.training.module import BinaryNetwork
from model.training.recipe import Recipe, train


@torch.no_grad()
def hidden_bits(module: BinaryNetwork, maps: torch.Tensor) -> list[npt.NDArray[Any]]:
    """What each layer of the topology gives but the last one: bits, or numbers of ones of average pooling."""
    found = []
    for stage in module.stages:
        if isinstance(stage, HiddenLayer):
            dots = stage.weights(maps)
            found.append(stage.norm(dots) >= 0)
            for pool in stage.pools:
                dots = pool(dots)
                found.append(stage.norm(dots) >= 0)
            maps = stage(maps)
            assert torch.equal(found[-1] * 2.0 - 1, maps)
        elif isinstance(stage, MaxPooling):
            maps = stage(maps)
            found.append(maps >= 0)
        else:
            assert isinstance(stage, AveragePooling)
            pixels = stage.shape.source.height * stage.shape.source.width
            maps = stage(maps)
            found.append((maps + pixels) / 2)
    return [each.numpy() for each in found]


@torch.no_grad()
def assert_same(module: BinaryNetwork, network: Network, values: Integers) -> None:
    """Every hidden bit, every score and every class."""
    module.eval()
    trace = golden.infer(network, values)
    maps = module.encode(torch.from_numpy(values.astype(np.int32)))
    assert str(network.topology) == str(module.topology)
    for found, folded in zip(hidden_bits(module, maps), network.hidden, strict=True):
        expected = trace.bits[folded.name]
        assert np.array_equal(found.reshape(expected.shape), expected), folded.name
    for stage in module.stages:
        maps = stage(maps)
    assert np.array_equal(module.output.scores(maps).numpy(), trace.scores)
    assert np.array_equal(module.output(maps).argmax(1).numpy(), trace.classes)


@torch.no_grad()
def whole_norms(module: BinaryNetwork, generator: torch.Generator) -> None:
    """Whole numbers and no epsilon, scales below 0 and 0: many dot products meet the batch norm's zero exactly."""

    def whole(low: int, high: int, size: int) -> torch.Tensor:
        return torch.randint(low, high + 1, (size,), generator=generator).float()

    for layer in module.stages:
        if isinstance(layer, HiddenLayer):
            norm, size = layer.norm, layer.norm.num_features
            reach = max(4, int(layer.weights.top**0.75))
            norm.eps = 0.0
            norm.weight.copy_(whole(-2, 2, size))
            norm.bias.copy_(whole(-4, 4, size))
            norm.running_mean.copy_(whole(-reach, reach, size))  # type: ignore[union-attr]  # tracked by default
            norm.running_var.copy_(whole(1, 4, size))  # type: ignore[union-attr]  # tracked by default
    module.output.bias.normal_(generator=generator)


def dense(inputs: int, *fan_outs: int) -> BinaryNetwork:
    return BinaryNetwork(Thermometer(inputs, (1,)), Topology.dense((inputs, *fan_outs)))


def first_layer(module: BinaryNetwork) -> HiddenLayer:
    stage = module.stages[0]
    assert isinstance(stage, HiddenLayer)
    return stage


@pytest.fixture(scope="module")
def trained() -> BinaryNetwork:
    return train(load_digits(), Recipe(hidden=(48, 40), epochs=4), "cpu").torch_module


def test_trained_digits_on_the_whole_test_set(trained: BinaryNetwork) -> None:
    network = fold(trained, {})
    assert [layer.name for layer in network.layers] == ["hidden0", "hidden1", "output"]
    assert str(network.topology) == "256-48-40-10"
    assert_same(trained, network, load_digits().test.values)


@pytest.mark.parametrize("text", ["8x8x1b5-6c3p1f16-m2-8c3g2-m2-12-10", "8x8x4-m2s1-8c3s2-avg-10"])
def test_trained_convolutions_on_the_whole_test_set(text: str) -> None:
    made = train(load_digits(), Recipe(topology=text, epochs=1, noise=0), "cpu")
    assert_same(made.torch_module, made.network, load_digits().test.values)


def test_negative_and_zero_scales_and_extreme_thresholds(trained: BinaryNetwork) -> None:
    with torch.no_grad():
        for layer in trained.stages:
            assert isinstance(layer, HiddenLayer)
            norm = layer.norm
            norm.weight[::3] = -norm.weight[::3].abs()
            norm.weight[1:6] = 0.0
            norm.bias[1:6] = torch.tensor([-0.5, 0.0, 0.5, -0.0, -1e-30])
            norm.weight[6:10] = torch.tensor([1e-6, -1e-6, 1e-6, -1e-6])
            norm.bias[6:10] = torch.tensor([3.0, 3.0, -3.0, -3.0])
    network = fold(trained, {})
    for folded in network.hidden:
        assert isinstance(folded, DenseLayer)
        never = folded.fan_in + 1
        assert folded.thresholds[1:10].tolist() == [never, 0, 0, 0, never, 0, 0, never, never]
    assert_same(trained, network, load_digits().test.values)


def test_negative_scale_flips_the_weights() -> None:
    module = dense(5, 2, 2)
    layer = first_layer(module)
    with torch.no_grad():
        layer.weights.weight.copy_(torch.tensor([[1.0, -1, 1, 1, -1]]).expand(2, 5))
        layer.norm.weight.copy_(torch.tensor([1.0, -1.0]))
        layer.norm.bias.copy_(torch.tensor([-1.0, -1.0]))
    folded = fold(module, {}).hidden[0]
    assert isinstance(folded, DenseLayer)
    assert folded.weights.tolist() == [[1, -1, 1, 1, -1], [-1, 1, -1, -1, 1]]
    # dot >= 1.00001 (the norm divides by sqrt(1 + 1e-5)) is popcount >= 4 of 5; -dot likewise.
    assert folded.thresholds.tolist() == [4, 4]


def test_behind_a_negative_scale_the_largest_is_the_last_to_fire() -> None:
    module = BinaryNetwork(Thermometer(4, (1,)), Topology.parse("1x4x1-3c1-m1x2-m1x2-2"))
    layer = first_layer(module)
    with torch.no_grad():
        layer.weights.weight.fill_(1.0)
        layer.norm.weight.copy_(torch.tensor([1.0, -1.0, 0.0]))
    network = fold(module, {})
    convolution, *pools = network.hidden
    assert isinstance(convolution, ConvolutionLayer)
    assert convolution.weights.ravel().tolist() == [1, -1, 1]
    assert convolution.thresholds.tolist() == [1, 1, 0]
    for pool in pools:
        assert isinstance(pool, MaxPoolLayer)
        assert pool.conjunctive.tolist() == [0, 1, 0]
    assert_same(module, network, np.array(list(itertools.product([0, 1], repeat=4))))


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    inputs=st.integers(1, 8),
    classes=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_any_dense_network_over_all_its_inputs(widths: list[int], inputs: int, classes: int, seed: int) -> None:
    module = dense(inputs, *widths, classes)
    whole_norms(module, torch.Generator().manual_seed(seed))
    values = np.array(list(itertools.product([0, 1], repeat=inputs)))
    assert_same(module, fold(module, {}), values)


@settings(max_examples=200, deadline=None)
@given(topology=topologies(("bits", "planes")), seed=st.integers(0, 2**32), low=st.integers(-9, 9))
def test_any_topology(topology: Topology, seed: int, low: int) -> None:
    layers = (replace(each, ternary=False) if isinstance(each, Weighted) else each for each in topology.layers)
    topology, generator = Topology(topology.input, tuple(layers)), torch.Generator().manual_seed(seed)
    encoding: Thermometer | FixedPoint = Thermometer(topology.input.width, (low,))
    if isinstance(topology.input, PlaneInput):
        encoding = FixedPoint(topology.input.width, topology.input.depth, low, topology.input.planes)
    module = BinaryNetwork(encoding, topology, generator)
    whole_norms(module, generator)
    least, most = encoding.range
    values = np.random.default_rng(seed).integers(least, most, (16, encoding.values), endpoint=True)
    values[:2] = [[least], [most]]
    assert_same(module, fold(module, {}), values)


@settings(max_examples=100, deadline=None)
@given(
    fan_in=st.integers(1, 16383),
    seed=st.integers(0, 2**32),
    exponent=st.floats(-12, 12),
)
def test_the_threshold_of_codes_is_where_the_norm_turns(fan_in: int, seed: int, exponent: float) -> None:
    """Counts up to 2^30 are too many to try, so each threshold is tried, and the count below it."""
    module = BinaryNetwork(FixedPoint(fan_in, 16), Topology.parse(f"{fan_in}b16-40-2"))
    module.eval()
    layer, generator = first_layer(module), torch.Generator().manual_seed(seed)
    norm, top = layer.norm, layer.weights.top
    with torch.no_grad():
        norm.weight.normal_(generator=generator).mul_(10**exponent)
        norm.bias.normal_(generator=generator)
        norm.running_mean.normal_(generator=generator).mul_(top / 2)  # type: ignore[union-attr]  # tracked by default
        norm.running_var.fill_(top)  # type: ignore[union-attr]  # tracked by default
        norm.weight[::7] = 0.0
    folded = fold(module, {}).hidden[0]
    assert isinstance(folded, DenseLayer)
    flips = folded.weights[:, 0] * np.where(layer.weights.weight[:, 0].detach().numpy() >= 0, 1, -1)
    for count in (-1, 0):
        popcounts = folded.thresholds.astype(np.int64) + count
        dots = torch.from_numpy(flips * (2 * popcounts - top))
        with torch.no_grad():
            fires = norm(dots).numpy() >= 0
        inside = (popcounts >= 0) & (popcounts <= top)
        assert (fires[inside] == (count == 0)).all()
    assert (folded.thresholds[::7] == np.where(norm.bias[::7].detach().numpy() >= 0, 0, top + 1)).all()


def test_weights_and_origin_arrive_and_the_mode_stays() -> None:
    module = BinaryNetwork(Thermometer(6, (1, 2)), Topology.dense((12, 3, 4)))
    module.train()
    network = fold(module, {"recipe": "by hand", "seed": 7})
    assert module.training
    assert network.origin == {"recipe": "by hand", "seed": 7}
    output = module.output.weights.weight.detach().numpy()
    assert np.array_equal(network.output.weights, to_signs(to_bits(output)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("member", ["bias", "weight"])
def test_a_norm_that_is_not_finite_is_refused(member: str, value: float) -> None:
    module = dense(6, 3, 5, 4)
    with torch.no_grad():
        module.get_parameter(f"stages.1.norm.{member}")[2] = value
    with pytest.raises(HafnetError, match="'hidden1': the batch norm of neuron 2 is not finite"):
        fold(module, {})
