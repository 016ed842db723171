"""Bench of the whole accelerator in its harness: files of images in, files of every layer's results out.

Job: `inputs`, names of the accelerator's inputs; `passes`, for each its `images`, and the chance in 1/256 of `gaps` in
the input and in the taking of results; `result_beats`, beats of a result packet; `patience`, cycles in which something
must pass; `drain`, cycles in which the last image has left every layer after its result; `loading`, cycles in which
numbers and signatures are read from arrays; `seed`; `program`, memories to write and read back before anything else, of
which those that have rows to `form` are formed first, with the registers `read_timing`, `pulses` and `form_pulse` as
they are to be meanwhile, and pauses of `loading` cycles before and between the two. The words of a pass are in the
files that `sim.records` reads and writes; `scrub`, arrays with the CRC-32 that is `expected` of each, which are read
back while the images of the last pass pass. Answer: `program`, for each memory the `words` that were read back, the
rows that were `unformed`, how many were `finished`, how many `failed`, the `rows` of those that the accelerator's list
has room for, and what `status` says of signature and spare rows; `signatures`, how many are `invalid`, the `first` of
these, and how many `spares` were taken; `scrub`, for each array the `crc` and whether there was a `mismatch`.
"""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from hdl.programming import HostCommand
from hdl.registers import Register
from sim import clocking, job
from sim.harness import CONTROLS, DUT
from sim.host import CHECKING, FAILED, MISMATCH, NO_SPARE, NOT_VALID, SPARED, UNSIGNED, Host
from sim.streams import PATIENCE

PROGRESS_EVERY = 2000 * clocking.PERIOD_NS
"""Nanoseconds after which the bench says how far it is."""


async def run_pass(dut: Any, number: int, images: int, gaps: int, task: Any) -> None:
    """Send the images of one pass and wait until as many results have passed: no Python by the cycle."""
    beats = task["result_beats"]
    # Never 0 and never all ones, because the harness takes its complement as well.
    seed = task["seed"] * 2 % (1 << 30) + number + 1
    settings = {"number": number, "seed": seed, "gaps": gaps, "expected": 0, "patience": task["patience"], "start": 1}
    for name, value in settings.items():
        getattr(dut, name).value = value
    await RisingEdge(dut.clk)
    dut.start.value = 0
    await ClockCycles(dut.clk, 2)
    dut.expected.value = images * beats
    ended, stuck = RisingEdge(dut.done), RisingEdge(dut.stuck)
    while await First(ended, stuck, Timer(PROGRESS_EVERY, "ns")) not in (ended, stuck):
        job.progress(int(dut.results.value) // beats)
    found = int(dut.results.value)
    assert int(dut.done.value), f"{images} images gave {found} beats of results, and then nothing passed any more"
    # What no result depends on may still be under way: the edge of a map that no window uses.
    await ClockCycles(dut.clk, task["drain"])


async def form(host: Host, memory: Any) -> list[int]:
    """Form rows of an array, each with its unlock; returns those that failed."""
    failed = []
    for row in memory.get("form", ()):
        ended_well = await host.command(HostCommand.FORM_ROW, row)
        rows = [place.row for place in await host.failed_rows()]
        assert ended_well == (not rows)
        failed += rows
    return failed


async def program(host: Host, dut: Any, task: Any) -> list[dict[str, Any]]:
    """Write every memory, arrays from a stream, then read every one back."""
    await ClockCycles(dut.clk, task["loading"] + 1)
    timing = {}
    for register in (Register.READ_TIMING, Register.PULSES, Register.FORM_PULSE):
        timing[register] = await host.read(register)
        await host.write(register, task[register.name.lower()])
    used = await host.read(Register.KEPT) & 0xFFFF
    found: list[dict[str, Any]] = []
    for memory in task["program"]:
        await host.address(memory["layer"], memory["group"], memory["tile"])
        answer: dict[str, Any] = {"unformed": await form(host, memory), "finished": 0, "failed": 0, "rows": []}
        answer["status"] = 0
        if memory["array"]:
            ended_well = await host.put_array(memory["words"][:used], memory["width"])
            progress = await host.read(Register.PROGRESS)
            rows = [place.row for place in await host.failed_rows()]
            status = await host.read(Register.STATUS) & (UNSIGNED | SPARED | NO_SPARE)
            answer |= {"finished": progress & 0xFFFF, "failed": progress >> 16, "rows": rows, "status": status}
            assert ended_well == (not answer["failed"])
        else:
            for index, word in enumerate(memory["words"]):
                assert await host.put(HostCommand.WRITE_NUMBER, index, word, memory["width"])
        found.append(answer)
    assert await host.read(Register.FAILURES) == sum(answer["failed"] + len(answer["unformed"]) for answer in found)
    await ClockCycles(dut.clk, task["loading"] + 1)
    for memory, answer in zip(task["program"], found, strict=True):
        await host.address(memory["layer"], memory["group"], memory["tile"])
        command = HostCommand.READ_ROW if memory["array"] else HostCommand.READ_NUMBER
        answer["words"] = [await host.get(command, index, memory["width"]) for index in range(len(memory["words"]))]
    for register, value in timing.items():
        await host.write(register, value)
    return found


async def signatures_of(host: Host, patience: int) -> dict[str, Any]:
    """How many signatures are not right, and the first of these, once all have been read within `patience` cycles;
    where any is, images are to be taken all the same.
    """
    await host.until_not(CHECKING, patience)
    invalid, array = await host.read(Register.INVALID), await host.read(Register.INVALID_ARRAY)
    first = [array & 0xFFFF, array >> 16, await host.read(Register.INVALID_TILE)]
    assert bool(await host.read(Register.STATUS) & NOT_VALID) == bool(invalid)
    if invalid:
        await host.write(Register.TRUST, 1)
    return {"invalid": invalid, "first": first, "spares": await host.read(Register.SPARES) >> 16}


async def scrub(host: Host, arrays: Any) -> list[dict[str, Any]]:
    """Read back one array after the other."""
    found = []
    for array in arrays:
        await host.address(array["layer"], array["group"], array["tile"])
        matches = await host.scrub(array["expected"])
        found.append({"crc": await host.read(Register.CRC), "mismatch": not matches})
    return found


@cocotb.test()
async def accelerator(dut: Any) -> None:
    task = job.load()
    for name in CONTROLS:
        getattr(dut, name).value = 0
    host = Host(dut)
    await clocking.start(dut)
    await host.identify()
    programmed = await program(host, dut, task) if task["program"] else []
    signatures = await signatures_of(host, task["loading"] + PATIENCE)
    scrubbed: list[dict[str, int]] = []
    for number, each in enumerate(task["passes"]):
        last = number == len(task["passes"]) - 1
        scrubbing = cocotb.start_soon(scrub(host, task["scrub"] if last else []))
        await run_pass(dut, number, each["images"], each["gaps"], task)
        scrubbed = await scrubbing
    total = sum(each["images"] for each in task["passes"])
    assert await host.read(Register.IMAGES_IN) == total
    assert await host.read(Register.IMAGES_OUT) == total
    assert (await host.read(Register.STATUS)) & ~(FAILED | MISMATCH) == 0
    # What nobody drives is X on Icarus and 0 on Verilator, so that the two might see different hardware. A channel's
    # payload may be X until its first word: after this write all channels have had theirs.
    await host.address(0)
    if "icarus" in cocotb.SIM_NAME.lower():
        inside = getattr(dut, DUT)
        undriven = [name for name in task["inputs"] if not getattr(inside, name).value.is_resolvable]
        assert not undriven, f"inputs that the bench does not drive: {', '.join(undriven)}"
    job.answer({"program": programmed, "signatures": signatures, "scrub": scrubbed})
