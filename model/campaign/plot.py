"""The picture of a campaign: accuracy against what made the weights err, as SVG and PNG."""

import io
import textwrap

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from model.campaign.outcome import Outcome

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
SIZE = (6.4, 4.0)
"""Inches."""
LINE = 64
"""Characters of the title, which is broken at the dashes between layers."""
DOTS = 150
"""Of the PNG, an inch."""


def draw(outcome: Outcome) -> dict[str, bytes]:
    """The picture as the bytes of its files, by "svg" and "png": the same outcome, the same bytes."""
    files = {}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # matplotlib has a type for each name
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            figure = Figure(figsize=SIZE, layout="constrained")
            _fill(figure.add_subplot(), outcome)
            file = io.BytesIO()
            figure.savefig(file, format=kind, dpi=DOTS, metadata=metadata)
            files[kind] = file.getvalue()
    return files


def _fill(axes: Axes, outcome: Outcome) -> None:
    clean, *others = outcome.points
    found = [each for each in others if each.point.value is not None]
    logarithmic = all((each.point.value or 0) > 0 for each in found if each.point.errs)
    if logarithmic:
        found = [each for each in found if each.point.value]  # there is no place for 0, which the line shows anyway
        axes.set_xscale("log")
    values = [float(each.point.value or 0) for each in found]
    if len(values) == 1:  # which spans no axis
        low, high = (values[0] / 10, values[0] * 10) if logarithmic else (values[0] - 1, values[0] + 1)
        axes.set_xlim(low, high)
    summaries = [each.summary for each in found]
    axes.axhline(clean.summary.mean, color=QUIET, linestyle=(0, (4, 3)), linewidth=1, label="without errors", zorder=1)
    least, most = [each.least for each in summaries], [each.most for each in summaries]
    axes.fill_between(values, least, most, color=CURVE, alpha=0.15, linewidth=0, label="least and most of all maps")
    means = [each.mean for each in summaries]
    reaches = (
        [each.mean - (each.mean if each.low is None else each.low) for each in summaries],
        [(each.mean if each.high is None else each.high) - each.mean for each in summaries],
    )
    axes.errorbar(
        values, means, reaches, color=CURVE, marker="o", markersize=3.5, linewidth=1.2, capsize=2.5,
        label="mean, 95 % confidence", zorder=3,
    )  # fmt: skip
    axes.set_xlabel(outcome.campaign.axis)
    axes.set_ylabel(f"accuracy on {len(outcome.campaign.samples):,} samples")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    title = f"{outcome.campaign.network.topology}, {outcome.campaign.maps} maps a point"
    axes.set_title(textwrap.fill(title, LINE), fontsize=10)
    axes.grid(color=QUIET, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left")
