"""RTLIL made ready for Verilog that people read: plain names, and ports in the order of the block's signature."""

import re
from collections.abc import Sequence

IDENTIFIER = r"\\[^\s\[\]{}]+"


def plain_names(text: str) -> str:
    """The same module as `text`, RTLIL as Amaranth writes it, with names of letters, digits and underscores only."""
    taken = set(re.findall(rf"^  wire .*({IDENTIFIER})$", text, re.MULTILINE))
    names: dict[str, str] = {}
    for name in sorted(taken):
        plain = "\\" + re.sub(r"\W", "_", name[1:])
        if plain != name:
            while plain in taken:
                plain += "_"
            taken.add(plain)
            names[name] = plain
    return re.sub(IDENTIFIER, lambda match: names.get(match.group(0), match.group(0)), text)


def ordered_ports(text: str, order: Sequence[str]) -> str:
    """The same module with its ports in the given order."""
    places = {name: place for place, name in enumerate(order, start=1)}

    def place(match: re.Match[str]) -> str:
        return f"{match[1]} {places[match[3]]} {match[2]}"

    return re.sub(r"(?m)^(  wire .*(?:input|output|inout)) \d+\s+(\\(\w+))$", place, text)
