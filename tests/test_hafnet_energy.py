"""`hafnet energy`: what it says and leaves, with and without a simulation, and what it says to mistakes."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import Run
from simulators import Require

from model import images
from model.device.energy import Activity
from model.energy.account import IN_RTL_ONLY
from model.energy.activity import by_layer, inference
from model.mapping import Geometry
from model.network import Network
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from sim import activity
from sim.tools import Tool

FILES = {"energy.csv", "energy.json", "energy.svg", "energy.png", "energy.pdf"}
SHAPE = (12, 9, 3)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    random_network(SHAPE, seed=1).save(tmp_path / "network.safetensors")
    Samples(np.random.default_rng(2).integers(0, 2, (9, 12))).save(tmp_path / "samples.safetensors")
    return tmp_path


def told(folder: Path) -> dict[str, object]:
    assert {path.name for path in (folder / "energy").iterdir()} == FILES
    loaded: dict[str, object] = json.loads((folder / "energy" / "energy.json").read_text())
    return loaded


def number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    assert match, text
    return float(match[1])


def test_without_a_simulation(project: Path, run: Run) -> None:
    """The plan is that of the images, where there are no other files."""
    assert run("export", project, "--rows", 4, "--columns", 8)[0] == 0
    code, out, err = run("energy", project, "--no-simulate", "--supply", 0.9)
    assert code == 0, err
    network, plan = images.load(project / "images")
    expected = inference(network.topology, plan)
    assert plan.geometry == Geometry(4, 8)
    assert re.search(rf"amplifiers that decided +{expected.reads} ", out)
    assert out.count("not counted") == 3 + 1  # three events, and what the totals are of
    assert "1 XNOR + 1 addition = 2 operations" in out
    found = told(project)
    assert found["not_counted"] == ["memory_bits", "register_bits", "clocked_bits"]
    assert number(r"([\d.]+) nJ an inference", out) == pytest.approx(found["nJ_per_inference"], rel=1e-3)
    assert not (project / "simulation").exists()


@pytest.mark.slow
def test_in_the_rtl(project: Path, run: Run, require_simulator: Require) -> None:
    require_simulator("verilator")
    options = ("--rows", 4, "--columns", 8)
    assert run("export", project, *options)[0] == 0
    assert run("generate", project, *options)[0] == 0
    code, out, err = run("energy", project, "--condition", "weak set")
    assert code == 0, err
    assert "not counted" not in out
    assert "'weak set': 20 µA, 1.5 V, 1000 ns" in out
    found = told(project)
    assert (found["images"], found["not_counted"]) == (8, [])
    with (project / "energy" / "energy.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["phase"] == "inference"]
    assert {row["layer"] for row in rows} == {"hidden0", "output", "streams and host"}
    assert all(float(row["count"]) > 0 for row in rows if row["event"] in IN_RTL_ONLY)
    assert sum(float(row["energy_nJ"]) for row in rows) == pytest.approx(found["nJ_per_inference"])


def pretend(patch: pytest.MonkeyPatch, more: Activity) -> None:
    """In place of a simulation: what golden counts, and `more` in the output layer of each image."""

    def counted(tool: Tool, network: Network, samples: Samples, *folders: Path, **options: object) -> activity.Counted:
        layers: dict[str, Activity] = {activity.ELSEWHERE: Activity(clocked_bits=900)}
        for name, each in by_layer(network.topology, Plan()).items():
            own = each + Activity(register_bits=7) + (more if name == "output" else Activity())
            layers[name] = sum([own] * len(samples), Activity())
        return activity.Counted(layers, len(samples), 9)

    patch.setattr(activity, "count", counted)


def ready(project: Path, run: Run) -> None:
    for verb in ("export", "generate"):
        assert run(verb, project, "--lanes", "hidden0=1")[0] == 0


def test_what_the_rtl_counts_is_in_the_table(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    require_simulator("verilator")
    ready(project, run)
    pretend(monkeypatch, Activity(memory_bits=12))
    code, out, err = run("energy", project, "--condition", "weak set", "--count", 3)
    assert code == 0, err
    assert "not counted" not in out
    assert "'weak set': 20 µA, 1.5 V, 1000 ns" in out
    assert re.search(r"bits of memories +12 ", out)
    assert re.search(r"register bits changed +14 ", out)
    assert re.search(r"register bits clocked +300 ", out)
    found = told(project)
    assert (found["images"], found["not_counted"]) == (3, [])


def test_rtl_and_golden_that_disagree_end_in_exit_code_1(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """A layer that reads once more than golden counts."""
    require_simulator("verilator")
    ready(project, run)
    pretend(monkeypatch, Activity(rows=1, reads=32))
    code, _, err = run("energy", project)
    assert code == 1
    says = "layer 'output': RTL and golden disagree: 8 images are 32 rows in the RTL, but should be 24"
    assert err == f"hafnet: {says}\n"
    assert not (project / "energy").exists()


def test_a_condition_in_words(project: Path, run: Run) -> None:
    """Twice the pulse length, twice the energy of SET and RESET; FORM is not in the condition."""
    spent = []
    for condition in ("strong", "strong, pulse_ns=2000"):
        code, out, err = run("energy", project, "--no-simulate", "--condition", condition)
        assert code == 0, err
        assert f"'{condition}': 100 µA, 2.5 V" in out
        spent.append(json.loads((project / "energy" / "energy.json").read_text())["first_programming"]["nJ"])
    assert spent[1]["sets"] == pytest.approx(2 * spent[0]["sets"])
    assert spent[1]["resets"] == pytest.approx(2 * spent[0]["resets"])
    assert spent[1]["forms"] == spent[0]["forms"]


def test_own_coefficients(project: Path, run: Run) -> None:
    """Reads that cost nothing, and twice as much as everything else."""
    names = ("rows", "popcount_bits", "thresholds")
    path = project / "mine.csv"
    path.write_text("event,capacitance_fF,source\nreads,0,none\n" + "".join(f"{name},1000,made up\n" for name in names))
    assert run("energy", project, "--no-simulate", "--coefficients", path)[0] == 0
    found = inference(random_network(SHAPE, seed=1).topology, Plan())
    events = found.rows + found.popcount_bits + found.thresholds
    assert told(project)["nJ_per_inference"] == pytest.approx(events * 1e-12 * 1.2**2 * 1e9)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["--supply", "0"], "the supply is 0 V, but must be above 0"),
        (["--supply", "nan"], "the supply is nan V"),
        (["--supply", "much"], "'much' is not a valid float"),
        (["--condition", "gentle"], "condition 'gentle': 'gentle' is neither a preset"),
        (["--condition", "strong, supply_V=0.9"], "condition 'strong, supply_V=0.9' says at which supply"),
        (["--coefficients", "nowhere.csv"], r"nowhere\.csv: no such file"),
        (["--coefficients", "unit.csv"], r"unit\.csv: column 'capacitance' has no unit"),
        (["--coefficients", "event.csv"], r"event\.csv: row 1: event 'read' is not one of rows, reads"),
        (
            ["--coefficients", "below.csv"],
            r"below\.csv: row 1: the capacitance of 'reads' is -2, but must be at least 0",
        ),
        (["--coefficients", "free.csv"], "TOPS/W are asked for, but the activity costs no energy"),
        (["--network", "nowhere.safetensors"], r"nowhere\.safetensors: no such file"),
        (["--simulate", "--samples", "nowhere.safetensors"], r"nowhere\.safetensors: no such file"),
        (["--simulate", "--count", "10"], "10 samples are asked for, but there are 9"),
        (["--simulate", "--count", "0"], "--count 0 is not possible, at least 1 sample is needed"),
        (["--simulate"], r"verilog.manifest\.json: no such file; `hafnet generate` writes it"),
    ],
)
def test_mistakes_end_in_one_sentence(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], pattern: str
) -> None:
    monkeypatch.chdir(project)
    free = "".join(f"{event},0,me\n" for event in ("rows", "reads", "popcount_bits", "thresholds"))
    head = "event,capacitance_fF,source\n"
    Path("unit.csv").write_text("event,capacitance,source\nreads,1,me\n")
    Path("event.csv").write_text(f"{head}read,1,me\n")
    Path("below.csv").write_text(f"{head}reads,-2,me\n")
    Path("free.csv").write_text(head + free)
    code, _, err = run("energy", project, "--no-simulate", *arguments)
    assert code == 2, err
    assert re.search(pattern, err), err
    assert err.startswith("hafnet: ")
    assert err.count("\n") == 1
    assert not (project / "energy").exists()
