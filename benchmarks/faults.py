"""Fault campaigns: accuracy against weight error rate beside published tolerances, and how long 100 maps take.

.venv/bin/python benchmarks/faults.py [DATA] [--work FOLDER] [--maps N] [--only NAME ...]

Speed (no DATA needed): 100 maps x 10,000 images on 784-1024-1024-10, random weights, as `hafnet faults` does it; then
fewer maps by Dask's threads (the verb), by Dask's processes, by a plain loop with torch on all cores, and by golden.

With DATA, a folder as `benchmarks/published.py` takes it: 784-1024-1024-10 trained on MNIST as usual, bare (without
noise on the inputs and label smoothing), and with errors at 4e-2 in every forward pass; a convolutional network trained
on CIFAR-10 as usual and with such errors; and the networks LFC (MNIST) and CNV (CIFAR-10), which others have trained:
their accuracy on test images while weights err (on CIFAR-10 fewer images and maps). Networks that were trained are kept
in FOLDER (build/faults) and used again.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from dask.distributed import LocalCluster
from published import CASES, cifar10
from rich.console import Console
from rich.table import Table

from model.campaign.draw import faulty
from model.campaign.engine import Engine, with_weights
from model.campaign.outcome import Outcome, collect
from model.campaign.points import Campaign, Task, at_rates
from model.campaign.workers import compute
from model.golden import classify
from model.network import Network
from model.random_network import random_network
from model.samples import Samples
from model.training.datasets import DataSet, load_idx
from model.training.recipe import Recipe, train

SHAPE, IMAGES, MAPS, FEWER = (784, 1024, 1024, 10), 10_000, 100, 20
RATES = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 4e-2, 1e-1)
MNIST = Recipe(hidden=(1024, 1024), levels=1, epochs=10, batch=256)
CIFAR10 = Recipe(topology="32x32x3b8-48c3p1-m2-96c3p1-m2-192c3p1-m2-10", epochs=12, batch=128, noise=0)
ERROR_RATE = 0.04  # that of arXiv:1904.03652
TRAININGS = {
    "ordinary": MNIST,
    "bare": replace(MNIST, noise=0, smoothing=0),
    "aware": replace(MNIST, error_rate=ERROR_RATE),
    "cifar10": CIFAR10,
    "cifar10-aware": replace(CIFAR10, error_rate=ERROR_RATE),
}
CIFAR10_IMAGES, CIFAR10_MAPS, CIFAR10_RATES = 2000, 20, (1e-4, 1e-3, 1e-2, 4e-2, 1e-1)
CNV_IMAGES, CNV_MAPS, CNV_RATES = 1000, 10, (1e-4, 1e-3, 1e-2, 4e-2)
CHOICES = ("speed", *TRAININGS, "LFC", "CNV")

console = Console(width=160)


def campaign(maps: int) -> Campaign:
    network, random = random_network(SHAPE, seed=1), np.random.default_rng(2)
    samples = Samples(random.integers(0, 2, (IMAGES, SHAPE[0]), dtype=np.uint8), random.integers(0, 10, IMAGES))
    return Campaign(network, samples, at_rates(network, [1e-2]), maps)


def maps_of(asked: Campaign) -> list[Task]:
    return [task for task in asked.tasks() if task.point]


def by_threads(asked: Campaign) -> None:
    for _ in compute(asked, maps_of(asked)):
        pass


def by_processes(asked: Campaign) -> None:
    workers = len(os.sched_getaffinity(0))
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        for _ in compute(asked, maps_of(asked), cluster.scheduler_address):
            pass


def by_a_loop(asked: Campaign) -> None:
    assert asked.samples.labels is not None
    engine = Engine(asked.network, asked.samples.values, asked.samples.labels)
    for task in maps_of(asked):
        asked.run(task, engine)


def by_golden(asked: Campaign) -> None:
    for task in maps_of(asked):
        weights = faulty(asked.network, asked.points[task.point].rates, asked.seed, task.number)
        classify(with_weights(asked.network, weights), asked.samples.values)


def measure_speed() -> None:
    table = Table(
        "how", "maps", "seconds", "of CPU", "seconds for 100", title=f"{'-'.join(map(str, SHAPE))}, {IMAGES:,} images"
    )
    ways: dict[str, tuple[Callable[[Campaign], None], int]] = {
        "hafnet faults (Dask, threads)": (by_threads, MAPS),
        "Dask, threads": (by_threads, FEWER),
        "Dask, processes": (by_processes, FEWER),
        "a loop, torch on all cores": (by_a_loop, FEWER),
        "a loop of golden": (by_golden, FEWER),
    }
    for name, (way, maps) in ways.items():
        asked = campaign(maps)
        started, computed = time.perf_counter(), cpu()
        way(asked)
        seconds, busy = time.perf_counter() - started, cpu() - computed
        table.add_row(name, f"{maps}", f"{seconds:.1f}", f"{busy:.1f}", f"{seconds * MAPS / maps:.0f}")
    console.print(table)


def cpu() -> float:
    """Seconds of processors for this process and its children, however busy the machine was otherwise."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def trained(data: DataSet, work: Path, name: str, recipe: Recipe) -> Network:
    path = work / f"{name}.safetensors"
    if not path.exists() or Network.load(path).origin["recipe"] != str(recipe):
        started = time.perf_counter()
        made = train(data, recipe, "cpu", lambda epoch: console.print(f"{path.stem}: {epoch}"))
        console.print(f"{path.stem}: {recipe}, trained in {time.perf_counter() - started:.0f} s")
        made.network.save(path)
    return Network.load(path)


def measure_trained(data: Path, work: Path, name: str, maps: int) -> None:
    recipe = TRAININGS[name]
    if recipe.topology is None:
        given = load_idx(data / "mnist")
        measure(name, trained(given, work, name, recipe), given.test, RATES, maps)
        return
    test = cifar10(data, "test_a")
    given = DataSet("cifar10", cifar10(data, "train_0", "train_1", "train_2"), test, 10)
    network = trained(given, work, name, recipe)
    console.print(f"{name}: {network.origin['accuracy']:.2%} of {len(test):,} test images are right")
    measure(name, network, test.first(CIFAR10_IMAGES), CIFAR10_RATES, min(CIFAR10_MAPS, maps))


def measure(name: str, network: Network, samples: Samples, rates: tuple[float, ...], maps: int) -> Outcome:
    asked = Campaign(network, samples, at_rates(network, rates), maps)
    started = time.perf_counter()
    outcome = collect(asked, {task.key: result for task, result in compute(asked, list(asked.tasks()))})
    title = f"{name}: {network.topology}, {len(samples):,} images, {maps} maps"
    table = Table("error rate", "accuracy", "95 % confidence", "least", "most", "loss", title=title)
    clean = outcome.points[0].summary.mean
    for each in outcome.points:
        found = each.summary
        interval = "" if found.low is None else f"{found.low:.2%} … {found.high:.2%}"
        row = (f"{found.mean:.2%}", interval, f"{found.least:.2%}", f"{found.most:.2%}", f"{clean - found.mean:.2%}")
        table.add_row(each.point.label, *row)
    console.print(table)
    console.print(f"{time.perf_counter() - started:.0f} s")
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--work", type=Path, default=Path("build/faults"))
    parser.add_argument("--maps", type=int, default=MAPS)
    parser.add_argument("--only", choices=CHOICES, nargs="+")
    given = parser.parse_args()
    chosen = given.only or (CHOICES if given.data else ["speed"])
    if "speed" in chosen:
        measure_speed()
    if given.data is None:
        return
    for name in TRAININGS:
        if name in chosen:
            measure_trained(given.data, given.work, name, given.maps)
    if "LFC" in chosen:
        case = CASES["LFC"](given.data)
        measure("LFC", case.network, case.samples, RATES, given.maps)
    if "CNV" in chosen:
        case = CASES["CNV"](given.data)
        measure("CNV", case.network, case.samples.first(CNV_IMAGES), CNV_RATES, min(CNV_MAPS, given.maps))


if __name__ == "__main__":
    main()
