"""The two states of a device as log-normal distributions, and how they follow from the programming condition.

Read-out resistances of filamentary devices are log-normal, of the high state always, of the low one often (V. Karpov,
D. Niraula, "Log-normal statistics in filamentary RRAM devices and related systems", IEEE Electron Device Letters 38
(2017)). Each state has two spreads: from cycle to cycle, drawn anew at each programming, and from device to device,
drawn once for each device. They are independent and add in squares.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from model.device.checks import not_negative, positive

REFERENCE_PULSE = 1e-6
"""Seconds of the pulse that pulse lengths are told against."""


@dataclass(frozen=True)
class Condition:
    """How devices are programmed: compliance current of SET (A), voltage of RESET (V), length of either pulse (s).

    Raises HafnetError for one that is not above 0.
    """

    set_current: float
    reset_voltage: float
    pulse: float = REFERENCE_PULSE

    def __post_init__(self) -> None:
        positive("the SET compliance current", self.set_current, "A")
        positive("the RESET voltage", self.reset_voltage, "V")
        positive("the pulse length", self.pulse, "s")

    def __str__(self) -> str:
        return f"{self.set_current * 1e6:.4g} µA, {self.reset_voltage:.4g} V, {self.pulse * 1e9:.4g} ns"


@dataclass(frozen=True)
class LogNormal:
    """A resistance: its median (ohm), and the standard deviations of ln R from cycle to cycle and device to device.

    Raises HafnetError for a median that is not above 0 and for a spread below 0.
    """

    median: float
    cycle_sigma: float
    device_sigma: float = 0.0

    def __post_init__(self) -> None:
        positive("a median resistance", self.median, "ohm")
        not_negative("a spread from cycle to cycle", self.cycle_sigma)
        not_negative("a spread from device to device", self.device_sigma)

    @property
    def mean(self) -> float:
        """Of ln R."""
        return math.log(self.median)

    @property
    def sigma(self) -> float:
        """The standard deviation of ln R of a random device at a random cycle."""
        return math.hypot(self.cycle_sigma, self.device_sigma)


@dataclass(frozen=True)
class States:
    """What a device is after SET (`lrs`) and after RESET (`hrs`)."""

    lrs: LogNormal
    hrs: LogNormal


class Source(Protocol):
    """Whatever knows the states at a condition: a `Filament` or a `model.device.table.Table`."""

    def states(self, condition: Condition) -> States:
        """The states of fresh devices right after programming."""
        ...


@dataclass(frozen=True)
class Filament:
    """States from the picture of a filament that SET makes wide and RESET cuts.

    The low state is `set_voltage_drop` / I: SET widens the filament until the voltage across it has fallen to what no
    longer widens it (D. Ielmini, IEEE Trans. Electron Devices 58, 4309 (2011)). RESET opens a gap that grows with its
    voltage from `reset_onset` on, and tunnelling makes the resistance exponential in the gap:
    ln(R_HRS / R_LRS) = ln 10 * (V - onset) / `volts_per_decade`. A pulse ten times as long acts like one of
    `volts_per_pulse_decade` more (the voltage-time dilemma: switching is exponentially quicker at higher voltage).

    Spreads are those of counting. `defects` at `reference_current`, in proportion to the current, make the filament:
    a relative spread of 1 / sqrt(defects). The gap opens in independent steps: the variance of the ln ratio is
    `gap_variance` times that ratio, on top of the filament's own. The forms of both are estimates, not from a paper,
    with the direction that Ly et al. and others report: more spread with less current, and more in the high state. The
    spread from device to device is `device_share` of that from cycle to cycle.

    Raises HafnetError for numbers that are not above 0 (below 0: `reset_onset`, `gap_variance`, `device_share`).
    """

    set_voltage_drop: float
    reset_onset: float
    volts_per_decade: float
    volts_per_pulse_decade: float
    reference_current: float
    defects: float
    gap_variance: float
    device_share: float

    def __post_init__(self) -> None:
        positive("the voltage drop at SET", self.set_voltage_drop, "V")
        not_negative("the onset of RESET", self.reset_onset, "V")
        positive("the RESET voltage for a decade", self.volts_per_decade, "V")
        not_negative("the voltage that a pulse ten times as long is worth", self.volts_per_pulse_decade, "V")
        positive("the reference current", self.reference_current, "A")
        positive("the number of defects", self.defects)
        not_negative("the variance of the gap", self.gap_variance)
        not_negative("the share of devices in the spread", self.device_share)

    def states(self, condition: Condition) -> States:
        """The states of fresh devices right after programming; equal ones where RESET stays below its onset."""
        voltage = condition.reset_voltage
        voltage += self.volts_per_pulse_decade * math.log10(condition.pulse / REFERENCE_PULSE)
        ratio = math.log(10) * max(0.0, voltage - self.reset_onset) / self.volts_per_decade
        variance = self.reference_current / (self.defects * condition.set_current)
        median = self.set_voltage_drop / condition.set_current
        return States(
            self._state(median, variance), self._state(median * math.exp(ratio), variance + self.gap_variance * ratio)
        )

    def _state(self, median: float, variance: float) -> LogNormal:
        sigma = math.sqrt(variance)
        return LogNormal(median, sigma, self.device_share * sigma)
