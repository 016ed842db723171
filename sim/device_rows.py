"""Rows of devices as a chip has them, and what a programmer must do with them.

Devices need more or less amplitude, some are pristine, some are stuck, and some read wrong now and then. `Foretold`
says which orders `hdl.arrays.programmer.Programmer` must give to such a row, and what comes of it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hdl.arrays.array import Operation, Side
from hdl.arrays.host_access import LayerCommand
from hdl.programming import HostCommand

Place = tuple[int, int, int]
"""Group, tile, row."""
ACTIONS = {Operation.FORM: "form", Operation.SET: "set", Operation.RESET: "reset"}
STRONGEST = 8
"""No device needs a higher code of amplitude than this one."""


@dataclass
class Device:
    """Whether it is in low resistance, pristine, moved by no pulse; and the amplitude that each operation needs."""

    low: bool
    pristine: bool
    stuck: bool
    needs: dict[Operation, int]

    def pulse(self, operation: Operation, amplitude: int) -> None:
        if self.stuck or amplitude < self.needs[operation]:
            return
        if operation == Operation.FORM:
            self.low, self.pristine = self.low or self.pristine, False
        elif not self.pristine:
            self.low = operation == Operation.SET


class Devices:
    """The arrays of one layer: `columns` cells a row, of two devices each."""

    def __init__(self, columns: int, ternary: bool, source: random.Random) -> None:
        self.columns, self.ternary, self.source = columns, ternary, source
        self.rows: dict[Place, tuple[list[Device], list[Device]]] = {}
        self.flips: dict[Place, int] = {}  # columns that read wrong in every other read
        self.reads = 0

    @property
    def width(self) -> int:
        return self.columns * (2 if self.ternary else 1)

    def add(self, place: Place, stuck: float = 0.0, weak: float = 0.0, pristine: bool = False) -> None:
        """A row, where so large a share of devices is stuck, and of cells reads wrong now and then."""
        source = self.source

        def device() -> Device:
            needs = {operation: source.randint(0, STRONGEST) for operation in ACTIONS}
            low = not pristine and source.random() < 0.5
            return Device(low, pristine, source.random() < stuck, needs)

        pair = [device() for _ in range(self.columns)], [device() for _ in range(self.columns)]
        self.rows[place] = pair
        self.flips[place] = sum((source.random() < weak) << column for column in range(self.columns))

    def pulse(self, place: Place, operation: Operation, side: Side, amplitude: int, columns: int) -> None:
        for column, device in enumerate(self.rows[place][side.value]):
            if columns >> column & 1:
                device.pulse(operation, amplitude)

    def read(self, place: Place) -> int:
        """What the amplifiers say of a row with X = 1. A binary cell of two equal devices reads as +1 in even columns;
        a pristine device has more resistance than any other.
        """
        self.reads += 1
        plus = minus = 0
        for column, (one, other) in enumerate(zip(*self.rows[place], strict=True)):
            levels = [0 if device.low else 2 if device.pristine else 1 for device in (one, other)]
            plus |= (levels[0] < levels[1]) << column
            minus |= (levels[0] > levels[1]) << column
            if levels[0] == levels[1] and not self.ternary:
                plus |= (column % 2 == 0) << column
        # A weak cell's decision is inverted in every other read.
        flips = self.flips[place] if self.reads % 2 else 0
        if self.ternary:
            keep = ~flips
            plus, minus = (plus & keep) | (minus & flips), (minus & keep) | (plus & flips)
            return plus | minus << self.columns
        return plus ^ flips


@dataclass(frozen=True)
class Order:
    """What a layer is asked; `pulse` are the values of `hdl.arrays.controller.PULSE`, none for a read."""

    command: LayerCommand
    place: Place
    pulse: tuple[tuple[str, int], ...] = ()
    columns: int = 0


class Cut(Exception):
    """A pulse was cut: nothing more is done."""


@dataclass
class Foretold:
    """What a command must do on `devices`, which it changes; `configuration` as in
    `hdl.arrays.programmer.CONFIGURATION`. The pulse number `cut_at` is cut.
    """

    devices: Devices
    configuration: dict[str, int]
    cut_at: int | None = None
    orders: list[Order] = field(default_factory=list)
    retries: int = 0
    wrong: int = 0
    cut: bool = False
    unstable: bool = False
    data: int | None = None

    def run(self, command: HostCommand, place: Place, word: int) -> bool:
        """Whether a command on a row ends well."""
        full, columns = (1 << self.devices.columns) - 1, self.devices.columns
        low = word & full
        low_b = word >> columns & full if self.devices.ternary else low ^ full
        try:
            if command is HostCommand.READ_ROW:
                self._read_row(place)
                return not self.unstable
            if command is HostCommand.VERIFY_ROW:
                self.wrong = self._verify(place, low, low_b)
                return self.wrong == 0
            if command is HostCommand.FORM_ROW:
                plus = self._reach(place, full, 0, Side.BL)
                return plus and self._reach(place, 0, full, Side.BLB)
            return self._reach(place, low, low_b, None)
        except Cut:
            self.cut = True
            return False

    def _read_row(self, place: Place) -> None:
        for number in range(1 + self.configuration["read_twice"]):
            self.orders.append(Order(LayerCommand.READ_ROW, place))
            found = self.devices.read(place)
            if number == 0:
                self.data = found
            elif found != self.data:
                self.unstable = True

    def _verify(self, place: Place, low: int, low_b: int) -> int:
        """The columns that do not read right."""
        wrong, full = 0, (1 << self.devices.columns) - 1
        for _ in range(1 + self.configuration["read_twice"]):
            self.orders.append(Order(LayerCommand.READ_ROW, place))
            found = self.devices.read(place)
            wrong |= (found & full) ^ low
            if self.devices.ternary:
                wrong |= (found >> self.devices.columns) ^ low_b
        return wrong

    def _reach(self, place: Place, low: int, low_b: int, forms: Side | None) -> bool:
        """Program and verify a row, until it is right or there are no more retries."""
        full = (1 << self.devices.columns) - 1
        self.wrong = full
        if forms is None and self.configuration["verify_first"]:
            self.wrong = self._verify(place, low, low_b)
        attempts = range(1 + self.configuration["retries"]) if self.wrong else ()
        for attempt in attempts:
            self.retries += attempt > 0
            for operation, side, columns in self._pulses(low, low_b, forms):
                self._pulse(place, operation, side, columns & self.wrong, attempt)
            self.wrong = self._verify(place, low, low_b)
            if not self.wrong:
                break
        return self.wrong == 0

    def _pulses(self, low: int, low_b: int, forms: Side | None) -> Iterator[tuple[Operation, Side, int]]:
        full = (1 << self.devices.columns) - 1
        if forms is not None:
            yield Operation.FORM, forms, full
        yield Operation.SET, Side.BL, low
        yield Operation.RESET, Side.BLB, full ^ low_b
        yield Operation.SET, Side.BLB, low_b
        yield Operation.RESET, Side.BL, full ^ low

    def _pulse(self, place: Place, operation: Operation, side: Side, columns: int, attempt: int) -> None:
        if not columns:
            return
        name, settings = ACTIONS[operation], self.configuration
        amplitude = min(255, settings[f"{name}_amplitude"] + attempt * settings[f"{name}_step"])
        pulse = {
            "operation": operation.value,
            "side": side.value,
            "amplitude": amplitude,
            "setup": settings["setup"],
            "length": settings[f"{name}_pulse"],
            "count": settings[f"{name}_count"],
        }
        self.orders.append(Order(LayerCommand.PULSE_ROW, place, tuple(pulse.items()), columns))
        if self.cut_at is not None and sum(order.columns > 0 for order in self.orders) > self.cut_at:
            raise Cut
        self.devices.pulse(place, operation, side, amplitude, columns)


def settings_of(pulse: Any) -> tuple[tuple[str, int], ...]:
    """A pulse as an order has it."""
    plain = {"operation": Operation(pulse.operation).value, "side": Side(pulse.side).value}
    numbers = {name: int(pulse[name]) for name in ("amplitude", "setup", "length", "count")}
    return tuple((plain | numbers).items())
