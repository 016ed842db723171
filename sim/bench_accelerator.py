"""Bench of the whole accelerator: images in, every layer's results out.

Job: `inputs`, names of all inputs; `probes`, for each layer the names of its payload, valid and ready; `beats`, for
each image its input beats; `result_beats`, beats of a result packet; `stalled`, how many of the first images are sent
once more with back-pressure on both sides; `seed`; `program`, memories to write and read back through AXI4-Lite before
anything else (or null).
Answer: for each pass `hidden` and `results` as `sim.compare` takes them, `ends` in cycles; `read_back`.
"""

from typing import Any

import cocotb
from cocotb.triggers import Combine

from hdl.grid import HostCommand
from hdl.registers import Register
from sim import clocking, job
from sim.host import Host
from sim.streams import Stall, never, receive, send, stalls, watch

STALL_PROBABILITY = 0.6
"""Chance that a source or sink pauses in a cycle of the pass with back-pressure."""

PROGRESS_EVERY = 10
"""Images after which the bench says how far it is."""


async def run_pass(dut: Any, probes: Any, images: Any, result_beats: int, stall: tuple[Stall, Stall]) -> Any:
    """Send all images once; what every layer gave for each of them, and when results ended."""
    ends: list[int] = []
    hidden = [
        cocotb.start_soon(
            watch(dut.clk, getattr(dut, valid), getattr(dut, ready), [getattr(dut, payload)], len(images))
        )
        for payload, valid, ready in probes[:-1]
    ]
    beats = [(beat, int(number == len(image) - 1)) for image in images for number, beat in enumerate(image)]
    source = cocotb.start_soon(
        send(dut.clk, dut.s_axis_tvalid, dut.s_axis_tready, [dut.s_axis_tdata, dut.s_axis_tlast], beats, stall[0])
    )
    results = []
    for _ in images:
        words = await receive(
            dut.clk,
            dut.m_axis_tvalid,
            dut.m_axis_tready,
            [dut.m_axis_tdata, dut.m_axis_tlast],
            result_beats,
            stall[1],
        )
        ends.append(clocking.cycle())
        assert [last for _, last in words] == [0] * (result_beats - 1) + [1], "TLAST is not at a result's last beat"
        results.append([word for word, _ in words])
        if len(results) % PROGRESS_EVERY == 0:
            job.progress(len(results))
    await Combine(source, *hidden)
    return {
        "hidden": [[word for (word,) in task.result()] for task in hidden],
        "results": results,
        "ends": ends,
    }


async def program(host: Host, memories: Any) -> list[list[int]]:
    """Write every memory, then read every one back."""
    timing = {register: await host.read(register) for register in (Register.READ_TIMING, Register.PULSES)}
    await host.write(Register.READ_TIMING, 1 | 2 << 8)
    await host.write(Register.PULSES, 2 | 3 << 16)
    for memory in memories:
        await host.address(memory["layer"], memory["group"], memory["tile"])
        command = HostCommand.PROGRAM_ROW if memory["array"] else HostCommand.WRITE_NUMBER
        for index, word in enumerate(memory["words"]):
            assert await host.put(command, index, word, memory["width"]), (
                f"{memory['name']}, row {index} failed its verify read"
            )
    read_back = []
    for memory in memories:
        await host.address(memory["layer"], memory["group"], memory["tile"])
        command = HostCommand.READ_ROW if memory["array"] else HostCommand.READ_NUMBER
        read_back.append([await host.get(command, index, memory["width"]) for index in range(len(memory["words"]))])
    for register, value in timing.items():
        await host.write(register, value)
    return read_back


@cocotb.test()
async def accelerator(dut: Any) -> None:
    task = job.load()
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    host = Host(dut)
    await clocking.start(dut)
    await host.identify()
    read_back = await program(host, task["program"]) if task["program"] else []
    images = task["beats"]
    passes = [await run_pass(dut, task["probes"], images, task["result_beats"], (never, never))]
    if task["stalled"]:
        seed = task["seed"]
        stall = (stalls(seed, STALL_PROBABILITY), stalls(seed + 1, STALL_PROBABILITY))
        passes.append(await run_pass(dut, task["probes"], images[: task["stalled"]], task["result_beats"], stall))
    total = sum(len(each["results"]) for each in passes)
    assert await host.read(Register.IMAGES_IN) == total
    assert await host.read(Register.IMAGES_OUT) == total
    assert await host.read(Register.STATUS) == 0
    # What nobody drives is X on Icarus and 0 on Verilator, so that the two might see different hardware. A channel's
    # payload may be X until its first word: after this write all channels have had theirs.
    await host.address(0)
    undriven = [name for name in task["inputs"] if not getattr(dut, name).value.is_resolvable]
    assert not undriven, f"inputs that the bench does not drive: {', '.join(undriven)}"
    job.answer({"passes": passes, "read_back": read_back})
