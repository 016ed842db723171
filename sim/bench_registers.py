"""Bench of the registers and what their commands do: a host with AXI4-Lite and a stream of rows, layers played here.

Each layer's devices are those of `sim.device_rows`; every order that a layer gets, and everything that the host can
read afterwards, is compared with what was foretold for the same devices.

Job: `block`, the members of the registers; `seed`. Answer: counts of what was done.
"""

import copy
import random
from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiResp
from cocotbext.axi.axil_channels import AxiLiteAWTransaction, AxiLiteWTransaction

from hdl.arrays.array import Operation, Side
from hdl.arrays.host_access import LayerCommand, host_layout
from hdl.arrays.programmer import CONFIGURATION
from hdl.programming import FAILURES, HostCommand
from hdl.registers import ADDRESS_WIDTH, AT_LEAST_ONE, KEY, HostRegisters, Register
from model.signatures import contents_crc32
from sim import clocking, job
from sim.device_rows import STRONGEST, Devices, Foretold, Order, Place, settings_of
from sim.host import MISMATCH, Host, Refused
from sim.streams import stalls

NO_SUPPLY, SUPPLY_LOST, TOO_LONG, UNSTABLE, BAD_PACKET, UNLOCKED = (1 << bit for bit in range(3, 9))
FAILED, PACKET_ERROR = 2, 4
OVERFLOW = 1 << 31
LOCK = 1 << 31
STUCK, WEAK = 0.05, 0.05
ON_ROWS = (HostCommand.PROGRAM_ROW, HostCommand.READ_ROW, HostCommand.FORM_ROW, HostCommand.VERIFY_ROW)
COMMANDS = 60
"""Commands on rows in the long test."""
WRITERS = (HostCommand.PROGRAM_ROW, HostCommand.FORM_ROW, HostCommand.PROGRAM_ARRAY)

test = cocotb.test(timeout_time=300, timeout_unit="us")
counts: Counter[str] = Counter()


class Layer:
    """Plays layer `number`: takes its orders, moves its devices, and answers with rubbish around what counts."""

    def __init__(self, bench: "Bench", number: int) -> None:
        self.bench, self.number, self.source = bench, number, bench.source
        size = bench.block.layers[number]
        self.devices = Devices(bench.block.columns, size.ternary, self.source)
        self.size, self.orders = size, list[Order]()
        self.numbers = {(lane, index): 0 for lane in range(size.lanes) for index in range(size.numbers)}
        self.pulses = 0
        self.cuts: dict[str, int] = {}
        self.layout: Any = host_layout(bench.block.host_width)
        for group in range(size.groups):
            for tile in range(size.tiles):
                for row in range(bench.block.rows):
                    self.devices.add((group, tile, row), STUCK, WEAK)

    def port(self, name: str) -> Any:
        return getattr(self.bench.dut, f"{name}{self.number}")

    def answer(self, done: int, failed: int, bits: int) -> None:
        self.port("done").value, self.port("failed").value, self.port("read_bits").value = done, failed, bits

    def rubbish(self) -> None:
        width = self.bench.block.host_width
        self.answer(0, self.source.getrandbits(1), self.source.getrandbits(width))

    async def play(self) -> None:
        clk, ready = self.bench.dut.clk, getattr(self.bench.dut, f"host{self.number}__ready")
        valid = getattr(self.bench.dut, f"host{self.number}__valid")
        ready.value = self.port("amplitude").value = 0
        self.port("resting").value = 1
        between = False  # more orders of this command must come
        while True:
            self.rubbish()
            taking = self.source.random() < 0.5
            ready.value = int(taking)
            await RisingEdge(clk)
            assert not between or int(self.port("claim").value), "a layer is not claimed between two orders"
            if not (taking and int(valid.value)):
                continue
            ready.value = 0
            claimed = bool(int(self.port("claim").value))
            assert claimed != self.bench.scrubs, "a layer is claimed for scrubbing, or not claimed by other orders"
            payload = self.layout.from_bits(int(getattr(self.bench.dut, f"host{self.number}__payload").value))
            between = await self.obey(payload)

    async def obey(self, payload: Any) -> bool:
        """Do what an order says; whether others must follow it."""
        clk, command = self.bench.dut.clk, LayerCommand(payload.command)
        place = (int(payload.group), int(payload.tile), int(payload.index))
        failed = found = 0
        pulses = command is LayerCommand.PULSE_ROW
        if pulses:
            self.orders.append(Order(command, place, settings_of(payload.pulse), int(payload.bits)))
            self.port("amplitude").value = int(payload.pulse.amplitude)
            failed = int(self.pulses in self.cuts.values())
            self.bench.dut.supply_ok.value = int(not failed or "too_long" in self.cuts)
            self.pulses += 1
            operation, side = Operation(payload.pulse.operation), Side(payload.pulse.side)
            if not failed:
                self.devices.pulse(place, operation, side, int(payload.pulse.amplitude), int(payload.bits))
        elif command is LayerCommand.READ_ROW:
            self.orders.append(Order(command, place))
            found = self.devices.read(place)
        elif command is LayerCommand.WRITE_NUMBER:
            self.numbers[place[0], place[2]] = int(payload.bits)
        else:
            found = self.numbers[place[0], place[2]]
        for _ in range(self.source.randint(1, 4)):
            self.rubbish()
            await RisingEdge(clk)
            right = int(payload.pulse.amplitude) if pulses else 0
            assert int(self.bench.dut.amplitude.value) == right, "the DAC does not get the layer's amplitude"
            assert not int(self.bench.dut.resting.value), "at rest within a command"
        rubbish = self.source.getrandbits(self.bench.block.host_width)
        self.answer(1, failed, found if not pulses else rubbish)
        self.port("amplitude").value = 0
        if "blip" in self.cuts:
            self.bench.dut.supply_ok.value = 1
        await RisingEdge(clk)
        return pulses and not failed


class Bench:
    """The registers between their host and their layers."""

    def __init__(self, dut: Any) -> None:
        task = job.load()
        self.dut, self.block = dut, job.block(HostRegisters, task["block"])
        self.source = random.Random(task["seed"])
        self.host = Host(dut, "axil_", "prog__")
        self.layers = [Layer(self, number) for number in range(len(self.block.layers))]
        self.settings = {str(name): 0 for name, _ in CONFIGURATION}
        self.failures = self.retries = 0
        self.scrubs = False
        self.failed: list[tuple[int, Place]] = []

    @classmethod
    async def begin(cls, dut: Any) -> "Bench":
        for name in ("image_in", "image_out", "wrong_packet"):
            getattr(dut, name).value = 0
        bench = cls(dut)
        await clocking.start(dut)
        for layer in bench.layers:
            cocotb.start_soon(layer.play())
        await bench.configure()
        return bench

    @property
    def arrays(self) -> list[int]:
        """The layers that have arrays."""
        return [number for number, size in enumerate(self.block.layers) if size.groups]

    async def configure(self, **settings: int) -> None:
        """Random settings but for those that are given, so that nearly all devices can be programmed."""
        pick = self.source.randint
        drawn = {f"{name}_pulse": pick(0, 3) and pick(0, 500) for name in ("form", "set", "reset")}
        drawn |= {f"{name}_count": pick(0, 3) and pick(0, 255) for name in ("form", "set", "reset")}
        drawn |= {f"{name}_amplitude": pick(0, STRONGEST + 2) for name in ("form", "set", "reset")}
        drawn |= {f"{name}_step": pick(0, 3) for name in ("form", "set", "reset")}
        drawn |= {"setup": pick(0, 500), "retries": pick(0, 4), "verify_first": pick(0, 1), "read_twice": pick(0, 1)}
        now = drawn | settings
        self.settings = now | {name: max(1, value) for name, value in now.items() if name in AT_LEAST_ONE}
        each = [
            sum(now[f"{name}_{kind}"] << 8 * place for place, name in enumerate(("form", "set", "reset")))
            for kind in ("count", "amplitude", "step")
        ]
        await self.host.write(Register.PULSES, now["set_pulse"] | now["reset_pulse"] << 16)
        await self.host.write(Register.FORM_PULSE, now["form_pulse"] | now["setup"] << 16)
        for register, value in zip((Register.COUNTS, Register.AMPLITUDES, Register.STEPS), each, strict=True):
            await self.host.write(register, value)
        control = now["retries"] | now["verify_first"] << 8 | now["read_twice"] << 9
        await self.host.write(Register.CONTROL, control)

    def word(self, layer: int) -> int:
        """Something to program; ternary, at most one device of each cell is to be in low resistance."""
        width, columns = self.layers[layer].devices.width, self.block.columns
        word = self.source.choice((0, self.source.getrandbits(width), self.source.getrandbits(width)))
        return word & ~(word << columns) & ((1 << width) - 1) if width > columns else word

    def place(self) -> tuple[int, Place]:
        layer = self.source.choice(self.arrays)
        return layer, self.source.choice(list(self.layers[layer].devices.rows))

    def foretell(self, layer: int, cuts: dict[str, int]) -> Foretold:
        """What comes, on a copy of the devices; a command's orders are counted from here. `cuts`: the pulse that is
        cut because it is `too_long`, or as the supply fails for the time of this pulse (`blip`) or longer (`drop`).
        """
        player = self.layers[layer]
        player.orders.clear()
        player.pulses, player.cuts = 0, cuts
        return Foretold(copy.deepcopy(player.devices), self.settings, next(iter(cuts.values()), None))

    @staticmethod
    def reason(future: Foretold, cuts: dict[str, int]) -> int:
        """What STATUS tells of a pulse that was cut."""
        reasons = {"too_long": TOO_LONG, "blip": SUPPLY_LOST, "drop": SUPPLY_LOST | NO_SUPPLY}
        return reasons[next(iter(cuts))] if future.cut else 0

    def account(self, layer: int, place: Place, future: Foretold) -> None:
        """A row has failed."""
        self.failures += 1
        if len(self.failed) < FAILURES:
            self.failed.append((layer, place))
        self.wrong = future.wrong

    async def check_results(self, layer: int, future: Foretold, failed: int, why: int) -> None:
        """Orders, devices and all registers that tell what came of a command."""
        player = self.layers[layer]
        assert player.orders == future.orders, first_difference(player.orders, future.orders)
        assert player.devices.rows == future.devices.rows
        assert await self.host.read(Register.STATUS) == FAILED * failed | why
        assert await self.host.read(Register.FAILURES) == self.failures
        assert await self.host.read(Register.RETRIES) == self.retries
        if self.failures:
            assert await self.host.words(Register.FAILED_COLUMNS, self.block.columns) == self.wrong

    async def row(self, command: HostCommand, layer: int, place: Place, word: int, **cuts: int) -> None:
        """Run a command on a row and compare everything."""
        future = self.foretell(layer, cuts)
        right = future.run(command, place, word)
        self.retries += future.retries
        await self.host.address(layer, *place[:2])
        width = self.layers[layer].devices.width
        ended_well = await self.host.put(command, place[2], word, width)
        assert ended_well == right, f"{command} on {place} of layer {layer}: {ended_well}, not {right}"
        if not right and command is not HostCommand.READ_ROW:
            self.account(layer, place, future)
        why = UNSTABLE * future.unstable | self.reason(future, cuts)
        await self.check_results(layer, future, not right, why)
        assert await self.host.read(Register.PROGRESS) == 1 | (not right and command is not HostCommand.READ_ROW) << 16
        held = word if future.data is None else future.data
        assert await self.host.words(Register.DATA, width) == held
        counts.update({command.name: 1, "failed": not right, "retries": future.retries, "cut": future.cut})
        self.dut.supply_ok.value = 1

    async def array(
        self, layer: int, place: Place, rows: list[int], pause: float = 0.0, waiting: bool = False, **cuts: int
    ) -> None:
        """Program rows from `place` on through the stream, where they may be waiting, and compare everything."""
        future = self.foretell(layer, cuts)
        group, tile, first = place
        finished = bad = 0
        for number, word in enumerate(rows):
            right = future.run(HostCommand.PROGRAM_ARRAY, (group, tile, first + number), word)
            finished += 1
            bad += not right
            if not right:
                self.account(layer, (group, tile, first + number), future)
            if future.cut:
                break
        self.retries += future.retries
        width = self.layers[layer].devices.width
        await self.host.address(layer, group, tile)
        await self.host.start(HostCommand.PROGRAM_ARRAY, first)
        if not waiting:
            await self.host.send_rows(rows, width, stalls(self.source.getrandbits(30), pause))
        assert await self.host.end() == (not bad)
        await self.check_results(layer, future, bool(bad), self.reason(future, cuts))
        assert await self.host.read(Register.PROGRESS) == finished | bad << 16
        assert await self.host.words(Register.DATA, width) == rows[finished - 1]
        counts.update(arrays=1, rows=finished, failed=bad, retries=future.retries, cut=future.cut)
        self.dut.supply_ok.value = 1

    async def catch_up(self) -> None:
        """Take over from the registers what nobody foretold."""
        self.failures, self.retries = await self.host.read(Register.FAILURES), await self.host.read(Register.RETRIES)
        self.wrong = await self.host.words(Register.FAILED_COLUMNS, self.block.columns)

    async def refused(self, address: int, value: int | None = None) -> None:
        """A write of `value`, or a read, ends in SLVERR."""
        try:
            await (self.host.read(address) if value is None else self.host.write(address, value))
        except Refused:
            return
        raise AssertionError(f"{value} written to {address:#x} was accepted")

    async def take_failures(self) -> tuple[list[tuple[int, Place]], bool]:
        """Empty the list of failed rows: what was in it, and whether it had overflowed."""
        found = []
        count = await self.host.read(Register.FAILED_COUNT)
        for left in range(count & 0xFF, 0, -1):
            assert await self.host.read(Register.FAILED_COUNT) & 0xFF == left
            array, row = await self.host.read(Register.FAILED_ARRAY), await self.host.read(Register.FAILED_ROW)
            found.append((array & 0xFFFF, (array >> 16, row & 0xFFFF, row >> 16)))
            await self.host.write(Register.FAILED_COUNT, 0)
        await self.host.write(Register.FAILED_COUNT, 0)  # nothing is there: nothing happens
        assert await self.host.read(Register.FAILED_COUNT) == await self.host.read(Register.FAILED_ARRAY) == 0
        return found, bool(count & OVERFLOW)

    async def scrub(self, layer: int, place: Place, right: bool) -> None:
        """Read back the array of `place`, and compare everything."""
        group, tile, _ = place
        future, held = self.foretell(layer, {}), []
        for row in range(self.block.rows):
            future.run(HostCommand.READ_ROW, (group, tile, row), 0)
            assert future.data is not None
            held.append(future.data)
        crc = contents_crc32(held, self.layers[layer].devices.width)
        await self.host.address(layer, group, tile)
        self.scrubs, unstable = True, future.unstable
        ended_well = await self.host.scrub(crc if right else crc ^ 1 << self.source.randrange(32))
        self.scrubs = False
        assert ended_well == (right and not unstable)
        await self.check_results(layer, future, not ended_well, UNSTABLE * unstable | MISMATCH * (not right))
        assert await self.host.read(Register.CRC) == crc
        assert await self.host.read(Register.PROGRESS) == self.block.rows
        assert await self.host.words(Register.DATA, self.layers[layer].devices.width) == held[-1]
        counts.update(scrubbed=1, unstable=unstable)


def first_difference(found: list[Order], expected: list[Order]) -> str:
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"order {number}: expected {other}, got {one}"
    return f"{len(found)} orders, not {len(expected)}"


@test
async def rows_are_formed_programmed_verified_and_read(dut: Any) -> None:
    bench = await Bench.begin(dut)
    for number in range(COMMANDS):
        if number % 4 == 0:
            await bench.configure()
        command = ON_ROWS[number % len(ON_ROWS)]
        layer, place = bench.place()
        if command is HostCommand.FORM_ROW and bench.source.random() < 0.7:
            bench.layers[layer].devices.add(place, 0.01, pristine=True)
        elif command is HostCommand.VERIFY_ROW and bench.source.random() < 0.5:
            bench.layers[layer].devices.add(place)
            await bench.row(HostCommand.PROGRAM_ROW, layer, place, word := bench.word(layer))
            await bench.row(command, layer, place, word)
            continue
        await bench.row(command, layer, place, bench.word(layer))
    # Everything is right at the first attempt, and what is right needs no pulse.
    strong = {f"{name}_amplitude": STRONGEST for name in ("form", "set", "reset")}
    for verify_first in (0, 1):
        await bench.configure(**strong, verify_first=verify_first, retries=0)
        layer, place = bench.place()
        bench.layers[layer].devices.add(place)
        word = bench.word(layer)
        for _ in range(2):
            await bench.row(HostCommand.PROGRAM_ROW, layer, place, word)
        pulses = sum(order.columns > 0 for order in bench.layers[layer].orders)
        assert (pulses == 0) == bool(verify_first)
    # Amplitudes end at 255.
    await bench.configure(**dict.fromkeys(("set_amplitude", "reset_amplitude", "set_step"), 200), retries=3)
    layer, place = bench.place()
    bench.layers[layer].devices.add(place, stuck=0.9)
    await bench.row(HostCommand.PROGRAM_ROW, layer, place, bench.word(layer))


@test
async def arrays_are_scrubbed(dut: Any) -> None:
    bench = await Bench.begin(dut)
    for number in range(12):
        await bench.configure()
        layer, place = bench.place()
        await bench.scrub(layer, place, right=number % 4 != 3)


@test
async def arrays_are_programmed_from_packets(dut: Any) -> None:
    bench = await Bench.begin(dut)
    rows = bench.block.rows
    for number in range(12):
        await bench.configure()
        layer, (group, tile, first) = bench.place()
        if number % 3 == 0:
            first = 0
        count = rows - first if number % 3 < 2 else bench.source.randint(1, rows - first)
        words = [bench.word(layer) for _ in range(count)]
        await bench.array(layer, (group, tile, first), words, (0.0, 0.5, 0.98)[number % 3])
    found, overflow = await bench.take_failures()
    assert found == bench.failed[:FAILURES]
    assert overflow == (bench.failures > FAILURES)


@test
async def packets_of_wrong_length_fail_and_the_next_one_does_not(dut: Any) -> None:
    bench = await Bench.begin(dut)
    host, rows, source = bench.host, bench.block.rows, bench.source

    async def send(wrong: int, right: list[int], width: int) -> None:
        """A packet of beats that are no rows, and directly behind it one of rows."""
        await host.send_beats([source.getrandbits(32) for _ in range(wrong)])
        await host.send_rows(right, width)

    for layer in bench.arrays:
        devices = bench.layers[layer].devices
        beats = -(-devices.width // 32)
        place = (0, 0, 0)
        whole = beats * rows
        lengths = {1, beats - 1, beats + 1, whole - 1, whole + 1, whole + beats, 3 * whole}
        for wrong in sorted(each for each in lengths if each > whole or each % beats):
            await bench.configure(set_amplitude=STRONGEST, reset_amplitude=STRONGEST)
            for row in range(rows):
                devices.add((0, 0, row))
            await host.address(layer)
            await host.start(HostCommand.PROGRAM_ARRAY, 0)
            words = [bench.word(layer) for _ in range(rows)]
            sent = cocotb.start_soon(send(wrong, words, devices.width))
            assert not await host.end()
            assert await host.read(Register.STATUS) == FAILED | BAD_PACKET
            assert await host.read(Register.PROGRESS) & 0xFFFF == min(wrong // beats, rows)
            await bench.catch_up()
            await bench.array(layer, place, words, waiting=True)
            await sent
    # Rows that come before the command wait for it.
    layer = bench.arrays[0]
    dut.prog__tvalid.value = 1
    await ClockCycles(dut.clk, 5)
    assert not int(dut.prog__tready.value)


async def cut_within_a_row(bench: Bench, layer: int) -> None:
    """A command ends while the second row has come in part: what is left of its packet belongs to no other."""
    host, width = bench.host, bench.layers[layer].devices.width
    sent, ended = 0, False

    def stall() -> bool:
        nonlocal sent
        held = not ended and sent == -(-width // 32) + 1
        sent += not held
        return held

    await bench.configure(verify_first=0)
    bench.foretell(layer, {"too_long": 0})
    bench.layers[layer].devices.add((0, 0, 0))
    await host.address(layer)
    await host.start(HostCommand.PROGRAM_ARRAY, 0)
    words = [bench.word(layer) for _ in range(bench.block.rows)]
    packet = cocotb.start_soon(host.send_rows(words, width, stall))
    assert not await host.end()
    ended = True
    await packet
    await bench.catch_up()
    await bench.array(layer, (0, 0, 0), words)


@test
async def a_supply_that_fails_ends_a_command(dut: Any) -> None:
    bench = await Bench.begin(dut)
    host = bench.host
    dut.supply_ok.value = 0
    assert await host.read(Register.STATUS) == NO_SUPPLY
    layer, place = bench.place()
    await host.address(layer, *place[:2])
    for command in WRITERS:
        try:
            await host.start(command, place[2])
        except Refused:
            continue
        raise AssertionError(f"{command} was accepted without a supply")
    dut.supply_ok.value = 1
    for cut in ("too_long", "blip", "drop"):
        for number in range(6):
            await bench.configure(verify_first=number % 2)
            layer, place = bench.place()
            bench.layers[layer].devices.add(place, stuck=0.2)
            command = (HostCommand.PROGRAM_ROW, HostCommand.FORM_ROW)[number % 2]
            await bench.row(command, layer, place, bench.word(layer), **{cut: number})
            layer, place = bench.place()
            place = (*place[:2], 0)
            words = [bench.word(layer) for _ in range(bench.block.rows)]
            await bench.array(layer, place, words, (0.2, 0.9)[number % 2], False, **{cut: 2 * number})
    assert counts["cut"] >= 12
    for layer in bench.arrays:
        await cut_within_a_row(bench, layer)
    # Reads and verify reads need no supply.
    layer, place = bench.place()
    await host.address(layer, *place[:2])
    dut.supply_ok.value = 0
    future = bench.foretell(layer, {})
    assert await host.command(HostCommand.READ_ROW, place[2]) == future.run(HostCommand.READ_ROW, place, 0)


async def write_bytes(host: Host, address: int, value: int, strobes: int) -> bool:
    """Write the bytes whose strobe is high; whether that was answered OKAY."""
    port = host.master.write_if
    await port.aw_channel.send(AxiLiteAWTransaction(awaddr=address, awprot=0))
    await port.w_channel.send(AxiLiteWTransaction(wdata=value, wstrb=strobes))
    answer = await port.b_channel.recv()
    return AxiResp(int(answer.bresp)) is AxiResp.OKAY


async def fail(bench: Bench, rows: int) -> None:
    """Let some rows fail, so that there is something in all registers that tell of failures."""
    layer, place = bench.place()
    bench.layers[layer].devices.add(place, stuck=1.0)
    await bench.configure(retries=0, verify_first=1, read_twice=0)
    bench.wrong = 0
    while len(bench.failed) < rows:
        await bench.row(HostCommand.VERIFY_ROW, layer, place, bench.word(layer))


@test
async def a_write_without_strobes_does_nothing(dut: Any) -> None:
    bench = await Bench.begin(dut)
    host = bench.host
    await fail(bench, 3)
    dut.wrong_packet.value = 1
    await ClockCycles(dut.clk, 1)
    dut.wrong_packet.value = 0
    for register in (Register.IRQ_ENABLE, Register.TRUST, Register.EXPECTED):
        await host.write(register, 0xFFFF_FFFF)
    await host.write(Register.PROTECT, LOCK)
    layer, place = bench.place()
    await host.address(layer, *place[:2])
    await host.write(Register.INDEX, place[2])
    await host.write(Register.UNLOCK, KEY)

    words = [4 * word for word in range(-(-bench.block.host_width // 32))]
    readable = set(Register) - {Register.COMMAND, Register.UNLOCK} | {Register.DATA + word for word in words}

    async def everything() -> dict[int, int]:
        return {address: await host.read(address) for address in sorted(readable)}

    before = await everything()
    assert before[Register.STATUS] == FAILED | PACKET_ERROR | UNLOCKED
    assert before[Register.FAILED_COUNT] == before[Register.IRQ_STATUS] == 3
    for address in range(0, 1 << ADDRESS_WIDTH, 4):
        value = bench.source.choice((0, KEY, HostCommand.READ_ROW.value, HostCommand.FORM_ROW.value, 0xFFFF_FFFF))
        assert await write_bytes(host, address, value, 0), f"{address:#x}"
    assert await everything() == before
    # Nor is one refused while a command is under way, for which the unlock has held.
    await host.write(Register.COMMAND, HostCommand.FORM_ROW.value)
    for register in (Register.INDEX, Register.PULSES, Register.COMMAND, Register.DATA):
        assert await write_bytes(host, register, 0xFFFF_FFFF, 0)
    await host.end()
    assert await host.read(Register.INDEX) == place[2]


def fields(block: HostRegisters) -> dict[int, tuple[int, tuple[int, ...]]]:
    """Of each register that keeps what is written: its bits, and the fields in which 0 acts as 1."""
    whole, halves, bytes_ = 0xFFFF_FFFF, (0xFFFF, 0xFFFF_0000), (0xFF, 0xFF00, 0xFF_0000)
    kept: dict[int, tuple[int, tuple[int, ...]]] = {
        **dict.fromkeys((Register.LAYER, Register.GROUP, Register.TILE, Register.INDEX), (0xFFFF, ())),
        Register.READ_TIMING: (0xFFFF, (0xFF00,)),
        **dict.fromkeys((Register.PULSES, Register.FORM_PULSE), (whole, halves)),
        Register.COUNTS: (0xFF_FFFF, bytes_),
        **dict.fromkeys((Register.AMPLITUDES, Register.STEPS), (0xFF_FFFF, ())),
        Register.CONTROL: (0x3FF, ()),
        **dict.fromkeys((Register.PROTECT, Register.EXPECTED), (whole, ())),
        Register.IRQ_ENABLE: (3, ()),
        Register.TRUST: (1, ()),
    }
    width = block.host_width
    return kept | {Register.DATA + start // 8: ((1 << min(32, width - start)) - 1, ()) for start in range(0, width, 32)}


@test
async def bytes_whose_strobe_is_high_are_written_and_what_acts_is_read(dut: Any) -> None:
    bench = await Bench.begin(dut)
    host = bench.host
    for register, (bits, from_one) in fields(bench.block).items():
        unwritten = LOCK if register == Register.PROTECT else 0
        await host.write(register, 0)
        kept = 0
        for number in range(2 * 16):
            value = bench.source.choice((0, 0, bench.source.getrandbits(32), 0xFFFF_FFFF)) & ~unwritten
            strobes = number % 16
            written = sum(0xFF << 8 * lane for lane in range(4) if strobes >> lane & 1)
            assert await write_bytes(host, register, value, strobes)
            kept = (kept & ~written | value & written) & bits
            acts = kept | sum(field & -field for field in from_one if not kept & field)
            assert await host.read(register) == acts, f"{value:#x} with strobes {strobes:04b} in {register:#x}"
            if register == Register.READ_TIMING:
                assert int(dut.timing.value) == acts
    await host.address(0)

    await fail(bench, 15)
    dut.wrong_packet.value = 1
    await ClockCycles(dut.clk, 1)
    dut.wrong_packet.value = 0
    for strobes in (0b1110, 0b0001):
        low = strobes & 1
        await host.write(Register.UNLOCK, KEY)
        assert await write_bytes(host, Register.IRQ_STATUS, 1, strobes)
        assert await host.read(Register.IRQ_STATUS) == 3 - low
        assert await write_bytes(host, Register.STATUS, 0xFFFF_FFFF, strobes)
        assert await host.read(Register.STATUS) == FAILED | UNLOCKED | PACKET_ERROR * (not low)
    for strobes in range(1, 16):
        await host.write(Register.UNLOCK, KEY)
        assert await write_bytes(host, Register.UNLOCK, KEY, strobes)
        assert await host.read(Register.STATUS) & UNLOCKED == UNLOCKED * (strobes == 0b1111)
        assert await write_bytes(host, Register.FAILED_COUNT, 0, strobes)
        assert await host.read(Register.FAILED_COUNT) == 15 - strobes
        if not strobes & 1:  # a command that there is not
            await host.write(Register.UNLOCK, KEY)
            assert not await write_bytes(host, Register.COMMAND, HostCommand.READ_ROW.value, strobes)
            assert not await host.read(Register.STATUS) & UNLOCKED


@test
async def forming_needs_its_key_and_arrays_can_be_protected(dut: Any) -> None:
    bench = await Bench.begin(dut)
    host = bench.host
    layer, place = bench.place()
    await host.address(layer, *place[:2])
    await host.write(Register.INDEX, place[2])
    form = (Register.COMMAND, HostCommand.FORM_ROW.value)
    await bench.refused(*form)
    for wrong in (0, KEY ^ 1, KEY ^ 1 << 31, 0xFFFF_FFFF):
        await host.write(Register.UNLOCK, wrong)
        assert await host.read(Register.STATUS) == 0
        await bench.refused(*form)
    await host.write(Register.UNLOCK, KEY)
    assert await host.read(Register.STATUS) == UNLOCKED
    await host.write(*form)
    assert await host.read(Register.STATUS) & ~FAILED in (0, 1)
    await host.end()
    await bench.refused(*form)
    # Any other command locks, even one that is refused; and so does another value.
    for address, value in ((Register.COMMAND, HostCommand.READ_ROW.value), (Register.COMMAND, 0), (Register.UNLOCK, 0)):
        await host.write(Register.UNLOCK, KEY)
        try:
            await host.write(address, value)
        except Refused:
            assert value == 0
        await host.end()
        await bench.refused(*form)

    numbered = next(number for number, size in enumerate(bench.block.layers) if size.lanes * size.numbers)
    for protected in range(len(bench.layers)):
        await host.write(Register.PROTECT, 1 << protected)
        for number, other in enumerate(bench.layers):
            await host.address(number)
            await host.write(Register.INDEX, 0)
            commands = [*WRITERS[:2], HostCommand.VERIFY_ROW, HostCommand.READ_ROW] if other.size.groups else []
            commands += [HostCommand.WRITE_NUMBER, HostCommand.READ_NUMBER] if other.numbers else []
            for command in commands:
                await host.write(Register.UNLOCK, KEY)
                writes = command in WRITERS or command is HostCommand.WRITE_NUMBER
                if number == protected and writes:
                    await bench.refused(Register.COMMAND, command.value)
                else:
                    await host.write(Register.COMMAND, command.value)
                    await host.end()
    await host.address(bench.arrays[0])
    await host.write(Register.PROTECT, LOCK | 1 << bench.arrays[0])
    await bench.refused(Register.PROTECT, 0)
    assert await host.read(Register.PROTECT) == LOCK | 1 << bench.arrays[0]
    await bench.refused(Register.COMMAND, HostCommand.PROGRAM_ARRAY.value)
    await host.address(numbered)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await RisingEdge(dut.clk)
    assert await host.read(Register.PROTECT) == 0
    await host.address(bench.arrays[0])
    await host.write(Register.INDEX, 0)
    await bench.refused(*form)


@test
async def interrupts_tell_the_end_of_a_command_and_its_failure(dut: Any) -> None:
    bench = await Bench.begin(dut)
    host = bench.host
    layer, place = bench.place()

    async def run(command: HostCommand) -> None:
        await host.address(layer, *place[:2])
        await host.set_data(0, bench.layers[layer].devices.width)
        await host.command(command, place[2])

    for stuck, events in ((0.0, 1), (1.0, 3)):
        bench.layers[layer].devices.add(place, stuck)
        strong = {f"{name}_amplitude": STRONGEST for name in ("set", "reset")}
        for enabled in range(4):
            await bench.configure(**strong, retries=0)
            await host.write(Register.IRQ_ENABLE, enabled)
            assert not int(dut.irq.value)
            assert int(dut.resting.value)
            await run(HostCommand.PROGRAM_ROW)
            assert await host.read(Register.IRQ_STATUS) == events
            assert int(dut.irq.value) == bool(enabled & events)
            for clear in (1, 2):
                await host.write(Register.IRQ_STATUS, clear)
                events_left = events & ~clear & (3 if clear == 1 else 0)
                assert await host.read(Register.IRQ_STATUS) == events_left
                await ClockCycles(dut.clk, 2)
                assert int(dut.irq.value) == bool(enabled & events_left)
    # Not at rest while a command waits for its layer, nor while a layer is not.
    dut.resting0.value = 0
    await ClockCycles(dut.clk, 1)
    assert not int(dut.resting.value)


@test
async def a_full_list_of_failures_says_so(dut: Any) -> None:
    bench = await Bench.begin(dut)
    await bench.configure(retries=0, verify_first=1, read_twice=0)
    layer = bench.arrays[-1]
    for place in bench.layers[layer].devices.rows:
        bench.layers[layer].devices.add(place, stuck=1.0)
    places = sorted(bench.layers[layer].devices.rows)
    bench.wrong = 0
    while bench.failures <= FAILURES:
        place = places[bench.failures % len(places)]
        await bench.row(HostCommand.VERIFY_ROW, layer, place, bench.word(layer))
        full = bench.failures >= FAILURES
        assert await bench.host.read(Register.FAILED_COUNT) == min(bench.failures, FAILURES) | (
            OVERFLOW if full and bench.failures > FAILURES else 0
        )
    found, overflow = await bench.take_failures()
    assert found == bench.failed
    assert overflow
    job.answer(dict(counts))
