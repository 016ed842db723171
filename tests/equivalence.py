"""Blocks without registers that are equal to others, proven by the SAT solver of Yosys."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring

from hdl.block import Block, Hardware, place
from hdl.emit import emit
from sim import yowasp


class Shelf:
    """Blocks side by side, so that one run of Yosys writes them all."""

    name = "shelf"
    signature = wiring.Signature({})

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks

    def create(self) -> "ShelfHardware":
        return ShelfHardware(self)


class ShelfHardware(Hardware):
    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        super().__init__(shelf.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for block in self.shelf.blocks:
            place(m, platform, f"u_{block.name}", block)
        return m


def write(blocks: Sequence[Block], folder: Path) -> None:
    for name, text in emit(Shelf(blocks)).items():
        (folder / name).write_text(text)


def yosys(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "script.ys").write_text(script)
    return yowasp.run(yowasp.YOSYS, ["-q", "script.ys"], folder)


def equality(gold: str, gate: str, *below: str) -> str:
    """Lines of a script that fail where the modules `gold` and `gate` differ; each is in a file of its name, what they
    consist of in the files `below`.
    """
    sources = " ".join([*below, f"{gold}.sv", f"{gate}.sv"])
    return (
        f"design -reset\nread_verilog -sv {sources}\n"
        f"hierarchy -check\nproc\nflatten\nopt_clean\nmiter -equiv -flatten -make_assert {gold} {gate} miter\n"
        "hierarchy -top miter\nflatten\nopt -full\nsat -verify -prove-asserts miter\n"
    )
