"""`hafnet verify`: generated Verilog with its memory images against the golden model, value by value."""

import functools
import inspect
import re
import shutil
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec

import numpy as np
import numpy.typing as npt

from hdl.arrays.host_access import PATIENCE as PATIENCE_OF_LOADER
from hdl.emit import IMAGES_PLUSARG, TOP_IMAGE
from hdl.generate import MANIFEST, Manifest
from hdl.instances import Tree
from hdl.programming import FAILURES
from hdl.streams.packets import RESULT_WIDTH
from model import bits, images
from model.errors import HafnetError
from model.faults import FREE, ArrayPlace, FaultMap
from model.faulty import FaultyArrays
from model.files import naming
from model.golden import Trace, infer
from model.locks import exclusive, watch
from model.network import Network
from model.pipeline import Pipeline, Results
from model.plan import Plan
from model.samples import Integers, Samples
from model.signatures import contents_crc32
from model.topology import StochasticInput, Topology
from sim import harness, records
from sim.cells import TARGETS, models
from sim.commands import Commands
from sim.compare import Disagreement, Found, compare
from sim.dialogue import Dialogue
from sim.folders import check_folder
from sim.passes import RANDOM, Pass, passes, programmed_pass
from sim.programmed import PROGRAMMING, form_order, programmed
from sim.raw import Entropy
from sim.runner import Design, SimulationError, build, space_left
from sim.tools import Tool

Given = ParamSpec("Given")

PRIMITIVE = re.compile(r"^  ([A-Z][A-Z0-9_]*) (?:#\(|\w+ \()", re.MULTILINE)
"""A cell of an FPGA in generated Verilog: our own modules are in small letters."""
PLAIN = {"COCOTB_REWRITE_ASSERTION_FILES": ""}
"""Without what pytest makes of assertions: the bench says what is wrong, and pytest takes two seconds to load."""
SHOWN = 10
"""So many differences are told one by one."""
PATIENCE = 64
"""So many times as long as all row reads of one image together nothing may pass before the simulation is given up."""
DRAIN = 50
"""Cycles that an image takes at most on its way besides those of reads and words."""
HELD = ("array", "thresholds", "offsets", "modes")
"""What the host writes; the other images say what the chip is like."""
SLOWER = 3
"""By so many cycles a read takes longer in the pass that is slow."""
LOAD_CYCLES = 8
"""Cycles that the loader of numbers takes at most for a word besides those of reading it and of its bits."""
CONTROLLER = "hafnet_controller_"
"""What the names of the modules begin with that drive the lines of arrays."""
MANY_ARRAYS = 200
"""From so many arrays on, Verilator builds blocks that occur at least OFTEN times once for all of them."""
OFTEN = 5


@dataclass(frozen=True)
class Verification:
    """What one simulator said.

    `values` is the number of values compared (every hidden bit, every score, every class, in each pass), `mismatches`
    how many differ and `first` the first of them; `accuracy` is that of the RTL, None without labels; `cycles` are
    cycles per image at full rate, from the first result to the last, None for a single sample; times are in seconds.
    """

    simulator: str
    version: str
    samples: int
    values: int
    mismatches: int
    first: tuple[Disagreement, ...]
    accuracy: float | None
    cycles: float | None
    build_seconds: float
    run_seconds: float
    waves: Path | None


def build_accelerator(tool: Tool, verilog: Path, manifest: Manifest, folder: Path) -> Design:
    """Build the accelerator of `verilog` in `folder` as a top of its own."""
    files = sources(verilog, manifest, folder)
    return build(tool, files, manifest.top, folder, ports=[port.name for port in manifest.ports])


def shared_blocks(tree: Tree, tool: Tool, manifest: Manifest, waves: bool) -> list[str]:
    """What Verilator builds once for all its instances: nothing for Icarus, small designs, and those with waveforms.

    Verilator writes C++ for every array otherwise, and optimises all of it together.
    """
    if tool.name != "verilator" or waves or manifest.arrays < MANY_ARRAYS:
        return []
    return tree.repeated(manifest.top, OFTEN)


def sources(verilog: Path, manifest: Manifest, folder: Path) -> list[Path]:
    """The files of a generated folder, in the order in which tools should read them; before them, where it consists of
    an FPGA's primitives, their models, which are written into `folder`.
    """
    files = [verilog / listed.file for listed in manifest.files]
    if manifest.target == "generic":
        return files
    found = {name for file in files for name in PRIMITIVE.findall(file.read_text(encoding="utf-8"))}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "hafnet_cells.sv"
    path.write_text(models(TARGETS[manifest.target], sorted(found)), encoding="utf-8")
    return [path, *files]


def build_harness(
    tool: Tool,
    accelerator: Sequence[Path],
    manifest: Manifest,
    folder: Path,
    shared: Sequence[str] = (),
    waves: bool = False,
    controllers: Mapping[int, str] = MappingProxyType({}),
) -> Design:
    """Build the accelerator, whose files these are, in its harness (`sim.harness`) in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    top = folder / f"{harness.TOP}.sv"
    top.write_text(harness.harness(manifest, controllers), encoding="utf-8")
    files = [*accelerator, *harness.PARTS, top]
    ports = harness.ports(manifest)
    return build(tool, files, harness.TOP, folder / "build", ports=ports, shared=shared, waves=waves)


def _alone(run: Callable[Given, Verification]) -> Callable[Given, Verification]:
    """`verify` while nobody else works in its folder.

    Where what it reads was replaced meanwhile, or the disk is full, this is its error, and not what came of it.
    """
    signature = inspect.signature(run)

    @functools.wraps(run)
    def alone(*arguments: Given.args, **options: Given.kwargs) -> Verification:
        given = signature.bind(*arguments, **options).arguments
        folder, replaced = given["folder"], _watch(given["verilog"], given["images_folder"], given.get("netlist", ()))
        with exclusive(folder), space_left(folder), naming(folder):
            try:
                return run(*arguments, **options)
            except Exception:
                replaced()
                raise

    return alone


def _watch(verilog: Path, images_folder: Path, netlist: Sequence[Path]) -> Callable[[], None]:
    return watch(verilog / MANIFEST, images_folder / images.MANIFEST, *netlist)


@_alone
def verify(
    tool: Tool,
    network: Network,
    samples: Samples,
    verilog: Path,
    images_folder: Path,
    folder: Path,
    *,
    waves: bool = False,
    program: bool = False,
    form: bool = False,
    scrub: bool = False,
    netlist: Sequence[Path] = (),
    rtl: Sequence[Path] = (),
    stalls: bool = True,
    seed: int = 0,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> Verification:
    """Simulate every sample on the RTL and compare every hidden bit, score and class with golden.

    `folder` keeps the build and the run. With `program` the arrays start from images of zeros and are programmed from a
    stream, and read back; with `form` their devices are pristine, and each row is formed first. With `scrub` the host
    reads back all arrays against the CRCs of their images while the samples pass a second time. `netlist` are the files
    that stand for the RTL, if any; their memories hold the images already. `rtl` are files that take the place of those
    of `verilog`, if any, and have the same modules. Without `stalls` the samples pass only once, at full
    rate, and no commands are tried besides those that program.
    `progress` is told what is being done, and how much of how much. Raises HafnetError where files do not fit each
    other, another run is under way in `folder`, or replaces `verilog` or `images_folder` before they have been read;
    SimulationError where the simulator or the bench fails.
    """
    samples.check_labels(network.topology.output.fan_out)
    replaced = _watch(verilog, images_folder, netlist)
    manifest, contents = check_folder(network, verilog, images_folder)
    count = len(samples)
    given = network.topology.input
    given_faults = images.load_faults(images_folder)
    faults = FaultyArrays(network, manifest.plan, given_faults, manifest.timing.sense, manifest.spare_entries)
    memories = [_memory(image) for image in contents if image.kind in HELD] if program else []
    if scrub and faults.noisy:
        raise HafnetError(f"--scrub needs arrays that always read the same, but {images_folder} has noisy ones")
    if form and not (program and manifest.plan.fidelity != "bits"):
        raise HafnetError("--form needs --program, and arrays of fidelity 'devices' or 'noisy'")
    for memory in memories if form else ():
        memory["form"] = form_order(manifest.plan.geometry) if memory["array"] else []
    answers = programmed(faults, memories, manifest.timing.retries)
    scrubs = [_scrub(image, manifest.plan) for image in contents if scrub and image.kind == "array"]
    right = [_signatures(faults)]
    after_reset, commands = Dialogue(manifest), Commands(manifest, faults=faults, numbers=_numbers(memories))
    after_reset.after_reset()

    def golden(values: Integers) -> Trace:
        entropy = Entropy(given) if isinstance(given, StochasticInput) and given.external else None
        return infer(network, values, entropy=entropy, faults=faults)

    planned = passes(network, samples, stalls, seed, lambda values: golden(values).classes, faults.noisy)
    at_once = []
    if program:
        first = programmed_pass(planned[0])
        at_once.append((first, golden(first.values)))
        tables = [faults.table(layer) for layer, _ in _tables(manifest)]
        faults.reset()
        right.append(_signatures(faults))
        if stalls:
            only_registers = faults.noisy or _signatures_are_stuck(given_faults, manifest.plan)
            commands.registers() if only_registers else commands.commands()
        faults.reset()
        planned[0] = replace(planned[0], reset=True)
    expected = [*((each, golden(each.values)) for each in planned), *at_once]
    looks = _signed(manifest) or bool(program and _tables(manifest))
    right += [_signatures(faults)] * (looks * sum(each.reset for each in planned))
    started = time.monotonic()
    progress("building", 0, None)
    tree = Tree.read({listed.file: (verilog / listed.file).read_text(encoding="utf-8") for listed in manifest.files})
    shared = [] if netlist else shared_blocks(tree, tool, manifest, waves)
    files = netlist or rtl or sources(verilog, manifest, folder)
    # A netlist has no controllers any more that could be found by their names.
    controllers = {} if netlist else _controllers(tree, manifest)
    design = build_harness(tool, files, manifest, folder, shared, waves, controllers)
    built = time.monotonic()
    progress("simulating", 0, count)
    run_folder = folder / "run"
    names = {f"{image.name}.hex": f"{image.name}.hex" for image in contents}
    if shared:
        paths = tree.memories(manifest.top, shared)
        names = {f"{image}.hex": f"{harness.TOP}.{harness.DUT}.{path}.hex" for path, image in paths}
    blank = {f"{memory['name']}.hex" for memory in memories}
    blank |= {f"{image.name}.hex" for image in contents if form and image.kind == "formed"}
    _lay_images(run_folder / TOP_IMAGE, images_folder, names, blank)
    replaced()  # from here on nothing of the two folders is read any more
    row = manifest.timing.precharge + manifest.timing.sense + SLOWER
    cycles = sum(layer.reads * row + layer.words for layer in manifest.layers) + DRAIN
    if isinstance(given, StochasticInput):
        cycles += given.width * given.depth * given.times  # as many random bits, and more if windows overlap
    loading = _loading(manifest)
    jobs = [
        _lay_inputs(run_folder, number, each, trace, manifest, cycles + loading)
        for number, (each, trace) in enumerate(expected)
    ]
    result = design.run(
        "sim.bench_accelerator",
        run_folder,
        {
            "inputs": [port.name for port in manifest.ports if port.direction == "input"],
            "reset": after_reset.steps,
            "walks": loading > 0,
            "signed": _signed(manifest),
            "guarded": bool(controllers),
            "tables": _tables(manifest) if program else [],
            "programmed": jobs[-1] if program else None,
            "commands": commands.steps,
            "passes": jobs[: len(planned)],
            "result_beats": _result_beats(manifest),
            "patience": PATIENCE * (cycles + 1) + loading,
            "drain": 2 * cycles,
            "seed": seed,
            "program": memories,
            "read_timing": PROGRAMMING.precharge | PROGRAMMING.sense << 8,
            "pulses": PROGRAMMING.set_pulse | PROGRAMMING.reset_pulse << 16,
            "form_pulse": PROGRAMMING.form_pulse,
            "loading": loading,
            "scrub": scrubs,
        },
        lambda done: progress("simulating", done, count),
        plusargs=[f"+{IMAGES_PLUSARG}={TOP_IMAGE}"] if shared else [],
        env=PLAIN,
    )
    finished = time.monotonic()
    for memory, answer, found in zip(memories, answers, result["program"], strict=True):
        for index, (wanted, read) in enumerate(zip(answer.words, found["words"], strict=True)):
            if wanted != read:
                raise SimulationError(
                    f"{tool.name}: {memory['name']}, word {index}: read {read:#x} in place of {wanted:#x}"
                )
        rows = (answer.unformed, answer.finished, len(answer.failed), answer.failed[:FAILURES], answer.status)
        told = (found["unformed"], found["finished"], found["failed"], found["rows"], found["status"])
        if rows != told:
            what = "rows not formed, finished, failed and listed, and the status,"
            raise SimulationError(f"{tool.name}: {memory['name']}: {what} are {told}, but should be {rows}")
    if program:
        _judge_tables(tool.name, tables, result["tables"])
    _judge_arrays(tool.name, faults, right, scrubs, result)
    judged = [
        (each, trace, *_found(tool.name, run_folder, number, manifest, network.topology, len(trace.inputs)))
        for number, (each, trace) in enumerate(expected)
    ]
    verification = _judge(
        tool,
        network,
        samples,
        judged,
        (built - started, finished - built),
        design.waves_file(run_folder),
    )
    if not verification.mismatches:  # or it is for nothing how long they take
        for each, _, _, ends in judged[: len(planned)]:
            if not (each.gaps or each.wrong):
                _judge_pace(tool.name, manifest, _timing(manifest, each), ends)
    return verification


def _signatures_are_stuck(faults: FaultMap, plan: Plan) -> bool:
    """Whether there is an array that cannot be made valid or invalid: how commands end there, no dialogue foretells."""
    return plan.geometry.signature and any((each.stuck[:, -1] != FREE).any() for each in faults.arrays.values())


def _signed(manifest: Manifest) -> bool:
    return manifest.plan.geometry.signature


def _controllers(tree: Tree, manifest: Manifest) -> dict[int, str]:
    """Where the controller of each layer's arrays is."""
    places = tree.places(manifest.top, CONTROLLER)
    return {int(place.partition(".")[0].removeprefix("layer")): place for place in places}


def _tables(manifest: Manifest) -> list[tuple[int, int]]:
    """Layers that have a table of remapped rows, and its entries."""
    entries = manifest.accelerator.reserve.entries
    return [(layer, entries) for layer, grid in enumerate(manifest.accelerator.maps) if grid is not None and entries]


def _numbers(memories: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [memory for memory in memories if not memory["array"]]


def _signatures(faults: FaultyArrays) -> dict[str, Any]:
    """What the registers say of signatures and spare rows."""
    invalid = [[layer, *array] for layer, arrays in sorted(faults.invalid.items()) for array in arrays]
    return {"invalid": len(invalid), "first": invalid[0] if invalid else [0, 0, 0], "spares": faults.taken}


def _lay_inputs(folder: Path, number: int, each: Pass, trace: Trace, manifest: Manifest, cycles: int) -> dict[str, Any]:
    """Write the packets of pass `number`, and say what the bench is to do with them; an image takes some `cycles`."""
    path = records.file(folder, number, harness.INPUT)
    depth = manifest.accelerator.topology.input.depth
    records.write_packets(path, code_bits(trace.inputs, depth), manifest.input_width)
    wrong = 0
    if each.wrong:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        packets, wrong = records.with_wrong_packets(lines, harness.packet_beats(manifest))
        path.write_text("".join(packets), encoding="utf-8")
    return {
        "number": number,
        "images": len(trace.inputs),
        "packets": wrong,
        "gaps": each.gaps,
        "reset": each.reset,
        "read_timing": _timing(manifest, each) if each.longer else None,
        "begun": 0 if each.begun is None else max(1, int(each.begun * cycles)),
    }


def _timing(manifest: Manifest, each: Pass) -> int:
    """READ_TIMING in a pass."""
    precharge, sense = manifest.timing.precharge, manifest.timing.sense
    if each.longer is not None:
        more, longer = each.longer
        precharge, sense = min(255, precharge + more), 0 if longer is None else min(255, sense + longer)
    return precharge | sense << 8


def _result_beats(manifest: Manifest) -> int:
    return manifest.top_classes + (manifest.accelerator.topology.output.fan_out if manifest.scores else 0)


def _found(
    tool: str, folder: Path, number: int, manifest: Manifest, topology: Topology, count: int
) -> tuple[Found, npt.NDArray[np.int64]]:
    """What a pass of `count` samples left in files, and the cycle in which each result ended."""

    def record(stream: str, width: int, words: int) -> records.Record:
        path = records.file(folder, number, stream)
        try:
            found = records.read(path, width)
        except ValueError as error:
            raise SimulationError(f"{tool}: {path}: a word with unknown bits has passed ({error})") from None
        if len(found.bits) != words:
            raise SimulationError(f"{tool}: {path}: {count} samples gave {len(found.bits)} words, not {words}")
        return found

    size = _result_beats(manifest)
    packets = record(harness.RESULT, RESULT_WIDTH + 1, count * size)
    last = packets.bits[:, RESULT_WIDTH].reshape(count, size)
    if last[:, :-1].any() or not last[:, -1].all():
        raise SimulationError(f"{tool}: {folder}: TLAST is not at the last beat of each result of pass {number}")
    words = bits.pack_bytes(packets.bits[:, :RESULT_WIDTH]).view("<i4").astype(np.int64).reshape(count, size)
    hidden = {}
    for layer in harness.watched(manifest):
        passed = record(layer.instance, layer.width, count * layer.words).bits
        # The last of several lanes' words may have bits beyond the last neuron.
        values = topology.layers[layer.index].result.bits
        hidden[topology.names[layer.index]] = passed.reshape(count, -1)[:, :values]
    classes = manifest.top_classes
    return Found(hidden, words[:, classes:], words[:, :classes]), packets.cycles.reshape(count, size)[:, -1]


def code_bits(codes: npt.NDArray[Any], depth: int) -> bits.Bits:
    """(samples, values) codes of `depth` bits to the (samples, values × depth) bits of their packets."""
    places = np.arange(depth, dtype=codes.dtype)
    return ((codes[:, :, np.newaxis] >> places) & 1).astype(np.uint8).reshape(len(codes), -1)


def _lay_images(target: Path, images_folder: Path, names: Mapping[str, str], blank: Container[str]) -> None:
    """Put the images where the simulation looks for them, each under its name there; for those in `blank`, files of the
    same length full of zeros.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file, name in names.items():
        image = images_folder / file
        if file in blank:
            lines = image.read_text(encoding="utf-8").splitlines()
            (target / name).write_text("".join("0" * len(line) + "\n" for line in lines), encoding="utf-8")
        else:
            shutil.copyfile(image, target / name)  # no link: another run may replace it while the simulation loads it


def _scrub(image: images.Image, plan: Plan) -> dict[str, Any]:
    """What the host asks of an array that holds the image."""
    crc = int(images.array_crc32(image.words, image.width, plan), 16)
    return {"layer": image.layer, "group": image.group, "tile": image.tile, "width": image.width, "expected": crc}


def _judge_pace(tool: str, manifest: Manifest, timing: int, ends: npt.NDArray[np.int64]) -> None:
    """Raise SimulationError where results at full rate do not end when the model of the pipeline says so. When numbers
    have been read from arrays, and random bits have come from outside, it does not say.
    """
    block, given = manifest.accelerator, manifest.accelerator.topology.input
    if manifest.plan.numbers_in_arrays or (isinstance(given, StochasticInput) and given.external):
        return
    results, row = Results(block.top, block.scores), (timing & 0xFF) + max(1, timing >> 8)
    pipeline = Pipeline(block.topology, block.plan.layers, results, block.bus_width, row)
    for number, (found, right) in enumerate(zip((ends - ends[0]).tolist(), pipeline.ends(len(ends)), strict=True)):
        if found != right:
            raise SimulationError(
                f"{tool}: result {number} at full rate ends {found} cycles after the first one, not {right}"
            )


def _judge_tables(tool: str, right: Sequence[Sequence[int]], found: Any) -> None:
    """Raise SimulationError where the tables of remapped rows that the host read are not what they should be."""
    for entries, (layer, read) in zip(right, found, strict=True):
        words = [word for _, word in read]
        if words != [*entries, *[0] * len(words)][: len(words)]:
            raise SimulationError(
                f"{tool}: the table of spare rows of layer {layer} is {words}, but should be {entries}"
            )


def _judge_arrays(
    tool: str,
    faults: FaultyArrays,
    right: Sequence[Mapping[str, Any]],
    scrubs: Sequence[Mapping[str, Any]],
    result: Any,
) -> None:
    """Raise SimulationError where signatures, remapped rows or CRCs of arrays are not what they should be."""
    for should, found in zip(right, result["signatures"], strict=True):
        if should != found:
            raise SimulationError(f"{tool}: signatures are {found}, but should be {should}")
    for array, found in zip(scrubs, result["scrub"], strict=True):
        place = array["layer"], array["group"], array["tile"]
        crc = contents_crc32(faults.contents(*place), array["width"])
        if found != {"crc": crc, "mismatch": crc != array["expected"]}:
            raise SimulationError(f"{tool}: {ArrayPlace(*place)} was read back as {found}, but its CRC-32 is {crc:#x}")


def _loading(manifest: Manifest) -> int:
    """Cycles after which all signatures, and all numbers that live in arrays, have been read from there, whatever rows
    were programmed.
    """
    maps = [grid for grid in manifest.accelerator.maps if grid is not None]
    maps = [grid for grid in maps if grid.number_bits or grid.geometry.signature]
    row = max(1, PROGRAMMING.precharge, manifest.timing.precharge) + max(PROGRAMMING.sense, manifest.timing.sense)
    words = [
        grid.arrays * (row + LOAD_CYCLES) * grid.geometry.signature
        + grid.number_lanes * grid.number_words * (row + LOAD_CYCLES + grid.geometry.columns) * bool(grid.number_bits)
        for grid in maps
    ]
    return PATIENCE_OF_LOADER + max(words) if words else 0


def _memory(image: images.Image) -> dict[str, Any]:
    return {
        "name": image.name,
        "layer": image.layer,
        "array": image.kind == "array",
        "group": image.group,
        "tile": image.tile,
        "width": image.width,
        "words": image.words,
    }


def _judge(
    tool: Tool,
    network: Network,
    samples: Samples,
    judged_passes: Sequence[tuple[Pass, Trace, Found, npt.NDArray[np.int64]]],
    seconds: tuple[float, float],
    waves: Path | None,
) -> Verification:
    """The verdict; the first pass is that of all samples at full rate."""
    mismatches, first = 0, []
    for each, expected, found, _ in judged_passes:
        differ, differences = compare(tool.name, network, expected, found, SHOWN, each.samples)
        mismatches += differ
        first += differences
    whole, _, said, ends = judged_passes[0]
    of_samples = np.array(whole.samples)
    known = of_samples != RANDOM
    return Verification(
        simulator=tool.name,
        version=tool.version,
        samples=len(samples),
        values=sum(found.values for _, _, found, _ in judged_passes),
        mismatches=mismatches,
        first=tuple(first[:SHOWN]),
        accuracy=None
        if samples.labels is None or not said.classes.shape[1]
        else float(np.mean(said.classes[known, 0] == samples.labels[of_samples[known]])),
        cycles=float(ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else None,
        build_seconds=seconds[0],
        run_seconds=seconds[1],
        waves=waves,
    )
