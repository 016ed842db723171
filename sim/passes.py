"""Which samples pass in which order, so that what a reset leaves wrong can show: each pass begins from reset.

The first sample after a reset meets all registers as the reset has left them, and a wrong one may show in some results
only: a ranking that begins in the middle gives the right class where this is the last one. So each pass begins with
samples of different classes, as golden sees them, the highest first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from model.network import Network
from model.samples import Integers, Samples

Classify: TypeAlias = Callable[[Integers], npt.NDArray[np.int64]]
"""(inputs, values) to (inputs,) classes."""

STALLED = 32
"""So many of the samples are sent a second time, with random back-pressure on both sides."""
GAPS = 154
"""Chance in 1/256 that a source or sink pauses in a cycle of that pass."""
RESTARTED = 4
"""So many samples pass after a reset in the middle of work."""
SHARES = (0.02, 0.7, 0.3, 0.45, 1.1, 1.6)
"""When these resets come, in times that an image takes; the first two only where there are less than FEW samples."""
FEW = 8
LONGER: Mapping[int, tuple[int, int | None]] = {0: (2, 1), 2: (1, None)}
"""How reads are changed in the passes after some of these resets."""
SEARCHED = 64
"""Random inputs among which one of the highest class is looked for, where no sample is of it."""
RANDOM = -1
"""In place of the number of a sample: an input that is none of the samples."""


@dataclass(frozen=True, eq=False)
class Pass:
    """`values`, (inputs, values), and which of the `samples` each is (or RANDOM); chance in 1/256 of `gaps`. With
    `begun` a pass of the same inputs is begun before, and reset in the middle of its work, after this share of it.
    With `wrong` packets of wrong length come between those of the samples. Precharge and sense phases are `longer` than
    after reset by so many cycles, or, where the second is None, sense phases are 0, which counts as 1. Without `reset`
    it follows what was before.
    """

    values: Integers
    samples: Sequence[int]
    gaps: int = 0
    begun: float | None = None
    wrong: bool = False
    longer: tuple[int, int | None] | None = None
    reset: bool = True


def passes(network: Network, samples: Samples, stalls: bool, seed: int, classify: Classify, noisy: bool) -> list[Pass]:
    """The passes of a verification; `classify` is golden, and reads may err where they are `noisy`. Without `stalls`
    there is one, of all samples in their own order.
    """
    if not stalls:
        return [Pass(samples.values, range(len(samples)), reset=False)]
    values, classes, numbers = _pool(network, samples, seed, classify)
    count, few = len(samples), min(RESTARTED, len(samples))
    leading = _leading(classes)
    order = [*leading, *sorted(set(range(count)) - set(leading))]
    rotated = [*leading[1:], *leading[:1], *order[len(leading) :]]
    samples_only = [row for row in order if row < count]

    def chosen(rows: Sequence[int], **how: Any) -> Pass:
        return Pass(values[rows], [numbers[row] for row in rows], **how)

    restarts = [
        chosen(
            (rotated if number % 2 else order)[:few],
            begun=share,
            gaps=GAPS // 4 * (number % 3 == 1),
            wrong=number % 2 == 1,
            longer=None if noisy else LONGER.get(number),
        )
        for number, share in enumerate(_shares(count))
    ]
    stalled = [*order, *leading][: 1 + min(STALLED, count)]
    return [chosen(samples_only, reset=False), *restarts, chosen(stalled, begun=0.5, gaps=GAPS)]


def programmed_pass(full: Pass) -> Pass:
    """The pass of a chip that has just been programmed and was not reset since; `full` is that of all samples."""
    return replace(full, values=full.values[:RESTARTED], samples=full.samples[:RESTARTED])


def inputs(samples: int, program: bool = False) -> int:
    """How many inputs pass in all, if so many samples are verified with stalls."""
    few = min(RESTARTED, samples)
    return samples + few * (len(_shares(samples)) + program) + 1 + min(STALLED, samples)


def _shares(samples: int) -> Sequence[float]:
    """When the resets in the middle of work come: some where there are few samples, because each may take long."""
    return SHARES if samples >= FEW else SHARES[:2]


def _pool(
    network: Network, samples: Samples, seed: int, classify: Classify
) -> tuple[Integers, npt.NDArray[np.int64], list[int]]:
    """Inputs to choose from: the samples, and behind them random ones where no sample is of the highest class; their
    classes, and the numbers of the samples.
    """
    classes = classify(samples.values)
    numbers = list(range(len(samples)))
    if classes.max() == network.output.fan_out - 1:
        return samples.values, classes, numbers
    low, high = network.encoding.range
    shape = (SEARCHED, network.encoding.values)
    drawn = np.random.default_rng(seed).integers(low, high, shape, endpoint=True, dtype=np.int64)
    found = classify(drawn)
    best = int(np.argmax(found))
    if found[best] <= classes.max():
        return samples.values, classes, numbers
    values = np.concatenate([samples.values.astype(np.int64), drawn[best : best + 1]])
    return values, np.append(classes, found[best]), [*numbers, RANDOM]


def _leading(classes: npt.NDArray[np.int64]) -> list[int]:
    """The first input of each class, the highest class first, then the lowest, and so on towards the middle."""
    first = {int(each): int(np.argmax(classes == each)) for each in np.unique(classes)}
    left = sorted(first)
    order: list[int] = []
    while left:
        order.append(first[left.pop(-1 if len(order) % 2 == 0 else 0)])
    return order
