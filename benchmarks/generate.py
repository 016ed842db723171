"""Generation of 784-1024-1024-10 on 32 x 32 arrays, and of wider networks with 2, 4 and 8 times as many arrays.

Run: .venv/bin/python benchmarks/generate.py
"""

import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pages import table

from hdl.accelerator import Accelerator
from hdl.generate import generate
from model.mapping import Geometry
from model.planner import choose
from model.topology import Topology

# Hidden layers of a width at which the arrays come nearest to 1, 2, 4 and 8 times those of the first.
HIDDEN = (1024, 1568, 2368, 3488)
REPEATS = 3


class Generated(NamedTuple):
    """What was generated, and the seconds of the fastest run."""

    network: str
    arrays: int
    modules: int
    instances: int
    size: int
    seconds: float


def measure(width: int, repeats: int = 1) -> Generated:
    """Two hidden layers of this width, generated a few times."""
    topology = Topology.dense((784, width, width, 10))
    accelerator = Accelerator(topology, choose(topology, Geometry()))
    taken = []
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "verilog")
        for _ in range(repeats):
            start = time.perf_counter()
            generate(accelerator, folder)
            taken.append(time.perf_counter() - start)
        texts = [path.read_text() for path in folder.glob("*.sv")]
    instances = sum(len(re.findall(r"^  hafnet_\w+ (?:#\(|\w+ \()", text, re.MULTILINE)) for text in texts)
    size = sum(len(text.encode()) for text in texts)
    return Generated(str(topology), accelerator.arrays, len(texts), instances, size, min(taken))


def figure() -> str:
    """What of it is the same on every machine."""
    found = [measure(width) for width in HIDDEN]
    first = found[0]
    headings = ("network", "arrays", "×", "modules", "lines of instances", "bytes of Verilog", "×")
    rows = (
        (
            each.network,
            each.arrays,
            f"{each.arrays / first.arrays:.2f}",
            each.modules,
            each.instances,
            each.size,
            f"{each.size / first.size:.2f}",
        )
        for each in found
    )
    return table(headings, rows)


def first() -> str:
    """The first row in words: what a test can make in every run."""
    found = measure(HIDDEN[0])
    return f"{found.arrays:,} arrays: {found.modules} modules, {found.size:,} bytes"


def main() -> None:
    print(f"`hafnet generate` on 32 x 32 arrays\n\n{figure()}\n\nfastest of {REPEATS}:")
    found = [measure(width, REPEATS) for width in HIDDEN]
    rows = ((each.network, f"{each.seconds:.2f}", f"{each.seconds / found[0].seconds:.2f}") for each in found)
    print(f"\n{table(('network', 'seconds', '×'), rows)}")


if __name__ == "__main__":
    main()
