"""The front door: one command, `hafnet`, whose verbs work on one folder of plain files each.

network.safetensors   the network            (train, or made some other way)
samples.safetensors   inputs to verify with  (train, or made some other way)
images/               memory images          (export)
verilog/              SystemVerilog          (generate)
netlist/              cells of an FPGA       (synth)
simulation/           builds and runs        (verify)
faults/               accuracy under errors  (faults)
placed.safetensors    the network, its neurons in another order  (place)
energy/               what it costs          (energy)
summary.json          what came of it        (demo)
"""

import hafnet_rooms  # noqa: F401  (first of ours: it says where the others are)
from sim import interrupts

LOADING = interrupts.end_at_once()  # before all that takes time to load

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
import numpy as np

from model.errors import HafnetError, HafnetWarning, bounded
from model.files import to_be_written, write_whole
from model.pipeline import Results
from model.samples import Samples
from model.topology import Topology
from sim import steps
from sim.plans import Wish, plan_options
from sim.stdio import outlets
from sim.terminal import take_every_character


def folder_argument(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("folder", type=click.Path(file_okay=False, path_type=Path))(command)


def network_option(command: Callable[..., None]) -> Callable[..., None]:
    text = "The network's file, if it is not FOLDER/network.safetensors."
    return click.option("--network", type=click.Path(path_type=Path), help=text)(command)


def simulator_option(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    text = f"verilator or icarus; may be repeated.  {default}"
    return click.option("--simulator", "simulators", multiple=True, help=text)


def waves_option(command: Callable[..., None]) -> Callable[..., None]:
    text = "Leave waveforms (FST from Icarus, VCD from Verilator)."
    return click.option("--waves", is_flag=True, help=text)(command)


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """What decides how a network is trained; the defaults are those of `model.training.recipe.Recipe`."""
    for option in (
        click.option(
            "--data", default="digits", show_default=True, help="'digits', or a folder of IDX files or of CIFAR-10."
        ),
        click.option("--hidden", metavar="N,N…", help="Neurons of each hidden layer.  [default: 96,96]"),
        click.option("--levels", type=int, help="Thermometer levels per input value.  [default: 4]"),
        click.option(
            "--topology", metavar="TEXT", help="A network, 8x8x1b5-16c3p1-m2-10, in place of --hidden and --levels."
        ),
        click.option("--epochs", type=int, help="Times that all samples are seen.  [default: 150]"),
        click.option("--batch", type=int, help="Samples in a step.  [default: 64]"),
        click.option("--learning-rate", type=float, help="Of Adam, at the start.  [default: 0.01]"),
        click.option("--noise", type=float, help="Deviation of noise on inputs, of their range.  [default: 0.1875]"),
        click.option("--seed", type=int, help="Of everything random.  [default: 0]"),
        click.option("--error-rate", type=float, help="Of weights, flipped at random while training.  [default: 0]"),
        click.option("--device", help="'cpu' or 'cuda'.  [default: a GPU where there is one]"),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hafnet")
def cli() -> None:
    """Train a binarized network, map it onto 2T2R RRAM arrays, generate Verilog, and prove that both agree."""


@cli.command()
@folder_argument
@training_options
def train(folder: Path, **options: Any) -> None:
    """Train a network; leaves network.safetensors and samples.safetensors (the test samples) in FOLDER."""
    steps.train(folder, **options)


@cli.command()
@folder_argument
@network_option
@plan_options
@click.option("--format", "formats", multiple=True, help="hex, bin, ihex, coe or mif; may be repeated.  [default: hex]")
@click.option("--faults", type=click.Path(path_type=Path), help="A fault map: what is wrong with which cells.")
@click.option(
    "--random-faults", "rate", type=float, metavar="RATE", help="Make this share of devices stuck, and of cells weak."
)
@click.option("--fault-seed", default=0, show_default=True, help="Of random faults, and of the noise that they make.")
def export(
    folder: Path,
    network: Path | None,
    wish: Wish,
    formats: Sequence[str],
    faults: Path | None,
    rate: float | None,
    fault_seed: int,
) -> None:
    """Write the memory image of every array, with a manifest, into FOLDER/images.

    Without options of the plan, it is that of FOLDER/verilog, if this was generated for the same topology. Faults need
    arrays of fidelity devices or noisy; `hafnet verify` then expects what they make of the network.
    """
    loaded = steps.load_network(folder, network)
    plan = wish.plan(loaded.topology, folder / steps.VERILOG)
    steps.tell_surplus(wish, loaded.topology, plan)
    chosen = steps.choose_faults(loaded.topology, plan, faults, rate, fault_seed)
    steps.export(folder, loaded, plan, formats or ("hex",), chosen)


@cli.command()
@folder_argument
@network_option
@plan_options
@click.option("--plan", "only_plan", is_flag=True, help="Only print the plan and what it costs.")
@click.option("--shape", metavar="N-N…-N", help="Input bits and fan-outs (784-1024-1024-10), in place of a network.")
@click.option("--top", default=1, show_default=True, help="Classes that a result packet names, the best first.")
@click.option("--scores/--no-scores", default=True, show_default=True, help="Result packets carry all scores.")
@click.option("--input-width", type=int, help="TDATA bits of the input.  [default: enough not to slow the arrays]")
@click.option(
    "--target", default="generic", show_default=True, help="Build popcounts of xc7, ecp5 or ice40 primitives."
)
@click.option("--precharge", default=0, show_default=True, help="Cycles of SEN low before each read, after reset.")
@click.option("--sense", default=1, show_default=True, help="Cycles of SEN high in each read, after reset.")
@click.option("--set-pulse", default=100, show_default=True, help="Cycles of a SET pulse, after reset.")
@click.option("--reset-pulse", default=100, show_default=True, help="Cycles of a RESET pulse, after reset.")
@click.option("--form-pulse", default=1000, show_default=True, help="Cycles of a FORM pulse, after reset.")
@click.option(
    "--longest-pulse", default=10_000, show_default=True, help="Cycles after which a watchdog cuts any pulse."
)
@click.option(
    "--spare-entries", default=8, show_default=True, help="Rows of a layer that can be remapped to spare ones."
)
@click.option("--pulsed-at-once", default=32, show_default=True, help="Devices of a row that are pulsed together.")
def generate(
    folder: Path,
    network: Path | None,
    shape: str | None,
    wish: Wish,
    only_plan: bool,
    top: int,
    scores: bool,
    **options: Any,
) -> None:
    """Write the SystemVerilog of an accelerator, with a manifest, into FOLDER/verilog.

    It serves every network of the same topology. Without options of the plan, it is that of FOLDER/images, if these
    were exported for the same topology.
    """
    if shape is not None and network is not None:
        raise HafnetError(f"--shape {shape} and --network {network} exclude each other")
    topology = Topology.parse(shape) if shape is not None else steps.load_network(folder, network).topology
    plan = wish.plan(topology, folder / steps.IMAGES, Results(top, scores))
    steps.tell_surplus(wish, topology, plan)
    if only_plan:
        steps.show_plan(topology, plan, top=top, scores=scores, **options)
    else:
        steps.generate(folder, topology, plan, top=top, scores=scores, **options)


@cli.command()
@folder_argument
@network_option
@click.option("--target", default="ecp5", show_default=True, help="ecp5, xc7 or ice40.")
def synth(folder: Path, network: Path | None, target: str) -> None:
    """Map FOLDER/verilog, its memories filled from FOLDER/images, to the cells of an FPGA; leaves FOLDER/netlist.

    The images must be those of the network, where there is one. `hafnet verify --netlist` simulates the result.
    """
    steps.synth(folder, target, network)


@cli.command()
@folder_argument
@network_option
@simulator_option("[default: verilator]")
@click.option("--samples", type=click.Path(path_type=Path), help="Samples, if not FOLDER/samples.safetensors.")
@click.option("--count", type=int, metavar="N", help="Use the first N samples.")
@click.option("--random", "random_count", type=int, metavar="N", help="Use N random samples instead.")
@click.option("--program", is_flag=True, help="Program all arrays from a stream, and read them back, first.")
@click.option("--form", is_flag=True, help="Begin with pristine devices, and form each row before it is programmed.")
@click.option("--scrub", is_flag=True, help="Read back all arrays against the CRCs of their images meanwhile.")
@click.option("--netlist", is_flag=True, help="Simulate FOLDER/netlist in place of FOLDER/verilog.")
@waves_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random samples and of stalls.")
def verify(
    folder: Path,
    network: Path | None,
    simulators: Sequence[str],
    samples: Path | None,
    count: int | None,
    random_count: int | None,
    **options: Any,
) -> None:
    """Simulate FOLDER/verilog (or FOLDER/netlist) with FOLDER/images.

    Every hidden bit, score and class is compared with the golden model. Exit code 1 tells that they disagree.
    """
    from hdl.generate import load_manifest
    from sim.report import layer_uses, uses_table, verification_table
    from sim.tools import find

    if options["netlist"] and options["program"]:
        raise HafnetError("--netlist and --program exclude each other: a netlist's memories hold the images already")
    design = "netlist" if options["netlist"] else "RTL"
    loaded = steps.load_network(folder, network)
    chosen = steps.choose_samples(folder, loaded, samples, count, random_count, options["seed"])
    tools = [find(name) for name in simulators or steps.SIMULATORS[:1]]
    verifications = [steps.verify(folder, loaded, chosen, tool, **options) for tool in tools]
    for each in verifications:
        steps.console.print(verification_table(each, design))
    plan = load_manifest(folder / steps.VERILOG).plan
    steps.console.print(uses_table(layer_uses(loaded, plan, verifications[0].cycles)))
    finish(verifications, design)


@cli.command()
@folder_argument
@network_option
@click.option("--samples", type=click.Path(path_type=Path), help="Samples, if not FOLDER/samples.safetensors.")
@click.option("--count", type=int, metavar="N", help="Use the first N samples.")
@click.option("--rates", metavar="P,P…", help=f"Probabilities of a weight to be wrong.  [default: {steps.RATES}]")
@click.option(
    "--condition",
    "conditions",
    metavar="TEXT",
    multiple=True,
    help="How devices are programmed, in place of rates; may be repeated: strong, nominal, 'weak reset', 'weak set' or "
    "fast, and set_current_uA=55, reset_voltage_V=2, pulse_ns=1000, supply_V=1.2, cycles=1e6, age_h=10 between commas.",
)
@click.option(
    "--sweep", metavar="NAME=N,N…", help="Values of one quantity of a condition: reset_voltage_V=1.4,1.6,1.8."
)
@click.option("--device-table", "table", type=click.Path(path_type=Path), help="Measured resistances (CSV).")
@click.option("--cell", help="2T2R, or 1T1R read against a reference.  [default: 2T2R]")
@click.option("--maps", default=100, show_default=True, help="Fault maps that are drawn for each rate.")
@click.option("--layers", metavar="NAME,NAME…", help="Layers whose weights err.  [default: all]")
@click.option("--neurons", metavar="P", type=float, help="Also let each neuron alone err at this rate, and rank them.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster.  [default: all cores of this machine]")
@click.option("--restart", is_flag=True, help="Drop the results of earlier runs.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all fault maps.")
def faults(folder: Path, network: Path | None, samples: Path | None, count: int | None, **options: Any) -> None:
    """Accuracy of the network when its weights err, over many fault maps; leaves FOLDER/faults.

    Weights err at given rates, or as often as devices do that were programmed, aged and read so.

    Every result is saved as soon as it is there: whatever ends a run, the next one goes on from there, also with more
    rates and more maps.
    """
    loaded = steps.load_network(folder, network)
    chosen = steps.choose_samples(folder, loaded, samples, count, None, 0)
    steps.faults(folder, loaded, chosen, **options)


@cli.command()
@folder_argument
@network_option
@plan_options
@click.option("--faults", type=click.Path(path_type=Path), help="A fault map, if it is not that of FOLDER/images.")
@click.option(
    "--ranking",
    type=click.Path(path_type=Path),
    help="Neurons by what an error does, if not FOLDER/faults/neurons.csv.",
)
def place(folder: Path, network: Path | None, wish: Wish, faults: Path | None, ranking: Path | None) -> None:
    """Put the neurons of each layer where the faults of given arrays harm least; leaves FOLDER/placed.safetensors.

    It computes the same as the network and takes its place (--network FOLDER/placed.safetensors) on these very arrays.
    Neurons count by the ranking that `hafnet faults --neurons` leaves; where there is none, all alike.
    """
    loaded = steps.load_network(folder, network)
    plan = wish.plan(loaded.topology, folder / steps.IMAGES)
    steps.place(folder, loaded, plan, faults, ranking)


@cli.command()
@folder_argument
@network_option
@click.option("--samples", type=click.Path(path_type=Path), help="Samples, if not FOLDER/samples.safetensors.")
@click.option("--count", type=int, help="Count the first N samples.  [default: 8, or all if there are fewer]")
@click.option("--random", "random_count", type=int, metavar="N", help="Use N random samples instead.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random samples.")
@click.option("--supply", type=float, default=1.2, show_default=True, help="Volts.")
@click.option(
    "--condition",
    metavar="TEXT",
    default="nominal",
    show_default=True,
    help="How devices are programmed: strong, nominal, 'weak reset', 'weak set' or fast, and set_current_uA=55, "
    "reset_voltage_V=2, pulse_ns=1000 between commas.",
)
@click.option(
    "--coefficients", type=click.Path(path_type=Path), metavar="FILE", help="CSV of event, capacitance_fF and source."
)
@click.option(
    "--simulate/--no-simulate", default=True, show_default=True, help="Count memories, registers and clock in the RTL."
)
def energy(
    folder: Path,
    network: Path | None,
    samples: Path | None,
    count: int | None,
    random_count: int | None,
    seed: int,
    simulate: bool,
    **options: Any,
) -> None:
    """What an inference costs, in nJ and TOPS/W, and programming the arrays once; leaves FOLDER/energy.

    Reads, popcounts and thresholds are counted from the plan; memories, registers and the clock in FOLDER/verilog on
    Verilator, while images pass. Coefficients are estimates for 130 nm unless measured ones are given.
    """
    loaded, chosen = steps.load_network(folder, network), None
    if simulate:
        chosen = steps.choose_samples(folder, loaded, samples, count, random_count, seed)
        chosen = chosen.first(min(len(chosen), 8)) if count is None and random_count is None else chosen
    steps.energy(folder, loaded, chosen, **options)


@cli.command()
@click.option(
    "--out",
    "folder",
    default="build/demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to work in.",
)
@training_options
@plan_options
@simulator_option("[default: all that are there]")
@waves_option
def demo(folder: Path, wish: Wish, simulators: Sequence[str], waves: bool, **options: Any) -> None:
    """Everything: train on handwritten digits, export, generate, verify on every test image, and sum up."""
    from model.golden import classify
    from sim.report import summarise, summary_table
    from sim.tools import find

    click.get_current_context().with_resource(to_be_written(folder / steps.SUMMARY))
    tools = [find(name) for name in simulators] or steps.simulators_there()
    seconds: dict[str, float] = {}
    with steps.timed(seconds, "train"):
        steps.train(folder, **options)
    network, samples = steps.load_network(folder, None), Samples.load(folder / steps.SAMPLES)
    plan = wish.plan(network.topology)
    steps.tell_surplus(wish, network.topology, plan)
    golden_accuracy = float(np.mean(classify(network, samples.values) == samples.labels))
    with steps.timed(seconds, "export"):
        steps.export(folder, network, plan, ("hex",))
    with steps.timed(seconds, "generate"):
        steps.generate(folder, network.topology, plan)
    verifications = []
    for tool in tools:
        with steps.timed(seconds, f"verify on {tool.name}"):
            verifications.append(steps.verify(folder, network, samples, tool, waves=waves))
    summary = summarise(network, plan, golden_accuracy, verifications, seconds)
    write_whole(folder / steps.SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    steps.wrote(folder / steps.SUMMARY)
    steps.console.print(summary_table(summary))
    finish(verifications)


def finish(verifications: Sequence[Any], design: str = "RTL") -> None:
    """Say how it ended; exit code 1 where the design and golden disagree."""
    wrong = [each for each in verifications if each.mismatches]
    for each in wrong:
        fail(f"{each.mismatches} of {each.values} values differ, the first on {each.first[0]}")
    if wrong:
        raise SystemExit(1)
    compared = sum(each.values for each in verifications)
    names = " and ".join(each.simulator for each in verifications)
    steps.say(f"{design} and golden agree on all {compared} values, on {names}")


def fail(text: str) -> None:
    """A sentence for standard error."""
    click.echo(f"hafnet: {text}", err=True)


@contextmanager
def told_warnings() -> Iterator[None]:
    """Each warning of ours is one line of standard error, and told once."""
    told: set[str] = set()
    with warnings.catch_warnings():
        other = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, HafnetWarning):
                other(message, category, filename, lineno, file, line)
            elif str(message) not in told:
                told.add(str(message))
                fail(f"warning: {message}")

        warnings.simplefilter("always", HafnetWarning)
        warnings.showwarning = show
        yield


def main() -> None:
    """Run the command line, and end the process; see `run` for its exit code.

    Whoever reads what it prints may go away, and nothing changes: it does its work, saves it, and ends with the exit
    code that this deserves. Where standard output cannot be written otherwise (a full disk), the exit code is 2.
    """
    interrupts.unwind()
    take_every_character()
    with outlets() as output:
        code = run()
        if output is not None:
            sys.stdout.flush()
            if output.full:
                fail(f"standard output: {output.full}; what should have been printed is lost, and nothing else")
                code = code or 2
        interrupts.end_at_once()
    sys.exit(code)


def run() -> int:
    """Run the command line; the exit code.

    It is 2 after one sentence for a user's mistake, 1 where something disagrees or fails, and 128 and its number after
    a signal.
    """
    try:
        with told_warnings():
            return int(cli.main(standalone_mode=False) or 0)
    except BaseException as error:
        # What was made for a work that is not done is thrown away, and need not say that it was never used.
        warnings.simplefilter("ignore")
        return told(error)


def told(error: BaseException) -> int:
    """Say in one sentence why a verb ended before its end; its exit code. What nobody foresaw is raised."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return 2
    if isinstance(error, interrupts.Stopped):
        fail(error.sentence)
        return int(str(error.code))
    if isinstance(error, SystemExit):
        return int(error.code or 0)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        fail("interrupted")
        return 130
    if isinstance(error, click.ClickException):
        fail(bounded(error.format_message()))
        return 2
    if isinstance(error, HafnetError):
        fail(str(error))
        return 2
    if isinstance(error, OSError):
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 2
    from sim.cells import SynthesisError
    from sim.runner import SimulationError

    if isinstance(error, SimulationError | SynthesisError):
        fail(str(error))
        return 1
    raise error


interrupts.put_back(LOADING)  # for whoever imports this
