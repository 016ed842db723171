"""The picture of an account: what an inference costs, a bar for each layer, by what it is spent on (SVG, PNG, PDF)."""

from matplotlib.figure import Figure

from model.energy.account import EVENTS, Account
from model.pictures import QUIET, Shown, few_numbers, label, named_rows, plain, rendered, title

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
NUMBERS = 1.18
"""How far an axis reaches, as a multiple of its longest bar: there is room for the number behind it."""


def draw(account: Account) -> dict[str, bytes]:
    """The picture as the bytes of its files, by "svg", "png" and "pdf": the same account, the same bytes."""
    return rendered(lambda shown: figure_of(account, shown))


def _bars(account: Account) -> dict[str, dict[str, float]]:
    """Nanojoules of an inference by layer and event, of those that cost anything."""
    bars = {}
    for layer, activity in account.layers.items():
        costs = {line.event: line.joules * 1e9 for line in account.lines(activity) if line.joules}
        if costs:
            bars[layer] = costs
    return bars


def figure_of(account: Account, shown: Shown) -> Figure:
    """A bar for each layer, its parts in the order of `EVENTS`."""
    bars = _bars(account)
    figure = Figure(figsize=(WIDTH, FRAME), layout="constrained")
    spent = account.inference.nanojoules_per_inference
    title(figure, f"{account.topology}: {spent:.3g} nJ an inference", account.scope)
    axes = figure.add_subplot()
    places, starts = named_rows(axes, [label(shown(layer)) for layer in bars], BAR), [0.0] * len(bars)
    for event, called in EVENTS.items():
        widths = [costs.get(event, 0.0) for costs in bars.values()]
        if any(widths):
            axes.barh(places, widths, left=starts, height=0.62, color=COLOURS[event], label=called)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for place, end in zip(places, starts, strict=True):
        axes.annotate(f"{end:.3g}", (end, place), (4, 0), textcoords="offset points", va="center", color=QUIET)
    axes.set_xlim(0, NUMBERS * max(starts))
    few_numbers(axes, "x")
    axes.set_xlabel(f"nJ an inference at {account.supply:g} V")
    plain(axes, "x")
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4, fontsize=8)
    return figure
