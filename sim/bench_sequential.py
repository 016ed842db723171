"""Bench of a layer in the dataflow `sequential_to_parallel`: random images at full rate and with back-pressure, while
the host reads back and changes the phase lengths.

Job: `block`, the members of the `hdl.layers.sequential_dense.SequentialDense`; `paced`, whether it stands behind a
source that cannot be held up (see `sim.paced`) and not behind a serializer; `network`, the file of a network whose
first layer it is; `program`, whether the host writes arrays and numbers first; `seed`. Answer: `rates`, the cycles per
image of each timing of the arrays (precharge, sense, cycles), and `changes` of phase lengths under way.
"""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Event

from hdl.arrays.host_access import LayerCommand
from hdl.layers.sequential_dense import SequentialDense
from model import bits, golden, images
from model.images import Image
from model.mapping import S2P, Geometry
from model.network import Network, OutputLayer
from model.plan import LayerPlan, Plan
from sim import job
from sim.layer_ports import DRAIN, IMAGES, STALLS, TIMINGS, LayerPorts
from sim.streams import never, stalls

BEHIND = (5, 6)
"""Cycles from an image's last read to its result, and to when the next but one may begin, behind a serializer."""
BEHIND_PACED = (8, 9)
"""The same behind a source that reads rows itself."""
PACE_CHANGE = 20
"""Cycle of a pass in which phase lengths change once."""
MANY_IMAGES = 25
"""Images while phase lengths change again and again."""


LONG = 40
"""Cycles before a pulse at most."""


class SequentialPorts(LayerPorts):
    """The layer, which takes several words an image."""

    def set_timing(self, precharge: int, sense: int) -> None:
        super().set_timing(precharge, sense)
        self.reads = self.steps * (precharge + max(1, sense))

    async def curious_host(self, memories: Sequence[Image], seed: int, over: Event) -> None:
        """Read random words back or write them again, which may take long, with pauses, until it is over."""
        source = random.Random(seed)
        while not over.is_set():
            memory = source.choice(memories)
            index = source.randrange(len(memory.words))
            self.setup = source.randint(1, LONG)
            if source.random() < 0.5:
                await self.read_back(memory, index)
            else:
                await self.write(memory, index)
            await ClockCycles(self.dut.clk, source.randint(1, 2 * self.reads))


class Case:
    """What the layer holds, what it is shown, and what is right."""

    def __init__(self, task: Any) -> None:
        self.block = job.block(SequentialDense, task["block"])
        network = Network.load(task["network"])
        geometry = Geometry(self.block.sink.rows, self.block.sink.columns)
        rest = [LayerPlan()] * (len(network.layers) - 1)
        plan = Plan(geometry, (LayerPlan(S2P, self.block.sink.lanes), *rest))
        self.memories = [each for each in images.words(network, plan) if each.layer == 0]
        self.layer: Any = network.layers[0]
        self.random = np.random.default_rng(task["seed"])

    def draw(self, count: int) -> tuple[list[int], list[int]]:
        """The words of so many images, 2 or more, nearly all random, and their results."""
        block = self.block.sink
        shape = (count, block.presentations.count, block.fan_in)
        presented = self.random.integers(0, 2, shape, dtype=np.uint8)
        # Counts at both ends, where a neuron has no weight 0.
        presented[0], presented[1] = self.layer.weights[0] > 0, self.layer.weights[0] < 0
        found = golden.counts(self.layer.weights, presented, block.presentations, ternary=block.ternary)
        if isinstance(self.layer, OutputLayer):
            scores = found + self.layer.offsets
            width = block.stack(0).tally.result_width
            fields = (scores[:, :, np.newaxis] >> np.arange(width)) & 1
            results = bits.to_ints(fields.reshape(count, -1))
        else:
            results = bits.to_ints(golden.fire(found, self.layer.thresholds))
        return bits.to_ints(presented.reshape(-1, block.fan_in)), results


def same(found: Sequence[int], expected: Sequence[int]) -> None:
    wrong = [index for index, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]]
    assert not wrong, f"image {wrong[0]}: expected {expected[wrong[0]]:#x}, got {found[wrong[0]]:#x}"


async def two_results_wait(layer: SequentialPorts, case: Case) -> None:
    """Two results wait to be taken: the host gets to the arrays, no third image in, and no new number to the second."""
    awake = Event()
    words, expected = case.draw(4)
    passing = cocotb.start_soon(layer.run(words, (never, lambda: not awake.is_set())))
    await ClockCycles(layer.dut.clk, 3 * layer.reads + DRAIN)
    await layer.read_back(case.memories[0], 0)
    awake.set()
    same((await passing).results, expected)

    awake = Event()
    words, expected = case.draw(2)
    number = case.memories[-1]
    passing = cocotb.start_soon(layer.run(words, (never, lambda: not awake.is_set())))
    await ClockCycles(layer.dut.clk, 3 * layer.reads + DRAIN)
    written = cocotb.start_soon(
        layer.order(LayerCommand.WRITE_NUMBER, number, 0, case.block.sink.stack(0).tally.top + 1)
    )
    await ClockCycles(layer.dut.clk, DRAIN)
    awake.set()
    same((await passing).results, expected)
    await written
    await layer.write(number, 0)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def sequential(dut: Any) -> None:
    task = job.load()
    case = Case(task)
    block = case.block.sink
    layer = SequentialPorts(dut, block.map.reads, block.presentations.count, block.host_width, block.columns)
    await layer.start()
    if task["program"]:
        await layer.program(case.memories)
    for memory in case.memories:
        for index in range(len(memory.words)):
            await layer.read_back(memory, index)

    rates = []
    latency, free = BEHIND_PACED if task["paced"] else BEHIND
    for precharge, sense in TIMINGS:
        layer.set_timing(precharge, sense)
        await ClockCycles(dut.clk, 2)
        words, expected = case.draw(IMAGES)
        found = await layer.run(words)
        same(found.results, expected)
        took = found.offered[0] - found.taken[0]
        extra = precharge + sense if task["paced"] else 0
        assert took == layer.reads + latency + extra, f"latency is {took}, not {layer.reads + latency + extra} cycles"
        rate = (found.offered[-1] - found.offered[0]) / (IMAGES - 1)
        contract = max(layer.reads, (layer.reads + free + extra) / 2)
        assert rate == contract, f"an image took {rate} cycles, not {contract}"
        rates.append((precharge, sense, rate))

    # New phase lengths hold soon, though images keep coming.
    layer.set_timing(0, 1)
    words, expected = case.draw(IMAGES)
    cycles = itertools.count()
    found = await layer.run(words, each=lambda: layer.set_timing(*TIMINGS[-1]) if next(cycles) == PACE_CHANGE else None)
    same(found.results, expected)
    rate = (found.offered[-1] - found.offered[-3]) / 2
    assert rate == rates[-1][2], f"with new phase lengths an image took {rate} cycles, not {rates[-1][2]}"

    await two_results_wait(layer, case)

    for number, (source, sink) in enumerate(STALLS):
        layer.set_timing(*TIMINGS[number % len(TIMINGS)])
        over = Event()
        host = cocotb.start_soon(layer.curious_host(case.memories, task["seed"] + number, over))
        words, expected = case.draw(IMAGES)
        pause = (stalls(task["seed"] + number, source), stalls(task["seed"] - number, sink))
        same((await layer.run(words, pause)).results, expected)
        over.set()
        await host

    source_of_change, changes = random.Random(task["seed"]), 0

    def change() -> None:
        nonlocal changes
        if source_of_change.random() < 1 / layer.reads:
            layer.set_timing(source_of_change.choice((0, 0, 1, 3, 12)), source_of_change.choice((0, 1, 1, 2, 9)))
            changes += 1

    for number, sink in enumerate((0.0, 0.9)):
        over = Event()
        host = cocotb.start_soon(layer.curious_host(case.memories, task["seed"] + number, over))
        words, expected = case.draw(MANY_IMAGES)
        pause = (stalls(task["seed"], 0.1), stalls(task["seed"], sink))
        same((await layer.run(words, pause, change)).results, expected)
        over.set()
        await host
    if task["paced"]:
        assert not int(dut.lost.value), "the layer was not ready for what its source had read"
    job.answer({"rates": rates, "changes": changes})
