"""Bit order: the one place where it is decided, against integers made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import bits

rows = st.lists(st.integers(0, 1), min_size=1, max_size=150)


def test_sign_of_zero_is_plus_one() -> None:
    assert bits.to_bits([-3, -1, 0, 1, 0.5, -0.5]).tolist() == [0, 0, 1, 1, 1, 0]


def test_bit_0_is_column_0() -> None:
    row = [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bits.to_int(row) == 0b10_0000_0001
    assert bits.pack_bytes(row).tolist() == [1, 2]
    assert bits.pack_uint64([0] * 64 + [1]).tolist() == [0, 1]


@given(rows)
def test_bits_and_signs_are_inverse(row: list[int]) -> None:
    signs = bits.to_signs(row)
    assert signs.tolist() == [1 if bit else -1 for bit in row]
    assert bits.to_bits(signs).tolist() == row


@given(rows)
def test_every_packing_carries_the_same_integer(row: list[int]) -> None:
    word = sum(bit << column for column, bit in enumerate(row))
    assert bits.to_int(row) == word
    assert bits.from_int(word, len(row)).tolist() == row
    assert bits.unpack_bytes(bits.pack_bytes(row), len(row)).tolist() == row
    words = bits.pack_uint64(row)
    assert words.shape == (-(-len(row) // 64),)
    assert sum(int(part) << 64 * index for index, part in enumerate(words)) == word


@given(st.integers(1, 70), st.integers(1, 5), st.integers(0, 2**32))
def test_many_rows_at_once(count: int, rows: int, seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 2, (rows, count), dtype=np.uint8)
    words = bits.to_ints(table)
    assert words == [bits.to_int(row) for row in table]
    assert np.array_equal(bits.from_ints(words, count), table)
    assert np.array_equal(bits.pack_uint64(table), np.stack([bits.pack_uint64(row) for row in table]))


@pytest.mark.parametrize(("word", "count"), [(8, 3), (256, 8), (1 << 64, 64)])
def test_a_word_that_does_not_fit_is_refused(word: int, count: int) -> None:
    assert bits.from_int(word - 1, count).tolist() == [1] * count
    with pytest.raises(OverflowError, match=f"does not fit in {count} bits"):
        bits.from_int(word, count)
