"""What arrays keep back: signatures, spare rows and scrubbing, on the accelerator: `sim.bench_reserve`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import Require, runs
from test_sim_edges import SAMPLES, memory, packets

import hdl.arrays.shelf
from hdl.accelerator import Accelerator
from hdl.arrays.columns import ColumnsHardware
from hdl.arrays.controller import ControllerHardware
from hdl.arrays.grid import GridHardware
from hdl.arrays.group import GroupHardware
from hdl.arrays.host_access import HostAccessHardware
from hdl.arrays.signature_check import SignatureCheckHardware
from hdl.generate import generate
from hdl.programming import ProgrammingHardware
from hdl.registers import HostRegistersHardware, Timing
from model import images
from model.golden import infer
from model.mapping import P2S, S2P, Geometry
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.topology import Topology
from sim import records
from sim.tools import Tool
from sim.verify import build_accelerator, code_bits

SHORT = Timing(set_pulse=1, reset_pulse=2, form_pulse=2)


def accelerator(text: str, geometry: Geometry, *layers: LayerPlan, in_arrays: bool = False) -> Accelerator:
    plan = Plan(geometry, layers, in_arrays)
    return Accelerator(Topology.parse(text), plan, timing=SHORT, spare_entries=2)


ACCELERATORS = {
    "signed": accelerator("6-4-3", Geometry(4, 3, signature=True), LayerPlan(P2S, 2), LayerPlan(S2P, 1)),
    "one column": accelerator("2-2", Geometry(3, 1, signature=True)),
    "spare": accelerator("6-4-3", Geometry(14, 2, spare_rows=2), LayerPlan(P2S, 2), LayerPlan(S2P, 2)),
    "both": accelerator(
        "6-4t-3", Geometry(6, 5, 2, signature=True), LayerPlan(P2S, 2), LayerPlan(S2P, 2), in_arrays=True
    ),
    "spare, on shelves": accelerator("24-2t-2", Geometry(3, 3, spare_rows=1), LayerPlan(S2P, 1), LayerPlan(P2S, 1)),
    "both, ternary S2P": accelerator("5-4t-2", Geometry(4, 3, 1, True), LayerPlan(S2P, 2), LayerPlan(P2S, 1)),
}


def on_bench(tool: Tool, accelerator: Accelerator, folder: Path) -> Any:
    plan, topology = accelerator.plan, accelerator.topology
    manifest = generate(accelerator, folder / "verilog")
    for seed in range(100):
        networks = [random_network(topology, seed), random_network(topology, seed + 1000)]
        contents = [list(images.words(network, plan)) for network in networks]
        used = plan.geometry.used_rows
        pairs = zip(*contents, strict=True)
        rows = [(one.words[:used], other.words[:used]) for one, other in pairs if one.kind == "array"]
        # Rows must differ for the bench to see which were programmed: the last one, and those that are remapped.
        (one, other), last = rows[0], rows[-1]
        if one[-1] != other[-1] and one[0] != other[0] and last[0][0] != last[1][0]:
            break
    low, high = networks[0].encoding.range
    values = np.random.default_rng(1).integers(low, high, (SAMPLES, networks[0].encoding.values), endpoint=True)
    images.export(networks[0], plan, folder / "run" / manifest.image_default)
    design = build_accelerator(tool, folder / "verilog", manifest, folder / "build")
    return design.run(
        "sim.bench_reserve",
        folder / "run",
        {
            "beats": records.packet_beats(code_bits(infer(networks[0], values).inputs, 1), manifest.input_width),
            "stages": [packets(infer(network, values), accelerator.scores) for network in networks],
            "memories": [memory(image) for image in contents[0]],
            "others": [memory(image) for image in contents[1]],
            "crcs": [
                int(images.array_crc32(image.words, image.width, plan), 16) if image.kind == "array" else None
                for image in contents[0]
            ],
            "reads": max(layer.reads for layer in manifest.layers),
            "rows": plan.geometry.rows,
            "used_rows": used,
            "spare_rows": plan.geometry.spare_rows,
            "signed": int(plan.geometry.signature),
            "entries": accelerator.reserve.entries,
        },
    )


@runs(
    quick=[("one column", "icarus"), ("spare", "icarus"), ("signed", "verilator")],
    slow=[
        ("signed", "icarus"),
        ("both", "icarus"),
        ("both", "verilator"),
        ("both, ternary S2P", "icarus"),
        ("spare, on shelves", "icarus"),
    ],
)
def test_arrays_are_whole_or_said_not_to_be(
    name: str, simulator: str, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), ACCELERATORS[name], tmp_path)
    if ACCELERATORS[name].reserve.signed:
        assert min(answer["resets"].values()) > 5


SIGNED, BOTH, SPARE = ACCELERATORS["signed"], ACCELERATORS["both"], ACCELERATORS["spare"]


def defect(block: Accelerator, target: Any, member: str, old: str, new: str) -> Mutant:
    return Mutant("reserve", block, target, member, old, new)


# One defect of each kind in every run.
MUTANTS = (
    defect(SIGNED, ProgrammingHardware, ELABORATE, "Mux(marked, State.ROW, State.SIGN)", "State.ROW"),
    defect(SPARE, GroupHardware, ELABORATE, "entry.hit & (entry.tile == index)", "entry.hit"),
    defect(SPARE, ProgrammingHardware, "_layers", "self.busy & here & ~scrubs", "self.busy & here"),
)
WHOLE = "settled & (self.trusted | (check.validity.invalid == 0))"
LAST_ROW = "Mux(self.index == block.rows - 1, State.ROW, State.SIGN)"
STALE = "m.If((taken & pulses & ~walking) | rewritten)"
ROWS = "rows.used_rows if each in WRITING else rows.rows"
MORE_MUTANTS = (
    defect(SIGNED, ProgrammingHardware, ELABORATE, "is_array & all_rows & ~", "is_array & ~"),
    defect(SIGNED, ProgrammingHardware, ELABORATE, "is_array & all_rows", "0"),
    defect(SIGNED, ProgrammingHardware, ELABORATE, LAST_ROW, "State.ROW"),
    defect(SIGNED, ProgrammingHardware, ELABORATE, "Mux(signing, block.rows - 1, row)", "row"),
    defect(SIGNED, ProgrammingHardware, "_signature", "words.valid), words.invalid", "words.valid), words.valid"),
    defect(BOTH, ProgrammingHardware, "_signature", "Mux(spared, words.spared, words.valid)", "words.valid"),
    defect(BOTH, ProgrammingHardware, "_signature", "programmer.ternary == is_ternary", "is_ternary == 0"),
    defect(BOTH, ProgrammingHardware, ELABORATE, "spared.eq(~refused)", "spared.eq(refused)"),
    defect(SIGNED, HostAccessHardware, ELABORATE, WHOLE, "settled"),
    defect(SIGNED, HostAccessHardware, ELABORATE, WHOLE, "settled & (check.validity.invalid == 0)"),
    defect(BOTH, HostAccessHardware, ELABORATE, "check.spared.eq(table.spared)", "check.spared.eq(0)"),
    defect(BOTH, HostAccessHardware, "_walk", STALE, "m.If(taken & pulses & ~walking)"),
    defect(SIGNED, HostAccessHardware, "_walk", "checking.eq(stale | walk.busy)", "checking.eq(walk.busy)"),
    defect(SPARE, HostAccessHardware, "_look_up", "selected.eq(table.selected)", "selected.eq(0)"),
    defect(SPARE, ControllerHardware, "_hit", "entry.valid & ", ""),
    defect(SPARE, ControllerHardware, "_hit", "(entry.row == row)", "1"),
    defect(SPARE, GridHardware, "_remap", "hit & (entry.group == index)", "hit"),
    defect(SPARE, hdl.arrays.shelf, "_array", "entry.hit & (entry.group == number)", "entry.hit"),
    defect(SPARE, ColumnsHardware, "_stacks", "hit & (entry.tile == index)", "hit"),
    defect(SIGNED, SignatureCheckHardware, ELABORATE, "m.If(self.validity.invalid == 0)", "m.If(1)"),
    defect(SIGNED, SignatureCheckHardware, ELABORATE, "group.eq(0), tile.eq(0), ", "group.eq(0), "),
    defect(SIGNED, SignatureCheckHardware, ELABORATE, ", self.validity.eq(0)]", "]"),
    defect(SIGNED, SignatureCheckHardware, ELABORATE, "arrays.rows - 1", "arrays.rows - 2"),
    defect(SIGNED, HostRegistersHardware, "_allowed", ROWS, "rows.rows"),
    defect(SIGNED, HostRegistersHardware, "_validity", "m.If(~found & each.invalid.any())", "m.If(each.invalid.any())"),
    defect(SIGNED, HostRegistersHardware, "_validity", "found & ~trust", "found"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.block, tmp_path)
