"""Bench of the packet sender: random results as packets, scores with their sign, with back-pressure and at full rate.

Job: `block`, the members of the `hdl.packets.PacketSender`; `seed`. Answer: `cycles`, those of a packet at full rate.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from hdl.classifier import result_layout
from hdl.packets import RESULT_WIDTH, PacketSender
from sim import clocking, job
from sim.streams import never, receive, send, stalls

PACKETS = 40
STALL_PROBABILITY = 0.5


@cocotb.test(timeout_time=0.2, timeout_unit="ms")
async def sender(dut: Any) -> None:
    task = job.load()
    block, source = PacketSender(**task["block"]), random.Random(task["seed"])
    width = block.score_width
    layout: Any = result_layout(block.classes, width)
    results, packets = [], []
    for _ in range(PACKETS):
        index = source.randrange(block.classes)
        scores = [source.randint(-(1 << width - 1), (1 << width - 1) - 1) for _ in range(block.classes if width else 0)]
        word = sum(score % (1 << width) << (width * number) for number, score in enumerate(scores))
        results.append((layout.const({"index": index, "scores": word} if width else {"index": index}).as_bits(),))
        packets += [
            (value % (1 << RESULT_WIDTH), int(last == len(scores))) for last, value in enumerate([index, *scores])
        ]
    dut.i__valid.value = dut.axis__tready.value = 0
    await clocking.start(dut)
    axis = [dut.axis__tdata, dut.axis__tlast]
    for stall in (
        (stalls(task["seed"], STALL_PROBABILITY), stalls(task["seed"] + 1, STALL_PROBABILITY)),
        (never, never),
    ):
        start = clocking.cycle()
        source_task = cocotb.start_soon(send(dut.clk, dut.i__valid, dut.i__ready, [dut.i__payload], results, stall[0]))
        found = await receive(dut.clk, dut.axis__tvalid, dut.axis__tready, axis, len(packets), stall[1])
        cycles = clocking.cycle() - start - 1  # the source's first result stands there a cycle after its start
        await source_task
        assert found == packets, next(f"expected {a}, got {b}" for a, b in zip(packets, found, strict=True) if a != b)
        await ClockCycles(dut.clk, 2)
        assert not int(dut.axis__tvalid.value), "a beat more came out"
    assert cycles == len(packets), f"{len(packets)} beats took {cycles} cycles"
    job.answer({"cycles": cycles / PACKETS})
