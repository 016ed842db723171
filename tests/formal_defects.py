"""Defects made on purpose, each against one claim, which is to be refuted."""

from typing import Any

from defects import ELABORATE, Defect
from formal_proofs import (
    ARGMAX,
    COLLECTOR,
    COLUMNS,
    CONTROLLER,
    DENSE,
    GRID,
    GROUP,
    LAYER,
    RANKING,
    REGISTERS,
    SPARE_LAYER,
    SPARES,
    TERNARY_TILE,
    TILE,
    WRITES,
    Proof,
)

import hdl.arrays.controller
import hdl.layers.ranking
from hdl.arrays.controller import ControllerHardware
from hdl.arrays.grid import GridHardware
from hdl.arrays.group import GroupHardware
from hdl.arrays.host_access import HostAccessHardware
from hdl.arrays.programmer import ProgrammerHardware
from hdl.arrays.stack import StackHardware
from hdl.arrays.tile import TileHardware
from hdl.layers.collector import CollectorHardware
from hdl.layers.ranking import RankingHardware
from hdl.neurons.neuron import NeuronHardware
from hdl.programming import ProgrammingHardware
from hdl.registers import HostRegistersHardware
from hdl.streams.axi_lite import AxiLiteHardware


class Refuted(Defect):
    """A defect against which a claim of `proof` fails within `depth` cycles after power-up."""

    def __init__(self, proof: Proof, claim: str, depth: int, target: Any, member: str, old: str, new: str) -> None:
        self.proof, self.claim, self.depth = proof, claim, depth
        super().__init__(target, member, old, new)

    def __str__(self) -> str:
        return f"{self.claim}: {super().__str__()}"


CONTROL = (ControllerHardware, ELABORATE)
PARTS = (ControllerHardware, "_parts")
GRIDS = (GridHardware, ELABORATE)
WALK = (GridHardware, "_walk")
GATHER = (CollectorHardware, ELABORATE)
PULSE_BEGINS = (*CONTROL, "[state.eq(State.PULSE), self.hv.eq(1)]")
ALL_PARTS = (*PARTS, "Mux(opens, bits[:most], 0)", "bits[:most]")
ORDER_SAYS = "a pulse no longer than its order says"
MOST_DEVICES = "no more devices at once than the limit"
LOCKED = "no FORM but of a command that was unlocked directly before"
ONE_ROW = "a FORM is of the one row that its command was given for"
BITS = "each bit of each result is that of its neuron and its image"
DEFECTS = (
    Refuted(
        CONTROLLER,
        "high voltage never with SEN",
        5,
        *PULSE_BEGINS,
        "[state.eq(State.PULSE), self.hv.eq(1), self.sen.eq(1)]",
    ),
    Refuted(
        CONTROLLER,
        "a cycle between high voltage and SEN",
        6,
        *CONTROL,
        "state.eq(State.SETUP),\n",
        "state.eq(State.PULSE), self.hv.eq(1),\n",
    ),
    Refuted(
        CONTROLLER,
        "two cycles between pulses",
        8,
        *CONTROL,
        "[state.eq(State.SETUP), left.eq(pulse.setup)]",
        "[state.eq(State.PULSE), self.hv.eq(1)]",
    ),
    Refuted(
        CONTROLLER,
        "no high voltage a cycle after the supply is lost",
        6,
        *CONTROL,
        "with m.If(overdue | ~self.supply_ok):",
        "with m.If(overdue):",
    ),
    Refuted(
        CONTROLLER,
        "lines stand still before, in and after a pulse",
        5,
        *PULSE_BEGINS,
        "[state.eq(State.PULSE), self.hv.eq(1), self.amplitude.eq(0)]",
    ),
    Refuted(
        SPARES,
        "lines stand still before, in and after a pulse",
        6,
        *PULSE_BEGINS,
        "[state.eq(State.PULSE), self.hv.eq(1), self.hits.eq(0)]",
    ),
    # A table that the host writes in the middle of a pulse.
    Refuted(
        SPARE_LAYER,
        "the lines of each array stand still for a pulse",
        8,
        HostAccessHardware,
        "_look_up",
        "writes.eq(taken & (",
        "writes.eq((",
    ),
    Refuted(
        SPARE_LAYER,
        "a pulse at an array is one that the host asked for, and of its devices",
        8,
        GroupHardware,
        ELABORATE,
        "entry.hit & (entry.tile == index)",
        "entry.hit",
    ),
    Refuted(
        CONTROLLER, "a pulse is a SET, a RESET or a FORM", 5, *CONTROL, " | (self.operation == Operation.READ)", ""
    ),
    Refuted(CONTROLLER, "a pulse acts where the mask says", 5, *CONTROL, "self.masked.eq(1),", ""),
    Refuted(CONTROLLER, MOST_DEVICES, 9, *ALL_PARTS),
    # The length is that of an order that waits behind this one.
    Refuted(
        CONTROLLER,
        ORDER_SAYS,
        6,
        *CONTROL,
        "[state.eq(State.RECOVER), left.eq(pulse.length)]",
        "[state.eq(State.RECOVER), left.eq(self.host.payload.pulse.length)]",
    ),
    Refuted(CONTROLLER, ORDER_SAYS, 6, hdl.arrays.controller, "_rest", "0, length - 1)", "0, length)"),
    Refuted(
        CONTROLLER,
        "a pulse no longer than the limit",
        8,
        ControllerHardware,
        "_watchdog",
        "passed == longest - 1",
        "passed == longest",
    ),
    # A watchdog that each cycle of `supply_ok` sets back.
    Refuted(
        CONTROLLER,
        "a pulse no longer than the limit",
        8,
        ControllerHardware,
        "_watchdog",
        "self.hv & ~overdue",
        "self.hv & ~self.supply_ok",
    ),
    Refuted(
        CONTROLLER,
        "an order fails where a pulse is cut short",
        9,
        *CONTROL,
        "self.failed.eq(~last | ~self.supply_ok)",
        "self.failed.eq(~self.supply_ok)",
    ),
    Refuted(
        CONTROLLER,
        "a pulse is of the row, operation and side of its order",
        5,
        *CONTROL,
        "self.tile.eq(order.tile)",
        "self.tile.eq(0)",
    ),
    Refuted(
        CONTROLLER,
        "a pulse is of the row, operation and side of its order",
        5,
        *CONTROL,
        "self.side.eq(order.pulse.side),",
        "",
    ),
    Refuted(
        CONTROLLER,
        "no device is pulsed that the order does not name",
        9,
        *PARTS,
        "wanted.eq(bits)",
        "wanted.eq(-1)",
    ),
    Refuted(
        CONTROLLER,
        "no device is pulsed more often than the order says",
        10,
        *CONTROL,
        "again.eq(_rest(order.pulse.count))",
        "again.eq(order.pulse.count)",
    ),
    Refuted(
        CONTROLLER,
        "an order that does not fail pulses each of its devices as often as it says",
        8,
        *CONTROL,
        "self.mask.any() & again.any()",
        "self.mask.all() & again.any()",
    ),
    Refuted(
        CONTROLLER, "no amplitude but that of an order to pulse", 7, *CONTROL, "READ), self.amplitude.eq(0)]", "READ)]"
    ),
    Refuted(
        CONTROLLER, "no order ends that was not taken", 5, *CONTROL, "self.done.eq(0)", "self.done.eq(self.sampled)"
    ),
    Refuted(
        CONTROLLER,
        "no order is taken before the last one ended",
        8,
        *CONTROL,
        "free.eq((state == State.IDLE)",
        "free.eq((state == State.IDLE) | (state == State.WAIT)",
    ),
    Refuted(CONTROLLER, "no read is invented", 8, *CONTROL, "& last & ~self.masked),", "& last),"),
    Refuted(CONTROLLER, "no read is lost", 5, *CONTROL, "free & ~self.host.valid", "free"),
    Refuted(
        CONTROLLER,
        "a read is no longer than its phases",
        6,
        *CONTROL,
        "with m.Case(State.PRECHARGE), m.If(last)",
        "with m.Case(State.PRECHARGE), m.If(last & self.read.valid)",
    ),
    Refuted(
        CONTROLLER, "a read is of the row that was asked for", 5, *CONTROL, ", self.row.eq(self.read.payload.row)", ""
    ),
    Refuted(
        REGISTERS, LOCKED, 10, HostRegistersHardware, "_allowed", "pulses & unlocked if forms else pulses", "pulses"
    ),
    # An unlock that outlives a command.
    Refuted(
        REGISTERS,
        LOCKED,
        16,
        HostRegistersHardware,
        ELABORATE,
        "m.Elif(writes(Register.COMMAND))",
        "m.Elif(self.image_in)",
    ),
    # A row that is programmed is formed as well.
    Refuted(REGISTERS, LOCKED, 10, ProgrammerHardware, "_pulse", "stage == (Stage.PLUS", "stage != (Stage.PLUS"),
    *(
        Refuted(WRITES, claim, 6, AxiLiteHardware, ELABORATE, "taken & strobes.any()", "taken")
        for claim in (
            "a write without strobes changes no register",
            "a write without strobes begins nothing and takes nothing away",
        )
    ),
    Refuted(
        WRITES,
        "a write without strobes is answered OKAY",
        6,
        AxiLiteHardware,
        ELABORATE,
        "Mux(self.write & self.write_refused,",
        "Mux(self.write_refused,",
    ),
    Refuted(
        REGISTERS,
        ONE_ROW,
        14,
        HostRegistersHardware,
        ELABORATE,
        "dict.fromkeys(held, programming.busy)",
        "dict.fromkeys(held, Const(0))",
    ),
    Refuted(
        LAYER,
        "a pulse at an array is one that the host asked for, and of its devices",
        6,
        HostAccessHardware,
        ELABORATE,
        "order.row.eq(asked.index)",
        "order.row.eq(0)",
    ),
    Refuted(
        COLUMNS,
        "a pulse at an array is one that the host asked for, and of its devices",
        6,
        ControllerHardware,
        ELABORATE,
        "self.operation.eq(order.pulse.operation)",
        "self.operation.eq(Operation.FORM)",
    ),
    Refuted(LAYER, "no more devices of a layer at once than the limit", 9, *ALL_PARTS),
    Refuted(
        LAYER,
        "one array at once under high voltage",
        5,
        GridHardware,
        "_arrays",
        "controller.hv & here",
        "controller.hv",
    ),
    Refuted(LAYER, "one array at once under high voltage", 5, GroupHardware, ELABORATE, "self.hv & here", "self.hv"),
    Refuted(
        COLUMNS,
        "one array at once under high voltage",
        6,
        StackHardware,
        ELABORATE,
        "self.hv & self.selected",
        "self.hv",
    ),
    Refuted(
        LAYER,
        "no high voltage while any array senses",
        5,
        GroupHardware,
        ELABORATE,
        "tile.sen.eq(self.sen)",
        "tile.sen.eq(1)",
    ),
    Refuted(
        LAYER,
        "a cycle between high voltage and SEN anywhere",
        6,
        GroupHardware,
        ELABORATE,
        "tile.sen.eq(self.sen)",
        "tile.sen.eq(~self.hv)",
    ),
    Refuted(
        LAYER,
        "the lines of each array stand still for a pulse",
        5,
        GridHardware,
        "_arrays",
        "lines.eq(Mux(controller.masked,",
        "lines.eq(Mux(controller.hv,",
    ),
    Refuted(
        TILE,
        "the count of each read is that of its row and input",
        4,
        TileHardware,
        ELABORATE,
        "popcount.bits.eq(array.q[:used])",
        "popcount.bits.eq(array.q[-used:])",
    ),
    Refuted(
        TERNARY_TILE,
        "the count of each read is that of its row and input",
        4,
        TileHardware,
        ELABORATE,
        "~array.qb[:used]",
        "array.q[:used]",
    ),
    # A read behind which none comes is dropped.
    Refuted(
        GROUP,
        "the count of each read is that of its row and input",
        5,
        GroupHardware,
        ELABORATE,
        "counted.eq(sensed)",
        "counted.eq(self.sen)",
    ),
    Refuted(
        COLLECTOR,
        "each value is at its place in its word",
        8,
        *GATHER,
        "Cat(gathered[width:], self.value)",
        "Cat(self.value, gathered)",
    ),
    # Room for a third image, where there is none.
    Refuted(COLLECTOR, "each value is at its place in its word", 14, *GATHER, "reserved != 2", "reserved != 3"),
    Refuted(COLLECTOR, "no word is invented", 8, *GATHER, "filled == count - 1", "filled == 0"),
    Refuted(COLLECTOR, "no word is lost", 10, *GATHER, "full & (~self.o.valid | self.o.ready)", "full & self.o.ready"),
    Refuted(COLLECTOR, "a word stays until it is taken", 8, *GATHER, "m.Elif(self.o.ready)", "m.Else()"),
    Refuted(GRID, "an image begins where there is room", 4, *WALK, "self.go & clear", "clear"),
    Refuted(
        GRID, "an image is taken when it begins", 4, *WALK, "opens & begun & controller.read.ready", "opens & begun"
    ),
    Refuted(GRID, "an image begins with its first read", 6, *WALK, "(stack == 0) & (row == 0)", "row == 0"),
    Refuted(GRID, "each row is read in its turn", 6, *WALK, "row.eq(row + 1)", "row.eq(row)"),
    Refuted(
        GRID,
        "an image that began is read to its end",
        5,
        *WALK,
        "self.i.valid & begun, 1)",
        "self.i.valid & begun, self.go)",
    ),
    Refuted(
        GRID,
        "each read has one count, three cycles after it was sampled",
        8,
        *GRIDS,
        "coming = sampled[-2]",
        "coming = sampled[-3]",
    ),
    Refuted(GRID, "no count is invented", 12, *GRIDS, "strobe.eq(coming)", "strobe.eq(coming | controller.done)"),
    Refuted(
        GRID,
        "the last count of an image says so",
        8,
        GridHardware,
        "_numbers",
        "block.map.reads - 1",
        "block.map.reads - 2",
    ),
    Refuted(GRID, "orders come between images", 8, *GRIDS, "& ~under_way", ""),
    Refuted(
        GRID,
        "no count is lost",
        8,
        *GRIDS,
        "Cat(controller.sampled, sampled)",
        "Cat(controller.sampled & self.go, sampled)",
    ),
    Refuted(DENSE, BITS, 11, NeuronHardware, ELABORATE, "self.popcount >=", "self.popcount >"),
    Refuted(DENSE, "no result is invented", 11, *GATHER, "filled == count - 1", "filled == 0"),
    Refuted(
        DENSE,
        "no read is dropped or repeated",
        9,
        *GRIDS,
        "sampled.eq(Cat(controller.sampled, sampled))",
        "sampled.eq(Cat(controller.sampled & self.timing.sense[1], sampled))",
    ),
    Refuted(DENSE, "a result stays until it is taken", 12, *GATHER, "m.Elif(self.o.ready)", "m.Else()"),
    Refuted(
        ARGMAX,
        "in each place stands the class before which come as many",
        6,
        hdl.layers.ranking,
        "_merge",
        "ours.score >= theirs.score",
        "ours.score > theirs.score",
    ),
    Refuted(
        RANKING,
        "in each place stands the class before which come as many",
        8,
        RankingHardware,
        ELABORATE,
        "each.eq(valid[k - len(coming)])",
        "each.eq(1)",
    ),
    Refuted(
        ARGMAX, "each image is ranked once", 5, RankingHardware, ELABORATE, "found.eq(strobe & last)", "found.eq(last)"
    ),
)
# The longest ways to a failure.
MORE_DEFECTS = (
    Refuted(DENSE, BITS, 18, *GATHER, "reserved != 2", "reserved != 3"),
    Refuted(
        REGISTERS,
        ONE_ROW,
        16,
        ProgrammingHardware,
        "_layers",
        "host.payload.group.eq(self.group)",
        "host.payload.group.eq(self.tile)",
    ),
)
