"""Named values, each with its source.

What the papers say was checked against their abstracts; their figures and tables were not at hand. So the numbers below
are estimates, in the range that the field works in, and none of them was fitted to an error rate or an energy. Put a
measured table in their place (`model.device.table`) before you trust a figure that comes out.
"""

from typing import NamedTuple

from model.device.ageing import Ageing
from model.device.pcsa import Amplifier
from model.device.resistance import Condition, Filament

HFO2 = Filament(
    set_voltage_drop=0.4,
    reset_onset=1.0,
    volts_per_decade=1.0,
    volts_per_pulse_decade=0.2,
    reference_current=55e-6,
    defects=50,
    gap_variance=0.085,
    device_share=0.5,
)
"""A filament in hafnium oxide. Estimates, not from a paper:

0.4 V, a common value of the drop for such oxides: 7.3 kohm at 55 µA, about two quanta of conductance; a RESET that
starts at 1 V and gains a decade of resistance with each volt; a decade of pulse length for 0.2 V; 50 defects at 55 µA,
14 % of spread from cycle to cycle; 0.085, 0.5 of spread in a high state 14 times the low one; devices that differ half
as much as cycles do.
"""


class Preset(NamedTuple):
    """A programming condition and where it comes from."""

    condition: Condition
    source: str


_RANGE = "estimate, not from a paper: within the usual range of hafnium-oxide arrays in 130 nm; "

PRESETS: dict[str, Preset] = {
    "strong": Preset(Condition(100e-6, 2.5), _RANGE + "wide window, as for a memory without errors"),
    "nominal": Preset(Condition(55e-6, 2.0), _RANGE + "a window of one decade"),
    "weak reset": Preset(Condition(55e-6, 1.5), _RANGE + "low RESET voltage, for endurance"),
    "weak set": Preset(Condition(20e-6, 1.5), _RANGE + "low current too, for programming energy"),
    "fast": Preset(Condition(20e-6, 1.5, 100e-9), _RANGE + "short pulses too, for programming energy"),
}
"""Conditions from strong to weak, as Ly et al. (J. Phys. D 51, 444002 (2018)) and Hirtzlin et al. (Front. Neurosci.
13:1383 (2020)) compare them in kind."""

AGEING = Ageing()
"""Estimates, not from a paper: see `Ageing`."""

AMPLIFIER = Amplifier(supply=1.2, threshold=0.4, mismatch=0.010, load=100e-15)
"""At the nominal supply of 130 nm CMOS, deciding always. Estimates, not from a paper: a threshold of 0.4 V; Pelgrom's
constant of 4 mV µm over 0.16 µm² of gate; 100 fF of bit line and latch."""

NEAR_THRESHOLD = AMPLIFIER.at(0.5)
"""The same near its threshold: a branch takes 4.0 times as long, and the offset is 8 times as large."""
