"""What an array says of itself: a signature in its last row, which tells whether all its other rows are whole.

A signature is VALID, SPARED (valid, but rows of the array are remapped to spare ones, by a table that is not in it) or
anything else. It is written last, and taken back first:

1. write INVALID and verify it;
2. write rows;
3. write VALID, or SPARED where rows are remapped.

A reset, or the loss of power, in any cycle of this leaves an array that is whole, or one whose signature does not
say so:

- Before step 1 and in it the rows are the old ones, none of which has been pulsed; after step 2 and in step 3 all are
  the new ones, pulsed and verified. So the array is whole, and whatever the signature row reads while its devices
  change, be it different from read to read, is no lie.
- From the end of step 1 to the beginning of step 3 it has been verified to be INVALID, and nothing pulses it.

No more is needed, so that one column is enough for VALID and INVALID. That an array is SPARED must not get lost:
without its table it is not whole. Of four columns two are the same in SPARED and INVALID, and another one in VALID. So
no row on the way between SPARED and INVALID reads VALID, however far each column has come. This takes two columns.

A column of a signature is a weight, which in a ternary array is +1 or -1, too, and never 0: each device of each cell
has a state to be in. An erased array, of all +1, all -1 or all 0, is not VALID unless it has but one column.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Signatures:
    """The words of the signatures, as in images, of an array of `columns` columns."""

    columns: int
    ternary: bool = False

    @property
    def valid(self) -> int:
        """+1 and -1 in turn, +1 in column 0."""
        return self._word(lambda column: column % 2 == 0)

    @property
    def invalid(self) -> int:
        """The same with all signs changed."""
        return self._word(lambda column: column % 2 == 1)

    @property
    def spared(self) -> int:
        """Two columns of +1 and two of -1 in turn."""
        return self._word(lambda column: column % 4 < 2)

    def _word(self, positive: Callable[[int], bool]) -> int:
        plus = sum(1 << column for column in range(self.columns) if positive(column))
        minus = plus ^ ((1 << self.columns) - 1)
        return plus | minus << self.columns if self.ternary else plus


def contents_crc32(rows: Sequence[int], width: int) -> int:
    """The CRC-32 (that of zlib and Ethernet, CRC-32/ISO-HDLC) of rows of `width` bits: row after row, each as
    ceil(width / 8) bytes, lowest first.
    """
    return zlib.crc32(b"".join(row.to_bytes(-(-width // 8), "little") for row in rows))
