from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file
from signed import write_signed

from model.errors import HafnetError, HafnetWarning
from model.random_network import random_network
from model.samples import FORM, Input, Samples
from model.topology import Map

VALUES = np.arange(12, dtype=np.uint8).reshape(4, 3)
LABELS = np.array([1, 0, 2, 1])


@pytest.mark.parametrize("labels", [LABELS, None])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, ">i4"])
def test_round_trip(tmp_path: Path, dtype: npt.DTypeLike, labels: npt.NDArray[np.int64] | None) -> None:
    samples = Samples(VALUES.astype(dtype)[::-1], labels)
    samples.save(tmp_path / "folder" / "samples.safetensors")
    assert Samples.load(tmp_path / "folder" / "samples.safetensors") == samples
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["samples.safetensors"]


def test_same_samples_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        Samples(VALUES, LABELS).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_members_are_copies_and_read_only() -> None:
    values = VALUES.copy()
    samples = Samples(values, LABELS)
    values[0, 0] = 99
    assert samples.values[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        samples.values[0, 0] = 1


def test_equality_needs_values_and_labels() -> None:
    assert Samples(VALUES, LABELS) == Samples(VALUES.astype(np.int64), LABELS.astype(np.uint8))
    assert Samples(VALUES, LABELS) != Samples(VALUES)
    assert Samples(VALUES, LABELS) != Samples(VALUES, LABELS[::-1])
    assert Samples(VALUES) != Samples(VALUES + 1)


def test_first() -> None:
    samples = Samples(VALUES, LABELS)
    assert samples.first(2) == Samples(VALUES[:2], LABELS[:2])
    assert len(Samples(VALUES).first(4)) == 4
    for count in (0, 5):
        with pytest.raises(HafnetError, match=f"{count} samples are asked for, but there are 4"):
            samples.first(count)


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        (VALUES[0], None, r"values have shape \(3,\)"),
        (VALUES.astype(float), None, "values are float64, but must be integers"),
        (VALUES[:0], None, r"values have shape \(0, 3\)"),
        (VALUES[:, :0], None, r"values have shape \(4, 0\)"),
        (VALUES.astype(np.int64) << 31, None, "must fit in 32 bits"),
        (VALUES, LABELS[:3], "4 samples have 3 labels"),
        (VALUES, LABELS[np.newaxis], r"labels have shape \(1, 4\)"),
        (VALUES, LABELS - 1, "label -1 of sample 1 is below 0"),
    ],
)
def test_rules(values: npt.ArrayLike, labels: npt.ArrayLike | None, message: str) -> None:
    with pytest.raises(HafnetError, match=message):
        Samples(values, labels)  # type: ignore[arg-type]  # whatever a user has


def test_files_that_are_refused(tmp_path: Path) -> None:
    unsigned = pytest.warns(HafnetWarning, match="broken has no digest of its contents")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    Samples(VALUES, LABELS).save(whole)
    with pytest.raises(HafnetError, match="absent: no such file"):
        Samples.load(tmp_path / "absent")
    for length in (0, 7, 40, len(whole.read_bytes()) - 1):
        broken.write_bytes(whole.read_bytes()[:length])
        with pytest.raises(HafnetError, match=r"broken: not a whole \.safetensors file"):
            Samples.load(broken)
    torch_file = b'{"values":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2]}}'
    broken.write_bytes(len(torch_file).to_bytes(8, "little") + torch_file + b"\0\0")
    with pytest.raises(HafnetError, match=r"broken: not a whole \.safetensors file of numpy's types"):
        Samples.load(broken)
    save_file({"pixels": VALUES}, broken)
    with unsigned, pytest.raises(HafnetError, match=r"broken: a \.safetensors file, but no samples \(tensor 'values'"):
        Samples.load(broken)
    save_file({"values": VALUES, "labels": LABELS[:2]}, broken)
    with unsigned, pytest.raises(HafnetError, match="broken: samples: 4 samples have 2 labels"):
        Samples.load(broken)
    write_signed(broken, FORM, {"version": 1}, {"values": VALUES, "lables": LABELS})
    with pytest.raises(HafnetError, match="broken: tensor 'lables' is none of samples"):
        Samples.load(broken)
    for header, told in (
        ({"encoding": {"kind": "fixed_point", "values": 3, "dept": 4}}, "encoding: member 'dept' is not known"),
        ({"encoding": {"values": 3}}, r"metadata entry 'hafnet_samples' is damaged \(KeyError: 'kind'\)"),
        ({"map": [1, 2, 3], "maps": []}, "metadata entry 'hafnet_samples': member 'maps' is not known"),
        ({"encoding": {"kind": "thermometer", "values": 3, "levels": [1]}, "map": [1, "2", 3]}, "a side of the map"),
    ):
        write_signed(broken, FORM, {"version": 1, **header}, {"values": VALUES})
        with pytest.raises(HafnetError, match=f"broken: {told}"):
            Samples.load(broken)


def test_samples_know_what_takes_them(tmp_path: Path) -> None:
    """They stay good when a network is trained anew, and for any network that takes the same values."""
    maps, again, flat = (random_network(*each) for each in (("2x3x1b4-4c2-3", 0), ("2x3x1b4-2c1-5", 1), ("6b4-2", 2)))
    samples = Samples(np.zeros((2, 6), dtype=int)).made_for(maps)
    samples.save(tmp_path / "samples")
    loaded = Samples.load(tmp_path / "samples")
    assert loaded == samples
    assert loaded.first(1).input == loaded.input == Input(maps.encoding, Map(2, 3, 1))
    for network in (maps, again, flat):
        loaded.check(network)
        Samples(samples.values).check(network)
    Samples(samples.values).made_for(flat).check(maps)
    for shape, told in (
        ("3x2x1b4-4c2-3", "samples are maps of 2x3x1, but the network takes maps of 3x2x1"),
        ("2x3x1b5-4c2-3", r"samples were made for FixedPoint\(.* depth=4, .*, but the network takes .* depth=5, "),
        ("6-3", r"samples were made for FixedPoint\(.*, but the network takes Thermometer\("),
        ("2x3x2b4-4c2-3", "samples have 6 values, but the network takes 12"),
    ):
        with pytest.raises(HafnetError, match=told):
            loaded.check(random_network(shape, 0))
    with pytest.raises(HafnetError, match="samples have 12 values, but the network takes 6"):
        Samples(np.zeros((2, 12), dtype=int)).made_for(maps)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 3], "mine: label 3 of sample 3 is none of the 3 classes: labels count from 0 to 2"),
        ([1, 3, 2, 1], "mine: label 3 of sample 1 is none of the 3 classes: labels count from 0, but these from 1, "),
        ([1, 9, 2, 1], "mine: label 9 of sample 1 is none of the 3 classes: labels count from 0 to 2"),
    ],
)
def test_labels_are_classes(labels: list[int], message: str) -> None:
    samples = Samples(VALUES, np.array(labels))
    with pytest.raises(HafnetError) as caught:
        samples.check_labels(3, "mine")
    assert str(caught.value).startswith(message)
    samples.check_labels(10)
    Samples(VALUES).check_labels(1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 2, 1], "mine: no sample is of class 0; labels count from 0$"),
        ([0, 2, 2, 0], "mine: no sample is of class 1$"),
        ([0, 0, 0, 0], "mine: no sample is of classes 1, 2$"),
    ],
)
def test_classes_without_samples_are_said(labels: list[int], message: str) -> None:
    with pytest.warns(HafnetWarning, match=message):
        Samples(VALUES, np.array(labels)).warn_of_empty_classes(3, "mine")


def test_nothing_is_said_where_each_class_has_a_sample_or_nobody_knows() -> None:
    Samples(VALUES, np.array([0, 1, 2, 2])).warn_of_empty_classes(3)
    Samples(VALUES).warn_of_empty_classes(3)
