"""How many arrays a plan takes beyond the plain one: arrays of the same size, each layer in the fewest that hold it.

The plain plan keeps no rows back, has no numbers in its arrays, and reads one row at a time. It is the one that the
planner chooses where nothing is asked of it, as far as arrays go.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias, get_args

from model.mapping import P2S, S2P, Geometry, LayerMap
from model.plan import LayerPlan, Plan, layer_map
from model.topology import Convolution, Dense, Topology

Cause: TypeAlias = Literal["spare rows", "signature", "numbers", "lanes", "dataflow"]
FOLLOWING: tuple[Cause, ...] = ("lanes", "dataflow")
"""What the planner chooses where nobody asks for it."""
FACTOR = 2
"""Above this many times the arrays of the plain plan, a user should know."""


class Surplus(NamedTuple):
    """The arrays of a plan, those of the plain one, and what costs them, the dearest first."""

    arrays: int
    plain: int
    causes: tuple[Cause, ...]


def surplus(topology: Topology, plan: Plan, asked: Collection[Cause] = ()) -> Surplus | None:
    """What a plan costs beyond the plain one if that is more than FACTOR times as much; None if not.

    `causes` are those without which it would not be; `asked` are those of lanes and dataflow that are no choice of the
    planner's. Raises HafnetError as `Plan.of` does.
    """
    plan = plan.of(topology)
    count, plain = _arrays(topology, plan, ()), _arrays(topology, plan, get_args(Cause))
    if count <= FACTOR * plain:
        return None
    # The planner reads in more lanes where arrays are there anyway, and another plan would not: these cost nothing.
    chosen = [cause for cause in FOLLOWING if cause not in asked and "lanes" not in asked]  # which decide the dataflow
    free = [cause for cause in chosen if _arrays(topology, plan, (cause,)) == count]
    causes: tuple[Cause, ...] = ()
    while _arrays(topology, plan, (*free, *causes)) > FACTOR * plain:
        left = (cause for cause in get_args(Cause) if cause not in (*free, *causes))
        causes += (min(left, key=lambda cause: _arrays(topology, plan, (*free, *causes, cause))),)
    return Surplus(count, plain, causes)


def _arrays(topology: Topology, plan: Plan, without: Collection[Cause]) -> int:
    """The arrays of a plan without some of what it asks for."""
    size = plan.geometry
    size = replace(size, spare_rows=0 if "spare rows" in without else size.spare_rows)
    size = replace(size, signature=size.signature and "signature" not in without)
    numbers = plan.numbers_in_arrays and "numbers" not in without
    return sum(_fewest(topology, index, size, plan, numbers, without) for index in range(len(topology.layers)))


def _fewest(
    topology: Topology, index: int, size: Geometry, plan: Plan, numbers: bool, without: Collection[Cause]
) -> int:
    shape, asked = topology.layers[index], plan.layers[index]
    if not isinstance(shape, Dense | Convolution):
        return 0
    grouped = isinstance(shape, Convolution) and shape.groups > 1
    dataflows = {asked.dataflow} | ({P2S, S2P} if "dataflow" in without and not grouped else set())
    found: list[LayerMap | None] = []
    for dataflow in dataflows:
        rows = shape.fan_out if dataflow == P2S else shape.fan_in
        lanes = 1 if "lanes" in without else min(asked.lanes, rows)
        found.append(layer_map(topology, index, size, LayerPlan(dataflow, lanes), numbers))
    return min(each.arrays for each in found if each is not None)
