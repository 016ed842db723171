"""What the pictures of these pages have in common: colours, lines, boxes, words, and the SVG file."""

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

Point: TypeAlias = tuple[float, float]

INK, QUIET, SELECTED, LRS = "#1f2933", "#8894a2", "#d9480f", "#0b7285"
PAPER, ARRAY, LOGIC, ANALOG = "#ffffff", "#f5f7fa", "#e3edfb", "#fdf3e1"
EDGE = "#cfd6de"

STYLE: dict[Any, Any] = {  # matplotlib has a type for each name
    "svg.hashsalt": "hafnet",  # element ids are made from it, instead of at random
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # the first comes with matplotlib, the second is as wide
    "lines.solid_capstyle": "round",
    "path.simplify": False,
}


def subscript(name: str, index: int) -> str:
    return name + str(index).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def line(axes: Axes, points: Sequence[Point], color: str = INK, width: float = 1.0, dots: bool = False) -> None:
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=color, linewidth=width, linestyle=(0, (1, 2.2)) if dots else "-", zorder=2)


def arrow(axes: Axes, start: Point, end: Point, color: str = INK) -> None:
    style = {"arrowstyle": "-|>,head_width=0.18,head_length=0.36", "color": color, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style, zorder=4)


def box(axes: Axes, left: float, bottom: float, right: float, top: float, fill: str, edge: str = INK) -> None:
    shape = FancyBboxPatch(
        (left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=fill, edgecolor=edge, linewidth=1.0, zorder=3,
    )  # fmt: skip
    axes.add_patch(shape)


def area(axes: Axes, left: float, bottom: float, right: float, top: float) -> None:
    """What the cells of an array stand on."""
    box(axes, left, bottom, right, top, ARRAY, edge=EDGE)
    axes.patches[-1].set_zorder(0)


def text(axes: Axes, x: float, y: float, words: str, size: float = 9, color: str = INK, **more: object) -> None:
    options: dict[str, object] = {"ha": "center", "va": "center", "zorder": 5} | more
    axes.text(x, y, words, fontsize=size, color=color, **options)  # type: ignore[arg-type]  # passed on


def patch(color: str) -> dict[str, object]:
    """What makes a line stop for a word that is written on it."""
    return {"facecolor": color, "edgecolor": "none", "pad": 1.5}


def svg(title: str, size: Point, scale: float, corner: Point, draw: Iterable[Callable[[Axes], None]]) -> bytes:
    """An SVG file's bytes: `size` units of `scale` inches each, whose lower left is `corner`, on white."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever a user's matplotlibrc says
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(size[0] * scale, size[1] * scale), facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(corner[0], corner[0] + size[0])
        axes.set_ylim(corner[1], corner[1] + size[1])
        axes.set_axis_off()
        for part in draw:
            part(axes)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return file.getvalue()
