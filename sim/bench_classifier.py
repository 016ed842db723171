"""Bench of the classifier: random images at full rate and with back-pressure, while the host reads back.

Job: `block`, the members of the `hdl.classifier.Classifier`; `network`, the file of a network whose only layer of
neurons it is; `program`, whether the host writes arrays and offsets first; `seed`. Answer: `rates`, the cycles per
image of each timing of the arrays (precharge, sense, cycles).
"""

from typing import Any

import cocotb

from hdl.classifier import Classifier
from hdl.grid import Grid
from hdl.packets import result_layout
from model import golden
from model.network import Network
from sim import job
from sim.first_layer import first_layer, memories
from sim.layer_ports import IMAGES, LayerPorts, exercise

SUMMED = 2
"""Cycles that several presentations take more."""


def results(trace: golden.Trace, block: Classifier) -> list[int]:
    """What the classifier must give for each image, as the word on its port."""
    width = block.score_width if block.scores else 0
    layout: Any = result_layout(block.classes, width, block.top)
    ranks = golden.rank(trace.scores, block.top).tolist()
    index = (block.classes - 1).bit_length() or 1
    words = []
    for indices, scores in zip(ranks, trace.scores.tolist(), strict=True):
        members = {}
        if block.top:
            members["indices"] = sum(each << (index * place) for place, each in enumerate(indices))
        if width:
            members["scores"] = sum(score % (1 << width) << (width * place) for place, score in enumerate(scores))
        words.append(layout.const(members).as_bits())
    return words


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def classifier(dut: Any) -> None:
    task = job.load()
    members = task["block"]
    block = Classifier(**members | {"grid": Grid(**members["grid"])})
    network = Network.load(task["network"])
    first = first_layer(network, IMAGES, task["seed"])
    expected = results(first.trace, block)

    def explain(found: list[int]) -> str:
        image = next(number for number, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
        return f"image {image}: expected {expected[image]:#x}, got {found[image]:#x}"

    grid = block.grid
    latency = 6 + (block.ranking.latency if block.top else 0) + (SUMMED if grid.presentations > 1 else 0)
    layer = LayerPorts(dut, grid.map.reads, first.count, grid.host_width)
    contents = memories(network, grid, first.index)
    behind = (latency, latency + 1)
    job.answer({"rates": await exercise(layer, task, contents, first.words, expected, behind, explain)})
