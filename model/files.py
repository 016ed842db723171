"""Files and folders that are written whole or not at all."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import HafnetError


def write_whole(path: Path | str, data: bytes) -> None:
    """Write a file, whole or not at all; folders above it are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, target)


@contextmanager
def whole_folder(target: Path | str, ours: str) -> Iterator[Path]:
    """A folder to write into that takes the place of `target` when the block ends, and is gone if it raises.

    `ours` is a regular expression of the file names that an earlier run may have left. Raises HafnetError where
    `target` holds anything else, so that nothing that a user made is ever deleted.
    """
    target = Path(target).resolve()
    partial, old = (target.with_name(target.name + suffix) for suffix in (".partial", ".old"))
    for path in (target, partial, old):
        _refuse_foreign(path, ours)
    for path in (partial, old):
        shutil.rmtree(path, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if target.exists():
        os.replace(target, old)
    os.replace(partial, target)
    shutil.rmtree(old, ignore_errors=True)


def _refuse_foreign(path: Path, ours: str) -> None:
    if path.exists() and not path.is_dir():
        raise HafnetError(f"{path} is a file, but a folder is to be written there")
    for entry in sorted(path.iterdir()) if path.exists() else ():
        if not re.fullmatch(ours, entry.name):
            raise HafnetError(
                f"{path} holds {entry.name!r}, but only a folder of nothing but earlier output is replaced"
            )
