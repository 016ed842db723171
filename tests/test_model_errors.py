import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import LONGEST, VALUE, HafnetError, cut, listed, short


@given(st.text(max_size=30), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_sentence_is_one_printable_line_of_at_most_300_characters(part: str, times: int) -> None:
    text = part * times
    said = str(HafnetError(text))
    assert len(said) <= LONGEST
    assert said.isprintable()
    assert said == text or len(text) > LONGEST or not text.isprintable()


def test_a_long_value_loses_its_middle_and_the_rule_stays() -> None:
    said = str(
        HafnetError(f"shape {'8-' * 5000 + '4'!r}: {'x y ' * 90!r} is none of the plan's, but must be at least 1")
    )
    assert said.startswith("shape '8-8-8-8-")
    assert "8-8-4': 'x y x y " in said
    assert said.endswith("x y ' is none of the plan's, but must be at least 1")


def test_what_is_long_without_long_values_is_cut_in_its_middle() -> None:
    said = str(HafnetError("a b " * 500 + "end"))
    assert len(said) == LONGEST
    assert said.endswith("a b end")
    assert "…" in said


@pytest.mark.parametrize("part", ["\\'", " '", "'\\", "\" '", "\x1b"])
def test_a_sentence_of_nothing_but_quotes_takes_no_time(part: str) -> None:
    started = time.process_time()
    said = str(HafnetError(part * 500_000 + " must be at least 1"))
    assert time.process_time() - started < 1
    assert said.endswith("at least 1")


def test_control_characters_cannot_reach_a_terminal() -> None:
    assert str(HafnetError("a\nb\x1b[31m\udcff é")) == "a b\\x1b[31m\\udcff é"


def test_an_error_comes_back_whole_from_another_process() -> None:
    assert str(pickle.loads(pickle.dumps(HafnetError("x" * 400)))) == str(HafnetError("x" * 400))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((9, 2), "(9, 2)"),
        ("a'b", '"a\'b"'),
        (10**30, str(10**30)),
        pytest.param(10**5000, "an integer of 16610 bits", id="huge"),
        ([1] * 100, "[1, 1, 1, 1, 1, 1, …]"),
        ({"a": [[[[1]]]]}, "{'a': [[[…]]]}"),
        (None, "None"),
    ],
)
def test_values_are_shown_as_far_as_a_reader_needs(value: object, text: str) -> None:
    assert short(value) == text


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=10))
@settings(max_examples=40, deadline=None)
def test_no_value_is_shown_longer_than_its_share(value: object) -> None:
    assert len(short(value)) <= VALUE


def test_lists_and_cuts() -> None:
    assert listed("abc") == "a, b, c"
    assert listed(range(20)) == "0, 1, 2, 3, 4, 5, 6, 7, … (20 in all)"
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cut("abcdefghijk", 10) == "abcdef…ijk"
    assert cut("abc", 1) == "a"
