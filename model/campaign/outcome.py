"""What came of a campaign: the accuracy at each point, and the neurons that an error hits hardest; as CSV and JSON.

The same campaign gives the same bytes, however often it was interrupted and however many cores it ran on.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from model.campaign.points import NEURON_MAPS, Campaign, Point
from model.campaign.statistics import CONFIDENCE, Summary, summarise

NUMBER = "%.10g"


@dataclass(frozen=True)
class Found:
    """Accuracies (0 … 1) of all maps of a point, in order, and their summary."""

    point: Point
    accuracies: tuple[float, ...]
    summary: Summary


@dataclass(frozen=True)
class Sensitivity:
    """What errors in one neuron alone do, as shares of all samples in all maps: `changed` get another class than
    without errors, and by `lost` fewer are right (below 0: more are).
    """

    layer: str
    neuron: int
    changed: float
    lost: float


@dataclass(frozen=True)
class Outcome:
    """A campaign with what was found: `points` in their order, the first one without errors, and `neurons`, those that
    an error hits hardest first.
    """

    campaign: Campaign
    points: tuple[Found, ...]
    neurons: tuple[Sensitivity, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of what is known of the points besides."""
        return tuple(dict.fromkeys(name for each in self.points for name in each.point.facts))


def collect(campaign: Campaign, results: Mapping[str, Any]) -> Outcome:
    """The outcome from the results of all tasks, by key."""
    samples = len(campaign.samples)
    accuracies: list[list[float]] = [[] for _ in campaign.points]
    neurons = []
    for task in campaign.tasks():
        result = results[task.key]
        if task.neurons is None:
            accuracies[task.point].append(result / samples)
            continue
        shown = samples * NEURON_MAPS
        for number, (changed, lost) in zip(task.neurons.numbers, result, strict=True):
            neurons.append(Sensitivity(task.neurons.layer, number, changed / shown, lost / shown))
    found = [
        Found(point, tuple(each), summarise(each)) for point, each in zip(campaign.points, accuracies, strict=True)
    ]
    return Outcome(campaign, tuple(found), tuple(sorted(neurons, key=lambda each: -each.changed)))  # stable


def points_csv(outcome: Outcome) -> str:
    """A row for each point, with its facts; accuracies are 0 … 1, and what one map cannot tell is empty."""
    names, facts = [field.name for field in fields(Summary)], outcome.facts

    def place(point: Point) -> float | str | None:
        """Digits enough to tell it from all others."""
        return point.label if outcome.campaign.on_axis and point.value is not None else point.value

    rows = (
        [each.point.label, place(each.point), *map(each.point.facts.get, facts), *asdict(each.summary).values()]
        for each in outcome.points
    )
    return _csv(["point", outcome.campaign.axis, *facts, *names], rows)


def neurons_csv(outcome: Outcome) -> str:
    """A row for each neuron, that which an error hits hardest first; shares are 0 … 1."""
    rows = (list(asdict(each).values()) for each in outcome.neurons)
    return _csv([field.name for field in fields(Sensitivity)], rows)


def as_json(outcome: Outcome) -> str:
    """Everything, with the accuracy of every map."""
    campaign = outcome.campaign
    content = {
        "network": str(campaign.network.topology),
        "settings": campaign.settings,
        "samples": len(campaign.samples),
        "maps": campaign.maps,
        "confidence": CONFIDENCE,
        "axis": campaign.axis,
        "points": [
            {
                "point": each.point.label,
                "value": each.point.value,
                **each.point.facts,
                **asdict(each.summary),
                "accuracies": each.accuracies,
            }
            for each in outcome.points
        ],
        "neurons": {
            "rate": campaign.neurons,
            "maps": NEURON_MAPS,
            "found": [asdict(each) for each in outcome.neurons],
        }
        if campaign.neurons is not None
        else None,
    }
    return json.dumps(content, indent=2) + "\n"


def _csv(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    for row in rows:
        writer.writerow([NUMBER % each if isinstance(each, float) else each for each in row])
    return text.getvalue()
