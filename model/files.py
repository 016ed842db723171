"""Files and folders that are written whole or not at all, and the readers that all formats share."""

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from model.errors import HafnetError

Contents = TypeVar("Contents")


def write_whole(path: Path | str, data: bytes) -> None:
    """Write a file, whole or not at all; folders above it are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, target)


def read_tensors(path: Path | str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Tensors and metadata of a .safetensors file. Raises HafnetError for a missing or truncated one."""
    if not Path(path).is_file():
        raise HafnetError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: bfloat16, which numpy has not
        raise HafnetError(f"{path}: not a whole .safetensors file of numpy's types ({error})") from None


def check_version(version: Any, known: int) -> None:
    """Raises HafnetError for a format version other than the one that is known."""
    if isinstance(version, bool) or not isinstance(version, int):
        raise HafnetError(f"format version is {version!r}, but must be an integer")
    if version != known:
        than = "newer" if version > known else "older"
        raise HafnetError(f"format version {version} is {than} than {known}, the only one known here")


def read_manifest(adapter: "TypeAdapter[Contents]", path: Path, known: int, made_by: str) -> Contents:
    """A JSON manifest of the adapter's type. Raises HafnetError for a missing or damaged one, or another version's."""
    if not path.is_file():
        raise HafnetError(f"{path}: no such file; `{made_by}` writes it")
    try:
        text = path.read_bytes()
        check_version(json.loads(text)["version"], known)
        return adapter.validate_json(text)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}; `{made_by}` writes it anew") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise HafnetError(f"{path}: {where} is wrong ({first['msg']})") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HafnetError(f"{path}: not a manifest ({type(error).__name__}: {error})") from None


def read_csv(path: Path, needed: str) -> list[list[str]]:
    """The lines of a CSV file that are not empty, the header first.

    Raises HafnetError for a file that cannot be read, and for one without lines, where `needed` says what is missing.
    """
    try:
        lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HafnetError(f"{path}: cannot be read ({error})") from None
    if not lines:
        raise HafnetError(f"{path}: is empty, but {needed} is needed")
    return lines


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
