"""One array of 2T2R cells as it was made, written and read, cell by cell.

`Devices` is the silicon: what makes each device differ from the others, and each column's amplifier. `Devices.write`
gives `Cells`, whose resistances stay as they are until the next writing; `Cells.probabilities` are those of a read, and
`Cells.read` draws one. `error_map` does all of it once.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from model.device.bit_errors import Floats
from model.device.checks import not_negative
from model.device.pcsa import Amplifier
from model.device.resistance import States
from model.errors import HafnetError

Weights: TypeAlias = npt.NDArray[np.int8]
"""(rows, columns) of -1, 0, +1."""

LRS, HRS = 0, 1
SIDES = 2
"""The device on bit line BL, and that on BLb."""


class ErrorMap(NamedTuple):
    """What an array makes of its weights: `read`, (rows, columns) int8, is one read of all cells; `wrong`, float64 of
    the same shape, the probability that a read of a cell differs from what was written.
    """

    read: Weights
    wrong: Floats


@dataclass(frozen=True)
class Cells:
    """A written array: `written`, (rows, columns), and ln R, (2 sides, rows, columns); `offsets`, (columns,), are the
    amplifiers' in units of their spread.
    """

    written: Weights
    resistances: Floats
    offsets: Floats

    def probabilities(self, amplifier: Amplifier, noise: float = 0.0) -> Floats:
        """Probability that a read gives -1, 0, +1: (3, rows, columns). 0 is possible only where the sense phase ends.

        `noise` is the standard deviation, from read to read, of what is compared, in units of ln R: of the difference
        of both branches, and of the quicker one against the limit, taken as independent (an estimate). Without it
        each read is the same, but for ties. Raises HafnetError for noise below 0.
        """
        not_negative("read noise", noise)
        left, right = self.resistances
        plus = _above(right - left + amplifier.offset_sigma * self.offsets, noise)
        in_time = _above(np.log(amplifier.limit) - np.minimum(left, right), noise)
        return np.stack([in_time * (1 - plus), 1 - in_time, in_time * plus])

    def wrong(self, amplifier: Amplifier, noise: float = 0.0) -> Floats:
        """Probability that a read differs from `written`: (rows, columns). Raises HafnetError as `probabilities`."""
        found = self.probabilities(amplifier, noise)
        return _others(found, self.written)

    def read(self, amplifier: Amplifier, generator: np.random.Generator, noise: float = 0.0) -> Weights:
        """One read of all cells. Raises HafnetError as `probabilities` does."""
        minus, zero, _ = self.probabilities(amplifier, noise)
        drawn = generator.random(self.written.shape)
        steps = np.stack([drawn >= minus, drawn >= minus + zero])
        read: Weights = steps.sum(axis=0, dtype=np.int8) - np.int8(1)
        return read


@dataclass(frozen=True)
class Devices:
    """An array as made: what sets each device apart, (2 states, 2 sides, rows, columns), and each amplifier's offset,
    (columns,), both standard normal and independent.
    """

    deviates: Floats
    offsets: Floats

    @classmethod
    def made(cls, rows: int, columns: int, generator: np.random.Generator) -> "Devices":
        """A new array. Raises HafnetError for one without cells."""
        if rows < 1 or columns < 1:
            raise HafnetError(f"an array of {rows} x {columns} cells is asked for, but it needs at least 1 x 1")
        return cls(generator.standard_normal((2, SIDES, rows, columns)), generator.standard_normal(columns))

    def write(self, weights: npt.ArrayLike, states: States, generator: np.random.Generator) -> Cells:
        """The array after programming: +1 is (LRS, HRS), -1 is (HRS, LRS), 0 is (HRS, HRS); every cycle differs.

        Raises HafnetError for weights of another shape, and for ones that are not -1, 0 or +1.
        """
        given = np.asarray(weights)
        shape = self.deviates.shape[2:]
        if given.shape != shape:
            raise HafnetError(
                f"weights have shape {given.shape}, but the array has {shape[0]} rows x {shape[1]} columns"
            )
        other = given[~np.isin(given, (-1, 0, 1))]
        if other.size:
            raise HafnetError(f"a weight is {other.flat[0]}, but a cell holds -1, 0 or +1")
        written = given.astype(np.int8)
        cycles = generator.standard_normal((SIDES, *shape))
        kinds = (states.lrs, states.hrs)
        both = [k.mean + k.device_sigma * d + k.cycle_sigma * cycles for k, d in zip(kinds, self.deviates, strict=True)]
        low = np.stack([written == 1, written == -1])
        return Cells(written, np.where(low, both[LRS], both[HRS]), self.offsets)


def error_map(
    weights: npt.ArrayLike, states: States, amplifier: Amplifier, generator: np.random.Generator, noise: float = 0.0
) -> ErrorMap:
    """What a newly made array makes of `weights`, (rows, columns) of -1, 0, +1, written once in `states`.

    Raises HafnetError as `Devices.write` and `Cells.probabilities` do.
    """
    given = np.asarray(weights)
    if given.ndim != 2:
        raise HafnetError(f"weights have shape {given.shape}, but an array has rows and columns")
    rows, columns = given.shape
    cells = Devices.made(rows, columns, generator).write(given, states, generator)
    return ErrorMap(cells.read(amplifier, generator, noise), cells.wrong(amplifier, noise))


def _above(distance: Floats, noise: float) -> Floats:
    """Probability that `distance` plus Gaussian noise is above 0; half of a tie."""
    if noise:
        with np.errstate(over="ignore"):  # however far: the probability is 0 or 1
            reached: Floats = ndtr(distance / noise)
        return reached
    return (1 + np.sign(distance)) / 2


def _others(found: Floats, written: Weights) -> Floats:
    """Of (3, ...) probabilities of -1, 0, +1 the sum of those that are not `written`, without losing small ones."""
    kept = np.where(written == np.array([-1, 0, 1], dtype=np.int8)[:, None, None], 0, found)
    others: Floats = kept.sum(axis=0)
    return others
