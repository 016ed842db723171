"""Proofs: what is claimed holds of the hardware, can come to pass, and is refuted where the hardware is spoilt."""

from pathlib import Path

import pytest
from defects import Defect
from equivalence import write, yosys
from formal_counts import PopcountSum
from formal_proofs import ARGMAX, CONTROLLER, MORE_PROOFS, PROOFS, Proof, each

import hdl.neurons.popcount
import sim.formal
from hdl.neurons.popcount import Popcount
from model.errors import HafnetError
from sim.formal import FormalError, check, kinds_of

PAGE = Path(__file__).parents[1] / "docs" / "proofs.md"


@pytest.mark.parametrize("proof", each(PROOFS, MORE_PROOFS))
def test_what_is_claimed_is_proven(proof: Proof, tmp_path: Path) -> None:
    claims = proof.create()
    verdict = check(claims, "prove", proof.depth, tmp_path)
    assert verdict.proven, f"\n{verdict}"
    assert verdict.held == {name for name, kind in kinds_of(claims).items() if kind == "assert"}


@pytest.mark.parametrize("proof", each(PROOFS, MORE_PROOFS))
def test_what_is_claimed_can_come_to_pass(proof: Proof, tmp_path: Path) -> None:
    verdict = check(proof.create(), "cover", proof.reach, tmp_path)
    assert verdict.proven, f"\n{verdict}"


def test_the_page_names_each_claim() -> None:
    text = PAGE.read_text()
    assert [name for proof in PROOFS for name in sorted(proof.claimed()) if f"- {name}\n" not in text] == []


WIDTHS = range(1, 65)


def test_a_popcount_is_the_sum_of_its_bits(tmp_path: Path) -> None:
    sums = [PopcountSum(width) for width in WIDTHS]
    write([*sums, *(Popcount(width) for width in WIDTHS)], tmp_path)
    result = yosys("".join(each_sum.proof() for each_sum in sums), tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_popcount_that_leaves_out_a_bit_is_refuted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Defect(hdl.neurons.popcount, "_tree", "if len(terms) % 2", "if False").apply(monkeypatch)
    write([PopcountSum(3), Popcount(3)], tmp_path)
    assert "proof did fail" in yosys(PopcountSum(3).proof(), tmp_path).stderr


def test_without_lemmas_a_claim_stays_open(tmp_path: Path) -> None:
    claim = "a pulse no longer than its order says"
    verdict = check(CONTROLLER.create(), "prove", 3, tmp_path, only=[claim])
    assert not verdict.proven
    assert not verdict.failed
    trace = verdict.open[claim]
    assert trace is not None
    assert trace.is_file()
    assert f"{claim}: open, see {trace}" in str(verdict)


def test_a_cover_out_of_reach_stays_open(tmp_path: Path) -> None:
    verdict = check(ARGMAX.create(), "cover", 4, tmp_path)
    assert verdict.open == {"an image with a tie": None, "images without a gap": None}


def test_what_cannot_be_tried_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        FormalError, match=r"^there is no claim 'all is well' on hafnet_controller_2x2_2x3_limits3x2 for mode prove$"
    ):
        check(CONTROLLER.create(), "prove", 2, tmp_path, only=["all is well"])
    claims = CONTROLLER.create()
    claims.inside["state"] = ("no_such_register", 3)
    with pytest.raises(FormalError, match=r"no_such_register"):
        check(claims, "prove", 2, tmp_path)


def test_a_missing_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sim.formal.PROGRAMS, "no-such-solver", "no-such-package")
    with pytest.raises(
        HafnetError, match=r"^proofs need no-such-solver, which is not on PATH \(Python package no-such-package\)$"
    ):
        check(ARGMAX.create(), "prove", 2, tmp_path)
