"""What a host says of the rows of arrays and must hear: golden of the commands that read, form and program them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hdl.programming import FAILURES, HostCommand, LayerSize
from hdl.registers import ADDRESS, KEY, Register, Timing
from model.faulty import FaultyArrays
from sim.dialogue import (
    ALL,
    SETTINGS,
    Dialogue,
)
from sim.host import (
    FAILED,
    NO_SPARE,
    SPARED,
    UNSIGNED,
)
from sim.programmed import Writer

OVERFLOW = 1 << 31
"""The bit of FAILED_COUNT that says that the list was too short."""


@dataclass
class Rows(Dialogue):
    """A dialogue with commands on the arrays of `faults` and on `numbers`, their images by layer, from reset on."""

    faults: FaultyArrays = field(kw_only=True)
    numbers: Sequence[Mapping[str, Any]] = ()
    failures: int = 0
    retries: int = 0
    listed: list[tuple[int, int, int, int]] = field(default_factory=list)
    timing: Timing = SETTINGS

    @property
    def sizes(self) -> tuple[LayerSize, ...]:
        return self.manifest.accelerator.registers.layers

    @property
    def arrays(self) -> list[int]:
        """Layers that have arrays."""
        return [layer for layer, size in enumerate(self.sizes) if size.groups]

    def held(self, place: tuple[int, int, int], row: int) -> int:
        return self.faults.read_row(*place, row, self.timing.sense)

    def width(self, layer: int) -> int:
        return self.columns * (2 if self.sizes[layer].ternary else 1)

    def set(self, **changes: int) -> None:
        """Change settings."""
        self.timing = replace(self.timing, **changes)
        self.configure(self.timing)

    def address(self, layer: int, group: int, tile: int, index: int) -> None:
        for register, value in zip(ADDRESS, (layer, group, tile, index), strict=True):
            self.hold(register, value)

    def put_data(self, word: int, width: int) -> None:
        for number, address in enumerate(self.data[: -(-width // 32)]):
            self.write("DATA", address, word >> 32 * number & ALL)

    def data_is(self, what: str, word: int, width: int) -> None:
        for number, address in enumerate(self.data[: -(-width // 32)]):
            self.read(f"{what}: DATA", address, word >> 32 * number & (1 << min(32, width - 32 * number)) - 1)

    def command(self, what: str, command: HostCommand) -> None:
        if command is HostCommand.FORM_ROW:
            self.write(f"{what}: UNLOCK", Register.UNLOCK, KEY)
        self.write(what, Register.COMMAND, command.value)

    def ended(self, what: str, status: int) -> None:
        """The command ends, with this status."""
        self.add(what, "end", status, ALL & ~self.unsure)

    def pulses(self, what: str, codes: Sequence[tuple[int, int]], cycles: int, pulses: int) -> None:
        """The amplitudes since the last time, the code, and for how many cycles it stood; and in how many cycles of
        how many pulses HV was high.
        """
        self.add(what, "amplitudes", [list(each) for each in codes], [cycles, pulses])

    def train(self, kind: str, attempt: int, columns: int) -> tuple[int, int, int, int]:
        """Code and cycles of a train of pulses, cycles of HV in it, and pulses."""
        timing, most = self.timing, self.manifest.limits.pulsed_at_once
        code = min(255, getattr(timing, f"{kind}_amplitude") + attempt * getattr(timing, f"{kind}_step"))
        before, each = timing.setup + 1, getattr(timing, f"{kind}_pulse") + timing.setup + 1
        cycles = pulses = 0
        for start in range(0, self.columns, most):
            count = getattr(timing, f"{kind}_count") if columns >> start & (1 << most) - 1 else 0
            cycles += count * each if count else before
            pulses += count
        return code, cycles, pulses * getattr(timing, f"{kind}_pulse"), pulses

    def account(self, what: str, writer: Writer) -> None:
        """What was pulsed, and how often again."""
        trains = [self.train(*each) for each in writer.trains]
        cycles, pulses = sum(each[2] for each in trains), sum(each[3] for each in trains)
        self.pulses(what, [each[:2] for each in trains], cycles, pulses)
        attempts = [each.attempt for each in writer.trains]
        self.retries += sum(now > 0 and now != before for before, now in zip([0, *attempts], attempts, strict=False))
        self.read(f"{what}: RETRIES", Register.RETRIES, self.retries)

    def fail(self, place: tuple[int, int, int], row: int, wrong: int) -> None:
        self.failures += 1
        if len(self.listed) < FAILURES:
            self.listed.append((*place, row))
        self.wrong = wrong

    def failures_are(self, what: str) -> None:
        self.read(f"{what}: FAILURES", Register.FAILURES, self.failures)
        full = OVERFLOW if self.overflows else 0
        self.read(f"{what}: FAILED_COUNT", Register.FAILED_COUNT, len(self.listed) | full)
        for number, address in enumerate(self.failed_columns if self.failures else ()):
            self.read(f"{what}: FAILED_COLUMNS", address, self.wrong >> 32 * number & ALL)

    overflows: bool = False
    wrong: int = 0

    def take_failures(self) -> None:
        """Take all rows off the list."""
        while True:
            layer, group, tile, row = self.listed[0] if self.listed else (0, 0, 0, 0)
            self.read("FAILED_ARRAY", Register.FAILED_ARRAY, layer | group << 16)
            self.read("FAILED_ROW", Register.FAILED_ROW, tile | row << 16)
            self.write("FAILED_COUNT", Register.FAILED_COUNT, 0)
            if not self.listed:
                return
            self.overflows = False
            self.listed.pop(0)
            self.read("FAILED_COUNT", Register.FAILED_COUNT, len(self.listed))

    def row(self, what: str, command: HostCommand, place: tuple[int, int, int], row: int, word: int) -> None:
        """PROGRAM_ROW, FORM_ROW or VERIFY_ROW, and all that can be read of it."""
        what = f"{what}: {command.name} of row {row} of array {place}"
        width = self.width(place[0])
        writer = Writer(self.faults, place, self.timing.retries)
        self.address(*place, row)
        self.put_data(word, width)
        self.command(what, command)
        status, wrong = self._row(command, writer, row, word)
        if status & UNSIGNED:
            finished, at = 0, self.geometry.rows - 1
        else:
            finished, at = 1, row
        if status & FAILED:
            self.fail(place, at, wrong)
        self.ended(what, status)
        self.read(f"{what}: PROGRESS", Register.PROGRESS, finished | bool(status & FAILED) << 16)
        self.account(what, writer)
        self.failures_are(what)
        self.data_is(what, word, width)

    def _row(self, command: HostCommand, writer: Writer, row: int, word: int) -> tuple[int, int]:
        """Do it in golden: the status, and the columns that are wrong where it fails."""
        geometry = self.geometry
        if command is HostCommand.VERIFY_ROW:
            wrong = writer.columns(writer.wrong(row, word))
            return FAILED * bool(wrong), wrong
        signature = geometry.rows - 1
        if geometry.signature and row != signature:
            invalid = writer.signatures.invalid
            if not writer.put(signature, invalid, verify_first=True):
                return FAILED | UNSIGNED, writer.columns(writer.wrong(signature, invalid))
        if command is HostCommand.FORM_ROW:
            for side, wanted in enumerate(writer.formed):
                if not writer.put(row, wanted, forms=side):
                    return FAILED, writer.columns(writer.wrong(row, wanted))
            return 0, 0
        taken = self.faults.taken
        while not writer.put(row, word, verify_first=bool(self.timing.verify_first)):
            if not self.faults.take_spare(*writer.place, row):
                status = FAILED | NO_SPARE * bool(geometry.spare_rows) | SPARED * (self.faults.taken > taken)
                return status, writer.columns(writer.wrong(row, word))
        return SPARED * (self.faults.taken > taken), 0

    def read_row(self, what: str, place: tuple[int, int, int], row: int) -> None:
        what = f"{what}: READ_ROW of row {row} of array {place}"
        self.address(*place, row)
        self.command(what, HostCommand.READ_ROW)
        self.ended(what, 0)
        self.data_is(what, self.held(place, row), self.width(place[0]))
        self.read(f"{what}: PROGRESS", Register.PROGRESS, 1)

    def places(self, layer: int) -> Iterator[tuple[int, int, int]]:
        """The first and the last array of a layer, and one between them."""
        size = self.sizes[layer]
        yield from dict.fromkeys([(layer, 0, 0), (layer, size.groups - 1, size.tiles - 1), (layer, 0, size.tiles - 1)])

    @property
    def sizes_of_tables(self) -> int:
        return self.manifest.accelerator.reserve.entries

    def rows_of(self, place: tuple[int, int, int], row: int) -> None:
        """Programming of one array, row by row."""
        layer, columns = place[0], self.columns
        full, before = (1 << self.width(layer)) - 1, self.held(place, row)
        other = before ^ full if self.width(layer) == columns else (before >> columns) | (before << columns) & full
        self.set(verify_first=0, read_twice=0)
        self.row("programmed", HostCommand.PROGRAM_ROW, place, row, other)
        self.read_row("read back", place, row)
        self.set(verify_first=1)
        some = (other ^ 0x15 & full) if self.width(layer) == columns else other & ~0x15
        self.row("changed in part", HostCommand.PROGRAM_ROW, place, row, some)
        self.row("not changed", HostCommand.PROGRAM_ROW, place, row, some)
        self.set(verify_first=0, read_twice=1)
        self.row("verified", HostCommand.VERIFY_ROW, place, row, self.held(place, row))
        self.row("verified to be wrong", HostCommand.VERIFY_ROW, place, row, self.held(place, row) ^ 1)
        self.row("verified to be wrong", HostCommand.VERIFY_ROW, place, row, self.held(place, row) ^ 1 << columns - 1)
        self.read_row("read twice", place, row)
        self.row("formed", HostCommand.FORM_ROW, place, row, before)
        self.row("as before", HostCommand.PROGRAM_ROW, place, row, before)
        self.take_failures()
        if self.geometry.signature:
            self.commit(place)

    def commit(self, place: tuple[int, int, int]) -> None:
        """Make an array valid, which it is not before."""
        last = self.geometry.rows - 1
        self.read_row("signature", place, last)
        writer = Writer(self.faults, place, self.timing.retries)
        self.address(*place, 0)
        self.command("COMMIT", HostCommand.COMMIT)
        spared = self.faults.has_spares(*place)
        word = writer.signatures.spared if spared else writer.signatures.valid
        right = writer.put(last, word, verify_first=True)
        self.ended("COMMIT", 0 if right else FAILED | UNSIGNED)
        if not right:
            self.fail(place, last, writer.columns(writer.wrong(last, word)))
        self.account("COMMIT", writer)
        self.failures_are("COMMIT")
        self.read_row("signature", place, last)
