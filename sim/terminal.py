"""What people see on a terminal, or in a file, that cannot show every character.

Hafnet writes ± × µ and …; a locale of C takes ASCII only. Characters that a stream cannot take become others that say
the same, or a question mark; file names whose bytes are no text come out as these bytes.
"""

import codecs
import sys
from typing import TextIO

SUBSTITUTES = {
    "±": "+/-",
    "×": "x",
    "µ": "u",
    "\N{GREEK SMALL LETTER MU}": "u",
    "σ": "sigma",
    "…": "...",
    "→": "->",
    "↓": "v",
    "≥": ">=",
    "≤": "<=",
    "–": "-",
    "−": "-",
    "’": "'",
}
_HANDLER = "hafnet-substitute"


def _substitute(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)  # the handler is for streams that are written
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a file name, as Python keeps it
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return SUBSTITUTES.get(character, "?"), error.start + 1


def take_every_character(*streams: TextIO) -> None:
    """Let standard output and error (or other streams) take every character, whatever their encoding."""
    codecs.register_error(_HANDLER, _substitute)
    for stream in streams or (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # not there where a test or a notebook stands for a stream
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)
