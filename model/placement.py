"""Which neuron goes to which place of its layer, so that the faults of given arrays do least harm.

The neurons of a hidden layer may stand in any order, as long as the next layer's inputs stand in the same one: the
network computes the same, but each neuron has other cells. What a fault does there depends on the weight: a device that
is stuck in the state that its weight needs does no harm. Neuron i at place j costs its sensitivity times the reads of
its weights that are expected to be wrong there; the places of a layer are those of least cost in all (the linear
assignment problem, solved as D. Crouse, "On implementing 2D rectangular assignment algorithms", IEEE Trans. Aerospace
and Electronic Systems 52, 2016, has it: `scipy.optimize.linear_sum_assignment`). Layers are placed from the first to
the last, because the place of a neuron decides in which columns its weights of the next layer are.

The classes keep their order, and so do channels before or behind a convolution in groups. Thresholds and offsets that
live in arrays are not looked at.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from model import bits
from model.errors import HafnetError, short
from model.faults import CHANCES, FaultMap
from model.faulty import sensed_weights
from model.mapping import LayerMap
from model.network import (
    PLACED_FROM,
    ConvolutionLayer,
    HiddenLayer,
    MaxPoolLayer,
    Network,
    OutputLayer,
    WeightedLayer,
)
from model.plan import Plan
from model.readers import check_width, read_csv

Floats: TypeAlias = npt.NDArray[np.float64]
Sensitivities: TypeAlias = Mapping[str, Floats]
"""(fan_out,) by the name of the layer: how much an error in a neuron matters, 0 or more."""

AnyWeighted = TypeVar("AnyWeighted", bound=WeightedLayer)

RANKING = ("layer", "neuron", "changed")
"""Columns of a ranking that are read."""
LEAST = 0.01
"""What a neuron counts at least, as a share of the mean: of those that matter alike little, the cheaper place wins."""


@dataclass(frozen=True)
class LayerPlacement:
    """What came of a layer: `order`, (fan_out,), the former number of the neuron at each place; `before` and `after`,
    the reads of all its weights that are expected to be wrong; `weighted`, likewise each times its neuron's
    sensitivity in units of the layer's mean, before and after; `fixed`, why its neurons stay, empty where they need
    not.
    """

    name: str
    order: npt.NDArray[np.intp]
    before: float
    after: float
    weighted: tuple[float, float]
    fixed: str


@dataclass(frozen=True)
class Placement:
    """The network in its new order, and what came of each of its layers with weights."""

    network: Network
    layers: tuple[LayerPlacement, ...]


def place(network: Network, plan: Plan, faults: FaultMap, sensitivities: Sensitivities | None = None) -> Placement:
    """The network with its neurons where `faults` harm least under `plan`; without sensitivities all count alike.

    Its origin tells from which network it was placed. Raises HafnetError for a fault map that is not one for network
    and plan, and for sensitivities that are not those of its neurons.
    """
    plan = plan.of(network.topology)
    faults.check(network.topology, plan)
    layers = list(network.layers)
    sensitivities = sensitivities or {}
    _check(network, sensitivities)
    found = []
    for index, grid in enumerate(plan.maps(network.topology)):
        layer = layers[index]
        if grid is None or not isinstance(layer, WeightedLayer):
            continue
        shares = _shares(layer.fan_out, sensitivities.get(layer.name))
        wrong = _wrong_reads(layer, index, grid, faults, plan.fidelity == "noisy")
        fixed = _fixed(layers, index)
        order = np.arange(layer.fan_out)
        if not fixed:
            neurons, places = linear_sum_assignment(shares[:, np.newaxis] * wrong)
            order[places] = neurons
            layers[index] = _moved(layer, order)
            for behind in range(index + 1, len(layers)):
                layers[behind] = _follow(layers[behind], order)
                if isinstance(layers[behind], WeightedLayer):
                    break
        stay, moved = np.diag(wrong), wrong[order, np.arange(layer.fan_out)]
        weighted = float(shares @ stay), float(shares[order] @ moved)
        found.append(LayerPlacement(layer.name, order, float(stay.sum()), float(moved.sum()), weighted, fixed))
    hidden, output = [each for each in layers if not isinstance(each, OutputLayer)], layers[-1]
    assert isinstance(output, OutputLayer)
    origin = {PLACED_FROM: network.digest, **network.origin}  # of a placed network the first one remains
    return Placement(replace(network, hidden=tuple(hidden), output=output, origin=origin), tuple(found))


def load_sensitivities(path: Path, network: Network) -> Sensitivities:
    """The column `changed` of a file as `hafnet faults --neurons` leaves it.

    Raises HafnetError for a file that cannot be read, and where neurons are missing, doubled or not the network's.
    """
    known = _fan_outs(network)
    found: dict[str, Floats] = {name: np.full(fan_out, np.nan) for name, fan_out in known.items()}
    header, *lines = read_csv(path, f"a header with {', '.join(RANKING)}")
    try:
        for column in RANKING:
            if header.count(column) != 1:
                raise HafnetError(f"column {column!r} is there {header.count(column)} times, but must be once")
        for number, line in enumerate(lines, start=1):
            check_width(line, header, number)
            row = dict(zip(header, line, strict=True))
            name, neuron, changed = row["layer"], _number(number, row, "neuron"), _number(number, row, "changed")
            if not (name in known and 0 <= neuron < known[name] and neuron == int(neuron)):
                raise HafnetError(f"neuron {neuron:g} of {short(name)} is none of {network.topology}")
            if not np.isnan(found[name][int(neuron)]):
                raise HafnetError(f"neuron {neuron:g} of {name!r} is there twice")
            found[name][int(neuron)] = changed
        for name, values in found.items():
            if np.isnan(values).any():
                raise HafnetError(f"neuron {int(np.argmax(np.isnan(values)))} of {name!r} is missing")
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    return found


def _number(number: int, row: Mapping[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HafnetError(f"row {number} has {short(row[column])} as {column}, but a number is needed")
    return value


def _fan_outs(network: Network) -> dict[str, int]:
    """The neurons of each layer that has any, by its name."""
    return {layer.name: layer.fan_out for layer in network.layers if isinstance(layer, WeightedLayer)}


def _check(network: Network, sensitivities: Sensitivities) -> None:
    known = _fan_outs(network)
    for name, values in sensitivities.items():
        if name not in known:
            raise HafnetError(f"sensitivities of {name!r} are given, which is no layer of neurons of this network")
        if values.shape != (known[name],):
            raise HafnetError(
                f"layer {name!r}: sensitivities have shape {values.shape}, but ({known[name]},) is needed"
            )
        wrong = values[~(np.isfinite(values) & (values >= 0))]
        if wrong.size:
            raise HafnetError(f"layer {name!r}: a sensitivity is {wrong[0]:g}, but must be 0 or more")


def _shares(fan_out: int, given: Floats | None) -> Floats:
    """What each neuron of a layer counts, 1 in the mean."""
    if given is None or not given.any():
        return np.ones(fan_out)
    shares = np.maximum(given / given.mean(), LEAST)
    return np.asarray(shares / shares.mean(), dtype=np.float64)


def _wrong_reads(layer: WeightedLayer, index: int, grid: LayerMap, faults: FaultMap, noisy: bool) -> Floats:
    """(neurons, places): how many weights of a neuron are expected to be read wrongly at each place."""
    found = np.zeros((layer.fan_out, layer.fan_out))
    for value, wrong in _wrong_cells(index, grid, faults, noisy):
        held = (layer.matrix == value).astype(np.float64)
        if wrong.any():
            found += held @ grid.matrix(wrong).T
    return found


def _wrong_cells(index: int, grid: LayerMap, faults: FaultMap, noisy: bool) -> Iterator[tuple[int, Floats]]:
    """Each weight, and the probability that a read of a cell that holds it is wrong: (groups, tiles, rows, columns)."""
    size, ternary = grid.geometry, grid.ternary
    for value in (-1, 0, 1) if ternary else (-1, 1):
        held = np.zeros((size.rows, grid.word_width), dtype=np.uint8)
        held[:, : size.columns] = value == 1
        held[:, size.columns :] = value == -1
        wrong = np.zeros((grid.groups, grid.tiles, size.rows, size.columns))
        for where, each in faults.arrays.items():
            if where.layer != index:
                continue
            read = sensed_weights(held, ternary, each.stuck, each.mismatch)
            cell = (read != value).astype(np.float64)
            if noisy:
                mismatch = bits.to_signs(each.mismatch)
                other = np.where(read == 0, mismatch, 0 if ternary else -read)
                chance = each.weak / CHANCES
                cell = np.where(read == value, chance, 1 - chance * (other == value))
            wrong[where.group, where.tile] = cell
        yield value, wrong


def _fixed(layers: list[HiddenLayer | OutputLayer], index: int) -> str:
    """Why the neurons of a layer must keep their order, if they must."""
    layer = layers[index]
    if isinstance(layer, OutputLayer):
        return "classes keep their order"
    behind = next(each for each in layers[index + 1 :] if isinstance(each, WeightedLayer))
    if any(isinstance(each, ConvolutionLayer) and each.groups > 1 for each in (layer, behind)):
        return "channels of groups keep their order"
    return ""


def _moved(layer: AnyWeighted, order: npt.NDArray[np.intp]) -> AnyWeighted:
    changed = {"weights": layer.weights[order], layer.integers_name: layer.integers[order]}
    return replace(layer, **changed)  # type: ignore[arg-type]


def _follow(layer: HiddenLayer | OutputLayer, order: npt.NDArray[np.intp]) -> HiddenLayer | OutputLayer:
    """The layer behind, whose inputs stand in a new order: as channels of a map, of one or of more places."""
    if isinstance(layer, MaxPoolLayer):
        return replace(layer, conjunctive=layer.conjunctive[order])
    if isinstance(layer, WeightedLayer):
        inputs = layer.weights.reshape(layer.fan_out, -1, len(order))[..., order]
        return replace(layer, weights=inputs.reshape(layer.weights.shape))
    return layer
