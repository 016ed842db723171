"""Parses JSON that users' files hold: the one place, so that every loader refuses the same.

RFC 8259 leaves open how often an object may have a member, how large numbers and how deep nests may be; Python takes
NaN and Infinity besides. Nothing that Hafnet writes needs any of it.
"""

import json
import math
import re
from typing import Any, NoReturn

from model.errors import HafnetError, short
from model.user_files import LARGEST_TEXT, MEBIBYTE

DEEPEST = 32
"""Lists and objects in each other."""
DIGITS = 20
"""Those of the largest integer: a seed of 64 bits."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str | bytes) -> Any:
    """What the text says.

    Raises HafnetError for text that is no JSON, nests deeper than 32, has a member twice, an integer of more than 20
    digits or a number that is not finite, or is longer than 64 MiB.
    """
    if len(text) > LARGEST_TEXT:
        raise HafnetError(f"JSON of more than {LARGEST_TEXT // MEBIBYTE} MiB is not read")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        found = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_number,
        )
        if _SURROGATE.search(decoded):
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise HafnetError(f"line {error.lineno}, column {error.colno} is no JSON ({error.msg})") from None
    except UnicodeDecodeError as error:
        raise HafnetError(f"byte {error.start} is no UTF-8, which JSON must be") from None
    except UnicodeEncodeError:
        raise HafnetError("a text of the JSON has half a character (a lone surrogate)") from None
    except RecursionError:
        raise HafnetError(f"the JSON nests deeper than {DEEPEST} levels") from None
    _check_depth(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise HafnetError(f"member {short(twice)} is there twice")
    return found


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS:
        raise HafnetError(f"{text[:8]}… is an integer of {len(text.lstrip('-'))} digits, but at most {DIGITS} are read")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise HafnetError(f"{short(text)} is too large a number")
    return number


def _no_number(text: str) -> NoReturn:
    raise HafnetError(f"{text} is no number of JSON")


def _check_depth(found: Any) -> None:
    level = [found] if isinstance(found, dict | list) else []
    for _ in range(DEEPEST):
        inside = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [inner for inner in inside if isinstance(inner, dict | list)]
        if not level:
            return
    raise HafnetError(f"the JSON nests deeper than {DEEPEST} levels")
