"""Text is UTF-8 on every machine: nothing is opened, and no program heard, in the encoding of a locale."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("model", "hdl", "sim", "benchmarks", "docs")
LIBRARIES = {"Image", "tarfile", "lzma", "gzip", "os"}
"""Whose `open` is another one."""


def in_the_encoding_of_the_locale(source: str) -> Iterator[int]:
    """Lines of calls that read or write text without saying how it is encoded."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg for keyword in node.keywords}
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        opens = name in {"open", "NamedTemporaryFile", "TemporaryFile"} and getattr(owner, "id", "") not in LIBRARIES
        if "encoding" not in given and (
            (owner is not None and name in {"read_text", "write_text"})
            or (opens and not any("b" in mode and set(mode) <= set("rwaxb+") for mode in modes))
            or given & {"text", "universal_newlines"}
        ):
            yield node.lineno


def test_every_text_says_its_encoding() -> None:
    files = [ROOT / "hafnet.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]
    assert len(files) > 100
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        for line in in_the_encoding_of_the_locale(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text()",
        "path.write_text(text)",
        "(folder / name).read_text(errors='replace')",
        "open(path)",
        "path.open('a')",
        "subprocess.run(command, text=True)",
        "subprocess.Popen(command, universal_newlines=True)",
        "tempfile.NamedTemporaryFile('w')",
    ],
)
def test_a_text_without_encoding_is_found(line: str) -> None:
    assert list(in_the_encoding_of_the_locale(line)) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text(encoding='utf-8')",
        "path.write_text(text, encoding='ascii')",
        "open(path, 'rb')",
        "path.open('ab')",
        "subprocess.run(command, capture_output=True, encoding='utf-8')",
        "Image.open(path)",
    ],
)
def test_a_text_with_one_is_not(line: str) -> None:
    assert list(in_the_encoding_of_the_locale(line)) == []
