"""Maps of weight errors, drawn from a seed: which weights of a network are read wrongly, and what is read instead.

Errors are independent of each other. A binary weight that errs reads as the other sign: the devices of its cell have
changed their order. A ternary weight that errs moves by one step, because one device of its cell is in the wrong state:
+1 or -1, (LRS, HRS) or (HRS, LRS), reads as 0 where its LRS device is found in HRS, and 0, (HRS, HRS), as +1 or -1 with
equal chance, whichever device is found in LRS. (Both devices would have to err for +1 to read as -1. The errors of
ternary cells: A. Laborieux et al., "Implementation of Ternary Weights with Resistive RAM Using a Single Sense Operation
per Synapse", IEEE Transactions on Circuits and Systems I 68, 2021, arXiv:2007.14234.)

A map has a number. What it draws for a weight depends only on seed, map and layer, not on the rate: errors at a lower
rate are a part of those at a higher one, so that points of a campaign are compared on the same devices.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from model.network import Network, Signs, WeightedLayer

Rate: TypeAlias = float | npt.NDArray[np.float64]
"""The probability of an error: of every weight of a layer, or (fan_out, fan_in) of each."""


def faulty(network: Network, rates: Mapping[str, Rate], seed: int, number: int) -> dict[str, Signs]:
    """The weights of map `number`: for each layer that has a rate, (fan_out, fan_in) int8."""
    return {
        layer.name: err(
            layer.matrix, rates[layer.name], np.random.default_rng([seed, number, index]), layer.shape.ternary
        )
        for index, layer in enumerate(network.layers)
        if isinstance(layer, WeightedLayer) and layer.name in rates
    }


def err(weights: Signs, rate: Rate, random: np.random.Generator, ternary: bool) -> Signs:
    """Weights of any shape after independent errors, int8; `rate` is one number or of that shape."""
    hit = random.random(weights.shape) < rate
    if not ternary:
        return np.negative(weights, out=weights.copy(), where=hit)
    either = random.integers(0, 2, weights.shape, dtype=np.int8) * np.int8(2) - np.int8(1)
    return np.where(hit, np.where(weights == 0, either, np.int8(0)), weights)
