"""The generated folder: its manifest says what is in it, and whatever was changed is found."""

import json
import re
from pathlib import Path

import pytest

from hdl import generate as module
from hdl.accelerator import Accelerator
from hdl.generate import MANIFEST, VERSION, Manifest, generate, load_manifest
from hdl.registers import Register, Timing
from model.errors import HafnetError
from model.mapping import Geometry

SMALL = Accelerator((20, 9, 3), Geometry(4, 7), scores=False, input_width=8, timing=Timing(1, 2, 30, 40))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a generated folder."""
    folder = tmp_path_factory.mktemp("generated") / "verilog"
    generate(SMALL, folder)
    return files(folder)


@pytest.fixture
def folder(original: dict[str, bytes], tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    copy = tmp_path / "verilog"
    copy.mkdir()
    for name, data in original.items():
        (copy / name).write_bytes(data)
    return copy


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edit(folder: Path, **changes: object) -> None:
    """Change entries of the manifest."""
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_loaded_is_what_was_generated(tmp_path: Path) -> None:
    manifest = generate(SMALL, tmp_path / "verilog")
    assert load_manifest(tmp_path / "verilog") == manifest
    assert manifest.accelerator == SMALL
    assert (manifest.shape, manifest.geometry, manifest.timing) == (SMALL.shape, SMALL.geometry, SMALL.timing)
    assert manifest.arrays == 3 * 3 + 1 * 2
    assert sorted(files(tmp_path / "verilog")) == sorted([MANIFEST, *(listed.file for listed in manifest.files)])


def test_the_manifest_suffices_to_generate_the_same_again(folder: Path, tmp_path: Path) -> None:
    generate(load_manifest(folder).accelerator, tmp_path / "again")
    assert files(tmp_path / "again") == files(folder)


def test_a_chosen_width_of_the_input_is_told(tmp_path: Path) -> None:
    chosen = Accelerator((200, 3))
    manifest = generate(chosen, tmp_path / "verilog")
    assert manifest.input_width == chosen.bus_width == 128  # 64 bits would take 4 beats, and there are 3 reads
    assert manifest.accelerator.bus_width == 128


def test_ports_are_those_of_the_top_module(folder: Path) -> None:
    manifest = load_manifest(folder)
    text = (folder / f"{manifest.top}.sv").read_text()
    (header,) = re.findall(rf"^module {manifest.top} #\(.*?\) \((.*?)\);", text, re.MULTILINE | re.DOTALL)
    declared = {
        (name, direction, int(high or 0) + 1)
        for direction, high, name in re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", text, re.MULTILINE)
    }
    assert {(port.name, port.direction, port.width) for port in manifest.ports} == declared
    assert sorted(port.name for port in manifest.ports) == sorted(re.split(r"\s*,\s*", header))
    assert {manifest.clock, manifest.reset} <= {port.name for port in manifest.ports}
    assert ("s_axis_tdata", "input", 8) in declared
    assert f'module {manifest.top} #(`HAFNET_PARAMETERS(1, "{manifest.image_default}"))' in text
    assert f"parameter {manifest.image_parameter} = image" in text


def test_layers_name_instances_and_nets_of_the_top_module(folder: Path) -> None:
    manifest = load_manifest(folder)
    text = (folder / f"{manifest.top}.sv").read_text()
    widths = {name: int(high or 0) + 1 for high, name in re.findall(r"^  wire (?:\[(\d+):0\] )?(\w+);", text, re.M)}
    assert [(layer.kind, layer.fan_in, layer.fan_out) for layer in manifest.layers] == [
        ("dense", 20, 9),
        ("classifier", 9, 3),
    ]
    assert [(layer.groups, layer.tiles, layer.reads) for layer in manifest.layers] == [(3, 3, 9), (1, 2, 3)]
    for layer, width in zip(manifest.layers, (9, 2), strict=True):
        assert (widths[layer.payload], widths[layer.valid], widths[layer.ready]) == (width, 1, 1)
        assert re.search(rf"\) {layer.instance} \($", text, re.MULTILINE)


def test_registers_are_those_of_the_host(folder: Path) -> None:
    registers = load_manifest(folder).registers
    assert registers == {register.name: register.value for register in Register}
    assert registers["COMMAND"] == 0x1C


@pytest.mark.parametrize("name", ["hafnet_registers.sv", "hafnet_storage.sv", "hafnet.vlt"])
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text((folder / name).read_text() + "\n")
    with pytest.raises(HafnetError, match=rf"{name} was changed: its SHA-256 is [0-9a-f]{{12}}…"):
        load_manifest(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "hafnet_registers.sv").unlink()
    with pytest.raises(HafnetError, match=r"hafnet_registers\.sv: no such file, but .*manifest\.json lists it"):
        load_manifest(folder)


def test_a_missing_manifest_is_named(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(HafnetError, match=r"manifest\.json: no such file; `hafnet generate` writes it"):
        load_manifest(folder)


def test_a_newer_version_is_refused(folder: Path) -> None:
    edit(folder, version=VERSION + 1)
    with pytest.raises(HafnetError, match=rf"manifest\.json: format version {VERSION + 1} is newer than {VERSION}"):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("entry", "value", "told"),
    [
        ("shape", "20-9-3", "shape is wrong"),
        ("geometry", {"rows": 0, "columns": 7}, "an array with 0 rows"),
        ("timing", {"precharge": 256}, "timing: precharge is 256 cycles"),
        ("layers", [{"kind": "pooling"}], r"layers\.0\.kind is wrong"),
        ("version", 0, "version is wrong"),
    ],
)
def test_a_damaged_manifest_is_told(folder: Path, entry: str, value: object, told: str) -> None:
    edit(folder, **{entry: value})
    with pytest.raises(HafnetError, match=rf"manifest\.json: .*{told}"):
        load_manifest(folder)


def test_a_truncated_manifest_is_told(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:100])
    with pytest.raises(HafnetError, match=r"manifest\.json: not a manifest"):
        load_manifest(folder)


@pytest.mark.parametrize("name", ["notes.txt", "my_chip.sv", "hafnet.sv.bak"])
def test_a_folder_with_a_foreign_file_is_refused_and_kept(folder: Path, name: str) -> None:
    (folder / name).write_text("mine")
    before = files(folder)
    with pytest.raises(HafnetError, match=rf"holds '{name}'"):
        generate(Accelerator((1, 1)), folder)
    assert files(folder) == before


def test_an_earlier_run_is_replaced_whole(folder: Path) -> None:
    generate(Accelerator((1, 1), Geometry(1, 1)), folder)
    manifest = load_manifest(folder)
    assert manifest.shape == (1, 1)
    assert sorted(files(folder)) == sorted([MANIFEST, *(listed.file for listed in manifest.files)])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_failure_leaves_the_earlier_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Manifest:
        raise KeyboardInterrupt

    before = files(folder)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_describe", fail)
        with pytest.raises(KeyboardInterrupt):
            generate(Accelerator((1, 1), Geometry(1, 1)), folder)
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((), {}, r"shape \(\) is not input bits and one fan-out or more"),
        ((8,), {}, r"shape \(8,\) is not input bits and one fan-out or more"),
        ((8, 0), {}, r"shape \(8, 0\) .* all at least 1"),
        ((0, 8), {}, r"shape \(0, 8\) .* all at least 1"),
        ((8, -1, 2), {}, r"shape \(8, -1, 2\) .* all at least 1"),
        ((8, 65536, 2), {}, r"a layer wider than 65535"),
        ((8, 2), {"input_width": 12}, "an input bus of 12 bits is not a multiple of 8 from 8 to 1024"),
        ((8, 2), {"input_width": 0}, "an input bus of 0 bits"),
        ((8, 2), {"input_width": -8}, "an input bus of -8 bits"),
        ((8, 2), {"input_width": 1032}, "an input bus of 1032 bits"),
    ],
)
def test_what_cannot_be_built_is_refused(shape: tuple[int, ...], options: dict[str, int], told: str) -> None:
    with pytest.raises(HafnetError, match=told):
        Accelerator(shape, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", ["precharge", "sense", "set_pulse", "reset_pulse"])
def test_a_phase_must_fit_its_register(phase: str) -> None:
    most = 255 if phase in ("precharge", "sense") else 65535
    Timing(**{phase: 0}), Timing(**{phase: most})
    for cycles in (-1, most + 1):
        with pytest.raises(HafnetError, match=f"timing: {phase} is {cycles} cycles, but must be 0 … {most}"):
            Timing(**{phase: cycles})


@pytest.mark.parametrize(
    ("bits", "reads", "width"),
    [
        (1, 1, 32),
        (32, 1, 32),
        (33, 1, 64),
        (784, 1024, 32),
        (784, 26, 32),
        (784, 25, 64),
        (5000, 6, 1024),
        (5000, 2, 1024),
    ],
)
def test_the_narrowest_bus_that_does_not_slow_down(bits: int, reads: int, width: int) -> None:
    assert Accelerator((bits, reads)).bus_width == width


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_default", "/"), ("top", "other"), ("layers", []), ("input_width", 64)],
)
def test_a_manifest_that_contradicts_itself_is_refused(folder: Path, name: str, value: object) -> None:
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    assert content[name] != value
    path.write_text(json.dumps({**content, name: value}))
    with pytest.raises(HafnetError, match="contradicts itself"):
        load_manifest(folder)


def test_a_manifest_lists_files_of_its_own_folder_only(folder: Path) -> None:
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    content["files"][0]["file"] = "../hafnet.sv"
    path.write_text(json.dumps(content))
    with pytest.raises(HafnetError, match=r"files\.0\.file is wrong"):
        load_manifest(folder)
