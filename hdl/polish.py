"""RTLIL made ready for Verilog that people and old simulators read without trouble.

Three things, module by module: identifiers that would need an escape in Verilog become plain ones; the wire that holds
a register's next value is called after the register; and parts of signals that a process reads get wires of their own,
because Icarus 11 cannot wait for a part of a signal in `always_comb` and says so in a message of its own.
"""

import re

IDENTIFIER = r"[\\$][^\s\[\]{}]+"
PART = re.compile(rf"({IDENTIFIER}) \[(\d+)(?::(\d+))?\]")
SIGNAL = re.compile(rf"(?:\{{[^}}]*\}}|{IDENTIFIER}(?: \[[\d:]+\])?|\d+'[01x-]+)")

# A buffer and not a connection: Yosys would see through that.
BUFFER = """\
  wire width {width} {wire}
  cell $buf {wire}_buffer
    parameter \\WIDTH {width}
    connect \\A {signal}
    connect \\Y {wire}
  end
"""


def polish(text: str) -> str:
    """The same module as `text`, RTLIL as Amaranth writes it."""
    widths = {name: int(width) for width, name in re.findall(rf"^  wire width (\d+).* ({IDENTIFIER})$", text, re.MULTILINE)}
    names = _plain_names(widths) | _next_names(text, widths)
    lines: list[str] = []
    for block in re.split(r"(?=^  process )", text, flags=re.MULTILINE):
        if block.startswith("  process "):
            end = block.index("\n  end\n")
            lines += [*_hoist(block[:end], widths), block[end:]]
        else:
            lines.append(block)
    return re.sub(IDENTIFIER, lambda match: names.get(match.group(0), match.group(0)), "".join(lines))


def _plain_names(widths: dict[str, int]) -> dict[str, str]:
    """New names for wires whose names Verilog would have to escape."""
    names: dict[str, str] = {}
    taken = set(widths)
    for name in widths:
        plain = "\\" + re.sub(r"\W", "_", name[1:])
        if name.startswith("\\") and plain != name:
            while plain in taken:
                plain += "_"
            taken.add(plain)
            names[name] = plain
    return names


def _next_names(text: str, widths: dict[str, int]) -> dict[str, str]:
    """`x_next` for the wire that the flip-flops of register `x` take over."""
    names: dict[str, str] = {}
    for value, register in re.findall(
        rf"^    connect \\D (\$\d+) \[\S+\]\n(?:.*\n){{0,2}}?    connect \\Q (\\\S+)$", text, re.MULTILINE
    ):
        plain = "\\" + re.sub(r"\W", "_", register[1:]) + "_next"
        if widths.get(value) == widths.get(register) and plain not in widths and value not in names:
            names[value] = plain
    return names


def _hoist(process: str, widths: dict[str, int]) -> list[str]:
    """The process with parts of signals replaced by wires, after those wires."""
    wires: dict[str, str] = {}

    def whole(signal: str) -> str:
        parts = PART.findall(signal)
        if all(int(high) - int(low or high) + 1 == widths[name] for name, high, low in parts):
            return signal
        if signal not in wires:
            width = _width(signal)
            wires[signal] = f"{process.split()[1]}_part{len(wires)}"
            widths[wires[signal]] = width
        return f"{wires[signal]} [{widths[wires[signal]] - 1}:0]"

    lines = []
    for line in process.split("\n"):
        indent, word = re.match(r"(\s*)(\S*)", line).groups()  # type: ignore[union-attr]  # always matches
        signals = SIGNAL.findall(line)
        if word == "assign":
            line = f"{indent}assign {signals[0]} {whole(signals[1])}"
        elif word == "switch":
            line = f"{indent}switch {whole(signals[0])}"
        lines.append(line)
    buffers = [BUFFER.format(width=widths[wire], wire=wire, signal=signal) for signal, wire in wires.items()]
    return [*buffers, "\n".join(lines)]


def _width(signal: str) -> int:
    """Bits of a signal as RTLIL writes it."""
    total = sum(int(high) - int(low or high) + 1 for _, high, low in PART.findall(signal))
    return total + sum(int(width) for width in re.findall(r"(?<![\w\\$:\[])(\d+)'", signal))
