"""Layers of a network in torch, which compute the integers of `model.golden` with any weights.

A layer of neurons multiplies its weights with the sums of its presentations and compares the product with a bound, so
that no count has to be made. Products are sums of integers, below 2^24 in float32 and above it in float64, exact in
whatever order they are added. Convolutions are products too, of windows: quicker algorithms for them round.
"""

import functools
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from model import golden
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    MaxPoolLayer,
    Network,
    Signs,
    WeightedLayer,
)
from model.topology import Convolution


def first_inputs(network: Network, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """(samples, values) integers to what the first layer sees of them, its presentations added up."""
    codes = network.encoding.encode(values)
    starts = range(0, len(codes), golden.CHUNK)
    return np.concatenate([sums(network, codes[start : start + golden.CHUNK], start) for start in starts])


def sums(network: Network, codes: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
    """(words, values) codes, of which the first is number `first`, to what their presentations add up to."""
    presented = golden.present(network.topology.input, codes, first)
    if presented.shape[1] == 1:
        return presented[:, 0]
    shares = np.array(network.topology.presentations[0].weights, dtype=np.int32)
    found: npt.NDArray[Any] = np.einsum("stn,t->sn", presented, shares, dtype=np.int32)
    return found


def words(maps: Tensor, shape: Convolution, fill: float) -> Tensor:
    """What the neurons of each group see of maps that are padded with `fill`, in the order of their weights: (samples,
    height, width, channels) to (groups, samples * positions, fan_in).
    """
    top, left, bottom, right = shape.padding
    maps = pad(maps, (0, 0, left, right, top, bottom), value=fill)
    for axis in (1, 2):
        maps = maps.unfold(axis, shape.kernel[axis - 1], shape.stride[axis - 1])
    # Samples, rows, columns, group, channel, kernel row, kernel column.
    split = maps.reshape(*maps.shape[:3], shape.groups, -1, *maps.shape[4:])
    seen: Tensor = split.permute(3, 0, 1, 2, 5, 6, 4).reshape(shape.groups, -1, shape.fan_in)
    return seen


class Layer:
    """A layer on the device. `elements` is the largest number of values that it makes of a sample; `own` is what `run`
    needs of the network's own weights.
    """

    elements: int
    own: Any = None

    def load(self, weights: Signs) -> Any:
        raise NotImplementedError

    def run(self, current: Tensor, own: Any) -> Tensor:
        raise NotImplementedError


class _MaxPool(Layer):
    def __init__(self, layer: MaxPoolLayer, device: torch.device) -> None:
        self.layer, self.elements = layer, layer.source.bits
        self.flip = torch.tensor(layer.conjunctive != 0, device=device)

    def run(self, current: Tensor, own: Any) -> Tensor:
        """The OR of each window, or the complement of that of the complements; as `windows.max_pool`."""
        (height, width), (down, right), size = self.layer.kernel, self.layer.stride, self.layer.shape.result
        maps = current.reshape(-1, *self.layer.source).bool() ^ self.flip
        corners = (
            maps[:, y : y + (size.height - 1) * down + 1 : down, x : x + (size.width - 1) * right + 1 : right]
            for y, x in itertools.product(range(height), range(width))
        )
        return functools.reduce(torch.logical_or, corners) ^ self.flip


class _AveragePool(Layer):
    def __init__(self, layer: AveragePoolLayer) -> None:
        self.source, self.elements = layer.source, layer.source.bits

    def run(self, current: Tensor, own: Any) -> Tensor:
        return current.reshape(-1, *self.source).sum((1, 2), dtype=torch.int32)


class Neurons(Layer):
    """Dense layers (of one window that is everything) and convolutions.

    With sums s, the count is w · s + c, and of ternary weights 2 w · s + 2 c, where c = total (fan-in - sum(w)) / 2.
    """

    def __init__(self, network: Network, index: int, device: torch.device) -> None:
        layer = network.layers[index]
        assert isinstance(layer, WeightedLayer)
        self.layer, self.device, self.hidden = layer, device, layer is not network.output
        self.total = network.topology.presentations[index].total
        exact = layer.fan_in * self.total < golden.FLOAT32_LIMIT
        self.dtype = torch.float32 if exact else torch.float64
        self.groups, self.fill = 1, 0
        if isinstance(layer, ConvolutionLayer):
            self.groups, self.fill = layer.groups, layer.fill
            if index == 0:
                self.fill = int(sums(network, np.array([[layer.fill]], dtype=np.uint16), 0)[0, 0])
        self.elements = layer.shape.positions * max(layer.fan_in * self.groups, layer.fan_out)
        self.own = self.load(layer.matrix)

    def load(self, weights: Signs) -> tuple[Tensor, Tensor]:
        """(groups, fan_in, fan_out / groups) operand and (fan_out,) shifts."""
        operand = torch.tensor(weights, dtype=self.dtype, device=self.device)
        return operand.reshape(self.groups, -1, operand.shape[1]).mT, self._shifts(weights, self.layer.integers)

    def run(self, current: Tensor, own: tuple[Tensor, Tensor]) -> Tensor:
        """(samples, …) bits, or scores of the output layer."""
        operand, shifts = own
        words = self._words(current)
        products = (words @ operand).movedim(0, 1).flatten(1)
        return self._answers(products, shifts).reshape(self._shape(current))

    def alone(self, current: Tensor, number: int, rows: Signs) -> Tensor:
        """What one neuron gives with other weights, (maps, fan_in): (samples, …, maps)."""
        words = self._words(current)[number // (self.layer.fan_out // self.groups)]
        products = words @ torch.tensor(rows, dtype=self.dtype, device=self.device).T
        answers = self._answers(products, self._shifts(rows, self.layer.integers[number]))
        return answers.reshape(*self._shape(current)[:-1], len(rows))

    def _shifts(self, weights: Signs, integers: Any) -> Tensor:
        """Bounds of the products of hidden neurons, and what is added to those of the output layer."""
        twice = self.total * (weights.shape[1] - weights.sum(axis=1, dtype=np.int64))
        constants = twice if self.layer.shape.ternary else twice // 2
        shifts = constants + integers
        if self.hidden:
            shifts = integers - constants
            if self.layer.shape.ternary:
                shifts = -(-shifts // 2)
        return torch.tensor(shifts, dtype=self.dtype, device=self.device)

    def _answers(self, products: Tensor, shifts: Tensor) -> Tensor:
        if self.hidden:
            return products >= shifts
        # Twice a float32 product may be above 2^24.
        return products.int() * (2 if self.layer.shape.ternary else 1) + shifts.int()

    def _words(self, current: Tensor) -> Tensor:
        """(groups, samples * positions, fan_in): what the neurons of each group see."""
        layer = self.layer
        if not isinstance(layer, ConvolutionLayer):
            return current.reshape(1, -1, layer.fan_in).to(self.dtype)
        return words(current.reshape(-1, *layer.source).to(self.dtype), layer.shape, self.fill)

    def _shape(self, current: Tensor) -> tuple[int, ...]:
        result = self.layer.shape.result
        inner = tuple(result) if isinstance(self.layer, ConvolutionLayer) else (self.layer.fan_out,)
        return len(current), *inner


def build(network: Network, index: int, device: torch.device) -> Layer:
    layer = network.layers[index]
    if isinstance(layer, MaxPoolLayer):
        return _MaxPool(layer, device)
    if isinstance(layer, AveragePoolLayer):
        return _AveragePool(layer)
    return Neurons(network, index, device)
