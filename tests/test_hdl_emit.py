"""What is emitted, as the tools of a user read it: Icarus, Verilator and a current Yosys."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.arrays.array import level
from hdl.block import Hardware
from hdl.emit import Emission, emit
from hdl.generate import WAIVERS, Manifest, generate
from model import images
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.plan import Fidelity, LayerPlan, Plan
from model.random_network import random_network
from model.topology import Topology
from sim import yowasp
from sim.tools import Tool


def accelerator(
    text: str,
    size: tuple[int, int] = (32, 32),
    *layers: tuple[Dataflow, int],
    in_arrays: bool = False,
    fidelity: Fidelity = "bits",
    **options: Any,
) -> Accelerator:
    """A topology on arrays of rows × columns, with a dataflow and lanes for each layer (none: all P2S, 1 lane)."""
    plan = Plan(Geometry(*size), tuple(LayerPlan(*each) for each in layers), in_arrays, fidelity)
    return Accelerator(Topology.parse(text), plan, **options)


P1, P2, S1, S2 = (P2S, 1), (P2S, 2), (S2P, 1), (S2P, 2)
ACCELERATORS = {
    "one cell": accelerator("1-1", (1, 1)),
    "padded": accelerator("20-9-5-3", (4, 7)),
    "padded, classes only": accelerator("20-9-5-3", (4, 7), scores=False, input_width=8),
    "layers alike": accelerator("6-5-5-5", (4, 7)),
    "kilobit arrays": accelerator("100-40-33-10"),
    "lanes": accelerator("20-9t-5-3", (4, 7), (P2S, 4), P2, (P2S, 3), top=2),
    "zig-zag": accelerator("20-9-5t-6-3", (4, 7), P2, S2, P1, S1),
    "convolution by planes": accelerator("5x4x2b3-4c3p1-m2-4c2g2t-3", (4, 7), P1, P1, P2, S2, top=0),
    "stochastic, averaged": accelerator("3x4x2r3x4d2e2-3c1x2-avg-4-3", (4, 7), P1, P1, S2, P2),
    "numbers in arrays": accelerator("20-9t-5-3", (4, 7), P1, P2, P1, in_arrays=True),
    "devices": accelerator("9-5-3t", (4, 7), P1, S1, fidelity="devices"),
    "noisy": accelerator("9-5-3t", (4, 7), P1, S1, fidelity="noisy"),
}

# Faults, with what Yosys says of them and the rule that Verilator names.
FAULTS = {
    "latch": (
        "Latch inferred",
        "LATCH",
        "module bad(input en, input d, output reg q); always @* if (en) q = d; endmodule",
    ),
    "two drivers": (
        "multiple conflicting drivers",
        "MULTIDRIVEN",
        "module bad(input a, input b, output y); assign y = a; assign y = b; endmodule",
    ),
    "loop": (
        "found logic loop",
        "UNOPTFLAT",
        "module bad(input a, output y); wire b; assign b = a ^ y; assign y = ~b; endmodule",
    ),
    "loop through instances": (
        "found logic loop",
        "UNOPTFLAT",
        "module bad(output y); wire b; part p(.a(b), .y(y)); part q(.a(y), .y(b)); endmodule\n"
        "module part(input a, output y); assign y = ~a; endmodule",
    ),
    "no driver": (
        "used but has no driver",
        "UNDRIVEN",
        "module bad(input a, output y); wire b; assign y = a ^ b; endmodule",
    ),
}


@dataclass(frozen=True)
class Generated:
    """A generated folder, its images in images/, and the text of its Verilog by file name."""

    folder: Path
    accelerator: Accelerator
    manifest: Manifest
    texts: dict[str, str]


@pytest.fixture(scope="module", params=ACCELERATORS)
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    chosen, folder = ACCELERATORS[request.param], tmp_path_factory.mktemp("generated") / "verilog"
    manifest = generate(chosen, folder)
    images.export(random_network(chosen.topology, seed=1), chosen.plan, folder / "images")
    names = [listed.file for listed in manifest.files if listed.file.endswith(".sv")]
    return Generated(folder, chosen, manifest, {name: (folder / name).read_text() for name in names})


def said(command: list[str], folder: Path) -> str:
    """What a tool says of what it reads; its exit status if it says nothing."""
    return what(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300))


def what(run: subprocess.CompletedProcess[str]) -> str:
    return (run.stdout + run.stderr).strip() or (f"exit status {run.returncode}" if run.returncode else "")


def icarus(folder: Path, top: str, files: list[str]) -> str:
    return said(["iverilog", "-g2012", "-Wall", "-t", "null", "-s", top, *files], folder)


def verilator(tool: Tool, folder: Path, top: str, files: list[str], waivers: str = WAIVERS.name) -> str:
    with tool.on_path():
        return said(["verilator", "--lint-only", "--quiet", "-Wall", "--top-module", top, waivers, *files], folder)


def yosys(folder: Path, files: list[str], script: str) -> str:
    run = yowasp.run(yowasp.YOSYS, ["-q", "-p", f"read_verilog -sv {' '.join(files)}; {script}"], folder, timeout=300)
    return what(run)


def structure(top: str) -> str:
    """A script: no latch, and no wire without driver, with two, or in a loop, in each module and in all together."""
    latches = " ".join(f"t:$_{kind}_* t:${kind.lower()}" for kind in ("DLATCH", "ADLATCH", "DLATCHSR", "SR"))
    return f"hierarchy -check -top {top}; proc; select -assert-none {latches}; check -assert; flatten; check -assert"


def test_icarus_reads_it_without_a_word(generated: Generated, require_simulator: Require) -> None:
    require_simulator("icarus")
    assert icarus(generated.folder, generated.manifest.top, list(generated.texts)) == ""


def test_verilator_reads_it_without_a_word(generated: Generated, require_simulator: Require) -> None:
    tool = require_simulator("verilator")
    assert verilator(tool, generated.folder, generated.manifest.top, list(generated.texts)) == ""


def test_yosys_finds_nothing_wrong_in_it(generated: Generated) -> None:
    assert yosys(generated.folder, list(generated.texts), structure(generated.manifest.top)) == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checks_find_what_they_look_for(fault: str, tmp_path: Path, require_simulator: Require) -> None:
    yosys_says, rule, text = FAULTS[fault]
    (tmp_path / "bad.sv").write_text(text + "\n")
    shutil.copy(WAIVERS, tmp_path)
    assert yosys_says in yosys(tmp_path, ["bad.sv"], structure("bad"))
    assert f"%Warning-{rule}:" in verilator(require_simulator("verilator"), tmp_path, "bad", ["bad.sv"])


def test_icarus_says_what_is_wrong(tmp_path: Path, require_simulator: Require) -> None:
    require_simulator("icarus")
    (tmp_path / "bad.sv").write_text("module bad(input [1:0] a, output y); part p(.a(a)); endmodule\n")
    (tmp_path / "part.sv").write_text("module part(input a, output y); assign y = a; endmodule\n")
    assert "bad.sv" in icarus(tmp_path, "bad", ["bad.sv", "part.sv"])


def test_each_waiver_has_its_reason_and_its_use(tmp_path: Path, require_simulator: Require) -> None:
    tool = require_simulator("verilator")
    manifest = generate(ACCELERATORS["padded"], tmp_path / "verilog")
    files = [listed.file for listed in manifest.files if listed.file.endswith(".sv")]
    head, *lines = WAIVERS.read_text().splitlines()
    rules = [line.split()[-1] for line in lines if line.startswith("lint_off")]
    assert rules
    for rule in rules:
        waiver = lines.index(f"lint_off -rule {rule}")
        assert lines[waiver - 1].startswith("// ")
        rest = [line for line in lines if line != lines[waiver]]
        (tmp_path / "verilog" / "fewer.vlt").write_text("\n".join([head, *rest, ""]))
        assert f"%Warning-{rule}:" in verilator(tool, tmp_path / "verilog", manifest.top, files, "fewer.vlt")


@pytest.mark.parametrize("fidelity", ["bits", "devices", "noisy"])
def test_a_small_one_can_be_synthesized(fidelity: Fidelity, tmp_path: Path) -> None:
    small = accelerator("3-2-2", (2, 2), fidelity=fidelity)
    manifest = generate(small, tmp_path / "verilog")
    images.export(random_network(small.topology, seed=1), small.plan, tmp_path / "verilog" / "images")
    files = [listed.file for listed in manifest.files if listed.file.endswith(".sv")]
    assert yosys(tmp_path / "verilog", files, f"synth -top {manifest.top}; check -assert") == ""


def test_synthesis_needs_the_images_unless_told_otherwise(tmp_path: Path) -> None:
    manifest = generate(ACCELERATORS["one cell"], tmp_path / "verilog")
    files = [listed.file for listed in manifest.files if listed.file.endswith(".sv")]
    script = f"hierarchy -check -top {manifest.top}"
    assert f"{manifest.image_default}layer0_" in yosys(tmp_path / "verilog", files, script)
    assert yosys(tmp_path / "verilog", files, f"chparam -set LOAD 0 {manifest.top}; {script}") == ""


def test_verilog_is_plain(generated: Generated) -> None:
    for text in generated.texts.values():
        code = re.sub(r"//.*", "", text)
        assert "\\" not in code  # an escaped identifier
        assert not re.search(r"always_comb|always_latch|always\s*@\s*(\*|\(\s*\*)", code)
        assert "synopsys" not in text
        assert not re.search(r"\b_signal", code)  # a signal that Amaranth found no name for


def modules(texts: dict[str, str]) -> dict[str, list[str]]:
    """The modules, one a file and of its name, in order of the files: their instances' modules."""
    found = {}
    for file, text in texts.items():
        code = re.sub(r"//.*", "", text)
        (name,) = re.findall(r"^module (\w+)", code, re.MULTILINE)
        assert file == f"{name}.sv"
        found[name] = re.findall(r"^  (hafnet_\w+) (?:#\(|\w+ \()", code, re.MULTILINE)
    return found


def test_each_block_is_written_once_before_those_that_use_it(generated: Generated) -> None:
    names: list[str] = []
    for name, instances in modules(generated.texts).items():
        assert set(instances) <= set(names)
        assert name not in names
        names.append(name)
    assert names[-1] == generated.manifest.top


def test_instances_are_as_many_as_arrays(generated: Generated) -> None:
    tree = modules(generated.texts)

    def below(name: str) -> Iterator[str]:
        yield name
        for child in tree[name]:
            yield from below(child)

    geometry = generated.accelerator.plan.geometry
    everything = list(below(generated.manifest.top))
    arrays, kind = f"hafnet_array_{geometry.rows}x{geometry.columns}", level(generated.manifest.plan.fidelity)
    names = (f"{arrays}{kind}", f"{arrays}_ternary{kind}")
    assert sum(everything.count(name) for name in names) == generated.manifest.arrays
    assert set(everything) == set(tree)  # nothing is written that is not used


def test_many_arrays_of_a_layer_are_one_module() -> None:
    few, many = emit(accelerator("64-32")), emit(accelerator("256-128"))
    assert len(few) == len(many)
    assert sum(text.count("\n") for text in many.values()) < 2 * sum(text.count("\n") for text in few.values())


def test_same_block_same_bytes_in_any_process(tmp_path: Path) -> None:
    script = (
        "import sys; from hdl.accelerator import Accelerator; from hdl.generate import generate;"
        "from model.mapping import Geometry; from model.plan import Plan; from model.topology import Topology;"
        "generate(Accelerator(Topology.parse('20-9-5-3'), Plan(Geometry(4, 7))), sys.argv[1])"
    )
    folders = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", script, str(tmp_path / seed)]
        root = Path(__file__).parents[1]
        subprocess.run(command, check=True, cwd=root, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"})
        folders.append({path.name: path.read_bytes() for path in (tmp_path / seed).iterdir()})
    assert folders[0] == folders[1]
    generate(ACCELERATORS["padded"], tmp_path / "here")
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == folders[0]


@dataclass(frozen=True)
class Wire:
    """A wire whose module's name does not tell its width."""

    width: int

    name = "hafnet_wire"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({"i": In(self.width), "o": Out(self.width)})

    def create(self) -> Hardware:
        return WireHardware(self)


class WireHardware(Hardware):
    i: Any
    o: Any

    def __init__(self, block: Wire) -> None:
        super().__init__(block.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.i)
        return m


def test_different_blocks_of_one_name_are_refused() -> None:
    emission = Emission()
    text = emission.module(Wire(3))
    assert emission.module(Wire(3)) == text
    with pytest.raises(AssertionError, match=r"Wire\(width=4\).*Wire\(width=3\).*same name"):
        emission.module(Wire(4))
