"""What the RTL does while images pass, counted on Verilator: reads by the arrays' own SEN, registers, memories, clock.

What is simulated is a copy of the generated Verilog with a counter more in each module that has something to count: on
the lines of an array, on all registers of a module, on each memory. (`bind` would leave the files as they are, but it
also joins a counter to the wrapper of a block that Verilator builds once, where it counts a second time.) What stands
behind the boundary of an array is an emulation of RRAM, and none of its registers and memories count. Everything else
of the accelerator does, the host's side included; the output registers of memories are registers, and the registers of
a bank are.

What an image costs is the difference of two simulations, of which one has so many images more: what both have, reset,
filling and draining of the pipeline, is in neither. So it is that of images that follow each other at full rate. In
both of them every value is compared with golden.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hdl.generate import MANIFEST, load_manifest
from model.device.energy import Activity
from model.energy.account import IN_RTL_ONLY
from model.errors import HafnetError
from model.locks import exclusive, steady
from model.network import Network
from model.samples import Samples
from sim import harness
from sim.runner import SimulationError
from sim.tools import Tool
from sim.verify import sources, verify

COUNTERS = Path(__file__).with_name("hafnet_activity.sv")
COUNTED = "activity.txt"
"""The file that the counters write, in the folder of the run."""
ELSEWHERE = "streams and host"
"""Where what is counted outside of all layers."""
FIELDS = {
    "registers": ("clocked_bits", "register_bits", "cycles of all counters"),
    "memory": ("memory_bits",),
    "array": ("sen", "sets", "resets", "forms"),
}
"""What the numbers of a counter are, in a line of COUNTED."""
_ARRAY = re.compile(r"hafnet_array_\d+x(\d+)")
_REGISTER = re.compile(r"^  reg (?:\[(\d+):0\] )?(\w+)(?: = .*)?;$", re.MULTILINE)
_MEMORY = re.compile(r"^  hafnet_(storage|bank) #\(([^;]*?)\) (\w+) \($", re.MULTILINE)
_SIZE = re.compile(r"\.(WIDTH|DEPTH)\(32'd(\d+)\)")
_LAYER = re.compile(rf"^{harness.TOP}\.{harness.DUT}\.layer(\d+)\.")


@dataclass(frozen=True)
class Memory:
    """A memory in a module: its instance's name, `width` and `depth`, and whether it is a bank of registers."""

    name: str
    width: int
    depth: int
    bank: bool


@dataclass(frozen=True)
class Registers:
    """What keeps a value from cycle to cycle in one module: its registers, name -> bits, and its memories."""

    widths: Mapping[str, int]
    memories: tuple[Memory, ...]

    @classmethod
    def read(cls, text: str) -> "Registers":
        """Those of a module that `hdl.emit.emit` wrote, where `reg` is always a flip-flop."""
        widths = {name: int(high or 0) + 1 for high, name in _REGISTER.findall(text)}
        memories = []
        for kind, parameters, name in _MEMORY.findall(text):
            size = {key: int(value) for key, value in _SIZE.findall(parameters)}
            memories.append(Memory(name, size.get("WIDTH", 1), size.get("DEPTH", 1), kind == "bank"))
        return cls(widths, tuple(memories))

    @property
    def nets(self) -> list[str]:
        """All flip-flops of the module, its memories' output registers and banks included."""
        outputs = [f"{memory.name}.{port}" for memory in self.memories for port in _ports(memory)]
        return [*self.widths, *outputs]

    @property
    def bits(self) -> int:
        """How many flip-flops they are."""
        of_memories = sum(memory.width * (1 + memory.depth * memory.bank) for memory in self.memories)
        return sum(self.widths.values()) + of_memories


def _ports(memory: Memory) -> list[str]:
    return ["read_data", "all"] if memory.bank else ["read_data"]


def watched(module: str, text: str) -> str:
    """The text of a generated module with counters in it, where there is something to count."""
    counters = []
    if array := _ARRAY.match(module):
        joined = ", ".join(f".{line}({line})" for line in ("clk", "sen", "hv", "operation", "x"))
        counters.append(f"hafnet_array_counter #(.COLUMNS({array[1]})) array_counter ({joined});")
    else:
        found = Registers.read(text)
        if found.bits:
            nets = ", ".join(found.nets)
            counters.append(
                f"hafnet_register_counter #(.BITS({found.bits})) register_counter (.clk(clk), .bits({{{nets}}}));"
            )
        counters += [
            f"hafnet_memory_counter #(.BITS({memory.width})) {memory.name}_counter "
            f"(.clk(clk), .read_en({memory.name}.read_en), .write_en({memory.name}.write_en));"
            for memory in found.memories
            if not memory.bank
        ]
    body, end, rest = text.rpartition("endmodule\n")
    return body + "".join(f"  {counter}\n" for counter in counters) + end + rest


@dataclass(frozen=True)
class Counted:
    """What was counted in `images` images at full rate, all of them together: an activity for each layer, by name, and
    one for ELSEWHERE; and in how many clock `cycles`.
    """

    layers: Mapping[str, Activity]
    images: int
    cycles: int

    @property
    def flip_flops(self) -> int:
        return sum(each.clocked_bits for each in self.layers.values()) // self.cycles


Totals: TypeAlias = Counter[tuple[int | None, str]]
"""Counts of one simulation, by number of the layer (None elsewhere) and name: those of `Activity`, and `sen`, cycles of
SEN of all arrays; (None, "cycles"), clock cycles."""


def count(
    tool: Tool,
    network: Network,
    samples: Samples,
    verilog: Path,
    images: Path,
    folder: Path,
    *,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> Counted:
    """Count while all samples pass at full rate; `folder` keeps build and run.

    Before them pass as many images as there are layers, and two: some of the samples, more than once if need be. Raises
    HafnetError and SimulationError as `simulate` does, and SimulationError where SEN is high for a part of a read.
    """
    before = len(network.layers) + 2
    rows = np.arange(-before, len(samples)) % len(samples)
    with exclusive(folder), steady(verilog / MANIFEST):
        less, more = (
            simulate(tool, network, Samples(samples.values[rows[:number]]), verilog, images, folder, progress=progress)
            for number in (before, before + len(samples))
        )
        manifest = load_manifest(verilog)
    more.subtract(less)
    layers = {}
    sense = max(1, manifest.timing.sense)
    for index, name in (*enumerate(network.topology.names), (None, ELSEWHERE)):
        raised, rest = divmod(more[index, "sen"], sense)
        if rest:
            raise SimulationError(
                f"layer {name!r}: SEN is high for {more[index, 'sen']} cycles in all arrays together, which are no "
                f"whole number of reads of {sense}"
            )
        layers[name] = Activity(
            rows=raised,
            reads=raised * manifest.plan.geometry.columns,
            **{event: more[index, event] for event in IN_RTL_ONLY},
        )
    return Counted(layers, len(samples), more[None, "cycles"])


def simulate(
    tool: Tool, network: Network, samples: Samples, verilog: Path, images: Path, folder: Path, **options: Any
) -> Totals:
    """What happens from before reset to the end of a simulation in which the samples pass once, at full rate.

    `options` are those of `sim.verify.verify`. Raises HafnetError as it does, and for another simulator than Verilator;
    SimulationError as it does, and where a value differs from golden.
    """
    if tool.name != "verilator":
        raise HafnetError(f"activity cannot be counted on {tool.name}, but only on verilator")
    rtl, counted = folder / "watched", folder / "run" / COUNTED
    rtl.mkdir(parents=True, exist_ok=True)
    manifest = load_manifest(verilog)
    files = [COUNTERS]
    for source in sources(verilog, manifest, folder):
        if source.parent == verilog and source.suffix == ".sv":
            copy = rtl / source.name
            copy.write_text(watched(source.stem, source.read_text(encoding="utf-8")), encoding="utf-8")
            source = copy
        files.append(source)
    counted.unlink(missing_ok=True)
    found = verify(tool, network, samples, verilog, images, folder, rtl=files, stalls=False, **options)
    if found.mismatches:
        raise SimulationError(
            f"{found.mismatches} of {found.values} values differ from golden, the first on {found.first[0]}"
        )
    return _read(counted)


def _read(path: Path) -> Totals:
    """The sums of what the counters wrote, without those below an array."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    arrays = {place.rpartition(".")[0] for place, kind, *_ in lines if kind == "array"}
    totals: Totals = Counter()
    for place, kind, *numbers in lines:
        parents = itertools.accumulate(place.split(".")[:-1], "{}.{}".format)
        if kind != "array" and not arrays.isdisjoint(parents):
            continue
        layer = _LAYER.match(place)
        for name, number in zip(FIELDS[kind], numbers, strict=True):
            totals[int(layer[1]) if layer else None, name] += int(number)
        if place == f"{harness.TOP}.{harness.DUT}.register_counter":
            totals[None, "cycles"] = int(numbers[-1])
    return totals
