"""Faults of arrays, cell by cell: devices that are stuck, what an amplifier says of equal ones, reads that err.

File of a `FaultMap`: one `.safetensors` with, for each array that has faults, `layer{L}_g{G}_t{T}.stuck`, `.mismatch`
and `.weak` (see `CellFaults`), and one metadata entry `hafnet_faults`, a JSON text: the format's version and the seed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from model.errors import HafnetError, short
from model.files import write_whole
from model.given import array, integer
from model.plan import Plan
from model.readers import read_header
from model.tensors import read_tensors
from model.topology import Topology

VERSION = 1
MEMBERS = ("stuck", "mismatch", "weak")
TENSOR = re.compile(rf"layer([0-9]{{1,9}})_g([0-9]{{1,9}})_t([0-9]{{1,9}})\.({'|'.join(MEMBERS)})")

FREE, HRS, LRS = -1, 0, 1
"""What `CellFaults.stuck` says of a device: nothing, or the state that no pulse moves it from."""
CHANCES = 256
"""A read of a cell errs with probability weak / CHANCES."""
WEAKEST = CHANCES // 2
"""The most that is drawn at random: a cell that errs oftener would be read as the other weight."""


class ArrayPlace(NamedTuple):
    """One array: its layer in the topology, its group and its tile, as in `model.mapping`."""

    layer: int
    group: int
    tile: int

    def __str__(self) -> str:
        return f"layer{self.layer}_g{self.group}_t{self.tile}"


@dataclass(frozen=True, eq=False)
class CellFaults:
    """The faults of one array of `rows` × `columns` cells.

    Members: `stuck`, (2, rows, columns) of -1 (free), 0 (stuck at HRS) or 1 (stuck at LRS), for the devices on BL, then
    those on BLb; `mismatch`, (rows, columns) of 0 or 1: the weight, 1 for +1, that the cell's amplifier reads where
    both devices are alike (in a ternary array only where the read errs); `weak`, (rows, columns): a read of the cell
    errs with probability weak / 256. These are integers 0 … 255, or else probabilities as floating point, which are
    rounded to 256ths, 255 the most: a cell that always errs is stuck. All are copied and made read-only; raises
    HafnetError where one breaks its rule.
    """

    stuck: npt.NDArray[np.int8]
    mismatch: npt.NDArray[np.uint8]
    weak: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        rules = {"stuck": (3, "(2, rows, columns)"), "mismatch": (2, "(rows, columns)"), "weak": (2, "(rows, columns)")}
        for name, (axes, expected) in rules.items():
            shape = array(f"faults: {name}", getattr(self, name)).shape
            cells = array("faults: stuck", self.stuck).shape[1:]
            if len(shape) != axes or 0 in shape or shape[-2:] != cells or (name == "stuck" and shape[0] != 2):
                size = f" of {cells[0]} x {cells[1]} cells" if name != "stuck" and len(cells) == 2 else ""
                raise HafnetError(f"faults: {name} has shape {shape}, but {expected}{size} is needed")
        self._freeze("stuck", _integers("stuck", self.stuck, FREE, LRS).astype(np.int8))
        self._freeze("mismatch", _integers("mismatch", self.mismatch, 0, 1).astype(np.uint8))
        weak = array("faults: weak", self.weak)
        if weak.dtype.kind == "f":
            wrong = ~((weak >= 0) & (weak <= 1))
            if wrong.any():
                raise HafnetError(f"faults: weak is {weak[wrong][0]}, but a probability must be 0 … 1")
            weak = np.minimum(np.rint(weak.astype(np.float64) * CHANCES), CHANCES - 1).astype(np.uint8)
        self._freeze("weak", _integers("weak", weak, 0, CHANCES - 1).astype(np.uint8))

    def _freeze(self, name: str, array: npt.NDArray[Any]) -> None:
        frozen = np.array(array, order="C")
        frozen.flags.writeable = False
        object.__setattr__(self, name, frozen)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.mismatch.shape
        return rows, columns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CellFaults) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in MEMBERS
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    @classmethod
    def none(cls, rows: int, columns: int) -> Self:
        """No fault in `rows` × `columns` cells."""
        none = np.zeros((rows, columns), dtype=np.uint8)
        return cls(np.full((2, rows, columns), FREE, dtype=np.int8), none, none)


def _integers(name: str, given: npt.ArrayLike, low: int, high: int) -> npt.NDArray[Any]:
    found = array(f"faults: {name}", given)
    if found.dtype.kind not in "iub":
        raise HafnetError(f"faults: {name} is {found.dtype}, but must be integers")
    wrong = (found < low) | (found > high)
    if wrong.any():
        raise HafnetError(f"faults: {name} is {found[wrong][0]}, but must be {low} … {high}")
    return found


@dataclass(frozen=True)
class FaultMap:
    """The faults of all arrays of a network: `arrays`, by their places (those that are not there have none), and the
    `seed` of what noisy reads draw, 0 … 2^64 - 1. Raises HafnetError for another seed.
    """

    arrays: Mapping[ArrayPlace, CellFaults] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", {ArrayPlace(*place): self.arrays[place] for place in sorted(self.arrays)})
        object.__setattr__(self, "seed", integer("the seed of a fault map", self.seed))
        if not 0 <= self.seed < 1 << 64:
            raise HafnetError(f"fault map: seed {self.seed} is outside 0 … 2^64 - 1")

    def check(self, topology: Topology, plan: Plan) -> None:
        """Raise HafnetError, naming the array, where one is not among those of the plan or has another size."""
        if self.arrays and plan.fidelity == "bits":
            raise HafnetError("arrays of fidelity 'bits' have no faults: a fault map needs 'devices' or 'noisy'")
        maps, size = plan.maps(topology), (plan.geometry.rows, plan.geometry.columns)
        for place, faults in self.arrays.items():
            grid = maps[place.layer] if 0 <= place.layer < len(maps) else None
            if grid is None or not (0 <= place.group < grid.groups and 0 <= place.tile < grid.tiles):
                raise HafnetError(f"fault map: {place} is none of the arrays of {topology} under this plan")
            if faults.shape != size:
                has, needs = (" x ".join(map(str, each)) for each in (faults.shape, size))
                raise HafnetError(f"fault map: {place} has {has} cells, but the plan's arrays have {needs}")

    def save(self, path: Path | str) -> None:
        """Write the map to `path`, whole or not at all. The same map gives the same bytes."""
        write_whole(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        tensors = {
            f"{place}.{name}": np.array(getattr(faults, name))
            for place, faults in self.arrays.items()
            for name in MEMBERS
        }
        header = json.dumps({"version": VERSION, "seed": self.seed}, sort_keys=True)
        return save(tensors, metadata={"hafnet_faults": header})

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a map. Raises HafnetError for a missing, truncated or inconsistent file."""
        tensors, metadata = read_tensors(path)
        try:
            return cls(*_from_parts(tensors, metadata))
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None


NO_FAULTS = FaultMap()


def _from_parts(
    tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]
) -> tuple[dict[ArrayPlace, CellFaults], int]:
    """Arrays and seed."""
    header = read_header(metadata, "hafnet_faults", VERSION, "fault map")
    if "seed" not in header:
        raise HafnetError("metadata entry 'hafnet_faults' is damaged (its seed is missing)")
    found: dict[ArrayPlace, dict[str, npt.NDArray[Any]]] = {}
    for name, tensor in tensors.items():
        match = TENSOR.fullmatch(name)
        if match is None:
            raise HafnetError(f"tensor {short(name)} is none of a fault map")
        layer, group, tile = map(int, match.groups()[:3])
        found.setdefault(ArrayPlace(layer, group, tile), {})[match[4]] = tensor
    arrays = {}
    for place, members in found.items():
        if missing := set(MEMBERS) - set(members):
            raise HafnetError(f"tensor '{place}.{min(missing)}' is missing")
        try:
            arrays[place] = CellFaults(**members)
        except HafnetError as error:
            raise HafnetError(f"{place}: {error}") from None
    return arrays, header["seed"]


def random_faults(topology: Topology, plan: Plan, *, stuck: float, weak: float, seed: int = 0) -> FaultMap:
    """Each device of the plan's arrays is stuck with probability `stuck`, at LRS as often as at HRS, and each cell weak
    with probability `weak`: its reads err with 1/256 … 128/256. Mismatches are +1 as often as -1. `seed` is that of the
    noise, too. Raises HafnetError for probabilities outside 0 … 1, and for a seed that is not in 0 … 2^64 - 1.
    """
    for name, rate in (("stuck devices", stuck), ("weak cells", weak)):
        if not 0 <= rate <= 1:
            raise HafnetError(f"a rate of {rate} {name} is not possible: it must be 0 … 1")
    seed = FaultMap(seed=seed).seed
    random, cells = np.random.default_rng(seed), (plan.geometry.rows, plan.geometry.columns)
    arrays = {}
    for layer, grid in enumerate(plan.maps(topology)):
        for group in range(grid.groups if grid is not None else 0):
            for tile in range(grid.tiles if grid is not None else 0):
                free = random.random((2, *cells)) >= stuck
                arrays[ArrayPlace(layer, group, tile)] = CellFaults(
                    np.where(free, np.int8(FREE), random.integers(HRS, LRS, (2, *cells), np.int8, endpoint=True)),
                    random.integers(0, 1, cells, np.uint8, endpoint=True),
                    np.where(random.random(cells) < weak, random.integers(1, WEAKEST, cells, np.uint8, True), 0),
                )
    return FaultMap(arrays, seed)
