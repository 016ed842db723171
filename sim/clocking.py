"""Clock and reset of a design under test."""

from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

PERIOD_NS = 10


async def start(dut: Any, fast: bool = False) -> None:
    """Start the clock and hold `rst` for three cycles. A `fast` clock is not in Python: without it, half of a long
    simulation in which little else is in Python is spent on its edges.
    """
    # From low on: what is written at time 0 must be there before the first edge.
    Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi" if fast else "py").start(start_high=not fast)
    await reset(dut)


async def reset(dut: Any, cycles: int = 3) -> None:
    """Hold `rst` for some cycles."""
    dut.rst.value = 1
    await ClockCycles(dut.clk, cycles)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


def cycle() -> int:
    """The number of clock periods since time 0."""
    return int(get_sim_time("ns")) // PERIOD_NS
