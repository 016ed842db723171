"""Faulty chips end to end: golden foresees what programming finds, and what the RTL computes, bit for bit."""

import json
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.arrays.array import Array
from hdl.emit import emit
from hdl.generate import generate
from hdl.registers import Timing
from model import images
from model.errors import HafnetError
from model.faults import ArrayPlace, CellFaults, FaultMap, random_faults
from model.faulty import FaultyArrays
from model.golden import infer
from model.mapping import P2S, S2P, Geometry
from model.network import Network
from model.plan import Fidelity, LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from sim import verify as verification
from sim.passes import inputs
from sim.tools import Tool
from sim.verify import Verification, verify

SIZE = Geometry(4, 8)


def made(
    folder: Path,
    text: str,
    plan: Plan,
    faults: FaultMap | None = None,
    timing: Timing = Timing(),  # noqa: B008
) -> tuple[Network, FaultMap]:
    """Images and Verilog of a network whose arrays have faults, by default many."""
    network = random_network(text, seed=5)
    if faults is None:
        faults = random_faults(network.topology, plan, stuck=0.05, weak=0.3, seed=9)
    images.export(network, plan, folder / "images", faults=faults)
    generate(Accelerator(network.topology, plan, timing=timing), folder / "verilog")
    return network, faults


def samples(network: Network, count: int = 24) -> Samples:
    low, high = network.encoding.range
    return Samples(np.random.default_rng(3).integers(low, high, (count, network.encoding.values), endpoint=True))


def run(
    tool: Tool, network: Network, folder: Path, given: Samples, program: bool = False, form: bool = False
) -> Verification:
    folders = folder / "verilog", folder / "images", folder / "simulation"
    return verify(tool, network, given, *folders, program=program, form=form)


def programming(folder: Path) -> list[dict[str, Any]]:
    """What the host found while it programmed and read back."""
    found: list[dict[str, list[int]]] = json.loads((folder / "simulation" / "run" / "result.json").read_text())[
        "program"
    ]
    return found


@pytest.mark.parametrize(
    ("simulator", "fidelity"),
    [("icarus", "devices"), pytest.param("icarus", "noisy", marks=pytest.mark.slow), ("verilator", "noisy")],
)
def test_a_faulty_chip_is_what_golden_says(
    simulator: str, fidelity: Fidelity, tmp_path: Path, require_simulator: Require
) -> None:
    """From images, with reads of several cycles, and programmed by a host that finds the rows that cannot be."""
    layers = (LayerPlan(P2S, 3), LayerPlan(S2P, 3), LayerPlan(S2P, 2))
    plan = Plan(SIZE, layers, numbers_in_arrays=True, fidelity=fidelity)
    network, _ = made(tmp_path, "20-13-9t-4", plan, timing=Timing(precharge=1, sense=3))
    tool, given = require_simulator(simulator), samples(network)
    for program in (False, True):
        result = run(tool, network, tmp_path, given, program)
        assert result.mismatches == 0, str(result.first[0])
        assert result.values == inputs(24, program) * (13 + 9 + 4 + 1)
    assert sum(memory["failed"] for memory in programming(tmp_path)) > 20


@pytest.mark.parametrize(
    ("simulator", "text", "size", "fidelity"),
    [
        ("icarus", "9-5-3", Geometry(3, 4), "devices"),
        ("icarus", "9-5t-3", Geometry(5, 5, spare_rows=1, signature=True), "noisy"),
        pytest.param(
            *("verilator", "9-5t-3", Geometry(5, 5, spare_rows=1, signature=True), "noisy"), marks=pytest.mark.slow
        ),
    ],
)
def test_a_pristine_chip_is_formed_and_programmed(
    simulator: str, text: str, size: Geometry, fidelity: Fidelity, tmp_path: Path, require_simulator: Require
) -> None:
    plan = Plan(size, fidelity=fidelity)
    topology = random_network(text, seed=5).topology
    faults = random_faults(topology, plan, stuck=0.04, weak=0.02, seed=11)
    network, _ = made(tmp_path, text, plan, faults)
    result = run(require_simulator(simulator), network, tmp_path, samples(network), program=True, form=True)
    assert result.mismatches == 0, str(result.first[0])
    found = programming(tmp_path)
    arrays = [memory for memory in found if memory["finished"] or memory["unformed"]]
    unformed = sum(len(memory["unformed"]) for memory in arrays)
    assert 0 < unformed < size.rows * len(arrays)


def test_rows_that_nobody_forms_cannot_be_programmed(
    tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pristine in the RTL is so in golden: without its FORM every row fails in both."""
    network, _ = made(tmp_path, "9-5-3", Plan(Geometry(3, 4), fidelity="devices"), FaultMap())
    tool = require_simulator("icarus")
    assert run(tool, network, tmp_path, samples(network), program=True, form=True).mismatches == 0
    assert not any(memory["failed"] or memory["unformed"] for memory in programming(tmp_path))
    monkeypatch.setattr(verification, "form_order", lambda geometry: [])
    assert run(tool, network, tmp_path, samples(network), program=True, form=True).mismatches == 0
    assert sum(memory["failed"] for memory in programming(tmp_path)) > 10


def test_arrays_of_bits_are_not_formed(tmp_path: Path, require_simulator: Require) -> None:
    network, _ = made(tmp_path, "9-5-3", Plan(Geometry(3, 4)), FaultMap())
    with pytest.raises(HafnetError, match="--form needs --program, and arrays of fidelity 'devices' or 'noisy'"):
        run(require_simulator("icarus"), network, tmp_path, samples(network), program=True, form=True)


def test_a_stuck_device_fails_the_verify_reads_of_its_row_alone(tmp_path: Path, require_simulator: Require) -> None:
    plan = Plan(SIZE, fidelity="devices")
    topology = random_network("20-5-3", seed=5).topology
    stuck, none = np.full((2, 4, 8), -1), np.zeros((4, 8), dtype=np.uint8)
    stuck[:, 2, 6] = 0  # both HRS: the mismatch decides, so that +1 and -1 cannot both be
    places = {
        ArrayPlace(0, 1, 0): CellFaults(stuck, none, none),
        ArrayPlace(0, 1, 1): CellFaults(stuck, none + 1, none),
    }
    network, faults = made(tmp_path, "20-5-3", plan, FaultMap(places))
    faults.check(topology, plan)
    result = run(require_simulator("icarus"), network, tmp_path, samples(network), program=True)
    assert result.mismatches == 0, str(result.first[0])
    # The second group holds neuron 4 in row 0; row 2 is padding, programmed to -1.
    failed = {name: rows for name, rows in zip(memory_names(network, plan), failures(tmp_path), strict=True) if rows}
    assert failed == {"layer0_g1_t1": [2]}


def memory_names(network: Network, plan: Plan) -> list[str]:
    return [image.name for image in images.words(network, plan) if image.kind in verification.HELD]


def failures(folder: Path) -> list[list[int]]:
    return [memory["rows"] for memory in programming(folder)]


def test_arrays_of_devices_without_faults_are_the_network(tmp_path: Path, require_simulator: Require) -> None:
    network, _ = made(tmp_path, "20-9t-4", Plan(SIZE, fidelity="noisy"), FaultMap())
    given = samples(network)
    result = run(require_simulator("icarus"), network, tmp_path, given)
    assert result.mismatches == 0
    assert not (tmp_path / "images" / images.FAULTS).exists()


def change(folder: Path, file: str, word: int, flip: int) -> None:
    """Flip bits of one word of an image, and make the manifest agree with it."""
    path, manifest = folder / "images" / file, folder / "images" / images.MANIFEST
    lines = path.read_text().splitlines()
    lines[word] = f"{int(lines[word], 16) ^ flip:0{len(lines[word])}x}"
    path.write_text("\n".join(lines) + "\n")
    content = json.loads(manifest.read_text())
    entry = next(each for each in content["images"] if each["file"] == file)
    entry["crc32"] = f"{zlib.crc32(path.read_bytes()):08x}"
    manifest.write_text(json.dumps(content))


@pytest.mark.usefixtures("images_unseen")
def test_a_chip_with_other_faults_is_found(tmp_path: Path, require_simulator: Require) -> None:
    """Images that are not those of the fault map: the RTL is another chip than golden's."""
    plan = Plan(SIZE, fidelity="noisy")
    faults = random_faults(random_network("20-8-3", seed=5).topology, plan, stuck=0, weak=1, seed=1)
    network, _ = made(tmp_path, "20-8-3", plan, faults)
    tool, given = require_simulator("icarus"), samples(network, 60)
    assert run(tool, network, tmp_path, given).mismatches == 0
    for kind, flip in {
        "faults": 0xFF,  # the devices on BL are stuck at LRS
        "formed": 0xFFFF,  # all devices of the row are pristine: mismatches decide
        "weak": 0xFF << 16,
        "noise": 1,
    }.items():
        change(tmp_path, f"layer1_g0_t0_{kind}.hex", 0, flip)
        assert run(tool, network, tmp_path, given).mismatches > 0, kind
        change(tmp_path, f"layer1_g0_t0_{kind}.hex", 0, flip)
    assert run(tool, network, tmp_path, given).mismatches == 0


def test_faults_change_what_the_network_says(tmp_path: Path) -> None:
    """Or the comparisons of this file would compare nothing."""
    plan = Plan(SIZE, fidelity="noisy")
    network, faults = made(tmp_path, "20-13-9t-4", plan)
    values, clean = samples(network).values, infer(network, samples(network).values)
    levels: tuple[Fidelity, ...] = ("devices", "noisy")
    for fidelity in levels:
        trace = infer(network, values, faults=FaultyArrays(network, Plan(SIZE, fidelity=fidelity), faults))
        assert all((trace.counts[name] != clean.counts[name]).any() for name in clean.counts)


@pytest.mark.slow
def test_noisy_blocks_that_verilator_builds_once_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """Memories that find their images by their place in the design."""
    monkeypatch.setattr(verification, "MANY_ARRAYS", 1)
    network, _ = made(tmp_path, "20-18-3", Plan(SIZE, fidelity="noisy"))
    result = run(require_simulator("verilator"), network, tmp_path, samples(network))
    assert result.mismatches == 0, str(result.first[0])
    assert "hier_block" in (tmp_path / "simulation" / "build" / "access.vlt").read_text()


PRISTINE = """\
module top;
    reg clk = 0, rst = 1, hv = 0, sen = 0, side = 0;
    reg [1:0] operation = 0;
    reg [3:0] x = 4'b1111;
    wire [3:0] q, qb;
    hafnet_array_2x4{kind} #(.LOAD(0)) dut (
        .clk(clk), .rst(rst), .row(1'b1), .operation(operation), .side(side), .hv(hv), .sen(sen), .x(x),
        .q(q), .qb(qb));
    always #5 clk = !clk;
    task read; begin @(negedge clk) x = 4'b1111; sen = 1; @(negedge clk) sen = 0; $display("%b %b", q, qb); end endtask
    task pulse(input [1:0] what, input on, input [3:0] columns); begin
        @(negedge clk) operation = what; side = on; x = columns; hv = 1;
        @(negedge clk) hv = 0;
        @(negedge clk) operation = 0;
    end endtask
    initial begin
        repeat (2) @(negedge clk);
        rst = 0;
        read;                     // pristine
        pulse(1, 0, 4'b1111);
        read;                     // SET moves no pristine device
        pulse(3, 0, 4'b0011);
        read;                     // two cells are +1
        pulse(3, 1, 4'b1010);
        read;                     // of these one has both devices low; the fourth is -1
        pulse(2, 0, 4'b1111);
        read;                     // RESET moves the formed ones
        pulse(3, 0, 4'b1111);
        read;                     // FORM those that were not: then the fourth has both low, too
        $finish;
    end
endmodule
"""


@pytest.mark.parametrize("kind", ["devices", "noisy", "ternary_devices", "ternary_noisy"])
def test_an_array_that_loads_nothing_is_pristine(kind: str, tmp_path: Path, require_simulator: Require) -> None:
    """And without faults: it is for the host to form it."""
    require_simulator("icarus")
    ternary = kind.startswith("ternary")
    fidelity: Fidelity = "noisy" if kind.endswith("noisy") else "devices"
    texts = emit(Array(2, 4, ternary, fidelity)) | {"top.sv": PRISTINE.replace("{kind}", f"_{kind}")}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    subprocess.run(["iverilog", "-g2012", "-o", "top", "-s", "top", *texts], cwd=tmp_path, check=True)
    said = subprocess.run(["vvp", "top"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    reads = [line for line in said.splitlines() if set(line) <= set("01xz ")]
    # Binary arrays read the mismatch, 0, where both devices are alike; ternary ones leave both outputs high.
    plus, minus = ["0000", "0000", "0011", "0001", "0000", "0100"], ["0000", "0000", "0000", "1000", "1010", "0010"]
    if not ternary:
        minus = [f"{~int(each, 2) & 15:04b}" for each in plus]
    inverted: Callable[[str], str] = lambda text: f"{~int(text, 2) & 15:04b}"  # noqa: E731
    assert reads == [f"{inverted(low)} {inverted(high)}" for high, low in zip(plus, minus, strict=True)]
