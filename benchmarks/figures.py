"""Figures of our pages that are the same on every machine: made anew between their markers (see `pages`), or checked.

.venv/bin/python benchmarks/figures.py [--all] [--check] [NAME ...]

Each has one home: a function of the script that measures it. Without names all but the expensive ones are made, which
takes a few minutes; with --all those too (synthesis, long simulations), which takes an hour. --check writes nothing,
and ends with exit code 1 where a figure is stale. Times and accuracies depend on the machine, and are by hand.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import area
import bit_errors
import cycles
import digits
import energy
import fidelity
import generate
import published
import scale
import synthesis
from pages import PAGES, ROOT, Make, names, rewrite

Cost = Literal["seconds", "minutes", "hours"]
"""Figures of seconds are checked by every run of the tests, the others by the slow ones; `make figures` leaves out the
last.
"""


@dataclass(frozen=True)
class Figure:
    cost: Cost
    make: Make


def plain(make: Callable[[], str]) -> Make:
    return lambda before: make()


FIGURES: dict[str, Figure] = {
    "demo": Figure("minutes", digits.demo_text),
    "demo.table": Figure("minutes", plain(digits.demo_table)),
    "demo.layers": Figure("minutes", plain(digits.demo_layers)),
    "generate": Figure("minutes", plain(generate.figure)),
    "generate.first": Figure("seconds", plain(generate.first)),
    "published.plans": Figure("seconds", plain(published.plans_figure)),
    "published.verilog": Figure("minutes", plain(published.verilog_figure)),
    "published.rtl": Figure("hours", plain(published.rtl_figure)),
    "scale.classifier": Figure("minutes", plain(scale.classifier_figure)),
    "scale.rtl": Figure("hours", plain(scale.rtl_figure)),
    "cycles.planned": Figure("seconds", plain(cycles.planned_figure)),
    "cycles": Figure("hours", plain(cycles.figure)),
    "synthesis": Figure("hours", plain(synthesis.figure)),
    "fidelity": Figure("hours", plain(fidelity.figure)),
    "area.neurons": Figure("hours", plain(area.neurons)),
    "area.tiles": Figure("hours", plain(area.tiles)),
    "area.frequencies": Figure("hours", plain(area.frequencies)),
    "bit_errors": Figure("minutes", plain(bit_errors.figure)),
    "bit_errors.spread": Figure("seconds", plain(bit_errors.spread_words)),
    "bit_errors.aged": Figure("seconds", plain(bit_errors.aged_words)),
    "bit_errors.zero": Figure("seconds", plain(bit_errors.zero_words)),
    "bit_errors.energy": Figure("seconds", plain(bit_errors.energy_words)),
    "bit_errors.chip": Figure("seconds", plain(bit_errors.chip_words)),
    "energy": Figure("hours", plain(energy.figure)),
    "energy.programmed": Figure("seconds", lambda before: energy.millijoules(again=False)),
    "energy.programmed_again": Figure("seconds", lambda before: energy.millijoules(again=True)),
    "energy.coefficients": Figure("seconds", plain(energy.coefficients)),
}


def differences(name: str) -> dict[Path, str]:
    """The pages on which a figure is not what it is today, as they would be with it."""
    made = {name: FIGURES[name].make}
    pages = {page: page.read_text(encoding="utf-8") for page in PAGES}
    found = {page: rewrite(text, made) for page, text in pages.items() if name in names(text)}
    return {page: text for page, text in found.items() if text != pages[page]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.names) - set(FIGURES):
        parser.error(f"there is no figure {min(unknown)!r}: it must be one of {', '.join(FIGURES)}")
    wanted = given.names or [name for name, figure in FIGURES.items() if given.all or figure.cost != "hours"]
    failed = False
    for name in wanted:
        started = time.monotonic()
        changed = differences(name)
        for page, text in changed.items():
            if not given.check:
                page.write_text(text, encoding="utf-8")
        where = ", ".join(str(page.relative_to(ROOT)) for page in changed)
        said = ("stale in " if given.check else "made anew in ") + where if changed else "as it was"
        print(f"{name}: {said} ({time.monotonic() - started:.0f} s)", flush=True)
        failed |= given.check and bool(changed)
    sys.exit(failed)


if __name__ == "__main__":
    main()
