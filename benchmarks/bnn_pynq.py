"""Networks in the binary form of BNN-PYNQ, and the two that were published in it.

`L-P-weights.bin` holds 64-bit words, a row of them for each neuron of processing element P of layer L: neuron n is
number n // PE of element n % PE, and bit k of word s is input s * SIMD + k, 1 for +1. Inputs of a convolution are
ordered (kernel row, kernel column, channel). `L-P-thres.bin` holds 64-bit integers: a neuron fires iff its popcount is
greater. Layers are padded: inputs that no layer before gives are 0, neurons beyond the last are ignored.

Source: Y. Umuroglu, N. J. Fraser, G. Gambardella, M. Blott, P. Leong, M. Jahre, K. Vissers, "FINN: A Framework for
Fast, Scalable Binarized Neural Network Inference", FPGA 2017; parameters of github.com/Xilinx/BNN-PYNQ.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model import bits
from model.encoding import Encoding, FixedPoint, Thermometer
from model.errors import HafnetError
from model.network import ConvolutionLayer, DenseLayer, HiddenLayer, MaxPoolLayer, Network, OutputLayer
from model.topology import AveragePool, Convolution, MaxPool, Topology, Weighted

Integers = npt.NDArray[np.int64]


class Folding(NamedTuple):
    """How a layer was spread over hardware: PE and SIMD."""

    elements: int
    inputs: int


@dataclass(frozen=True)
class Form:
    """What the files do not say: the layers, how the input is encoded, and the folding of each layer of neurons.

    A first layer on fixed point is not padded.
    """

    topology: Topology
    encoding: Encoding
    foldings: tuple[Folding, ...]


LFC = Form(
    Topology.parse("784-1024-1024-1024-10"),
    Thermometer(784, (128,)),
    (Folding(32, 64), Folding(64, 32), Folding(32, 64), Folding(16, 8)),
)
"""For MNIST; 98.35 % of its test images, its authors say."""
CNV = Form(
    Topology.parse("32x32x3b8-64c3-64c3-m2-128c3-128c3-m2-256c3-256c3-512-512-10"),
    FixedPoint(32 * 32 * 3, 8, -128),
    tuple(map(Folding, (16, 32, 16, 16, 4, 1, 1, 1, 4), (3, 32, 32, 32, 32, 32, 4, 8, 1))),
)
"""For CIFAR-10; 79.22 %. Its input is floor((2x - 1) * 128) / 128, at most 127 / 128, of pixels x = p / 255: that is
(p - 128) / 128, so that the values are p - 128 and their codes the pixels themselves."""


def read(folder: Path, form: Form) -> Network:
    """The network whose parameters lie in `folder`. Raises HafnetError where a file has not the size that it must have.

    Of an output layer with thresholds the score is popcount - threshold: where a single neuron fires, it wins.
    """
    hidden: list[HiddenLayer] = []
    foldings = enumerate(form.foldings)
    for index, (name, shape) in enumerate(zip(form.topology.names, form.topology.layers, strict=True)):
        if isinstance(shape, MaxPool):
            channels = np.zeros(shape.source.channels, dtype=np.uint8)
            hidden.append(MaxPoolLayer(name, shape.source, shape.kernel, shape.stride, channels))
            continue
        assert not isinstance(shape, AveragePool)  # the form knows none
        weights, greater = _read(folder, *next(foldings), shape)
        top = form.topology.top(index)
        if index == len(form.topology.layers) - 1:
            output = OutputLayer(name, weights, np.clip(-greater, -top, top))
            break
        if index == 0 and isinstance(form.encoding, FixedPoint):
            greater = _of_counts(weights, greater, form.encoding)
        thresholds = np.clip(greater + 1, 0, top + 1).astype(np.int32)
        if isinstance(shape, Convolution):
            weights = weights.reshape(shape.channels, *shape.kernel, -1)
            rest = (shape.stride, shape.padding, shape.fill, shape.groups)
            hidden.append(ConvolutionLayer(name, weights, thresholds, shape.source, *rest, order="OHWI"))
        else:
            hidden.append(DenseLayer(name, weights, thresholds))
    return Network(form.encoding, tuple(hidden), output, {"recipe": "BNN-PYNQ"})


def _of_counts(weights: npt.NDArray[np.int8], greater: Integers, encoding: FixedPoint) -> Integers:
    """Thresholds on counts of bit planes from those on dot products.

    The latter are in units half as large as the values': w · value > T / 2, and `model.encoding.FixedPoint` tells what
    that means for a count.
    """
    sums, fan_in = weights.sum(axis=1, dtype=np.int64), weights.shape[1]
    # sums - fan_in is even: nothing is lost.
    counts: Integers = greater // 2 - sums * encoding.low - (sums - fan_in) // 2 * (2**encoding.depth - 1)
    return counts


def _read(folder: Path, number: int, folding: Folding, shape: Weighted) -> tuple[npt.NDArray[np.int8], Integers]:
    """(fan_out, fan_in) weights of layer `number`, and what each neuron's popcount must be greater than to fire (0
    where no file says)."""
    elements, inputs = folding
    words = -(-shape.fan_in // inputs)

    def load(kind: str, dtype: str) -> npt.NDArray[Any]:
        try:
            return np.stack([np.fromfile(folder / f"{number}-{each}-{kind}.bin", dtype) for each in range(elements)])
        except (OSError, ValueError) as error:
            raise HafnetError(f"layer {number} in {folder}: its {kind} cannot be read ({error})") from None

    # (elements, neurons of one, words) to (neurons, words)
    found = load("weights", "<u8")
    if found.size % (elements * words) or found.size // words < shape.fan_out:
        raise HafnetError(
            f"layer {number} in {folder} has {found.size} words of weights, but {shape.fan_out} neurons or more of "
            f"{words} words on {elements} elements are needed"
        )
    found = found.reshape(elements, -1, words).swapaxes(0, 1).reshape(-1, words)[: shape.fan_out]
    places = np.arange(inputs, dtype=np.uint64)
    ones = ((found[:, :, np.newaxis] >> places) & np.uint64(1)).astype(np.uint8).reshape(shape.fan_out, -1)
    # Inputs that are always 0 match weights of -1.
    matches = (1 - ones[:, shape.fan_in :]).sum(axis=1, dtype=np.int64)
    weights = bits.to_signs(ones[:, : shape.fan_in])
    if not (folder / f"{number}-0-thres.bin").exists():
        return weights, -matches
    greater = load("thres", "<i8").T.reshape(-1)[: shape.fan_out].astype(np.int64)
    if len(greater) < shape.fan_out:
        raise HafnetError(f"layer {number} in {folder} has {len(greater)} thresholds for {shape.fan_out} neurons")
    return weights, greater - matches
