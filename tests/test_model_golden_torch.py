"""The golden model against torch in float64: every kind of layer on random shapes, and whole random networks."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model_topology import convolutions, topologies
from torch.nn import functional

from model import golden
from model.encoding import Encoding, FixedPoint, Stochastic, Thermometer
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    MaxPoolLayer,
    Network,
    OutputLayer,
    Signs,
    WeightedLayer,
)
from model.presentations import stochastic_bits
from model.random_network import random_network
from model.topology import Convolution, Map, Topology

METHODS: tuple[golden.Method, ...] = get_args(golden.Method)
Array = npt.NDArray[Any]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """So small products only wait where several threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Reference:
    """What torch says of a network: by layer name as in `golden.Trace`, and the scores."""

    counts: dict[str, Array]
    bits: dict[str, Array]
    scores: Array


def presented(encoding: Encoding, values: Array) -> tuple[torch.Tensor, int]:
    """The first layer's input as sums of signs, and the largest sum; stochastic codes as they are."""
    if isinstance(encoding, Thermometer):
        levels = torch.tensor(encoding.levels)
        return torch.tensor(values)[:, :, None].ge(levels).flatten(1).double() * 2 - 1, 1
    codes = torch.tensor(values.astype(np.int64) - encoding.low)
    if isinstance(encoding, Stochastic):
        return codes.double(), encoding.presentations
    assert encoding.planes is not None
    most = 2**encoding.planes - 1
    return (codes >> (encoding.depth - encoding.planes)).double() * 2 - most, most


def random_signs(encoding: Stochastic, words: torch.Tensor) -> torch.Tensor:
    """(words, values) codes to their random bits as signs, summed up over the presentations."""
    drawn = stochastic_bits(
        words.numpy().astype(np.int64), encoding.depth, encoding.presentations, encoding.seed, draws=encoding.draws
    )
    return torch.from_numpy(drawn).double().sum(1) * 2 - encoding.presentations


def convolved(layer: ConvolutionLayer, maps: torch.Tensor, padding: float) -> torch.Tensor:
    """(N, C, H, W) to (N, H, W, C) of dot products."""
    top, left, bottom, right = layer.padding
    padded = functional.pad(maps, (left, right, top, bottom), value=padding)
    kernels = torch.from_numpy(layer.weights.copy()).double().permute(0, 3, 1, 2)
    return functional.conv2d(padded, kernels, stride=layer.stride, groups=layer.groups).permute(0, 2, 3, 1)


def stochastic_convolved(layer: ConvolutionLayer, codes: torch.Tensor, encoding: Stochastic) -> torch.Tensor:
    """The same of codes, each window of which gets random bits of its own."""
    top, left, bottom, right = layer.padding
    padded = functional.pad(codes, (left, right, top, bottom), value=layer.fill)
    kernel, size = layer.shape.kernel, layer.shape.result
    unfolded = functional.unfold(padded, kernel, stride=layer.stride)  # (N, C * kh * kw, positions)
    taps = unfolded.reshape(len(codes), layer.source.channels, *kernel, -1).permute(0, 4, 2, 3, 1)
    sums = random_signs(encoding, taps.reshape(-1, kernel[0] * kernel[1] * layer.source.channels))
    grouped = sums.reshape(-1, kernel[0] * kernel[1], layer.groups, layer.source.channels // layer.groups)
    weights = torch.from_numpy(layer.matrix.copy()).double().reshape(layer.fan_out, kernel[0] * kernel[1], -1)
    parts = [
        torch.einsum("ntc,ftc->nf", grouped[:, :, group], part)
        for group, part in enumerate(weights.chunk(layer.groups))
    ]
    return torch.cat(parts, 1).reshape(-1, size.height, size.width, size.channels)


def reference(network: Network, values: Array) -> Reference:
    """The network in torch: maps are (N, C, H, W) of ±1 or sums of ±1, in float64."""
    encoding = network.encoding
    found = Reference({}, {}, np.zeros(0))
    current, total = presented(encoding, values)
    drawing = isinstance(encoding, Stochastic)
    for layer in network.layers:
        if isinstance(layer, MaxPoolLayer | AveragePoolLayer | ConvolutionLayer) and current.ndim == 2:
            source = layer.source
            current = current.reshape(-1, source.height, source.width, source.channels).permute(0, 3, 1, 2)
        if isinstance(layer, MaxPoolLayer):
            most = functional.max_pool2d(current, layer.kernel, layer.stride)
            least = -functional.max_pool2d(-current, layer.kernel, layer.stride)
            current = torch.where(torch.from_numpy(layer.conjunctive.copy())[:, None, None] == 1, least, most)
            found.bits[layer.name] = as_bits(current.permute(0, 2, 3, 1))
            continue
        if isinstance(layer, AveragePoolLayer):
            total = layer.source.height * layer.source.width
            current = (functional.adaptive_avg_pool2d(current, 1) * total).round()
            found.bits[layer.name] = ((current[:, :, 0, 0] + total) / 2).numpy()
            continue
        assert isinstance(layer, WeightedLayer)
        if isinstance(layer, ConvolutionLayer):
            if drawing:
                assert isinstance(encoding, Stochastic)
                dots = stochastic_convolved(layer, current, encoding)
            else:
                fill = layer.fill
                if isinstance(encoding, FixedPoint) and layer is network.layers[0]:
                    assert encoding.planes is not None
                    fill >>= encoding.depth - encoding.planes
                dots = convolved(layer, current, 2 * fill - total)
        else:
            flat = current if current.ndim == 2 else current.permute(0, 2, 3, 1).flatten(1)
            if drawing:
                assert isinstance(encoding, Stochastic)
                flat = random_signs(encoding, flat)
            dots = functional.linear(flat, torch.from_numpy(layer.weights.copy()).double())
        counts = dots + layer.fan_in * total
        if not layer.shape.ternary:
            counts = counts / 2
        found.counts[layer.name] = counts.numpy()
        drawing, total = False, 1
        if isinstance(layer, OutputLayer):
            found.scores = found.counts[layer.name] + layer.offsets
        else:
            current = torch.where(counts >= torch.from_numpy(layer.integers.copy()), 1.0, -1.0).double()
            found.bits[layer.name] = as_bits(current)
            current = current.permute(0, 3, 1, 2) if current.ndim == 4 else current
    return found


def as_bits(signs: torch.Tensor) -> Array:
    return ((signs + 1) / 2).numpy()


def random_values(network: Network, count: int, seed: int) -> Array:
    low, high = network.encoding.range
    return np.random.default_rng(seed).integers(low, high, (count, network.encoding.values), endpoint=True)


def assert_same(network: Network, count: int, seed: int) -> None:
    """Both methods of golden and torch agree on every count, bit, score and class."""
    values = random_values(network, count, seed)
    expected = reference(network, values)
    for method in METHODS:
        trace = golden.infer(network, values, method=method)
        assert [*trace.counts] == [*expected.counts]
        for name, counts in expected.counts.items():
            assert trace.counts[name].dtype == np.int32
            assert np.array_equal(trace.counts[name], counts), (method, name)
        assert [*trace.bits] == [*expected.bits]
        for name, bits in expected.bits.items():
            assert np.array_equal(trace.bits[name], bits), (method, name)
        assert np.array_equal(trace.scores, expected.scores)
        assert trace.classes.tolist() == [row.index(max(row)) for row in expected.scores.tolist()]
    assert np.array_equal(golden.classify(network, values), trace.classes)


@given(topologies(("bits", "planes", "stochastic")), st.integers(1, 4), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_whole_networks_agree(topology: Topology, count: int, seed: int) -> None:
    assert_same(random_network(topology, seed), count, seed)


@st.composite
def convolution_networks(draw: st.DrawFn) -> Topology:
    """A convolution of any kernel, stride, padding, fill, groups and weights, 1-D or 2-D, and an output layer."""
    source = Map(draw(st.sampled_from([1, 2, 5, 9])), draw(st.integers(1, 9)), draw(st.sampled_from([1, 2, 6, 32])))
    layer: Convolution = draw(convolutions(source, 1))
    return Topology.parse(f"{source}-{layer}-2")


@given(convolution_networks(), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_convolutions_agree(topology: Topology, seed: int) -> None:
    assert_same(random_network(topology, seed), 3, seed)


@pytest.mark.parametrize(
    "text",
    [
        "5x7x3-4c3x2s2x1p2x0x1x1-2",  # asymmetric padding of -1
        "5x7x3-4c3x2s2x1p2x0x1x1f1-2",  # and of +1
        "2x2x1-3c5p2-2",  # a kernel larger than the map, not than the padded one
        "1x30x12-8c1x7s1x3p0x3-avg-2",  # 1-D
        "6x6x8-8c3g8-16c3p1g8t-2t",  # depthwise
        "9x9x2-4c2-m3s2-m2x1s1-3",  # pooling that overlaps, that leaves pixels out
        "4x4x3b8-6c3p1f200t-avg-4t",  # a code as padding
        "4x4x3r8x9d5s3-6c3p1f200g3-avg-4",
        "33b16-7-2",
        "400b16-7t-2",  # counts beyond what float32 holds
    ],
)
def test_named_shapes_agree(text: str) -> None:
    assert_same(random_network(text, seed=1), 5, 2)


@given(
    st.integers(1, 16).flatmap(lambda depth: st.tuples(st.just(depth), st.integers(1, depth))),
    st.integers(1, 60),
    st.booleans(),
    st.sampled_from(["unsigned", "signed", "any"]),
    st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_fixed_point_gives_the_exact_dot_product(
    depths: tuple[int, int], fan_in: int, ternary: bool, kind: str, seed: int
) -> None:
    """From the count, as `model.encoding.FixedPoint` tells, to w · value with no plane left out, and to w · u."""
    (depth, planes), random = depths, np.random.default_rng(seed)
    low = {"unsigned": 0, "signed": -(2 ** (depth - 1)), "any": int(random.integers(-(2**20), 2**20))}[kind]
    weights: Signs = random.choice(np.array([-1, 0, 1] if ternary else [-1, 1], dtype=np.int8), (3, fan_in))
    output = OutputLayer("output", weights, np.zeros(3, dtype=np.int32), ternary)
    network = Network(FixedPoint(fan_in, depth, low, planes), (), output)
    values = random_values(network, 4, seed)
    most, wide = 2**planes - 1, weights.astype(np.int64)
    presented = (values - low) >> (depth - planes)
    for method in METHODS:
        count = golden.infer(network, values, method=method).counts["output"].astype(np.int64)
        dots = (2 * presented - most) @ wide.T + fan_in * most
        assert np.array_equal(count if ternary else 2 * count, dots)
        twice = (count if ternary else 2 * count) + (wide.sum(axis=1) - fan_in) * most
        assert np.array_equal(twice, 2 * presented @ wide.T)
        if planes == depth:
            assert np.array_equal(twice // 2 + low * wide.sum(axis=1), values @ wide.T)


@pytest.mark.parametrize("text", ["7r8x5d3s9-4-3", "3x4x2r6x4d5s1-6c2x3g2t-3", "5r3x1s8-2"])
def test_stochastic_samples_go_on_where_the_last_ended(text: str) -> None:
    """The generator runs on from sample to sample, however they are cut up; another start is another result."""
    network = random_network(text, seed=4)
    values = random_values(network, 7, 5)
    whole = golden.infer(network, values)
    for start, stop in ((0, 3), (3, 4), (4, 7)):
        part = golden.infer(network, values[start:stop], first=start)
        for name, counts in whole.counts.items():
            assert np.array_equal(part.counts[name], counts[start:stop])
    first = network.layers[0].name
    assert not np.array_equal(golden.infer(network, values, first=1).counts[first], whole.counts[first])


@pytest.mark.parametrize(
    "text", ["5x5x3-6c3p1-m2-9-4", "4x4x2b6-5c2t-avg-3", "4x4x2r6x5d3s2-5c2-3", "9r4x7-3-2", "40-9-3"]
)
@pytest.mark.parametrize("bits", [1, 200, 1000])
def test_parts_are_the_whole(text: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many samples at a time as memory allows, and the same results."""
    network = random_network(text, seed=6)
    values = random_values(network, 23, 7)
    whole = golden.infer(network, values)
    monkeypatch.setattr(golden, "CHUNK_BITS", bits)
    parts = golden.infer(network, values)
    for name, counts in whole.counts.items():
        assert np.array_equal(parts.counts[name], counts)
    assert np.array_equal(golden.classify(network, values), whole.classes)


@pytest.mark.parametrize("text", ["20x20x8-16c3p1-3", "20x20x1-64c1-3", "16x16x8b8-4c3p1-3", "16x16x8-16c3g8-3"])
@pytest.mark.parametrize("method", METHODS)
def test_memory_follows_the_parts(text: str, method: golden.Method, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many samples there are, room is needed for results and for one part: up to 12 bytes a bit of it."""
    network = random_network(text, seed=6)
    values = random_values(network, 64, 7)
    part = 2**18
    monkeypatch.setattr(golden, "CHUNK_BITS", part)
    tracemalloc.start()
    try:
        trace = golden.infer(network, values, method=method)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    results = sum(array.nbytes for array in (trace.inputs, *trace.counts.values(), *trace.bits.values()))
    assert peak < results + 12 * part


@pytest.mark.parametrize(
    "text", ["3x4x2-5c2-m2-4-3", "3x4x2b5-5c2-3", "3x4x2r5x3-5c2-avg-3", "3x4x2-avg-3", "3x4x2-m2-3"]
)
def test_no_samples_have_no_results(text: str) -> None:
    network = random_network(text, seed=1)
    values = np.zeros((0, network.encoding.values), dtype=np.int64)
    for method in METHODS:
        trace = golden.infer(network, values, method=method)
        shapes = {layer.name: layer.shape.result for layer in network.hidden}
        for name, fired in trace.bits.items():
            assert fired.shape in ((0, *shapes[name]), (0, shapes[name].channels))
        assert trace.scores.shape == (0, 3)
    assert golden.classify(network, values).shape == (0,)
