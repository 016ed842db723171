"""What a command of the host does: rows one after the other, what came of them, and the way to the layers."""

from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.host_access import LayerCommand, host_layout
from hdl.arrays.programmer import CONFIGURATION, Programmer, RowCommand
from hdl.arrays.reserve import Reserve
from hdl.block import Hardware, index_width, place
from hdl.failures import FailureList
from hdl.neurons.popcount import tree_or
from hdl.row_crc import BYTE, RowCrc
from hdl.streams.packets import axi_stream, beats
from hdl.streams.row_receiver import ROW_BEAT, RowReceiver
from model.mapping import Geometry
from model.signatures import Signatures

FAILURES = 16
"""Rows that the list of failed rows holds."""


class HostCommand(enum.Enum, shape=4):
    """What the host asks: of one row, of one neuron's number (threshold, offset or mode), of an array, or of an entry
    of a layer's table of remapped rows.
    """

    NONE = 0
    PROGRAM_ROW = 1
    READ_ROW = 2
    WRITE_NUMBER = 3
    READ_NUMBER = 4
    FORM_ROW = 5
    VERIFY_ROW = 6
    PROGRAM_ARRAY = 7
    COMMIT = 8
    SCRUB = 9
    WRITE_SPARE = 10
    READ_SPARE = 11


ON_ROWS = {
    HostCommand.PROGRAM_ROW: RowCommand.PROGRAM,
    HostCommand.PROGRAM_ARRAY: RowCommand.PROGRAM,
    HostCommand.FORM_ROW: RowCommand.FORM,
    HostCommand.VERIFY_ROW: RowCommand.VERIFY,
    HostCommand.READ_ROW: RowCommand.READ,
    HostCommand.SCRUB: RowCommand.READ,
}
"""What is done with each row."""
PULSING = (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY, HostCommand.FORM_ROW)
"""The commands that pulse devices of rows."""
WRITING = (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY)
"""Those of them that write weights or numbers: only into rows for these, and into spare ones where they fail."""
ASKING = {
    HostCommand.WRITE_NUMBER: LayerCommand.WRITE_NUMBER,
    HostCommand.READ_NUMBER: LayerCommand.READ_NUMBER,
    HostCommand.WRITE_SPARE: LayerCommand.WRITE_SPARE,
    HostCommand.READ_SPARE: LayerCommand.READ_SPARE,
}
"""Commands that are over with one order to the layer."""
READING = (HostCommand.READ_NUMBER, HostCommand.READ_SPARE)

OUTCOME = data.StructLayout(
    {
        **dict.fromkeys(("failed", "supply_lost", "too_long", "unstable", "bad_packet"), 1),
        **dict.fromkeys(("mismatch", "unsigned", "spared", "no_spare"), 1),
    }
)
"""What came of a command: whether it failed, and why, if not because a row did not read as it should. The supply was
not stable during a pulse; a pulse was longer than the limit; two reads differed; a packet ended within a row, or went
on behind the array's last one; the array's CRC-32 is not what was expected; its signature could not be written; a row
failed when no spare row, or no entry of the table, was left for it. `spared`: a row failed, and was written into a
spare one."""


@dataclass(frozen=True)
class LayerSize:
    """What can be addressed in one layer: groups, tiles of a group; lanes of numbers, numbers of a lane; and whether
    its rows have two bits a column.
    """

    groups: int
    tiles: int
    lanes: int
    numbers: int
    ternary: bool = False


@dataclass(frozen=True)
class Programming:
    """Runs one command of the host after the other, on arrays of `rows` × `columns` and numbers of these `layers`.

    Ports:
      `start`     begins `command` on what `layer`, `group`, `tile`, `index` address; these, `word` and `configuration`
                  (see `hdl.arrays.programmer.CONFIGURATION`) stand still while `busy` is high
      `ended`     high for one cycle when the command is over; `outcome` (see `OUTCOME`) holds from then on
      `load`      `word` is to become `loaded`: what was read, or the row of the packet that is programmed
      `expected`  what SCRUB is to find, and `crc`, what the last one has found
      `axis`      packets of rows for PROGRAM_ARRAY
      `supply_ok` the programming voltage is stable
      `progress`  of this command: `rows` that are finished, `failed` ones of them
      `failures`, `retries`  since reset: rows that failed, and attempts but the first (both wrap at 2^32)
      `spares_taken`  since reset: spare rows that were taken (wraps at 2^16)
      `failed_columns`  of the row that failed last, those that did not read right
      `pop`, `count`, `overflow`, `first`  the list of failed rows, see `hdl.failures.FailureList`
      `amplitude` code for the DAC, and `resting`, of all layers
      `host{k}`, `claim{k}`, `done{k}`, `failed{k}`, `read_bits{k}`, `amplitude{k}`, `resting{k}`  to and from layer k,
                  see `hdl.arrays.host_access.host_ports`. A layer is claimed from the beginning of a command to its end

    PROGRAM_ARRAY programs one row after the other from `index` on, with the rows of one packet, as they come: one is
    received while the one before is pulsed. It goes on where a row fails, and ends with the packet; where the supply
    or the watchdog cuts a pulse short it ends at once, and the rest of the packet is dropped.

    SCRUB reads all rows of an array that hold weights or numbers, and compares their CRC-32 (see
    `model.signatures.contents_crc32`) with `expected`. It does not claim the layer, which takes an image between any
    two reads.

    Where arrays are signed (`reserve`), a command that pulses a row first makes the array's signature INVALID, unless
    it reads so already, and pulses nothing else before it does. COMMIT makes it VALID (or SPARED, if rows of the array
    are remapped), and so does PROGRAM_ARRAY that has programmed all rows and no row failed. (FORM of the signature row
    itself only pulses that: a row of -1 is not VALID.) Where arrays have spare rows, a row that fails when it is
    programmed is remapped to the next spare one and programmed there.
    """

    rows: int
    columns: int
    width: int
    layers: tuple[LayerSize, ...]
    reserve: Reserve = field(default_factory=Reserve)

    name = "hafnet_programming"

    @property
    def geometry(self) -> Geometry:
        return self.reserve.geometry(self.rows, self.columns)

    @property
    def place(self) -> data.StructLayout:
        """A row of an array, in as few bits as there are rows."""
        groups, tiles = (max(1, *(getattr(layer, name) for layer in self.layers)) for name in ("groups", "tiles"))
        counts = {"layer": len(self.layers), "group": groups, "tile": tiles, "row": self.rows}
        return data.StructLayout({name: index_width(count) for name, count in counts.items()})

    @property
    def signature(self) -> wiring.Signature:
        members: dict[str, wiring.Member] = {
            "start": In(1),
            "command": In(HostCommand),
            **{name: In(16) for name in ("layer", "group", "tile", "index")},
            "word": In(self.width),
            "configuration": In(CONFIGURATION),
            "busy": Out(1),
            "ended": Out(1),
            "outcome": Out(OUTCOME),
            "load": Out(1),
            "loaded": Out(self.width),
            "expected": In(32),
            "crc": Out(32),
            "axis": In(axi_stream(ROW_BEAT)),
            "supply_ok": In(1),
            "progress": Out(data.StructLayout({"rows": 16, "failed": 16})),
            "failures": Out(32),
            "spares_taken": Out(16),
            "retries": Out(32),
            "failed_columns": Out(self.columns),
            "pop": In(1),
            "count": Out(range(FAILURES + 1)),
            "overflow": Out(1),
            "first": Out(self.place),
            "amplitude": Out(8),
            "resting": Out(1),
        }
        for number in range(len(self.layers)):
            members |= {f"{name}{number}": member for name, member in layer_side(self.width).items()}
        return wiring.Signature(members)

    def create(self) -> "ProgrammingHardware":
        return ProgrammingHardware(self)


def layer_side(width: int) -> dict[str, wiring.Member]:
    """The way to one layer, from the host's side; see `hdl.arrays.host_access.host_ports`."""
    return {
        "host": Out(stream.Signature(host_layout(width))),
        "claim": Out(1),
        "done": In(1),
        "failed": In(1),
        "read_bits": In(width),
        "amplitude": In(8),
        "resting": In(1),
    }


class State(enum.Enum, shape=4):
    """What is done in this cycle: ASK is an order to the layer that is no pulse or read, SIGN a signature that is
    written.
    """

    IDLE = 0
    FETCH = 1
    ROW = 2
    WAIT = 3
    ASK = 4
    ASK_WAIT = 5
    SIGN = 6
    SIGN_WAIT = 7
    CLOSE = 8


class ProgrammingHardware(Hardware):
    """The sequence of a command's rows; its parts do all else."""

    start: Signal
    command: Any
    layer: Signal
    group: Signal
    tile: Signal
    index: Signal
    word: Signal
    configuration: Any
    busy: Signal
    ended: Signal
    outcome: Any
    load: Signal
    loaded: Signal
    expected: Signal
    crc: Signal
    axis: Any
    supply_ok: Signal
    progress: Any
    failures: Signal
    spares_taken: Signal
    retries: Signal
    failed_columns: Signal
    pop: Signal
    count: Signal
    overflow: Signal
    first: Any
    amplitude: Signal
    resting: Signal

    def __init__(self, block: Programming) -> None:
        self.block = block
        super().__init__(block.signature)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        block = self.block
        programmer = place(m, platform, "programmer", Programmer(block.columns, block.width))
        receiver = place(m, platform, "receiver", RowReceiver(block.width))
        crc = place(m, platform, "row_crc", RowCrc(block.width))
        state = Signal(State)
        under_way = Signal(HostCommand)
        row = Signal(16)
        addressed = Signal(16)
        last_row = Signal()  # no other row comes behind this one
        lost = Signal()  # the supply was not stable at some time of this command
        question = Signal(LayerCommand)  # what is asked in ASK
        signing = Signal()
        closing = Signal()
        spared = Signal()
        marked = Signal()  # the signature is INVALID, or there is none
        is_array, scrubs = under_way == HostCommand.PROGRAM_ARRAY, under_way == HostCommand.SCRUB
        m.d.comb += [
            self.busy.eq(state != State.IDLE),
            row.eq(Mux(scrubs, 0, self.index) + self.progress.rows),
            addressed.eq(Mux(signing, block.rows - 1, row)),
            signing.eq((state == State.SIGN) | (state == State.SIGN_WAIT)),
        ]
        asks = Signal()
        m.d.comb += asks.eq(state == State.ASK)
        ready, ended, refused = self._layers(m, programmer, addressed, asks, question, scrubs)
        m.d.comb += [
            programmer.start.eq(((state == State.ROW) & ~crc.busy) | (state == State.SIGN)),
            programmer.configuration.eq(self.configuration),
            programmer.word.eq(self.word),
            receiver.open.eq(self.busy & is_array),
            receiver.o.ready.eq(state == State.FETCH),
            self.load.eq(programmer.read | (receiver.o.valid & receiver.o.ready)),
            self.loaded.eq(Mux(state == State.FETCH, receiver.o.payload.bits, programmer.bits)),
            crc.clear.eq(self.start),
            crc.load.eq(programmer.read & scrubs),
            crc.row.eq(programmer.bits),
            self.crc.eq(crc.crc),
        ]
        connect(m, flipped(self.axis), receiver.axis)
        with m.Switch(under_way):
            for command, on_row in ON_ROWS.items():
                with m.Case(command):
                    m.d.comb += programmer.command.eq(on_row)
        if block.reserve.signed:
            self._signature(m, programmer, signing, closing, spared)
        self._shapes(m, programmer, receiver, crc)

        def end() -> None:
            m.d.sync += [state.eq(State.IDLE), self.ended.eq(1)]

        def ask(command: LayerCommand) -> None:
            m.d.sync += [state.eq(State.ASK), question.eq(command)]

        def close() -> None:
            """Make the signature VALID, or SPARED."""
            m.d.sync += closing.eq(1)
            if block.reserve.spare_rows:
                ask(LayerCommand.HAS_SPARES)
            else:
                m.d.sync += state.eq(State.SIGN)

        why_cut = [
            self.outcome.supply_lost.eq(programmer.cut & lost),
            self.outcome.too_long.eq(programmer.cut & ~lost),
        ]
        takes_spare = Signal()
        fails = Signal()  # a row, for good
        is_whole = Signal()  # all rows of the array have been programmed, and the signature has not
        if block.reserve.signed:
            all_rows = self.progress.rows == block.geometry.used_rows
            m.d.comb += is_whole.eq(is_array & all_rows & ~self.outcome.failed)
        self._failures(m, platform, programmer, addressed, fails)
        m.d.sync += [self.ended.eq(0), lost.eq(self.busy & (lost | ~self.supply_ok))]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.start):
                m.d.sync += [under_way.eq(self.command), self.outcome.eq(0), self.progress.eq(0), last_row.eq(1)]
                m.d.sync += [closing.eq(0), spared.eq(0), marked.eq(not block.reserve.signed)]
                with m.Switch(self.command):
                    with m.Case(HostCommand.PROGRAM_ARRAY):
                        m.d.sync += state.eq(State.FETCH)
                    for command, order in ASKING.items():
                        with m.Case(command):
                            ask(order)
                    if block.reserve.signed:
                        with m.Case(HostCommand.COMMIT):
                            close()
                        with m.Case(HostCommand.PROGRAM_ROW):
                            m.d.sync += state.eq(State.SIGN)
                        with m.Case(HostCommand.FORM_ROW):
                            m.d.sync += state.eq(Mux(self.index == block.rows - 1, State.ROW, State.SIGN))
                    with m.Default():
                        m.d.sync += state.eq(State.ROW)
            with m.Case(State.FETCH):
                with m.If(receiver.wrong):
                    m.d.sync += [self.outcome.failed.eq(1), self.outcome.bad_packet.eq(1)]
                    end()
                with m.Elif(receiver.o.valid):
                    is_final = row == block.geometry.used_rows - 1
                    m.d.sync += last_row.eq(receiver.o.payload.last | is_final)
                    # A packet must have begun, for its rest to be dropped where the signature cannot be written.
                    m.d.sync += state.eq(Mux(marked, State.ROW, State.SIGN))
                    with m.If(is_final & ~receiver.o.payload.last):
                        m.d.sync += [self.outcome.failed.eq(1), self.outcome.bad_packet.eq(1)]
            with m.Case(State.ROW), m.If(~crc.busy):
                m.d.sync += state.eq(State.WAIT)
                with m.If(scrubs):
                    m.d.sync += last_row.eq(row == block.geometry.used_rows - 1)
            with m.Case(State.WAIT), m.If(programmer.done):
                m.d.comb += fails.eq(programmer.failed & (under_way != HostCommand.READ_ROW) & ~scrubs & ~takes_spare)
                m.d.sync += [
                    self.outcome.failed.eq(self.outcome.failed | fails | programmer.unstable),
                    self.outcome.unstable.eq(self.outcome.unstable | programmer.unstable),
                    *why_cut,
                ]
                if block.reserve.spare_rows:
                    writes = Cat(under_way == each for each in WRITING).any()
                    m.d.comb += takes_spare.eq(programmer.failed & ~programmer.cut & writes)
                with m.If(takes_spare):
                    ask(LayerCommand.TAKE_SPARE)
                with m.Else():
                    m.d.sync += [self.progress.rows.eq(self.progress.rows + 1), state.eq(State.CLOSE)]
                with m.If(programmer.cut):
                    end()
            with m.Case(State.CLOSE):
                with m.If(~last_row):
                    m.d.sync += state.eq(Mux(is_array, State.FETCH, State.ROW))
                with m.Elif(scrubs), m.If(~crc.busy):
                    wrong = crc.crc != self.expected
                    m.d.sync += self.outcome.mismatch.eq(wrong)
                    m.d.sync += self.outcome.failed.eq(self.outcome.failed | wrong)
                    end()
                with m.Elif(is_whole):
                    close()
                with m.Else():
                    end()
            with m.Case(State.ASK), m.If(ready):
                m.d.sync += state.eq(State.ASK_WAIT)
            with m.Case(State.ASK_WAIT), m.If(ended):
                if block.reserve.spare_rows:
                    with m.Switch(question):
                        with m.Case(LayerCommand.HAS_SPARES):
                            m.d.sync += [spared.eq(~refused), state.eq(State.SIGN)]
                        with m.Case(LayerCommand.TAKE_SPARE):
                            m.d.sync += state.eq(State.ROW)
                            with m.If(refused):
                                m.d.comb += fails.eq(1)
                                m.d.sync += [self.outcome.failed.eq(1), self.outcome.no_spare.eq(1)]
                                m.d.sync += [self.progress.rows.eq(self.progress.rows + 1), state.eq(State.CLOSE)]
                            with m.Else():
                                m.d.sync += [self.outcome.spared.eq(1), self.spares_taken.eq(self.spares_taken + 1)]
                        with m.Default():
                            end()
                else:
                    end()
                with m.If(Cat(under_way == each for each in READING).any()):
                    m.d.comb += [self.load.eq(1), self.loaded.eq(programmer.row_bits)]
            if block.reserve.signed:
                with m.Case(State.SIGN):
                    m.d.sync += state.eq(State.SIGN_WAIT)
                with m.Case(State.SIGN_WAIT), m.If(programmer.done):
                    m.d.sync += [state.eq(State.ROW), marked.eq(1)]
                    with m.If(closing):
                        end()
                    with m.If(programmer.failed):
                        end()
                        m.d.comb += fails.eq(1)
                        m.d.sync += [
                            self.outcome.failed.eq(1),
                            self.outcome.unsigned.eq(~programmer.cut),
                            *why_cut,
                        ]
        return m

    def _signature(self, m: Module, programmer: Any, signing: Value, closing: Value, spared: Value) -> None:
        """Let the programmer write a signature, unless it is there already, in place of a row."""
        binary, ternary = (Signatures(self.block.columns, each) for each in (False, True))
        with m.If(signing):
            m.d.comb += [programmer.command.eq(RowCommand.PROGRAM), programmer.configuration.verify_first.eq(1)]
            for is_ternary, words in ((0, binary), (1, ternary)):
                with m.If(programmer.ternary == is_ternary):
                    m.d.comb += programmer.word.eq(Mux(closing, Mux(spared, words.spared, words.valid), words.invalid))

    def _layers(
        self, m: Module, programmer: Any, row: Value, asks: Value, question: Any, scrubs: Value
    ) -> tuple[Value, Value, Value]:
        """The way to the layer that is addressed and back: orders of the programmer, or, where one `asks`, a
        `question`. Returns whether the layer takes one, whether one has ended, and whether it has failed.
        """
        order = programmer.order
        answers: dict[str, list[Value]] = {name: [] for name in ("ready", "done", "failed", "read_bits", "amplitude")}
        at_rest = []
        for index in range(len(self.block.layers)):
            side = {name: getattr(self, f"{name}{index}") for name in layer_side(1)}
            host, here = side["host"], Signal(name=f"layer{index}_here")
            m.d.comb += [
                here.eq(self.layer == index),
                side["claim"].eq(self.busy & here & ~scrubs),
                host.valid.eq((order.valid | asks) & here),
                host.payload.command.eq(Mux(asks, question, order.payload.command)),
                host.payload.group.eq(self.group),
                host.payload.tile.eq(self.tile),
                host.payload.index.eq(row),
                host.payload.pulse.eq(order.payload.pulse),
                host.payload.bits.eq(Mux(asks, self.word, order.payload.bits)),
            ]
            answers["ready"].append(host.ready & here)
            answers["amplitude"].append(side["amplitude"])
            for name in ("done", "failed", "read_bits"):
                answers[name].append(side[name] & here.replicate(len(side[name])))
            at_rest.append(side["resting"])
        found = {name: tree_or(m, values, name) for name, values in answers.items()}
        m.d.comb += [
            order.ready.eq(found["ready"] & ~asks),
            programmer.ended.eq(found["done"]),
            programmer.ended_failed.eq(found["failed"]),
            programmer.row_bits.eq(found["read_bits"]),
            self.amplitude.eq(found["amplitude"]),
            self.resting.eq(Cat(at_rest).all() & ~self.busy),
        ]
        return found["ready"], found["done"], found["failed"]

    def _shapes(self, m: Module, programmer: Any, receiver: Any, crc: Any) -> None:
        """Rows are of two bits a column where the layer is ternary."""
        columns, size = self.block.columns, beats(self.block.columns, ROW_BEAT)
        m.d.comb += [receiver.last_beat.eq(size - 1), crc.last_byte.eq(beats(columns, BYTE) - 1)]
        with m.Switch(self.layer):
            for index, layer in enumerate(self.block.layers):
                if layer.ternary:
                    with m.Case(index):
                        m.d.comb += [
                            programmer.ternary.eq(1),
                            receiver.last_beat.eq(beats(2 * columns, ROW_BEAT) - 1),
                            crc.last_byte.eq(beats(2 * columns, BYTE) - 1),
                        ]

    def _failures(self, m: Module, platform: Any, programmer: Any, row: Value, is_failure: Value) -> None:
        """Count and list the rows that fail."""
        listed = place(m, platform, "failure_list", FailureList(FAILURES, self.block.place.size))
        here: Any = Signal(self.block.place, name="here")
        m.d.comb += [
            listed.push.eq(is_failure),
            here.layer.eq(self.layer),
            here.group.eq(self.group),
            here.tile.eq(self.tile),
            here.row.eq(row),
            listed.row.eq(here),
            listed.pop.eq(self.pop),
            self.count.eq(listed.count),
            self.overflow.eq(listed.overflow),
            self.first.eq(listed.first),
        ]
        m.d.sync += self.retries.eq(self.retries + programmer.retried)
        with m.If(is_failure):
            m.d.sync += [
                self.failures.eq(self.failures + 1),
                self.progress.failed.eq(self.progress.failed + 1),
                self.failed_columns.eq(programmer.wrong),
            ]
