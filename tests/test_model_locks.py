"""Two threads and two processes never write the same thing at once, and a reader knows when it read from two runs."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.errors import HafnetError
from model.locks import exclusive, steady

ROOT = Path(__file__).parents[1]
HOLD = "import sys; from model.locks import exclusive\nwith exclusive(sys.argv[1]): print(flush=True); sys.stdin.read()"


def take(target: Path) -> None:
    with exclusive(target):
        pass


def elsewhere(target: Path) -> None:
    """Take the lock in another thread."""
    with ThreadPoolExecutor(1) as other:
        other.submit(take, target).result()


def holder(target: Path) -> "subprocess.Popen[str]":
    """Another process that has the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(target)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_another_thread_is_refused_and_the_same_is_not(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a"
    with exclusive(target):
        take(target)
        with pytest.raises(HafnetError, match=rf"^another run is under way in {target}: "):
            elsewhere(target)
        elsewhere(tmp_path / "new" / "b")
    elsewhere(target)
    assert [*target.parent.iterdir()] == []


def test_the_same_thing_by_another_name_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    with exclusive("a"):
        for name in (tmp_path / "a", tmp_path / "link" / "a", tmp_path / "link" / ".." / tmp_path.name / "a"):
            with pytest.raises(HafnetError, match="another run is under way"):
                elsewhere(name)


def test_another_process_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    with holder(tmp_path / "a") as process:
        with pytest.raises(HafnetError, match="another run is under way"):
            take(tmp_path / "a")
        process.communicate()
    take(tmp_path / "a")
    assert [*tmp_path.iterdir()] == []


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    with holder(tmp_path / "a") as process:
        process.kill()
    assert [path.name for path in tmp_path.iterdir()] == ["a.lock"]
    take(tmp_path / "a")
    assert [*tmp_path.iterdir()] == []


def test_of_many_at_once_only_one_is_ever_inside(tmp_path: Path) -> None:
    inside: list[int] = []

    def enter(number: int) -> bool:
        try:
            with exclusive(tmp_path / "a"):
                inside.append(number)
                alone = inside == [number]
                inside.remove(number)
                assert alone
                return True
        except HafnetError:
            return False

    with ThreadPoolExecutor(8) as threads:
        entered = [*threads.map(enter, range(200))]
    assert any(entered)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HafnetError, match=rf"^{tmp_path / 'file'} cannot be written: "):
        take(tmp_path / "file" / "a")

    def read_only(path: str, *rest: object) -> int:
        raise OSError(30, "Read-only file system", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", read_only)
        with pytest.raises(HafnetError, match=rf"^{tmp_path} cannot be written: Read-only file system$"):
            take(tmp_path / "a")
    take(tmp_path / "a")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("longer"),
        lambda path: os.utime(path, ns=(1, 1)),
        lambda path: path.unlink(),
        lambda path: (path.rename(path.with_name("old")), path.write_bytes(path.with_name("old").read_bytes())),
    ],
)
@pytest.mark.parametrize("error", [None, ValueError])
def test_what_is_replaced_while_it_is_read_is_told(
    tmp_path: Path, change: Callable[[Path], object], error: type[Exception] | None
) -> None:
    path = tmp_path / "manifest"
    path.write_text("text")

    def read() -> None:
        with steady(path):
            change(path)
            if error:
                raise error

    with pytest.raises(HafnetError, match=rf"^{tmp_path} was written anew while this run read it"):
        read()


def test_what_stays_is_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    with steady(path, tmp_path / "missing"):
        pass
    path.touch()
    with pytest.raises(ValueError, match="my own"), steady(path):
        raise ValueError("my own")
