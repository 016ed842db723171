"""How our pictures look, and their files: SVG, PNG and PDF, the same bytes from the same figure.

Names are text and never formulas (no mathtext), wrapped and never cut, and each picture is as wide and as high as its
names need. Characters that our font does not have stay text in SVG, where a reader's fonts may have them; in PNG and
PDF their code stands in their place (`\\u5c42`), because a box would be the same for all of them.
"""

import functools
import io
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Literal, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import LogFormatter, MaxNLocator

INK, QUIET, CURVE = "#1f2933", "#8894a2", "#0b7285"
FONT = "DejaVu Sans"  # comes with matplotlib
STYLE = {
    "svg.hashsalt": "hafnet",  # ids of elements are made from it, instead of at random
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,  # TrueType, which publishers take and editors can edit
    "text.parse_math": False,  # a $ is a $
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": INK,
    "ytick.color": INK,
}
LINE = 64
"""Characters of a line of a title, which is broken at the dashes between layers."""
LABEL = 30
"""Characters of a line of a label."""
DOTS = 150
"""Of the PNG, an inch."""
AXES = 3.6
"""Inches that an axis with names beside it is wide at least."""
TEXT_LINE = 0.16
"""Inches of a line of text."""
TICKS = 5
"""Intervals between the numbers of an axis, at most: as many as fit however many digits they have."""
LEAST_SPAN = 0.01
"""Of an axis of shares: differences below it are not drawn larger than it."""
METADATA = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}

Shown: TypeAlias = Callable[[str], str]
"""A name as the kind of file can show it."""


def rendered(make: Callable[[Shown], Figure]) -> dict[str, bytes]:
    """The bytes of a picture's files, by "svg", "png" and "pdf"; `make` is called for each of them."""
    files = {}
    with mpl.rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]  # it has a type for each name
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # in SVG the reader's fonts have it
        for kind, metadata in METADATA.items():
            file = io.BytesIO()
            figure = make(str if kind == "svg" else coded)
            figure.savefig(file, format=kind, dpi=DOTS, metadata=metadata)
            files[kind] = file.getvalue()
    return files


@functools.cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def coded(text: str) -> str:
    """The text with the codes of those characters that our font does not have."""
    known = _letters()
    return "".join(
        letter if ord(letter) in known or letter == "\n" else letter.encode("ascii", "backslashreplace").decode()
        for letter in text
    )


def title(figure: Figure, *texts: str) -> None:
    """Lines above all axes, each text from a line of its own on."""
    lines = [line for text in texts for line in textwrap.wrap(text, LINE)]
    figure.suptitle("\n".join(lines), fontsize=10)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + TEXT_LINE * max(0, len(lines) - len(texts)))


def label(text: str) -> str:
    """A label in lines, all of it."""
    return "\n".join(textwrap.wrap(text, LABEL, replace_whitespace=False, break_on_hyphens=False))


def named_rows(axes: Axes, labels: Sequence[str], least: float) -> list[float]:
    """Give each row of horizontal bars its label, the first on top, and the figure the size that all of them need.

    A row is `least` inches high, or as high as its label; returns the rows' places on the vertical axis.
    """
    heights = [max(least, TEXT_LINE * (text.count("\n") + 1.5)) / least for text in labels]
    ends = list(accumulate(heights))
    places = [end - height / 2 for end, height in zip(ends, heights, strict=True)]
    axes.set_yticks(places, labels)
    axes.set_ylim(ends[-1], 0)
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + least * ends[-1])
    figure.draw_without_rendering()
    wide = max(text.get_window_extent().width for text in axes.get_yticklabels()) / figure.dpi
    figure.set_size_inches(max(width, AXES + wide + 0.5), height + least * ends[-1])
    return places


def shares(axes: Axes, which: Literal["x", "y"], values: Iterable[float]) -> None:
    """An axis of shares (0 … 1) in per cent with room around all values, and without numbers that are no share."""
    low, high = min(values := list(values)), max(values)
    span = max(high - low, LEAST_SPAN)
    middle = (low + high) / 2
    low, high = middle - 0.56 * span, middle + 0.56 * span
    axis, limits = (axes.xaxis, axes.set_xlim) if which == "x" else (axes.yaxis, axes.set_ylim)
    limits(low, high)
    found = MaxNLocator(TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(max(low, 0), min(high, 1))
    percents = [100 * tick for tick in found if max(low, 0) <= tick <= min(high, 1)]
    digits = next(digits for digits in range(10) if all(abs(round(each, digits) - each) < 1e-9 for each in percents))
    axis.set_ticks([each / 100 for each in percents], [f"{each:.{digits}f}%" for each in percents])


def few_numbers(axes: Axes, which: Literal["x", "y"]) -> None:
    """So few numbers on a linear axis that they cannot meet."""
    (axes.xaxis if which == "x" else axes.yaxis).set_major_locator(MaxNLocator(TICKS, steps=[1, 2, 2.5, 5, 10]))


class PlainLogs(LogFormatter):
    """Numbers of a logarithmic axis up to `most`, without formulas."""

    most = math.inf

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if x <= self.most and super().__call__(x, pos) else ""


def logarithmic(axes: Axes, which: Literal["x", "y"], most: float = math.inf) -> None:
    """A logarithmic axis of values up to `most`: there is room behind it, but no number."""
    if which == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    major, minor = PlainLogs(), PlainLogs(minor_thresholds=(1, 0.4))
    major.most = minor.most = most
    axis.set_major_formatter(major)
    axis.set_minor_formatter(minor)


def plain(axes: Axes, grid: Literal["both", "x"] = "both") -> None:
    """A faint grid, and no frame where there is no axis."""
    axes.grid(axis=grid, color=QUIET, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
