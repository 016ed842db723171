"""What cycles (endurance) and time (retention) do to the two states.

Cycling closes the window: HfO2 devices lose it mostly by a low state that rises as the filament shrinks ("Statistical
assessment of endurance degradation in high and low resistive states of the HfO2-based RRAM", 2013), and by a high
state that falls; low programming voltages buy "high endurance of billions of cycles" (M. Bocquet et al., IEDM 2018,
abstract). Time relaxes both states towards each other and spreads them, in proportion to its logarithm.
"""

import math
from dataclasses import dataclass

from model.device.checks import not_negative, positive
from model.device.resistance import Condition, LogNormal, States


@dataclass(frozen=True)
class Ageing:
    """Power laws of cycles, logarithms of time. The forms, and all numbers here, are estimates, not from a paper.

    Cycles count in units of the endurance, which falls from `endurance` cycles at `reference_voltage` of RESET by a
    decade for each `volts_per_decade` more: R_LRS grows as (1 + n / endurance) ^ `lrs_wear`, R_HRS falls with
    `hrs_wear`. Time counts from `onset` seconds on, at the temperature at which its numbers were taken: after
    t = ln(1 + seconds / onset), ln R_LRS is `lrs_drift` * t higher, ln R_HRS `hrs_drift` * t lower, and the variance of
    both from cycle to cycle is `diffusion` * t larger. Raises HafnetError for numbers below 0, or 0 where a number
    divides.
    """

    endurance: float = 1e6
    reference_voltage: float = 2.5
    volts_per_decade: float = 0.25
    lrs_wear: float = 0.10
    hrs_wear: float = 0.05
    onset: float = 1.0
    lrs_drift: float = 0.010
    hrs_drift: float = 0.010
    diffusion: float = 0.0005

    def __post_init__(self) -> None:
        positive("the endurance", self.endurance, "cycles")
        positive("the voltage for a decade of endurance", self.volts_per_decade, "V")
        positive("the onset of retention loss", self.onset, "s")
        for name in ("reference_voltage", "lrs_wear", "hrs_wear", "lrs_drift", "hrs_drift", "diffusion"):
            not_negative(f"ageing: {name}", getattr(self, name))

    def cycles(self, condition: Condition) -> float:
        """The endurance under a condition."""
        return float(
            self.endurance * 10 ** ((self.reference_voltage - condition.reset_voltage) / self.volts_per_decade)
        )

    def aged(self, states: States, condition: Condition, cycles: float = 0, seconds: float = 0) -> States:
        """The states after so many cycles under `condition`, so long after the last programming.

        Raises HafnetError for cycles or seconds below 0.
        """
        not_negative("the number of cycles", cycles)
        not_negative("the time since programming", seconds, "s")
        wear = math.log1p(cycles / self.cycles(condition))
        time = math.log1p(seconds / self.onset)
        return States(
            self._moved(states.lrs, self.lrs_wear * wear + self.lrs_drift * time, time),
            self._moved(states.hrs, -self.hrs_wear * wear - self.hrs_drift * time, time),
        )

    def _moved(self, state: LogNormal, shift: float, time: float) -> LogNormal:
        sigma = math.sqrt(state.cycle_sigma**2 + self.diffusion * time)
        return LogNormal(state.median * math.exp(shift), sigma, state.device_sigma)
