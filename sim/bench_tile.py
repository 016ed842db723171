"""Bench of a tile, or of an array alone: rows written through pulses, read back to back and with gaps.

Job: `block`, the members of the `hdl.tile.Tile` or (without `used`) `hdl.array.Array`; `words`, what its image holds;
`seed`. Answer: `pulses` and `reads`, how many there were.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.array import Operation, Side
from model import bits, golden
from sim import clocking, job

ROUNDS = 6
PULSES = 12
"""Pulses in each round but the first, which reads what the image holds."""
LONGEST = 3
"""Longest pulse and longest pause after one, in cycles."""
READS = 60
"""Cycles of reading in each round."""
SEN_PROBABILITIES = (1.0, 0.5)
"""Reads back to back in even rounds, with gaps in odd ones."""


class Cells:
    """What the array should hold, and what reading it should give."""

    def __init__(self, words: list[int], columns: int, used: int) -> None:
        self.words, self.columns, self.used = words, columns, used

    def pulse(self, row: int, operation: Operation, side: Side, mask: int) -> None:
        """SET of BL or RESET of BLb makes a cell 1, SET of BLb or RESET of BL makes it 0."""
        if (operation, side) in ((Operation.SET, Side.BL), (Operation.RESET, Side.BLB)):
            self.words[row] |= mask
        else:
            self.words[row] &= ~mask

    def read(self, row: int, x: int) -> tuple[int, int]:
        """The XNORs of a row and how many ones the used columns hold."""
        cells, inputs = bits.from_int(self.words[row], self.columns), bits.from_int(x, self.columns)
        weights = bits.to_signs(cells[np.newaxis, : self.used])
        count = golden.popcounts(weights, inputs[np.newaxis, : self.used])[0, 0]
        return bits.to_int(cells == inputs), int(count)


async def pulse(dut: Any, cells: Cells, source: random.Random) -> None:
    """One pulse on a random row, side and set of columns, and a pause after it."""
    row = source.randrange(len(cells.words))
    operation, side = source.choice((Operation.SET, Operation.RESET)), source.choice((Side.BL, Side.BLB))
    mask = source.choice((0, (1 << cells.columns) - 1, source.getrandbits(cells.columns)))
    dut.row.value, dut.operation.value, dut.side.value, dut.x.value = row, operation.value, side.value, mask
    dut.hv.value = 1
    for _ in range(source.randint(1, LONGEST)):
        await RisingEdge(dut.clk)
    dut.hv.value = 0
    for _ in range(source.randint(1, LONGEST)):
        # The pulse is over: what stands on the other lines must not matter.
        dut.row.value, dut.x.value = source.randrange(len(cells.words)), source.getrandbits(cells.columns)
        dut.operation.value, dut.side.value = source.choice(list(Operation)).value, source.choice(list(Side)).value
        await RisingEdge(dut.clk)
    cells.pulse(row, operation, side, mask)


async def read(dut: Any, cells: Cells, source: random.Random, sen_probability: float) -> int:
    """Random reads; every cycle's outputs are compared. Returns how many reads there were."""
    precharged = (1 << cells.columns) - 1
    due_q: int | None = None  # what `q` must be in this cycle, and `count` in this and in the next
    due_count: int | None = None
    next_count: int | None = None
    reads = 0
    for cycle in range(READS + 2):
        sen = cycle < READS and source.random() < sen_probability
        row, x = source.randrange(len(cells.words)), source.getrandbits(cells.columns)
        dut.sen.value, dut.row.value, dut.x.value, dut.operation.value = int(sen), row, x, Operation.READ.value
        await RisingEdge(dut.clk)
        if due_q is not None:
            q = int(dut.q.value)
            assert q == due_q, f"q: expected {due_q:#x}, got {q:#x}"
            if hasattr(dut, "qb"):
                qb, right = int(dut.qb.value), precharged if next_count is None else precharged ^ due_q
                assert qb == right, f"qb: expected {right:#x}, got {qb:#x}"
        if due_count is not None and hasattr(dut, "count"):
            count = int(dut.count.value)
            assert count == due_count, f"count: expected {due_count}, got {count}"
        due_count = next_count
        due_q, next_count = cells.read(row, x) if sen else (precharged, None)
        reads += sen
    return reads


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def tile(dut: Any) -> None:
    task = job.load()
    block, source = task["block"], random.Random(task["seed"])
    cells = Cells(task["words"], block["columns"], block.get("used", block["columns"]))
    dut.sen.value = dut.hv.value = dut.row.value = dut.x.value = 0
    dut.operation.value = dut.side.value = 0
    await clocking.start(dut)
    reads = 0
    for number in range(ROUNDS):
        for _ in range(PULSES if number else 0):
            await pulse(dut, cells, source)
        reads += await read(dut, cells, source, SEN_PROBABILITIES[number % len(SEN_PROBABILITIES)])
    job.answer({"pulses": (ROUNDS - 1) * PULSES, "reads": reads})
