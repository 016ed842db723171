"""A layer of neurons with what stands before its arrays: windows, gathering of pixels, encoders."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from hdl.arrays.grid import Grid, join_host
from hdl.block import Hardware, place
from hdl.inputs.encoder import PlaneSplitter, StochasticEncoder
from hdl.layers.classifier import Classifier
from hdl.layers.dense import Dense
from hdl.layers.gather import Gather
from hdl.layers.sequential_classifier import SequentialClassifier
from hdl.layers.sequential_dense import SequentialDense
from hdl.layers.window import Window

Front: TypeAlias = Window | Gather | PlaneSplitter | StochasticEncoder
Engine: TypeAlias = Dense | Classifier | SequentialDense | SequentialClassifier


@dataclass(frozen=True)
class Layer:
    """`front`, blocks with a stream `i` and a stream `o` each, one behind the other, before `engine`.

    A convolution is a window and a dense layer on it: each window is an image for the engine. Where the engine reads in
    slices (a grouped convolution), the values of a window, (kernel position, channel), become (slice, kernel position,
    channel of the slice). The host is let in between maps only, not between their windows.

    Ports: those of the engine, with the first block's `i`; `entropy` of a stochastic encoder whose random words come
    from outside. Throughput and latency are the sum of the blocks', none of which stops the one behind it for longer
    than its own docstring says.
    """

    front: tuple[Front, ...]
    engine: Engine

    @property
    def name(self) -> str:
        before = "".join(f"_{block.name.removeprefix('hafnet_')}" for block in self.front)
        return f"{self.engine.name}_after{before}"

    @property
    def positions(self) -> int:
        """Kernel positions of the window before the engine; 1 without one."""
        windows = [block for block in self.front if isinstance(block, Window)]
        return windows[0].kernel[0] * windows[0].kernel[1] if windows else 1

    @property
    def words(self) -> int:
        """Words of a map that the engine takes, where there is a window; else 1: the engine knows its images."""
        engine = self.engine
        grid = engine.grid if isinstance(engine, Dense | Classifier) else engine.sink
        times = grid.presentations if isinstance(grid, Grid) else grid.presentations.count
        for block in self.front:
            if isinstance(block, Window):
                return block.sliding.output[0] * block.sliding.output[1] * times
        return 1

    @property
    def signature(self) -> wiring.Signature:
        members: dict[str, Any] = dict(self.engine.signature.members)
        for block in self.front:
            if "entropy" in block.signature.members:
                members["entropy"] = block.signature.members["entropy"]
        width = len(Value.cast(self.front[0].signature.create().i.payload))
        return wiring.Signature(members | {"i": In(stream.Signature(width))})

    def create(self) -> "LayerHardware":
        return LayerHardware(self)


class LayerHardware(Hardware):
    """A chain of blocks."""

    i: Any
    o: Any
    host: Any
    claim: Signal
    entropy: Any

    def __init__(self, block: Layer) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        engine = place(m, platform, "engine", block.engine)
        join_host(m, self, engine)
        held = self._host_between_maps(m, engine)
        source = flipped(self.i)
        for index, front in enumerate(block.front):
            kind = type(front).__name__.lower()
            part = place(m, platform, f"{kind}{index}", front)
            connect(m, source, part.i)
            if "entropy" in front.signature.members:
                connect(m, flipped(self.entropy), part.entropy)
            source = part.o
        m.d.comb += [
            engine.i.valid.eq(source.valid & ~held),
            engine.i.payload.eq(self._sliced(source.payload)),
            source.ready.eq(engine.i.ready & ~held),
        ]
        for name in ("go", "start", "fired", "fire"):
            if name in block.engine.signature.members:
                inside, outside = getattr(engine, name), getattr(self, name)
                m.d.comb += inside.eq(outside) if name == "go" else outside.eq(inside)
        if "o" in block.engine.signature.members:
            connect(m, engine.o, flipped(self.o))
        return m

    def _host_between_maps(self, m: Module, engine: Any) -> Value:
        """Let the host wait for the end of a map; returns whether the next map has to wait for the host."""
        words = self.block.words
        if words == 1:
            return Const(0)  # an image is a word: the engine keeps the host out of it
        held = Signal()
        between = Signal()
        word = Signal(range(words))  # of the map that the engine takes
        with m.If(engine.i.valid & engine.i.ready):
            m.d.sync += word.eq(Mux(word == words - 1, 0, word + 1))
        m.d.comb += [
            between.eq(word == 0),
            held.eq(between & (self.host.valid | self.claim)),
            engine.host.valid.eq(self.host.valid & between),
            self.host.ready.eq(engine.host.ready & between),
            engine.claim.eq(self.claim & between),
        ]
        return held

    def _sliced(self, word: Value) -> Value:
        """The word with its slices one behind the other."""
        engine, positions = self.block.engine, self.block.positions
        slices = engine.grid.slices if isinstance(engine, Dense | Classifier) else 1
        if slices == 1:
            return word
        channels = len(word) // positions
        each = channels // slices
        starts = (position * channels + index * each for index in range(slices) for position in range(positions))
        return Cat(word[start : start + each] for start in starts)
