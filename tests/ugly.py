"""Names and numbers that are hard on tables and pictures, and what the product shows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from model.campaign.outcome import Found, Outcome, Sensitivity
from model.campaign.points import CLEAN, ERRORS, Campaign, Point
from model.campaign.statistics import summarise
from model.device.energy import Activity
from model.device.presets import PRESETS
from model.energy.account import Account
from model.network import Network
from model.random_network import random_network
from model.samples import Samples

NAMES = (
    "conv[/relu]",
    "block[i]",
    "[bold]loud[/bold]",
    "$x_1^2$",
    r"\alpha {task.description} %s",
    ":smile: a_b*c*",
    "_hidden",
    "\\[red]",
    "Ünïcode 层 µm²",
    "W" * 64,
    "a name of the longest kind that a layer may have, of 64 letters",
    "1e3",
)
"""All are printable, of at most 64 characters, as layers are called."""


def ugly_network(names: Sequence[str] = NAMES) -> Network:
    """A network whose layers are called so."""
    network = random_network((5, *range(3, 3 + len(names))), seed=1)
    hidden = [replace(layer, name=name) for layer, name in zip(network.hidden, names[:-1], strict=True)]
    return replace(network, hidden=tuple(hidden), output=replace(network.output, name=names[-1]))


def outcome(
    accuracies: Mapping[str, Sequence[float]],
    values: Sequence[float | None] = (),
    axis: str = ERRORS,
    rates: Sequence[float] = (),
    facts: bool = True,
    network: Network | None = None,
    clean: float = 0.95,
) -> Outcome:
    """What a campaign found: by label, accuracies of all maps of a point at a place on the axis, where it errs at a
    rate. No values: conditions side by side.
    """
    network = network or random_network((5, 4, 3), seed=1)
    samples = Samples(np.zeros((1000, 5), int), np.zeros(1000, int))
    points = []
    for index, label in enumerate(accuracies):
        rate = rates[index] if rates else 0.01
        known = {"lrs_median_ohm": 1e4, "hrs_median_ohm": 1e5, "weight_error_rate": rate, "endurance_cycles": 1e9}
        value = values[index] if values else rate
        points.append(Point(label, value, {}, {**known, "programming_uJ": 12.0} if facts else {}))
    maps = max(map(len, accuracies.values()))
    campaign = Campaign(network, samples, (), maps, axis=axis, neurons=0.1)
    object.__setattr__(campaign, "points", (CLEAN, *points))
    found = [Found(CLEAN, (clean,), summarise((clean,)))]
    found += [
        Found(point, tuple(each), summarise(each)) for point, each in zip(points, accuracies.values(), strict=True)
    ]
    neurons = tuple(Sensitivity(layer.name, 1, 0.5, 0.25) for layer in network.layers)
    return Outcome(campaign, tuple(found), neurons)


def account(layers: Mapping[str, float], counted: bool = True, topology: str = "30-10-2") -> Account:
    """What an inference costs, whose layers do a thing so many times."""
    preset = PRESETS["nominal"]
    kinds = ("rows", "reads", "xnors", "popcount_bits", "thresholds", "memory_bits", "register_bits", "clocked_bits")
    activities = {name: Activity(**dict.fromkeys(kinds, int(count))) for name, count in layers.items()}
    pulses = Activity(forms=64, sets=96, resets=96, rows=3, reads=96)
    told = ("[red]nominal[/red]", preset.source)
    return Account(topology, activities, 2, counted, pulses, pulses, 1.0, preset.condition, *told)
