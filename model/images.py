"""Memory images: what stands in each array and each layer's integers, in files, with a manifest beside them.

An array's image `layer{L}_g{G}_t{T}` (of a layer read sequential_to_parallel `layer{L}_t{T}_g{G}`) holds one word a
row, row 0 first, bit 0 = column 0; see `model.mapping` for what a word is. A layer's numbers, one word each, are
`layer{L}_thresholds_l{lane}` (unsigned), of the output layer `layer{L}_offsets_l{lane}` (two's complement), of a
max-pooling layer `layer{L}_modes_l0` (a channel's is 1 for AND).
Parallel_to_sequential, lane l holds those of neurons l, l + lanes, … and fills up with 0; else all are in lane 0.
Where the plan keeps numbers in arrays, they are in the images of these.
Emulations that know of devices load more, named after the array's image: see `model.device_images`.
`manifest.json` says what the network is, by its digest, too, and lists every file with its CRC-32, so that a folder of
images is the whole network: reading it back yields the identical `Network`. Of each array it says the CRC-32 of the
rows that hold weights and numbers, too (see `model.signatures.contents_crc32`), which the accelerator computes from
what it reads back.
"""

import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, TypeAdapter

from model import bits
from model.device_images import DEVICE_KINDS, device_words
from model.errors import HafnetError, HafnetWarning, short
from model.faults import NO_FAULTS, FaultMap
from model.files import whole_folder
from model.formats import FORMATS
from model.mapping import S2P, Cell, LayerMap, offset_width, threshold_width
from model.network import MaxPoolLayer, Network, Signs, WeightedLayer
from model.network_file import ENCODINGS, assemble, describe, describe_layers, understand, understand_layers
from model.plan import Plan
from model.readers import read_manifest
from model.signatures import contents_crc32
from model.tensors import short_digest
from model.topology import AveragePool, MaxPool, Topology
from model.user_files import read_bytes

VERSION, UNBOUND = 4, 3
"""The version that is written, and the last one that did not tell the network's digest."""
MANIFEST = "manifest.json"

# Only files of these names are ever written, read or replaced.
CELLS = rf"(g[0-9]+_t[0-9]+|t[0-9]+_g[0-9]+)(_({'|'.join(DEVICE_KINDS)}))?"
FILE = rf"layer[0-9]+_({CELLS}|(thresholds|offsets|modes)_l[0-9]+)\.({'|'.join(FORMATS)})"
FAULTS = "faults.safetensors"
"""The fault map that the images were made from, if they were made from one."""

Kind: TypeAlias = Literal["array", "formed", "faults", "weak", "noise", "thresholds", "offsets", "modes"]
Size: TypeAlias = Annotated[int, Field(ge=1)]
Index: TypeAlias = Annotated[int, Field(ge=0)]
Crc32: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{8}$")]
Sha256: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Place:
    """What an image is for: an array's `group` and `tile` (its weights, of kind "array", or what `model.device_images`
    says of its cells), or numbers, whose lane is `group` and whose tile is 0.

    `width` is in bits a word. The name of an array's image follows its place in the hardware: that of a column of
    arrays first, where the layer is `columnwise` (sequential_to_parallel), and else that of a row.
    """

    kind: Kind
    layer: Index
    group: Index
    tile: Index
    width: Size
    columnwise: bool

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        part = f"t{self.tile}_g{self.group}" if self.columnwise else f"g{self.group}_t{self.tile}"
        if self.kind in ("thresholds", "offsets", "modes"):
            part = f"{self.kind}_l{self.group}"
        elif self.kind != "array":
            part = f"{part}_{self.kind}"
        return f"layer{self.layer}_{part}"


@dataclass(frozen=True)
class Image(Place):
    """The contents of one memory: `words`, unsigned, lowest address first."""

    words: list[int]


@dataclass(frozen=True)
class ImageFile(Place):
    """One file of the manifest: it holds `words` words; `crc32` is of the file's bytes, in 8 hexadecimal digits, and
    `contents_crc32`, of an array's image, that of the rows that hold weights and numbers.
    """

    words: Size
    file: Annotated[str, Field(pattern=f"^{FILE}$")]
    format: str
    crc32: Crc32
    contents_crc32: Crc32 | None = None


@dataclass(frozen=True)
class ImageManifest:
    """`manifest.json` of a folder of images: all of the network but its arrays, the plan, and the files; the CRC-32 of
    `faults.safetensors`, if the images were made with a fault map. `network` is the network's digest, which a manifest
    of before has not.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    version: Size
    topology: str
    encoding: dict[str, Any]
    layers: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    origin: dict[str, str | int | float | bool]
    plan: Plan
    images: Annotated[tuple[ImageFile, ...], Field(min_length=1)]
    faults_crc32: Crc32 | None = None
    network: Sha256 | None = None


_MANIFEST = TypeAdapter(ImageManifest)


def _array_places(layer: int, grid: LayerMap) -> Iterator[Place]:
    for group in range(grid.groups):
        for tile in range(grid.tiles):
            yield Place("array", layer, group, tile, grid.word_width, grid.dataflow == S2P)


def _number_places(topology: Topology, plan: Plan, layer: int) -> tuple[list[Place], int]:
    """Where the numbers of a layer are, and how many each place holds; places that hold them in turn.

    Where they live in arrays, these are the lanes of which the arrays hold them.
    """
    grid, top = plan.maps(topology)[layer], 0
    if grid is None:
        modes = isinstance(topology.layers[layer], MaxPool)
        return ([Place("modes", layer, 0, 0, 1, False)], topology.layers[layer].result.channels) if modes else ([], 0)
    top = topology.top(layer)
    last = layer == len(topology.layers) - 1
    kind: Kind = "offsets" if last else "thresholds"
    width = offset_width(top) if last else threshold_width(top)
    return [Place(kind, layer, lane, 0, width, False) for lane in range(grid.number_lanes)], grid.numbers


def _laid_numbers(
    topology: Topology, plan: Plan, layer: int, numbers: npt.NDArray[Any]
) -> Iterator[tuple[Place, list[int]]]:
    """The words of each place of a layer's numbers."""
    places, count = _number_places(topology, plan, layer)
    for place in places:
        held = numbers[place.group :: len(places)].tolist()
        held += [0] * (count - len(held))
        yield place, [value % (1 << place.width) for value in held]


def _number_bits(topology: Topology, plan: Plan, layer: int, numbers: npt.NDArray[Any]) -> bits.Bits:
    """The same as (lanes, numbers, width) bits."""
    return np.stack(
        [bits.from_ints(held, place.width) for place, held in _laid_numbers(topology, plan, layer, numbers)]
    )


def numbers_of_lanes(topology: Topology, layer: int, lanes: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """The numbers of a layer's neurons or channels, from the words of each of its lanes."""
    integers = np.array(lanes, dtype=np.int64).T.reshape(-1)[: topology.layers[layer].result.channels]
    if layer < len(topology.layers) - 1:
        return integers
    width = offset_width(topology.top(layer))
    return np.where(integers >> (width - 1), integers - (1 << width), integers)


def array_bits(network: Network, plan: Plan, index: int) -> bits.Bits:
    """What the arrays of a layer of neurons hold: (groups, tiles, rows, word_width) bits, see `model.mapping`."""
    layer, grid = network.layers[index], plan.maps(network.topology)[index]
    assert isinstance(layer, WeightedLayer)
    assert grid is not None  # a weighted layer has arrays
    arrays = grid.scatter(layer.matrix)
    if grid.number_bits:
        grid.scatter_numbers(arrays, _number_bits(network.topology, plan, index, layer.integers))
    return arrays


def words(network: Network, plan: Plan, faults: FaultMap = NO_FAULTS) -> Iterator[Image]:
    """The contents of every memory: layer by layer, the arrays in order of group and tile, then the numbers.

    Raises HafnetError where the fault map is not one for network and plan.
    """
    plan = plan.of(network.topology)
    faults.check(network.topology, plan)
    for index, (layer, grid) in enumerate(zip(network.layers, plan.maps(network.topology), strict=True)):
        numbers: npt.NDArray[Any] = np.zeros(0, dtype=np.int64)
        if isinstance(layer, MaxPoolLayer):
            numbers = layer.conjunctive
        elif isinstance(layer, WeightedLayer):
            assert grid is not None  # a weighted layer has arrays
            count = grid.geometry.rows
            rows = bits.to_ints(array_bits(network, plan, index).reshape(-1, grid.word_width))
            devices = _device_images(network.topology, plan, faults, index)
            for number, (place, others) in enumerate(zip(_array_places(index, grid), devices, strict=True)):
                yield Image(**vars(place), words=rows[number * count : (number + 1) * count])
                yield from others
            numbers = layer.integers
        if grid is None or not grid.number_bits:
            for place, held in _laid_numbers(network.topology, plan, index, numbers):
                yield Image(**vars(place), words=held)


def _device_images(topology: Topology, plan: Plan, faults: FaultMap, layer: int) -> Iterator[list[Image]]:
    """What the emulation of each array of a layer loads besides its weights."""
    grid = plan.maps(topology)[layer]
    assert grid is not None  # the layer has arrays
    found = device_words(topology, plan, faults, layer)
    for place, contents in zip(_array_places(layer, grid), found, strict=True):
        yield [
            Image(kind, layer, place.group, place.tile, width, place.columnwise, held) for kind, width, held in contents
        ]


def export(
    network: Network,
    plan: Plan,
    folder: Path | str,
    formats: Sequence[str] = ("hex",),
    faults: FaultMap = NO_FAULTS,
) -> Path:
    """Write all images in each of the formats, the fault map, and the manifest, whose path is returned.

    The folder is written whole or not at all and replaces an older export. Raises HafnetError for an unknown format,
    for a folder that holds anything but an export, and where the fault map is not one for network and plan.
    """
    for format in formats:
        if format not in FORMATS:
            raise HafnetError(f"format {short(format)} is not one of {', '.join(FORMATS)}")
    if not formats:
        raise HafnetError(f"no format is given, but at least one of {', '.join(FORMATS)} is needed")
    listed = []
    with whole_folder(folder, rf"{re.escape(MANIFEST)}|{re.escape(FAULTS)}|{FILE}") as partial:
        for image in words(network, plan, faults):
            held = array_crc32(image.words, image.width, plan) if image.kind == "array" else None
            for format in dict.fromkeys(formats):
                data = FORMATS[format].write(image.words, image.width)
                file = f"{image.name}.{format}"
                (partial / file).write_bytes(data)
                described = {**vars(image), "words": len(image.words)}
                listed.append(ImageFile(**described, file=file, format=format, crc32=_crc32(data), contents_crc32=held))
        map_bytes = faults.to_bytes() if faults != NO_FAULTS else None
        if map_bytes is not None:
            (partial / FAULTS).write_bytes(map_bytes)
        manifest = ImageManifest(
            VERSION,
            str(network.topology),
            describe(ENCODINGS, network.encoding),
            tuple(describe_layers(network)),
            dict(sorted(network.origin.items())),
            plan.of(network.topology),
            tuple(listed),
            None if map_bytes is None else _crc32(map_bytes),
            network.digest,
        )
        (partial / MANIFEST).write_bytes(_MANIFEST.dump_json(manifest, indent=2) + b"\n")
    return Path(folder) / MANIFEST


def check(folder: Path | str) -> ImageManifest:
    """The manifest of a folder, once every file that it lists was found unchanged, whatever the files say.

    Raises HafnetError for a missing or damaged manifest, and for a missing or changed file, naming it and both CRCs.
    Warns of a manifest of before, which does not tell of which network the images are.
    """
    return _checked(Path(folder))[0]


def load_faults(folder: Path | str) -> FaultMap:
    """The fault map that the images of a folder were made from; one without faults, if none was given.

    Raises HafnetError as `check` does, and where the map is not one for network and plan.
    """
    manifest = check(folder)
    if manifest.faults_crc32 is None:
        return NO_FAULTS
    faults = FaultMap.load(Path(folder) / FAULTS)
    faults.check(Topology.parse(manifest.topology), manifest.plan)
    return faults


def load(folder: Path | str, format: str | None = None) -> tuple[Network, Plan]:
    """The exported network and its plan, read from one of the formats present (None: the first listed).

    Raises HafnetError as `check` does, for a format that the folder has not, and for contents that break a rule, naming
    the file and the line or word.
    """
    folder = Path(folder)
    manifest, contents = _checked(folder)
    format = format or manifest.images[0].format
    files = {file.file: file for file in manifest.images if file.format == format}
    if format not in FORMATS or not files:
        present = ", ".join(sorted({file.format for file in manifest.images}))
        raise HafnetError(f"{folder}: no images in format {short(format)}, only in {present}")
    try:
        encoding = understand(ENCODINGS, manifest.encoding, "encoding")
        topology = understand_layers(encoding, manifest.layers)
        plan = manifest.plan.of(topology)
    except HafnetError as error:
        raise HafnetError(f"{folder / MANIFEST}: {error}") from None
    except KeyError as error:
        raise HafnetError(f"{folder / MANIFEST}: a layer or the encoding lacks {error}") from None
    faults = load_faults(folder)
    source = _Source(folder, format, topology, plan, faults, files, contents)
    arrays = [source.arrays(index) for index in range(len(topology.layers))]
    if source.files:
        raise HafnetError(f"{folder / MANIFEST}: {min(source.files)!r} is listed, but belongs to no layer")
    if manifest.topology != str(topology):
        raise HafnetError(f"{folder / MANIFEST}: topology is {short(manifest.topology)}, but its layers are {topology}")
    try:
        network = assemble(encoding, topology, arrays, manifest.origin)
    except HafnetError as error:
        raise HafnetError(f"{folder}: {error}") from None
    if manifest.network not in (None, network.digest):
        says, is_ = short_digest(str(manifest.network)), short_digest(network.digest)
        raise HafnetError(f"{folder / MANIFEST}: says network {says}, but the images are of network {is_}")
    return network, plan


def _crc32(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def array_crc32(words: Sequence[int], width: int, plan: Plan) -> str:
    """The CRC-32 of an array whose image these words are, without the rows that are kept back."""
    return f"{contents_crc32(words[: plan.geometry.used_rows], width):08x}"


def _checked(folder: Path) -> tuple[ImageManifest, dict[str, bytes]]:
    """The manifest and the bytes of every file that it lists."""
    path = folder / MANIFEST
    manifest = read_manifest(_MANIFEST, path, VERSION, "hafnet export", UNBOUND)
    if manifest.version == VERSION and manifest.network is None:
        raise HafnetError(f"{path}: the digest of the network is missing; `hafnet export` writes it anew")
    if manifest.version == UNBOUND:
        text = f"{folder} was exported before images told of which network they are; `hafnet export` makes it anew"
        warnings.warn(text, HafnetWarning, stacklevel=3)
    contents: dict[str, bytes] = {}
    for listed in manifest.images:
        if listed.file in contents:
            raise HafnetError(f"{path}: {listed.file!r} is listed twice")
        file = folder / listed.file
        if not file.is_file():
            raise HafnetError(f"{file}: no such file, but {MANIFEST} lists it; `hafnet export` writes it anew")
        contents[listed.file] = read_bytes(file)
        found = _crc32(contents[listed.file])
        if found != listed.crc32:
            raise HafnetError(f"{file}: CRC-32 is {found}, but {MANIFEST} says {listed.crc32}: the file was changed")
    if manifest.faults_crc32 is not None:
        file = folder / FAULTS
        if not file.is_file() or _crc32(read_bytes(file)) != manifest.faults_crc32:
            raise HafnetError(f"{file} is missing or was changed: {MANIFEST} says CRC-32 {manifest.faults_crc32}")
    return manifest, contents


@dataclass(frozen=True)
class _Source:
    """A checked folder, read in one format; `files` are those not read yet."""

    folder: Path
    format: str
    topology: Topology
    plan: Plan
    faults: FaultMap
    files: dict[str, ImageFile]
    contents: dict[str, bytes]
    held_numbers: dict[int, bits.Bits] = field(default_factory=dict)

    def read(self, place: Place, count: int) -> list[int]:
        name = f"{place.name}.{self.format}"
        file = self.files.pop(name, None)
        if file is None:
            raise HafnetError(f"{self.folder / MANIFEST}: {name!r} is not listed, but the network and plan need it")
        if (file.words, file.width) != (count, place.width):
            raise HafnetError(
                f"{self.folder / MANIFEST}: {name!r} has {file.words} words of {file.width} bits, but the network and "
                f"plan need {count} of {place.width}"
            )
        for member in (each.name for each in fields(Place)):
            says, needs = getattr(file, member), getattr(place, member)
            if says != needs:
                raise HafnetError(f"{self.folder / MANIFEST}: {member} of {name!r} is {says!r}, but must be {needs!r}")
        try:
            return FORMATS[self.format].read(self.contents[name], place.width, count)
        except HafnetError as error:
            raise HafnetError(f"{self.folder / name}: {error}") from None

    def arrays(self, index: int) -> dict[str, npt.NDArray[Any]]:
        """What `model.network_file.assemble` needs of a layer."""
        shape = self.topology.layers[index]
        if isinstance(shape, AveragePool):
            return {}
        if isinstance(shape, MaxPool):
            return {"conjunctive": self.numbers(index)}
        kind = "offsets" if index == len(self.topology.layers) - 1 else "thresholds"
        return {"weights": self.weights(index), kind: self.numbers(index)}

    def weights(self, index: int) -> Signs:
        """(fan_out, fan_in) weights of a layer."""
        grid = self.plan.maps(self.topology)[index]
        assert grid is not None  # only a layer of neurons has weights
        count = grid.geometry.rows
        listed = dict(self.files)
        rows = [row for place in _array_places(index, grid) for row in self.read(place, count)]
        self.check_devices(index)
        arrays = bits.from_ints(rows, grid.word_width).reshape(grid.groups, grid.tiles, count, grid.word_width)
        weights = grid.gather(arrays)
        again = grid.scatter(weights)
        if grid.number_bits:
            held = self.held_numbers[index] = grid.gather_numbers(arrays)
            grid.scatter_numbers(again, held)
        wrong = np.argwhere(again != arrays)
        if len(wrong):
            group, tile, row, bit = wrong[0].tolist()
            place = list(_array_places(index, grid))[group * grid.tiles + tile]
            file = self.folder / f"{place.name}.{self.format}"
            column = bit % grid.geometry.columns
            if grid.geometry.signature and row == grid.geometry.rows - 1:
                raise HafnetError(f"{file}: row {row} is not the signature of an array that is whole")
            if grid.synapse(Cell(group, tile, row, column)) is not None:
                raise HafnetError(f"{file}: row {row}, column {column} is both +1 and -1")
            raise HafnetError(f"{file}: row {row}, column {column} holds 1, but is padding and must be 0")
        for number, place in enumerate(_array_places(index, grid)):
            crc32 = array_crc32(rows[number * count : (number + 1) * count], grid.word_width, self.plan)
            name = f"{place.name}.{self.format}"
            if crc32 != listed[name].contents_crc32:
                says = listed[name].contents_crc32
                raise HafnetError(f"{self.folder / name}: its rows have CRC-32 {crc32}, but {MANIFEST} says {says}")
        return weights

    def check_devices(self, index: int) -> None:
        """Raise HafnetError where an image of the arrays' devices is not what follows from the fault map."""
        for found in _device_images(self.topology, self.plan, self.faults, index):
            for image in found:
                if self.read(image, len(image.words)) != image.words:
                    file = self.folder / f"{image.name}.{self.format}"
                    raise HafnetError(f"{file}: its contents do not follow from plan and fault map")

    def numbers(self, index: int) -> npt.NDArray[np.int64]:
        """The numbers of a layer's neurons or channels."""
        places, count = _number_places(self.topology, self.plan, index)
        if index in self.held_numbers:
            lanes = [bits.to_ints(held) for held in self.held_numbers[index]]
        else:
            lanes = [self.read(place, count) for place in places]
        rest = np.array(lanes).T.reshape(-1)[self.topology.layers[index].result.channels :]
        if rest.any():
            place = places[int(np.argmax(rest != 0)) - len(rest)]
            raise HafnetError(
                f"{self.folder / place.name}.{self.format}: the last word belongs to no neuron and must be 0"
            )
        return numbers_of_lanes(self.topology, index, lanes)
