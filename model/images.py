"""Memory images: what stands in each array and each layer's integers, in files, with a manifest beside them.

An array's image `layer{L}_g{G}_t{T}` holds one word of `columns` bits a row, row 0 first, bit 0 = column 0. A hidden
layer's `layer{L}_thresholds` (unsigned) and the output layer's `layer{L}_offsets` (two's complement) hold one word a
neuron. `manifest.json` says what the network is and lists every file with its CRC-32, so that a folder of images is
the whole network: reading it back yields the identical `Network`.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field, TypeAdapter

from model import bits
from model.errors import HafnetError
from model.files import read_manifest, whole_folder
from model.formats import FORMATS
from model.mapping import Geometry, LayerMap, map_layers, offset_width, threshold_width
from model.network import DenseLayer, Int32, Network, OutputLayer, Signs, Thermometer

VERSION = 1
MANIFEST = "manifest.json"

# Only files of these names are ever written, read or replaced.
FILE = rf"layer[0-9]+_(g[0-9]+_t[0-9]+|thresholds|offsets)\.({'|'.join(FORMATS)})"

Kind: TypeAlias = Literal["array", "thresholds", "offsets"]
Size: TypeAlias = Annotated[int, Field(ge=1)]
Index: TypeAlias = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Place:
    """What an image is for. `group` and `tile` are None unless it is an array's; `width` is in bits a word."""

    kind: Kind
    layer: Index
    group: Index | None
    tile: Index | None
    width: Size

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        part = f"g{self.group}_t{self.tile}" if self.kind == "array" else self.kind
        return f"layer{self.layer}_{part}"


@dataclass(frozen=True)
class Image(Place):
    """The contents of one memory: `words`, unsigned, lowest address first."""

    words: list[int]


@dataclass(frozen=True)
class ImageFile(Place):
    """One file of the manifest: it holds `words` words; `crc32` is of the file's bytes, in 8 hexadecimal digits."""

    words: Size
    file: Annotated[str, Field(pattern=f"^{FILE}$")]
    format: str
    crc32: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]


@dataclass(frozen=True)
class LayerShape:
    """One layer of the manifest's network."""

    name: str
    fan_in: Size
    fan_out: Size


@dataclass(frozen=True)
class ImageManifest:
    """`manifest.json` of a folder of images: all of the network but its weights, the geometry, and the files."""

    version: Size
    encoding: Thermometer
    layers: Annotated[tuple[LayerShape, ...], Field(min_length=1)]
    origin: dict[str, str | int | float | bool]
    geometry: Geometry
    images: Annotated[tuple[ImageFile, ...], Field(min_length=1)]


_MANIFEST = TypeAdapter(ImageManifest)


def _integers_place(layer: int, fan_in: int, hidden: bool) -> Place:
    if hidden:
        return Place("thresholds", layer, None, None, threshold_width(fan_in))
    return Place("offsets", layer, None, None, offset_width(fan_in))


def _array_places(layer: int, grid: LayerMap) -> Iterator[Place]:
    for group in range(grid.groups):
        for tile in range(grid.tiles):
            yield Place("array", layer, group, tile, grid.geometry.columns)


def words(network: Network, geometry: Geometry) -> Iterator[Image]:
    """The contents of every memory: layer by layer, the arrays in order of group and tile, then the integers."""
    for index, (layer, grid) in enumerate(zip(network.layers, map_layers(network.shape, geometry), strict=True)):
        rows = bits.to_ints(grid.scatter(layer.weights).reshape(-1, geometry.columns))
        for number, place in enumerate(_array_places(index, grid)):
            yield Image(**vars(place), words=rows[number * geometry.rows : (number + 1) * geometry.rows])
        place = _integers_place(index, layer.fan_in, isinstance(layer, DenseLayer))
        yield Image(**vars(place), words=[value % (1 << place.width) for value in layer.integers.tolist()])


def export(network: Network, geometry: Geometry, folder: Path | str, formats: Sequence[str] = ("hex",)) -> Path:
    """Write all images in each of the formats, and the manifest, whose path is returned.

    The folder is written whole or not at all and replaces an older export. Raises HafnetError for an unknown format,
    and for a folder that holds anything but an export.
    """
    for format in formats:
        if format not in FORMATS:
            raise HafnetError(f"format {format!r} is not one of {', '.join(FORMATS)}")
    if not formats:
        raise HafnetError(f"no format is given, but at least one of {', '.join(FORMATS)} is needed")
    listed = []
    with whole_folder(folder, rf"{re.escape(MANIFEST)}|{FILE}") as partial:
        for image in words(network, geometry):
            for format in dict.fromkeys(formats):
                data = FORMATS[format].write(image.words, image.width)
                file = f"{image.name}.{format}"
                (partial / file).write_bytes(data)
                described = {**vars(image), "words": len(image.words)}
                listed.append(ImageFile(**described, file=file, format=format, crc32=_crc32(data)))
        layers = tuple(LayerShape(layer.name, layer.fan_in, layer.fan_out) for layer in network.layers)
        origin = dict(sorted(network.origin.items()))
        manifest = ImageManifest(VERSION, network.encoding, layers, origin, geometry, tuple(listed))
        (partial / MANIFEST).write_bytes(_MANIFEST.dump_json(manifest, indent=2) + b"\n")
    return Path(folder) / MANIFEST


def check(folder: Path | str) -> ImageManifest:
    """The manifest of a folder, once every file that it lists was found unchanged, whatever the files say.

    Raises HafnetError for a missing or damaged manifest, and for a missing or changed file, naming it and both CRCs.
    """
    return _checked(Path(folder))[0]


def load(folder: Path | str, format: str | None = None) -> tuple[Network, Geometry]:
    """The exported network and its geometry, read from one of the formats present (None: the first listed).

    Raises HafnetError as `check` does, for a format that the folder has not, and for contents that break a rule, naming
    the file and the line or word.
    """
    folder = Path(folder)
    manifest, contents = _checked(folder)
    format = format or manifest.images[0].format
    files = {file.file: file for file in manifest.images if file.format == format}
    if format not in FORMATS or not files:
        present = ", ".join(sorted({file.format for file in manifest.images}))
        raise HafnetError(f"{folder}: no images in format {format!r}, only in {present}")
    source = _Source(folder, format, manifest, files, contents)
    parts = [source.layer(index) for index in range(len(manifest.layers))]
    if source.files:
        raise HafnetError(f"{folder / MANIFEST}: {min(source.files)!r} is listed, but belongs to no layer")
    try:
        hidden = tuple(DenseLayer(*part) for part in parts[:-1])
        network = Network(manifest.encoding, hidden, OutputLayer(*parts[-1]), manifest.origin)
    except HafnetError as error:
        raise HafnetError(f"{folder}: {error}") from None
    return network, manifest.geometry


def _crc32(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def _checked(folder: Path) -> tuple[ImageManifest, dict[str, bytes]]:
    """The manifest and the bytes of every file that it lists."""
    path = folder / MANIFEST
    manifest = read_manifest(_MANIFEST, path, VERSION, "hafnet export")
    contents = {}
    for listed in manifest.images:
        file = folder / listed.file
        if not file.is_file():
            raise HafnetError(f"{file}: no such file, but {MANIFEST} lists it")
        contents[listed.file] = file.read_bytes()
        found = _crc32(contents[listed.file])
        if found != listed.crc32:
            raise HafnetError(f"{file}: CRC-32 is {found}, but {MANIFEST} says {listed.crc32}: the file was changed")
    return manifest, contents


@dataclass(frozen=True)
class _Source:
    """A checked folder, read in one format; `files` are those not read yet."""

    folder: Path
    format: str
    manifest: ImageManifest
    files: dict[str, ImageFile]
    contents: dict[str, bytes]

    def read(self, place: Place, count: int) -> list[int]:
        name = f"{place.name}.{self.format}"
        file = self.files.pop(name, None)
        if file is None:
            raise HafnetError(f"{self.folder / MANIFEST}: {name!r} is not listed, but the network and geometry need it")
        if (file.words, file.width) != (count, place.width):
            raise HafnetError(
                f"{self.folder / MANIFEST}: {name!r} has {file.words} words of {file.width} bits, but the network and "
                f"geometry need {count} of {place.width}"
            )
        try:
            return FORMATS[self.format].read(self.contents[name], place.width, count)
        except HafnetError as error:
            raise HafnetError(f"{self.folder / name}: {error}") from None

    def layer(self, index: int) -> tuple[str, Signs, Int32]:
        """Name, weights and integers of a layer."""
        shape, geometry = self.manifest.layers[index], self.manifest.geometry
        grid = LayerMap(shape.fan_in, shape.fan_out, geometry)
        rows = [row for place in _array_places(index, grid) for row in self.read(place, geometry.rows)]
        arrays = bits.from_ints(rows, geometry.columns)
        arrays = arrays.reshape(grid.groups, grid.tiles, geometry.rows, geometry.columns)
        weights = grid.gather(arrays)
        padding = np.argwhere(grid.scatter(weights) != arrays)
        if len(padding):
            group, tile, row, column = padding[0].tolist()
            file = Place("array", index, group, tile, geometry.columns).name
            raise HafnetError(
                f"{self.folder / file}.{self.format}: row {row}, column {column} holds 1, but is padding and must be 0"
            )
        place = _integers_place(index, shape.fan_in, index < len(self.manifest.layers) - 1)
        integers = np.array(self.read(place, shape.fan_out), dtype=np.int64)
        if place.kind == "offsets":
            integers = np.where(integers >> (place.width - 1), integers - (1 << place.width), integers)
        return shape.name, weights, integers.astype(np.int32)
