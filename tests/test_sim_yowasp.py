"""Programs of YoWASP are prepared once, by one process, and then say nothing of it."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.errors import HafnetError
from sim import yowasp

SMALL = "yowasp-ecppll"  # made in a second, where Yosys takes half a minute
ROOT = Path(__file__).parents[1]
START = "from sim import yowasp; from pathlib import Path; r = yowasp.run({!r}, ['--help'], Path('.')); print(r.stderr)"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_first_start_says_nothing_and_leaves_nothing_half_made(empty: Path, tmp_path: Path) -> None:
    for _ in range(2):
        run = yowasp.run(SMALL, ["--help"], tmp_path)
        assert "Preparing" not in run.stdout + run.stderr
    kept = [path for path in empty.rglob("*") if path.is_file() and path.name != "lock"]
    assert len(kept) == 2  # machine code and mark
    assert not list(empty.rglob("*.partial"))


def test_processes_that_start_at_once_wait_for_the_one_that_prepares(empty: Path) -> None:
    command = [sys.executable, "-c", START.format(SMALL)]

    def start(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(start, range(3)))
    assert [(run.returncode, "Preparing" in run.stdout + run.stderr) for run in runs] == [(0, False)] * 3
    assert len(list(empty.rglob("*.prepared"))) == 1


def test_what_a_killed_process_left_is_made_anew(empty: Path, tmp_path: Path) -> None:
    partial = yowasp.cache() / f"{SMALL}.partial"
    partial.mkdir(parents=True)
    (partial / "half").write_text("machine")
    yowasp.run(SMALL, ["--help"], tmp_path)
    assert not list(empty.rglob("half"))


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(HafnetError, match=r"yowasp-ecppll cannot keep its machine code in .* \(Not a directory\)"):
        yowasp.environment(SMALL)


def test_a_program_that_is_not_installed_is_one_sentence() -> None:
    with pytest.raises(HafnetError, match="yowasp-nothing is missing"):
        yowasp.environment("yowasp-nothing")


def test_a_source_tree_keeps_it_in_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("YOWASP_CACHE_DIR", raising=False)
    assert yowasp.cache().parent == ROOT / "build" / "yowasp"
    monkeypatch.setattr(yowasp, "ROOT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path in yowasp.cache().parents or sys.platform != "linux"


def test_nothing_starts_a_program_of_yowasp_but_sim_yowasp() -> None:
    """By its name beside Python, through its package, or on PATH."""
    for path in (
        path for room in ("hdl", "model", "sim", "tests", "benchmarks") for path in (ROOT / room).rglob("*.py")
    ):
        if path.name not in ("yowasp.py", Path(__file__).name):
            assert not re.search(r"import yowasp_|with_name\(\"yowasp|\[\"yowasp-", path.read_text()), path
