"""Bench of the whole accelerator in its harness: files of images in, files of every layer's results out.

Job: `inputs`, names of the accelerator's inputs; `reset`, a dialogue (see `sim.converse`) after reset, and `walks`,
whether the layers read their arrays then; `passes`, for each its `number`, its `images` and the `packets` of wrong
length between them, and the chance in 1/256 of `gaps` in the input and in the taking of results, whether it begins from
`reset`, the `read_timing` that is set then (None: it stays), and after how many cycles of a pass of the same images
this reset comes (0: there is none before); `result_beats`, beats of a result packet; `patience`, cycles in which
something must pass; `drain`, cycles in which the last image has left every layer after its result; `loading`, cycles in
which numbers and signatures are read from arrays; `signed`, whether there are signatures; `guarded`, whether pulses are
counted; `tables`, layers and entries of their tables of remapped rows, which are written back after each reset; `seed`;
`program`, memories to write and read back before anything else, of which those that have rows to `form` are formed
first, with the registers `read_timing`, `pulses` and `form_pulse` as they are to be meanwhile, and pauses of `loading`
cycles before and between the two; `programmed`, a pass that follows at once, or None; `commands`, a dialogue after
that, from a reset on. The words of a pass are in the files that `sim.records` reads and writes; `scrub`, arrays with
the CRC-32 that is `expected` of each, which are read back while the images of the last pass pass.

Answer: `program`, for each memory the `words` that were read back, the rows that were `unformed`, how many were
`finished`, how many `failed`, the `rows` of those that the accelerator's list has room for, and what `status` says of
signature and spare rows; `signatures`, for each time that they were looked at, how many are `invalid`, the `first` of
these, and how many `spares` were taken; `tables`, entries by layer; `scrub`, for each array the `crc` and whether there
was a `mismatch`.
"""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from hdl.programming import HostCommand
from hdl.registers import Register
from sim import clocking, job
from sim.converse import SETTLED, Amplitudes, converse
from sim.harness import CONTROLS, DUT
from sim.host import CHECKING, FAILED, MISMATCH, NO_SPARE, NOT_VALID, PACKET_ERROR, SPARED, UNSIGNED, Host
from sim.streams import PATIENCE

PROGRESS_EVERY = 2000 * clocking.PERIOD_NS
"""Nanoseconds after which the bench says how far it is."""


VALID = 1 << 31
"""Of an entry of a table of remapped rows."""


class Bench:
    """The accelerator, its host, and the job."""

    def __init__(self, dut: Any, task: Any) -> None:
        for name in CONTROLS:
            getattr(dut, name).value = 0
        self.dut, self.task = dut, task
        self.host = Host(dut)
        self.tables: list[tuple[int, list[tuple[int, int]]]] = []
        self.signatures: list[dict[str, Any]] = []

    async def say(self, amplitudes: Amplitudes, steps: Any) -> None:
        """Raises AssertionError where the accelerator answers anything but what it must."""
        heard = await converse(self.dut, self.host, amplitudes, steps, self.task["guarded"])
        assert heard is None, heard

    async def reset(self) -> None:
        """Reset for one cycle, which stops the source, and write the tables of remapped rows back once all has been
        read.
        """
        await clocking.reset(self.dut, 1)
        written = [(layer, index, entry) for layer, table in self.tables for index, entry in table if entry & VALID]
        if written:
            await ClockCycles(self.dut.clk, self.task["loading"] + 1)
        for layer, index, entry in written:
            await self.host.address(layer)
            assert await self.host.put(HostCommand.WRITE_SPARE, index, entry, 64), f"WRITE_SPARE {index} has failed"

    async def read_tables(self) -> None:
        for layer, entries in self.task["tables"]:
            await self.host.address(layer)
            table = [(index, await self.host.get(HostCommand.READ_SPARE, index, 64)) for index in range(entries)]
            self.tables.append((layer, table))

    async def begin(self, each: Any) -> None:
        """Let images of a pass come: no Python by the cycle."""
        dut, number = self.dut, each["number"]
        # Never 0 and never all ones, because the harness takes its complement as well.
        seed = self.task["seed"] * 2 % (1 << 30) + number + 1
        settings = {"number": number, "seed": seed, "gaps": each["gaps"], "expected": 0, "start": 1}
        for name, value in (settings | {"patience": self.task["patience"]}).items():
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
        dut.start.value = 0
        await ClockCycles(dut.clk, 2)

    async def run(self, each: Any, arrays: Any = ()) -> list[dict[str, Any]]:
        """Send the images of one pass, and read `arrays` back meanwhile; wait until as many results have passed."""
        if each["begun"]:
            await self.begin(each)
            await ClockCycles(self.dut.clk, each["begun"])
            self.check_pins()
        if each["reset"]:
            await self.reset()
        if each["reset"] and (self.task["signed"] or self.tables):
            await self.look_at_signatures()
        if each["read_timing"] is not None:
            await self.host.write(Register.READ_TIMING, each["read_timing"])
        dut, images, beats = self.dut, each["images"], self.task["result_beats"]
        scrubbing = cocotb.start_soon(scrub(self.host, arrays))
        await self.begin(each)
        dut.expected.value = images * beats
        ended, stuck = RisingEdge(dut.done), RisingEdge(dut.stuck)
        while await First(ended, stuck, Timer(PROGRESS_EVERY, "ns")) not in (ended, stuck):
            job.progress(int(dut.results.value) // beats)
        found = int(dut.results.value)
        assert int(dut.done.value), f"{images} images gave {found} beats of results, and then nothing passed any more"
        # What no result depends on may still be under way: the edge of a map that no window uses.
        await ClockCycles(dut.clk, self.task["drain"])
        self.check_pins()
        found_in_arrays: list[dict[str, Any]] = await scrubbing
        return found_in_arrays

    async def finish(self, each: Any) -> None:
        """Counters, status and pins after a pass."""
        host, dut = self.host, self.dut
        for register in (Register.IMAGES_IN, Register.IMAGES_OUT):
            count = await host.read(register)
            assert count == each["images"], f"{register.name} is {count} after {each['images']} images"
        status = await host.read(Register.STATUS) & ~(FAILED | MISMATCH)
        right = PACKET_ERROR if each["packets"] else 0
        assert status == right, f"STATUS is {status:#x} after a pass, not {right:#x}"
        if each["packets"]:
            await host.write(Register.STATUS, ~PACKET_ERROR & 0xFFFF_FFFF)
            assert await host.read(Register.STATUS) & PACKET_ERROR, "PACKET_ERROR is cleared by a 0"
            await host.write(Register.STATUS, PACKET_ERROR)
            assert not await host.read(Register.STATUS) & PACKET_ERROR, "PACKET_ERROR is not cleared by a 1"
        assert int(dut.idle.value), "the pin idle is low after all images and commands have ended"

    def check_pins(self) -> None:
        assert not int(self.dut.busy_idle.value), "the pin idle is high while an image is under way"
        assert not int(self.dut.unsafe.value), "the lines of an array have moved as they must not"
        assert not int(self.dut.disturbed.value), "irq or amplitude is not 0 though no command is under way"

    async def look_at_signatures(self) -> None:
        self.signatures.append(await signatures_of(self.host, self.task["loading"] + PATIENCE))


async def form(host: Host, memory: Any) -> list[int]:
    """Form rows of an array, each with its unlock; returns those that failed."""
    failed = []
    for row in memory.get("form", ()):
        ended_well = await host.command(HostCommand.FORM_ROW, row)
        rows = [place.row for place in await host.failed_rows()]
        assert ended_well == (not rows), f"FORM_ROW {row} of {memory['name']}: FAILED, but the failed rows are {rows}"
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
            assert ended_well == (not answer["failed"]), f"FAILED does not agree with PROGRESS {progress:#x}"
        else:
            for index, word in enumerate(memory["words"]):
                put = await host.put(HostCommand.WRITE_NUMBER, index, word, memory["width"])
                assert put, f"WRITE_NUMBER {index} of {memory['name']} has failed"
        found.append(answer)
    failures, right = await host.read(Register.FAILURES), sum(each["failed"] + len(each["unformed"]) for each in found)
    assert failures == right, f"FAILURES is {failures}, but {right} rows have failed"
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
    status = await host.read(Register.STATUS)
    assert bool(status & NOT_VALID) == bool(invalid), f"STATUS is {status:#x}, but INVALID {invalid}"
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
    bench = Bench(dut, task)
    host = bench.host
    await clocking.start(dut, fast=True)
    amplitudes = Amplitudes(dut)
    await ClockCycles(dut.clk, SETTLED)
    assert int(dut.idle.value) != task["walks"], f"idle is {dut.idle.value} {SETTLED} cycles after reset"
    bench.check_pins()
    await host.identify()
    await bench.say(amplitudes, task["reset"])
    programmed = await program(host, dut, task) if task["program"] else []
    await bench.look_at_signatures()
    if task["programmed"]:
        await bench.run(task["programmed"])
        await bench.finish(task["programmed"])
        await bench.read_tables()
        await bench.reset()
        await bench.look_at_signatures()
        amplitudes.begin()
        await bench.say(amplitudes, task["commands"])
        await clocking.reset(dut, 1)
        await bench.say(amplitudes, task["reset"])
    scrubbed: list[dict[str, int]] = []
    for number, each in enumerate(task["passes"]):
        last = number == len(task["passes"]) - 1
        scrubbed = await bench.run(each, task["scrub"] if last else [])
        await bench.finish(each)
    # What nobody drives is X on Icarus and 0 on Verilator, so that the two might see different hardware. A channel's
    # payload may be X until its first word: after this write all channels have had theirs.
    await host.address(0)
    if "icarus" in cocotb.SIM_NAME.lower():
        inside = getattr(dut, DUT)
        undriven = [name for name in task["inputs"] if not getattr(inside, name).value.is_resolvable]
        assert not undriven, f"inputs that the bench does not drive: {', '.join(undriven)}"
    answer = {"program": programmed, "signatures": bench.signatures, "scrub": scrubbed, "tables": bench.tables}
    job.answer(answer)
