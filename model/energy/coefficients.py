"""A user's own coefficients in place of the estimates, as CSV.

Text in UTF-8, separated by commas. Columns, in any order:

    event             rows, reads, popcount_bits, thresholds, memory_bits, register_bits or clocked_bits
    capacitance_fF    what the event switches, its unit behind the underscore (F, pF, fF or aF)
    source            where the number comes from

An event that is not there keeps its estimate.
"""

from pathlib import Path

from model.device.checks import not_negative
from model.device.energy import Coefficient, Coefficients
from model.device.units import CAPACITANCE, resolve
from model.errors import HafnetError, short
from model.readers import check_width, read_csv

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
            check_width(line, header, number)
            row = dict(zip(header, map(str.strip, line), strict=True))
            event = row["event"]
            if event not in Coefficients._fields:
                raise HafnetError(f"row {number}: event {short(event)} is not one of {', '.join(Coefficients._fields)}")
            if event in found:
                raise HafnetError(f"row {number}: event {event!r} is there twice")
            found[event] = _coefficient(number, event, row[column], factor, row["source"])
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    return Coefficients()._replace(**found)


def _capacitance(header: list[str]) -> tuple[str, float]:
    """The column of the capacitances, and what its numbers are to be multiplied by."""
    named = f"{QUANTITY}_fF"
    columns = [name for name in header if name.partition("_")[0] == QUANTITY]
    for name in header:
        if name not in (*columns, "event", "source"):
            raise HafnetError(f"column {short(name)} is not known: coefficients have event, {named}, source")
    for name, count in (("event", header.count("event")), ("source", header.count("source")), (named, len(columns))):
        if count != 1:
            raise HafnetError(f"column {name!r} is there {count} times, but must be once")
    return columns[0], resolve(columns[0], {QUANTITY: CAPACITANCE}, "column")[1]


def _coefficient(number: int, event: str, text: str, factor: float, source: str) -> Coefficient:
    try:
        value = float(text)
    except ValueError:
        raise HafnetError(f"row {number} has {short(text)} as {QUANTITY}, but a number is needed") from None
    if not source:
        raise HafnetError(f"row {number}: the source of {event!r} is missing")
    not_negative(f"row {number}: the {QUANTITY} of {event!r}", value)
    return Coefficient(value * factor, source)
