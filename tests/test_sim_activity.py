"""Activity in the RTL is golden's, and proof that a difference would be seen."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defects import Defect
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.arrays.controller import ControllerHardware
from hdl.emit import emit
from hdl.generate import generate
from hdl.registers import Timing
from model import images
from model.costs import costs
from model.device.energy import Activity
from model.energy.activity import by_layer, programming
from model.errors import HafnetError
from model.faults import NO_FAULTS, random_faults
from model.mapping import P2S, S2P, Geometry, LayerMap
from model.pipeline import Results
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim.activity import ELSEWHERE, Counted, Registers, count, simulate, watched
from sim.energy import join
from sim.netlist import run_yosys
from sim.runner import SimulationError
from sim.tools import Tool

EVERY_KIND = "6x6x2b2-4c3-3c2t-m3-14-5"
EVERY_PLAN = Plan(
    Geometry(7, 8, spare_rows=1, signature=True),
    (LayerPlan(P2S, 2), LayerPlan(S2P, 3), LayerPlan(), LayerPlan(P2S, 3), LayerPlan(S2P, 3)),
    fidelity="devices",
)
"""Both dataflows, lanes that do not come out even, a convolution in two planes, a ternary one, pooling, a zig-zag."""


class Project:
    """A folder with images and Verilog of a random network, and samples."""

    def __init__(self, folder: Path, shape: str, plan: Plan, samples: int, **options: Any) -> None:
        self.folder, self.network = folder, random_network(shape, seed=7)
        noisy = plan.fidelity == "noisy"
        faults = random_faults(self.topology, plan, stuck=0, weak=0.3, seed=1) if noisy else NO_FAULTS
        images.export(self.network, plan, folder / "images", faults=faults)
        self.accelerator = Accelerator(self.topology, plan, **options)
        generate(self.accelerator, folder / "verilog")
        low, high = self.network.encoding.range
        values = np.random.default_rng(8).integers(low, high, (samples, self.network.encoding.values), endpoint=True)
        self.samples = Samples(values)

    @property
    def topology(self) -> Topology:
        return self.network.topology

    @property
    def golden(self) -> dict[str, Activity]:
        return by_layer(self.topology, self.accelerator.plan)

    def count(self, tool: Tool) -> Counted:
        return count(tool, self.network, self.samples, *self.folders)

    @property
    def folders(self) -> tuple[Path, Path, Path]:
        return self.folder / "verilog", self.folder / "images", self.folder / "simulation"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("every"), EVERY_KIND, EVERY_PLAN, 3)


@pytest.fixture(scope="module")
def counted(project: Project, require_simulator: Require) -> Counted:
    return project.count(require_simulator("verilator"))


def agree(project: Project, counted: Counted) -> None:
    """Rows and reads of every layer are golden's, for every image."""
    joined = join(project.golden, counted)
    for name, golden in project.golden.items():
        assert counted.layers[name].rows == golden.rows * len(project.samples)
        assert joined[name].xnors == golden.xnors * len(project.samples)
    assert sum(each.rows for each in joined.values()) > 0
    assert counted.layers[ELSEWHERE].rows == 0


def test_every_kind_of_layer(project: Project, counted: Counted) -> None:
    assert all(each.rows for name, each in project.golden.items() if "max" not in name and name != "hidden2")
    agree(project, counted)


def test_registers_memories_and_clock(project: Project, counted: Counted) -> None:
    """At full rate each flip-flop is clocked once in each cycle of an image, and some of them change."""
    block = project.accelerator
    planned = costs(block.topology, block.plan, Results(block.top, block.scores), block.bus_width).pace.cycles
    assert counted.cycles == planned * len(project.samples)
    total = sum(counted.layers.values(), Activity())
    assert total.clocked_bits == counted.flip_flops * counted.cycles
    assert counted.flip_flops == flip_flops(project.accelerator)
    for name, each in counted.layers.items():
        assert 0 < each.register_bits < each.clocked_bits, name
    assert counted.layers["hidden0"].memory_bits > 0


def flip_flops(accelerator: Accelerator) -> int:
    """Those of all instances below the top, without what stands behind the arrays' boundary."""
    texts = emit(accelerator)
    own = {file.removesuffix(".sv"): Registers.read(text).bits for file, text in texts.items()}
    children = {
        file.removesuffix(".sv"): re.findall(r"^  (hafnet_\w+) (?:#\([^;]*?\) )?\w+ \($", text, re.MULTILINE)
        for file, text in texts.items()
    }

    def below(module: str) -> int:
        if module.startswith(("hafnet_array", "hafnet_storage", "hafnet_bank")):
            return 0
        return own[module] + sum(map(below, children[module]))

    return below("hafnet_accelerator")


def test_golden_that_counts_otherwise_is_found(
    project: Project, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane without an input that were sensed all the same, which is what P2S does."""
    Defect(LayerMap, "rows_read", "self.dataflow == S2P", "self.dataflow == P2S").apply(monkeypatch)
    says = r"layer 'hidden\d': RTL and golden disagree: 3 images are \d+ rows in the RTL, but should be \d+"
    with pytest.raises(SimulationError, match=says):
        join(project.golden, counted)


@pytest.mark.slow
def test_rtl_that_reads_without_need_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """SEN that stays high between images: every value is right, and only what is spent tells."""
    idle = "m.d.sync += [state.eq(State.IDLE), self.sen.eq(0)]"
    Defect(ControllerHardware, "elaborate", idle, idle.replace("eq(0)", "eq(1)")).apply(monkeypatch)
    project = Project(tmp_path, "3-2-12-2", Plan(Geometry(4, 4)), 2)
    counted = project.count(require_simulator("verilator"))
    assert counted.layers["hidden0"].rows == counted.cycles == 12 * 2
    says = "layer 'hidden0': RTL and golden disagree: 2 images are 24 rows in the RTL, but should be 4"
    with pytest.raises(SimulationError, match=says):
        join(project.golden, counted)


def test_pulses_are_those_that_golden_counts(project: Project, require_simulator: Require) -> None:
    """A pristine chip, with signatures and a spare row in each array: formed, and programmed."""
    tool, expected = require_simulator("verilator"), programming(project.network, project.accelerator.plan)
    totals = simulate(tool, project.network, project.samples, *project.folders, program=True, form=True)
    for event in ("forms", "sets", "resets"):
        found = sum(number for (_, name), number in totals.items() if name == event)
        assert found == getattr(expected, event), event
    assert expected.forms < expected.sets < expected.resets


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "plan", "options"),
    [
        ("40-20-9-5", Plan(Geometry(8, 16)), {"timing": Timing(precharge=1, sense=3)}),
        ("9b3-7-4", Plan(Geometry(7, 8, 2, True), (LayerPlan(S2P, 2), LayerPlan()), True), {}),
        ("12r3x4-6t-9-4", Plan(Geometry(4, 8), fidelity="noisy"), {}),
        ("5x5x4-8c3g2-m3-8-3", Plan(Geometry(4, 8), (LayerPlan(P2S, 2), *(LayerPlan(),) * 3)), {"target": "ecp5"}),
        ("4x4x6-6c2g6-avg-4", Plan(Geometry(8, 8), fidelity="devices"), {"timing": Timing(sense=2)}),
    ],
)
def test_other_networks(
    shape: str, plan: Plan, options: Mapping[str, Any], tmp_path: Path, require_simulator: Require
) -> None:
    """Slow reads, numbers and signatures in arrays, noise, random bits, groups, primitives, pooling of averages."""
    project = Project(tmp_path, shape, plan, 3, **options)
    agree(project, project.count(require_simulator("verilator")))


@pytest.mark.slow
def test_what_changed_is_what_waveforms_show(tmp_path: Path, require_simulator: Require) -> None:
    """Every change of every flip-flop, module by module, found in the simulator's own VCD; it shows no net whose name
    begins with an underscore.
    """
    plan = Plan(Geometry(4, 8), (LayerPlan(P2S, 2), LayerPlan(S2P, 2), LayerPlan()), fidelity="noisy")
    project = Project(tmp_path, "4x4x2-3c2-8-3", plan, 3)
    simulate(require_simulator("verilator"), project.network, project.samples, *project.folders, waves=True)
    texts = {file.removesuffix(".sv"): text for file, text in emit(project.accelerator).items()}
    nets: dict[str, str] = {}  # of modules all of whose registers are shown: net -> place

    def walk(module: str, place: str) -> None:
        if module.startswith(("hafnet_array", "hafnet_storage", "hafnet_bank")):
            return
        found = Registers.read(texts[module]).nets
        if not any(net.startswith("_") for net in found):
            nets.update({f"{place}.{net}": place for net in found})
        for child, name in re.findall(r"^  (hafnet_\w+) (?:#\([^;]*?\) )?(\w+) \($", texts[module], re.MULTILINE):
            walk(child, f"{place}.{name}")

    walk("hafnet_accelerator", "hafnet_harness.dut")
    run = tmp_path / "simulation" / "run"
    changed = changes(run / "dump.vcd", nets)
    counted = {}
    for line in (run / "activity.txt").read_text().splitlines():
        place, kind, *numbers = line.split()
        if kind == "registers":
            counted[place.rpartition(".")[0]] = int(numbers[1])
    assert {place: counted[place] for place in changed} == changed
    assert sum(changed.values()) > 5000


def changes(path: Path, nets: Mapping[str, str]) -> dict[str, int]:
    """Bits of the nets that change in a VCD, from all zeros on, added up by what the nets are mapped to; without those
    that change with the last edge of the clock, which no counter sees any more.
    """
    scope: list[str] = []
    names: dict[str, list[str]] = defaultdict(list)
    values: Counter[str] = Counter()
    found, late, now, rises = Counter(dict.fromkeys(nets.values(), 0)), Counter[str](), Counter[str](), False
    for words in map(str.split, [*path.read_text().splitlines(), "#"]):
        if not words:
            continue
        if words[0] == "$scope":
            scope.append(words[2])
        elif words[0] == "$upscope":
            scope.pop()
        elif words[0] == "$var":
            names[words[3]].append(".".join([*scope, words[4]]))
        elif words[0][0] == "#":  # a time ends; what changes with an edge is seen by the next one
            if rises:
                found.update(late)
                late.clear()
            late.update(now)
            now, rises = Counter[str](), False
        elif words[0][0] in "01b" and len(words) <= 2:
            value, name = (words[0][1:], words[1]) if words[0][0] == "b" else (words[0][0], words[0][1:])
            rises |= "hafnet_harness.clk" in names[name] and value == "1"
            for net in names[name]:
                if net in nets:
                    now[nets[net]] += (int(value, 2) ^ values[name]).bit_count()
            values[name] = int(value, 2)
    return dict(found)


@pytest.mark.slow
def test_blocks_that_are_built_once(tmp_path: Path, require_simulator: Require) -> None:
    """From 200 arrays on Verilator builds a block once for all its instances, whose places it calls otherwise."""
    project = Project(tmp_path, "256-128-4", Plan(Geometry(8, 16)), 3)
    assert project.accelerator.arrays > 200
    counted = project.count(require_simulator("verilator"))
    agree(project, counted)
    assert counted.flip_flops == flip_flops(project.accelerator)


def test_registers_in_the_text_are_flip_flops_of_yosys(tmp_path: Path) -> None:
    """In every module of a design with all kinds of layers: as many bits as Yosys finds, and no latch or memory."""
    plan = replace(EVERY_PLAN, fidelity="noisy")
    texts = emit(Accelerator(Topology.parse(EVERY_KIND), plan))
    leaves = {"hafnet_storage.sv", "hafnet_bank.sv"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run_yosys(
        f"read_verilog -sv -lib {' '.join(leaves & set(texts))}\n"
        f"read_verilog -sv {' '.join(sorted(set(texts) - leaves))}\nproc\ntee -q -o stat.json stat -json -width\n",
        tmp_path,
    )
    modules = json.loads((tmp_path / "stat.json").read_text())["modules"]
    found = {}
    for name, told in modules.items():
        bits = 0
        for cell, number in told["num_cells_by_type"].items():
            assert "latch" not in cell
            assert not cell.startswith("$mem")
            if match := re.fullmatch(r"\$a?s?dffe?_(\d+)", cell):
                bits += int(match[1]) * number
        # Parameters are part of the name of a module that has some.
        found[re.sub(r"^\\?(?:\$paramod\S*\\)?(\w+).*", r"\1", name)] = bits
    read = {name.removesuffix(".sv"): Registers.read(text) for name, text in texts.items() if name not in leaves}
    assert {name: sum(each.widths.values()) for name, each in read.items()} == {name: found[name] for name in read}
    assert sum(found.values()) > 1000


def test_nothing_but_counters_is_added() -> None:
    texts = emit(Accelerator(Topology.dense((20, 9, 3)), Plan(Geometry(4, 8), (LayerPlan(S2P), LayerPlan()))))
    added = {}
    for file, text in texts.items():
        new = watched(file.removesuffix(".sv"), text)
        added[file] = [line for line in new.splitlines() if line not in text.splitlines()]
        assert [line for line in new.splitlines() if line not in added[file]] == text.splitlines()
        assert all(line.startswith("  hafnet_") for line in added[file])
    assert [line.split()[0] for line in added["hafnet_array_4x8.sv"]] == ["hafnet_array_counter"]
    grid = next(lines for file, lines in added.items() if file.startswith("hafnet_grid"))
    assert grid[1].startswith("  hafnet_memory_counter #(.BITS(5)) numbers0_counter")
    columns = next(lines for file, lines in added.items() if file.startswith("hafnet_columns"))
    assert "numbers.read_data, numbers.all}" in columns[0]  # a bank is registers, and no memory beside them
    assert len(columns) == 1
    for file in ("hafnet_storage.sv", "hafnet_bank.sv", "hafnet_popcount_8.sv"):
        assert added[file] == []


def test_other_simulators_are_refused(project: Project) -> None:
    with pytest.raises(HafnetError, match="activity cannot be counted on icarus, but only on verilator"):
        project.count(Tool("icarus", "11.0", {}))
