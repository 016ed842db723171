"""RTL against golden: what each layer gave for each image, and the first places where they differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from model import bits
from model.golden import Trace
from model.network import Network

CLASS = "class"
"""Name under which the classes are compared, after the layers."""


@dataclass(frozen=True)
class Disagreement:
    """One value that differs. `neuron` is None for the class of an image."""

    simulator: str
    sample: int
    layer: str
    neuron: int | None
    expected: int
    got: int

    def __str__(self) -> str:
        where = f"layer {self.layer!r}, neuron {self.neuron}" if self.neuron is not None else "class"
        return f"{self.simulator}: sample {self.sample}, {where}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, eq=False)
class Found:
    """What the RTL gave for the first samples: `hidden`, for each hidden layer (samples, values) bits; `scores`,
    (samples, classes) or (samples, 0) where the accelerator gives none; `classes`, (samples,).
    """

    hidden: Sequence[bits.Bits]
    scores: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]

    @property
    def values(self) -> int:
        """How many values there are to compare."""
        return sum(each.size for each in self.hidden) + self.scores.size + self.classes.size


def compare(
    simulator: str, network: Network, expected: Trace, found: Found, most: int
) -> tuple[int, list[Disagreement]]:
    """How many values differ, and the first of them (`most` or fewer), sample by sample and layer by layer."""
    count = len(found.classes)
    columns: list[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]] = [
        (layer.name, expected.bits[layer.name][:count], given)
        for layer, given in zip(network.hidden, found.hidden, strict=True)
    ]
    if found.scores.shape[1]:
        columns.append((network.output.name, expected.scores[:count], found.scores))
    columns.append((CLASS, expected.classes[:count, np.newaxis], found.classes[:, np.newaxis]))
    differs = [right != given for _, right, given in columns]

    def places() -> Iterator[Disagreement]:
        for sample in np.flatnonzero(np.any([each.any(axis=1) for each in differs], axis=0)).tolist():
            for (name, right, given), wrong in zip(columns, differs, strict=True):
                for neuron in np.flatnonzero(wrong[sample]).tolist():
                    values = int(right[sample, neuron]), int(given[sample, neuron])
                    yield Disagreement(simulator, sample, name, None if name is CLASS else neuron, *values)

    return int(sum(each.sum() for each in differs)), list(islice(places(), most))
