"""The picture of a campaign: accuracy against what made the weights err, as SVG, PNG and PDF."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model.campaign.outcome import Outcome
from model.campaign.points import ERRORS, label_of
from model.campaign.statistics import Summary
from model.pictures import (
    CURVE,
    QUIET,
    Shown,
    few_numbers,
    label,
    logarithmic,
    named_rows,
    plain,
    rendered,
    shares,
    title,
)

SIZE = (6.4, 4.0)
FRAME, ROW = 1.5, 0.42
"""Inches: of a picture of a curve, of all that is above and below named points, of such a point."""
DECADE = 5
"""An axis whose values span such a factor is logarithmic."""
CERTAIN = 1.0
"""The largest error rate."""


def draw(outcome: Outcome) -> dict[str, bytes]:
    """The picture as the bytes of its files, by "svg", "png" and "pdf": the same outcome, the same bytes."""
    return rendered(lambda shown: figure_of(outcome, shown))


def figure_of(outcome: Outcome, shown: Shown) -> Figure:
    """Accuracy along the axis, and below how often weights err where that is not the axis; or, where points have names,
    a line for each.
    """
    if not outcome.campaign.on_axis:
        figure = Figure(figsize=(SIZE[0], FRAME), layout="constrained")
        title(figure, _title(outcome))
        _names(figure.add_subplot(), outcome, shown)
        _legend(figure)
        return figure
    if not outcome.facts:
        figure = Figure(figsize=SIZE, layout="constrained")
        title(figure, _title(outcome))
        last = figure.add_subplot()
        _accuracy(last, outcome)
    else:
        figure = Figure(figsize=(SIZE[0], SIZE[1] * 1.4), layout="constrained")
        title(figure, _title(outcome))
        axes, last = figure.subplots(2, sharex=True, height_ratios=(5, 2))
        _accuracy(axes, outcome)
        _errors(last, outcome)
    last.set_xlabel(outcome.campaign.axis)
    _legend(figure)
    return figure


def _legend(figure: Figure) -> None:
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, frameon=False, loc="outside lower center", ncols=3, fontsize=8)


def _names(axes: Axes, outcome: Outcome, shown: Shown) -> None:
    clean, *found = outcome.points
    names = [f"{each.point.facts['weight_error_rate']:.2g} of weights err" for each in found]
    labels = [f"{label(shown(each.point.label))}\n{name}" for each, name in zip(found, names, strict=True)]
    places, summaries = named_rows(axes, labels, ROW), [each.summary for each in found]
    axes.axvline(clean.summary.mean, color=QUIET, linestyle=(0, (4, 3)), linewidth=1, label="without errors", zorder=1)
    least, most = [each.least for each in summaries], [each.most for each in summaries]
    axes.hlines(places, least, most, color=CURVE, alpha=0.2, linewidth=9, label="least and most of all maps")
    axes.errorbar(
        [each.mean for each in summaries], places, xerr=_reaches(summaries), color=CURVE, marker="o", markersize=3.5,
        linestyle="none", capsize=2.5, label="mean, 95 % confidence", zorder=3,
    )  # fmt: skip
    axes.set_xlabel(f"accuracy on {len(outcome.campaign.samples):,} samples")
    shares(axes, "x", _ends(outcome))
    plain(axes, "x")


def _ends(outcome: Outcome) -> list[float]:
    """All accuracies that are drawn, and the ends of what is drawn around them."""
    found = [each.summary for each in outcome.points]
    bounds = [value for each in found for value in (each.low, each.high) if value is not None]
    return [*bounds, *(value for each in found for value in (each.least, each.most))]


def _errors(axes: Axes, outcome: Outcome) -> None:
    known = [(each.point.value, each.point.facts["weight_error_rate"]) for each in outcome.points if each.point.facts]
    above = [pair for pair in known if pair[1]]
    axes.plot(*zip(*(above or known), strict=True), color=CURVE, marker="o", markersize=3.5, linewidth=1.2)
    if above:
        logarithmic(axes, "y", CERTAIN)
    else:
        axes.set_ylim(-0.05, 1)
        few_numbers(axes, "y")
    axes.set_ylabel(ERRORS)
    plain(axes)


def _accuracy(axes: Axes, outcome: Outcome) -> None:
    clean, *others = outcome.points
    found = [each for each in others if each.point.value is not None]
    above = [each for each in found if each.point.value]
    values = [float(each.point.value or 0) for each in found]
    if len(above) > 1 and min(values) >= 0 and max(values) >= DECADE * min(filter(None, values)):
        found = above  # there is no place for 0, which the line shows anyway
        values = [value for value in values if value]
        logarithmic(axes, "x", CERTAIN if outcome.campaign.axis == ERRORS else math.inf)
    elif len(set(values)) == 1:  # which spans no axis
        reach = abs(values[0]) / 2 or 0.5
        axes.set_xlim(values[0] - reach, values[0] + reach)
        axes.set_xticks(values[:1], [label_of(values[0])])
    else:
        few_numbers(axes, "x")
    summaries = [each.summary for each in found]
    axes.axhline(clean.summary.mean, color=QUIET, linestyle=(0, (4, 3)), linewidth=1, label="without errors", zorder=1)
    least, most = [each.least for each in summaries], [each.most for each in summaries]
    axes.fill_between(values, least, most, color=CURVE, alpha=0.15, linewidth=0, label="least and most of all maps")
    means = [each.mean for each in summaries]
    axes.errorbar(
        values, means, _reaches(summaries), color=CURVE, marker="o", markersize=3.5, linewidth=1.2, capsize=2.5,
        label="mean, 95 % confidence", zorder=3,
    )  # fmt: skip
    axes.set_ylabel(f"accuracy on {len(outcome.campaign.samples):,} samples")
    shares(axes, "y", _ends(outcome))
    plain(axes)


def _reaches(summaries: list[Summary]) -> tuple[list[float], list[float]]:
    """How far the confidence intervals reach below and above the means; 0 where there are none."""
    low = [each.mean - (each.mean if each.low is None else each.low) for each in summaries]
    high = [(each.mean if each.high is None else each.high) - each.mean for each in summaries]
    return low, high


def _title(outcome: Outcome) -> str:
    maps = outcome.campaign.maps
    return f"{outcome.campaign.network.topology}, {maps} map{'s' * (maps > 1)} a point"
