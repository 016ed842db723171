"""What callers of Python give that cannot be, and what they are told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from model import encoding, network, plan, samples, topology
from model.device.situation import Situation, Sweep
from model.errors import HafnetError
from model.training import datasets, recipe

# As somebody calls them who has no type checker.
Network: Any = network.Network
DenseLayer: Any = network.DenseLayer
ConvolutionLayer: Any = network.ConvolutionLayer
OutputLayer: Any = network.OutputLayer
Thermometer: Any = encoding.Thermometer
FixedPoint: Any = encoding.FixedPoint
Samples: Any = samples.Samples
Plan: Any = plan.Plan
Topology: Any = topology.Topology
Recipe: Any = recipe.Recipe
DataSet: Any = datasets.DataSet
BitInput: Any = topology.BitInput
Dense: Any = topology.Dense

ONES = np.ones((2, 3))
HIDDEN = DenseLayer("h", ONES, [0, 4])
OUTPUT = OutputLayer("o", [[1, 1]], [0])


def network_of(**changed: Any) -> Any:
    return Network(**{"encoding": Thermometer(2, (1,)), "hidden": (), "output": OUTPUT, **changed})


def convolution(**changed: Any) -> Any:
    return ConvolutionLayer(**{"name": "c", "weights": [[[[1]]]], "thresholds": [0], "source": (3, 3, 1), **changed})


PARAMETER = torch.nn.Parameter(torch.ones(2, 3))


class Elsewhere:
    """A tensor on a GPU, as far as numpy sees one."""

    device = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: network_of(hidden=HIDDEN), "hidden is a DenseLayer called 'h', but must be a seq"),
        (lambda: network_of(hidden=None), "hidden is None, but must be a sequence of layers"),
        (lambda: network_of(hidden=(None,)), "hidden: entry 0 is None, but must be one of layers"),
        (lambda: network_of(hidden=[[HIDDEN]]), "hidden: entry 0 is a list, but must be one of"),
        (lambda: network_of(output=None), "output is None, but must be an OutputLayer"),
        (lambda: network_of(output=[OUTPUT]), "output is a list, but must be an OutputLayer"),
        (lambda: network_of(encoding=None), "encoding is None, but must be one of Thermometer, FixedPoint, Stochastic"),
        (lambda: network_of(encoding=Thermometer), "encoding is a type, but must be one of Thermometer, FixedPoint"),
        (lambda: network_of(origin=None), "origin is None, but must be a dict"),
        (lambda: network_of(origin={"a": [1]}), "origin: 'a' is [1], but must be a text or a "),
        (lambda: network_of(origin={"a": 10**5000}), "origin: 'a' is an integer of 16610 bits, but"),
        (lambda: network_of(origin={"a": "\udc80"}), "origin: 'a' is '\\udc80', which is no "),
        (lambda: network_of(origin={1: 2}), "origin: the name 1 is not a text"),
        (lambda: DenseLayer("h", PARAMETER, [0, 0]), "layer 'h': weights are a tensor with gradient: give tensor.deta"),
        (lambda: DenseLayer("h", Elsewhere(), [0, 0]), "layer 'h': weights are a tensor on cuda:0: give tensor.cpu()"),
        (lambda: DenseLayer("h", [[1, 1], [1]], [0, 0]), "layer 'h': weights are no array, because their rows differ "),
        (lambda: DenseLayer("h", None, [0, 0]), "layer 'h': weights are object, but must be numbers +1 and -1"),
        (lambda: DenseLayer("h", ONES, None), "layer 'h': thresholds have shape (), but 2 neurons need (2,)"),
        (lambda: DenseLayer(None, ONES, [0, 0]), "layer name None is not 1 to 64 printable characters"),
        (lambda: DenseLayer("x" * 5000, ONES, [0, 0]), "layer name 'xxxx"),
        (lambda: DenseLayer("h", ONES, [0, 0], "no"), "layer 'h': ternary is 'no', but must be True or False"),
        (lambda: convolution(source=None), "layer 'c': map is None, but must be (height, width, channels)"),
        (lambda: convolution(groups=10**5000), "layer 'c': groups is an integer of 16610 bits, but nothing here is la"),
        (lambda: Topology(None, ()), "the input of a topology is None, but must be a BitInput or the like"),
        (lambda: Topology(BitInput(3), Dense(3, 4)), "the layers of a topology is a Dense, but must be a sequence of "),
        (lambda: Topology(BitInput(3), (Dense(3.0, 4),)), "layer 'layer0': fan_in is 3.0, but must be an integer"),
        (lambda: Topology(BitInput("3"), (Dense(3, 4),)), "the width of the input is '3', but must be an integer"),
        (lambda: Topology(BitInput(3), (Dense(3, 4),), ("a", "b")), "a topology of 1 layers has 2 names, but each nee"),
        (lambda: Topology(BitInput(3), (Dense(3, 3),) * 5000), "a network of more than 4096 layers is not possible"),
        (lambda: Topology.dense("784"), "a shape is '784', but must be a sequence of integers"),
        (lambda: Topology.dense((784.0, 10)), "a shape: a size is 784.0, but must be an integer"),
        (lambda: Topology.parse(None), "shape None is no text, such as 784-128-10"),
        (lambda: Thermometer(2, 3), "encoding: levels is 3, but must be a sequence of integers"),
        (lambda: Thermometer(2, "12"), "encoding: levels is '12', but must be a sequence of integers"),
        (lambda: Thermometer(2, (1,)).encode([[1], [1, 2]]), "inputs are no array, because their rows differ in lengt"),
        (lambda: Thermometer(2, (1,)).encode(None), "inputs have shape (), but the encoding takes (samples, 2)"),
        (lambda: FixedPoint(2, None), "encoding: depth is None, but must be an integer"),
        (lambda: Samples(None), "samples: values have shape (), but (samples, values) is needed"),
        (lambda: Samples(PARAMETER), "samples: values are a tensor with gradient: give tensor.detach() in its place"),
        (lambda: Samples([[1]]).first("3"), "the number of samples is '3', but must be an integer"),
        (lambda: Samples([[1]], [0]).check_labels(None), "classes is None, but must be an integer"),
        (lambda: Situation.parse(None), "condition None is no text, such as 'weak set, cycles=1e6'"),  # type: ignore[arg-type]
        (lambda: Sweep.parse(3), "sweep 3 is no text, such as 'reset_voltage_V=1.5,2'"),  # type: ignore[arg-type]
        (lambda: Recipe(hidden=None), "recipe: hidden is None, but must be a sequence of integers"),
        (lambda: Recipe(hidden=(9.5,)), "recipe: a hidden layer is 9.5, but must be an integer"),
        (lambda: Recipe(epochs="3"), "recipe: epochs is '3', but must be an integer"),
        (lambda: Recipe(noise="a lot"), "recipe: noise is 'a lot', but must be a number"),
        (lambda: DataSet("mine", None, Samples([[1]], [0]), 1), "data set: train is None, but must be Samples"),
        (lambda: Plan(None), "the geometry of a plan is None, but must be a Geometry"),
        (lambda: Plan(layers=3), "the layers of a plan is 3, but must be a sequence of LayerPlan"),
    ],
)  # fmt: skip
def test_a_mistake_in_python_is_told_as_one(build: Callable[[], object], message: str) -> None:
    with pytest.raises(HafnetError) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) <= 300
