"""The picture of an account: what an inference costs, a bar for each layer, by what it is spent on; as SVG and PNG."""

import textwrap

from matplotlib.figure import Figure

from model.energy.account import EVENTS, Account
from model.pictures import LINE, QUIET, plain, rendered

COLOURS = {
    "rows": "#0b3c49",
    "reads": "#0b7285",
    "popcount_bits": "#66b2b2",
    "thresholds": "#b5d8d6",
    "memory_bits": "#6741d9",
    "register_bits": "#d9480f",
    "clocked_bits": "#f2b48c",
}
WIDTH, BAR, FRAME = 7.2, 0.42, 2.1
"""Inches: of the picture, of a bar with its gap, and of all that is above and below the bars."""
LABEL = 28
"""Characters of a layer's name, at most."""


def draw(account: Account) -> dict[str, bytes]:
    """The picture as the bytes of its files, by "svg" and "png": the same account, the same bytes."""
    return rendered(lambda: _figure(account))


def _bars(account: Account) -> dict[str, dict[str, float]]:
    """Nanojoules of an inference by layer and event, of those that cost anything."""
    bars = {}
    for layer, activity in account.layers.items():
        costs = {line.event: line.joules * 1e9 for line in account.lines(activity) if line.joules}
        if costs:
            bars[layer] = costs
    return bars


def _figure(account: Account) -> Figure:
    bars = _bars(account)
    figure = Figure(figsize=(WIDTH, FRAME + BAR * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    names = [textwrap.shorten(layer, LABEL, placeholder="…") for layer in bars]
    places, starts = list(range(len(bars))), [0.0] * len(bars)
    for event, called in EVENTS.items():
        widths = [costs.get(event, 0.0) for costs in bars.values()]
        if any(widths):
            axes.barh(places, widths, left=starts, height=0.62, color=COLOURS[event], label=called)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for place, end in zip(places, starts, strict=True):
        axes.annotate(f"{end:.3g}", (end, place), (4, 0), textcoords="offset points", va="center", color=QUIET)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(f"nJ an inference at {account.supply:g} V")
    title = f"{account.topology}: {account.inference.nanojoules_per_inference:.3g} nJ an inference"
    axes.set_title("\n".join([textwrap.fill(title, LINE), *textwrap.wrap(account.scope, LINE)]), fontsize=10)
    plain(axes, "x")
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4, fontsize=8)
    return figure
