"""How a user asks for a plan on the command line, and how a plan is shown.

Images and Verilog must be made with the same plan, so both verbs take the same options, and both manifests hold the
plan. Where none of the options is given, a verb takes the plan of what the other one has made of the same topology.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import click
from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.table import Table

from model.costs import LayerCost, costs
from model.errors import HafnetError
from model.files import restore
from model.mapping import P2S, S2P, Dataflow, Geometry
from model.pipeline import WIDEST_BUS, Results
from model.plan import Plan
from model.planner import choose
from model.topology import Topology
from model.ways import Override

DATAFLOWS: dict[str, Dataflow] = {"p2s": P2S, "s2p": S2P}


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
    def overrides(self) -> dict[str, Override]:
        found: dict[str, Override] = {}
        for layer, _, text in _split(self.dataflow):
            if text not in DATAFLOWS:
                raise HafnetError(f"--dataflow {layer}={text}: {text!r} is neither 'p2s' nor 's2p'")
            found[layer] = replace(found.get(layer, Override()), dataflow=DATAFLOWS[text])
        for layer, _, text in _split(self.lanes):
            if not text.isdecimal():
                raise HafnetError(f"--lanes {layer}={text}: {text!r} is not a number")
            found[layer] = replace(found.get(layer, Override()), lanes=int(text))
        return found


def _split(texts: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    for text in texts:
        if "=" not in text:
            raise HafnetError(f"{text!r} says nothing of a layer: LAYER=… is needed")
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
        made = TypeAdapter(_Made).validate_json((folder / "manifest.json").read_bytes())
    except (OSError, ValidationError, HafnetError):
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
    size = plan.geometry
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{topology} on arrays of {size}",
        title_justify="left",
        title_style="bold",
        caption="registers and memory in bits; a cycle a row read"
        + "; ↓ zig-zag: the next layer takes each neuron as it comes" * any(layer.zigzag for layer in total.layers),
        caption_justify="left",
        show_footer=True,
    )
    cycles = total.pace.cycles
    used = sum(layer.utilisation(cycles) * layer.arrays for layer in total.layers) / total.arrays
    sums = (f"{total.arrays}", "", f"{cycles}", f"{total.registers}", f"{total.memory}", f"{used:.1%}")
    lines = [("all", "", "", "", *sums, total.pace.limit), *(_line(layer, cycles) for layer in total.layers)]
    headings = ("layer", "shape", "dataflow", "lanes", "arrays", "reads", "cycles", "registers", "memory", "XNORs used")
    for heading, cells in zip((*headings, "limited by"), zip(*lines, strict=True), strict=True):
        # Never squeezed into the 80 columns of a file, where nobody could read it.
        whole = max(map(len, (heading, *cells)))
        justify: Literal["left", "right"] = (
            "left" if heading in ("layer", "shape", "dataflow", "limited by") else "right"
        )
        table.add_column(heading, cells[0], justify=justify, no_wrap=True, min_width=whole)
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
