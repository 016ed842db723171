"""`hafnet energy`: the activity of a folder's network counted, and what it costs."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hdl.generate import load_manifest
from model.device.checks import positive
from model.device.energy import Activity, Coefficients
from model.device.presets import PRESETS
from model.device.resistance import Condition
from model.device.situation import Situation
from model.energy.account import IN_RTL_ONLY, Account
from model.energy.activity import by_layer, programming
from model.errors import HafnetError, short
from model.network import Network
from model.plan import Plan
from model.samples import Samples
from sim import activity
from sim.runner import SimulationError
from sim.tools import Tool


def account(
    network: Network,
    plan: Plan,
    layers: Mapping[str, Activity],
    supply: float,
    condition: str,
    coefficients: Coefficients,
    images: int = 1,
    counted_in_rtl: bool = False,
) -> Account:
    """The account of `layers`, activities of `images` images. Raises HafnetError as `check` does."""
    programmed = check(supply, condition)
    return Account(
        topology=str(network.topology),
        layers=layers,
        images=images,
        counted_in_rtl=counted_in_rtl,
        first=programming(network, plan),
        again=programming(network, plan, again=True),
        supply=supply,
        condition=programmed,
        condition_name=condition,
        condition_source=PRESETS[condition].source if condition in PRESETS else "as given",
        coefficients=coefficients,
    )


def check(supply: float, condition: str) -> Condition:
    """The programming condition of a text (see `model.device.situation`).

    Raises HafnetError for a supply that is not above 0, and for a text that is no condition, or says more than how
    devices are programmed.
    """
    positive("the supply", supply, "V")
    found = Situation.parse(condition)
    if found != Situation(found.condition):
        raise HafnetError(
            f"condition {short(condition)} says at which supply, or after how much use, devices are read, but only how "
            "they are programmed has a price here"
        )
    return found.condition


def count(
    tool: Tool,
    network: Network,
    samples: Samples,
    verilog: Path,
    images: Path,
    folder: Path,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> dict[str, Activity]:
    """What all samples cost together, layer by layer: counted by golden, and in the RTL.

    Raises HafnetError and SimulationError as `sim.activity.count` does, and SimulationError where golden and RTL count
    different rows or reads.
    """
    counted = activity.count(tool, network, samples, verilog, images, folder, progress=progress)
    golden = by_layer(network.topology, load_manifest(verilog).plan)
    return join(golden, counted)


def join(golden: Mapping[str, Activity], counted: activity.Counted) -> dict[str, Activity]:
    """Golden's counts of an image as often as images passed, with what only the RTL can count."""
    found = {}
    for layer, rtl in counted.layers.items():
        right = _times(golden.get(layer, Activity()), counted.images)
        for event in ("rows", "reads"):
            told, expected = getattr(rtl, event), getattr(right, event)
            if told != expected:
                raise SimulationError(
                    f"layer {layer!r}: RTL and golden disagree: {counted.images} images are {told} {event} in the RTL, "
                    f"but should be {expected}"
                )
        found[layer] = right + Activity(**{event: getattr(rtl, event) for event in IN_RTL_ONLY})
    return found


def _times(each: Activity, number: int) -> Activity:
    return Activity(**{event: value * number for event, value in vars(each).items()})
