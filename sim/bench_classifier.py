"""Bench of the classifier: random images at full rate and with back-pressure, while the host reads back.

Job: `block`, the members of the `hdl.layers.classifier.Classifier`; `network`, the file of a network whose only layer
of neurons it is; `program`, whether the host writes arrays and offsets first; `seed`. Answer: `rates`, the cycles per
image of each timing of the arrays (precharge, sense, cycles).
"""

from typing import Any

import cocotb

from hdl.layers.classifier import Classifier
from model.network import Network
from sim import job
from sim.first_layer import first_layer, memories
from sim.layer_ports import IMAGES, LayerPorts, exercise, results

SUMMED = 2
"""Cycles that several presentations take more."""


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def classifier(dut: Any) -> None:
    task = job.load()
    block = job.block(Classifier, task["block"])
    network = Network.load(task["network"])
    first = first_layer(network, IMAGES, task["seed"])
    expected = results(first.trace, block)

    def explain(found: list[int]) -> str:
        image = next(number for number, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
        return f"image {image}: expected {expected[image]:#x}, got {found[image]:#x}"

    grid = block.grid
    latency = 6 + (block.ranking.latency if block.top else 0) + (SUMMED if grid.presentations > 1 else 0)
    layer = LayerPorts(dut, grid.map.reads, first.count, grid.host_width, grid.columns)
    contents = memories(network, grid, first.index)
    behind = (latency, latency + 1)
    job.answer({"rates": await exercise(layer, task, contents, first.words, expected, behind, explain)})
