"""`hafnet verify`: generated Verilog with its memory images against the golden model, value by value."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hdl.emit import TOP_IMAGE
from hdl.generate import Manifest, load_manifest
from hdl.packets import beats
from model import bits, images
from model.errors import HafnetError
from model.golden import Trace, infer
from model.network import Network, dashed
from model.samples import Samples
from sim.compare import Disagreement, disagreements
from sim.runner import Design, SimulationError, build
from sim.tools import Tool

STALLED = 32
"""So many of the samples are sent a second time, with random back-pressure on both sides."""


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


def check_folder(network: Network, verilog: Path, images_folder: Path) -> tuple[Manifest, list[images.Image]]:
    """The manifest of `verilog` and what the images should hold, once all was found whole and of the right shape.

    Raises HafnetError otherwise.
    """
    manifest = load_manifest(verilog)
    _refuse_other_shape(network, manifest.shape, verilog)
    exported = images.check(images_folder)
    shape = (exported.layers[0].fan_in, *(layer.fan_out for layer in exported.layers))
    _refuse_other_shape(network, shape, images_folder)
    if exported.geometry != manifest.geometry:
        ours, theirs = exported.geometry, manifest.geometry
        raise HafnetError(
            f"{images_folder} holds arrays of {ours.rows} x {ours.columns}, but {verilog} was generated for "
            f"{theirs.rows} x {theirs.columns}"
        )
    files = {image.file for image in exported.images if image.format == "hex"}
    contents = list(images.words(network, manifest.geometry))
    needed = {f"{image.name}.hex" for image in contents}
    if files != needed:
        missing = min(needed - files) if needed - files else min(files - needed)
        raise HafnetError(
            f"{images_folder}: {missing!r} is not the same in the manifest and in the network, but simulators need "
            "all images in format 'hex' and no other"
        )
    return manifest, contents


def _refuse_other_shape(network: Network, shape: Sequence[int], folder: Path) -> None:
    if network.shape != tuple(shape):
        raise HafnetError(
            f"the network is {dashed(network.shape)}, but {folder} was made for {dashed(shape)}; shapes must be equal"
        )


def build_accelerator(
    tool: Tool, verilog: Path, manifest: Manifest, folder: Path, waves: bool = False, netlist: Sequence[Path] = ()
) -> Design:
    """Build the accelerator of `verilog`, or the netlist made from it, in `folder`, with every layer's results open to
    the bench.
    """
    sources = netlist or [verilog / listed.file for listed in manifest.files]
    probes = [net for layer in manifest.layers for net in (layer.payload, layer.valid, layer.ready)]
    ports = [port.name for port in manifest.ports]
    return build(tool, sources, manifest.top, folder, ports=ports, probes=probes, waves=waves)


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
    netlist: Sequence[Path] = (),
    seed: int = 0,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> Verification:
    """Simulate every sample on the RTL and compare every hidden bit, score and class with golden.

    `folder` keeps the build and the run. With `program` the arrays start from images of zeros and are programmed, and
    read back, through AXI4-Lite. `netlist` are the files that stand for the RTL, if any; their memories hold the images
    already. `progress` is told what is being done, and how much of how much. Raises HafnetError
    where files do not fit each other, SimulationError where the simulator or the bench fails.
    """
    manifest, contents = check_folder(network, verilog, images_folder)
    expected = infer(network, samples.values)
    started = time.monotonic()
    progress("building", 0, None)
    design = build_accelerator(tool, verilog, manifest, folder / "build", waves, netlist)
    built = time.monotonic()
    count = len(samples.values)
    progress("simulating", 0, count)
    run_folder = folder / "run"
    _lay_images(run_folder / TOP_IMAGE, images_folder, [f"{image.name}.hex" for image in contents], blank=program)
    memories = [_memory(image) for image in contents] if program else None
    result = design.run(
        "sim.bench_accelerator",
        run_folder,
        {
            "inputs": [port.name for port in manifest.ports if port.direction == "input"],
            "probes": [[layer.payload, layer.valid, layer.ready] for layer in manifest.layers],
            "beats": input_beats(expected.inputs, manifest.input_width),
            "result_beats": 1 + (manifest.shape[-1] if manifest.scores else 0),
            "stalled": min(STALLED, count),
            "seed": seed,
            "program": memories,
        },
        lambda done: progress("simulating", done, count),
    )
    finished = time.monotonic()
    for memory, words in zip(memories or [], result["read_back"], strict=True):
        for index, (wrote, read) in enumerate(zip(memory["words"], words, strict=True)):
            if wrote != read:
                raise SimulationError(f"{tool.name}: {memory['name']}, word {index}: wrote {wrote:#x}, read {read:#x}")
    return _judge(
        tool,
        network,
        samples,
        expected,
        result["passes"],
        (built - started, finished - built),
        design.waves_file(run_folder),
    )


def input_beats(inputs: bits.Bits, width: int) -> list[list[int]]:
    """The input packet of each image: beats of `width` bits."""
    count, mask = beats(inputs.shape[1], width), (1 << width) - 1
    return [[word >> (width * beat) & mask for beat in range(count)] for word in bits.to_ints(inputs)]


def _lay_images(target: Path, images_folder: Path, names: Sequence[str], blank: bool) -> None:
    """Put the images where the simulation looks for them; with `blank`, files of the same length full of zeros."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in names:
        image = images_folder / name
        if blank:
            lines = image.read_text().splitlines()
            (target / name).write_text("".join("0" * len(line) + "\n" for line in lines))
        else:
            (target / name).symlink_to(image.resolve())


def _memory(image: images.Image) -> dict[str, Any]:
    return {
        "name": image.name,
        "layer": image.layer,
        "array": image.kind == "array",
        "group": image.group or 0,
        "tile": image.tile or 0,
        "width": image.width,
        "words": image.words,
    }


def _judge(
    tool: Tool,
    network: Network,
    samples: Samples,
    expected: Trace,
    passes: Any,
    seconds: tuple[float, float],
    waves: Path | None,
) -> Verification:
    found: list[Disagreement] = []
    values = 0
    for each in passes:
        found += disagreements(tool.name, network, expected, each["hidden"], each["results"])
        values += len(each["results"]) * (sum(layer.fan_out for layer in network.hidden) + len(each["results"][0]))
    full = passes[0]
    classes = np.array([result[0] for result in full["results"]])
    return Verification(
        simulator=tool.name,
        version=tool.version,
        samples=len(classes),
        values=values,
        mismatches=len(found),
        first=tuple(found[:10]),
        accuracy=None if samples.labels is None else float(np.mean(classes == samples.labels)),
        cycles=(full["ends"][-1] - full["ends"][0]) / (len(classes) - 1) if len(classes) > 1 else None,
        build_seconds=seconds[0],
        run_seconds=seconds[1],
        waves=waves,
    )
