"""What an inference and a programming cost, event by event: the figures behind the table, the files and the picture."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.device.energy import OPERATIONS, Activity, Coefficients, Energy, Pulses, energy
from model.device.resistance import Condition

CONVENTION = "1 XNOR + 1 addition = 2 operations, of weights only"
EVENTS = {
    "rows": "word lines raised",
    "reads": "amplifiers that decided",
    "popcount_bits": "bits into popcounts",
    "thresholds": "thresholds and offsets",
    "memory_bits": "bits of memories",
    "register_bits": "register bits changed",
    "clocked_bits": "register bits clocked",
}
"""The events of an inference, and what they are called."""
IN_RTL_ONLY = ("memory_bits", "register_bits", "clocked_bits")
"""Those that golden does not count."""
PULSED = {"forms": "devices formed", "sets": "devices set", "resets": "devices reset"}
PROGRAMMED = {**PULSED, "rows": "word lines, to verify", "reads": "amplifiers, to verify"}
"""The events of programming."""
PULSES = "voltage x current x length of a pulse; those of FORM and the voltage of SET are estimates"


@dataclass(frozen=True)
class Line:
    """An event of an inference: how often, what it switches (F), why we say so, and joules; None where not counted."""

    event: str
    count: float | None
    farads: float
    source: str
    joules: float | None


@dataclass(frozen=True)
class Account:
    """The activity of an inference, layer by layer (and of what is in no layer), and of programming; and what each
    event costs.

    `layers` are of `images` images; `counted_in_rtl`: memories, registers and clock were counted, in the RTL. `first`
    programs a chip from pristine devices, `again` one that is formed.
    """

    topology: str
    layers: Mapping[str, Activity]
    images: int
    counted_in_rtl: bool
    first: Activity
    again: Activity
    supply: float
    condition: Condition
    condition_name: str
    condition_source: str
    coefficients: Coefficients = field(default_factory=Coefficients)
    pulses: Pulses = field(default_factory=Pulses)

    def of(self, activity: Activity) -> Energy:
        """What an activity costs here."""
        return energy(activity, self.supply, self.condition, self.coefficients, self.pulses)

    @property
    def inference(self) -> Energy:
        """Of all images together."""
        return self.of(sum(self.layers.values(), Activity(inferences=self.images)))

    @property
    def left_out(self) -> tuple[str, ...]:
        """The events that were not counted."""
        return () if self.counted_in_rtl else IN_RTL_ONLY

    def lines(self, activity: Activity | None = None) -> list[Line]:
        """The events of an inference, of all layers together or of `activity`, which is of all images, too."""
        spent = self.inference if activity is None else self.of(activity)
        found = []
        for event in EVENTS:
            farads, source = getattr(self.coefficients, event)
            out = event in self.left_out
            count = None if out else getattr(spent.activity, event) / self.images
            found.append(Line(event, count, farads, source, None if out else spent.parts[event] / self.images))
        return found

    @property
    def source_of_pulses(self) -> str:
        """Why pulses cost what they do."""
        return f"{PULSES}; {self.condition_name}: {self.condition_source}"

    @property
    def scope(self) -> str:
        """What the totals are of, in words."""
        if self.counted_in_rtl:
            return "arrays, popcounts, thresholds, memories, registers and clock"
        return "arrays, popcounts and thresholds only; memories, registers and clock were not counted"


def as_csv(account: Account) -> str:
    """A line for each event of each layer in an inference, and for each kind of pulse of programming."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("phase", "layer", "event", "count", "capacitance_fF", "energy_nJ", "source"))
    for layer, activity in account.layers.items():
        for line in account.lines(activity):
            count, joules = line.count, line.joules
            told = ("", "") if count is None or joules is None else (f"{count:.12g}", f"{joules * 1e9:.9g}")
            farads = f"{line.farads * 1e15:.9g}"
            writer.writerow(("inference", layer, line.event, told[0], farads, told[1], line.source))
    for phase, activity in (("first programming", account.first), ("programming again", account.again)):
        parts = account.of(activity).parts
        for event in PROGRAMMED:
            pulsed = event in PULSED
            farads = "" if pulsed else f"{getattr(account.coefficients, event).farads * 1e15:.9g}"
            source = account.source_of_pulses if pulsed else getattr(account.coefficients, event).source
            count = getattr(activity, event)
            writer.writerow((phase, "", event, count, farads, f"{parts[event] * 1e9:.9g}", source))
    return text.getvalue()


def as_json(account: Account) -> str:
    """Everything that is known, as JSON; null where something was not counted."""
    inference = account.inference
    units = {"set_current": "A", "reset_voltage": "V", "pulse": "s"}
    condition = {f"{name}_{unit}": getattr(account.condition, name) for name, unit in units.items()}

    def programming(activity: Activity) -> dict[str, Any]:
        parts = account.of(activity).parts
        counts = {event: getattr(activity, event) for event in PROGRAMMED}
        return {"counts": counts, "nJ": {event: parts[event] * 1e9 for event in counts}, "total_nJ": _total(parts)}

    described = {
        "network": account.topology,
        "supply_V": account.supply,
        "condition": {"name": account.condition_name, "source": account.source_of_pulses, **condition},
        "images": account.images,
        "scope": account.scope,
        "not_counted": list(account.left_out),
        "nJ_per_inference": inference.nanojoules_per_inference,
        "TOPS_per_W": inference.tops_per_watt,
        "convention": CONVENTION,
        "operations_per_inference": OPERATIONS * inference.activity.xnors / account.images,
        "events": [dataclasses.asdict(line) for line in account.lines()],
        "layers": {
            layer: {line.event: line.count for line in account.lines(activity)}
            for layer, activity in account.layers.items()
        },
        "first_programming": programming(account.first),
        "programming_again": programming(account.again),
    }
    return json.dumps(described, indent=2) + "\n"


def _total(parts: Mapping[str, float]) -> float:
    return sum(parts.values()) * 1e9
