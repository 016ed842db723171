"""Misuse of the accelerator, and changes while it runs: `sim.bench_edges` on several shapes."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import Require, runs

from hdl.accelerator import Accelerator, AcceleratorHardware
from hdl.arrays.host_access import HostAccessHardware
from hdl.generate import generate
from hdl.layers.layer import LayerHardware
from hdl.layers.pooling import PoolLayerHardware
from model import images
from model.golden import Trace, infer
from model.mapping import P2S, S2P, Geometry
from model.network import ConvolutionLayer, DenseLayer, MaxPoolLayer, Network, OutputLayer
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.topology import Topology
from sim import records
from sim.tools import Tool
from sim.verify import build_accelerator, code_bits

SAMPLES = 12


def accelerator(text: str, size: tuple[int, int], *layers: LayerPlan, **options: Any) -> Accelerator:
    return Accelerator(Topology.parse(text), Plan(Geometry(*size), layers), **options)


ACCELERATORS = {
    "padded": accelerator("20-9-5-3", (4, 7), LayerPlan(P2S, 2), LayerPlan(), LayerPlan(), input_width=8),
    "one cell": accelerator("1-1", (1, 1)),
    "rows of two words": accelerator("70-17", (8, 33), scores=False, input_width=16),
    "ternary zig-zag": accelerator("12-8t-6t-5", (4, 5), LayerPlan(P2S, 2), LayerPlan(S2P, 2), LayerPlan(S2P, 3)),
    "convolution by planes": accelerator("3x4x2b2-4c2p1g2-m2-4", (4, 7), input_width=8),
}
CYCLES = {
    "padded": 5 * 5,
    "one cell": (1 * 5 + 7 + 2) / 2,
    "rows of two words": 17 * 5,
    "ternary zig-zag": 4 * 5,
    "convolution by planes": 20 * 2 * 4 * 5,
}
"""Cycles per image as `Accelerator` promises them, where a read takes 2 cycles of precharge and 3 of sense."""


def with_layer(network: Network, index: int, **changes: object) -> Network:
    """The network with other contents of one layer."""
    layers = [*network.hidden, network.output]
    layers[index] = replace(layers[index], **changes)  # type: ignore[arg-type]
    return replace(network, hidden=tuple(layers[:-1]), output=layers[-1])  # type: ignore[arg-type]


def stages(network: Network, plan: Plan) -> list[Network]:
    """What the network becomes word by word, from the last layer to the first: a row of an array, then a number."""
    found = [network]
    for index in reversed(range(len(network.layers))):
        layer = network.layers[index]
        if isinstance(layer, MaxPoolLayer):
            modes = layer.conjunctive.copy()
            modes[0] ^= 1
            found.append(with_layer(found[-1], index, conjunctive=modes))
        if not isinstance(layer, DenseLayer | ConvolutionLayer | OutputLayer):
            continue
        weights, integers = layer.weights.copy(), layer.integers.copy()
        matrix = weights.reshape(len(weights), -1)
        row = (matrix if plan.layers[index].dataflow == P2S else matrix.T)[0, : plan.geometry.columns]
        row[:] = -row + (row == 0)
        found.append(with_layer(found[-1], index, weights=weights))
        # The other extreme: the neuron always fires or never does, the class has the best chance or the worst.
        top = network.topology.top(index)
        if isinstance(layer, OutputLayer):
            integers[-1] = -top if integers[-1] > 0 else top
            found.append(with_layer(found[-1], index, offsets=integers))
        else:
            integers[-1] = 0 if integers[-1] > top // 2 else top + 1
            found.append(with_layer(found[-1], index, thresholds=integers))
    return found


def packets(expected: Trace, scores: bool) -> list[list[int]]:
    """The result packet of each sample."""
    given = expected.scores.tolist() if scores else [[]] * SAMPLES
    return [
        [winner, *(score % (1 << 32) for score in row)]
        for winner, row in zip(expected.classes.tolist(), given, strict=True)
    ]


def memory(image: images.Image) -> dict[str, Any]:
    """A memory as the host addresses it."""
    place = {"layer": image.layer, "group": image.group, "tile": image.tile}
    return {**place, "array": image.kind == "array", "width": image.width, "words": image.words}


def change(before: Network, after: Network, plan: Plan) -> dict[str, Any]:
    """The first word in which the memories of two networks differ, and the only one."""
    (found,) = [
        {**memory(old), "index": index, "old": old.words[index], "new": new.words[index]}
        for old, new in zip(images.words(before, plan), images.words(after, plan), strict=True)
        for index in range(len(old.words))
        if old.words[index] != new.words[index]
    ]
    return found


def drawn(accelerator: Accelerator, seed: int) -> tuple[list[Network], Any, list[list[list[int]]]] | None:
    """A network's stages, samples, and the results of each; None where a stage shows in no result."""
    networks = stages(random_network(accelerator.topology, seed), accelerator.plan)
    low, high = networks[0].encoding.range
    values = np.random.default_rng(1).integers(low, high, (SAMPLES, networks[0].encoding.values), endpoint=True)
    results = [packets(infer(network, values), accelerator.scores) for network in networks]
    shows = all(before != after for before, after in itertools.pairwise(results))
    return (networks, values, results) if shows else None


def on_bench(tool: Tool, accelerator: Accelerator, folder: Path) -> Any:
    plan = accelerator.plan
    manifest = generate(accelerator, folder / "verilog")
    networks, values, results = next(filter(None, (drawn(accelerator, seed) for seed in range(100))))
    images.export(networks[0], plan, folder / "run" / manifest.image_default)
    design = build_accelerator(tool, folder / "verilog", manifest, folder / "build")
    codes = code_bits(infer(networks[0], values).inputs, accelerator.topology.input.depth)
    return design.run(
        "sim.bench_edges",
        folder / "run",
        {
            "beats": records.packet_beats(codes, manifest.input_width),
            "stages": results,
            "changes": [change(*pair, plan) for pair in itertools.pairwise(networks)],
            "memories": [memory(image) for image in images.words(networks[0], plan)],
            "layers": [[layer.groups, layer.tiles, layer.lanes, layer.numbers] for layer in manifest.layers],
            "reads": max(layer.reads for layer in manifest.layers),
            "rows": plan.geometry.rows,
            "columns": plan.geometry.columns,
            "data_words": -(-accelerator.host_width // 32),
            "data_bits": accelerator.host_width,
        },
    )


@runs(
    quick=[
        ("one cell", "icarus"),
        ("ternary zig-zag", "icarus"),
        ("convolution by planes", "icarus"),
        ("padded", "verilator"),
    ],
    slow=[("padded", "icarus"), ("rows of two words", "icarus")],
)
def test_misuse_changes_nothing_and_is_told(
    name: str, simulator: str, tmp_path: Path, require_simulator: Require
) -> None:
    assert on_bench(require_simulator(simulator), ACCELERATORS[name], tmp_path) == {"cycles": CYCLES[name]}


PADDED, PLANES = ACCELERATORS["padded"], ACCELERATORS["convolution by planes"]
MUTANTS = (Mutant("edges", PADDED, HostAccessHardware, ELABORATE, "~busy & ~self.claim)", "~busy)"),)
MORE_MUTANTS = (
    Mutant("edges", PLANES, LayerHardware, "_host_between_maps", "between.eq(word == 0)", "between.eq(1)"),
    Mutant("edges", PLANES, LayerHardware, "_host_between_maps", "self.claim & between", "self.claim"),
    Mutant("edges", PLANES, PoolLayerHardware, "_between_maps", "(word != 0) | offered", "offered"),
    Mutant("edges", PADDED, AcceleratorHardware, "_idle", "(images != 0) | ", ""),
    Mutant("edges", PADDED, AcceleratorHardware, "_idle", " - packets.wrong", ""),
    Mutant("edges", PADDED, AcceleratorHardware, "_idle", " & registers.resting", ""),
    Mutant(
        "edges",
        PADDED,
        AcceleratorHardware,
        "_join_host",
        "layer.supply_ok.eq(self.supply_ok)",
        "layer.supply_ok.eq(1)",
    ),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.block, tmp_path)
