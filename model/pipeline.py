"""The cycles of an image in a whole pipeline, whose layers hold each other up.

One image, followed word by word through all blocks (`model.block_times`), turns the times that they remember before it
into those that they remember behind it: a matrix over (max, +). Its eigenvalue, the largest mean of its circuits, is
what an image takes in the long run (F. Baccelli, G. Cohen, G. J. Olsder, J.-P. Quadrat, Synchronization and Linearity,
1992, chapters 2 and 3). It is found as in R. M. Karp, A characterization of the minimum cycle mean in a digraph,
Discrete Mathematics 23, 1978.

Images come at full rate, and results are taken at once. A random bit of sources outside counts as long as it takes on
average.
"""

import functools
import itertools
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from model import block_times as blocks
from model import presentations
from model.block_times import Block, Source, Times
from model.mapping import P2S
from model.plan import LayerPlan, Plan
from model.topology import AveragePool, Convolution, Dense, MaxPool, PlaneInput, StochasticInput, Topology, Weighted
from model.windows import NO_PADDING, Sliding

WIDEST_BUS = 1024
"""Bits of the widest input bus: AXI allows no wider TDATA."""
WHITENED = 4
"""Cycles of a random bit from sources outside, on average: see `hdl.inputs.whitening.VonNeumann`."""
PACKETS = -1
"""The number of what is before layer 0: the input packets."""

_NEVER = -(1 << 48)
"""What is added to times that do not matter."""
_LONG_AGO = -(1 << 40)


class Results(NamedTuple):
    """What a result packet holds: the `top` best classes, and all scores."""

    top: int = 1
    scores: bool = True

    def beats(self, classes: int) -> int:
        return self.top + (classes if self.scores else 0)

    def ranking(self, classes: int, reads: int, lanes: int | None = None) -> int:
        """Cycles of the ranking of scores in an output layer of `reads` row reads: `hdl.layers.ranking.Ranking` of
        scores that come in `lanes`, or `hdl.layers.sequential_classifier.Ranker` of all at once.
        """
        if not self.top:
            return 0
        steps = 0
        if lanes is None:
            lanes = min(classes, -(-classes * 4 // reads))
            steps = -(-classes // lanes)
        return steps + (lanes - 1).bit_length() + 1


class Run(NamedTuple):
    """Layers `first` … `last`, one behind the other."""

    first: int
    last: int


@dataclass(frozen=True)
class Pipeline:
    """The layers of `topology`, each read as `layers` say, with results as `results` say and packets on an input bus of
    `bus` bits; a row read takes `row` cycles.
    """

    topology: Topology
    layers: tuple[LayerPlan, ...]
    results: Results = field(default_factory=Results)
    bus: int = WIDEST_BUS
    row: int = 1

    @functools.cached_property
    def parts(self) -> tuple[Run, ...]:
        """What the pipeline can be cut into: the input packets, layers, and as one what only works together, both
        layers of a zig-zag, and average pooling with the layer that adds up.
        """
        found = [Run(PACKETS, PACKETS)]
        joined = False
        for index, shape in enumerate(self.topology.layers):
            found.append(Run(found.pop().first if joined else index, index))
            joined = isinstance(shape, AveragePool) or self.zigzag(index)
        return tuple(found)

    def zigzag(self, index: int) -> bool:
        """Whether layer `index` and the next one are a zig-zag."""
        return Plan(layers=self.layers).zigzag(self.topology, index)

    def cycles(self, run: Run | None = None) -> Fraction:
        """Cycles of an image in the long run; with `run` those of the parts that its layers lie in, alone between a
        source and a sink that never wait.
        """
        return _mean(self._cut(run))

    def binding(self, least: int) -> Run:
        """Neighbours that take `least` whole cycles alone already, if the pipeline does, and none of which can be
        spared.
        """
        last = len(self.topology.layers) - 1
        starts = [part.first for part in self.parts]
        below = bisect_left(starts, True, key=lambda start: self.cycles(Run(start, last)) <= least - 1)
        first = starts[max(0, below - 1)]
        ends = [part.last for part in self.parts if part.last >= first]
        return Run(first, ends[bisect_left(ends, True, key=lambda end: self.cycles(Run(first, end)) > least - 1)])

    def ends(self, images: int) -> list[int]:
        """The cycles in which the last beats of the first results are sent, from an empty pipeline on, the first of
        them in cycle 0.
        """
        matrix = _matrix(self._cut())
        held = np.full(len(matrix), _LONG_AGO)
        held[0] = 0  # the source begins
        found = []
        for _ in range(images):
            held = (matrix + held).max(axis=1)
            found.append(int(held[-1]))
        return [end - found[0] for end in found]

    def _cut(self, run: Run | None = None) -> "_Cut":
        first, last = run or (PACKETS, len(self.topology.layers) - 1)
        parts = tuple(part for part in self.parts if first <= part.last and part.first <= last)
        layers = self.layers[max(0, parts[0].first) : parts[-1].last + 1]
        return _Cut(self.topology, parts, layers, self.results, self.bus, self.row)


class _Cut(NamedTuple):
    """Parts of a pipeline, with how their layers are read: all that their cycles depend on."""

    topology: Topology
    parts: tuple[Run, ...]
    layers: tuple[LayerPlan, ...]
    results: Results
    bus: int
    row: int

    def blocks(self) -> Iterator[Block]:
        """What words pass, from the source to the sink."""
        topology, start = self.topology, max(0, self.parts[0].first)
        source = topology.source if start == 0 else topology.layers[start - 1].result
        words = source.height * source.width
        if self.parts[0].first != PACKETS:
            yield blocks.Source(words)
        elif words == 1:
            yield blocks.Packets(-(-source.bits * topology.input.depth // self.bus))
        else:
            yield blocks.PixelPackets(source.channels * topology.input.depth, words, self.bus)
        for part in self.parts:
            if part.first != PACKETS:
                yield from self._part(part)
        ends = self.parts[-1].last == len(topology.layers) - 1
        yield blocks.Sink(self.results.beats(topology.output.fan_out) if ends else 1)

    def _part(self, part: Run) -> Iterator[Block]:
        """The blocks of a layer, or of two that are a zig-zag."""
        shapes = self.topology.layers
        first = part.first + isinstance(shapes[part.first], AveragePool)
        shape = shapes[first]
        if isinstance(shape, MaxPool):
            yield _window(sliding(shape))
            return
        assert isinstance(shape, Dense | Convolution)
        given = self.topology.input
        if isinstance(shape, Convolution):
            yield _window(sliding(shape))
        elif first == part.first > 0:
            source = shapes[first - 1].result
            if source.height * source.width > 1:
                yield blocks.Gather(source.height * source.width)
        if first == 0 and isinstance(given, PlaneInput):
            yield blocks.Planes(given.planes)
        elif first == 0 and isinstance(given, StochasticInput):
            yield blocks.Draws(given.times, draw_cycles(given, shape))
        yield self._neurons(first, part.last)

    def _neurons(self, first: int, last: int) -> Block:
        """The arrays of layer `first`, and those of `last` if the two are a zig-zag."""
        shape, results = self.topology.layers[first], self.results
        assert isinstance(shape, Dense | Convolution)
        plan = self.layers[first - max(0, self.parts[0].first)]
        count = self.topology.presentations[first].count
        parallel, ends = plan.dataflow == P2S, last == len(self.topology.layers) - 1
        reads = -(-(shape.fan_out if parallel else shape.fan_in) // plan.lanes)
        classes, ranking, latency = self.topology.output.fan_out, 0, blocks.SUMMED if count > 1 else 0
        if not parallel:
            ranking = results.ranking(classes, count * reads) if ends else 0
            return blocks.Sequential(reads * self.row, count, blocks.S2P_LATENCY, ranking, self.row)
        if last > first:
            ranking = results.ranking(classes, reads) if ends else 0
            latency += blocks.STREAMED + self.row + blocks.S2P_LATENCY
        else:
            latency += blocks.P2S_LATENCY + (results.ranking(classes, reads, plan.lanes) if ends else 0)
        return blocks.Parallel(reads * self.row, count, latency, ranking)


def sliding(shape: Convolution | MaxPool) -> Sliding:
    padding = shape.padding if isinstance(shape, Convolution) else NO_PADDING
    return Sliding(shape.source.height, shape.source.width, shape.kernel, shape.stride, padding)


def draw_cycles(given: StochasticInput, shape: Weighted) -> int:
    """Cycles of drawing a presentation for a layer. Random bits of sources outside come as they do on average."""
    word = WHITENED * given.draws * given.depth if given.external else 1
    return presentations.steps(word_width(shape), given.draws) * word


def word_width(shape: Weighted) -> int:
    """Bits of a layer's input word."""
    return shape.fan_in * (shape.groups if isinstance(shape, Convolution) else 1)


def _window(windows: Sliding) -> Block:
    return blocks.Choice(windows) if windows.kernel == (1, 1) else blocks.Window(windows)


def _matrix(cut: _Cut) -> Times:
    """(n, n): time i behind an image is the latest of all times k before it, each with what is at (i, k) added."""
    chain = list(cut.blocks())
    units = np.full((sum(block.size for block in chain),) * 2, _NEVER)
    np.fill_diagonal(units, 0)
    rest = iter(units)
    for block in chain:
        block.held = list(itertools.islice(rest, block.size))
    for block, behind in itertools.pairwise(chain):
        block.behind = behind
    source = chain[0]
    assert isinstance(source, Source)
    source.image()
    return np.stack([time for block in chain for time in block.held])


@functools.lru_cache(maxsize=4096)  # the planner asks for the same neighbours again and again
def _mean(cut: _Cut) -> Fraction:
    """The largest mean of a circuit of the matrix."""
    matrix = _matrix(cut)
    size = len(matrix)
    walks = [np.zeros(size, dtype=np.int64)]  # the longest ones of so many steps that end at each time
    for _ in range(size):
        walks.append((matrix + walks[-1]).max(axis=1))
    means = (walks[-1] - np.stack(walks[:-1])) / np.arange(size, 0, -1)[:, np.newaxis]
    # A circuit has no more steps than there are times.
    return Fraction(float(means.min(axis=0).max())).limit_denominator(size)
