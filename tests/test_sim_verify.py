"""Verification on both simulators, and proof that it can fail: changed images and swapped thresholds are found."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.generate import generate
from hdl.registers import Timing
from model import images
from model.errors import HafnetError
from model.golden import infer
from model.mapping import P2S, S2P, Geometry, Synapse
from model.network import DenseLayer, Network
from model.plan import LayerPlan, Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import AveragePool, Topology
from sim.passes import inputs
from sim.runner import SimulationError
from sim.tools import Tool
from sim.verify import Verification, verify

P1 = (P2S, 1)
SHAPE, PLAN = (40, 20, 9, 5), Plan(Geometry(8, 16))


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(SHAPE, seed=5, levels=(1, 3))


@pytest.fixture(scope="module")
def samples() -> Samples:
    random = np.random.default_rng(6)
    return Samples(random.integers(0, 5, (48, SHAPE[0] // 2)), random.integers(0, 5, 48))


@pytest.fixture(scope="module")
def verilog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verilog") / "verilog"
    generate(Accelerator(Topology.dense(SHAPE), PLAN), folder)
    return folder


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all simulations of this file: what is unchanged is not built again."""
    return tmp_path_factory.mktemp("simulation")


def run(
    tool: Tool, network: Network, samples: Samples, verilog: Path, folder: Path, build: Path, program: bool = False
) -> Verification:
    return verify(tool, network, samples, verilog, folder, build / tool.name, program=program)


@pytest.mark.parametrize("program", [False, True], ids=["images", "programmed"])
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_rtl_equals_golden(
    simulator: str,
    program: bool,
    network: Network,
    samples: Samples,
    verilog: Path,
    build: Path,
    tmp_path: Path,
    require_simulator: Require,
) -> None:
    """From files, and from arrays of zeros that are programmed and read back through AXI4-Lite."""
    images.export(network, PLAN, tmp_path / "images")
    result = run(require_simulator(simulator), network, samples, verilog, tmp_path / "images", build, program)
    assert result.mismatches == 0, str(result.first[0])
    assert result.values == inputs(48, program) * (20 + 9 + 5 + 1)
    assert result.accuracy == np.mean(infer(network, samples.values).classes == samples.labels)
    assert result.cycles == max(SHAPE[1:])


def tamper(folder: Path, file: str, word: int, flip: int) -> None:
    """Flip bits of one word of an image, and make the manifest agree with it."""
    path, manifest = folder / file, folder / images.MANIFEST
    lines = path.read_text().splitlines()
    lines[word] = f"{int(lines[word], 16) ^ flip:0{len(lines[word])}x}"
    path.write_text("\n".join(lines) + "\n")
    content = json.loads(manifest.read_text())
    entry = next(each for each in content["images"] if each["file"] == file)
    entry["crc32"] = f"{zlib.crc32(path.read_bytes()):08x}"
    manifest.write_text(json.dumps(content))


def test_a_changed_image_is_named_before_anything_is_simulated(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    images.export(network, PLAN, tmp_path / "images")
    path = tmp_path / "images" / "layer1_g0_t1.hex"
    text = path.read_text()
    path.write_text(("1" if text[0] == "0" else "0") + text[1:])
    with pytest.raises(HafnetError, match=r"layer1_g0_t1\.hex"):
        run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)


def dense_layer(network: Network, layer: int) -> DenseLayer:
    found = network.hidden[layer]
    assert isinstance(found, DenseLayer)
    return found


def with_weight_flipped(network: Network, layer: int, synapse: Synapse) -> Network:
    """The network with one weight of a hidden layer changed, for golden to say what that does."""
    old = dense_layer(network, layer)
    weights = old.weights.copy()
    weights[synapse] *= -1
    changed = DenseLayer(old.name, weights, old.thresholds)
    hidden = (*network.hidden[:layer], changed, *network.hidden[layer + 1 :])
    return Network(network.encoding, hidden, network.output)


@pytest.mark.usefixtures("images_unseen")
@pytest.mark.parametrize("layer", [0, 1])
def test_one_flipped_weight_of_a_hidden_layer_is_found_and_named(
    layer: int,
    network: Network,
    samples: Samples,
    verilog: Path,
    build: Path,
    tmp_path: Path,
    require_simulator: Require,
) -> None:
    images.export(network, PLAN, tmp_path / "images")
    grid, old = PLAN.maps(network.topology)[layer], dense_layer(network, layer)
    assert grid is not None
    right = infer(network, samples.values).bits[old.name]
    # A weight matters only where a popcount stands at its threshold: take the first that golden says is seen.
    for source in range(old.fan_in):
        synapse = Synapse(old.fan_out // 2, source)
        wrong = infer(with_weight_flipped(network, layer, synapse), samples.values).bits[old.name]
        if (wrong != right).any():
            break
    sample, neuron = np.argwhere(wrong != right)[0].tolist()
    assert neuron == synapse.neuron
    cell = grid.cell(synapse)
    tamper(tmp_path / "images", f"layer{layer}_g{cell.group}_t{cell.tile}.hex", cell.row, 1 << cell.column)
    result = run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)
    assert result.mismatches > 0
    expected = f"icarus: sample {sample}, layer '{old.name}', neuron {neuron}: expected {right[sample, neuron]}, got"
    assert str(result.first[0]).startswith(expected)


@pytest.mark.usefixtures("images_unseen")
def test_one_flipped_weight_of_the_output_layer_changes_a_score_of_every_sample(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    images.export(network, PLAN, tmp_path / "images")
    tamper(tmp_path / "images", "layer2_g0_t0.hex", 3, 1 << 7)
    result = run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)
    assert result.mismatches >= len(samples.values)
    first = result.first[0]
    assert (first.sample, first.layer, first.neuron) == (0, "output", 3)
    assert abs(first.expected - first.got) == 1


@pytest.mark.usefixtures("images_unseen")
def test_two_swapped_thresholds_are_found(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    images.export(network, PLAN, tmp_path / "images")
    layer = dense_layer(network, 0)
    low, high = int(np.argmin(layer.thresholds)), int(np.argmax(layer.thresholds))
    swap = int(layer.thresholds[low] ^ layer.thresholds[high])
    for neuron in (low, high):
        tamper(tmp_path / "images", "layer0_thresholds_l0.hex", neuron, swap)
    result = run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)
    assert {each.neuron for each in result.first if each.layer == layer.name} <= {low, high}
    assert result.first[0].layer == layer.name


@pytest.mark.usefixtures("images_unseen")
def test_a_padding_cell_changes_nothing(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    """The last tile of layer 1 holds inputs 16 … 19 in its first 4 columns."""
    images.export(network, PLAN, tmp_path / "images")
    for row in range(PLAN.geometry.rows):
        tamper(tmp_path / "images", "layer1_g0_t1.hex", row, 0xFFF0)
    result = run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)
    assert result.mismatches == 0


def test_files_that_do_not_fit_each_other_are_refused(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    tool = require_simulator("icarus")
    wider = random_network((42, 20, 9, 5), seed=1)
    images.export(network, PLAN, tmp_path / "images")
    with pytest.raises(HafnetError, match=r"the network is 42-20-9-5, but .* was made for 40-20-9-5"):
        run(tool, wider, samples, verilog, tmp_path / "images", build)
    images.export(network, Plan(Geometry(16, 16)), tmp_path / "others")
    with pytest.raises(HafnetError, match="exported with --rows 16, but the Verilog was generated with --rows 8"):
        run(tool, network, samples, verilog, tmp_path / "others", build)
    layers = (LayerPlan(P2S, 2), LayerPlan(), LayerPlan())
    images.export(network, Plan(PLAN.geometry, layers), tmp_path / "lanes")
    with pytest.raises(HafnetError, match="exported with --lanes 0=2, but the Verilog was generated with --lanes 0=1"):
        run(tool, network, samples, verilog, tmp_path / "lanes", build)
    images.export(network, Plan(PLAN.geometry, numbers_in_arrays=True), tmp_path / "rows")
    with pytest.raises(HafnetError, match="exported with --numbers-in-arrays, but the Verilog was generated without"):
        run(tool, network, samples, verilog, tmp_path / "rows", build)
    images.export(network, PLAN, tmp_path / "binary", formats=("bin",))
    with pytest.raises(HafnetError, match=r"binary lacks '.*hex': simulators and Yosys need format hex"):
        run(tool, network, samples, verilog, tmp_path / "binary", build)
    images.export(wider, PLAN, tmp_path / "wider")
    with pytest.raises(HafnetError, match=r"the network is 40-20-9-5, but .*wider was made for 42-20-9-5"):
        run(tool, network, samples, verilog, tmp_path / "wider", build)


def test_an_image_that_the_manifest_does_not_list_is_refused(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    """Nobody would have checked its bytes."""
    images.export(network, PLAN, tmp_path / "images")
    manifest = tmp_path / "images" / images.MANIFEST
    content = json.loads(manifest.read_text())
    content["images"] = [each for each in content["images"] if each["file"] != "layer1_thresholds_l0.hex"]
    manifest.write_text(json.dumps(content))
    with pytest.raises(HafnetError, match=r"layer1_thresholds_l0\.hex"):
        run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)


def test_programming_leaves_the_timing_as_it_was(tmp_path: Path, require_simulator: Require) -> None:
    network = random_network((7, 5, 1), seed=1)
    plan, timing = Plan(Geometry(4, 4)), Timing(precharge=2, sense=3)
    images.export(network, plan, tmp_path / "images")
    generate(Accelerator(network.topology, plan, timing=timing), tmp_path / "verilog")
    samples = Samples(np.random.default_rng(1).integers(0, 2, (9, 7)))
    tool, folders = require_simulator("icarus"), (tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation")
    plain = verify(tool, network, samples, *folders)
    programmed = verify(tool, network, samples, *folders, program=True)
    assert plain.cycles == programmed.cycles == 25


@pytest.mark.usefixtures("images_unseen")
def test_a_simulation_that_gives_no_bits_says_so(
    network: Network, samples: Samples, verilog: Path, build: Path, tmp_path: Path, require_simulator: Require
) -> None:
    """What is unknown is not an agreement: here the images are no hexadecimal at all."""
    images.export(network, PLAN, tmp_path / "images")
    path = tmp_path / "images" / "layer0_g0_t0.hex"
    path.write_text("x" * 4 + "\n" + path.read_text()[5:])
    content = json.loads((tmp_path / "images" / images.MANIFEST).read_text())
    entry = next(each for each in content["images"] if each["file"] == path.name)
    entry["crc32"] = f"{zlib.crc32(path.read_bytes()):08x}"
    (tmp_path / "images" / images.MANIFEST).write_text(json.dumps(content))
    with pytest.raises(SimulationError, match=r"icarus: .*a word with unknown bits has passed"):
        run(require_simulator("icarus"), network, samples, verilog, tmp_path / "images", build)


KINDS = {
    "lanes": ("20-13-6-4", ((P2S, 3), (P2S, 2), (P2S, 4))),
    "zig-zag of ternary layers": ("20-12t-6t-9-4", ((P2S, 3), (S2P, 3), (P2S, 2), (S2P, 2))),
    "convolution by planes": ("5x4x3b4/3-6c3x2s1x2p1f2g3t-m2x1-5-3", ((P2S, 2), P1, P1, P1)),
    "average of a depthwise convolution": ("3x4x4-4c2g4-avg-6-5", ((P2S, 2), P1, (S2P, 3), P1)),
    "random bits": ("5r4x3d2s9-6-3", ((P2S, 2), P1)),
}
WAYS = [
    ("lanes", True, True),
    ("zig-zag of ternary layers", True, False),
    ("convolution by planes", True, False),
    ("convolution by planes", False, True),
    ("average of a depthwise convolution", False, False),
    ("random bits", False, False),
]
"""Network, whether its memories are programmed, whether its numbers live in the arrays."""


@pytest.mark.parametrize(("name", "program", "in_arrays"), WAYS)
def test_every_kind_of_layer_equals_golden(
    name: str, program: bool, in_arrays: bool, tmp_path: Path, require_simulator: Require
) -> None:
    text, layers = KINDS[name]
    network = random_network(text, seed=3)
    plan = Plan(Geometry(4, 8), tuple(LayerPlan(*each) for each in layers), in_arrays)
    images.export(network, plan, tmp_path / "images")
    generate(Accelerator(network.topology, plan, top=2), tmp_path / "verilog")
    low, high = network.encoding.range
    values = np.random.default_rng(7).integers(low, high, (8, network.encoding.values), endpoint=True)
    folders = (tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation")
    result = verify(require_simulator("icarus"), network, Samples(values), *folders, program=program)
    assert result.mismatches == 0, str(result.first[0])
    shapes = [shape for shape in network.topology.layers[:-1] if not isinstance(shape, AveragePool)]
    classes = network.topology.output.fan_out
    assert result.values == inputs(8, program) * (sum(shape.result.bits for shape in shapes) + classes + 2)
