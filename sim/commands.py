"""All commands of a host, one after the other, and what must be refused: the dialogue of `hafnet verify --program`."""

from collections.abc import Sequence
from dataclasses import dataclass

from hdl.arrays.spare_table import ENTRY, entry_layout
from hdl.programming import FAILURES, HostCommand
from hdl.registers import ADDRESS, KEY, PROTECTED, Register
from hdl.streams.row_receiver import ROW_BEAT
from model.signatures import contents_crc32
from sim.dialogue import (
    ALL,
    CONFIGURING,
    LOCK,
    PATTERNS,
    SETTINGS,
    configuration,
)
from sim.host import (
    BAD_PACKET,
    BUSY,
    FAILED,
    MISMATCH,
    NO_SPARE,
    NO_SUPPLY,
    SPARED,
    SUPPLY_LOST,
    TOO_LONG,
    UNLOCKED,
    UNSIGNED,
)
from sim.programmed import Writer
from sim.rows import Rows

DONE, ERROR = 1, 2
"""Bits of IRQ_STATUS."""
BEYOND = 5
"""Cycles by which the pulse that must be cut is longer than the longest one."""
LONG = 255
"""Pulses in a train that lasts for some accesses of registers."""
LOST_AFTER = 3
"""Cycles of the amplitude after which the supply fails."""


@dataclass
class Commands(Rows):
    """A dialogue that has all commands, on the arrays and the numbers that `Rows` has."""

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
