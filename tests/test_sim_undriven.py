"""No input is left open: neither inside an accelerator nor by the bench. Open, it is X on Icarus and 0 elsewhere."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulators import Require

from hdl.accelerator import Accelerator
from hdl.generate import Manifest, Port, generate
from model import images
from model.mapping import Geometry
from model.network import Network
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from sim import verify
from sim.folders import check_folder
from sim.netlist import run_yosys
from sim.runner import SimulationError
from sim.tools import Tool

ACCELERATOR = Accelerator(Topology.dense((20, 9, 5, 3)), Plan(Geometry(4, 7)))
NETWORK = random_network(ACCELERATOR.topology, seed=1)
SAMPLES = Samples(np.random.default_rng(2).integers(0, 2, (24, 20)))

# Connections that a mutant lacks: the module, one of its instances, and the input that is left open.
OPEN = {
    "the activations of a layer": ("hafnet_accelerator", "layer1", "i__payload"),
    "the inputs of a tile": ("hafnet_group_20_4x7", "tile1", "x"),
    "the word that a memory is to write": ("hafnet_array_4x7", "cells", "write_data"),
    "the timing of a layer": ("hafnet_accelerator", "layer0", "timing"),
    "a reset": ("hafnet_accelerator", "sender", "rst"),
}
# Why the bench could not see the last two: without its timing a layer waits for ever, which is no result, and registers
# have their value at power-up without a reset.
SEEN = list(OPEN)[:3]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undriven")
    generate(ACCELERATOR, folder / "verilog")
    images.export(NETWORK, ACCELERATOR.plan, folder / "images")
    return folder


def sources(template: Path, changed: dict[str, str] | None = None, folder: Path | None = None) -> list[Path]:
    """The Verilog, with the text of some modules changed: these files lie in `folder`."""
    listed = sorted((template / "verilog").glob("*.sv"))
    if changed is not None and folder is not None:
        folder.mkdir(parents=True)
        for module, text in changed.items():
            (folder / f"{module}.sv").write_text(text)
        listed = [folder / path.name if path.stem in changed else path for path in listed]
    return listed


def open_inputs(files: list[Path], folder: Path) -> Iterator[tuple[str, str, str]]:
    """Module, instance and port of every input of an instance that is not wholly connected, as Yosys reads it."""
    folder.mkdir(parents=True)
    for path in files:
        (folder / path.name).write_bytes(path.read_bytes())
    # `LOAD` 0: no image is looked for.
    top = "hafnet_accelerator"
    names = " ".join(path.name for path in files)
    run_yosys(
        f"read_verilog -sv {names}; chparam -set LOAD 0 {top}; hierarchy -top {top}; proc; write_json a.json", folder
    )
    modules: dict[str, Any] = json.loads((folder / "a.json").read_text())["modules"]
    for module, contents in modules.items():
        for instance, cell in contents["cells"].items():
            for port, described in modules.get(cell["type"], {"ports": {}})["ports"].items():
                bits = cell["connections"].get(port, [])
                if described["direction"] == "input" and (not bits or {"x", "z"} & set(bits)):
                    yield re.sub(r"^\$paramod[^\\]*\\|\\.*$", "", module), instance, port


def without_connection(text: str, instance: str, port: str) -> str:
    """A module in which one connection of an instance is left out."""
    changed, count = re.subn(
        rf"(\) {instance} \(|^  \w+ {instance} \()([^;]*?)\.{port}\([^()]*\)(,?)", rf"\1\2.{port}()\3", text, flags=re.M
    )
    assert count == 1, f"{instance} has no port {port}"
    return changed


def mutant(template: Path, name: str, folder: Path) -> list[Path]:
    module, instance, port = OPEN[name]
    text = (template / "verilog" / f"{module}.sv").read_text()
    return sources(template, {module: without_connection(text, instance, port)}, folder)


def run(tool: Tool, template: Path, files: list[Path], work: Path, program: bool = False) -> Any:
    folders = (template / "verilog", template / "images", work)
    return verify.verify(tool, NETWORK, SAMPLES, *folders, program=program, netlist=files)


def test_every_input_of_every_instance_is_connected(template: Path, tmp_path: Path) -> None:
    assert list(open_inputs(sources(template), tmp_path / "yosys")) == []


@pytest.mark.parametrize("name", OPEN)
def test_an_open_input_is_found(name: str, template: Path, tmp_path: Path) -> None:
    files = mutant(template, name, tmp_path / "mutant")
    assert {found[1:] for found in open_inputs(files, tmp_path / "yosys")} == {OPEN[name][1:]}


@pytest.mark.parametrize("name", SEEN)
def test_the_bench_sees_an_open_input(name: str, template: Path, tmp_path: Path, require_simulator: Require) -> None:
    """On Icarus, where it is X: values differ, or the bench reads an X where it needs a number."""
    tool = require_simulator("icarus")
    try:
        result = run(tool, template, mutant(template, name, tmp_path / "mutant"), tmp_path / "work", program=True)
    except SimulationError:
        return
    assert result.mismatches > 0


def test_an_input_that_the_bench_does_not_drive_is_named(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    """An input of the top that nobody knew of."""
    tool, real = require_simulator("icarus"), check_folder
    text = (template / "verilog" / "hafnet_accelerator.sv").read_text()
    text = re.sub(r"(\(clk, rst,)(.*?\);)", r"\1 forgotten,\2\n  input forgotten;", text, count=1, flags=re.S)

    def with_forgotten(network: Network, *folders: Path) -> tuple[Manifest, list[images.Image]]:
        manifest, contents = real(network, *folders)
        return replace(manifest, ports=(*manifest.ports, Port("forgotten", "input", 1))), contents

    files = sources(template, {"hafnet_accelerator": text}, tmp_path / "mutant")
    assert run(tool, template, files, tmp_path / "work").mismatches == 0
    monkeypatch.setattr(verify, "check_folder", with_forgotten)
    with pytest.raises(SimulationError, match="inputs that the bench does not drive: forgotten"):
        run(tool, template, files, tmp_path / "again")
