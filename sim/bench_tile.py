"""Bench of a tile, or of an array alone: rows written through pulses, read back to back and with gaps.

Job: `block`, the members of the `hdl.arrays.tile.Tile` or (without `used`) `hdl.arrays.array.Array`; `words`, what its
image holds, or of one that knows of devices `chip`, the `sim.device_cells.Chip` that its images hold; `seed`. Answer:
`pulses` and `reads`, how many there were, and of a ternary one `zeros`, how many weights 0 were read; `erred`, how many
cells were read wrongly.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.arrays.array import Operation, Side
from model import bits, golden
from sim import clocking, job
from sim.device_cells import Chip, DeviceCells

ROUNDS = 6
PULSED = (Operation.SET, Operation.RESET, Operation.FORM)
PULSES = 12
"""Pulses in each round but the first, which reads what the image holds."""
LONGEST = 3
"""Longest pulse and longest pause after one, in cycles."""
READS = 60
"""Cycles of reading in each round."""
SEN_PROBABILITIES = (1.0, 0.5)
"""Reads back to back in even rounds, with gaps in odd ones."""


class WeightCells:
    """What an array of bits should hold."""

    erred = 0

    def __init__(self, words: list[int], columns: int, ternary: bool) -> None:
        self.words, self.columns, self.ternary = words, columns, ternary

    def pulse(self, row: int, operation: Operation, side: Side, mask: int) -> None:
        """SET makes a device 1, RESET 0; FORM does nothing, because all are formed. A binary cell is one bit: BL's, of
        which BLb's is the complement.
        """
        if operation == Operation.FORM:
            return
        is_blb = side == Side.BLB
        raises = (operation == Operation.SET) != (is_blb and not self.ternary)
        if self.ternary:
            mask <<= self.columns * is_blb
        self.words[row] = self.words[row] | mask if raises else self.words[row] & ~mask

    def sense(self, row: int) -> Any:
        """+1, -1, or 0 where both devices of a cell are alike."""
        word = bits.from_int(self.words[row], self.columns * (2 if self.ternary else 1)).astype(np.int8)
        return word[: self.columns] - word[self.columns :] if self.ternary else bits.to_signs(word)


class Cells:
    """What the array should hold, and what reading it should give."""

    def __init__(self, task: dict[str, Any]) -> None:
        block = task["block"]
        self.rows, self.columns, self.ternary = block["rows"], block["columns"], block["ternary"]
        self.used: int | None = block.get("used")  # None: an array without a tile around it
        kind = (self.columns, self.ternary)
        self.held: WeightCells | DeviceCells
        if block["fidelity"] == "bits":
            self.held = WeightCells(task["words"], *kind)
        else:
            self.held = DeviceCells(Chip.of(task["chip"]), *kind, block["fidelity"] == "noisy")
        self.zeros = 0

    def outputs(self, product: Any) -> dict[str, int]:
        """What the amplifiers say of these products. A 0 leaves Q and Qb high, as before sensing."""
        if self.used is None:
            return {"q": bits.to_int(product >= 0), "qb": bits.to_int(product <= 0)}
        if self.ternary:
            return {"q": bits.to_int(np.concatenate([product > 0, product < 0]))}
        return {"q": bits.to_int(product >= 0)}

    def read(self, row: int, x: int) -> tuple[dict[str, int], int]:
        """The outputs of a row, and the count of the used columns."""
        weights, inputs = self.held.sense(row), bits.from_int(x, self.columns)
        self.zeros += int((weights == 0).sum())
        used = slice(self.used)
        count = golden.counts(weights[np.newaxis, used], inputs[np.newaxis, np.newaxis, used], ternary=self.ternary)
        return self.outputs(weights * bits.to_signs(inputs)), int(count[0, 0])


async def pulse(dut: Any, cells: Cells, source: random.Random) -> None:
    """One pulse on a random row, side and set of columns, and a pause after it."""
    row = source.randrange(cells.rows)
    operation, side = source.choice(PULSED), source.choice((Side.BL, Side.BLB))
    mask = source.choice((0, (1 << cells.columns) - 1, source.getrandbits(cells.columns)))
    dut.row.value, dut.operation.value, dut.side.value, dut.x.value = row, operation.value, side.value, mask
    dut.hv.value = 1
    for _ in range(source.randint(1, LONGEST)):
        await RisingEdge(dut.clk)
    dut.hv.value = 0
    for _ in range(source.randint(1, LONGEST)):
        # The pulse is over: what stands on the other lines must not matter.
        dut.row.value, dut.x.value = source.randrange(cells.rows), source.getrandbits(cells.columns)
        dut.operation.value, dut.side.value = source.choice(list(Operation)).value, source.choice(list(Side)).value
        await RisingEdge(dut.clk)
    cells.held.pulse(row, operation, side, mask)


async def read(dut: Any, cells: Cells, source: random.Random, sen_probability: float) -> int:
    """Random reads; every cycle's outputs are compared. Returns how many reads there were."""
    idle = cells.outputs(np.zeros(cells.columns, dtype=np.int8))  # precharged: as if all weights were 0
    due: dict[str, int] = {}  # what the outputs must be in this cycle
    due_count: int | None = None  # what `count` must be in this cycle, and in the next
    next_count: int | None = None
    reads = 0
    for cycle in range(READS + 2):
        sen = cycle < READS and source.random() < sen_probability
        row, x = source.randrange(cells.rows), source.getrandbits(cells.columns)
        dut.sen.value, dut.row.value, dut.x.value, dut.operation.value = int(sen), row, x, Operation.READ.value
        await RisingEdge(dut.clk)
        for port, right in due.items():
            value = int(getattr(dut, port).value)
            assert value == right, f"{port}: expected {right:#x}, got {value:#x}"
        if due_count is not None and cells.used is not None:
            count = int(dut.count.value)
            assert count == due_count, f"count: expected {due_count}, got {count}"
        due_count = next_count
        due, next_count = cells.read(row, x) if sen else (idle, None)
        reads += sen
    return reads


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def tile(dut: Any) -> None:
    task = job.load()
    source = random.Random(task["seed"])
    cells = Cells(task)
    dut.sen.value = dut.hv.value = dut.row.value = dut.x.value = 0
    dut.operation.value = dut.side.value = 0
    await clocking.start(dut)
    reads = 0
    for number in range(ROUNDS):
        for _ in range(PULSES if number else 0):
            await pulse(dut, cells, source)
        reads += await read(dut, cells, source, SEN_PROBABILITIES[number % len(SEN_PROBABILITIES)])
    job.answer({"pulses": (ROUNDS - 1) * PULSES, "reads": reads, "zeros": cells.zeros, "erred": cells.held.erred})
