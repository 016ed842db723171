"""Folding is exact: the integer network and the torch network in evaluation mode agree in every bit."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model import golden
from model.bits import to_bits, to_signs
from model.encoding import Thermometer
from model.errors import HafnetError
from model.network import DenseLayer, Network
from model.samples import Integers
from model.training.datasets import load_digits
from model.training.fold import fold
from model.training.layers import BinaryNetwork, HiddenLayer
from model.training.recipe import Recipe, train


@torch.no_grad()
def assert_same(module: BinaryNetwork, network: Network, values: Integers) -> None:
    """Every hidden bit, every score and every class."""
    module.eval()
    trace = golden.infer(network, values)
    signs = module.encode(torch.from_numpy(values.astype(np.int32)))
    for layer, folded in zip(module.hidden, network.hidden, strict=True):
        signs = layer(signs)
        assert np.array_equal(to_bits(signs.numpy()), trace.bits[folded.name]), folded.name
    assert np.array_equal(module.output.scores(signs).numpy(), trace.scores)
    assert np.array_equal(module.output(signs).argmax(1).numpy(), trace.classes)


@pytest.fixture(scope="module")
def trained() -> BinaryNetwork:
    return train(load_digits(), Recipe(hidden=(48, 40), epochs=4), "cpu").torch_module


def test_trained_digits_on_the_whole_test_set(trained: BinaryNetwork) -> None:
    network = fold(trained, {})
    assert [layer.name for layer in network.layers] == ["hidden0", "hidden1", "output"]
    assert str(network.topology) == "256-48-40-10"
    assert_same(trained, network, load_digits().test.values)


def test_negative_and_zero_scales_and_extreme_thresholds(trained: BinaryNetwork) -> None:
    with torch.no_grad():
        for layer in trained.hidden:
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
    module = BinaryNetwork(Thermometer(5, (1,)), (2,), 2)
    layer = module.hidden[0]
    assert isinstance(layer, HiddenLayer)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0, -1, 1, 1, -1]]).expand(2, 5))
        layer.norm.weight.copy_(torch.tensor([1.0, -1.0]))
        layer.norm.bias.copy_(torch.tensor([-1.0, -1.0]))
    folded = fold(module, {}).hidden[0]
    assert isinstance(folded, DenseLayer)
    assert folded.weights.tolist() == [[1, -1, 1, 1, -1], [-1, 1, -1, -1, 1]]
    # dot >= 1.00001 (the norm divides by sqrt(1 + 1e-5)) is popcount >= 4 of 5; -dot likewise.
    assert folded.thresholds.tolist() == [4, 4]


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    inputs=st.integers(1, 8),
    classes=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_any_network_over_all_its_inputs(widths: list[int], inputs: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int, size: int) -> torch.Tensor:
        return torch.randint(low, high + 1, (size,), generator=generator).float()

    module = BinaryNetwork(Thermometer(inputs, (1,)), widths, classes, generator)
    with torch.no_grad():
        for layer in module.hidden:
            assert isinstance(layer, HiddenLayer)
            norm, size = layer.norm, layer.linear.fan_out
            # Whole numbers and no epsilon: many dot products meet the batch norm's zero exactly.
            norm.eps = 0.0
            norm.weight.copy_(whole(-2, 2, size))
            norm.bias.copy_(whole(-4, 4, size))
            norm.running_mean.copy_(whole(-4, 4, size))  # type: ignore[union-attr]  # tracked by default
            norm.running_var.copy_(whole(1, 4, size))  # type: ignore[union-attr]  # tracked by default
        module.output.bias.normal_(generator=generator)
    values = np.array(list(itertools.product([0, 1], repeat=inputs)))
    assert_same(module, fold(module, {}), values)


def test_weights_and_origin_arrive_and_the_mode_stays() -> None:
    module = BinaryNetwork(Thermometer(6, (1, 2)), (3,), 4)
    module.train()
    network = fold(module, {"recipe": "by hand", "seed": 7})
    assert module.training
    assert network.origin == {"recipe": "by hand", "seed": 7}
    assert np.array_equal(network.output.weights, to_signs(to_bits(module.output.linear.weight.detach().numpy())))


def test_a_norm_that_is_not_finite_is_refused() -> None:
    module = BinaryNetwork(Thermometer(6, (1,)), (3, 5), 4)
    with torch.no_grad():
        module.get_parameter("hidden.1.norm.bias")[2] = float("nan")
    with pytest.raises(HafnetError, match="'hidden1': the batch norm of neuron 2 is not finite"):
        fold(module, {})
