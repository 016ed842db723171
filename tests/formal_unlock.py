"""What is claimed of the registers: FORM, which a device must see but once, needs an unlock of its own.

From here to the devices two more claims carry it on: a pulse at an array is one that the host of its layer asked for
(`LayerClaims`), and one that the order to its controller asked for (`ControllerClaims`).
"""

from typing import Any

from amaranth.hdl import Assert, Cat, Const, Cover, Module, Mux, Shape, Signal

from hdl.arrays.array import Operation
from hdl.arrays.host_access import LayerCommand
from hdl.arrays.programmer import RowCommand, Stage
from hdl.arrays.programmer import State as RowState
from hdl.programming import HostCommand, State
from hdl.registers import KEY, HostRegisters, Register
from hdl.streams.axi_lite import Response
from sim.formal import Claims


class UnlockClaims(Claims):
    """Claims on `HostRegisters`, from the writes on its AXI4-Lite port to what it asks of the layers.

    Where a row is, is taken from the registers LAYER … INDEX in the cycle in which the command is written.
    """

    axil: Any
    layer: Signal
    group: Signal
    tile: Signal
    index: Signal
    has_address: Signal
    has_data: Signal
    word: Signal
    data: Signal
    strobes: Signal
    unlocked: Signal
    state: Signal
    command: Signal
    progress: Signal
    last_row: Signal
    marked: Signal
    row_state: Signal
    row_command: Signal
    row_done: Signal
    stage: Signal

    def __init__(self, block: HostRegisters) -> None:
        self.layers, self.signed = range(len(block.layers)), block.programming.reserve.signed
        inside: dict[str, tuple[str, Any]] = {
            name: (f"programming.{name}", 16) for name in ("layer", "group", "tile", "index")
        }
        inside |= {name: (f"bridge.{name}", 1) for name in ("has_address", "has_data")}
        inside |= {
            "word": ("bridge.write_word", 10),
            "data": ("bridge.write_data", 32),
            "strobes": ("bridge.strobes", 4),
            "unlocked": ("unlocked", 1),
            "state": ("programming.state", Shape.cast(State)),
            "command": ("programming.under_way", Shape.cast(HostCommand)),
            "progress": ("programming.progress", 32),
            "marked": ("programming.marked", 1),
            "last_row": ("programming.last_row", 1),
            "row_state": ("programming.programmer.state", 3),
            "row_command": ("programming.programmer.under_way", 2),
            "row_done": ("programming.programmer.done", 1),
            "stage": ("programming.programmer.stage", 2),
        }
        super().__init__(block, inside)

    def add_claims(self, m: Module) -> None:
        axil = self.axil
        has_address, has_data, written = Signal(), Signal(), Signal()  # of the write that is under way
        word, data, strobes = Signal(10), Signal(32), Signal(4)
        taken = has_address & has_data & (~axil.bvalid | axil.bready)
        m.d.comb += written.eq(taken & strobes.any())
        with m.If(axil.awvalid & axil.awready):
            m.d.sync += [has_address.eq(1), word.eq(axil.awaddr[2:])]
        with m.Elif(taken):
            m.d.sync += has_address.eq(0)
        with m.If(axil.wvalid & axil.wready):
            m.d.sync += [has_data.eq(1), data.eq(axil.wdata), strobes.eq(axil.wstrb)]
        with m.Elif(taken):
            m.d.sync += has_data.eq(0)

        opened, asks, forms = Signal(), Signal(), Signal()
        commands = written & (word == Register.COMMAND // 4)
        with m.If(written & (word == Register.UNLOCK // 4)):
            m.d.sync += opened.eq((data == KEY) & strobes.all())
        with m.Elif(commands):
            m.d.sync += opened.eq(0)
        m.d.sync += [asks.eq(commands), forms.eq(opened & strobes[0] & (data[:8] == HostCommand.FORM_ROW.value))]
        # Of the command that was accepted last, whose answer comes a cycle after it was written.
        kept, granted, accepted = Signal(), Signal(), Signal()
        m.d.comb += accepted.eq(asks & (axil.bresp == Response.OKAY))
        m.d.comb += granted.eq(Mux(accepted, forms, kept))
        m.d.sync += kept.eq(granted)
        address = Cat(self.group, self.tile, self.index, self.layer)
        wrote, kept_place, place = (Signal(len(address), name=name) for name in ("wrote", "kept_place", "place"))
        m.d.comb += place.eq(Mux(accepted, wrote, kept_place))
        m.d.sync += [wrote.eq(address), kept_place.eq(place)]

        locked, elsewhere, formed = [], [], []
        for layer in self.layers:
            host = getattr(self, f"host{layer}")
            order = host.payload
            form = host.valid & (order.command == LayerCommand.PULSE_ROW) & (order.pulse.operation == Operation.FORM)
            formed.append(form)
            locked.append(form & ~granted)
            elsewhere.append(form & ((Cat(order.group, order.tile, order.index) != place[:48]) | (place[48:] != layer)))
        busy = self.state != State.IDLE.value
        at_row = self.row_state != RowState.IDLE.value
        forms_row = busy & (self.command == HostCommand.FORM_ROW.value)
        closes = self.state == State.CLOSE.value
        signs = (self.state == State.SIGN.value) | (self.state == State.SIGN_WAIT.value)
        on_row = closes | (self.state == State.ROW.value) | (self.state == State.WAIT.value) | signs
        forming = at_row & (self.row_command == RowCommand.FORM.value)
        bridge = Cat(self.has_address, self.has_data, self.word, self.data, self.strobes)
        m.d.comb += [
            Assert(~Cat(locked).any(), "no FORM but of a command that was unlocked directly before"),
            Assert(~Cat(elsewhere).any(), "a FORM is of the one row that its command was given for"),
            Assert(bridge == Cat(has_address, has_data, word, data, strobes), "lemma: the write under way"),
            Assert(self.unlocked == opened, "lemma: an unlock holds until the next command"),
            Assert(self.state <= max(state.value for state in State), "lemma: no other states"),
            Assert(
                ~busy | (self.command != HostCommand.FORM_ROW.value) | granted, "lemma: a command to form was unlocked"
            ),
            Assert(~busy | (place == address), "lemma: the row stands still"),
            Assert(~forms_row | (on_row & self.last_row), "lemma: one row"),
            Assert(~forms_row | closes | (self.progress[:16] == 0), "lemma: it is the first one"),
            Assert(~(signs & forming), "lemma: a signature is not formed"),
            Assert(Const(self.signed) | ~busy | (self.marked & ~signs), "lemma: no signatures where there are none"),
            Assert(
                ~at_row | (((self.state == State.WAIT.value) | signs) & ~self.row_done),
                "lemma: the programmer is waited for",
            ),
            Assert(
                ~forming | (self.command == HostCommand.FORM_ROW.value), "lemma: a row is formed where that is asked"
            ),
            Assert(
                ~at_row | (self.stage == Stage.WORD.value) | (self.row_command == RowCommand.FORM.value),
                "lemma: a row is filled only to form it",
            ),
            Cover(taken & ~strobes.any() & opened, "a write without strobes, which leaves the unlock as it is"),
            Cover(commands & (data == HostCommand.FORM_ROW.value) & opened, "a command to form"),
            Cover(accepted & ~forms, "a command that is no FORM"),
            *(Cover(form, f"a FORM for layer {layer}") for layer, form in zip(self.layers, formed, strict=True)),
        ]
