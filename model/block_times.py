"""What a word of a stream waits for in each block of hdl/.

A block takes a word in the latest of some cycles: that from which it is offered, and those in which words before it
came or went, each with a constant. So all is `max` and `+`, and whatever holds a word up happened to words before it.
A cycle is therefore given as a form over (max, +) in the times that the blocks remember; see `model.pipeline`.

The sources of the constants are the docstrings of the blocks that are named.
"""

import functools
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from model.windows import Sliding

P2S_LATENCY = 6
"""Cycles from the last cycle of `sen` of an image to its result on offer in `hdl.layers.dense.Dense`; in
`hdl.layers.classifier.Classifier` besides the ranking."""
SUMMED = 2
"""More of these where several presentations are summed up: see `hdl.neurons.accumulator.Accumulator`."""
STREAMED = 4
"""Cycles from the last cycle of `sen` of a read to its neurons before the next layer of a zig-zag."""
S2P_LATENCY = 4
"""`hdl.arrays.columns.RESULT_LATENCY`."""

Times: TypeAlias = npt.NDArray[np.int64]
"""The latest of all times that are remembered, each with what is added to it here."""

_ONE = np.array(1)


class Block:
    """What words pass on their way to `behind`. `held` are the `size` times that it remembers from image to image."""

    size: int
    held: list[Times]
    behind: "Block"

    def take(self, offered: Times) -> Times:
        """The cycle in which a word is taken that is offered from cycle `offered` on."""
        raise NotImplementedError


class Source(Block):
    """Where images come from: `words` of each, as fast as they are taken."""

    size = 1

    def __init__(self, words: int) -> None:
        self.words = words

    def image(self) -> None:
        """Send one image through all blocks."""
        for _ in range(self.words):
            self.held[0] = self.behind.take(self.held[0] + _ONE)


class Packets(Source):
    """`hdl.streams.packets.PacketReceiver`: the next packet of `beats` comes when an image has gone."""

    def __init__(self, beats: int) -> None:
        self.beats = np.array(beats)

    def image(self) -> None:
        self.held[0] = self.behind.take(self.held[0] + self.beats + _ONE)


class PixelPackets(Source):
    """`hdl.streams.pixel_receiver.PixelReceiver` of `words` words of `depth` bits on a bus of `bus`, its gearbox
    included.

    It remembers when the last beat came, when the gearbox took the last one and from when on it takes the next, and of
    the last packets when that beat was read from the ring which makes room for the end of a packet.
    """

    def __init__(self, depth: int, words: int, bus: int) -> None:
        self.depth, self.words, self.bus = depth, words, bus
        self.beats = -(-depth * words // bus)
        ring = 1 << (2 * self.beats - 1).bit_length()
        packets = -(-(ring - self.beats + 1) // self.beats)
        self.mark = packets * self.beats + self.beats - 1 - ring
        self.size = 3 + packets

    def image(self) -> None:
        written, loaded, free, *marks = self.held
        written = np.maximum(written + np.array(self.beats), marks[0] + _ONE)
        bits, words = 0, self.words
        for beat in range(self.beats):
            read = np.maximum(written + _ONE, loaded)
            if beat == self.mark:
                marks = [*marks[1:], read]
            loaded = np.maximum(read + _ONE, free)
            free = offered = loaded + _ONE
            bits += self.bus
            while words and bits >= self.depth:
                free = self.behind.take(offered)
                offered = free + _ONE
                bits, words = bits - self.depth, words - 1
        self.held = [written, loaded, free, *marks]


class Sink(Block):
    """Takes words at once; a result of several `beats` with its last one (`hdl.streams.packets.PacketSender`)."""

    size = 1

    def __init__(self, beats: int = 1) -> None:
        self.rest = np.array(beats - 1)

    def take(self, offered: Times) -> Times:
        self.held[0] = offered + self.rest
        return self.held[0]


class Pixels(Block):
    """A block with `hdl.streams.buffer.Buffer` before it, which has room for two words. It remembers when the last one
    came, and when the last two went on.
    """

    size = 3

    def buffer(self, offered: Times) -> tuple[Times, Times]:
        """The cycle in which a word is taken, and that from which it is offered to what is behind the buffer."""
        taken = np.maximum(offered, np.maximum(self.held[0], self.held[2]) + _ONE)
        return taken, np.maximum(taken, self.held[1]) + _ONE


class Gather(Pixels):
    """`hdl.layers.gather.Gather` of `count` words. It remembers also when the last image went."""

    size = 4

    def __init__(self, count: int) -> None:
        self.count, self.word = count, 0

    def take(self, offered: Times) -> Times:
        taken, moves = self.buffer(offered)
        _, moved, _, gone = self.held
        self.word += 1
        if self.word == self.count:
            self.word = 0
            moves = np.maximum(moves, gone)
            gone = self.behind.take(moves + _ONE)
        self.held = [taken, moves, moved, gone]
        return taken


class Step(NamedTuple):
    """Of a window's walk: positions since the step before; whether it is a pixel, and whether a window ends there."""

    gap: Times
    pixel: bool
    ends: bool


class Window(Pixels):
    """`hdl.layers.window.Window`. It remembers also the last step of the walk, and when the last window went."""

    size = 5

    def __init__(self, sliding: Sliding) -> None:
        self.walk, self.pixel = walk(sliding), 0

    def take(self, offered: Times) -> Times:
        taken, ready = self.buffer(offered)
        _, moved, _, time, gone = self.held
        moves = moved
        for gap, pixel, ends in self.walk[self.pixel]:
            time = time + gap
            if ends:
                time = np.maximum(time, gone)
            if pixel:
                time = moves = np.maximum(time, ready)
            if ends:
                gone = self.behind.take(time + _ONE)
        self.held = [taken, moves, moved, time, gone]
        self.pixel = (self.pixel + 1) % len(self.walk)
        return taken


class Choice(Block):
    """`hdl.layers.window.Window` with a kernel of a single pixel: no more than a choice of pixels."""

    size = 0

    def __init__(self, sliding: Sliding) -> None:
        self.chosen, self.pixel = [step.ends for (step,) in walk(sliding)], 0

    def take(self, offered: Times) -> Times:
        chosen = self.chosen[self.pixel]
        self.pixel = (self.pixel + 1) % len(self.chosen)
        return self.behind.take(offered) if chosen else offered


@functools.lru_cache(maxsize=256)
def walk(sliding: Sliding) -> list[list[Step]]:
    """For each pixel of a map its own step, before it those of padding that end a window, and behind the last pixel all
    the rest of them. Padding that ends no window only adds to the gap before a step.
    """
    pixels: list[list[Step]] = []
    steps: list[Step] = []
    rows, columns, gap = sliding.rows, sliding.columns, 0
    for y in range(rows.walked):
        for x in range(columns.walked):
            gap += 1
            pixel = rows.inside(y) and columns.inside(x)
            ends = rows.ends(y) and columns.ends(x)
            if pixel or ends:
                steps.append(Step(np.array(gap), pixel, ends))
                gap = 0
            if pixel:
                pixels.append(steps)
                steps = []
    pixels[-1] += steps
    # The walk goes on to the next map.
    pixels[0][0] = pixels[0][0]._replace(gap=pixels[0][0].gap + gap)
    return pixels


class Planes(Block):
    """`hdl.inputs.encoder.PlaneSplitter`. It remembers when the last plane went."""

    size = 1

    def __init__(self, planes: int) -> None:
        self.planes = planes

    def take(self, offered: Times) -> Times:
        taken = gone = np.maximum(offered, self.held[0])
        for _ in range(self.planes):
            gone = self.behind.take(gone + _ONE)
        self.held[0] = gone
        return taken


class Draws(Block):
    """`hdl.inputs.encoder.StochasticEncoder` of `times` presentations, each drawn in `cycles`. It remembers the last
    cycle of drawing, and when the last presentation went.
    """

    size = 2

    def __init__(self, times: int, cycles: int) -> None:
        self.times, self.cycles = times, np.array(cycles)

    def take(self, offered: Times) -> Times:
        drawn, gone = self.held
        taken = drawn = np.maximum(offered, drawn)
        for _ in range(self.times):
            drawn = np.maximum(drawn + self.cycles, gone)
            gone = self.behind.take(drawn + _ONE)
        self.held = [drawn, gone]
        return taken


class Neurons(Block):
    """A layer's arrays, which read each of `presentations` words of an image for `reads` cycles; `latency` from the end
    of that to the result, and `ranking` cycles more, for which the result has its room already. It remembers the last
    cycle of `sen`, and from when on the room of the last two results is free: there is room for two.
    """

    size = 3

    def __init__(self, reads: int, presentations: int, latency: int, ranking: int = 0) -> None:
        self.reads, self.presentations, self.word = np.array(reads), presentations, 0
        self.latency, self.ranking = np.array(latency), np.array(ranking) if ranking else None

    def take(self, offered: Times) -> Times:
        ended, free, before = self.held
        if self.word == 0:
            offered = np.maximum(offered, before)
        taken, ended = self.read(offered, ended)
        self.word += 1
        if self.word == self.presentations:
            self.word = 0
            result = np.maximum(ended + self.latency, free)
            if self.ranking is not None:
                result = result + self.ranking
            free, before = self.behind.take(result) + _ONE, free
        self.held = [ended, free, before]
        return taken

    def read(self, offered: Times, ended: Times) -> tuple[Times, Times]:
        """When a word is taken, and the last cycle of `sen`, after that of the word before."""
        raise NotImplementedError


class Parallel(Neurons):
    """`hdl.layers.dense.Dense`, `hdl.layers.classifier.Classifier`, or both layers of a zig-zag: a word is taken when
    its first row is read.
    """

    def read(self, offered: Times, ended: Times) -> tuple[Times, Times]:
        taken = np.maximum(offered, ended)
        return taken, taken + self.reads


class Sequential(Neurons):
    """`hdl.layers.sequential_dense.SequentialDense` or `hdl.layers.sequential_classifier.SequentialClassifier`, whose
    `hdl.layers.serializer.Serializer` takes a word a cycle before its first row is read, or earlier: when the last row
    of the word before is, which takes `row` cycles.
    """

    def __init__(self, reads: int, presentations: int, latency: int, ranking: int, row: int) -> None:
        super().__init__(reads, presentations, latency, ranking)
        self.row = np.array(row)

    def read(self, offered: Times, ended: Times) -> tuple[Times, Times]:
        taken = np.maximum(offered, ended - self.row)
        return taken, np.maximum(taken + _ONE, ended) + self.reads
