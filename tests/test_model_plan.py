"""Plans: which arrays each layer gets, and what cannot be read so."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import HafnetError
from model.mapping import P2S, S2P, Geometry, LayerMap
from model.plan import LayerPlan, Plan, check_groups
from model.topology import Convolution, Map, Topology

TEXT = "6x6x4-8c3p1g2t-m2-avg-9-3"


def test_no_layers_mean_one_neuron_at_a_time() -> None:
    topology, geometry = Topology.parse(TEXT), Geometry(5, 7)
    plan = Plan(geometry).of(topology)
    assert plan == Plan(geometry, (LayerPlan(P2S, 1),) * 5)
    assert plan.of(topology) == plan
    assert plan.maps(topology) == Plan(geometry).maps(topology)
    assert plan.maps(topology) == (
        LayerMap(18, 8, geometry, P2S, 1, True),
        None,
        None,
        LayerMap(8, 9, geometry),
        LayerMap(9, 3, geometry),
    )


def test_layers_are_read_as_they_are_told() -> None:
    told = (LayerPlan(P2S, 4), LayerPlan(), LayerPlan(S2P, 9), LayerPlan(S2P, 8), LayerPlan(P2S, 2))
    maps = Plan(Geometry(), told).maps(Topology.parse(TEXT))
    assert [(grid.dataflow, grid.lanes, grid.reads) for grid in maps if grid] == [(P2S, 4, 2), (S2P, 8, 1), (P2S, 2, 2)]


def test_members_become_plain() -> None:
    plan = Plan(Geometry(), [LayerPlan(S2P, np.int64(3))])  # type: ignore[arg-type]
    assert plan.layers == (LayerPlan(S2P, 3),)
    assert type(plan.layers[0].lanes) is int
    assert hash(plan) == hash(Plan(Geometry(), (LayerPlan(S2P, 3),)))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([LayerPlan()] * 4, "a plan for 4 layers does not fit 6x6x4-8c3p1g2t-m2-avg-9-3, which has 5"),
        ([LayerPlan()] * 6, "a plan for 6 layers does not fit 6x6x4-8c3p1g2t-m2-avg-9-3, which has 5"),
        (
            [LayerPlan(P2S, 3)] + [LayerPlan()] * 4,
            "layer 'layer0': 3 lanes do not fit 2 groups of 4 channels: "
            "they must divide 4 or be 4 times a divisor of 2",
        ),
        (
            [LayerPlan(S2P)] + [LayerPlan()] * 4,
            "layer 'layer0': 2 groups cannot be read sequential_to_parallel, only parallel_to_sequential",
        ),
        (
            [LayerPlan()] * 3 + [LayerPlan(P2S, 10), LayerPlan()],
            "layer 'layer3': 10 lanes are not possible for 9 neurons, only 1 … 9",
        ),
        (
            [LayerPlan()] * 3 + [LayerPlan(S2P, 9), LayerPlan()],
            "layer 'layer3': 9 lanes are not possible for 8 inputs, only 1 … 8",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_told_by_layer(layers: list[LayerPlan], message: str) -> None:
    plan, topology = Plan(Geometry(), tuple(layers)), Topology.parse(TEXT)
    for call in (plan.of, plan.maps):
        with pytest.raises(HafnetError, match=f"^{re.escape(message)}$"):
            call(topology)


def test_a_layer_is_told_by_the_name_that_it_has() -> None:
    shapes = Topology.parse("5-3-2")
    topology = Topology(shapes.input, shapes.layers, ("eyes", "mouth"))
    with pytest.raises(HafnetError, match=r"^layer 'mouth': 3 lanes are not possible for 2 neurons, only 1 … 2$"):
        Plan(Geometry(), (LayerPlan(), LayerPlan(P2S, 3))).of(topology)


def test_a_plan_keeps_its_fidelity_and_knows_all_there_are() -> None:
    topology = Topology.parse(TEXT)
    assert Plan().of(topology).fidelity == "bits"
    assert Plan(fidelity="noisy").of(topology).fidelity == "noisy"
    with pytest.raises(HafnetError, match=r"^fidelity 'exact' is not one of bits, devices, noisy$"):
        Plan(fidelity="exact")  # type: ignore[arg-type]


def test_impossible_members_are_refused() -> None:
    with pytest.raises(HafnetError, match=r"^dataflow 'zigzag' is neither parallel_to_sequential nor sequential_to_"):
        LayerPlan("zigzag")  # type: ignore[arg-type]
    with pytest.raises(HafnetError, match=r"^0 lanes are not possible, at least 1 is needed$"):
        LayerPlan(P2S, 0)
    with pytest.raises(HafnetError, match=r"^the number of lanes is 1\.5, but must be an integer$"):
        LayerPlan(P2S, 1.5)  # type: ignore[arg-type]


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 64))
def test_lanes_fit_groups_where_every_step_has_one_group_or_whole_ones(groups: int, neurons: int, lanes: int) -> None:
    """What is allowed is where each step's lanes belong to one group, or make up whole groups, with none left over."""
    channels = groups * neurons
    lanes = min(lanes, channels)
    steps = [[lane // neurons for lane in range(first, first + lanes)] for first in range(0, channels, lanes)]
    one = all(len(set(step)) == 1 and step[0] < groups for step in steps)
    whole = all(step.count(group) == neurons for step in steps for group in step)
    fits = channels % lanes == 0 and (one or whole)
    shape = Convolution(Map(3, 3, groups), channels, (1, 1), groups=groups)
    if fits:
        check_groups(shape, LayerPlan(P2S, lanes))
    else:
        with pytest.raises(HafnetError, match=f"^{lanes} lanes do not fit {groups} groups of {neurons} channels: "):
            check_groups(shape, LayerPlan(P2S, lanes))
