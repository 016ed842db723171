"""What an inference costs: activity counted by golden and in the RTL on Verilator, at a published chip's voltage.

Run: .venv/bin/python benchmarks/energy.py

Weights and images are random. The first network has as many synapses as the published chip, in four arrays of 64 x 64,
each read once; which network the chip ran is not known here.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pages import table

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.device import anchors
from model.device.energy import Activity, Coefficients, Energy, energy
from model.device.presets import PRESETS
from model.energy.activity import by_layer, programming
from model.mapping import Geometry
from model.plan import LayerPlan, Plan
from model.planner import choose
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim.activity import count
from sim.energy import join
from sim.tools import find

SUPPLY = 0.7
SAMPLES = 8
CHIP, MNIST = "128-64-128", "784-1024-1024-10"
GROUPS = {
    "arrays": ("rows", "reads"),
    "popcounts, thresholds": ("popcount_bits", "thresholds"),
    "memories": ("memory_bits",),
    "registers": ("register_bits",),
    "clock": ("clocked_bits",),
}
"""The columns of the table, and the events in them."""


class Found(NamedTuple):
    """What an inference costs, its cycles, and the flip-flops that are clocked in each of them."""

    spent: Energy
    cycles: int
    flip_flops: int


def one_lane(topology: Topology) -> Plan:
    return Plan(Geometry(), (LayerPlan(),) * len(topology.layers))


def plans() -> list[tuple[str, str, Plan]]:
    large = Topology.parse(MNIST)
    return [
        (CHIP, "64 × 64, one neuron a read", Plan(Geometry(64, 64))),
        (MNIST, "32 × 32, the planner's", choose(large, Geometry())),
        (MNIST, "32 × 32, one neuron a read", one_lane(large)),
    ]


def measure(shape: str, plan: Plan, folder: Path) -> Found:
    network = random_network(shape, seed=1)
    images.export(network, plan, folder / "images")
    generate(Accelerator(network.topology, plan), folder / "verilog")
    values = np.random.default_rng(2).integers(0, 2, (SAMPLES, network.encoding.values))
    parts = (folder / "verilog", folder / "images", folder / "simulation")
    counted = count(find("verilator"), network, Samples(values), *parts)
    layers = join(by_layer(network.topology, plan), counted)
    total = sum(layers.values(), Activity(inferences=SAMPLES))
    return Found(energy(total, SUPPLY), counted.cycles // SAMPLES, counted.flip_flops)


def figure() -> str:
    rows: list[tuple[object, ...]] = []
    for shape, called, plan in plans():
        with tempfile.TemporaryDirectory() as folder:
            found = measure(shape, plan, Path(folder))
        parts = [sum(found.spent.parts[event] for event in events) for events in GROUPS.values()]
        told = (f"{joules / SAMPLES * 1e9:.3g}" for joules in parts)
        total, tops = found.spent.nanojoules_per_inference, found.spent.tops_per_watt
        rows.append((shape, called, found.cycles, found.flip_flops, *told, f"{total:.3g}", f"{tops:.3g}"))
    return table(("network", "arrays", "cycles", "flip-flops", *GROUPS, "nJ", "TOPS/W"), rows)


def coefficients() -> str:
    rows = [(event, f"{farads * 1e15:g}", source) for event, (farads, source) in Coefficients()._asdict().items()]
    return table(("event", "fF", "source"), rows)


def millijoules(again: bool) -> str:
    """What programming the large network costs, the first time or again."""
    spent = energy(programming(random_network(MNIST, seed=1), Plan(), again), SUPPLY, PRESETS["nominal"].condition)
    return f"{sum(spent.parts.values()) * 1e3:.3g} mJ"


def main() -> None:
    print(f"At {SUPPLY:g} V, nJ an inference; TOPS/W: 1 XNOR + 1 addition = 2 operations.\n\n{figure()}")
    chip = anchors.CHIP_ENERGY
    print(f"\n{chip.claim}: {chip.value * 1e9:g} nJ ({chip.source}; {chip.checked})")
    print(f"programming {MNIST}: {millijoules(False)}, again {millijoules(True)}, {PRESETS['nominal'].condition}")
    print(f"\n{coefficients()}")


if __name__ == "__main__":
    main()
