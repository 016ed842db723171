"""Defects in generated Verilog that a verification once could not see, each one named."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.arrays.controller import Limits
from hdl.generate import generate, load_manifest
from hdl.registers import Timing
from model import images
from model.mapping import Geometry
from model.network import Network
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from sim.passes import RANDOM, inputs, passes
from sim.runner import SimulationError
from sim.tools import Tool
from sim.verify import sources, verify

PLAN = Plan(Geometry(4, 8))
LIMITS = Limits(longest_pulse=60)
TIMING = Timing(set_pulse=5, reset_pulse=6, form_pulse=7)

Run = Callable[..., int]
"""Verify with the text of a module changed: a regular expression that fits once, and what takes its place."""


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network("40-6-3", seed=2)


@pytest.fixture(scope="module")
def folder(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("holes")
    generate(Accelerator(network.topology, PLAN, limits=LIMITS, timing=TIMING), folder / "verilog")
    images.export(network, PLAN, folder / "images")
    return folder


@pytest.fixture
def run(network: Network, folder: Path, tmp_path: Path, require_simulator: Require) -> Run:
    tool: Tool = require_simulator("icarus")
    samples = Samples(np.random.default_rng(1).integers(0, 2, (6, network.encoding.values)))

    def changed(module: str, old: str, new: str, program: bool = False) -> int:
        files = []
        for path in sources(folder / "verilog", load_manifest(folder / "verilog"), tmp_path):
            if re.fullmatch(rf"hafnet_{module}\.sv", path.name):
                text, count = re.subn(old, new, path.read_text())
                assert count == 1, f"{old} fits {count} times"
                path = tmp_path / path.name
                path.write_text(text)
            files.append(path)
        parts = folder / "verilog", folder / "images", tmp_path / "simulation"
        return verify(tool, network, samples, *parts, rtl=files, program=program).mismatches

    return changed


def test_what_is_not_changed_agrees(run: Run) -> None:
    assert run("ranking_.*", "endmodule", "endmodule", program=True) == 0


def test_a_ranking_that_begins_in_the_middle_after_reset_is_found(run: Run) -> None:
    assert run("ranking_.*", r"if \(rst\) base <= 2'h0;", "if (rst) base <= 2'h1;")


def test_idle_in_the_middle_of_an_image_is_found(run: Run) -> None:
    with pytest.raises(SimulationError, match="idle is high while an image is under way"):
        run("accelerator", r"= images != 1'h0;", "= images == 16'hffff;")


def test_idle_that_never_comes_back_after_a_wrong_packet_is_found(run: Run) -> None:
    with pytest.raises(SimulationError, match="idle is low after all images and commands have ended"):
        run("accelerator", r"\{ 1'h0, receiver__wrong \}", "2'h0")


def test_images_that_are_counted_wrongly_are_found(run: Run) -> None:
    with pytest.raises(SimulationError, match=r"IMAGES_OUT is 0 after 6 images"):
        run("accelerator", r"registers__image_out = \w+ & \w+;", "registers__image_out = 0;")


def test_a_register_that_a_reset_leaves_as_it_was_is_found(run: Run) -> None:
    """The first results after it have bits of the images before."""
    assert run("collector_6x1", r"if \(rst\) filled", "if (1'h0) filled")


def test_a_slow_pipeline_is_found(run: Run) -> None:
    """The room that a collector has for a second image is never used."""
    with pytest.raises(SimulationError, match=r"result \d+ at full rate ends \d+ cycles after the first one, not \d+"):
        run("collector_6x1", r"if \(rst\) reserved <= 2'h0;", "if (rst) reserved <= 2'h1;")


def test_a_watchdog_that_does_not_hold_is_found(run: Run) -> None:
    """The command says that the pulse was too long, but HV stays high."""
    with pytest.raises(SimulationError, match="HV, or another line beside it, was as it must not be"):
        run("controller_1x1_4x8.*", r"(assign _\d+_ = )overdue \| (_\d+_);", r"\1\2;", program=True)


def test_a_watchdog_that_is_not_there_is_found(run: Run) -> None:
    with pytest.raises(SimulationError, match=r"a pulse of 65 cycles in array \(1, 0, 0\): STATUS is 0x0, not 0x22"):
        run("controller_1x1_4x8.*", r"assign overdue = .*;", "assign overdue = 1'h0;", program=True)


def test_an_array_that_is_unlocked_from_the_beginning_is_found(run: Run) -> None:
    with pytest.raises(SimulationError, match="STATUS after reset: register 0x18 is 0x100, not 0x0"):
        run("registers", r"(?<=unlocked <= )_\d+_;", "1'h1;")


def test_a_form_without_its_key_is_found(run: Run) -> None:
    with pytest.raises(SimulationError, match="FORM_ROW without its key: a write of 0x5 to 0x1c is accepted"):
        run("registers", r"( = _\d+_ &) unlocked;", r"\1 1'h1;", program=True)


def test_each_pass_begins_with_different_classes_the_highest_first(network: Network) -> None:
    """Where no sample is of the highest class, a random input is, if one can be found."""
    low = np.zeros((9, network.encoding.values), dtype=np.int64)

    def classify(values: np.ndarray) -> np.ndarray:
        return np.where(values.any(axis=1), values[:, 0] + 1, 0)

    planned = passes(network, Samples(low), True, 0, classify, False)
    assert [each.reset for each in planned] == [False, *[True] * 7]
    assert sum(len(each.samples) for each in planned) == inputs(9)
    assert [each.samples[0] for each in planned] == [0, RANDOM, 0, RANDOM, 0, RANDOM, 0, RANDOM]
    mixed = low.copy()
    mixed[3, 1] = mixed[5, 0] = 1
    planned = passes(network, Samples(mixed), True, 0, classify, False)
    for each in planned:
        assert sorted(classify(each.values)[:3]) == [0, 1, 2]
    assert [classify(each.values)[0] for each in planned] == [2, 2, 0, 2, 0, 2, 0, 2]
    assert sorted(planned[0].samples) == list(range(9))
    assert len(passes(network, Samples(mixed), False, 0, classify, False)) == 1
