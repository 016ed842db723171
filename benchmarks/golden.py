"""Golden inference of 784-1024-1024-10 over 10,000 images, beside a float32 torch product of the same shapes.

Run: .venv/bin/python benchmarks/golden.py
"""

import itertools
import os
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from model import golden
from model.random_network import random_network

SHAPE = (784, 1024, 1024, 10)
IMAGES = 10_000
REPEATS = 7


def fastest(tasks: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of the fastest run of each task; the tasks take turns, so that a busy moment hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(REPEATS):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(taken) for name, taken in seconds.items()}


def main() -> None:
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)  # as many as numpy's BLAS takes
    network = random_network(SHAPE, seed=1, levels=(128,))
    images = np.random.default_rng(2).integers(0, 256, (IMAGES, SHAPE[0]), dtype=np.uint8)

    # The bare products that any float32 implementation has to do: no encoding, thresholds or argmax.
    pairs = [
        (torch.randn(IMAGES, fan_in), torch.randn(fan_out, fan_in)) for fan_in, fan_out in itertools.pairwise(SHAPE)
    ]

    def products() -> list[torch.Tensor]:
        return [torch.nn.functional.linear(inputs, weights) for inputs, weights in pairs]

    tasks: dict[str, Callable[[], object]] = {
        "torch, float32 products": products,
        "golden.classify": lambda: golden.classify(network, images),
        "golden.infer, every intermediate": lambda: golden.infer(network, images),
        "golden.infer, packed": lambda: golden.infer(network, images, method="packed"),
    }
    seconds = fastest(tasks)
    table = Table("what", "seconds", "x torch", title=f"{'-'.join(map(str, SHAPE))}, {IMAGES:,} images, {cores} cores")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.3f}", f"{value / seconds['torch, float32 products']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
