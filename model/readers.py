"""Reads the files of users: what all formats share."""

import csv
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.errors import HafnetError
from model.files import restore

Contents = TypeVar("Contents")


def check_version(version: Any, known: int) -> None:
    """Raises HafnetError for a format version other than the one that is known."""
    if isinstance(version, bool) or not isinstance(version, int):
        raise HafnetError(f"format version is {version!r}, but must be an integer")
    if version != known:
        than = "newer" if version > known else "older"
        raise HafnetError(f"format version {version} is {than} than {known}, the only one known here")


def read_manifest(adapter: "TypeAdapter[Contents]", path: Path, known: int, made_by: str) -> Contents:
    """A JSON manifest of the adapter's type. Raises HafnetError for a missing or damaged one, or another version's."""
    restore(path.parent)
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
