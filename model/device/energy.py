"""Activity counted to joules: forming and programming, reads, popcounts, thresholds, memories, registers and clock.

Switching costs C * V² an event, what the supply gives when a capacitance C is charged to V and discharged (N. Weste,
D. Harris, CMOS VLSI Design, chapter 5). The PCSA has no static current, so that a read is of that kind too (W. Zhao et
al., IEEE Trans. Circuits and Systems I 61, 443 (2014)). Programming pulses are V * I * t. Leakage is not counted, nor
are pads and whatever makes the voltages.

Every coefficient below is an estimate for 130 nm CMOS and hafnium oxide, not from a paper; its `source` says how it was
made. TOPS/W counts an XNOR and its addition as two operations.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

from model.device.checks import not_negative, positive
from model.device.resistance import Condition
from model.errors import HafnetError

OPERATIONS = 2
"""Operations of a synapse: one XNOR and one addition, as the field counts."""


@dataclass(frozen=True)
class Activity:
    """Events counted, of one inference or of many (`inferences`), of programming or of both.

    forms, sets, resets: devices pulsed. rows: word lines raised. reads: sense amplifiers that decided, whether their
    cell is used or not; xnors: those whose result counts. popcount_bits: bits added into a popcount. thresholds:
    comparisons of a popcount. memory_bits: bits read from or written into memories that are no arrays. register_bits:
    flip-flops whose value changed. clocked_bits: flip-flops times cycles. Activities add up. Raises HafnetError for a
    count below 0.
    """

    forms: int = 0
    sets: int = 0
    resets: int = 0
    rows: int = 0
    reads: int = 0
    xnors: int = 0
    popcount_bits: int = 0
    thresholds: int = 0
    memory_bits: int = 0
    register_bits: int = 0
    clocked_bits: int = 0
    inferences: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            not_negative(f"activity: {field.name}", getattr(self, field.name))

    def __add__(self, other: "Activity") -> "Activity":
        names = [field.name for field in dataclasses.fields(self)]
        return Activity(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Coefficient(NamedTuple):
    """Capacitance (F) that an event switches, and where the number comes from."""

    farads: float
    source: str


class Coefficients(NamedTuple):
    """Capacitance of every switched event. Put measured ones in their place with `_replace`."""

    rows: Coefficient = Coefficient(
        200e-15, "estimate: word line over 64 cells, two gates of 1 fF and 1 fF of wire each"
    )
    reads: Coefficient = Coefficient(200e-15, "estimate: both branches of 100 fF, bit line of 64 cells and latch")
    popcount_bits: Coefficient = Coefficient(40e-15, "estimate: a full adder a bit, 20 gates of 2 fF")
    thresholds: Coefficient = Coefficient(400e-15, "estimate: a comparator of 10 bits, a full adder each")
    memory_bits: Coefficient = Coefficient(100e-15, "estimate: a bit line of 64 cells, half of a read of two branches")
    register_bits: Coefficient = Coefficient(20e-15, "estimate: a flip-flop's inner nodes and output")
    clocked_bits: Coefficient = Coefficient(10e-15, "estimate: a flip-flop's clock pins and its share of the tree")


@dataclass(frozen=True)
class Pulses:
    """Voltages (V), currents (A) and lengths (s) that the condition does not say. Estimates, not from a paper.

    Raises HafnetError for one that is not above 0.
    """

    form_voltage: float = 3.0
    form_current: float = 100e-6
    form_pulse: float = 100e-6
    set_voltage: float = 2.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            positive(f"programming: {field.name}", getattr(self, field.name))

    @property
    def form(self) -> float:
        """Joules of forming a device, once in its life."""
        return self.form_voltage * self.form_current * self.form_pulse

    def set(self, condition: Condition) -> float:
        """Joules of a SET: the full voltage at the compliance current for the whole pulse."""
        return self.set_voltage * condition.set_current * condition.pulse

    def reset(self, condition: Condition) -> float:
        """Joules of a RESET, whose current is about that of the SET before it (Ielmini, as for `Filament`)."""
        return condition.reset_voltage * condition.set_current * condition.pulse

    def cycle(self, condition: Condition) -> float:
        """Joules of a SET and a RESET of one device."""
        return self.set(condition) + self.reset(condition)


@dataclass(frozen=True)
class Energy:
    """Joules by what they were spent on (the names of `Activity`), and what was done for them."""

    parts: dict[str, float]
    activity: Activity

    @property
    def programming(self) -> float:
        return sum(self.parts[name] for name in ("forms", "sets", "resets"))

    @property
    def inference(self) -> float:
        """Joules of all but programming."""
        return sum(self.parts.values()) - self.programming

    @property
    def nanojoules_per_inference(self) -> float:
        """Raises HafnetError where no inference was counted."""
        if not self.activity.inferences:
            raise HafnetError("the energy of an inference is asked for, but the activity counts none")
        return self.inference / self.activity.inferences * 1e9

    @property
    def tops_per_watt(self) -> float:
        """10^12 operations a second and watt, which is operations a picojoule; useful XNORs and their additions count.

        Raises HafnetError where nothing was spent.
        """
        if not self.inference:
            raise HafnetError("TOPS/W are asked for, but the activity costs no energy")
        return OPERATIONS * self.activity.xnors / self.inference / 1e12


def energy(
    activity: Activity,
    supply: float,
    condition: Condition | None = None,
    coefficients: Coefficients = Coefficients(),  # noqa: B008 (immutable)
    pulses: Pulses = Pulses(),
) -> Energy:
    """What an activity costs at a supply (V), programmed under `condition`.

    Raises HafnetError for a supply that is not above 0, and for SET or RESET pulses without a condition.
    """
    positive("the supply", supply, "V")
    if condition is None and (activity.sets or activity.resets):
        raise HafnetError("the activity programs devices, but no programming condition is given")
    parts = {"forms": activity.forms * pulses.form}
    parts["sets"] = activity.sets * pulses.set(condition) if condition else 0.0
    parts["resets"] = activity.resets * pulses.reset(condition) if condition else 0.0
    for name, coefficient in coefficients._asdict().items():
        parts[name] = getattr(activity, name) * coefficient.farads * supply**2
    return Energy(parts, activity)
