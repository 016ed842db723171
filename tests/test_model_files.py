"""Files and folders are written whole or not at all, whoever kills whom when, and however full the disk is."""

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.errors import HafnetError
from model.files import naming, restore, to_be_written, whole_folder, write_whole

ROOT = Path(__file__).parents[1]
OURS = r"[abm]"

# Replaces a folder in a child that dies, as by kill -9, at its n-th touch of the file system; for each n until the
# child lives, what is left, what a reader then finds, and what the next run leaves.
KILLED = """
import json, os, shutil, sys
from pathlib import Path
from model.files import restore, whole_folder

root = Path(sys.argv[1])
TOUCHES, DELETES = {"open", "os.mkdir", "os.rename"}, {"os.remove", "os.rmdir"}


def write(folder, text):
    with whole_folder(folder, "[abm]") as partial:
        for name in "abm":
            (partial / name).write_text(text)


def contents(folder):
    return {path.name: path.read_text() for path in sorted(folder.iterdir())} if folder.exists() else None


def die_at(number):
    count = 0

    def hook(event, arguments):
        nonlocal count
        if event in DELETES or (event in TOUCHES and str(root) in str(arguments[0])):
            count += 1
            if count == number:
                os._exit(9)

    sys.addaudithook(hook)


number, lives = 0, False
while not lives:
    number += 1
    folder = root / str(number) / "images"
    if sys.argv[2] == "replaced":
        write(folder, "old")
    child = os.fork()
    if not child:
        die_at(number)
        write(folder, "new")
        os._exit(0)
    lives = os.waitpid(child, 0)[1] == 0
    left = sorted(path.name for path in folder.parent.iterdir()) if folder.parent.exists() else []
    old = contents(folder.with_name("images.old"))
    restore(folder)
    read = contents(folder)
    write(folder, "next")
    print(json.dumps([left, old, read, contents(folder), [path.name for path in folder.parent.iterdir()]]))
"""


@pytest.fixture
def killed(request: pytest.FixtureRequest, tmp_path: Path) -> list[Any]:
    command = [sys.executable, "-c", KILLED, str(tmp_path), request.param]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.parametrize("killed", ["replaced"], indirect=True)
def test_killed_at_any_step_a_folder_is_the_older_or_the_newer_one(killed: list[Any]) -> None:
    old, new, after = (dict.fromkeys("abm", text) for text in ("old", "new", "next"))
    reads = [read for _, _, read, _, _ in killed]
    assert len(killed) > 15
    assert all(read in (old, new) for read in reads)
    assert reads == sorted(reads, key=lambda read: read == new), "first the older one, then the newer one"
    assert reads[0] == old
    assert reads[-1] == new
    assert all(kept in (None, old) for _, kept, _, _, _ in killed), "what is called .old is whole"
    # The window between the two renames was met, and was put right by whoever read.
    assert ["images.lock", "images.old", "images.partial"] in [left for left, _, _, _, _ in killed]
    assert all((now, names) == (after, ["images"]) for _, _, _, now, names in killed)


@pytest.mark.parametrize("killed", ["first"], indirect=True)
def test_killed_at_any_step_a_first_folder_is_whole_or_not_there(killed: list[Any]) -> None:
    new = dict.fromkeys("abm", "new")
    reads = [read for _, _, read, _, _ in killed]
    assert None in reads
    assert all(read in (None, new) for read in reads)
    assert reads[-1] == new
    assert all(names == ["images"] for *_, names in killed)


def make(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in "abm":
        (folder / name).write_text(text)
    return folder


def test_only_what_is_lost_is_put_back(tmp_path: Path) -> None:
    target, old, partial = (tmp_path / name for name in ("images", "images.old", "images.partial"))
    restore(target)
    make(target, "here")
    make(old, "old")
    restore(target)
    assert (target / "m").read_text() == "here"
    assert old.exists()
    for name in "abm":
        (target / name).unlink()
    target.rmdir()
    make(partial, "half")
    (partial / "mine").touch()
    restore(target)
    assert (target / "m").read_text() == "old"
    assert (partial / "mine").exists()  # nothing is deleted by whoever only reads
    with pytest.raises(HafnetError, match=r"images\.partial holds 'mine'"), whole_folder(target, OURS):
        pass


def test_a_folder_that_cannot_be_put_back_is_just_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "images.old")

    def read_only(*paths: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    restore(tmp_path / "images")
    assert [path.name for path in tmp_path.iterdir()] == ["images.old"]


@pytest.mark.parametrize("step", [1, 2])
def test_interrupted_while_it_is_replaced_a_folder_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    target, replace, calls = make(tmp_path / "images", "old"), os.replace, iter(range(1, 9))

    def interrupted(*paths: Any) -> None:
        if next(calls) == step:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(target, OURS) as partial:
        (partial / "m").write_text("new")
    assert (target / "m").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_of_two_that_write_a_folder_at_once_the_second_ends_before_it_begins(tmp_path: Path) -> None:
    def second() -> None:
        with whole_folder(tmp_path / "images", OURS):
            raise AssertionError("it has begun")

    with whole_folder(tmp_path / "images", OURS) as partial, ThreadPoolExecutor(1) as other:
        (partial / "m").write_text("first")
        with pytest.raises(HafnetError, match=r"^another run is under way in .*images"):
            other.submit(second).result()
    assert (tmp_path / "images" / "m").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every file takes three bytes and no more."""
    opened = io.open

    def full(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        stream = opened(file, mode, *rest, **options)
        if "w" not in mode:
            return stream
        with stream:
            stream.write(b"abc" if "b" in mode else "abc")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(io, "open", full)
        yield


def fill(folder: Path, touched: str, written: str) -> None:
    with whole_folder(folder, OURS) as into:
        if touched:
            (into / touched).touch()
        (into / written).write_text("abcdef")


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as full:
        write_whole(tmp_path / "network", b"abcdef")
    assert full.value.filename == str(tmp_path / "network")
    for earlier in ("", "a"):
        with pytest.raises(OSError, match="No space left on device") as full:
            fill(tmp_path / "b", earlier, "m")
        assert full.value.filename == str(tmp_path / "b" / "m")
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(OSError, match="No space left on device") as full, naming(tmp_path / "c"):
        (tmp_path / "c").write_text("abcdef")
    assert full.value.filename == str(tmp_path / "c")


def test_files_of_long_work_are_checked_before_it(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for files, sentence in (
        (("network", "samples"), "samples is a folder, but a file is to be written there"),
        (("new/deep/file", "samples"), "samples is a folder"),
        (("samples/file/deep", "samples/file"), "file is a folder"),
    ):
        with pytest.raises(HafnetError, match=sentence), to_be_written(*(tmp_path / file for file in files)):
            raise AssertionError("it works")
    with to_be_written(tmp_path / "network"), ThreadPoolExecutor(1) as other:
        with pytest.raises(HafnetError, match="another run is under way"):
            other.submit(write_whole, tmp_path / "network", b"other").result()
        write_whole(tmp_path / "network", b"mine")
    assert (tmp_path / "network").read_bytes() == b"mine"
