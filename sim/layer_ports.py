"""The ports that every layer has, driven and watched cycle by cycle as its neighbours and the host do."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, Event, RisingEdge

from hdl.arrays.array import Operation, Side
from hdl.arrays.controller import TIMING
from hdl.arrays.host_access import LayerCommand, host_layout
from hdl.block import index_width
from hdl.layers.classifier import Classifier
from hdl.layers.sequential_classifier import SequentialClassifier
from hdl.streams.packets import result_layout
from model import golden
from model.images import Image
from sim import clocking
from sim.streams import Stall, never, stalls

IMAGES = 17
"""Images of a pass; odd, because the shortest layers take images in pairs and a rate is that of whole pairs."""
TIMINGS = ((0, 1), (1, 1), (2, 3))
"""Precharge and sense."""
STALLS = ((0.5, 0.5), (0.9, 0.1), (0.1, 0.97))
"""Chances that the source and the sink of the passes with back-pressure pause."""
DRAIN = 20
"""Cycles beyond an image's reads after which nothing more may come out."""
PATIENCE = 30
"""So many times as long a result may be waited for: neighbours stall and the host reads back."""


@dataclass
class Pass:
    """What one pass gave: the result of each image, and the cycles in which images were taken and results first stood
    on the output.
    """

    results: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)


def results(trace: golden.Trace, block: Classifier | SequentialClassifier) -> list[int]:
    """What an output layer must give for each image, as the word on its port."""
    width, index = block.score_width if block.scores else 0, index_width(block.classes)
    layout: Any = result_layout(block.classes, width, block.top)
    words = []
    for ranks, scores in zip(golden.rank(trace.scores, block.top).tolist(), trace.scores.tolist(), strict=True):
        members = {
            "indices": sum(each << (index * place) for place, each in enumerate(ranks)),
            "scores": sum(score % (1 << width) << (width * place) for place, score in enumerate(scores)),
        }
        words.append(layout.const({name: members[name] for name, _ in layout}).as_bits())
    return words


class LayerPorts:
    """A layer on its own: `dut` is its hardware; `words` of its input make an image, each takes `steps` reads of the
    arrays; `host_width` are the bits of a host's word, `columns` those of an array; `setup` the cycles before each of
    the host's pulses.
    """

    def __init__(self, dut: Any, steps: int, words: int, host_width: int, columns: int) -> None:
        self.dut, self.words, self.host_width, self.columns = dut, words, host_width, columns
        self.steps = steps * words
        self.reads, self.setup = 0, 1
        for port in ("i__valid", "i__payload", "o__ready", "host__valid", "host__payload", "claim"):
            getattr(dut, port).value = 0
        dut.supply_ok.value = 1
        self.set_timing(0, 1)

    async def start(self) -> None:
        await clocking.start(self.dut)

    def set_timing(self, precharge: int, sense: int) -> None:
        """Set the phase lengths; `reads` is then the cycles of an image's reads."""
        layout: Any = TIMING
        self.dut.timing.value = layout.const({"precharge": precharge, "sense": sense}).as_bits()
        self.reads = self.steps * (precharge + sense)

    async def order(
        self,
        command: LayerCommand,
        memory: Image,
        index: int,
        word: int = 0,
        operation: Operation = Operation.READ,
        side: Side = Side.BL,
    ) -> tuple[int, int]:
        """Run one host command on a word of a memory; `failed` and `read_bits`."""
        dut = self.dut
        lines = {"operation": operation.value, "side": side.value, "amplitude": 1, "length": 2, "count": 1}
        lines["setup"] = self.setup
        place = {"group": memory.group, "tile": memory.tile, "index": index}
        order = {"command": command.value, **place, "pulse": lines, "bits": word}
        layout: Any = host_layout(self.host_width)
        dut.host__payload.value = layout.const(order).as_bits()
        dut.host__valid.value = 1
        await RisingEdge(dut.clk)
        while not int(dut.host__ready.value):
            await RisingEdge(dut.clk)
        dut.host__valid.value = 0
        await RisingEdge(dut.clk)
        while not int(dut.done.value):
            await RisingEdge(dut.clk)
        return int(dut.failed.value), int(dut.read_bits.value)

    async def program(self, memories: Iterable[Image]) -> None:
        """Write every memory."""
        for memory in memories:
            for index in range(len(memory.words)):
                await self.write(memory, index)

    async def write(self, memory: Image, index: int) -> None:
        """Write one word: of a row SET what is to be LRS and RESET what is to be HRS; a ternary row has a bit for each
        device.
        """
        full, word = (1 << self.columns) - 1, memory.words[index]
        if memory.kind != "array":
            await self.order(LayerCommand.WRITE_NUMBER, memory, index, word)
            return
        low, low_b = word & full, word >> self.columns if memory.width > self.columns else ~word & full
        for operation, side, columns in (
            (Operation.SET, Side.BL, low),
            (Operation.RESET, Side.BLB, ~low_b & full),
            (Operation.SET, Side.BLB, low_b),
            (Operation.RESET, Side.BL, ~low & full),
        ):
            failed, _ = await self.order(LayerCommand.PULSE_ROW, memory, index, columns, operation, side)
            assert not failed, f"{memory.name}: a pulse of row {index} was cut"

    async def settled(self) -> None:
        """Wait until the next image may begin: numbers that live in arrays have been read from there."""
        while not int(self.dut.i__ready.value):
            await RisingEdge(self.dut.clk)

    async def read_back(self, memory: Image, index: int) -> None:
        """Read one word of a memory and compare it."""
        command = LayerCommand.READ_ROW if memory.kind == "array" else LayerCommand.READ_NUMBER
        _, word = await self.order(command, memory, index)
        right = memory.words[index]
        assert word == right, f"{memory.name}: word {index} read back: expected {right:#x}, got {word:#x}"

    async def curious_host(self, memories: Sequence[Image], seed: int, over: Event) -> None:
        """Read random words back, with pauses, until it is over."""
        source = random.Random(seed)
        while not over.is_set():
            memory = source.choice(memories)
            await self.read_back(memory, source.randrange(len(memory.words)))
            await ClockCycles(self.dut.clk, source.randint(1, 4 * self.reads))

    async def run(
        self,
        words: list[int],
        stall: tuple[Stall, Stall] = (never, never),
        each: Callable[[], None] = lambda: None,
    ) -> Pass:
        """Send all words, pausing where `stall` says so, with `each` in every cycle; afterwards nothing more may come.

        An offered result may neither change nor go before it is taken.
        """
        dut, found = self.dut, Pass()
        held: int | None = None
        offer = False
        images = len(words) // self.words
        quiet, rest = 0, DRAIN + self.reads
        while quiet < rest or len(found.results) < images:
            assert quiet < PATIENCE * rest, f"{images} images gave {len(found.results)} results"
            each()
            sent = len(found.taken)
            if not offer and sent < len(words) and not stall[0]():
                offer = True
                dut.i__payload.value = words[sent]
            ready = not stall[1]()
            dut.i__valid.value, dut.o__ready.value = int(offer), int(ready)
            await RisingEdge(dut.clk)
            if offer and int(dut.i__ready.value):
                found.taken.append(clocking.cycle())
                offer = False
            word = int(dut.o__payload.value) if int(dut.o__valid.value) else None
            assert held is None or word == held, f"result {held:#x} was offered and became {word}"
            if word is not None and held is None:
                found.offered.append(clocking.cycle())
            held = None if ready else word
            quiet += 1
            if word is not None and ready:
                found.results.append(word)
                quiet = 0
        dut.i__valid.value = dut.o__ready.value = 0
        assert len(found.results) == images, f"{images} images gave {len(found.results)} results"
        return found


async def exercise(
    layer: LayerPorts,
    task: Any,
    memories: Sequence[Image],
    words: list[int],
    expected: list[int],
    behind: tuple[int, int],
    explain: Callable[[list[int]], str],
) -> list[tuple[int, int, float]]:
    """The whole bench of a layer: memories through the host (written where the job says `program`), then all images at
    full rate and with back-pressure on both sides while the host reads back.

    `behind` are the cycles from an image's last read to its result, and to when the next but one may begin; `explain`
    says where results differ. Returns (precharge, sense, cycles per image at full rate).
    """
    await layer.start()
    if task["program"]:
        await layer.program(memories)
    await layer.settled()
    for memory in memories:
        for index in range(len(memory.words)):
            await layer.read_back(memory, index)
    rates = []
    for precharge, sense in TIMINGS:
        layer.set_timing(precharge, sense)
        found = await layer.run(words)
        assert found.results == expected, explain(found.results)
        latency = found.offered[0] - found.taken[0]
        assert latency == layer.reads + behind[0], f"latency is {latency}, not {layer.reads + behind[0]} cycles"
        rate = (found.offered[-1] - found.offered[0]) / (len(expected) - 1)
        contract = max(layer.reads, (layer.reads + behind[1]) / 2)
        assert rate == contract, f"an image took {rate} cycles, not {contract}"
        rates.append((precharge, sense, rate))
    for number, (source, sink) in enumerate(STALLS):
        layer.set_timing(*TIMINGS[number % len(TIMINGS)])
        over = Event()
        host = cocotb.start_soon(layer.curious_host(memories, task["seed"] + number, over))
        found = await layer.run(words, (stalls(task["seed"] + number, source), stalls(task["seed"] - number, sink)))
        over.set()
        await host
        assert found.results == expected, explain(found.results)
    return rates
