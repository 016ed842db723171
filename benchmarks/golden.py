"""Golden inference of 784-1024-1024-10 over 10,000 images, beside a float32 torch product of the same shapes.

Run: python benchmarks/golden.py
"""

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project's folder, wherever the command is given

from model import golden
from model.network import random_network

SHAPE = (784, 1024, 1024, 10)
IMAGES = 10_000
THREADS = 2
REPEATS = 5


def best(task: Callable[[], object]) -> float:
    """Seconds of the fastest of REPEATS runs, after one that warms up."""
    task()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    torch.set_num_threads(THREADS)
    network = random_network(SHAPE, seed=1, levels=(128,))
    images = np.random.default_rng(2).integers(0, 256, (IMAGES, SHAPE[0]), dtype=np.uint8)

    # The bare products that any float32 implementation has to do: no encoding, thresholds or argmax.
    pairs = [(torch.randn(IMAGES, fan_in), torch.randn(fan_out, fan_in)) for fan_in, fan_out in itertools.pairwise(SHAPE)]

    def products() -> list[torch.Tensor]:
        return [torch.nn.functional.linear(inputs, weights) for inputs, weights in pairs]

    tasks: dict[str, Callable[[], object]] = {
        "torch, float32 products": products,
        "golden.classify": lambda: golden.classify(network, images),
        "golden.infer, every intermediate": lambda: golden.infer(network, images),
        "golden.infer, packed": lambda: golden.infer(network, images, method="packed"),
    }
    with threadpool_limits(THREADS):
        seconds = {name: best(task) for name, task in tasks.items()}
    table = Table("what", "seconds", "x torch", title=f"{'-'.join(map(str, SHAPE))}, {IMAGES:,} images, {THREADS} threads")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.3f}", f"{value / seconds['torch, float32 products']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
