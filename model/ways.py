"""All ways to read the layers on arrays of one size, and the smallest plan among them that keeps to a bound of cycles.

A layer can be read in either dataflow and in many lanes; of all lanes that take the same number of reads hardly more
than the fewest are looked at. What a choice costs is up to `model.costs`. A dynamic programme over the layers finds the
plan that has, in this order, the fewest arrays, register bits, memory bits and lanes; the layer before matters only
where the two make a zig-zag.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from model.costs import layer_bits, layer_pace, packet_paces, zigzag_pace
from model.errors import HafnetError
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.pipeline import Results
from model.plan import LayerPlan, layer_map
from model.topology import Convolution, Dense, Topology, Weighted


@dataclass(frozen=True)
class Override:
    """What a user decides for a layer; None leaves it to the planner."""

    dataflow: Dataflow | None = None
    lanes: int | None = None


class Size(NamedTuple):
    """What is to be least, most important first."""

    arrays: int
    registers: int
    memory: int
    lanes: int

    def plus(self, other: "Size") -> "Size":
        return Size(*map(sum, zip(self, other, strict=True)))


class _Option(NamedTuple):
    """One way to read a layer, by itself."""

    plan: LayerPlan
    reads: int
    cycles: int
    size: Size

    @property
    def slowness(self) -> Size:
        """What is to be least in the fastest plan."""
        return Size(self.cycles, self.reads, self.plan.dataflow == P2S, 0)


class _Zigzag(NamedTuple):
    """What changes where two layers are a zig-zag: neither takes less than `cycles`, and `change` in their size."""

    cycles: int
    change: Size


class Way(NamedTuple):
    """A plan for the first layers, and its size."""

    size: Size
    plans: tuple[LayerPlan, ...]


Fewer: TypeAlias = dict[tuple[int, Dataflow], int]
"""Fewer row reads than so many are asked of a layer, if it is read in this dataflow."""

_NOTHING = Size(0, 0, 0, 0)


class Ways:
    """All ways to read the layers. `bounds` are the cycles of all of them that some plan keeps to, in ascending order.

    Raises HafnetError for overrides that are not possible.
    """

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
        packets = max(pace.cycles for pace in packet_paces(topology, results))
        cycles = [option.cycles for options in self.options for option in options]
        cycles += [zigzag.cycles for zigzag in self.zigzags.values()]
        bounds = sorted({max(packets, each) for each in cycles})
        self.bounds = bounds[bisect_left(bounds, True, key=lambda bound: self.smallest(bound) is not None) :]

    def reads(self, index: int, plan: LayerPlan) -> int:
        """Row reads of a word of a layer, one after the other."""
        return next(option.reads for option in self.options[index] if option.plan == plan)

    def smallest(self, bound: int, fewer: Fewer | None = None, quick: bool = False) -> Way | None:
        """The smallest plan of which no part takes more than `bound` cycles by itself, None where there is none; the
        fastest plan if it shall be `quick`.
        """
        ways = {LayerPlan(): Way(_NOTHING, ())}
        for index, options in enumerate(self.options):
            before, ways = ways, {}
            ranked = sorted(before.items(), key=lambda item: item[1].size)[:2]
            for option in options:
                limit = (fewer or {}).get((index, option.plan.dataflow))
                if option.cycles > bound or (limit is not None and option.reads >= limit):
                    continue
                # The best way up to the layer before that makes no zig-zag with this one, and the one that does.
                zigzag = self.zigzags.get((index, option.plan))
                partner = LayerPlan(P2S, option.plan.lanes) if zigzag else None
                reached = [way for plan, way in ranked if plan != partner][:1]
                if zigzag and zigzag.cycles <= bound and partner in before:
                    size, plans = before[partner]
                    reached.append(Way(size if quick else size.plus(zigzag.change), plans))
                if reached:
                    size, plans = min(reached, key=lambda way: way.size)
                    size = size.plus(option.slowness if quick else option.size)
                    ways[option.plan] = Way(size, (*plans, option.plan))
        return min(ways.values(), key=lambda way: way.size, default=None)

    def _options(self, index: int) -> list[_Option]:
        """All ways to read a layer; a single one, of no size, where it is a pooling layer."""
        shape, override = self.topology.layers[index], self.overrides.get(index, Override())
        if not isinstance(shape, Dense | Convolution):
            return [_Option(LayerPlan(), 1, layer_pace(self.topology, index, True, 1, self.results).cycles, _NOTHING)]
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
        return _Option(plan, grid.reads, pace.cycles, Size(grid.arrays, *bits, plan.lanes))

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
                    yield (index, sink), _Zigzag(pace.cycles, Size(0, registers, 0, 0))


def _fewest(count: int) -> Iterator[int]:
    """For each possible ceil(count / lanes) the fewest lanes, in ascending order."""
    lanes = 1
    while True:
        yield lanes
        reads = -(-count // lanes)
        if reads == 1:
            return
        lanes = -(-count // (reads - 1))
