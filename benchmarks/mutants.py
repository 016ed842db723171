"""What `hafnet verify` sees: random defects in generated Verilog, and how many of them it finds, on Icarus.

    .venv/bin/python benchmarks/mutants.py             300 mutants of inference logic and 300 of the rest
    .venv/bin/python benchmarks/mutants.py --count 12  a sample

Inference logic is what acts while the host is at rest (see benchmarks/reach.py); there the plain verification must
find the defect, in the rest the one with --program and --scrub. Of each kind of mutant (see benchmarks/mutation.py) as
many are drawn. A mutant that Icarus does not build is none, and another one is drawn in its place; one that is known
to behave as the original (benchmarks/equivalent.toml says why) counts apart. Results are kept in build/mutants, so
that a run that was ended goes on.
"""

import argparse
import fnmatch
import functools
import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mutation import KINDS, Module, Mutant, expression
from reach import OF_HOST, live_lines, serves_host
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.stats import binomtest

from hdl.accelerator import Accelerator
from hdl.arrays.controller import Limits
from hdl.generate import generate, load_manifest
from hdl.registers import Timing
from model import bits, images
from model.faults import FREE, HRS, LRS, ArrayPlace, CellFaults, FaultMap, random_faults
from model.golden import infer
from model.mapping import P2S, S2P, Geometry
from model.network import AveragePoolLayer, DenseLayer, Network, OutputLayer
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import BitInput, StochasticInput
from sim.raw import Entropy
from sim.runner import SimulationError
from sim.tools import Tool, find
from sim.verify import sources, verify

FOLDER = Path("build/mutants")
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
CLASSES = ("inference", "host")
COUNT, SEED, PROCESSES = 300, 1, 2
LEAVES = ("hafnet_storage.sv", "hafnet_bank.sv")
"""Written by hand, a few lines each, and not of the form that mutants are made in."""
PATIENCE = 120
"""Seconds after which a mutant's simulation is ended: some ten times as long as the slowest original takes."""


@dataclass(frozen=True)
class Case:
    """An accelerator with random weights, of which `samples` random inputs are verified. Mutants of what serves the
    host are made of those with `host` only. `stuck`: a cell in each array cannot be what the weights need; `weak`: a
    share of cells whose reads may err.
    """

    text: str
    plan: Plan
    options: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 16
    host: bool = True
    stuck: bool = False
    weak: float = 0.0

    @functools.cached_property
    def network(self) -> Network:
        return sharpened(random_network(self.text, seed=3), self.given.values[0])

    @functools.cached_property
    def given(self) -> Samples:
        encoding = random_network(self.text, seed=3).encoding
        low, high = encoding.range
        shape = (self.samples, encoding.values)
        return Samples(np.random.default_rng(4).integers(low, high, shape, endpoint=True))

    @functools.cached_property
    def faults(self) -> FaultMap:
        """In a row of each array a cell whose devices are stuck against its weight, and another one whose device on
        BL is stuck at LRS, so that it reads its mismatch where it should be -1."""
        if self.weak:
            return random_faults(self.network.topology, self.plan, stuck=0.1, weak=self.weak, seed=5)
        if not self.stuck:
            return FaultMap({})
        found, size = {}, self.plan.geometry
        for layer, grid in enumerate(self.plan.of(self.network.topology).maps(self.network.topology)):
            if grid is None:
                continue
            held = images.array_bits(self.network, self.plan.of(self.network.topology), layer)
            for group in range(grid.groups):
                for tile in range(grid.tiles):
                    stuck = np.full((2, size.rows, size.columns), FREE, dtype=np.int8)
                    row = (group + tile) % size.used_rows
                    one = held[group, tile, row, 0] == 1
                    stuck[:, row, 0] = (HRS, LRS) if one else (LRS, HRS)
                    none = np.zeros((size.rows, size.columns), dtype=np.uint8)
                    found[ArrayPlace(layer, group, tile)] = CellFaults(stuck, none, none)
        return FaultMap(found)


def sharpened(network: Network, sample: npt.NDArray[Any]) -> Network:
    """The network with counts of some neurons that are as large and as small as can be for a sample, and with scores
    of either sign: what random weights hardly give."""
    layers, given = list(network.layers), network.topology.input
    for index, layer in enumerate(layers):
        simple = index or isinstance(given, BitInput)
        if not isinstance(layer, DenseLayer | OutputLayer) or not simple:
            continue
        entropy = Entropy(given) if isinstance(given, StochasticInput) and given.external else None
        trace = infer(_network(network, layers), sample[np.newaxis], entropy=entropy)
        seen = trace.bits[layers[index - 1].name] if index else trace.inputs
        if isinstance(layers[index - 1], AveragePoolLayer) or seen.size != layer.fan_in:
            continue
        weights = layer.weights.copy()
        weights[-1] = bits.to_signs(seen.reshape(-1).astype(np.uint8))
        weights[0] = -weights[-1]
        top = network.topology.top(index)
        if isinstance(layer, OutputLayer):
            layers[index] = replace(layer, weights=weights, offsets=layer.offsets - top // 2)
        else:
            thresholds = layer.thresholds.copy()
            thresholds[-1] = top
            layers[index] = replace(layer, weights=weights, thresholds=thresholds)
    return _network(network, layers)


def _network(network: Network, layers: Sequence[Any]) -> Network:
    return Network(network.encoding, tuple(layers[:-1]), layers[-1])


def _plan(size: tuple[int, int, int], *layers: tuple[Any, int], signature: bool = False, **options: Any) -> Plan:
    return Plan(Geometry(*size, signature), tuple(LayerPlan(*each) for each in layers), **options)


PULSES = {"set_pulse": 10, "reset_pulse": 12, "form_pulse": 20}
SHORT = {"limits": Limits(longest_pulse=120, pulsed_at_once=20), "timing": Timing(**PULSES)}
"""A watchdog that need not be waited for long, and rows that are pulsed in parts."""
CASES = {
    # Dense layers in either dataflow and zig-zag, ternary weights, two best classes and scores.
    "dense": Case(
        "20-8t-6t-9-5",
        _plan((4, 8, 0), (P2S, 2), (S2P, 2), (P2S, 3), (S2P, 2)),
        SHORT | {"top": 2},
        samples=80,
        host=False,
    ),
    # Convolution, padding, pooling of both kinds, bit planes, numbers in arrays.
    "maps": Case(
        "4x4x2b2-3c3p1f1-m2-3c2-avg-4",
        _plan((5, 7, 0), numbers_in_arrays=True),
        SHORT,
        samples=8,
        host=False,
    ),
    # Rows of several beats, which are pulsed in parts; pooling, whose numbers a host writes, too; ternary weights.
    "chip": Case(
        "3x3x1-3c3p1-m2x1-4t", _plan((3, 36, 0), fidelity="devices"), SHORT | {"input_width": 8}, samples=10, stuck=True
    ),
    # Spare rows and signatures; a class without scores, in one of two lanes.
    "spare": Case(
        "10-6t-4",
        _plan((8, 6, 2), (P2S, 2), (P2S, 1), signature=True, fidelity="devices"),
        SHORT | {"scores": False, "spare_entries": 3},
        samples=40,
        stuck=True,
    ),
    # Random bits from a generator of one's own, several lanes and an S2P layer that is not fed as it reads.
    "random": Case("5r4x3d2s9-6-3", _plan((2, 8, 0), (P2S, 1), (P2S, 1)), SHORT, samples=40, host=False),
    # Random bits from outside, and arrays whose reads err.
    "noise": Case(
        "4r3x2e2-5t-3",
        _plan((2, 8, 0), (S2P, 1), (P2S, 1), fidelity="noisy"),
        SHORT | {"top": 3, "timing": Timing(precharge=1, sense=2, **PULSES)},
        samples=24,
        host=False,
        weak=0.5,
    ),
}


@dataclass(frozen=True)
class Candidate:
    """A mutant of a module in the design of a case."""

    case: str
    mutant: Mutant
    group: str
    before: str
    after: str

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps([self.case, self.group, asdict(self.mutant)]).encode()).hexdigest()[:16]


def prepare(name: str) -> dict[str, str]:
    """Generate and export a case, unless it is there; the texts of its modules."""
    case, folder = CASES[name], FOLDER / name
    block = Accelerator(case.network.topology, case.plan, **case.options)
    generate(block, folder / "verilog")
    images.export(case.network, case.plan, folder / "images", faults=case.faults)
    files = [listed.file for listed in load_manifest(folder / "verilog").files]
    return {file: (folder / "verilog" / file).read_text(encoding="utf-8") for file in files if file.endswith(".sv")}


def candidates(names: Sequence[str], seed: int) -> list[Candidate]:
    """All mutants of all modules, each module in the first case that has it."""
    known: set[str] = set()
    found = []
    for name in names:
        texts = {file: text for file, text in prepare(name).items() if file not in LEAVES}
        live = live_lines(texts, FOLDER / name / "reach")
        for file, text in texts.items():
            if text in known:
                continue
            known.add(text)
            module = Module.read(file, text)
            assigned = _assigned(module)
            for mutant in module.mutants(seed):
                group = "inference" if _acts(module, mutant, live[file], assigned) else "host"
                if group == "inference" or CASES[name].host:
                    before, after = (expression(module, line) for line in (mutant.before, mutant.after))
                    found.append(Candidate(name, mutant, group, before, after))
    return found


def _assigned(module: Module) -> dict[str, int]:
    """The line in which each net is assigned."""
    return {
        line.split()[1].partition("[")[0]: number
        for number, line in enumerate(module.lines, 1)
        if line.startswith("  assign ")
    }


def _acts(module: Module, mutant: Mutant, live: set[int], assigned: Mapping[str, int]) -> bool:
    """Whether a mutant is in inference logic."""
    if any(part in mutant.file for part in OF_HOST):
        return False
    words = mutant.before.split()
    if words[0] == "wire":
        return assigned.get(words[-1].rstrip(";")) in live
    if mutant.before.startswith("    ."):
        return not serves_host(mutant.module, words[0][1:].partition("(")[0])
    return mutant.line in live


def drawn(pool: Sequence[Candidate], group: str, seed: int) -> Iterator[Candidate]:
    """Mutants of a group in random order, of each kind in turn."""
    source = random.Random(f"{seed} {group}")
    of_kind = {kind: [each for each in pool if each.group == group and each.mutant.kind == kind] for kind in KINDS}
    for each in of_kind.values():
        source.shuffle(each)
    while any(of_kind.values()):
        for each in of_kind.values():
            if each:
                yield each.pop()


def run_one(candidate: Candidate, folder: Path, tool: Tool) -> str:
    """What becomes of a mutant: "broken" where it does not build, "survived", or how it was found."""
    case, base = CASES[candidate.case], FOLDER / candidate.case
    manifest = load_manifest(base / "verilog")
    mutated = folder / candidate.mutant.file
    mutated.parent.mkdir(parents=True, exist_ok=True)
    original = (base / "verilog" / candidate.mutant.file).read_text(encoding="utf-8")
    mutated.write_text(candidate.mutant.apply(original), encoding="utf-8")
    files = [mutated if path.name == mutated.name else path for path in sources(base / "verilog", manifest, folder)]
    of_host = candidate.group == "host"
    folders = base / "verilog", base / "images", folder
    try:
        result = verify(tool, case.network, case.given, *folders, rtl=files, program=of_host, scrub=of_host)
    except SimulationError as error:
        told = str(error).splitlines()
        if "does not build" in told[0]:
            return "broken"
        said = [line.strip() for line in told if "AssertionError" in line]
        return f"found: {(said or told)[0][:200]}"
    return f"found: {result.first[0]}" if result.mismatches else "survived"


def _child(candidate: Candidate, folder: Path, tool: Tool, pipe: Any) -> None:
    os.setsid()  # so that whatever runs below can be ended, too
    pipe.send(run_one(candidate, folder, tool))


def run_all(
    chosen: Iterator[Candidate],
    enough: Callable[[], bool],
    tool: Tool,
    report: Callable[[Candidate, str], None],
    processes: int,
) -> None:
    """Run mutants until there are enough, some at a time; a simulation that hangs is ended, and found."""
    context = multiprocessing.get_context("fork")
    running: dict[Any, tuple[Candidate, Any, float, int]] = {}
    free = list(range(processes))
    while True:
        while free and not enough():
            candidate = next(chosen, None)
            if candidate is None:
                break
            slot = free.pop()
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_child, args=(candidate, FOLDER / f"{candidate.group}{slot}", tool, theirs)
            )
            process.start()
            theirs.close()
            running[ours] = candidate, process, time.monotonic(), slot
        if not running:
            return
        ready = wait(list(running), timeout=1)
        for pipe, (candidate, process, started, slot) in list(running.items()):
            hangs = time.monotonic() - started > PATIENCE
            if pipe not in ready and not hangs:
                continue
            outcome = "found: the simulation hangs"
            if pipe in ready:
                with suppress(EOFError):
                    outcome = pipe.recv()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
            del running[pipe]
            free.append(slot)
            report(candidate, outcome)


@functools.cache
def equivalents() -> list[dict[str, str]]:
    """Mutants that behave as the original, each with the reason."""
    found: list[dict[str, str]] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    return found


def reason(candidate: Candidate) -> str | None:
    """Why a mutant behaves as the original, if it is known to."""
    for each in equivalents():
        same = each["before"] == candidate.before and each["after"] in ("*", candidate.after)
        if same and fnmatch.fnmatch(candidate.mutant.module, each["module"]):
            return each["reason"]
    return None


def campaign(
    count: int,
    seed: int,
    again: bool = False,
    names: Sequence[str] = tuple(CASES),
    groups: Sequence[str] = CLASSES,
    processes: int = PROCESSES,
) -> dict[str, list[tuple[Candidate, str]]]:
    """Run `count` mutants of each group; `again` those that have survived. Returns what became of each."""
    tool, pool = find("icarus"), candidates(names, seed)
    FOLDER.mkdir(parents=True, exist_ok=True)
    journal = FOLDER / "journal.jsonl"
    known = {}
    if journal.exists():
        known = {
            line["key"]: line["outcome"] for line in map(json.loads, journal.read_text(encoding="utf-8").splitlines())
        }
    if again:
        known = {key: outcome for key, outcome in known.items() if outcome != "survived"}
    found: dict[str, list[tuple[Candidate, str]]] = {}
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        for group in groups:
            results = found[group] = []
            task = bar.add_task(group, total=count)
            whole = lambda results=results: sum(outcome != "broken" for _, outcome in results)  # noqa: E731

            def report(candidate: Candidate, outcome: str, results: Any = results, task: Any = task) -> None:
                results.append((candidate, outcome))
                if candidate.key not in known:
                    with journal.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"key": candidate.key, "outcome": outcome}) + "\n")
                if outcome != "broken":
                    bar.advance(task)

            def fresh(group: str = group, report: Any = report, whole: Any = whole) -> Iterator[Candidate]:
                for candidate in drawn(pool, group, seed):
                    if whole() >= count:
                        return
                    if candidate.key in known:
                        report(candidate, known[candidate.key])
                    else:
                        yield candidate

            enough = functools.partial(_enough, results, count)
            run_all(fresh(), enough, tool, report, processes)
    return found


def _enough(results: Sequence[tuple[Candidate, str]], count: int) -> bool:
    return sum(outcome != "broken" for _, outcome in results) >= count


def show(found: Mapping[str, Sequence[tuple[Candidate, str]]], console: Console) -> dict[str, float]:
    """Print tables and survivors; returns the score of each group."""
    table = Table("logic", "verified with", "mutants", "found", "hang", "equivalent", "survive", "score", "95 %")
    scores = {}
    for group, results in found.items():
        built = [(each, outcome) for each, outcome in results if outcome != "broken"]
        survived = [each for each, outcome in built if outcome == "survived"]
        equal = [each for each in survived if reason(each) is not None]
        caught, real = len(built) - len(survived), len(built) - len(equal)
        interval = binomtest(caught, real).proportion_ci(method="wilson")
        scores[group] = caught / real
        hung = sum(outcome.endswith("hangs") for _, outcome in built)
        rest = len(survived) - len(equal)
        options = "--program --scrub" if group == "host" else "nothing"
        shares = f"{caught / real:.2%}", f"{interval.low:.1%} … {interval.high:.1%}"
        table.add_row(group, options, *map(str, (len(built), caught, hung, len(equal), rest)), *shares)
    console.print(table)
    kinds = Table("kind", *(f"{group}: found of" for group in found))
    for kind in KINDS:
        cells = []
        for results in found.values():
            of_kind = [outcome for each, outcome in results if each.mutant.kind == kind and outcome != "broken"]
            cells.append(f"{sum(outcome != 'survived' for outcome in of_kind)} of {len(of_kind)}")
        kinds.add_row(kind, *cells)
    console.print(kinds)
    broken = Counter(group for group, results in found.items() for _, outcome in results if outcome == "broken")
    console.print(f"not counted, because Icarus does not build them: {sum(broken.values())}")
    for results in found.values():
        for candidate, outcome in results:
            if outcome == "survived" and reason(candidate) is None:
                mutant = candidate.mutant
                console.print(f"{candidate.group}, {candidate.case}: {mutant.file}:{mutant.line}: {mutant.kind}")
                console.print(f"    {candidate.before}\n    {candidate.after}", markup=False, highlight=False)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help="mutants of each group")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=PROCESSES, help="mutants at a time")
    parser.add_argument("--restart", action="store_true", help="forget the results of earlier runs")
    parser.add_argument("--again", action="store_true", help="run those again that have survived")
    parser.add_argument("--only", choices=CLASSES, help="one group")
    given = parser.parse_args()
    if given.restart:
        (FOLDER / "journal.jsonl").unlink(missing_ok=True)
    started = time.monotonic()
    groups = CLASSES if given.only is None else (given.only,)
    show(
        campaign(given.count, given.seed, given.again, groups=groups, processes=given.processes),
        Console(soft_wrap=True),
    )
    print(f"{time.monotonic() - started:.0f} seconds")


if __name__ == "__main__":
    main()
