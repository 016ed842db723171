"""Folding: a trained torch network in, a `Network` of integers out, that computes exactly the same.

A hidden neuron's dot product has only fan_in + 1 possible values. Its batch norm and sign are evaluated on every one
of them, by the layer's own code, and the integer threshold is read off the answers; nothing is derived twice, so
nothing can be rounded differently.
"""

import numpy as np
import numpy.typing as npt
import torch

from model.bits import to_bits, to_signs
from model.errors import HafnetError
from model.network import DenseLayer, Network, Origin, OutputLayer, Signs
from model.training.layers import BinaryLinear, BinaryNetwork, FoldableNorm, HiddenLayer


def fold(trained: BinaryNetwork, origin: Origin) -> Network:
    """The integer network that gives the same hidden bits and the same class as `trained` in evaluation mode.

    Layers are called `hidden0`, `hidden1`, …, `output`. A neuron whose batch norm has a negative scale gets its weights
    flipped; one that fires for every input gets threshold 0, one that never does fan-in + 1. Raises HafnetError where
    a batch norm is not finite.
    """
    was_training = trained.training
    trained.eval()
    try:
        with torch.no_grad():
            hidden = tuple(_fold_hidden(f"hidden{index}", layer) for index, layer in enumerate(trained.hidden))
            weights = _signs(trained.output.linear)
            offsets = trained.output.offsets.cpu().numpy().astype(np.int32)
    finally:
        trained.train(was_training)
    return Network(trained.encoding, hidden, OutputLayer("output", weights, offsets), origin)


def _signs(linear: BinaryLinear) -> Signs:
    return to_signs(to_bits(linear.weight.detach().cpu().numpy()))


def _fold_hidden(name: str, layer: torch.nn.Module) -> DenseLayer:
    assert isinstance(layer, HiddenLayer)  # a ModuleList forgets what it holds
    fires = _answers(name, layer.norm, layer.linear.fan_in)
    # Monotone, so an answer that goes from yes to no has a negative scale: dot products of flipped weights are negated.
    flipped = fires[0] & ~fires[-1]
    weights = np.where(flipped[:, np.newaxis], -_signs(layer.linear), _signs(layer.linear))
    # Firing at the highest popcounts only, a neuron's threshold is the number of popcounts at which it does not fire.
    thresholds = (~fires).sum(axis=0, dtype=np.int32)
    return DenseLayer(name, weights, thresholds)


def _answers(name: str, norm: FoldableNorm, fan_in: int) -> npt.NDArray[np.bool_]:
    """(fan_in + 1, fan_out): whether each neuron fires at popcounts 0 … fan_in of its own weights."""
    dots = torch.arange(-fan_in, fan_in + 1, 2, dtype=torch.float32, device=norm.weight.device)
    values = norm(dots.unsqueeze(1).expand(-1, norm.num_features))
    if not torch.isfinite(values).all():
        neuron = int(torch.isfinite(values).all(dim=0).logical_not().nonzero()[0])
        raise HafnetError(f"layer {name!r}: the batch norm of neuron {neuron} is not finite, so it has no threshold")
    return (values >= 0).cpu().numpy()  # type: ignore[no-any-return]
