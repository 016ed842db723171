"""Bench of gathering: images with gaps and back-pressure, at full rate, and against a closed door.

Job: `blocks`, the members of each `hdl.layers.gather.Gather` by the name of its ports; `seed`. Answer: by the same
names the cycles of an image at full rate.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hdl.layers.gather import Gather
from sim import clocking, job
from sim.exchange import exchange, first_difference, pauses, stream
from sim.rack import Ports, blocks_of

IMAGES = 12
DOOR = 6
"""Cycles, besides those of two images, after which no more than fits has been taken."""


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def gather(dut: Any) -> None:
    task = job.load()
    blocks: dict[str, Any] = blocks_of(task, Gather)
    for name in blocks:
        ports = Ports(dut, name)
        ports.i__valid.value = ports.o__ready.value = 0
    await clocking.start(dut)
    tasks = {name: cocotb.start_soon(exercise(Ports(dut, name), block, task["seed"])) for name, block in blocks.items()}
    job.answer({name: await each for name, each in tasks.items()})


async def exercise(ports: Any, block: Any, seed: int) -> int:
    """Cycles of an image at full rate."""
    source, clk = random.Random(seed), ports.clk
    images = [[source.getrandbits(block.width) for _ in range(block.count)] for _ in range(IMAGES)]
    words = [(word,) for image in images for word in image]
    expected = [(sum(word << (block.width * number) for number, word in enumerate(image)),) for image in images]
    i, o, label = stream(ports, "i"), stream(ports, "o"), block.name
    for pause in pauses(seed):
        found = await exchange(clk, i, o, words, len(expected), pause)
        assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"

    found = await exchange(clk, i, o, words, len(expected))
    assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"
    assert found.taken == list(range(found.taken[0], found.taken[0] + len(words))), f"{label}: a word was late"
    latency = found.offered[0] - found.taken[block.count - 1]
    assert latency == 2, f"{label}: a latency of {latency}"

    # While one image waits for its consumer, the next one is taken whole.
    ports.i__valid.value, ports.o__ready.value, taken = 1, 0, 0
    for _ in range(2 * block.count + DOOR):
        await RisingEdge(clk)
        taken += int(ports.i__ready.value)
    assert taken >= 2 * block.count, f"{label}: only {taken} words are taken while an image waits"
    ports.i__valid.value = 0
    return int(block.count)
