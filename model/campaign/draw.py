"""Maps of weight errors, drawn from a seed: which weights of a network are read wrongly, and what is read instead.

Errors are independent of each other. A binary weight that errs reads as the other sign: the devices of its cell have
changed their order. A ternary weight that errs moves by one step, because one device of its cell is in the wrong state:
+1 or -1, (LRS, HRS) or (HRS, LRS), reads as 0 where its LRS device is found in HRS, and 0, (HRS, HRS), as +1 or -1 with
equal chance, whichever device is found in LRS. (Both devices would have to err for +1 to read as -1. The errors of
ternary cells: A. Laborieux et al., "Implementation of Ternary Weights with Resistive RAM Using a Single Sense Operation
per Synapse", IEEE Transactions on Circuits and Systems I 68, 2021, arXiv:2007.14234.) Where it is known how often a
cell of each weight reads as each other one, `Misreads` says so.

A map has a number. What it draws for a weight depends only on seed, map and layer, not on the rate: errors at a lower
rate are a part of those at a higher one, so that points of a campaign are compared on the same devices.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from model.device.checks import probabilities
from model.errors import HafnetError
from model.network import Network, Signs, WeightedLayer


@dataclass(frozen=True, eq=False)
class Misreads:
    """How ternary cells read: `chances`, (3, 3), rows are the weights written, columns those read, -1, 0, +1.

    Raises HafnetError where a row is not of probabilities that add up to 1.
    """

    chances: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.chances.shape != (3, 3):
            raise HafnetError(f"reads of ternary cells have shape {self.chances.shape}, but (3, 3) is needed")
        probabilities("the chance of a ternary read", self.chances)
        if not np.allclose(self.chances.sum(axis=1), 1, rtol=0, atol=SLACK):
            raise HafnetError(f"the chances of a ternary read add up to {self.chances.sum(axis=1)}, but must to 1")

    @property
    def errors(self) -> npt.NDArray[np.float64]:
        """(3,) probability that -1, 0, +1 is read as another weight."""
        return np.array([each[others].sum() for each, others in zip(self.chances, OTHERS, strict=True)])

    @property
    def first(self) -> npt.NDArray[np.float64]:
        """(3,) how many of these errors read as the first of `OTHERS`."""
        first = self.chances[np.arange(3), OTHERS[:, 0]]
        shares: npt.NDArray[np.float64] = np.divide(first, self.errors, out=np.ones(3), where=self.errors > 0)
        return shares


OTHERS = np.array([[1, 2], [0, 2], [1, 0]])
"""What -1, 0, +1 may be read as in error, as indices of -1, 0, +1."""
ONE_STEP = np.array([1.0, 0.5, 1.0])
"""`Misreads.first` where one device errs."""
SLACK = 1e-6
"""By how much probabilities may miss 1 from rounding."""

Rate: TypeAlias = float | npt.NDArray[np.float64] | Misreads
"""The probability of an error: of every weight of a layer, or (fan_out, fan_in) of each; or how ternary ones read."""


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
    """Weights of any shape after independent errors, int8; a `rate` of each weight has that shape."""
    hit = random.random(weights.shape) < chances(weights, rate)
    if not ternary:
        return np.negative(weights, out=weights.copy(), where=hit)
    index = weights.astype(np.intp) + 1
    first = random.random(weights.shape) < (rate.first if isinstance(rate, Misreads) else ONE_STEP)[index]
    other = OTHERS[index, np.where(first, 0, 1)].astype(np.int8) - np.int8(1)
    return np.where(hit, other, weights)


def chances(weights: Signs, rate: Rate) -> float | npt.NDArray[np.float64]:
    """The probability of an error of weights of any shape: of that shape, or one for all."""
    return rate.errors[weights.astype(np.intp) + 1] if isinstance(rate, Misreads) else rate


def expected_errors(weights: Signs, rate: Rate) -> float:
    """How many of these weights err in the mean."""
    return float(np.sum(np.broadcast_to(chances(weights, rate), weights.shape)))
