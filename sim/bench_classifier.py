"""Bench of the classifier: random images at full rate and with back-pressure, while the host reads back.

Job: `block`, the members of the `hdl.classifier.Classifier`; `network`, the file of a network without hidden layers
that it is; `program`, whether the host writes arrays and offsets first; `seed`. Answer: `rates`, the cycles per image
of each timing of the arrays (precharge, sense, cycles).
"""

from typing import Any

import cocotb
import numpy as np

from hdl.classifier import Classifier, result_layout
from model import bits, golden, images
from model.mapping import Geometry
from model.network import Network
from sim import job
from sim.layer_ports import IMAGES, LayerPorts, exercise

BEHIND = (7, 8)
"""Cycles from an image's last read to its result, and to when the next but one may begin."""


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def classifier(dut: Any) -> None:
    task = job.load()
    block, network = Classifier(**task["block"]), Network.load(task["network"])
    memories = [each for each in images.words(network, Geometry(block.rows, block.columns)) if each.layer == 0]
    inputs = np.random.default_rng(task["seed"]).integers(0, 2, (IMAGES, block.fan_in))
    trace = golden.infer(network, inputs)
    width = block.score_width if block.scores else 0
    layout: Any = result_layout(block.classes, width)
    expected = []
    for index, scores in zip(trace.classes.tolist(), trace.scores.tolist(), strict=True):
        word = sum(score % (1 << width) << (number * width) for number, score in enumerate(scores))
        expected.append(layout.const({"index": index, "scores": word} if width else {"index": index}).as_bits())

    def explain(results: list[int]) -> str:
        image = next(number for number, pair in enumerate(zip(results, expected, strict=True)) if pair[0] != pair[1])
        return f"image {image}: expected {expected[image]:#x}, got {results[image]:#x} of layout {layout}"

    layer = LayerPorts(dut, block)
    job.answer({"rates": await exercise(layer, task, memories, bits.to_ints(inputs), expected, BEHIND, explain)})
