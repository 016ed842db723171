"""RTLIL with plain names: what Verilog would have to escape is renamed before Yosys writes it."""

import re

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
