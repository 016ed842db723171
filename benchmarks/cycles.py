"""Cycles per image of every kind of layer on Icarus, beside those that `hafnet generate --plan` shows, and beside the
bound: the row reads that an image needs, one after the other, in the layer that needs most of them.

In each network one kind of layer is the slowest part; the arrays are 32 × 32. Usage: python benchmarks/cycles.py
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pages import table

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.costs import costs
from model.mapping import P2S, S2P, Geometry
from model.pipeline import Results
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim.tools import find
from sim.verify import verify

SAMPLES = 12
CLOSE = 1.05

# What is measured, the network, and each layer's dataflow and lanes.
CASES = (
    ("dense, P2S, 1 lane", "64-96-10", "p1 p1"),
    ("dense, P2S, as many lanes as arrays allow", "64-96-10", "p3 p1"),
    ("dense, P2S, ternary", "64-96t-10", "p3 p1"),
    ("dense, S2P, 1 lane", "64-32-10", "s1 p1"),
    ("dense, S2P, 2 lanes", "64-32-10", "s2 p1"),
    ("zig-zag, P2S into S2P", "64-96-48-10", "p3 s3 p1"),
    ("dense, 4-bit planes", "32b4-32-10", "p1 p1"),
    ("dense, 4-bit planes, S2P", "32b4-32-10", "s1 p1"),
    ("dense, stochastic, 8 presentations", "32r4x8-32-10", "p1 p1"),
    ("convolution 3 x 3, P2S", "8x8x16-32c3p1-10", "p1 p1"),
    ("convolution 3 x 3, P2S, 2 lanes", "8x8x16-32c3p1-10", "p2 p1"),
    ("convolution 3 x 3, S2P", "6x6x8-32c3p1-10", "s3 p1"),
    ("convolution 3 x 3, stride 2, ternary", "9x9x8-32c3s2t-10", "p1 p1"),
    ("convolution 3 x 3, depthwise", "8x8x16-16c3p1g16-10", "p1 p1"),
    ("convolution 1-D, 7", "1x64x4-16c1x7p0x3-10", "p1 p1"),
    ("convolution 3 x 3, 2-bit planes", "6x6x3b2-16c3p1-10", "p1 p1"),
    ("max-pooling 2 x 2", "12x12x4-m2-10", "p1 p1"),
    ("average pooling and dense", "6x6x16-avg-16-10", "p1 p1 p1"),
    ("output layer, class only", "64-8-64", "p1 p1"),
    ("output layer, S2P", "64-32-10", "p2 s1"),
    ("convolution, all neurons at once", "8x8x16-32c3p1-10", "p32 p1"),
    ("dense, all neurons at once", "64-32-10", "p32 p10"),
)

WHY = {
    "max-pooling 2 x 2": "no arrays: a pixel a cycle, which the bound does not count",
    "convolution, all neurons at once": "room for two windows behind the arrays: latency counts below 7 reads",
    "dense, all neurons at once": "room for two images behind the arrays: latency counts below 7 reads",
}


def plan_of(topology: Topology, text: str) -> Plan:
    layers = [LayerPlan(S2P if part[0] == "s" else P2S, int(part[1:])) for part in text.split()]
    return Plan(Geometry(), tuple(layers))


def measure(shape: str, plan_text: str, folder: Path) -> float:
    """Cycles per image."""
    topology = Topology.parse(shape)
    plan = plan_of(topology, plan_text)
    accelerator = Accelerator(topology, plan, scores=False)
    network = random_network(topology, seed=1)
    images.export(network, plan, folder / "images")
    generate(accelerator, folder / "verilog")
    low, high = network.encoding.range
    values = np.random.default_rng(2).integers(low, high, (SAMPLES, network.encoding.values), endpoint=True)
    parts = (folder / "verilog", folder / "images", folder / "simulation")
    result = verify(find("icarus"), network, Samples(values), *parts)
    assert result.mismatches == 0, f"{shape}: {result.first[0]}"
    assert result.cycles is not None
    return result.cycles


def expected(shape: str, plan_text: str) -> tuple[int, int]:
    """The bound, and cycles per image as planned."""
    topology = Topology.parse(shape)
    plan = plan_of(topology, plan_text)
    accelerator = Accelerator(topology, plan, scores=False)
    bound = max(accelerator.reads(index) for index in range(len(topology.layers)))
    return bound, costs(topology, plan, Results(scores=False)).pace.cycles


def rows() -> Iterator[tuple[object, ...]]:
    for name, shape, plan in CASES:
        bound, planned = expected(shape, plan)
        with tempfile.TemporaryDirectory() as folder:
            cycles = measure(shape, plan, Path(folder))
        why = WHY.get(name, "unexplained") if cycles > CLOSE * bound else ""
        yield name, shape, bound, planned, f"{cycles:g}", f"{cycles / bound:.3f}", why


def figure() -> str:
    headings = ("slowest part", "network", "row reads", "planned", "measured", "ratio", "why more than 1.05")
    return table(headings, rows())


def planned_figure() -> str:
    """How far plans are from the bound: what a test can make in every run."""
    near = [planned <= CLOSE * bound for bound, planned in (expected(shape, plan) for _, shape, plan in CASES)]
    return f"{sum(near)} of {len(near)}"


def main() -> None:
    print(figure())


if __name__ == "__main__":
    main()
