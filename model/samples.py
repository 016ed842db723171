"""`Samples`: input values with or without labels, and their file.

Training leaves the test samples beside the network in such a file, and verification reads it; anyone can make one by
hand. File: one `.safetensors` with `values`, an integer tensor (samples, values), and optionally `labels`, int32
(samples,).
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from model.errors import HafnetError, HafnetWarning, listed
from model.files import write_whole
from model.given import array, integer
from model.tensors import read_tensors

Integers: TypeAlias = npt.NDArray[np.signedinteger[Any] | np.unsignedinteger[Any]]


def _frozen(name: str, given: npt.ArrayLike, axes: int) -> Integers:
    found = array(f"samples: {name}", given)
    if found.ndim != axes:
        expected = "(samples, values)" if axes == 2 else "(samples,)"
        raise HafnetError(f"samples: {name} have shape {found.shape}, but {expected} is needed")
    if found.dtype.kind not in "iu":
        raise HafnetError(f"samples: {name} are {found.dtype}, but must be integers")
    if found.size and (int(found.min()) < -(2**31) or int(found.max()) >= 2**31):
        raise HafnetError(f"samples: {name} reach from {found.min()} to {found.max()}, but must fit in 32 bits")
    frozen: Integers = np.array(found, dtype=found.dtype.newbyteorder("="), order="C")
    frozen.flags.writeable = False
    return frozen


@dataclass(frozen=True, eq=False)
class Samples:
    """Input values, one row a sample, and what they are.

    Members: `values`, (samples, values) integers of any dtype that fit in 32 bits; `labels`, (samples,) classes from 0
    on, or None. Both are copied and made read-only. Raises HafnetError where a member breaks its rule, or where there
    is no sample.
    """

    values: Integers
    labels: Integers | None = None

    def __post_init__(self) -> None:
        values = _frozen("values", self.values, 2)
        if 0 in values.shape:
            raise HafnetError(f"samples: values have shape {values.shape}, but at least one value is needed")
        object.__setattr__(self, "values", values)
        if self.labels is None:
            return
        labels = _frozen("labels", self.labels, 1)
        if len(labels) != len(values):
            raise HafnetError(f"samples: {len(values)} samples have {len(labels)} labels, but each needs one")
        if labels.min() < 0:
            sample = int(np.argmin(labels))
            raise HafnetError(f"samples: label {labels[sample]} of sample {sample} is below 0: labels count from 0")
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Samples) or (self.labels is None) != (other.labels is None):
            return False
        same_labels = self.labels is None or np.array_equal(self.labels, other.labels)  # type: ignore[arg-type]
        return bool(same_labels and np.array_equal(self.values, other.values))

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def first(self, count: int) -> "Samples":
        """The first `count` samples. Raises HafnetError where there are fewer."""
        count = integer("the number of samples", count)
        if not 1 <= count <= len(self):
            raise HafnetError(f"{count} samples are asked for, but there are {len(self)}")
        return Samples(self.values[:count], None if self.labels is None else self.labels[:count])

    def check_labels(self, classes: int, what: str = "samples") -> None:
        """Raise HafnetError for a label that is none of the classes 0 … classes - 1. Samples without labels have none
        that could be wrong."""
        if self.labels is None or int(self.labels.max()) < integer("classes", classes):
            return
        sample = int(np.argmax(self.labels >= classes))
        sentence = f"{what}: label {self.labels[sample]} of sample {sample} is none of the {classes} classes"
        if int(self.labels.min()) == 1 and int(self.labels.max()) == classes:
            raise HafnetError(f"{sentence}: labels count from 0, but these from 1, so subtract 1 from all")
        raise HafnetError(f"{sentence}: labels count from 0 to {classes - 1}")

    def warn_of_empty_classes(self, classes: int, what: str = "samples") -> None:
        """Warn (`HafnetWarning`) of classes of which there is no sample, if there are labels."""
        if self.labels is None:
            return
        empty = sorted(set(range(classes)) - set(self.labels.tolist()))
        if empty:
            hint = "; labels count from 0" if empty == [0] else ""
            warnings.warn(
                f"{what}: no sample is of {'class' if len(empty) == 1 else 'classes'} {listed(empty)}{hint}",
                HafnetWarning,
                stacklevel=3,
            )

    def save(self, path: Path | str) -> None:
        """Write the samples to `path`, whole or not at all. The same samples give the same bytes."""
        tensors: dict[str, npt.NDArray[Any]] = {"values": np.array(self.values)}
        if self.labels is not None:
            tensors["labels"] = self.labels.astype(np.int32)
        write_whole(path, save(tensors))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read samples. Raises HafnetError for a missing, truncated or inconsistent file."""
        tensors, _ = read_tensors(path)
        if "values" not in tensors:
            raise HafnetError(f"{path}: a .safetensors file, but not samples (tensor 'values' is missing)")
        try:
            return cls(tensors["values"], tensors.get("labels"))
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None
