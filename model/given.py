"""What callers of Python give: integers, arrays and sequences as they are wanted, or a sentence that says what is not.

Numbers of numpy are as good as Python's, and become these. Arrays may be anything that numpy takes, torch's tensors
included, as long as they are on the CPU and no gradient hangs on them.
"""

import math
import operator
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from model.errors import HafnetError, short

Kind = TypeVar("Kind")

WIDEST = 128
"""Bits of the largest integer that is looked at; every rule has a lower limit."""


def integer(what: str, value: Any) -> int:
    """The value as an int of Python. Raises HafnetError where it is none, and for one far beyond every limit."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise HafnetError(f"{what} is {short(value)}, but must be an integer") from None
    if found.bit_length() > WIDEST:
        raise HafnetError(f"{what} is {short(found)}, but nothing here is larger than 64 bits")
    return found


def real(what: str, value: Any) -> float:
    """The value as a float of Python, which need not be finite. Raises HafnetError where it is no number."""
    try:
        if isinstance(value, bool | np.bool_ | str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise HafnetError(f"{what} is {short(value)}, but must be a number") from None


def plain(what: str, value: Any) -> str | int | float:
    """A text or a number as those of Python, which `model.json_text` can read again. Raises HafnetError for others."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise HafnetError(f"{what} is {short(value)}, which is no Unicode text") from None
        return str(value)
    if isinstance(value, int):
        if value.bit_length() > 64:
            raise HafnetError(f"{what} is {short(value)}, but an integer must fit in 64 bits")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise HafnetError(f"{what} is {short(value)}, but must be a text or a finite number")


def array(what: str, given: Any) -> npt.NDArray[Any]:
    """The array that numpy makes of it, not copied. Raises HafnetError where it makes none."""
    if getattr(given, "requires_grad", False):
        raise HafnetError(f"{what} are a tensor with gradient: give tensor.detach() in its place")
    if getattr(getattr(given, "device", None), "type", "cpu") != "cpu":
        raise HafnetError(f"{what} are a tensor on {given.device}: give tensor.cpu() in its place")
    try:
        return np.asarray(given)
    except Exception as error:
        # Whatever a foreign object raises when it is asked for its numbers; numpy's own for rows of different lengths.
        if "inhomogeneous" in str(error):
            raise HafnetError(f"{what} are no array, because their rows differ in length") from None
        raise HafnetError(f"{what} cannot be read as an array ({type(error).__name__}: {error})") from None


def sequence(what: str, given: Any, kind: "type[Kind] | Any", of: str) -> tuple[Kind, ...]:
    """The parts of a list, a tuple or the like, each of a kind, which the sentence calls `of`."""
    if isinstance(given, str | bytes | Mapping):
        parts = None
    else:
        try:
            parts = tuple(given)
        except TypeError:
            parts = None
    if parts is None:
        raise HafnetError(f"{what} is {described(given)}, but must be a sequence of {of}")
    for index, part in enumerate(parts):
        if not isinstance(part, kind):
            raise HafnetError(f"{what}: entry {index} is {described(part)}, but must be one of {of}")
    return parts


def described(value: Any) -> str:
    """What a value is: None and texts themselves, of all else the type (and the name, where it has one)."""
    if value is None or isinstance(value, str | int | float):
        return short(value)
    name = getattr(value, "name", None)
    return f"a {type(value).__name__}" + (f" called {short(name)}" if isinstance(name, str) else "")
