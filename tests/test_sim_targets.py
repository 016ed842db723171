"""Accelerators whose popcounts are built of an FPGA's own primitives: simulated with the models that Yosys ships."""

from pathlib import Path

import numpy as np
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.generate import generate, load_manifest
from hdl.neurons.targets import Target
from model import images
from model.errors import HafnetError
from model.mapping import Geometry
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from sim.cells import TARGETS
from sim.netlist import synthesise
from sim.verify import verify

NETWORK = random_network("40-12-9t-4", seed=3)
PLAN = Plan(Geometry(8, 16))


def prepare(folder: Path, target: Target) -> None:
    images.export(NETWORK, PLAN, folder / "images")
    generate(Accelerator(NETWORK.topology, PLAN, target=target), folder / "verilog")


@pytest.mark.parametrize("target", TARGETS)
def test_popcounts_of_primitives_count_as_golden(target: Target, tmp_path: Path, require_simulator: Require) -> None:
    prepare(tmp_path, target)
    assert load_manifest(tmp_path / "verilog").target == target
    assert (tmp_path / "verilog" / f"hafnet_popcount_16_{target}.sv").exists()
    samples = Samples(np.random.default_rng(1).integers(0, 2, (12, 40)))
    folders = (tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation")
    result = verify(require_simulator("icarus"), NETWORK, samples, *folders)
    assert result.mismatches == 0, str(result.first[0])


def test_they_go_through_synthesis_for_their_own_target_and_no_other(tmp_path: Path) -> None:
    prepare(tmp_path, "ecp5")
    netlist = synthesise(tmp_path / "verilog", tmp_path / "images", tmp_path / "netlist", "ecp5")
    assert netlist.cells["CCU2C"] > 0
    with pytest.raises(HafnetError, match="was generated for ecp5 and cannot be mapped to the cells of ice40"):
        synthesise(tmp_path / "verilog", tmp_path / "images", tmp_path / "other", "ice40")
    with pytest.raises(HafnetError, match="target 'ecp6' is none of generic, xc7, ecp5, ice40"):
        Accelerator(NETWORK.topology, PLAN, target="ecp6")  # type: ignore[arg-type]
