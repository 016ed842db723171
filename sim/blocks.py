"""One block by itself: emitted, built, and put before its bench."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hdl.block import Block
from hdl.emit import TOP_IMAGE, emit
from hdl.generate import WAIVERS
from model.formats import FORMATS
from sim.runner import Design, build
from sim.tools import Tool


def build_block(tool: Tool, block: Block, folder: Path, models: Sequence[Path] = ()) -> Design:
    """Emit `block` and everything below it into `folder` and build it there as a top of its own.

    Its ports keep their names, parts of a stream or interface joined by "__"; `clk` and `rst` are there where the
    block needs them. `models` are Verilog of the primitives that a block of a target consists of.
    """
    verilog = folder / "verilog"
    verilog.mkdir(parents=True, exist_ok=True)
    texts = emit(block)
    for name, text in texts.items():
        (verilog / name).write_text(text, encoding="utf-8")
    shutil.copy(WAIVERS, verilog)
    # The block's header lists its ports, those of Amaranth's clock domain among them.
    header = re.search(rf"^module {block.name}\b.*?\(([^()]*)\);$", texts[f"{block.name}.sv"], re.MULTILINE)
    assert header is not None, f"{block.name} has no ports"
    ports = re.findall(r"\w+", header.group(1))
    sources = [*models, *(verilog / name for name in texts), verilog / WAIVERS.name]
    return build(tool, sources, block.name, folder / "build", ports=ports)


def run_block(
    design: Design,
    bench: str,
    folder: Path,
    block: Any,
    memories: Mapping[str, tuple[Sequence[int], int]] | None = None,
    **job: Any,
) -> Any:
    """Run `sim.bench_<bench>` on `design` in `folder`; its result.

    The bench's job is `block`, the members of the block, and whatever else is given. `memories` are the contents of
    the block's memories: what their path adds to the top's -> words and their width in bits.
    """
    for path, (words, width) in (memories or {}).items():
        image = folder / f"{TOP_IMAGE}{path}.hex"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(FORMATS["hex"].write(words, width))
    return design.run(f"sim.bench_{bench}", folder, {"block": asdict(block), **job})
