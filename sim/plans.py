"""How a user asks for a plan on the command line, and how a plan is shown.

Images and Verilog must be made with the same plan, so both verbs take the same options, and both manifests hold the
plan. Where none of the options is given, a verb takes the plan of what the other one has made of the same topology.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from model.costs import LayerCost, costs
from model.errors import HafnetError, short
from model.files import restore
from model.json_text import parse_json
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.pipeline import WIDEST_BUS, Results
from model.plan import POOLING, Plan
from model.planner import choose
from model.surplus import Cause, surplus
from model.topology import Topology
from model.user_files import LARGEST_TEXT, read_bytes
from model.ways import Override
from sim.tables import Column, Table

DATAFLOWS: dict[str, Dataflow] = {"p2s": P2S, "s2p": S2P}
TEXTS = {dataflow: text for text, dataflow in DATAFLOWS.items()}
OPTIONS = {"cycles": "--cycles-per-image"}
"""Options that are not called as what they become in a wish."""
NAMED = 4
"""Options named in one sentence, at most."""


@dataclass(frozen=True)
class Wish:
    """What a user said of the plan; None, empty or False where nothing."""

    rows: int | None = None
    columns: int | None = None
    cycles: int | None = None
    arrays: int | None = None
    dataflow: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    numbers_in_arrays: bool = False
    spare_rows: int | None = None
    signed_arrays: bool = False
    fidelity: str | None = None

    def plan(self, topology: Topology, made: Path | None = None, results: Results = Results()) -> Plan:  # noqa: B008
        """The plan for `topology`: where nothing is wished but a fidelity, that of what was made of it in the folder
        `made`.

        Raises HafnetError as `model.planner.choose` does, and for options that cannot be read.
        """
        found = _plan_of(made, topology) if made is not None and replace(self, fidelity=None) == Wish() else None
        plan = found or self._chosen(topology, results)
        return plan if self.fidelity is None else replace(plan, fidelity=self.fidelity)  # type: ignore[arg-type]

    def surplus(self, topology: Topology, plan: Plan) -> str | None:
        """A sentence for whoever asked for `plan` where it takes many times the arrays of the plain one."""
        lanes = [f"--lanes {text}" for text in self.lanes]
        lanes += [f"--cycles-per-image {self.cycles}"] * (self.cycles is not None)
        lanes += [f"--arrays {self.arrays}"] * (self.arrays is not None)
        said: dict[Cause, Sequence[str]] = {"lanes": lanes, "dataflow": self.dataflow}
        found = surplus(topology, plan, [cause for cause, options in said.items() if options])
        if found is None:
            return None
        options: dict[Cause, Sequence[str]] = {
            "spare rows": [f"--spare-rows {plan.geometry.spare_rows}"],
            "signature": ["--signed-arrays"],
            "numbers": ["--numbers-in-arrays"],
            "lanes": lanes or ["the lanes of its layers"],
            "dataflow": [f"--dataflow {text}" for text in self.dataflow] or ["the dataflow of its layers"],
        }
        causes = [option for cause in found.causes for option in options[cause]]
        shown = causes if len(causes) <= NAMED else [*causes[:NAMED], f"{len(causes) - NAMED} more options"]
        times = f"{found.arrays / found.plain:.1f} times the {found.plain:,} of the plain one"
        return f"this plan takes {found.arrays:,} arrays, {times}, because of {' and '.join(shown)}"

    def _chosen(self, topology: Topology, results: Results) -> Plan:
        sizes = {"rows": self.rows, "columns": self.columns, "spare_rows": self.spare_rows}
        given = {name: size for name, size in sizes.items() if size is not None}
        geometry = Geometry(**given, signature=self.signed_arrays)
        return choose(
            topology,
            geometry,
            cycles=self.cycles,
            arrays=self.arrays,
            overrides=self.overrides,
            numbers_in_arrays=self.numbers_in_arrays,
            results=results,
        )

    @property
    def options(self) -> tuple[str, ...]:
        """The wish as words of the command line: what `plan_options` reads it from."""
        words = []
        for member in fields(self):
            value = getattr(self, member.name)
            name = OPTIONS.get(member.name, f"--{member.name.replace('_', '-')}")
            if value is True:
                words.append(name)
            elif value not in (None, False):
                for each in value if isinstance(value, tuple) else (value,):
                    words += [name, str(each)]
        return tuple(words)

    @property
    def overrides(self) -> dict[str, Override]:
        """What is said of single layers, by what they are called there."""
        found: dict[str, Override] = {}
        for layer, _, text in _split(self.dataflow):
            if text not in DATAFLOWS:
                raise HafnetError(f"--dataflow {layer}={text}: {short(text)} is neither 'p2s' nor 's2p'")
            found[layer] = replace(found.get(layer, Override()), dataflow=DATAFLOWS[text])
        for layer, _, text in _split(self.lanes):
            if not re.fullmatch("[0-9]+", text):
                raise HafnetError(f"--lanes {layer}={text}: {short(text)} is not a number")
            if len(text) > 9:
                raise HafnetError(f"--lanes {layer}={text}: so many lanes are not possible")
            found[layer] = replace(found.get(layer, Override()), lanes=int(text))
        return found


def wish_for(topology: Topology, plan: Plan) -> Wish:
    """A wish of which the plan for `topology` comes, if no other one was made of it before. It says of no more layers
    how they are read than it must.
    """
    plan, usual = plan.of(topology), Geometry()
    size = plan.geometry
    given = {name: getattr(size, name) for name in ("rows", "columns", "spare_rows")}
    wish = Wish(
        **{name: value for name, value in given.items() if value != getattr(usual, name)},
        numbers_in_arrays=plan.numbers_in_arrays,
        signed_arrays=size.signature,
        fidelity=None if plan.fidelity == Plan().fidelity else plan.fidelity,
    )
    read = {index: layer for index, layer in enumerate(plan.layers) if not isinstance(topology.layers[index], POOLING)}
    found = wish.plan(topology).layers
    for layers in ({}, {index: layer for index, layer in read.items() if layer != found[index]}, read):
        names = {_name(topology, index): layer for index, layer in layers.items()}
        wish = replace(
            wish,
            dataflow=tuple(f"{name}={TEXTS[layer.dataflow]}" for name, layer in names.items()),
            lanes=tuple(f"{name}={layer.lanes}" for name, layer in names.items()),
        )
        if layers is read or wish.plan(topology) == plan:
            break
    return wish


def differences(topology: Topology, one: Plan, other: Plan) -> list[tuple[str, str]]:
    """What one and the other plan were asked for with, wherever that differs: ("with --rows 4", "with --rows 8")."""
    found = []
    for one_says, other_says in zip(_asked(topology, one), _asked(topology, other), strict=True):
        if one_says != other_says:
            found.append((one_says, other_says))
    return found


def _asked(topology: Topology, plan: Plan) -> Iterator[str]:
    size = plan.geometry
    for name in ("rows", "columns", "spare_rows"):
        yield f"with --{name.replace('_', '-')} {getattr(size, name)}"
    for name, given in (("signed-arrays", size.signature), ("numbers-in-arrays", plan.numbers_in_arrays)):
        yield f"with{'out' * (not given)} --{name}"
    yield f"with --fidelity {plan.fidelity}"
    for index, layer in enumerate(plan.of(topology).layers):
        yield f"with --dataflow {_name(topology, index)}={TEXTS[layer.dataflow]}"
        yield f"with --lanes {_name(topology, index)}={layer.lanes}"


def _name(topology: Topology, index: int) -> str:
    """What an option calls a layer: its number, unless that is another one's name."""
    number = str(index)
    other = number in topology.names and topology.names.index(number) != index
    return topology.names[index] if other else number


def _split(texts: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    for text in texts:
        if "=" not in text:
            raise HafnetError(f"{short(text)} says nothing of a layer: LAYER=… is needed")
        yield text.rpartition("=")


@dataclass(frozen=True)
class _Made:
    """What the manifests of images and of Verilog have in common."""

    topology: str
    plan: Plan


def _plan_of(folder: Path, topology: Topology) -> Plan | None:
    """The plan of what is in the folder, if it was made of this topology; damage is for `hafnet verify` to tell."""
    restore(folder)
    try:
        made = TypeAdapter(_Made).validate_python(parse_json(read_bytes(folder / "manifest.json", LARGEST_TEXT)))
    except (ValidationError, HafnetError):
        return None
    return made.plan if made.topology == str(topology) else None


def plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a plan, which reach the command as one `Wish` called `wish`."""

    @functools.wraps(command)  # and with it the options that the command has already
    def wished(*arguments: Any, **options: Any) -> None:
        wish = Wish(**{field.name: options.pop(field.name) for field in fields(Wish)})
        command(*arguments, wish=wish, **options)

    decorated: Callable[..., None] = wished
    size = Geometry()
    for option in (
        click.option("--fidelity", help="Emulate bits, devices (pristine, stuck …) or noisy ones.  [default: bits]"),
        click.option(
            "--numbers-in-arrays", is_flag=True, help="Thresholds and offsets live in rows of the arrays themselves."
        ),
        click.option(
            "--signed-arrays",
            is_flag=True,
            help="The last row of each array tells whether its contents are whole; if not, no image is taken.",
        ),
        click.option(
            "--spare-rows", type=int, metavar="N", help="Rows of each array that may replace others.  [default: 0]"
        ),
        click.option("--lanes", multiple=True, metavar="LAYER=N", help="Rows read at once; may be repeated."),
        click.option("--dataflow", multiple=True, metavar="LAYER=p2s|s2p", help="May be repeated."),
        click.option("--arrays", type=int, metavar="N", help="At most N arrays, if need be larger ones."),
        click.option("--cycles-per-image", "cycles", type=int, metavar="N", help="At most N cycles an image."),
        click.option("--columns", type=int, help=f"Columns of an array.  [default: {size.columns}]"),
        click.option("--rows", type=int, help=f"Rows of an array.  [default: {size.rows}]"),
    ):
        decorated = option(decorated)
    return decorated


def plan_table(topology: Topology, plan: Plan, results: Results, bus: int = WIDEST_BUS) -> Table:
    """What the plan is and costs, a row for each layer, with packets on a bus of `bus` bits."""
    total = costs(topology, plan, results, bus)
    cycles = total.pace.cycles
    used = sum(layer.utilisation(cycles) * layer.arrays for layer in total.layers) / total.arrays
    sums = (f"{total.arrays}", "", f"{cycles}", f"{total.registers}", f"{total.memory}", f"{used:.1%}")
    lines = [("all", "", "", "", *sums, total.pace.limit), *(_line(layer, cycles) for layer in total.layers)]
    headings = ("layer", "shape", "dataflow", "lanes", "arrays", "reads", "cycles", "registers", "memory", "XNORs used")
    columns = [
        Column(
            heading,
            right=heading not in ("layer", "shape", "dataflow", "limited by"),
            prose=heading in ("layer", "limited by"),
            footer=footer,
        )
        for heading, footer in zip((*headings, "limited by"), lines[0], strict=True)
    ]
    zigzag = "; ↓ zig-zag: the next layer takes each neuron as it comes" * any(layer.zigzag for layer in total.layers)
    table = Table(
        columns,
        title=f"{topology} on arrays of {plan.geometry}",
        caption="registers and memory in bits; a cycle a row read" + zigzag,
    )
    for line in lines[1:]:
        table.add_row(*line)
    return table


def _line(layer: LayerCost, cycles: int) -> tuple[str, ...]:
    """A layer's row, in a pipeline of `cycles` an image."""
    buffers = (f"{layer.pace.cycles or ''}", f"{layer.registers}", f"{layer.memory}")
    if layer.map is None:
        return layer.name, layer.shape, "", "", "", "", *buffers, "", layer.pace.limit
    dataflow = ("P2S" if layer.map.dataflow == P2S else "S2P") + " ↓" * layer.zigzag
    arrays = f"{layer.map.groups} x {layer.map.tiles}"
    used = f"{layer.utilisation(cycles):.1%}"
    where = layer.name, layer.shape, dataflow, f"{layer.map.lanes}", arrays, f"{layer.reads}"
    return *where, *buffers, used, layer.pace.limit
