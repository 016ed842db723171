"""Bench of the array controller: the bench plays the arrays, and foretells every cycle of every line.

What the lines must do is written down as the docstring of `hdl.arrays.controller.ArrayController` says it: a read is a
row of cycles with `sen` low and then high, a train of pulses goes part by part of a row, each pulse with set-up and
recovery. The supply fails when it likes, and pulses are asked for that are longer than the limit. Besides, each cycle
is held against the interlocks, which are the same whatever is asked. The arrays have stuck cells (ternary ones stuck
devices), and answer on `q` in the one cycle in which the controller may look and with rubbish in all others.

Job: `block`, the members of the controller; `seed`. Answer: `reads`, `trains`, `pulses`, `read_back` and `failed` count
what was done, `cycles` how long it took.
"""

import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from hdl.arrays.array import Operation, Side
from hdl.arrays.controller import READBACK_LATENCY, TIMING, ArrayController, Command, Limits
from sim import clocking, job
from sim.streams import Stall, never, stalls

STUCK_PROBABILITY = 0.05
"""Share of the cells that are stuck, half of them at 0."""
STALL_PROBABILITY = 0.5
LONG = {"precharge": 201, "sense": 255}
LONG_PULSE = {"setup": 517, "length": 600, "count": 9}
"""Phases of which every counter bit matters."""
LINES = ("group", "tile", "row", "operation", "side", "amplitude", "mask", "masked")
"""What must stand still around a pulse."""


@dataclass(frozen=True)
class Line:
    """One cycle of the controller's lines. `address` is what must stand on the lines that matter in this cycle;
    `free`, that a new operation may be taken at its end; `answer`, `failed` or `read_bits` where `done` is high.
    """

    hv: int = 0
    sen: int = 0
    sampled: int = 0
    amplitude: int = 0
    free: bool = False
    address: dict[str, int] = field(default_factory=dict)
    answer: dict[str, int] | None = None


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

    def pulse(self, place: tuple[int, int, int], operation: Operation, side: Side, mask: int) -> None:
        """What a pulse does to a row. FORM does nothing: all devices are formed."""
        if operation == Operation.FORM:
            return
        raises, word = operation == Operation.SET, self.words[place]
        if side == Side.BLB:
            raises, mask = (raises, mask << self.columns) if self.ternary else (not raises, mask)
        self.words[place] = self.stick(place, word | mask if raises else word & ~mask)

    def cycle(self, seen: dict[str, int]) -> int:
        """One cycle as the arrays see it; returns what stands on `q` in the next."""
        place = (seen["group"], seen["tile"], seen["row"])
        if self.pulsed is not None and not seen["hv"]:
            self.pulse(*self.pulsed)
        pulse = (place, Operation(seen["operation"]), Side(seen["side"]), seen["mask"])
        self.pulsed = pulse if seen["hv"] else None
        # The last cycle of `sen` is known by the one after it, and its row is on `q` in the one after that.
        rubbish = self.source.getrandbits(self.width)
        q = self.sensed if self.sensed is not None and not seen["sen"] else rubbish
        self.sensed = self.shown(self.words[place], seen["mask"]) if seen["sen"] and seen["masked"] else None
        return q


class Interlocks:
    """What holds in every cycle, whatever is asked."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.high, self.low = limits, 0, 2
        self.before: dict[str, int] | None = None
        self.supplied = True  # in the cycle before

    def check(self, seen: dict[str, int], supply_ok: bool) -> None:
        hv, before = seen["hv"], self.before or seen
        assert not (hv and seen["sen"]), "hv and sen are both high"
        assert not (hv and not self.supplied), "hv is high a cycle after the supply was not stable"
        if hv and not before["hv"]:
            assert self.low >= 2, f"hv was low for {self.low} cycles between two pulses"
        self.high, self.low = (self.high + 1, 0) if hv else (0, self.low + 1)
        assert self.high <= self.limits.longest_pulse, f"hv is high for {self.high} cycles"
        if hv:
            pulsed = seen["mask"].bit_count()
            assert 1 <= pulsed <= self.limits.pulsed_at_once, f"{pulsed} devices are pulsed at once"
            assert seen["operation"] != Operation.READ.value
            assert seen["masked"]
        if hv or before["hv"]:
            moved = [line for line in LINES if seen[line] != before[line]]
            assert not moved, f"{moved} moved around a pulse"
        self.before, self.supplied = seen, supply_ok


class Bench:
    """Drives the controller cycle by cycle and compares each with what was foretold."""

    def __init__(self, dut: Any, block: ArrayController, seed: int) -> None:
        self.dut, self.block, self.source = dut, block, random.Random(seed)
        self.arrays = Arrays(block, self.source)
        self.interlocks = Interlocks(block.limits)
        self.timing = {"precharge": 0, "sense": 1}
        self.supply = True
        self.lines: Iterator[Line] = iter(())
        self.done = Counter(reads=0, trains=0, pulses=0, read_back=0, failed=0)
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

    def read_back(self, order: dict[str, Any]) -> Iterator[Line]:
        """A host's read; the lengths are those in force in the cycle before each phase."""
        place = (order["group"], order["tile"], order["row"])
        where = {"group": place[0], "tile": place[1], "row": place[2], "masked": 1}
        address = {**where, "operation": Operation.READ.value, "mask": self.arrays.full}
        for _ in range(self.length("precharge")):
            yield Line(address=address)
        for _ in range(self.length("sense")):
            yield Line(sen=1, address=address)
        for _ in range(READBACK_LATENCY):
            yield Line(address=address)
        self.done["read_back"] += 1
        yield Line(free=True, answer={"read_bits": self.arrays.shown(self.arrays.words[place], self.arrays.full)})

    def train(self, order: dict[str, Any]) -> Iterator[Line]:
        """A host's pulses, part by part of the row, until the supply fails or a pulse is too long, or is none."""
        pulse, most = order["pulse"], self.block.limits.pulsed_at_once
        where = {name: order[name] for name in ("group", "tile", "row")} | {"masked": 1}
        where |= {"operation": pulse["operation"], "side": pulse["side"]}
        setup, length, count = (max(1, pulse[name]) for name in ("setup", "length", "count"))
        failed = False
        for start in range(0, self.block.columns, most):
            part = order["bits"] & (((1 << most) - 1) << start)
            for _ in range(count if part else 1):
                line = Line(amplitude=pulse["amplitude"], address={**where, "mask": part})
                for _ in range(setup):
                    yield line
                failed = not self.supply or pulse["operation"] == Operation.READ.value
                cycles = length if part and not failed else 0
                for cycle in range(1, cycles + 1):
                    yield replace(line, hv=1)
                    failed = not self.supply or (cycle == self.block.limits.longest_pulse and cycle < length)
                    if failed:
                        break
                self.done["pulses"] += cycles > 0
                yield line
                if failed:
                    break
            if failed:
                break
        self.done.update(trains=1, failed=int(failed))
        yield Line(free=True, answer={"failed": int(failed)})

    def host(self, order: dict[str, Any]) -> Iterator[Line]:
        return self.train(order) if order["command"] == Command.PULSE.value else self.read_back(order)

    def random_reads(self, count: int) -> deque[dict[str, int]]:
        return deque(
            {"group": self.source.randrange(self.block.groups), "row": self.source.randrange(self.block.rows)}
            for _ in range(count)
        )

    def random_pulse(self) -> dict[str, int]:
        """A train; now and then of READ, which is no pulse, or of pulses that are as long as they may be, or longer."""
        longest = self.block.limits.longest_pulse
        length = self.source.choice((0, 1, 2, 5, longest - 1, longest, longest + 1) if longest < 50 else (0, 1, 2, 5))
        return {
            "operation": self.source.choices(list(Operation), (1, 4, 4, 4))[0].value,
            "side": self.source.choice(list(Side)).value,
            "amplitude": self.source.randint(0, 255),
            "setup": self.source.randint(0, 3),
            "length": length,
            "count": self.source.randint(0, 3),
        }

    def orders(self, places: list[tuple[int, int, int]], command: Command | None = None) -> deque[dict[str, Any]]:
        """Host commands on these rows, random ones where none is given."""
        chosen: deque[dict[str, Any]] = deque()
        full = self.arrays.full
        for group, tile, row in places:
            kind = command or self.source.choice(list(Command))
            bits = self.source.choice((full, self.source.getrandbits(self.block.columns), 0, 1))
            where = {"group": group, "tile": tile, "row": row}
            chosen.append({**where, "command": kind.value, "pulse": self.random_pulse(), "bits": bits})
        return chosen

    def random_places(self, count: int) -> list[tuple[int, int, int]]:
        return self.source.choices(self.arrays.places, k=count)

    async def run(
        self,
        reads: deque[dict[str, int]],
        orders: deque[dict[str, Any]],
        stall: tuple[Stall, Stall] = (never, never),
        change: Stall = never,
        outage: Stall = never,
    ) -> int:
        """Give all reads and host commands, pausing where `stall` says so; with `change`, timing changes on the way,
        and so does whatever stands on the payload of a command that was taken; with `outage` the supply fails. Returns
        the cycles that it took, until the lines are at rest.
        """
        dut, cycles = self.dut, 0
        read: dict[str, int] | None = None
        order: dict[str, Any] | None = None
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
                self.set_timing(precharge=self.source.randint(0, 3), sense=self.source.randint(0, 3))
                if order is None:
                    dut.host__payload.value = self.source.getrandbits(self.host_layout.size)
            self.supply = not outage()
            dut.supply_ok.value = int(self.supply)
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
        return cycles

    def check(self, line: Line) -> None:
        """Compare this cycle with `line`, and let the arrays see it."""
        dut = self.dut
        seen = {name: int(getattr(dut, name).value) for name in ("hv", "sen", *LINES)}
        self.interlocks.check(seen, self.supply)
        got = (seen["hv"], seen["sen"], int(dut.sampled.value), int(dut.done.value), seen["amplitude"])
        expected = (line.hv, line.sen, line.sampled, int(line.answer is not None), line.amplitude)
        assert got == expected, f"hv, sen, sampled, done, amplitude: expected {expected}, got {got}"
        wrong = {name: seen[name] for name, value in line.address.items() if seen[name] != value}
        assert not wrong, f"expected {line.address}, got {wrong}"
        for name, right in (line.answer or {}).items():
            answer = int(getattr(dut, name).value)
            assert answer == right, f"{name}: expected {right}, got {answer}"
        dut.q.value = self.arrays.cycle(seen)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def controller(dut: Any) -> None:
    task = job.load()
    seed, block = task["seed"], job.block(ArrayController, task["block"])
    dut.read__valid.value = dut.host__valid.value = dut.q.value = dut.supply_ok.value = 0
    dut.read__payload.value = dut.host__payload.value = 0
    bench = Bench(dut, block, seed)
    bench.set_timing()
    await clocking.start(dut)
    cycles = 0
    random_stalls = (stalls(seed, STALL_PROBABILITY), stalls(seed + 1, STALL_PROBABILITY))
    rare_stalls = (stalls(seed + 2, STALL_PROBABILITY), stalls(seed + 3, 0.9))

    # Every row, pulsed and then read back, while reads are waiting.
    for command in Command:
        cycles += await bench.run(bench.random_reads(4), bench.orders(bench.arrays.places, command))
    for precharge, sense in itertools.product(range(4), range(4)):
        bench.set_timing(precharge=precharge, sense=sense)
        # At full rate: the cycles of all reads, one to take the first, and one to see that the lines are at rest.
        took = await bench.run(bench.random_reads(20), deque())
        assert took == 20 * (precharge + max(1, sense)) + 2, f"20 reads of {precharge} + {sense} took {took} cycles"
        cycles += took
        cycles += await bench.run(bench.random_reads(20), deque(), random_stalls)
        cycles += await bench.run(bench.random_reads(20), bench.orders(bench.random_places(4)), rare_stalls)
    bench.set_timing(**LONG)
    (order,) = bench.orders(bench.random_places(1), Command.PULSE)
    order["pulse"] |= LONG_PULSE | {"length": min(LONG_PULSE["length"], block.limits.longest_pulse)}
    cycles += await bench.run(bench.random_reads(2), deque([order | {"bits": 1}]))
    for chance in (0.002, 0.02, 0.2):
        orders, outage = bench.orders(bench.random_places(30)), stalls(seed + 4, chance)
        cycles += await bench.run(bench.random_reads(40), orders, random_stalls, stalls(seed + 5, 0.5), outage)
    job.answer({**bench.done, "cycles": cycles})
