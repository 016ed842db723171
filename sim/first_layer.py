"""The first layer of neurons of a network, as a bench of it alone needs it: what it sees, and what it must give."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hdl.arrays.grid import Grid
from model import bits, golden, images
from model.mapping import Geometry
from model.network import Network
from model.plan import LayerPlan, Plan
from model.topology import AveragePool


@dataclass(frozen=True)
class FirstLayer:
    """`index` and `name` of the layer; `words`, the words of all presentations of all images; `count`, words an image;
    `trace`, all that golden says.
    """

    index: int
    name: str
    words: list[int]
    count: int
    trace: golden.Trace


def first_layer(network: Network, samples: int, seed: int) -> FirstLayer:
    """Random samples for the first layer of neurons of `network`, average pooling before it allowed."""
    low, high = network.encoding.range
    values = np.random.default_rng(seed).integers(low, high, (samples, network.encoding.values), endpoint=True)
    trace, first = golden.infer(network, values), network.topology.layers[0]
    presented: Any
    if isinstance(first, AveragePool):
        presented = trace.inputs.reshape(samples, -1, first.source.channels)
    else:
        presented = golden.present(network.topology.input, trace.inputs, 0)
    index, count = int(isinstance(first, AveragePool)), presented.shape[1]
    words = bits.to_ints(presented.reshape(samples * count, -1))
    return FirstLayer(index, network.layers[index].name, words, count, trace)


def memories(network: Network, grid: Grid, index: int) -> list[images.Image]:
    """The images of layer `index`, which is on `grid`."""
    plans = [LayerPlan() for _ in network.layers]
    plans[index] = LayerPlan(grid.map.dataflow, grid.lanes)
    plan = Plan(Geometry(grid.rows, grid.columns), tuple(plans), grid.numbers_in_arrays)
    return [image for image in images.words(network, plan) if image.layer == index]
