"""Points of a campaign from situations of devices: what a programming condition does to bit errors, and what it costs.

Errors of cells are drawn independently, each with the probability that the device model gives in closed form. The
amplifier's offset, which all cells of a column share on a chip, is drawn for each cell anew, too.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from model.campaign.draw import Misreads, Rate, expected_errors
from model.campaign.points import Point, chosen_layers, label_of
from model.device.energy import Pulses
from model.device.presets import AGEING, HFO2
from model.device.resistance import Source
from model.device.situation import Read, Situation, Sweep
from model.errors import HafnetError
from model.network import Network, WeightedLayer

Cell: TypeAlias = Literal["1T1R", "2T2R"]
CELLS: tuple[Cell, ...] = ("2T2R", "1T1R")


def at_situations(
    network: Network,
    situations: Iterable[tuple[str, Situation]],
    layers: Iterable[str] = (),
    source: Source = HFO2,
    cell: Cell = "2T2R",
) -> tuple[Point, ...]:
    """A point for each situation with its label, on the axis of weight error rates, where weights of some layers (none
    named: of all) are read as their devices allow.

    Raises HafnetError for a layer that has no weights or is not there, for a ternary one of 1T1R cells, and as
    `Situation.read`.
    """
    chosen = chosen_layers(network, layers)
    return tuple(_point(chosen, label, None, situation, source, cell) for label, situation in situations)


def swept(
    network: Network,
    sweep: Sweep,
    base: Situation,
    layers: Iterable[str] = (),
    source: Source = HFO2,
    cell: Cell = "2T2R",
) -> tuple[Point, ...]:
    """Likewise a point for each value of a sweep, on its axis."""
    chosen = chosen_layers(network, layers)
    return tuple(
        _point(chosen, label_of(number), number, base.with_(sweep.quantity, value), source, cell)
        for number, value in zip(sweep.numbers, sweep.values, strict=True)
    )


def _point(
    layers: Sequence[WeightedLayer], label: str, value: float | None, situation: Situation, source: Source, cell: Cell
) -> Point:
    read = situation.read(source)
    rates = {layer.name: _rate(layer, read, cell) for layer in layers}
    weights = sum(layer.matrix.size for layer in layers)
    errors = sum(expected_errors(layer.matrix, rates[layer.name]) for layer in layers) / weights
    # A device of each cell of weight +1 is SET, in 2T2R the other one of those of -1, too; all others are RESET.
    sets = sum(int(np.sum(layer.matrix == 1 if cell == "1T1R" else layer.matrix != 0)) for layer in layers)
    resets = weights * (1 if cell == "1T1R" else 2) - sets
    pulses = Pulses()
    joules = sets * pulses.set(situation.condition) + resets * pulses.reset(situation.condition)
    facts = {
        "lrs_median_ohm": read.states.lrs.median,
        "hrs_median_ohm": read.states.hrs.median,
        "weight_error_rate": errors,
        "endurance_cycles": AGEING.cycles(situation.condition),
        "programming_uJ": joules * 1e6,
    }
    return Point(label, errors if value is None else value, rates, facts)


def _rate(layer: WeightedLayer, read: Read, cell: Cell) -> Rate:
    if not layer.shape.ternary:
        return read.one if cell == "1T1R" else read.two
    if cell == "1T1R":
        raise HafnetError(f"layer {layer.name!r} has ternary weights, which a 1T1R cell cannot hold: it needs 2T2R")
    return Misreads(read.ternary)
