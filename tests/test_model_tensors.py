"""Files of networks, samples and fault maps: no change of them goes unseen, and those of before are still read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import save_file
from signed import read_raw, undigested

from model import faults, network_file, samples
from model.encoding import Thermometer
from model.errors import HafnetError, HafnetWarning
from model.faults import FaultMap, random_faults
from model.mapping import Geometry
from model.network import Network, OutputLayer
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from model.tensors import Form, digest, read_tensors, write_tensors

NETWORK = random_network("5x4x3b4-3c2t-m2x3s1-4t", seed=7)
VALUES = np.random.default_rng(1).integers(0, 16, (4, 60), dtype=np.uint8)
FLIPS = 300


class Kind(NamedTuple):
    form: Form
    made: Any
    load: Callable[[Path], Any]


KINDS = {
    "network": Kind(network_file.FORM, NETWORK, Network.load),
    "samples": Kind(samples.FORM, Samples(VALUES, np.arange(4)).made_for(NETWORK), Samples.load),
    "fault map": Kind(
        faults.FORM, random_faults(NETWORK.topology, Plan(Geometry(4, 5)), stuck=0.1, weak=0.1), FaultMap.load
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def contents(kind: Kind, loaded: Any) -> tuple[Any, ...]:
    """All that a file says, what does not count for equality, too."""
    return (loaded, *(getattr(loaded, name, None) for name in ("origin", "input", "chip")))


def test_a_flipped_byte_is_refused_or_says_the_same(kind: Kind, tmp_path: Path) -> None:
    """Everywhere: in the header's length, its JSON, its padding, and the tensors."""
    path = tmp_path / "file"
    kind.made.save(path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    random = np.random.default_rng(5)
    places = [*range(8), *random.integers(8, header, FLIPS), *random.integers(header, len(whole), FLIPS)]
    refused = []
    for place in map(int, places):
        bad = bytearray(whole)
        bad[place] ^= int(random.integers(1, 256))
        path.write_bytes(bad)
        try:
            assert contents(kind, kind.load(path)) == contents(kind, kind.made), place
        except HafnetError as error:
            refused.append(str(error))
    assert len(refused) > len(places) - 8  # what says the same is white space
    assert [told for told in refused if not told.startswith(f"{path}: ") or len(told) > 300] == []


def test_a_change_is_named_with_file_and_digests(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    kind.made.save(path)
    said = read_raw(path, kind.form)[0]["digest"]
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    header, tensors = read_raw(path, kind.form)
    found = digest({name: member for name, member in header.items() if name != "digest"}, tensors)
    with pytest.raises(HafnetError) as caught:
        kind.load(path)
    told = f"the contents have SHA-256 {found[:12]}…, but the file says {said[:12]}…: it was changed"
    assert str(caught.value) == f"{path}: {told}"


def test_a_file_of_before_is_read_with_a_warning(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    kind.made.save(path)
    undigested(path, kind.form)
    with pytest.warns(HafnetWarning, match=r"file has no digest of its contents, so that damage to it would not be"):
        loaded = kind.load(path)
    assert loaded == kind.made
    loaded.save(path)
    kind.load(path)  # and there is nothing to warn of


def test_a_digest_cannot_be_left_out(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "file"
    kind.made.save(path)
    raw, tensors = read_raw(path, kind.form)
    del raw["digest"]
    save_file(tensors, path, metadata={kind.form.entry: json.dumps(raw)})
    with pytest.raises(HafnetError, match="but the file says None: it was changed"):
        kind.load(path)


def test_the_same_contents_give_the_same_bytes(kind: Kind, tmp_path: Path) -> None:
    for name in ("one", "two"):
        kind.made.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    kind.load(tmp_path / "one").save(tmp_path / "three")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "three").read_bytes()


def test_arrays_in_any_order_in_memory_come_back(tmp_path: Path) -> None:
    """A transposed matrix, as another library holds it or a placed network has, was saved as another network."""
    random = np.random.default_rng(1)
    weights = random.choice([-1, 1], (20, 7)).T
    assert not weights.flags.c_contiguous
    output = OutputLayer("output", weights, np.zeros(7, dtype=int))
    network = Network(Thermometer(20, (1,)), (), output)
    network.save(tmp_path / "network")
    loaded = Network.load(tmp_path / "network")
    assert np.array_equal(loaded.output.weights, weights)
    assert loaded.digest == network.digest == replace(network, output=replace(output, weights=weights.copy())).digest


def test_one_kind_of_file_is_no_other(tmp_path: Path) -> None:
    for kind in KINDS.values():
        kind.made.save(tmp_path / "file")
        for other in KINDS.values():
            if other is not kind:
                with pytest.raises(HafnetError, match=f"a .safetensors file, but no {other.form.what} "):
                    other.load(tmp_path / "file")


def test_a_digest_is_of_names_types_shapes_and_elements_in_any_order(tmp_path: Path) -> None:
    form = Form("thing", "things", ("a",), 1, 0)
    one, two = np.arange(6, dtype=np.int16), np.zeros((), dtype=np.float32)
    base = digest({"a": 1}, {"one": one, "two": two})
    assert base == digest({"a": 1}, {"two": two, "one": one.astype(">i2")})
    others: list[tuple[dict[str, int], dict[str, Any]]] = [
        ({"a": 2}, {"one": one, "two": two}),
        ({"a": 1}, {"one": one, "too": two}),
        ({"a": 1}, {"one": one.reshape(2, 3), "two": two}),
        ({"a": 1}, {"one": one.view(np.uint16), "two": two}),
        ({"a": 1}, {"one": one[::-1], "two": two}),
        ({"a": 1}, {"one": one, "two": two.reshape(1)}),
        ({"a": 1}, {"one": one}),
    ]
    assert len({base, *(digest(*each) for each in others)}) == len(others) + 1
    write_tensors(tmp_path / "file", form, {"a": 1}, {"one": one[::-1]})
    members, tensors = read_tensors(tmp_path / "file", form)
    assert members == {"a": 1}
    assert tensors["one"].tolist() == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"hafnet": "{}", "author": "me"}, "metadata entry 'author' is not known, only 'hafnet'"),
        ({"hafnet": "[]"}, r"metadata entry 'hafnet' is damaged \(it is no object with a version\)"),
        ({"hafnet": '{"version": true}'}, "format version is True, but must be an integer"),
        ({"hafnet": '{"version": 3, "version": 3}'}, "member 'version' is there twice"),
        ({"hafnet": "[" * 100_000}, r"metadata entry 'hafnet' is damaged \(the JSON nests deeper than 32 levels\)"),
        (
            {"hafnet": '{"version": ' + "1" * 5000 + "}"},
            r"metadata entry 'hafnet' is damaged \(1+… is an integer of",
        ),
        ({"hafnet": '{"version": 3, "' + "x" * 5000 + '": 1}'}, "member 'x+...x+' is not known"),
    ],
)
def test_metadata_that_is_not_known_or_damaged_is_refused(metadata: dict[str, str], told: str, tmp_path: Path) -> None:
    save_file({"a": np.zeros(1)}, tmp_path / "file", metadata=metadata)
    with pytest.raises(HafnetError, match=f"file: .*{told}") as caught:
        Network.load(tmp_path / "file")
    assert len(str(caught.value)) <= 300
