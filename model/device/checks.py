"""Sentences for numbers that cannot be."""

import math

import numpy as np
import numpy.typing as npt

from model.errors import HafnetError


def positive(what: str, value: float, unit: str = "") -> None:
    """Raises HafnetError unless a number is finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise HafnetError(f"{what} is {value:g}{unit and ' ' + unit}, but must be above 0")


def not_negative(what: str, value: float, unit: str = "") -> None:
    """Raises HafnetError unless a number is finite and at least 0."""
    if not (math.isfinite(value) and value >= 0):
        raise HafnetError(f"{what} is {value:g}{unit and ' ' + unit}, but must be at least 0")


def probabilities(what: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values as an array. Raises HafnetError unless all are in 0 … 1."""
    array = np.asarray(values, dtype=np.float64)
    wrong = array[~((array >= 0) & (array <= 1))]  # so that nan is wrong too
    if wrong.size:
        raise HafnetError(f"{what} is {wrong.flat[0]:g}, but a probability is from 0 to 1")
    return array
