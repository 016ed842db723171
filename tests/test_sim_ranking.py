"""The ranking and the result packets on their benches, and defects that they must catch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defects import ELABORATE, Mutant, each_mutant, found_by
from simulators import BOTH, ICARUS, Require, cases

import hdl.layers.ranking
from hdl.emit import emit
from hdl.layers.ranking import Ranking, RankingHardware
from hdl.streams.packets import PacketSender, PacketSenderHardware
from model import golden
from sim.blocks import build_block, run_block
from sim.tools import Tool

SEED = 1


def on_bench(tool: Tool, bench: str, block: Any, folder: Path) -> Any:
    return run_block(build_block(tool, block, folder), bench, folder / "run", block, seed=SEED)


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (Ranking(1, 2), ICARUS),
        (Ranking(33, 5), ICARUS),
        (Ranking(9, 3, top=9), ICARUS),
        (Ranking(1, 4, lanes=2), ICARUS),  # a lane that never has a class
        (Ranking(8, 4, lanes=8), ICARUS),  # one strobe an image
        (Ranking(10, 1, lanes=3), ICARUS),
        (Ranking(17, 6, lanes=16, top=2), ICARUS),
        (Ranking(7, 3, lanes=3, top=7), ICARUS),
        (Ranking(10, 3, lanes=4, top=3), BOTH),
    ),
)
def test_ranking(simulator: str, block: Ranking, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "ranking", block, tmp_path)
    assert answer["ties"] > 20 or block.classes == 1


def test_golden_ranks_the_lowest_index_first_on_a_tie() -> None:
    scores = np.array([[3, 5, 5, -2, 5], [0, 0, 0, 0, 0]], dtype=np.int32)
    assert golden.rank(scores, 4).tolist() == [[1, 2, 4, 0], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("simulator", "block"),
    cases(
        (PacketSender(1, 0), ICARUS),
        (PacketSender(1, 3, top=0), ICARUS),
        (PacketSender(33, 0, top=4), ICARUS),
        (PacketSender(40, 2, top=2), ICARUS),  # an index wider than a score
        (PacketSender(10, 9), BOTH),
    ),
)
def test_sender(simulator: str, block: PacketSender, tmp_path: Path, require_simulator: Require) -> None:
    answer = on_bench(require_simulator(simulator), "sender", block, tmp_path)
    assert answer["cycles"] == block.beats


def test_packets_of_a_thousand_scores_are_a_few_lines() -> None:
    (text,) = emit(PacketSender(1000, 20)).values()
    assert len(text) < 100_000


RANKING, LIST, LANES, SENDER = Ranking(6, 5), Ranking(6, 4, top=3), Ranking(7, 4, lanes=4, top=2), PacketSender(10, 3)

# One defect of each block in every run.
MUTANTS = (
    Mutant("ranking", RANKING, hdl.layers.ranking, "_merge", "ours.score >= theirs", "ours.score > theirs"),
    Mutant(
        "sender",
        SENDER,
        PacketSenderHardware,
        ELABORATE,
        "word.eq(score.as_signed())",
        "word.eq(score)",
    ),
)

# Any other defect that somebody thought of.
MORE_MUTANTS = (
    Mutant("ranking", RANKING, RankingHardware, ELABORATE, "base != 0", "Const(1)"),
    Mutant("ranking", RANKING, RankingHardware, ELABORATE, "Mux(last, 0, base + lanes)", "base + lanes"),
    Mutant("ranking", RANKING, RankingHardware, ELABORATE, "with m.If(strobe)", "with m.If(1)"),
    Mutant("ranking", LIST, RankingHardware, ELABORATE, "started & taken[k] if k in taken else started", "started"),
    Mutant("ranking", LIST, hdl.layers.ranking, "_count_is", "~ones[count]", "ones[count]"),
    Mutant("ranking", LANES, RankingHardware, "_lanes", "if lane >= used", "if False"),
    Mutant("ranking", LANES, RankingHardware, "_lanes", "-(1 << width - 1)", "0"),
    Mutant("ranking", LANES, RankingHardware, ELABORATE, "(base + whose)", "(base | whose << 1)"),
    Mutant("ranking", LANES, RankingHardware, ELABORATE, "lists[::2], lists[1::2]", "lists[1::2], lists[::2]"),
    Mutant(
        "ranking", Ranking(11, 4, lanes=5), hdl.layers.ranking, "_half", "side << level - len(whose)", "side << level"
    ),
    Mutant(
        "ranking",
        LANES,
        hdl.layers.ranking,
        "_merge",
        "(m, [Mux(here, word, 0) for here, word in others]",
        "(m, [word for here, word in others]",
    ),
    Mutant("ranking", LANES, Ranking, "latency", "self.lanes - 1", "self.lanes"),
    Mutant("sender", SENDER, PacketSenderHardware, ELABORATE, "self.i.ready.eq(room & last)", "self.i.ready.eq(last)"),
    Mutant("sender", SENDER, PacketSenderHardware, ELABORATE, "~self.axis.tvalid | self.axis.tready", "1"),
    Mutant("sender", SENDER, PacketSenderHardware, ELABORATE, "Mux(last, -block.top, beat + 1)", "beat + 1"),
    Mutant("sender", SENDER, PacketSenderHardware, ELABORATE, "with m.If(self.i.valid)", "with m.If(1)"),
    Mutant("sender", SENDER, PacketSenderHardware, ELABORATE, "tvalid.eq(self.i.valid)", "tvalid.eq(1)"),
    Mutant("sender", SENDER, PacketSenderHardware, ELABORATE, "init=-block.top", "init=0"),
    Mutant("sender", PacketSender(9, 3, top=3), PacketSenderHardware, ELABORATE, "(beat + block.top)", "(beat + 1)"),
)


@each_mutant(MUTANTS, MORE_MUTANTS)
def test_a_defect_is_caught(
    mutant: Mutant, tmp_path: Path, require_simulator: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch)
    with found_by(mutant.bench):
        on_bench(require_simulator("icarus"), mutant.bench, mutant.block, tmp_path)
