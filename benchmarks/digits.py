"""Accuracy of the demo's recipe on the digits' 360 test images, over seeds: torch, and golden after folding. And what
`hafnet demo` says.

.venv/bin/python benchmarks/digits.py [SEEDS]
"""

import functools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pages import keep, table

from model.golden import classify
from model.training.datasets import load_digits
from model.training.recipe import Recipe, train

START = "import sys, hafnet; sys.argv[0] = 'hafnet'; hafnet.main()"
VOLATILE = re.compile(r"\s*(trained|accuracy, RTL on [a-z]+|accuracy, \w+|seconds, [a-z ]*[a-z])")
"""Beginnings of lines of the demo that depend on the machine: it trains, and it takes its time."""


@functools.cache
def demo() -> tuple[str, dict[str, Any]]:
    """What `hafnet demo` says on both simulators, and its summary."""
    simulators = [word for name in ("verilator", "icarus") for word in ("--simulator", name)]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", START, "demo", *simulators],
            cwd=folder, env=os.environ | {"COLUMNS": "100"}, stdout=subprocess.PIPE, encoding="utf-8", check=True,
        )  # fmt: skip
        return run.stdout, json.loads(Path(folder, "build", "demo", "summary.json").read_text(encoding="utf-8"))


def demo_text(before: str) -> str:
    """What the demo says, indented, without its progress; lines that depend on the machine stay as they stand."""
    lines = (line.rstrip() for line in demo()[0].splitlines() if not line.startswith("training "))
    text = re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip("\n")
    return keep(textwrap.indent(text, "    "), before, VOLATILE)


def demo_values() -> str:
    """Values compared by one simulator."""
    summary = demo()[1]
    return f"{summary['values'] // len(summary['simulators']):,}"


def demo_table() -> str:
    summary = demo()[1]
    rows = (
        ("values compared on each simulator: every hidden bit, score and class in each pass", demo_values()),
        ("mismatches", summary["mismatches"]),
        ("cycles per image", f"{summary['cycles_per_image']:g}"),
        ("arrays", f"{summary['arrays']}, {100 * summary['cells_full']:.1f} % of their cells full"),
    )
    return table(("", ""), rows)


def demo_layers() -> str:
    uses = demo()[1]["layers"]
    rows = (
        (
            f"{use['name']}, {use['fan_in']} × {use['fan_out']}",
            use["arrays"],
            use["lanes"],
            f"{100 * use['utilisation']:.1f} %",
            f"{100 * use['fill']:.1f} %",
        )
        for use in uses
    )
    return table(("layer", "arrays", "lanes", "XNORs used", "cells full"), rows)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    data = load_digits()
    print(f"recipe: {Recipe()}; {len(data.train)} training and {len(data.test)} test images")
    print(f"{'seed':>4}  {'torch':>7}  {'golden':>7}  {'seconds':>7}")
    reached = []
    for seed in range(seeds):
        started = time.monotonic()
        trained = train(data, replace(Recipe(), seed=seed), "cpu")
        seconds = time.monotonic() - started
        golden = float(np.mean(classify(trained.network, data.test.values) == data.test.labels))
        reached.append(golden)
        print(f"{seed:>4}  {trained.accuracy:>7.2%}  {golden:>7.2%}  {seconds:>7.1f}")
    print(f"golden: least {min(reached):.2%}, mean {statistics.mean(reached):.2%}")


if __name__ == "__main__":
    main()
