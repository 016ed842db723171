"""The digits network as a netlist: cells per target, and its simulation against golden on all 360 test images.

.venv/bin/python benchmarks/synthesis.py [TARGET ...]      (default: ecp5)
"""

import sys
import tempfile
import time
from pathlib import Path

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model import images
from model.mapping import Geometry
from model.planner import choose
from model.training.datasets import load_digits
from model.training.recipe import Recipe, train
from sim.netlist import synthesise
from sim.tools import find
from sim.verify import verify


def main() -> None:
    data = load_digits()
    network = train(data, Recipe(), "cpu").network
    plan = choose(network.topology, Geometry())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        images.export(network, plan, folder / "images")
        generate(Accelerator(network.topology, plan), folder / "verilog")
        for target in sys.argv[1:] or ("ecp5",):
            started = time.monotonic()
            netlist = synthesise(folder / "verilog", folder / "images", folder / target, target)
            seconds = time.monotonic() - started
            print(f"\n{netlist.command}, Yosys {netlist.yosys}: {seconds:.0f} s\n\n| cell | count |\n| --- | --- |")
            for cell, count in netlist.cells.items():
                print(f"| {cell} | {count:,} |")
            result = verify(
                find("verilator"),
                network,
                data.test,
                folder / "verilog",
                folder / "images",
                folder / f"simulation-{target}",
                netlist=[folder / target / listed.file for listed in netlist.files],
            )
            print(
                f"\n{result.simulator} {result.version}: {result.samples} images, {result.values:,} values compared, "
                f"{result.mismatches} mismatches, accuracy {result.accuracy:.2%}, {result.cycles:g} cycles per image; "
                f"{result.build_seconds:.0f} s to build, {result.run_seconds:.1f} s to run"
            )


if __name__ == "__main__":
    main()
