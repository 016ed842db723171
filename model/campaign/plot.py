"""The picture of a campaign: accuracy against what made the weights err, as SVG and PNG."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from model.campaign.outcome import Outcome
from model.campaign.points import ERRORS
from model.campaign.statistics import Summary
from model.pictures import CURVE, LINE, QUIET, plain, rendered

SIZE = (6.4, 4.0)
"""Inches."""
DECADE = 5
"""An axis whose values span such a factor is logarithmic."""


def draw(outcome: Outcome) -> dict[str, bytes]:
    """The picture as the bytes of its files, by "svg" and "png": the same outcome, the same bytes."""
    return rendered(lambda: _figure(outcome))


def _figure(outcome: Outcome) -> Figure:
    """Accuracy along the axis, and below how often weights err where that is not the axis; or, where points have names,
    a line for each.
    """
    if not outcome.campaign.on_axis:
        figure = Figure(figsize=(SIZE[0], 1.4 + 0.4 * len(outcome.points)), layout="constrained")
        _names(figure.add_subplot(), outcome)
        return figure
    if not outcome.facts:
        figure = Figure(figsize=SIZE, layout="constrained")
        last = figure.add_subplot()
        _accuracy(last, outcome)
    else:
        figure = Figure(figsize=(SIZE[0], SIZE[1] * 1.4), layout="constrained")
        axes, last = figure.subplots(2, sharex=True, height_ratios=(5, 2))
        _accuracy(axes, outcome)
        _errors(last, outcome)
    last.set_xlabel(outcome.campaign.axis)
    return figure


def _names(axes: Axes, outcome: Outcome) -> None:
    clean, *found = outcome.points
    places, summaries = range(len(found)), [each.summary for each in found]
    axes.axvline(clean.summary.mean, color=QUIET, linestyle=(0, (4, 3)), linewidth=1, label="without errors", zorder=1)
    least, most = [each.least for each in summaries], [each.most for each in summaries]
    axes.hlines(places, least, most, color=CURVE, alpha=0.2, linewidth=9, label="least and most of all maps")
    axes.errorbar(
        [each.mean for each in summaries], places, xerr=_reaches(summaries), color=CURVE, marker="o", markersize=3.5,
        linestyle="none", capsize=2.5, label="mean, 95 % confidence", zorder=3,
    )  # fmt: skip
    names = [f"{each.point.label}\n{each.point.facts['weight_error_rate']:.2g} of weights err" for each in found]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel(f"accuracy on {len(outcome.campaign.samples):,} samples")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title(_title(outcome), fontsize=10)
    plain(axes, "x")
    axes.figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=8)


def _errors(axes: Axes, outcome: Outcome) -> None:
    known = [each.point for each in outcome.points if each.point.value is not None]
    pairs = [(point.value, point.facts["weight_error_rate"]) for point in known if point.facts["weight_error_rate"]]
    axes.plot(*zip(*pairs, strict=True) if pairs else ((), ()), color=CURVE, marker="o", markersize=3.5, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_ylabel(ERRORS)
    plain(axes)


def _accuracy(axes: Axes, outcome: Outcome) -> None:
    clean, *others = outcome.points
    found = [each for each in others if each.point.value is not None]
    above = [each.point.value for each in found if each.point.value]
    logarithmic = all(value > 0 for value in above) and (len(above) < 2 or max(above) >= DECADE * min(above))
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
    axes.errorbar(
        values, means, _reaches(summaries), color=CURVE, marker="o", markersize=3.5, linewidth=1.2, capsize=2.5,
        label="mean, 95 % confidence", zorder=3,
    )  # fmt: skip
    axes.set_ylabel(f"accuracy on {len(outcome.campaign.samples):,} samples")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title(_title(outcome), fontsize=10)
    plain(axes)
    rising = bool(means) and means[-1] > means[0]
    axes.legend(frameon=False, loc="lower right" if rising else "lower left")


def _reaches(summaries: list[Summary]) -> tuple[list[float], list[float]]:
    """How far the confidence intervals reach below and above the means; 0 where there are none."""
    low = [each.mean - (each.mean if each.low is None else each.low) for each in summaries]
    high = [(each.mean if each.high is None else each.high) - each.mean for each in summaries]
    return low, high


def _title(outcome: Outcome) -> str:
    return textwrap.fill(f"{outcome.campaign.network.topology}, {outcome.campaign.maps} maps a point", LINE)
