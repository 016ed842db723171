"""`hafnet generate`: an accelerator's SystemVerilog and the manifest beside it, in one folder.

The manifest is where tools and tests read names from: ports, files, layers, registers, probes. It holds geometry and
never weights, so the same folder serves every network of the same shape.
"""

import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from amaranth.hdl import Value
from amaranth.lib.wiring import Flow
from pydantic import Field, TypeAdapter

from hdl.accelerator import Accelerator
from hdl.arrays.controller import Limits
from hdl.emit import TOP_IMAGE, emit
from hdl.neurons.targets import Target
from hdl.registers import Register, Timing
from model.errors import HafnetError
from model.files import whole_folder
from model.plan import Plan
from model.readers import read_manifest
from model.topology import Convolution, Dense, MaxPool, Topology
from model.user_files import read_bytes

VERSION = 4
MANIFEST = "manifest.json"
WAIVERS = Path(__file__).with_name("hafnet.vlt")

# Only files of these names are ever written or replaced.
OURS = r"hafnet\w*\.(sv|vlt)|manifest\.json"


LayerKind: TypeAlias = Literal["dense", "convolution", "max_pool", "classifier"]
KINDS: Mapping[type, LayerKind] = {Dense: "dense", Convolution: "convolution", MaxPool: "max_pool"}


@dataclass(frozen=True)
class Port:
    """A port of the top module."""

    name: str
    direction: Literal["input", "output"]
    width: int


@dataclass(frozen=True)
class File:
    """A generated file, in the order in which tools should read them, with the SHA-256 of its bytes."""

    file: Annotated[str, Field(pattern=f"^({OURS})$")]
    sha256: str


@dataclass(frozen=True)
class Layer:
    """A layer's arrays, `groups` × `tiles`, its numbers, `numbers` in each of `lanes`, its row reads an image, and the
    nets of the top module that carry its results, `words` of `width` bits an image.

    A result passes when `valid` and `ready` are both high at a rising edge of the clock. `index` is the layer's in the
    topology; average pooling is not listed, because the layer behind it does it.
    """

    index: int
    kind: LayerKind
    instance: str
    groups: int
    tiles: int
    lanes: int
    numbers: int
    reads: int
    words: int
    width: int
    payload: str
    valid: str
    ready: str


@dataclass(frozen=True)
class Manifest:
    """`manifest.json` beside generated Verilog.

    While the top module's parameter `LOAD` is 1, arrays load `{images}layer{L}_g{G}_t{T}.hex`, numbers
    `{images}layer{L}_thresholds_l{lane}.hex`, `…_offsets_l{lane}.hex` or `…_modes_l0.hex`, where `images` is the top
    module's parameter `IMAGE`; arrays of devices load images more, see `model.device_images`.
    """

    version: Annotated[int, Field(ge=1)]
    hafnet: str
    top: str
    clock: str
    reset: str
    image_parameter: str
    image_default: str
    topology: str
    plan: Plan
    top_classes: int
    scores: bool
    input_width: int
    timing: Timing
    target: Target
    limits: Limits
    spare_entries: int
    arrays: int
    layers: tuple[Layer, ...]
    ports: tuple[Port, ...]
    registers: dict[str, int]
    files: tuple[File, ...]

    @property
    def accelerator(self) -> Accelerator:
        """The block that the folder was generated from."""
        topology = Topology.parse(self.topology)
        rest = (self.input_width, self.timing, self.target, self.limits, self.spare_entries)
        return Accelerator(topology, self.plan, self.scores, self.top_classes, *rest)


_MANIFEST = TypeAdapter(Manifest)


def generate(accelerator: Accelerator, folder: Path | str) -> Manifest:
    """Write the Verilog of `accelerator`, Verilator's waivers and the manifest into `folder`, whole or not at all.

    Raises HafnetError where the folder holds anything but an earlier run's files.
    """
    with whole_folder(folder, OURS) as partial:
        texts = emit(accelerator)
        texts[WAIVERS.name] = WAIVERS.read_text(encoding="utf-8")
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        files = tuple(File(name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items())
        manifest = _describe(accelerator, importlib.metadata.version("hafnet"), files)
        (partial / MANIFEST).write_bytes(_MANIFEST.dump_json(manifest, indent=2) + b"\n")
    return manifest


def _describe(accelerator: Accelerator, version: str, files: tuple[File, ...]) -> Manifest:
    layers = []
    sizes = accelerator.registers.layers
    for index, (shape, size, block) in enumerate(
        zip(accelerator.topology.layers, sizes, accelerator.layers, strict=True)
    ):
        if block is None:
            continue
        last = index == len(sizes) - 1
        kind: LayerKind = "classifier" if last else KINDS[type(shape)]
        result = shape.result
        nets, words = ("payload", "valid", "ready"), 1 if last else result.height * result.width
        ports = block.signature.create()
        if accelerator.zigzag(index):
            payload, prefix, words = (
                ports.fire,
                f"layer{index}__",
                accelerator.reads(index) // accelerator.topology.presentations[index].count,
            )
            nets = ("fire", "fired", "fired")
        else:
            payload, prefix = Value.cast(ports.o.payload), f"layer{index}__o__"
        layers.append(
            Layer(
                index,
                kind,
                f"layer{index}",
                size.groups,
                size.tiles,
                size.lanes,
                size.numbers,
                accelerator.reads(index),
                words,
                len(payload),
                *(prefix + net for net in nets),
            )
        )
    ports = [Port("clk", "input", 1), Port("rst", "input", 1)]
    member: Any
    for path, member, value in accelerator.signature.flatten(accelerator.signature.create()):
        ports.append(Port(str(path[0]), "input" if member.flow is Flow.In else "output", len(value)))
    return Manifest(
        version=VERSION,
        hafnet=version,
        top=accelerator.name,
        clock="clk",
        reset="rst",
        image_parameter="IMAGE",
        image_default=TOP_IMAGE,
        topology=str(accelerator.topology),
        plan=accelerator.plan,
        top_classes=accelerator.top,
        scores=accelerator.scores,
        input_width=accelerator.bus_width,
        timing=accelerator.timing,
        target=accelerator.target,
        limits=accelerator.limits,
        spare_entries=accelerator.spare_entries,
        arrays=accelerator.arrays,
        layers=tuple(layers),
        ports=tuple(ports),
        registers={register.name: register.value for register in Register},
        files=files,
    )


def load_manifest(folder: Path | str) -> Manifest:
    """The manifest of a generated folder, once every file that it lists was found unchanged.

    Raises HafnetError for a missing, damaged or newer manifest, and for a missing or changed file, naming it.
    """
    path = Path(folder) / MANIFEST
    manifest = read_manifest(_MANIFEST, path, VERSION, "hafnet generate")
    for listed in manifest.files:
        file = Path(folder) / listed.file
        if not file.is_file():
            raise HafnetError(f"{file}: no such file, but {path} lists it")
        found = hashlib.sha256(read_bytes(file)).hexdigest()
        if found != listed.sha256:
            raise HafnetError(
                f"{file} was changed: its SHA-256 is {found[:12]}…, but {path} says {listed.sha256[:12]}…"
            )
    # All the rest follows from the accelerator: what does not was changed by hand, and nobody should trust it.
    try:
        again = _describe(manifest.accelerator, manifest.hafnet, manifest.files)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    if again != manifest:
        raise HafnetError(f"{path} contradicts itself: its parts do not follow from topology, plan and timing")
    return manifest
