"""`hafnet place`: the network on faulty arrays, from the map to the simulation, and what it says to mistakes."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Run
from simulators import Require

from model.faults import FaultMap
from model.golden import infer
from model.network import Network
from model.random_network import random_network

SIZE = ("--rows", 4, "--columns", 7, "--fidelity", "noisy")
RANKING = "layer,neuron,changed,lost\n"


@pytest.fixture
def project(tmp_path: Path, run: Run) -> Path:
    random_network((20, 9, 5, 3), seed=1).save(tmp_path / "network.safetensors")
    code, _, err = run("export", tmp_path, *SIZE, "--random-faults", 0.2, "--fault-seed", 3)
    shutil.copy(tmp_path / "images" / "faults.safetensors", tmp_path / "map.safetensors")
    assert code == 0, err
    return tmp_path


def test_the_placed_network_computes_the_same_on_arrays_that_err_less(
    project: Path, run: Run, require_simulator: Require
) -> None:
    require_simulator("icarus")
    code, out, err = run("place", project)
    assert code == 0, err
    assert "all neurons count alike" in out
    before, after = re.findall(r"hidden0 +180 +(\d+\.\d) +(\d+\.\d)", out)[0]
    assert float(after) < float(before)
    assert re.search(r"output +15 .* classes keep their order", out)
    network, placed = (Network.load(project / f"{name}.safetensors") for name in ("network", "placed"))
    inputs = np.random.default_rng(1).integers(0, 2, (30, 20))
    assert np.array_equal(infer(placed, inputs).scores, infer(network, inputs).scores)
    assert placed != network
    named, faulty = ("--network", project / "placed.safetensors"), ("--faults", project / "map.safetensors")
    assert run("export", project, *named, *faulty, *SIZE)[0] == 0
    assert run("generate", project, *named)[0] == 0
    code, out, err = run("verify", project, *named, "--random", 5, "--simulator", "icarus")
    assert code == 0, err
    assert "RTL and golden agree" in out


def test_a_ranking_is_taken_where_there_is_one(project: Path, run: Run) -> None:
    neurons = [("hidden0", 9), ("hidden1", 5), ("output", 3)]
    rows = [f"{name},{number},{0.1 * number},0\n" for name, count in neurons for number in range(count)]
    (project / "faults").mkdir()
    (project / "faults" / "neurons.csv").write_text(RANKING + "".join(rows))
    code, out, err = run("place", project)
    assert code == 0, err
    assert f"neurons count as in {project / 'faults' / 'neurons.csv'}" in out


def test_mistakes_end_in_one_sentence(project: Path, run: Run) -> None:
    FaultMap().save(project / "none.safetensors")
    (project / "ranking.csv").write_text(RANKING + "hidden0,99,1,1\n")
    for arguments, says in (
        (["--faults", "nowhere.safetensors"], r"nowhere\.safetensors: no such file"),
        (["--faults", project / "network.safetensors"], "no fault map"),
        (
            ["--rows", 8, "--fidelity", "noisy", "--faults", project / "map.safetensors"],
            "another plan: arrays of 4 x 7 and of 8 x 32",
        ),
        (["--fidelity", "bits"], "arrays of fidelity 'bits' have no faults"),
        (["--ranking", project / "ranking.csv"], "neuron 99 of 'hidden0' is none of 20-9-5-3"),
        (["--ranking", "nowhere.csv"], r"nowhere\.csv: no such file"),
    ):
        code, _, err = run("place", project, *arguments)
        assert code == 2, err
        assert re.search(says, err), err
        assert err.count("\n") == 1
    assert not (project / "placed.safetensors").exists()


def test_without_images_and_map_it_says_what_is_missing(tmp_path: Path, run: Run) -> None:
    random_network((5, 4, 2), seed=1).save(tmp_path / "network.safetensors")
    code, _, err = run("place", tmp_path, "--fidelity", "devices")
    assert code == 2
    assert re.search(r"images has no fault map: --faults FILE names one, `hafnet export` makes one", err)
