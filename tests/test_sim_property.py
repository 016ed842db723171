"""Random networks on random arrays: golden, emission and Icarus agree bit for bit, model and Icarus cycle by cycle.

Every run draws other networks, `--many` as many as one likes; HAFNET_SEED repeats one. The seed of each network is in
the name of its test.
"""

import os
from pathlib import Path

import numpy as np
import promises
import pytest
from drawing import draw, draw_faults
from simulators import Require

from hdl.generate import generate
from model import images
from model.network import DenseLayer, Network, OutputLayer
from model.random_network import random_network
from model.samples import Samples
from model.topology import AveragePool, StochasticInput
from sim.passes import inputs
from sim.verify import verify

BASE_SEED = int(os.environ["HAFNET_SEED"])
"""Set in conftest.py where the environment has none."""
NETWORKS = 60
SAMPLES = 8


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        many = int(metafunc.config.getoption("many") or NETWORKS)
        seeds = range(BASE_SEED, BASE_SEED + many)
        metafunc.parametrize("seed", seeds, ids=[f"seed{seed}" for seed in seeds])


def at_extremes(network: Network, random: np.random.Generator) -> Network:
    """The network with extreme thresholds and offsets, and some dense neurons whose weights are all equal."""
    hidden = []
    for index, layer in enumerate(network.hidden):
        if isinstance(layer, DenseLayer):
            weights, thresholds = layer.weights.copy(), layer.thresholds.copy()
            thresholds[0], thresholds[-1] = random.choice([0, network.topology.top(index) + 1], 2)
            weights[random.random(layer.fan_out) < 0.1] = random.choice([-1, 1])
            layer = DenseLayer(layer.name, weights, thresholds, layer.ternary)
        hidden.append(layer)
    output = network.output
    if random.random() < 0.3:
        top = network.topology.top(len(hidden))
        offsets = random.choice([-top, top], output.fan_out)
        output = OutputLayer(output.name, output.weights, offsets, output.ternary)
    return Network(network.encoding, tuple(hidden), output)


def test_rtl_equals_golden(seed: int, tmp_path: Path, require_simulator: Require) -> None:
    random = np.random.default_rng(seed)
    drawn = draw(random)
    accelerator = drawn.accelerator
    topology, plan = accelerator.topology, accelerator.plan
    network = at_extremes(random_network(topology, int(random.integers(2**32)), drawn.levels), random)
    faults = draw_faults(random, topology, plan)
    images.export(network, plan, tmp_path / "images", faults=faults)
    assert images.load(tmp_path / "images") == (network, plan)
    assert images.load_faults(tmp_path / "images") == faults
    manifest = generate(accelerator, tmp_path / "verilog")
    assert (manifest.accelerator.topology, manifest.accelerator.plan) == (topology, plan)
    low, high = network.encoding.range
    samples = Samples(random.integers(low, high, (SAMPLES, network.encoding.values), endpoint=True))
    kept = plan.geometry.used_rows < plan.geometry.rows
    program = bool(random.random() < 0.1 * (1 + 2 * kept)) and accelerator.arrays < 10
    result = verify(
        require_simulator("icarus"),
        network,
        samples,
        tmp_path / "verilog",
        tmp_path / "images",
        tmp_path / "simulation",
        seed=seed % 1000,
        program=program,
        scrub=bool(random.random() < 0.2) and accelerator.arrays < 10 and plan.fidelity != "noisy",
    )
    told = f"HAFNET_SEED={seed}: {topology}, {plan}, {accelerator.timing}"
    assert result.mismatches == 0, f"{told}: {result.first[0]}"
    assert result.samples == SAMPLES
    hidden = [shape for shape in topology.layers[:-1] if not isinstance(shape, AveragePool)]
    each = sum(shape.result.bits for shape in hidden) + accelerator.top + network.output.fan_out * accelerator.scores
    assert result.values == each * inputs(SAMPLES, program)
    # When numbers have been read from arrays, and bits from outside, is not the model's to say.
    outside = isinstance(topology.input, StochasticInput) and topology.input.external
    if not (plan.numbers_in_arrays or outside):
        found = promises.result_cycles(tmp_path / "simulation")
        assert found == promises.pipeline(accelerator).ends(SAMPLES), told
