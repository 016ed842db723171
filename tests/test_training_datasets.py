import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from model.errors import HafnetError, HafnetWarning
from model.samples import Samples
from model.training.datasets import DataSet, load_digits, load_folder, load_idx, read_idx
from model.training.recipe import Recipe, choose_topology

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([0, 1, 2, 1, 0], dtype=np.uint8)


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_folder(folder: Path, test: str = "t10k", suffix: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in {
        "train-images-idx3-ubyte": IMAGES,
        "train-labels-idx1-ubyte": LABELS,
        f"{test}-images-idx3-ubyte": IMAGES[:3] + 100,
        f"{test}-labels-idx1-ubyte": LABELS[:3],
    }.items():
        data = idx(array)
        (folder / (name + suffix)).write_bytes(gzip.compress(data) if suffix else data)
    return folder


def test_digits_split_is_fixed_and_stratified() -> None:
    data = load_digits()
    assert data.train.labels is not None
    assert data.test.labels is not None
    assert (len(data.train), len(data.test), data.classes) == (1437, 360, 10)
    assert (data.train.values.min(), data.train.values.max()) == (0, 16)
    share = np.bincount(data.test.labels) / np.bincount(np.concatenate([data.train.labels, data.test.labels]))
    assert np.abs(share - 360 / 1797).max() < 0.005
    # Accuracies of different versions are comparable only on the same 360 samples.
    assert zlib.crc32(data.test.values.tobytes()) == 1814970648


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("test", ["t10k", "test", "t10k-even"])
def test_idx_folder(tmp_path: Path, test: str, suffix: str) -> None:
    data = load_idx(write_folder(tmp_path / "mine", test, suffix))
    assert data.name == "mine"
    assert data.classes == 3
    assert data.train == Samples(IMAGES.reshape(5, 6), LABELS)
    assert data.test == Samples(IMAGES[:3].reshape(3, 6) + 100, LABELS[:3])


def test_idx_file_beside_its_gzip_is_one_file(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_folder(tmp_path, suffix=".gz")
    assert len(load_idx(tmp_path).train) == 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", None, r"no file train\*images\*"),
        ("t10k-labels-idx1-ubyte", None, r"no file t10k\*labels\* or test\*labels\*"),
        ("train-images-idx3-ubyte", b"", "is empty, but an IDX file starts with 00 00 08: download or unpack it again"),
        ("train-images-idx3-ubyte", b"\x89PNG....", "starts with 89 50 4e 47, but IDX"),
        ("train-images-idx3-ubyte", idx(IMAGES)[:10], "ends within its header of 3 axes"),
        ("train-images-idx3-ubyte", idx(IMAGES)[:-1], "is at most 45 bytes long, but its header describes 46"),
        ("train-images-idx3-ubyte", idx(IMAGES) + b"x", "is more than 46 bytes long, but its header describes 46"),
        ("train-images-idx3-ubyte", gzip.compress(idx(IMAGES), mtime=0)[:-9], "not a whole gzip file"),
        ("train-images-idx3-ubyte", gzip.compress(idx(IMAGES), mtime=0)[:12] + b"x" * 40, "not a whole gzip file"),
        ("train-images-idx3-ubyte", bytes([0, 0, 8, 72]) + b"\0\0\0\1" * 72 + b"x", "describes 72 axes, but 1 … 4 are"),
        ("train-images-idx3-ubyte", bytes([0, 0, 8, 0]) + b"x", "describes 0 axes, but 1 … 4 are possible"),
        ("train-images-idx3-ubyte", bytes([0, 0, 8, 3]) + b"\xff" * 12, "bytes, but at most 4096 MiB are read"),
        ("train-images-idx3-ubyte", bytes([0, 0, 8, 3]) + b"\0\0\0\xff" * 3, "16 bytes long, but its .* 16581391"),
        (
            "train-images-idx3-ubyte",
            gzip.compress(idx(IMAGES)[:4] + b"\0\0\0\xff" * 3, mtime=0),
            "long, but its .* 16581391",
        ),
        (
            "train-images-idx3-ubyte",
            gzip.compress(idx(IMAGES) + bytes(2**24), mtime=0),
            "is more than 46 bytes long, but its",
        ),
        (
            "train-images-idx3-ubyte",
            gzip.compress(idx(IMAGES)[:-1], mtime=0),
            "is 45 bytes long, but its header describes 46",
        ),
        ("train-images-idx3-ubyte", idx(IMAGES[0]), r"holds \(2, 3\), but images are \(samples, rows, columns\)"),
        ("train-images-idx3-ubyte", idx(IMAGES[:0]), r"holds \(0, 2, 3\), but none of its axes may be empty"),
        ("train-labels-idx1-ubyte", idx(IMAGES), r"holds \(5, 2, 3\), but labels are \(samples,\)"),
        ("train-labels-idx1-ubyte", idx(LABELS[:4]), "holds 5 images, but .* 4 labels"),
        ("t10k-images-idx3-ubyte", idx(IMAGES[:3, :1]), "test samples have 3 values, but train samples 6"),
        ("t10k-labels-idx1-ubyte", idx(LABELS[:3] + 2), "test samples: label 3 of sample 1 is none of the 3 classes"),
        ("train-extra-images", idx(IMAGES), "train-extra-images and train-images-idx3-ubyte are both train images"),
    ],
)
def test_idx_folders_that_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = write_folder(tmp_path) / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(HafnetError, match=message):
        load_idx(tmp_path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """256 MiB in 260 kB, behind a header that describes 30 bytes."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(IMAGES)) + gzip.compress(bytes(2**28), 1))
    tracemalloc.start()
    with pytest.raises(HafnetError, match="is more than 46 bytes long, but its header describes 46"):
        read_idx(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**22


def test_labels_from_1_are_said_and_do_not_fit_so_many_classes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    for part, count in (("train", 5), ("t10k", 3)):
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[:count] + 1))
    with pytest.warns(HafnetWarning) as caught:
        data = load_idx(folder)
    said = [str(each.message).partition(", ")[2] for each in caught]
    assert said == [f"{part} samples: no sample is of class 0; labels count from 0" for part in ("train", "test")]
    assert data.classes == 4
    with pytest.raises(HafnetError, match=r"shape '6-3' ends with 3 classes, but data set .* has 4"):
        choose_topology(data, Recipe(topology="6-3"))
    assert data.train.labels is not None
    with pytest.raises(
        HafnetError, match=r"'mine', train samples: label 3 of sample 2 is none of the 3 classes: .* from 1"
    ):
        DataSet("mine", data.train, data.test, 3)


def record(label: int, image: npt.NDArray[np.uint8]) -> bytes:
    """Of CIFAR-10: the label, then a plane of each colour of a (32, 32, 3) image."""
    return bytes([label, *(int(image[y, x, colour]) for colour in range(3) for y in range(32) for x in range(32))])


def write_cifar10(folder: Path) -> npt.NDArray[np.uint8]:
    """Two batches of two and one image, and a test image; the four images."""
    folder.mkdir(exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    (folder / "data_batch_2.bin").write_bytes(record(9, images[2]))
    (folder / "data_batch_1.bin").write_bytes(record(3, images[0]) + record(0, images[1]))
    (folder / "test_batch.bin").write_bytes(record(7, images[3]))
    (folder / "batches.meta.txt").write_text("airplane\n")
    return images


def test_cifar10_folder(tmp_path: Path) -> None:
    images = write_cifar10(tmp_path / "mine")
    with pytest.warns(HafnetWarning, match="no sample is of classes ") as caught:
        data = load_folder(tmp_path / "mine")
    assert [str(each.message) for each in caught] == [
        "data set 'mine', train samples: no sample is of classes 1, 2, 4, 5, 6, 7, 8",
        "data set 'mine', test samples: no sample is of classes 0, 1, 2, 3, 4, 5, 6, 8, … (9 in all)",
    ]
    assert (data.name, data.classes) == ("mine", 10)
    assert data.train == Samples(images[:3].reshape(3, -1), np.array([3, 0, 9]))
    assert data.test == Samples(images[3:].reshape(1, -1), np.array([7]))
    assert data.train.values.dtype == np.uint8


def test_a_folder_of_idx_files_is_known_as_one(tmp_path: Path) -> None:
    assert load_folder(write_folder(tmp_path / "mine")).train == load_idx(tmp_path / "mine").train


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test_batch.bin", None, r"no file test_batch\.bin"),
        ("data_batch_1.bin", b"", "data_batch_1.bin: is 0 bytes long, but CIFAR-10 has 3073 for each image"),
        ("data_batch_2.bin", bytes(2 * 3073 - 1), "is 6145 bytes long"),
        ("test_batch.bin", b"\x0a" + bytes(3072), "test samples: label 10 of sample 0 is none of the 10 classes"),
    ],
)
def test_cifar10_folders_that_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    write_cifar10(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(HafnetError, match=message):
        load_folder(tmp_path)


def test_cifar10_without_anything_to_learn_from(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    for path in tmp_path.glob("data_batch*"):
        path.unlink()
    with pytest.raises(HafnetError, match=r"no file data_batch\*\.bin"):
        load_folder(tmp_path)


@pytest.mark.parametrize("load", [load_folder, load_idx])
def test_no_such_folder(tmp_path: Path, load: Callable[[Path], DataSet]) -> None:
    with pytest.raises(HafnetError, match="absent: no such folder"):
        load(tmp_path / "absent")


def test_data_set_needs_labels() -> None:
    with pytest.raises(HafnetError, match="'mine': the test samples have no labels"):
        DataSet("mine", Samples([[1]], [0]), Samples([[1]]), 1)  # type: ignore[arg-type]  # lists
