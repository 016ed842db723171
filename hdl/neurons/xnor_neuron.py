"""The XNOR-popcount-threshold neuron as one block, the unit in which area is compared."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.block import Hardware
from hdl.neurons.netlist import Net, Netlist
from hdl.neurons.targets import NEURONS, Target, check_target
from model.errors import HafnetError
from model.mapping import threshold_width


@dataclass(frozen=True)
class XnorNeuron:
    """`fire`: at least `threshold` of the `fan_in` bits of `x` equal those of `w`.

    `target` is what it is built of: "generic" of gates, else of that FPGA's own primitives, see `hdl.neurons.targets`.
    Combinational where `levels` is 0, else with registers after every `levels` levels of logic at most and at the
    output: `fire` comes `latency` cycles after its inputs, and a new set of inputs is taken in each cycle.
    """

    fan_in: int
    target: Target = "generic"
    levels: int = 0

    def __post_init__(self) -> None:
        check_target(self.target)
        if self.levels < 0:
            raise HafnetError(f"levels between registers are 0 (none) or more, not {self.levels}")

    @property
    def name(self) -> str:
        suffix = ("" if self.target == "generic" else f"_{self.target}") + (f"_l{self.levels}" if self.levels else "")
        return f"hafnet_xnor_neuron_{self.fan_in}{suffix}"

    @property
    def signature(self) -> wiring.Signature:
        return wiring.Signature(
            {
                "x": In(self.fan_in),
                "w": In(self.fan_in),
                "threshold": In(threshold_width(self.fan_in)),
                "fire": Out(1),
            }
        )

    @cached_property
    def structure(self) -> "Structure":
        return Structure(self)

    @property
    def latency(self) -> int:
        """Cycles from inputs to `fire`; 0: combinational."""
        if self.target == "generic":
            return (self.fan_in - 1).bit_length() // self.levels + 1 if self.levels else 0
        return self.structure.fire.stage

    def create(self) -> "XnorNeuronHardware":
        return XnorNeuronHardware(self)


class Structure:
    """The netlist of an `XnorNeuron` of a target's primitives."""

    def __init__(self, block: XnorNeuron) -> None:
        self.netlist = Netlist(block.levels)
        widths = block.fan_in, block.fan_in, threshold_width(block.fan_in)
        self.x, self.w, self.threshold = (self.netlist.bus(width) for width in widths)
        fire = NEURONS[block.target](self.netlist, self.x, self.w, self.threshold)
        self.fire: Net = self.netlist.at(fire, fire.stage + 1) if block.levels else fire
        self.netlist.prune([self.fire])


class XnorNeuronHardware(Hardware):
    """The target's netlist where Verilog is written; the plain tree for "generic", and in Amaranth's own simulator.

    That simulator knows no target's primitives: there the tree's result goes through `latency` registers.
    """

    x: Signal
    w: Signal
    threshold: Signal
    fire: Signal

    def __init__(self, block: XnorNeuron) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self.block.target == "generic":
            m.d.comb += self.fire.eq(self._tree(m, self.block.levels))
        elif platform is None:
            fire = self._tree(m, 0)
            for cycle in range(self.block.latency):
                fire = named(m.d.sync, f"fire{cycle}", fire)
            m.d.comb += self.fire.eq(fire)
        else:
            structure = self.block.structure
            inputs = {
                net: port[place]
                for port, nets in (
                    (self.x, structure.x),
                    (self.w, structure.w),
                    (self.threshold, structure.threshold),
                )
                for place, net in enumerate(nets)
            }
            m.d.comb += self.fire.eq(structure.netlist.place(m, inputs)(structure.fire))
        return m

    def _tree(self, m: Module, levels: int) -> Value:
        """The neuron as a binary tree of adders, with registers after every `levels` of them and the comparison."""
        terms: list[Value] = list(named(m.d.comb, "equal", ~(self.x ^ self.w)))
        threshold: Value = self.threshold
        height = 0
        while len(terms) > 1:
            height += 1
            domain = m.d.sync if levels and height % levels == 0 else m.d.comb
            sums = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + terms[len(terms) // 2 * 2 :]
            terms = [named(domain, f"sum{height}_{place}", value) for place, value in enumerate(sums)]
            threshold = named(domain, f"threshold{height}", threshold)
        return named(m.d.sync if levels else m.d.comb, "reached", terms[0] >= threshold)


def named(domain: Any, name: str, value: Value) -> Signal:
    """`value` as a signal, driven in a domain: a combinational one, or a register."""
    signal = Signal(value.shape(), name=name, reset_less=True)
    domain += signal.eq(value)
    return signal
