"""The integers of `model.golden`, many times over: inference with changed weights in torch, on a GPU where there is one.
The only module outside `model.training` that imports torch.

A layer multiplies its weights with the sums of its presentations and compares the product with a bound, so that no count
has to be made. Products are sums of integers, below 2^24 in float32 and above it in float64, exact in whatever order
they are added. Convolutions are products too, of windows: quicker algorithms for them round. That a device does not
round all the same is checked against golden before it is used.

Random bits before a convolution are drawn for each window, which is not covered: there golden itself does the work.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from model import golden
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    DenseLayer,
    Int32,
    MaxPoolLayer,
    Network,
    OutputLayer,
    Signs,
    WeightedLayer,
)
from model.topology import StochasticInput

Classes: TypeAlias = npt.NDArray[np.int64]
Weights: TypeAlias = Mapping[str, Signs]
"""(fan_out, fan_in) by the name of the layer; layers that are not named have the network's own."""

CHECKED = 64
"""Samples on which a device is compared with golden."""


class Change(NamedTuple):
    """What errors in one neuron alone do, over all samples and maps: `changed`, how often the class is another one than
    without errors, and `lost`, how many fewer samples get their label.
    """

    changed: int
    lost: int


class Engine:
    """Classes of the same samples under many maps of weights.

    Members: `network`; `values`, (samples, values) integers; `labels`, (samples,). `device` is torch's, by default a
    GPU where there is one, else the CPU. Raises HafnetError where the values do not fit the encoding, and RuntimeError
    for a device that does not compute what golden does.
    """

    def __init__(
        self, network: Network, values: npt.ArrayLike, labels: npt.ArrayLike, device: torch.device | None = None
    ) -> None:
        torch.set_float32_matmul_precision("highest")  # a GPU may round operands to 10 bits otherwise
        self.network, self.values, self.labels = network, np.asarray(values), np.asarray(labels, dtype=np.int64)
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._covered = covers(network)
        if not self._covered:
            return
        self._inputs = _inputs(network, self.values)
        self._layers = [_build(network, index, self.device) for index in range(len(network.layers))]
        each = max(layer.elements for layer in self._layers)
        self._chunk = min(golden.CHUNK, max(1, golden.CHUNK_BITS // each))
        part = slice(0, CHECKED)
        if not np.array_equal(self.scores(part=part), golden.infer(network, self.values[part]).scores):
            raise RuntimeError(f"torch on {self.device} does not compute what the golden model does")

    def scores(self, weights: Weights | None = None, part: slice = slice(None)) -> Int32:
        """(samples, classes) scores of the network with other weights, equal to those of `golden.infer`.

        Raises NotImplementedError for a network that `covers` does not.
        """
        if not self._covered:
            raise NotImplementedError("random bits before a convolution")
        loaded = self._load(weights or {})
        found: Int32 = np.concatenate([self._run(chunk, loaded).cpu().numpy() for chunk in self._chunks(part)])
        return found

    def classes(self, weights: Weights | None = None) -> Classes:
        """(samples,) classes of the network with other weights, equal to those of `golden.classify`."""
        if not self._covered:
            return golden.classify(with_weights(self.network, weights or {}), self.values)
        loaded = self._load(weights or {})
        # Of equal scores both argmax take the first.
        chunks = [self._run(chunk, loaded).argmax(1).cpu().numpy() for chunk in self._chunks()]
        found: Classes = np.concatenate(chunks)
        return found

    def correct(self, weights: Weights | None = None) -> int:
        """How many samples get their label."""
        return int(np.sum(self.classes(weights) == self.labels))

    def changes(self, name: str, rows: Mapping[int, Signs]) -> list[Change]:
        """What each of some neurons of a layer does when it alone has other weights: (maps, fan_in) by its number.

        Layers behind are computed only for samples for which the neuron gives something else; all of a network that
        `covers` does not.
        """
        index = next(index for index, layer in enumerate(self.network.layers) if layer.name == name)
        if not self._covered:
            return [self._change(index, number, each) for number, each in rows.items()]
        layer, loaded = self._layers[index], self._load({})
        assert isinstance(layer, _Neurons)
        found, start = dict.fromkeys(rows, Change(0, 0)), 0
        for chunk in self._chunks():
            wanted = torch.tensor(self.labels[start : start + len(chunk)], device=self.device)
            start += len(chunk)
            seen = self._run(chunk, loaded, 0, index)
            gives = layer.run(seen, loaded[index])
            clean = self._run(gives, loaded, index + 1).argmax(1)
            for number, each in rows.items():
                alone = layer.alone(seen, number, each)  # (samples, …, maps)
                differs = (alone != gives[..., number, None]).reshape(len(chunk), -1, len(each)).any(1)
                sample, which = differs.nonzero(as_tuple=True)
                others = gives[sample]
                others[..., number] = alone.movedim(-1, 1)[sample, which]
                now = torch.cat([self._run(some, loaded, index + 1).argmax(1) for some in others.split(self._chunk)])
                was, label = clean[sample], wanted[sample]
                lost = int((was == label).sum()) - int((now == label).sum())
                found[number] = Change(found[number].changed + int((now != was).sum()), found[number].lost + lost)
        return list(found.values())

    def _change(self, index: int, number: int, rows: Signs) -> Change:
        layer, clean = self.network.layers[index], self.classes()
        assert isinstance(layer, WeightedLayer)
        changed = lost = 0
        for row in rows:
            matrix = layer.matrix.copy()
            matrix[number] = row
            now = self.classes({layer.name: matrix})
            changed += int(np.sum(now != clean))
            lost += int(np.sum(clean == self.labels)) - int(np.sum(now == self.labels))
        return Change(changed, lost)

    def _load(self, weights: Weights) -> list[Any]:
        """What each layer needs of its weights, on the device."""
        pairs = zip(self.network.layers, self._layers, strict=True)
        return [each.load(weights[layer.name]) if layer.name in weights else each.own for layer, each in pairs]

    def _chunks(self, part: slice = slice(None)) -> Iterator[Tensor]:
        inputs = self._inputs[part]
        for start in range(0, len(inputs), self._chunk):
            yield torch.tensor(inputs[start : start + self._chunk], device=self.device)

    def _run(self, current: Tensor, loaded: list[Any], first: int = 0, last: int | None = None) -> Tensor:
        """From what layer `first` sees to what layer `last` would see."""
        for layer, own in zip(self._layers[first:last], loaded[first:last], strict=True):
            current = layer.run(current, own)
        return current


def covers(network: Network) -> bool:
    """Whether torch does the work, and not golden."""
    return not (isinstance(network.topology.input, StochasticInput) and isinstance(network.layers[0], ConvolutionLayer))


def use_one_core() -> None:
    """Let torch use one core for what the calling thread asks of it: campaigns run a thread on each core."""
    torch.set_num_threads(1)


def with_weights(network: Network, weights: Weights) -> Network:
    """The network with other weights, (fan_out, fan_in) by the name of the layer."""
    *hidden, output = (
        replace(layer, weights=weights[layer.name].reshape(layer.weights.shape))
        if isinstance(layer, WeightedLayer) and layer.name in weights
        else layer
        for layer in network.layers
    )
    return replace(network, hidden=tuple(hidden), output=output)


def _inputs(network: Network, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """What the first layer sees of each sample, (samples, values) or a map: codes with their presentations added up."""
    codes, layer = network.encoding.encode(values), network.layers[0]
    parts = [_sums(network, codes[first : first + golden.CHUNK], first) for first in range(0, len(codes), golden.CHUNK)]
    sums = np.concatenate(parts)
    return sums if isinstance(layer, DenseLayer | OutputLayer) else sums.reshape(-1, *layer.source)


def _sums(network: Network, codes: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
    presented = golden.present(network.topology.input, codes, first)
    if presented.shape[1] == 1:
        return presented[:, 0]
    shares = np.array(network.topology.presentations[0].weights, dtype=np.int32)
    return np.einsum("stn,t->sn", presented, shares, dtype=np.int32)


class _Layer:
    """A layer on the device. `elements` is the largest number of values that it makes of a sample; `own` is what `run`
    needs of the network's own weights.
    """

    elements: int
    own: Any = None

    def load(self, weights: Signs) -> Any:
        raise NotImplementedError

    def run(self, current: Tensor, own: Any) -> Tensor:
        raise NotImplementedError


class _MaxPool(_Layer):
    def __init__(self, layer: MaxPoolLayer, device: torch.device) -> None:
        self.layer, self.elements = layer, layer.source.bits
        self.flip = torch.tensor(layer.conjunctive != 0, device=device)

    def run(self, current: Tensor, own: Any) -> Tensor:
        """The OR of each window, or the complement of that of the complements; as `windows.max_pool`."""
        (height, width), (down, right), size = self.layer.kernel, self.layer.stride, self.layer.shape.result
        maps = current.bool() ^ self.flip
        corners = (
            maps[:, y : y + (size.height - 1) * down + 1 : down, x : x + (size.width - 1) * right + 1 : right]
            for y, x in itertools.product(range(height), range(width))
        )
        return functools.reduce(torch.logical_or, corners) ^ self.flip


class _AveragePool(_Layer):
    def __init__(self, layer: AveragePoolLayer) -> None:
        self.elements = layer.source.bits

    def run(self, current: Tensor, own: Any) -> Tensor:
        return current.sum((1, 2), dtype=torch.int32)


class _Neurons(_Layer):
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
                self.fill = int(_sums(network, np.array([[layer.fill]], dtype=np.uint16), 0)[0, 0])
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
        top, left, bottom, right = layer.padding
        maps = pad(current.to(self.dtype), (0, 0, left, right, top, bottom), value=self.fill)
        for axis in (1, 2):
            maps = maps.unfold(axis, layer.shape.kernel[axis - 1], layer.stride[axis - 1])
        split = maps.unflatten(3, (self.groups, -1))  # samples, rows, columns, group, channel, kernel row, kernel column
        return split.permute(3, 0, 1, 2, 5, 6, 4).reshape(self.groups, -1, layer.fan_in)

    def _shape(self, current: Tensor) -> tuple[int, ...]:
        result = self.layer.shape.result
        inner = tuple(result) if isinstance(self.layer, ConvolutionLayer) else (self.layer.fan_out,)
        return len(current), *inner


def _build(network: Network, index: int, device: torch.device) -> _Layer:
    layer = network.layers[index]
    if isinstance(layer, MaxPoolLayer):
        return _MaxPool(layer, device)
    if isinstance(layer, AveragePoolLayer):
        return _AveragePool(layer)
    return _Neurons(network, index, device)
