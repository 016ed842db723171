"""Memory images: every format gives back the network, and every damage is named."""

import json
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import formats, images, random_bits
from model.encoding import Thermometer
from model.errors import HafnetError, HafnetWarning
from model.faults import HRS, LRS, ArrayPlace, CellFaults, FaultMap, random_faults
from model.formats import FORMATS
from model.mapping import P2S, S2P, Dataflow, Geometry, Synapse
from model.network import DenseLayer, MaxPoolLayer, Network, OutputLayer, WeightedLayer
from model.plan import Fidelity, LayerPlan, Plan
from model.random_network import random_network

NETWORK = random_network((13, 9, 4), seed=7)
PLAN = Plan(Geometry(5, 6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export of NETWORK in all formats."""
    images.export(NETWORK, PLAN, tmp_path / "images", tuple(FORMATS))
    return tmp_path / "images"


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(HafnetError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def change_manifest(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / images.MANIFEST
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def replace_file(folder: Path, file: str, data: bytes) -> None:
    """Other contents with a CRC-32 that fits: what a tool that knows the manifest might do."""
    (folder / file).write_bytes(data)

    def change(manifest: Any) -> None:
        next(entry for entry in manifest["images"] if entry["file"] == file)["crc32"] = f"{zlib.crc32(data):08x}"

    change_manifest(folder, change)


sizes = st.builds(Geometry, st.integers(1, 70), st.integers(1, 70)) | st.builds(
    Geometry, st.integers(5, 70), st.integers(2, 70), st.integers(0, 3), st.booleans()
)
shapes = st.lists(st.integers(1, 130), min_size=2, max_size=4)


@given(shapes, sizes, st.integers(1, 3), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_every_format_gives_back_the_network(shape: list[int], geometry: Geometry, levels: int, seed: int) -> None:
    shape[0] *= levels
    network = random_network(shape, seed, range(levels))
    # Wide layers on the smallest arrays make thousands of files; somewhat larger arrays are as odd and keep it short.
    if sum(grid.arrays for grid in Plan(geometry).maps(network.topology) if grid) > 200:
        geometry = Geometry(geometry.rows + 30, geometry.columns + 30)
    returns(network, Plan(geometry))


def returns(network: Network, plan: Plan) -> None:
    """An export in all formats gives back the network and the plan, from each of them."""
    with tempfile.TemporaryDirectory() as folder:
        images.export(network, plan, folder, tuple(FORMATS))
        for format in (None, *FORMATS):
            loaded, found = images.load(folder, format)
            assert loaded == network
            assert loaded.origin == network.origin
            assert found == plan.of(network.topology)


@pytest.mark.parametrize(
    ("text", "plans"),
    [
        ("13-9t-7-4t", [(S2P, 5), (P2S, 2), (S2P, 7)]),
        ("4x5x6b8-6c3p1g3t-m2-9-4", [(P2S, 6), (P2S, 1), (S2P, 1), (P2S, 4)]),
        ("1x40x3b5/2-8c1x5s1x3p0x2x0x1f9-m1x2s1x1-avg-3", [(P2S, 3), (S2P, 1), (P2S, 1), (S2P, 8)]),
        ("4x4x2r6x3d4s11-5c2-5c2g5-10", [(S2P, 8), (P2S, 5), (P2S, 3)]),
        ("2x3x4-avg-3t", [(P2S, 1), (S2P, 3)]),
        ("5x4x3-m2x3s1-11", [(P2S, 1), (S2P, 12)]),
        ("6r4x2e3-2", [(P2S, 2)]),
    ],
)
def test_every_kind_of_layer_is_given_back(text: str, plans: list[tuple[Dataflow, int]]) -> None:
    for rows, columns in ((1, 1), (3, 4), (32, 32)):
        returns(random_network(text, seed=5), Plan(Geometry(rows, columns), tuple(LayerPlan(*each) for each in plans)))


@pytest.mark.parametrize("fidelity", ["devices", "noisy"])
def test_images_of_faulty_devices_give_back_network_and_faults(fidelity: Fidelity) -> None:
    network, plan = random_network("13-9t-4", seed=5), Plan(Geometry(3, 7), numbers_in_arrays=True, fidelity=fidelity)
    faults = random_faults(network.topology, plan, stuck=0.2, weak=0.2, seed=2**64 - 1)
    with tempfile.TemporaryDirectory() as folder:
        images.export(network, plan, folder, tuple(FORMATS), faults)
        assert images.load_faults(folder) == faults
        for format in FORMATS:
            assert images.load(folder, format) == (network, plan.of(network.topology))


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """An export of NETWORK with faults in one of its arrays."""
    stuck, none = np.full((2, 5, 6), -1), np.zeros((5, 6), dtype=np.uint8)
    stuck[0, 1, 2], stuck[1, 1, 3], stuck[0, 4, 0], stuck[1, 4, 5] = LRS, LRS, HRS, HRS
    mismatch, weak = none.copy(), none.copy()
    mismatch[0, 4], weak[2, 1] = 1, 0xAB
    faults = FaultMap({ArrayPlace(0, 1, 2): CellFaults(stuck, mismatch, weak)}, seed=3)
    images.export(NETWORK, replace(PLAN, fidelity="noisy"), tmp_path / "images", faults=faults)
    return tmp_path / "images"


def test_images_of_devices_hold_what_the_map_says(faulty: Path) -> None:
    words = {path.stem: [int(line, 16) for line in path.read_text().split()] for path in faulty.glob("*.hex")}
    assert words["layer0_g1_t2_formed"] == words["layer0_g0_t0_formed"] == [0xFFF] * 5
    assert words["layer0_g0_t0_faults"] == words["layer0_g0_t0_weak"] == [0] * 5
    lrs_bl, lrs_blb, hrs_bl, hrs_blb, mismatch = (6 * part for part in range(5))
    right = [0] * 5
    right[0] = 1 << mismatch + 4
    right[1] = 1 << lrs_bl + 2 | 1 << lrs_blb + 3
    right[4] = 1 << hrs_bl + 0 | 1 << hrs_blb + 5
    assert words["layer0_g1_t2_faults"] == right
    assert words["layer0_g1_t2_weak"] == [0, 0, 0xAB << 8, 0, 0]
    # NETWORK has 2 x 3 arrays in layer 0, of 2 generators each.
    for file, array in (("layer0_g0_t0", 0), ("layer0_g1_t2", 5), ("layer1_g0_t1", 7)):
        for word, stream in zip(words[f"{file}_noise"], (2 * array, 2 * array + 1), strict=True):
            state = [word >> 32 * index & 0xFFFFFFFF for index in range(5)]
            assert state == [*random_bits.state(3, stream, 1), random_bits.draws(3, stream, 0, 1)[0]]


@pytest.mark.parametrize("kind", ["formed", "faults", "weak", "noise"])
def test_images_of_devices_that_the_map_does_not_say_are_named(faulty: Path, kind: str) -> None:
    file = f"layer0_g1_t2_{kind}.hex"
    text = (faulty / file).read_text()
    replace_file(faulty, file, (("0" if text[0] != "0" else "1") + text[1:]).encode())
    assert file in refusal(lambda: images.load(faulty))


def test_a_changed_or_missing_fault_map_is_found(faulty: Path) -> None:
    path = faulty / images.FAULTS
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "faults.safetensors is missing or was changed" in refusal(lambda: images.check(faulty))
    path.unlink()
    assert "faults.safetensors is missing or was changed" in refusal(lambda: images.load(faulty))


@given(
    st.sampled_from(sorted(FORMATS)),
    st.integers(1, 130).flatmap(
        lambda width: st.tuples(st.just(width), st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=40))
    ),
)
@settings(deadline=None)
def test_every_format_gives_back_words(format: str, given: tuple[int, list[int]]) -> None:
    width, words = given
    data = FORMATS[format].write(words, width)
    assert FORMATS[format].read(data, width, len(words)) == words
    assert FORMATS[format].write(words, width) == data


def test_the_formats_are_what_tools_read() -> None:
    words = [0x001, 0x1AB, 0x0FF]
    expected = {
        "hex": "001\n1ab\n0ff\n",
        "bin": "\x01\x00\xab\x01\xff\x00",
        # 6 bytes at 0000, type 00; the checksum makes the record's bytes add up to 0 modulo 256.
        "ihex": ":060000000100AB01FF004E\n:00000001FF\n",
        "coe": "memory_initialization_radix=16;\nmemory_initialization_vector=\n001,\n1ab,\n0ff;\n",
        "mif": "WIDTH=9;\nDEPTH=3;\n\nADDRESS_RADIX=UNS;\nDATA_RADIX=HEX;\n\nCONTENT BEGIN\n"
        "    0 : 001;\n    1 : 1ab;\n    2 : 0ff;\nEND;\n",
    }
    assert {name: FORMATS[name].write(words, 9) for name in FORMATS} == {
        name: text.encode("latin-1") for name, text in expected.items()
    }


def test_an_image_holds_what_the_mapping_says() -> None:
    arrays = [image for image in images.words(NETWORK, PLAN) if image.kind == "array"]
    held = {(image.layer, image.group, image.tile): image for image in arrays}
    for index, (grid, layer) in enumerate(zip(PLAN.maps(NETWORK.topology), NETWORK.layers, strict=True)):
        assert grid is not None
        assert isinstance(layer, WeightedLayer)
        seen = 0
        for neuron, source in np.ndindex(grid.fan_out, grid.fan_in):
            cell = grid.cell(Synapse(neuron, source))
            bit = held[index, cell.group, cell.tile].words[cell.row] >> cell.column & 1
            assert bit == (layer.weights[neuron, source] == 1)
            seen += bit
        arrays = [image for image in held.values() if image.layer == index]
        assert len(arrays) == grid.arrays
        assert all((len(image.words), image.width) == (5, 6) for image in arrays)
        # As many ones as weights of +1: no padding cell holds a 1.
        assert sum(word.bit_count() for image in arrays for word in image.words) == seen


def test_integers_are_unsigned_thresholds_and_twos_complement_offsets() -> None:
    hidden = DenseLayer("h", np.ones((3, 3), dtype=np.int8), np.array([0, 2, 4]))
    output = OutputLayer("o", np.ones((3, 3), dtype=np.int8), np.array([-3, -1, 3]))
    network = Network(Thermometer(3, (1,)), (hidden,), output)
    integers = [image for image in images.words(network, PLAN) if image.kind != "array"]
    assert [(image.name, image.width, image.words) for image in integers] == [
        ("layer0_thresholds_l0", 3, [0, 2, 4]),
        ("layer1_offsets_l0", 3, [0b101, 0b111, 0b011]),
    ]


def test_lanes_hold_every_so_manieth_number() -> None:
    """Three lanes for seven neurons: what is left over is 0. Sequential to parallel, all are in one lane."""
    plan = Plan(Geometry(2, 2), (LayerPlan(P2S, 3), LayerPlan(S2P, 2)))
    network = Network(
        Thermometer(1, (1,)),
        (DenseLayer("h", np.ones((7, 1), dtype=np.int8), np.array([0, 1, 2, 0, 1, 2, 2])),),
        OutputLayer("o", np.ones((2, 7), dtype=np.int8), np.array([-7, 7])),
    )
    integers = [image for image in images.words(network, plan) if image.kind != "array"]
    assert [(image.name, image.width, image.words) for image in integers] == [
        ("layer0_thresholds_l0", 2, [0, 0, 2]),
        ("layer0_thresholds_l1", 2, [1, 1, 0]),
        ("layer0_thresholds_l2", 2, [2, 2, 0]),
        ("layer1_offsets_l0", 4, [0b1001, 0b0111]),
    ]


def test_a_ternary_word_tells_plus_from_minus() -> None:
    weights = np.array([[1, 0, -1], [-1, 1, 0]])
    network = Network(Thermometer(3, (1,)), (), OutputLayer("o", weights, np.array([0, -6]), ternary=True))
    array, offsets = images.words(network, Plan(Geometry(2, 4)))
    assert (array.width, array.words) == (8, [0b0100_0001, 0b0001_0010])
    assert (offsets.width, offsets.words) == (4, [0, 0b1010])


def test_modes_of_max_pooling_are_bits() -> None:
    network = random_network("2x2x5-m2-3", seed=1)
    (modes,) = [image for image in images.words(network, Plan()) if image.kind == "modes"]
    (pooling,) = network.hidden
    assert isinstance(pooling, MaxPoolLayer)
    assert 0 < pooling.conjunctive.sum() < 5
    assert (modes.name, modes.width, modes.words) == ("layer0_modes_l0", 1, pooling.conjunctive.tolist())


def test_the_manifest_describes_every_file(folder: Path) -> None:
    manifest = images.check(folder)
    assert [(layer["name"], layer["kind"], layer["fan_in"], layer["fan_out"]) for layer in manifest.layers] == [
        ("hidden0", "dense", 13, 9),
        ("output", "dense", 9, 4),
    ]
    assert manifest.topology == "13-9-4"
    assert manifest.encoding == {"kind": "thermometer", "values": 13, "levels": [1]}
    assert manifest.plan == PLAN.of(NETWORK.topology)
    assert {entry.file for entry in manifest.images} | {images.MANIFEST} == set(contents(folder))
    for image in images.words(NETWORK, PLAN):
        for format in FORMATS:
            (entry,) = [entry for entry in manifest.images if entry.file == f"{image.name}.{format}"]
            assert (entry.kind, entry.layer, entry.group, entry.tile) == (
                image.kind,
                image.layer,
                image.group,
                image.tile,
            )
            assert (entry.words, entry.width, entry.format) == (len(image.words), image.width, format)
            data = (folder / entry.file).read_bytes()
            assert entry.crc32 == f"{zlib.crc32(data):08x}"
            assert FORMATS[format].read(data, image.width, len(image.words)) == image.words


def test_the_same_network_gives_the_same_bytes_and_replaces_an_older_export(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    images.export(random_network((40, 4), seed=1), Plan(Geometry()), folder, ("hex", "mif"))
    assert set(contents(folder)) == {
        images.MANIFEST,
        *(f"layer0_{part}.{format}" for part in ("g0_t0", "g0_t1", "offsets_l0") for format in ("hex", "mif")),
    }
    images.export(NETWORK, PLAN, folder, (*FORMATS, "hex"))
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_origin_is_kept_exactly(tmp_path: Path) -> None:
    origin: dict[str, str | int | float] = {
        "seed": 3,
        "accuracy": 1 / 3,
        "whole": 1.0,
        "data": "Ziffern ä",
        "own": True,
    }
    images.export(Network(NETWORK.encoding, NETWORK.hidden, NETWORK.output, origin), PLAN, tmp_path)
    loaded = images.load(tmp_path)[0].origin
    assert loaded == origin
    assert {key: type(value) for key, value in loaded.items()} == {key: type(value) for key, value in origin.items()}


def test_an_array_that_is_not_whole_is_no_image(tmp_path: Path) -> None:
    plan = Plan(Geometry(5, 4, spare_rows=1, signature=True))
    images.export(NETWORK, plan, tmp_path)
    file = "layer0_g0_t0.hex"
    lines = (tmp_path / file).read_text().split()
    assert lines[3:] == ["0", "5"]
    lines[4] = "a"  # INVALID
    replace_file(tmp_path, file, "".join(f"{line}\n" for line in lines).encode())
    assert refusal(lambda: images.load(tmp_path)).endswith(
        f"{file}: row 4 is not the signature of an array that is whole"
    )


def test_rows_and_their_crc_must_fit(tmp_path: Path) -> None:
    plan = Plan(Geometry(5, 4, spare_rows=1, signature=True))
    images.export(NETWORK, plan, tmp_path)
    manifest = images.check(tmp_path)
    for entry in manifest.images:
        rows = [int(line, 16) for line in (tmp_path / entry.file).read_text().split()]
        packed = b"".join(row.to_bytes(1, "little") for row in rows[:3])
        assert entry.contents_crc32 == (f"{zlib.crc32(packed):08x}" if entry.kind == "array" else None)
    first = manifest.images[0]
    change_manifest(tmp_path, lambda manifest: manifest["images"][0].update(contents_crc32="00000000"))
    told = f"{first.file}: its rows have CRC-32 {first.contents_crc32}, but manifest.json says 00000000"
    assert refusal(lambda: images.load(tmp_path)).endswith(told)


def test_a_failed_export_leaves_the_older_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)
    write, calls = formats.Raw.write, iter(range(3))

    def fails_later(self: formats.Raw, words: Sequence[int], width: int) -> bytes:
        if next(calls, None) is None:
            raise OSError("disk full")
        return write(self, words, width)

    with monkeypatch.context() as patched:
        patched.setattr(formats.Raw, "write", fails_later)
        with pytest.raises(OSError, match="disk full"):
            images.export(random_network((40, 4), seed=1), Plan(Geometry(2, 2)), folder, ("bin",))
    assert contents(folder) == before
    images.export(NETWORK, PLAN, folder, tuple(FORMATS))
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["holiday.jpg", "layer0_g0_t0.sv", "firmware.hex", "sub"])
def test_a_folder_of_other_things_is_not_replaced(folder: Path, name: str) -> None:
    if name == "sub":
        (folder / name).mkdir()
    else:
        (folder / name).write_text("mine")
    message = refusal(lambda: images.export(NETWORK, PLAN, folder))
    assert message.startswith(f"{folder} holds {name!r}, but ")
    assert (folder / name).exists()
    assert images.load(folder)[0] == NETWORK


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    message = refusal(lambda: images.export(NETWORK, PLAN, tmp_path / "a"))
    assert message.startswith(f"{tmp_path / 'a'} is a file, but a folder ")
    assert (tmp_path / "a").read_text() == "mine"


def test_an_unknown_format_is_refused(folder: Path, tmp_path: Path) -> None:
    known = ", ".join(FORMATS)
    message = refusal(lambda: images.export(NETWORK, PLAN, tmp_path / "new", ("hex", "elf")))
    assert message == f"format 'elf' is not one of {known}"
    message = refusal(lambda: images.export(NETWORK, PLAN, tmp_path / "new", ()))
    assert message == f"no format is given, but at least one of {known} is needed"
    assert not (tmp_path / "new").exists()
    images.export(NETWORK, PLAN, folder, ("mif", "coe"))
    message = refusal(lambda: images.load(folder, "hex"))
    assert message == f"{folder}: no images in format 'hex', only in coe, mif"


@pytest.mark.parametrize("format", FORMATS)
def test_any_changed_byte_is_found_and_named(folder: Path, format: str) -> None:
    path = folder / f"layer0_g1_t2.{format}"
    good = path.read_bytes()
    for position in range(len(good)):
        bad = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        path.write_bytes(bad)
        message = (
            f"{path}: CRC-32 is {zlib.crc32(bad):08x}, but manifest.json says {zlib.crc32(good):08x}: "
            "the file was changed"
        )
        assert refusal(lambda: images.check(folder)) == message
    for other in (None, *FORMATS):
        assert refusal(lambda: images.load(folder, other)) == message  # noqa: B023  # called at once
    path.unlink()
    message = f"{path}: no such file, but manifest.json lists it; `hafnet export` writes it anew"
    assert refusal(lambda: images.check(folder)) == message


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("layer0_g0_t0.hex", b"", b"00\n", "6 lines, but 5 words need 5"),
        ("layer0_g0_t0.bin", b"", b"\0", "6 bytes, but 5 words of 1 bytes need 5"),
        ("layer1_offsets_l0.mif", b"WIDTH=5", b"WIDTH=6", "line 1 is 'WIDTH=6;', but must be 'WIDTH=5;'"),
        (
            "layer1_offsets_l0.mif",
            b"    1 : ",
            b"    2 : ",
            "line 9 is '    2 : ",
        ),
        ("layer1_offsets_l0.coe", b"radix=16", b"radix=2", "line 1 is 'memory_initialization_radix=2;', but must be "),
        ("layer1_offsets_l0.ihex", b":00000001FF\n", b"", "the end-of-file record is missing after line 1"),
        ("layer1_offsets_l0.ihex", b":04", b":05", "line 1 is not a record of Intel HEX (record ':05"),
        ("layer1_offsets_l0.ihex", b":00000001FF", b":          ", "line 2 is not a record of Intel HEX ("),
        (
            "layer1_offsets_l0.ihex",
            b":00000001FF",
            b":0100000000FF\n:00000001FF",
            "the records do not make up a memory (",
        ),
        (
            "layer1_offsets_l0.ihex",
            b":00000001FF",
            b":0100100000EF\n:00000001FF",
            "records start at [0, 16], but must follow each other from 0",
        ),
        (
            "layer1_offsets_l0.ihex",
            b":00000001FF",
            b":0100040000FB\n:00000001FF",
            "5 bytes, but 4 words of 1 bytes need 4",
        ),
    ],
)
def test_contents_that_break_the_format_are_named(
    folder: Path, file: str, before: bytes, after: bytes, message: str
) -> None:
    data = (folder / file).read_bytes()
    replace_file(folder, file, data.replace(before, after, 1))
    assert (folder / file).read_bytes() != data
    assert refusal(lambda: images.load(folder, file.split(".")[1])).startswith(f"{folder / file}: {message}")


@pytest.mark.parametrize("line", ["zz", "0", "000", "+1", " 1", "", "0x", "1\u00e4"])
def test_a_bad_hexadecimal_word_is_named_by_line(folder: Path, line: str) -> None:
    lines = ["00"] * 5
    lines[3] = line
    replace_file(folder, "layer0_g0_t0.hex", "".join(f"{line}\n" for line in lines).encode("latin-1"))
    assert refusal(lambda: images.load(folder, "hex")) == (
        f"{folder / 'layer0_g0_t0.hex'}: line 4 is {line!r}, but must be '##' with # a hexadecimal digit"
    )


@pytest.mark.parametrize("format", FORMATS)
def test_a_word_that_is_too_wide_is_named(folder: Path, format: str) -> None:
    file = f"layer0_g0_t0.{format}"
    # Written for 8 bits, the six-bit array's words have as many digits and bytes.
    data = FORMATS[format].write([0, 0, 0x40, 0, 0], 8).replace(b"WIDTH=8", b"WIDTH=6")
    replace_file(folder, file, data)
    message = f"{folder / file}: word 2 is 0x40, but must fit in 6 bits"
    assert refusal(lambda: images.load(folder, format)) == message


def test_upper_case_and_dos_lines_are_read(folder: Path) -> None:
    data = (folder / "layer0_g0_t0.hex").read_bytes()
    replace_file(folder, "layer0_g0_t0.hex", data.upper().replace(b"\n", b"\r\n"))
    assert images.load(folder, "hex")[0] == NETWORK


def test_a_padding_bit_is_named(folder: Path) -> None:
    # Group 1 holds neurons 5 … 8 in rows 0 … 3, tile 2 holds input 12 in column 0.
    for word, row, column in (([0, 2, 0, 0, 0], 1, 1), ([0, 0, 0, 0, 1], 4, 0)):
        replace_file(folder, "layer0_g1_t2.hex", FORMATS["hex"].write(word, 6))
        assert refusal(lambda: images.load(folder)) == (
            f"{folder / 'layer0_g1_t2.hex'}: row {row}, column {column} holds 1, but is padding and must be 0"
        )


@pytest.mark.parametrize(
    ("text", "plan", "file", "words", "width", "message"),
    [
        ("3-2t", LayerPlan(), "layer0_g0_t0", [0b001_001, 0], 6, "row 0, column 0 is both +1 and -1"),
        (
            "2-2t",
            LayerPlan(),
            "layer0_g0_t0",
            [0, 0b100_000],
            6,
            "row 1, column 2 holds 1, but is padding and must be 0",
        ),
        (
            "2-2",
            LayerPlan(S2P, 1),
            "layer0_t0_g0",
            [0, 0b100],
            3,
            "row 1, column 2 holds 1, but is padding and must be 0",
        ),
        ("2-3", LayerPlan(P2S, 2), "layer0_offsets_l1", [1, 1], 3, "the last word belongs to no neuron and must be 0"),
        ("2-3", LayerPlan(P2S, 2), "layer0_offsets_l1", [8, 0], 4, "word 0 is 0x8, but must fit in 3 bits"),
    ],
)
def test_contents_that_no_network_has_are_named(
    tmp_path: Path, text: str, plan: LayerPlan, file: str, words: list[int], width: int, message: str
) -> None:
    images.export(random_network(text, seed=1), Plan(Geometry(2, 3), (plan,)), tmp_path)
    replace_file(tmp_path, f"{file}.hex", FORMATS["hex"].write(words, width))
    assert refusal(lambda: images.load(tmp_path)) == f"{tmp_path / file}.hex: {message}"


def test_a_threshold_out_of_range_is_named_by_layer(folder: Path) -> None:
    replace_file(folder, "layer0_thresholds_l0.hex", FORMATS["hex"].write([15] * 9, 4))
    assert refusal(lambda: images.load(folder)) == (
        f"{folder}: layer 'hidden0': threshold 15 of neuron 0 is outside 0 … 14"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda manifest: manifest.update(version=images.VERSION + 1, images=3),
            f"format version {images.VERSION + 1} is newer than {images.VERSION}, the newest known here",
        ),
        (lambda manifest: manifest.update(formats=1), "formats is wrong (Unexpected keyword argument)"),
        (lambda manifest: manifest["plan"].update(lanes=1), "plan.lanes is wrong (Unexpected keyword argument)"),
        (lambda manifest: manifest["plan"]["geometry"].update(row=1), "plan.geometry.row is wrong (Unexpected keyword"),
        (lambda manifest: manifest["images"][1].update(crc=1), "images.1.crc is wrong (Unexpected keyword argument)"),
        (lambda manifest: manifest["layers"][0].update(tenary=True), "layer 'hidden0': member 'tenary' is not known"),
        (lambda manifest: manifest["encoding"].update(level=1), "encoding: member 'level' is not known, only values"),
        (lambda manifest: manifest["images"].append(manifest["images"][0]), "'layer0_g0_t0.hex' is listed twice"),
        (lambda manifest: manifest["images"][0].update(tile=1), "tile of 'layer0_g0_t0.hex' is 1, but must be 0"),
        (lambda manifest: manifest.pop("network"), "the digest of the network is missing; `hafnet export` writes it"),
        (lambda manifest: manifest.update(network="00"), "network is wrong (String should match"),
        (lambda manifest: manifest.update(network="0" * 64), "says network 000000000000…, but the images are of netw"),
        (lambda manifest: manifest.pop("plan"), "plan is wrong (missing)"),
        (
            lambda manifest: manifest["plan"]["geometry"].update(rows=0),
            "an array with 0 rows is not possible: rows must be 1",
        ),
        (lambda manifest: manifest["encoding"].update(levels=[2, 1]), "encoding: level 1 follows 2, but levels must"),
        (lambda manifest: manifest.update(layers=[]), "layers is wrong (Tuple should have at least 1 item"),
        (lambda manifest: manifest.update(images=[]), "images is wrong (Tuple should have at least 1 item"),
        (lambda manifest: manifest["images"][3].update(crc32="12"), "images.3.crc32 is wrong (String should match"),
        (lambda manifest: manifest["images"][3].update(file="../a.hex"), "images.3.file is wrong (String should match"),
        (
            lambda manifest: manifest["layers"][1].update(fan_out="many"),
            "layer 'output': fan_out is 'many' (Input should",
        ),
        (
            lambda manifest: manifest["images"].pop(0),
            "'layer0_g0_t0.hex' is not listed, but the network and plan need it",
        ),
        (
            lambda manifest: manifest["images"][0].update(words=6),
            "'layer0_g0_t0.hex' has 6 words of 6 bits, but the network and plan need 5 of 6",
        ),
        (
            lambda manifest: manifest["plan"]["geometry"].update(columns=7),
            "'layer0_g0_t0.hex' has 5 words of 6 bits, but the network and plan need 5 of 7",
        ),
        (
            lambda manifest: manifest["layers"].pop(),
            "a plan for 2 layers does not fit 13-9, which has 1",
        ),
        (
            lambda manifest: (manifest["layers"].pop(), manifest["plan"]["layers"].pop()),
            "'layer0_offsets_l0.hex' is not listed, but the network and plan need it",
        ),
        (
            lambda manifest: manifest["layers"][1].update(fan_out=2**40),
            "'layer1_g1_t0.hex' is not listed, but the network and plan need it",
        ),
        (
            lambda manifest: (
                manifest["plan"]["geometry"].update(rows=9),
                manifest["layers"][0].update(fan_out=5),
                manifest["layers"][1].update(fan_in=5),
            ),
            "'layer0_g0_t0.hex' has 5 words of 6 bits, but the network and plan need 9 of 6",
        ),
        (
            lambda manifest: (manifest["layers"][0].update(fan_in=12), manifest["encoding"].update(values=12)),
            "'layer0_g0_t2.hex' is listed, but belongs to no layer",
        ),
        (lambda manifest: manifest.update(topology="13-9-5"), "topology is '13-9-5', but its layers are 13-9-4"),
        (lambda manifest: manifest["layers"][0].pop("kind"), "a layer or the encoding lacks 'kind'"),
        (lambda manifest: manifest["layers"][0].pop("name"), "a layer or the encoding lacks 'name'"),
        (lambda manifest: manifest["layers"][0].pop("fan_in"), "layer 'hidden0': fan_in is missing"),
        (
            lambda manifest: manifest["layers"][0].update(kind="soft"),
            "layer 'hidden0': kind 'soft' is not one of dense, convolution, max_pool, average_pool",
        ),
        (
            lambda manifest: manifest["encoding"].update(kind="analogue"),
            "encoding: kind 'analogue' is not one of thermometer, fixed_point, stochastic",
        ),
        (
            lambda manifest: manifest["plan"]["layers"][0].update(dataflow="sideways"),
            "plan.layers.0.dataflow is wrong (Input should be 'parallel_to_sequential' or 'sequential_to_parallel')",
        ),
        (lambda manifest: manifest["plan"]["layers"][0].update(lanes=0), "0 lanes are not possible, at least 1 is"),
        (
            lambda manifest: manifest["plan"]["layers"][1].update(lanes=5),
            "layer 'output': 5 lanes are not possible for 4 neurons, only 1 … 4",
        ),
        (
            lambda manifest: manifest["plan"]["layers"][1].update(lanes=2),
            "'layer1_g1_t0.hex' is not listed, but the network and plan need it",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(folder: Path, change: Callable[[Any], object], message: str) -> None:
    change_manifest(folder, change)
    assert refusal(lambda: images.load(folder, "hex")).startswith(f"{folder / images.MANIFEST}: {message}")


def test_a_manifest_tells_of_which_network_the_images_are(folder: Path) -> None:
    assert images.check(folder).network == NETWORK.digest
    images.export(replace(NETWORK, origin={"seed": 9}), PLAN, folder)
    assert images.check(folder).network == NETWORK.digest


def test_images_of_before_are_read_with_a_warning(folder: Path) -> None:
    change_manifest(folder, lambda manifest: (manifest.pop("network"), manifest.update(version=images.UNBOUND)))
    with pytest.warns(HafnetWarning, match="images was exported before images told of which network they are"):
        assert images.load(folder)[0] == NETWORK


def test_a_member_that_is_there_twice_is_refused(folder: Path) -> None:
    path = folder / images.MANIFEST
    path.write_text(path.read_text().replace('"topology":', '"version": 4, "topology":', 1))
    assert refusal(lambda: images.check(folder)).endswith(
        "not a manifest (member 'version' is there twice); `hafnet export` writes it anew"
    )


def test_a_missing_or_truncated_manifest_is_refused(folder: Path) -> None:
    path = folder / images.MANIFEST
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 2, 997), len(whole) - 3]:
        path.write_bytes(whole[:length])
        assert refusal(lambda: images.check(folder)).startswith(f"{path}: not a manifest (line ")
    path.unlink()
    assert refusal(lambda: images.check(folder)) == f"{path}: no such file; `hafnet export` writes it"


def test_layers_that_do_not_follow_are_refused(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["encoding"].update(values=12))
    assert refusal(lambda: images.load(folder)) == (
        f"{folder / images.MANIFEST}: layer 'hidden0': fan-in is 13, but the encoding gives 12 bits"
    )


def test_the_wide_network_makes_1856_arrays(tmp_path: Path) -> None:
    network = random_network((784, 1024, 1024, 10), seed=1)
    images.export(network, Plan(), tmp_path / "wide", ("bin",))
    manifest = images.check(tmp_path / "wide")
    assert sum(entry.kind == "array" for entry in manifest.images) == 1856
    assert images.load(tmp_path / "wide") == (network, Plan().of(network.topology))
