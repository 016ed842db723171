"""Large designs: 784-1024-1024-10 through Verilator, bit for bit, and the generation of an ImageNet-size classifier.

.venv/bin/python benchmarks/scale.py [DATA] [--network FILE] [--images N]

DATA is a folder of IDX files as MNIST is published: N / 2 of its test images and N / 2 of its training images are
simulated, 10,000 in all unless told otherwise. Without DATA, 100 random images. FILE is a network, 784-1024-1024-10, as
`hafnet train` leaves it; without it weights are random, which is as good for comparing bits, but not for accuracy.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pages import table as markdown
from rich.console import Console
from rich.table import Table

from hdl.accelerator import Accelerator
from hdl.generate import generate, load_manifest
from model import images
from model.mapping import Geometry
from model.network import Network
from model.planner import choose as choose_plan
from model.random_network import random_network
from model.samples import Samples
from sim.tools import find
from sim.verify import Verification, verify

SHAPE = "784-1024-1024-10"
PIXELS = 784
CLASSIFIER = "25088-4096-4096-1000"
RANDOM_IMAGES, ALL_IMAGES = 100, 10_000

GENERATE = ["-c", "import hafnet; hafnet.main()", "generate", "--shape", CLASSIFIER]


def choose(data: Path | None, count: int | None) -> Samples:
    """What is simulated: test images, then training images."""
    if data is None:
        random = np.random.default_rng(2)
        return Samples(random.integers(0, 256, (count or RANDOM_IMAGES, PIXELS), dtype=np.uint8))
    from model.training.datasets import load_idx

    found, half = load_idx(data), (count or ALL_IMAGES) // 2
    parts = [found.test.first(half), found.train.first((count or ALL_IMAGES) - half)]
    labels = np.concatenate([part.labels for part in parts if part.labels is not None])
    return Samples(np.concatenate([part.values for part in parts]), labels)


def measure(network: Network, samples: Samples) -> tuple[int, int, Verification]:
    """Build and run the RTL: arrays, bytes of C++ and what Verilator said."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        plan = choose_plan(network.topology, Geometry())
        manifest = generate(Accelerator(network.topology, plan), folder / "verilog")
        images.export(network, plan, folder / "images")
        result = verify(
            find("verilator"), network, samples, folder / "verilog", folder / "images", folder / "simulation"
        )
        cplusplus = sum(path.stat().st_size for path in folder.rglob("build/**/*.cpp"))
    return manifest.arrays, cplusplus, result


def rtl_figure() -> str:
    """What is the same on every machine and with every network and sample."""
    arrays, cplusplus, result = measure(random_network(SHAPE, seed=1, levels=(128,)), choose(None, ALL_IMAGES))
    rows = (
        ("arrays", arrays),
        ("images at full rate", result.samples),
        ("cycles per image", f"{result.cycles:g}"),
        ("values compared", result.values),
        ("mismatches", result.mismatches),
        ("bytes of C++", cplusplus),
    )
    return markdown(("", ""), rows)


def simulate(network: Network, samples: Samples, console: Console) -> None:
    """Build and run the RTL, and say what it took."""
    arrays, cplusplus, result = measure(network, samples)
    table = Table("", title=f"{network.topology} on Verilator {result.version}")
    table.add_column(justify="right")
    assert result.cycles is not None
    cycles = result.cycles * result.samples
    rows = {
        "arrays": f"{arrays:,}",
        "bytes of C++": f"{cplusplus:,}",
        "seconds to build": f"{result.build_seconds:.1f}",
        "images at full rate": f"{result.samples:,}",
        "cycles per image": f"{result.cycles:g}",
        "seconds to simulate": f"{result.run_seconds:.1f}",
        "cycles a second": f"{cycles / result.run_seconds:,.0f}",
        "values compared": f"{result.values:,}",
        "mismatches": f"{result.mismatches:,}",
        "accuracy": "no labels" if result.accuracy is None else f"{result.accuracy:.2%}",
    }
    for row in rows.items():
        table.add_row(*row)
    console.print(table)
    for each in result.first:
        console.print(str(each))


def generate_classifier() -> tuple[int, int, float]:
    """Arrays, bytes and seconds of the classifier, generated in a process of its own."""
    with tempfile.TemporaryDirectory() as parent:
        started = time.perf_counter()
        subprocess.run([sys.executable, *GENERATE, parent], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        folder = Path(parent, "verilog")
        return load_manifest(folder).arrays, sum(path.stat().st_size for path in folder.glob("*.sv")), seconds


def classifier_figure() -> str:
    arrays, size, _ = generate_classifier()
    return markdown(("network", "arrays", "bytes of Verilog"), [(CLASSIFIER, arrays, size)])


def measure_generation(console: Console) -> None:
    """Generate the classifier, and say what it took."""
    arrays, size, seconds = generate_classifier()
    # Of all processes that have ended the largest: with Verilator's and g++'s, were it not the first thing done.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    table = Table("network", "arrays", "seconds", "bytes of Verilog", "most memory", title="`hafnet generate`")
    table.add_row(CLASSIFIER, f"{arrays:,}", f"{seconds:.1f}", f"{size:,}", f"{memory:,.0f} MiB")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--network", type=Path)
    parser.add_argument("--images", type=int)
    given = parser.parse_args()
    console = Console(width=110)
    measure_generation(console)
    network = Network.load(given.network) if given.network else random_network(SHAPE, seed=1, levels=(128,))
    simulate(network, choose(given.data, given.images), console)


if __name__ == "__main__":
    main()
