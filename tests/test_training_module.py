import numpy as np
import pytest
import torch

from model.encoding import FixedPoint, Thermometer
from model.errors import HafnetError
from model.topology import Topology
from model.training.layers import AveragePooling, BinaryWeights, HiddenLayer, MaxPooling
from model.training.module import BinaryNetwork, TrainableEncoding


@pytest.mark.parametrize(
    ("encoding", "text", "total"),
    [
        (Thermometer(6, (-2, 0, 5)), "18-4-2", 1),
        (Thermometer(6, (-2, 0, 5)), "3x2x3-4c2-2", 1),
        (FixedPoint(6, 4, -8), "3x2x1b4-4c2-2", 15),
        (FixedPoint(6, 4, -8, 1), "6b4/1-2", 1),
        (FixedPoint(6, 16, -8, 3), "1x2x3b16/3-4c1-2", 7),
    ],
)
def test_encode_as_the_encoding_does(encoding: TrainableEncoding, text: str, total: int) -> None:
    module = BinaryNetwork(encoding, Topology.parse(text))
    values = torch.tensor([[-3, -2, -1, 0, 4, 5], [6, 1, 2, 7, -8, 3]])
    if isinstance(encoding, Thermometer):
        expected = encoding.encode(values.numpy()) * 2.0 - 1
    else:
        assert encoding.planes is not None
        expected = (encoding.encode(values.numpy()) >> (encoding.depth - encoding.planes)) * 2.0 - total
    encoded = module.encode(values)
    assert encoded.shape == (2, *module.topology.source)
    assert encoded.dtype == torch.float32
    assert np.array_equal(encoded.flatten(1).numpy(), expected)
    assert torch.equal(module.encode(values + 0.4), encoded)  # noise


def test_values_beyond_the_codes_become_the_last_code() -> None:
    module = BinaryNetwork(FixedPoint(2, 3, -4), Topology.parse("2b3-2"))
    assert module.encode(torch.tensor([[-4.6, 3.9]])).tolist() == [[[[-7, 7]]]]


def test_pooling_belongs_to_the_neurons_before_it() -> None:
    module = BinaryNetwork(Thermometer(16 * 9, (1,)), Topology.parse("16x9x1-m2-m1-3c3-m2s1-m2x1-5-m1-6c1-avg-2"))
    kinds = [(type(stage), len(stage.pools) if isinstance(stage, HiddenLayer) else 0) for stage in module.stages]
    pool = (MaxPooling, 0)
    assert kinds == [pool, pool, (HiddenLayer, 2), (HiddenLayer, 1), (HiddenLayer, 0), (AveragePooling, 0)]


def test_padding_is_what_the_code_presents() -> None:
    def fills(text: str, encoding: TrainableEncoding) -> list[float]:
        return [weights.fill for weights in BinaryNetwork(encoding, Topology.parse(text)).weights]

    assert fills("4x4x1b4/2-2c3p1f11-2c3p1f1-2c3p1-2", FixedPoint(16, 4, 0, 2))[:3] == [2 * (11 >> 2) - 3, 1, -1]
    assert fills("4x4x1-2c3p1f1-2c3p1-2", Thermometer(16, (1,)))[:2] == [1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8r8x16-2", "shape '8r8x16-2': training takes bits or fixed-point codes, not random bits"),
        ("8x8x1b4-4c3t-2", "training makes weights of .1 and -1, but layer 4c3t is ternary"),
        ("8-4-2t", "layer 2t is ternary"),
    ],
)
def test_what_training_cannot_make(text: str, message: str) -> None:
    topology = Topology.parse(text)
    with pytest.raises(HafnetError, match=message):
        BinaryNetwork(Thermometer(topology.input.width, (1,)), topology)


def test_clip_and_error_rate_reach_every_layer() -> None:
    module = BinaryNetwork(Thermometer(9, (1,)), Topology.parse("3x3x1-4c2-5-2"), error_rate=0.25)
    weights = [part for part in module.modules() if isinstance(part, BinaryWeights)]
    with torch.no_grad():
        for each in weights:
            each.weight.mul_(1000)
    module.clip()
    assert [tuple(each.weight.shape) for each in weights] == [(4, 4), (5, 16), (2, 5)]
    assert all(each.weight.abs().max() == 1 and each.error_rate == 0.25 for each in weights)
