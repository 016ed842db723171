"""What the emulations of an array of 32 × 32 cost on an FPGA, at each level of fidelity.

Run: .venv/bin/python benchmarks/fidelity.py
"""

import json
import tempfile
from pathlib import Path

from pages import table

from hdl.arrays.array import Array
from hdl.emit import TOP_IMAGE, emit
from model.formats import FORMATS
from model.plan import Fidelity
from sim.device_cells import Chip
from sim.netlist import run_yosys

ROWS, COLUMNS, SEED = 32, 32, 1
LEVELS: tuple[Fidelity, ...] = ("bits", "devices", "noisy")
KINDS = ("LUT4", "CCU2C", "TRELLIS_DPR16X4", "TRELLIS_FF")
FLOW = "synth_ecp5 -nobram -nowidelut"
SCRIPT = """\
read_verilog -sv {sources}
{flow} -top {top}
tee -q -o cells.json stat -json
"""


def cells(block: Array) -> dict[str, int]:
    """How many cells of each kind Yosys makes of an array whose chip is drawn at random: a third of the devices stuck,
    half of the cells weak.
    """
    chip = Chip.random(block.rows, block.columns, block.ternary, SEED)
    with tempfile.TemporaryDirectory() as parent:
        folder, texts = Path(parent), emit(block)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / TOP_IMAGE).mkdir()
        for part, (words, width) in chip.memories(block.columns, block.ternary, block.fidelity == "noisy").items():
            (folder / f"{TOP_IMAGE}{part}.hex").write_bytes(FORMATS["hex"].write(words, width))
        run_yosys(SCRIPT.format(sources=" ".join(texts), flow=FLOW, top=block.name), folder)
        found: dict[str, int] = json.loads((folder / "cells.json").read_text(encoding="utf-8"))["design"][
            "num_cells_by_type"
        ]
    return found


def figure() -> str:
    rows: list[tuple[object, ...]] = []
    for ternary in (False, True):
        for fidelity in LEVELS:
            found = cells(Array(ROWS, COLUMNS, ternary, fidelity))
            rows.append(("ternary" if ternary else "binary", fidelity, *(found.get(kind, 0) for kind in KINDS)))
    return table(("weights", "fidelity", *KINDS), rows)


def main() -> None:
    print(f"{FLOW}\n\n{figure()}")


if __name__ == "__main__":
    main()
