"""Networks of published shapes: accuracy, plan, generation, and RTL against golden, value by value.

.venv/bin/python benchmarks/published.py [DATA] [--verify N] [--only NAME ...] [--fast]

LFC on MNIST and CNV on CIFAR-10 are networks that others have trained (see `bnn_pynq`); the ECG network, five
convolutions along time and two dense layers on 10 s of 12 leads, has random weights, which are as good for comparing
bits. Each is planned twice: as `hafnet generate` does without a target, and with one of `--cycles-per-image`.

DATA is a folder with `bnn-params/bnn-pynq.tar.xz`, `mnist/` (IDX), `cifar10/` (sheets of 32 x 32 tiles, 100 in a row)
and `ecg-ptbxl/` (differences of samples, xz of npz). Without DATA, random weights and samples stand for all of it. N
samples are simulated on Verilator: at full rate, then once more with random stalls. --fast simulates only the plans
with a target.
"""

import argparse
import io
import lzma
import resource
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bnn_pynq import CNV, LFC, Form, read
from pages import table as markdown
from PIL import Image
from rich.console import Console
from rich.table import Table

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.costs import costs
from model.encoding import FixedPoint
from model.golden import classify
from model.mapping import P2S, Geometry
from model.network import Network
from model.plan import Plan
from model.planner import choose
from model.random_network import random_network
from model.samples import Samples
from sim.tools import find
from sim.verify import Verification, verify

ECG = "1x1250x12b8-32c1x13-m1x2-32c1x11-m1x2-32c1x9-m1x2-32c1x7-m1x2-32c1x5-75-2"
"""In the manner of the ECG networks in B. Penkovsky et al., "In-Memory Resistive RAM Implementation of Binarized Neural
Networks for Medical Applications", DATE 2020."""
RANDOM_SAMPLES, SIMULATED = 100, 2


@dataclass(frozen=True)
class Case:
    """A network, the samples at hand, the accuracy that its authors give, and a target of cycles per image."""

    name: str
    network: Network
    samples: Samples
    published: float | None
    target: int


def lfc(data: Path | None) -> Case:
    samples = None
    if data:
        from model.training.datasets import load_idx

        samples = load_idx(data / "mnist").test
    return _case("LFC", LFC, "mnist/lfcW1A1", data, samples, 0.9835, 16)


def cifar10(data: Path, *sheets: str) -> Samples:
    """The images of sheets (test_a, train_0 …), as rows of pixels of three bytes."""
    images, labels = [], []
    for sheet in sheets:
        tiles = np.asarray(Image.open(data / "cifar10" / f"{sheet}.webp").convert("RGB"))
        rows = tiles.reshape(-1, 32, tiles.shape[1] // 32, 32, 3).swapaxes(1, 2)
        with np.load(data / "cifar10" / f"{sheet}_labels.npz") as file:
            labels.append(file["label"])
        images.append(rows.reshape(-1, 32 * 32 * 3)[: len(labels[-1])])
    return Samples(np.concatenate(images), np.concatenate(labels))


def cnv(data: Path | None) -> Case:
    samples = None
    if data:
        test = cifar10(data, "test_a")
        samples = Samples(test.values.astype(np.int16) - 128, test.labels)
    return _case("CNV", CNV, "cifar10/cnvW1A1", data, samples, 0.7922, 8000)


def ecg(data: Path | None) -> Case:
    network = random_network(ECG, seed=1)
    # 32 steps to a standard deviation of the lead, four of them either way.
    network = replace(network, encoding=FixedPoint(network.encoding.values, 8, -128))
    if data is None:
        return Case("ECG", network, _random(network), None, 10_000)
    with lzma.open(data / "ecg-ptbxl" / "ptbxl_125hz_trainval.npz.xz") as packed:
        file = np.load(io.BytesIO(packed.read()))
        held_out = file["split"] == "val"
        steps = (file["lo"][held_out] | file["hi"][held_out].astype(np.uint16) << 8).view(np.int16)
    # Samples are in 1/500 of the deviation; (records, leads, time) become pixels of 12 channels.
    signals = np.cumsum(steps, axis=-1, dtype=np.int16).astype(np.int32)
    values = np.clip((signals * 32 + 250) // 500, -128, 127).swapaxes(1, 2)
    return Case("ECG", network, Samples(values.reshape(len(values), -1)), None, 10_000)


CASES: dict[str, Callable[[Path | None], Case]] = {"LFC": lfc, "CNV": cnv, "ECG": ecg}


def _case(
    name: str, form: Form, inside: str, data: Path | None, samples: Samples | None, published: float, target: int
) -> Case:
    if data is None or samples is None:
        network = replace(random_network(form.topology, seed=1), encoding=form.encoding)
        return Case(name, network, _random(network), None, target)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(data / "bnn-params" / "bnn-pynq.tar.xz") as packed:
        packed.extractall(folder, filter="data")
        return Case(name, read(Path(folder, inside), form), samples, published, target)


def _random(network: Network) -> Samples:
    low, high = network.encoding.range
    shape = (RANDOM_SAMPLES, network.encoding.values)
    return Samples(np.random.default_rng(2).integers(low, high, shape, dtype=np.int16, endpoint=True))


def plans(case: Case) -> Iterator[tuple[str, Plan]]:
    yield "", choose(case.network.topology, Geometry())
    yield f"{case.target:,}", choose(case.network.topology, Geometry(), cycles=case.target)


def shown(target: str) -> str:
    return target or "–"


def each_plan() -> Iterator[tuple[Case, str, Plan]]:
    """All plans, with random weights: what is planned, generated and compared does not depend on them."""
    for find_case in CASES.values():
        case = find_case(None)
        yield from ((case, shown(target), plan) for target, plan in plans(case))


def plans_figure() -> str:
    rows = []
    for case, target, plan in each_plan():
        arrays = Accelerator(case.network.topology, plan).arrays
        rows.append((case.name, target, arrays, costs(case.network.topology, plan).pace.cycles))
    return markdown(("network", "`--cycles-per-image`", "arrays", "cycles, planned"), rows)


def verilog_figure() -> str:
    rows = []
    for case, target, plan in each_plan():
        with tempfile.TemporaryDirectory() as folder:
            generate(Accelerator(case.network.topology, plan), Path(folder, "verilog"))
            sizes = [path.stat().st_size for path in Path(folder, "verilog").glob("*.sv")]
        rows.append((case.name, target, len(sizes), sum(sizes)))
    return markdown(("network", "`--cycles-per-image`", "modules", "bytes of Verilog"), rows)


def rtl_figure() -> str:
    """Two samples of each plan, random ones, on Verilator."""
    rows = []
    for case, target, plan in each_plan():
        result = simulate(case, plan, SIMULATED)
        rows.append((case.name, target, f"{result.cycles:,g}", result.samples, result.values, result.mismatches))
    headings = ("network", "`--cycles-per-image`", "cycles, measured", "samples", "values compared", "mismatches")
    return markdown(headings, rows)


def cpu() -> float:
    """Seconds that processors have spent on this process and its children, however busy the machine was otherwise."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def lanes(plan: Plan, case: Case) -> str:
    """Dataflow and lanes of each layer of neurons, equal neighbours once."""
    maps = plan.maps(case.network.topology)
    texts = [f"{'p2s' if each.dataflow == P2S else 's2p'} {each.lanes}" for each in maps if each]
    groups: list[tuple[str, int]] = []
    for text in texts:
        if groups and groups[-1][0] == text:
            groups[-1] = text, groups[-1][1] + 1
        else:
            groups.append((text, 1))
    return ", ".join(text if times == 1 else f"{times} × {text}" for text, times in groups)


def measure_accuracy(cases: list[Case], console: Console) -> None:
    table = Table("network", "topology", "samples", "golden", "published", "seconds")
    for case in cases:
        started = time.perf_counter()
        found = classify(case.network, case.samples.values)
        seconds = f"{time.perf_counter() - started:.1f}"
        labels = case.samples.labels
        accuracy = "no labels" if labels is None else f"{np.mean(found == labels):.2%}"
        published = "random weights" if case.published is None else f"{case.published:.2%}"
        table.add_row(case.name, str(case.network.topology), f"{len(case.samples):,}", accuracy, published, seconds)
    console.print(table)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"most memory, data and all: {memory:,.0f} MiB")


def measure_generation(cases: list[Case], console: Console) -> None:
    what = ("network", "target", "arrays", "cycles per image", "limit", "dataflows and lanes")
    table = Table(*what, "seconds", "of CPU", "bytes of Verilog", title="`hafnet generate` on 32 x 32 arrays")
    for case in cases:
        for target, plan in plans(case):
            pace = costs(case.network.topology, plan).pace
            with tempfile.TemporaryDirectory() as parent:
                folder = Path(parent, "verilog")
                started, computed = time.perf_counter(), cpu()
                manifest = generate(Accelerator(case.network.topology, plan), folder)
                seconds, busy = time.perf_counter() - started, cpu() - computed
                size = sum(path.stat().st_size for path in folder.glob("*.sv"))
            row = (f"{manifest.arrays:,}", f"{pace.cycles:,}", pace.limit, lanes(plan, case))
            table.add_row(case.name, target or "none", *row, f"{seconds:.1f}", f"{busy:.1f}", f"{size:,}")
    console.print(table)


def simulate(case: Case, plan: Plan, count: int) -> Verification:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        generate(Accelerator(case.network.topology, plan), folder / "verilog")
        images.export(case.network, plan, folder / "images")
        samples = case.samples.first(count)
        return verify(find("verilator"), case.network, samples, folder / "verilog", folder / "images", folder / "run")


def compare(cases: list[Case], count: int, fast: bool, console: Console) -> None:
    """A line as soon as it is known: the whole takes long."""
    console.print("network  target  samples  cycles per image  predicted  values compared  mismatches  build s  run s")
    for case in cases:
        for target, plan in plans(case):
            if fast and not target:
                continue
            result, pace = simulate(case, plan, count), costs(case.network.topology, plan).pace
            measured = "one sample" if result.cycles is None else f"{result.cycles:,g}"
            console.print(
                f"{case.name:7}  {target or 'none':>6}  {result.samples:7}  {measured:>16}  {pace.cycles:9,}  "
                f"{result.values:15,}  {result.mismatches:10,}  {result.build_seconds:7.1f}  {result.run_seconds:5.1f}"
            )
            for each in result.first:
                console.print(str(each))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--verify", type=int, default=0)
    parser.add_argument("--only", choices=list(CASES), nargs="+", default=list(CASES))
    parser.add_argument("--fast", action="store_true")
    given = parser.parse_args()
    console = Console(width=200)
    cases = [CASES[name](given.data) for name in given.only]
    measure_generation(cases, console)
    if given.verify:
        compare(cases, given.verify, given.fast, console)
    measure_accuracy(cases, console)


if __name__ == "__main__":
    main()
