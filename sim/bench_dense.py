"""Bench of the dense layer: random images at full rate and with back-pressure, while the host reads back.

Job: `block`, the members of the `hdl.layers.dense.Dense`; `network`, the file of a network whose first layer of neurons
it is; `program`, whether the host writes arrays and thresholds first; `seed`. Answer: `rates`, the cycles per image of
each timing of the arrays (precharge, sense, cycles).
"""

from typing import Any

import cocotb
import numpy as np

from hdl.layers.dense import Dense
from model import bits
from model.network import Network
from sim import job
from sim.first_layer import first_layer, memories
from sim.layer_ports import IMAGES, LayerPorts, exercise

BEHIND = (6, 7)
"""Cycles from an image's last read to its result, and to when the next but one may begin."""
SUMMED = 2
"""So many more with several presentations."""


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def dense(dut: Any) -> None:
    task = job.load()
    block, network = job.block(Dense, task["block"]), Network.load(task["network"])
    first = first_layer(network, IMAGES, task["seed"])
    expected = first.trace.bits[first.name].reshape(IMAGES, block.fan_out)

    def explain(results: list[int]) -> str:
        image, neuron = np.argwhere(bits.from_ints(results, block.fan_out) != expected)[0].tolist()
        return f"image {image}, neuron {neuron}: expected {expected[image, neuron]}"

    grid = block.grid
    more = SUMMED if grid.presentations > 1 else 0
    layer = LayerPorts(dut, grid.map.reads, first.count, grid.host_width, grid.columns)
    contents = memories(network, grid, first.index)
    behind = (BEHIND[0] + more, BEHIND[1] + more)
    job.answer({"rates": await exercise(layer, task, contents, first.words, bits.to_ints(expected), behind, explain)})
