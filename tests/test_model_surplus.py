"""Plans of many times the arrays of the plain one, and what costs them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.mapping import P2S, S2P, Geometry
from model.plan import LayerPlan, Plan
from model.planner import choose
from model.surplus import surplus
from model.topology import Topology
from model.ways import Override

DIGITS = "256-96-96-10"


@pytest.mark.parametrize(
    ("geometry", "options", "arrays", "causes"),
    [
        (Geometry(spare_rows=31), {}, 1086, ("spare rows",)),
        (Geometry(spare_rows=24), {}, 138, ("spare rows",)),
        (Geometry(spare_rows=30, signature=True), {}, 1086, ("spare rows",)),
        (
            Geometry(rows=3, signature=True, spare_rows=1),
            {"numbers_in_arrays": True},
            None,
            ("spare rows",),
        ),
        (Geometry(), {"cycles": 12}, 94, ("lanes",)),
        (Geometry(), {"arrays": 90}, 90, ("lanes",)),
        (Geometry(), {"overrides": {"0": Override(lanes=96)}}, 300, ("lanes",)),
        (Geometry(8, 2048), {"overrides": {"0": Override(dataflow=S2P)}}, None, ("dataflow",)),
    ],
)
def test_what_costs_the_arrays(
    geometry: Geometry, options: dict[str, object], arrays: int | None, causes: tuple[str, ...]
) -> None:
    topology = Topology.parse("4096-4-3" if geometry.columns > 32 else DIGITS)
    plan = choose(topology, geometry, **options)  # type: ignore[arg-type]
    found = surplus(topology, plan)
    assert found is not None
    assert set(found.causes) == set(causes)
    assert found.arrays == sum(each.arrays for each in plan.maps(topology) if each)
    assert arrays in (None, found.arrays)


def test_lanes_that_were_asked_for_are_no_choice_of_the_planner() -> None:
    """12 rows of 96 neurons in 8 lanes: as many arrays with 32 rows, and without the lanes hardly fewer."""
    topology = Topology.parse(DIGITS)
    plan = choose(topology, Geometry(spare_rows=20), cycles=12)
    assert surplus(topology, plan, ["lanes"]) == (94, 36, ("lanes", "spare rows"))


def test_up_to_twice_the_arrays_are_nothing_to_tell() -> None:
    topology = Topology.parse(DIGITS)
    assert surplus(topology, choose(topology, Geometry())) is None
    for rows in range(17):
        assert surplus(topology, Plan(Geometry(spare_rows=rows))) is None
    assert surplus(topology, Plan(Geometry(spare_rows=24))) is not None
    one = Topology.parse("32-32")
    assert surplus(one, Plan(layers=(LayerPlan(P2S, 2),))) is None
    assert surplus(one, Plan(layers=(LayerPlan(P2S, 3),))) == (3, 1, ("lanes",))


@given(
    text=st.sampled_from(
        ["20-9-5-3", "6x6x1-4c3-m2-6c1-avg-3", "4x4x2-4c3p1g2-6c3p1-4-3", "20-9t-5t-3t", "3x3x1b4-5c2-7-2"]
    ),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
)
def test_the_plain_plan_has_the_arrays_that_the_planner_finds(text: str, rows: int, columns: int) -> None:
    """So many lanes that there is always something to tell."""
    topology = Topology.parse(text)
    plain = choose(topology, Geometry(rows, columns))
    arrays = sum(each.arrays for each in plain.maps(topology) if each)
    assert surplus(topology, plain) is None
    found = surplus(topology, Plan(Geometry(rows + 400, columns, spare_rows=400)))
    more = surplus(topology, Plan(Geometry(rows, columns, spare_rows=rows - 1)))
    assert found is None or found.plain <= arrays
    assert more is None or more.plain == arrays
