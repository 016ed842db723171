"""What many maps say together: the mean of their accuracies, and how far it can be trusted.

The 95 % confidence interval of the mean is Student's, mean ± t s / sqrt(n), with s the standard deviation of n maps and
t the 0.975 quantile of Student's t distribution with n - 1 degrees of freedom, cut to 0 … 1, as accuracy is. (Source:
NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.2, "Confidence Limits for the Mean".) It speaks of other
maps of the same errors on the same samples, and not of other samples.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Accuracies (0 … 1) of some maps: how many `maps`, their `mean` with its confidence interval `low` … `high`, their
    standard `deviation`, the `least` and the `most`. Of one map there is no interval and no deviation.
    """

    maps: int
    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    least: float
    most: float


def summarise(accuracies: Sequence[float]) -> Summary:
    """The summary of one accuracy or more."""
    maps, mean = len(accuracies), statistics.fmean(accuracies)
    low = high = deviation = None
    if maps > 1:
        deviation = statistics.stdev(accuracies)
        reach = float(stdtrit(maps - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(maps)
        low, high = max(0.0, mean - reach), min(1.0, mean + reach)
    return Summary(maps, mean, low, high, deviation, min(accuracies), max(accuracies))
