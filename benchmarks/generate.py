"""Generation of 784-1024-1024-10 on 32 x 32 arrays, and of wider networks with 2, 4 and 8 times as many arrays.

Run: .venv/bin/python benchmarks/generate.py
"""

import re
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model.mapping import Geometry
from model.planner import choose
from model.topology import Topology

# Hidden layers of a width at which the arrays come nearest to 1, 2, 4 and 8 times those of the first.
HIDDEN = (1024, 1568, 2368, 3488)
REPEATS = 3


def fastest(accelerator: Accelerator, folder: Path) -> float:
    """Seconds of the fastest of a few runs."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        generate(accelerator, folder)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    columns = ("network", "arrays", "x", "modules", "instance lines", "seconds", "x", "bytes of Verilog", "x")
    table = Table(*columns, title=f"`hafnet generate` on 32 x 32 arrays, fastest of {REPEATS}")
    first: tuple[int, float, int] | None = None
    for width in HIDDEN:
        topology = Topology.dense((784, width, width, 10))
        accelerator = Accelerator(topology, choose(topology, Geometry()))
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent, "verilog")
            seconds = fastest(accelerator, folder)
            texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.sv")]
        arrays, size = accelerator.arrays, sum(len(text.encode()) for text in texts)
        first = first or (arrays, seconds, size)
        instances = sum(len(re.findall(r"^  hafnet_\w+ (?:#\(|\w+ \()", text, re.MULTILINE)) for text in texts)
        ratios = (f"{value / base:.2f}" for value, base in zip((arrays, seconds, size), first, strict=True))
        x_arrays, x_seconds, x_size = ratios
        row = (f"{arrays:,}", x_arrays, len(texts), instances, f"{seconds:.2f}", x_seconds, f"{size:,}", x_size)
        table.add_row(str(topology), *map(str, row))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
