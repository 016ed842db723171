"""`hafnet faults`: what it leaves, that it goes on where it was stopped, and what it says to mistakes."""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import Run
from PIL import Image

from model.errors import HafnetWarning
from model.golden import classify
from model.network import Network
from model.random_network import random_network
from model.samples import Samples
from sim import steps

FILES = ("faults.csv", "faults.json", "faults.svg", "faults.png", "faults.pdf")


def make(folder: Path, shape: tuple[int, ...], count: int) -> Path:
    """A network and samples of which all are right without errors."""
    network = random_network(shape, seed=1)
    values = np.random.default_rng(2).integers(0, 2, (count, shape[0]))
    network.save(folder / "network.safetensors")
    Samples(values, classify(network, values)).save(folder / "samples.safetensors")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path, (12, 9, 3), 40)


def contents(folder: Path) -> dict[str, bytes]:
    """What a run leaves besides its journal, and besides the lock of one that was killed."""
    names = (path for path in (folder / "faults").iterdir() if not path.name.startswith("journal.jsonl"))
    return {path.name: path.read_bytes() for path in names}


def test_what_it_leaves(project: Path, run: Run) -> None:
    code, out, err = run("faults", project, "--rates", "0.3,0.01", "--maps", 8, "--neurons", 0.2)
    assert code == 0, err
    assert re.search(r"no errors +1 +100\.00%", out)
    assert re.search(r"0\.01 +8 +\d+\.\d+% +\d+\.\d+% … \d+\.\d+%", out)
    assert "Neurons that errors at 0.2 in them alone hit hardest, of 12" in out
    assert set(contents(project)) == {*FILES, "neurons.csv"}
    with (project / "faults" / "faults.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["point"] for row in rows] == ["no errors", "0.01", "0.3"]
    assert [row["maps"] for row in rows] == ["1", "8", "8"]
    for row in rows[1:]:
        numbers = [float(row[name]) for name in ("least", "low", "mean", "high", "most")]
        assert float(row["weight error rate"]) == float(row["point"])
        assert 0 <= numbers[1] <= numbers[2] <= numbers[3] <= 1
        assert numbers[0] <= numbers[2] <= numbers[4]
    told = json.loads((project / "faults" / "faults.json").read_text())
    assert told["points"][2]["mean"] == pytest.approx(np.mean(told["points"][2]["accuracies"]))
    assert len(told["neurons"]["found"]) == 12
    with (project / "faults" / "neurons.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12


def test_the_picture_can_be_seen(project: Path, run: Run) -> None:
    assert run("faults", project, "--rates", "0.01,0.1", "--maps", 4)[0] == 0
    text = (project / "faults" / "faults.svg").read_text()
    assert text.startswith("<?xml")
    for words in ("12-9-3, 4 maps a point", "weight error rate", "accuracy on 40 samples", "without errors"):
        assert words in text
    with Image.open(project / "faults" / "faults.png") as picture:
        assert picture.size == (960, 600)
        colours = picture.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert (11, 114, 133) in {colour for _, colour in colours}  # the curve's


def test_accuracy_against_a_quantity_of_the_programming_condition(project: Path, run: Run) -> None:
    sweep = ("--sweep", "reset_voltage_V=1.6,1.1", "--condition", "weak set, cycles=1e6", "--maps", 5)
    code, out, err = run("faults", project, *sweep)
    assert code == 0, err
    assert re.search(r"What the device model says of the devices \(estimates, unless measured\)", out)
    with (project / "faults" / "faults.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["RESET voltage (V)"] for row in rows] == ["", "1.1", "1.6"]
    assert [row["hrs_median_ohm"] != "" for row in rows] == [False, True, True]
    rates = [float(row["weight_error_rate"]) for row in rows[1:]]
    assert 0.5 > rates[0] > rates[1] > 0
    text = (project / "faults" / "faults.svg").read_text()
    for words in ("RESET voltage (V)", "weight error rate", "accuracy on 40 samples"):
        assert words in text


def test_conditions_side_by_side(project: Path, run: Run) -> None:
    table = project / "measured.csv"
    header = "set_current_uA,reset_voltage_V,pulse_ns,lrs_median_ohm,lrs_sigma,hrs_median_ohm,hrs_sigma"
    table.write_text(f"{header}\n55,2,1000,7000,0.2,70000,0.4\n20,1.5,1000,20000,0.3,40000,0.6\n")
    options = ("--condition", "nominal", "--condition", "weak set", "--device-table", table, "--cell", "1T1R")
    code, out, err = run("faults", project, *options, "--maps", 5)
    assert code == 0, err
    assert re.search(r"nominal +7e\+03 +7e\+04", out)
    told = json.loads((project / "faults" / "faults.json").read_text())
    assert [each["point"] for each in told["points"]] == ["no errors", "nominal", "weak set"]
    assert told["points"][1]["value"] == told["points"][1]["weight_error_rate"]
    text = (project / "faults" / "faults.svg").read_text()
    for words in ("weak set", "of weights err", "accuracy on 40 samples"):
        assert words in text


@pytest.mark.parametrize("rates", ["0", "1", "0,1e-3"])
def test_rates_at_the_ends(project: Path, run: Run, rates: str) -> None:
    code, _, err = run("faults", project, "--rates", rates, "--maps", 2)
    assert code == 0, err


def test_layers_that_are_not_named_do_not_err(project: Path, run: Run) -> None:
    assert run("faults", project, "--rates", "1", "--maps", 1, "--layers", "output")[0] == 0
    network, samples = Network.load(project / "network.safetensors"), Samples.load(project / "samples.safetensors")
    assert samples.labels is not None
    output = network.output
    scores = -output.weights.astype(int)
    other = type(output)(output.name, scores, output.offsets)
    expected = np.mean(classify(Network(network.encoding, network.hidden, other), samples.values) == samples.labels)
    told = json.loads((project / "faults" / "faults.json").read_text())
    assert told["points"][1]["accuracies"] == [expected]


@pytest.mark.filterwarnings("ignore::model.errors.HafnetWarning")  # of the random network's classes one is empty
def test_killed_at_any_moment_the_next_run_goes_on(tmp_path: Path, run: Run) -> None:
    shape, options = (300, 400, 400, 10), ("--rates", "0.01,0.1", "--maps", "60")
    whole, cut = (make(tmp_path / name, shape, 1500) for name in ("whole", "cut"))
    assert run("faults", whole, *options)[0] == 0
    command = [sys.executable, "-c", "import hafnet; hafnet.main()", "faults", str(cut), *options]
    journal, lines = cut / "faults" / "journal.jsonl", [0, 0]
    for attempt, enough in enumerate((4, 30)):
        with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while not journal.exists() or journal.read_bytes().count(b"\n") < enough:
                assert process.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        lines[attempt] = journal.read_bytes().count(b"\n")
    assert 4 <= lines[0] < lines[1] < 122
    assert contents(cut) == {}
    before = journal.read_bytes()
    code, out, err = run("faults", cut, *options)
    assert code == 0, err
    assert f"{lines[1] - 1} of 121 results are there from an earlier run" in out
    kept = before[: before.rindex(b"\n") + 1]
    assert journal.read_bytes().startswith(kept)
    assert journal.read_bytes().count(b"\n") == 122  # nothing was done twice
    assert contents(cut) == contents(whole)


def test_interrupted_it_says_so_and_keeps_what_is_there(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.campaign.journal import Journal

    add = Journal.add

    def interrupted(self: Journal, key: str, result: object) -> None:
        add(self, key, result)
        if len(self.results) == 5:
            raise KeyboardInterrupt

    options = ("--rates", "0.1", "--maps", 20)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", interrupted)
        code, _, err = run("faults", project, *options)
    assert (code, err.strip()) == (130, "hafnet: interrupted")
    code, out, _ = run("faults", project, *options)
    assert code == 0
    assert "5 of 21 results are there from an earlier run" in out


def test_more_rates_and_more_maps_go_on_from_what_is_there(project: Path, run: Run) -> None:
    assert run("faults", project, "--rates", "0.1", "--maps", 4)[0] == 0
    code, out, _ = run("faults", project, "--rates", "0.01,0.1", "--maps", 6)
    assert code == 0
    assert "5 of 13 results are there from an earlier run" in out
    together = contents(project)
    assert run("faults", project, "--rates", "0.01,0.1", "--maps", 6, "--restart")[0] == 0
    assert contents(project) == together


def test_another_network_samples_or_seed_is_refused_or_starts_anew(project: Path, run: Run) -> None:
    options = ("--rates", "0.1", "--maps", 2)
    assert run("faults", project, *options)[0] == 0
    before = contents(project)
    for more, name in ((("--seed", 1), "seed"), (("--count", 30), "samples")):
        code, _, err = run("faults", project, *options, *more)
        assert code == 2
        assert re.fullmatch(rf"hafnet: .*journal\.jsonl holds results of another {name}, .* --restart\n", err)
    assert contents(project) == before
    assert run("faults", project, *options, "--seed", 1, "--restart")[0] == 0
    assert contents(project) != before


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["--rates", "1e-3,1.5"], "error rate 1.5 is not a probability from 0 to 1"),
        (["--rates=-0.1"], "error rate -0.1 is not a probability"),
        (["--rates", "nan"], "error rate nan is not a probability"),
        (["--rates", "few"], "--rates 'few' is not numbers separated by ','"),
        (["--rates", ""], "--rates '' is not numbers"),
        (["--neurons", "2"], "error rate 2 is not a probability"),
        (["--neurons", "most"], "'most' is not a valid float"),
        (
            ["--layers", "hidden0,hidden7"],
            "'hidden7' is no layer of weights of this network, which has hidden0, output",
        ),
        (["--condition", "feeble"], "condition 'feeble': 'feeble' is neither a preset"),
        (["--condition", "reset_voltage=2"], "quantity 'reset_voltage' has no unit, but one of V, mV must follow"),
        (["--condition", "nominal,supply_V=0.2"], r"the supply is 0.2 V, but must be above the threshold voltage"),
        (["--sweep", "pulse_ns=0,10"], "the pulse length is 0 s, but must be above 0"),
        (["--sweep", "reset_voltage_V"], "sweep 'reset_voltage_V' has no values"),
        (
            ["--sweep", "cycles=1,2", "--condition", "fast", "--condition", "strong"],
            "--sweep cycles=1,2 goes with one --condition, not with 2",
        ),
        (["--condition", "fast", "--rates", "0.1"], "--rates 0.1 and --condition or --sweep exclude each other"),
        (["--condition", "fast", "--cell", "3T3R"], "--cell '3T3R' is not known: it must be 2T2R or 1T1R"),
        (["--cell", "1T1R"], "--cell 1T1R says nothing without --condition or --sweep"),
        (["--condition", "fast", "--device-table", "nowhere.csv"], r"nowhere\.csv: no such file"),
        (["--maps", "0"], "0 maps are not possible, at least 1 is needed"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--network", "nowhere.safetensors"], r"nowhere\.safetensors: no such file"),
        (["--samples", "nowhere.safetensors"], r"nowhere\.safetensors: no such file"),
        (["--count", "41"], "41 samples are asked for, but there are 40"),
        (
            ["--scheduler", "nonsense"],
            r"--scheduler nonsense: no Dask scheduler answers there \(missing port.*\); give its address, as tcp://",
        ),
    ],
)
def test_mistakes_end_in_one_sentence(project: Path, run: Run, arguments: list[str], pattern: str) -> None:
    code, _, err = run("faults", project, *arguments)
    assert code == 2, err
    assert re.search(pattern, err), err
    assert err.startswith("hafnet: ")
    assert err.count("\n") == 1
    assert not (project / "faults").exists() or not contents(project)


@pytest.mark.parametrize("verb", ["faults", "verify", "energy"])
def test_labels_beyond_the_classes_are_refused(project: Path, run: Run, verb: str) -> None:
    """As some public data sets have them: 1 … 3 for 3 classes."""
    samples = Samples.load(project / "samples.safetensors")
    Samples(samples.values[:3], np.array([1, 3, 2])).save(project / "samples.safetensors")
    code, _, err = run(verb, project)
    assert code == 2
    assert err == (
        f"hafnet: {project / 'samples.safetensors'}: label 3 of sample 1 is none of the 3 classes: labels count from "
        "0, but these from 1, so subtract 1 from all\n"
    )


def test_a_class_without_samples_is_said(project: Path) -> None:
    samples = Samples.load(project / "samples.safetensors")
    Samples(samples.values, np.array([0, 2] * 20)).save(project / "samples.safetensors")
    with pytest.warns(HafnetWarning, match=r"samples\.safetensors: no sample is of class 1"):
        steps.choose_samples(project, Network.load(project / "network.safetensors"), None, 2, None, 0)


def test_samples_without_labels_are_refused(project: Path, run: Run) -> None:
    Samples(np.zeros((3, 12), int)).save(project / "samples.safetensors")
    code, _, err = run("faults", project)
    assert code == 2
    assert re.search("the samples have no labels, without which there is no accuracy", err)
