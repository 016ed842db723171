"""Random mutants of generated Verilog: one small defect each, as a slip in its source could have made it.

What `hafnet generate` writes is regular: one operation an `assign`, registers in `always_ff` blocks of a reset and an
enable, instances with a connection a line. So a mutant is a piece of one line that is replaced by another one, and no
parser of Verilog is needed.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KINDS = ("operator", "constant", "reset", "enable", "width", "net")
"""Operators; constants; values after reset, or a reset that is gone; enables; widths; swapped nets."""

_DECLARED = re.compile(r"^  (?:input|output|wire|reg) (?:\[(\d+):0\] )?(\w+)(?: = [^;]*)?;$")
_ASSIGN = re.compile(r"^  assign (\w+)(?:\[[\d:]+\])? = (.*);$")
_WRITE = re.compile(r"^    (?:(?:else )?if \((.*?)\) |else )?(\w+)(?:\[[\d:]+\])? <= (.*);$")
_INNER = re.compile(r"^  wire \[(\d+):0\] (_\d+_);$")
_CONNECTION = re.compile(r"^    \.(\w+)\((.*)\),?$")
_CALL = re.compile(r"^(_\d+_)\((.*)\)$")
_CONSTANT = re.compile(r"(\d+)'h([0-9a-f]+)")
_SLICE = re.compile(r"\b(\w+)\[(\d+):(\d+)\]")
_NAME = re.compile(r"(?<![\w'$.])(?!\d)(\w+)\b(?!')")
_OPERATORS = (
    (re.compile(r"(?<=[\w\]})]) & (?=[\w({~$])"), " | "),
    (re.compile(r"(?<=[\w\]})]) \| (?=[\w({~$])"), " & "),
    (re.compile(r"(?<=[\w\]})]) \^ (?=[\w({~$])"), " | "),
    (re.compile(r" \+ "), " - "),
    (re.compile(r"(?<=[\w\]})]) - "), " + "),
    (re.compile(r" == "), " != "),
    (re.compile(r" != "), " == "),
    (re.compile(r" >= "), " > "),
    (re.compile(r" >= "), " < "),
    (re.compile(r" > "), " >= "),
    (re.compile(r" < "), " <= "),
    (re.compile(r"^~ "), ""),
    (re.compile(r"^& "), "| "),
    (re.compile(r"^\| "), "& "),
    (re.compile(r" >> "), " << "),
)
_CHOICE = re.compile(r"^(\w+(?:\[\d+(?::\d+)?\])?) \? (.*) : (.*)$")
CLOCKED = ("clk", "rst")


@dataclass(frozen=True)
class Mutant:
    """In line `line` (from 1 on) of the module in `file` the text `before` becomes `after`."""

    file: str
    line: int
    kind: str
    before: str
    after: str

    @property
    def module(self) -> str:
        return self.file.removesuffix(".sv")

    def apply(self, text: str) -> str:
        """The module's text with the defect."""
        lines = text.split("\n")
        assert lines[self.line - 1] == self.before
        lines[self.line - 1] = self.after
        return "\n".join(lines)


@dataclass(frozen=True)
class Module:
    """The text of a module, line by line, and the widths of its nets."""

    file: str
    lines: tuple[str, ...]
    widths: Mapping[str, int]

    @classmethod
    def read(cls, file: str, text: str) -> "Module":
        lines = tuple(text.split("\n"))
        declared = (match for match in map(_DECLARED.match, lines) if match)
        return cls(file, lines, {match[2]: int(match[1] or 0) + 1 for match in declared})

    def mutants(self, seed: int) -> Iterator[Mutant]:
        """Every mutant that can be made, where a net is swapped one chosen at random for each place."""
        source = random.Random(f"{seed} {self.file}")
        in_function = False
        for number, line in enumerate(self.lines, 1):
            in_function = (in_function or line.startswith("  function")) and line != "  endfunction"
            if in_function:
                continue
            for kind, after in self._of_line(line, source):
                if after != line:
                    yield Mutant(self.file, number, kind, line, after)

    def _of_line(self, line: str, source: random.Random) -> Iterator[tuple[str, str]]:
        if match := _ASSIGN.match(line):
            yield from self._of_expression(line, match.start(2), match[2], source)
        elif match := _WRITE.match(line):
            condition = match[1]
            if condition == "rst":
                yield "reset", line.replace("(rst)", "(1'h0)", 1)
                yield from (("reset", text) for _, text in self._constants(line, match.start(3), match[3], source))
            else:
                if condition is not None:
                    yield "enable", line.replace(f"({condition})", "(1'h1)", 1)
                    yield "enable", line.replace(f"({condition})", f"(!{condition})", 1)
                    yield from self._names(line, match.start(1), condition, source)
                yield from self._of_expression(line, match.start(3), match[3], source)
        elif match := _CONNECTION.match(line):
            if match[1] not in CLOCKED and match[2]:
                yield from self._of_expression(line, match.start(2), match[2], source)
        elif (match := _INNER.match(line)) and int(match[1]) and self._is_whole(match[2], int(match[1])):
            yield "width", line.replace(f"[{match[1]}:0]", f"[{int(match[1]) - 1}:0]")

    def _of_expression(self, line: str, start: int, text: str, source: random.Random) -> Iterator[tuple[str, str]]:
        def swapped(first: int, last: int, new: str) -> str:
            return line[: start + first] + new + line[start + last :]

        for pattern, new in _OPERATORS:
            for match in pattern.finditer(text):
                yield "operator", swapped(match.start(), match.end(), new)
        if choice := _CHOICE.match(text):
            yield "operator", swapped(0, len(text), f"{choice[1]} ? {choice[3]} : {choice[2]}")
        yield from self._constants(line, start, text, source)
        for match in _SLICE.finditer(text):
            name, high, low = match[1], int(match[2]), int(match[3])
            cut = f"{{ 1'h0, {name}[{high - 1}:{low}] }}" if high > low else "1'h0"
            yield "width", swapped(match.start(), match.end(), cut)
        if text in self.widths and self.widths[text] > 1:
            yield "width", swapped(0, len(text), f"{text}[{self.widths[text] - 2}:0]")
        yield from self._names(line, start, text, source)

    def _is_whole(self, name: str, top: int) -> bool:
        """Whether the highest bit of a net is used: a sum has one more than what is kept of it."""
        uses = [use for line in self.lines for use in re.findall(rf"\b{name}\b(\[[\d:]+\])?", line)]
        return any(not use or use[1:].partition(":")[0] == f"{top}" for use in uses[2:]) or uses[2:] == []

    @staticmethod
    def _constants(line: str, start: int, text: str, source: random.Random) -> Iterator[tuple[str, str]]:
        for match in _CONSTANT.finditer(text):
            width, value = int(match[1]), int(match[2], 16)
            new = {(value + 1) % (1 << width), value ^ 1 << source.randrange(width)} - {value}
            for each in sorted(new):
                changed = f"{width}'h{each:0{len(match[2])}x}"
                yield "constant", line[: start + match.start()] + changed + line[start + match.end() :]

    def _names(self, line: str, start: int, text: str, source: random.Random) -> Iterator[tuple[str, str]]:
        """Each net once replaced by another one of the same width."""
        for match in _NAME.finditer(text):
            name = match[1]
            if name not in self.widths or name in CLOCKED:
                continue
            others = [
                other
                for other, width in self.widths.items()
                if width == self.widths[name] and other not in (name, *CLOCKED) and f" {other} " not in line
            ]
            if others:
                new = source.choice(others)
                yield "net", line[: start + match.start()] + new + line[start + match.end() :]


def expression(module: Module, line: str) -> str:
    """A line without the names of nets that have none of their own, which change when a module is generated anew: each
    is replaced by what it is assigned, and those in that by `_`.
    """
    assigned = {match[1]: match[2] for match in map(_ASSIGN.match, module.lines) if match}

    def inner(match: re.Match[str]) -> str:
        return "_"

    def outer(match: re.Match[str]) -> str:
        return f"({re.sub(r'_[0-9]+_', inner, assigned.get(match[0], '_'))})"

    target = re.match(r"^  assign (_\d+_) = ", line)
    if target:
        line = "  assign _ = " + line[target.end() :]
    return re.sub(r"\b_\d+_", outer, line).strip()
