"""What a user reads at the end: how each layer uses its arrays, what the simulators said, and all of it together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.campaign.outcome import Outcome
from model.device.energy import Activity
from model.energy.account import CONVENTION, EVENTS, PROGRAMMED, Account
from model.network import Network, WeightedLayer
from model.placement import Placement
from model.plan import Plan
from model.topology import Convolution, Dense
from sim.netlist import Netlist
from sim.tables import Column, Table, right
from sim.verify import Verification


@dataclass(frozen=True)
class LayerUse:
    """How a layer uses its arrays.

    `fill` is the share of its cells that hold a weight, `reads` its row reads per image, one after the other,
    `utilisation` the useful XNORs of an image as a share of those that all its arrays could do in the cycles of an
    image, a row of each a cycle.
    """

    name: str
    fan_in: int
    fan_out: int
    lanes: int
    arrays: int
    fill: float
    reads: int
    utilisation: float


def layer_uses(network: Network, plan: Plan, cycles: float | None) -> list[LayerUse]:
    """The use of the arrays of each layer of neurons when an image takes `cycles` cycles; utilisation is 0 where that
    is not known.
    """
    topology, uses = network.topology, []
    for index, (layer, grid) in enumerate(zip(network.layers, plan.maps(topology), strict=True)):
        if grid is None or not isinstance(layer, WeightedLayer):
            continue
        shape = topology.layers[index]
        assert isinstance(shape, Dense | Convolution)
        times = topology.presentations[index].count * shape.positions
        useful = layer.fan_in * layer.fan_out * times
        uses.append(
            LayerUse(
                name=layer.name,
                fan_in=layer.fan_in,
                fan_out=layer.fan_out,
                lanes=grid.lanes,
                arrays=grid.arrays,
                fill=grid.fill,
                reads=grid.reads * times,
                utilisation=useful / (grid.arrays * plan.geometry.columns * cycles) if cycles else 0,
            )
        )
    return uses


def summarise(
    network: Network,
    plan: Plan,
    golden_accuracy: float,
    verifications: Sequence[Verification],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Everything that the demo found, as plain values for JSON."""
    cycles = verifications[0].cycles
    uses = layer_uses(network, plan, cycles)
    arrays = sum(use.arrays for use in uses)
    weights = sum(use.fan_in * use.fan_out for use in uses)
    return {
        "network": str(network.topology),
        "origin": dict(network.origin),
        "rows": plan.geometry.rows,
        "columns": plan.geometry.columns,
        "accuracy": {
            "torch": network.origin["accuracy"],
            "golden": golden_accuracy,
            **{each.simulator: each.accuracy for each in verifications},
        },
        "samples": verifications[0].samples,
        "values": sum(each.values for each in verifications),
        "mismatches": sum(each.mismatches for each in verifications),
        "cycles_per_image": cycles,
        "arrays": arrays,
        "cells_full": weights / (arrays * plan.geometry.rows * plan.geometry.columns),
        "layers": [asdict(use) for use in uses],
        "simulators": [{"simulator": each.simulator, "version": each.version} for each in verifications],
        "seconds": dict(seconds),
    }


def _plain_table(title: str) -> Table:
    return Table((Column(""), Column("")), title=title)


def summary_table(summary: Mapping[str, Any]) -> Table:
    """The summary as one table of names and values."""
    names = {each["simulator"]: f"RTL on {each['simulator']} {each['version']}" for each in summary["simulators"]}
    table = _plain_table(f"{summary['network']} on arrays of {summary['rows']} x {summary['columns']}")
    for name, accuracy in summary["accuracy"].items():
        table.add_row(f"accuracy, {names.get(name, name)}", f"{accuracy:.2%}")
    table.add_section()
    table.add_row("samples compared", f"{summary['samples']}")
    table.add_row("values compared", f"{summary['values']}")
    table.add_row("mismatches", f"{summary['mismatches']}")
    table.add_section()
    table.add_row("cycles per image", f"{summary['cycles_per_image']:.12g}")
    table.add_row("arrays", f"{summary['arrays']}, {summary['cells_full']:.1%} of their cells full")
    for use in summary["layers"]:
        text = f"{use['arrays']}, {use['fill']:.1%} full, {use['utilisation']:.1%} of XNORs used"
        table.add_row(f"  {use['name']}, {use['fan_in']} x {use['fan_out']}", text)
    table.add_section()
    for step, time in summary["seconds"].items():
        table.add_row(f"seconds, {step}", f"{time:.1f}")
    return table


def verification_table(each: Verification, design: str = "RTL") -> Table:
    """What one simulator said of a design."""
    table = _plain_table(f"{each.simulator} {each.version}")
    table.add_row("samples compared", f"{each.samples}")
    table.add_row("values compared", f"{each.values}")
    table.add_row("mismatches", f"{each.mismatches}")
    table.add_row(f"accuracy of the {design}", "no labels" if each.accuracy is None else f"{each.accuracy:.2%}")
    table.add_row("cycles per image", "unknown from one sample" if each.cycles is None else f"{each.cycles:.12g}")
    table.add_row("seconds", f"{each.build_seconds:.1f} to build, {each.run_seconds:.1f} to run")
    return table


def uses_table(uses: Sequence[LayerUse]) -> Table:
    """A row for each layer's arrays."""
    headings = ("fan-in", "fan-out", "lanes", "arrays", "cells full", "row reads", "XNORs used")
    table = Table((Column("layer", prose=True), *right(*headings)))
    for use in uses:
        numbers = (
            f"{use.fan_in}",
            f"{use.fan_out}",
            f"{use.lanes}",
            f"{use.arrays}",
            f"{use.fill:.1%}",
            f"{use.reads}",
        )
        table.add_row(use.name, *numbers, f"{use.utilisation:.1%}")
    return table


FACTS = {
    "lrs_median_ohm": "LRS, ohm",
    "hrs_median_ohm": "HRS, ohm",
    "weight_error_rate": "weight errors",
    "endurance_cycles": "endurance",
    "programming_uJ": "programming, µJ",
}
"""Headings of what is known of a point of a campaign besides."""


def points_table(outcome: Outcome) -> Table:
    """A row for each point of a campaign."""
    campaign = outcome.campaign
    title = f"{campaign.network.topology}, {len(campaign.samples):,} samples"
    headings = ("maps", "accuracy", "95 % confidence", "least", "most")
    table = Table((Column(_point(outcome), prose=True), *right(*headings)), title)
    for each in outcome.points:
        found = each.summary
        interval = "" if found.low is None else f"{found.low:.2%} … {found.high:.2%}"
        row = (f"{found.maps}", f"{found.mean:.2%}", interval, f"{found.least:.2%}", f"{found.most:.2%}")
        table.add_row(each.point.label, *row)
    return table


def facts_table(outcome: Outcome) -> Table:
    """What programming conditions do to devices; a row for each point that has one."""
    title = "What the device model says of the devices (estimates, unless measured)"
    table = Table((Column(_point(outcome), prose=True), *right(*(FACTS[name] for name in outcome.facts))), title)
    for each in outcome.points:
        if each.point.facts:
            table.add_row(each.point.label, *(f"{each.point.facts[name]:.3g}" for name in outcome.facts))
    return table


def _point(outcome: Outcome) -> str:
    return outcome.campaign.axis if outcome.campaign.on_axis else "condition"


def sensitivity_table(outcome: Outcome, count: int = 10) -> Table:
    """The neurons that an error hits hardest."""
    title = f"Neurons that errors at {outcome.campaign.neurons:g} in them alone hit hardest, of {len(outcome.neurons)}"
    table = Table((Column("layer", prose=True), *right("neuron", "classes changed", "accuracy lost")), title)
    for each in outcome.neurons[:count]:
        table.add_row(each.layer, f"{each.neuron}", f"{each.changed:.3%}", f"{each.lost:.3%}")
    return table


def placement_table(placement: Placement) -> Table:
    """A row for each layer: the weights that are expected to be read wrongly, before and after."""
    title = "Weights that are expected to be read wrongly"
    headings = ("weights", "before", "after", "by what they matter: before", "by what they matter: after")
    table = Table((Column("layer", prose=True), *right(*headings), Column("", prose=True)), title)
    layers = placement.network.layers
    weights = {layer.name: layer.weights.size for layer in layers if isinstance(layer, WeightedLayer)}
    for each in placement.layers:
        wrong = (f"{each.before:.1f}", f"{each.after:.1f}", *(f"{found:.1f}" for found in each.weighted))
        table.add_row(each.name, f"{weights[each.name]:,}", *wrong, each.fixed)
    return table


def energy_table(account: Account) -> Table:
    """A row for each event of an inference, and the sum."""
    title = f"{account.topology} at {account.supply:g} V, an inference"
    total = account.inference.nanojoules_per_inference
    sums = (("count", ""), ("fF", ""), ("nJ", f"{total:.4g}"), ("share", ""))
    numbers = (Column(heading, right=True, footer=footer) for heading, footer in sums)
    named = Column("event", footer="all that was counted")
    table = Table((named, *numbers, Column("source of the fF", prose=True)), title)
    for line in account.lines():
        told = ("not counted", "", "")
        if line.count is not None and line.joules is not None:
            nanojoules = line.joules * 1e9
            told = (_plain(line.count), f"{nanojoules:.4g}", f"{nanojoules / total:.1%}")
        table.add_row(EVENTS[line.event], told[0], f"{line.farads * 1e15:g}", *told[1:], line.source)
    return table


def programming_table(account: Account) -> Table:
    """What programming the whole network costs: a chip that is pristine, and one that is formed."""
    title = f"Programming all arrays once, {account.condition_name!r}: {account.condition}"
    phases = {"first": account.first, "again": account.again}
    spent = {phase: account.of(activity) for phase, activity in phases.items()}
    each = account.of(Activity(forms=1, sets=1, resets=1, rows=1, reads=1)).parts
    columns = [Column("event", footer="together"), *right("pJ each")]
    for phase, found in spent.items():
        sums = _plain(sum(found.parts.values()) * 1e6)
        columns += [*right(f"count, {phase}"), Column(f"µJ, {phase}", right=True, footer=sums)]
    table = Table(columns, title, caption=f"pJ of pulses: {account.source_of_pulses}")
    for event in PROGRAMMED:
        row = [PROGRAMMED[event], _plain(each[event] * 1e12)]
        for phase, activity in phases.items():
            row += [f"{getattr(activity, event):,}", _plain(spent[phase].parts[event] * 1e6)]
        table.add_row(*row)
    return table


def _plain(number: float) -> str:
    """Four digits, and no exponent for what is large."""
    return f"{number:,.0f}" if number >= 1e4 else f"{number:,.4g}"


def energy_summary(account: Account) -> str:
    """The totals, with what they are of."""
    spent = account.inference
    return (
        f"{spent.nanojoules_per_inference:.4g} nJ an inference, {spent.tops_per_watt:.4g} TOPS/W ({CONVENTION}): "
        f"{account.scope}"
    )


def cells_table(netlist: Netlist) -> Table:
    """A row for each type of cell."""
    table = Table((Column("cell"), *right("count")), title=f"{netlist.command}, Yosys {netlist.yosys}")
    for cell, count in netlist.cells.items():
        table.add_row(cell, f"{count}")
    return table
