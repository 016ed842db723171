"""The one exception that stands for a user's mistake, the one warning, and how values are written into sentences."""

import re
import reprlib
from collections.abc import Iterable
from typing import Any

LONGEST = 300
"""Characters of a sentence, at most."""
VALUE = 60
"""Characters of a value in a sentence, at most."""

# A quoted text, or whatever stands between spaces. An apostrophe within or behind a word opens no quotation.
_VALUES = re.compile(r"""(?<!\w)'(?:[^'\\]|\\.)*'|(?<!\w)"(?:[^"\\]|\\.)*"|\S+""")


class HafnetError(Exception):
    """A user's mistake, told in one sentence that names the value and the rule.

    The command line prints the sentence and ends with exit code 2; there is no traceback. The sentence is one line of
    printable characters, at most 300 of them: of one that is longer the longest values lose their middles.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(bounded(sentence))


class HafnetWarning(UserWarning):
    """What a user should know and may leave as it is, in one sentence. The command line prints it and goes on."""


class _Repr(reprlib.Repr):
    """`repr`, but of the beginning and the end of what is long, and of no more levels than a reader follows."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.fillvalue = 3, VALUE, VALUE, "…"

    def repr_int(self, x: int, level: int) -> str:
        # Python writes no integer of more than 4,300 digits.
        return repr(x) if x.bit_length() <= 128 else f"an integer of {x.bit_length()} bits"


_REPR = _Repr()


def short(value: Any) -> str:
    """A value as a sentence shows it: its `repr`, or so much of it that the reader knows which one it is."""
    return cut(_REPR.repr(value), VALUE)


def listed(names: Iterable[Any], most: int = 8) -> str:
    """Names between commas; of many the first, and how many there are."""
    texts = [cut(str(name), VALUE) for name in names]
    return ", ".join(texts if len(texts) <= most else [*texts[:most], f"… ({len(texts)} in all)"])


def cut(text: str, size: int) -> str:
    """The text, or its beginning and end with … between them, together `size` characters."""
    if len(text) <= size:
        return text
    end = (size - 1) // 3
    return f"{text[: size - 1 - end]}…{text[-end:]}" if end else text[:size]


def bounded(sentence: str) -> str:
    """The sentence in one line of printable characters, at most `LONGEST`."""
    sentence = cut(sentence, 16 * LONGEST)  # the search for values takes long where quotes are never closed
    if not sentence.isprintable():
        sentence = "".join(each if each.isprintable() else _written(each) for each in sentence)
    for size in (160, 80, 40, 20):
        if len(sentence) <= LONGEST:
            return sentence
        sentence = _VALUES.sub(lambda found, size=size: cut(found[0], size), sentence)  # type: ignore[misc]
    return cut(sentence, LONGEST)


def _written(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
