"""Input encodings: how integers become the bits that a network's first layer sees.

An encoding turns (samples, values) integers into codes of `depth` bits, which is what the accelerator's input stream
carries, and says in what presentations the first layer sees a code. A thermometer's code is a single presentation of
its bits; fixed point presents one bit plane after the other, each counting twice as much as the one after it; a
stochastic code presents random bits whose mean is the value, T times, each counting the same.
"""

import itertools
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from model.bits import Bits
from model.errors import HafnetError, short
from model.given import array, integer, sequence
from model.topology import BitInput, PlaneInput, StochasticInput

Codes: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(samples, values) as `encode` gives them: bits, or codes of up to 16 bits."""


def _checked(values: npt.ArrayLike, count: int) -> npt.NDArray[Any]:
    found = array("inputs", values)
    if found.ndim != 2 or found.shape[1] != count:
        raise HafnetError(f"inputs have shape {found.shape}, but the encoding takes (samples, {count})")
    if found.dtype.kind not in "iu":
        raise HafnetError(f"inputs are {found.dtype}, but the encoding takes integers")
    return found


def _freeze(encoding: Any, *members: str) -> None:
    for member in members:
        object.__setattr__(encoding, member, integer(f"encoding: {member}", getattr(encoding, member)))


@dataclass(frozen=True)
class Thermometer:
    """Thermometer input encoding: bit `k * i + j` of the input word is 1 iff value i >= levels[j].

    Members: `values`, the number of input values (>= 1); `levels`, k integers in rising order. k = 1 is plain
    binarization. Raises HafnetError where a member breaks its rule.
    """

    values: int
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", integer("encoding: the number of values", self.values))
        levels: tuple[Any, ...] = sequence("encoding: levels", self.levels, object, "integers")
        object.__setattr__(self, "levels", tuple(integer("encoding: a level", level) for level in levels))
        if self.values < 1:
            raise HafnetError(f"encoding: {self.values} input values, but at least 1 is needed")
        if not self.levels:
            raise HafnetError("encoding: a thermometer needs at least 1 level and has none")
        for low, high in itertools.pairwise(self.levels):
            if high <= low:
                raise HafnetError(f"encoding: level {high} follows {low}, but levels must rise")
        if max(abs(level) for level in self.levels) >= 2**31:
            raise HafnetError(f"encoding: levels {short(self.levels)} do not all fit in 32 bits")

    @property
    def input(self) -> BitInput:
        """What the hardware knows of it: values times levels, bits that the host has encoded."""
        return BitInput(self.values * len(self.levels))

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value that differ in what they become: for whoever draws random samples."""
        return self.levels[0] - 1, self.levels[-1]

    def encode(self, values: npt.ArrayLike) -> Bits:
        """(samples, values) integers to (samples, width) bits."""
        array = _checked(values, self.values)
        code = array[:, :, np.newaxis] >= np.asarray(self.levels, dtype=np.int64)
        return code.reshape(len(array), self.input.width).astype(np.uint8)


@dataclass(frozen=True)
class _Binary:
    """What encodings of unsigned binary codes share: code = value - low, `depth` bits."""

    values: int
    depth: int
    low: int = 0

    def __post_init__(self) -> None:
        _freeze(self, "values", "depth", "low")
        if self.values < 1:
            raise HafnetError(f"encoding: {self.values} input values, but at least 1 is needed")
        if abs(self.low) >= 2**31:
            raise HafnetError(f"encoding: the lowest value {self.low} does not fit in 32 bits")

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value that can be encoded."""
        return self.low, self.low + 2**self.depth - 1

    def encode(self, values: npt.ArrayLike) -> npt.NDArray[np.uint16]:
        """(samples, values) integers to (samples, values) codes. Raises HafnetError for a value out of range."""
        array = _checked(values, self.values)
        low, high = self.range
        wrong = (array < low) | (array > high)
        if wrong.any():
            sample, value = np.argwhere(wrong)[0].tolist()
            raise HafnetError(
                f"inputs: value {array[sample, value]} of sample {sample}, input {value} is outside {low} … {high}, "
                f"which {self.depth} bits hold"
            )
        return (array.astype(np.int64) - low).astype(np.uint16)


@dataclass(frozen=True)
class FixedPoint(_Binary):
    """Fixed-point input: value = low + code, the code unsigned in `depth` bits, presented by bit planes.

    Members: `values`; `depth`, 1 … 16; `low`, 0 for unsigned values, -2^(depth - 1) for two's complement; `planes`, how
    many planes are presented, the most significant first (None: all). Raises HafnetError where a member breaks a rule.

    The dot product is exact: the planes' popcounts are shifted and added. With P planes u of a code and fan-in n, the
    count is (w · (2u - (2^P - 1)) + n (2^P - 1)) / 2. So w · u = count + (sum(w) - n) (2^P - 1) / 2, and a threshold on
    w · value is one on the count: value = low + u 2^(depth - P), but for what the planes left out hold.
    """

    planes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.planes is None:
            object.__setattr__(self, "planes", self.depth)
        _freeze(self, "planes")
        _ = self.input  # its rules are the encoding's

    @property
    def input(self) -> PlaneInput:
        assert self.planes is not None  # None was replaced by the depth
        return PlaneInput(self.values, self.depth, self.planes)


@dataclass(frozen=True)
class Stochastic(_Binary):
    """Stochastic input: `presentations` times random bits, each 1 with probability (value - low) / 2^depth.

    Members: `values`; `depth`, 1 … 16; `low` as in `FixedPoint`; `presentations`, 1 … 4096; `draws`, how many bits the
    hardware makes in a cycle, 1 … 64 (which random number meets which value depends on it); `seed` of the generator,
    0 … 2^64 - 1; `external`, the number of true random sources outside whose XOR is taken instead (0: the generator; no
    golden model foresees the others). Raises HafnetError where a member breaks its rule.

    Source: T. Hirtzlin, B. Penkovsky, M. Bocquet, J.-O. Klein, J.-M. Portal, D. Querlioz, "Stochastic Computing for
    Hardware Implementation of Binarized Neural Networks", IEEE Access 7, 2019.
    """

    presentations: int = 8
    draws: int = 1
    seed: int = 0
    external: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _freeze(self, "presentations", "draws", "seed", "external")
        _ = self.input  # its rules are the encoding's

    @property
    def input(self) -> StochasticInput:
        return StochasticInput(self.values, self.depth, self.presentations, self.draws, self.seed, self.external)


Encoding: TypeAlias = Thermometer | FixedPoint | Stochastic
