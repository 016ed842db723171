"""`hafnet generate`: an accelerator's SystemVerilog and the manifest beside it, in one folder.

The manifest is where tools and tests read names from: ports, files, layers, registers, probes. It holds geometry and
never weights, so the same folder serves every network of the same shape. Manifest and Verilog vouch for each other:
the manifest has the SHA-256 of every file, and the top module's file has, in its head, that of the manifest (without
the top module's own). So neither can be changed alone.
"""

import hashlib
import importlib.metadata
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from amaranth.hdl import Value
from amaranth.lib.wiring import Flow
from pydantic import ConfigDict, Field, TypeAdapter

from hdl.accelerator import Accelerator
from hdl.arrays.controller import Limits
from hdl.emit import TOP_IMAGE, emit
from hdl.neurons.targets import Target
from hdl.registers import Register, Timing
from model.errors import HafnetError, HafnetWarning
from model.files import whole_folder
from model.plan import Plan
from model.readers import read_manifest
from model.tensors import short_digest
from model.topology import Convolution, Dense, MaxPool, Topology
from model.user_files import read_bytes, read_text

VERSION, UNBOUND = 5, 4
"""The version that is written, and the last one of which the Verilog did not tell the digest."""
MANIFEST = "manifest.json"
MADE_WITH = re.compile(r"^// manifest: ([0-9a-f]{64})$", re.MULTILINE)
"""The line in the top module's head that tells the digest of the manifest."""
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

    __pydantic_config__ = ConfigDict(extra="forbid")

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
    def digest(self) -> str:
        """The SHA-256, in 64 digits, of all that the manifest says but the SHA-256 of the top module's file."""
        members = _MANIFEST.dump_python(self, mode="json")
        for listed in members["files"]:
            if listed["file"] == self.top_file:
                del listed["sha256"]
        return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()

    @property
    def top_file(self) -> str:
        """The file of the top module."""
        return f"{self.top}.sv"

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
        version = importlib.metadata.version("hafnet")
        manifest = _describe(accelerator, version, _files(texts))
        first, _, rest = texts[manifest.top_file].partition("\n")
        texts[manifest.top_file] = f"{first}\n// manifest: {manifest.digest}\n{rest}"
        manifest = replace(manifest, files=_files(texts))
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        (partial / MANIFEST).write_bytes(_MANIFEST.dump_json(manifest, indent=2) + b"\n")
    return manifest


def _files(texts: Mapping[str, str]) -> tuple[File, ...]:
    return tuple(File(name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items())


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
    """The manifest of a generated folder, once it was found to be what the Verilog was made with, and every file as it
    was.

    Raises HafnetError for a missing, damaged, changed or newer manifest, and, naming it, for a file that is missing,
    changed, or not listed. Warns of a folder of before, whose Verilog does not tell what it was made with.
    """
    path = Path(folder) / MANIFEST
    manifest = read_manifest(_MANIFEST, path, VERSION, "hafnet generate", UNBOUND)
    check_files(Path(folder), manifest.files, MANIFEST, OURS, "hafnet generate")
    if manifest.top_file not in {listed.file for listed in manifest.files}:
        raise HafnetError(f"{path} does not list {manifest.top_file}, the top module's file")
    made_with = MADE_WITH.findall(read_text(Path(folder) / manifest.top_file))
    if not made_with and manifest.version == UNBOUND:
        text = f"{folder} was generated before Verilog told what it was made with; `hafnet generate` makes it anew"
        warnings.warn(text, HafnetWarning, stacklevel=2)
    elif made_with != [manifest.digest]:
        raise HafnetError(f"{path} was changed: it is not the one that {manifest.top_file} was generated with")
    # All the rest follows from the accelerator: what does not was changed by hand, and nobody should trust it.
    try:
        again = _describe(manifest.accelerator, manifest.hafnet, manifest.files)
    except HafnetError as error:
        raise HafnetError(f"{path}: {error}") from None
    if replace(again, version=manifest.version) != manifest:
        raise HafnetError(
            f"{path} contradicts itself: its parts do not follow from topology, plan and timing, or another version of "
            "Hafnet wrote it; `hafnet generate` writes it anew"
        )
    return manifest


def check_files(folder: Path, files: Sequence[File], manifest: str, ours: str, made_by: str) -> None:
    """Raise HafnetError, naming the file, where a listed one is missing, changed or listed twice, and where one whose
    name matches `ours` lies beside them without being listed.
    """
    listed = {manifest: ""}
    for each in files:
        path = folder / each.file
        if each.file in listed:
            raise HafnetError(f"{folder / manifest} lists {each.file} twice")
        listed[each.file] = each.sha256
        if not path.is_file():
            raise HafnetError(f"{path}: no such file, but {manifest} lists it; `{made_by}` writes it anew")
        found = hashlib.sha256(read_bytes(path)).hexdigest()
        if found != each.sha256:
            is_, says = short_digest(found), short_digest(each.sha256)
            raise HafnetError(f"{path} was changed: its SHA-256 is {is_}, but {manifest} says {says}")
    for path in sorted(folder.iterdir()):
        if re.fullmatch(ours, path.name) and path.name not in listed:
            raise HafnetError(f"{path} is not listed in {manifest}, which lists all files that were written with it")
