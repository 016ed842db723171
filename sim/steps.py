"""The steps of the main job, each on one folder of plain files, with what they tell whoever waits."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import TimeElapsedColumn, TimeRemainingColumn

from model.errors import HafnetError, short
from model.faults import FREE, NO_FAULTS, FaultMap, random_faults
from model.files import restore, to_be_filled, to_be_written, write_whole
from model.network import PLACED_FROM, Network
from model.pipeline import Results
from model.plan import Plan
from model.samples import Samples
from model.topology import Topology
from sim.plans import Wish
from sim.tables import busy, counting_bar, plain_console

NETWORK, SAMPLES, IMAGES, VERILOG, NETLIST, SIMULATION, FAULTS, ENERGY, SUMMARY = (
    "network.safetensors",
    "samples.safetensors",
    "images",
    "verilog",
    "netlist",
    "simulation",
    "faults",
    "energy",
    "summary.json",
)
SIMULATORS = ("verilator", "icarus")
NEURONS, PLACED = "neurons.csv", "placed.safetensors"
RATES = "1e-5,1e-4,1e-3,3e-3,1e-2,3e-2,1e-1,2e-1"

console = plain_console()


def train(folder: Path, **options: Any) -> None:
    """Train, and leave network and test samples in the folder."""
    from model.training.datasets import load_digits, load_folder
    from model.training.recipe import Recipe, pick_device, progress_bar
    from model.training.recipe import train as run

    source, hidden, device = options.pop("data"), options.pop("hidden"), options.pop("device")
    topology, levels = options["topology"], options["levels"]
    for name, other in (("--hidden", hidden), ("--levels", levels)):
        if topology is not None and other is not None:
            raise HafnetError(f"--topology {topology} and {name} {other} exclude each other")
    given = {name: value for name, value in options.items() if value is not None}
    if hidden is not None:
        given["hidden"] = parse_numbers("--hidden", hidden, ",")
    recipe = Recipe(**given)
    pick_device(device)
    data = load_digits() if source == "digits" else load_folder(Path(source))
    with to_be_written(folder / NETWORK, folder / SAMPLES):
        with progress_bar(recipe.epochs, console) as progress:
            trained = run(data, recipe, device, progress)
        trained.network.save(folder / NETWORK)
        data.test.made_for(trained.network).save(folder / SAMPLES)
    say(f"trained {trained.network.topology} on {data.name}: {trained.accuracy:.2%} of the test samples are right")
    wrote(folder / NETWORK, folder / SAMPLES)


def tell_surplus(wish: Wish, topology: Topology, plan: Plan) -> None:
    """Say so where a plan takes many times the arrays of the plain one."""
    if (sentence := wish.surplus(topology, plan)) is not None:
        say(sentence)


def export(folder: Path, network: Network, plan: Plan, formats: Sequence[str], faults: FaultMap = NO_FAULTS) -> None:
    """Write memory images."""
    from model import images

    count = sum(grid.arrays for grid in plan.maps(network.topology) if grid is not None)
    with busy(console, f"exporting {count} arrays"):
        manifest = images.export(network, plan, folder / IMAGES, formats, faults)
    say(f"exported {count} arrays of {plan.geometry}, and the numbers of {len(network.layers)} layers")
    if faults.arrays:
        stuck = sum(int((each.stuck != FREE).sum()) for each in faults.arrays.values())
        weak = sum(int((each.weak != 0).sum()) for each in faults.arrays.values())
        say(f"with {stuck} stuck devices and {weak} weak cells")
    wrote(manifest)


def choose_faults(topology: Topology, plan: Plan, given: Path | None, rate: float | None, seed: int) -> FaultMap:
    """The faults that are asked for: those of a file, random ones, or none. Raises HafnetError where they cannot be."""
    if given is not None and rate is not None:
        raise HafnetError(f"--faults {given} and --random-faults {rate} exclude each other")
    if given is None and rate is None:
        return NO_FAULTS
    if plan.fidelity == "bits":
        raise HafnetError("arrays of fidelity 'bits' have no faults: they need --fidelity devices or noisy")
    if given is not None:
        return load_faults(given, topology, plan)
    assert rate is not None
    return random_faults(topology, plan, stuck=rate, weak=rate, seed=seed)


def load_faults(path: Path, topology: Topology, plan: Plan) -> FaultMap:
    """The fault map in a file. Raises HafnetError, naming the file, where it is not one for topology and plan."""
    faults = FaultMap.load(path)
    try:
        faults.check(topology, plan)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    return faults


def accelerator(topology: Topology, plan: Plan, **options: Any) -> Any:
    """The accelerator of a topology and a plan; `options` are those of `hafnet generate`."""
    from hdl.accelerator import Accelerator
    from hdl.arrays.controller import Limits
    from hdl.registers import Timing

    phases = ("precharge", "sense", "set_pulse", "reset_pulse", "form_pulse")
    timing = Timing(**{name: options.pop(name) for name in phases if name in options})
    limits = Limits(**{name: options.pop(name) for name in ("longest_pulse", "pulsed_at_once") if name in options})
    return Accelerator(topology, plan, timing=timing, limits=limits, **options)


def show_plan(topology: Topology, plan: Plan, **options: Any) -> None:
    """Say what a plan is and costs, if an accelerator can be made of it."""
    from sim.plans import plan_table

    block = accelerator(topology, plan, **options)
    console.print(plan_table(topology, plan, Results(block.top, block.scores), block.bus_width))


def generate(folder: Path, topology: Topology, plan: Plan, **options: Any) -> None:
    """Write Verilog."""
    from hdl.generate import MANIFEST
    from hdl.generate import generate as run

    block = accelerator(topology, plan, **options)
    with busy(console, f"generating {block.arrays} arrays"):
        manifest = run(block, folder / VERILOG)
    size = sum((folder / VERILOG / listed.file).stat().st_size for listed in manifest.files)
    say(f"generated {topology} with {manifest.arrays} arrays: {len(manifest.files)} files, {size / 1000:.0f} kB")
    wrote(folder / VERILOG / MANIFEST)


def synth(folder: Path, target: str, network: Path | None = None) -> None:
    """Map Verilog and images, which must be those of the network if there is one, to the cells of an FPGA."""
    from sim.netlist import DESCRIPTION, synthesise
    from sim.report import cells_table

    there = network is not None or (folder / NETWORK).exists()
    expected = load_network(folder, network) if there else None
    with busy(console, f"synthesising for {target}"):
        netlist = synthesise(folder / VERILOG, folder / IMAGES, folder / NETLIST, target, expected)
    console.print(cells_table(netlist))
    wrote(folder / NETLIST / DESCRIPTION)


def verify(folder: Path, network: Network, samples: Samples, tool: Any, netlist: bool = False, **options: Any) -> Any:
    """Simulate on one simulator, the RTL or the netlist made from it."""
    from sim.verify import verify as run

    work = folder / SIMULATION / tool.name
    if netlist:
        from sim.netlist import load_netlist

        described = load_netlist(folder / NETLIST, folder / VERILOG, folder / IMAGES, network)
        options["netlist"] = [folder / NETLIST / listed.file for listed in described.files]
        work = folder / SIMULATION / f"{tool.name}-{NETLIST}"

    with _simulating(tool) as report:
        result = run(tool, network, samples, folder / VERILOG, folder / IMAGES, work, progress=report, **options)
    if result.waves is not None:
        wrote(result.waves)
    return result


@contextmanager
def _simulating(tool: Any) -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar, and what is to be told of stage, what is done and how much that is of what."""
    with counting_bar(console, TimeElapsedColumn()) as bar:
        task = bar.add_task(f"{tool.name}: checking", total=None)

        def report(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=f"{tool.name}: {stage}", completed=done, total=total)

        yield report


def energy(
    folder: Path,
    network: Network,
    samples: Samples | None,
    supply: float,
    condition: str,
    coefficients: Path | None,
) -> None:
    """What an inference and programming cost, counted in the RTL where there are samples; leaves CSV, JSON and pictures
    in the folder's folder `energy`.
    """
    from model.device.energy import Coefficients
    from model.energy.account import as_csv, as_json
    from model.energy.activity import by_layer
    from model.energy.coefficients import load
    from model.energy.plot import draw
    from sim import energy as counting
    from sim.report import energy_summary, energy_table, programming_table
    from sim.tools import find

    chosen = Coefficients() if coefficients is None else load(coefficients)
    counting.check(supply, condition)
    target = folder / ENERGY
    with to_be_filled(target):
        if samples is None:
            made = next((each for each in (VERILOG, IMAGES) if there(folder / each)), VERILOG)
            plan = Wish().plan(network.topology, folder / made)
            account = counting.account(network, plan, by_layer(network.topology, plan), supply, condition, chosen)
        else:
            from hdl.generate import load_manifest

            tool, work = find(SIMULATORS[0]), folder / SIMULATION / ENERGY
            plan = load_manifest(folder / VERILOG).plan
            with _simulating(tool) as report:
                counted = counting.count(tool, network, samples, folder / VERILOG, folder / IMAGES, work, report)
            account = counting.account(network, plan, counted, supply, condition, chosen, len(samples), True)
        summary = energy_summary(account)  # which refuses coefficients that are all 0
        files = {"csv": as_csv(account).encode(), "json": as_json(account).encode(), **draw(account)}
        for kind, data in files.items():
            write_whole(target / f"{ENERGY}.{kind}", data)
    console.print(energy_table(account))
    console.print(programming_table(account))
    say(summary)
    wrote(*(target / f"{ENERGY}.{kind}" for kind in files))


def faults(folder: Path, network: Network, samples: Samples, **options: Any) -> None:
    """Accuracy against weight errors; leaves a journal, CSV, JSON and pictures in the folder's folder `faults`."""
    with to_be_filled(folder / FAULTS):
        _faults(folder / FAULTS, network, samples, **options)


def _faults(
    target: Path,
    network: Network,
    samples: Samples,
    scheduler: str | None,
    restart: bool,
    maps: int,
    seed: int,
    neurons: float | None,
    **asked: Any,
) -> None:
    from model.campaign.journal import Journal
    from model.campaign.outcome import as_json, collect, neurons_csv, points_csv
    from model.campaign.plot import draw
    from model.campaign.points import Campaign
    from model.campaign.workers import compute
    from sim.report import facts_table, points_table, sensitivity_table

    axis, points = campaign_points(network, **asked)
    campaign = Campaign(network, samples, points, maps, seed, axis, neurons)
    tasks = {task.key: task for task in campaign.tasks()}
    with (
        Journal(target / "journal.jsonl", campaign.settings, campaign.check, restart) as journal,
        counting_bar(console, TimeRemainingColumn()) as bar,
    ):
        missing = [task for key, task in tasks.items() if key not in journal.results]
        if len(missing) < len(tasks):
            say(f"{len(tasks) - len(missing)} of {len(tasks)} results are there from an earlier run")
        progress = bar.add_task("fault maps", total=len(tasks), completed=len(tasks) - len(missing))
        with closing(compute(campaign, missing, scheduler)) as results:
            for task, result in results:
                journal.add(task.key, result)
                bar.advance(progress)
        outcome = collect(campaign, journal.results)
        files = {"csv": points_csv(outcome).encode(), "json": as_json(outcome).encode(), **draw(outcome)}
        written = {f"faults.{kind}": data for kind, data in files.items()}
        if outcome.neurons:
            written[NEURONS] = neurons_csv(outcome).encode()
        for name, data in written.items():
            write_whole(target / name, data)
    if outcome.facts:
        console.print(facts_table(outcome))
    console.print(points_table(outcome))
    if outcome.neurons:
        console.print(sensitivity_table(outcome))
    wrote(*(target / name for name in written))


def place(folder: Path, network: Network, plan: Plan, faults: Path | None, ranking: Path | None) -> None:
    """Leave the network with its neurons where faults harm least."""
    from model import images
    from model.placement import load_sensitivities
    from model.placement import place as run
    from sim.report import placement_table

    if faults is None and not (there(folder / IMAGES) and (folder / IMAGES / images.FAULTS).exists()):
        raise HafnetError(f"{folder / IMAGES} has no fault map: --faults FILE names one, `hafnet export` makes one")
    faults = faults or folder / IMAGES / images.FAULTS
    given = load_faults(faults, network.topology, plan)
    ranking = ranking or (folder / FAULTS / NEURONS if (folder / FAULTS / NEURONS).exists() else None)
    sensitivities = None if ranking is None else load_sensitivities(ranking, network)
    with to_be_written(folder / PLACED):
        with busy(console, f"placing the neurons of {len(network.layers)} layers"):
            found = run(network, plan, given, sensitivities)
        found.network.save(folder / PLACED)
    say(f"faults of {faults}; " + ("all neurons count alike" if ranking is None else f"neurons count as in {ranking}"))
    console.print(placement_table(found))
    wrote(folder / PLACED)


def campaign_points(
    network: Network,
    rates: str | None,
    conditions: Sequence[str],
    sweep: str | None,
    table: Path | None,
    cell: str | None,
    layers: str | None,
) -> tuple[str, tuple[Any, ...]]:
    """The axis of a campaign and its points: error rates, programming conditions, or values of one quantity of them.

    Raises HafnetError where these exclude each other.
    """
    from model.campaign.conditions import CELLS, at_situations, swept
    from model.campaign.points import ERRORS, at_rates
    from model.device.presets import HFO2
    from model.device.situation import Situation, Sweep
    from model.device.table import Table

    chosen = () if layers is None else layers.split(",")
    if not conditions and sweep is None:
        for name, given in (("--device-table", table), ("--cell", cell)):
            if given is not None:
                raise HafnetError(f"{name} {given} says nothing without --condition or --sweep")
        return ERRORS, at_rates(network, parse_rates("--rates", RATES if rates is None else rates), chosen)
    if rates is not None:
        raise HafnetError(f"--rates {rates} and --condition or --sweep exclude each other")
    if cell not in (None, *CELLS):
        raise HafnetError(f"--cell {short(cell)} is not known: it must be {' or '.join(CELLS)}")
    source = HFO2 if table is None else Table.load(table)
    # Spaces are no difference that a reader sees.
    texts = dict.fromkeys(", ".join(map(str.strip, text.split(","))) for text in conditions)
    situations = [(text, Situation.parse(text)) for text in texts]
    if sweep is None:
        return ERRORS, at_situations(network, situations, chosen, source, cell or CELLS[0])
    if len(situations) > 1:
        raise HafnetError(f"--sweep {sweep} goes with one --condition, not with {len(situations)}")
    asked = Sweep.parse(sweep)
    base = situations[0][1] if situations else Situation()
    return asked.title, swept(network, asked, base, chosen, source, cell or CELLS[0])


def there(folder: Path) -> bool:
    """Whether there is such a folder, if need be put back first."""
    restore(folder)
    return folder.exists()


def load_network(folder: Path, given: Path | None) -> Network:
    """The network that is given, or else the folder's.

    Raises HafnetError where there is none, and says where one comes from, and where it was placed from another network
    than the one beside it.
    """
    if given is None and not (folder / NETWORK).exists():
        raise HafnetError(f"{folder / NETWORK}: no such file; `hafnet train {folder}` makes it, or give --network FILE")
    path = given or folder / NETWORK
    network, source = Network.load(path), path.with_name(NETWORK)
    placed_from = network.origin.get(PLACED_FROM)
    if placed_from is not None and source.exists() and not source.samefile(path):
        beside = Network.load(source)
        if beside.digest != placed_from:
            raise HafnetError(f"{path} was placed from another network than {source}: `hafnet place` makes it anew")
    return network


def choose_samples(
    folder: Path, network: Network, given: Path | None, count: int | None, random_count: int | None, seed: int
) -> Samples:
    """The samples to verify with. Raises HafnetError where they do not fit the network, or none are left."""
    for name, number in (("--count", count), ("--random", random_count)):
        if number is not None and number < 1:
            raise HafnetError(f"{name} {number} is not possible, at least 1 sample is needed")
    if random_count is not None:
        for name, other in (("--samples", given), ("--count", count)):
            if other is not None:
                raise HafnetError(f"--random {random_count} and {name} {other} exclude each other")
        low, high = network.encoding.range
        source = np.random.default_rng(seed)
        return Samples(source.integers(low, high, (random_count, network.encoding.values), endpoint=True))
    path, classes = given or folder / SAMPLES, network.topology.output.fan_out
    if given is None and not path.exists():
        raise HafnetError(f"{path}: no such file; `hafnet train` makes it, or give --samples FILE")
    samples = Samples.load(path)
    try:
        samples.check(network)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    samples.check_labels(classes, str(path))
    samples.warn_of_empty_classes(classes, str(path))
    return samples if count is None else samples.first(count)


def simulators_there() -> list[Any]:
    """Verilator, and Icarus where it is installed."""
    from sim.tools import find

    there = []
    for name in SIMULATORS:
        try:
            there.append(find(name))
        except HafnetError as error:
            say(f"not on {name}: {error}")
    if not there:
        raise HafnetError("no simulator was found, but at least one of verilator and icarus is needed")
    return there


def parse_numbers(option: str, text: str, separator: str) -> tuple[int, ...]:
    """64,64 or 784-10 as numbers."""
    try:
        return tuple(int(part) for part in text.split(separator))
    except ValueError:
        raise HafnetError(f"{option} {short(text)} is not numbers separated by {separator!r}") from None


def parse_rates(option: str, text: str) -> tuple[float, ...]:
    """1e-4,1e-3 as numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise HafnetError(f"{option} {short(text)} is not numbers separated by ','") from None


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step takes."""
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 2)


def say(text: str) -> None:
    console.print(text)


def wrote(*paths: Path) -> None:
    say("wrote " + ", ".join(map(str, paths)))
