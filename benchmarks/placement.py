"""Neurons where the faults of given arrays harm least: accuracy of the digits' network before and after.

Run: .venv/bin/python benchmarks/placement.py [MAPS]

The network of `make demo` is trained, its neurons are ranked as `hafnet faults --neurons 0.1` does it, and placed on
arrays of 32 x 32 cells of which each device is stuck with some probability, as `hafnet place` does it: by the ranking,
and with all neurons alike. Accuracy is golden's, on the 360 test images, with the faults of each of MAPS maps (20).
"""

import sys
import time
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from model.campaign.outcome import collect
from model.campaign.points import Campaign
from model.campaign.workers import compute
from model.faults import FaultMap, random_faults
from model.faulty import FaultyArrays
from model.golden import classify
from model.network import Network, OutputLayer
from model.placement import Sensitivities, place
from model.plan import Plan
from model.samples import Samples
from model.training.datasets import load_digits
from model.training.recipe import Recipe, train

RATES = (0.01, 0.03, 0.1, 0.2)
"""Probabilities of a device to be stuck; half of these are stuck in the state that its weight needs."""
RANKED_AT = 0.1

console = Console()


def ranked(network: Network, samples: Samples) -> Sensitivities:
    """What errors in each neuron alone change."""
    campaign = Campaign(network, samples, (), maps=1, neurons=RANKED_AT)
    outcome = collect(campaign, {task.key: result for task, result in compute(campaign, list(campaign.tasks()))})
    found = {layer.name: np.zeros(layer.fan_out) for layer in campaign.layers}
    for each in outcome.neurons:
        found[each.layer][each.neuron] = each.changed
    return found


def accuracy(network: Network, plan: Plan, faults: FaultMap, samples: Samples) -> float:
    """With the weights that the arrays read as."""
    *hidden, output = FaultyArrays(network, plan, faults).layers
    assert isinstance(output, OutputLayer)
    read = replace(network, hidden=tuple(hidden), output=output)  # type: ignore[arg-type]
    return float(np.mean(classify(read, samples.values) == samples.labels))


def main() -> None:
    maps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    data = load_digits()
    network = train(data, Recipe(), "cpu").network
    ranking, plan = ranked(network, data.test), Plan(fidelity="devices")
    clean = float(np.mean(classify(network, data.test.values) == data.test.labels))
    title = f"{network.topology}, {maps} maps; {clean:.2%} without faults"
    table = Table("stuck devices", "as it is", "placed, all alike", "placed by ranking", "seconds", title=title)
    for rate in RATES:
        found, started = [], time.perf_counter()
        for seed in range(maps):
            faults = random_faults(network.topology, plan, stuck=rate, weak=0, seed=seed)
            ways = (network, place(network, plan, faults).network, place(network, plan, faults, ranking).network)
            found.append([accuracy(each, plan, faults, data.test) for each in ways])
        mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(maps)
        cells = [f"{one:.2%} ± {2 * other:.2%}" for one, other in zip(mean, error, strict=True)]
        table.add_row(f"{rate:g}", *cells, f"{time.perf_counter() - started:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
