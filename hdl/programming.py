"""What a command of the host does: rows one after the other, what came of them, and the way to the layers."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.arrays.host_access import LayerCommand, host_layout
from hdl.arrays.programmer import CONFIGURATION, Programmer, RowCommand
from hdl.block import Hardware, index_width, place
from hdl.failures import FailureList
from hdl.neurons.popcount import tree_or
from hdl.streams.packets import axi_stream, beats
from hdl.streams.row_receiver import ROW_BEAT, RowReceiver

FAILURES = 16
"""Rows that the list of failed rows holds."""


class HostCommand(enum.Enum, shape=3):
    """What the host asks: of one row, of one neuron's number (threshold, offset or mode), or of an array."""

    NONE = 0
    PROGRAM_ROW = 1
    READ_ROW = 2
    WRITE_NUMBER = 3
    READ_NUMBER = 4
    FORM_ROW = 5
    VERIFY_ROW = 6
    PROGRAM_ARRAY = 7


ON_ROWS = {
    HostCommand.PROGRAM_ROW: RowCommand.PROGRAM,
    HostCommand.PROGRAM_ARRAY: RowCommand.PROGRAM,
    HostCommand.FORM_ROW: RowCommand.FORM,
    HostCommand.VERIFY_ROW: RowCommand.VERIFY,
    HostCommand.READ_ROW: RowCommand.READ,
}
"""What is done with each row."""
PULSING = (HostCommand.PROGRAM_ROW, HostCommand.PROGRAM_ARRAY, HostCommand.FORM_ROW)
"""The commands that pulse devices."""

OUTCOME = data.StructLayout({"failed": 1, "supply_lost": 1, "too_long": 1, "unstable": 1, "bad_packet": 1})
"""What came of a command: whether it failed, and why, if not because a row did not read as it should. The supply was
not stable during a pulse; a pulse was longer than the limit; two reads differed; a packet ended within a row, or went
on behind the array's last one."""


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
      `axis`      packets of rows for PROGRAM_ARRAY
      `supply_ok` the programming voltage is stable
      `progress`  of this command: `rows` that are finished, `failed` ones of them
      `failures`, `retries`  since reset: rows that failed, and attempts but the first (both wrap at 2^32)
      `failed_columns`  of the row that failed last, those that did not read right
      `pop`, `count`, `overflow`, `first`  the list of failed rows, see `hdl.failures.FailureList`
      `amplitude` code for the DAC, and `resting`, of all layers
      `host{k}`, `claim{k}`, `done{k}`, `failed{k}`, `read_bits{k}`, `amplitude{k}`, `resting{k}`  to and from layer k,
                  see `hdl.arrays.host_access.host_ports`. A layer is claimed from the beginning of a command to its end

    PROGRAM_ARRAY programs one row after the other from `index` on, with the rows of one packet, as they come: one is
    received while the one before is pulsed. It goes on where a row fails, and ends with the packet; where the supply
    or the watchdog cuts a pulse short it ends at once, and the rest of the packet is dropped.
    """

    rows: int
    columns: int
    width: int
    layers: tuple[LayerSize, ...]

    name = "hafnet_programming"

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
            "axis": In(axi_stream(ROW_BEAT)),
            "supply_ok": In(1),
            "progress": Out(data.StructLayout({"rows": 16, "failed": 16})),
            "failures": Out(32),
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


class State(enum.Enum, shape=3):
    """What is done in this cycle."""

    IDLE = 0
    FETCH = 1
    ROW = 2
    WAIT = 3
    NUMBER = 4
    NUMBER_WAIT = 5


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
    axis: Any
    supply_ok: Signal
    progress: Any
    failures: Signal
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
        state = Signal(State)
        under_way = Signal(HostCommand)
        row = Signal(16)
        last_row = Signal()  # no other row comes behind this one
        lost = Signal()  # the supply was not stable at some time of this command
        number = Signal()
        ready, ended = self._layers(m, programmer, row, number, under_way)
        m.d.comb += [
            self.busy.eq(state != State.IDLE),
            row.eq(self.index + self.progress.rows),
            number.eq(state == State.NUMBER),
            programmer.start.eq(state == State.ROW),
            programmer.configuration.eq(self.configuration),
            programmer.word.eq(self.word),
            receiver.open.eq(self.busy & (under_way == HostCommand.PROGRAM_ARRAY)),
            receiver.o.ready.eq(state == State.FETCH),
            self.load.eq(programmer.read | (receiver.o.valid & receiver.o.ready)),
            self.loaded.eq(Mux(state == State.FETCH, receiver.o.payload.bits, programmer.bits)),
        ]
        connect(m, flipped(self.axis), receiver.axis)
        with m.Switch(under_way):
            for command, on_row in ON_ROWS.items():
                with m.Case(command):
                    m.d.comb += programmer.command.eq(on_row)
        self._shapes(m, programmer, receiver)
        self._failures(m, platform, programmer, row, under_way)

        def end() -> None:
            m.d.sync += [state.eq(State.IDLE), self.ended.eq(1)]

        m.d.sync += [self.ended.eq(0), lost.eq(self.busy & (lost | ~self.supply_ok))]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.start):
                m.d.sync += [under_way.eq(self.command), self.outcome.eq(0), self.progress.eq(0), last_row.eq(1)]
                with m.Switch(self.command):
                    with m.Case(HostCommand.PROGRAM_ARRAY):
                        m.d.sync += state.eq(State.FETCH)
                    with m.Case(HostCommand.WRITE_NUMBER, HostCommand.READ_NUMBER):
                        m.d.sync += state.eq(State.NUMBER)
                    with m.Default():
                        m.d.sync += state.eq(State.ROW)
            with m.Case(State.FETCH):
                with m.If(receiver.wrong):
                    m.d.sync += [self.outcome.failed.eq(1), self.outcome.bad_packet.eq(1)]
                    end()
                with m.Elif(receiver.o.valid):
                    is_final = row == block.rows - 1
                    m.d.sync += [state.eq(State.ROW), last_row.eq(receiver.o.payload.last | is_final)]
                    with m.If(is_final & ~receiver.o.payload.last):
                        m.d.sync += [self.outcome.failed.eq(1), self.outcome.bad_packet.eq(1)]
            with m.Case(State.ROW):
                m.d.sync += state.eq(State.WAIT)
            with m.Case(State.WAIT), m.If(programmer.done):
                m.d.sync += [
                    self.outcome.failed.eq(self.outcome.failed | programmer.failed),
                    self.outcome.unstable.eq(programmer.unstable),
                    self.outcome.supply_lost.eq(programmer.cut & lost),
                    self.outcome.too_long.eq(programmer.cut & ~lost),
                    self.progress.rows.eq(self.progress.rows + 1),
                    state.eq(State.FETCH),
                ]
                with m.If(last_row | programmer.cut):
                    end()
            with m.Case(State.NUMBER), m.If(ready):
                m.d.sync += state.eq(State.NUMBER_WAIT)
            with m.Case(State.NUMBER_WAIT), m.If(ended):
                m.d.comb += [self.load.eq(under_way == HostCommand.READ_NUMBER), self.loaded.eq(programmer.row_bits)]
                end()
        return m

    def _layers(self, m: Module, programmer: Any, row: Value, number: Value, command: Any) -> tuple[Value, Value]:
        """The way to the layer that is addressed and back: orders of the programmer, or, with `number`, those on a
        number. Returns whether the layer takes one, and whether one has ended.
        """
        order = programmer.order
        on_number = Mux(command == HostCommand.WRITE_NUMBER, LayerCommand.WRITE_NUMBER, LayerCommand.READ_NUMBER)
        answers: dict[str, list[Value]] = {name: [] for name in ("ready", "done", "failed", "read_bits", "amplitude")}
        at_rest = []
        for index in range(len(self.block.layers)):
            side = {name: getattr(self, f"{name}{index}") for name in layer_side(1)}
            host, here = side["host"], Signal(name=f"layer{index}_here")
            m.d.comb += [
                here.eq(self.layer == index),
                side["claim"].eq(self.busy & here),
                host.valid.eq((order.valid | number) & here),
                host.payload.command.eq(Mux(number, on_number, order.payload.command)),
                host.payload.group.eq(self.group),
                host.payload.tile.eq(self.tile),
                host.payload.index.eq(row),
                host.payload.pulse.eq(order.payload.pulse),
                host.payload.bits.eq(Mux(number, self.word, order.payload.bits)),
            ]
            answers["ready"].append(host.ready & here)
            answers["amplitude"].append(side["amplitude"])
            for name in ("done", "failed", "read_bits"):
                answers[name].append(side[name] & here.replicate(len(side[name])))
            at_rest.append(side["resting"])
        found = {name: tree_or(m, values, name) for name, values in answers.items()}
        m.d.comb += [
            order.ready.eq(found["ready"] & ~number),
            programmer.ended.eq(found["done"]),
            programmer.ended_failed.eq(found["failed"]),
            programmer.row_bits.eq(found["read_bits"]),
            self.amplitude.eq(found["amplitude"]),
            self.resting.eq(Cat(at_rest).all() & ~self.busy),
        ]
        return found["ready"], found["done"]

    def _shapes(self, m: Module, programmer: Any, receiver: Any) -> None:
        """Rows are of two bits a column where the layer is ternary."""
        columns, size = self.block.columns, beats(self.block.columns, ROW_BEAT)
        m.d.comb += receiver.last_beat.eq(size - 1)
        with m.Switch(self.layer):
            for index, layer in enumerate(self.block.layers):
                if layer.ternary:
                    with m.Case(index):
                        m.d.comb += [programmer.ternary.eq(1), receiver.last_beat.eq(beats(2 * columns, ROW_BEAT) - 1)]

    def _failures(self, m: Module, platform: Any, programmer: Any, row: Value, command: Any) -> None:
        """Count and list the rows that fail."""
        listed = place(m, platform, "failure_list", FailureList(FAILURES, self.block.place.size))
        is_failure = Signal()
        here: Any = Signal(self.block.place, name="here")
        m.d.comb += [
            is_failure.eq(programmer.done & programmer.failed & (command != HostCommand.READ_ROW)),
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
