"""How our pictures look, and their files: SVG and PNG, the same bytes from the same figure."""

import io
from collections.abc import Callable
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, CURVE = "#1f2933", "#8894a2", "#0b7285"
STYLE = {
    "svg.hashsalt": "hafnet",  # ids of elements are made from it, instead of at random
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": INK,
    "ytick.color": INK,
}
LINE = 64
"""Characters of a title, which is broken at the dashes between layers."""
DOTS = 150
"""Of the PNG, an inch."""


def rendered(make: Callable[[], Figure]) -> dict[str, bytes]:
    """The bytes of a picture's files, by "svg" and "png"; `make` is called for each of them."""
    files = {}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # matplotlib has a type for each name
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            file = io.BytesIO()
            make().savefig(file, format=kind, dpi=DOTS, metadata=metadata)
            files[kind] = file.getvalue()
    return files


def plain(axes: Axes, grid: Literal["both", "x"] = "both") -> None:
    """A faint grid, and no frame where there is no axis."""
    axes.grid(axis=grid, color=QUIET, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
