"""The reader of BNN-PYNQ's binary form, on small parameters made by hand."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from bnn_pynq import CNV, LFC, Folding, Form, read

from model.encoding import FixedPoint, Thermometer
from model.errors import HafnetError
from model.golden import infer
from model.topology import Convolution, Dense, Topology

Bits = npt.NDArray[np.int64]

DENSE = Form(Topology.parse("5-6-3"), Thermometer(5, (1,)), (Folding(2, 4), Folding(4, 3)))
CONVOLUTION = Form(Topology.parse("4x4x2b3-4c3-m2-3"), FixedPoint(32, 3, -4), (Folding(2, 6), Folding(1, 2)))


def write(folder: Path, layer: int, folding: Folding, weights: Bits, thresholds: Bits | None) -> None:
    """The files of a layer, word by word as the form says it. Sizes must be multiples of the folding's."""
    neurons, fan_in = weights.shape
    for element in range(folding.elements):
        words = [
            sum(int(weights[neuron, start + bit]) << bit for bit in range(folding.inputs))
            for neuron in range(element, neurons, folding.elements)
            for start in range(0, fan_in, folding.inputs)
        ]
        Path(folder, f"{layer}-{element}-weights.bin").write_bytes(b"".join(w.to_bytes(8, "little") for w in words))
        if thresholds is not None:
            mine = [int(each).to_bytes(8, "little", signed=True) for each in thresholds[element :: folding.elements]]
            Path(folder, f"{layer}-{element}-thres.bin").write_bytes(b"".join(mine))


def dense(folder: Path, last: bool) -> tuple[Bits, ...]:
    """Parameters of DENSE, padded: 5 inputs to 8, 3 classes to 4; thresholds of the output layer only on wish."""
    random = np.random.default_rng(1)
    weights = random.integers(0, 2, (6, 8)), random.integers(0, 2, (4, 6))
    thresholds = np.array([-3, 3, 4, 5, 3, 40]), random.integers(0, 6, 4)
    write(folder, 0, DENSE.foldings[0], weights[0], thresholds[0])
    write(folder, 1, DENSE.foldings[1], weights[1], thresholds[1] if last else None)
    return *weights, *thresholds


@pytest.mark.parametrize("last", [False, True])
def test_a_neuron_fires_when_its_padded_popcount_is_greater(tmp_path: Path, last: bool) -> None:
    first, second, greater, offsets = dense(tmp_path, last)
    values = np.array([[number >> bit & 1 for bit in range(5)] for number in range(32)])
    trace = infer(read(tmp_path, DENSE), values)
    padded = np.pad(values, ((0, 0), (0, 3)))
    fires = np.array(
        [[np.sum(row == image) > limit for row, limit in zip(first, greater, strict=True)] for image in padded]
    )
    assert 0 < fires[:, 1:5].mean() < 1
    np.testing.assert_array_equal(trace.bits["layer0"], fires)
    scores = np.array([[np.sum(row == image) for row in second[:3]] for image in fires])
    np.testing.assert_array_equal(trace.scores, scores - (offsets[:3] if last else 0))


def test_thresholds_on_real_values_become_thresholds_on_counts(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    weights, last = random.integers(0, 2, (4, 18)), random.integers(0, 2, (3, 4))
    greater = np.array([-7, 0, 5, 6])
    write(tmp_path, 0, CONVOLUTION.foldings[0], weights, greater)
    write(tmp_path, 1, CONVOLUTION.foldings[1], last, None)
    values = random.integers(-4, 4, (40, 32))
    trace = infer(read(tmp_path, CONVOLUTION), values)
    maps, signs = values.reshape(40, 4, 4, 2), 2 * weights - 1
    hits = 0
    for sample, y, x, neuron in np.ndindex(40, 2, 2, 4):
        window = maps[sample, y : y + 3, x : x + 3].reshape(-1)
        # Values are quarters and thresholds eighths, as those of 8 bits are 1/128 and 1/256.
        product = sum(Fraction(int(value), 4) * int(sign) for value, sign in zip(window, signs[neuron], strict=True))
        fires = product > Fraction(int(greater[neuron]), 8)
        assert trace.bits["layer0"][sample, y, x, neuron] == fires
        hits += 2 * product == Fraction(int(greater[neuron]), 4)
    assert hits  # on the limit itself
    np.testing.assert_array_equal(trace.bits["layer1"], trace.bits["layer0"].max(axis=(1, 2), keepdims=True))


@pytest.mark.parametrize("form", [LFC, CNV])
def test_published_forms_fold_every_layer_of_neurons(form: Form) -> None:
    shapes = [shape for shape in form.topology.layers if isinstance(shape, Dense | Convolution)]
    assert len(form.foldings) == len(shapes)
    assert form.encoding.input == form.topology.input
    # Elements that share the neurons of a layer, padded ones of the output layer too, share them equally.
    for shape, folding in zip(shapes, form.foldings, strict=True):
        padded = 64 if shape is shapes[-1] else shape.fan_out
        assert padded % folding.elements == 0
        assert math.ceil(shape.fan_in / folding.inputs) * folding.inputs in (shape.fan_in, 832)


@pytest.mark.parametrize("file", ["0-1-weights.bin", "1-3-weights.bin", "0-1-thres.bin"])
def test_a_file_that_is_missing_or_cut_is_told(tmp_path: Path, file: str) -> None:
    dense(tmp_path, last=True)
    path = tmp_path / file
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(HafnetError, match=f"layer {file[0]} in .* cannot be read"):
        read(tmp_path, DENSE)
    path.unlink()
    with pytest.raises(HafnetError, match=f"layer {file[0]} in .* cannot be read .*{file}"):
        read(tmp_path, DENSE)


def test_files_of_another_network_are_told(tmp_path: Path) -> None:
    dense(tmp_path, last=True)
    wider = Form(Topology.parse("5-6-9"), DENSE.encoding, DENSE.foldings)
    with pytest.raises(HafnetError, match=r"layer 1 in .* has 8 words of weights, but 9 neurons or more of 2 words"):
        read(tmp_path, wider)
