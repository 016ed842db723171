"""Bench of any one layer of a network as the accelerator has it: images with gaps, back-pressure and a curious host.

What comes in is what golden says that the layer before gives, word by word; what comes out is compared with golden.

Job: `network`, its file; `plan`, its members; `index`, the layer; `scores` and `top` of an output layer; `program`,
whether the host writes every memory first; `seed`. Answer: `cycles`, those of an image at full rate.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Event

from hdl.accelerator import Accelerator
from hdl.layers.classifier import Classifier
from hdl.layers.layer import Layer
from hdl.layers.sequential_classifier import SequentialClassifier
from model import bits, golden, images
from model.mapping import Geometry
from model.network import Network
from model.plan import LayerPlan, Plan
from model.topology import AveragePool
from sim import clocking, job
from sim.exchange import exchange, first_difference, pauses, stream
from sim.layer_ports import LayerPorts, results
from sim.streams import never
from sim.verify import code_bits

IMAGES = 9
SETTLED = 3
"""So many of the first images are not counted in the pace."""


def accelerator_of(task: Any) -> tuple[Network, Accelerator]:
    network, plan = Network.load(task["network"]), task["plan"]
    layers = tuple(LayerPlan(**each) for each in plan["layers"])
    plan = Plan(Geometry(**plan["geometry"]), layers, plan["numbers_in_arrays"])
    return network, Accelerator(network.topology, plan, task["scores"], task["top"])


def words_in(network: Network, trace: golden.Trace, index: int) -> list[int]:
    """The words that the layer takes: pixels where the layers before give pixels, or all of an image at once."""
    shapes = network.topology.layers
    before = index - 1 - (index > 0 and isinstance(shapes[index - 1], AveragePool))  # that one is nothing of its own
    if before < 0:
        rows, source = code_bits(trace.inputs, network.topology.input.depth), network.topology.source
    else:
        rows, source = trace.bits[network.layers[before].name], shapes[before].result
    return bits.to_ints(np.asarray(rows).reshape(IMAGES * source.height * source.width, -1))


def words_out(network: Network, trace: golden.Trace, accelerator: Accelerator, index: int) -> list[int]:
    """The words that the layer must give."""
    layer = accelerator.layers[index]
    engine = layer.engine if isinstance(layer, Layer) else layer
    if isinstance(engine, Classifier | SequentialClassifier):
        return results(trace, engine)
    result = network.topology.layers[index].result
    return bits.to_ints(trace.bits[network.layers[index].name].reshape(-1, result.channels))


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def layer(dut: Any) -> None:
    task = job.load()
    network, accelerator = accelerator_of(task)
    index, seed = task["index"], task["seed"]
    low, high = network.encoding.range
    samples = np.random.default_rng(seed).integers(low, high, (IMAGES, network.encoding.values), endpoint=True)
    contents = [image for image in images.words(network, accelerator.plan) if image.layer == index]

    ports = LayerPorts(
        dut, max(1, accelerator.reads(index)), 1, accelerator.host_width, accelerator.plan.geometry.columns
    )
    await clocking.start(dut)
    if task["program"]:
        await ports.program(contents)
        await ports.settled()
    for memory in contents:
        for number in range(len(memory.words)):
            await ports.read_back(memory, number)
    i, o = stream(dut, "i"), stream(dut, "o")
    rest = 40 + 6 * ports.reads
    passes = 0

    def next_pass() -> tuple[list[tuple[int]], list[tuple[int]]]:
        """The same samples again, for which a generator of random bits runs on: words in, and words out."""
        nonlocal passes
        trace = golden.infer(network, samples, first=passes * IMAGES)
        passes += 1
        words = words_in(network, trace, index), words_out(network, trace, accelerator, index)
        return [(word,) for word in words[0]], [(word,) for word in words[1]]

    sent, expected = next_pass()
    step, each = len(sent) // IMAGES, len(expected) // IMAGES
    found = await exchange(dut.clk, i, o, sent, len(expected), rest=rest)
    assert found.words == expected, first_difference(found.words, expected)
    cycles = (found.passed[-1] - found.passed[each * SETTLED - 1]) / (IMAGES - SETTLED)
    # One image at a time: the result of each is there before the next one comes.
    sent, expected = next_pass()
    for image in range(IMAGES):
        alone = await exchange(dut.clk, i, o, sent[step * image :][:step], each, rest=rest)
        assert alone.words == expected[each * image :][:each], f"image {image}, alone, gave another's result"
    for number, stall in enumerate([*pauses(seed), (never, never)]):
        sent, expected = next_pass()
        ports.set_timing(number % 2, 1 + number % 3)
        over = Event()
        host = cocotb.start_soon(ports.curious_host(contents, seed + number, over)) if contents else None
        found = await exchange(dut.clk, i, o, sent, len(expected), stall, rest=rest)
        over.set()
        if host is not None:
            await host
        assert found.words == expected, f"pauses {number}: {first_difference(found.words, expected)}"
    job.answer({"cycles": cycles})
