"""The accelerator's host: arrays and numbers through AXI4-Lite, as the software of a chip would do it."""

from typing import Any

from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from hdl.arrays.host_access import HostCommand
from hdl.registers import IDENTIFICATION, Register


class Refused(Exception):
    """The accelerator answered SLVERR."""


class Host:
    """Register accesses and commands; `dut` has the `s_axil_*` ports of `hdl.accelerator.Accelerator`."""

    def __init__(self, dut: Any) -> None:
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)

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

    async def command(self, command: HostCommand, index: int) -> bool:
        """Run a command on row or neuron `index`; False where its verify read failed."""
        await self.write(Register.INDEX, index)
        await self.write(Register.COMMAND, command.value)
        while (status := await self.read(Register.STATUS)) & 1:
            pass
        return not status & 2

    async def put(self, command: HostCommand, index: int, word: int, width: int) -> bool:
        """Write one word of `width` bits; False where its verify read failed."""
        for number in range(-(-width // 32)):
            await self.write(Register.DATA + 4 * number, word >> (32 * number) & 0xFFFF_FFFF)
        return await self.command(command, index)

    async def get(self, command: HostCommand, index: int, width: int) -> int:
        """Read one word of `width` bits."""
        await self.command(command, index)
        word = 0
        for number in range(-(-width // 32)):
            word |= await self.read(Register.DATA + 4 * number) << (32 * number)
        return word & ((1 << width) - 1)
