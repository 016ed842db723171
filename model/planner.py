"""Choosing how each layer is read, so that arrays, cycles and buffers are least.

`model.ways` finds the smallest plan whose parts all keep to a bound on the cycles of an image. All the rest is a search
for the bound:

- without a target: the smallest bound under which the arrays are still as few as they can be at all. A layer that is
  not the slowest one is no faster than it must be, unless that saves registers;
- a target of cycles is the bound itself: no plan is larger than it was asked to be. Where layers hold each other up, so
  that they take longer together than each by itself, one of them must have fewer reads: all plans that differ in this
  are looked at, the smallest first;
- a target of arrays: the smallest bound that needs no more of them; where even the slowest plan does, the smaller side
  of the arrays is doubled until it does not.
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import TypeAlias

from model.costs import pipeline_pace
from model.errors import HafnetError
from model.mapping import LARGEST, Geometry
from model.pipeline import Pipeline, Results, Run
from model.plan import Plan
from model.topology import Convolution, Dense, Topology
from model.ways import Fewer, Override, Way, Ways

TRIES = 64
"""So many plans are looked at for the smallest one that meets a target, before it must be one of the next; fewer, where
maps are large, so that no more than PIXELS are followed for it."""
PIXELS = 200_000

Overrides: TypeAlias = Mapping[str, Override]
"""By a layer's name, or its number as text."""


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
    ways = Ways(topology, geometry, _by_index(topology, overrides or {}), numbers_in_arrays, results)
    if cycles is not None:
        way = _in_cycles(ways, cycles)
    elif arrays is None:
        way = _fastest(ways, _fewest(ways))
    else:
        while _fewest(ways) > arrays:
            larger = _larger(ways.geometry)
            if larger is None:
                size = ways.geometry
                raise HafnetError(
                    f"{arrays} arrays are not enough for {topology}: the fewest are {_fewest(ways)}, of {size}"
                )
            ways = Ways(topology, larger, ways.overrides, numbers_in_arrays, results)
        way = _fastest(ways, arrays)
    return Plan(ways.geometry, way.plans, numbers_in_arrays)


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


def _fastest(ways: Ways, arrays: int) -> Way:
    """The plan of at most `arrays` whose slowest part takes the fewest cycles."""
    found = bisect_left(ways.bounds, True, key=lambda bound: _under(ways, bound).size.arrays <= arrays)
    return _under(ways, ways.bounds[found])


def _fewest(ways: Ways) -> int:
    """Arrays of the plan that has fewest."""
    return _under(ways, ways.bounds[-1]).size.arrays


def _under(ways: Ways, bound: int, quick: bool = False) -> Way:
    """The smallest plan under a bound that some plan keeps to, or the fastest one."""
    way = ways.smallest(bound, quick=quick)
    assert way is not None
    return way


def _in_cycles(ways: Ways, cycles: int) -> Way:
    """The smallest plan that takes at most `cycles`, or one somewhat larger where too many do not."""
    quickest = _under(ways, ways.bounds[0], quick=True)
    if _pipeline(ways, quickest).cycles() > cycles:
        nearest = pipeline_pace(_pipeline(ways, quickest))
        raise HafnetError(
            f"{cycles} cycles per image are not possible for {ways.topology}: the fewest are {nearest.cycles} "
            f"({nearest.limit})"
        )
    way, fewer = _under(ways, cycles), Fewer()
    run = _too_slow(ways, way, cycles)
    numbers, seen = itertools.count(), set()
    queue = [(way.size, next(numbers), way, fewer, run)]
    for _ in range(max(1, min(TRIES, PIXELS // _pixels(ways.topology)))):
        if not queue:
            return quickest
        _, _, way, fewer, run = heappop(queue)
        run = _too_slow(ways, way, cycles, run)
        if run is None:
            return way
        for child, asked in _next(ways, way, fewer, run, cycles):
            if (key := frozenset(asked.items())) not in seen:
                seen.add(key)
                heappush(queue, (child.size, next(numbers), child, asked, run))
    # From the last one on, the change that helps most.
    while run is not None:
        paces = [
            (_pipeline(ways, child).cycles(run), child, asked) for child, asked in _next(ways, way, fewer, run, cycles)
        ]
        _, way, fewer = min(paces, key=lambda each: (each[0], each[1].size), default=(0, quickest, {}))
        run = _too_slow(ways, way, cycles, run)
    return way


def _pixels(topology: Topology) -> int:
    """Pixels of all maps of an image."""
    sizes = [topology.source, *(shape.result for shape in topology.layers)]
    return sum(size.height * size.width for size in sizes)


def _pipeline(ways: Ways, way: Way) -> Pipeline:
    return Pipeline(ways.topology, way.plans, ways.results)


def _too_slow(ways: Ways, way: Way, cycles: int, run: Run | None = None) -> Run | None:
    """Neighbours that take more than `cycles` in a plan, if there are any; `run`, if that does."""
    pipeline = _pipeline(ways, way)
    if run is not None and pipeline.cycles(run) > cycles:
        return run
    return pipeline.binding(cycles + 1) if pipeline.cycles() > cycles else None


def _next(ways: Ways, way: Way, fewer: Fewer, run: Run, cycles: int) -> Iterator[tuple[Way, Fewer]]:
    """The smallest plans in which one layer of `run` has fewer reads than in this one, and what was asked of them."""
    for index in range(max(0, run.first), run.last + 1):
        plan = way.plans[index]
        asked = {**fewer, (index, plan.dataflow): ways.reads(index, plan)}
        child = ways.smallest(cycles, asked)
        if child is not None:
            yield child, asked
