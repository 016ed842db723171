"""Reads the files of users: what all formats share."""

import csv
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.errors import HafnetError

Contents = TypeVar("Contents")


def check_version(version: Any, known: int, oldest: int | None = None) -> None:
    """Raises HafnetError for a format version other than `known` or, if it is given, those from `oldest` on."""
    if isinstance(version, bool) or not isinstance(version, int):
        raise HafnetError(f"format version is {version!r}, but must be an integer")
    least = known if oldest is None else oldest
    if not least <= version <= known:
        than, nearest = ("newer", known) if version > known else ("older", least)
        which = "the only one" if least == known else f"the {than[:-2]}est"
        raise HafnetError(f"format version {version} is {than} than {nearest}, {which} known here")


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError where it is none, and for a member that an object has twice."""
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise ValueError(f"member {twice!r} is there twice")
    return found


def read_manifest(
    adapter: "TypeAdapter[Contents]", path: Path, known: int, made_by: str, oldest: int | None = None
) -> Contents:
    """A JSON manifest of the adapter's type. Raises HafnetError for a missing or damaged one, or another version's."""
    if not path.is_file():
        raise HafnetError(f"{path}: no such file; `{made_by}` writes it")
    try:
        text = path.read_bytes()
        check_version(parse_json(text)["version"], known, oldest)
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
