"""The cycles that plans promise, against those that the hardware takes."""

import math
from pathlib import Path

import numpy as np
import pytest
from simulators import Require

from model.costs import costs
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from sim import steps

SAMPLES = 24
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


@pytest.mark.parametrize(
    ("text", "layers"),
    [pytest.param(*each, id=each[0]) for each in PLANS]
    + [pytest.param(*each, id=each[0], marks=pytest.mark.slow) for each in MORE_PLANS],
)
def test_the_hardware_takes_the_cycles_of_its_plan(
    text: str,
    layers: list[tuple[Dataflow, int]],
    tmp_path: Path,
    require_simulator: Require,
) -> None:
    tool = require_simulator("icarus")
    network = random_network(text, seed=1)
    plan = Plan(GEOMETRY, tuple(LayerPlan(*each) for each in layers))
    steps.export(tmp_path, network, plan, ("hex",))
    steps.generate(tmp_path, network.topology, plan)
    low, high = network.encoding.range
    values = np.random.default_rng(1).integers(low, high, (SAMPLES, network.encoding.values), endpoint=True)
    found = steps.verify(tmp_path, network, Samples(values), tool)
    assert found.mismatches == 0
    assert found.cycles is not None
    # Two images may take an odd number of cycles together, and the pipeline fills as the first ones pass.
    assert math.ceil(found.cycles) == costs(network.topology, plan).pace.cycles
