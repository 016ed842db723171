"""Plans against brute force, and what the planner says to targets that cannot be met."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import planner
from model.costs import Costs, costs
from model.errors import HafnetError
from model.mapping import P2S, S2P, Geometry
from model.pipeline import Results
from model.plan import LayerPlan, Plan
from model.planner import choose
from model.topology import Convolution, Dense, Topology
from model.ways import Override

SMALL = ("5-4-3", "3-5-4-2", "9-2-6-3", "6x1x2-3c2x1-2", "4b2-5-3", "4x4x2-2c3p1g2-m2-2", "2x2x3-avg-5-2", "5-4t-3t")
GEOMETRIES = (Geometry(2, 3), Geometry(3, 2), Geometry(1, 1), Geometry(8, 8))


def all_plans(topology: Topology, geometry: Geometry) -> Iterator[Plan]:
    """Every plan that is possible at all."""
    choices = []
    for shape in topology.layers:
        if isinstance(shape, Dense | Convolution):
            parallel = [LayerPlan(P2S, lanes) for lanes in range(1, shape.fan_out + 1)]
            choices.append(parallel + [LayerPlan(S2P, lanes) for lanes in range(1, shape.fan_in + 1)])
        else:
            choices.append([LayerPlan()])
    for layers in itertools.product(*choices):
        try:
            yield Plan(geometry, layers).of(topology)
        except HafnetError:  # lanes that do not fit the groups
            continue


def every(topology: Topology, geometry: Geometry) -> list[Costs]:
    return [costs(topology, plan) for plan in all_plans(topology, geometry)]


CASES = list(itertools.product(SMALL, GEOMETRIES))


@pytest.mark.parametrize(("text", "geometry"), CASES)
def test_without_a_target_arrays_are_fewest_then_cycles_then_registers(text: str, geometry: Geometry) -> None:
    topology = Topology.parse(text)
    found = costs(topology, choose(topology, geometry))
    best = min((each.arrays, each.pace.cycles, each.registers, each.memory) for each in every(topology, geometry))
    assert (found.arrays, found.pace.cycles, found.registers, found.memory) == best


@pytest.mark.parametrize(("text", "geometry"), CASES)
def test_a_target_of_cycles_is_met_with_the_fewest_arrays_and_registers(text: str, geometry: Geometry) -> None:
    topology = Topology.parse(text)
    plans = every(topology, geometry)
    paces = sorted({each.pace.cycles for each in plans})
    for cycles in (paces[0], paces[len(paces) // 2], paces[-1] + 5):
        found = costs(topology, choose(topology, geometry, cycles=cycles))
        assert found.pace.cycles <= cycles
        best = min((each.arrays, each.registers, each.memory) for each in plans if each.pace.cycles <= cycles)
        assert (found.arrays, found.registers, found.memory) == best
    with pytest.raises(HafnetError, match=rf"^{paces[0] - 1} cycles per image .* the fewest are {paces[0]} \("):
        choose(topology, geometry, cycles=paces[0] - 1)


@pytest.mark.parametrize(("text", "geometry"), CASES)
def test_a_target_of_arrays_is_met_in_the_fewest_cycles(text: str, geometry: Geometry) -> None:
    topology = Topology.parse(text)
    plans = every(topology, geometry)
    fewest = min(each.arrays for each in plans)
    for arrays in (fewest, fewest + 1, fewest + 5, 1000):
        plan = choose(topology, geometry, arrays=arrays)
        found = costs(topology, plan)
        assert plan.geometry == geometry
        assert found.arrays <= arrays
        assert found.pace.cycles == min(each.pace.cycles for each in plans if each.arrays <= arrays)


COUPLED = Topology.parse("8x8x1-8c3-6c3-1")
LAST = {"2": Override(P2S, 1)}


@pytest.fixture(scope="module")
def coupled() -> list[Costs]:
    """All plans of two convolutions that hold each other up in a tenth of them."""
    first, second = (
        [LayerPlan(P2S, lanes) for lanes in range(1, shape.fan_out + 1)]
        + [LayerPlan(S2P, lanes) for lanes in range(1, shape.fan_in + 1)]
        for shape in COUPLED.layers[:2]
        if isinstance(shape, Convolution)
    )
    pairs = itertools.product(first, second)
    return [costs(COUPLED, Plan(Geometry(8, 8), (*pair, LayerPlan()))) for pair in pairs]


def test_a_target_is_met_by_layers_that_hold_each_other_up(coupled: list[Costs]) -> None:
    together = [each for each in coupled if each.pace.limit.endswith("together")]
    assert len(together) > len(coupled) // 11
    for cycles in sorted({each.pace.cycles for each in coupled}):
        found = costs(COUPLED, choose(COUPLED, Geometry(8, 8), cycles=cycles, overrides=LAST))
        assert found.pace.cycles <= cycles
        best = min((each.arrays, each.registers, each.memory) for each in coupled if each.pace.cycles <= cycles)
        assert (found.arrays, found.registers, found.memory) == best
    fewest = min(each.pace.cycles for each in coupled)
    with pytest.raises(HafnetError, match=rf"^{fewest - 1} cycles per image .* the fewest are {fewest} \("):
        choose(COUPLED, Geometry(8, 8), cycles=fewest - 1, overrides=LAST)


def test_a_target_is_met_soon_where_too_many_plans_miss_it(
    coupled: list[Costs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "TRIES", 1)
    larger = 0
    for cycles in sorted({each.pace.cycles for each in coupled}):
        found = costs(COUPLED, choose(COUPLED, Geometry(8, 8), cycles=cycles, overrides=LAST))
        assert found.pace.cycles <= cycles
        best = min(each.arrays for each in coupled if each.pace.cycles <= cycles)
        assert best <= found.arrays <= 1.1 * best
        larger += found.arrays > best
    assert larger < 20


def test_the_slowest_layer_is_not_what_a_published_network_takes() -> None:
    """Of a target of 8,000 the plan whose slowest layer keeps to it takes 8,861, as was measured."""
    topology = Topology.parse("32x32x3b8-64c3-64c3-m2-128c3-128c3-m2-256c3-256c3-512-512-10")
    plan = choose(topology, Geometry(), cycles=8000)
    lanes = {0: 27, 1: 58, 3: 4, 4: 2}
    slower = replace(plan, layers=tuple(replace(each, lanes=lanes.get(k, 1)) for k, each in enumerate(plan.layers)))
    before, found = costs(topology, slower), costs(topology, plan)
    assert max(layer.pace.cycles for layer in before.layers) == 7884
    assert (before.arrays, before.pace.cycles) == (1650, 8861)
    assert (found.arrays, found.pace) == (1662, (7694, "layers 'layer0' to 'layer3', together"))


def test_few_arrays_become_larger_until_they_are_enough() -> None:
    topology = Topology.parse("100-60-10")
    assert choose(topology, Geometry(), arrays=12).geometry == Geometry(32, 32)
    plan = choose(topology, Geometry(), arrays=3)
    assert plan.geometry == Geometry(64, 64)
    assert costs(topology, plan).arrays == 3
    # Doubling the smaller side once less is not enough.
    assert costs(topology, choose(topology, Geometry(64, 32))).arrays > 3


def test_fewer_arrays_than_layers_are_not_possible() -> None:
    topology = Topology.parse("100-60-10")
    with pytest.raises(HafnetError, match=r"^1 arrays are not enough .*: the fewest are 2, of 4096 x 4096$"):
        choose(topology, Geometry(5, 7), arrays=1)


def test_the_published_perceptron() -> None:
    """By hand: 32 lanes of 25, 32 and 1 arrays, and the output layer takes what the second one gives."""
    topology = Topology.parse("784-1024-1024-10")
    plan = choose(topology, Geometry())
    assert plan.layers == (LayerPlan(P2S, 32), LayerPlan(P2S, 32), LayerPlan(S2P, 32))
    found = costs(topology, plan)
    assert (found.arrays, found.pace.cycles) == (32 * 25 + 32 * 32 + 32, 32)
    assert [layer.reads for layer in found.layers] == [32, 32, 32]
    assert [layer.zigzag for layer in found.layers] == [False, True, False]
    # Input words; a collector of two words, nothing in a zig-zag; accumulators, offsets, scores and those ranked.
    assert [layer.registers for layer in found.layers] == [
        784 + 2 * 1024,
        1024,
        10 * (11 + 12 + 13 + 12 - 12 + 13),
    ]
    assert [layer.memory for layer in found.layers] == [1024 * 10, 1024 * 11, 0]
    assert found.layers[1].utilisation(32) == 1
    assert found.layers[2].utilisation(32) == 10 / 32


def test_a_target_of_cycles_asks_for_no_more_lanes_than_it_needs() -> None:
    topology = Topology.parse("784-1024-1024-10")
    lanes = {cycles: choose(topology, Geometry(), cycles=cycles).layers for cycles in (1024, 512, 33)}
    assert [plan.lanes for plan in lanes[1024]] == [1, 1, 1]
    assert [plan.lanes for plan in lanes[512]] == [2, 2, 2]
    assert [plan.lanes for plan in lanes[33]] == [32, 32, 32]


def test_results_bound_the_cycles() -> None:
    """A packet of 500 scores takes 501 cycles, whatever the arrays do."""
    topology = Topology.parse("64-500")
    assert costs(topology, choose(topology, Geometry())).pace == (501, "result packet")
    with pytest.raises(HafnetError, match=r"^100 cycles .* the fewest are 501 \(result packet\)$"):
        choose(topology, Geometry(), cycles=100)
    brief = Results(top=1, scores=False)
    assert costs(topology, choose(topology, Geometry(), cycles=100, results=brief), brief).pace.cycles <= 100


def test_an_override_holds_and_the_rest_follows() -> None:
    topology = Topology.parse("64-48-48-10")
    assert choose(topology, Geometry(16, 16)).layers[1].dataflow == P2S
    plan = choose(topology, Geometry(16, 16), overrides={"layer1": Override(S2P)})
    assert plan.layers[:2] == (LayerPlan(P2S, 3), LayerPlan(S2P, 3)), "a zig-zag saves most"
    assert choose(topology, Geometry(16, 16), overrides={"0": Override(lanes=7)}).layers[0].lanes == 7
    assert choose(topology, Geometry(16, 16), overrides={"2": Override(S2P)}).layers[2].dataflow == S2P


def test_a_zigzag_that_is_too_slow_is_avoided_where_overrides_allow_it() -> None:
    """Rooms for two results: a zig-zag of short reads is slower than its layers by themselves."""
    topology, geometry = Topology.parse("20-9-5-1"), Geometry(32, 32)
    half, whole = {"1": Override(S2P, 3)}, {"0": Override(P2S, 3), "1": Override(S2P, 3)}
    plans = [plan for plan in all_plans(topology, geometry) if plan.layers[1] == LayerPlan(S2P, 3)]
    priced = [(costs(topology, plan), plan) for plan in plans]
    for cycles in range(min(cost.pace.cycles for cost, _ in priced), 12):
        found = costs(topology, choose(topology, geometry, cycles=cycles, overrides=half))
        assert found.pace.cycles <= cycles
        best = min((cost.arrays, cost.registers) for cost, _ in priced if cost.pace.cycles <= cycles)
        assert (found.arrays, found.registers) == best
    forced = min(cost.pace.cycles for cost, plan in priced if plan.layers[0] == LayerPlan(P2S, 3))
    assert forced > min(cost.pace.cycles for cost, _ in priced)
    with pytest.raises(HafnetError, match=rf"the fewest are {forced} \(layer 'layer0': latency of the zig-zag\)$"):
        choose(topology, geometry, cycles=forced - 1, overrides=whole)
    assert costs(topology, choose(topology, geometry, overrides=whole)).pace.cycles == forced


@pytest.mark.parametrize(
    ("text", "overrides", "pattern"),
    [
        ("64-48-10", {"layer2": Override()}, "^layer 'layer2' is none of layer0, layer1$"),
        ("64-48-10", {"2": Override()}, "^layer '2' is none of layer0, layer1$"),
        ("64-48-10", {"layer0": Override(P2S, 49)}, "^layer 'layer0': 49 lanes are not possible for 48 neurons"),
        ("64-48-10", {"layer0": Override(S2P, 0)}, "^layer 'layer0': 0 lanes are not possible, at least 1 is needed$"),
        ("4x4x2-m2-10", {"layer0": Override(P2S)}, "^layer 'layer0' is a pooling layer"),
        (
            "4x4x2-6c3g2-10",
            {"layer0": Override(S2P)},
            "^layer 'layer0': 2 groups cannot be read sequential_to_parallel",
        ),
        (
            "4x4x2-6c3g2-10",
            {"layer0": Override(lanes=4)},
            "^layer 'layer0': .*sequential_to_parallel|4 lanes do not fit",
        ),
    ],
)
def test_overrides_that_are_not_possible(text: str, overrides: dict[str, Override], pattern: str) -> None:
    with pytest.raises(HafnetError, match=pattern):
        choose(Topology.parse(text), Geometry(), overrides=overrides)


def test_two_targets_exclude_each_other() -> None:
    with pytest.raises(HafnetError, match=r"^targets of 9 cycles per image and of 4 arrays exclude each other$"):
        choose(Topology.parse("8-4"), Geometry(), cycles=9, arrays=4)


def test_numbers_in_arrays_take_room() -> None:
    topology = Topology.parse("32-32-8")
    plan = choose(topology, Geometry(), numbers_in_arrays=True)
    assert plan.numbers_in_arrays
    assert costs(topology, plan).arrays > costs(topology, choose(topology, Geometry())).arrays


def or_refusal(topology: Topology, geometry: Geometry, **targets: int) -> Plan | str:
    """The plan, or what the planner says."""
    try:
        return choose(topology, geometry, cycles=targets.get("cycles"), arrays=targets.get("arrays"))
    except HafnetError as error:
        return str(error)


PARTS = st.sampled_from(("4c3p1", "6c2s2", "6c3p1g2", "m2", "m2s1", "6c1t"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(PARTS, max_size=4),
    st.booleans(),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.sampled_from(("", "b4", "b8/3", "r4x5")),
    st.builds(Geometry, st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 20_000),
    st.integers(1, 400),
)
def test_every_plan_is_valid_and_meets_its_target(
    parts: list[str],
    average: bool,
    dense: list[int],
    encoding: str,
    geometry: Geometry,
    cycles: int,
    arrays: int,
) -> None:
    texts = [f"8x7x2{encoding}", *parts, *["avg"] * average, *map(str, dense)]
    try:
        topology = Topology.parse("-".join(texts))
    except HafnetError:  # a kernel that no longer fits, or pooling of codes
        return
    free = costs(topology, choose(topology, geometry))
    fast = or_refusal(topology, geometry, cycles=cycles)
    if isinstance(fast, Plan):
        found = costs(topology, fast)
        assert found.pace.cycles <= cycles
        assert found.arrays >= free.arrays
        assert cycles < free.pace.cycles or found.arrays == free.arrays
    else:
        assert f"{cycles} cycles per image are not possible" in fast
    small = or_refusal(topology, geometry, arrays=arrays)
    if isinstance(small, Plan):
        assert costs(topology, small).arrays <= arrays
        assert small.geometry == geometry or arrays < free.arrays
    else:
        assert f"{arrays} arrays are not enough" in small
        assert arrays < sum(isinstance(shape, Dense | Convolution) for shape in topology.layers)
