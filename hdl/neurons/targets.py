"""The targets that have compressors of their own, and what makes them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from hdl.neurons.compress_ecp5 import ecp5_count, ecp5_neuron
from hdl.neurons.compress_ice40 import ice40_count, ice40_neuron
from hdl.neurons.compress_xc7 import xc7_count, xc7_neuron
from hdl.neurons.netlist import Net, Netlist
from model.errors import HafnetError, short

Target: TypeAlias = Literal["generic", "xc7", "ecp5", "ice40"]
"""What a block is built of: gates, or the primitives of Xilinx 7 series, Lattice ECP5, Lattice iCE40."""

COUNTS: Mapping[str, Callable[[Netlist, Sequence[Net]], list[Net]]] = {
    "xc7": xc7_count,
    "ecp5": ecp5_count,
    "ice40": ice40_count,
}
"""The number of ones among bits, bit 0 first."""

NEURONS: Mapping[str, Callable[[Netlist, Sequence[Net], Sequence[Net], Sequence[Net]], Net]] = {
    "xc7": xc7_neuron,
    "ecp5": ecp5_neuron,
    "ice40": ice40_neuron,
}
"""Whether x and w (of one width) match in at least as many places as the threshold says."""


def suffix(target: Target) -> str:
    """What a block's name has of its target."""
    return "" if target == "generic" else f"_{target}"


def check_target(target: str) -> None:
    """Raises HafnetError where there is no such target."""
    if target not in get_args(Target):
        raise HafnetError(f"target {short(target)} is none of {', '.join(get_args(Target))}")
