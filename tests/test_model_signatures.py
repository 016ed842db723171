"""Signatures: what a row on the way from one to another may read, and the CRC-32 of rows."""

import itertools

import numpy as np
import pytest
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC  # type: ignore[import-untyped]

from model.errors import HafnetError
from model.mapping import Geometry
from model.signatures import Signatures, contents_crc32

KINDS = [(columns, ternary) for columns in range(1, 6) for ternary in (False, True)]


def between(one: int, other: int, width: int) -> set[int]:
    """All words in which some devices are as in one and the others as in the other."""
    changes = [bit for bit in range(width) if (one ^ other) >> bit & 1]
    chosen = itertools.chain.from_iterable(itertools.combinations(changes, count) for count in range(len(changes) + 1))
    return {one ^ sum(1 << bit for bit in bits) for bits in chosen}


@pytest.mark.parametrize(("columns", "ternary"), KINDS)
def test_every_column_tells_valid_from_invalid(columns: int, ternary: bool) -> None:
    signatures, full = Signatures(columns, ternary), (1 << columns) - 1
    assert (signatures.valid ^ signatures.invalid) & full == full
    assert signatures.valid & 1
    for word in (signatures.valid, signatures.invalid, signatures.spared):
        assert word >> columns == (~word & full if ternary else 0)
    # What an erased or a freshly formed row reads.
    if columns > 1:
        assert signatures.valid & full not in (0, full)


@pytest.mark.parametrize(("columns", "ternary"), [kind for kind in KINDS if kind[0] > 1])
def test_no_row_on_the_way_to_or_from_spared_is_valid(columns: int, ternary: bool) -> None:
    signatures, width = Signatures(columns, ternary), columns * (1 + ternary)
    assert len({signatures.valid, signatures.invalid, signatures.spared}) == 3
    way = between(signatures.spared, signatures.invalid, width)
    assert {signatures.spared, signatures.invalid} <= way
    assert signatures.valid not in way


@pytest.mark.parametrize("width", [1, 7, 8, 9, 40])
def test_the_crc_of_rows_is_the_one_of_every_tool(width: int) -> None:
    random = np.random.default_rng(width)
    rows = [int.from_bytes(random.bytes(8), "little") % (1 << width) for _ in range(5)]
    octets = [byte for row in rows for byte in row.to_bytes(-(-width // 8), "little")]
    assert contents_crc32(rows, width) == CRC32_ISO_HDLC(data_width=8).compute(octets)
    assert contents_crc32([int.from_bytes(b"123456789", "little")], 72) == 0xCBF43926


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ((4, 4, -1), "-1 spare rows are not possible, only 0 or more"),
        ((4, 4, 4), "an array of 4 rows with 4 spare rows has no row left for weights"),
        ((3, 4, 2, True), "an array of 3 rows with 2 spare rows and a signature row has no row left for weights"),
        ((4, 1, 1, True), "a signature that tells of spare rows needs arrays of at least 2 columns, not of 1"),
    ],
)
def test_rows_that_cannot_be_kept_back_are_refused(members: tuple[int, ...], message: str) -> None:
    with pytest.raises(HafnetError) as caught:
        Geometry(*members)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_geometry_says_what_it_keeps_back() -> None:
    texts = [str(Geometry(8, 4, spare, signature)) for spare in (0, 1, 2) for signature in (False, True)]
    kept = ["", " (signed)", " (1 spare row)", " (1 spare row, signed)", " (2 spare rows)", " (2 spare rows, signed)"]
    assert texts == [f"8 x 4{each}" for each in kept]
    assert [Geometry(8, 4, spare, spare > 0).used_rows for spare in (0, 1, 3)] == [8, 6, 4]
