"""Blocks: validated descriptions of hardware, and how a parent block holds a child.

A block is a frozen dataclass that says everything about one piece of hardware; equal blocks are equal hardware.
`place` puts a child into a parent. Simulated in Amaranth, the child becomes an ordinary submodule; during emission
it becomes an instance of a Verilog module that is written once, however often it is placed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import wiring

if TYPE_CHECKING:
    Hardware: TypeAlias = wiring.Component[Any]
else:
    Hardware = wiring.Component


class Block(Protocol):
    """A description of one piece of hardware. Implementations are frozen (hashable) dataclasses."""

    @property
    def name(self) -> str:
        """Name of the Verilog module; equal only for equal blocks."""
        ...

    @property
    def signature(self) -> wiring.Signature: ...

    def create(self) -> Hardware:
        """The hardware itself."""
        ...


@runtime_checkable
class Leaf(Protocol):
    """A block whose Verilog is written by hand: `source` is the file, `parameters` those of the module besides `LOAD`
    and `IMAGE`; `image` tells whether its contents are an image, which those two then say.
    """

    @property
    def source(self) -> Path: ...

    @property
    def parameters(self) -> dict[str, int]: ...

    @property
    def image(self) -> bool: ...


def place(m: Module, platform: Any, name: str, block: Block, image: str = "", **inputs: Any) -> Any:
    """Put `block` into `m` under `name`; returns its ports.

    `image` is what this child adds to the path of the memory images below it: the path of an array's image is the
    concatenation of these parts from the top down, so that one Verilog module serves arrays of different contents.

    `inputs` are values for input ports, which the caller then leaves alone. An assignment to the returned port does the
    same, but puts another signal between: emission feels that where thousands of bits go to hundreds of children.
    """
    if hasattr(platform, "instance"):  # the platform that stands for writing Verilog, see `hdl.emit.Emission`
        ports = block.signature.create(path=(name,))
        m.submodules[name] = platform.instance(block, ports, image, inputs)
        return ports
    component = block.create()
    submodule: Elaboratable = component
    m.submodules[name] = submodule
    m.d.comb += [getattr(component, port).eq(value) for port, value in inputs.items()]
    return component


def blank(image: bool, clear: bool) -> dict[str, int]:
    """The parameters of a leaf that say that it never has an image, and that it holds zeros where it loads none."""
    return ({} if image else {"BLANK": 1}) | ({"CLEAR": 1} if clear else {})


def index_width(count: int) -> int:
    """Bits of an index 0 … count - 1; at least 1, because a port cannot have width 0."""
    return max(1, (count - 1).bit_length())
