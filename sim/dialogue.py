"""What a host says to an accelerator and what it must hear: golden of the registers and of what their commands do.

A dialogue is a list of steps that `sim.converse` plays on the ports. It knows nothing of how the hardware does it: what
it expects follows from the manual (docs/accelerator.md) and from `model.faulty.FaultyArrays`, which it keeps up to date
with what is programmed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hdl.arrays.spare_table import ENTRY, entry_layout
from hdl.generate import Manifest
from hdl.programming import FAILURES, HostCommand, LayerSize
from hdl.registers import ADDRESS, DATA_WORDS, IDENTIFICATION, KEY, MAP_VERSION, PROTECTED, Register, Timing
from hdl.streams.row_receiver import ROW_BEAT
from model.faulty import FaultyArrays
from model.mapping import Geometry
from model.signatures import contents_crc32
from sim.host import (
    BAD_PACKET,
    BUSY,
    CHECKING,
    FAILED,
    MISMATCH,
    NO_SPARE,
    NO_SUPPLY,
    NOT_VALID,
    SPARED,
    SUPPLY_LOST,
    TOO_LONG,
    UNLOCKED,
    UNSIGNED,
)
from sim.programmed import Writer

DONE, ERROR = 1, 2
LOCK = 1 << 31
OVERFLOW = 1 << 31
ALL = (1 << 32) - 1
SETTINGS = Timing(
    precharge=1,
    sense=2,
    set_pulse=3,
    reset_pulse=5,
    form_pulse=7,
    setup=2,
    form_count=1,
    set_count=2,
    reset_count=3,
    form_amplitude=0x31,
    set_amplitude=0x12,
    reset_amplitude=0x54,
    form_step=0x09,
    set_step=0x60,
    reset_step=0x23,
    retries=3,
)
"""How rows are read and pulsed in a dialogue: no two values alike, and an amplitude that the steps take beyond 255."""
BEYOND = 5
"""Cycles by which the pulse that must be cut is longer than the longest one."""
LONG = 255
"""Pulses in a train that lasts for some accesses of registers."""
LOST_AFTER = 3
"""Cycles of the amplitude after which the supply fails."""
PATTERNS = (0x5A5A_5A5A, 0xA5A5_A5A5, 0x3C96_C369)
"""What is written into registers: each bit is once 0 and once 1, and no field is 0."""
WIDTHS = {
    Register.COUNTS: 24,
    Register.AMPLITUDES: 24,
    Register.STEPS: 24,
    Register.CONTROL: 10,
    Register.READ_TIMING: 16,
    Register.IRQ_ENABLE: 2,
    Register.TRUST: 1,
    Register.PROTECT: 31,
    **dict.fromkeys(ADDRESS, 16),
}
"""Bits of registers that have less than 32 (the lock of PROTECT apart)."""
CONFIGURING = (
    Register.READ_TIMING,
    Register.PULSES,
    Register.FORM_PULSE,
    Register.COUNTS,
    Register.AMPLITUDES,
    Register.STEPS,
    Register.CONTROL,
)
READ_ONLY = (
    *(Register.ID, Register.VERSION, Register.LAYERS, Register.INPUT_BITS, Register.CLASSES, Register.ARRAY),
    *(Register.FAILURES, Register.RETRIES, Register.IMAGES_IN, Register.IMAGES_OUT, Register.LIMITS),
    *(Register.PROGRESS, Register.FAILED_ARRAY, Register.FAILED_ROW, Register.CRC, Register.KEPT, Register.SPARES),
    *(Register.INVALID, Register.INVALID_ARRAY, Register.INVALID_TILE, Register.FAILED_COLUMNS),
)
WRITE_ONLY = (Register.COMMAND, Register.UNLOCK)


def _pattern(turn: int, place: int) -> int:
    """What is written in one of several turns into one of several registers: neighbours get different things."""
    return PATTERNS[(turn + place) % len(PATTERNS)] ^ ALL * ((turn // len(PATTERNS) + place // len(PATTERNS)) % 2)


def configuration(timing: Timing) -> dict[Register, int]:
    """READ_TIMING … CONTROL with these values."""
    of_each = [
        sum(getattr(timing, f"{name}_{kind}") << 8 * place for place, name in enumerate(("form", "set", "reset")))
        for kind in ("count", "amplitude", "step")
    ]
    return {
        Register.READ_TIMING: timing.precharge | timing.sense << 8,
        Register.PULSES: timing.set_pulse | timing.reset_pulse << 16,
        Register.FORM_PULSE: timing.form_pulse | timing.setup << 16,
        Register.COUNTS: of_each[0],
        Register.AMPLITUDES: of_each[1],
        Register.STEPS: of_each[2],
        Register.CONTROL: timing.retries | timing.verify_first << 8 | timing.read_twice << 9,
    }


@dataclass
class Dialogue:
    """A dialogue with the accelerator of `manifest`, from reset on. `steps` are lists of what is done and expected, see
    `sim.converse.converse`; each begins with what it is about, for the message where it fails.
    """

    manifest: Manifest
    steps: list[list[Any]] = field(default_factory=list)
    held_values: dict[int, int] = field(default_factory=dict)

    def add(self, what: str, kind: str, *rest: Any) -> None:
        self.steps.append([what, kind, *rest])

    def write(self, what: str, address: int, value: int, accepted: bool = True) -> None:
        self.add(what, "write", address, value, accepted)

    def read(self, what: str, address: int, value: int, mask: int = ALL) -> None:
        self.add(what, "read", address, value & mask, mask)

    def refused(self, what: str, address: int, value: int | None = None) -> None:
        """A write of `value`, or a read, ends in SLVERR."""
        if value is None:
            self.add(what, "unreadable", address)
        else:
            self.write(what, address, value, False)

    def pins(self, what: str, **values: int) -> None:
        self.add(what, "pins", values)

    @property
    def geometry(self) -> Geometry:
        return self.manifest.plan.geometry

    @property
    def unsure(self) -> int:
        """Bits of STATUS that depend on when signatures are read."""
        return NOT_VALID | CHECKING if self.geometry.signature else 0

    @property
    def columns(self) -> int:
        return self.geometry.columns

    @property
    def data(self) -> list[int]:
        """Addresses of the words of DATA."""
        return [Register.DATA + 4 * word for word in range(-(-self.manifest.accelerator.host_width // 32))]

    def bits(self, address: int) -> int:
        """Bits of a register that can be written; the last word of DATA ends where the widest word does."""
        if address in self.data:
            return min(32, self.manifest.accelerator.host_width - 8 * (address - Register.DATA))
        return WIDTHS.get(Register(address), 32)

    @property
    def failed_columns(self) -> list[int]:
        return [Register.FAILED_COLUMNS + 4 * word for word in range(-(-self.columns // 32))]

    def after_reset(self) -> None:
        """All registers that can be read, as a reset leaves them."""
        block, geometry = self.manifest.accelerator.registers, self.geometry
        entries = block.reserve.entries
        known = {
            Register.ID: IDENTIFICATION,
            Register.VERSION: MAP_VERSION,
            Register.LAYERS: len(block.layers),
            Register.INPUT_BITS: block.input_bits,
            Register.CLASSES: block.classes,
            Register.ARRAY: block.rows | block.columns << 16,
            Register.LIMITS: self.manifest.limits.longest_pulse | self.manifest.limits.pulsed_at_once << 16,
            Register.KEPT: geometry.used_rows | geometry.spare_rows << 16 | geometry.signature << 31,
            Register.SPARES: entries,
            **configuration(self.manifest.timing),
        }
        later = (Register.INVALID, Register.INVALID_ARRAY, Register.INVALID_TILE, Register.STATUS, Register.CRC)
        for register in Register:
            if register not in (*WRITE_ONLY, *later):
                self.read(f"{register.name} after reset", register, known.get(register, 0))
        self.read("STATUS after reset", Register.STATUS, 0, ALL & ~self.unsure)
        for address in (*self.data, *self.failed_columns):
            self.read(f"register {address:#x} after reset", address, 0)
        self.pins("after reset", irq=0, amplitude=0)

    def registers(self) -> None:
        """Registers hold what is written, as far as they have bits; others are refused."""
        writable = [*CONFIGURING, *ADDRESS, Register.PROTECT, Register.IRQ_ENABLE, Register.TRUST, Register.EXPECTED]
        addresses = [*writable, *self.data]
        for turn in range(2 * len(PATTERNS)):
            for place, address in enumerate(addresses):
                value = _pattern(turn, place)
                self.write(f"register {address:#x}", address, value & ~(LOCK * (address == Register.PROTECT)))
            for place, address in enumerate(addresses):
                value = _pattern(turn, place)
                bits = (1 << self.bits(address)) - 1
                self.read(f"register {address:#x}", address, value & bits)
        for place, address in enumerate(addresses):
            for value, byte in ((ALL, 0x24), (0x2436_4271, 0xDB)):
                lane = 0 if address == Register.PROTECT else place % 4  # whose lock would be set
                self.write(f"register {address:#x}", address, value & ~(LOCK * (address == Register.PROTECT)))
                self.add(f"a byte of register {address:#x}", "bytes", address + lane, [byte])
                bits = (1 << self.bits(address)) - 1
                changed = value & ~(0xFF << 8 * lane) | byte << 8 * lane
                self.read(f"a byte of register {address:#x}", address, changed & bits)
        for register in READ_ONLY:
            self.refused(f"{register.name} is read-only", register, 1)
        for register in WRITE_ONLY:
            self.refused(f"{register.name} is write-only", register)
        free = [address for address in (0x0A0, 0x1FC) if address not in list(Register)]
        free += [Register.DATA + 4 * len(self.data)] * (len(self.data) < DATA_WORDS)
        free += [self.failed_columns[-1] + 4, 0x7FC, 0xFFC]
        for address in free:
            self.refused(f"{address:#x} is no register", address)
            self.refused(f"{address:#x} is no register", address, 0)
        for register in (Register.PROTECT, Register.IRQ_ENABLE, Register.TRUST):
            self.write(f"{register.name} is cleared", register, 0)
        self.configure(SETTINGS)

    def configure(self, timing: Timing) -> None:
        for register, value in configuration(timing).items():
            self.hold(register, value)

    def hold(self, register: Register, value: int) -> None:
        """Let a register that only the host changes be this."""
        if self.held_values.get(register) != value:
            self.write(register.name, register, value)
            self.held_values[register] = value


@dataclass
class Commands(Dialogue):
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

    def commands(self) -> None:
        """All of it. What is programmed is what was there before, at the end."""
        self.registers()
        self.read("SPARES", Register.SPARES, self.sizes_of_tables)
        for layer in self.arrays:
            for number, place in enumerate(self.places(layer)):
                self.rows_of(place, (number + layer) % self.geometry.used_rows)
        self.limits()
        for layer in self.arrays:
            self.one_cut(layer)
        self.stream()
        self.busy()
        self.interrupts()
        self.overflow()
        self.scrubbed()
        self.numbers_of_layers()
        self.tables()
        self.protection()

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

    def limits(self) -> None:
        """Commands on what does not exist, and commands that do not exist."""
        used, rows = self.geometry.used_rows, self.geometry.rows
        self.address(len(self.sizes), 0, 0, 0)
        for command in HostCommand:
            self.refused("a layer too many", Register.COMMAND, command.value)
        for layer, size in enumerate(self.sizes):
            group, tile, index = max(size.groups, 1) - 1, max(size.tiles, 1) - 1, rows - 1
            for what, place in (
                ("a group too many", (group + 1, tile, 0)),
                ("a tile too many", (group, tile + 1, 0)),
                ("a row too many", (group, tile, rows)),
            ):
                self.address(layer, *place)
                for command in (HostCommand.PROGRAM_ROW, HostCommand.READ_ROW, HostCommand.VERIFY_ROW):
                    self.refused(what, Register.COMMAND, command.value)
                self.write("UNLOCK", Register.UNLOCK, KEY)
                self.refused(what, Register.COMMAND, HostCommand.FORM_ROW.value)
                self.refused(what, Register.COMMAND, HostCommand.PROGRAM_ARRAY.value)
                if what != "a row too many":
                    self.refused(what, Register.COMMAND, HostCommand.SCRUB.value)
                    self.refused(what, Register.COMMAND, HostCommand.COMMIT.value)
            if used < rows:
                self.address(layer, group, tile, used)
                for command in (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY):
                    self.refused("a row that is kept back", Register.COMMAND, command.value)
            if size.groups:
                self.read_row("the last row", (layer, group, tile), index)
            lanes, numbers = size.lanes, size.numbers
            for place in ((lanes, 0, 0), (max(lanes, 1) - 1, 0, numbers)):
                self.address(layer, *place)
                for command in (HostCommand.READ_NUMBER, HostCommand.WRITE_NUMBER):
                    self.refused("a number too many", Register.COMMAND, command.value)
            entries = self.sizes_of_tables
            self.address(layer, 0, 0, entries if size.groups else 0)
            for command in (HostCommand.READ_SPARE, HostCommand.WRITE_SPARE):
                self.refused("an entry too many", Register.COMMAND, command.value)
            if not self.geometry.signature:
                self.refused("no signature", Register.COMMAND, HostCommand.COMMIT.value)
        self.address(self.arrays[0], 0, 0, 0)
        for value in (0, 12, 13, 14, 15, 16 + HostCommand.READ_ROW.value, 1 << 31 | HostCommand.READ_ROW.value):
            self.refused("no command", Register.COMMAND, value)

    def _begin_row(self, layer: int, command: HostCommand = HostCommand.PROGRAM_ROW) -> tuple[int, int, int]:
        """Begin to program row 0 of the layer's last array with what it holds; its signature is invalid already."""
        size = self.sizes[layer]
        place = (layer, size.groups - 1, size.tiles - 1)
        self.address(*place, 0)
        self.put_data(self._mixed(place), self.width(layer))
        self.command(f"long pulse in array {place}", command)
        return place

    def _mixed(self, place: tuple[int, int, int]) -> int:
        """A word whose first pulse is a SET on BL."""
        return 1

    def one_cut(self, layer: int) -> None:
        """An over-long pulse, and one whose supply fails; with that, commands that need one are refused."""
        size = self.sizes[layer]
        place = (layer, size.groups - 1, size.tiles - 1)
        before, columns = self.held(place, 0), self.columns
        everything = (1 << columns) - 1
        longest, setup = self.manifest.limits.longest_pulse, self.timing.setup
        self.set(verify_first=0, read_twice=0, retries=0, set_count=1)
        # Now nothing but the row itself is pulsed: a signature is invalid.
        self.row("before a cut", HostCommand.PROGRAM_ROW, place, 0, before)
        code = self.timing.set_amplitude
        if longest + BEYOND < 1 << 16:
            what = f"a pulse of {longest + BEYOND} cycles in array {place}"
            self.set(set_pulse=longest + BEYOND)
            self._begin_row(layer)
            self.ended(what, FAILED | TOO_LONG)
            self.pulses(what, [(code, longest + setup + 1)], longest, 1)
            self._was_cut(what, place, everything)
        self.set(set_pulse=min(50, longest), set_count=100)
        for after, setup_cycles in ((LOST_AFTER + setup, setup), (0, 30)):
            what = f"a supply that fails in array {place}, {after} cycles after the amplitude is there"
            self.set(setup=setup_cycles)
            self._begin_row(layer)
            self.add(what, "lose", after)
            self.ended(what, FAILED | SUPPLY_LOST | NO_SUPPLY)
            self.pulses(
                what, [(code, after + 3 if after else setup_cycles + 1)], LOST_AFTER + 2 if after else 0, bool(after)
            )
            self._was_cut(what, place, everything)
            for command in (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY):
                self.refused("without a supply", Register.COMMAND, command.value)
            self.write("UNLOCK", Register.UNLOCK, KEY)
            self.read("UNLOCKED", Register.STATUS, UNLOCKED | FAILED | SUPPLY_LOST | NO_SUPPLY, ALL & ~self.unsure)
            self.refused("without a supply", Register.COMMAND, HostCommand.FORM_ROW.value)
            self.read("a refused command locks", Register.STATUS, UNLOCKED * 0, UNLOCKED)
            if self.geometry.signature:
                self.refused("without a supply", Register.COMMAND, HostCommand.COMMIT.value)
            self.command("a read needs no supply", HostCommand.READ_ROW)
            self.ended("a read needs no supply", NO_SUPPLY)
            self.add("the supply is there again", "supply", 1)
            self.read("the supply is there again", Register.STATUS, 0, ALL & ~self.unsure)
        self.refused("FORM_ROW without its key", Register.COMMAND, HostCommand.FORM_ROW.value)
        self.write("a wrong key", Register.UNLOCK, KEY ^ 1 << layer % 32)
        self.refused("FORM_ROW with a wrong key", Register.COMMAND, HostCommand.FORM_ROW.value)
        self.write("UNLOCK", Register.UNLOCK, KEY)
        self.write("UNLOCK", Register.UNLOCK, 0)
        self.refused("FORM_ROW locked again", Register.COMMAND, HostCommand.FORM_ROW.value)
        self.set(**{name: getattr(SETTINGS, name) for name in ("set_pulse", "set_count", "setup", "retries")})
        self.take_failures()
        self.row("after a cut", HostCommand.PROGRAM_ROW, place, 0, before)
        self.take_failures()
        if self.geometry.signature:
            self.commit(place)

    def _was_cut(self, what: str, place: tuple[int, int, int], wrong: int) -> None:
        self.fail(place, 0, wrong)
        self.read(f"{what}: PROGRESS", Register.PROGRESS, 1 | 1 << 16)
        self.failures_are(what)

    def stream(self) -> None:
        """PROGRAM_ARRAY: packets that end early, go on behind the last row, or end within a row."""
        for layer in self.arrays:
            place, used = (layer, 0, 0), self.geometry.used_rows
            held = [self.held(place, row) for row in range(used)]
            first = max(0, used - 3)
            self._array("the last rows", place, first, held[first:])
            if used > 1:
                self._array("a packet that ends early", place, 0, held[:1])
            self._array("a packet that goes on", place, used - 1, [held[-1], 0], bad=True)
            if self.width(layer) > ROW_BEAT:
                self._array("a packet that ends within a row", place, 0, [held[0]], bad=True, short=True)
            self._array("after a bad packet", place, 0, held[:1])
            self.take_failures()
            if self.geometry.signature:
                self.commit(place)

    def _array(
        self,
        what: str,
        place: tuple[int, int, int],
        first: int,
        rows: Sequence[int],
        bad: bool = False,
        short: bool = False,
    ) -> None:
        """PROGRAM_ARRAY of some rows of an array, but of all of them; where the packet is `bad`, it goes on behind the
        last row, or is a beat too `short`.
        """
        what, layer = f"{what}: PROGRAM_ARRAY of array {place}", place[0]
        width, last = self.width(layer), self.geometry.rows - 1
        writer = Writer(self.faults, place, self.timing.retries)
        self.address(*place, first)
        self.command(what, HostCommand.PROGRAM_ARRAY)
        beats = [word >> start & (1 << ROW_BEAT) - 1 for word in rows for start in range(0, width, ROW_BEAT)]
        self.add(what, "rows", beats[:-1] if short else beats)
        taken, failed = self.faults.taken, []
        done = [] if short else list(rows[: self.geometry.used_rows - first])
        status = 0
        marks = self.geometry.signature and done
        if marks and not writer.put(last, writer.signatures.invalid, verify_first=True):
            status, done = UNSIGNED, []
            self.fail(place, last, writer.columns(writer.wrong(last, writer.signatures.invalid)))
        for row, word in enumerate(done, first):
            if not writer.put_somewhere(row, word):
                failed.append(row)
                self.fail(place, row, writer.columns(writer.wrong(row, word)))
        status |= SPARED * (self.faults.taken > taken) | NO_SPARE * bool(failed and self.geometry.spare_rows)
        status |= FAILED * bool(failed or status & UNSIGNED or bad) | BAD_PACKET * (bad and not status & UNSIGNED)
        whole = len(done) == self.geometry.used_rows and not status & FAILED
        if self.geometry.signature and whole:
            spared = self.faults.has_spares(*place)
            word = writer.signatures.spared if spared else writer.signatures.valid
            if not writer.put(last, word, verify_first=True):
                status |= FAILED | UNSIGNED
                self.fail(place, last, writer.columns(writer.wrong(last, word)))
        self.ended(what, status)
        failures = len(failed) + bool(status & UNSIGNED)
        self.read(f"{what}: PROGRESS", Register.PROGRESS, len(done) | failures << 16)
        self.account(what, writer)
        self.failures_are(what)
        if done:
            self.data_is(what, done[-1], width)

    def busy(self) -> None:
        """While a command is under way, what it is made of stands still."""
        layer = self.arrays[-1]
        place = (layer, 0, 0)
        before = self.held(place, 0)
        self.set(verify_first=0, retries=3, set_pulse=1, reset_pulse=1, setup=1, set_count=LONG, reset_count=LONG)
        self.row("before a long train", HostCommand.PROGRAM_ROW, place, 0, before)
        self.command("a long train", HostCommand.PROGRAM_ROW)
        writer = Writer(self.faults, place, self.timing.retries)
        status, wrong = self._row(HostCommand.PROGRAM_ROW, writer, 0, before)
        self.read("a long train", Register.STATUS, BUSY, ALL & ~self.unsure)
        self.pins("a long train", idle=0)
        for address in (*CONFIGURING, *ADDRESS, Register.EXPECTED, *self.data):
            self.refused("while BUSY", address, 0x0101_0101)
        self.refused("while BUSY", Register.COMMAND, HostCommand.READ_ROW.value)
        self.read("a long train", Register.PROGRESS, 0)
        self.read("a long train", Register.STATUS, BUSY, ALL & ~self.unsure)
        for address in (Register.PROTECT, Register.TRUST, Register.IRQ_ENABLE):
            self.write("while BUSY", address, 0)
        self.ended("a long train", status)
        if status & FAILED:
            self.fail(place, self.geometry.rows - 1 if status & UNSIGNED else 0, wrong)
        self.account("a long train", writer)
        self.data_is("a long train", before, self.width(layer))
        for register, value in configuration(self.timing).items():
            self.read(f"{register.name} after a long train", register, value)
        for register, value in zip(ADDRESS, (*place, 0), strict=True):
            self.read(f"{register.name} after a long train", register, value)
        kinds = ("set_pulse", "reset_pulse", "setup", "set_count", "reset_count")
        self.set(**{name: getattr(SETTINGS, name) for name in kinds})
        self.take_failures()
        if self.geometry.signature:
            self.commit(place)

    def interrupts(self) -> None:
        layer = self.arrays[0]
        place, width = (layer, 0, 0), self.width(self.arrays[0])
        right = self.held(place, 0)
        self.write("IRQ_STATUS", Register.IRQ_STATUS, DONE | ERROR)
        self.address(*place, 0)
        for enabled in range(4):
            self.write("IRQ_ENABLE", Register.IRQ_ENABLE, enabled)
            self.pins(f"IRQ_ENABLE {enabled}", irq=0)
            for word, events in ((right, DONE), (right ^ 1, DONE | ERROR)):
                what = f"IRQ_ENABLE {enabled}, events {events}"
                self.put_data(word, width)
                self.command(what, HostCommand.VERIFY_ROW)
                self.ended(what, FAILED * (events != DONE))
                self.read(what, Register.IRQ_STATUS, events)
                self.pins(what, irq=bool(events & enabled))
                self.write(what, Register.IRQ_STATUS, DONE)
                self.read(what, Register.IRQ_STATUS, events & ERROR)
                self.pins(what, irq=bool(events & ERROR & enabled))
                self.write(what, Register.IRQ_STATUS, ERROR)
                self.read(what, Register.IRQ_STATUS, 0)
                self.pins(what, irq=0)
                if events & ERROR:
                    self.fail(place, 0, 1)
        self.write("IRQ_ENABLE", Register.IRQ_ENABLE, 0)
        self.failures_are("interrupts")
        self.take_failures()

    def overflow(self) -> None:
        """A list of failed rows that has more than it holds."""
        places = [(layer, group, tile) for layer in self.arrays for _, group, tile in self.places(layer)]
        for number in range(FAILURES + 2):
            place, row = places[number % len(places)], number % self.geometry.used_rows
            self.overflows = number >= FAILURES
            column = number % self.columns
            what = HostCommand.VERIFY_ROW
            self.row("one of many failures", what, place, row, self.held(place, row) ^ 1 << column)
        self.take_failures()

    def scrubbed(self) -> None:
        """SCRUB of an array of each layer against a right and a wrong CRC-32."""
        for layer in self.arrays:
            size = self.sizes[layer]
            place = (layer, size.groups - 1, size.tiles - 1)
            contents = self.faults.contents(*place)
            crc = contents_crc32(contents, self.width(layer))
            for flip in (0, 1, 1 << 31):
                self.write("EXPECTED", Register.EXPECTED, crc ^ flip)
                self.address(*place, 0)
                self.command(f"SCRUB of array {place}", HostCommand.SCRUB)
                self.ended(f"SCRUB of array {place}", (FAILED | MISMATCH) * bool(flip))
                self.read(f"SCRUB of array {place}", Register.CRC, crc)
                self.read(f"SCRUB of array {place}", Register.PROGRESS, len(contents))

    def numbers_of_layers(self) -> None:
        """Each number takes another value, and then its own again."""
        for memory in self.numbers:
            width = memory["width"]
            for flip in ((1 << width) - 1, 0):
                for index, word in enumerate(memory["words"]):
                    self.address(memory["layer"], memory["group"], memory["tile"], index)
                    self.put_data(word ^ flip, width)
                    self.command("WRITE_NUMBER", HostCommand.WRITE_NUMBER)
                    self.ended("WRITE_NUMBER", 0)
                for index, word in enumerate(memory["words"]):
                    what = f"number {index} of {memory['name']}"
                    self.address(memory["layer"], memory["group"], memory["tile"], index)
                    self.put_data(~(word ^ flip), width)
                    self.command(what, HostCommand.READ_NUMBER)
                    self.ended(what, 0)
                    self.data_is(what, word ^ flip, width)

    def tables(self) -> None:
        """Each entry of the tables of spare rows takes another value, and then its own again."""
        entries = self.sizes_of_tables
        for layer in self.arrays if entries else ():
            size = self.sizes[layer]
            layout = entry_layout(size.groups, size.tiles, self.geometry.rows)
            own = [*self.faults.table(layer), *[0] * entries][:entries]
            kept = sum(((1 << layout[name].width) - 1) << ENTRY[name].offset for name, _ in layout)
            others = [(0x6C3A_95C6_5AC3_396A ^ (index * 0x0101_0101_0101_0101)) & kept for index in range(entries)]
            for turn, words in enumerate((own, others, own)):
                for index, word in enumerate(words if turn else ()):
                    self.address(layer, 0, 0, index)
                    self.put_data(word | (kept ^ ((1 << 64) - 1)) * (words is others), 64)
                    self.command("WRITE_SPARE", HostCommand.WRITE_SPARE)
                    self.ended("WRITE_SPARE", 0)
                for index, word in enumerate(words):
                    self.address(layer, 0, 0, index)
                    self.put_data(~word, 64)
                    self.command("READ_SPARE", HostCommand.READ_SPARE)
                    self.ended("READ_SPARE", 0)
                    self.data_is(f"entry {index} of layer {layer}", word, 64)

    def protection(self) -> None:
        """PROTECT holds, layer by layer, and with its lock until reset."""
        for protected in range(len(self.sizes)):
            bit = min(protected, PROTECTED - 1)
            self.write("PROTECT", Register.PROTECT, ALL >> 1 & ~(1 << bit))
            for layer, size in enumerate(self.sizes):
                self.address(layer, 0, 0, 0)
                free = min(layer, PROTECTED - 1) == bit
                what = f"layer {layer} {'not ' * free}protected"
                if size.lanes * size.numbers:
                    if not free:
                        self.refused(what, Register.COMMAND, HostCommand.WRITE_NUMBER.value)
                    self.command(what, HostCommand.READ_NUMBER)
                    self.ended(what, 0)
                    if free:
                        self.command(what, HostCommand.WRITE_NUMBER)
                        self.ended(what, 0)
                if size.groups:
                    self.command(what, HostCommand.READ_ROW)
                    self.ended(what, 0)
                    for command in (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY) if not free else ():
                        self.refused(what, Register.COMMAND, command.value)
                    if not free:
                        self.write("UNLOCK", Register.UNLOCK, KEY)
                        self.refused(what, Register.COMMAND, HostCommand.FORM_ROW.value)
                    if self.sizes_of_tables and not free:
                        self.refused(what, Register.COMMAND, HostCommand.WRITE_SPARE.value)
                    if self.geometry.signature and not free:
                        self.refused(what, Register.COMMAND, HostCommand.COMMIT.value)
                    if free:
                        place = (layer, 0, 0)
                        self.row(what, HostCommand.PROGRAM_ROW, place, 0, self.held(place, 0))
                        if self.geometry.signature:
                            self.commit(place)
        self.take_failures()
        self.write("LOCK", Register.PROTECT, LOCK | 5)
        self.refused("PROTECT is locked", Register.PROTECT, 0)
        self.read("PROTECT is locked", Register.PROTECT, LOCK | 5)
        self.disturb()

    def disturb(self) -> None:
        """Leave no register as a reset is to leave it."""
        self.write("IRQ_ENABLE", Register.IRQ_ENABLE, DONE | ERROR)
        for address in (*ADDRESS, *CONFIGURING, Register.TRUST, Register.EXPECTED, *self.data):
            self.write(f"register {address:#x}", address, PATTERNS[0] ^ ALL)
        self.write("UNLOCK", Register.UNLOCK, KEY)
