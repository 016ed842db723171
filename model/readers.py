"""Reads the files of users: what all formats share."""

import csv
import io
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.errors import VALUE, HafnetError, cut
from model.files import restore
from model.given import integer
from model.json_text import parse_json
from model.user_files import LARGEST_TEXT, read_bytes, read_text

Contents = TypeVar("Contents")


def check_version(version: Any, known: int, oldest: int | None = None) -> None:
    """Raises HafnetError for a format version other than `known` or, if it is given, those from `oldest` on."""
    version = integer("format version", version)
    least = known if oldest is None else oldest
    if not least <= version <= known:
        than, nearest = ("newer", known) if version > known else ("older", least)
        which = "the only one" if least == known else f"the {than[:-2]}est"
        raise HafnetError(f"format version {version} is {than} than {nearest}, {which} known here")


def read_manifest(
    adapter: "TypeAdapter[Contents]", path: Path, known: int, made_by: str, oldest: int | None = None
) -> Contents:
    """A JSON manifest of the adapter's type. Raises HafnetError for a missing or damaged one, or another version's."""
    restore(path.parent)
    text = read_bytes(path, LARGEST_TEXT, f"`{made_by}` writes it")
    try:
        found = parse_json(text)
    except HafnetError as error:
        raise HafnetError(f"{path}: not a manifest ({error}); `{made_by}` writes it anew") from None
    if not isinstance(found, dict) or "version" not in found:
        raise HafnetError(f"{path}: not a manifest (it is no object with a version); `{made_by}` writes it anew")
    try:
        check_version(found["version"], known, oldest)
        return adapter.validate_python(found)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}; `{made_by}` writes it anew") from None
    except ValidationError as error:
        where, rule, _ = first_error(error)
        raise HafnetError(f"{path}: {where or 'the text'} is wrong ({rule}); `{made_by}` writes it anew") from None


def first_error(error: ValidationError) -> tuple[str, str, Any]:
    """What pydantic found first: where it is, the rule that it breaks, and the value; "missing" for one not there."""
    first = error.errors(include_url=False)[0]
    rule = "missing" if first["type"] == "missing" else cut(first["msg"], 2 * VALUE)
    return cut(".".join(map(str, first["loc"])), VALUE), rule, first["input"]


def read_csv(path: Path | str, needed: str) -> list[list[str]]:
    """The lines of a CSV file that are not empty, the header first: UTF-8, separated by commas, of any line end.

    Raises HafnetError for a file that cannot be read, for one with other separators, and for one without lines, where
    `needed` says what is missing.
    """
    text = read_text(path)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if any(map(str.strip, line))]
    except csv.Error as error:
        raise HafnetError(f"{path}: cannot be read as CSV ({error})") from None
    if not lines:
        raise HafnetError(f"{path}: is empty, but {needed} is needed")
    if len(lines[0]) == 1:
        for name, separator in (("';'", ";"), ("a tab", "\t"), ("'|'", "|")):
            if separator in lines[0][0]:
                raise HafnetError(f"{path}: its columns are separated by {name}, but ',' is expected")
    return lines


def check_width(line: list[str], header: list[str], number: int) -> None:
    """Raises HafnetError where a row has not as many fields as the header."""
    if len(line) != len(header):
        raise HafnetError(f"row {number} has {len(line)} fields, but the header has {len(header)}")
