"""Random sources, whitening and encoders on their benches, on both simulators; and benches that must fail where a block
is spoilt.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import ICARUS, VERILATOR, Require, cases

import hdl.inputs.random_source
from hdl.inputs.encoder import PlaneSplitter, PlaneSplitterHardware, StochasticEncoder, StochasticEncoderHardware
from hdl.inputs.random_source import RandomWords, RandomWordsHardware, Xoshiro128, XoshiroHardware
from hdl.inputs.whitening import (
    Packer,
    PackerHardware,
    VonNeumann,
    VonNeumannHardware,
    Whitener,
    XorWhitener,
    XorWhitenerHardware,
)
from model import bits
from sim.blocks import build_block, run_block
from sim.randomness import SIGNIFICANCE, block_frequency, monobit, runs, serial
from sim.tools import Tool

SEED = 1


def on_bench(tool: Tool, bench: str, block: Any, folder: Path, **job: Any) -> Any:
    """Emit and build `block` and run its bench on it; what the bench answers."""
    if bench == "whitening":
        job = {"bits": 1000, "ones": 0.6} | job
    design = build_block(tool, block, folder)
    return run_block(design, bench, folder / "run", block, kind=type(block).__name__, seed=SEED, **job)


Case = tuple[Any, tuple[str, ...]]


def parameters(quick: Sequence[Case], slow: Sequence[Case]) -> list[Any]:
    """Parameters (simulator, block) for every run, and those that only a long one affords."""
    more = [pytest.param(*case.values, id=case.id, marks=pytest.mark.slow) for case in cases(*slow)]
    return cases(*quick) + more


@pytest.mark.parametrize(
    ("simulator", "block"),
    parameters(
        quick=[(Xoshiro128(2**64 - 1, stream=3), ICARUS), (RandomWords(70, 5), ICARUS)],
        slow=[
            (RandomWords(70, 5), VERILATOR),
            *((block, ICARUS) for block in (Xoshiro128(0), RandomWords(1, 5), RandomWords(32, 5))),
        ],
    ),
)
def test_random_source(
    simulator: str, block: Xoshiro128 | RandomWords, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), "random_source", block, tmp_path)
    assert answer["words"] >= 900


@pytest.mark.parametrize(
    ("simulator", "block"),
    parameters(
        # The blocks of the test of randomness below go through the same bench.
        quick=[(Packer(1), ICARUS), (Packer(5), ICARUS), (Whitener(2, 9), VERILATOR)],
        slow=[
            *((block, ICARUS) for block in (XorWhitener(1), XorWhitener(3), Packer(2), Packer(8), Whitener(1, 1))),
            (Whitener(2, 9), ICARUS),
        ],
    ),
)
def test_whitening(simulator: str, block: Any, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "whitening", block, tmp_path)
    assert len(answer["words"]) * getattr(block, "width", 1) >= 200


@pytest.mark.parametrize(
    ("simulator", "block"),
    parameters(
        quick=[(PlaneSplitter(1, 1, 1), ICARUS), (PlaneSplitter(33, 5, 3), ICARUS)],
        slow=[
            (PlaneSplitter(33, 5, 3), VERILATOR),
            *((PlaneSplitter(*members), ICARUS) for members in ((5, 8, 1), (3, 16, 16), (4, 2, 2))),
        ],
    ),
)
def test_plane_splitter(simulator: str, block: PlaneSplitter, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "encoder", block, tmp_path)
    assert answer["presentations"] == answer["images"] * block.planes


@pytest.mark.parametrize(
    ("simulator", "block"),
    parameters(
        quick=[
            (StochasticEncoder(1, 1, 1, 1, 0), ICARUS),
            (StochasticEncoder(7, 5, 4, 7, 3), ICARUS),
            (StochasticEncoder(33, 8, 3, 5, 2**64 - 1), VERILATOR),
            (StochasticEncoder(10, 4, 2, 3, None), ICARUS),
        ],
        slow=[
            (StochasticEncoder(7, 8, 3, 1, 3), ICARUS),
            (StochasticEncoder(9, 16, 2, 4, 3), ICARUS),
            (StochasticEncoder(33, 8, 3, 5, 2**64 - 1), ICARUS),
            (StochasticEncoder(1, 1, 1, 1, None), ICARUS),
            (StochasticEncoder(8, 3, 5, 2, None), ICARUS),
            (StochasticEncoder(5, 4, 1, 5, None), ICARUS),
            (StochasticEncoder(10, 4, 2, 3, None), VERILATOR),
        ],
    ),
)
def test_stochastic_encoder(
    simulator: str, block: StochasticEncoder, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), "encoder", block, tmp_path)
    assert answer["presentations"] == answer["images"] * block.presentations


def statistics(sequence: Any) -> list[float]:
    """P-values of all tests, with the standard's sizes for some ten thousand bits."""
    size = max(20, len(sequence) // 90)
    return [monobit(sequence), block_frequency(sequence, size), runs(sequence), *serial(sequence, 4)]


@pytest.mark.parametrize(
    ("block", "raw_bits"),
    [
        pytest.param(XorWhitener(4), 20_000, id="xor of 4"),
        pytest.param(VonNeumann(), 40_000, id="von neumann"),
        pytest.param(Whitener(2, 8), 40_000, id="both"),
    ],
)
def test_what_was_biased_is_random_once_it_is_whitened(
    block: Any, raw_bits: int, tmp_path: Path, require_simulator: Require
) -> None:
    """As the design saw and gave the bits: 60 % ones in each source, which each test finds in the raw stream."""
    answer = on_bench(require_simulator("icarus"), "whitening", block, tmp_path, bits=raw_bits, ones=0.6)
    for raw in answer["raw"]:
        assert len(raw) == raw_bits
        assert max(statistics(raw)) < SIGNIFICANCE
    width = getattr(block, "width", 1)
    whitened = bits.from_ints(answer["words"], width).ravel()
    assert len(whitened) > 9_000
    found = statistics(whitened)
    assert min(found) >= SIGNIFICANCE, found


XOSHIRO, WORDS = Xoshiro128(5, stream=1), RandomWords(70, 5)
XOR, PACKER, SPLITTER = XorWhitener(3), Packer(5), PlaneSplitter(5, 6, 4)
ENCODER, OUTSIDE = StochasticEncoder(7, 4, 3, 3, 9), StochasticEncoder(7, 4, 3, 3, None)

# One defect of each block in every run.
MUTANTS = (
    Mutant("random_source", XOSHIRO, hdl.inputs.random_source, "step", "rotate_left(11)", "rotate_left(12)"),
    Mutant("random_source", WORDS, RandomWordsHardware, ELABORATE, "eq(self.o.ready)", "eq(1)"),
    Mutant("whitening", XOR, XorWhitenerHardware, ELABORATE, ".all() & (~self.o.valid | self.o.ready)", ".all()"),
    Mutant("whitening", VonNeumann(), VonNeumannHardware, ELABORATE, "second & (first", "(first"),
    Mutant("whitening", PACKER, PackerHardware, ELABORATE, "~last | ~self.o.valid | self.o.ready", "1"),
    Mutant("encoder", SPLITTER, PlaneSplitterHardware, ELABORATE, "(self.o.ready & (after == 0))", "0"),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "> entropy.", ">= entropy."),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant("random_source", XOSHIRO, XoshiroHardware, ELABORATE, "start=1", "start=0"),
    Mutant("random_source", XOSHIRO, XoshiroHardware, ELABORATE, "If(self.o.ready)", "If(1)"),
    Mutant("random_source", XOSHIRO, hdl.inputs.random_source, "step", "rotate_left(7)", "rotate_left(8)"),
    Mutant("random_source", XOSHIRO, hdl.inputs.random_source, "step", "C(0, 9)", "C(1, 9)"),
    Mutant("random_source", XOSHIRO, XoshiroHardware, ELABORATE, "init=init)", "init=init, reset_less=True)"),
    Mutant("random_source", WORDS, RandomWordsHardware, ELABORATE, "self.block.seed, number", "self.block.seed, 0"),
    Mutant("random_source", WORDS, RandomWordsHardware, ELABORATE, "Cat(words)", "Cat(words[::-1])"),
    Mutant("whitening", XOR, XorWhitenerHardware, ELABORATE, ".all()", ".any()"),
    Mutant("whitening", XOR, XorWhitenerHardware, ELABORATE, ".xor()", ".any()"),
    Mutant("whitening", XOR, XorWhitenerHardware, ELABORATE, "source.ready.eq(taken)", "source.ready.eq(1)"),
    Mutant("whitening", VonNeumann(), VonNeumannHardware, ELABORATE, "payload.eq(first)", "payload.eq(self.i.payload)"),
    Mutant("whitening", VonNeumann(), VonNeumannHardware, ELABORATE, "~self.o.valid | self.o.ready", "1"),
    Mutant("whitening", VonNeumann(), VonNeumannHardware, ELABORATE, "with m.If(self.o.ready)", "with m.If(1)"),
    Mutant("whitening", PACKER, PackerHardware, ELABORATE, "filled.eq(0), ", ""),
    Mutant(
        "whitening", PACKER, PackerHardware, ELABORATE, "(gathered[1:], self.i.payload)", "(self.i.payload, gathered)"
    ),
    Mutant("whitening", Whitener(2, 3), PackerHardware, ELABORATE, "last = filled == width - 1", "last = 1"),
    Mutant("encoder", SPLITTER, PlaneSplitterHardware, ELABORATE, "bits - 1 - number", "number"),
    Mutant("encoder", SPLITTER, PlaneSplitterHardware, ELABORATE, "(self.o.ready & (after == 0))", "self.o.ready"),
    Mutant("encoder", SPLITTER, PlaneSplitterHardware, ELABORATE, "after.eq(planes - 1)", "after.eq(bits - 1)"),
    Mutant("encoder", SPLITTER, PlaneSplitterHardware, ELABORATE, "Elif(self.o.valid & self.o.ready)", "Else()"),
    Mutant(
        "encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "(~last_cycle | ~self.o.valid | self.o.ready)", "1"
    ),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "~last_cycle | ~self", "~self"),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "(drawing & last_cycle & last)", "0"),
    Mutant(
        "encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "drawing & last_cycle & last", "last_cycle & last"
    ),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "Cat(ring[step:], ring[:step])", "ring"),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "Cat(ring[step:], ring[:step])", "ring[step:]"),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "[cycle.eq(0), ", "["),
    Mutant("encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "busy.eq(~last)", "busy.eq(1)"),
    Mutant(
        "encoder", ENCODER, StochasticEncoderHardware, ELABORATE, "Mux(last, 0, presentation + 1)", "presentation + 1"
    ),
    Mutant("encoder", OUTSIDE, StochasticEncoderHardware, ELABORATE, "may_draw & entropy.valid", "may_draw"),
    Mutant("encoder", OUTSIDE, StochasticEncoderHardware, ELABORATE, "ready.eq(may_draw)", "ready.eq(busy)"),
    Mutant("encoder", OUTSIDE, StochasticEncoderHardware, ELABORATE, "ready.eq(may_draw)", "ready.eq(1)"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.bench, mutant.block, tmp_path)
