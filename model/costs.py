"""What a plan costs: arrays, cycles, and the bits that stand between layers.

This is the one place where it is written down what the blocks in hdl/ take; their docstrings are its sources. Cycles
are those of a pipeline at full rate (`model.pipeline`), a row read taking one; bits are those that depend on the plan
or lie before a layer's arrays (encoders and packet receivers, the same for every plan, are not counted).
"""

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

from model.block_times import P2S_LATENCY, S2P_LATENCY, STREAMED, SUMMED
from model.mapping import P2S, LayerMap, offset_width, score_width, threshold_width
from model.pipeline import PACKETS, WIDEST_BUS, Pipeline, Results, Run, draw_cycles, sliding, word_width
from model.plan import LayerPlan, Plan
from model.topology import AveragePool, BitInput, Convolution, Dense, MaxPool, StochasticInput, Topology
from model.windows import Sliding


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
    buffers, `pace` is that of the layer alone; `zigzag`: its neurons go straight into the next layer, and both have one
    pace. `map` is None for pooling layers.
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
    """What a plan costs: its layers, and the pace of the whole pipeline."""

    layers: tuple[LayerCost, ...]
    pace: Pace

    @property
    def arrays(self) -> int:
        return sum(layer.arrays for layer in self.layers)

    @property
    def registers(self) -> int:
        return sum(layer.registers for layer in self.layers)

    @property
    def memory(self) -> int:
        return sum(layer.memory for layer in self.layers)


def costs(
    topology: Topology,
    plan: Plan,
    results: Results = Results(),  # noqa: B008 (immutable)
    bus: int = WIDEST_BUS,
) -> Costs:
    """What `plan` costs, with packets on a bus of `bus` bits; the one that an accelerator chooses by itself is as good
    as the widest. Raises HafnetError as `Plan.of` does.
    """
    plan = plan.of(topology)
    pipeline = Pipeline(topology, plan.layers, results, bus)
    paces = layer_paces(pipeline)
    layers = []
    for index, grid in enumerate(plan.maps(topology)):
        shape, registers, memory, useful, reads = topology.layers[index], 0, 0, 0, 0
        zigzags = plan.zigzag(topology, index - 1), plan.zigzag(topology, index)
        if isinstance(shape, Dense | Convolution):
            assert grid is not None  # a layer of neurons has arrays
            times = topology.presentations[index].count * shape.positions
            reads, useful = grid.reads * times, shape.fan_in * shape.fan_out * times
            registers, memory = layer_bits(topology, index, plan.layers[index], zigzags, results)
        elif isinstance(shape, MaxPool):
            registers, memory = _window_bits(shape, 1)
            registers += shape.source.channels
        name, text = topology.names[index], str(shape)
        layers.append(LayerCost(name, text, grid, reads, paces[index], registers, memory, zigzags[1], useful))
    return Costs(tuple(layers), pipeline_pace(pipeline))


def pipeline_pace(pipeline: Pipeline) -> Pace:
    """Of the whole pipeline: its slowest part's, or that of neighbours which hold each other up."""
    cycles, topology = math.ceil(pipeline.cycles()), pipeline.topology
    paces = packet_paces(topology, pipeline.results, pipeline.bus)
    for name, pace in zip(topology.names, layer_paces(pipeline), strict=True):
        paces.append(Pace(pace.cycles, f"layer {name!r}: {pace.limit}"))
    slowest = max(paces, key=pace_cycles)
    return slowest if slowest.cycles == cycles else Pace(cycles, _together(topology, pipeline.binding(cycles)))


def _together(topology: Topology, run: Run) -> str:
    """What layers are called that are slower together than each by itself."""
    last = topology.names[run.last]
    if run.first == PACKETS:
        return f"input packet to layer {last!r}, together"
    link = "and" if run.last == run.first + 1 else "to"
    return f"layers {topology.names[run.first]!r} {link} {last!r}, together"


def layer_paces(pipeline: Pipeline) -> list[Pace]:
    """Of each layer by itself; layers that are one part of the pipeline have one pace."""
    topology, results = pipeline.topology, pipeline.results
    paces = [Pace(0, "")] * len(topology.layers)
    for part in pipeline.parts[1:]:
        least = []
        for index in range(part.first, part.last + 1):
            plan = pipeline.layers[index]
            least.append(layer_pace(topology, index, plan.dataflow == P2S, plan.lanes, results))
            if pipeline.zigzag(index):
                least.append(zigzag_pace(topology, index, plan.lanes, results))
        pace = max(least, key=pace_cycles)
        cycles = math.ceil(pipeline.cycles(part))
        if cycles > pace.cycles and isinstance(topology.layers[part.first], Convolution):
            pace = Pace(cycles, "window")  # its walk and few reads do not always overlap
        for index in range(part.first, part.last + 1):
            if not isinstance(topology.layers[index], AveragePool):
                paces[index] = Pace(cycles, pace.limit)
    return paces


def packet_paces(topology: Topology, results: Results, bus: int = WIDEST_BUS) -> list[Pace]:
    """Those of the input packet on a bus of `bus` bits and of the result packet."""
    source, depth = topology.source, topology.input.depth
    pixels = source.height * source.width
    beats = -(-source.bits * depth // bus)
    given = beats + 1 if pixels == 1 else max(beats, pixels)
    return [Pace(given, "input packet"), Pace(results.beats(topology.output.fan_out), "result packet")]


def layer_pace(topology: Topology, index: int, parallel: bool, lanes: int, results: Results) -> Pace:
    """What a layer takes at least, whose neurons, if it has any, are read parallel_to_sequential (`parallel`) or else
    sequential_to_parallel, in `lanes`. A convolution of few reads, or of codes, may take a little more.
    """
    shape, given = topology.layers[index], topology.input
    if isinstance(shape, AveragePool):
        return Pace(0, "")
    if isinstance(shape, MaxPool):
        return Pace(_walk(sliding(shape), 1), "window")
    count, last = topology.presentations[index].count, index == len(topology.layers) - 1
    reads = busy = count * -(-(shape.fan_out if parallel else shape.fan_in) // lanes)
    paces = [Pace(shape.positions * reads, "row reads")]
    if index == 0 and isinstance(given, StochasticInput):
        busy = max(reads, count * draw_cycles(given, shape))
        paces.append(Pace(shape.positions * busy, "random bits"))
    # Two words pass in their reads and the latency behind them: there is room for the results of two.
    room = reads + (P2S_LATENCY + (SUMMED if count > 1 else 0) if parallel else 1 + S2P_LATENCY)
    if last:
        beats = results.beats(shape.fan_out)
        ranking = results.ranking(shape.fan_out, reads, lanes if parallel else None)
        paces.append(Pace(beats, "result packet"))
        if not parallel:
            paces.append(Pace(ranking + beats, "ranking of scores"))
        room += ranking + beats - 1
    paces.append(Pace(-(-shape.positions * (room + 1) // 2), "latency"))
    if isinstance(shape, Convolution):
        # An encoder holds another window, so that reads and walk are coupled less.
        paces.append(Pace(_walk(sliding(shape), busy if index or isinstance(given, BitInput) else 1), "window"))
    elif index and not isinstance(topology.layers[index - 1], AveragePool):
        source = topology.layers[index - 1].result
        paces.append(Pace(source.height * source.width, "gathering of pixels"))
    return max(paces, key=pace_cycles)


def zigzag_pace(topology: Topology, index: int, lanes: int, results: Results) -> Pace:
    """What layer `index` and the next one take where they are a zig-zag: there is room behind them for the results of
    two images, from the start of the first layer on.
    """
    shape, sink = topology.layers[index : index + 2]
    assert isinstance(shape, Dense)
    assert isinstance(sink, Dense)
    count, steps = topology.presentations[index].count, -(-shape.fan_out // lanes)
    room = count * steps + STREAMED + 1 + S2P_LATENCY + (SUMMED if count > 1 else 0)
    if index + 2 == len(topology.layers):
        room += results.ranking(sink.fan_out, steps) + results.beats(sink.fan_out) - 1
    if room + 1 > 2 * count * steps:
        return Pace(-(-(room + 1) // 2), "latency of the zig-zag")
    return Pace(count * steps, "row reads")


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
        registers += word_width(shape) + (0 if zigzags[1] else 2 * plan.lanes * words * result)
        memory += words * plan.lanes * (number + (top.bit_length() if count > 1 else 0))
    else:
        registers += 0 if zigzags[0] else word_width(shape)
        registers += fan_out * (top.bit_length() + number + (score_width(top) if last else 1))
        registers += fan_out * score_width(top) if last and results.top else 0  # of which the ranking takes its scores
    return registers, memory


@functools.lru_cache(maxsize=4096)  # the planner asks again for every size of the arrays
def _walk(windows: Sliding, interval: int) -> int:
    """Cycles of a map whose windows are taken every `interval` cycles."""
    return windows.cycles(interval)


def _window_bits(shape: Convolution | MaxPool, depth: int) -> tuple[int, int]:
    """Registers and memory of a window over pixels of channels × `depth` bits."""
    rows, columns = shape.kernel
    if shape.kernel == (1, 1):
        return 0, 0
    bits = shape.source.channels * depth
    return rows * columns * bits, (rows - 1) * sliding(shape).columns.walked * bits
