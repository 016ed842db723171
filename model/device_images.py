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


def layer_states(topology: Topology, plan: Plan, seed: int, layer: int) -> random_bits.States:
    """The generators of a layer's arrays before their first step: (groups, tiles, streams, 4)."""
    maps = plan.maps(topology)
    grid, each = maps[layer], streams(plan.geometry.columns)
    assert grid is not None  # the layer has arrays
    before = sum(other.arrays for other in maps[:layer] if other is not None)
    numbers = np.arange(before * each, (before + grid.arrays) * each)
    return random_bits.states(seed, numbers).reshape(grid.groups, grid.tiles, each, 4)


def fault_rows(faults: CellFaults) -> bits.Bits:
    """(rows, 5 * columns) bits of `faults`."""
    low, high = ([device == state for device in faults.stuck] for state in (LRS, HRS))
    return np.concatenate([*low, *high, faults.mismatch], axis=1).astype(np.uint8)


def weak_words(faults: CellFaults) -> list[int]:
    """The words of `weak`."""
    return [int.from_bytes(row.tobytes(), "little") for row in faults.weak]


def noise_words(states: random_bits.States) -> list[int]:
    """The words of `noise` of generators, (n, 4), before their first step."""
    whole = np.concatenate([random_bits.advance(states, 1), random_bits.words(states, 0, 1).T], axis=1)
    return [int.from_bytes(row.tobytes(), "little") for row in whole.astype("<u4")]


def device_words(
    topology: Topology, plan: Plan, faults: FaultMap, layer: int
) -> Iterator[list[tuple[DeviceKind, int, list[int]]]]:
    """For each array of a layer, in order of group and tile, all that its emulation loads besides its weights: kind,
    width and words of each.
    """
    rows, columns, grid = plan.geometry.rows, plan.geometry.columns, plan.maps(topology)[layer]
    assert grid is not None  # the layer has arrays
    noise: list[int] = []
    if plan.fidelity == "noisy":
        noise = noise_words(layer_states(topology, plan, faults.seed, layer).reshape(-1, 4))
    none, each = CellFaults.none(rows, columns), streams(columns)
    for number in range(grid.arrays):
        held: list[tuple[DeviceKind, int, list[int]]] = []
        if plan.fidelity != "bits":
            found = faults.arrays.get(ArrayPlace(layer, *divmod(number, grid.tiles)), none)
            held.append(("formed", 2 * columns, [(1 << 2 * columns) - 1] * rows))
            held.append(("faults", 5 * columns, bits.to_ints(fault_rows(found))))
        if plan.fidelity == "noisy":
            held.append(("weak", 8 * columns, weak_words(found)))
            held.append(("noise", SEED, noise[number * each : (number + 1) * each]))
        yield held
