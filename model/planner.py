"""Choosing how each layer is read, so that arrays, cycles and buffers are least.

A layer can be read in either dataflow and in many lanes; of all lanes that take the same number of reads hardly more
than the fewest are looked at. What a choice costs is up to `model.costs`. For a bound on the cycles of an image, a
dynamic programme over the layers finds the plan whose parts all keep to it with, in this order, the fewest arrays,
register bits, memory bits and lanes; the layer before matters only where the two make a zig-zag. All the rest is a
search for the bound:

- without a target: the smallest bound under which the arrays are still as few as they can be at all. A layer that is
  not the slowest one is no faster than it must be, unless that saves registers;
- a target of cycles is the bound itself: no plan is faster, or larger, than it was asked to be;
- a target of arrays: the smallest bound that needs no more of them; where even the slowest plan does, the smaller side
  of the arrays is doubled until it does not.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from model.costs import Pace, Results, layer_bits, layer_pace, pace_cycles, packet_paces, pool_pace, zigzag_pace
from model.errors import HafnetError
from model.mapping import LARGEST, P2S, S2P, Dataflow, Geometry
from model.plan import LayerPlan, Plan, layer_map
from model.topology import Convolution, Dense, Topology, Weighted


@dataclass(frozen=True)
class Override:
    """What a user decides for a layer; None leaves it to the planner."""

    dataflow: Dataflow | None = None
    lanes: int | None = None


Overrides: TypeAlias = Mapping[str, Override]
"""By a layer's name, or its number as text."""


class _Size(NamedTuple):
    """What is to be least, most important first."""

    arrays: int
    registers: int
    memory: int
    lanes: int

    def plus(self, other: "_Size") -> "_Size":
        return _Size(*map(sum, zip(self, other, strict=True)))


class _Option(NamedTuple):
    """One way to read a layer, by itself."""

    plan: LayerPlan
    pace: Pace
    size: _Size


class _Zigzag(NamedTuple):
    """What changes where two layers are a zig-zag: neither can be faster than `pace`, and `change` in their size."""

    pace: Pace
    change: _Size


_Way: TypeAlias = tuple[_Size, tuple[LayerPlan, ...]]

_NOTHING = _Size(0, 0, 0, 0)


def choose(
    topology: Topology,
    geometry: Geometry,
    *,
    cycles: int | None = None,
    arrays: int | None = None,
    overrides: Overrides | None = None,
    numbers_in_arrays: bool = False,
    results: Results = Results(),  # noqa: B008 (immutable)
) -> Plan:
    """The plan for `topology` on arrays of `geometry`, or larger ones where `arrays` needs them.

    `cycles`: at most so many cycles an image, at one cycle a read. `arrays`: at most so many arrays. `results`: what
    result packets hold, which bounds the cycles. `numbers_in_arrays` as in `Plan`. Raises HafnetError for both targets
    at once, for a target that cannot be met, with the nearest one that can, and for overrides of layers or with lanes
    that do not exist.
    """
    if cycles is not None and arrays is not None:
        raise HafnetError(f"targets of {cycles} cycles per image and of {arrays} arrays exclude each other")
    search = _Search(topology, geometry, _by_index(topology, overrides or {}), numbers_in_arrays, results)
    if cycles is not None:
        return search.in_cycles(cycles)
    if arrays is None:
        return search.fastest(search.fewest)
    while search.fewest > arrays:
        larger = _larger(search.geometry)
        if larger is None:
            size = search.geometry
            raise HafnetError(
                f"{arrays} arrays are not enough for {topology}: the fewest are {search.fewest}, of {size}"
            )
        search = _Search(topology, larger, search.overrides, numbers_in_arrays, results)
    return search.fastest(arrays)


def _larger(geometry: Geometry) -> Geometry | None:
    """The smaller side doubled, up to the largest possible; None where both are."""
    if geometry.rows <= geometry.columns and geometry.rows < LARGEST:
        return replace(geometry, rows=min(LARGEST, 2 * geometry.rows))
    if geometry.columns < LARGEST:
        return replace(geometry, columns=min(LARGEST, 2 * geometry.columns))
    return None


def _by_index(topology: Topology, overrides: Overrides) -> dict[int, Override]:
    """Overrides by the number of the layer."""
    found = {}
    for layer, override in overrides.items():
        index = int(layer) if layer.isdecimal() else -1
        if layer in topology.names:
            index = topology.names.index(layer)
        if not 0 <= index < len(topology.layers):
            raise HafnetError(f"layer {layer!r} is none of {', '.join(topology.names)}")
        if not isinstance(topology.layers[index], Dense | Convolution):
            raise HafnetError(
                f"layer {topology.names[index]!r} is a pooling layer, which has neither dataflow nor lanes"
            )
        if override.lanes is not None and override.lanes < 1:
            name = topology.names[index]
            raise HafnetError(f"layer {name!r}: {override.lanes} lanes are not possible, at least 1 is needed")
        found[index] = override
    return found


class _Search:
    """All ways to read the layers on arrays of one size."""

    def __init__(
        self,
        topology: Topology,
        geometry: Geometry,
        overrides: Mapping[int, Override],
        numbers_in_arrays: bool,
        results: Results,
    ) -> None:
        self.topology, self.geometry, self.overrides = topology, geometry, overrides
        self.numbers_in_arrays, self.results = numbers_in_arrays, results
        self.options = [self._options(index) for index in range(len(topology.layers))]
        self.zigzags = dict(self._zigzags())
        # No plan is faster than packets and the fastest way to read each layer, nor than a zig-zag that overrides make.
        paces = list(packet_paces(topology, results))
        for name, options in zip(topology.names, self.options, strict=True):
            fastest = min((option.pace for option in options), key=pace_cycles)
            paces.append(Pace(fastest.cycles, f"layer {name!r}: {fastest.limit}"))
        floor = max(paces, key=pace_cycles)
        paces += [option.pace for options in self.options for option in options]
        paces += [zigzag.pace for zigzag in self.zigzags.values()]
        bounds = sorted({pace.cycles for pace in paces if pace.cycles >= floor.cycles})
        first = bisect_left(bounds, True, key=lambda bound: self._solve(bound) is not None)
        self.bounds = bounds[first:]
        self.floor = floor if first == 0 else Pace(bounds[first], "latency of a zig-zag")
        self.fewest = self._arrays(self.bounds[-1])

    def in_cycles(self, cycles: int) -> Plan:
        """The smallest plan that takes at most `cycles`."""
        if cycles < self.floor.cycles:
            raise HafnetError(
                f"{cycles} cycles per image are not possible for {self.topology}: the fewest are {self.floor.cycles} "
                f"({self.floor.limit})"
            )
        return self._plan(cycles)

    def fastest(self, arrays: int) -> Plan:
        """The plan of the fewest cycles that needs at most `arrays`."""
        found = bisect_left(self.bounds, True, key=lambda bound: self._arrays(bound) <= arrays)
        return self._plan(self.bounds[found])

    def _arrays(self, bound: int) -> int:
        return self._way(bound)[0].arrays

    def _plan(self, bound: int) -> Plan:
        return Plan(self.geometry, self._way(bound)[1], self.numbers_in_arrays)

    def _way(self, bound: int) -> _Way:
        """The smallest plan under a bound that is not below the floor."""
        way = self._solve(bound)
        assert way is not None
        return way

    def _solve(self, bound: int) -> _Way | None:
        """The smallest plan of which no part takes more than `bound` cycles, None where there is none."""
        ways: dict[LayerPlan, _Way] = {LayerPlan(): (_NOTHING, ())}
        for index, options in enumerate(self.options):
            before, ways = ways, {}
            ranked = sorted(before.items(), key=lambda item: item[1][0])[:2]
            for option in options:
                if option.pace.cycles > bound:
                    continue
                # The best way up to the layer before that makes no zig-zag with this one, and the one that does.
                zigzag = self.zigzags.get((index, option.plan))
                partner = LayerPlan(P2S, option.plan.lanes) if zigzag else None
                reached = [way for plan, way in ranked if plan != partner][:1]
                if zigzag and zigzag.pace.cycles <= bound and partner in before:
                    size, plans = before[partner]
                    reached.append((size.plus(zigzag.change), plans))
                if reached:
                    size, plans = min(reached, key=lambda way: way[0])
                    ways[option.plan] = size.plus(option.size), (*plans, option.plan)
        return min(ways.values(), key=lambda way: way[0], default=None)

    def _options(self, index: int) -> list[_Option]:
        """All ways to read a layer; a single one, of no size, where it is a pooling layer."""
        shape, override = self.topology.layers[index], self.overrides.get(index, Override())
        if not isinstance(shape, Dense | Convolution):
            return [_Option(LayerPlan(), pool_pace(shape), _NOTHING)]
        dataflows = [override.dataflow] if override.dataflow else [P2S, S2P]
        options, refusal = [], HafnetError("")
        for dataflow in dataflows:
            lanes = self._lanes(shape, dataflow) if override.lanes is None else [override.lanes]
            for number in lanes:
                try:
                    options.append(self._option(index, LayerPlan(dataflow, number)))
                except HafnetError as error:
                    refusal = error
        if not options:
            raise refusal
        return options

    def _lanes(self, shape: Weighted, dataflow: Dataflow) -> list[int]:
        """The fewest lanes for each number of reads, and those of overrides, which a neighbour in a zig-zag needs."""
        count = shape.fan_out if dataflow == P2S else shape.fan_in
        given = {each.lanes for each in self.overrides.values() if each.lanes is not None and 1 <= each.lanes <= count}
        if isinstance(shape, Convolution) and shape.groups > 1:
            neurons = shape.channels // shape.groups
            parts = [number for number in range(1, neurons + 1) if neurons % number == 0]
            wholes = [neurons * number for number in range(1, shape.groups + 1) if shape.groups % number == 0]
            return sorted({*parts, *wholes})
        fewest = set(_fewest(count))
        # A lane more, and as many reads: for neighbours that would else make a zig-zag that is worse than none.
        more = {each + 1 for each in fewest if each < count and -(-count // each) == -(-count // (each + 1))}
        if not isinstance(shape, Dense):
            return sorted(given | fewest)
        return sorted(given | fewest | more)

    def _option(self, index: int, plan: LayerPlan) -> _Option:
        grid = layer_map(self.topology, index, self.geometry, plan, self.numbers_in_arrays)
        assert grid is not None  # the layer has neurons
        bits = layer_bits(self.topology, index, plan, (False, False), self.results)
        pace = layer_pace(self.topology, index, plan.dataflow == P2S, plan.lanes, self.results)
        return _Option(plan, pace, _Size(grid.arrays, *bits, plan.lanes))

    def _zigzags(self) -> Iterator[tuple[tuple[int, LayerPlan], _Zigzag]]:
        """By number and plan of the second layer, all zig-zags that options can make."""
        for index in range(1, len(self.options)):
            if not all(isinstance(shape, Dense) for shape in self.topology.layers[index - 1 : index + 1]):
                continue
            plans = {option.plan for option in self.options[index]}
            for source in (option.plan for option in self.options[index - 1]):
                sink = LayerPlan(S2P, source.lanes)
                if source.dataflow == P2S and sink in plans:
                    registers = 0
                    for layer, plan, with_other in ((index - 1, source, (False, True)), (index, sink, (True, False))):
                        for sign, zigzags in ((1, with_other), (-1, (False, False))):
                            registers += sign * layer_bits(self.topology, layer, plan, zigzags, self.results)[0]
                    pace = zigzag_pace(self.topology, index - 1, source.lanes, self.results)
                    yield (index, sink), _Zigzag(pace, _Size(0, registers, 0, 0))


def _fewest(count: int) -> Iterator[int]:
    """For each possible ceil(count / lanes) the fewest lanes, in ascending order."""
    lanes = 1
    while True:
        yield lanes
        reads = -(-count // lanes)
        if reads == 1:
            return
        lanes = -(-count // (reads - 1))
