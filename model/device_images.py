"""What emulated arrays load besides their weights: the states and faults of their devices, and where noise begins.

Beside an array's image `{array}` of weights, of the emulations that know of devices:

- `{array}_formed`: a word a row, a bit a device, 1 if it is formed, 0 if pristine: those on BL, then those on BLb. A
  chip that holds a network is formed: all ones. (Formed devices begin in the states that the weights need.)
- `{array}_faults`: a word a row, of `columns` bits each: devices on BL stuck at LRS, on BLb stuck at LRS, on BL stuck
  at HRS, on BLb stuck at HRS, and the cells' mismatches;

and of those whose reads may err:

- `{array}_weak`: a word a row, a byte a cell, column 0 lowest: its reads err with probability byte / 256;
- `{array}_noise`: the generators of `model.random_bits` that give a byte a column for each sense, a word each: the
  state after the first step, word 0 lowest, and above it the first number that the generator gives.

Each array has `streams` generators of its own of the fault map's seed: array number a, counted over layers, groups and
tiles, has the streams from a * streams on. A sense takes a word of each, that of the first lowest; byte c is that
of column c.
"""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from model import bits, random_bits
from model.faults import HRS, LRS, ArrayPlace, CellFaults, FaultMap
from model.plan import Plan
from model.topology import Topology

DeviceKind: TypeAlias = Literal["formed", "faults", "weak", "noise"]
DEVICE_KINDS: tuple[DeviceKind, ...] = ("formed", "faults", "weak", "noise")

BYTES = random_bits.WORD // 8
"""Columns that a generator serves."""
SEED = random_bits.STATE + random_bits.WORD
"""Bits of a word of `noise`."""


def streams(columns: int) -> int:
    """Generators of an array."""
    return -(-columns // BYTES)


def first_stream(topology: Topology, plan: Plan, place: ArrayPlace) -> int:
    """The stream of the first generator of an array."""
    number = place.tile
    for layer, grid in enumerate(plan.maps(topology)[: place.layer + 1]):
        if grid is not None:
            number += grid.arrays if layer < place.layer else place.group * grid.tiles
    return number * streams(plan.geometry.columns)


def fault_rows(faults: CellFaults) -> bits.Bits:
    """(rows, 5 * columns) bits of `faults`."""
    low, high = ([device == state for device in faults.stuck] for state in (LRS, HRS))
    return np.concatenate([*low, *high, faults.mismatch], axis=1).astype(np.uint8)


def weak_words(faults: CellFaults) -> list[int]:
    """The words of `weak`."""
    return [int.from_bytes(row.tobytes(), "little") for row in faults.weak]


def noise_words(seed: int, first: int, columns: int) -> list[int]:
    """The words of `noise` of an array whose first stream is number `first`."""
    chosen = np.arange(first, first + streams(columns))
    numbers = random_bits.words(seed, chosen, 0, 1)[0].tolist()
    states = random_bits.states(seed, chosen, 1).tolist()
    return [
        sum(word << random_bits.WORD * index for index, word in enumerate((*state, number)))
        for state, number in zip(states, numbers, strict=True)
    ]


def device_words(
    topology: Topology, plan: Plan, faults: FaultMap, place: ArrayPlace
) -> Iterator[tuple[DeviceKind, int, list[int]]]:
    """Kind, width and words of all that the emulation of an array loads besides its weights."""
    rows, columns = plan.geometry.rows, plan.geometry.columns
    if plan.fidelity == "bits":
        return
    found = faults.arrays.get(place) or CellFaults.none(rows, columns)
    yield "formed", 2 * columns, [(1 << 2 * columns) - 1] * rows
    yield "faults", 5 * columns, bits.to_ints(fault_rows(found))
    if plan.fidelity == "noisy":
        yield "weak", 8 * columns, weak_words(found)
        yield "noise", SEED, noise_words(faults.seed, first_stream(topology, plan, place), columns)
