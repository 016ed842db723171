"""Accuracy of the demo's recipe on the digits' 360 test images, over seeds: torch, and golden after folding.

.venv/bin/python benchmarks/digits.py [SEEDS]
"""

import statistics
import sys
import time
from dataclasses import replace

import numpy as np

from model.golden import classify
from model.training.datasets import load_digits
from model.training.recipe import Recipe, train


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
