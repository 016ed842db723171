"""`Samples`: input values with or without labels, and their file.

Training leaves the test samples beside the network in such a file, and verification reads it; anyone can make one by
hand. File: one `.safetensors` with `values`, an integer tensor (samples, values), and optionally `labels`, int32
(samples,). Its metadata entry `hafnet_samples`, a JSON text, has what `model.tensors` adds and, where they are known,
the `encoding` that the values are for and the `map` (height, width, channels) that they are laid out as: those of the
network that was trained beside them, and of every network that is trained anew on the same data. A file without
metadata is read, too.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from model.encoding import Encoding
from model.errors import HafnetError, HafnetWarning, listed, short
from model.given import array, integer
from model.network import Network
from model.network_file import ENCODINGS, describe, understand
from model.tensors import Form, read_tensors, write_tensors
from model.topology import Dense, Map

FORM = Form("samples", "hafnet_samples", ("encoding", "map"), version=1, undigested=0)

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


@dataclass(frozen=True)
class Input:
    """What a network takes: the `encoding` of its values and, where its first layer takes one, the `map` of them."""

    encoding: Encoding
    map: Map | None = None

    @classmethod
    def of(cls, network: Network) -> Self:
        """That of a network."""
        flat = isinstance(network.topology.layers[0], Dense)
        return cls(network.encoding, None if flat else network.topology.source)


@dataclass(frozen=True, eq=False)
class Samples:
    """Input values, one row a sample, and what they are.

    Members: `values`, (samples, values) integers of any dtype that fit in 32 bits; `labels`, (samples,) classes from 0
    on, or None; `input`, that of the network which they were made for, or None where nobody said. Arrays are copied and
    made read-only. Two are equal where values and labels are. Raises HafnetError where a member breaks its rule, or
    where there is no sample.
    """

    values: Integers
    labels: Integers | None = None
    input: Input | None = None

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
        return Samples(self.values[:count], None if self.labels is None else self.labels[:count], self.input)

    def made_for(self, network: Network) -> "Samples":
        """The same samples, that say what network takes them. Raises HafnetError where it does not."""
        samples = replace(self, input=Input.of(network))
        samples.check(network)
        return samples

    def check(self, network: Network) -> None:
        """Raise HafnetError where the network takes other inputs than these."""
        has, takes = self.values.shape[1], network.encoding.values
        if has != takes:
            raise HafnetError(f"samples have {has} values, but the network takes {takes}")
        if self.input is None:
            return
        there = Input.of(network)
        if self.input.encoding != there.encoding:
            made, needed = (repr(each)[:80] for each in (self.input.encoding, there.encoding))
            raise HafnetError(f"samples were made for {made}, but the network takes {needed}: others are needed")
        if None not in (self.input.map, there.map) and self.input.map != there.map:
            raise HafnetError(f"samples are maps of {self.input.map}, but the network takes maps of {there.map}")

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
        members: dict[str, Any] = {}
        if self.input is not None:
            members = {"encoding": describe(ENCODINGS, self.input.encoding), "map": self.input.map}
        write_tensors(path, FORM, members, tensors)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read samples. Raises HafnetError for a missing, truncated, changed or inconsistent file."""
        members, tensors = read_tensors(path, FORM)
        if "values" not in tensors:
            raise HafnetError(f"{path}: a .safetensors file, but no samples (tensor 'values' is missing)")
        if unknown := set(tensors) - {"values", "labels"}:
            raise HafnetError(f"{path}: tensor {short(min(unknown))} is none of samples")
        try:
            return cls(tensors["values"], tensors.get("labels"), _input(members))
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None


def _input(members: Mapping[str, Any]) -> Input | None:
    if members.get("encoding") is None:
        return None
    try:
        encoding: Encoding = understand(ENCODINGS, members["encoding"], "encoding")
        sides = members.get("map")
        return Input(encoding, None if sides is None else Map(*(integer("a side of the map", side) for side in sides)))
    except (KeyError, TypeError, ValueError) as error:
        raise HafnetError(f"metadata entry {FORM.entry!r} is damaged ({type(error).__name__}: {error})") from None
