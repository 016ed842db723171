"""Bench of the accelerator's edges: packets of wrong length, orders that make no sense, resets, changes while it runs.

Job: as `sim.edges` takes it. Answer: `cycles` per image with precharge 2 and sense 3.
"""

import itertools
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiResp

from hdl.programming import HostCommand
from hdl.registers import ADDRESS, DATA_WORDS, Register
from sim import clocking, job
from sim.dialogue import CONFIGURING
from sim.edges import Edges, raw_write

FAILED, PACKET_ERROR, NO_SUPPLY, SUPPLY_LOST = 2, 4, 8, 16
COMMANDS = [command.value for command in HostCommand if command is not HostCommand.NONE]
ON_NUMBERS = [HostCommand.WRITE_NUMBER.value, HostCommand.READ_NUMBER.value]
NO_COMMANDS = [0, max(COMMANDS) + 1, 16 | min(COMMANDS), 0x100 | min(COMMANDS), 1 << 31 | min(COMMANDS), 0xFFFF_FFFF]
READ_ONLY = [
    Register.ID,
    Register.VERSION,
    Register.LAYERS,
    Register.INPUT_BITS,
    Register.CLASSES,
    Register.ARRAY,
    Register.FAILURES,
    Register.RETRIES,
    Register.LIMITS,
    Register.CRC,
    Register.KEPT,
    Register.SPARES,
    Register.INVALID,
    Register.INVALID_ARRAY,
    Register.INVALID_TILE,
    Register.PROGRESS,
    Register.FAILED_ARRAY,
    Register.FAILED_ROW,
    Register.IMAGES_IN,
    Register.IMAGES_OUT,
]
SHORT_PULSES = 2 | 3 << 16
TURNS, QUICK_TURNS = 5, 21
"""Times that each change is made, of an array and of a number, and undone in between: odd, so that it is made in the
end.
"""
SETTLED = 8
"""So many of the last results come at the pace of the slowest part."""

test = cocotb.test(timeout_time=1, timeout_unit="ms")


@test
async def packets_of_wrong_length_are_dropped_whole(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, good, right = edges.host, edges.task["beats"], edges.task["stages"][0]
    length = len(good[0])
    await edges.check()
    assert await host.read(Register.STATUS) == 0
    images = len(good)
    wrong = [count for count in (1, length - 1, length + 1, 2 * length, 2 * length + 1) if count not in (0, length)]
    for count in wrong:
        await edges.send([(good[1] * 3)[:count]])
        await edges.expect([])
        for harmless in (0, 0xFFFF_FFFF & ~PACKET_ERROR):
            await host.write(Register.STATUS, harmless)
            assert await host.read(Register.STATUS) == PACKET_ERROR
        await host.write(Register.STATUS, PACKET_ERROR)
        assert await host.read(Register.STATUS) == 0
        await edges.send([good[0]])
        await edges.expect([right[0]])
        images += 1
        assert await host.read(Register.STATUS) == 0
    # Wrong and right ones without a gap between them.
    mixed = [
        packet for number, packet in enumerate(good) for packet in ((good[0] * 3)[: wrong[number % len(wrong)]], packet)
    ]
    await edges.send(mixed)
    await edges.expect(right)
    images += len(good)
    assert await host.read(Register.STATUS) == PACKET_ERROR
    assert await host.read(Register.IMAGES_IN) == await host.read(Register.IMAGES_OUT) == images


@test
async def commands_that_make_no_sense_are_refused(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, layers, rows = edges.host, edges.task["layers"], edges.task["rows"]
    assert await edges.intact()
    on_rows, on_numbers = [command for command in COMMANDS if command not in ON_NUMBERS], ON_NUMBERS
    nowhere = [(layer, 0, 0, 0, COMMANDS) for layer in (len(layers), 0x100, 0xFFFF)]
    for layer, (groups, tiles, lanes, numbers) in enumerate(layers):
        nowhere += [(layer, group, 0, 0, on_rows) for group in (groups, 0x100, 0xFFFF)]
        nowhere += [(layer, 0, tile, 0, on_rows) for tile in (tiles, 0x100, 0xFFFF)]
        of_one_row = [command for command in on_rows if command != HostCommand.SCRUB.value]
        nowhere += [(layer, 0, 0, row, of_one_row) for row in (rows, 0x1000, 0xFFFF)]
        nowhere += [(layer, lane, 0, 0, on_numbers) for lane in (lanes, 0x100, 0xFFFF)]
        nowhere += [(layer, 0, 0, number, on_numbers) for number in (numbers, 0xFFFF)]
        nowhere.append((layer, 0, 0, 0, NO_COMMANDS))
    for word in range(edges.task["data_words"]):
        await host.write(Register.DATA + 4 * word, 0xFFFF_FFFF ^ word)
    for layer, group, tile, index, commands in nowhere:
        await host.address(layer, group, tile)
        await host.write(Register.INDEX, index)
        before = await edges.registers(Register.IMAGES_IN, Register.IMAGES_OUT)
        for command in commands:
            await edges.refused(Register.COMMAND, command)
        assert await edges.registers(Register.IMAGES_IN, Register.IMAGES_OUT) == before
        assert await host.read(Register.STATUS) == 0
    # A number is in no tile.
    await host.address(0, 0, 0xFFFF)
    await host.get(HostCommand.READ_NUMBER, 0, 1)
    assert await edges.intact()
    await edges.check()


@test
async def a_command_under_way_is_left_alone(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, change = edges.host, edges.task["changes"][0]
    assert change["array"]
    await host.write(Register.PULSES, 500 | 500 << 16)
    await edges.start_programming(change)
    data = range(Register.DATA, Register.DATA + 4 * edges.task["data_words"], 4)
    before = await edges.registers()
    for command in COMMANDS:
        await edges.refused(Register.COMMAND, command)
    for address in (*ADDRESS, *CONFIGURING, *data):
        await edges.refused(address, 0x5555)
    assert await edges.registers() == before
    assert await host.read(Register.STATUS) == 1
    while await host.read(Register.STATUS):
        pass
    assert await host.get(HostCommand.READ_ROW, change["index"], change["width"]) == change["new"]
    await edges.check(1)
    await edges.put(change, "old")
    assert await edges.intact()


@test
async def addresses_without_a_register_are_refused(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host = edges.host
    await edges.check()
    data = {Register.DATA + 4 * word for word in range(edges.task["data_words"])}
    columns = [Register.FAILED_COLUMNS + 4 * word for word in range(-(-edges.task["columns"] // 32))]
    read_only, write_only = {*READ_ONLY, *columns}, {Register.COMMAND, Register.UNLOCK}
    registers = {int(register) for register in Register} | data | read_only
    around = {*range(0, 0xB0, 4), *range(0x1F0, 0x210, 4), max(data) + 4, Register.DATA + 4 * DATA_WORDS, 0xFFC}
    around.add(max(columns) + 4)
    around |= {address | 1 << bit for address in registers for bit in range(6, 12)}
    before = await edges.registers(*READ_ONLY)
    for address in sorted(around - registers):
        await edges.refused(address)
        await edges.refused(address, 0xFFFF_FFFF)
    for address in read_only:
        await edges.refused(address, 0xFFFF_FFFF)
    for address in write_only:
        await edges.refused(address)
    assert await edges.registers(*READ_ONLY) == before
    assert await host.read(Register.IMAGES_OUT) == len(edges.task["beats"])
    for address in registers - write_only:
        await host.read(address)
    assert await edges.intact()


@test
async def byte_strobes_are_honoured(dut: Any) -> None:
    for name in ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arprot", "arvalid"):
        getattr(dut, f"s_axil_{name}").value = 0
    dut.s_axil_rready.value = 0
    await clocking.start(dut)
    for strobes, answer in ((0b0000, AxiResp.OKAY), (0b1110, AxiResp.SLVERR)):
        assert await raw_write(dut, Register.COMMAND, HostCommand.READ_NUMBER.value, strobes) == answer
    dut.s_axil_bready.value = 0
    edges = Edges(dut)
    host, first_word = edges.host, (1 << min(32, edges.task["data_bits"])) - 1
    assert await host.read(Register.STATUS) == 0
    for address, kept in ((Register.PULSES, -1), (Register.EXPECTED, -1), (Register.DATA, first_word)):
        await host.write(address, 0x1122_3344)
        for first, size in ((0, 1), (1, 1), (2, 1), (3, 1), (0, 2), (1, 2), (2, 2), (1, 3)):
            expected = bytearray((await host.read(address)).to_bytes(4, "little"))
            new = bytes(0xA0 + 4 * first + byte for byte in range(size))
            expected[first : first + size] = new
            answer = await host.master.write(address + first, new)
            assert answer.resp == AxiResp.OKAY
            assert await host.read(address) == int.from_bytes(expected, "little") & kept
    await host.write(Register.LAYER, 0xFFFF_0001)
    assert await host.read(Register.LAYER) == 1


@test
async def memories_change_between_images(dut: Any) -> None:
    """Each change is made, undone and made again at any time of an image; each image sees either all of it or nothing.
    The changes go from the last layer to the first, so that no image meets a later one before an earlier one.
    """
    edges = await Edges.begin(dut)
    host, packets, stages, changes = edges.host, edges.task["beats"], edges.task["stages"], edges.task["changes"]
    await host.write(Register.PULSES, SHORT_PULSES)
    sent, stop = 0, False

    async def keep_sending() -> None:
        nonlocal sent
        while not stop:
            await edges.send(packets)
            sent += len(packets)

    source = cocotb.start_soon(keep_sending())
    await ClockCycles(dut.clk, edges.drain)
    seen = [0]  # results before each change
    for number, change in enumerate(changes):
        put = edges.put_array if change["array"] else edges.put
        turns, pause = (TURNS, 37) if change["array"] else (QUICK_TURNS, 7)
        for turn in range(turns):
            await put(change, ("new", "old")[turn % 2])
            await ClockCycles(dut.clk, pause * turn + 5 * number)
        await ClockCycles(dut.clk, edges.drain)
        assert len(edges.results) > seen[-1]
        seen.append(len(edges.results))
    stop = True
    await source
    await edges.send(packets)
    sent += len(packets)
    await ClockCycles(dut.clk, edges.drain)
    assert len(edges.results) == sent
    assert await host.read(Register.IMAGES_IN) == await host.read(Register.IMAGES_OUT) == sent
    assert edges.results[0] == stages[0][0]
    assert edges.results[-len(packets) :] == stages[-1]
    for number, (before, after) in enumerate(itertools.pairwise(stages)):
        for image in range(seen[number], seen[number + 1]):
            right = before[image % len(packets)], after[image % len(packets)]
            assert edges.results[image] in right, f"image {image} gave {edges.results[image]}, which is none of {right}"
    for change in reversed(changes):
        await edges.put(change, "old")
    edges.results.clear()
    await edges.check()


@test
async def images_wait_for_a_command_on_their_layer(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, packets, task = edges.host, edges.task["beats"], edges.task
    change = next(each for each in task["changes"] if each["array"] and each["layer"] == 0)
    await host.write(Register.PULSES, SHORT_PULSES)
    await host.address(0, change["group"], change["tile"])
    await host.start(HostCommand.PROGRAM_ARRAY, 0)
    await edges.send(packets[:1])
    await ClockCycles(dut.clk, edges.drain)
    assert not edges.results
    await host.send_rows(change["words"], change["width"])
    assert await host.end()
    await edges.expect(task["stages"][0][:1])


@test
async def a_reset_forgets_the_images_under_way_and_nothing_else(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, packets, change = edges.host, edges.task["beats"], edges.task["changes"][0]
    fresh = await edges.registers(Register.IMAGES_IN, Register.IMAGES_OUT)
    for cycles in (1, 2, 5, 8, 13, 24, 39, 61):
        source = cocotb.start_soon(edges.send(packets))
        await ClockCycles(dut.clk, cycles)
        source.cancel()
        await edges.reset()
        await edges.check()
        assert await host.read(Register.IMAGES_IN) == await host.read(Register.IMAGES_OUT) == len(packets)
    # In each step of a row's programming; the row has to be programmed once more.
    for cycles in (0, 1, 2, 5, 8, 11, 15, 20):
        await host.write(Register.PULSES, SHORT_PULSES)
        await edges.start_programming(change)
        await ClockCycles(dut.clk, cycles)
        await edges.reset()
        assert await edges.registers(Register.IMAGES_IN, Register.IMAGES_OUT) == fresh
        await edges.put(change, "old")
        assert await edges.intact()
        await edges.check()


@test
async def pins_tell_what_goes_on(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, change, packets = edges.host, edges.task["changes"][0], edges.task["beats"]
    await ClockCycles(dut.clk, edges.drain)
    assert int(dut.idle.value)
    # From the first beat to the last result, alone and one behind the other.
    for sent in (packets[:1], packets):
        source = cocotb.start_soon(edges.send(sent))
        await RisingEdge(dut.s_axis_tvalid)
        await ClockCycles(dut.clk, 2)
        while len(edges.results) < len(sent):
            assert not int(dut.idle.value), f"idle with {len(edges.results)} of {len(sent)} results"
            await RisingEdge(dut.clk)
        await source
        await ClockCycles(dut.clk, edges.drain)
        assert int(dut.idle.value)
        edges.results.clear()
    await edges.send([packets[0] * 2])  # dropped
    await ClockCycles(dut.clk, edges.drain)
    assert int(dut.idle.value)
    await host.write(Register.STATUS, PACKET_ERROR)

    await host.write(Register.PULSES, 20 | 30 << 16)
    await host.write(Register.AMPLITUDES, 5 << 8 | 9 << 16)
    await host.write(Register.IRQ_ENABLE, 2)
    for drops in (False, True):
        await edges.start_programming(change)
        codes = set()
        while await host.read(Register.STATUS) & 1:
            assert not int(dut.idle.value)
            codes.add(int(dut.amplitude.value))
            if drops and codes & {5, 9}:
                dut.supply_ok.value = 0
        assert codes & {5, 9}
        assert codes <= {0, 5, 9}
        assert await host.read(Register.STATUS) == (NO_SUPPLY | SUPPLY_LOST | FAILED) * drops
        assert int(dut.irq.value) == drops
        assert not int(dut.amplitude.value)
    await edges.refused(Register.COMMAND, HostCommand.PROGRAM_ROW.value)
    dut.supply_ok.value = 1
    await edges.put(change, "old")
    await host.write(Register.IRQ_STATUS, 3)
    await ClockCycles(dut.clk, edges.drain)
    assert int(dut.idle.value)
    assert not int(dut.irq.value)
    assert await edges.intact()


@test
async def slow_arrays_are_waited_for(dut: Any) -> None:
    edges = await Edges.begin(dut)
    host, packets, right = edges.host, edges.task["beats"], edges.task["stages"][0]
    for precharge, sense in ((0, 0), (1, 1), (2, 3)):
        await host.write(Register.READ_TIMING, precharge | sense << 8)
        edges.drain = 8 * (precharge + max(1, sense)) * edges.task["reads"] + 50
        await edges.check()
    cycles = (edges.ends[-1] - edges.ends[-1 - SETTLED]) / SETTLED
    # Changed while images are under way.
    source = cocotb.start_soon(edges.send(packets))
    for timing in (0 | 1 << 8, 3 | 1 << 8, 0 | 4 << 8, 1 | 1 << 8, 0 | 1 << 8):
        await host.write(Register.READ_TIMING, timing)
    await source
    await edges.expect(right)
    job.answer({"cycles": cycles})
