"""The results of `model.golden`, many times over: inference with changed weights in torch, on a GPU where there is one.

Every layer is exact (see `model.campaign.layers`); before a device is used, its scores of some samples are compared
with golden's. Random bits before a convolution are drawn for each window, which torch does not do here: of such a
network golden itself does the work.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model import golden
from model.campaign.layers import Neurons, build, first_inputs
from model.network import ConvolutionLayer, Int32, Layer, Network, Signs, WeightedLayer
from model.topology import StochasticInput

Classes: TypeAlias = npt.NDArray[np.int64]
Weights: TypeAlias = Mapping[str, Signs]
"""(fan_out, fan_in) by the name of the layer; layers that are not named have the network's own."""

AnyLayer = TypeVar("AnyLayer", bound=Layer)

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
        self._inputs = first_inputs(network, self.values)
        self._layers = [build(network, index, self.device) for index in range(len(network.layers))]
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
        assert isinstance(layer, Neurons)
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
                now = torch.cat(
                    [self._run(some, loaded, index + 1).argmax(1) for some in torch.split(others, self._chunk)]
                )
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


@contextmanager
def one_core() -> Iterator[None]:
    """Torch uses one core for a product: campaigns run several at a time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def with_weights(network: Network, weights: Weights) -> Network:
    """The network with other weights, (fan_out, fan_in) by the name of the layer."""

    def changed(layer: AnyLayer) -> AnyLayer:
        if not isinstance(layer, WeightedLayer) or layer.name not in weights:
            return layer
        return replace(layer, weights=weights[layer.name].reshape(layer.weights.shape))

    return replace(network, hidden=tuple(map(changed, network.hidden)), output=changed(network.output))
