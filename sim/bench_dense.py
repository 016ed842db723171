"""Bench of the dense layer: random images at full rate and with back-pressure, while the host reads back.

Job: `block`, the members of the `hdl.dense.Dense`; `network`, the file of a network whose first layer it is;
`program`, whether the host writes arrays and thresholds first; `seed`. Answer: `rates`, the cycles per image of each
timing of the arrays (precharge, sense, cycles).
"""

from typing import Any

import cocotb
import numpy as np

from hdl.dense import Dense
from model import bits, golden, images
from model.mapping import Geometry
from model.network import Network
from sim import job
from sim.layer_ports import IMAGES, LayerPorts, exercise

BEHIND = (6, 7)
"""Cycles from an image's last read to its result, and to when the next but one may begin."""


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def dense(dut: Any) -> None:
    task = job.load()
    block, network = Dense(**task["block"]), Network.load(task["network"])
    memories = [each for each in images.words(network, Geometry(block.rows, block.columns)) if each.layer == 0]
    inputs = np.random.default_rng(task["seed"]).integers(0, 2, (IMAGES, block.fan_in))
    expected = golden.infer(network, inputs).bits[network.hidden[0].name]

    def explain(results: list[int]) -> str:
        image, neuron = np.argwhere(bits.from_ints(results, block.fan_out) != expected)[0].tolist()
        return f"image {image}, neuron {neuron}: expected {expected[image, neuron]}"

    layer, words = LayerPorts(dut, block), bits.to_ints(inputs)
    job.answer({"rates": await exercise(layer, task, memories, words, bits.to_ints(expected), BEHIND, explain)})
