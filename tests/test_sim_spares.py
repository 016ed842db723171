"""Rows with stuck devices that are programmed: remapped to spare ones, so that the network is what it should be."""

from pathlib import Path

import numpy as np
import pytest
from simulators import Require, runs

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.faults import FREE, HRS, LRS, ArrayPlace, CellFaults, FaultMap
from model.faulty import FaultyArrays
from model.golden import infer
from model.mapping import P2S, S2P, Geometry
from model.network import Network, WeightedLayer
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from sim import verify as verification
from sim.host import NO_SPARE, SPARED, UNSIGNED
from sim.programmed import Answer, programmed
from sim.verify import verify

SIZE = Geometry(8, 6, spare_rows=3, signature=True)
PLANS = {
    "p2s": Plan(SIZE, (LayerPlan(P2S, 2), LayerPlan(P2S, 1)), numbers_in_arrays=True, fidelity="devices"),
    "zig-zag": Plan(SIZE, (LayerPlan(P2S, 2), LayerPlan(S2P, 2)), fidelity="devices"),
}
RETRIES = 3


def network(plan: Plan) -> Network:
    return random_network("10-8t-4", seed=4)


def stuck_against(made: Network, plan: Plan, rows: tuple[int, ...]) -> FaultMap:
    """In these rows of each array, a cell whose devices are both stuck where the row's weights do not want them; in the
    first spare row, one that reads +1 in each column, so that the next one must be tried.
    """
    found = {}
    for layer, grid in enumerate(plan.maps(made.topology)):
        assert grid is not None
        held = images.array_bits(made, plan, layer)
        for group in range(grid.groups):
            for tile in range(grid.tiles):
                stuck = np.full((2, SIZE.rows, SIZE.columns), FREE, dtype=np.int8)
                for row in rows:
                    one = held[group, tile, row, 0] == 1
                    stuck[:, row, 0] = (HRS, LRS) if one else (LRS, HRS)
                stuck[0, SIZE.used_rows], stuck[1, SIZE.used_rows] = LRS, HRS
                none = np.zeros((SIZE.rows, SIZE.columns), dtype=np.uint8)
                found[ArrayPlace(layer, group, tile)] = CellFaults(stuck, none, none)
    return FaultMap(found)


def arrays(made: Network, plan: Plan, faults: FaultMap, entries: int) -> tuple[FaultyArrays, list[Answer]]:
    """What programming makes of the arrays, as golden foresees it."""
    found = FaultyArrays(made, plan, faults, spare_entries=entries)
    memories = [verification._memory(image) for image in images.words(made, plan, faults) if image.kind == "array"]
    return found, programmed(found, memories, RETRIES)


@runs(quick=[("p2s", "icarus"), ("zig-zag", "icarus")], slow=[("p2s", "verilator")])
def test_a_faulty_chip_computes_what_a_good_one_does(
    name: str, simulator: str, tmp_path: Path, require_simulator: Require
) -> None:
    plan = PLANS[name]
    made = network(plan)
    faults = stuck_against(made, plan, (0, 2))
    repaired, answers = arrays(made, plan, faults, entries=64)
    assert repaired.taken > 2 * len(answers)
    assert {answer.status for answer in answers} == {SPARED}
    for good, layer in zip((*made.hidden, made.output), repaired.layers, strict=True):
        assert isinstance(good, WeightedLayer)
        assert isinstance(layer, WeightedLayer)
        assert np.array_equal(good.weights, layer.weights)
        assert np.array_equal(good.integers, layer.integers)
    samples = Samples(np.random.default_rng(3).integers(0, 2, (20, made.encoding.values)))
    unrepaired = infer(made, samples.values, faults=FaultyArrays(made, plan, faults))
    assert not np.array_equal(infer(made, samples.values).scores, unrepaired.scores), "the faults would not show"
    images.export(made, plan, tmp_path / "images", faults=faults)
    generate(Accelerator(made.topology, plan, spare_entries=64), tmp_path / "verilog")
    folders = tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation"
    result = verify(require_simulator(simulator), made, samples, *folders, program=True, scrub=True)
    assert result.mismatches == 0


@pytest.mark.parametrize(("rows", "entries"), [((0, 1, 2), 64), ((0, 1), 1)], ids=["rows", "entries"])
def test_spare_rows_or_entries_that_run_out_are_told(
    rows: tuple[int, ...], entries: int, tmp_path: Path, require_simulator: Require
) -> None:
    plan = PLANS["p2s"]
    made = network(plan)
    faults = stuck_against(made, plan, rows)
    _, answers = arrays(made, plan, faults, entries)
    assert {answer.status for answer in answers} & {NO_SPARE, SPARED | NO_SPARE}
    assert any(answer.failed for answer in answers)
    images.export(made, plan, tmp_path / "images", faults=faults)
    generate(Accelerator(made.topology, plan, spare_entries=entries), tmp_path / "verilog")
    samples = Samples(np.random.default_rng(3).integers(0, 2, (5, made.encoding.values)))
    folders = tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation"
    assert verify(require_simulator("icarus"), made, samples, *folders, program=True).mismatches == 0


def test_an_array_whose_signature_is_stuck_is_left_alone(tmp_path: Path, require_simulator: Require) -> None:
    plan = PLANS["zig-zag"]
    made = network(plan)
    stuck = np.full((2, SIZE.rows, SIZE.columns), FREE, dtype=np.int8)
    stuck[:, -1, 1] = (LRS, HRS)
    none = np.zeros((SIZE.rows, SIZE.columns), dtype=np.uint8)
    valid = stuck.copy()
    valid[:, -1, 1] = (HRS, LRS)  # it can be INVALID in no column
    faults = FaultMap(
        {ArrayPlace(0, 1, 1): CellFaults(stuck, none, none), ArrayPlace(1, 0, 0): CellFaults(valid, none, none)}
    )
    found, answers = arrays(made, plan, faults, entries=4)
    assert sorted(answer.status for answer in answers)[-2:] == [UNSIGNED, UNSIGNED]
    assert found.invalid == {0: [(1, 1)], 1: [(0, 0)]}
    images.export(made, plan, tmp_path / "images", faults=faults)
    generate(Accelerator(made.topology, plan), tmp_path / "verilog")
    samples = Samples(np.random.default_rng(3).integers(0, 2, (5, made.encoding.values)))
    folders = tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation"
    assert verify(require_simulator("icarus"), made, samples, *folders, program=True).mismatches == 0
