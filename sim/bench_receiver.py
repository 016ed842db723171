"""Bench of the packet receiver: images as packets, some too short, some too long, and rubbish beyond the image.

Job: `block`, the members of the `hdl.streams.packets.PacketReceiver`; `seed`. Answer: `images`, how many came through;
`wrong`, how many packets were dropped.
"""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.streams.packets import PacketReceiver, beats
from sim import clocking, job
from sim.streams import never, receive, send, stalls

PACKETS = 60
STALL_PROBABILITY = 0.4
WRONG_PROBABILITY = 0.4


def packet(block: PacketReceiver, length: int, source: random.Random) -> tuple[list[tuple[int, int]], int]:
    """A packet of random beats, and the image that it holds if its length is right."""
    words = [source.getrandbits(block.width) for _ in range(length)]
    image = sum(word << (block.width * number) for number, word in enumerate(words)) & ((1 << block.bits) - 1)
    return [(word, int(number == length - 1)) for number, word in enumerate(words)], image


@cocotb.test(timeout_time=0.2, timeout_unit="ms")
async def receiver(dut: Any) -> None:
    task = job.load()
    block, source = PacketReceiver(**task["block"]), random.Random(task["seed"])
    count = beats(block.bits, block.width)
    dut.axis__tvalid.value = dut.o__ready.value = 0
    await clocking.start(dut)
    wrongs = 0

    async def count_wrongs() -> None:
        nonlocal wrongs
        while True:
            await RisingEdge(dut.clk)
            wrongs += int(dut.wrong.value)

    counter = cocotb.start_soon(count_wrongs())
    axis = [dut.axis__tdata, dut.axis__tlast]
    stall = (stalls(task["seed"], STALL_PROBABILITY), stalls(task["seed"] + 1, STALL_PROBABILITY))
    images, dropped, stream = [], 0, []
    for number in range(PACKETS):
        # The last packet is whole: nothing of those before it may cling to it.
        is_wrong = number < PACKETS - 1 and source.random() < WRONG_PROBABILITY
        length = source.choice([wrong for wrong in range(1, 2 * count + 2) if wrong != count]) if is_wrong else count
        words, image = packet(block, length, source)
        stream += words
        dropped += is_wrong
        if not is_wrong:
            images.append((image,))
    sender = cocotb.start_soon(send(dut.clk, dut.axis__tvalid, dut.axis__tready, axis, stream, stall[0]))
    found = await receive(dut.clk, dut.o__valid, dut.o__ready, [dut.o__payload], len(images), stall[1])
    await sender
    await ClockCycles(dut.clk, 2)
    assert found == images, "the images that came through are not those of the whole packets"
    assert not int(dut.o__valid.value), "an image more came through"
    assert wrongs == dropped, f"{dropped} packets were wrong, but `wrong` was high {wrongs} times"

    # At full rate: beats + 1 cycles an image, the first one offered 1 cycle after its last beat.
    whole = [packet(block, count, source) for _ in range(PACKETS)]
    stream = [beat for words, _ in whole for beat in words]
    start = clocking.cycle()
    sender = cocotb.start_soon(send(dut.clk, dut.axis__tvalid, dut.axis__tready, axis, stream, never))
    found = await receive(dut.clk, dut.o__valid, dut.o__ready, [dut.o__payload], PACKETS, never)
    cycles = clocking.cycle() - start - 1  # the source's first beat stands there a cycle after its start
    assert found == [(image,) for _, image in whole]
    assert cycles == PACKETS * (count + 1), f"{PACKETS} packets of {count} beats took {cycles} cycles"
    counter.cancel()
    job.answer({"images": len(images), "wrong": wrongs})
