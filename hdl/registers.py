"""The accelerator as its host software sees it: identification, status, configuration, and commands on arrays and
numbers."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.controller import TIMING, Limits
from hdl.arrays.programmer import CONFIGURATION, PULSED
from hdl.arrays.reserve import Reserve
from hdl.arrays.signature_check import VALIDITY
from hdl.block import Hardware, place
from hdl.neurons.popcount import tree_sum
from hdl.programming import ON_ROWS, PULSING, WRITING, HostCommand, LayerSize, Programming, layer_side
from hdl.streams.axi_lite import AxiLiteBridge, axi_lite
from hdl.streams.packets import axi_stream
from hdl.streams.row_receiver import ROW_BEAT
from model.errors import HafnetError

IDENTIFICATION = int.from_bytes(b"TNFH", "little")
"""What ID reads as: "HFNT", most significant byte first."""
KEY = int.from_bytes(b"MROF", "little")
"""What unlocks FORM_ROW: "FORM", most significant byte first."""
MAP_VERSION = 3
ADDRESS_WIDTH = 12
DATA_WORDS = 128
"""Words of the DATA window: enough for a row of the widest array, 4,096 columns."""
AT_LEAST_ONE = frozenset(("sense", "setup", *(f"{name}_{kind}" for name in PULSED for kind in ("pulse", "count"))))
"""Cycles and counts of which none can be 0: see `hdl.arrays.controller.TIMING` and `PULSE`."""
PROTECTED = 31
"""Layers that have a bit of their own in PROTECT; the last bit stands for all further ones, too."""


class Register(IntEnum):
    """Byte addresses. All registers are 32 bits wide; an address that is not listed, or written but read-only, answers
    SLVERR, as does a COMMAND that is refused, and while BUSY a write to anything that a command is made of: LAYER …
    INDEX, READ_TIMING … CONTROL, DATA. Bytes whose strobe is low stay as they are; a write without any strobe does
    nothing, and answers OKAY."""

    ID = 0x000
    """Read-only: 0x48464E54."""
    VERSION = 0x004
    """Read-only: version of this register map."""
    LAYERS = 0x008
    """Read-only: number of layers, the output layer included."""
    INPUT_BITS = 0x00C
    """Read-only: bits of an image."""
    CLASSES = 0x010
    """Read-only: classes of the output layer."""
    ARRAY = 0x014
    """Read-only: rows in bits 15:0, columns in bits 31:16."""
    STATUS = 0x018
    """Bit 0 BUSY: a command is under way. Bit 1 FAILED: the last command failed; where bits 4 … 7, 9, 10 and 12 do not
    tell why, a row did not read as it should. Bit 2 PACKET_ERROR: an input packet of wrong length was dropped; write 1
    to clear. Bit 3 NO_SUPPLY: the programming voltage is not stable. Bit 4 SUPPLY_LOST: nor was it during a pulse of
    the last command. Bit 5 TOO_LONG: a pulse of the last command was cut at the longest one of LIMITS. Bit 6 UNSTABLE:
    two reads of the last READ_ROW differed. Bit 7 BAD_PACKET: the packet of the last PROGRAM_ARRAY ended within a row,
    or went on behind the last one. Bit 8 UNLOCKED: the next command may be FORM_ROW. Of the last command: bit 9
    MISMATCH: SCRUB found another CRC-32 than EXPECTED; bit 10 UNSIGNED: the array's signature could not be written, and
    nothing was done after that; bit 11 SPARED: a row failed and was written into a spare row, which is no failure; bit
    12 NO_SPARE: a row failed for which there was no spare row or no entry in the table. Bit 13 NOT_VALID: images are
    not taken, because signatures are not VALID, see INVALID. Bit 14 CHECKING: signatures are still to be read."""
    COMMAND = 0x01C
    """Write-only: 1 PROGRAM_ROW, 2 READ_ROW, 3 WRITE_NUMBER, 4 READ_NUMBER, 5 FORM_ROW, 6 VERIFY_ROW, 7 PROGRAM_ARRAY,
    8 COMMIT, 9 SCRUB, 10 WRITE_SPARE, 11 READ_SPARE, on what LAYER … INDEX address. Refused while BUSY, and for an
    address that does not exist; what would pulse also while NO_SUPPLY; what would write also where PROTECT says so; and
    FORM_ROW where it is not unlocked."""
    LAYER = 0x020
    """What a command acts on. LAYER to INDEX hold 16 bits: the upper half of what is written is ignored."""
    GROUP = 0x024
    TILE = 0x028
    INDEX = 0x02C
    """Row of the array (of PROGRAM_ARRAY the first one), or place of a number (threshold, offset, mode) in its lane,
    which is then GROUP, or entry of the table of remapped rows. PROGRAM_ROW and PROGRAM_ARRAY only take rows for
    weights and numbers; others also spare rows and the signature, which have no other place."""
    FAILURES = 0x030
    """Read-only: rows that failed since reset (wraps at 2^32)."""
    RETRIES = 0x034
    """Read-only: attempts but the first since reset (wraps at 2^32)."""
    IMAGES_IN = 0x038
    """Read-only: images taken since reset (wraps at 2^32)."""
    IMAGES_OUT = 0x03C
    """Read-only: results given since reset (wraps at 2^32)."""
    READ_TIMING = 0x040
    """Cycles: precharge in bits 7:0, sense in bits 15:8. Here and in PULSES, FORM_PULSE and COUNTS a field that cannot
    be 0, which all but precharge are, acts as 1 where 0 is written, and reads so."""
    PULSES = 0x044
    """Cycles: SET pulse in bits 15:0, RESET pulse in bits 31:16."""
    FORM_PULSE = 0x048
    """Cycles: FORM pulse in bits 15:0, set-up before each pulse of any kind in bits 31:16."""
    COUNTS = 0x04C
    """Pulses in a train: FORM in bits 7:0, SET in 15:8, RESET in 23:16."""
    AMPLITUDES = 0x050
    """Codes for the DAC in the first attempt: FORM in bits 7:0, SET in 15:8, RESET in 23:16."""
    STEPS = 0x054
    """What each retry adds to them, up to 255: FORM in bits 7:0, SET in 15:8, RESET in 23:16."""
    CONTROL = 0x058
    """Retries in bits 7:0. Bit 8 VERIFY_FIRST: PROGRAM pulses only what does not read right before. Bit 9 READ_TWICE:
    every read of a command is made twice; what does not read right twice is wrong."""
    LIMITS = 0x05C
    """Read-only, built in: longest pulse in bits 15:0, cycles; devices pulsed at once at most in bits 31:16."""
    UNLOCK = 0x060
    """Write-only: 0x464F524D lets the next command be FORM_ROW; any other value, and any write to COMMAND, locks."""
    PROTECT = 0x064
    """Bit k: layer k is not to be written (bit 30: from layer 30 on). Bit 31 LOCK: this register can no more be written
    until reset."""
    IRQ_ENABLE = 0x068
    """Bit 0 DONE, bit 1 ERROR: what makes the output `irq` high."""
    IRQ_STATUS = 0x06C
    """Bit 0 DONE: a command has ended. Bit 1 ERROR: a command has failed. Write 1 to clear."""
    PROGRESS = 0x070
    """Read-only: rows that the command under way, or the last one, has finished, in bits 15:0; failed ones of them in
    bits 31:16."""
    FAILED_COUNT = 0x074
    """Rows in the list of failed rows, in bits 7:0, 16 at most. Bit 31 OVERFLOW: others did not find room. A write
    takes the oldest row off the list and clears OVERFLOW."""
    FAILED_ARRAY = 0x078
    """Read-only: the oldest row in the list: its layer in bits 15:0, group in bits 31:16."""
    FAILED_ROW = 0x07C
    """Read-only: its tile in bits 15:0, row in bits 31:16."""
    CRC = 0x080
    """Read-only: the CRC-32 that the last SCRUB found; see `model.signatures.contents_crc32`."""
    EXPECTED = 0x084
    """The CRC-32 that SCRUB is to find."""
    KEPT = 0x088
    """Read-only: rows of an array that hold weights and numbers in bits 15:0, spare rows behind them in 30:16. Bit 31:
    the last row is the array's signature."""
    SPARES = 0x08C
    """Read-only: entries of each layer's table of remapped rows in bits 15:0; spare rows taken since reset in bits
    31:16 (wraps at 2^16)."""
    INVALID = 0x090
    """Read-only: arrays whose signature was not VALID when it was last read, the number of all layers."""
    INVALID_ARRAY = 0x094
    """Read-only: the first of them: its layer in bits 15:0, group in bits 31:16."""
    INVALID_TILE = 0x098
    """Read-only: its tile."""
    TRUST = 0x09C
    """Bit 0: images are taken even if signatures are not VALID."""
    DATA = 0x200
    """First of the words that a command writes from or reads to, bit 0 = column 0; as many as the widest word needs.
    PROGRAM_ARRAY and SCRUB leave the last row here."""
    FAILED_COLUMNS = 0x400
    """Read-only: first of the words that tell which columns of the row that failed last did not read right."""


OF_LAST_COMMAND = ("mismatch", "unsigned", "spared", "no_spare")
"""Bits 9 … 12 of STATUS."""
ADDRESS = (Register.LAYER, Register.GROUP, Register.TILE, Register.INDEX)
ACTING = (Register.STATUS, Register.IRQ_STATUS, Register.FAILED_COUNT, Register.UNLOCK)
"""Registers in which a write does not leave what is written."""


@dataclass(frozen=True)
class Timing:
    """What READ_TIMING … CONTROL are after reset: cycles of the phases of a read and of pulses (see
    `hdl.arrays.controller.TIMING`, `hdl.arrays.programmer.CONFIGURATION`), and how devices are programmed. Amplitudes
    are 0: what their codes mean is known outside only. Raises HafnetError where one does not fit its register, or is 0
    and cannot be (see `AT_LEAST_ONE`).
    """

    precharge: int = 0
    sense: int = 1
    set_pulse: int = 100
    reset_pulse: int = 100
    form_pulse: int = 1000
    setup: int = 1
    form_count: int = 1
    set_count: int = 1
    reset_count: int = 1
    form_amplitude: int = 0
    set_amplitude: int = 0
    reset_amplitude: int = 0
    form_step: int = 0
    set_step: int = 0
    reset_step: int = 0
    retries: int = 3
    verify_first: int = 0
    read_twice: int = 0

    def __post_init__(self) -> None:
        for name, member in (*TIMING, *CONFIGURATION):
            value, most = int(getattr(self, str(name))), (1 << member.width) - 1
            least = int(name in AT_LEAST_ONE)
            unit = " cycles" if name in ("precharge", "sense", "setup") or str(name).endswith("_pulse") else ""
            if not least <= value <= most:
                raise HafnetError(f"timing: {name} is {value}{unit}, but must be {least} … {most}")

    def check(self, limits: Limits) -> None:
        """Raises HafnetError where a pulse is longer than the limit."""
        for name in PULSED:
            cycles = getattr(self, f"{name}_pulse")
            if cycles > limits.longest_pulse:
                raise HafnetError(
                    f"timing: {name}_pulse is {cycles} cycles, but the longest pulse is {limits.longest_pulse}"
                )


@dataclass(frozen=True)
class HostRegisters:
    """The register file behind AXI4-Lite, and what its commands do (see `hdl.programming.Programming`).

    Ports: `axil`; `prog`, packets of rows for PROGRAM_ARRAY; `supply_ok`; `timing`, the phase lengths of reads;
    `amplitude`, code for the DAC; `irq`, an interrupt that is enabled has its status bit set, one cycle after it;
    `resting`, no command is under way and nothing in the layers; `image_in`, `image_out`, `wrong_packet`, high for one
    cycle at each such event; for each layer k the ports of `hdl.programming.layer_side`, and of each with arrays that
    are signed (`reserve`) `validity{k}` and `trusted{k}`, see `hdl.arrays.host_access.host_ports`.
    """

    input_bits: int
    classes: int
    rows: int
    columns: int
    layers: tuple[LayerSize, ...]
    host_width: int
    timing: Timing
    limits: Limits = field(default_factory=Limits)
    reserve: Reserve = field(default_factory=Reserve)

    name = "hafnet_registers"

    @property
    def programming(self) -> Programming:
        return Programming(self.rows, self.columns, self.host_width, self.layers, self.reserve)

    @property
    def signature(self) -> wiring.Signature:
        members: dict[str, wiring.Member] = {
            "axil": In(axi_lite(ADDRESS_WIDTH)),
            "prog": In(axi_stream(ROW_BEAT)),
            "supply_ok": In(1),
            "timing": Out(TIMING),
            "amplitude": Out(8),
            "irq": Out(1),
            "resting": Out(1),
            "image_in": In(1),
            "image_out": In(1),
            "wrong_packet": In(1),
        }
        for index in range(len(self.layers)):
            members |= {f"{name}{index}": member for name, member in layer_side(self.host_width).items()}
        for index in self.signed:
            members |= {f"validity{index}": In(VALIDITY), f"trusted{index}": Out(1)}
        return wiring.Signature(members)

    @property
    def signed(self) -> list[int]:
        """Layers whose arrays have signatures."""
        return [index for index, layer in enumerate(self.layers) if layer.groups and self.reserve.signed]

    def create(self) -> "HostRegistersHardware":
        return HostRegistersHardware(self)


class HostRegistersHardware(Hardware):
    """Registers, and the check of a command."""

    axil: Any
    prog: Any
    supply_ok: Signal
    timing: Any
    amplitude: Signal
    irq: Signal
    resting: Signal
    image_in: Signal
    image_out: Signal
    wrong_packet: Signal

    def __init__(self, block: HostRegisters) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = place(m, platform, "bridge", AxiLiteBridge(ADDRESS_WIDTH))
        programming = place(m, platform, "programming", self.block.programming)
        connect(m, flipped(self.axil), bus.axil)
        connect(m, flipped(self.prog), programming.axis)
        self._join_layers(m, programming)
        address = {name: Signal(16, name=name) for name in ("layer", "group", "tile", "index")}
        width = self.block.host_width
        words = [Signal(min(32, width - start), name=f"data{start // 32}") for start in range(0, width, 32)]
        protect = Signal(32, name="protect")
        irq_enable = Signal(2)
        irq_status = Signal(2)
        packet_error = Signal()
        unlocked = Signal()  # the next command may be FORM_ROW
        written = Signal(32)
        allowed = Signal()
        m.d.comb += [getattr(programming, name).eq(value) for name, value in address.items()]
        m.d.comb += [
            written.eq(bus.write_data & bus.write_mask),
            allowed.eq(self._allowed(m, written, address, protect, unlocked)),
            programming.command.eq(written[: len(programming.command.as_value())]),
            programming.supply_ok.eq(self.supply_ok),
            programming.word.eq(Cat(words)),
            self.amplitude.eq(programming.amplitude),
            self.resting.eq(programming.resting),
            bus.read_refused.eq(1),
            bus.write_refused.eq(1),
        ]

        outcome = programming.outcome
        why = (outcome.supply_lost, outcome.too_long, outcome.unstable, outcome.bad_packet)
        trust = Signal()
        expected = Signal(32, name="expected")
        invalid, blocked, checking = self._validity(m, trust)
        status = Cat(
            *(programming.busy, outcome.failed, packet_error, ~self.supply_ok, *why, unlocked),
            *(outcome[name] for name in OF_LAST_COMMAND),
            *(blocked, checking),
        )
        readable = self._constants() | self._results(m, programming) | invalid
        readable |= {Register.STATUS: status, Register.IRQ_STATUS: irq_status}
        # What a command is made of stays as it is until the command is done.
        configuration, acting = self._configuration(m, programming)
        held = configuration | dict(zip(ADDRESS, address.values(), strict=True))
        held[Register.EXPECTED] = expected
        m.d.comb += programming.expected.eq(expected)
        held |= {Register.DATA + 4 * number: word for number, word in enumerate(words)}
        refusals = dict.fromkeys(held, programming.busy)
        refusals |= {Register.PROTECT: protect[-1], Register.IRQ_ENABLE: Const(0), Register.TRUST: Const(0)}
        writable = held | {Register.PROTECT: protect, Register.IRQ_ENABLE: irq_enable, Register.TRUST: trust}
        with m.Switch(bus.read_word):
            for place_, value in (readable | writable | acting).items():
                with m.Case(place_ // 4):
                    m.d.comb += [bus.read_data.eq(value), bus.read_refused.eq(0)]
        with m.Switch(bus.write_word):
            for place_, register in writable.items():
                with m.Case(place_ // 4):
                    m.d.comb += bus.write_refused.eq(refusals[place_])
                    with m.If(bus.write & ~bus.write_refused):
                        m.d.sync += register.eq((register & ~bus.write_mask) | written)
            with m.Case(*(each // 4 for each in ACTING)):
                m.d.comb += bus.write_refused.eq(0)
            with m.Case(Register.COMMAND // 4):
                m.d.comb += bus.write_refused.eq(programming.busy | ~allowed)

        def writes(register: Register) -> Any:
            return bus.write & (bus.write_word == register // 4)

        with m.If(writes(Register.STATUS) & written[2]):
            m.d.sync += packet_error.eq(0)
        with m.If(self.wrong_packet):
            m.d.sync += packet_error.eq(1)
        with m.If(writes(Register.UNLOCK)):
            m.d.sync += unlocked.eq(written == KEY)
        with m.Elif(writes(Register.COMMAND)):
            m.d.sync += unlocked.eq(0)
        with m.If(programming.load):
            m.d.sync += Cat(words).eq(programming.loaded)
        events = Cat(programming.ended, programming.ended & outcome.failed)
        cleared = Mux(writes(Register.IRQ_STATUS), written[:2], 0)
        m.d.sync += [irq_status.eq((irq_status & ~cleared) | events), self.irq.eq((irq_status & irq_enable).any())]
        m.d.comb += [
            programming.start.eq(writes(Register.COMMAND) & ~bus.write_refused),
            programming.pop.eq(writes(Register.FAILED_COUNT)),
        ]
        return m

    def _join_layers(self, m: Module, programming: Any) -> None:
        for index in range(len(self.block.layers)):
            for name, member in layer_side(self.block.host_width).items():
                inside, outside = getattr(programming, f"{name}{index}"), getattr(self, f"{name}{index}")
                if name == "host":
                    connect(m, inside, flipped(outside))
                else:
                    m.d.comb += outside.eq(inside) if member.flow is Out else inside.eq(outside)

    def _validity(self, m: Module, trust: Signal) -> tuple[dict[int, Value], Value, Value]:
        """What the layers say of their arrays: registers, whether images are not taken, and whether signatures are
        still to be read.
        """
        layers: list[tuple[int, Any]] = [(index, getattr(self, f"validity{index}")) for index in self.block.signed]
        m.d.comb += [getattr(self, f"trusted{index}").eq(trust) for index, _ in layers]
        count = tree_sum(m, [each.invalid for _, each in layers]) if layers else Const(0)
        first = {name: Signal(16, name=f"invalid_{name}") for name in ("layer", "group", "tile")}
        found: Value = Const(0)
        for index, each in layers:
            with m.If(~found & each.invalid.any()):
                m.d.comb += [first["layer"].eq(index), first["group"].eq(each.group), first["tile"].eq(each.tile)]
            found = found | each.invalid.any()
        registers: dict[int, Value] = {
            Register.INVALID: count,
            Register.INVALID_ARRAY: Cat(first["layer"], first["group"]),
            Register.INVALID_TILE: first["tile"],
        }
        return registers, found & ~trust, Cat(each.checking for _, each in layers).any()

    def _constants(self) -> dict[int, Value]:
        block = self.block
        return {
            Register.ID: Const(IDENTIFICATION, 32),
            Register.VERSION: Const(MAP_VERSION, 32),
            Register.LAYERS: Const(len(block.layers), 32),
            Register.INPUT_BITS: Const(block.input_bits, 32),
            Register.CLASSES: Const(block.classes, 32),
            Register.ARRAY: Cat(Const(block.rows, 16), Const(block.columns, 16)),
            Register.KEPT: Cat(
                Const(block.programming.geometry.used_rows, 16),
                Const(block.reserve.spare_rows, 15),
                Const(int(block.reserve.signed), 1),
            ),
            Register.LIMITS: Cat(Const(block.limits.longest_pulse, 16), Const(block.limits.pulsed_at_once, 16)),
        }

    def _results(self, m: Module, programming: Any) -> dict[int, Value]:
        """What came of commands, and the images that passed."""
        images_in = Signal(32)
        images_out = Signal(32)
        m.d.sync += [images_in.eq(images_in + self.image_in), images_out.eq(images_out + self.image_out)]
        columns, first = programming.failed_columns, programming.first
        listed = Cat(programming.count, Const(0, 31 - len(programming.count)), programming.overflow)
        return {
            Register.CRC: programming.crc,
            Register.SPARES: Cat(Const(self.block.reserve.entries, 16), programming.spares_taken),
            Register.FAILURES: programming.failures,
            Register.RETRIES: programming.retries,
            Register.IMAGES_IN: images_in,
            Register.IMAGES_OUT: images_out,
            Register.PROGRESS: programming.progress.as_value(),
            Register.FAILED_COUNT: listed,
            Register.FAILED_ARRAY: _halves(first.layer, first.group),
            Register.FAILED_ROW: _halves(first.tile, first.row),
            **{
                Register.FAILED_COLUMNS + 4 * word: columns[32 * word : 32 * word + 32]
                for word in range(-(-len(columns) // 32))
            },
        }

    def _configuration(self, m: Module, programming: Any) -> tuple[dict[int, Value], dict[int, Value]]:
        """The registers that say how arrays are read and pulsed: what is kept of what is written, and what acts.

        The first is changed byte by byte: a 0 in one half of a field, whose other half is still to come, is kept.
        """
        timing, pulses = self._register("timing", TIMING), self._register("pulses", CONFIGURATION)
        for kept, acting in ((timing, self.timing), (pulses, programming.configuration)):
            for name, _ in kept.shape():
                value = kept[name]
                m.d.comb += acting[name].eq(Mux(value == 0, 1, value) if name in AT_LEAST_ONE else value)
        return self._fields(timing, pulses), self._fields(self.timing, programming.configuration)

    @staticmethod
    def _fields(timing: Any, pulses: Any) -> dict[int, Value]:
        """Which register holds which fields."""
        of_each = {kind: Cat(pulses[f"{name}_{kind}"] for name in PULSED) for kind in ("count", "amplitude", "step")}
        return {
            Register.READ_TIMING: Cat(timing.precharge, timing.sense),
            Register.PULSES: Cat(pulses.set_pulse, pulses.reset_pulse),
            Register.FORM_PULSE: Cat(pulses.form_pulse, pulses.setup),
            Register.COUNTS: of_each["count"],
            Register.AMPLITUDES: of_each["amplitude"],
            Register.STEPS: of_each["step"],
            Register.CONTROL: Cat(pulses.retries, pulses.verify_first, pulses.read_twice),
        }

    def _register(self, name: str, layout: data.StructLayout) -> Any:
        """A register of these fields, which are after reset what `Timing` says."""
        init: Any = {str(name): int(getattr(self.block.timing, str(name))) for name, _ in layout}
        return Signal(layout, init=init, name=name)

    def _allowed(self, m: Module, command: Value, address: Any, protect: Value, unlocked: Value) -> Value:
        """Whether a command is one, what it addresses exists, and nothing forbids it."""
        array, number, has_arrays, protected, allowed = (
            Signal(name=name) for name in ("array_exists", "number_exists", "has_arrays", "is_protected", "is_allowed")
        )
        group, index = address["group"], address["index"]
        with m.Switch(address["layer"]):
            for layer, size in enumerate(self.block.layers):
                with m.Case(layer):
                    m.d.comb += protected.eq(protect[min(layer, PROTECTED - 1)])
                    # A comparison with 0 would be a slip to a linter.
                    if size.groups:
                        m.d.comb += array.eq((group < size.groups) & (address["tile"] < size.tiles))
                        m.d.comb += has_arrays.eq(1)
                    if size.lanes * size.numbers:
                        m.d.comb += number.eq((group < size.lanes) & (index < size.numbers))
        rows, reserve = self.block.programming.geometry, self.block.reserve
        pulses, entry = array & ~protected & self.supply_ok, has_arrays & (index < reserve.entries)
        with m.Switch(command):
            for each in ON_ROWS:
                with m.Case(each.value):
                    there: Value = index < (rows.used_rows if each in WRITING else rows.rows)
                    if each is HostCommand.SCRUB:  # of all rows
                        there = Const(1)
                    forms = each is HostCommand.FORM_ROW
                    may = (pulses & unlocked if forms else pulses) if each in PULSING else array
                    m.d.comb += allowed.eq(may & there)
            if reserve.signed:
                with m.Case(HostCommand.COMMIT.value):
                    m.d.comb += allowed.eq(pulses)
            if reserve.entries:
                with m.Case(HostCommand.WRITE_SPARE.value):
                    m.d.comb += allowed.eq(entry & ~protected)
                with m.Case(HostCommand.READ_SPARE.value):
                    m.d.comb += allowed.eq(entry)
            with m.Case(HostCommand.WRITE_NUMBER.value):
                m.d.comb += allowed.eq(number & ~protected)
            with m.Case(HostCommand.READ_NUMBER.value):
                m.d.comb += allowed.eq(number)
        return allowed


def _halves(low: Value, high: Value) -> Value:
    """A register of two numbers."""
    return Cat(low, Const(0, 16 - len(low)), high)
