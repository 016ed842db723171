"""Topologies: their text and back, what they say of their layers, and every rule in one sentence."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import HafnetError
from model.topology import (
    AveragePool,
    BitInput,
    Convolution,
    Dense,
    Input,
    LayerShape,
    Map,
    MaxPool,
    PlaneInput,
    Presentations,
    StochasticInput,
    Topology,
)
from model.windows import Pair


def pairs(draw: st.DrawFn, low: int, high: int) -> Pair:
    return draw(st.integers(low, high)), draw(st.integers(low, high))


@st.composite
def inputs(draw: st.DrawFn, kind: str, width: int, depth: int, word: int) -> Input:
    """An input of `width` values; the words that the first layer sees have `word`."""
    if kind == "planes":
        return PlaneInput(width, depth, draw(st.integers(1, depth)))
    if kind == "stochastic":
        draws, seed = draw(st.integers(1, min(64, word))), draw(st.integers(0, 2**64 - 1))
        return StochasticInput(width, depth, draw(st.integers(1, 20)), draws, seed)
    if kind == "external":
        return StochasticInput(width, depth, draw(st.integers(1, 20)), external=draw(st.integers(1, 64)))
    return BitInput(width)


@st.composite
def convolutions(draw: st.DrawFn, source: Map, depth: int) -> Convolution:
    top, left = draw(st.sampled_from([(0, 0), pairs(draw, 0, 2)]))
    bottom, right = draw(st.sampled_from([(top, left), pairs(draw, 0, 2)]))
    kernel = (
        draw(st.integers(max(top, bottom) + 1, max(3, min(5, source.height + top + bottom)))),
        draw(st.integers(max(left, right) + 1, max(3, min(5, source.width + left + right)))),
    )
    kernel = min(kernel[0], source.height + top + bottom), min(kernel[1], source.width + left + right)
    groups = draw(st.sampled_from([n for n in range(1, source.channels + 1) if source.channels % n == 0]))
    return Convolution(
        source,
        groups * draw(st.integers(1, 3)),
        kernel,
        draw(st.sampled_from([(1, 1), pairs(draw, 1, 3)])),
        (top, left, bottom, right),
        draw(st.integers(0, 2**depth - 1)),
        groups,
        draw(st.booleans()),
    )


@st.composite
def topologies(draw: st.DrawFn, kinds: Sequence[str] = ("bits", "planes", "stochastic", "external")) -> Topology:
    """Any encoding, and up to five layers of any kind on maps of 1-D or 2-D before the output layer."""
    source = first = Map(draw(st.sampled_from([1, 1, 3, 6])), draw(st.integers(1, 8)), draw(st.integers(1, 6)))
    kind = draw(st.sampled_from(kinds))
    depth = 1 if kind == "bits" else draw(st.integers(1, 16))
    layers: list[LayerShape] = []
    for _ in range(draw(st.integers(0, 5))):
        coded = not layers and kind != "bits"
        choices = ["convolution", "dense"] + ["pool", "average"] * (not coded)
        choice = draw(st.sampled_from(choices))
        if choice == "dense" or (layers and isinstance(layers[-1], AveragePool)):
            layers.append(Dense(source.bits, draw(st.integers(1, 9)), draw(st.booleans())))
        elif choice == "convolution":
            layers.append(draw(convolutions(source, 1 if layers else depth)))
        elif choice == "pool":
            kernel = draw(st.integers(1, min(3, source.height))), draw(st.integers(1, min(3, source.width)))
            layers.append(MaxPool(source, kernel, draw(st.sampled_from([kernel, (1, 1), (2, 3)]))))
        else:
            layers.append(AveragePool(source))
        source = layers[-1].result
    layers.append(Dense(source.bits, draw(st.integers(1, 9)), draw(st.booleans())))
    kernel = layers[0].kernel if isinstance(layers[0], Convolution) else (first.height, first.width)
    word = kernel[0] * kernel[1] * first.channels
    return Topology(draw(inputs(kind, first.bits, depth, word)), tuple(layers))


@given(topologies())
@settings(max_examples=300, deadline=None)
def test_the_text_gives_back_the_topology(topology: Topology) -> None:
    text = str(topology)
    assert Topology.parse(text) == topology
    assert str(Topology.parse(text)) == text
    assert hash(Topology.parse(text)) == hash(topology)


@given(topologies())
@settings(deadline=None)
def test_layers_follow_from_each_other(topology: Topology) -> None:
    width = topology.input.width
    assert topology.source.bits == width
    assert len(topology.presentations) == len(topology.names) == len(topology.layers)
    for index, (layer, seen) in enumerate(zip(topology.layers, topology.presentations, strict=True)):
        assert layer.inputs == width
        width = layer.result.bits
        averaged = topology.layers[index - 1] if index else None
        if isinstance(averaged, AveragePool):
            assert seen == Presentations(averaged.source.height * averaged.source.width)
        elif index:
            assert seen == Presentations(1)
        if isinstance(layer, Dense | Convolution):
            assert topology.top(index) == layer.fan_in * seen.total * (2 if layer.ternary else 1)
            assert layer.result.bits == layer.positions * layer.fan_out
    assert topology.output is topology.layers[-1]


def test_texts_mean_what_the_manual_says() -> None:
    perceptron = Topology.parse("784-1024-10")
    assert perceptron == Topology.dense((784, 1024, 10))
    assert perceptron == Topology(BitInput(784), (Dense(784, 1024), Dense(1024, 10)))
    assert perceptron.source == Map(1, 1, 784)
    vgg = Topology.parse("32x32x3b8-64c3p1-m2-128c3s2x1p0x1x2x0g64t-10t")
    first = Convolution(Map(32, 32, 3), 64, (3, 3), padding=(1, 1, 1, 1))
    pool = MaxPool(Map(32, 32, 64), (2, 2), (2, 2))
    second = Convolution(Map(16, 16, 64), 128, (3, 3), (2, 1), (0, 1, 2, 0), 0, 64, True)
    assert vgg.input == PlaneInput(3072, 8, 8)
    assert vgg.layers == (first, pool, second, Dense(8 * 15 * 128, 10, True))
    assert (first.positions, first.fan_in, second.fan_in, second.positions) == (1024, 27, 9, 120)
    ecg = Topology.parse("1x1000x12b4/3-32c1x7s1x2p0x3f5-m1x2s1x1-avg-2")
    assert ecg.input == PlaneInput(12000, 4, 3)
    assert ecg.layers[0] == Convolution(Map(1, 1000, 12), 32, (1, 7), (1, 2), (0, 3, 0, 3), 5)
    assert ecg.layers[1] == MaxPool(Map(1, 500, 32), (1, 2), (1, 1))
    assert ecg.presentations == (Presentations(3, True), Presentations(), Presentations(), Presentations(499))
    assert ecg.presentations[0].weights == (4, 2, 1)
    assert [ecg.top(0), ecg.top(3)] == [84 * 7, 32 * 499]
    assert Topology.parse("9r8x16d4s7-2").input == StochasticInput(9, 8, 16, 4, 7)
    assert Topology.parse("9r8x16e2-2").input == StochasticInput(9, 8, 16, external=2)
    assert str(Topology.parse("1x3x3b4/4-2")) == "9b4-2"  # before a dense layer a map is a row of values
    assert str(Topology.parse("4x4x2-6c3x3s1x1p1x1x1x1f0g1-m2x2s2-2")) == "4x4x2-6c3p1-m2-2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'': an input is written such as 784, 28x28x1, 32x32x3b8 or 784r8x16"),
        ("28x28-10", "'28x28': an input is written such as"),
        ("5b8/-10", "'5b8/': an input is written such as"),
        ("5r8-10", "'5r8': an input is written such as"),
        ("5r8x2e3s1-10", "'5r8x2e3s1': an input is written such as"),
        ("٣-10", "'٣': an input is written such as"),
        ("9" * 21 + "-10", f"'{'9' * 21}': an input is written such as"),
        ("784-x-10", "'x': a layer is written such as 128, 64c3p1, m2 or avg"),
        ("784-1024-", "'': a layer is written such as"),
        ("784-10 ", "'10 ': a layer is written such as"),
        ("4x4x1-3c3p1x2x3-2", "'3c3p1x2x3': a layer is written such as"),
        ("4x4x1-3c3t1-2", "'3c3t1': a layer is written such as"),
        ("4x4x1-m2t-2", "'m2t': a layer is written such as"),
        ("784", "a network without layers is not possible, at least an output layer is needed"),
        ("0-10", "an input of 0 values is not possible, at least 1 is needed"),
        ("7-0", "layer 'layer0': fan-in 7 and fan-out 0 must be at least 1"),
        ("5b17-2", "'5b17': encoding: codes of 17 bits are not possible, only of 1 … 16"),
        ("5b0-2", "'5b0': encoding: codes of 0 bits are not possible, only of 1 … 16"),
        ("5b8/9-2", "'5b8/9': encoding: 9 planes of codes of 8 bits, but 1 … 8 are there"),
        ("5b8/0-2", "'5b8/0': encoding: 0 planes of codes of 8 bits, but 1 … 8 are there"),
        ("5r17x2-2", "'5r17x2': encoding: codes of 17 bits are not possible, only of 1 … 16"),
        ("5r8x0-2", "'5r8x0': encoding: 0 presentations are not possible, only 1 … 4096"),
        ("5r8x4097-2", "'5r8x4097': encoding: 4097 presentations are not possible, only 1 … 4096"),
        ("5r8x2d0-2", "'5r8x2d0': encoding: 0 draws a cycle are not possible, only 1 … 64"),
        ("99r8x2d65-2", "'99r8x2d65': encoding: 65 draws a cycle are not possible, only 1 … 64"),
        ("5r8x2e65-2", "'5r8x2e65': encoding: 65 external random sources are not possible, only 0 … 64"),
        (f"5r8x2s{2**64}-2", f"'5r8x2s{2**64}': encoding: seed 18446744073709551616 is outside 0 … 2^64 - 1"),
        (
            "5r8x2d6-2",
            "layer 'layer0': 6 draws a cycle are not possible, because a word that it sees has 5 values",
        ),
        (
            "4x4x2r8x2d9-2c2g2-2",
            "layer 'layer0': 9 draws a cycle are not possible, because a word that it sees has 8 values",
        ),
        ("4x0x2-3c1-2", "'3c1': the width of the map is 0, but must be at least 1"),
        ("4x4x0-3c1-2", "an input of 0 values is not possible, at least 1 is needed"),
        ("4x5x1-3c5-2", "'3c5': a kernel of height 5 is larger than its input, 4"),
        ("4x5x1-3c1x8p0x1-2", "'3c1x8p0x1': a kernel of width 8 is larger than its input, 7 with its padding"),
        ("4x5x1-m5-2", "'m5': a kernel of height 5 is larger than its input, 4"),
        ("4x5x1-3c0-2", "'3c0': the height of the kernel is 0, but must be at least 1"),
        ("4x5x1-3c3s1x0-2", "'3c3s1x0': the width of the stride is 0, but must be at least 1"),
        ("4x5x1-m2s0-2", "'m2s0': the height of the stride is 0, but must be at least 1"),
        (
            "4x5x1-3c3p3-2",
            "'3c3p3': padding by 3 along the height is not possible: with a kernel of 3 it must be 0 … 2",
        ),
        ("4x5x1-0c3-2", "layer 'layer0': 0 output channels, but at least 1 is needed"),
        ("4x5x3-4c3g3-2", "layer 'layer0': 3 groups do not divide 3 input channels and 4 output channels"),
        ("4x5x3-4c3g2-2", "layer 'layer0': 2 groups do not divide 3 input channels and 4 output channels"),
        ("4x5x3-4c3g0-2", "layer 'layer0': 0 groups do not divide 3 input channels and 4 output channels"),
        ("4x5x3-4c3p1f2-2", "layer 'layer0': padding of value 2 is outside 0 … 1"),
        ("4x5x3b3-4c3p1f8-2", "layer 'layer0': padding of value 8 is outside 0 … 7"),
        ("4x5x3b3-4c3-4c2p1f2-2", "layer 'layer1': padding of value 2 is outside 0 … 1"),
        (
            "4x5x3b3-m2-2",
            "layer 'layer0': pooling takes bits, but the encoding gives codes of 3 bits in 3 presentations",
        ),
        (
            "4x5x3r1x6-avg-2",
            "layer 'layer0': pooling takes bits, but the encoding gives codes of 1 bits in 6 presentat",
        ),
        ("4x5x3-4c3", "layer 'layer0' is the last one, but only a dense layer can be the output layer"),
        ("4x5x3-m2", "layer 'layer0' is the last one, but only a dense layer can be the output layer"),
        ("4x5x3-9-avg", "layer 'layer1' is the last one, but only a dense layer can be the output layer"),
        ("4x5x3-avg-4c1-2", "layer 'layer0': average pooling gives counts, and only a dense layer can take them"),
        ("4x5x3-avg-m1-2", "layer 'layer0': average pooling gives counts, and only a dense layer can take them"),
        ("4x5x3-avg-avg-2", "layer 'layer0': average pooling gives counts, and only a dense layer can take them"),
        ("1073741824-2", "layer 'layer0': counts reach 1073741824, but must stay below 2^30"),
        ("536870912-1t", "layer 'layer0': counts reach 1073741824, but must stay below 2^30"),
        ("16385b16-2", "layer 'layer0': counts reach 1073790975, but must stay below 2^30"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(HafnetError) as caught:
        Topology.parse(text)
    assert str(caught.value).startswith(f"shape {text!r}: {message}")
    assert "\n" not in str(caught.value)


def test_what_is_just_possible() -> None:
    for text in ("1073741823-2", "536870911-1t", "5r16x4096d5-2", "4x4x2r8x2d8-2c2g2-2", "3x3x1-2c5p1-2", "1x1x1-m1-1"):
        assert str(Topology.parse(text)) == text


IMAGE = Map(4, 4, 2)


@pytest.mark.parametrize(
    ("given", "layers", "message"),
    [
        (BitInput(5), [Dense(6, 2)], "layer 'a': fan-in is 6, but the encoding gives 5 bits"),
        (PlaneInput(5, 8, 3), [Dense(6, 2)], "layer 'a': fan-in is 6, but the encoding gives 5 values"),
        (BitInput(5), [Dense(5, 3), Dense(4, 2)], "layer 'b': fan-in is 4, but layer 'a' gives 3 bits"),
        (BitInput(31), [AveragePool(IMAGE)], "layer 'a': a map of 4x4x2 has 32, but the encoding gives 31 bits"),
        (
            BitInput(32),
            [MaxPool(IMAGE, (2, 2), (2, 2)), Convolution(Map(2, 2, 3), 3, (1, 1))],
            "layer 'b': a map of 2x2x3 has 12, but layer 'a' gives 8 bits",
        ),
        (
            BitInput(32),
            [MaxPool(IMAGE, (2, 2), (2, 2)), Convolution(Map(1, 4, 2), 3, (1, 1))],
            "layer 'b': a map of 1x4x2 is needed, but layer 'a' gives 2x2x2",
        ),
        (
            BitInput(3),
            [Dense(3, 8), Convolution(Map(2, 2, 2), 3, (1, 1))],
            "layer 'b': a map of 2x2x2 is needed, but layer 'a' gives 1x1x8",
        ),
        (BitInput(32), [MaxPool(IMAGE, (5, 1), (1, 1))], "layer 'a': a kernel of height 5 is larger than its input, 4"),
        (BitInput(5), [Dense(-5, 2)], "layer 'a': fan-in -5 and fan-out 2 must be at least 1"),
        (BitInput(0), [AveragePool(Map(1, 0, 1))], "an input of 0 values is not possible, at least 1 is needed"),
        (BitInput(4), [AveragePool(Map(-2, -2, 1))], "layer 'a': a map of -2x-2x1 is not possible, all its sizes must"),
    ],
)
def test_layers_that_do_not_follow_are_told_by_name(given: Input, layers: Any, message: str) -> None:
    with pytest.raises(HafnetError, match=f"^{re.escape(message)}"):
        Topology(given, tuple(layers), ("a", "b")[: len(layers)])


@pytest.mark.parametrize("numbers", [(), (5,), (5, 0), (0, 5), (3, -1, 2)])
def test_too_few_or_too_small_numbers_are_no_network(numbers: tuple[int, ...]) -> None:
    message = f"shape {numbers} is not input bits and one fan-out or more, all at least 1"
    with pytest.raises(HafnetError, match=f"^{re.escape(message)}$"):
        Topology.dense(numbers)


def test_a_seed_beside_outside_sources_is_refused() -> None:
    with pytest.raises(HafnetError, match=r"^encoding: seed 3 is of no use to 2 random sources outside$"):
        StochasticInput(5, 8, 4, seed=3, external=2)
