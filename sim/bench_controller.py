"""Bench of the array controller: the bench plays the arrays, and foretells every cycle of every line.

What the lines must do is written down as the docstring of `hdl.arrays.controller.ArrayController` says it: a read is a
row of cycles with `sen` low and then high, a programmed row is four pulses with set-up and recovery, then a verify
read. The arrays have stuck cells (ternary ones stuck devices), and answer on `q` in the one cycle in which the
controller may look and with rubbish in all others.

Job: `block`, the members of the controller; `seed`. Answer: `reads`, `programmed`, `read_back` and `failed` count
what was done, `cycles` how long it took.
"""

import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hdl.arrays.array import Operation, Side
from hdl.arrays.controller import READBACK_LATENCY, TIMING, ArrayController, Command
from sim import clocking, job
from sim.streams import Stall, never, stalls

STUCK_PROBABILITY = 0.05
"""Share of the cells that are stuck, half of them at 0."""
STALL_PROBABILITY = 0.5
LONG = {"precharge": 201, "sense": 255, "set_pulse": 300, "reset_pulse": 517}
"""Phases of which every counter bit matters."""


@dataclass(frozen=True)
class Line:
    """One cycle of the controller's lines. `address` is what must stand on the lines that matter in this cycle;
    `free`, that a new operation may be taken at its end; `answer`, `failed` and `read_bits` where `done` is high.
    """

    hv: int = 0
    sen: int = 0
    sampled: int = 0
    free: bool = False
    address: dict[str, int] = field(default_factory=dict)
    answer: tuple[int, int] | None = None


IDLE = Line(free=True)


def payload(block: ArrayController, stream: str) -> Any:
    """The layout of a stream's payload."""
    return block.signature.members[stream].signature.members["payload"].shape


class Arrays:
    """The cells of all arrays with those that are stuck, and what `q` shows of them."""

    def __init__(self, block: ArrayController, source: random.Random) -> None:
        self.places = list(itertools.product(range(block.groups), range(block.tiles), range(block.rows)))
        self.columns, self.ternary, self.width, self.source = block.columns, block.ternary, block.word_width, source
        self.full = (1 << block.columns) - 1
        self.stuck = {place: (self._rare(), self._rare()) for place in self.places}  # at 0, at 1
        self.words = {place: self.stick(place, source.getrandbits(self.width)) for place in self.places}
        self.pulsed: tuple[Any, ...] | None = None
        self.sensed: int | None = None

    def _rare(self) -> int:
        return sum((self.source.random() < STUCK_PROBABILITY / 2) << bit for bit in range(self.width))

    def random_word(self) -> int:
        """Something to program: all alike, or random; ternary, now and then with both devices of a cell to be LRS."""
        word = self.source.choice((0, (1 << self.width) - 1, self.source.getrandbits(self.width)))
        if self.ternary and self.source.random() < 0.8:
            word &= ~(word << self.columns)
        return word

    def stick(self, place: tuple[int, int, int], word: int) -> int:
        """What a row holds after `word` was written to it."""
        at_0, at_1 = self.stuck[place]
        return (word | at_1) & ~at_0

    def shown(self, word: int, x: int) -> int:
        """What the amplifiers say of a row with inputs x: the XNORs, or which products are +1, then which are -1."""
        if not self.ternary:
            return self.full ^ x ^ word
        low, low_b = word & self.full, word >> self.columns
        plus, minus = low & ~low_b, low_b & ~low
        return ((x & plus) | (~x & minus)) | ((x & minus) | (~x & plus)) << self.columns

    def cycle(self, seen: dict[str, int]) -> int:
        """One cycle as the arrays see it; returns what stands on `q` in the next."""
        place = (seen["group"], seen["tile"], seen["row"])
        if self.pulsed is not None and not seen["hv"]:
            target, raises, mask = self.pulsed
            word = self.words[target] | mask if raises else self.words[target] & ~mask
            self.words[target] = self.stick(target, word)
        operation, side = Operation(seen["operation"]), Side(seen["side"])
        raises, mask = operation == Operation.SET, seen["mask"]
        if side == Side.BLB:
            raises, mask = (raises, mask << self.columns) if self.ternary else (not raises, mask)
        self.pulsed = (place, raises, mask) if seen["hv"] else None
        # The last cycle of `sen` is known by the one after it, and its row is on `q` in the one after that.
        rubbish = self.source.getrandbits(self.width)
        q = self.sensed if self.sensed is not None and not seen["sen"] else rubbish
        self.sensed = self.shown(self.words[place], seen["mask"]) if seen["sen"] and seen["masked"] else None
        return q


class Bench:
    """Drives the controller cycle by cycle and compares each with what was foretold."""

    def __init__(self, dut: Any, block: ArrayController, seed: int) -> None:
        self.dut, self.block, self.source = dut, block, random.Random(seed)
        self.arrays = Arrays(block, self.source)
        self.contents = dict(self.arrays.words)  # what the arrays should hold
        self.timing = {"precharge": 0, "sense": 1, "set_pulse": 1, "reset_pulse": 1}
        self.lines: Iterator[Line] = iter(())
        self.done = Counter(reads=0, programmed=0, read_back=0, failed=0)
        self.read_layout = payload(block, "read")
        self.host_layout = payload(block, "host")

    def set_timing(self, **lengths: int) -> None:
        self.timing |= lengths
        layout: Any = TIMING
        self.dut.timing.value = layout.const(self.timing).as_bits()

    def length(self, phase: str) -> int:
        """Cycles of a phase that begins in the next cycle; 0 counts as 1."""
        return max(1, self.timing[phase])

    def read(self, order: dict[str, int]) -> Iterator[Line]:
        self.done["reads"] += 1
        address = {**order, "operation": Operation.READ.value, "masked": 0}
        for _ in range(self.timing["precharge"]):
            yield Line(address=address)
        length = self.length("sense")
        for cycle in range(length):
            last = cycle == length - 1
            yield Line(sen=1, sampled=int(last), free=last, address=address)

    def host(self, order: dict[str, int]) -> Iterator[Line]:
        """A host command; the lengths are those in force in the cycle before each phase."""
        place = (order["group"], order["tile"], order["row"])
        where = {"group": place[0], "tile": place[1], "row": place[2], "masked": 1}
        wanted, full = order["bits"], self.arrays.full
        is_program = Command(order["command"]) == Command.PROGRAM
        if is_program:
            low = wanted & full  # devices on BL that are to be LRS, and on BLb
            low_b = wanted >> self.arrays.columns if self.arrays.ternary else full ^ wanted
            for operation, side, mask in (
                (Operation.SET, Side.BL, low),
                (Operation.RESET, Side.BLB, full ^ low_b),
                (Operation.SET, Side.BLB, low_b),
                (Operation.RESET, Side.BL, full ^ low),
            ):
                address = {**where, "operation": operation.value, "side": side.value, "mask": mask}
                yield Line(address=address)
                for _ in range(self.length("set_pulse" if operation == Operation.SET else "reset_pulse")):
                    yield Line(hv=1, address=address)
                yield Line(address=address)
            self.contents[place] = self.arrays.stick(place, wanted)
        address = {**where, "operation": Operation.READ.value, "mask": full}
        for _ in range(self.length("precharge")):
            yield Line(address=address)
        for _ in range(self.length("sense")):
            yield Line(sen=1, address=address)
        for _ in range(READBACK_LATENCY):
            yield Line(address=address)
        held = self.arrays.shown(self.contents[place], full)
        failed = is_program and held != wanted
        self.done.update(programmed=is_program, read_back=not is_program, failed=failed)
        yield Line(free=True, answer=(int(failed), held))

    def random_reads(self, count: int) -> deque[dict[str, int]]:
        return deque(
            {"group": self.source.randrange(self.block.groups), "row": self.source.randrange(self.block.rows)}
            for _ in range(count)
        )

    def orders(self, places: list[tuple[int, int, int]], command: Command | None = None) -> deque[dict[str, int]]:
        """Host commands on these rows, random ones where none is given."""
        chosen: deque[dict[str, int]] = deque()
        for group, tile, row in places:
            kind = command or self.source.choice(list(Command))
            bits = self.arrays.random_word()
            chosen.append({"group": group, "tile": tile, "row": row, "command": kind.value, "bits": bits})
        return chosen

    def random_places(self, count: int) -> list[tuple[int, int, int]]:
        return self.source.choices(self.arrays.places, k=count)

    async def run(
        self,
        reads: deque[dict[str, int]],
        orders: deque[dict[str, int]],
        stall: tuple[Stall, Stall] = (never, never),
        change: Stall = never,
    ) -> int:
        """Give all reads and host commands, pausing where `stall` says so; with `change`, timing changes on the way.
        Returns the cycles that it took, until the lines are at rest.
        """
        dut, cycles = self.dut, 0
        read: dict[str, int] | None = None
        order: dict[str, int] | None = None
        line, quiet = IDLE, 0
        while quiet < 2:
            if read is None and reads and not stall[0]():
                read = reads.popleft()
                dut.read__payload.value = self.read_layout.const(read).as_bits()
            if order is None and orders and not stall[1]():
                order = orders.popleft()
                dut.host__payload.value = self.host_layout.const(order).as_bits()
            dut.read__valid.value, dut.host__valid.value = int(read is not None), int(order is not None)
            if change():
                lengths = {"precharge": 3, "sense": 3, "set_pulse": 4, "reset_pulse": 4}
                self.set_timing(**{name: self.source.randint(0, most) for name, most in lengths.items()})
            await RisingEdge(dut.clk)
            cycles += 1
            self.check(line)
            if line.free:
                # Neither late nor twice: whoever is next is taken now, the host before the reads.
                assert order is None or int(dut.host__ready.value), "a host command waits though the arrays are free"
                assert order is None or not int(dut.read__ready.value), "a read is taken beside a host command"
                assert order or read is None or int(dut.read__ready.value), "a read waits though the arrays are free"
                if order is not None:
                    self.lines, order = self.host(order), None
                elif read is not None:
                    self.lines, read = self.read(read), None
            else:
                assert not (order and int(dut.host__ready.value)), "a host command is taken while the arrays are busy"
                assert not (read and int(dut.read__ready.value)), "a read is taken while the arrays are busy"
            is_over = read is None and order is None and not reads and not orders
            line = next(self.lines, IDLE)
            quiet = quiet + 1 if is_over and line is IDLE else 0
        assert self.arrays.words == self.contents, "a row that was not programmed has changed"
        return cycles

    def check(self, line: Line) -> None:
        """Compare this cycle with `line`, and let the arrays see it."""
        dut = self.dut
        names = ("hv", "sen", "group", "tile", "row", "operation", "side", "mask", "masked")
        seen = {name: int(getattr(dut, name).value) for name in names}
        assert not (seen["hv"] and seen["sen"]), "hv and sen are both high"
        got = (seen["hv"], seen["sen"], int(dut.sampled.value), int(dut.done.value))
        expected = (line.hv, line.sen, line.sampled, int(line.answer is not None))
        assert got == expected, f"hv, sen, sampled, done: expected {expected}, got {got}"
        wrong = {name: seen[name] for name, value in line.address.items() if seen[name] != value}
        assert not wrong, f"expected {line.address}, got {wrong}"
        if line.answer is not None:
            answer = (int(dut.failed.value), int(dut.read_bits.value))
            assert answer == line.answer, f"failed, read_bits: expected {line.answer}, got {answer}"
        dut.q.value = self.arrays.cycle(seen)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def controller(dut: Any) -> None:
    task = job.load()
    seed = task["seed"]
    block = ArrayController(**task["block"])
    dut.read__valid.value = dut.host__valid.value = dut.q.value = 0
    dut.read__payload.value = dut.host__payload.value = 0
    bench = Bench(dut, block, seed)
    bench.set_timing()
    await clocking.start(dut)
    cycles = 0
    random_stalls = (stalls(seed, STALL_PROBABILITY), stalls(seed + 1, STALL_PROBABILITY))
    rare_stalls = (stalls(seed + 2, STALL_PROBABILITY), stalls(seed + 3, 0.9))

    # Every row, programmed and then read back, while reads are waiting.
    for command in Command:
        bench.set_timing(set_pulse=2, reset_pulse=3)
        cycles += await bench.run(bench.random_reads(4), bench.orders(bench.arrays.places, command))
    for lengths in itertools.product((0, 1, 2), (0, 1, 3)):
        bench.set_timing(set_pulse=lengths[0], reset_pulse=lengths[1])
        cycles += await bench.run(deque(), bench.orders(bench.random_places(2), Command.PROGRAM))
    for precharge, sense in itertools.product(range(4), range(4)):
        bench.set_timing(precharge=precharge, sense=sense)
        # At full rate: the cycles of all reads, one to take the first, and one to see that the lines are at rest.
        took = await bench.run(bench.random_reads(20), deque())
        assert took == 20 * (precharge + max(1, sense)) + 2, f"20 reads of {precharge} + {sense} took {took} cycles"
        cycles += took
        cycles += await bench.run(bench.random_reads(20), deque(), random_stalls)
        cycles += await bench.run(bench.random_reads(20), bench.orders(bench.random_places(4)), rare_stalls)
    bench.set_timing(**LONG)
    cycles += await bench.run(bench.random_reads(2), bench.orders(bench.random_places(1), Command.PROGRAM))
    cycles += await bench.run(
        bench.random_reads(40), bench.orders(bench.random_places(10)), random_stalls, stalls(seed + 4, 0.5)
    )
    job.answer({**bench.done, "cycles": cycles})
