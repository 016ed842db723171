"""Several blocks side by side in one design: one build for many shapes, each on its own bench ports."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from hdl.block import Hardware, place
from hdl.emit import TOP_IMAGE
from model.formats import FORMATS
from sim.runner import Design

T = TypeVar("T")


@dataclass(frozen=True)
class Rack:
    """`blocks` that share nothing but clock and reset.

    Ports: those of block k in an interface `block{k}`. Images of block k add "_b{k}" to the path.
    """

    blocks: tuple[Any, ...]

    name = "hafnet_rack"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature({f"block{index}": Out(block.signature) for index, block in enumerate(self.blocks)})

    def create(self) -> "RackHardware":
        return RackHardware(self)


class RackHardware(Hardware):
    """The blocks, each joined to its ports."""

    def __init__(self, block: Rack) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for index, block in enumerate(self.block.blocks):
            child = place(m, platform, f"child{index}", block, image=f"_b{index}")
            connect(m, child, flipped(getattr(self, f"block{index}")))
        return m


def run_rack(
    design: Design,
    rack: Rack,
    bench: str,
    kind: type[Any],
    folder: Path,
    memories: Mapping[str, tuple[Sequence[int], int]],
    **job: Any,
) -> Any:
    """Run `sim.bench_<bench>` in `folder` on the blocks of type `kind` in a rack that was built; its result.

    The bench's job is `blocks`, the members of each block by the name of its ports, and whatever else is given.
    `memories` are the contents of the blocks' memories: what their path adds to the top's -> words and their width in
    bits.
    """
    for path, (words, width) in memories.items():
        image = folder / f"{TOP_IMAGE}{path}.hex"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(FORMATS["hex"].write(words, width))
    blocks = {f"block{index}": asdict(block) for index, block in enumerate(rack.blocks) if type(block) is kind}
    return design.run(f"sim.bench_{bench}", folder, {"blocks": blocks, **job})


def blocks_of(task: Any, kind: type[T]) -> dict[str, T]:
    """The blocks of a bench's job by the name of their ports."""
    return {
        name: kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in members.items()})
        for name, members in task["blocks"].items()
    }


class Ports:
    """The ports of one block of a rack: `Ports(dut, "block0").i__valid` is `dut.block0__i__valid`."""

    def __init__(self, dut: Any, name: str) -> None:
        self.dut, self.name, self.clk = dut, name, dut.clk

    def __getattr__(self, port: str) -> Any:
        return getattr(self.dut, f"{self.name}__{port}")
