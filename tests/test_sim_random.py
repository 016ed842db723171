"""Random sources, whitening and encoders on their benches, on both simulators; and benches that must fail where a block
is spoilt.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_sim_blocks import BOTH, ELABORATE, ICARUS, Mutant, Require, cases

from hdl.encoder import PlaneSplitter, PlaneSplitterHardware, StochasticEncoder, StochasticEncoderHardware
from hdl.random_source import RandomWords, RandomWordsHardware, Xoshiro128, XoshiroHardware
from hdl.whitening import Packer, PackerHardware, VonNeumann, VonNeumannHardware, Whitener, XorWhitener
from hdl.whitening import XorWhitenerHardware
from model import bits
from sim.blocks import build_block, run_block
from sim.randomness import SIGNIFICANCE, block_frequency, monobit, runs, serial
from sim.runner import SimulationError
from sim.tools import Tool

SEED = 1


def on_bench(tool: Tool, bench: str, block: Any, folder: Path, **job: Any) -> Any:
    """Emit and build `block` and run its bench on it; what the bench answers."""
    if bench == "whitening":
        job = {"bits": 1000, "ones": 0.6} | job
    design = build_block(tool, block, folder)
    return run_block(design, bench, folder / "run", block, kind=type(block).__name__, seed=SEED, **job)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (Xoshiro128(0), ICARUS),
        (Xoshiro128(2**64 - 1, stream=3), ICARUS),
        (RandomWords(1, 5), ICARUS),
        (RandomWords(32, 5), ICARUS),
        (RandomWords(70, 5), BOTH),
    ),
)
def test_random_source(
    simulator: str, block: Xoshiro128 | RandomWords, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), "random_source", block, tmp_path)
    assert answer["words"] >= 900


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (XorWhitener(1), ICARUS),
        (XorWhitener(3), ICARUS),
        (VonNeumann(), ICARUS),
        (Packer(1), ICARUS),
        (Packer(2), ICARUS),
        (Packer(5), ICARUS),
        (Packer(8), ICARUS),
        (Whitener(1, 1), ICARUS),
        (Whitener(2, 9), BOTH),
    ),
)
def test_whitening(simulator: str, block: Any, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "whitening", block, tmp_path)
    assert len(answer["words"]) * getattr(block, "width", 1) >= 200


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (PlaneSplitter(1, 1, 1), ICARUS),
        (PlaneSplitter(5, 8, 1), ICARUS),
        (PlaneSplitter(3, 16, 16), ICARUS),
        (PlaneSplitter(33, 5, 3), BOTH),
        (PlaneSplitter(4, 2, 2), ICARUS),
    ),
)
def test_plane_splitter(simulator: str, block: PlaneSplitter, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "encoder", block, tmp_path)
    assert answer["presentations"] == answer["images"] * block.planes


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (StochasticEncoder(1, 1, 1, 1, 0), ICARUS),
        (StochasticEncoder(7, 8, 3, 1, 3), ICARUS),
        (StochasticEncoder(7, 5, 4, 7, 3), ICARUS),
        (StochasticEncoder(9, 16, 2, 4, 3), ICARUS),
        (StochasticEncoder(33, 8, 3, 5, 2**64 - 1), BOTH),
        (StochasticEncoder(1, 1, 1, 1, None), ICARUS),
        (StochasticEncoder(8, 3, 5, 2, None), ICARUS),
        (StochasticEncoder(5, 4, 1, 5, None), ICARUS),
        (StochasticEncoder(10, 4, 2, 3, None), BOTH),
    ),
)
def test_stochastic_encoder(
    simulator: str, block: StochasticEncoder, tmp_path: Path, require_simulator: Require
) -> None:
    answer = on_bench(require_simulator(simulator), "encoder", block, tmp_path)
    assert answer["presentations"] == answer["images"] * block.presentations
