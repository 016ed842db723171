"""Reads the files of users: what all formats share."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.errors import VALUE, HafnetError, cut
from model.given import integer
from model.json_text import parse_json
from model.user_files import LARGEST_TEXT, read_bytes, read_text

Contents = TypeVar("Contents")


def check_version(version: Any, known: int) -> None:
    """Raises HafnetError for a format version other than the one that is known."""
    version = integer("format version", version)
    if version != known:
        than = "newer" if version > known else "older"
        raise HafnetError(f"format version {version} is {than} than {known}, the only one known here")


def read_header(metadata: Mapping[str, str], entry: str, known: int, what: str) -> dict[str, Any]:
    """The object in JSON that a .safetensors file has as its metadata `entry`, if the file is one of `what`.

    Raises HafnetError where the entry is missing or damaged, and for another version than the one that is known.
    """
    if entry not in metadata:
        raise HafnetError(f"a .safetensors file, but no {what} (metadata entry {entry!r} is missing)")
    try:
        header = parse_json(metadata[entry])
    except HafnetError as error:
        raise HafnetError(f"metadata entry {entry!r} is damaged ({error})") from None
    if not isinstance(header, dict) or "version" not in header:
        raise HafnetError(f"metadata entry {entry!r} is damaged (it is no object with a version)")
    check_version(header["version"], known)
    return header


def read_manifest(adapter: "TypeAdapter[Contents]", path: Path, known: int, made_by: str) -> Contents:
    """A JSON manifest of the adapter's type. Raises HafnetError for a missing or damaged one, or another version's."""
    text = read_bytes(path, LARGEST_TEXT, f"`{made_by}` writes it")
    try:
        found = parse_json(text)
    except HafnetError as error:
        raise HafnetError(f"{path}: not a manifest ({error}); `{made_by}` writes it anew") from None
    if not isinstance(found, dict) or "version" not in found:
        raise HafnetError(f"{path}: not a manifest (it is no object with a version); `{made_by}` writes it anew")
    try:
        check_version(found["version"], known)
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
