"""A user's own coefficients in place of the estimates, as CSV.

Columns, in any order:

    event             rows, reads, popcount_bits, thresholds, memory_bits, register_bits or clocked_bits
    capacitance_fF    what the event switches, its unit behind the underscore (F, pF, fF or aF)
    source            where the number comes from

An event that is not there keeps its estimate.
"""

from pathlib import Path

from model.device.checks import not_negative
from model.device.energy import Coefficient, Coefficients
from model.errors import HafnetError
from model.readers import read_csv

UNITS = {"F": 1.0, "pF": 1e-12, "fF": 1e-15, "aF": 1e-18}
QUANTITY = "capacitance"


def load(path: Path) -> Coefficients:
    """The coefficients with those of the file in their places.

    Raises HafnetError for a file that cannot be read, a capacitance without unit or of an unknown one, a missing,
    unknown or doubled column, an event that is not known or there twice, a number that is none or below 0, and a
    missing source.
    """
    lines = read_csv(path, "a header with a unit")
    try:
        header = [name.strip() for name in lines[0]]
        column, factor = _capacitance(header)
        found: dict[str, Coefficient] = {}
        for number, line in enumerate(lines[1:], start=1):
            if len(line) != len(header):
                raise HafnetError(f"row {number} has {len(line)} fields, but the header has {len(header)}")
            row = dict(zip(header, map(str.strip, line), strict=True))
            event = row["event"]
            if event not in Coefficients._fields:
                raise HafnetError(f"row {number}: event {event!r} is not one of {', '.join(Coefficients._fields)}")
            if event in found:
                raise HafnetError(f"row {number}: event {event!r} is there twice")
            found[event] = _coefficient(number, event, row[column], factor, row["source"])
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    return Coefficients()._replace(**found)


def _capacitance(header: list[str]) -> tuple[str, float]:
    """The column of the capacitances, and what its numbers are to be multiplied by."""
    wanted = ["event", f"{QUANTITY}_fF", "source"]
    columns = [name for name in header if name.partition("_")[0] == QUANTITY]
    others = [name for name in header if name not in columns]
    for name in others:
        if name not in wanted:
            raise HafnetError(f"column {name!r} is not known: coefficients have {', '.join(wanted)}")
    for name, there in (("event", others), ("source", others), (f"{QUANTITY}_fF", columns)):
        count = there.count(name) if there is others else len(there)
        if count != 1:
            raise HafnetError(f"column {name!r} is there {count} times, but must be once")
    unit = columns[0].partition("_")[2]
    if unit not in UNITS:
        told = f"has unit {unit!r}, but it" if unit else "has no unit, but it"
        raise HafnetError(f"column {columns[0]!r} {told} must be one of {', '.join(UNITS)}, as {QUANTITY}_fF")
    return columns[0], UNITS[unit]


def _coefficient(number: int, event: str, text: str, factor: float, source: str) -> Coefficient:
    try:
        value = float(text)
    except ValueError:
        raise HafnetError(f"row {number} has {text!r} as {QUANTITY}, but a number is needed") from None
    if not source:
        raise HafnetError(f"row {number}: the source of {event!r} is missing")
    not_negative(f"row {number}: the {QUANTITY} of {event!r}", value)
    return Coefficient(value * factor, source)
