"""The accelerator as its host software sees it: identification, status, timing, and access to arrays and numbers."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.controller import TIMING
from hdl.arrays.host_access import HostCommand, host_layout
from hdl.block import Hardware, place
from hdl.streams.axi_lite import AxiLiteBridge, axi_lite
from model.errors import HafnetError

IDENTIFICATION = int.from_bytes(b"TNFH", "little")
"""What ID reads as: "HFNT", most significant byte first."""
MAP_VERSION = 1
ADDRESS_WIDTH = 12
DATA_WORDS = 128
"""Words of the DATA window: enough for a row of the widest array, 4,096 columns."""


class Register(IntEnum):
    """Byte addresses. All registers are 32 bits wide; an address that is not listed, or written but read-only, answers
    SLVERR, as does a COMMAND that is refused, and a write to LAYER … INDEX or DATA while BUSY."""

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
    """Bit 0 BUSY: a command is under way. Bit 1 FAILED: the verify read of the last PROGRAM_ROW differed. Bit 2
    PACKET_ERROR: an input packet of wrong length was dropped; write 1 to clear."""
    COMMAND = 0x01C
    """Write-only: 1 PROGRAM_ROW, 2 READ_ROW, 3 WRITE_NUMBER, 4 READ_NUMBER, on what LAYER … INDEX address. Refused
    while BUSY, and for an address that does not exist."""
    LAYER = 0x020
    """What a command acts on. LAYER to INDEX hold 16 bits: the upper half of what is written is ignored."""
    GROUP = 0x024
    TILE = 0x028
    INDEX = 0x02C
    """Row of the array, or place of a number (threshold, offset, mode) in its lane, which is then GROUP."""
    FAILURES = 0x030
    """Read-only: rows that failed their verify read since reset (wraps at 2^32)."""
    FAILED_INDEX = 0x034
    """Read-only: INDEX of the last row that failed."""
    IMAGES_IN = 0x038
    """Read-only: images taken since reset (wraps at 2^32)."""
    IMAGES_OUT = 0x03C
    """Read-only: results given since reset (wraps at 2^32)."""
    READ_TIMING = 0x040
    """Cycles: precharge in bits 7:0, sense in bits 15:8."""
    PULSES = 0x044
    """Cycles: SET pulse in bits 15:0, RESET pulse in bits 31:16."""
    DATA = 0x200
    """First of the words that a command writes from or reads to, bit 0 = column 0; as many as the widest word needs."""


@dataclass(frozen=True)
class LayerSize:
    """What can be addressed in one layer: groups, tiles of a group; lanes of numbers, numbers of a lane."""

    groups: int
    tiles: int
    lanes: int
    numbers: int


@dataclass(frozen=True)
class Timing:
    """Phase lengths in cycles; see `hdl.arrays.controller.TIMING`. Raises HafnetError where one does not fit its
    register."""

    precharge: int = 0
    sense: int = 1
    set_pulse: int = 100
    reset_pulse: int = 100

    def __post_init__(self) -> None:
        for phase, field in TIMING:
            cycles, most = getattr(self, str(phase)), (1 << field.width) - 1
            if not 0 <= cycles <= most:
                raise HafnetError(f"timing: {phase} is {cycles} cycles, but must be 0 … {most}")


@dataclass(frozen=True)
class HostRegisters:
    """The register file behind AXI4-Lite.

    Ports: `axil`; `timing`, the phase lengths; for each layer k `host{k}`, `done{k}`, `failed{k}`, `read_bits{k}`, as
    in `hdl.arrays.grid.Grid`; `image_in`, `image_out`, `wrong_packet`, high for one cycle at each such event.
    """

    input_bits: int
    classes: int
    rows: int
    columns: int
    layers: tuple[LayerSize, ...]
    host_width: int
    timing: Timing

    name = "hafnet_registers"

    @property
    def signature(self) -> wiring.Signature:
        members: dict[str, wiring.Member] = {
            "axil": In(axi_lite(ADDRESS_WIDTH)),
            "timing": Out(TIMING),
            "image_in": In(1),
            "image_out": In(1),
            "wrong_packet": In(1),
        }
        for index in range(len(self.layers)):
            members[f"host{index}"] = Out(stream.Signature(host_layout(self.host_width)))
            members[f"done{index}"] = In(1)
            members[f"failed{index}"] = In(1)
            members[f"read_bits{index}"] = In(self.host_width)
        return wiring.Signature(members)

    def create(self) -> "HostRegistersHardware":
        return HostRegistersHardware(self)


class HostRegistersHardware(Hardware):
    """Registers, the check of a command's address, and its way to the layer and back."""

    axil: Any
    timing: Any
    image_in: Signal
    image_out: Signal
    wrong_packet: Signal

    def __init__(self, block: HostRegisters) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        bus = place(m, platform, "bridge", AxiLiteBridge(ADDRESS_WIDTH))
        connect(m, flipped(self.axil), bus.axil)

        layer, group, tile, index = (Signal(16, name=name) for name in ("layer", "group", "tile", "index"))
        words = [Signal(32, name=f"data{word}") for word in range(-(-block.host_width // 32))]
        failures, failed_index, images_in, images_out = (
            Signal(32, name=name) for name in ("failures", "failed_index", "images_in", "images_out")
        )
        init = block.timing
        precharge = Signal(8, init=init.precharge)
        sense = Signal(8, init=init.sense)
        set_pulse = Signal(16, init=init.set_pulse)
        reset_pulse = Signal(16, init=init.reset_pulse)
        busy = Signal()
        pending = Signal()
        failed = Signal()
        packet_error = Signal()
        m.d.comb += [
            self.timing.precharge.eq(precharge),
            self.timing.sense.eq(sense),
            self.timing.set_pulse.eq(set_pulse),
            self.timing.reset_pulse.eq(reset_pulse),
        ]
        m.d.sync += [images_in.eq(images_in + self.image_in), images_out.eq(images_out + self.image_out)]

        readable: dict[int, Value] = {
            Register.ID: Const(IDENTIFICATION, 32),
            Register.VERSION: Const(MAP_VERSION, 32),
            Register.LAYERS: Const(len(block.layers), 32),
            Register.INPUT_BITS: Const(block.input_bits, 32),
            Register.CLASSES: Const(block.classes, 32),
            Register.ARRAY: Cat(Const(block.rows, 16), Const(block.columns, 16)),
            Register.STATUS: Cat(busy, failed, packet_error),
            Register.FAILURES: failures,
            Register.FAILED_INDEX: failed_index,
            Register.IMAGES_IN: images_in,
            Register.IMAGES_OUT: images_out,
        }
        writable: dict[int, Value] = {
            Register.LAYER: layer,
            Register.GROUP: group,
            Register.TILE: tile,
            Register.INDEX: index,
            Register.READ_TIMING: Cat(precharge, sense),
            Register.PULSES: Cat(set_pulse, reset_pulse),
        }
        writable |= {Register.DATA + 4 * number: word for number, word in enumerate(words)}

        order = Signal(HostCommand)
        command = Signal(32)
        m.d.comb += [
            command.eq(bus.write_data & bus.write_mask),
            bus.read_refused.eq(1),
            bus.write_refused.eq(1),
        ]
        with m.Switch(bus.read_word):
            for address, value in (readable | writable).items():
                with m.Case(address // 4):
                    m.d.comb += [bus.read_data.eq(value), bus.read_refused.eq(0)]
        with m.Switch(bus.write_word):
            for address, register in writable.items():
                # What the command under way is made of stays as it is until the command is done.
                held = busy if address not in (Register.READ_TIMING, Register.PULSES) else Const(0)
                with m.Case(address // 4):
                    m.d.comb += bus.write_refused.eq(held)
                    with m.If(bus.write & ~held):
                        m.d.sync += register.eq((register & ~bus.write_mask) | (bus.write_data & bus.write_mask))
            with m.Case(Register.STATUS // 4):
                m.d.comb += bus.write_refused.eq(0)
                with m.If(bus.write & (bus.write_data & bus.write_mask)[2]):
                    m.d.sync += packet_error.eq(0)
            with m.Case(Register.COMMAND // 4):
                m.d.comb += bus.write_refused.eq(busy | ~self._exists(m, command, layer, group, tile, index))
                with m.If(bus.write & ~bus.write_refused):
                    m.d.sync += [order.eq(command), busy.eq(1), pending.eq(1)]
        with m.If(self.wrong_packet):
            m.d.sync += packet_error.eq(1)

        for number in range(len(block.layers)):
            host, here = getattr(self, f"host{number}"), Signal(name=f"layer{number}_here")
            m.d.comb += [
                here.eq(layer == number),
                host.valid.eq(pending & here),
                host.payload.command.eq(order),
                host.payload.group.eq(group),
                host.payload.tile.eq(tile),
                host.payload.index.eq(index),
                host.payload.bits.eq(Cat(words)),
            ]
            with m.If(host.valid & host.ready):
                m.d.sync += pending.eq(0)
            with m.If(getattr(self, f"done{number}")):
                m.d.sync += busy.eq(0)
                with m.If(order == HostCommand.PROGRAM_ROW):
                    m.d.sync += failed.eq(getattr(self, f"failed{number}"))
                with m.If(getattr(self, f"failed{number}")):
                    m.d.sync += [failures.eq(failures + 1), failed_index.eq(index)]
                with m.If((order == HostCommand.READ_ROW) | (order == HostCommand.READ_NUMBER)):
                    m.d.sync += Cat(words).eq(getattr(self, f"read_bits{number}"))
        return m

    def _exists(self, m: Module, command: Value, layer: Value, group: Value, tile: Value, index: Value) -> Signal:
        """Whether a command is one, and what it addresses exists."""
        row = Signal(name="row_exists")
        number_there = Signal(name="number_exists")
        exists = Signal()
        with m.Switch(layer):
            for number, size in enumerate(self.block.layers):
                with m.Case(number):
                    # A comparison with 0 would be a slip to a linter.
                    if size.groups:
                        m.d.comb += row.eq((group < size.groups) & (tile < size.tiles) & (index < self.block.rows))
                    if size.lanes * size.numbers:
                        m.d.comb += number_there.eq((group < size.lanes) & (index < size.numbers))
        with m.Switch(command):
            with m.Case(HostCommand.PROGRAM_ROW.value, HostCommand.READ_ROW.value):
                m.d.comb += exists.eq(row)
            with m.Case(HostCommand.WRITE_NUMBER.value, HostCommand.READ_NUMBER.value):
                m.d.comb += exists.eq(number_there)
        return exists
