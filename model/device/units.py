"""Names of quantities that end in their unit, such as `set_current_uA`: in a table's header, and in options."""

from collections.abc import Mapping
from typing import TypeAlias

from model.errors import HafnetError, short

Units: TypeAlias = Mapping[str, float]
"""What a number in each unit is to be multiplied by, the usual unit first; nothing for a number without unit."""

CURRENT: Units = {"uA": 1e-6, "µA": 1e-6, "nA": 1e-9, "mA": 1e-3, "A": 1}
VOLTAGE: Units = {"V": 1, "mV": 1e-3}
PULSE: Units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1}
AGE: Units = {"h": 3600, "s": 1, "min": 60, "d": 86400, "y": 31_557_600}
RESISTANCE: Units = {"ohm": 1, "kohm": 1e3, "Mohm": 1e6}
CAPACITANCE: Units = {"fF": 1e-15, "aF": 1e-18, "pF": 1e-12, "F": 1}
NUMBER: Units = {}
MICRO = {ord("\N{GREEK SMALL LETTER MU}"): "\N{MICRO SIGN}"}
"""Two characters that look alike, of which keyboards have one and some programs write the other."""


def written(quantity: str, units: Units) -> str:
    """How a quantity may be named: with its usual unit, if it has any."""
    return f"{quantity}_{next(iter(units))}" if units else quantity


def resolve(name: str, quantities: Mapping[str, Units], what: str) -> tuple[str, float]:
    """The quantity that a name means, and what its numbers are to be multiplied by to be in SI units.

    Raises HafnetError, which calls the name a `what`, where the quantity or its unit is not known or the unit missing.
    """
    name = name.translate(MICRO)
    for quantity, units in quantities.items():
        if name == quantity:
            if units:
                known = ", ".join(units)
                raise HafnetError(
                    f"{what} {short(name)} has no unit, but one of {known} must follow, as {written(name, units)}"
                )
            return quantity, 1.0
        if units and name.startswith(f"{quantity}_"):
            unit = name.removeprefix(f"{quantity}_")
            if unit in units:
                return quantity, units[unit]
            raise HafnetError(f"{what} {short(name)} has unit {short(unit)}, but it must be one of {', '.join(units)}")
    known = ", ".join(written(*each) for each in quantities.items())
    raise HafnetError(f"{what} {short(name)} is not known: there are {known}")
