"""Proofs: a claim is refuted where the hardware is spoilt."""

from pathlib import Path

import pytest
from formal_defects import DEFECTS, MORE_DEFECTS, Refuted
from formal_proofs import PROOFS, each

from sim.formal import check


@pytest.mark.parametrize("defect", each(DEFECTS, MORE_DEFECTS))
def test_a_claim_is_refuted_where_the_hardware_is_spoilt(
    defect: Refuted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect.apply(monkeypatch)
    verdict = check(defect.proof.create(), "bmc", defect.depth, tmp_path, only=[defect.claim])
    assert set(verdict.failed) == {defect.claim}
    assert verdict.failed[defect.claim].is_file()


def test_there_is_a_defect_against_each_claim() -> None:
    refuted = {(defect.proof.claims, defect.claim) for defect in DEFECTS}
    assert {(proof.claims, name) for proof in PROOFS for name in proof.claimed()} == refuted
