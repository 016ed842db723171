"""Bench of gathering and scattering: images with gaps and back-pressure, at full rate, and against a closed door.

Job: `blocks`, the members of each `hdl.gather.Gather` or `hdl.gather.Scatter` by the name of its ports; `scatter`,
which of the two they are; `seed`. Answer: by the same names the cycles of an image at full rate.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hdl.gather import Gather, Scatter
from sim import clocking, job
from sim.exchange import exchange, first_difference, pauses, stream
from sim.rack import Ports, blocks_of

IMAGES = 12
DOOR = 6
"""Cycles, besides those of two images, after which no more than fits has been taken."""


@cocotb.test(timeout_time=0.5, timeout_unit="ms")
async def gather(dut: Any) -> None:
    task = job.load()
    blocks: dict[str, Any] = blocks_of(task, Scatter if task["scatter"] else Gather)
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
    narrow = [(word,) for image in images for word in image]
    wide = [(sum(word << (block.width * number) for number, word in enumerate(image)),) for image in images]
    words, expected = (narrow, wide) if isinstance(block, Gather) else (wide, narrow)
    i, o, label = stream(ports, "i"), stream(ports, "o"), block.name
    for pause in pauses(seed):
        found = await exchange(clk, i, o, words, len(expected), pause)
        assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"

    found = await exchange(clk, i, o, words, len(expected))
    assert found.words == expected, f"{label}: {first_difference(found.words, expected)}"
    narrow_side = found.taken if isinstance(block, Gather) else found.passed
    assert narrow_side == list(range(narrow_side[0], narrow_side[0] + len(narrow))), f"{label}: a word was late"
    last = block.count - 1 if isinstance(block, Gather) else 0
    assert found.offered[0] - found.taken[last] == 2, f"{label}: a latency of {found.offered[0] - found.taken[last]}"

    if isinstance(block, Gather):
        # While one image waits for its consumer, the next one is taken whole.
        ports.i__valid.value, ports.o__ready.value, taken = 1, 0, 0
        for _ in range(2 * block.count + DOOR):
            await RisingEdge(clk)
            taken += int(ports.i__ready.value)
        assert taken >= 2 * block.count, f"{label}: only {taken} words are taken while an image waits"
        ports.i__valid.value = 0
    return int(block.count)
