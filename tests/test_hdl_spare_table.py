"""The table of remapped rows in Amaranth's own simulator, against a dictionary."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from defects import ELABORATE, Defect

from hdl.arrays.spare_table import ENTRY, SpareTable, SpareTableHardware
from model.mapping import Geometry

TABLES = (
    SpareTable(4, 3, 2, Geometry(7, 4, 3, True)),
    SpareTable(1, 1, 1, Geometry(2, 1, 1)),
    SpareTable(3, 2, 2, Geometry(5, 2, 2)),
)
STEPS = 400


def run(block: SpareTable) -> None:
    """Random questions and orders, of few arrays and rows, so that they meet again."""
    hardware, random = block.create(), np.random.default_rng(1)
    first, last = block.geometry.used_rows, block.geometry.used_rows + block.geometry.spare_rows

    def below(count: int) -> int:
        return int(random.integers(count))

    async def bench(ctx: Any) -> None:
        held: list[tuple[int, int, int, int] | None] = [None] * block.entries
        taken = full = 0
        for _ in range(STEPS):
            group, tile, row, index = below(block.groups), below(block.tiles), below(first), below(block.entries)
            written = {"row": below(first), "spare": int(random.integers(first, last)), "valid": below(2)}
            written |= {"group": below(block.groups), "tile": below(block.tiles)}
            takes, writes = random.random() < 0.3, random.random() < 0.1
            asked = {
                "group": group,
                "tile": tile,
                "row": row,
                "index": index,
                "take": takes,
                "write": writes and not takes,
            }
            for name, value in asked.items():
                ctx.set(getattr(hardware, name), int(value))
            layout: Any = ENTRY
            ctx.set(hardware.written.as_value(), layout.const(written).as_value().value)
            mine = [entry for entry in held if entry is not None and entry[:2] == (group, tile)]
            following = max((entry[3] for entry in mine), default=first - 1) + 1
            same = [place for place, entry in enumerate(held) if entry is not None and entry[:3] == (group, tile, row)]
            places = same or [place for place, entry in enumerate(held) if entry is None]
            assert ctx.get(hardware.spared) == bool(mine)
            assert ctx.get(hardware.full) == (following >= last or not places)
            entry = held[index]
            found = ctx.get(hardware.selected)
            assert found.valid == (entry is not None)
            if entry is not None:
                assert (found.group, found.tile, found.row, found.spare) == entry
            await ctx.tick()
            if takes and following < last and places:
                held[places[0]] = (group, tile, row, following)
                taken += 1
            elif takes:
                full += 1
            elif writes:
                again = [place for place, entry in enumerate(held) if place != index and entry is not None]
                entry = (written["group"], written["tile"], written["row"], written["spare"])
                held[index] = entry if written["valid"] else None
                # A row is never in the table twice: such an entry is taken back at once.
                if any(held[place][:3] == entry[:3] for place in again) and written["valid"]:  # type: ignore[index]
                    ctx.set(hardware.take, 0)
                    ctx.set(hardware.write, 1)
                    ctx.set(hardware.written.as_value(), 0)
                    await ctx.tick()
                    held[index] = None
        assert taken > 2
        assert full > 2

    simulator: Any = Simulator(hardware)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("block", TABLES, ids=lambda block: block.name)
def test_rows_are_taken_and_told(block: SpareTable) -> None:
    run(block)


@pytest.mark.parametrize(
    "defect",
    [
        Defect(SpareTableHardware, ELABORATE, old, new)
        for old, new in (
            ("entry.valid & (entry.group", "(entry.group"),
            ("& (entry.tile == self.tile)", ""),
            ("of_array & (entry.row == self.row)", "of_array"),
            ("(entry.spare >= following)", "1"),
            ("entry.spare + 1", "entry.spare"),
            ("same[index] | (~before & free[index])", "~before & free[index]"),
            ("(~before & free[index])", "free[index]"),
            ("~Cat(chosen).any() | ", ""),
            ("self.take & ~self.full", "self.take"),
            ("self.write & (self.index == index)", "self.write"),
        )
    ],
    ids=str,
)
def test_a_defect_is_caught(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    defect.apply(monkeypatch)
    found: Callable[[], None] = lambda: run(TABLES[0])  # noqa: E731
    with pytest.raises(AssertionError):
        found()
