"""Runs that end before their end, meet each other, or cannot say what they did: nothing is lost, and nothing lies."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from command import Run
from simulators import Require

from hdl.generate import load_manifest
from model import images
from model.campaign.journal import Journal
from model.faults import random_faults
from model.golden import classify
from model.locks import exclusive
from model.mapping import Geometry
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from sim import interrupts, netlist, steps
from sim import verify as verifying
from sim.folders import check_folder
from sim.runner import Design, SimulationError

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "import hafnet; hafnet.main()"]
NETWORK, PLAN = (
    random_network((12, 7, 3), seed=1),
    Plan(Geometry(4, 5), fidelity="devices").of(random_network((12, 7, 3), seed=1).topology),
)
TRAIN = ("--hidden", "6", "--levels", 1, "--epochs", 1)


def make(folder: Path) -> Path:
    """A folder in which every verb can work."""
    values = np.random.default_rng(2).integers(0, 2, (9, 12))
    NETWORK.save(folder / "network.safetensors")
    Samples(values, classify(NETWORK, values)).save(folder / "samples.safetensors")
    faults = random_faults(NETWORK.topology, PLAN, stuck=0.05, weak=0.0, seed=1)
    steps.export(folder, NETWORK, PLAN, ("hex",), faults)
    steps.generate(folder, NETWORK.topology, PLAN)
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("template"))


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Path:
    return shutil.copytree(template, tmp_path / "project")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def arguments(verb: str, folder: Path) -> list[Any]:
    """A run of the verb that is quick."""
    options: dict[str, tuple[Any, ...]] = {
        "train": TRAIN,
        "verify": ("--simulator", "icarus"),
        "faults": ("--rates", "0.1", "--maps", 2),
        "energy": ("--no-simulate",),
        "demo": ("--simulator", "icarus", *TRAIN),
        "synth": ("--target", "ice40"),
    }
    return [verb, *(["--out"] if verb == "demo" else []), folder, *options.get(verb, ())]


WRITTEN = {
    "train": ["network.safetensors", "samples.safetensors"],
    "export": ["images"],
    "generate": ["verilog"],
    "synth": ["netlist"],
    "verify": ["simulation/icarus"],
    "faults": ["faults", "faults/journal.jsonl"],
    "place": ["placed.safetensors"],
    "energy": ["energy"],
    "demo": ["summary.json"],
}


@contextmanager
def taken(target: Path) -> Iterator[None]:
    """Another run has `target`."""
    began, over = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(target):
            began.set()
            over.wait()

    other = threading.Thread(target=hold)
    other.start()
    began.wait()
    try:
        yield
    finally:
        over.set()
        other.join()


@pytest.mark.parametrize(
    ("verb", "target"), [(verb, target) for verb, targets in WRITTEN.items() for target in targets]
)
def test_what_another_run_writes_no_verb_touches(
    project: Path, run: Run, require_simulator: Require, verb: str, target: str
) -> None:
    if verb in ("verify", "demo"):
        require_simulator("icarus")
    before = contents(project)
    with taken(project / target):
        code, out, err = run(*arguments(verb, project))
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"hafnet: another run is under way in {project / target}: .*\n", err)
    assert contents(project) == before


def test_the_second_one_has_done_no_work(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from model.campaign import points
    from model.training import recipe

    def works(*_: object, **__: object) -> None:
        raise AssertionError("it works")

    monkeypatch.setattr(points, "Campaign", works)
    monkeypatch.setattr(recipe, "train", works)
    for verb in ("faults", "train"):
        with taken(project / WRITTEN[verb][0]):
            assert run(*arguments(verb, project))[0] == 2


def test_a_folder_that_cannot_be_written_is_noticed_before_the_training(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.training import recipe

    monkeypatch.setattr(recipe, "train", lambda *_: pytest.fail("it trains"))
    (tmp_path / "file").touch()
    (tmp_path / "samples.safetensors").mkdir()
    for folder, sentence in (("file", "is a file"), ("file/deep", "cannot be written: "), (".", "is a folder")):
        code, _, err = run("train", tmp_path / folder)
        assert code == 2
        assert sentence in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("verb", ["faults", "energy"])
def test_a_folder_that_cannot_be_filled_is_noticed_before_the_work(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(steps, "_faults", lambda *_, **__: pytest.fail("it works"))
    made = project / verb
    made.touch()
    code, _, err = run(*arguments(verb, project))
    assert (code, err) == (2, f"hafnet: {made} is a file, but a folder is to be written there\n")
    made.unlink()
    made.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write everywhere
    code, _, err = run(*arguments(verb, project))
    assert (code, err) == (2, f"hafnet: {made} cannot be written\n")


@pytest.mark.parametrize(
    ("verb", "number"),
    [
        *(("export", number) for number in interrupts.SIGNALS),
        *((verb, signal.SIGTERM) for verb in ("train", "generate", "faults", "place", "energy")),
    ],
)
def test_a_signal_while_it_writes_leaves_what_was_there(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, verb: str, number: signal.Signals
) -> None:
    def killing(*paths: Any) -> None:
        os.kill(os.getpid(), number)

    before = contents(project)
    monkeypatch.setattr(interrupts, "_end_all", lambda children: None)  # which are none of this run
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killing)
        code, _, err = run(*arguments(verb, project))
    word = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert (code, err) == (128 + number, f"hafnet: {word}\n")
    assert contents(project) == before


def test_nothing_is_said_of_what_an_interrupted_run_threw_away(project: Path) -> None:
    patch = (
        "import os, signal, hafnet; from hdl.arrays.controller import ArrayController\n"
        "ArrayController.create = lambda self: os.kill(os.getpid(), signal.SIGINT)\nhafnet.main()"
    )
    command = [sys.executable, "-c", patch, "generate", str(project)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "hafnet: interrupted\n")


def test_a_campaign_that_a_full_disk_ends_keeps_what_it_has(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, add = project / "faults" / "journal.jsonl", Journal.add

    def fill(self: Journal, key: str, result: object) -> None:
        if len(self.results) == 20:
            raise OSError(errno.ENOSPC, "No space left on device", str(journal))
        add(self, key, result)

    monkeypatch.setattr(Journal, "add", fill)
    code, out, err = run("faults", project, "--rates", "0.1", "--maps", "100")
    assert (code, out, err) == (2, "", f"hafnet: {journal}: No space left on device\n")
    assert journal.read_bytes().count(b"\n") == 21
    assert [*project.rglob("*.lock")] == []


# A signal in the moment in which a module is loaded.
AT_IMPORT = """
import builtins, os, signal, sys

real, name = builtins.__import__, sys.argv.pop(1)


def load(module, *rest):
    if module == name:
        os.kill(os.getpid(), signal.SIGINT)
    return real(module, *rest)


builtins.__import__ = load
import hafnet
hafnet.main()
"""


@pytest.mark.parametrize("module", ["json", "click", "numpy", "model.pipeline", "psutil", "hdl.accelerator"])
def test_interrupted_while_it_loads_it_says_so(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-c", AT_IMPORT, module, "generate", str(tmp_path), "--shape", "8-3"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "hafnet: interrupted\n")
    assert [*tmp_path.iterdir()] == []


def started(*given: object, **options: Any) -> "subprocess.Popen[str]":
    command = [*COMMAND, *map(str, given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def below(process: "subprocess.Popen[str]", name: str) -> psutil.Process:
    """The process of this name that a command has started, once it is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for each in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if each.name() == name:
                    return each
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"no {name}")


def test_two_simulations_exclude_each_other_and_end_with_their_command(
    project: Path, run: Run, require_simulator: Require
) -> None:
    require_simulator("icarus")
    given = ("verify", project, "--simulator", "icarus", "--random", 5000)
    with started(*given) as first:
        simulator = below(first, "vvp")
        code, _, err = run(*given[:-1], 3)
        assert code == 2
        assert "another run is under way" in err
        steps.export(project, random_network((12, 7, 3), seed=2), PLAN, ("hex",))  # what it reads, it has read
        first.send_signal(signal.SIGTERM)
        out, err = first.communicate(timeout=60)
        assert (first.returncode, out, err) == (143, "", "hafnet: ended by SIGTERM\n")
        simulator.wait(timeout=10)
    assert not [*project.rglob("*.lock")]


@pytest.mark.slow  # it does so when it next says how far it is
def test_a_simulation_whose_command_was_killed_ends_itself(project: Path, require_simulator: Require) -> None:
    require_simulator("icarus")
    with started("verify", project, "--simulator", "icarus", "--random", 5000) as first:
        simulator = below(first, "vvp")
        first.kill()
        simulator.wait(timeout=60)


def unread() -> int:
    """The end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full() -> int:
    """A file on a disk that is full."""
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize(
    ("verb", "output", "code", "sentence"),
    [
        ("train", unread, 0, ""),
        ("export", unread, 0, ""),
        ("export", full, 2, "hafnet: standard output: No space left on device; what .* is lost, and nothing else\n"),
    ],
)
def test_whoever_reads_what_it_prints_all_is_saved(
    tmp_path: Path, project: Path, verb: str, output: Callable[[], int], code: int, sentence: str
) -> None:
    for made in WRITTEN[verb]:
        (project / made).rename(tmp_path / made)
    target = output()
    command = [*COMMAND, *map(str, arguments(verb, project))]
    done = subprocess.run(command, cwd=ROOT, stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    os.close(target)
    assert done.returncode == code, done.stderr
    assert re.fullmatch(sentence, done.stderr)
    assert all((project / made).exists() for made in WRITTEN[verb])


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_closed_streams_keep_nothing_from_being_done(tmp_path: Path, closed: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, "generate", str(tmp_path), "--shape", "8-3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert load_manifest(tmp_path / "verilog").topology == "8-3"


def test_a_verdict_stands_whoever_listens(tmp_path: Path) -> None:
    command = [*COMMAND, "export", str(tmp_path)]
    for errors in (unread, full):
        target = errors()
        done = subprocess.run(command, cwd=ROOT, stdout=target, stderr=target, check=False, timeout=60)
        os.close(target)
        assert done.returncode == 2


def test_what_a_killed_run_has_left_is_put_back_by_whoever_reads(project: Path, run: Run) -> None:
    def lose(name: str) -> None:
        (project / name).rename(project / f"{name}.old")
        (project / f"{name}.partial").mkdir()

    lose("images")
    assert images.load(project / "images")[0] == NETWORK
    lose("verilog")
    assert load_manifest(project / "verilog").topology == "12-7-3"
    for name in ("images", "verilog"):
        shutil.rmtree(project / f"{name}.partial")
    lose("verilog")
    assert run("export", project)[0] == 0
    assert images.load(project / "images")[1].geometry == Geometry(4, 5)  # the plan of what was generated
    assert run("export", project, "--random-faults", 0.05)[0] == 0
    lose("images")
    assert run("place", project)[0] == 0


def replacing(project: Path, real: Callable[..., Any]) -> Callable[..., Any]:
    """`real`, after another run has exported another network."""

    def replaced(*given: Any, **options: Any) -> Any:
        shutil.rmtree(project / "images")
        steps.export(project, random_network((12, 7, 3), seed=2), PLAN, ("hex",))
        return real(*given, **options)

    return replaced


def fails(*_: object, **__: object) -> None:
    raise SimulationError("a file is missing")


@pytest.mark.parametrize("step", ["check_folder", "build_harness", "_lay_images", "build that fails"])
def test_images_that_are_replaced_while_it_reads_them_are_no_disagreement(
    project: Path, run: Run, require_simulator: Require, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    require_simulator("icarus")
    step, real = ("build_harness", fails) if step == "build that fails" else (step, getattr(verifying, step))
    monkeypatch.setattr(verifying, step, replacing(project, real))
    code, _, err = run("verify", project, "--simulator", "icarus", "--count", 3)
    assert (code, err) == (2, f"hafnet: {project / 'images'} was written anew while this run read it: start it again\n")


def test_images_that_are_replaced_later_change_nothing(
    project: Path, run: Run, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_simulator("icarus")
    monkeypatch.setattr(Design, "run", replacing(project, Design.run))
    code, out, err = run("verify", project, "--simulator", "icarus", "--count", 3)
    assert code == 0, err
    assert "agree on all" in out


def test_a_netlist_is_not_made_of_two_exports(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlist, "check_folder", replacing(project, check_folder))
    code, _, err = run("synth", project, "--target", "ice40")
    assert (code, err) == (2, f"hafnet: {project / 'images'} was written anew while this run read it: start it again\n")


def test_a_full_disk_is_not_the_design_s_fault(
    project: Path, run: Run, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_simulator("icarus")
    usage = shutil.disk_usage(project)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=4096))
    monkeypatch.setattr(verifying, "_found", lambda *_: (_ for _ in ()).throw(SimulationError("40 gave 200")))
    code, _, err = run("verify", project, "--simulator", "icarus", "--count", 3)
    assert code == 2
    assert re.fullmatch(r"hafnet: .*icarus.*: no space is left on the disk\n", err)
