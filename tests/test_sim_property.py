"""Random networks on random arrays: golden, emission and Icarus agree bit for bit.

Every run draws other networks; HAFNET_SEED repeats one. The seed of each network is in the name of its test.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hdl.accelerator import Accelerator
from hdl.generate import generate
from hdl.registers import Timing
from model import images
from model.mapping import Geometry, map_layers
from model.network import DenseLayer, Network, OutputLayer
from model.random_network import random_network
from model.samples import Samples
from sim.tools import Tool
from sim.verify import verify

BASE_SEED = int(os.environ.get("HAFNET_SEED") or secrets.randbelow(10**9))
NETWORKS = 28
SAMPLES = 16
MOST_ARRAYS = 100


def one_of(random: np.random.Generator, *bounds: int) -> int:
    """1, or small, or large: an integer from 1 to below one of the bounds."""
    high = int(random.choice(bounds))
    return int(random.integers(1, max(2, high)))


def draw_network(random: np.random.Generator) -> Network:
    """1 to 3 layers of fan-in 1 to 100, with extreme thresholds and some neurons whose weights are all equal."""
    levels = sorted(random.choice(9, size=random.integers(1, 4), replace=False).tolist())
    values = int(random.integers(1, 100 // len(levels) + 1))
    fan_outs = [one_of(random, 1, 12, 70) for _ in range(random.integers(3))]
    classes = int(random.integers(1, 13))
    drawn = random_network((values * len(levels), *fan_outs, classes), int(random.integers(2**32)), levels)
    hidden = []
    for layer in drawn.hidden:
        weights, thresholds = layer.weights.copy(), layer.thresholds.copy()
        thresholds[0], thresholds[-1] = random.choice([0, layer.fan_in + 1], 2)
        weights[random.random(layer.fan_out) < 0.1] = random.choice([-1, 1])
        hidden.append(DenseLayer(layer.name, weights, thresholds))
    offsets = drawn.output.offsets.copy()
    if random.random() < 0.3:
        offsets[:] = random.choice([-1, 1], classes) * drawn.output.fan_in
    output = OutputLayer(drawn.output.name, drawn.output.weights, offsets)
    return Network(drawn.encoding, tuple(hidden), output)


def draw_geometry(random: np.random.Generator, network: Network) -> Geometry:
    """Arrays of 1 to 40 rows and columns; not more of them than Icarus simulates in seconds."""
    while True:
        rows, columns = (one_of(random, 1, 9, 41) for _ in range(2))
        geometry = Geometry(rows, columns)
        if sum(grid.arrays for grid in map_layers(network.shape, geometry)) <= MOST_ARRAYS:
            return geometry


@pytest.mark.parametrize(
    "seed", [pytest.param(BASE_SEED + index, id=f"seed{BASE_SEED + index}") for index in range(NETWORKS)]
)
def test_rtl_equals_golden(seed: int, tmp_path: Path, require_simulator: Callable[[str], Tool]) -> None:
    random = np.random.default_rng(seed)
    network = draw_network(random)
    geometry = draw_geometry(random, network)
    timing = Timing(precharge=int(random.choice([0, 0, 0, 1, 3])), sense=int(random.choice([1, 1, 1, 2])))
    scores = bool(random.random() < 0.7)
    width = None if random.random() < 0.7 else int(random.choice([8, 24, 64]))
    images.export(network, geometry, tmp_path / "images")
    generate(Accelerator(network.shape, geometry, scores, width, timing), tmp_path / "verilog")
    low, high = network.encoding.levels[0] - 1, network.encoding.levels[-1]
    samples = Samples(random.integers(low, high, (SAMPLES, network.encoding.values), endpoint=True))
    result = verify(
        require_simulator("icarus"),
        network,
        samples,
        tmp_path / "verilog",
        tmp_path / "images",
        tmp_path / "simulation",
        seed=seed,
    )
    drawn = f"HAFNET_SEED={seed}: {network.shape} on {geometry}, {timing}, scores {scores}, input width {width}"
    assert result.mismatches == 0, f"{drawn}: {result.first[0]}"
    assert result.samples == SAMPLES
    per_sample = sum(layer.fan_out for layer in network.hidden) + 1 + (network.output.fan_out if scores else 0)
    assert result.values == per_sample * 2 * SAMPLES
