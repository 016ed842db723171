"""What a host says to an accelerator and what it must hear: golden of the registers and of what their commands do.

A dialogue is a list of steps that `sim.converse` plays on the ports. It knows nothing of how the hardware does it: what
it expects follows from the manual (docs/accelerator.md) and from `model.faulty.FaultyArrays`, which it keeps up to date
with what is programmed.
"""

from dataclasses import dataclass, field
from typing import Any

from hdl.generate import Manifest
from hdl.registers import ADDRESS, DATA_WORDS, IDENTIFICATION, MAP_VERSION, Register, Timing
from model.mapping import Geometry
from sim.host import (
    CHECKING,
    NOT_VALID,
)

LOCK = 1 << 31
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
