"""Bench of the packet sender: random results as packets, scores with their sign and indices without it, with
back-pressure and at full rate.

Job: `block`, the members of the `hdl.streams.packets.PacketSender`; `seed`. Answer: `cycles`, those of a packet at full
rate.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from hdl.block import index_width
from hdl.streams.packets import RESULT_WIDTH, PacketSender, result_layout
from sim import clocking, job
from sim.streams import never, receive, send, stalls

PACKETS = 40
STALL_PROBABILITY = 0.5


@cocotb.test(timeout_time=0.2, timeout_unit="ms")
async def sender(dut: Any) -> None:
    task = job.load()
    block, source = PacketSender(**task["block"]), random.Random(task["seed"])
    width, each = block.score_width, index_width(block.classes)
    layout: Any = result_layout(block.classes, width, block.top)
    results, packets = [], []
    for _ in range(PACKETS):
        indices = [source.randrange(block.classes) for _ in range(block.top)]
        scores = [source.randint(-(1 << width - 1), (1 << width - 1) - 1) for _ in range(block.classes if width else 0)]
        members = {
            "indices": sum(index << each * place for place, index in enumerate(indices)),
            "scores": sum(score % (1 << width) << width * number for number, score in enumerate(scores)),
        }
        results.append((layout.const({name: members[name] for name, _ in layout}).as_bits(),))
        words = [*indices, *scores]
        packets += [(word % (1 << RESULT_WIDTH), int(last == len(words))) for last, word in enumerate(words, start=1)]
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
        cycles = (
            clocking.cycle() - start - 2
        )  # the source's first result stands there a cycle after its start, its beat a cycle later
        await source_task
        assert found == packets, next(f"expected {a}, got {b}" for a, b in zip(packets, found, strict=True) if a != b)
        await ClockCycles(dut.clk, 2)
        assert not int(dut.axis__tvalid.value), "a beat more came out"
    assert cycles == len(packets), f"{len(packets)} beats took {cycles} cycles"
    job.answer({"cycles": cycles / PACKETS})
