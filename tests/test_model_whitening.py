"""Golden whitening against its definitions, and what it does to bias."""

import numpy as np
import pytest

from model.whitening import packed, von_neumann, xor_whitened


def test_xor_is_the_parity_of_the_sources() -> None:
    assert xor_whitened([[0, 0, 1, 1], [0, 1, 0, 1]]).tolist() == [0, 1, 1, 0]
    assert xor_whitened([[1, 0], [1, 1], [1, 1]]).tolist() == [1, 0]
    assert xor_whitened([[1, 0, 0]]).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("raw", "kept"),
    [("", ""), ("1", ""), ("01", "0"), ("10", "1"), ("0011", ""), ("1001", "10"), ("011101", "00"), ("00101", "1")],
)
def test_von_neumann_keeps_the_first_of_unlike_pairs(raw: str, kept: str) -> None:
    assert "".join(map(str, von_neumann([int(bit) for bit in raw]))) == kept


def test_words_are_whole_and_begin_with_their_lowest_bit() -> None:
    assert packed([1, 0, 0, 0, 1, 1, 1, 1], 3) == [1, 6]
    assert packed([1, 0], 3) == []
    assert packed([1, 0], 1) == [1, 0]


def test_the_bias_that_is_left_is_the_one_foretold() -> None:
    raw = (np.random.default_rng(1).random((3, 400_000)) < 0.8).astype(np.uint8)
    error = 5 * 0.5 / np.sqrt(raw.shape[1])
    assert xor_whitened(raw[:2]).mean() == pytest.approx(0.5 - 2 * 0.3**2, abs=error)
    assert xor_whitened(raw).mean() == pytest.approx(0.5 + 4 * 0.3**3, abs=error)
    kept = von_neumann(raw[0])
    assert len(kept) / raw.shape[1] == pytest.approx(0.8 * 0.2, abs=error)
    assert kept.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(kept)))
