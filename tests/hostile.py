"""Files as an accident or an attacker leaves them, made from whole ones."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**53, 2**64, -(2**70), 10**4000, 0.5, 1e308, "", "x", "9" * 5000, "x" * 50_000,
    "a\n\x1b[31m", "\udc80", "٣", "../x", [], {}, [None], {"kind": None}, [[[[]]]], [0] * 5000,
)  # fmt: skip
"""In place of whatever a member holds."""
BYTES = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xb5", b"\r", b"\n", b",", b";", b'"', b"'", b"[", b"{" * 2000, b"layer",
    b"[" * 99_999, b"9" * 5000, b"NaN", b"Infinity", b"1e999", b"-", b"-" * 5000, b"x" * 100_000, b"8-" * 20_000,
)  # fmt: skip


def damaged(whole: bytes, random: Random) -> bytes:
    """The file with a few bytes changed, lost or put in, or cut off, or with a piece of it twice."""
    data = bytearray(whole)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(data) + 1)
        what = random.randrange(6)
        if what == 0 and data:
            data[at % len(data)] = random.randrange(256)
        elif what == 1:
            del data[at:]
        elif what == 2:
            del data[at : at + random.randrange(1, 9)]
        elif what == 3:
            data[at:at] = random.choice(BYTES)
        elif what == 4:
            data[at : at + random.randrange(1, 9)] = random.choice(BYTES)
        else:
            data[at:at] = data[random.randrange(len(data) + 1) :][: random.randrange(1, 200)]
    return bytes(data)


def twisted(plain: Any, random: Random) -> str:
    """JSON in which a member or two hold something else, are missing, are there twice or are new."""
    text = json.dumps(plain)
    for _ in range(random.choice((1, 1, 2))):
        plain = json.loads(text)
        places = list(_places(plain))
        container, key = random.choice(places)
        what = random.randrange(4)
        if what == 0:
            del container[key]
        elif what == 1 and isinstance(container, list):
            container.extend([container[key]] * random.choice((1, 2, 5000)))
        elif what == 1:
            container["new" * random.choice((1, 2000))] = container[key]
        else:
            container[key] = random.choice(VALUES)
        text = json.dumps(plain)
    if random.random() < 0.1:
        text = text.replace(":", ": " + "[" * random.choice((3, 40, 99_999)), 1)
    return text


def _places(plain: Any) -> Iterator[tuple[Any, Any]]:
    for key in plain if isinstance(plain, dict) else range(len(plain)):
        yield plain, key
        if isinstance(plain[key], dict | list):
            yield from _places(plain[key])
