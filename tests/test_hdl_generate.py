"""The generated folder: its manifest says what is in it, and whatever was changed is found."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hdl import generate as module
from hdl.accelerator import Accelerator
from hdl.arrays.controller import Limits
from hdl.generate import MADE_WITH, MANIFEST, UNBOUND, VERSION, Manifest, generate, load_manifest
from hdl.registers import AT_LEAST_ONE, Register, Timing
from model.errors import HafnetError, HafnetWarning
from model.mapping import P2S, S2P, Geometry
from model.pipeline import Pipeline
from model.plan import LayerPlan, Plan
from model.topology import Topology

SMALL_PLAN = Plan(Geometry(4, 7), (LayerPlan(P2S, 2), LayerPlan(S2P, 3)))
SMALL = Accelerator(
    Topology.parse("20-9-3"),
    SMALL_PLAN,
    scores=False,
    top=2,
    input_width=8,
    timing=Timing(1, 2, 30, 40, 50),
    limits=Limits(60, 3),
)
ONE_CELL = Accelerator(Topology.parse("1-1"), Plan(Geometry(1, 1)))
MANY_KINDS = Accelerator(Topology.parse("4x5x2b3-4c3p1t-m2-6c1x2g2-avg-7-3"), Plan(Geometry(4, 7)))
ZIGZAG = Accelerator(
    Topology.parse("20-9-6-3"), Plan(Geometry(4, 7), (LayerPlan(P2S, 2), LayerPlan(S2P, 2), LayerPlan())), top=0
)


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


@pytest.mark.parametrize("accelerator", [SMALL, MANY_KINDS, ZIGZAG], ids=str)
def test_what_is_loaded_is_what_was_generated(accelerator: Accelerator, tmp_path: Path) -> None:
    manifest = generate(accelerator, tmp_path / "verilog")
    assert load_manifest(tmp_path / "verilog") == manifest
    assert replace(manifest.accelerator, input_width=None) == replace(accelerator, input_width=None)
    assert manifest.topology == str(accelerator.topology)
    made = (accelerator.plan, accelerator.timing, accelerator.limits)
    assert (manifest.plan, manifest.timing, manifest.limits) == made
    assert manifest.arrays == accelerator.arrays
    assert sorted(files(tmp_path / "verilog")) == sorted([MANIFEST, *(listed.file for listed in manifest.files)])


def test_the_manifest_suffices_to_generate_the_same_again(folder: Path, tmp_path: Path) -> None:
    generate(load_manifest(folder).accelerator, tmp_path / "again")
    assert files(tmp_path / "again") == files(folder)


def test_a_chosen_width_of_the_input_is_told(tmp_path: Path) -> None:
    chosen = Accelerator(Topology.parse("200-3"))
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
    assert f'#(`HAFNET_PARAMETERS(1, "{manifest.image_default}"))' in text
    assert f"parameter LOAD = load, parameter {manifest.image_parameter} = image" in text


def nets(manifest: Manifest, folder: Path) -> dict[str, int]:
    """The nets and outputs of the top module with their widths."""
    text = (folder / f"{manifest.top}.sv").read_text()
    return {name: int(high or 0) + 1 for high, name in re.findall(r"^  wire (?:\[(\d+):0\] )?(\w+);", text, re.M)}


def test_layers_name_instances_and_nets_of_the_top_module(folder: Path) -> None:
    manifest = load_manifest(folder)
    text, widths = (folder / f"{manifest.top}.sv").read_text(), nets(manifest, folder)
    assert manifest.arrays == 2 * 2 * 3 + 3 * 1 * 1  # 9 neurons in 2 lanes of 5 rows, 20 inputs; 9 inputs in 3 lanes
    assert [(layer.index, layer.kind, layer.words, layer.width) for layer in manifest.layers] == [
        (0, "dense", 1, 9),
        (1, "classifier", 1, 2 * 2),
    ]
    sizes = [(layer.groups, layer.tiles, layer.lanes, layer.numbers, layer.reads) for layer in manifest.layers]
    assert sizes == [(4, 3, 2, 5, 5), (3, 1, 1, 3, 3)]
    for layer in manifest.layers:
        assert (widths[layer.payload], widths[layer.valid], widths[layer.ready]) == (layer.width, 1, 1)
        assert re.search(rf"\) {layer.instance} \($", text, re.MULTILINE)


def test_layers_of_every_kind_are_described(tmp_path: Path) -> None:
    manifest = generate(MANY_KINDS, tmp_path / "verilog")
    widths = nets(manifest, tmp_path / "verilog")
    described = [(layer.index, layer.kind, layer.words, layer.width, layer.reads) for layer in manifest.layers]
    # A map of 4 x 5 pixels in 3 planes; pooled to 2 x 2; a window of 1 x 2 leaves 2 x 1, which the next layer averages.
    assert described == [
        (0, "convolution", 20, 4, 20 * 4 * 3),
        (1, "max_pool", 4, 4, 0),
        (2, "convolution", 2, 6, 2 * 6),
        (4, "dense", 1, 7, 2 * 7),
        (5, "classifier", 1, 2 + 3 * 5, 3),
    ]
    for layer in manifest.layers:
        assert (widths[layer.payload], widths[layer.valid], widths[layer.ready]) == (layer.width, 1, 1)


def test_a_layer_of_a_zig_zag_gives_its_neurons_as_they_come(tmp_path: Path) -> None:
    manifest = generate(ZIGZAG, tmp_path / "verilog")
    widths = nets(manifest, tmp_path / "verilog")
    first, second, _ = manifest.layers
    assert (first.words, first.width, second.words, second.width) == (5, 2, 1, 6)
    assert first.valid == first.ready  # whoever takes them is never late
    assert (widths[first.payload], widths[first.valid]) == (2, 1)


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
    told = r"hafnet_registers\.sv: no such file, but .*manifest\.json lists it; `hafnet generate` writes it anew"
    with pytest.raises(HafnetError, match=told):
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
        ("topology", "20-9-x", "'x': a layer is written such as"),
        ("topology", 20, "topology is wrong"),
        ("plan", {"geometry": {"rows": 0, "columns": 7}}, "an array with 0 rows"),
        ("plan", {"layers": [{"dataflow": "diagonal"}]}, r"plan\.layers\.0\.dataflow is wrong"),
        ("plan", {"layers": [{"lanes": 10}, {}]}, "10 lanes are not possible for 9 neurons"),
        ("top_classes", 4, "the 4 best of 3 classes are not possible"),
        ("timing", {"precharge": 256}, "timing: precharge is 256 cycles"),
        ("limits", {"longest_pulse": 0}, "limits: longest_pulse is 0 cycles"),
        ("limits", {"longest_pulse": 49}, "form_pulse is 50 cycles, but the longest pulse is 49"),
        ("layers", [{"kind": "pooling"}], r"layers\.0\.index is wrong"),
        ("version", 0, f"format version 0 is older than {UNBOUND}"),
        ("precharge", 1, r"precharge is wrong \(Unexpected keyword argument\)"),
        ("timing", {"precharges": 1}, r"timing\.precharges is wrong \(Unexpected keyword argument\)"),
        ("plan", {"rows": 4}, r"plan\.rows is wrong \(Unexpected keyword argument\)"),
        ("files", [{"file": "hafnet.sv", "sha256": "", "sha": ""}], r"files\.0\.sha is wrong \(Unexpected keyword"),
    ],
)
@pytest.mark.filterwarnings("ignore::model.errors.HafnetWarning")
def test_a_damaged_manifest_is_told(before: Path, entry: str, value: object, told: str) -> None:
    edit(before, **{entry: value})
    with pytest.raises(HafnetError, match=rf"manifest\.json: .*{told}"):
        load_manifest(before)


def test_a_truncated_manifest_is_told(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:100])
    with pytest.raises(HafnetError, match=r"manifest\.json: not a manifest"):
        load_manifest(folder)


@pytest.mark.parametrize("name", ["notes.txt", "my_chip.sv", "hafnet.sv.bak"])
def test_a_folder_with_a_foreign_file_is_refused_and_kept(folder: Path, name: str) -> None:
    (folder / name).write_text("mine")
    before = files(folder)
    with pytest.raises(HafnetError, match=rf"holds '{name}'"):
        generate(ONE_CELL, folder)
    assert files(folder) == before


def test_an_earlier_run_is_replaced_whole(folder: Path) -> None:
    generate(ONE_CELL, folder)
    manifest = load_manifest(folder)
    assert manifest.topology == "1-1"
    assert sorted(files(folder)) == sorted([MANIFEST, *(listed.file for listed in manifest.files)])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_failure_leaves_the_earlier_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Manifest:
        raise KeyboardInterrupt

    before = files(folder)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_describe", fail)
        with pytest.raises(KeyboardInterrupt):
            generate(ONE_CELL, folder)
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("8-65536-2", {}, "layer 'layer0' has more than 65535 neurons or groups"),
        ("8-2", {"top": 3}, "results of the 3 best of 2 classes are not possible, only of 0 … 2"),
        ("8-2", {"top": -1}, "results of the -1 best of 2 classes"),
        ("8-2", {"top": 0, "scores": False}, "results without classes need scores"),
        ("8-2", {"plan": Plan(layers=(LayerPlan(P2S, 3),))}, "layer 'layer0': 3 lanes are not possible for 2 neurons"),
        ("8-2", {"plan": Plan(layers=(LayerPlan(S2P, 9),))}, "layer 'layer0': 9 lanes are not possible for 8 inputs"),
        ("8-2", {"plan": Plan(layers=(LayerPlan(), LayerPlan()))}, "a plan for 2 layers does not fit 8-2"),
        ("8-2", {"input_width": 12}, "an input bus of 12 bits is not a multiple of 8 from 8 to 1024"),
        ("8-2", {"input_width": 0}, "an input bus of 0 bits"),
        ("8-2", {"input_width": -8}, "an input bus of -8 bits"),
        ("8-2", {"input_width": 1032}, "an input bus of 1032 bits"),
    ],
)
def test_what_cannot_be_built_is_refused(text: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(HafnetError, match=told):
        Accelerator(Topology.parse(text), **options)


@pytest.mark.parametrize("phase", ["precharge", "sense", "set_pulse", "reset_pulse", "form_pulse", "setup"])
def test_a_phase_must_fit_its_register(phase: str) -> None:
    least, most = int(phase in AT_LEAST_ONE), 255 if phase in ("precharge", "sense") else 65535
    Timing(**{phase: least}), Timing(**{phase: most})
    for cycles in (least - 1, most + 1):
        with pytest.raises(HafnetError, match=f"timing: {phase} is {cycles} cycles, but must be {least} … {most}"):
            Timing(**{phase: cycles})


@pytest.mark.parametrize("name", ["retries", "set_amplitude", "form_count", "reset_step"])
def test_a_number_of_the_configuration_must_fit_its_register(name: str) -> None:
    Timing(**{name: 255})
    least = int(name in AT_LEAST_ONE)
    with pytest.raises(HafnetError, match=f"timing: {name} is 256, but must be {least} … 255"):
        Timing(**{name: 256})


@pytest.mark.parametrize("name", ["longest_pulse", "pulsed_at_once"])
def test_a_limit_is_one_that_can_be_built(name: str) -> None:
    Limits(**{name: 1}), Limits(**{name: 65535})
    for value in (0, 65536):
        with pytest.raises(HafnetError, match=f"limits: {name} is {value} (cycles|devices), but must be 1 … 65535"):
            Limits(**{name: value})


@pytest.mark.parametrize("pulse", ["set_pulse", "reset_pulse", "form_pulse"])
def test_a_pulse_longer_than_the_limit_is_refused(pulse: str) -> None:
    rest = {"set_pulse": 1, "reset_pulse": 1, "form_pulse": 1}
    topology, limits = Topology.parse("8-2"), Limits(longest_pulse=50)
    Accelerator(topology, timing=Timing(**rest | {pulse: 50}), limits=limits)
    with pytest.raises(HafnetError, match=f"timing: {pulse} is 51 cycles, but the longest pulse is 50"):
        Accelerator(topology, timing=Timing(**rest | {pulse: 51}), limits=limits)


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
    assert Accelerator(Topology.dense((bits, reads))).bus_width == width


def test_a_bus_is_wide_enough_for_the_first_rows_of_a_map() -> None:
    """A pixel of 72 bits every third cycle is soon enough for the 8 reads of a window, but not where a map begins."""
    topology, layers = Topology.parse("8x8x9b8-4c3-3"), (LayerPlan(S2P, 81), LayerPlan(P2S, 1))
    chosen = Accelerator(topology, Plan(Geometry(), layers))
    assert chosen.bus_width == 128
    cycles = {bus: Pipeline(topology, layers, bus=bus).cycles() for bus in (32, 64, 128, 1024)}
    assert cycles[32] > cycles[64] > cycles[128] == cycles[1024]


def changes(member: Any) -> Iterator[Any]:
    """The same with one thing changed, anywhere in it; all such changes."""
    if isinstance(member, dict):
        for name, value in member.items():
            yield {other: value for other, value in member.items() if other != name}
            yield from ({**member, name: changed} for changed in changes(value))
        yield {**member, "unknown": 1}
    elif isinstance(member, list):
        for index, value in enumerate(member):
            yield member[:index] + member[index + 1 :]
            yield [*member[:index], value, *member[index:]]
            yield from ([*member[:index], changed, *member[index + 1 :]] for changed in changes(value))
        yield [*member[1:], *member[:1]]
    elif isinstance(member, bool):
        yield not member
    elif isinstance(member, int):
        yield from (member + 1, member - 1)
    elif isinstance(member, str):
        yield from (member + "x", member.replace("0", "1"), "")
    else:
        yield from (0, "", {})


def test_a_manifest_cannot_be_changed_alone(folder: Path) -> None:
    """Whatever is edited in it: timing, limits, spare entries, target, its list of files, and all the rest."""
    path, refused, manifest = folder / MANIFEST, 0, load_manifest(folder)
    whole = json.loads(path.read_text())
    for changed in islice(changes(whole), 0, None, 7):
        path.write_text(json.dumps(changed))
        try:
            assert load_manifest(folder) == manifest  # what is left out is the default
        except HafnetError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timing", {"precharge": 0, "sense": 2}),
        ("limits", {"longest_pulse": 9_999}),
        ("spare_entries", 9),
        ("target", "ecp5"),
        ("hafnet", "0.0.0"),
    ],
)
def test_what_the_hardware_was_made_with_is_what_its_verilog_tells(folder: Path, name: str, value: Any) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    edit(folder, **{name: {**content[name], **value} if isinstance(value, dict) else value})
    with pytest.raises(
        HafnetError, match=r"manifest\.json was changed: it is not the one that hafnet_accelerator\.sv was"
    ):
        load_manifest(folder)


def test_every_file_is_listed_once(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    edit(folder, files=[*content["files"], content["files"][0]])
    with pytest.raises(HafnetError, match=r"manifest\.json lists hafnet\w*\.sv twice"):
        load_manifest(folder)
    edit(folder, files=content["files"])
    load_manifest(folder)
    (folder / "hafnet_more.sv").write_text("")
    with pytest.raises(HafnetError, match=r"hafnet_more\.sv is not listed in manifest\.json"):
        load_manifest(folder)


@pytest.fixture
def before(folder: Path) -> Path:
    """The folder as it was when Verilog did not tell what it was made with."""
    top = folder / "hafnet_accelerator.sv"
    top.write_text(MADE_WITH.sub("//", top.read_text()))
    files = json.loads((folder / MANIFEST).read_text())["files"]
    for listed in files:
        listed["sha256"] = hashlib.sha256((folder / listed["file"]).read_bytes()).hexdigest()
    edit(folder, files=files, version=UNBOUND)
    return folder


def test_verilog_of_before_is_read_with_a_warning(before: Path) -> None:
    with pytest.warns(HafnetWarning, match="verilog was generated before Verilog told what it was made with"):
        assert load_manifest(before).version == UNBOUND
    edit(before, version=VERSION)
    with pytest.raises(HafnetError, match=r"manifest\.json was changed"):
        load_manifest(before)


def test_verilog_that_tells_what_it_was_made_with_is_never_one_of_before(folder: Path) -> None:
    edit(folder, version=UNBOUND)
    with pytest.raises(HafnetError, match=r"manifest\.json was changed"):
        load_manifest(folder)


@pytest.mark.filterwarnings("ignore::model.errors.HafnetWarning")
@pytest.mark.parametrize(
    ("name", "value"),
    [("image_default", "/"), ("arrays", 7), ("layers", []), ("input_width", 64)],
)
def test_a_manifest_that_contradicts_itself_is_refused(before: Path, name: str, value: object) -> None:
    assert json.loads((before / MANIFEST).read_text())[name] != value
    edit(before, **{name: value})
    with pytest.raises(HafnetError, match="contradicts itself"):
        load_manifest(before)


def test_a_manifest_lists_the_top_modules_file(folder: Path) -> None:
    edit(folder, top="other")
    with pytest.raises(HafnetError, match=r"manifest\.json does not list other\.sv, the top module's file"):
        load_manifest(folder)


def test_a_manifest_lists_files_of_its_own_folder_only(folder: Path) -> None:
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    content["files"][0]["file"] = "../hafnet.sv"
    path.write_text(json.dumps(content))
    with pytest.raises(HafnetError, match=r"files\.0\.file is wrong"):
        load_manifest(folder)
