"""The accelerator with its streams and its host, and what a bench expects of both.

Job of a bench that uses it: `beats`, for each image its input beats; `stages`, for each stage of the memories the
result packets of all images; `changes`, the words that lead from each stage to the next; `memories`, what all of them
hold at first; `layers`, groups, tiles, lanes of numbers and numbers of a lane of each; `reads`, the most that a layer
takes for an image; `rows` and `columns` of an array; `data_words`, registers of the DATA window,
and `data_bits`, the bits that they have.
"""

from collections.abc import Sequence
from typing import Any, Self

import cocotb
from cocotb.task import Task
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.programming import HostCommand
from hdl.registers import ADDRESS, Register
from sim import clocking, job
from sim.dialogue import CONFIGURING
from sim.host import Host, Refused
from sim.streams import never, receive, send


class Edges:
    """The accelerator with its streams and its host, and what it must answer."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.task = dut, job.load()
        self.host = Host(dut)
        self.taker: Task[None]
        self.results: list[list[int]] = []
        self.ends: list[int] = []
        self.drain = 8 * self.task["reads"] + 50

    @classmethod
    async def begin(cls, dut: Any) -> Self:
        """The accelerator after a reset, its result packets being taken as they come."""
        dut.s_axis_tvalid.value = 0
        await clocking.start(dut)
        edges = cls(dut)
        edges.taker = cocotb.start_soon(edges.take_results())
        return edges

    async def take_results(self) -> None:
        dut, beats = self.dut, len(self.task["stages"][0][0])
        while True:
            words = await receive(
                dut.clk, dut.m_axis_tvalid, dut.m_axis_tready, [dut.m_axis_tdata, dut.m_axis_tlast], beats, never
            )
            assert [last for _, last in words] == [0] * (beats - 1) + [1]
            self.results.append([word for word, _ in words])
            self.ends.append(clocking.cycle())

    async def send(self, packets: Sequence[Sequence[int]]) -> None:
        """Send packets, one directly behind the other."""
        dut = self.dut
        words = [(beat, int(number == len(packet) - 1)) for packet in packets for number, beat in enumerate(packet)]
        await send(dut.clk, dut.s_axis_tvalid, dut.s_axis_tready, [dut.s_axis_tdata, dut.s_axis_tlast], words, never)

    async def expect(self, expected: Sequence[Sequence[int]]) -> None:
        """All results until now, and nothing else, are these; they are forgotten then."""
        while len(self.results) < len(expected):
            await ClockCycles(self.dut.clk, 10)
        await ClockCycles(self.dut.clk, self.drain)
        assert self.results == list(expected)
        self.results.clear()

    async def check(self, stage: int = 0) -> None:
        """All images give the results of this stage."""
        await self.send(self.task["beats"])
        await self.expect(self.task["stages"][stage])

    async def contents(self) -> list[list[int]]:
        """The words of all memories, through the host."""
        found = []
        for memory in self.task["memories"]:
            await self.host.address(memory["layer"], memory["group"], memory["tile"])
            read = HostCommand.READ_ROW if memory["array"] else HostCommand.READ_NUMBER
            found.append([await self.host.get(read, index, memory["width"]) for index in range(len(memory["words"]))])
        return found

    async def intact(self) -> bool:
        """Whether all memories hold what they held at first."""
        return await self.contents() == [memory["words"] for memory in self.task["memories"]]

    async def registers(self, *others: int) -> list[int]:
        """What the host wrote or may see change."""
        data = [Register.DATA + 4 * word for word in range(self.task["data_words"])]
        seen = (*others, Register.STATUS, *ADDRESS, *CONFIGURING, *data, Register.FAILURES, Register.RETRIES)
        return [await self.host.read(address) for address in seen]

    async def refused(self, address: int, value: int | None = None) -> None:
        """A write of `value`, or a read, ends in SLVERR."""
        try:
            await (self.host.read(address) if value is None else self.host.write(address, value))
        except Refused:
            return
        raise AssertionError(f"{'read of' if value is None else f'{value:#x} written to'} {address:#x} was accepted")

    async def put(self, change: Any, word: str) -> None:
        """Write the word `old` or `new` of a change, and read it back."""
        await self.host.address(change["layer"], change["group"], change["tile"])
        put, get = (
            (HostCommand.PROGRAM_ROW, HostCommand.READ_ROW)
            if change["array"]
            else (HostCommand.WRITE_NUMBER, HostCommand.READ_NUMBER)
        )
        assert await self.host.put(put, change["index"], change[word], change["width"])
        assert await self.host.get(get, change["index"], change["width"]) == change[word]

    async def put_array(self, change: Any, word: str) -> None:
        """Program the whole array of a change, in which it is `old` or `new`, from a stream."""
        rows = [change[word] if index == change["index"] else row for index, row in enumerate(change["words"])]
        await self.host.address(change["layer"], change["group"], change["tile"])
        assert await self.host.put_array(rows, change["width"])
        assert await self.host.read(Register.PROGRESS) == len(rows)

    async def start_programming(self, change: Any) -> None:
        """Order that the row of a change becomes `new`, and do not wait."""
        await self.host.address(change["layer"], change["group"], change["tile"])
        await self.host.set_data(change["new"], 32 * self.task["data_words"])
        await self.host.start(HostCommand.PROGRAM_ROW, change["index"])

    async def reset(self) -> None:
        """Reset in the middle of whatever is under way; the streams around it forget what they were doing."""
        dut = self.dut
        self.taker.cancel()
        dut.rst.value = 1
        dut.s_axis_tvalid.value = 0
        await ClockCycles(dut.clk, 3)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        self.results.clear()
        self.taker = cocotb.start_soon(self.take_results())


async def raw_write(dut: Any, address: int, value: int, strobes: int) -> int:
    """A write with any strobes; its response. Only while no `Host` drives the bus."""
    for name, number in (("awaddr", address), ("wdata", value), ("wstrb", strobes)):
        getattr(dut, f"s_axil_{name}").value = number
    for name in ("awvalid", "wvalid", "bready"):
        getattr(dut, f"s_axil_{name}").value = 1
    await RisingEdge(dut.clk)  # after a reset, address and data are taken at once
    dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
    while not int(dut.s_axil_bvalid.value):
        await RisingEdge(dut.clk)
    return int(dut.s_axil_bresp.value)
