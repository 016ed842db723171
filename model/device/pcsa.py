"""The precharge sense amplifier (PCSA): which branch discharges first, how it errs, and when it does not decide.

Both outputs are precharged to the supply, then discharged through one resistance each; the first to have fallen by a
transistor's threshold voltage turns the latch over (W. Zhao et al., "Synchronous non-volatile logic gate design based
on resistive switching memories", IEEE Trans. Circuits and Systems I 61, 443 (2014)). To first order the branch is an RC
circuit, so that its time is R * C * ln(V / (V - V_T)): it grows without bound as the supply V comes near V_T. A sense
phase that ends before the quicker branch is through leaves both outputs high. That is how two high states are told
from the rest in one read, "particularly appropriate" near the threshold (A. Laborieux et al., arXiv 2005.01973 and
2007.14234): the zero of ternary weights.

The offset comes from the mismatch of the two branches' thresholds, Gaussian by Pelgrom's law (M. Pelgrom et al.,
IEEE J. Solid-State Circuits 24, 1433 (1989)). A branch conducts in proportion to its overdrive V - V_T, so that a
mismatch d is worth d / (V - V_T) of ln R. Both formulas, of time and of offset, are estimates, not from a paper.
"""

import dataclasses
import math
from dataclasses import dataclass

from model.device.checks import not_negative, positive
from model.errors import HafnetError


@dataclass(frozen=True)
class Amplifier:
    """Supply, threshold and its mismatch's standard deviation (V), load of a branch (F), sense phase (s).

    With a sense phase without end (the default) an amplifier decides always, by its offset where branches are equal.
    Raises HafnetError for a supply that is not above the threshold and for numbers that cannot be.
    """

    supply: float
    threshold: float
    mismatch: float
    load: float
    sense_time: float = math.inf

    def __post_init__(self) -> None:
        positive("the supply", self.supply, "V")
        positive("the threshold voltage", self.threshold, "V")
        not_negative("the mismatch of thresholds", self.mismatch, "V")
        positive("the load of a branch", self.load, "F")
        if self.sense_time != math.inf:
            positive("the sense phase", self.sense_time, "s")
        if self.supply <= self.threshold:
            raise HafnetError(
                f"the supply is {self.supply:g} V, but must be above the threshold voltage of {self.threshold:g} V"
            )

    @property
    def offset_sigma(self) -> float:
        """Standard deviation of the offset between amplifiers, in units of ln R."""
        return self.mismatch / (self.supply - self.threshold)

    @property
    def seconds_per_ohm(self) -> float:
        """What a branch takes to turn the latch over."""
        return self.load * math.log(self.supply / (self.supply - self.threshold))

    @property
    def limit(self) -> float:
        """Resistance (ohm) from which on a branch is too slow for the sense phase: two such stay undecided."""
        return self.sense_time / self.seconds_per_ohm

    def timed(self, limit: float) -> "Amplifier":
        """The same with a sense phase that ends where a branch of `limit` ohm is through."""
        positive("the limit of the sense phase", limit, "ohm")
        return dataclasses.replace(self, sense_time=limit * self.seconds_per_ohm)

    def at(self, supply: float) -> "Amplifier":
        """The same at another supply; the sense phase stays as long as it is."""
        return dataclasses.replace(self, supply=supply)
