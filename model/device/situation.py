"""A situation: how devices were programmed, what they went through since, and the supply that they are read at.

As text it is a preset's name, or quantities with their units, or both, between commas: `weak set`,
`reset_voltage_V=1.8`, `strong, cycles=1e6, age_h=10, supply_mV=600`. What is not said is as in the preset `nominal`, at
the nominal supply, fresh.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from model.device.bit_errors import Floats, one_device, reference, ternary, two_devices
from model.device.checks import not_negative
from model.device.presets import AGEING, AMPLIFIER, PRESETS
from model.device.resistance import Condition, Source, States
from model.device.units import AGE, CURRENT, NUMBER, PULSE, VOLTAGE, Units, resolve, written
from model.errors import VALUE, HafnetError, cut, short

PROGRAMMED: dict[str, Units] = {"set_current": CURRENT, "reset_voltage": VOLTAGE, "pulse": PULSE}
QUANTITIES: dict[str, Units] = {**PROGRAMMED, "supply": VOLTAGE, "cycles": NUMBER, "age": AGE}
TITLES = {
    "set_current": "SET compliance current",
    "reset_voltage": "RESET voltage",
    "pulse": "pulse length",
    "supply": "supply",
    "cycles": "cycles",
    "age": "time since programming",
}


@dataclass(frozen=True)
class Situation:
    """Members: `condition` of programming; `supply` (V) of the sense amplifiers; `cycles` of SET and RESET before, and
    `age`, the seconds since the last one. Raises HafnetError for cycles or an age below 0.
    """

    condition: Condition = PRESETS["nominal"].condition
    supply: float = AMPLIFIER.supply
    cycles: float = 0.0
    age: float = 0.0

    def __post_init__(self) -> None:
        not_negative("the number of cycles", self.cycles)
        not_negative("the time since programming", self.age, "s")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A situation from its text. Raises HafnetError for what is no situation."""
        if not isinstance(text, str):
            raise HafnetError(f"condition {short(text)} is no text, such as 'weak set, cycles=1e6'")
        found = cls()
        for number, part in enumerate(each.strip() for each in text.split(",")):
            name, equals, value = (each.strip() for each in part.partition("="))
            if equals:
                quantity, factor = resolve(name, QUANTITIES, "quantity")
                found = found.with_(quantity, _number(name, value) * factor)
            elif number == 0 and part in PRESETS:
                found = dataclasses.replace(found, condition=PRESETS[part].condition)
            else:
                quantities = ", ".join(written(*each) for each in QUANTITIES.items())
                raise HafnetError(
                    f"condition {short(text)}: {short(part)} is neither a preset ({', '.join(PRESETS)}) at its "
                    f"beginning nor a quantity with its value ({quantities})"
                )
        return found

    def with_(self, quantity: str, value: float) -> Self:
        """The same with another value (SI units) of one of `QUANTITIES`."""
        changed: Any = {quantity: value}
        if quantity in PROGRAMMED:
            changed = {"condition": dataclasses.replace(self.condition, **changed)}
        return dataclasses.replace(self, **changed)

    def read(self, source: Source) -> "Read":
        """What is read of the devices of `source`. Raises HafnetError for a condition that it does not know, and for a
        supply that is not above the amplifiers' threshold.

        A 1T1R cell's reference, and the sense phase of a ternary read, are those of fresh devices, and stay.
        """
        fresh = source.states(self.condition)
        aged = AGEING.aged(fresh, self.condition, self.cycles, self.age)
        amplifier, level = AMPLIFIER.at(self.supply), reference(fresh)
        return Read(
            aged,
            one_device(aged, amplifier, level),
            two_devices(aged, amplifier),
            ternary(aged, amplifier.timed(level)),
        )


class Read(NamedTuple):
    """The states of devices, and how often a read errs: of a 1T1R cell, of a binary 2T2R cell; and of ternary cells
    each read's probability, (3, 3): rows are the weights written, columns those read, -1, 0, +1.
    """

    states: States
    one: float
    two: float
    ternary: Floats


@dataclass(frozen=True)
class Sweep:
    """Values of one quantity: `quantity` of `QUANTITIES`, its `unit` ("" for none), the `numbers` as they were given,
    and the `values` in SI units.
    """

    quantity: str
    unit: str
    numbers: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`reset_voltage_V=1.2,1.4,1.6`. Raises HafnetError for what is none."""
        if not isinstance(text, str):
            raise HafnetError(f"sweep {short(text)} is no text, such as 'reset_voltage_V=1.5,2'")
        name, equals, given = (each.strip() for each in text.partition("="))
        if not equals:
            raise HafnetError(f"sweep {short(text)} has no values, as reset_voltage_V=1.5,2 has")
        quantity, factor = resolve(name, QUANTITIES, "quantity")
        numbers: Sequence[float] = [_number(name, each.strip()) for each in given.split(",")]
        numbers = tuple(dict.fromkeys(numbers))
        return cls(quantity, name[len(quantity) + 1 :], numbers, tuple(number * factor for number in numbers))

    @property
    def title(self) -> str:
        """For an axis."""
        return TITLES[self.quantity] + (f" ({self.unit})" if self.unit else "")


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise HafnetError(f"{cut(name, VALUE)} is {short(text)}, but a number is needed") from None
