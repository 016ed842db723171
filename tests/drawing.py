"""Random topologies, plans and accelerators: every kind of layer, encoding, dataflow and geometry, but small."""

from dataclasses import dataclass

import numpy as np

from hdl.accelerator import Accelerator
from hdl.registers import Timing
from model.errors import HafnetError
from model.faults import NO_FAULTS, FaultMap, random_faults
from model.mapping import P2S, S2P, Geometry
from model.plan import Fidelity, LayerPlan, Plan
from model.topology import (
    AveragePool,
    BitInput,
    Convolution,
    Dense,
    Input,
    LayerShape,
    Map,
    MaxPool,
    PlaneInput,
    StochasticInput,
    Topology,
)

MOST_ARRAYS = 80
MOST_READS = 600
"""Row reads of an image."""
MOST_WINDOW_BITS = 200


def one_of(random: np.random.Generator, *bounds: int) -> int:
    """1, or small, or large: an integer from 1 to one of the bounds."""
    return int(random.integers(1, int(random.choice(bounds)), endpoint=True))


def chance(random: np.random.Generator, probability: float) -> bool:
    return bool(random.random() < probability)


@dataclass(frozen=True)
class Drawn:
    """A network's topology with the levels of its thermometer, if it has one, and an accelerator for it."""

    levels: tuple[int, ...]
    accelerator: Accelerator


def draw(random: np.random.Generator) -> Drawn:
    """The first draw that is possible and cheap."""
    while True:
        try:
            levels = tuple(sorted(random.choice(9, size=random.integers(1, 4), replace=False).tolist()))
            accelerator = draw_accelerator(random, draw_topology(random, len(levels)))
        except HafnetError:
            continue
        topology, plan = accelerator.topology, accelerator.plan
        reads = sum(accelerator.reads(index) for index in range(len(topology.layers)))
        if accelerator.arrays <= MOST_ARRAYS and reads <= MOST_READS and any_arrays(plan, topology):
            return Drawn(levels, accelerator)


def any_arrays(plan: Plan, topology: Topology) -> bool:
    return any(grid is not None for grid in plan.maps(topology))


def draw_topology(random: np.random.Generator, levels: int) -> Topology:
    """1 to 4 layers behind any encoding."""
    maps = chance(random, 0.6)
    if maps:
        height = 1 if chance(random, 0.3) else one_of(random, 6)
        source = Map(height, one_of(random, 6, 12), one_of(random, 1, 3, 6))
        if source.bits % levels:
            source = source._replace(channels=source.channels * levels)
    else:
        source = Map(1, 1, one_of(random, 1, 12, 90) * levels)
    layers: list[LayerShape] = []
    size = source
    while maps and len(layers) < 3:
        if layers and chance(random, 0.35):
            break
        layer = draw_map_layer(random, size, first=not layers)
        layers.append(layer)
        size = layer.result
        if isinstance(layer, AveragePool):
            break
    for _ in range(int(random.integers(3))):
        layers.append(Dense(size.bits, one_of(random, 1, 8, 40), chance(random, 0.25)))
        size = layers[-1].result
    layers.append(Dense(size.bits, one_of(random, 1, 5, 13), chance(random, 0.25)))
    return Topology(draw_input(random, source.bits, layers[0]), tuple(layers))


def draw_map_layer(random: np.random.Generator, size: Map, first: bool) -> LayerShape:
    """A convolution, or sometimes pooling."""
    kernel = tuple(min(edge, one_of(random, 1, 3, 5)) for edge in size[:2])
    if chance(random, 0.2):
        return AveragePool(size)
    if chance(random, 0.25):
        stride = kernel if chance(random, 0.5) else tuple(one_of(random, 1, 3) for _ in range(2))
        return MaxPool(size, (kernel[0], kernel[1]), (stride[0], stride[1]))
    groups = int(random.choice([each for each in range(1, size.channels + 1) if size.channels % each == 0]))
    groups = groups if chance(random, 0.4) else 1
    padding = [int(random.integers(0, edge)) if chance(random, 0.5) else 0 for edge in (*kernel, *kernel)]
    return Convolution(
        size,
        groups * one_of(random, 1, 3, 6),
        (kernel[0], kernel[1]),
        (one_of(random, 1, 1, 3), one_of(random, 1, 1, 3)),
        (padding[0], padding[1], padding[2], padding[3]),
        int(random.integers(2)),
        groups,
        chance(random, 0.25),
    )


def draw_input(random: np.random.Generator, width: int, first: LayerShape) -> Input:
    """Bits, or codes where the first layer can take them."""
    if isinstance(first, MaxPool | AveragePool) or chance(random, 0.5):
        return BitInput(width)
    depth = one_of(random, 1, 3, 5)
    if chance(random, 0.6):
        return PlaneInput(width, depth, int(random.integers(1, depth, endpoint=True)))
    times, draws = one_of(random, 1, 4), one_of(random, 1, 5)
    if width <= 12 and chance(random, 0.2):  # true random sources give a bit in four cycles at best
        return StochasticInput(width, depth, times, draws, external=one_of(random, 1, 3))
    return StochasticInput(width, depth, times, draws, int(random.integers(2**32)))


def draw_accelerator(random: np.random.Generator, topology: Topology) -> Accelerator:
    """Any plan that is possible for the topology, and any options."""
    spare, signed = one_of(random, 1, 3) if chance(random, 0.25) else 0, chance(random, 0.25)
    geometry = Geometry(one_of(random, 1, 9, 41) + spare + signed, one_of(random, 1, 9, 41), spare, signed)
    plans: list[LayerPlan] = []
    for layer in topology.layers:
        if not isinstance(layer, Dense | Convolution):
            plans.append(LayerPlan())
            continue
        grouped = isinstance(layer, Convolution) and layer.groups > 1
        dataflow = S2P if not grouped and chance(random, 0.4) else P2S
        rows = layer.fan_out if dataflow == P2S else layer.fan_in
        lanes = one_of(random, 1, min(4, rows), rows)
        before = plans[-1] if plans else None
        # A zig-zag takes as many lanes as the layer before.
        if dataflow == S2P and before is not None and before.dataflow == P2S and chance(random, 0.6):
            lanes = min(before.lanes, rows)
        plans.append(LayerPlan(dataflow, lanes))
    fidelity: Fidelity = "bits"
    if chance(random, 0.4):
        fidelity = "noisy" if chance(random, 0.7) else "devices"
    plan = Plan(geometry, tuple(plans), chance(random, 0.2), fidelity)
    classes = topology.output.fan_out
    scores = chance(random, 0.7)
    top = int(random.integers(not scores, min(classes, 4), endpoint=True)) if chance(random, 0.4) else 1
    width = None if chance(random, 0.7) else int(random.choice([8, 24, 64]))
    timing = Timing(precharge=int(random.choice([0, 0, 0, 1, 3])), sense=int(random.choice([1, 1, 1, 2])))
    entries = one_of(random, 1, 3, 9)
    return Accelerator(topology, plan, scores, top, width, timing, spare_entries=entries)


def draw_faults(random: np.random.Generator, topology: Topology, plan: Plan) -> FaultMap:
    """Faults for arrays that can have some: none, few or many of each kind."""
    if plan.fidelity == "bits":
        return NO_FAULTS
    stuck, weak = random.choice([0, 0.02, 0.5, 1], 2).tolist()
    return random_faults(topology, plan, stuck=stuck, weak=weak, seed=int(random.integers(2**32)))
