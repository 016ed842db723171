"""Bench of the accelerator whose inputs come with gaps: at full rate, then alone, in pairs, and with pauses anywhere.

Job: `beats`, for each image its input beats; `results`, for each its result packet. Answer: nothing.
"""

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from sim import clocking, job
from sim.streams import Stall, never, receive, send, stalls

LONG = 300
"""Cycles of a gap in which all results come out."""
PAUSES = (0.3, 0.9, 0.98)
"""Chances of a cycle without a beat."""

test = cocotb.test(timeout_time=1, timeout_unit="ms")


async def images_through(dut: Any, beats: Sequence[Sequence[int]], count: int, stall: Stall = never) -> list[list[int]]:
    """Send packets, one directly behind the other but for the pauses; the packets of `count` beats that come out."""
    words = [(beat, int(number == len(packet) - 1)) for packet in beats for number, beat in enumerate(packet)]
    source = cocotb.start_soon(
        send(dut.clk, dut.s_axis_tvalid, dut.s_axis_tready, [dut.s_axis_tdata, dut.s_axis_tlast], words, stall)
    )
    sink = (dut.clk, dut.m_axis_tvalid, dut.m_axis_tready, [dut.m_axis_tdata])
    found = await receive(*sink, count * len(beats), never)
    await source
    flat = [word for (word,) in found]
    return [flat[start : start + count] for start in range(0, len(flat), count)]


async def begin(dut: Any) -> tuple[list[list[int]], list[list[int]], int]:
    """The accelerator after a reset; images, results, and beats of a result."""
    task = job.load()
    for port in ("s_axis_tvalid", "s_axis_tdata", "s_axis_tlast", "m_axis_tready"):
        getattr(dut, port).value = 0
    for port in ("awvalid", "wvalid", "bready", "arvalid", "rready"):
        getattr(dut, f"s_axil_{port}").value = 0
    dut.supply_ok.value = dut.s_prog_tvalid.value = 0
    await clocking.start(dut)
    return task["beats"], task["results"], len(task["results"][0])


@test
async def without_gaps(dut: Any) -> None:
    beats, results, count = await begin(dut)
    assert await images_through(dut, beats, count) == results


@test
async def with_gaps(dut: Any) -> None:
    beats, results, count = await begin(dut)
    for together in (1, 2, 3):
        for start in range(0, len(beats), together):
            some = slice(start, start + together)
            found = await images_through(dut, beats[some], count)
            assert found == results[some], f"images {start} …, {together} together: {found}, not {results[some]}"
            await ClockCycles(dut.clk, LONG)
            assert not int(dut.m_axis_tvalid.value), f"something comes after image {start}"
    for number, chance in enumerate(PAUSES):
        found = await images_through(dut, beats, count, stalls(number, chance))
        assert found == results, f"pauses of {chance}"
    job.answer({})
