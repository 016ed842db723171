"""`BinaryNetwork`: a topology as a torch module, which training changes and folding reads."""

from collections.abc import Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn

from model.encoding import FixedPoint, Thermometer
from model.errors import HafnetError
from model.topology import AveragePool, Convolution, StochasticInput, Topology, Weighted
from model.training.layers import AveragePooling, BinaryWeights, HiddenLayer, MaxPooling, ScoreLayer

TrainableEncoding: TypeAlias = Thermometer | FixedPoint


def check_trainable(topology: Topology) -> None:
    """Raises HafnetError for random bits as input and for ternary weights: training has neither."""
    if isinstance(topology.input, StochasticInput):
        raise HafnetError(f"shape '{topology}': training takes bits or fixed-point codes, not random bits")
    for layer in topology.layers:
        if isinstance(layer, Weighted) and layer.ternary:
            raise HafnetError(f"shape '{topology}': training makes weights of +1 and -1, but layer {layer} is ternary")


class BinaryNetwork(nn.Module):
    """The layers of a topology, behind the encoding that makes its input.

    Takes maps of signs, or of sums of signs, as `encode` makes them; gives (samples, classes) of logits. `stages` are
    all that comes before the `output`: neurons with the max-pooling behind them, or pooling alone. `error_rate` is that
    of all weights while training; see `BinaryWeights`. Raises HafnetError as `check_trainable` does.
    """

    def __init__(
        self,
        encoding: TrainableEncoding,
        topology: Topology,
        generator: torch.Generator | None = None,
        error_rate: float = 0.0,
    ) -> None:
        super().__init__()
        check_trainable(topology)
        self.encoding, self.topology = encoding, topology
        self.stages = nn.ModuleList()
        for index, layer in enumerate(topology.layers[:-1]):
            before = self.stages[-1] if index else None
            if isinstance(layer, Weighted):
                self.stages.append(HiddenLayer(_weights(topology, index, generator)))
            elif isinstance(layer, AveragePool):
                self.stages.append(AveragePooling(layer))
            elif isinstance(before, HiddenLayer):
                before.pools.append(MaxPooling(layer))
            else:
                self.stages.append(MaxPooling(layer))
        self.output = ScoreLayer(_weights(topology, len(topology.layers) - 1, generator))
        levels = encoding.levels if isinstance(encoding, Thermometer) else ()
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.levels: Tensor
        for weights in self.weights:
            weights.error_rate = error_rate

    @property
    def weights(self) -> Iterator[BinaryWeights]:
        """The weights of all layers."""
        return (module for module in self.modules() if isinstance(module, BinaryWeights))

    def encode(self, values: Tensor) -> Tensor:
        """(samples, values) to maps of what all presentations of a value add up to, float32; as the encoding does.

        Values that are no integers, as noise makes them, become the nearest code that there is.
        """
        given, encoding = self.topology.input, self.encoding
        if isinstance(encoding, Thermometer):
            codes = (values.unsqueeze(2) >= self.levels).flatten(1)
        else:
            codes = (values - encoding.low).round().clamp(0, 2**encoding.depth - 1)
            codes = codes.div(2 ** (given.depth - given.presentations.count), rounding_mode="floor")
        sums = codes.float() * 2 - given.presentations.total
        return sums.reshape(-1, *self.topology.source)

    def forward(self, maps: Tensor) -> Tensor:
        for stage in self.stages:
            maps = stage(maps)
        logits: Tensor = self.output(maps)
        return logits

    def clip(self) -> None:
        """Bring all latent weights back into [-1, 1], beyond which no gradient would move them."""
        for weights in self.weights:
            weights.clip()


def _weights(topology: Topology, index: int, generator: torch.Generator | None) -> BinaryWeights:
    layer, seen = topology.layers[index], topology.presentations[index]
    assert isinstance(layer, Weighted)
    fill = 0
    if isinstance(layer, Convolution):
        # A code's top planes count, one each of a bit.
        dropped = topology.input.depth - seen.count if index == 0 else 0
        fill = 2 * (layer.fill >> dropped) - seen.total
    return BinaryWeights(layer, seen.total, fill, generator)
