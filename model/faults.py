"""Faults of arrays, cell by cell: devices that are stuck, what an amplifier says of equal ones, reads that err.

File of a `FaultMap`: one `.safetensors` with, for each array that has faults, `layer{L}_g{G}_t{T}.stuck`, `.mismatch`
and `.weak` (see `CellFaults`), and one metadata entry `hafnet_faults`, a JSON text: the seed, where they are known the
`topology` (its text) and the `plan` whose arrays these are, and what `model.tensors` adds, the format's version (2; 1
had neither these nor a digest) and the digest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from model.errors import HafnetError, short
from model.files import write_whole
from model.given import array, integer
from model.plan import Plan, difference
from model.readers import first_error
from model.tensors import Form, read_tensors, tensors_to_bytes
from model.topology import Topology

VERSION = 2
FORM = Form("fault map", "hafnet_faults", ("seed", "topology", "plan"), VERSION, undigested=1)
MEMBERS = ("stuck", "mismatch", "weak")
NUMBER = "(0|[1-9][0-9]{0,9})"
TENSOR = re.compile(rf"layer{NUMBER}_g{NUMBER}_t{NUMBER}\.({'|'.join(MEMBERS)})")
LIMIT = 10**10
"""Numbers of layers, groups and tiles are below it, as those in names of tensors are."""

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
class Chip:
    """Whose arrays a fault map speaks of: those of a topology, by its text, under a plan."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    topology: str
    plan: Plan

    @classmethod
    def of(cls, topology: Topology, plan: Plan) -> Self:
        """That of a topology and a plan. What the emulation of arrays knows of their cells is no matter here."""
        return cls(str(topology), replace(plan.of(topology), fidelity="bits"))


_CHIP = TypeAdapter(Chip)


@dataclass(frozen=True)
class FaultMap:
    """The faults of all arrays of a network: `arrays`, by their places (those that are not there have none), the `seed`
    of what noisy reads draw, 0 … 2^64 - 1, and the `chip` that has these arrays, or None where nobody said. Maps of the
    same faults are equal. Raises HafnetError for another seed, and for a place that no array can have.
    """

    arrays: Mapping[ArrayPlace, CellFaults] = field(default_factory=dict)
    seed: int = 0
    chip: Chip | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        arrays = {_place(place): faults for place, faults in self.arrays.items()}
        for place, faults in arrays.items():
            if not isinstance(faults, CellFaults):
                raise HafnetError(f"fault map: {place} has {short(faults)}, but must have CellFaults")
        object.__setattr__(self, "arrays", dict(sorted(arrays.items())))
        object.__setattr__(self, "seed", integer("the seed of a fault map", self.seed))
        if not 0 <= self.seed < 1 << 64:
            raise HafnetError(f"fault map: seed {self.seed} is outside 0 … 2^64 - 1")

    def check(self, topology: Topology, plan: Plan) -> None:
        """Raise HafnetError where the map is one of another chip, and, naming the array, where an array is not among
        those of the plan or has another size.
        """
        if self.arrays and plan.fidelity == "bits":
            raise HafnetError("arrays of fidelity 'bits' have no faults: a fault map needs 'devices' or 'noisy'")
        if self.chip is not None:
            chip = Chip.of(topology, plan)
            if self.chip.topology != chip.topology:
                raise HafnetError(
                    f"fault map: it was made for {self.chip.topology[:100]}, but the network is {chip.topology[:100]}"
                )
            if self.chip.plan != chip.plan:
                what = difference(self.chip.plan, chip.plan)
                raise HafnetError(f"fault map: it was made for the arrays of another plan: {what}")
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
        chip = {} if self.chip is None else _CHIP.dump_python(self.chip, mode="json")
        return tensors_to_bytes(FORM, {"seed": self.seed, **chip}, tensors)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a map. Raises HafnetError for a missing, truncated, changed or inconsistent file."""
        members, tensors = read_tensors(path, FORM)
        try:
            return cls(*_from_parts(tensors, members))
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None


NO_FAULTS = FaultMap()


def _place(given: Any) -> ArrayPlace:
    try:
        place = ArrayPlace(*(integer(f"fault map: a number of the place {short(given)}", each) for each in given))
    except TypeError:
        raise HafnetError(f"fault map: {short(given)} is no place, but layer, group and tile are needed") from None
    if not all(0 <= each < LIMIT for each in place):
        raise HafnetError(f"fault map: {short(given)} is no place, because its numbers must be 0 … {LIMIT - 1}")
    return place


def _from_parts(
    tensors: Mapping[str, npt.NDArray[Any]], members: Mapping[str, Any]
) -> tuple[dict[ArrayPlace, CellFaults], int, Chip | None]:
    """Arrays, seed and chip."""
    if "seed" not in members:
        raise HafnetError("metadata entry 'hafnet_faults' says no seed")
    found: dict[ArrayPlace, dict[str, npt.NDArray[Any]]] = {}
    for name, tensor in tensors.items():
        match = TENSOR.fullmatch(name)
        if match is None:
            raise HafnetError(f"tensor {short(name)} is none of a fault map")
        layer, group, tile = map(int, match.groups()[:3])
        found.setdefault(ArrayPlace(layer, group, tile), {})[match[4]] = tensor
    arrays = {}
    for place, held in found.items():
        if missing := set(MEMBERS) - set(held):
            raise HafnetError(f"tensor '{place}.{min(missing)}' is missing")
        try:
            arrays[place] = CellFaults(**held)
        except HafnetError as error:
            raise HafnetError(f"{place}: {error}") from None
    chip = {name: member for name, member in members.items() if name != "seed"}
    return arrays, members["seed"], _chip(chip) if chip else None


def _chip(members: Mapping[str, Any]) -> Chip:
    try:
        return _CHIP.validate_python(members)
    except ValidationError as error:
        where, rule, _ = first_error(error)
        raise HafnetError(f"metadata entry 'hafnet_faults': {where} is wrong ({rule})") from None


def random_faults(topology: Topology, plan: Plan, *, stuck: float, weak: float, seed: int = 0) -> FaultMap:
    """Each device of the plan's arrays is stuck with probability `stuck`, at LRS as often as at HRS, and each cell weak
    with probability `weak`: its reads err with 1/256 … 128/256. Mismatches are +1 as often as -1. `seed` is that of the
    noise, too. The map says that it is one of this topology and plan. Raises HafnetError for probabilities outside
    0 … 1, and for a seed that is not in 0 … 2^64 - 1.
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
    return FaultMap(arrays, seed, Chip.of(topology, plan))
