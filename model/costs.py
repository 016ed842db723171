"""What a plan costs: arrays, cycles, and the bits that stand between layers.

This is the one place where it is written down what the blocks in hdl/ take; their docstrings are its sources. Cycles
are those of a pipeline at full rate, a row read taking one; bits are those that depend on the plan or lie before a
layer's arrays (encoders and packet receivers, the same for every plan, are not counted).
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

from model.mapping import P2S, LayerMap, offset_width, score_width, threshold_width
from model.plan import LayerPlan, Plan
from model.topology import AveragePool, Convolution, Dense, LayerShape, MaxPool, StochasticInput, Topology, Weighted
from model.windows import Sliding

WIDEST_BUS = 1024
"""Bits of the widest input bus."""
DENSE_LATENCY = 7
"""Two words pass `hdl.layers.dense.Dense` in their reads + this at best: there is room behind it for the results of
two."""
SEQUENTIAL_LATENCY = 6
"""The same of `hdl.layers.sequential_dense.SequentialDense`."""
CLASSIFIER_LATENCY = 6
"""The same of `hdl.layers.classifier.Classifier`, besides the ranking and the beats of a result."""
SUMMED = 2
"""More of these where several presentations are summed up parallel_to_sequential."""
ZIGZAG_LATENCY = 10
"""The same of both layers of a zig-zag with hidden neurons behind it."""
ZIGZAG_SCORES_LATENCY = 9
"""The same where scores are behind it, besides the ranking and the beats of a result."""
FIFO_WORDS = 8
"""Words of `lanes` bits between the two layers of a zig-zag."""


class Results(NamedTuple):
    """What a result packet holds: the `top` best classes, and all scores."""

    top: int = 1
    scores: bool = True

    def beats(self, classes: int) -> int:
        return self.top + (classes if self.scores else 0)


class Pace(NamedTuple):
    """Cycles an image, and what they are spent on."""

    cycles: int
    limit: str


def pace_cycles(pace: Pace) -> int:
    """By which paces are compared."""
    return pace.cycles


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs. `reads` are its row reads of an image one after the other, `registers` and `memory` bits of
    buffers; `zigzag`: its neurons go straight into the next layer. `map` is None for pooling layers.
    """

    name: str
    shape: str
    map: LayerMap | None
    reads: int
    pace: Pace
    registers: int
    memory: int
    zigzag: bool
    useful: int

    @property
    def arrays(self) -> int:
        return self.map.arrays if self.map else 0

    def utilisation(self, cycles: int) -> float:
        """Useful XNORs of an image as a share of those that all arrays could do, a row of each a cycle, in `cycles`."""
        return self.useful / (self.map.arrays * self.map.geometry.columns * cycles) if self.map else 0


@dataclass(frozen=True)
class Costs:
    """What a plan costs: its layers, and the paces of packets in and out."""

    layers: tuple[LayerCost, ...]
    packets: tuple[Pace, ...]

    @property
    def arrays(self) -> int:
        return sum(layer.arrays for layer in self.layers)

    @property
    def pace(self) -> Pace:
        """The slowest part's, which is that of the whole pipeline."""
        named = [Pace(each.pace.cycles, f"layer {each.name!r}: {each.pace.limit}") for each in self.layers]
        return max([*named, *self.packets], key=pace_cycles)

    @property
    def registers(self) -> int:
        return sum(layer.registers for layer in self.layers)

    @property
    def memory(self) -> int:
        return sum(layer.memory for layer in self.layers)


def costs(topology: Topology, plan: Plan, results: Results = Results()) -> Costs:  # noqa: B008 (immutable)
    """What `plan` costs. Raises HafnetError as `Plan.of` does."""
    plan = plan.of(topology)
    layers = []
    for index, grid in enumerate(plan.maps(topology)):
        shape, pace = topology.layers[index], Pace(0, "")
        registers, memory, useful, reads = 0, 0, 0, 0
        zigzags = plan.zigzag(topology, index - 1), plan.zigzag(topology, index)
        if isinstance(shape, Dense | Convolution):
            assert grid is not None  # a layer of neurons has arrays
            times = topology.presentations[index].count * shape.positions
            reads, useful = grid.reads * times, shape.fan_in * shape.fan_out * times
            pace = layer_pace(topology, index, grid.dataflow == P2S, grid.lanes, results)
            if zigzags[0]:
                pace = max(pace, zigzag_pace(topology, index - 1, grid.lanes, results), key=pace_cycles)
            registers, memory = layer_bits(topology, index, plan.layers[index], zigzags, results)
        elif isinstance(shape, MaxPool):
            pace, (registers, memory) = pool_pace(shape), _window_bits(shape, 1)
            registers += shape.source.channels
        name, text = topology.names[index], str(shape)
        layers.append(LayerCost(name, text, grid, reads, pace, registers, memory, zigzags[1], useful))
    return Costs(tuple(layers), packet_paces(topology, results))


def packet_paces(topology: Topology, results: Results) -> tuple[Pace, ...]:
    """Those of the input packet on the widest bus and of the result packet."""
    source, depth = topology.source, topology.input.depth
    pixels = source.height * source.width
    beats = -(-source.bits * depth // WIDEST_BUS)
    given = beats + 1 if pixels == 1 else max(beats, pixels)
    return Pace(given, "input packet"), Pace(results.beats(topology.output.fan_out), "result packet")


def pool_pace(shape: LayerShape) -> Pace:
    """Of a layer without neurons."""
    return Pace(_sliding(shape).cycles(), "window") if isinstance(shape, MaxPool) else Pace(0, "")


def layer_pace(topology: Topology, index: int, parallel: bool, lanes: int, results: Results) -> Pace:
    """Of a layer of neurons read parallel_to_sequential (`parallel`) or else sequential_to_parallel in `lanes`."""
    shape, given = topology.layers[index], topology.input
    assert isinstance(shape, Dense | Convolution)
    count, last = topology.presentations[index].count, index == len(topology.layers) - 1
    pace = Pace(count * -(-(shape.fan_out if parallel else shape.fan_in) // lanes), "row reads")
    reads = pace.cycles
    if index == 0 and isinstance(given, StochasticInput):
        values = _width(shape)
        pace = max(pace, Pace(count * -(-values // given.draws), "random bits"), key=pace_cycles)
    summed = SUMMED if parallel and count > 1 else 0
    if not last:
        room = reads + (DENSE_LATENCY if parallel else SEQUENTIAL_LATENCY) + summed
    elif parallel:
        ranking = (lanes - 1).bit_length() + 1
        room = reads + CLASSIFIER_LATENCY + ranking + results.beats(shape.fan_out) + summed
    else:
        pace = max(pace, Pace(_ranking(shape.fan_out, reads, results), "ranking of scores"), key=pace_cycles)
        room = reads + SEQUENTIAL_LATENCY
    half, whole = max(pace.cycles, room // 2), max(pace.cycles, -(-room // 2))
    if whole > pace.cycles:
        pace = Pace(whole, "latency")
    if isinstance(shape, Convolution):
        # Where the room for two results is used up, windows are taken after half a number of cycles on average.
        sliding = _sliding(shape)
        walk = -(-(_walk(sliding, half) + _walk(sliding, whole)) // 2)
        pace = Pace(walk, "window" if walk > -(-shape.positions * (half + whole) // 2) else pace.limit)
    return pace


def zigzag_pace(topology: Topology, index: int, lanes: int, results: Results) -> Pace:
    """Of layer `index` and the next one where they are a zig-zag: there is room behind them for the results of two
    images, from the start of the first layer on.
    """
    shape, sink = topology.layers[index : index + 2]
    assert isinstance(shape, Dense)
    assert isinstance(sink, Dense)
    count, reads = topology.presentations[index].count, -(-shape.fan_out // lanes)
    room = count * reads + (SUMMED if count > 1 else 0)
    if index + 2 == len(topology.layers):
        room += ZIGZAG_SCORES_LATENCY + _ranking(sink.fan_out, reads, results)
    else:
        room += ZIGZAG_LATENCY
    return Pace(
        max(count * reads, -(-room // 2)), "latency of the zig-zag" if room > 2 * count * reads else "row reads"
    )


def _ranking(classes: int, reads: int, results: Results) -> int:
    """Cycles for which `hdl.layers.sequential_classifier.Ranker` keeps the scores of an image."""
    beats = results.beats(classes)
    lanes = min(classes, -(-classes * 4 // reads))
    return -(-classes // lanes) + (lanes - 1).bit_length() + 1 + beats if results.top else beats


def layer_bits(
    topology: Topology, index: int, plan: LayerPlan, zigzags: tuple[bool, bool], results: Results
) -> tuple[int, int]:
    """Registers and memory of a layer of neurons; `zigzags`: with the layer before and with the next one."""
    shape = topology.layers[index]
    assert isinstance(shape, Dense | Convolution)
    top, last = topology.top(index), index == len(topology.layers) - 1
    count, fan_out = topology.presentations[index].count, shape.fan_out
    number = offset_width(top) if last else threshold_width(top)
    registers, memory = 0, 0
    if isinstance(shape, Convolution):
        registers, memory = _window_bits(shape, topology.input.depth if index == 0 else 1)
    elif index and not isinstance(topology.layers[index - 1], AveragePool):
        source = topology.layers[index - 1].result
        registers += 2 * source.bits if source.height * source.width > 1 else 0
    result = (score_width(top) if results.scores else 0) if last else 1
    if plan.dataflow == P2S:
        words = -(-fan_out // plan.lanes)
        registers += _width(shape) + (FIFO_WORDS * plan.lanes if zigzags[1] else 2 * plan.lanes * words * result)
        memory += words * plan.lanes * (number + (top.bit_length() if count > 1 else 0))
    else:
        registers += 0 if zigzags[0] else _width(shape)
        registers += fan_out * (top.bit_length() + number + (score_width(top) if last else 1))
        registers += fan_out * score_width(top) if last and results.top else 0  # of which the ranking takes its scores
    return registers, memory


def _width(shape: Weighted) -> int:
    """Bits of a layer's input word."""
    return shape.fan_in * (shape.groups if isinstance(shape, Convolution) else 1)


def _sliding(shape: Convolution | MaxPool) -> Sliding:
    padding = shape.padding if isinstance(shape, Convolution) else (0, 0, 0, 0)
    return Sliding(shape.source.height, shape.source.width, shape.kernel, shape.stride, padding)


@functools.lru_cache(maxsize=4096)  # the planner asks again for every size of the arrays
def _walk(sliding: Sliding, interval: int) -> int:
    """Cycles of a map whose windows are taken every `interval` cycles."""
    return sliding.cycles(interval)


def _window_bits(shape: Convolution | MaxPool, depth: int) -> tuple[int, int]:
    """Registers and memory of a window over pixels of channels × `depth` bits."""
    rows, columns = shape.kernel
    if shape.kernel == (1, 1):
        return 0, 0
    bits = shape.source.channels * depth
    return rows * columns * bits, (rows - 1) * _sliding(shape).columns.walked * bits
