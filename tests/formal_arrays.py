"""What is claimed of the arrays of a layer: which of them see high voltage, and what tiles and groups count."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib.wiring import In
from formal_controller import before

from hdl.arrays.array import control_lines
from hdl.arrays.columns import Columns
from hdl.arrays.controller import State
from hdl.arrays.grid import Grid
from hdl.arrays.group import Group
from hdl.arrays.tile import Tile
from sim.formal import Claims


class LayerClaims(Claims):
    """Claims on the lines of all arrays of a layer at once, whatever host, input and the layer behind do."""

    hv: Signal
    sen: Signal
    masked: Signal
    state: Signal

    def __init__(self, layer: Grid | Columns) -> None:
        grid = layer.map
        places = [(group, tile) for group in range(grid.groups) for tile in range(grid.tiles)]
        path = "group{}.tile{}.array" if isinstance(layer, Grid) else "stack{1}.group{0}"
        self.arrays = range(len(places))
        lines = {**control_lines(layer.rows, In), "x": In(layer.columns)}
        inside: dict[str, tuple[str, Any]] = {
            f"array{index}_{line}": (f"{path.format(*place)}.{line}", member.shape)
            for index, place in enumerate(places)
            for line, member in lines.items()
        }
        inside |= {name: (f"controller.{name}", 1) for name in ("hv", "sen", "masked")}
        super().__init__(layer, inside | {"state": ("controller.state", 3)})

    def _all(self, line: str) -> list[Signal]:
        return [getattr(self, f"array{index}_{line}") for index in self.arrays]

    def claim(self, m: Module) -> None:
        hv, sen = Cat(self._all("hv")), Cat(self._all("sen"))
        hv_before, reset_before = before(m, "hv_before", hv), before(m, "reset_before", ResetSignal())
        m.d.comb += [
            Assert((hv & (hv - 1)) == 0, "one array at once under high voltage"),
            Assert(~(hv.any() & sen.any()), "no high voltage while any array senses"),
            Assert(~(hv_before.any() & sen.any()), "a cycle between high voltage and SEN anywhere"),
            Assert(self.hv == (self.state == State.PULSE.value), "lemma: high voltage in one state"),
            Assert(self.sen == (self.state == State.SENSE.value), "lemma: SEN in one state"),
            Assert(self.state <= max(state.value for state in State), "lemma: no other states"),
            Cover(sen.any(), "an array senses"),
        ]
        programming = (State.SETUP, State.PULSE, State.RECOVER)
        with m.If(Cat(self.state == state.value for state in programming).any()):
            m.d.comb += Assert(self.masked, "lemma: pulses are of the mask")
        with m.If(hv_before.any() & ~reset_before):
            m.d.comb += Assert(
                (self.state == State.PULSE.value) | (self.state == State.RECOVER.value),
                "lemma: recovery behind a pulse",
            )
        moved = []
        for index in self.arrays:
            lines = Cat(self._all(line)[index] for line in ("row", "operation", "side", "x"))
            still = hv[index] | (hv_before[index] & ~reset_before)
            moved.append(still & (lines != before(m, f"lines_before{index}", lines)))
            m.d.comb += Cover(hv[index], f"a pulse of array {index}")
        m.d.comb += Assert(~Cat(moved).any(), "the lines of each array stand still for a pulse")


def matches(word: Value, x: Value, ternary: bool) -> Sequence[Value]:
    """For each column what it adds to a count: 1 where input and weight agree; of a ternary cell their product + 1."""
    columns = len(x)
    if not ternary:
        return [word[column] == x[column] for column in range(columns)]
    low, low_b = word[:columns], word[columns:]
    return [Mux(low[column] == low_b[column], 1, Mux(low[column] == x[column], 2, 0)) for column in range(columns)]


class CountClaims(Claims):
    """Claims on what a tile or a group counts: of each read its own row and input, whatever was or comes around it."""

    row: Signal
    sen: Signal
    x: Signal

    def __init__(self, block: Tile | Group) -> None:
        self.path = "tile{}.array" if isinstance(block, Group) else "array"
        self.tiles = block.tiles if isinstance(block, Group) else 1
        self.used = block.fan_in if isinstance(block, Group) else block.used
        self.rows, self.columns, self.ternary = block.rows, block.columns, block.ternary
        self.result, self.latency = ("popcount", 3) if isinstance(block, Group) else ("count", 2)
        width = block.columns * (2 if block.ternary else 1)
        super().__init__(
            block,
            {
                f"word{tile}_{row}": (f"{self.path.format(tile)}.cells.words[{row}]", width)
                for tile in range(self.tiles)
                for row in range(block.rows)
            },
        )

    def claim(self, m: Module) -> None:
        result = getattr(self, self.result)
        counted: list[Value] = []
        for tile in range(self.tiles):
            word = Signal.like(getattr(self, f"word{tile}_0"), name=f"word{tile}")
            with m.Switch(self.row):
                for row in range(self.rows):
                    with m.Case(row):
                        m.d.comb += word.eq(getattr(self, f"word{tile}_{row}"))
            counted += matches(word, self.x[tile * self.columns : (tile + 1) * self.columns], self.ternary)
        valid: Value = self.sen
        count: Value = sum(counted[1 : self.used], start=counted[0])
        for cycle in range(self.latency):
            valid_later = Signal(name=f"valid{cycle}")
            count_later = Signal(len(result), name=f"count{cycle}")
            m.d.sync += [valid_later.eq(valid), count_later.eq(count)]
            valid, count = valid_later, count_later
        another = before(m, "another", valid)
        m.d.comb += [
            Assert(~valid | (result == count), "the count of each read is that of its row and input"),
            Cover(valid & another & (result != before(m, "result_before", result)), "two reads in two cycles"),
        ]
