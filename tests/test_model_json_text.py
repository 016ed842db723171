import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import HafnetError
from model.json_text import DEEPEST, parse_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**19), 10**20 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN)
@settings(max_examples=40, deadline=None)
def test_what_json_writes_is_read(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode("utf-8-sig")) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "member 'a' is there twice"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "the JSON nests deeper than 32 levels"),
        ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "the JSON nests deeper than 32 levels"),
        ("[" * 200_000, "the JSON nests deeper than 32 levels"),
        ("[1" + "0" * 20 + "]", "10000000… is an integer of 21 digits, but at most 20 are read"),
        ("9" * 100_000, "99999999… is an integer of 100000 digits, but at most 20 are read"),
        ("-" + "9" * 5000, "-9999999… is an integer of 5000 digits, but at most 20 are read"),
        ("[NaN]", "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number of JSON"),
        ("[1e999]", "'1e999' is too large a number"),
        ('["\\ud800"]', "a text of the JSON has half a character (a lone surrogate)"),
        ('{"a": 1\n "b": 2}', "line 2, column 2 is no JSON (Expecting ',' delimiter)"),
        (b'["\xff"]', "byte 2 is no UTF-8, which JSON must be"),
        (" " * (64 * 2**20 + 1), "JSON of more than 64 MiB is not read"),
    ],
)
def test_what_nothing_of_hafnet_writes_is_refused(text: str | bytes, message: str) -> None:
    started = time.process_time()
    with pytest.raises(HafnetError) as caught:
        parse_json(text)
    assert str(caught.value) == message
    assert time.process_time() - started < 1


def test_what_is_just_within_is_read() -> None:
    nested: Any = parse_json("[" * DEEPEST + "]" * DEEPEST)
    for _ in range(DEEPEST - 1):
        (nested,) = nested
    assert nested == []
    assert parse_json(f"[{2**64}, -{2**64}]") == [2**64, -(2**64)]
    assert parse_json('"\\ud83d\\ude00"') == "😀"
