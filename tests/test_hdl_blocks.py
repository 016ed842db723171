"""Blocks in Amaranth's own simulator, where a placed child is an ordinary submodule: no Verilog, no other tool."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.arrays.array import Array, Operation, Side
from hdl.arrays.grid import Grid
from hdl.arrays.host_access import LayerCommand
from hdl.block import Hardware
from hdl.layers.collector import Collector
from hdl.layers.dense import Dense
from model import bits, images
from model.golden import infer
from model.mapping import Geometry
from model.network import DenseLayer
from model.plan import Fidelity, Plan
from model.random_network import random_network


def simulate(hardware: Hardware, bench: Callable[[Any], Awaitable[None]]) -> None:
    simulator: Any = Simulator(hardware)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


ROWS, COLUMNS = 3, 6
ONES = (1 << COLUMNS) - 1


async def pulse(ctx: Any, array: Any, row: int, operation: Operation, side: Side, x: int, cycles: int = 2) -> None:
    for port, value in (("row", row), ("operation", operation), ("side", side), ("x", x), ("hv", 1)):
        ctx.set(getattr(array, port), value)
    await ctx.tick().repeat(cycles)
    ctx.set(array.hv, 0)
    await ctx.tick()


async def sense(ctx: Any, array: Any, row: int, x: int) -> tuple[int, int]:
    """q and qb of a read."""
    for port, value in (("row", row), ("operation", Operation.READ), ("x", x), ("sen", 1)):
        ctx.set(getattr(array, port), value)
    await ctx.tick()
    ctx.set(array.sen, 0)
    found = ctx.get(array.q), ctx.get(array.qb)
    await ctx.tick()
    assert (ctx.get(array.q), ctx.get(array.qb)) == (ONES, ONES)  # precharged
    return found


def pulses(word: int, full: int) -> list[tuple[Operation, Side, int]]:
    """The two complementary pulses of each value, with the columns that they are for."""
    ones, zeros = word, ~word & full
    sets, resets = (Operation.SET, Operation.RESET)
    return [(sets, Side.BL, ones), (resets, Side.BLB, ones), (sets, Side.BLB, zeros), (resets, Side.BL, zeros)]


async def write(ctx: Any, array: Any, row: int, word: int) -> None:
    for operation, side, x in pulses(word, ONES):
        await pulse(ctx, array, row, operation, side, x)


def test_an_array_reads_the_xnor_of_what_was_programmed() -> None:
    array = Array(ROWS, COLUMNS).create()
    words = (0b110010, 0b001110, 0b101010)

    async def bench(ctx: Any) -> None:
        for row, word in enumerate(words):
            await write(ctx, array, row, word)
        for (row, word), x in itertools.product(enumerate(words), (0, ONES, 0b010011, 0b111000)):
            q, qb = await sense(ctx, array, row, x)
            assert q == ~(word ^ x) & ONES
            assert qb == q ^ ONES

    simulate(array, bench)


@pytest.mark.parametrize(
    ("operation", "side", "becomes"),
    [
        (Operation.SET, Side.BL, 1),
        (Operation.RESET, Side.BLB, 1),
        (Operation.SET, Side.BLB, 0),
        (Operation.RESET, Side.BL, 0),
    ],
)
@pytest.mark.parametrize("cycles", [1, 4])
def test_a_pulse_changes_the_pulsed_columns_of_its_row(
    operation: Operation, side: Side, becomes: int, cycles: int
) -> None:
    array = Array(ROWS, COLUMNS).create()
    word, x = 0b011001, 0b001011

    async def bench(ctx: Any) -> None:
        for row in range(ROWS):
            await write(ctx, array, row, word)
        await pulse(ctx, array, 1, operation, side, x, cycles)
        for row, expected in enumerate((word, word | x if becomes else word & ~x, word)):
            assert await sense(ctx, array, row, ONES) == (expected, expected ^ ONES)

    simulate(array, bench)


def test_a_ternary_weight_0_leaves_both_outputs_high() -> None:
    array = Array(ROWS, COLUMNS, ternary=True).create()
    low, low_b = 0b110010, 0b001010  # devices of low resistance on BL and on BLb; where both are, nothing is decided

    async def bench(ctx: Any) -> None:
        for row in range(ROWS):
            await pulse(ctx, array, row, Operation.RESET, Side.BL, ONES)
            await pulse(ctx, array, row, Operation.RESET, Side.BLB, ONES)
            assert await sense(ctx, array, row, 0b010101) == (ONES, ONES)
        await pulse(ctx, array, 1, Operation.SET, Side.BL, low)
        await pulse(ctx, array, 1, Operation.SET, Side.BLB, low_b)
        plus, minus = low & ~low_b, low_b & ~low
        for x in (0, ONES, 0b010011, 0b111000):
            positive, negative = (x & plus) | (~x & minus), (x & minus) | (~x & plus)
            assert await sense(ctx, array, 1, x) == (ONES ^ negative, ONES ^ positive)
            assert await sense(ctx, array, 2, x) == (ONES, ONES)

    simulate(array, bench)


@pytest.mark.parametrize("fidelity", ["devices", "noisy"])
def test_devices_must_be_formed_before_they_can_be_set(fidelity: Fidelity) -> None:
    """Here, where memories begin as zeros, they are pristine and without faults."""
    array = Array(ROWS, COLUMNS, fidelity=fidelity).create()
    words = (0b110010, 0b001110, 0b101010)

    async def bench(ctx: Any) -> None:
        for row, word in enumerate(words):
            await write(ctx, array, row, word)
            assert await sense(ctx, array, row, ONES) == (0, ONES)  # equal devices, whose mismatch is -1
            for side in (Side.BL, Side.BLB):
                await pulse(ctx, array, row, Operation.FORM, side, ONES)
            assert await sense(ctx, array, row, ONES) == (0, ONES)
        for row, word in enumerate(words):
            await write(ctx, array, row, word)
            await pulse(ctx, array, row, Operation.FORM, Side.BL, ONES)  # once is enough
        for (row, word), x in itertools.product(enumerate(words), (0, ONES, 0b010011)):
            q, qb = await sense(ctx, array, row, x)
            assert (q, qb) == (~(word ^ x) & ONES, word ^ x)

    simulate(array, bench)


@pytest.mark.parametrize(("count", "width"), [(1, 1), (1, 4), (3, 2)])
def test_a_collector_has_room_for_two_images_and_keeps_their_order(count: int, width: int) -> None:
    collector: Any = Collector(count, width).create()
    values = [[(3 * image + number + 1) % (1 << width) for number in range(count)] for image in range(3)]
    words = [sum(value << (width * number) for number, value in enumerate(image)) for image in values]

    async def gather(ctx: Any, image: list[int]) -> None:
        assert ctx.get(collector.go)
        ctx.set(collector.start, 1)
        await ctx.tick()
        ctx.set(collector.start, 0)
        for value in image:
            ctx.set(collector.strobe, 1)
            ctx.set(collector.value, value)
            await ctx.tick()
        ctx.set(collector.strobe, 0)

    async def bench(ctx: Any) -> None:
        await gather(ctx, values[0])
        assert not ctx.get(collector.o.valid)
        await ctx.tick()
        assert ctx.get(collector.o.valid)  # 2 cycles after the last value was given
        await gather(ctx, values[1])
        await ctx.tick().repeat(5)
        assert not ctx.get(collector.go)
        for word in words[:2]:
            assert (ctx.get(collector.o.valid), ctx.get(collector.o.payload)) == (1, word)
            ctx.set(collector.o.ready, 1)
            await ctx.tick()
            ctx.set(collector.o.ready, 0)
            assert ctx.get(collector.go)
        assert not ctx.get(collector.o.valid)
        await gather(ctx, values[2])
        await ctx.tick()
        assert (ctx.get(collector.o.valid), ctx.get(collector.o.payload)) == (1, words[2])

    simulate(collector, bench)


async def order(ctx: Any, dense: Any, image: images.Image, index: int, command: LayerCommand, **fields: Any) -> int:
    """A host command on one word of a memory; what was read."""
    place = {"group": image.group, "tile": image.tile, "index": index}
    ctx.set(dense.host.payload, {"command": command, **fields, **place})
    ctx.set(dense.host.valid, 1)
    await ctx.tick().until(dense.host.ready)
    ctx.set(dense.host.valid, 0)
    read_bits, failed = await ctx.tick().sample(dense.read_bits, dense.failed).until(dense.done)
    assert not failed
    return int(read_bits)


async def write_row(ctx: Any, dense: Any, image: images.Image, index: int, word: int, full: int) -> None:
    """The pulses that make a row of a binary array a word."""
    for operation, side, columns in pulses(word, full):
        pulse = {"operation": operation, "side": side, "amplitude": 7, "setup": 1, "length": 2, "count": 1}
        await order(ctx, dense, image, index, LayerCommand.PULSE_ROW, pulse=pulse, bits=columns)


def test_a_dense_layer_programmed_by_the_host_computes_as_golden() -> None:
    rows, columns = 2, 3
    network = random_network((5, 3, 2), seed=0)
    layer = network.hidden[0]
    assert isinstance(layer, DenseLayer)
    memories = [image for image in images.words(network, Plan(Geometry(rows, columns))) if image.layer == 0]
    assert [image.kind for image in memories] == ["array"] * 4 + ["thresholds"]
    values = np.random.default_rng(4).integers(0, 2, (12, layer.fan_in))
    expected = bits.to_ints(infer(network, values).bits[layer.name])
    assert len(set(expected)) > 2
    dense: Any = Dense(Grid(layer.fan_in, layer.fan_out, rows, columns, "thresholds", host_width=4)).create()

    async def bench(ctx: Any) -> None:
        ctx.set(dense.timing, {"precharge": 0, "sense": 1})
        ctx.set(dense.supply_ok, 1)
        for image in memories:
            is_array = image.kind == "array"
            for index, word in enumerate(image.words):
                if is_array:
                    await write_row(ctx, dense, image, index, word, (1 << columns) - 1)
                else:
                    await order(ctx, dense, image, index, LayerCommand.WRITE_NUMBER, bits=word)
            get = LayerCommand.READ_ROW if is_array else LayerCommand.READ_NUMBER
            for index, word in enumerate(image.words):
                assert await order(ctx, dense, image, index, get) == word
        for word, right in zip(bits.to_ints(values), expected, strict=True):
            ctx.set(dense.i.payload, word)
            ctx.set(dense.i.valid, 1)
            await ctx.tick().until(dense.i.ready)
            ctx.set(dense.i.valid, 0)
            ctx.set(dense.o.ready, 1)
            (payload,) = await ctx.tick().sample(dense.o.payload).until(dense.o.valid)
            assert payload == right

    simulate(dense, bench)


@pytest.mark.parametrize(("rows", "columns", "lanes"), [(4, 8, 2), (2, 2, 3), (16, 5, 1)])
@pytest.mark.parametrize(("precharge", "sense"), [(0, 1), (2, 3)])
def test_numbers_are_read_from_the_arrays_in_the_promised_time(
    rows: int, columns: int, lanes: int, precharge: int, sense: int
) -> None:
    grid = Grid(7, 9, rows, columns, "thresholds", 16, lanes, numbers_in_arrays=True)
    dense: Any = Dense(grid).create()
    bits_a_lane = grid.map.numbers * grid.number_width
    words = lanes * -(-bits_a_lane // columns)
    promised = lanes * bits_a_lane + words * (max(1, precharge) + sense + 4)

    async def bench(ctx: Any) -> None:
        ctx.set(dense.timing, {"precharge": precharge, "sense": sense})
        cycles = 0
        while not ctx.get(dense.i.ready):
            await ctx.tick()
            cycles += 1
        assert cycles == 1 + promised  # one to begin

    simulate(dense, bench)
