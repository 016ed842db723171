"""The command line: every verb, every step from files made some other way, and what it says to mistakes."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from command import Run
from simulators import Require

from model import images
from model.golden import classify
from model.mapping import Geometry
from model.network import Network
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from model.training.recipe import Recipe
from sim import steps
from sim.passes import inputs

ROOT = Path(__file__).parents[1]


def refused(result: tuple[int, str, str], pattern: str) -> None:
    """One sentence on standard error that matches, exit code 2, no traceback."""
    code, _, err = result
    assert code == 2, err
    assert re.search(pattern, err), err
    assert err.startswith("hafnet: ")
    assert err.count("\n") == 1


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network made by hand, exported and generated."""
    folder = tmp_path_factory.mktemp("template")
    network, plan = random_network((12, 7, 3), seed=1), Plan(Geometry(4, 5))
    network.save(folder / "network.safetensors")
    steps.export(folder, network, plan, ("hex",))
    steps.generate(folder, network.topology, plan)
    return folder


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Path:
    """A copy of the template to work in."""
    return shutil.copytree(template, tmp_path / "project")


def test_the_steps_of_the_main_job(tmp_path: Path, run: Run, require_simulator: Require) -> None:
    require_simulator("icarus")
    folder = tmp_path / "mine"
    code, out, err = run("train", folder, "--hidden", "12,6", "--levels", 2, "--epochs", 2)
    assert code == 0, err
    assert "trained 128-12-6-10 on digits" in out
    assert str(Network.load(folder / "network.safetensors").topology) == "128-12-6-10"
    assert run("export", folder, "--format", "hex", "--format", "mif")[0] == 0
    assert (folder / "images" / "layer0_g0_t0.mif").exists()
    assert run("generate", folder)[0] == 0
    code, out, err = run("verify", folder, "--simulator", "icarus", "--count", 12)
    assert code == 0, err
    assert f"RTL and golden agree on all {inputs(12) * (12 + 6 + 10 + 1)} values, on icarus" in out


def test_convolutions_from_training_to_verification(tmp_path: Path, run: Run, require_simulator: Require) -> None:
    require_simulator("verilator")
    topology = "8x8x1b5-4c3p1-m2-10"
    options = ("--topology", topology, "--epochs", 3, "--noise", 0, "--error-rate", 0.02)
    code, out, err = run("train", tmp_path, *options)
    assert code == 0, err
    assert f"trained {topology} on digits" in out
    network = Network.load(tmp_path / "network.safetensors")
    assert str(network.origin["recipe"]).startswith(f"{topology}, epochs 3, ")
    assert run("export", tmp_path)[0] == 0
    assert run("generate", tmp_path)[0] == 0
    code, out, err = run("verify", tmp_path, "--count", 40)
    assert code == 0, err
    samples = Samples.load(tmp_path / "samples.safetensors").first(40)
    assert f"{np.mean(classify(network, samples.values) == samples.labels):.2%}" in out
    assert re.search(r"RTL and golden agree on all \d{5} values, on verilator", out)


def test_the_demo_sums_up(tmp_path: Path, run: Run, require_simulator: Require) -> None:
    require_simulator("icarus")
    code, out, err = run(
        "demo", "--out", tmp_path / "demo", "--simulator", "icarus", "--hidden", "10", "--levels", 1, "--epochs", 1
    )
    assert code == 0, err
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["network"] == "64-10-10"
    assert summary["mismatches"] == 0
    assert summary["samples"] == 360
    assert summary["arrays"] == 3
    assert summary["accuracy"]["torch"] == summary["accuracy"]["golden"] == summary["accuracy"]["icarus"]
    assert set(summary["seconds"]) == {"train", "export", "generate", "verify on icarus"}
    assert [layer["name"] for layer in summary["layers"]] == ["hidden0", "output"]
    for text in ("accuracy, torch", "accuracy, golden", "mismatches", "cycles per image", "full", "seconds, train"):
        assert text in out


def test_a_network_made_by_hand_is_verified_on_random_samples(
    project: Path, run: Run, require_simulator: Require
) -> None:
    require_simulator("icarus")
    code, out, err = run("verify", project, "--simulator", "icarus", "--random", 9, "--program")
    assert code == 0, err
    assert "no labels" in out


def test_arrays_that_keep_rows_back_are_programmed_and_scrubbed(
    tmp_path: Path, run: Run, require_simulator: Require
) -> None:
    require_simulator("icarus")
    random_network((12, 7, 3), seed=1).save(tmp_path / "network.safetensors")
    size = ("--rows", 6, "--columns", 8)
    code, out, err = run("generate", tmp_path, *size, "--signed-arrays", "--spare-rows", 2, "--spare-entries", 3)
    assert code == 0, err
    code, out, err = run("export", tmp_path)
    assert code == 0, err
    assert "of 6 x 8 (2 spare rows, signed)" in out
    code, out, err = run("verify", tmp_path, "--simulator", "icarus", "--random", 3, "--program", "--scrub")
    assert code == 0, err
    code, out, err = run("generate", tmp_path, *size, "--signed-arrays", "--spare-rows", 5)
    assert (code, out) == (2, "")
    assert err == "hafnet: an array of 6 rows with 5 spare rows and a signature row has no row left for weights\n"


def test_one_sample_is_enough(project: Path, run: Run, require_simulator: Require) -> None:
    require_simulator("icarus")
    code, out, err = run("verify", project, "--simulator", "icarus", "--random", 1)
    assert code == 0, err
    assert "unknown from one sample" in out


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def test_waves_are_where_it_says(project: Path, run: Run, require_simulator: Require, simulator: str) -> None:
    require_simulator(simulator)
    code, out, err = run("verify", project, "--simulator", simulator, "--random", 2, "--waves")
    assert code == 0, err
    named = re.search(r"wrote (\S+\.(?:fst|vcd))", out)
    assert named is not None
    assert Path(named[1]).stat().st_size > 0


def test_a_disagreement_is_exit_code_1_and_names_the_place(
    project: Path, run: Run, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verilog and images of one network against another network of the same shape, let through on purpose."""
    require_simulator("icarus")
    for check in ("check_network", "check_contents"):
        monkeypatch.setattr(f"sim.folders.{check}", lambda *_: None)
    other = project / "other.safetensors"
    random_network((12, 7, 3), seed=2).save(other)
    code, out, err = run("verify", project, "--network", other, "--simulator", "icarus", "--random", 9)
    assert code == 1
    assert re.search(r"values differ, the first on icarus: sample \d+, layer '\w+', neuron \d+: expected \S+, got", err)
    assert "agree" not in out


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["export"], "Missing argument 'FOLDER'"),
        (["export", "FOLDER", "--colour", "red"], "No such option '?--colour'?"),
        (["export", "FOLDER", "--rows", "many"], "'many' is not a valid integer"),
        (["export", "FOLDER", "--rows", "0"], "0 rows .* must be 1 … 4096"),
        (["export", "FOLDER", "--columns", "5000"], "5000 columns .* must be 1 … 4096"),
        (["export", "FOLDER", "--format", "elf"], "format 'elf' is not one of"),
        (["export", "FOLDER", "--network", "nowhere.safetensors"], r"nowhere\.safetensors: no such file"),
        (
            ["export", "FOLDER/verilog"],
            r"network\.safetensors: no such file; `hafnet train .*` makes it, or give --net",
        ),
        (["export", "FOLDER", "--network", "/dev/zero"], "/dev/zero: is a device, but a regular file is needed"),
        (["export", "FOLDER", "--lanes", "hidden0=" + "9" * 5000], "--lanes hidden0=9+…9+: so many lanes are not"),
        (["generate", "FOLDER", "--shape", "8-" * 100_000 + "4"], "shape '8-8-.*': a network of more than 4096 layers"),
        (["generate", "FOLDER", "--shape", "64-ten"], "'ten': a layer is written such as 128"),
        (["generate", "FOLDER", "--shape", "64"], "a network without layers is not possible"),
        (["generate", "FOLDER", "--shape", "64-0-3"], "fan-out 0 must be at least 1"),
        (["generate", "FOLDER", "--shape", "9-3", "--network", "x"], "exclude each other"),
        (["generate", "FOLDER", "--input-width", "12"], "12 bits is not a multiple of 8"),
        (["generate", "FOLDER", "--sense", "300"], "sense is 300 cycles"),
        (["verify", "FOLDER", "--simulator", "spice", "--random", "3"], "simulator 'spice' is not known"),
        (["verify", "FOLDER"], r"samples\.safetensors: no such file; `hafnet train` makes it, or give --samples FILE$"),
        (["generate", "FOLDER", "--fidelity", "high"], "fidelity 'high' is not one of bits, devices, noisy"),
        (["export", "FOLDER", "--random-faults", "0.1"], "arrays of fidelity 'bits' have no faults"),
        (["export", "FOLDER", "--fidelity", "noisy", "--random-faults", "1.5"], "a rate of 1.5 .* must be 0 … 1"),
        (["export", "FOLDER", "--fidelity", "noisy", "--random-faults", "0.5", "--fault-seed", "-1"], "seed -1 is"),
        (["export", "FOLDER", "--fidelity", "noisy", "--faults", "nowhere"], "nowhere: no such file"),
        (["export", "FOLDER", "--fidelity", "noisy", "--faults", "FOLDER/network.safetensors"], "but no fault map"),
        (["export", "FOLDER", "--faults", "x", "--random-faults", "0.5"], "exclude each other"),
        (["verify", "FOLDER", "--random", "0"], "--random 0 is not possible"),
        (["verify", "FOLDER", "--random", "3", "--samples", "x"], "exclude each other"),
        (["train", "FOLDER", "--hidden", "a,b"], "--hidden 'a,b' is not numbers"),
        (["train", "FOLDER", "--hidden", "0"], "hidden layer 0 of 0"),
        (["train", "FOLDER", "--epochs", "0"], "epochs 0"),
        (["train", "FOLDER", "--levels", "17"], "17 levels need at least 18 distinct"),
        (["train", "FOLDER", "--data", "nowhere"], "nowhere"),
        (["train", "FOLDER", "--topology", "64b5-10", "--hidden", "9"], "--topology 64b5-10 and --hidden 9 exclude"),
        (["train", "FOLDER", "--topology", "64b5-10", "--levels", "2"], "--topology 64b5-10 and --levels 2 exclude"),
        (["train", "FOLDER", "--topology", "8x8x1b5-3c9-10"], "'8x8x1b5-3c9-10'.*'3c9': a kernel of height 9 is"),
        (["train", "FOLDER", "--topology", "9x8x1b5-3c3-10"], "have 64 values, but shape '9x8x1b5-3c3-10' takes 72"),
        (["train", "FOLDER", "--topology", "8x8x1r8x4-3c3-10"], "training takes bits or fixed-point codes"),
        (["train", "FOLDER", "--device", "abacus"], "device 'abacus'"),
        (["train", "FOLDER/network.safetensors/x", "--epochs", "1"], "Not a directory"),
        (["generate", "FOLDER/network.safetensors/x", "--shape", "8-4-2"], "Not a directory"),
        (["demo", "--out", "FOLDER/network.safetensors"], "File exists|is a file"),
        (["demo", "--out", "FOLDER", "--simulator", "spice"], "simulator 'spice' is not known"),
        (["verify", "FOLDER", "--random", "3", "--seed", "-1"], "-1 is not in the range"),
        (["verify", "FOLDER", "--random", "3", "--count", "2"], "exclude each other"),
    ],
)
def test_mistakes_end_in_one_sentence(arguments: list[str], pattern: str, project: Path, run: Run) -> None:
    before = sorted(path for path in project.rglob("*"))
    refused(run(*[each.replace("FOLDER", str(project)) for each in arguments]), pattern)
    assert sorted(path for path in project.rglob("*")) == before


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PATH": os.environ["PATH"]}


def test_a_terminal_that_takes_ascii_only_is_enough(project: Path) -> None:
    """Neither what is shown nor a file name that is no text ends in a traceback, and what is written is the same."""
    program = [sys.executable, "-c", "import hafnet; hafnet.main()"]
    work, told = project.rename(project.with_name(os.fsdecode("grün".encode() + b"\xe9"))), []
    where, flow = str(work), ("--plan", "--dataflow", "output=s2p")
    for verb in (["generate", where, *flow], ["export", where], ["export", where, "--rows", "0"]):
        run = subprocess.run([*program, *verb], env=ASCII, cwd=ROOT, capture_output=True, check=False, timeout=120)
        assert run.returncode == (2 if "--rows" in verb else 0), run.stderr
        told.append(run.stdout + run.stderr)
    assert b"v zig-zag" in told[0]
    assert b"wrote " + os.fsencode(work) in told[1]
    assert b"hafnet: an array with 0 rows is not possible" in told[2]
    assert Network.load(work / "network.safetensors") == images.load(work / "images")[0]


def test_a_network_wider_than_the_manifest_is_refused(project: Path, run: Run) -> None:
    random_network((16, 7, 3), seed=1).save(project / "network.safetensors")
    told = "the network is 16-7-3, but .* was made for 12-7-3: `hafnet generate` makes it anew"
    refused(run("verify", project, "--random", 3, "--simulator", "icarus"), told)


def test_a_faulty_chip_from_its_map_to_its_verification(project: Path, run: Run, require_simulator: Require) -> None:
    """`verify` is told nothing of fidelity and faults."""
    require_simulator("icarus")
    assert run("generate", project, "--fidelity", "noisy")[0] == 0
    code, out, err = run("export", project, "--random-faults", 0.25, "--fault-seed", 3)
    assert code == 0, err
    assert re.search(r"with \d\d stuck devices and \d\d weak cells", out)
    for program in ([], ["--program"]):
        code, out, err = run("verify", project, "--random", 9, "--simulator", "icarus", *program)
        assert code == 0, err
        assert "RTL and golden agree" in out
    again = project / "again.safetensors"
    shutil.copy(project / "images" / "faults.safetensors", again)
    before = {path.name: path.read_bytes() for path in (project / "images").iterdir()}
    assert run("export", project, "--faults", again)[0] == 0
    assert {path.name: path.read_bytes() for path in (project / "images").iterdir()} == before
    assert run("export", project, "--fidelity", "bits")[0] == 0
    refused(run("verify", project, "--random", 3), "exported with --fidelity bits, but .* --fidelity noisy")


def test_faults_of_other_arrays_are_refused(project: Path, run: Run) -> None:
    from model.faults import ArrayPlace, CellFaults, FaultMap

    FaultMap({ArrayPlace(0, 0, 0): CellFaults.none(5, 5)}).save(project / "map")
    options = ("--fidelity", "devices", "--faults", project / "map", "--rows", 4, "--columns", 5)
    refused(run("export", project, *options), "layer0_g0_t0 has 5 x 5 cells, but the plan's arrays have 4 x 5")
    FaultMap({ArrayPlace(0, 9, 0): CellFaults.none(4, 5)}).save(project / "map")
    refused(run("export", project, *options), "layer0_g9_t0 is none of the arrays of 12-7-3 under this plan")


def test_a_changed_image_is_refused_by_name(project: Path, run: Run) -> None:
    image = project / "images" / "layer0_g1_t2.hex"
    image.write_text(image.read_text().replace("0", "1", 1))
    refused(run("verify", project, "--random", 3, "--simulator", "icarus"), r"layer0_g1_t2\.hex")


def test_no_arguments_show_the_help(run: Run) -> None:
    code, out, _ = run()
    assert code == 2
    for verb in ("train", "export", "generate", "verify", "demo"):
        assert verb in out


def test_the_help_tells_the_defaults_of_the_recipe(run: Run) -> None:
    code, out, _ = run("train", "--help")
    assert code == 0
    defaults = {field.name: field.default for field in fields(Recipe)}
    for name, value in defaults.items():
        if name not in ("smoothing", "topology"):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
            assert re.search(rf"--{name.replace('_', '-')} [^-]*\[default:\s+{re.escape(text)}\]", out), name


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path, run: Run, require_simulator: Require) -> None:
    """As `make demo` runs it: at least 96 % and no mismatch, on both simulators."""
    for name in ("icarus", "verilator"):
        require_simulator(name)
    code, _, err = run("demo", "--out", tmp_path / "demo")
    assert code == 0, err
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert {each["simulator"] for each in summary["simulators"]} == {"icarus", "verilator"}
    assert all(accuracy >= 0.96 for accuracy in summary["accuracy"].values())
    assert summary["mismatches"] == 0
    assert summary["values"] == 2 * (360 + 32) * (96 + 96 + 10 + 1)
