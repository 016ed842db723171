"""Generation of 784-1024-1024-10 on 32 x 32 arrays, and of wider networks with 2, 4 and 8 times as many arrays; and of
wide arrays in both dataflows, with the memory that it takes.

Run: .venv/bin/python benchmarks/generate.py
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.accelerator import Accelerator
from hdl.generate import generate, load_manifest
from model.mapping import Geometry
from model.planner import choose
from model.topology import Topology

# Hidden layers of a width at which the arrays come nearest to 1, 2, 4 and 8 times those of the first.
HIDDEN = (1024, 1568, 2368, 3488)
REPEATS = 3
# Rows and columns, and networks whose first layer takes such arrays; the second one 8 times as many.
WIDE = ("--rows", "8", "--columns", "2048")
IN_COLUMNS = {"s2p": ("4096-4-3", "32768-4-3"), "p2s": ("4096-512-3",)}
GENERATE = (sys.executable, "-c", "import hafnet; hafnet.main()", "generate")


def fastest(accelerator: Accelerator, folder: Path) -> float:
    """Seconds of the fastest of a few runs."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        generate(accelerator, folder)
        taken.append(time.perf_counter() - start)
    return min(taken)


def alone(folder: Path, *options: str) -> tuple[float, float]:
    """`hafnet generate` in a process of its own: CPU seconds, and MiB at most of it or of the Yosys that it runs."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, [*GENERATE, str(folder), *options], os.environ, file_actions=silent)
    _, status, used = os.wait4(child, 0)
    assert status == 0, f"hafnet generate ended with {os.waitstatus_to_exitcode(status)}"
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def wide() -> Table:
    columns = ("dataflow", "network", "arrays", "modules", "CPU seconds", "most memory", "bytes of Verilog")
    table = Table(*columns, title="`hafnet generate` on 8 x 2048 arrays")
    for dataflow, networks in IN_COLUMNS.items():
        for shape in networks:
            with tempfile.TemporaryDirectory() as parent:
                options = ("--shape", shape, *WIDE, "--dataflow", f"layer0={dataflow}")
                seconds, memory = alone(Path(parent), *options)
                verilog = Path(parent, "verilog")
                sizes = [path.stat().st_size for path in verilog.glob("*.sv")]
                arrays = load_manifest(verilog).arrays
            row = (f"{arrays:,}", len(sizes), f"{seconds:.0f}", f"{memory:,.0f} MiB", f"{sum(sizes):,}")
            table.add_row(dataflow.upper(), shape, *map(str, row))
    return table


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
            texts = [path.read_text() for path in folder.glob("*.sv")]
        arrays, size = accelerator.arrays, sum(len(text.encode()) for text in texts)
        first = first or (arrays, seconds, size)
        instances = sum(len(re.findall(r"^  hafnet_\w+ (?:#\(|\w+ \()", text, re.MULTILINE)) for text in texts)
        ratios = (f"{value / base:.2f}" for value, base in zip((arrays, seconds, size), first, strict=True))
        x_arrays, x_seconds, x_size = ratios
        row = (f"{arrays:,}", x_arrays, len(texts), instances, f"{seconds:.2f}", x_seconds, f"{size:,}", x_size)
        table.add_row(str(topology), *map(str, row))
    console = Console(width=130)
    console.print(table)
    console.print(wide())


if __name__ == "__main__":
    main()
