"""What comes of programming a chip: the golden of `hdl.programming.Programming` on arrays with their faults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from hdl.registers import Timing
from model.faulty import FaultyArrays
from model.mapping import Geometry, LayerMap
from model.signatures import Signatures
from sim.host import NO_SPARE, SPARED, UNSIGNED

PROGRAMMING = Timing(precharge=1, sense=2, set_pulse=2, reset_pulse=3, form_pulse=4)
"""Phase lengths while the host programs and reads back."""


@dataclass(frozen=True)
class Answer:
    """What the host finds out while it programs a memory and reads it back: rows that could not be formed, as they
    follow on each other, how many were `finished`, those that failed, what STATUS says of signature and spare rows, and
    the words that it reads.
    """

    unformed: list[int]
    finished: int
    failed: list[int]
    status: int
    words: list[int]


def form_order(geometry: Geometry) -> list[int]:
    """The rows of an array as they are to be formed: a command to form another row marks the signature, which must have
    been formed before.
    """
    rows = list(range(geometry.rows))
    return rows[-1:] + rows[:-1] if geometry.signature else rows


def programmed(faults: FaultyArrays, memories: Sequence[Mapping[str, Any]], retries: int) -> list[Answer]:
    """What comes of programming the memories, from zeros, array by array, and of reading them back; `faults` goes on
    from there. Rows that do not read right are pulsed again up to `retries` times. Where memories say which rows to
    `form`, these are formed first, array by array, of devices that are all pristine.

    Of memories that are no arrays the host reads what it wrote. A row takes it some 30 cycles and 4 for each word of 32
    bits, so that numbers that live in arrays are read again only after the last row of their layer.
    """
    if not memories:
        return []
    faults.erase(pristine=any("form" in memory for memory in memories))
    written: list[tuple[list[int], int, list[int], int]] = []
    for memory in memories:
        writer = Writer(faults, (memory["layer"], memory["group"], memory["tile"]), retries)
        unformed = writer.form_array(memory.get("form", []))
        written.append((unformed, *(writer.put_array(memory["words"]) if memory["array"] else (0, [], 0))))
    for layer in sorted({memory["layer"] for memory in memories if memory["array"]}):
        faults.walk(layer, PROGRAMMING.sense)
    return [
        Answer(
            *found,
            [
                faults.read_row(memory["layer"], memory["group"], memory["tile"], row, PROGRAMMING.sense)
                for row in range(len(memory["words"]))
            ]
            if memory["array"]
            else memory["words"],
        )
        for memory, found in zip(memories, written, strict=True)
    ]


class Train(NamedTuple):
    """Pulses of a kind ("form", "set" or "reset") on some `columns` of a row, in one of its attempts (0: the first)."""

    kind: str
    attempt: int
    columns: int


@dataclass(frozen=True)
class Writer:
    """The programming of one array, as `hdl.programming.Programming` does it; `trains` are the pulses so far."""

    faults: FaultyArrays
    place: tuple[int, int, int]
    retries: int
    trains: list[Train] = field(default_factory=list)

    def form_array(self, rows: Sequence[int]) -> list[int]:
        """Form rows one after the other; returns those that failed, which is the signature row where it cannot be made
        invalid.
        """
        last, failed = self.faults.plan.geometry.rows - 1, []
        for row in rows:
            marks = self.faults.plan.geometry.signature and row != last
            if marks and not self.put(last, self._grid.signatures.invalid, verify_first=True):
                failed.append(last)
            elif not self._form(row):
                failed.append(row)
        return failed

    def _form(self, row: int) -> bool:
        """Form the devices on BL and program +1, then those on BLb and program -1."""
        return all(self.put(row, word, forms=side) for side, word in enumerate(self.formed))

    @property
    def formed(self) -> tuple[int, int]:
        """What a row holds once its devices on BL, and then those on BLb, have been formed."""
        columns = self._grid.geometry.columns
        plus = (1 << columns) - 1
        return plus, plus << columns if self._grid.ternary else 0

    @property
    def signatures(self) -> Signatures:
        return self._grid.signatures

    @cached_property
    def _grid(self) -> LayerMap:
        grid = self.faults.plan.maps(self.faults.network.topology)[self.place[0]]
        assert grid is not None  # it has arrays
        return grid

    def put_array(self, words: Sequence[int]) -> tuple[int, list[int], int]:
        """Program all rows but those that are kept back, and the signature, if there is one; returns how many rows were
        finished, those that failed, and what STATUS says of signature and spare rows.
        """
        geometry, grid = self.faults.plan.geometry, self._grid
        if geometry.signature and not self.put(geometry.rows - 1, grid.signatures.invalid, verify_first=True):
            return 0, [geometry.rows - 1], UNSIGNED
        taken = self.faults.taken
        failed = [row for row in range(geometry.used_rows) if not self.put_somewhere(row, words[row])]
        status = SPARED * (self.faults.taken > taken) | NO_SPARE * bool(failed and geometry.spare_rows)
        if geometry.signature and not failed:
            spared = self.faults.has_spares(*self.place)
            word = grid.signatures.spared if spared else grid.signatures.valid
            if not self.put(geometry.rows - 1, word, verify_first=True):
                return geometry.used_rows, [geometry.rows - 1], UNSIGNED | status
        return geometry.used_rows, failed, status

    def put_somewhere(self, row: int, word: int) -> bool:
        """Program a row, or a spare one in its place."""
        while not self.put(row, word):
            if not self.faults.take_spare(*self.place, row):
                return False
        return True

    def put(self, row: int, word: int, verify_first: bool = False, forms: int | None = None) -> bool:
        """Program a row, in the columns that do not read right; `forms` its devices on one side before."""
        wrong = self.wrong(row, word) if verify_first else -1
        attempt = 0
        while wrong and attempt <= self.retries:
            columns = self.columns(wrong)
            if forms is not None:
                self.trains.append(Train("form", attempt, columns))
                self.faults.form_row(*self.place, row, forms, columns)
            self._pulse(attempt, columns, word)
            self.faults.write_row(*self.place, row, word, columns)
            wrong = self.wrong(row, word)
            attempt += 1
        return not wrong

    def columns(self, word: int) -> int:
        """The columns of which a bit of `word` is 1, on either side."""
        width = self.faults.plan.geometry.columns
        return (word | word >> width) & ((1 << width) - 1)

    def _pulse(self, attempt: int, columns: int, word: int) -> None:
        """SET of BL, RESET of BLb, SET of BLb, RESET of BL, where there is anything to pulse."""
        width = self.faults.plan.geometry.columns
        low = word & (1 << width) - 1
        low_b = word >> width if self._grid.ternary else ~word
        for kind, chosen in (("set", low), ("reset", ~low_b), ("set", low_b), ("reset", ~low)):
            if columns & chosen:
                self.trains.append(Train(kind, attempt, columns & chosen))

    def wrong(self, row: int, word: int) -> int:
        return self.faults.read_row(*self.place, row, PROGRAMMING.sense) ^ word
