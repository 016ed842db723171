"""`Campaign`: a network, the samples it is asked, and the points at which it errs; and its tasks, one a map.

A point says how often each weight is wrong, whatever made it so: a bit error rate, or how devices were programmed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model.campaign.draw import Misreads, Rate, err, faulty
from model.campaign.engine import Change, Engine
from model.errors import HafnetError, listed, short
from model.network import Network, WeightedLayer
from model.samples import Samples

BLOCK = 32
"""Neurons in one task: what lies before their layer is computed once for all of them."""
ERRORS = "weight error rate"
"""The axis of points that say it themselves."""
NEURON_MAPS = 10
"""Maps in which a single neuron errs."""


@dataclass(frozen=True, eq=False)
class Point:
    """Errors that a campaign asks about.

    Members: `label`, what a reader calls it; `value`, where it is on the campaign's axis, or None if nowhere; `rates`,
    how often weights err, by the name of the layer; layers that are not named do not err; `facts`, numbers that a
    reader wants to see beside, by name. Raises HafnetError for a probability that is not in 0 … 1.
    """

    label: str
    value: float | None
    rates: Mapping[str, Rate]
    facts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rate in self.rates.values():
            found = _numbers(rate)
            wrong = found[~((found >= 0) & (found <= 1))]
            if wrong.size:
                raise HafnetError(f"error rate {wrong.flat[0]:g} is not a probability from 0 to 1")

    @property
    def errs(self) -> bool:
        """Whether there can be an error at all; otherwise all maps are alike."""
        return any(np.any(rate.errors if isinstance(rate, Misreads) else rate) for rate in self.rates.values())

    @cached_property
    def digest(self) -> str:
        """The same for the same rates, whatever they are called."""
        parts = [(f"{name} {type(rate) is Misreads}", _numbers(rate)) for name, rate in sorted(self.rates.items())]
        return _digest(*[part for name, rates in parts for part in (name, str(rates.shape), rates.tobytes())])


CLEAN = Point("no errors", None, {})


def at_rates(network: Network, rates: Iterable[float], layers: Iterable[str] = ()) -> tuple[Point, ...]:
    """Points at which all weights of some layers (none named: of all) err at the same rate.

    Raises HafnetError for a rate that is no probability, and for a layer that has no weights or is not there.
    """
    chosen = [layer.name for layer in chosen_layers(network, layers)]
    return tuple(Point(label_of(rate), rate, dict.fromkeys(chosen, rate)) for rate in dict.fromkeys(rates))


def label_of(value: float) -> str:
    """What a value on an axis is called: short, but never the same for two values."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def chosen_layers(network: Network, names: Iterable[str] = ()) -> tuple[WeightedLayer, ...]:
    """The layers of these names, or all that have weights where there are none.

    Raises HafnetError for a name of a layer that has no weights or is not there.
    """
    layers = {layer.name: layer for layer in network.layers if isinstance(layer, WeightedLayer)}
    names = tuple(names) or tuple(layers)
    check_names(names, tuple(layers))
    return tuple(layers[name] for name in names)


def check_names(names: Iterable[str], known: Sequence[str]) -> None:
    """Raises HafnetError where a layer is not one of those known."""
    for name in names:
        if name not in known:
            raise HafnetError(f"{short(name)} is no layer of weights of this network, which has {listed(known)}")


class Neurons(NamedTuple):
    """A block of neurons of a layer, each of which is to err alone."""

    layer: str
    numbers: range


class Task(NamedTuple):
    """A piece of a campaign that is done as a whole: map `number` of point `point`, or a block of `neurons`.

    `key` is the same for the same piece of work in any campaign with the same settings.
    """

    key: str
    point: int = 0
    number: int = 0
    neurons: Neurons | None = None


@dataclass(frozen=True, eq=False)
class Campaign:
    """What is asked: `points`, each in `maps` maps drawn from `seed`, of a network and labelled samples.

    `axis` names what the points' values are. `neurons`: the rate at which every single neuron is to err alone, to find
    those that an error hits hardest; None asks for no neurons. Raises HafnetError where a member breaks its rule.
    """

    network: Network
    samples: Samples
    points: tuple[Point, ...]
    maps: int = 100
    seed: int = 0
    axis: str = ERRORS
    neurons: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", (CLEAN, *sorted(self.points, key=lambda point: point.value or 0.0)))
        if self.samples.labels is None:
            raise HafnetError("the samples have no labels, without which there is no accuracy")
        self.samples.check_labels(self.network.topology.output.fan_out)
        if self.maps < 1:
            raise HafnetError(f"{self.maps} maps are not possible, at least 1 is needed")
        if self.seed < 0:
            raise HafnetError(f"seed {self.seed} is not possible, the least is 0")
        if self.neurons is not None and not 0 <= self.neurons <= 1:
            raise HafnetError(f"error rate {self.neurons:g} is not a probability from 0 to 1")
        names = [layer.name for layer in self.layers]
        for point in self.points:
            check_names(point.rates, names)

    @property
    def on_axis(self) -> bool:
        """Whether a point's label is just its value on the axis."""
        return all(point.label == label_of(point.value) for point in self.points if point.value is not None)

    @property
    def layers(self) -> tuple[WeightedLayer, ...]:
        """The layers that can err."""
        return chosen_layers(self.network)

    @cached_property
    def settings(self) -> dict[str, str]:
        """What all results depend on, as digests: a journal of other settings holds other results."""
        labels, values = self.samples.labels, self.samples.values
        assert labels is not None
        inside = [part for layer in self.network.layers for key, part in layer.arrays.items()]
        shapes = [repr((layer.name, layer.shape)) for layer in self.network.layers]
        return {
            "network": _digest(repr(self.network.encoding), *shapes, *[part.tobytes() for part in inside]),
            "samples": _digest(str(values.shape), *[part.astype("<i8").tobytes() for part in (values, labels)]),
            "seed": str(self.seed),
        }

    def tasks(self) -> Iterator[Task]:
        """All pieces of work, in order; of a point without errors one map."""
        for point, asked in enumerate(self.points):
            for number in range(self.maps if asked.errs else 1):
                yield Task(f"{asked.digest}/{number}", point, number)
        if self.neurons is not None:
            for layer in self.layers:
                for start in range(0, layer.fan_out, BLOCK):
                    numbers = range(start, min(start + BLOCK, layer.fan_out))
                    yield Task(f"{layer.name}/{numbers.start}/{self.neurons!r}", neurons=Neurons(layer.name, numbers))

    def check(self, key: str, result: Any) -> None:
        """Raises HafnetError where this cannot be the result of the task `key` of a campaign with these settings."""
        samples, (name, *place) = len(self.samples), key.rsplit("/", 2)
        fan_outs = {layer.name: layer.fan_out for layer in self.layers}
        if len(place) == 2 and name in fan_outs:
            blocks = {str(start): min(BLOCK, fan_outs[name] - start) for start in range(0, fan_outs[name], BLOCK)}
            count, shown = blocks.get(place[0]), samples * NEURON_MAPS
            if count is None or not isinstance(result, list) or len(result) != count:
                raise HafnetError(f"the result is not a list of {count or 'any'} neurons")
            for change in result:
                right = isinstance(change, list) and len(change) == 2 and all(type(number) is int for number in change)
                if not right or not abs(change[1]) <= change[0] <= shown:
                    raise HafnetError(f"a neuron's result is not how many of {shown} samples changed and were lost")
        elif type(result) is not int or not 0 <= result <= samples:
            raise HafnetError(f"the result is not a number of samples from 0 to {samples}")

    def run(self, task: Task, engine: Engine) -> Any:
        """The result of a task, as JSON holds it: samples that are right in a map, or `Change` of each neuron."""
        if task.neurons is None:
            rates = self.points[task.point].rates
            return engine.correct(faulty(self.network, rates, self.seed, task.number))
        return [list(change) for change in self._changes(task.neurons, engine)]

    def _changes(self, neurons: Neurons, engine: Engine) -> list[Change]:
        assert self.neurons is not None
        index = next(index for index, layer in enumerate(self.layers) if layer.name == neurons.layer)
        random = np.random.default_rng([self.seed, index, neurons.numbers.start])
        layer = self.layers[index]
        rows = {number: np.repeat(layer.matrix[number : number + 1], NEURON_MAPS, 0) for number in neurons.numbers}
        for number, each in rows.items():
            rows[number] = err(each, self.neurons, random, layer.shape.ternary)
        return engine.changes(neurons.layer, rows)


def _numbers(rate: Rate) -> npt.NDArray[np.float64]:
    return np.asarray(rate.chances if isinstance(rate, Misreads) else rate, dtype=np.float64)


def _digest(*parts: str | bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(b"%d:" % len(data))
        found.update(data)
    return found.hexdigest()[:32]
