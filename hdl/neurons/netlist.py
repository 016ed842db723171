"""Netlists of a target's own primitives: built as data, registered where asked, then placed into a module.

What a synthesiser makes of an adder tree it makes from gates, and forgets what a carry chain can do. A `Netlist` says
it cell by cell instead. A net knows how many registers lie between the inputs and itself, and how much logic since the
last of them, so that the same description serves with and without registers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

Parameter: TypeAlias = str | tuple[int, int]
"""A text, or a value and its width in bits."""


@dataclass(frozen=True)
class Net:
    """One bit: `stage` registers behind the inputs and `depth` levels of logic behind the last of them."""

    index: int
    stage: int = 0
    depth: int = 0

    @property
    def is_constant(self) -> bool:
        return self.index < 2


ZERO, ONE = Net(0), Net(1)


@dataclass(frozen=True)
class Cell:
    """One primitive: ports as nets, bit 0 first."""

    kind: str
    parameters: Mapping[str, Parameter]
    inputs: Mapping[str, Sequence[Net]]
    outputs: Mapping[str, Sequence[Net]]


@dataclass
class Netlist:
    """Cells and registers as they are added; `levels` is the most logic between two registers, 0: no registers.

    A cell counts as one level, however many it leads its carry to.
    """

    levels: int = 0
    cells: list[Cell] = field(default_factory=list)
    registers: dict[Net, Net] = field(default_factory=dict)
    nets: int = 2

    def net(self, stage: int = 0, depth: int = 0) -> Net:
        self.nets += 1
        return Net(self.nets - 1, stage, depth)

    def bus(self, width: int) -> list[Net]:
        """An input."""
        return [self.net() for _ in range(width)]

    def at(self, net: Net, stage: int) -> Net:
        """`net` as it is `stage` registers behind the inputs."""
        while net.stage < stage and not net.is_constant:
            if net not in self.registers:
                self.registers[net] = self.net(net.stage + 1)
            net = self.registers[net]
        return net

    def moment(self, nets: Iterable[Net]) -> tuple[int, int]:
        """Stage and depth of the outputs of logic one level deep that has these inputs."""
        live = [net for net in nets if not net.is_constant]
        stage = max((net.stage for net in live), default=0)
        depth = 1 + max((net.depth for net in live if net.stage == stage), default=0)
        return (stage + 1, 1) if 0 < self.levels < depth else (stage, depth)

    def cell(
        self,
        kind: str,
        parameters: Mapping[str, Parameter],
        inputs: Mapping[str, Net | Sequence[Net]],
        outputs: Mapping[str, int],
        moment: tuple[int, int] | None = None,
    ) -> dict[str, list[Net]]:
        """A cell; its outputs by port, `outputs` giving their widths. Cells joined by carries share their `moment`."""
        ports = {name: [nets] if isinstance(nets, Net) else list(nets) for name, nets in inputs.items()}
        stage, depth = moment or self.moment(net for nets in ports.values() for net in nets)
        timed = {name: [self.at(net, stage) for net in nets] for name, nets in ports.items()}
        made = {name: [self.net(stage, depth) for _ in range(width)] for name, width in outputs.items()}
        self.cells.append(Cell(kind, parameters, timed, made))
        return made

    def inverted(self, net: Net) -> Net:
        """`net` inverted, by a table like the one that drives it; `prune` drops that if nothing else reads it."""
        stage = net.stage
        sources = {made: source for source, made in self.registers.items()}
        while net in sources:
            net = sources[net]
        cell = next(cell for cell in self.cells if [net] in cell.outputs.values())
        ((name, parameter),) = cell.parameters.items()
        assert isinstance(parameter, tuple)
        (port,) = cell.outputs
        init = parameter[0] ^ ((1 << parameter[1]) - 1), parameter[1]
        made = self.cell(cell.kind, {name: init}, cell.inputs, {port: 1}, (net.stage, net.depth))
        return self.at(made[port][0], stage)

    def prune(self, outputs: Iterable[Net]) -> None:
        """Drop what leads to none of `outputs`; cells and registers come in the order in which they were made."""
        needed, before = set(outputs), -1
        while len(needed) != before:
            before = len(needed)
            for cell in reversed(self.cells):
                if any(net in needed for nets in cell.outputs.values() for net in nets):
                    needed |= {net for nets in cell.inputs.values() for net in nets}
            needed |= {net for net, registered in self.registers.items() if registered in needed}
        self.registers = {net: made for net, made in self.registers.items() if made in needed}
        self.cells = [c for c in self.cells if any(net in needed for nets in c.outputs.values() for net in nets)]

    def place(self, m: Module, inputs: Mapping[Net, Value]) -> Callable[[Net], Value]:
        """Put the netlist into `m`, its inputs joined to values; what gives the value of any of its nets."""
        values: dict[Net, Value] = {ZERO: Const(0, 1), ONE: Const(1, 1), **inputs}

        def value(net: Net) -> Value:
            if net not in values:
                values[net] = Signal(name=f"n{net.index}", reset_less=True)
            return values[net]

        for number, cell in enumerate(self.cells):
            arguments: dict[str, object] = {
                f"p_{name}": Const(*given) if isinstance(given, tuple) else given
                for name, given in cell.parameters.items()
            }
            arguments |= {f"i_{name}": Cat(map(value, nets)) for name, nets in cell.inputs.items()}
            arguments |= {f"o_{name}": Cat(map(value, nets)) for name, nets in cell.outputs.items()}
            m.submodules[f"{cell.kind.lower()}_{number}"] = Instance(cell.kind, **arguments)
        m.d.sync += [value(made).eq(value(net)) for net, made in self.registers.items()]
        return value


def table(inputs: int, function: Callable[..., int | bool]) -> int:
    """The truth table of `function`, as the INIT of a look-up table with this many inputs, the first the lowest."""
    return sum(bool(function(*(row >> bit & 1 for bit in range(inputs)))) << row for row in range(1 << inputs))
