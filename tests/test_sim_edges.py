"""Misuse of the accelerator, and changes while it runs: `sim.bench_edges` on several shapes."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.golden import Trace, infer
from model.mapping import Geometry
from model.network import DenseLayer, Network
from model.random_network import random_network
from sim.tools import Tool
from sim.verify import build_accelerator, input_beats

SAMPLES = 12
ACCELERATORS = {
    "padded": Accelerator((20, 9, 5, 3), Geometry(4, 7), input_width=8),
    "one cell": Accelerator((1, 1), Geometry(1, 1)),
    "rows of two words": Accelerator((70, 17), Geometry(8, 33), scores=False, input_width=16),
}
CYCLES = {"padded": 9 * 5, "one cell": (1 * 5 + 7 + 2) / 2, "rows of two words": 17 * 5}
"""Cycles per image as `Accelerator` promises them, where a read takes 2 cycles of precharge and 3 of sense."""


def with_layer(network: Network, layer: int, **changes: object) -> Network:
    """The network with other weights, thresholds or offsets in one layer."""
    if layer == len(network.hidden):
        return replace(network, output=replace(network.output, **changes))  # type: ignore[arg-type]
    hidden = list(network.hidden)
    hidden[layer] = replace(hidden[layer], **changes)  # type: ignore[arg-type]
    return replace(network, hidden=tuple(hidden))


def stages(network: Network, columns: int) -> list[Network]:
    """What the network becomes word by word, from the last layer to the first: a row of an array, then a number."""
    found = [network]
    for number in reversed(range(len(network.layers))):
        layer = network.layers[number]
        weights, integers = layer.weights.copy(), layer.integers.copy()
        weights[0, :columns] *= -1
        found.append(with_layer(found[-1], number, weights=weights))
        # The other extreme: the neuron always fires or never does, the class has the best chance or the worst.
        if isinstance(layer, DenseLayer):
            integers[-1] = 0 if integers[-1] > layer.fan_in // 2 else layer.fan_in + 1
            found.append(with_layer(found[-1], number, thresholds=integers))
        else:
            integers[-1] = -layer.fan_in if integers[-1] > 0 else layer.fan_in
            found.append(with_layer(found[-1], number, offsets=integers))
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
    place = {"layer": image.layer, "group": image.group or 0, "tile": image.tile or 0}
    return {**place, "array": image.kind == "array", "width": image.width, "words": image.words}


def change(before: Network, after: Network, geometry: Geometry) -> dict[str, Any]:
    """The one word in which the memories of two networks differ."""
    (found,) = [
        {**memory(old), "index": index, "old": old.words[index], "new": new.words[index]}
        for old, new in zip(images.words(before, geometry), images.words(after, geometry), strict=True)
        for index in range(len(old.words))
        if old.words[index] != new.words[index]
    ]
    return found


@pytest.mark.parametrize(("name", "simulator"), [*((name, "icarus") for name in ACCELERATORS), ("padded", "verilator")])
def test_misuse_changes_nothing_and_is_told(
    name: str, simulator: str, tmp_path: Path, require_simulator: Callable[[str], Tool]
) -> None:
    accelerator, tool = ACCELERATORS[name], require_simulator(simulator)
    geometry = accelerator.geometry
    manifest = generate(accelerator, tmp_path / "verilog")
    networks = stages(random_network(accelerator.shape, seed=0), geometry.columns)
    images.export(networks[0], geometry, tmp_path / "run" / manifest.image_default)
    values = np.random.default_rng(1).integers(0, 2, (SAMPLES, accelerator.shape[0]))
    results = [packets(infer(network, values), accelerator.scores) for network in networks]
    assert all(before != after for before, after in itertools.pairwise(results))  # else nothing is shown
    design = build_accelerator(tool, tmp_path / "verilog", manifest, tmp_path / "build")
    answer = design.run(
        "sim.bench_edges",
        tmp_path / "run",
        {
            "beats": input_beats(infer(networks[0], values).inputs, manifest.input_width),
            "stages": results,
            "changes": [change(*pair, geometry) for pair in itertools.pairwise(networks)],
            "memories": [memory(image) for image in images.words(networks[0], geometry)],
            "layers": [[layer.groups, layer.tiles, layer.fan_out] for layer in manifest.layers],
            "rows": geometry.rows,
            "data_words": -(-accelerator.host_width // 32),
        },
    )
    assert answer == {"cycles": CYCLES[name]}
