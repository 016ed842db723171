"""The digits network as a netlist: cells per target, and its simulation against golden on all 360 test images.

.venv/bin/python benchmarks/synthesis.py [TARGET ...]      (default: ecp5)
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pages import table

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.mapping import Geometry
from model.planner import choose
from model.training.datasets import load_digits
from model.training.recipe import Recipe, train
from sim.netlist import Netlist, synthesise
from sim.tools import find
from sim.verify import Verification, verify


def measure(targets: Sequence[str]) -> Iterator[tuple[Netlist, float, Verification]]:
    """The netlist for each target, the seconds that it took, and what Verilator said of it."""
    data = load_digits()
    network = train(data, Recipe(), "cpu").network
    plan = choose(network.topology, Geometry())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        images.export(network, plan, folder / "images")
        generate(Accelerator(network.topology, plan), folder / "verilog")
        for target in targets:
            started = time.monotonic()
            netlist = synthesise(folder / "verilog", folder / "images", folder / target, target)
            seconds = time.monotonic() - started
            result = verify(
                find("verilator"),
                network,
                data.test,
                folder / "verilog",
                folder / "images",
                folder / f"simulation-{target}",
                netlist=[folder / target / listed.file for listed in netlist.files],
            )
            yield netlist, seconds, result


def told(netlist: Netlist, result: Verification) -> str:
    """What is the same on every machine."""
    return (
        f"{table(('cell', 'count'), netlist.cells.items())}\n\n{netlist.command}, Yosys {netlist.yosys}. "
        f"{result.samples} images, {result.values:,} values compared, {result.mismatches} mismatches, "
        f"{result.cycles:g} cycles an image."
    )


def figure() -> str:
    ((netlist, _, result),) = measure(["ecp5"])
    return told(netlist, result)


def main() -> None:
    for netlist, seconds, result in measure(sys.argv[1:] or ["ecp5"]):
        print(
            f"\n{told(netlist, result)}\n\n{seconds:.0f} s in Yosys, {result.build_seconds:.0f} s to build and "
            f"{result.run_seconds:.1f} s to run on {result.simulator} {result.version}; accuracy {result.accuracy:.2%}"
        )


if __name__ == "__main__":
    main()
