"""Fault maps: their rules, their file, and random ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from signed import write_signed

from model.errors import HafnetError
from model.faults import FORM, NO_FAULTS, VERSION, ArrayPlace, CellFaults, Chip, FaultMap, random_faults
from model.mapping import S2P, Geometry
from model.plan import LayerPlan, Plan
from model.topology import Topology

TOPOLOGY = Topology.parse("4x4x2-3c2-m3-5")
PLAN = Plan(Geometry(2, 3), fidelity="noisy")


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(HafnetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def members(rows: int = 2, columns: int = 3) -> dict[str, Any]:
    cells = np.zeros((rows, columns), dtype=np.uint8)
    return {"stuck": np.full((2, rows, columns), -1), "mismatch": cells, "weak": cells}


def test_a_map_comes_back_from_its_file_byte_for_byte(tmp_path: Path) -> None:
    faults = random_faults(TOPOLOGY, PLAN, stuck=0.3, weak=0.5, seed=7)
    faults.save(tmp_path / "one")
    loaded = FaultMap.load(tmp_path / "one")
    assert loaded == faults
    loaded.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    NO_FAULTS.save(tmp_path / "none")
    assert FaultMap.load(tmp_path / "none") == NO_FAULTS


def test_equal_maps_are_equal_and_others_are_not() -> None:
    one, other = CellFaults(**members()), CellFaults(**members())
    assert one == other == CellFaults.none(2, 3)
    assert one != CellFaults(**members() | {"weak": np.eye(2, 3, dtype=np.uint8)})
    place = ArrayPlace(0, 0, 0)
    assert FaultMap({place: one}) == FaultMap({(0, 0, 0): other})  # type: ignore[dict-item]  # any tuple will do
    assert FaultMap({place: one}) != FaultMap({place: one}, seed=1)


def test_what_is_given_is_copied_and_cannot_be_changed() -> None:
    given = members()
    faults = CellFaults(**given)
    given["weak"][0, 0] = 9
    assert faults.weak[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        faults.stuck[0, 0, 0] = 1


def test_probabilities_are_rounded_to_what_a_byte_can_say() -> None:
    weak = np.array([[0, 1 / 256, 0.5], [0.0019, 0.9999, 1]])
    assert CellFaults(**members() | {"weak": weak}).weak.tolist() == [[0, 1, 128], [0, 255, 255]]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("stuck", np.full((2, 3), -1), r"stuck has shape \(2, 3\), but \(2, rows, columns\) is needed"),
        ("stuck", np.full((3, 2, 3), -1), r"stuck has shape \(3, 2, 3\), but \(2, rows, columns\)"),
        ("stuck", np.full((2, 0, 3), -1), r"stuck has shape \(2, 0, 3\)"),
        ("stuck", np.full((2, 2, 3), 2), r"stuck is 2, but must be -1 … 1"),
        ("stuck", np.zeros((2, 2, 3)), r"stuck is float64, but must be integers"),
        ("mismatch", np.zeros((3, 2), dtype=int), r"mismatch has shape \(3, 2\), but \(rows, columns\) of 2 x 3 cells"),
        ("mismatch", np.full((2, 3), 2), r"mismatch is 2, but must be 0 … 1"),
        ("weak", np.zeros(6, dtype=int), r"weak has shape \(6,\), but \(rows, columns\) of 2 x 3 cells is needed"),
        ("weak", np.full((2, 3), 256), r"weak is 256, but must be 0 … 255"),
        ("weak", np.full((2, 3), -1), r"weak is -1, but must be 0 … 255"),
        ("weak", np.full((2, 3), 1.5), r"weak is 1.5, but a probability must be 0 … 1"),
        ("weak", np.full((2, 3), -0.5), r"weak is -0.5, but a probability must be 0 … 1"),
        ("weak", np.full((2, 3), np.nan), r"weak is nan, but a probability must be 0 … 1"),
        ("weak", np.full((2, 3), "a"), r"weak is <U1, but must be integers"),
    ],
)
def test_faults_that_break_a_rule_are_refused(name: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(HafnetError, match=f"^faults: {message}"):
        CellFaults(**members() | {name: value})
    if value.dtype.kind == "U":
        return
    tensors = {f"layer0_g1_t2.{key}": np.array(each) for key, each in (members() | {name: value}).items()}
    write_signed(tmp_path / "file", FORM, {"version": VERSION, "seed": 0}, tensors)
    with pytest.raises(HafnetError, match=rf"file: layer0_g1_t2: faults: {message}"):
        FaultMap.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("tensors", "header", "message"),
    [
        ({}, {"seed": None}, "the seed of a fault map is None, but must be an integer"),
        ({}, {"version": VERSION + 1}, f"format version {VERSION + 1} is newer than {VERSION}, the newest known here"),
        ({}, {"version": 0}, "format version 0 is older than 1, the oldest known here"),
        ({}, {"seed": -1}, "seed -1 is outside 0"),
        ({}, {"seed": "a"}, "the seed of a fault map is 'a', but must be an integer"),
        ({}, {"sed": 1}, "metadata entry 'hafnet_faults': member 'sed' is not known"),
        ({}, {"topology": "4-3"}, "metadata entry 'hafnet_faults': plan is wrong (missing)"),
        ({}, {"topology": "4-3", "plan": {"row": 3}}, "metadata entry 'hafnet_faults': plan.row is wrong ("),
        ({}, {"topology": "4-3", "plan": {"geometry": {"row": 3}}}, "plan.geometry.row is wrong ("),
        ({}, {"topology": "4-3", "plan": {"layers": [{"lane": 3}]}}, "plan.layers.0.lane is wrong ("),
        ({}, {"topology": "4-3", "plan": {"geometry": {"rows": 0}}}, "an array with 0 rows is not possible"),
        ({"weights": np.zeros(3)}, {}, "tensor 'weights' is none of a fault map"),
        ({"layer00_g0_t0.weak": np.zeros(3)}, {}, "tensor 'layer00_g0_t0.weak' is none of a fault map"),
        ({"layer\u0663_g0_t0.weak": np.zeros(3)}, {}, "tensor 'layer\u0663_g0_t0.weak' is none of a fault map"),
        ({"layer0_g0_t0.weak": np.zeros((2, 3))}, {}, "tensor 'layer0_g0_t0.mismatch' is missing"),
    ],
)
def test_a_map_that_is_wrong_is_refused(tensors: Any, header: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_signed(path, FORM, {"version": VERSION, "seed": 0, **header}, tensors)
    assert message in refusal(lambda: FaultMap.load(path))
    assert str(path) in refusal(lambda: FaultMap.load(path))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "a .safetensors file, but no fault map (metadata entry 'hafnet_faults' is missing)"),
        ("{", "metadata entry 'hafnet_faults' is damaged (line 1, column 2 is no JSON"),
        ("{}", "metadata entry 'hafnet_faults' is damaged (it is no object with a version)"),
        ('{"version": 2, "seed": 0, "seed": 1}', "is damaged (member 'seed' is there twice)"),
    ],
)
def test_a_file_that_is_no_map_is_refused(header: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_file({"a": np.zeros(1)}, path, None if header is None else {"hafnet_faults": header})
    assert message in refusal(lambda: FaultMap.load(path))
    assert str(path) in refusal(lambda: FaultMap.load(path))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((-1, 0, 0), "(-1, 0, 0) is no place, because its numbers must be 0 … 9999999999"),
        ((0, 10**10, 0), "(0, 10000000000, 0) is no place, because its numbers must be 0 … 9999999999"),
        ((0, 0), "(0, 0) is no place, but layer, group and tile are needed"),
        ((0, 0, 0.5), "a number of the place (0, 0, 0.5) is 0.5, but must be an integer"),
        (7, "7 is no place, but layer, group and tile are needed"),
    ],
)
def test_a_map_that_could_not_be_loaded_again_cannot_be_made(place: Any, message: str, tmp_path: Path) -> None:
    assert refusal(lambda: FaultMap({place: CellFaults.none(2, 3)})) == f"fault map: {message}"
    FaultMap({(0, np.int64(7), 10**10 - 1): CellFaults.none(2, 3)}).save(tmp_path / "map")  # type: ignore[dict-item]
    assert list(FaultMap.load(tmp_path / "map").arrays) == [(0, 7, 10**10 - 1)]
    assert "but must have CellFaults" in refusal(lambda: FaultMap({ArrayPlace(0, 0, 0): 3}))  # type: ignore[dict-item]


def test_a_map_is_one_of_a_topology_and_a_plan(tmp_path: Path) -> None:
    random_faults(TOPOLOGY, PLAN, stuck=0.3, weak=0.5, seed=7).save(tmp_path / "map")
    faults = FaultMap.load(tmp_path / "map")
    assert faults.chip == Chip.of(TOPOLOGY, PLAN)
    faults.check(TOPOLOGY, PLAN)
    faults.check(TOPOLOGY, Plan(Geometry(2, 3), fidelity="devices"))
    # The same places, but other weights in them.
    other = Plan(Geometry(2, 3), (LayerPlan(S2P),) * 3, fidelity="noisy")
    told = refusal(lambda: faults.check(TOPOLOGY, other))
    assert told.startswith(
        "fault map: it was made for the arrays of another plan: layer 0 is parallel_to_sequential in 1"
    )
    told = refusal(lambda: faults.check(Topology.parse("4x4x2-3c2s2-m2-5"), PLAN))
    assert told == f"fault map: it was made for {TOPOLOGY}, but the network is 4x4x2-3c2s2-m2-5"
    FaultMap(faults.arrays).check(TOPOLOGY, PLAN)


def test_a_map_must_be_one_for_the_plan() -> None:
    faults = CellFaults(**members())
    for place in ((0, 99, 0), (0, 0, 99), (1, 0, 0), (3, 0, 0)):
        message = refusal(lambda place=place: FaultMap({ArrayPlace(*place): faults}).check(TOPOLOGY, PLAN))  # type: ignore[misc]
        layer, group, tile = place
        assert message.startswith(f"fault map: layer{layer}_g{group}_t{tile} is none of the arrays of {TOPOLOGY}")
    larger = FaultMap({ArrayPlace(2, 0, 0): CellFaults.none(4, 3)})
    assert refusal(lambda: larger.check(TOPOLOGY, PLAN)).endswith("has 4 x 3 cells, but the plan's arrays have 2 x 3")
    fits = FaultMap({ArrayPlace(2, 0, 0): faults})
    fits.check(TOPOLOGY, PLAN)
    assert "arrays of fidelity 'bits'" in refusal(lambda: fits.check(TOPOLOGY, Plan(Geometry(2, 3))))
    NO_FAULTS.check(TOPOLOGY, Plan(Geometry(2, 3)))


def test_random_faults_are_as_many_as_asked_for() -> None:
    topology, plan = Topology.parse("300-200-10"), Plan(Geometry(64, 50), fidelity="noisy")
    faults = random_faults(topology, plan, stuck=0.1, weak=0.02, seed=3)
    assert faults == random_faults(topology, plan, stuck=0.1, weak=0.02, seed=3)
    assert faults != random_faults(topology, plan, stuck=0.1, weak=0.02, seed=4)
    assert len(faults.arrays) == sum(grid.arrays for grid in plan.maps(topology) if grid)
    stuck, weak, mismatch = (
        np.concatenate([getattr(each, name).ravel() for each in faults.arrays.values()])
        for name in ("stuck", "weak", "mismatch")
    )
    assert abs((stuck != -1).mean() - 0.1) < 0.005
    assert abs(stuck[stuck != -1].mean() - 0.5) < 0.02
    assert abs((weak > 0).mean() - 0.02) < 0.003
    assert (weak[weak > 0].min(), weak.max()) == (1, 128)
    assert abs(mismatch.mean() - 0.5) < 0.01
    none = random_faults(topology, plan, stuck=0, weak=0)
    assert all((each.stuck == -1).all() and not each.weak.any() for each in none.arrays.values())


@pytest.mark.parametrize(("stuck", "weak"), [(-0.1, 0), (1.1, 0), (0, 2), (float("nan"), 0)])
def test_a_rate_that_is_no_probability_is_refused(stuck: float, weak: float) -> None:
    assert "it must be 0 … 1" in refusal(lambda: random_faults(TOPOLOGY, PLAN, stuck=stuck, weak=weak))
