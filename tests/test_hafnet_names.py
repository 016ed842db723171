"""Names that a user gives are shown as they are by every verb: in tables, sentences and files."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from command import Run
from ugly import NAMES, ugly_network

from model.golden import classify
from model.samples import Samples
from sim import steps
from sim.plans import Wish
from sim.tables import plain_console


@pytest.fixture
def project(tmp_path: Path) -> Path:
    network = ugly_network()
    values = np.random.default_rng(2).integers(0, 2, (6, 5))
    network.save(tmp_path / "network.safetensors")
    Samples(values, classify(network, values)).save(tmp_path / "samples.safetensors")
    return tmp_path


def test_every_verb_shows_names_as_they_are(project: Path, run: Run) -> None:
    size = ("--rows", 4, "--columns", 8, "--fidelity", "noisy")
    code, plan, err = run("generate", project, *size, "--plan")
    assert code == 0, err
    assert run("export", project, *size, "--random-faults", 0.1)[0] == 0
    code, placed, err = run("place", project)
    assert code == 0, err
    code, _, err = run("energy", project, "--no-simulate")
    assert code == 0, err
    code, hit, err = run("faults", project, "--rates", "0.1", "--maps", 2, "--neurons", 0.3)
    assert code == 0, err
    for name in NAMES:
        assert name in plan
        assert name in placed
    with (project / "faults" / "neurons.csv").open(encoding="utf-8") as file:
        ranked = [row["layer"] for row in csv.DictReader(file)]
    assert set(ranked) == set(NAMES)
    assert all(name in hit for name in ranked[:10])
    with (project / "energy" / "energy.csv").open(encoding="utf-8") as file:
        assert {row["layer"] for row in csv.DictReader(file)} == {*NAMES, ""}
    told = json.loads((project / "energy" / "energy.json").read_text(encoding="utf-8"))
    assert set(told["layers"]) == set(NAMES)


@pytest.mark.parametrize("name", ["[/x]", "[bold]", ":smile:"])
def test_what_a_user_says_is_repeated_as_it_is(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also where a terminal shows that something is being done."""
    code, _, err = run("generate", project, "--lanes", f"{name}=1")
    assert code == 2
    assert f"layer {name!r} is none of" in err
    code, _, err = run("synth", project, "--target", name)
    assert (code, err.count("\n")) == (2, 1)
    assert f"target {name!r} is not known" in err
    file = io.StringIO()
    monkeypatch.setattr(steps, "console", plain_console(file=file, force_terminal=True, width=80, color_system=None))
    steps.say(f"wrote {name}/x")
    steps.generate(project / name, ugly_network(NAMES[:2]).topology, Wish().plan(ugly_network(NAMES[:2]).topology))
    assert file.getvalue().count(name) == 2


def test_conditions_that_look_alike_are_one(project: Path, run: Run) -> None:
    """Spaces are no difference that a reader of a table or a picture sees."""
    given = ("--condition", "weak set,cycles=1e6", "--condition", " weak set , cycles=1e6")
    code, out, err = run("faults", project, *given, "--maps", 2)
    assert code == 0, err
    with (project / "faults" / "faults.csv").open() as file:
        assert [row["point"] for row in csv.DictReader(file)] == ["no errors", "weak set, cycles=1e6"]
    assert out.count("weak set, cycles=1e6") == 2  # in both tables
