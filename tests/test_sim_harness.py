"""The harness in which accelerators are verified: blocks that are built once, words in files, and what goes wrong."""

from pathlib import Path

import numpy as np
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.generate import generate, load_manifest
from hdl.instances import Tree
from model import images
from model.errors import HafnetError
from model.golden import infer
from model.mapping import Geometry
from model.network import Network
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim import records
from sim import verify as verification
from sim.compare import Found, compare
from sim.passes import inputs
from sim.runner import SimulationError
from sim.verify import verify

SHAPE, PLAN = (20, 18, 3), Plan(Geometry(4, 8))


def prepare(network: Network, folder: Path) -> None:
    images.export(network, PLAN, folder / "images")
    generate(Accelerator(Topology.dense(SHAPE), PLAN), folder / "verilog")


def sources(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.sv")}


def test_the_tree_names_every_memory_and_its_image(tmp_path: Path) -> None:
    prepare(random_network(SHAPE, seed=1), tmp_path)
    tree = Tree.read(sources(tmp_path / "verilog"))
    top = load_manifest(tmp_path / "verilog").top
    places = dict(tree.memories(top))
    assert sorted(places.values()) == sorted(path.stem for path in (tmp_path / "images").glob("*.hex"))
    assert places["layer0.grid.group4.tile2.array.cells"] == "layer0_g4_t2"
    assert places["layer1.grid.numbers0"] == "layer1_offsets_l0"
    (group,) = tree.repeated(top, 5)
    assert dict(tree.memories(top, [group]))[f"layer0.grid.group4.{group}.tile2.array.cells"] == "layer0_g4_t2"


def test_what_is_built_once_is_the_outermost_of_what_is_repeated(tmp_path: Path) -> None:
    prepare(random_network(SHAPE, seed=1), tmp_path)
    tree = Tree.read(sources(tmp_path / "verilog"))
    assert tree.repeated("hafnet_accelerator", 5) == ["hafnet_group_20_4x8"]
    assert tree.repeated("hafnet_accelerator", 6) == ["hafnet_tile_4x8"]
    assert tree.repeated("hafnet_accelerator", 1000) == []


def test_blocks_built_once_agree_and_take_new_images_without_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """On Verilator, from images and programmed; then another network on what was built for the first."""
    monkeypatch.setattr(verification, "MANY_ARRAYS", 1)
    tool = require_simulator("verilator")
    samples = Samples(np.random.default_rng(2).integers(0, 2, (40, SHAPE[0])))
    built: list[float] = []
    for seed, program in ((1, False), (2, False), (2, True)):
        network = random_network(SHAPE, seed)
        prepare(network, tmp_path)
        folders = tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation"
        result = verify(tool, network, samples, *folders, program=program)
        assert result.mismatches == 0, str(result.first[0])
        assert result.values == inputs(40, program) * (18 + 3 + 1)
        built.append(result.build_seconds)
    assert max(built[1:]) < built[0] / 10
    design = tmp_path / "simulation" / "build"
    assert "hier_block" in (design / "access.vlt").read_text()
    assert (design / "Vhafnet_group_20_4x8").is_dir()
    with pytest.raises(HafnetError, match="exported from another network"):
        verify(tool, random_network(SHAPE, 3), samples, *folders)
    for check in ("check_network", "check_contents"):
        monkeypatch.setattr(f"sim.folders.{check}", lambda *_: None)
    other = verify(tool, random_network(SHAPE, 3), samples, *folders)
    assert other.mismatches > 0


def test_an_accelerator_that_stops_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """One sample takes longer than the patience: nothing passes while the layers work."""
    monkeypatch.setattr(verification, "PATIENCE", 1)
    monkeypatch.setattr(verification, "DRAIN", -18)
    network = random_network(SHAPE, seed=1)
    prepare(network, tmp_path)
    samples = Samples(np.zeros((1, SHAPE[0]), dtype=np.int8))
    folders = tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation"
    with pytest.raises(SimulationError, match="1 images gave 0 beats of results, and then nothing passed any more"):
        verify(require_simulator("icarus"), network, samples, *folders)


def test_packets_are_written_beat_by_beat_with_tlast(tmp_path: Path) -> None:
    rows = np.zeros((2, 11), dtype=np.uint8)
    rows[0, [0, 9]] = rows[1, 10] = 1
    records.write_packets(tmp_path / "words", rows, 8)
    assert (tmp_path / "words").read_text() == "001\n102\n000\n104\n"


def test_records_are_read_as_monitors_write_them(tmp_path: Path) -> None:
    (tmp_path / "words").write_text(f"{7:016x}0301\n{2**40:016x}0080\n")
    found = records.read(tmp_path / "words", 10)
    assert found.cycles.tolist() == [7, 2**40]
    assert [np.flatnonzero(row).tolist() for row in found.bits] == [[0, 8, 9], [7]]
    assert records.read(_empty(tmp_path), 10).bits.shape == (0, 10)


def _empty(folder: Path) -> Path:
    (folder / "nothing").write_text("")
    return folder / "nothing"


def test_unknown_bits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words").write_text(f"{7:016x}0x01\n")
    with pytest.raises(ValueError, match="non-hexadecimal"):
        records.read(tmp_path / "words", 10)


def test_every_difference_is_counted_and_the_first_are_named() -> None:
    network = random_network((20, 18, 7, 3), seed=1)
    trace = infer(network, np.random.default_rng(2).integers(0, 2, (9, 20)))
    hidden = [trace.bits[layer.name][:6].copy() for layer in network.hidden]
    scores, classes = trace.scores[:6].astype(np.int64), trace.classes[:6, np.newaxis].copy()
    names = [layer.name for layer in network.hidden]
    found = Found(dict(zip(names, hidden, strict=True)), scores, classes)
    assert (found.values, compare("s", network, trace, found, 10)) == (6 * (18 + 7 + 3 + 1), (0, []))
    hidden[1][4, 6] ^= 1
    hidden[0][5, 2] ^= 1
    hidden[0][5, 3] ^= 1
    scores[4, 1] += 3
    classes[4] += 1
    count, first = compare("s", network, trace, found, 4)
    assert count == 5
    assert [(each.sample, each.layer, each.neuron) for each in first] == [
        (4, network.hidden[1].name, 6),
        (4, "output", 1),
        (4, "class", 0),
        (5, network.hidden[0].name, 2),
    ]
    assert [each.got - each.expected for each in first[1:3]] == [3, 1]
