"""Bit error rates of the device model by programming condition: 1T1R, 2T2R, and both with error correction.

Run: .venv/bin/python benchmarks/bit_errors.py [FOLDER]

Prints the tables, and draws bit_errors.svg and bit_errors.png into FOLDER (build/).
"""

import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pages import table as markdown
from rich.console import Console
from rich.table import Table

from model.device import anchors
from model.device.bit_errors import (
    Estimate,
    count_one_device,
    count_two_devices,
    exponent,
    one_device,
    reference,
    ternary,
    two_devices,
)
from model.device.ecc import SecDed
from model.device.energy import Coefficients, Pulses, energy
from model.device.pcsa import Amplifier
from model.device.presets import AGEING, AMPLIFIER, HFO2, NEAR_THRESHOLD, PRESETS
from model.device.resistance import Condition, LogNormal, States
from model.energy.activity import inference
from model.mapping import Geometry
from model.plan import Plan
from model.topology import Topology

READS = 4_000_000
WORDS = 500_000
SEED = 1
TEN_YEARS = 10 * 365.25 * 86400
SAME_CELLS = SecDed(4)
"""The code with two devices a data bit in 1T1R, as many as 2T2R has."""
LONG = SecDed(64)
VOLTAGES = [Condition(55e-6, volts / 10) for volts in range(12, 27, 2)]
CURRENTS = [Condition(amperes * 1e-6, 1.5) for amperes in (10, 15, 20, 30, 55, 100)]
GRID = [
    Condition(current * 1e-6, volts / 10, pulse * 1e-9)
    for current, volts, pulse in itertools.product((10, 20, 30, 55, 100), range(12, 31), (10, 30, 100, 300, 1000))
]
COLOURS = {"1T1R": "#8894a2", "1T1R, ECC": "#d9480f", "2T2R": "#0b7285", "2T2R, ECC": "#6741d9"}

Law = Callable[[States, Amplifier], float]


@dataclass(frozen=True)
class Rates:
    """What a condition comes to: in closed form, and counted."""

    condition: Condition
    single: float
    double: float
    singles: Estimate
    doubles: Estimate
    words: int
    wrong_bits: int

    @property
    def corrected(self) -> float:
        return float(SAME_CELLS.residual(self.single))

    @property
    def simulated(self) -> float:
        return self.wrong_bits / (self.words * SAME_CELLS.data_bits)

    @property
    def long(self) -> float:
        return float(LONG.residual(self.single))

    @property
    def both(self) -> float:
        return float(LONG.residual(self.double))


def rates(condition: Condition, generator: np.random.Generator) -> Rates:
    states = HFO2.states(condition)
    single, double = one_device(states, AMPLIFIER), two_devices(states, AMPLIFIER)
    return Rates(
        condition,
        single,
        double,
        count_one_device(states, AMPLIFIER, generator, READS),
        count_two_devices(states, AMPLIFIER, generator, READS),
        WORDS,
        int(SAME_CELLS.simulate(single, generator, WORDS).sum()),
    )


def small(rate: float) -> str:
    return f"{rate:.1e}".replace("e-0", "e-") if rate else "0"


def errors(found: Sequence[Rates]) -> Table:
    table = Table(title=f"Bit error rates; counted: {READS:,} reads, {WORDS:,} words, seed {SEED}")
    for name in ("condition", "1T1R", "counted", "1T1R, ECC " + str(SAME_CELLS), "counted", "2T2R", "counted"):
        table.add_column(name, justify="left" if name == "condition" else "right")
    for name in ("2T2R / ECC", "1T1R, ECC " + str(LONG), "2T2R, ECC " + str(LONG)):
        table.add_column(name, justify="right")
    cells = (1, "", SAME_CELLS.cells_per_bit, "", 2, "", "", LONG.cells_per_bit, 2 * LONG.cells_per_bit)
    table.add_row("devices a data bit", *(f"{each:.4g}" if each else "" for each in cells), end_section=True)
    for each in found:
        table.add_row(
            str(each.condition), small(each.single), small(each.singles.rate), small(each.corrected),
            small(each.simulated), small(each.double), small(each.doubles.rate),
            f"{each.double / each.corrected:.2g}", small(each.long), small(each.both),
        )  # fmt: skip
    return table


def measure() -> tuple[list[Rates], list[Rates]]:
    """By RESET voltage, and by SET current."""
    generator = np.random.default_rng(SEED)
    return [rates(each, generator) for each in VOLTAGES], [rates(each, generator) for each in CURRENTS]


def figure() -> str:
    by_voltage, by_current = measure()
    found = [*by_voltage, *by_current]
    codes = f"1T1R, ECC {SAME_CELLS}", f"1T1R, ECC {LONG}", f"2T2R, ECC {LONG}"
    headings = ("SET, RESET", "1T1R", "counted", codes[0], "counted", "2T2R", "counted", "2T2R / ECC", *codes[1:])
    rows = (
        (
            each.condition, small(each.single), small(each.singles.rate), small(each.corrected),
            small(each.simulated), small(each.double), small(each.doubles.rate),
            f"{float(f'{each.double / each.corrected:.2g}'):g}", small(each.long), small(each.both),
        )
        for each in found
    )  # fmt: skip
    cells = (1, "", SAME_CELLS.cells_per_bit, "", 2, "", "", LONG.cells_per_bit, 2 * LONG.cells_per_bit)
    devices = ("devices a data bit", *(f"{each:.4g}" if each else "" for each in cells))
    return f"{markdown(headings, [devices, *rows])}\n\n{agreement(found)}."


def agreement(found: Sequence[Rates]) -> str:
    far = [e.singles.deviations(e.single) for e in found] + [e.doubles.deviations(e.double) for e in found]
    return f"Closed form and count: {max(far):.2f} standard deviations apart at most, of {len(far)} pairs"


def exponents(by_voltage: Sequence[Rates], by_current: Sequence[Rates]) -> Table:
    table = Table("over", "1T1R from", "to", "exponent", title="2T2R = factor x 1T1R ^ exponent, least squares")
    alike = [alike_spreads(window) for window in np.linspace(1, 4.5, 8)]
    rows = (
        ("RESET voltage, 55 µA", [(e.single, e.double) for e in by_voltage]),
        ("SET current, 1.5 V", [(e.single, e.double) for e in by_current]),
        ("both", [(e.single, e.double) for e in (*by_voltage, *by_current)]),
        ("window, both states of spread 0.4", alike),
    )
    for name, pairs in rows:
        single, double = zip(*pairs, strict=True)
        table.add_row(name, small(max(single)), small(min(single)), f"{exponent(single, double):.2f}")
    return table


def alike_spreads(window: float, sigma: float = 0.4) -> tuple[float, float]:
    """Rates of 1T1R and 2T2R where both states have one spread, as in the argument for the square."""
    states = States(LogNormal(1e4, sigma), LogNormal(1e4 * float(np.exp(window)), sigma))
    return one_device(states, AMPLIFIER), two_devices(states, AMPLIFIER)


def aged() -> list[tuple[float, float]]:
    """Rates of 1T1R, against the reference that suited the fresh devices, and of 2T2R, over cycles and years."""
    condition = PRESETS["nominal"].condition
    fresh = HFO2.states(condition)
    found = []
    for cycles, seconds in ((0, 0), (1e8, 0), (1e9, 0), (1e10, 0), (0, 1e4), (0, 1e6), (0, TEN_YEARS)):
        states = AGEING.aged(fresh, condition, cycles, seconds)
        found.append((one_device(states, AMPLIFIER, reference(fresh)), two_devices(states, AMPLIFIER)))
    return found


def spread_words() -> str:
    """How much more the high state spreads than the low one, over all conditions."""
    states = [HFO2.states(condition) for condition in (*VOLTAGES, *CURRENTS)]
    ratios = [each.hrs.sigma / each.lrs.sigma for each in states]
    return f"{min(ratios):.1f} to {max(ratios):.1f} times"


def aged_words() -> str:
    (single, double), *_, worn, _, _, old = aged()
    return (
        f"1T1R goes from {small(single)} to {small(worn[0])} in 1e10 cycles, and to {small(old[0])} in ten years; "
        f"2T2R, which has no reference, from {small(double)} to {small(worn[1])} and {small(old[1])}"
    )


def zero_words() -> str:
    states = HFO2.states(PRESETS["nominal"].condition)
    timed = NEAR_THRESHOLD.timed(reference(states))
    low, high = (ternary(states, timed.at(supply))[1, 1] for supply in (0.5, 1.2))
    return f"{100 * low:.1f} % of the cases at 0.5 V, and in {100 * high:.0f} % at 1.2 V"


def energy_words() -> str:
    """Least energies for the two error rates that a published factor is between."""
    often, seldom = anchors.ERRORS_TRAINED.value, 1e-6
    single, double = (
        Pulses().cycle(cheapest(law, seldom)) / Pulses().cycle(cheapest(law, often))
        for law in (one_device, two_devices)
    )
    return (
        f"The least over {len(GRID)} conditions for an error rate of {often:g} is {single:.1f} times less than that "
        f"for {small(seldom)} in 1T1R, and {double:.1f} times in 2T2R"
    )


def chip_words() -> str:
    activity = inference(Topology.parse("128-64-128"), Plan(Geometry(64, 64)))
    spent = energy(activity, 0.7).nanojoules_per_inference
    return f"{activity.xnors:,} synapses that golden counts read once, costs {spent:.1f} nJ at 0.7 V"


def cheapest(law: Law, rate: float) -> Condition:
    """The condition of the grid that takes least energy for an error rate of at most `rate`."""
    return min((c for c in GRID if law(HFO2.states(c), AMPLIFIER) <= rate), key=Pulses().cycle)


def programming() -> Table:
    """The least energy with which a rate can be had, over a grid of conditions."""
    table = Table(
        "rate tolerated", "1T1R, pJ", "at", "times", "2T2R, pJ", "at", "times",
        title=f"Least energy of a SET and a RESET over {len(GRID)} conditions, and how many times less than for 1e-6",
    )  # fmt: skip
    least: dict[str, float] = {}
    for rate in (1e-6, anchors.ERRORS_UNTRAINED.value, anchors.MRAM_ERRORS.value, 1e-2, anchors.ERRORS_TRAINED.value):
        row = [f"{rate:.0e}"]
        for name, law in (("1T1R", one_device), ("2T2R", two_devices)):
            best = cheapest(law, rate)
            joules = Pulses().cycle(best)
            least.setdefault(name, joules)
            row += [f"{joules * 1e12:.3g}", str(best), f"{least[name] / joules:.1f}"]
        table.add_row(*row)
    return table


def ageing() -> Table:
    """A reference that stays where it was set, beside 2T2R, which has none."""
    condition = PRESETS["nominal"].condition
    fresh = HFO2.states(condition)
    table = Table("cycles", "time", "LRS, kohm", "HRS, kohm", "1T1R", "2T2R", title=f"Ageing at {condition}")
    for cycles, seconds, name in ((0, 0, "0"), (1e8, 0, "0"), (1e10, 0, "0"), (0, TEN_YEARS, "10 years")):
        states = AGEING.aged(fresh, condition, cycles, seconds)
        single = one_device(states, AMPLIFIER, reference(fresh))
        table.add_row(
            f"{cycles:.0e}", name, f"{states.lrs.median / 1e3:.1f}", f"{states.hrs.median / 1e3:.1f}",
            small(single), small(two_devices(states, AMPLIFIER)),
        )  # fmt: skip
    return table


def zeros() -> Table:
    """Ternary cells through one sense phase, at supplies down to the threshold."""
    condition = PRESETS["nominal"].condition
    states = HFO2.states(condition)
    timed = NEAR_THRESHOLD.timed(reference(states))
    table = Table(
        "supply, V", "limit, kohm", "offset", "0 read as 0", "+1 as 0", "+1 as -1",
        title=f"Ternary reads at {condition}, sense phase {timed.sense_time * 1e9:.2g} ns",
    )  # fmt: skip
    for supply in (1.2, 0.9, 0.7, 0.6, 0.5, 0.45):
        amplifier = timed.at(supply)
        found = ternary(states, amplifier)
        table.add_row(
            f"{supply:g}", f"{amplifier.limit / 1e3:.0f}", f"{amplifier.offset_sigma:.3f}", f"{found[1, 1]:.4f}",
            small(found[2, 1]), small(found[2, 0]),
        )  # fmt: skip
    return table


def chip() -> Table:
    """Arrays and popcounts of a chip as large as the published one, whose 4 arrays of 64 x 64 are read once; clock and
    control, which benchmarks/energy.py counts, are not in it.
    """
    activity = inference(Topology.parse("128-64-128"), Plan(Geometry(64, 64)))
    assert activity.xnors == activity.reads == anchors.CHIP_DEVICES.value / 2  # every cell, of two devices, is used
    table = Table("supply, V", "nJ", "TOPS/W", title="128-64-128, an inference: arrays, popcounts, thresholds")
    for supply in (1.2, 0.9, 0.7):
        spent = energy(activity, supply)
        table.add_row(f"{supply:g}", f"{spent.nanojoules_per_inference:.2f}", f"{spent.tops_per_watt:.1f}")
    return table


def sources() -> Table:
    table = Table("event", "fF", "source", title="Coefficients of energy")
    for name, (farads, source) in Coefficients()._asdict().items():
        table.add_row(name, f"{farads * 1e15:g}", source)
    return table


def published() -> Table:
    table = Table("claim", "value", "source", "checked against", title="Published")
    for each in anchors.ANCHORS:
        table.add_row(each.claim, f"{each.value:g} {each.unit}", each.source, each.checked)
    return table


def draw_voltages(axes: Axes, found: Sequence[Rates]) -> None:
    volts = np.linspace(1.2, 2.6, 57)
    states = [HFO2.states(Condition(55e-6, float(v))) for v in volts]
    single = np.array([one_device(s, AMPLIFIER) for s in states])
    double = np.array([two_devices(s, AMPLIFIER) for s in states])
    curves = {
        "1T1R": single,
        "1T1R, ECC": SAME_CELLS.residual(single),
        "2T2R": double,
        "2T2R, ECC": LONG.residual(double),
    }
    names = {"1T1R, ECC": f"1T1R, ECC {SAME_CELLS}", "2T2R, ECC": f"2T2R, ECC {LONG}"}
    for name, curve in curves.items():
        axes.semilogy(volts, curve, color=COLOURS[name], label=names.get(name, name))
    counted = [e.condition.reset_voltage for e in found]
    for name, marks in (
        ("1T1R", [e.singles.rate for e in found]),
        ("1T1R, ECC", [e.simulated for e in found]),
        ("2T2R", [e.doubles.rate for e in found]),
    ):
        seen = [(v, rate) for v, rate in zip(counted, marks, strict=True) if rate]
        axes.plot(*zip(*seen, strict=True), "o", color=COLOURS[name], markersize=5, markerfacecolor="none")
    axes.plot([], [], "o", color="#1f2933", markersize=5, markerfacecolor="none", label="counted")
    axes.set(xlabel="RESET voltage, V (SET 55 µA, 1 µs)", ylabel="bit error rate", ylim=(1e-10, 1))
    axes.legend(loc="lower left", frameon=False)


def draw_against(axes: Axes, by_voltage: Sequence[Rates], by_current: Sequence[Rates]) -> None:
    single = np.geomspace(1e-6, 0.4, 100)
    axes.loglog(single, SAME_CELLS.residual(single), color=COLOURS["1T1R, ECC"], label=f"1T1R, ECC {SAME_CELLS}")
    alike = [alike_spreads(window) for window in np.linspace(0.1, 3.8, 60)]
    axes.plot(*zip(*alike, strict=True), color=COLOURS["2T2R"], label="2T2R, both states spread alike")
    for found, mark, name in ((by_voltage, "o", "2T2R, by RESET voltage"), (by_current, "s", "2T2R, by SET current")):
        x, y = [e.single for e in found], [e.double for e in found]
        axes.plot(x, y, mark, color=COLOURS["2T2R"], markersize=5, markerfacecolor="none", label=name)
    name = "2T2R, by age (1T1R keeps its reference)"
    axes.plot(*zip(*aged(), strict=True), "^", color=COLOURS["2T2R"], markersize=5, label=name)
    axes.plot(single, single**2, ":", color="#1f2933", label="square of 1T1R")
    axes.plot(single, single, "--", color=COLOURS["1T1R"], label="1T1R itself")
    axes.set(xlabel="bit error rate of 1T1R", ylabel="bit error rate", xlim=(1e-6, 1), ylim=(1e-10, 1))
    axes.legend(loc="lower right", frameon=False, fontsize=8.5)


def draw(folder: Path, by_voltage: Sequence[Rates], by_current: Sequence[Rates]) -> None:
    with mpl.rc_context({"svg.hashsalt": "hafnet", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(11, 4.8), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2)
        draw_voltages(left, by_voltage)
        draw_against(right, by_voltage, by_current)
        for axes in (left, right):
            axes.grid(color="#e5e9ee")
            axes.spines[["top", "right"]].set_visible(False)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / "bit_errors.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / "bit_errors.png", dpi=110)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build")
    by_voltage, by_current = measure()
    console = Console()
    console.print(errors([*by_voltage, *by_current]))
    console.print(agreement([*by_voltage, *by_current]))
    for table in (exponents(by_voltage, by_current), programming(), ageing(), zeros(), chip(), sources(), published()):
        console.print(table)
    draw(folder, by_voltage, by_current)
    console.print(f"drawn: {folder / 'bit_errors.svg'}, {folder / 'bit_errors.png'}")


if __name__ == "__main__":
    main()
