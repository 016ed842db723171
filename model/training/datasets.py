"""Labelled data to train and test on: scikit-learn's bundled digits, and a folder of IDX files or of CIFAR-10."""

import gzip
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from model.errors import HafnetError
from model.given import described, integer
from model.samples import Samples
from model.user_files import LARGEST_DATA, MEBIBYTE, opened, read_bytes

DIGITS_TEST = 360
CIFAR10 = "*_batch*.bin"
"""Names of the files of CIFAR-10."""
AXES = 4
"""Those of an IDX file, at most."""
DEFLATES = 1032
"""How many times longer gzip's contents can be than its file (RFC 1951: 258 bytes for 2 bits)."""


@dataclass(frozen=True)
class DataSet:
    """Labelled samples, split once and for all into those to learn from and those to test on.

    Members: `name`, as it is written into a network's origin; `train` and `test`, both labelled 0 … classes - 1 and
    equally wide; `classes`. Raises HafnetError where a member breaks its rule; warns of classes without a sample.
    """

    name: str
    train: Samples
    test: Samples
    classes: int

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            if not isinstance(getattr(self, part), Samples):
                raise HafnetError(f"data set: {part} is {described(getattr(self, part))}, but must be Samples")
        object.__setattr__(self, "classes", integer("data set: classes", self.classes))
        width = self.train.values.shape[1]
        for part, samples in (("train", self.train), ("test", self.test)):
            if samples.labels is None:
                raise HafnetError(f"data set {self.name!r}: the {part} samples have no labels")
            samples.check_labels(self.classes, f"data set {self.name!r}, {part} samples")
            if samples.values.shape[1] != width:
                has = samples.values.shape[1]
                raise HafnetError(
                    f"data set {self.name!r}: {part} samples have {has} values, but train samples {width}"
                )
        for part, samples in (("train", self.train), ("test", self.test)):
            samples.warn_of_empty_classes(self.classes, f"data set {self.name!r}, {part} samples")


def load_digits() -> DataSet:
    """The 1,797 handwritten digits that come with scikit-learn: 8 × 8 pixels of 0 … 16, 360 of them for testing.

    The split is the same for everyone: stratified, drawn once with a fixed seed. Source: E. Alpaydin and C. Kaynak,
    "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits as bundled
    from sklearn.model_selection import train_test_split

    values, labels = bundled(return_X_y=True)
    train_values, test_values, train_labels, test_labels = train_test_split(
        values.astype(np.uint8), labels, test_size=DIGITS_TEST, stratify=labels, random_state=0
    )
    return DataSet("digits", Samples(train_values, train_labels), Samples(test_values, test_labels), 10)


def load_folder(folder: Path | str) -> DataSet:
    """The data in a folder: those of `load_cifar10` where it holds any such file, or else of `load_idx`."""
    return load_cifar10(folder) if any(Path(folder).glob(CIFAR10)) else load_idx(folder)


def load_cifar10(folder: Path | str) -> DataSet:
    """CIFAR-10 in its binary version: `data_batch_1.bin` … (as many as there are) and `test_batch.bin`.

    Values are 0 … 255, ordered as networks take maps: row, column, channel. Raises HafnetError for a file that is
    missing or damaged. Format: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and the
    page of the data set: records of a label and 32 x 32 red, green, then blue values.
    """
    root = Path(folder)
    train, test = (_cifar10_batches(root, pattern) for pattern in ("data_batch*.bin", "test_batch.bin"))
    return DataSet(root.resolve().name, train, test, 10)


def _cifar10_batches(root: Path, pattern: str) -> Samples:
    paths = sorted(root.glob(pattern))
    if not paths:
        raise HafnetError(f"{root}: no file {pattern}, as CIFAR-10 in its binary version has")
    size, batches = 1 + 3 * 32 * 32, []
    for path in paths:
        data = read_bytes(path)
        if not data or len(data) % size:
            raise HafnetError(
                f"{path}: is {len(data)} bytes long, but CIFAR-10 has {size} for each image, and at least one"
            )
        batches.append(np.frombuffer(data, np.uint8).reshape(-1, size))
    records = np.concatenate(batches)
    images = records[:, 1:].reshape(-1, 3, 32 * 32).swapaxes(1, 2)
    return Samples(images.reshape(len(records), -1), records[:, 0])


def load_idx(folder: Path | str) -> DataSet:
    """Data in IDX files, as MNIST and Fashion-MNIST are published: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`
    and the same for `t10k` (or `test`), each gzipped (`.gz`) or not.

    Values are 0 … 255. Raises HafnetError for a file that is missing, ambiguous or damaged, and for images and labels
    that do not belong together. Format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    root = Path(folder)
    if not root.is_dir():
        raise HafnetError(f"{root}: no such folder")
    train, test = _idx_pair(root, ("train",)), _idx_pair(root, ("t10k", "test"))
    assert train.labels is not None  # _idx_pair always labels
    return DataSet(root.resolve().name, train, test, int(train.labels.max()) + 1)


def _idx_pair(root: Path, parts: tuple[str, ...]) -> Samples:
    """The images and labels of one part, under whichever of its names they are."""
    images_path, labels_path = (_only(root, parts, kind) for kind in ("images", "labels"))
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        raise HafnetError(f"{images_path}: holds {images.shape}, but images are (samples, rows, columns)")
    if labels.ndim != 1:
        raise HafnetError(f"{labels_path}: holds {labels.shape}, but labels are (samples,)")
    if len(images) != len(labels):
        raise HafnetError(f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels")
    return Samples(images.reshape(len(images), -1), labels)


def _only(root: Path, parts: tuple[str, ...], kind: str) -> Path:
    patterns = [f"{part}*{kind}*" for part in parts]
    found = sorted(path for pattern in patterns for path in root.glob(pattern) if path.is_file())
    if not found:
        raise HafnetError(f"{root}: no file {' or '.join(patterns)}")
    # `gunzip -k` leaves a file beside its gzip: the same data, and the plain one sorts first.
    other = next((path for path in found if path.name.removesuffix(".gz") != found[0].name.removesuffix(".gz")), None)
    if other is not None:
        raise HafnetError(f"{root}: {found[0].name} and {other.name} are both {parts[0]} {kind}, but one is needed")
    return found[0]


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of one IDX file of unsigned bytes, gzipped or not.

    Raises HafnetError for a damaged one, one of more than 4 axes, and one that describes more than 4,096 MiB. Of a
    gzipped one no more is unpacked than its header describes.
    """
    with opened(path) as file:
        stored = os.fstat(file.fileno()).st_size
        if file.peek(2)[:2] != b"\x1f\x8b":
            return _read_idx(path, file, stored)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read_idx(path, unpacked, DEFLATES * stored)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise HafnetError(f"{path}: not a whole gzip file ({error}): download it again") from None


def _read_idx(path: Path, file: IO[bytes] | gzip.GzipFile, most: int) -> npt.NDArray[np.uint8]:
    """From a file that holds at most `most` bytes."""
    magic = file.read(4)
    if not magic:
        raise HafnetError(f"{path}: is empty, but an IDX file starts with 00 00 08: download or unpack it again")
    if len(magic) < 4 or magic[:3] != b"\0\0\x08":
        raise HafnetError(f"{path}: starts with {magic.hex(' ')}, but IDX files of bytes start with 00 00 08")
    if not 1 <= magic[3] <= AXES:
        raise HafnetError(f"{path}: its header describes {magic[3]} axes, but 1 … {AXES} are possible")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise HafnetError(f"{path}: ends within its header of {magic[3]} axes: download or unpack it again")
    shape = tuple(np.frombuffer(sizes, dtype=">u4").tolist())
    if 0 in shape:
        raise HafnetError(f"{path}: holds {shape}, but none of its axes may be empty")
    start, size = 4 + len(sizes), math.prod(shape)
    if size > LARGEST_DATA:
        mebibytes = LARGEST_DATA // MEBIBYTE
        raise HafnetError(f"{path}: its header describes {size} bytes, but at most {mebibytes} MiB are read")
    if start + size > most:
        raise HafnetError(f"{path}: is at most {most} bytes long, but its header describes {start + size}")
    data = file.read(size)
    rest = file.read(1)
    if len(data) < size or rest:
        length = f"more than {start + size}" if rest else f"{start + len(data)}"
        raise HafnetError(f"{path}: is {length} bytes long, but its header describes {start + size}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)
