"""Random sources, whitening and encoders as described, as emitted, and joined in Amaranth's own simulator."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from simulators import Require
from test_hdl_emit import icarus, structure, verilator, yosys

from hdl.block import place
from hdl.emit import emit
from hdl.generate import WAIVERS
from hdl.inputs.encoder import PlaneSplitter, StochasticEncoder
from hdl.inputs.random_source import RandomWords, Xoshiro128
from hdl.inputs.whitening import Packer, Whitener, XorWhitener
from model import bits, random_bits, whitening
from model.errors import HafnetError
from model.presentations import bernoulli

BLOCKS = (
    Whitener(4, 24),
    PlaneSplitter(9, 8, 3),
    StochasticEncoder(1, 1, 1, 1, 0),
    StochasticEncoder(9, 8, 3, 4, None),
    StochasticEncoder(10, 16, 2, 3, 2**64 - 1),
)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_tool_reads_what_is_emitted_without_a_word(
    block: Any, tmp_path: Path, require_simulator: Require
) -> None:
    texts = emit(block)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    shutil.copy(WAIVERS, tmp_path)
    require_simulator("icarus")
    assert icarus(tmp_path, block.name, list(texts)) == ""
    assert verilator(require_simulator("verilator"), tmp_path, block.name, list(texts)) == ""
    assert yosys(tmp_path, list(texts), structure(block.name)) == ""


def test_different_blocks_have_different_names() -> None:
    sources = [Xoshiro128(seed, stream) for seed in (0, 1, 11, 0x11) for stream in (0, 1, 11)]
    encoders = [
        StochasticEncoder(*block) for block in ((2, 3, 1, 1, 0), (2, 3, 1, 1, None), (2, 3, 1, 2, 0), (2, 3, 2, 1, 0))
    ]
    others = [RandomWords(1, 11), RandomWords(11, 1), PlaneSplitter(2, 3, 1), PlaneSplitter(2, 3, 2), XorWhitener(2)]
    blocks: list[Any] = [*sources, *encoders, *others, Packer(2), Whitener(2, 3), Whitener(3, 2)]
    assert len({block.name for block in blocks}) == len(blocks)


def test_the_registers_of_a_generator_start_with_golden_values() -> None:
    text = emit(Xoshiro128(7, 2))["hafnet_xoshiro128_7_2.sv"]
    for register, value in zip(("s0", "s1", "s2", "s3"), random_bits.state(7, 2, 1), strict=True):
        assert f"{register} = 32'd{value};" in text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Xoshiro128(-1), "seed -1 is outside"),
        (lambda: Xoshiro128(0, 2**64), "stream 18446744073709551616 is outside"),
        (lambda: RandomWords(8, 2**64), "seed 18446744073709551616 is outside"),
        (lambda: PlaneSplitter(3, 8, 9), "9 planes of 8 bits"),
        (lambda: PlaneSplitter(3, 17, 9), "values have 17 bits"),
        (lambda: StochasticEncoder(3, 8, 0, 1, None), "0 presentations"),
        (lambda: StochasticEncoder(3, 8, 1, 4, None), "4 draws a cycle, but 3 values"),
        (lambda: StochasticEncoder(3, 8, 1, 1, -5), "seed -5 is outside"),
    ],
)
def test_a_block_that_cannot_be_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(HafnetError, match=message):
        make()


def test_whitened_words_stand_in_for_the_generator() -> None:
    """Raw bits of two biased sources in, presentations out: what golden makes of the same raw bits."""
    encoder, whitener = StochasticEncoder(5, 4, 3, 2, None), Whitener(2, 8)
    images = np.random.default_rng(1).integers(0, 16, (4, 5))
    raw = (np.random.default_rng(2).random((2, 2000)) < 0.6).astype(np.uint8)
    words = whitening.packed(whitening.von_neumann(whitening.xor_whitened(raw)), 8)
    needed = len(images) * 3 * 3
    assert len(words) > needed
    numbers = [[word & 15, word >> 4] for word in words[:needed]]
    right = bits.to_ints(bernoulli(images, 4, 3, numbers).reshape(-1, 5))

    m = Module()
    source = place(m, None, "whitener", whitener)
    sink = place(m, None, "encoder", encoder)
    connect(m, source.o, sink.entropy)
    found: list[int] = []

    async def feed(ctx: Any) -> None:
        for port in source.raw:
            ctx.set(port.valid, 1)
        passed = 0
        while len(found) < len(right):
            for port, bit in zip(source.raw, raw[:, passed].tolist(), strict=True):
                ctx.set(port.payload, bit)
            _, _, ready = await ctx.tick().sample(source.raw[0].ready)
            passed += ready

    async def show(ctx: Any) -> None:
        for image in images.tolist():
            ctx.set(sink.i.payload, sum(value << (4 * k) for k, value in enumerate(image)))
            ctx.set(sink.i.valid, 1)
            await ctx.tick().until(sink.i.ready)
        ctx.set(sink.i.valid, 0)

    async def take(ctx: Any) -> None:
        ctx.set(sink.o.ready, 1)
        while len(found) < len(right):
            (payload,) = await ctx.tick().sample(sink.o.payload).until(sink.o.valid)
            found.append(payload)

    simulator: Any = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.add_testbench(show)
    simulator.add_testbench(take)
    simulator.run()
    assert found == right
