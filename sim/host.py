"""The accelerator's host: arrays and numbers through AXI4-Lite and a stream, as the software of a chip would do it."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from hdl.programming import HostCommand
from hdl.registers import IDENTIFICATION, KEY, Register
from hdl.streams.row_receiver import ROW_BEAT
from sim import clocking
from sim.streams import PATIENCE, Stall, never, send

BUSY, FAILED, PACKET_ERROR, NO_SUPPLY, SUPPLY_LOST, TOO_LONG, UNSTABLE, BAD_PACKET = (1 << bit for bit in range(8))
UNLOCKED, MISMATCH, UNSIGNED, SPARED, NO_SPARE, NOT_VALID, CHECKING = (1 << bit for bit in range(8, 15))
"""Bits of STATUS."""


class ArrayRow(NamedTuple):
    """One row of one array."""

    layer: int
    group: int
    tile: int
    row: int


class Refused(Exception):
    """The accelerator answered SLVERR."""


class Host:
    """Register accesses and commands; `dut` has ports as `hdl.accelerator.Accelerator`, but `control` and `rows` begin
    the names of those for registers and for rows of arrays. The programming voltage is stable from the beginning.
    """

    def __init__(self, dut: Any, control: str = "s_axil", rows: str = "s_prog_") -> None:
        self.dut, self.rows = dut, rows
        dut.supply_ok.value = 1
        for name in ("tvalid", "tdata", "tlast"):
            getattr(dut, rows + name).value = 0
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, control), dut.clk, dut.rst)
        for channel in (self.master.read_if, self.master.write_if):
            channel.log.setLevel(logging.WARNING)  # a line for each access is most of the time of it

    async def read(self, address: int) -> int:
        """One register. Raises Refused."""
        answer = await self.master.read(address, 4)
        if answer.resp != AxiResp.OKAY:
            raise Refused(f"read of {address:#x}")
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """One register. Raises Refused."""
        answer = await self.master.write(address, value.to_bytes(4, "little"))
        if answer.resp != AxiResp.OKAY:
            raise Refused(f"write of {value:#x} to {address:#x}")

    async def identify(self) -> None:
        """Raises AssertionError where something else answers."""
        assert await self.read(Register.ID) == IDENTIFICATION

    async def address(self, layer: int, group: int = 0, tile: int = 0) -> None:
        """Choose an array (or a layer's numbers) for the commands that follow."""
        for register, value in ((Register.LAYER, layer), (Register.GROUP, group), (Register.TILE, tile)):
            await self.write(register, value)

    async def start(self, command: HostCommand, index: int) -> None:
        """Begin a command on row or neuron `index`. Raises Refused."""
        await self.write(Register.INDEX, index)
        if command is HostCommand.FORM_ROW:
            await self.write(Register.UNLOCK, KEY)
        await self.write(Register.COMMAND, command.value)

    async def end(self) -> bool:
        """Wait for the end of a command; False where it failed.

        Raises AssertionError where it has none within PATIENCE cycles.
        """
        return not await self.until_not(BUSY, PATIENCE) & FAILED

    async def until_not(self, bit: int, patience: int) -> int:
        """The status once this bit is 0. Raises AssertionError where it is still 1 after `patience` cycles."""
        begun = clocking.cycle()
        while (status := await self.read(Register.STATUS)) & bit:
            assert clocking.cycle() - begun < patience, f"the status is still {status:#x} after {patience} cycles"
        return status

    async def command(self, command: HostCommand, index: int) -> bool:
        """Run a command on row or neuron `index`; False where it failed."""
        await self.start(command, index)
        return await self.end()

    async def put(self, command: HostCommand, index: int, word: int, width: int) -> bool:
        """Write one word of `width` bits; False where that failed."""
        await self.set_data(word, width)
        return await self.command(command, index)

    async def get(self, command: HostCommand, index: int, width: int) -> int:
        """Read one word of `width` bits."""
        await self.command(command, index)
        return await self.words(Register.DATA, width)

    async def set_data(self, word: int, width: int) -> None:
        for number, part in enumerate(_parts(word, width)):
            await self.write(Register.DATA + 4 * number, part)

    async def words(self, first: int, width: int) -> int:
        """`width` bits from the registers from `first` on."""
        parts = [await self.read(first + 4 * number) for number in range(-(-width // 32))]
        return sum(part << (32 * number) for number, part in enumerate(parts)) & ((1 << width) - 1)

    async def send_rows(self, rows: Sequence[int], width: int, stall: Stall = never) -> None:
        """A packet of rows of `width` bits."""
        await self.send_beats([part for row in rows for part in _parts(row, width)], stall)

    async def send_beats(self, parts: Sequence[int], stall: Stall = never) -> None:
        """A packet of these beats."""
        beats = [(part, int(number == len(parts) - 1)) for number, part in enumerate(parts)]
        valid, ready, *signals = (
            getattr(self.dut, self.rows + name) for name in ("tvalid", "tready", "tdata", "tlast")
        )
        await send(self.dut.clk, valid, ready, signals, beats, stall)

    async def failed_rows(self) -> list[ArrayRow]:
        """Take all rows off the list of failed rows; the oldest first."""
        rows = []
        for _ in range(await self.read(Register.FAILED_COUNT) & 0xFF):
            array, row = await self.read(Register.FAILED_ARRAY), await self.read(Register.FAILED_ROW)
            rows.append(ArrayRow(array & 0xFFFF, array >> 16, row & 0xFFFF, row >> 16))
            await self.write(Register.FAILED_COUNT, 0)
        return rows

    async def put_array(self, rows: Sequence[int], width: int, first: int = 0) -> bool:
        """Program rows of an array from `first` on; False where that failed."""
        await self.start(HostCommand.PROGRAM_ARRAY, first)
        await self.send_rows(rows, width)
        return await self.end()

    async def scrub(self, expected: int) -> bool:
        """Read an array back; whether it has this CRC-32."""
        await self.write(Register.EXPECTED, expected)
        return await self.command(HostCommand.SCRUB, 0)


def _parts(word: int, width: int) -> list[int]:
    """A word in registers or beats."""
    return [word >> start & ((1 << ROW_BEAT) - 1) for start in range(0, width, ROW_BEAT)]
