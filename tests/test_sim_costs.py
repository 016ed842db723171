"""The cycles that plans promise, against those that the hardware takes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import promises
import pytest
from defects import ELABORATE, Defect
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.layers.collector import CollectorHardware
from hdl.layers.window import WindowHardware
from model.costs import costs
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim import steps
from sim.runner import SimulationError
from sim.tools import Tool

SAMPLES = 24
FEW = 6
GEOMETRY = Geometry(32, 32)

# Each is bound by something else: result packet; latency of a hidden layer, of several presentations, of a zig-zag
# before scores and before neurons; ranking; window; half a number of cycles a window; a grouped convolution; row reads
# of planes and of averages; random bits.
PLANS = (
    ("40-64", [(P2S, 2)]),
    ("20b3-9-5", [(P2S, 3), (S2P, 3)]),
    ("6x6x2-4c3p1-m2-3", [(P2S, 1), (P2S, 1), (P2S, 1)]),
)
MORE_PLANS = (
    ("20b2-4-4-1", [(P2S, 4), (P2S, 4), (P2S, 1)]),
    ("20-9-5-1", [(P2S, 3), (S2P, 3), (P2S, 1)]),
    ("20-5", [(S2P, 4)]),
    ("4x4x4-6c3p1-4", [(S2P, 18), (P2S, 1)]),
    ("4x4x4-6c3p1g2-4", [(P2S, 3), (P2S, 1)]),
    ("4x4x2b2-6c3-avg-4", [(P2S, 1), (P2S, 1), (S2P, 2)]),
    ("12r3x5-6-3", [(P2S, 1), (P2S, 1)]),
)
# Layers that hold each other up: together they take more than the slowest of them, so many cycles as were measured.
COUPLED = (("8x8x1-8c3-6c3-3", [(P2S, 1), (S2P, 4), (S2P, 48)], 358),)
MORE_COUPLED = (
    ("18x18x3b8-16c3-8c3-10", [(S2P, 27), (S2P, 15), (S2P, 32)], 2217),
    ("7x7x3-8c2-7c3-6c2-3", [(P2S, 1), (S2P, 4), (S2P, 3), (S2P, 3)], 358),
    ("9x9x2b2-6c3p1f2-6c3s2-4", [(S2P, 9), (S2P, 2), (P2S, 4)], 475),
    ("10x10x4-8c3p1g2-6c3p1-m2-3", [(P2S, 4), (P2S, 3), (P2S, 1), (P2S, 3)], 496),
    ("12x12x2-8c3p1-m2-8c3-6c2-4", [(P2S, 1), (P2S, 1), (S2P, 1), (P2S, 6), (S2P, 1)], 1381),
)


def simulated(text: str, plan: Plan, folder: Path, tool: Tool, samples: int, **options: Any) -> list[int]:
    """The cycles in which results end on Icarus, the first one in cycle 0."""
    network = random_network(text, seed=1)
    steps.export(folder, network, plan, ("hex",))
    steps.generate(folder, network.topology, plan, **options)
    low, high = network.encoding.range
    values = np.random.default_rng(1).integers(low, high, (samples, network.encoding.values), endpoint=True)
    assert steps.verify(folder, network, Samples(values), tool).mismatches == 0
    return promises.result_cycles(folder / "simulation" / "icarus")


def modelled(text: str, plan: Plan, samples: int, **options: Any) -> list[int]:
    return promises.pipeline(Accelerator(Topology.parse(text), plan, **options)).ends(samples)


def some(quick: tuple[Any, ...], slow: tuple[Any, ...]) -> list[Any]:
    return [pytest.param(*each, id=each[0]) for each in quick] + [
        pytest.param(*each, id=each[0], marks=pytest.mark.slow) for each in slow
    ]


def plan_of(layers: list[tuple[Dataflow, int]]) -> Plan:
    return Plan(GEOMETRY, tuple(LayerPlan(*each) for each in layers))


@pytest.mark.parametrize(("text", "layers"), some(PLANS, MORE_PLANS))
def test_the_hardware_takes_the_cycles_of_its_plan(
    text: str, layers: list[tuple[Dataflow, int]], tmp_path: Path, require_simulator: Require
) -> None:
    plan = plan_of(layers)
    found = simulated(text, plan, tmp_path, require_simulator("icarus"), SAMPLES)
    assert found == modelled(text, plan, SAMPLES)
    # Two images may take an odd number of cycles together, and the pipeline fills as the first ones pass.
    assert math.ceil(found[-1] / (SAMPLES - 1)) == costs(Topology.parse(text), plan).pace.cycles


@pytest.mark.parametrize(("text", "layers", "cycles"), some(COUPLED, MORE_COUPLED))
def test_layers_that_hold_each_other_up_take_the_cycles_of_their_plan(
    text: str, layers: list[tuple[Dataflow, int]], cycles: int, tmp_path: Path, require_simulator: Require
) -> None:
    plan = plan_of(layers)
    pace = costs(Topology.parse(text), plan)
    assert pace.pace.limit.endswith("together")
    assert max(layer.pace.cycles for layer in pace.layers) < pace.pace.cycles == cycles
    found = simulated(text, plan, tmp_path, require_simulator("icarus"), FEW)
    assert found == modelled(text, plan, FEW)
    assert math.ceil(found[-1] / (FEW - 1)) == cycles


@pytest.mark.slow
def test_a_bus_that_is_too_narrow_for_the_first_rows_of_a_map(tmp_path: Path, require_simulator: Require) -> None:
    text, plan = "6x6x9b4-4c3-3", plan_of([(S2P, 81), (P2S, 1)])
    found = simulated(text, plan, tmp_path, require_simulator("icarus"), FEW, input_width=16)
    assert found == modelled(text, plan, FEW, input_width=16)
    topology = Topology.parse(text)
    assert costs(topology, plan, bus=16).pace.cycles == found[-1] / (FEW - 1) > costs(topology, plan).pace.cycles


WAITS = Defect(WindowHardware, ELABORATE, "~complete | ~self.o.valid | self.o.ready", "~complete | ~self.o.valid")
ONE_ROOM = Defect(CollectorHardware, ELABORATE, "self.go.eq(reserved != 2)", "self.go.eq(reserved == 0)")


@pytest.mark.parametrize(
    "defect", [pytest.param(WAITS, id="window"), pytest.param(ONE_ROOM, id="collector", marks=pytest.mark.slow)]
)
def test_hardware_that_loses_cycles_is_found(
    defect: Defect, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It computes what it should, but some cycles later."""
    tool, text, plan = require_simulator("icarus"), "5x5x1-3c2p1-m2-2", plan_of([(P2S, 3), (P2S, 1), (P2S, 1)])
    defect.apply(monkeypatch)
    with pytest.raises(SimulationError, match=r"icarus: result \d+ at full rate ends \d+ cycles after the first one"):
        simulated(text, plan, tmp_path, tool, FEW)
