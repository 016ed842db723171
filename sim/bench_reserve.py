"""Bench of what arrays keep back: signatures under resets in any cycle, spare rows, and scrubbing between images.

Job: as `sim.edges` takes it, with `stages` of two networks that differ in every array; `others`, the memories of the
second one; `crcs`, the CRC-32 of each array of the first one, None for other memories; `used_rows`, `spare_rows`,
`signed`, `entries`. Answer: `resets`, how many found an array as it had been, marked, and as it was to be.
"""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.arrays.spare_table import ENTRY
from hdl.programming import HostCommand
from hdl.registers import Register
from sim import job
from sim.edges import Edges
from sim.host import CHECKING, MISMATCH, NOT_VALID, SPARED, Refused
from sim.streams import PATIENCE

test = cocotb.test(timeout_time=20, timeout_unit="ms")
EARLY = 400
"""Cycles in which an image would have passed, were it taken."""


class Reserve(Edges):
    """The accelerator whose arrays keep rows back."""

    @property
    def arrays(self) -> list[int]:
        """The memories that are arrays."""
        return [number for number, memory in enumerate(self.task["memories"]) if memory["array"]]

    def rows(self, number: int, other: bool = False) -> list[int]:
        """The rows of an array of the first network, or of the other one, but those that are kept back."""
        rows: list[int] = self.task["others" if other else "memories"][number]["words"][: self.task["used_rows"]]
        return rows

    async def choose(self, number: int) -> int:
        """Address an array; returns the width of its rows."""
        memory = self.task["memories"][number]
        await self.host.address(memory["layer"], memory["group"], memory["tile"])
        return int(memory["width"])

    async def held(self, number: int) -> list[int]:
        """The rows of an array as it is, but those that are kept back."""
        width = await self.choose(number)
        return [await self.host.get(HostCommand.READ_ROW, row, width) for row in range(self.task["used_rows"])]

    async def program(self, number: int, other: bool = False) -> None:
        """Program all rows of an array."""
        width = await self.choose(number)
        assert await self.host.put_array(self.rows(number, other), width)

    async def settled(self) -> int:
        """Wait until all signatures have been read; the number of those that are not right."""
        await self.host.until_not(CHECKING, PATIENCE)
        invalid = await self.host.read(Register.INVALID)
        assert bool(await self.host.read(Register.STATUS) & NOT_VALID) == bool(invalid)
        return invalid

    async def first_invalid(self) -> tuple[int, int, int]:
        array = await self.host.read(Register.INVALID_ARRAY)
        return array & 0xFFFF, array >> 16, await self.host.read(Register.INVALID_TILE)

    def is_first(self, number: int, found: tuple[int, int, int]) -> bool:
        memory = self.task["memories"][number]
        return found == (memory["layer"], memory["group"], memory["tile"])

    async def entry(self, index: int, number: int, row: int, spare: int, valid: int = 1) -> None:
        """Write an entry of the table of remapped rows."""
        memory = self.task["memories"][number]
        layout: Any = ENTRY
        await self.choose(number)
        members: Any = {"row": row, "spare": spare, "valid": valid, "group": memory["group"], "tile": memory["tile"]}
        assert await self.host.put(HostCommand.WRITE_SPARE, index, layout.const(members).as_bits(), ENTRY.size)

    async def refuses(self, command: HostCommand, index: int) -> None:
        try:
            await self.host.start(command, index)
        except Refused:
            return
        raise AssertionError(f"{command} of {index} was accepted")

    async def parts_of_an_array(self) -> None:
        """Neither some of an array's rows nor forming make it whole, and forming a row makes it one that is not."""
        host, number = self.host, self.arrays[0]
        rows, width = self.rows(number), await self.choose(number)
        parts = [(0, rows[:-1]), (1, rows[1:])] if len(rows) > 1 else []
        for first, part in parts:
            assert await host.put_array(part, width, first)
            assert await self.settled() == 1
            await self.choose(number)
        for row in (0, self.task["rows"] - 1):
            await self.program(number)
            assert await self.settled() == 0
            await self.choose(number)
            assert await host.command(HostCommand.FORM_ROW, row)
            assert await self.settled() == 1
        await self.program(number)
        assert await self.settled() == 0

    async def run(self, command: HostCommand, number: int, cycles: int | None = None) -> int:
        """Let an array become, as far as `command` does it, one of the other network; reset after so many cycles, or
        return after how many the command has ended.
        """
        dut, host = self.dut, self.host
        new, width = self.rows(number, other=True), await self.choose(number)
        await host.write(Register.IRQ_STATUS, 1)
        await host.write(Register.IRQ_ENABLE, 1)
        await host.set_data(new[-1], width)
        await host.start(command, len(new) - 1 if command is HostCommand.PROGRAM_ROW else 0)
        rows = cocotb.start_soon(host.send_rows(new, width)) if command is HostCommand.PROGRAM_ARRAY else None
        passed = 0
        while not int(dut.irq.value) and passed != cycles:
            await ClockCycles(dut.clk, 1)
            passed += 1
        if cycles is None:
            return passed
        if rows is not None:
            rows.cancel()
        dut.s_prog_tvalid.value = 0
        await self.reset()
        return passed


BEFORE = {
    HostCommand.PROGRAM_ARRAY: ["old", "marked", "new"],
    HostCommand.PROGRAM_ROW: ["old", "marked"],
    HostCommand.COMMIT: ["marked", "new"],
}
"""What an array is after a reset in the middle of a command, from early to late."""


@test
async def a_reset_in_any_cycle_of_programming_is_seen(dut: Any) -> None:
    """The array is whole, as it was or as it is to be, or it is said not to be."""
    bench = await Reserve.begin(dut)
    resets: dict[str, int] = dict.fromkeys(("old", "marked", "new"), 0)
    job.answer({"resets": resets})
    if not bench.task["signed"]:
        return
    for number in bench.arrays[:1]:
        old, new = bench.rows(number), bench.rows(number, other=True)
        for command, order in BEFORE.items():
            seen: list[str] = []
            length = None
            while length is None or len(seen) < length:
                # A whole array of the first network; before COMMIT one with all rows of the other, but marked.
                await bench.program(number, other=command is HostCommand.COMMIT)
                if command is HostCommand.COMMIT:
                    await bench.run(HostCommand.PROGRAM_ROW, number)
                if length is None:
                    length = await bench.run(command, number)
                    continue
                await bench.run(command, number, cycles=len(seen))
                invalid, held = await bench.settled(), await bench.held(number)
                if invalid:
                    assert invalid == 1
                    assert bench.is_first(number, await bench.first_invalid())
                    seen.append("marked")
                else:
                    assert held in (old, new), f"{command}, cycle {len(seen)}: half an array is said to be whole"
                    seen.append("old" if held == old else "new")
                resets[seen[-1]] += 1
            assert seen == sorted(seen, key=order.index), f"{command}: {seen}"
            assert set(seen) == set(order), f"{command}: {set(seen)}"
        await bench.program(number)
    assert await bench.settled() == 0
    await bench.check()
    job.answer({"resets": resets})


@test
async def images_wait_for_arrays_that_are_whole(dut: Any) -> None:
    bench = await Reserve.begin(dut)
    host, task = bench.host, bench.task
    kept = await host.read(Register.KEPT)
    assert kept == task["used_rows"] | task["spare_rows"] << 16 | task["signed"] << 31
    for command in (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY):
        await bench.choose(bench.arrays[0])
        if task["used_rows"] < task["rows"]:
            await bench.refuses(command, task["used_rows"])
            await bench.refuses(command, task["rows"] - 1)
    if not task["signed"]:
        await bench.refuses(HostCommand.COMMIT, 0)
        return
    for number in bench.arrays:
        assert await bench.settled() == 0
        width = await bench.choose(number)
        assert await host.put(HostCommand.PROGRAM_ROW, 0, bench.rows(number)[0], width)
        assert await bench.settled() == 1
        assert bench.is_first(number, await bench.first_invalid())
        source = cocotb.start_soon(bench.send(task["beats"]))
        await ClockCycles(dut.clk, EARLY + 4 * task["reads"])
        assert not bench.results, "an image has met an array that is not whole"
        assert not int(dut.idle.value)
        if number % 2:
            await host.write(Register.TRUST, 1)
            assert not await host.read(Register.STATUS) & NOT_VALID
            await source
            await bench.expect(task["stages"][0])
            await host.write(Register.TRUST, 0)
            assert await bench.settled() == 1
            source = cocotb.start_soon(bench.send(task["beats"]))
        dut.supply_ok.value = 0
        await bench.choose(number)
        await bench.refuses(HostCommand.COMMIT, 0)
        dut.supply_ok.value = 1
        assert await host.command(HostCommand.COMMIT, 0)
        await source
        await bench.expect(task["stages"][0])
    await bench.parts_of_an_array()
    # Several at once, of one layer and of another: the first one is told.
    several = sorted({*bench.arrays[:2], bench.arrays[-1]})
    for number in several:
        await bench.choose(number)
        assert await host.put(HostCommand.PROGRAM_ROW, 0, bench.rows(number)[0], 32)
    assert await bench.settled() == len(several)
    assert bench.is_first(several[0], await bench.first_invalid())
    for number in several:
        await bench.choose(number)
        assert await host.command(HostCommand.COMMIT, 0)
    assert await bench.settled() == 0
    await bench.check()


@test
async def arrays_are_scrubbed_between_images(dut: Any) -> None:
    bench = await Reserve.begin(dut)
    host, task = bench.host, bench.task
    assert await bench.settled() == 0
    sent, stop = 0, False

    async def keep_sending() -> None:
        nonlocal sent
        while not stop:
            await bench.send(task["beats"])
            sent += len(task["beats"])

    source = cocotb.start_soon(keep_sending())
    await ClockCycles(dut.clk, bench.drain)
    for number in bench.arrays:
        await bench.choose(number)
        await host.write(Register.EXPECTED, task["crcs"][number])
        await host.write(Register.IRQ_STATUS, 1)
        await host.write(Register.IRQ_ENABLE, 1)
        await host.start(HostCommand.SCRUB, 0)
        before = len(bench.results)
        await RisingEdge(dut.irq)
        passed = len(bench.results) - before
        assert passed + 1 >= task["used_rows"], f"{passed} images passed while {task['used_rows']} rows were read"
        assert await host.end()
        assert not await host.scrub(task["crcs"][number] ^ 1 << number)
        assert await host.read(Register.STATUS) & MISMATCH
        assert await host.read(Register.CRC) == task["crcs"][number]
    stop = True
    await source
    count = len(task["beats"])
    await bench.expect([task["stages"][0][index % count] for index in range(sent)])
    # One cell is another.
    for number in bench.arrays:
        rows, width = bench.rows(number), await bench.choose(number)
        other = bench.rows(number, other=True)
        differ = [index for index, (one, two) in enumerate(zip(rows, other, strict=True)) if one != two]
        for row, word in [(row, row_of[row]) for row in differ[:1] for row_of in (other, rows)]:
            await bench.choose(number)
            assert await host.put(HostCommand.PROGRAM_ROW, row, word, width)
            assert await host.scrub(task["crcs"][number]) == (word == rows[row])
        if differ and task["signed"]:
            assert await host.command(HostCommand.COMMIT, 0)
    await bench.check()


@test
async def rows_are_remapped_and_the_host_keeps_the_table(dut: Any) -> None:
    bench = await Reserve.begin(dut)
    host, task = bench.host, bench.task
    await bench.choose(bench.arrays[0])
    if not task["spare_rows"]:
        for command in (HostCommand.WRITE_SPARE, HostCommand.READ_SPARE):
            await bench.refuses(command, 0)
        return
    assert await bench.settled() == 0
    assert await host.read(Register.SPARES) == task["entries"]
    for command in (HostCommand.WRITE_SPARE, HostCommand.READ_SPARE):
        await bench.refuses(command, task["entries"])
    for number in (bench.arrays[0], bench.arrays[-1]):
        # The rows of the other network stay where they are; those of the first one go into spare rows.
        await bench.program(number, other=True)
        places = {row: task["used_rows"] + row for row in range(min(task["spare_rows"], task["used_rows"]))}
        places = dict(list(places.items())[: task["entries"]])
        for index, (row, spare) in enumerate(places.items()):
            await bench.entry(index, number, row, spare)
        await bench.program(number)
        assert not await host.read(Register.STATUS) & SPARED
        width = await bench.choose(number)
        for row, spare in places.items():
            for index in (row, spare):
                assert await host.get(HostCommand.READ_ROW, index, width) == bench.rows(number)[row]
        assert await bench.settled() == 0
        await bench.check()
        # The signature tells that the table is needed.
        table = [await host.get(HostCommand.READ_SPARE, index, ENTRY.size) for index in range(task["entries"])]
        await bench.reset()
        assert await bench.settled() == task["signed"]
        if task["signed"]:
            assert bench.is_first(number, await bench.first_invalid())
        width = await bench.choose(number)
        for row in places:
            found = await host.get(HostCommand.READ_ROW, row, width)
            assert found == bench.rows(number, other=True)[row]
        for index, entry in enumerate(table):
            assert await host.put(HostCommand.WRITE_SPARE, index, entry, ENTRY.size)
        assert await bench.settled() == 0
        await bench.check()
        # Without the table again.
        for index, (row, spare) in enumerate(places.items()):
            await bench.entry(index, number, row, spare, valid=0)
        width = await bench.choose(number)
        for row in places:
            assert await host.get(HostCommand.READ_ROW, row, width) == bench.rows(number, other=True)[row]
        await bench.program(number)
        assert await bench.settled() == 0
        await bench.check()
