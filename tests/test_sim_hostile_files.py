"""Whatever stands in a file or a text of a user: it is taken, or refused in one sentence, and neither takes long."""

import gzip
import json
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hostile import damaged, twisted
from safetensors import safe_open
from safetensors.numpy import save

from hdl.accelerator import Accelerator
from hdl.generate import generate, load_manifest
from model import images
from model.device.situation import Situation, Sweep
from model.device.table import Table
from model.energy import coefficients
from model.errors import HafnetError
from model.faults import FaultMap, random_faults
from model.formats import FORMATS
from model.mapping import Geometry
from model.network import Network
from model.placement import load_sensitivities
from model.plan import Plan
from model.random_network import random_network
from model.samples import Samples
from model.topology import Topology
from model.training.datasets import load_cifar10, read_idx
from sim.netlist import load_netlist

TRIES = 40
SECONDS = 1.0
"""Of the processor, whatever else it does."""

TABLE = (
    "set_current_uA,reset_voltage_V,pulse_ns,lrs_median_ohm,lrs_sigma,hrs_median_ohm,hrs_sigma\n"
    "55,2.0,100,7300,.2,80000,.5\n20,1.5,100,9300,.2,90000,.5\n"
)
COEFFICIENTS = "event,capacitance_fF,source\nreads,2,measured\nrows,3,guessed\n"
IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", 5, 2, 3) + bytes(30)
NETLIST = {
    "version": 1,
    "target": "ecp5",
    "command": "synth_ecp5",
    "yosys": "0.60",
    "top": "hafnet",
    "verilog": "",
    "images": "",
    "cells": {"LUT4": 1},
    "files": [{"file": "hafnet_netlist.sv", "sha256": ""}],
}

Make = Callable[[Random], bytes]
Load = Callable[[bytes], Any]


class Door(NamedTuple):
    """Where something of a user comes in: what makes it, damaged, and what reads it."""

    make: Make
    load: Load


def spoilt(whole: bytes) -> Make:
    return lambda random: damaged(whole, random)


def spoilt_json(plain: Any) -> Make:
    return lambda random: twisted(plain, random).encode()


def spoilt_header(path: Path, entry: str) -> Make:
    with safe_open(path, framework="numpy") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a mapping
        header = json.loads(file.metadata()[entry])
    return lambda random: save(tensors, {entry: twisted(header, random)})


def at(path: Path, load: Callable[[], Any]) -> Load:
    def put_and_load(data: bytes) -> Any:
        path.write_bytes(data)
        return load()

    return put_and_load


def of_text(load: Callable[[str], Any]) -> Load:
    return lambda data: load(data.decode("utf-8", "replace"))


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Door]:
    folder = tmp_path_factory.mktemp("doors")
    file, cifar, verilog, netlist = (folder / name for name in ("file", "cifar", "verilog", "netlist"))
    network, dense = random_network("4x4x3b2-6c3p1g3-m2-9t-4", seed=1), random_network("8-4-3", seed=2)
    plan = Plan(Geometry(8, 8), fidelity="noisy").of(network.topology)
    faults = random_faults(network.topology, plan, stuck=0.1, weak=0.1)
    network.save(folder / "network")
    faults.save(folder / "faults")
    Samples(np.arange(12).reshape(3, 4), np.array([0, 1, 2])).save(folder / "samples")
    images.export(network, plan, folder / "images", ("hex",), faults)
    generate(Accelerator(dense.topology, Plan(Geometry(8, 8)).of(dense.topology)), verilog)
    netlist.mkdir()
    cifar.mkdir()
    (cifar / "test_batch.bin").write_bytes(bytes(3073))
    neurons = [f"{layer.name},{n},0.5,0" for layer in (*dense.hidden, dense.output) for n in range(layer.shape.fan_out)]  # type: ignore[union-attr]
    ranking = "\n".join(["layer,neuron,changed,lost", *neurons, ""])
    found = {
        "network": Door(spoilt((folder / "network").read_bytes()), at(file, lambda: Network.load(file))),
        "header of a network": Door(spoilt_header(folder / "network", "hafnet"), at(file, lambda: Network.load(file))),
        "samples": Door(spoilt((folder / "samples").read_bytes()), at(file, lambda: Samples.load(file))),
        "fault map": Door(spoilt((folder / "faults").read_bytes()), at(file, lambda: FaultMap.load(file))),
        "header of a fault map": Door(
            spoilt_header(folder / "faults", "hafnet_faults"), at(file, lambda: FaultMap.load(file))
        ),
        "netlist": Door(
            spoilt_json(NETLIST),
            at(netlist / "netlist.json", lambda: load_netlist(netlist, verilog, folder / "images")),
        ),
        "IDX": Door(spoilt(IDX), at(file, lambda: read_idx(file))),
        "gzipped IDX": Door(lambda random: gzip.compress(damaged(IDX, random)), at(file, lambda: read_idx(file))),
        "damaged gzip": Door(spoilt(gzip.compress(IDX)), at(file, lambda: read_idx(file))),
        "CIFAR-10": Door(spoilt(bytes(2 * 3073)), at(cifar / "data_batch_1.bin", lambda: load_cifar10(cifar))),
        "table": Door(spoilt(TABLE.encode()), at(file, lambda: Table.load(file))),
        "coefficients": Door(spoilt(COEFFICIENTS.encode()), at(file, lambda: coefficients.load(file))),
        "ranking": Door(spoilt(ranking.encode()), at(file, lambda: load_sensitivities(file, dense))),
        "topology": Door(spoilt(b"32x32x3b8-64c3p1-m2-128c3s2f1g2t-avg-10t"), of_text(Topology.parse)),
        "condition": Door(spoilt("strong, cycles=1e6, age_h=10, set_current_µA=5".encode()), of_text(Situation.parse)),
        "sweep": Door(spoilt(b"reset_voltage_V=1.2,1.4,1.6"), of_text(Sweep.parse)),
    }
    for what, place, load in (("images", folder / "images", images.load), ("Verilog", verilog, load_manifest)):
        manifest = place / "manifest.json"
        whole, read = manifest.read_bytes(), at(manifest, partial(load, place))
        found[f"manifest of {what}"] = Door(spoilt_json(json.loads(whole)), read)
        found[f"bytes of a manifest of {what}"] = Door(spoilt(whole), read)
    for name, form in FORMATS.items():
        whole = form.write([3, 200, 0, 17, 255], 8)
        found[f"image in {name}"] = Door(spoilt(whole), partial(form.read, width=8, count=5))
    return found


DOORS = (
    *("network", "header of a network", "samples", "fault map", "header of a fault map", "netlist", "IDX"),
    *("gzipped IDX", "damaged gzip", "CIFAR-10", "table", "coefficients", "ranking", "topology", "condition", "sweep"),
    *("manifest of images", "bytes of a manifest of images", "manifest of Verilog", "bytes of a manifest of Verilog"),
    *(f"image in {name}" for name in FORMATS),
)


def test_all_doors_are_tried(doors: dict[str, Door]) -> None:
    assert set(doors) == set(DOORS)


@pytest.mark.filterwarnings("ignore::model.errors.HafnetWarning")
@pytest.mark.parametrize("name", DOORS)
def test_what_is_damaged_is_refused_in_a_sentence_and_soon(doors: dict[str, Door], name: str) -> None:
    make, load = doors[name]
    random, sentences = Random(name), []
    for number in range(TRIES):
        data = make(random)
        started = time.process_time()
        try:
            load(data)
        except HafnetError as error:
            sentences.append(str(error))
        assert time.process_time() - started < SECONDS, number
    assert len(sentences) > TRIES / 4
    assert [each for each in sentences if len(each) > 300 or not each.isprintable()] == []
