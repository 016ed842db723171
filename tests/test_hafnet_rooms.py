"""Files of a user that are called like our packages: what they may do, and what is said where they win."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulators import Require

import hafnet
import hafnet_rooms
import model
from hafnet_rooms import ROOMS, ROOT, ours_first
from model.random_network import random_network

JOB = """
import sys, hafnet
for line in sys.argv[1:]:
    sys.argv[1:] = line.split()
    code = 0
    try:
        hafnet.main()
    except SystemExit as error:
        code = error.code
    if code:
        sys.exit(code)
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with files called like our packages, none of which can be imported."""
    for name in ROOMS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')\n")
    return tmp_path


def python(folder: Path, program: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program in the folder, which Python searches first; ours come after `path`."""
    search = os.pathsep.join([*filter(None, [path]), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("trained", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_command_works_beside_files_called_like_our_packages(
    theirs: Path, require_simulator: Require, trained: bool
) -> None:
    """Also in the simulator, whose Python gets the search path of ours."""
    require_simulator("icarus")
    jobs = ["export .", "generate .", "verify . --simulator icarus " + ("--count 5" if trained else "--random 5")]
    if trained:
        jobs.insert(0, "train . --hidden 6 --levels 1 --epochs 1")
    else:
        random_network("12-7-3", seed=1).save(theirs / "network.safetensors")
    run = python(theirs, JOB, *jobs, path=".")
    assert run.returncode == 0, run.stderr
    assert "RTL and golden agree on all" in run.stdout


def test_our_packages_are_found_first(theirs: Path) -> None:
    program = "import hafnet_rooms, model.errors, hdl.names, sim.tables; print(model.__file__)"
    run = python(theirs, program)
    assert run.stdout.strip() == str(ROOT / "model" / "__init__.py"), run.stderr


@pytest.mark.parametrize("package", [False, True])
def test_a_file_that_was_imported_before_is_named(tmp_path: Path, package: bool) -> None:
    file = tmp_path / "sim" / "__init__.py" if package else tmp_path / "sim.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine = 1\n")
    run = python(tmp_path, "import sim, hafnet")
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last == (
        f"ImportError: {file} was imported as 'sim', the name of a package of Hafnet: write `import hafnet` before it, "
        "or give it another name"
    )


def test_other_names_are_nobodys_business(theirs: Path) -> None:
    """A user's other files are found as ever, whatever our folder holds."""
    (theirs / "tests.py").write_text("mine = 1\n")
    (theirs / "docs.py").write_text("mine = 2\n")
    run = python(theirs, "import hafnet_rooms, tests, docs; print(tests.mine, docs.mine)")
    assert run.stdout == "1 2\n", run.stderr


def test_our_folder_goes_before_the_first_one_that_hides_it(tmp_path: Path, theirs: Path) -> None:
    other, late = tmp_path / "other", tmp_path / "late"
    for folder in (other, late):
        folder.mkdir()
    (other / "model").mkdir()  # which hides nothing, as it is no package
    path = [str(other), str(theirs), str(late)]
    assert ours_first(path) == [str(other), str(ROOT), str(theirs), str(late)]
    assert ours_first([str(other), str(ROOT), str(theirs)]) == [str(other), str(ROOT), str(theirs)]
    assert ours_first([str(other)]) == [str(other)]
    (late / "sim").mkdir()
    (late / "sim" / "__init__.py").write_text("")
    assert ours_first([str(other), str(late)]) == [str(other), str(ROOT), str(late)]


def test_it_is_done_once() -> None:
    hafnet_rooms.take_rooms()
    assert sum(isinstance(each, hafnet_rooms.Ours) for each in sys.meta_path) == 1
    assert Path(str(hafnet.__file__)).parent == ROOT == Path(str(model.__file__)).parents[1]
