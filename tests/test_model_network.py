"""The contract: what a network refuses, and its file."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from signed import Header, Tensors, change_signed
from test_model_topology import topologies

from model.encoding import FixedPoint, Stochastic, Thermometer
from model.errors import HafnetError
from model.golden import classify
from model.network import AveragePoolLayer, ConvolutionLayer, DenseLayer, MaxPoolLayer, Network, OutputLayer
from model.network_file import FORM, VERSION
from model.random_network import random_network
from model.topology import Convolution, Map, MaxPool, Topology

ONES = np.ones((2, 3), dtype=np.int8)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("network") / "network.safetensors"


def changed(path: Path, change: Callable[[Header, Tensors], object], shape: str = "13-9-4") -> Path:
    """A file of a random network whose header and tensors were changed, and its digest with them."""
    random_network(shape, seed=7).save(path)
    change_signed(path, FORM, change)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(HafnetError) as caught:
        Network.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(1, 3), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_a_file_gives_back_the_network(path: Path, shape: list[int], levels: int, seed: int) -> None:
    shape[0] *= levels
    network = random_network(shape, seed, range(-1, levels - 1))
    network.save(path)
    loaded = Network.load(path)
    assert loaded == network
    assert loaded.origin == network.origin == {"recipe": "random", "seed": seed}
    assert loaded.topology == network.topology
    assert str(loaded.topology) == "-".join(map(str, shape))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in network.layers]


@given(topologies(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_file_gives_back_every_kind_of_layer_and_encoding(path: Path, topology: Topology, seed: int) -> None:
    network = random_network(topology, seed)
    network.save(path)
    loaded = Network.load(path)
    assert loaded == network
    assert loaded.topology == network.topology == topology
    assert loaded.topology.names == tuple(layer.name for layer in network.layers)


def test_extreme_thresholds_and_offsets_survive(path: Path) -> None:
    hidden = DenseLayer("a", ONES, np.array([0, 4]))
    output = OutputLayer("b", np.array([[1, -1], [-1, 1]]), np.array([-2, 2]))
    Network(Thermometer(3, (1 - 2**31,)), (hidden,), output).save(path)
    loaded = Network.load(path)
    (kept,) = loaded.hidden
    assert isinstance(kept, DenseLayer)
    assert kept.thresholds.tolist() == [0, 4]
    assert loaded.output.offsets.tolist() == [-2, 2]
    assert loaded.output.weights.tolist() == [[1, -1], [-1, 1]]
    assert loaded.encoding == Thermometer(3, (1 - 2**31,))


def test_the_same_network_gives_the_same_bytes_and_nothing_else(tmp_path: Path) -> None:
    one, other = tmp_path / "new" / "one.safetensors", tmp_path / "new" / "other.safetensors"
    for target in (one, other, other):
        random_network((13, 9, 4), seed=7).save(target)
    assert one.read_bytes() == other.read_bytes()
    random_network((13, 9, 4), seed=8).save(other)
    assert one.read_bytes() != other.read_bytes()
    assert sorted(entry.name for entry in one.parent.iterdir()) == ["one.safetensors", "other.safetensors"]


def test_equal_networks_have_equal_digests_and_others_have_not(path: Path) -> None:
    network = random_network("5x4x3b4-3c2t-m2x3s1-4t", seed=7)
    network.save(path)
    renamed = replace(network.output, name="other")
    others = [
        random_network("5x4x3b4-3c2t-m2x3s1-4t", seed=8),
        replace(network, encoding=FixedPoint(60, 4, low=-1)),
        replace(network, output=renamed),
    ]
    for index, layer in enumerate(network.layers):
        for name, array in layer.arrays.items():
            changed = array.copy()
            changed.flat[0] = changed.flat[0] - 1 if changed.flat[0] > 0 else changed.flat[0] + 1
            layers = [*network.layers]
            layers[index] = replace(layer, **{name: changed})  # type: ignore[arg-type]
            others.append(replace(network, hidden=tuple(layers[:-1]), output=layers[-1]))  # type: ignore[arg-type]
    digests = {each.digest for each in (network, *others)}
    assert len(digests) == len(others) + 1 == 9
    same = replace(network, origin={"seed": 3})
    assert same == network == Network.load(path)
    assert same.digest == network.digest == Network.load(path).digest
    assert re.fullmatch("[0-9a-f]{64}", network.digest)


def test_arrays_are_copied_and_read_only() -> None:
    weights, thresholds = ONES.copy(), np.array([1, 2])
    layer = DenseLayer("a", weights, thresholds)
    weights[:] = -1
    thresholds[:] = 0
    assert layer.weights.tolist() == ONES.tolist()
    assert layer.thresholds.tolist() == [1, 2]
    for array in (layer.weights, layer.thresholds):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_members_of_layers_become_plain_and_cannot_be_changed_from_outside() -> None:
    """Lists and numbers of numpy are as good as tuples and ints, and the same afterwards, in a file too."""
    two, weights = np.int64(2), np.ones((4, 2, 3, 1))
    source, stride, padding = [np.int32(5), 6, two], [two, 1], np.array([1, 0, 1, 2])
    thresholds, conjunctive = np.zeros(4, dtype=np.uint8), np.array([False, True, True, False])
    given = ConvolutionLayer("c", weights, thresholds, source, stride, padding, np.uint8(1), two, np.bool_(False))  # type: ignore[arg-type]
    pooling = MaxPoolLayer("m", given.shape.result, [two, 1], np.array([1, 2]), conjunctive)  # type: ignore[arg-type]
    stride[0], padding[0], conjunctive[0] = np.int64(1), 0, True
    assert given.shape == Convolution(Map(5, 6, 2), 4, (2, 3), (2, 1), (1, 0, 1, 2), 1, 2, False)
    assert pooling.shape == MaxPool(Map(3, 6, 4), (2, 1), (1, 2))
    assert pooling.conjunctive.tolist() == [0, 1, 1, 0]
    for member in (*given.source, *given.stride, *given.padding, given.fill, given.groups, *pooling.kernel):
        assert type(member) is int
    assert type(given.ternary) is bool
    for array in (given.weights, given.thresholds, pooling.conjunctive):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_equality_is_of_what_is_computed() -> None:
    one = random_network((13, 9, 4), seed=7)
    assert one == Network(one.encoding, one.hidden, one.output, {"recipe": "by hand"})
    assert one != Network(Thermometer(13, (2,)), one.hidden, one.output)
    (first,) = one.hidden
    assert isinstance(first, DenseLayer)
    other = first.weights.copy()
    other[3, 5] *= -1
    assert one != Network(one.encoding, (DenseLayer("hidden0", other, first.thresholds),), one.output)
    moved = (first.thresholds + 1) % 14
    assert one != Network(one.encoding, (DenseLayer("hidden0", first.weights, moved),), one.output)
    assert DenseLayer("a", ONES, np.array([0, 0])) != OutputLayer("a", ONES, np.array([0, 0]))


def hidden(weights: Any = ONES, thresholds: Any = (0, 4), name: str = "h") -> DenseLayer:
    return DenseLayer(name, np.asarray(weights), np.asarray(thresholds))


def output(weights: Any = ((1, 1),), offsets: Any = (0,), name: str = "o") -> OutputLayer:
    return OutputLayer(name, np.asarray(weights), np.asarray(offsets))


def convolution(weights: Any = ((((1, 1),),),), thresholds: Any = (0,), **members: Any) -> ConvolutionLayer:
    """Of one pixel and one channel on a map of 3 x 3 x 2, unless told otherwise."""
    return ConvolutionLayer("c", np.asarray(weights), np.asarray(thresholds), **{"source": (3, 3, 2), **members})


def pool(**members: Any) -> MaxPoolLayer:
    return MaxPoolLayer(
        "m", **{"source": (3, 3, 2), "kernel": (2, 2), "stride": (1, 1), "conjunctive": [0, 1], **members}
    )


def network(thresholds: Any = (0, 4), offsets: Any = (0,)) -> Network:
    return Network(Thermometer(3, (1,)), (hidden(thresholds=thresholds),), output(offsets=offsets))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: hidden([[1, 0, 1]] * 2), "layer 'h': weight 0 of neuron 0, input 1 is neither +1 nor -1"),
        (lambda: hidden([[1, 1, 0.5]] * 2), "layer 'h': weight 0.5 of neuron 0, input 2 is neither +1 nor -1"),
        (lambda: hidden([1, 1]), "layer 'h': weights have shape (2,), but (fan-out, fan-in) >= (1, 1) is needed"),
        (
            lambda: hidden(np.ones((2, 0))),
            "layer 'h': weights have shape (2, 0), but (fan-out, fan-in) >= (1, 1) is needed",
        ),
        (lambda: network(thresholds=(0, 5)), "layer 'h': threshold 5 of neuron 1 is outside 0 … 4"),
        (lambda: network(thresholds=(-1, 0)), "layer 'h': threshold -1 of neuron 0 is outside 0 … 4"),
        (lambda: hidden(thresholds=(2**32, 0)), "layer 'h': threshold 4294967296 of neuron 0 does not fit in 32 bits"),
        (lambda: hidden(thresholds=(1,)), "layer 'h': thresholds have shape (1,), but 2 neurons need (2,)"),
        (lambda: hidden(thresholds=(1.0, 2.0)), "layer 'h': thresholds are float64, but must be integers"),
        (lambda: network(offsets=(3,)), "layer 'o': offset 3 of neuron 0 is outside -2 … 2"),
        (lambda: network(offsets=(-3,)), "layer 'o': offset -3 of neuron 0 is outside -2 … 2"),
        (lambda: output(offsets=(-(2**31) - 1,)), "layer 'o': offset -2147483649 of neuron 0 does not fit in 32 bits"),
        (
            lambda: DenseLayer("h", np.array([[1, 0, 2]]), np.array([0]), ternary=True),
            "layer 'h': weight 2 of neuron 0, input 2 is neither +1, 0 nor -1",
        ),
        (
            lambda: DenseLayer("h", np.array([[1, 0, np.nan]]), np.array([0]), ternary=True),
            "layer 'h': weight nan of neuron 0, input 2 is neither +1, 0 nor -1",
        ),
        (
            lambda: convolution([[[[1, 0]]]]),
            "layer 'c': weight 0 of neuron 0, input (0, 0, 1) is neither +1 nor -1",
        ),
        (
            lambda: convolution([[1, 1]]),
            "layer 'c': weights have shape (1, 2), but "
            "(channels, kernel rows, kernel columns, input channels / groups) >= (1, 1, 1, 1) is needed",
        ),
        (
            lambda: convolution(source=(3, 3, 4)),
            "layer 'c': weights (channels, kernel rows, kernel columns, input channels / groups) of shape (1, 1, 1, 2) "
            "in 1 groups are for 2 input channels, but the map of 3x3x4 has 4",
        ),
        (
            lambda: convolution(groups=0),
            "layer 'c': weights (channels, kernel rows, kernel columns, input channels / groups) of shape (1, 1, 1, 2) "
            "in 0 groups are for 0 input channels, but the map of 3x3x2 has 2",
        ),
        (lambda: convolution(groups="2"), "layer 'c': groups is '2', but must be an integer"),
        (lambda: convolution(fill=0.5), "layer 'c': fill is 0.5, but must be an integer"),
        (lambda: convolution(stride=2), "layer 'c': stride is 2, but must be (vertical, horizontal)"),
        (lambda: convolution(stride=(1, 1.5)), "layer 'c': horizontal of stride is 1.5, but must be an integer"),
        (
            lambda: convolution(padding=(1, 1)),
            "layer 'c': padding is (1, 1), but must be (top, left, bottom, right)",
        ),
        (lambda: convolution(source=(9, 2)), "layer 'c': map is (9, 2), but must be (height, width, channels)"),
        (lambda: pool(kernel=(2, 2, 2)), "layer 'm': kernel is (2, 2, 2), but must be (vertical, horizontal)"),
        (lambda: pool(conjunctive=[1]), "layer 'm': conjunctive has shape (1,), but 2 channels need (2,)"),
        (lambda: pool(conjunctive=[0.0, 1.0]), "layer 'm': conjunctive is float64, but must be bits"),
        (lambda: pool(conjunctive=[0, 2]), "layer 'm': conjunctive is 2 of channel 1, but must be 0 or 1"),
        (
            lambda: AveragePoolLayer("a", (3, True, 2)),  # type: ignore[arg-type]
            "layer 'a': width of map is True, but must be an integer",
        ),
        (
            lambda: Network(Thermometer(3, (1,)), (output(),), output()),  # type: ignore[arg-type]
            "layer 'o' is no hidden layer, but all before the last must be",
        ),
        (
            lambda: Network(Thermometer(3, (1,)), (), hidden()),  # type: ignore[arg-type]
            "layer 'h' is no OutputLayer, but the last layer must be",
        ),
        (
            lambda: Network(Thermometer(18, (1,)), (convolution(fill=2),), output()),
            "layer 'c': padding of value 2 is outside 0 … 1",
        ),
        (
            lambda: Network(FixedPoint(18, 3), (pool(),), output()),
            "layer 'm': pooling takes bits, but the encoding gives codes of 3 bits in 3 presentations",
        ),
        (
            lambda: Network(FixedPoint(18, 3), (convolution(thresholds=[16]),), output(np.ones((2, 9)), (0, 0))),
            "layer 'c': threshold 16 of neuron 0 is outside 0 … 15",
        ),
        (
            lambda: Network(FixedPoint(2, 3), (), OutputLayer("o", [[0, 1]], [29], True)),  # type: ignore[arg-type]
            "layer 'o': offset 29 of neuron 0 is outside -28 … 28",
        ),
        (
            lambda: Network(Thermometer(3, (1,)), (hidden(),), output(), {"a": float("nan")}),
            "origin: 'a' is nan, but must be a text or a finite number",
        ),
        (lambda: hidden(name=""), "layer name '' is not 1 to 64 printable characters"),
        (lambda: hidden(name="a\nb"), "layer name 'a\\nb' is not 1 to 64 printable characters"),
        (
            lambda: Network(Thermometer(2, (1,)), (hidden(),), output()),
            "layer 'h': fan-in is 3, but the encoding gives 2 bits",
        ),
        (
            lambda: Network(Thermometer(3, (1,)), (hidden(),), output([[1, 1, 1]])),
            "layer 'o': fan-in is 3, but layer 'h' gives 2 bits",
        ),
        (
            lambda: Network(Thermometer(3, (1,)), (hidden(),), output(name="h")),
            "layer 'h': the name is used twice",
        ),
    ],
)
def test_a_broken_rule_is_told_by_layer(build: Callable[[], object], message: str) -> None:
    with pytest.raises(HafnetError) as caught:
        build()
    assert str(caught.value) == message


def test_a_truncated_file_is_refused_at_every_length(path: Path) -> None:
    random_network((13, 9, 4), seed=7).save(path)
    whole = path.read_bytes()
    for length in [0, 1, 7, 8, 9, *range(10, len(whole), 23), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert "not a whole .safetensors file" in refusal(path), length
    path.write_bytes(whole)
    assert str(Network.load(path).topology) == "13-9-4"


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.safetensors") == "no such file"
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": np.zeros(3)}, foreign)
    assert refusal(foreign) == "a .safetensors file, but no network (metadata entry 'hafnet' is missing)"
    save_file({"a": np.zeros(3)}, foreign, metadata={"hafnet": "{"})
    assert "metadata entry 'hafnet' is damaged" in refusal(foreign)
    header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    foreign.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    assert "bfloat16" in refusal(foreign)


def threshold_of(value: int) -> Callable[[Header, Tensors], object]:
    return lambda _, tensors: np.put(tensors["layer0.thresholds"], 4, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda header, _: header.update(version=VERSION + 1),
            f"format version {VERSION + 1} is newer than {VERSION}, the newest known here",
        ),
        (lambda header, _: header.update(layers=[]), "a network without layers is not possible, at least"),
        (lambda header, _: header.pop("encoding"), "metadata entry 'hafnet' is damaged (KeyError: 'encoding')"),
        (lambda header, _: header.update(layers=3), "metadata entry 'hafnet' is damaged (TypeError: "),
        (
            lambda header, _: header["encoding"].update(values="x"),
            "encoding: values is 'x' (Input should be a valid integer, ",
        ),
        (
            lambda header, _: header["encoding"].update(values=7.9),
            "encoding: values is 7.9 (Input should be a valid integer, ",
        ),
        (
            lambda header, _: header["encoding"].update(levels=[1.5]),
            "encoding: levels.0 is 1.5 (Input should be a valid integer, ",
        ),
        (
            lambda header, _: header.update(version=0),
            f"format version 0 is older than {FORM.undigested}, the oldest known here",
        ),
        (
            lambda header, _: header.update(version=float("inf")),
            "metadata entry 'hafnet' is damaged (Infinity is no number of JSON)",
        ),
        (lambda header, _: header.update(encoding=[1]), "metadata entry 'hafnet' is damaged (TypeError: "),
        (
            lambda header, _: header["encoding"].update(values=12),
            "layer 'hidden0': fan-in is 13, but the encoding gives 12 bits",
        ),
        (
            lambda header, _: (header["layers"][0].update(fan_in=17), header["encoding"].update(values=17)),
            "layer 'hidden0': packed weights are uint8 (9, 2), but 9 neurons of fan-in 17 need uint8 (9, 3)",
        ),
        (
            lambda header, _: (header["layers"][0].update(fan_in=9), header["encoding"].update(values=9)),
            "layer 'hidden0': a weight beyond fan-in 9 is set, but the last byte must be filled with 0",
        ),
        (
            lambda _, tensors: tensors.update({"layer1.weights": tensors["layer1.weights"].astype(np.int16)}),
            "layer 'output': packed weights are int16 (4, 2), but 4 neurons of fan-in 9 need uint8 (4, 2)",
        ),
        (lambda header, _: header.update(weight=1), "metadata entry 'hafnet': member 'weight' is not known"),
        (
            lambda header, _: header["encoding"].update(level=[1]),
            "encoding: member 'level' is not known, only v",
        ),
        (
            lambda header, _: header["layers"][0].update(tenary=True),
            "layer 'hidden0': member 'tenary' is not known, only fan_in, fan_out, ternary",
        ),
        (
            lambda _, tensors: tensors.update({"layer0.nonzero": tensors["layer0.weights"]}),
            "tensor 'layer0.nonzero' belongs to nothing in the network",
        ),
        (
            lambda _, tensors: tensors.update({"layer2.weights": tensors["layer1.weights"]}),
            "tensor 'layer2.weights' belongs to nothing in the network",
        ),
        (lambda _, tensors: tensors.pop("layer0.weights"), "layer 'hidden0': tensor 'layer0.weights' is missing"),
        (lambda _, tensors: tensors.pop("layer1.offsets"), "layer 'output': tensor 'layer1.offsets' is missing"),
        (threshold_of(15), "layer 'hidden0': threshold 15 of neuron 4 is outside 0 … 14"),
        (threshold_of(-1), "layer 'hidden0': threshold -1 of neuron 4 is outside 0 … 14"),
        (
            lambda _, tensors: tensors.update({"layer1.offsets": np.zeros(5, dtype=np.int32)}),
            "layer 'output': offsets have shape (5,), but 4 neurons need (4,)",
        ),
    ],
)
def test_an_inconsistent_file_is_refused(path: Path, change: Callable[[Header, Tensors], object], message: str) -> None:
    assert refusal(changed(path, change)).startswith(message)


LAYERS = "4x4x2-3c2t-m2-4t"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, tensors: tensors.pop("layer0.nonzero"), "layer 'hidden0': tensor 'layer0.nonzero' is missing"),
        (lambda _, tensors: tensors.pop("layer1.conjunctive"), "layer 'hidden1': tensor 'layer1.conjunctive' is miss"),
        (
            lambda _, tensors: tensors["layer1.conjunctive"].fill(7),
            "layer 'hidden1': conjunctive is 7 of channel 0, but must be 0 or 1",
        ),
        (
            lambda _, tensors: (tensors["layer2.weights"].fill(7), tensors["layer2.nonzero"].fill(5)),
            "layer 'output': weight of neuron 0, input 1 is both +1 and 0",
        ),
        (
            lambda header, _: header["layers"][0].update(groups=0),
            "layer 'hidden0': 0 groups do not divide 2 input channels and 3 output channels",
        ),
        (
            lambda header, _: header["layers"][0].update(kernel=[0, 2]),
            "layer 'hidden0': the height of the kernel is 0, but must be at least 1",
        ),
        (
            lambda header, _: header["layers"][0].update(channels=0),
            "layer 'hidden0': 0 output channels, but at least 1 is needed",
        ),
        (lambda header, _: header["layers"][0].update(source=[4, 4]), "layer 'hidden0': source.2 is missing"),
        (
            lambda header, _: header["layers"][0].update(kind="soft"),
            "layer 'hidden0': kind 'soft' is not one of dense, ",
        ),
        (lambda header, _: header["layers"][0].pop("kind"), "metadata entry 'hafnet' is damaged (KeyError: 'kind')"),
        (
            lambda header, _: header["layers"].pop(),
            "layer 'hidden1' is the last one, but only a dense layer can be the",
        ),
        (
            lambda header, _: header["layers"].pop(1),
            "layer 'output': fan-in is 3, but layer 'hidden0' gives 27 bits",
        ),
        (lambda header, _: header["encoding"].pop("levels"), "encoding: levels is missing"),
        (
            lambda header, _: header.update(encoding={"kind": "fixed_point", "values": 32, "depth": 17}),
            "encoding: codes of 17 bits are not possible, only of 1 … 16",
        ),
    ],
)
def test_an_inconsistent_file_of_maps_is_refused(
    path: Path, change: Callable[[Header, Tensors], object], message: str
) -> None:
    assert refusal(changed(path, change, LAYERS)).startswith(message)


def test_a_random_network_has_the_encoding_of_its_topology() -> None:
    assert random_network("6b8/3-2", 0).encoding == FixedPoint(6, 8, 0, 3)
    assert random_network("6r8x3d2s5-2", 0).encoding == Stochastic(6, 8, 0, 3, 2, 5)
    assert random_network("6-2", 0, (1, 2)).encoding == Thermometer(3, (1, 2))


def test_classes_of_a_random_network_differ() -> None:
    network = random_network((256, 256, 10), seed=1)
    values = np.random.default_rng(1).integers(0, 2, (200, 256))
    assert len(set(classify(network, values).tolist())) > 3


def test_a_random_network_reaches_the_extremes() -> None:
    network = random_network((40, 300, 300, 10), seed=3)
    assert network == random_network((40, 300, 300, 10), seed=3)
    assert network != random_network((40, 300, 300, 10), seed=4)
    assert str(network.topology) == "40-300-300-10"
    for layer in network.hidden:
        assert isinstance(layer, DenseLayer)
        assert {0, 1, layer.fan_in, layer.fan_in + 1} <= set(layer.thresholds.tolist())
    with pytest.raises(HafnetError, match=r"shape \(5,\) is not input bits and one fan-out or more, all at least 1"):
        random_network((5,), seed=0)
    with pytest.raises(HafnetError, match=r"5 input bits are no multiple of 2 levels"):
        random_network((5, 2), seed=0, levels=(1, 2))


@pytest.mark.parametrize(
    ("weights", "rule"),
    [([[True, True]], "weights are bool, but must be numbers"), ([[1, 1], [1]], "rows differ in length")],
)
def test_weights_that_are_no_matrix_of_numbers_are_refused(weights: list[list[int]], rule: str) -> None:
    with pytest.raises(HafnetError, match=f"layer 'hidden': .*{rule}"):
        DenseLayer("hidden", np.array(weights) if rule.startswith("weights") else weights, np.array([1]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kernel", "channels", "groups"), [((3, 3), 3, 1), ((1, 7), 1, 1), ((2, 2), 4, 2), ((3, 3), 9, 3), ((2, 1), 1, 1)]
)
def test_weights_whose_order_is_ambiguous_need_it_said(kernel: tuple[int, int], channels: int, groups: int) -> None:
    """Either order gives the same convolution, once it is said; the silent guess of one is not possible."""
    random, source = np.random.default_rng(0), (9, 9, channels)
    ours = random.choice([-1, 1], (channels, *kernel, channels // groups))
    torchs = np.ascontiguousarray(np.moveaxis(ours, -1, 1))
    expected = convolution(ours, [0] * channels, source=source, groups=groups, order="OHWI")
    found = convolution(torchs, [0] * channels, source=source, groups=groups, order="OIHW")
    assert found == expected
    assert found.order == expected.order == "OHWI"
    assert found.weights.flags.c_contiguous
    assert replace(found, weights=-found.weights).weights.tolist() == (-ours).tolist()
    for weights in (ours, torchs):
        either = [weights.shape[axis] * groups == channels for axis in (1, 3)]
        if all(either):
            with pytest.raises(HafnetError, match=r"may be \(channels, kernel rows, .*order='OHWI' or, as in torch, "):
                convolution(weights, [0] * channels, source=source, groups=groups)
        elif either[0]:
            with pytest.raises(HafnetError, match=r"channels, but the map of 9x9x. has .; order='OIHW' would fit"):
                convolution(weights, [0] * channels, source=source, groups=groups)
        else:
            assert convolution(weights, [0] * channels, source=source, groups=groups) == expected


def test_an_order_is_one_of_two() -> None:
    with pytest.raises(HafnetError, match="layer 'c': order is 'HWIO', but must be one of OHWI, OIHW"):
        convolution(order="HWIO")
    assert convolution(np.ones((2, 1, 1, 1)), [0, 0], source=(3, 3, 1)).shape.channels == 2  # both orders are the same


def test_an_origin_takes_numbers_of_numpy_and_json_can_hold_it(tmp_path: Path) -> None:
    given: Any = {
        "most": 2**64 - 1,
        "seed": np.int64(3),
        "accuracy": np.float32(0.5),
        "name": np.str_("mine"),
        "done": np.bool_(True),
    }
    made = Network(Thermometer(2, (1,)), (), output(), given)
    assert made.origin == {"most": 2**64 - 1, "seed": 3, "accuracy": 0.5, "name": "mine", "done": True}
    assert [type(value) for value in made.origin.values()] == [int, int, float, str, bool]
    made.save(tmp_path / "file")
    assert Network.load(tmp_path / "file").origin == made.origin


def test_a_header_of_many_layers_is_refused_soon(path: Path) -> None:
    started = time.process_time()
    changed(path, lambda header, _: header.update(layers=header["layers"] * 50_000))
    with pytest.raises(HafnetError, match="a network of more than 4096 layers is not possible"):
        Network.load(path)
    with pytest.raises(HafnetError, match=r"shape '8-8-.*-8': a network of more than 4096 layers is not possible"):
        Topology.parse("-".join(["8"] * 100_000))
    assert time.process_time() - started < 3
