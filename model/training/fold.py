"""Folding: a trained torch network in, a `Network` of integers out, that computes exactly the same.

A neuron's sign is a monotone function of its popcount, and the layer's own batch norm says which. So the popcount from
which on the neuron fires is found by bisection: nothing is derived twice, and nothing can be rounded differently.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.bits import to_bits, to_signs
from model.errors import HafnetError
from model.network import (
    AveragePoolLayer,
    ConvolutionLayer,
    DenseLayer,
    Int32,
    MaxPoolLayer,
    Network,
    Origin,
    OutputLayer,
    Signs,
)
from model.network import HiddenLayer as NetworkLayer
from model.topology import Convolution, MaxPool
from model.training.layers import AveragePooling, BinaryWeights, FoldableNorm, HiddenLayer, MaxPooling
from model.training.module import BinaryNetwork


def fold(trained: BinaryNetwork, origin: Origin) -> Network:
    """The integer network that gives the same hidden bits and the same class as `trained` in evaluation mode.

    Layers are called `hidden0`, `hidden1`, …, `output`. A neuron whose batch norm has a negative scale gets its weights
    flipped, and an AND for the max-pooling behind it: the largest dot product is the last to fire. One that fires for
    every input gets threshold 0, one that never does top + 1. Raises HafnetError where a batch norm is not finite.
    """
    was_training = trained.training
    trained.eval()
    hidden: list[NetworkLayer] = []
    try:
        with torch.no_grad():
            for stage in trained.stages:
                hidden.extend(_fold_stage(stage, len(hidden)))
            weights = _signs(trained.output.weights)
            offsets = trained.output.offsets.cpu().numpy().astype(np.int32)
    finally:
        trained.train(was_training)
    return Network(trained.encoding, tuple(hidden), OutputLayer("output", weights, offsets), origin)


def _signs(weights: BinaryWeights) -> Signs:
    return to_signs(to_bits(weights.weight.detach().cpu().numpy()))


def _fold_stage(stage: nn.Module, index: int) -> Iterator[NetworkLayer]:
    """The layers of a stage, of which the first is number `index`."""
    name = f"hidden{index}"
    if isinstance(stage, AveragePooling):
        yield AveragePoolLayer(name, stage.shape.source)
    elif isinstance(stage, MaxPooling):
        yield _fold_pool(name, stage.shape, np.zeros(stage.shape.source.channels, bool))
    else:
        assert isinstance(stage, HiddenLayer)  # a ModuleList forgets what it holds
        shape = stage.weights.shape
        flipped, thresholds = _decide(name, stage.norm, stage.weights.top)
        weights = np.where(flipped[:, np.newaxis], -_signs(stage.weights), _signs(stage.weights))
        if isinstance(shape, Convolution):
            weights = weights.reshape(shape.channels, *shape.kernel, -1)
            rest = (shape.source, shape.stride, shape.padding, shape.fill, shape.groups)
            yield ConvolutionLayer(name, weights, thresholds, *rest, order="OHWI")
        else:
            yield DenseLayer(name, weights, thresholds)
        for behind, pool in enumerate(stage.pools, index + 1):
            assert isinstance(pool, MaxPooling)
            yield _fold_pool(f"hidden{behind}", pool.shape, flipped)


def _fold_pool(name: str, shape: MaxPool, conjunctive: npt.NDArray[np.bool_]) -> MaxPoolLayer:
    return MaxPoolLayer(name, shape.source, shape.kernel, shape.stride, conjunctive.astype(np.uint8))


def _decide(name: str, norm: FoldableNorm, top: int) -> tuple[npt.NDArray[np.bool_], Int32]:
    """For each neuron whether its weights are flipped, and the least popcount, 0 … top + 1, at which it fires then."""
    device, size = norm.weight.device, norm.num_features
    signs = torch.ones(size, dtype=torch.int64, device=device)

    def fires(popcounts: Tensor) -> Tensor:
        """At popcounts of the weights, flipped where `signs` are negative: dot products are negated then."""
        values: Tensor = norm(signs * (2 * popcounts - top))
        if not torch.isfinite(values).all():
            neuron = int(torch.isfinite(values).logical_not().nonzero()[0])
            raise HafnetError(
                f"layer {name!r}: the batch norm of neuron {neuron} is not finite, so it has no threshold"
            )
        return values >= 0

    low = torch.zeros(size, dtype=torch.int64, device=device)
    high = low + (top + 1)
    # Monotone, so an answer that goes from yes to no has a negative scale.
    flipped = fires(low) & ~fires(high - 1)
    signs[flipped] = -1
    for _ in range((top + 1).bit_length()):
        # Below `low` no neuron fires, from `high` on it does; where they have met, both stay.
        middle = (low + high) // 2
        yes = fires(middle.clamp(max=top)) | (middle > top)
        low, high = torch.where(yes, low, middle + 1), torch.where(yes, middle, high)
    return flipped.cpu().numpy(), high.cpu().numpy().astype(np.int32)
