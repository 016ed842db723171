"""Blocks of feature maps by their descriptions, in Amaranth's own simulator, and as tools read them."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulators import Require
from test_hdl_blocks import simulate
from test_hdl_emit import icarus, structure, verilator, yosys
from test_sim_windows import POOLS, RACKS

from hdl.bank import Bank
from hdl.emit import emit
from hdl.generate import WAIVERS
from hdl.layers.pooling import MaxPool
from hdl.layers.window import Window
from model import bits, windows
from model.errors import HafnetError
from model.formats import FORMATS
from model.windows import NO_PADDING
from sim.rack import Rack


def shapes(height: int, width: int, kernel: Any, stride: Any, padding: Any = NO_PADDING) -> Window:
    return Window(height, width, 1, kernel, stride, padding, 0)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ((4, 4, 1, (5, 1), (1, 1), NO_PADDING, 0), "a kernel of height 5 is larger than its input, 4"),
        ((4, 4, 1, (2, 2), (1, 0), NO_PADDING, 0), "the width of the stride is 0"),
        ((4, 4, 1, (2, 2), (1, 1), (0, 2, 0, 0), 0), "padding by 2 along the width is not possible"),
        ((4, 4, 0, (2, 2), (1, 1), NO_PADDING, 0), "a pixel of 0 bits is not possible"),
        ((4, 4, 3, (2, 2), (1, 1), NO_PADDING, 8), "padding pixels of 0x8 are not possible: 3 bits must hold them"),
        ((4, 4, 3, (2, 2), (1, 1), NO_PADDING, -1), "padding pixels of -0x1 are not possible"),
    ],
)
def test_a_window_that_cannot_be_is_refused(members: Any, says: str) -> None:
    with pytest.raises(HafnetError, match=re.escape(says)):
        Window(*members)


def test_pooling_that_cannot_be_is_refused() -> None:
    with pytest.raises(HafnetError, match="a kernel of width 3 is larger than its input, 2"):
        MaxPool(4, 2, 1, (2, 3), (1, 1))


def test_names_tell_blocks_apart_and_stay_short() -> None:
    fills = [0, 1, (1 << 500) - 1, (1 << 500) - 2]
    names = {Window(3, 3, 500, (2, 2), (1, 1), (1, 1, 1, 1), fill).name for fill in fills}
    assert len(names) == len(fills)
    assert all(len(name) < 100 and re.fullmatch(r"\w+", name) for name in names)


def steady_cycles(window: Window, interval: int) -> int:
    """Cycles of a map, window by window, after so many maps that none changes anything any more."""
    rows, columns = window.sliding.rows, window.sliding.columns
    positions = [
        (row.item(), column.item())
        for row in np.arange(rows.outputs) * rows.stride + rows.kernel - 1
        for column in np.arange(columns.outputs) * columns.stride + columns.kernel - 1
    ]
    line = max((columns.outputs - 1) * columns.stride + columns.kernel, columns.before + columns.size)
    completed, taken, ends = 0, 0, []
    before = 0
    for number in range(interval + 3):  # a map gains a cycle of lead at least, or nothing more
        for row, column in positions:
            position = number * window.positions + row * line + column + 1
            # Walked one position a cycle, unless the window before is still on offer.
            completed = max(completed + position - before, taken)
            taken = max(taken + interval, completed + 1)
            before = position
        ends.append(taken)
    return ends[-1] - ends[-2]


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(0, 1),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_cycles_are_those_of_a_walk_window_by_window(
    size: Any, kernel: Any, stride: Any, padding: int, interval: int
) -> None:
    before, after = (min(padding, side - 1) for side in kernel)
    height, width = max(size[0], kernel[0]), max(size[1], kernel[1])
    window = shapes(height, width, kernel, stride, (before, after, before, after))
    if window.buffered:
        assert window.cycles(interval) == steady_cycles(window, interval)


@pytest.mark.parametrize(
    ("window", "interval", "cycles"),
    [
        (shapes(32, 32, (3, 3), (1, 1), (1, 1, 1, 1)), 1, 34 * 34),
        (shapes(32, 32, (3, 3), (1, 1), (1, 1, 1, 1)), 71, 32 * 32 * 71),
        (shapes(32, 32, (2, 2), (2, 2)), 1, 32 * 32),
        (shapes(33, 33, (2, 2), (2, 2)), 1, 33 * 33),  # a row and a column that no window uses
        (shapes(1, 1000, (1, 7), (1, 2), (0, 3, 0, 3)), 7, 500 * 7),
        (shapes(1, 1000, (1, 7), (1, 2), (0, 3, 0, 3)), 1, 1005),  # a pixel of padding that no window reaches
        (shapes(8, 8, (1, 1), (1, 1)), 3, 192),
    ],
)
def test_cycles_of_known_shapes(window: Window, interval: int, cycles: int) -> None:
    assert window.cycles(interval) == cycles


def test_pooled_windows_in_the_simulator_of_amaranth() -> None:
    """Storage and bank are models there; modes are written by the host."""
    block = MaxPool(5, 6, 3, (3, 2), (2, 2))
    maps = np.random.default_rng(2).integers(0, 2, (2, block.height, block.width, block.channels)).astype(np.uint8)
    modes = [1, 0, 1]
    expected = bits.to_ints(windows.max_pool(maps, block.kernel, block.stride, modes).reshape(-1, block.channels))
    hardware: Any = block.create()
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        for index, mode in enumerate(modes):
            for port, value in (("write_en", 1), ("write_addr", index), ("write_data", mode)):
                ctx.set(getattr(hardware, port), value)
            await ctx.tick()
        ctx.set(hardware.write_en, 0)
        ctx.set(hardware.o.ready, 1)
        words = bits.to_ints(maps.reshape(-1, block.channels))
        ctx.set(hardware.i.valid, 1)
        sent = 0
        while len(found) < len(expected):
            ctx.set(hardware.i.payload, words[min(sent, len(words) - 1)])
            _, _, ready, valid, payload = await ctx.tick().sample(
                hardware.i.ready, hardware.o.valid, hardware.o.payload
            )
            sent += ready
            if valid:
                found.append(payload)

    simulate(hardware, bench)
    assert found == expected


def test_a_bank_in_the_simulator_of_amaranth() -> None:
    bank: Any = Bank(3, 5).create()
    words = [5, 0, 7, 1, 2]

    async def bench(ctx: Any) -> None:
        assert ctx.get(bank.all) == 0
        ctx.set(bank.write_en, 1)
        ctx.set(bank.read_en, 1)
        for index, word in enumerate(words):
            for port, value in (("write_addr", index), ("write_data", word), ("read_addr", index)):
                ctx.set(getattr(bank, port), value)
            await ctx.tick()
            assert ctx.get(bank.read_data) == 0  # the old word
        ctx.set(bank.write_en, 0)
        assert ctx.get(bank.all) == sum(word << (3 * index) for index, word in enumerate(words))
        for index, word in enumerate(words):
            ctx.set(bank.read_addr, index)
            await ctx.tick()
            assert ctx.get(bank.read_data) == word

    simulate(bank, bench)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with the Verilog of all shapes, and its files."""
    folder, texts = tmp_path_factory.mktemp("written"), emit(RACKS["icarus"])
    for name, text in texts.items():
        (folder / name).write_text(text)
    shutil.copy(WAIVERS, folder)
    return folder, list(texts)


def test_tools_read_it_without_a_word(written: tuple[Path, list[str]], require_simulator: Require) -> None:
    folder, files = written
    top = RACKS["icarus"].name
    require_simulator("icarus")
    assert icarus(folder, top, files) == ""
    assert verilator(require_simulator("verilator"), folder, top, files) == ""
    assert yosys(folder, files, f"chparam -set LOAD 0 {top}; {structure(top)}") == ""


def test_line_memories_are_never_loaded() -> None:
    """Neither a path nor the order to load reaches them; the modes beside them have both."""
    block = POOLS[0]
    texts = emit(block)
    line = texts[f"{block.window.name}.sv"]
    assert "hafnet_storage #(" in line
    assert "LOAD" not in line
    assert "IMAGE" not in line
    assert '.IMAGE({IMAGE, "_modes_l0"})' in texts[f"{block.name}.sv"]


def test_a_bank_becomes_registers_that_begin_as_its_image(tmp_path: Path) -> None:
    rack = Rack((Bank(2, 5),))
    for name, text in emit(rack).items():
        (tmp_path / name).write_text(text)
    words = [1, 2, 3, 0, 1]
    (tmp_path / "b_b0.hex").write_bytes(FORMATS["hex"].write(words, 2))
    script = (
        f'chparam -set LOAD 1 -set IMAGE "b" {rack.name}; hierarchy -top {rack.name}; proc; flatten; opt; '
        "memory -nomap; opt; select -assert-none t:$mem*; write_verilog registers.v"
    )
    assert yosys(tmp_path, ["hafnet_bank.sv", f"{rack.name}.sv"], script) == ""
    registers = re.findall(r"reg \[1:0\] .*words\[(\d)\] += 2'h(\d);", (tmp_path / "registers.v").read_text())
    assert sorted((int(index), int(word)) for index, word in registers) == list(enumerate(words))
