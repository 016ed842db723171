"""Plays a dialogue (see `sim.dialogue`) on the ports of an accelerator, and says where it hears anything else."""

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiResp

from hdl.registers import Register
from sim import clocking
from sim.host import BUSY, Host
from sim.streams import PATIENCE

SETTLED = 4
"""Cycles after which the pins show what registers have become."""


class Amplitudes:
    """The codes that the pin `amplitude` shows, and for how many cycles each."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.codes = dut, list[list[int]]()
        self.high = (0, 0)
        cocotb.start_soon(self._watch())

    def begin(self) -> None:
        """Forget what was before."""
        self.codes.clear()
        self.high = int(self.dut.hv_cycles.value), int(self.dut.hv_pulses.value)

    async def _watch(self) -> None:
        begun, code = clocking.cycle(), 0
        while True:
            await self.dut.amplitude.value_change
            now = clocking.cycle()
            if code and now > begun:
                self.codes.append([code, now - begun])
            begun = now
            code = int(self.dut.amplitude.value) if self.dut.amplitude.value.is_resolvable else -1


async def converse(
    dut: Any, host: Host, amplitudes: Amplitudes, steps: Sequence[Sequence[Any]], guarded: bool
) -> str | None:
    """Play the steps; returns what was heard where it is not what must be, None where all was.

    A step is what it is about, its kind, and:
      `write` address, value, whether it is accepted; `bytes` address, bytes: all accepted
      `read` address, value, mask; `unreadable` address
      `end` status, mask: the command under way ends, with that status
      `rows` beats of a packet
      `lose` cycles: the supply fails so many cycles after the amplitude has become other than 0; `supply` 0 or 1
      `pins` names and values
      `amplitudes` codes and cycles, see `Amplitudes`, since the last of these steps, and where pulses are `guarded`, in
      how many cycles HV was high since then, in how many pulses
    """
    for what, kind, *rest in steps:
        heard = await _step(dut, host, amplitudes, guarded, kind, *rest)
        if heard is not None:
            return f"{what}: {heard}"
    return None


async def _step(dut: Any, host: Host, amplitudes: Amplitudes, guarded: bool, kind: str, *rest: Any) -> str | None:
    if kind == "write":
        address, value, accepted = rest
        answer = await host.master.write(address, value.to_bytes(4, "little"))
        if (answer.resp == AxiResp.OKAY) != accepted:
            return f"a write of {value:#x} to {address:#x} is {'refused' if accepted else 'accepted'}"
    elif kind == "bytes":
        await host.master.write(rest[0], bytes(rest[1]))
    elif kind in ("read", "unreadable"):
        answer = await host.master.read(rest[0], 4)
        if (answer.resp == AxiResp.OKAY) != (kind == "read"):
            return f"a read of {rest[0]:#x} is {'refused' if kind == 'read' else 'accepted'}"
        if kind == "read":
            return _differs(f"register {rest[0]:#x}", int.from_bytes(answer.data, "little") & rest[2], rest[1])
    elif kind == "end":
        status = await _end(dut, host)
        return _differs("STATUS", status & rest[1], rest[0])
    elif kind == "rows":
        await host.send_beats(rest[0])
    elif kind == "lose":
        if not int(dut.amplitude.value):
            await RisingEdge(dut.clk)
            for _ in range(PATIENCE):
                if int(dut.amplitude.value):
                    break
                await RisingEdge(dut.clk)
        if rest[0]:
            await ClockCycles(dut.clk, rest[0])
        dut.supply_ok.value = 0
    elif kind == "supply":
        dut.supply_ok.value = rest[0]
    elif kind == "pins":
        await ClockCycles(dut.clk, SETTLED)
        for name, value in rest[0].items():
            found = getattr(dut, name).value
            if not found.is_resolvable or int(found) != value:
                return f"the pin {name} is {found}, not {value}"
    else:
        found, amplitudes.codes = amplitudes.codes, []
        high, pulses = int(dut.hv_cycles.value), int(dut.hv_pulses.value)
        since, amplitudes.high = [high - amplitudes.high[0], pulses - amplitudes.high[1]], (high, pulses)
        if int(dut.unsafe.value):
            return "HV, or another line beside it, was as it must not be"
        if found != rest[0]:
            first = next((n for n, pair in enumerate(zip(found, rest[0], strict=False)) if pair[0] != pair[1]), None)
            if first is None:
                return f"{len(found)} amplitudes, not {len(rest[0])}"
            return f"amplitude {first} (code, cycles) is {found[first]}, not {rest[0][first]}"
        if guarded and since != rest[1]:
            return f"HV was high for {since} (cycles, pulses), not {rest[1]}"
    return None


async def _end(dut: Any, host: Host) -> int:
    """The status once no command is under way; asked for less and less often, because an access costs much Python."""
    pause = 1
    while (status := await host.read(Register.STATUS)) & BUSY and pause < PATIENCE:
        await ClockCycles(dut.clk, pause)
        pause *= 2
    return status


def _differs(what: str, found: int, right: int) -> str | None:
    return None if found == right else f"{what} is {found:#x}, not {right:#x}"
