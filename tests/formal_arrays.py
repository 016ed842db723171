"""What is claimed of the arrays of a layer: which of them see high voltage, and what tiles and groups count."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Assert, Cat, Cover, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib.wiring import In
from formal_controller import before, ones

from hdl.arrays.array import Operation, control_lines
from hdl.arrays.columns import Columns
from hdl.arrays.controller import State
from hdl.arrays.grid import Grid
from hdl.arrays.group import Group
from hdl.arrays.host_access import LayerCommand
from hdl.arrays.tile import Tile
from sim.formal import Claims

LINES = ("group", "tile", "row", "operation", "side", "mask")
"""Lines of the controller that say where a pulse acts."""


class LayerClaims(Claims):
    """Claims on the lines of all arrays of a layer at once, whatever host, input and the layer behind do."""

    host: Any
    hv: Signal
    sen: Signal
    masked: Signal
    state: Signal
    wanted: Signal
    hits: Signal
    busy: Signal
    at_row: Signal

    def __init__(self, layer: Grid | Columns) -> None:
        grid, self.controller = layer.map, layer.controller
        self.places = [(group, tile) for group in range(grid.groups) for tile in range(grid.tiles)]
        path = "group{}.tile{}.array" if isinstance(layer, Grid) else "stack{1}.group{0}"
        self.arrays = range(len(self.places))
        lines = {**control_lines(layer.rows, In), "x": In(layer.columns)}
        inside: dict[str, tuple[str, Any]] = {
            f"array{index}_{line}": (f"{path.format(*place)}.{line}", member.shape)
            for index, place in enumerate(self.places)
            for line, member in lines.items()
        }
        outputs = self.controller.signature.members
        inside |= {name: (f"controller.{name}", 1) for name in ("hv", "sen", "masked")}
        inside |= {f"at_{line}": (f"controller.{line}", outputs[line].shape) for line in LINES}
        inside |= {"state": ("controller.state", 3)}
        if self.controller.parts > 1:
            inside |= {"wanted": ("controller.wanted", layer.columns)}
        self.entries, table = layer.reserve.entries, layer.access.table
        if table is not None:
            inside |= {
                f"entry{index}": (f"access.spare_table.entry{index}", table.layout) for index in range(self.entries)
            }
            inside |= {"hits": ("controller.hits", self.entries), "busy": ("access.busy", 1)}
        super().__init__(layer, inside)

    def _all(self, line: str) -> list[Signal]:
        return [getattr(self, f"array{index}_{line}") for index in self.arrays]

    def add_claims(self, m: Module) -> None:
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
        pulsing = Cat(self.state == state.value for state in (State.SETUP, State.PULSE, State.RECOVER)).any()
        with m.If(pulsing):
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
        self._orders(m, pulsing)

    def _orders(self, m: Module, pulsing: Value) -> None:
        """What the host asked for last, and what arrays see of it."""
        order = self.host.payload
        asked: Any = Signal(order.shape(), name="asked")
        with m.If(self.host.valid & self.host.ready):
            m.d.sync += asked.eq(order)
        limits, columns = self.controller.limits, self.controller.columns
        pulses, asked_bits = asked.command == LayerCommand.PULSE_ROW, asked.bits[:columns]
        train = Cat(asked.pulse.operation, asked.pulse.side)
        strange, many = [], []
        for index, (group, tile) in enumerate(self.places):
            row, operation, side, x, hv = (self._all(line)[index] for line in ("row", "operation", "side", "x", "hv"))
            here = self._same("group", asked.group, group) & self._same("tile", asked.tile, tile)
            lines = (Cat(operation, side) == train) & (row == self._stands_for(asked.index[: len(row)], group, tile))
            strange.append(hv & ~(pulses & here & lines & ~(x & ~asked_bits).any()))
            many.append(hv & (ones(x) > limits.pulsed_at_once))
        held = [getattr(self, f"at_{line}") for line in LINES]
        where = [asked.group, asked.tile, asked.index, asked.pulse.operation.as_value(), asked.pulse.side.as_value()]
        same = [Value.cast(one) == value[: len(Value.cast(one))] for one, value in zip(held[:-1], where, strict=True)]
        forming = (train[:2] == Operation.FORM.value) & self.hv
        m.d.comb += [
            Assert(~Cat(strange).any(), "a pulse at an array is one that the host asked for, and of its devices"),
            Assert(~Cat(many).any(), "no more devices of a layer at once than the limit"),
            Assert(~pulsing | (pulses & Cat(same).all()), "lemma: the order is held"),
            Assert(~pulsing | ~(held[-1] & ~asked_bits).any(), "lemma: the devices of the order"),
            Assert(~pulsing | (ones(held[-1]) <= limits.pulsed_at_once), "lemma: a part of a row"),
            Cover(forming, "a pulse of FORM"),
        ]
        if self.controller.parts > 1:
            m.d.comb += Assert(~pulsing | (self.wanted == asked_bits), "lemma: devices still to come")
        if self.entries:
            of_row = [entry.valid & (entry.row == self.at_row) for entry in self._entries()]
            m.d.comb += [
                Assert(~pulsing | self.busy, "lemma: no other command in a pulse"),
                Assert(~pulsing | (self.hits == Cat(of_row)), "lemma: rows that are remapped"),
                Cover(self.hv & self.hits.any(), "a pulse of a spare row"),
            ]

    def _entries(self) -> list[Any]:
        """The layer's table of rows that are remapped."""
        return [getattr(self, f"entry{index}") for index in range(self.entries)]

    def _stands_for(self, row: Value, group: int, tile: int) -> Value:
        """The row of an array that is selected where this one is asked for: that of the entries of its table, if there
        are any for it.
        """
        entries = self._entries()
        same = [
            entry.valid & self._same("group", entry.group, group) & self._same("tile", entry.tile, tile)
            & (entry.row == row)
            for entry in entries
        ]  # fmt: skip
        found = [Mux(here, entry.spare, 0) for here, entry in zip(same, entries, strict=True)]
        return Mux(Cat(same).any(), functools.reduce(operator.or_, found), row) if entries else row

    def _same(self, line: str, value: Value, number: int) -> Value:
        """Whether an address is this one, in as many bits as the controller has for it."""
        width = len(getattr(self, f"at_{line}"))
        return value[:width] == number


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

    def add_claims(self, m: Module) -> None:
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
