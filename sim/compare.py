"""RTL against golden: what each layer gave for each image, and the first places where they differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from model import bits
from model.golden import Trace, rank
from model.network import Network

CLASS = "class"
"""Name under which the best classes are compared, after the layers."""


@dataclass(frozen=True)
class Disagreement:
    """One value that differs. `neuron` is a value's place in what the layer gives for an image (of a map: row by row, a
    pixel's channels together); of the layer `class`, the place in the order of the best classes. `sample` is -1 for an
    input that is none of the samples.
    """

    simulator: str
    sample: int
    layer: str
    neuron: int
    expected: int
    got: int

    def __str__(self) -> str:
        where = f"layer {self.layer!r}, neuron {self.neuron}"
        if self.layer is CLASS:
            where = f"class in place {self.neuron}" if self.neuron else "class"
        sample = f"sample {self.sample}" if self.sample >= 0 else "a random input"
        return f"{self.simulator}: {sample}, {where}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, eq=False)
class Found:
    """What the RTL gave for the first samples: `hidden`, for each hidden layer by its name (samples, values) bits;
    `scores`, (samples, classes) or (samples, 0) where the accelerator gives none; `classes`, (samples, places), the
    best first, as many as it gives.
    """

    hidden: Mapping[str, bits.Bits]
    scores: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]

    @property
    def values(self) -> int:
        """How many values there are to compare."""
        return sum(each.size for each in self.hidden.values()) + self.scores.size + self.classes.size


def compare(
    simulator: str,
    network: Network,
    expected: Trace,
    found: Found,
    most: int,
    samples: Sequence[int] | None = None,
) -> tuple[int, list[Disagreement]]:
    """How many values differ, and the first of them (`most` or fewer), sample by sample and layer by layer. `samples`
    are the numbers of the samples, if they are not in their own order.
    """
    count = len(found.classes)
    numbers = range(count) if samples is None else samples
    columns: list[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]]
    columns = [(name, expected.bits[name][:count].reshape(count, -1), given) for name, given in found.hidden.items()]
    if found.scores.shape[1]:
        columns.append((network.output.name, expected.scores[:count], found.scores))
    columns.append((CLASS, rank(expected.scores[:count], found.classes.shape[1]), found.classes))
    differs = [right != given for _, right, given in columns]

    def places() -> Iterator[Disagreement]:
        rows = np.flatnonzero(np.any([each.any(axis=1) for each in differs], axis=0)).tolist()
        for sample in sorted(rows, key=lambda row: numbers[row]):
            for (name, right, given), wrong in zip(columns, differs, strict=True):
                for neuron in np.flatnonzero(wrong[sample]).tolist():
                    values = int(right[sample, neuron]), int(given[sample, neuron])
                    yield Disagreement(simulator, numbers[sample], name, neuron, *values)

    return int(sum(each.sum() for each in differs)), list(islice(places(), most))
