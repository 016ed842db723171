"""Files and folders that are written whole or not at all."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from model.errors import HafnetError
from model.locks import exclusive


def write_whole(path: Path | str, data: bytes) -> None:
    """Write a file, whole or not at all; folders above it are made.

    Raises HafnetError where another run writes it, and OSError, which names the file, where it cannot be written.
    """
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    with exclusive(target):
        try:
            partial.write_bytes(data)
            os.replace(partial, target)
        except BaseException as error:
            partial.unlink(missing_ok=True)
            if isinstance(error, OSError):
                _name(error, target)
            raise


@contextmanager
def to_be_written(*files: Path) -> Iterator[None]:
    """The files that a block writes at its end, after long work: nobody else may write them meanwhile.

    Raises HafnetError where another run does, and where they cannot be written, before the work and not after it.
    """
    with ExitStack() as locks:
        for file in files:
            if file.is_dir():
                raise HafnetError(f"{file} is a folder, but a file is to be written there")
            locks.enter_context(exclusive(file))
        yield


@contextmanager
def to_be_filled(folder: Path) -> Iterator[None]:
    """A folder into which a block writes files at its end, after long work; as `to_be_written`."""
    if folder.exists() and not folder.is_dir():
        raise HafnetError(f"{folder} is a file, but a folder is to be written there")
    if folder.exists() and not os.access(folder, os.W_OK):
        raise HafnetError(f"{folder} cannot be written")
    with exclusive(folder):
        yield


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError within the block that names no file, as that of a full disk, gets `path` as its own."""
    try:
        yield
    except OSError as error:
        _name(error, path)
        raise


@contextmanager
def whole_folder(target: Path | str, ours: str) -> Iterator[Path]:
    """A folder to write into that takes the place of `target` when the block ends, and is gone if it raises.

    `ours` is a regular expression of the file names that an earlier run may have left. Raises HafnetError where
    `target` holds anything else, so that nothing that a user made is ever deleted, and where another run writes it.

    Whenever it is killed, there is a whole folder, the older or the new one, under its own name or with `.old` behind
    it: see `restore`.
    """
    with exclusive(target):
        target = Path(target).resolve()
        partial, old = _beside(target)
        for path in (target, partial, old):
            _refuse_foreign(path, ours)
        _settle(target)
        try:
            partial.mkdir()
            yield partial
            if target.exists():
                os.replace(target, old)
            os.replace(partial, target)
        except BaseException as error:
            if isinstance(error, OSError):
                _name(error, _youngest(partial, target))
            _settle(target)
            raise
        _settle(target)


def restore(folder: Path) -> None:
    """Put `folder` back where a run was killed while it replaced it: for whoever reads (`whole_folder` does so itself).

    Does nothing where there is nothing to put back, and where that cannot be done.
    """
    folder = folder.resolve()
    if folder.exists() or not _beside(folder)[1].is_dir():
        return
    with suppress(HafnetError, OSError), exclusive(folder):  # a run that replaces it right now ends it itself
        if not folder.exists():
            os.replace(_beside(folder)[1], folder)


def _beside(target: Path) -> tuple[Path, Path]:
    """Where a folder is written, and where the one goes that it replaces."""
    return target.with_name(target.name + ".partial"), target.with_name(target.name + ".old")


def _settle(target: Path) -> None:
    """Leave one whole folder, or none, whatever a run had done to its end.

    What is called `.old` is whole: before it is deleted, it is given the name of what is not.
    """
    partial, old = _beside(target)
    if old.exists() and not target.exists():
        os.replace(old, target)
    shutil.rmtree(partial, ignore_errors=True)
    if old.exists():
        os.replace(old, partial)
        shutil.rmtree(partial, ignore_errors=True)


def _youngest(partial: Path, target: Path) -> Path:
    """The file in `target` that was to be written last, for an error that does not say which it was."""
    written = list(partial.iterdir()) if partial.is_dir() else []
    return target / max(written, key=lambda path: path.stat().st_mtime_ns).name if written else target


def _name(error: OSError, path: Path) -> None:
    """Let an error say which file it is about, if it does not."""
    if error.errno is not None and error.filename is None:
        error.filename = str(path)


def _refuse_foreign(path: Path, ours: str) -> None:
    if path.exists() and not path.is_dir():
        raise HafnetError(f"{path} is a file, but a folder is to be written there")
    for entry in sorted(path.iterdir()) if path.exists() else ():
        if not re.fullmatch(ours, entry.name):
            raise HafnetError(
                f"{path} holds {entry.name!r}, but only a folder of nothing but earlier output is replaced"
            )
