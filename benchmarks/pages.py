"""Figures on pages: what stands between two markers is written by a script, everything else by hand.

    <!-- figure: NAME -->what the script found<!-- /figure -->

Markers are comments of HTML, which no reader sees. What begins on a line of its own behind the first marker stays on
lines of its own, so that a table or an indented block may stand between them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md")
FIGURE = re.compile(r"(?P<open><!-- figure: (?P<name>[\w.-]+) -->)(?P<text>.*?)(?P<close><!-- /figure -->)", re.DOTALL)
MARKER = re.compile(r"<!-- (?:figure: [^>]*|/figure) -->")

Make = Callable[[str], str]
"""Makes the text of a figure, given what stands there: times in it are by hand and stay."""


def names(page: str) -> Iterator[str]:
    """The figures of a page. Raises ValueError where a marker has no counterpart."""
    found = list(FIGURE.finditer(page))
    if len(MARKER.findall(page)) != 2 * len(found) or any(MARKER.search(each["text"]) for each in found):
        raise ValueError("a figure of a page begins or ends without the other")
    return (each["name"] for each in found)


def rewrite(page: str, made: Mapping[str, Make]) -> str:
    """A page with the figures of `made` as they are today; others stay as they stand."""

    def today(each: re.Match[str]) -> str:
        if each["name"] not in made:
            return each[0]
        before = each["text"]
        text = made[each["name"]](before.strip("\n"))
        return each["open"] + (f"\n\n{text}\n\n" if before.startswith("\n") else text) + each["close"]

    return FIGURE.sub(today, page)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown; whole numbers in groups of three digits."""

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"

    return "\n".join([line(headings), line(["---"] * len(headings)), *map(line, rows)])


def keep(today: str, before: str, volatile: re.Pattern[str]) -> str:
    """`today`, but for lines that depend on the machine: they stay as they stand in `before`, found by what `volatile`
    matches at their beginning.
    """
    stand = {found[0]: line for line in before.splitlines() if (found := volatile.match(line))}
    lines = ((line, volatile.match(line)) for line in today.splitlines())
    return "\n".join(stand.get(found[0], line) if found else line for line, found in lines)
