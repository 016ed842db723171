"""Windows, pooling, gathering and the receiver of pixels on their benches, on both simulators, many shapes in one
design; and benches that must fail where a block is spoilt.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import Require

import hdl.layers.window
from hdl.bank import Bank
from hdl.layers.gather import Gather, GatherHardware
from hdl.layers.pooling import MaxPool, MaxPoolHardware
from hdl.layers.window import Window, WindowHardware
from hdl.streams.buffer import BufferHardware
from hdl.streams.gearbox import GearboxHardware
from hdl.streams.pixel_receiver import PixelReceiver, PixelReceiverHardware
from model.windows import NO_PADDING, Axis
from sim.blocks import build_block
from sim.rack import Rack, run_rack
from sim.runner import Design

SEED = 1

WINDOWS = (
    Window(5, 4, 3, (3, 3), (1, 1), (1, 1, 1, 1), 5),
    Window(4, 2, 2, (3, 5), (1, 2), (2, 3, 1, 4), 2),  # wider than its map
    Window(6, 7, 2, (3, 2), (2, 3), (1, 0, 0, 1), 3),
    Window(7, 8, 2, (3, 2), (4, 4), (1, 0, 1, 1), 3),  # pixels and padding that no window reaches
    Window(7, 8, 2, (2, 2), (3, 4), NO_PADDING, 0),  # a stride beyond the kernel
    Window(3, 4, 1, (3, 4), (1, 1), NO_PADDING, 0),  # the whole map
    Window(5, 1, 2, (3, 1), (1, 1), (1, 0, 1, 0), 1),  # one column
    Window(2, 2, 1, (2, 2), (1, 1), (1, 1, 1, 1), 1),
    Window(4, 2, 1, (4, 1), (1, 1), (3, 0, 0, 0), 0),  # a line memory of two words
    Window(1, 9, 2, (1, 3), (2, 2), NO_PADDING, 0),  # 1-D
    Window(1, 8, 70, (1, 5), (1, 1), (0, 2, 0, 2), (1 << 70) - 1),  # 1-D, wider than a word of the tools
    Window(1, 3, 1, (2, 2), (1, 2), (1, 0, 0, 1), 1),  # rows of padding only above the one of the map
    Window(1, 1, 1, (3, 3), (1, 1), (1, 1, 1, 1), 1),  # a single pixel
    Window(4, 4, 2, (1, 1), (1, 1), NO_PADDING, 0),
    Window(4, 5, 2, (1, 1), (2, 3), NO_PADDING, 0),
    Window(1, 1, 1, (1, 1), (1, 1), NO_PADDING, 0),
)
POOLS = (
    MaxPool(4, 6, 5, (2, 2), (2, 2)),
    MaxPool(5, 5, 3, (3, 3), (2, 2)),
    MaxPool(1, 9, 2, (1, 3), (1, 3)),
    MaxPool(3, 3, 1, (3, 3), (1, 1)),
    MaxPool(2, 3, 2, (1, 1), (1, 2)),
)
GATHERS = (Gather(3, 4), Gather(1, 1), Gather(5, 2), Gather(1, 9))
RECEIVERS = (
    PixelReceiver(24, 5, 32),
    PixelReceiver(1, 10, 8),
    PixelReceiver(20, 3, 8),
    PixelReceiver(8, 4, 8),
    PixelReceiver(8, 1, 32),
    PixelReceiver(3, 11, 7),
    PixelReceiver(13, 5, 5),
)
BANKS = (Bank(1, 5), Bank(3, 1), Bank(9, 4))


def memories_of(rack: Rack) -> dict[str, tuple[list[int], int]]:
    """Random contents of all memories of a rack."""
    source, memories = random.Random(SEED), {}
    for index, block in enumerate(rack.blocks):
        if isinstance(block, MaxPool):
            memories[f"_b{index}_modes_l0"] = ([source.randrange(2) for _ in range(block.channels)], 1)
        if isinstance(block, Bank):
            words = [source.getrandbits(block.width) for _ in range(block.depth)]
            memories[f"_b{index}"] = (words, block.width)
    return memories


def on_bench(design: Design, rack: Rack, kind: type, folder: Path) -> Any:
    """Run the bench of the blocks of one kind; what it answers."""
    memories = memories_of(rack)
    contents = {
        path.removeprefix("_").replace("b", "block").split("_")[0]: words for path, (words, _) in memories.items()
    }
    job: dict[str, Any] = {"seed": SEED}
    if kind is MaxPool:
        job["modes"] = contents
    if kind is Bank:
        job["words"] = contents
    return run_rack(design, rack, BENCHES[kind], kind, folder, memories, **job)


BENCHES: dict[type, str] = {
    Window: "window",
    MaxPool: "pooling",
    Gather: "gather",
    PixelReceiver: "pixel_receiver",
    Bank: "bank",
}
KINDS = (WINDOWS, POOLS, GATHERS, RECEIVERS, BANKS)
# Most of a Verilator build is that of the blocks: it gets every third one.
RACKS = {
    "icarus": Rack(tuple(block for blocks in KINDS for block in blocks)),
    "verilator": Rack(tuple(block for blocks in KINDS for block in blocks[::3])),
}


@dataclass(frozen=True)
class Built:
    """A rack, and the design that a simulator made of it."""

    rack: Rack
    design: Design

    def answers(self, kind: type, folder: Path) -> list[tuple[Any, Any]]:
        """The blocks of one kind, each with what its bench answers."""
        blocks = [block for block in self.rack.blocks if type(block) is kind]
        return list(zip(blocks, on_bench(self.design, self.rack, kind, folder).values(), strict=True))


@pytest.fixture(scope="module", params=RACKS)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, require_simulator: Require
) -> Built:
    rack = RACKS[request.param]
    return Built(rack, build_block(require_simulator(request.param), rack, tmp_path_factory.mktemp(request.param)))


def test_windows(built: Built, tmp_path: Path) -> None:
    never_waits = 0
    for block, rates in built.answers(Window, tmp_path):
        cycles, windows = dict(rates), block.sliding.output[0] * block.sliding.output[1]
        assert cycles[1] == block.positions  # a position a cycle
        slow = max(cycles)
        if block.positions - (windows - 1) <= slow:  # no gap between two windows can be longer than the interval
            never_waits += 1
            assert cycles[slow] == windows * slow
    assert never_waits > 2


def test_pooling(built: Built, tmp_path: Path) -> None:
    for block, cycles in built.answers(MaxPool, tmp_path):
        assert cycles == block.height * block.width


def test_gathering(built: Built, tmp_path: Path) -> None:
    for block, cycles in built.answers(Gather, tmp_path):
        assert cycles == block.count


def test_the_receiver_of_pixels(built: Built, tmp_path: Path) -> None:
    for block, found in built.answers(PixelReceiver, tmp_path):
        assert found["cycles"] == max(block.beats, block.count)
        assert min(found["images"], found["wrong"]) > 10


def test_the_bank(built: Built, tmp_path: Path) -> None:
    for _, collisions in built.answers(Bank, tmp_path):
        assert collisions > 5


def random_window(source: random.Random) -> Window:
    """Any window over a small map."""
    while True:
        height, width, depth = source.choice([1, source.randint(1, 9)]), source.randint(1, 9), source.randint(1, 4)
        kernel = (source.randint(1, 4), source.randint(1, 4))
        stride = (source.randint(1, 4), source.randint(1, 4))
        top, left, bottom, right = (source.choice([0, source.randrange(side)]) for side in (*kernel, *kernel))
        if top + height + bottom >= kernel[0] and left + width + right >= kernel[1]:
            fill = source.getrandbits(depth)
            return Window(height, width, depth, kernel, stride, (top, left, bottom, right), fill)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
def test_random_windows(seed: int, tmp_path: Path, require_simulator: Require) -> None:
    source = random.Random(seed)
    rack = Rack(tuple(random_window(source) for _ in range(12)))
    on_bench(build_block(require_simulator("icarus"), rack, tmp_path), rack, Window, tmp_path / "run")


WINDOW, POOL, GATHER, RECEIVER = WINDOWS[3], POOLS[0], GATHERS[0], RECEIVERS[0]
CONVOLUTION, COLUMN, SMALL = WINDOWS[0], WINDOWS[6], RECEIVERS[2]

# One defect of each block in every run.
MUTANTS = (
    Mutant("window", CONVOLUTION, WindowHardware, ELABORATE, "Const(block.fill, block.depth)", "source.o.payload"),
    Mutant("pooling", POOL, MaxPoolHardware, ELABORATE, '"pool") ^ modes.all', '"pool")'),
    Mutant("gather", GATHER, GatherHardware, ELABORATE, "(~last | ~self.o.valid | self.o.ready)", "(1)"),
    Mutant(
        "pixel_receiver",
        RECEIVER,
        PixelReceiverHardware,
        ELABORATE,
        "m.d.sync += [write.eq(start), beat",
        "m.d.sync += [beat",
    ),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant("window", CONVOLUTION, BufferHardware, ELABORATE, "self.i.ready.eq(~held)", "self.i.ready.eq(1)"),
    Mutant("window", CONVOLUTION, BufferHardware, ELABORATE, "held | self.i.valid", "self.i.valid"),
    Mutant("window", CONVOLUTION, WindowHardware, ELABORATE, "~complete | ~self.o.valid | self.o.ready", "1"),
    Mutant(
        "window", CONVOLUTION, WindowHardware, ELABORATE, "~complete | ~self.o.valid | self.o.ready", "self.o.ready"
    ),
    Mutant("window", CONVOLUTION, WindowHardware, ELABORATE, "(~is_pixel | source.o.valid)", "1"),
    Mutant("window", CONVOLUTION, WindowHardware, ELABORATE, "(~is_pixel | source.o.valid)", "source.o.valid"),
    Mutant("window", CONVOLUTION, WindowHardware, "_window", "lines.read_addr.eq(next_x)", "lines.read_addr.eq(x)"),
    Mutant("window", CONVOLUTION, WindowHardware, "_window", "lines.write_addr.eq(x)", "lines.write_addr.eq(next_x)"),
    Mutant("window", CONVOLUTION, WindowHardware, "_window", "lines.read_en.eq(step)", "lines.read_en.eq(1)"),
    Mutant("window", COLUMN, WindowHardware, "_window", "line > 1", "True"),
    Mutant("window", WINDOW, hdl.layers.window, "_walk", "init=axis.kernel - 1", "init=0"),
    Mutant("window", WINDOWS[2], hdl.layers.window, "_walk", "Mux(last, axis.kernel - 1, Mux(ends", "(Mux(ends"),
    Mutant("window", WINDOW, hdl.layers.window, "_inside", "position >= axis.before", "position > axis.before"),
    Mutant("window", WINDOW, Axis, "walked", "self.before + self.size", "0"),
    Mutant("window", WINDOWS[14], WindowHardware, ELABORATE, "self.o.ready | ~complete", "self.o.ready"),
    Mutant("pooling", POOL, MaxPoolHardware, ELABORATE, "channels) ^ modes.all", "channels)"),
    Mutant("pooling", POOL, MaxPoolHardware, ELABORATE, "self.write_addr", "0"),
    Mutant("pooling", POOL, MaxPoolHardware, ELABORATE, "self.read_addr", "0"),
    Mutant("gather", GATHER, GatherHardware, ELABORATE, "filled == count - 1", "filled == count - 2"),
    Mutant(
        "gather",
        GATHER,
        GatherHardware,
        ELABORATE,
        "~last | ~self.o.valid | self.o.ready",
        "~self.o.valid | self.o.ready",
    ),
    Mutant("gather", GATHERS[1], GatherHardware, ELABORATE, "~last | ~self.o.valid | self.o.ready", "~self.o.valid"),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "self.axis.tlast & whole", "self.axis.tlast"),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "overlong.eq(0), ", ""),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "beat.eq(0), overlong", "overlong"),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "(read != start)", "(read != write)"),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "((write ^ read) != 1 << address)", "1"),
    Mutant(
        "pixel_receiver",
        RECEIVER,
        PixelReceiverHardware,
        ELABORATE,
        "((write ^ read) != 1 << address)",
        "(write == read)",
    ),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "self.wrong.eq(1)", "self.wrong.eq(0)"),
    Mutant("pixel_receiver", RECEIVER, PixelReceiverHardware, ELABORATE, "(~gearbox.i.valid | gearbox.i.ready)", "1"),
    Mutant("pixel_receiver", SMALL, GearboxHardware, ELABORATE, "Mux(last, 0, level - word)", "level - word"),
    Mutant("pixel_receiver", SMALL, GearboxHardware, ELABORATE, "kept < word", "level < word"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    rack = Rack((mutant.block,))
    design = build_block(require_simulator("icarus"), rack, tmp_path)
    with found_by(mutant.bench):
        on_bench(design, rack, type(mutant.block), tmp_path / "run")
