"""The throughput that `hdl.accelerator.Accelerator` promises, cycle by cycle on Icarus."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hdl.accelerator import Accelerator
from hdl.generate import generate
from hdl.packets import RESULT_WIDTH, beats
from model import images
from model.mapping import Geometry
from model.random_network import random_network
from model.samples import Samples
from sim import harness, records
from sim.tools import Tool
from sim.verify import verify

GEOMETRY = Geometry(8, 16)
SAMPLES = 24
SETTLED = 8
"""So many of the last results come at the pace of the slowest part: whatever is before it is full by then."""

ACCELERATORS = {
    "first layer": Accelerator((24, 40, 5, 4), GEOMETRY),
    "middle layer": Accelerator((24, 5, 40, 4), GEOMETRY),
    "output layer": Accelerator((24, 5, 4, 40), GEOMETRY, scores=False),
    "output layer with scores": Accelerator((24, 5, 4, 40), GEOMETRY),
    "result packet": Accelerator((24, 21, 20), GEOMETRY),
    "input packet": Accelerator((400, 12, 4), GEOMETRY, input_width=8),
    "input packet as long as the reads": Accelerator((400, 50, 4), GEOMETRY, input_width=8),
    "one neuron a layer": Accelerator((9, 1, 1, 1), GEOMETRY),
    "one neuron a layer, classes only": Accelerator((9, 1, 1, 1), GEOMETRY, scores=False),
    "one layer": Accelerator((24, 10), GEOMETRY, scores=False),
    "six neurons a hidden layer": Accelerator((24, 6, 1), GEOMETRY, scores=False),
}


def parts(accelerator: Accelerator) -> tuple[list[int], int, int]:
    """Reads of each layer, beats of an input packet and beats of a result packet."""
    result = 1 + (accelerator.shape[-1] if accelerator.scores else 0)
    return [grid.reads for grid in accelerator.maps], beats(accelerator.shape[0], accelerator.bus_width), result


def promised(accelerator: Accelerator) -> float:
    """Cycles per image as the docstring of `Accelerator` has them."""
    (*hidden, last), packet, result = parts(accelerator)
    return max([*hidden, last, *((reads + 7) / 2 for reads in hidden), (last + 7 + result) / 2, packet + 1])


@pytest.mark.parametrize("name", ACCELERATORS)
def test_an_image_takes_the_promised_cycles(
    name: str, tmp_path: Path, require_simulator: Callable[[str], Tool]
) -> None:
    accelerator = ACCELERATORS[name]
    generate(accelerator, tmp_path / "verilog")
    network = random_network(accelerator.shape, seed=1)
    images.export(network, GEOMETRY, tmp_path / "images")
    samples = Samples(np.random.default_rng(2).integers(0, 2, (SAMPLES, accelerator.shape[0])))
    tool = require_simulator("icarus")
    result = verify(tool, network, samples, tmp_path / "verilog", tmp_path / "images", tmp_path / "simulation")
    assert result.mismatches == 0

    results = records.read(records.file(tmp_path / "simulation" / "run", 0, harness.RESULT), RESULT_WIDTH + 1)
    ends = results.cycles[results.bits[:, RESULT_WIDTH] == 1].tolist()
    assert (ends[-1] - ends[-1 - SETTLED]) / SETTLED == promised(accelerator)
    # The pipeline starts empty, so that the first results are not slower than those that follow.
    assert result.cycles is not None
    assert result.cycles <= promised(accelerator)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_the_promise_is_the_largest_part_and_a_constant(name: str) -> None:
    reads, packet, result = parts(ACCELERATORS[name])
    largest = max(*reads, packet, result)
    assert largest <= promised(ACCELERATORS[name]) <= largest + 4


@pytest.mark.parametrize("shape", [(64, 96, 96, 10), (784, 1024, 1024, 10)])
def test_where_a_hidden_layer_is_the_largest_there_is_no_constant(shape: tuple[int, ...]) -> None:
    assert promised(Accelerator(shape)) == max(shape[1:])
