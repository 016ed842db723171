"""A user's measured table in place of the law: medians and spreads by programming condition, as CSV.

Text in UTF-8, separated by commas. Columns, in any order, each with its unit behind the last underscore (those in
brackets may be left out):

    set_current_uA       (A, mA, uA, nA)      compliance current of SET
    reset_voltage_V      (V, mV)              voltage of RESET
    pulse_ns             (s, ms, us, ns)      length of either pulse
    lrs_median_ohm       (ohm, kohm, Mohm)    median of the low state
    lrs_sigma            (no unit)            standard deviation of ln R, from cycle to cycle
    [lrs_device_sigma]   (no unit)            the same from device to device; 0 where left out
    hrs_median_ohm, hrs_sigma, [hrs_device_sigma]

Between the rows ln R and the spreads are linear in ln current, voltage and ln pulse length, in which they nearly follow
the law of `Filament`: along a line where one of the three varies, over the triangles or tetrahedra of Delaunay where
more do. Beyond the rows nothing is known, and no value is given.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import QhullError

from model.device.resistance import Condition, LogNormal, States
from model.device.units import CURRENT, NUMBER, PULSE, RESISTANCE, VOLTAGE, Units, resolve, written
from model.errors import HafnetError, short
from model.readers import check_width, read_csv

MEASURED: dict[str, Units] = {
    "set_current": CURRENT,
    "reset_voltage": VOLTAGE,
    "pulse": PULSE,
    "lrs_median": RESISTANCE,
    "lrs_sigma": NUMBER,
    "hrs_median": RESISTANCE,
    "hrs_sigma": NUMBER,
}
OPTIONAL: dict[str, Units] = {"lrs_device_sigma": NUMBER, "hrs_device_sigma": NUMBER}
NEAR = 1e-9
"""By how much, relative to the table's range, a condition may lie outside from rounding."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Measured states by condition, at least one. Raises HafnetError for none, and for the same condition twice."""

    rows: tuple[tuple[Condition, States], ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise HafnetError("a table of measured states has no rows, but at least one is needed")
        seen: set[Condition] = set()
        for condition, _ in self.rows:
            if condition in seen:
                raise HafnetError(f"a table of measured states has the condition {condition} twice")
            seen.add(condition)

    @classmethod
    def load(cls, path: Path) -> "Table":
        """A table from a CSV file.

        Raises HafnetError for a file that cannot be read, a column without unit or of an unknown one, a missing,
        unknown or doubled column, and a number that is none or cannot be.
        """
        lines = read_csv(path, "a header with units")
        try:
            columns = _columns([name.strip() for name in lines[0]])
            for number, line in enumerate(lines[1:], start=1):
                check_width(line, lines[0], number)
            return cls(tuple(_row(columns, line, number) for number, line in enumerate(lines[1:], start=1)))
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None

    def states(self, condition: Condition) -> States:
        """The states at a condition. Raises HafnetError for one outside the measured ones."""
        at = np.array([_axes(measured) for measured, _ in self.rows])
        wanted, low, high = np.array(_axes(condition)), at.min(axis=0), at.max(axis=0)
        slack = NEAR * np.maximum(1, np.abs(at).max(axis=0))
        for place, (_, states) in zip(at, self.rows, strict=True):
            if np.all(np.abs(place - wanted) <= slack):
                return states
        if not (np.all(wanted >= low - slack) and np.all(wanted <= high + slack)):
            raise HafnetError(f"the condition {condition} is outside the measured table")
        varied = high > low
        values = np.array([_numbers(states) for _, states in self.rows])
        found = _between(at[:, varied], values, np.clip(wanted, low, high)[varied])
        if not np.all(np.isfinite(found)):
            raise HafnetError(f"the condition {condition} is outside the measured table")
        return States(_state(found[:3]), _state(found[3:]))


def _columns(header: list[str]) -> list[tuple[str, float]]:
    """The quantity of each column, and what its numbers are to be multiplied by."""
    columns = [resolve(name, {**MEASURED, **OPTIONAL}, "column") for name in header]
    names = [name for name, _ in columns]
    for name, units in MEASURED.items():
        if name not in names:
            raise HafnetError(f"column {written(name, units)} is missing")
    for name in names:
        if names.count(name) > 1:
            raise HafnetError(f"column {name!r} is there {names.count(name)} times, but must be once")
    return columns


def _row(columns: list[tuple[str, float]], line: list[str], number: int) -> tuple[Condition, States]:
    values = dict.fromkeys(OPTIONAL, 0.0)
    for (name, factor), text in zip(columns, line, strict=True):
        try:
            values[name] = float(text) * factor
        except ValueError:
            raise HafnetError(f"row {number} has {short(text)} as {name}, but a number is needed") from None
    try:
        condition = Condition(values["set_current"], values["reset_voltage"], values["pulse"])
        lrs, hrs = (
            LogNormal(values[f"{kind}_median"], values[f"{kind}_sigma"], values[f"{kind}_device_sigma"])
            for kind in ("lrs", "hrs")
        )
    except HafnetError as error:
        raise HafnetError(f"row {number}: {error}") from None
    return condition, States(lrs, hrs)


def _axes(condition: Condition) -> tuple[float, float, float]:
    return float(np.log(condition.set_current)), condition.reset_voltage, float(np.log(condition.pulse))


def _numbers(states: States) -> list[float]:
    return [number for s in (states.lrs, states.hrs) for number in (s.mean, s.cycle_sigma, s.device_sigma)]


def _state(numbers: Floats) -> LogNormal:
    return LogNormal(float(np.exp(numbers[0])), *np.maximum(numbers[1:], 0).tolist())


def _between(at: Floats, values: Floats, wanted: Floats) -> Floats:
    """Values between points: (n, axes) and (n, values) to (values,); not finite outside their hull."""
    if not at.shape[1]:
        return np.array(values[0])
    if at.shape[1] == 1:
        order = np.argsort(at[:, 0])
        return np.array([np.interp(wanted[0], at[order, 0], column[order]) for column in values.T])
    try:
        found: Floats = np.asarray(LinearNDInterpolator(at, values, rescale=True)(wanted)[0], dtype=np.float64)
    except QhullError:
        raise HafnetError(
            f"a table that varies {at.shape[1]} quantities needs rows that span them, but its {len(at)} do not"
        ) from None
    return found
