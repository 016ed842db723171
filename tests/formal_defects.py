"""Defects made on purpose, each against one claim, which is to be refuted."""

from typing import Any

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
    TERNARY_TILE,
    TILE,
    Proof,
)
from mutants import ELABORATE, Defect

import hdl.layers.ranking
from hdl.arrays.controller import ControllerHardware
from hdl.arrays.grid import GridHardware
from hdl.arrays.group import GroupHardware
from hdl.arrays.stack import StackHardware
from hdl.arrays.tile import TileHardware
from hdl.layers.collector import CollectorHardware
from hdl.layers.ranking import RankingHardware
from hdl.neurons.neuron import NeuronHardware


class Refuted(Defect):
    """A defect against which a claim of `proof` fails within `depth` cycles after power-up."""

    def __init__(self, proof: Proof, claim: str, depth: int, target: Any, member: str, old: str, new: str) -> None:
        self.proof, self.claim, self.depth = proof, claim, depth
        super().__init__(target, member, old, new)

    def __str__(self) -> str:
        return f"{self.claim}: {super().__str__()}"


CONTROL = (ControllerHardware, ELABORATE)
GRIDS = (GridHardware, ELABORATE)
WALK = (GridHardware, "_walk")
GATHER = (CollectorHardware, ELABORATE)
NO_SETUP = (*CONTROL, "state.eq(State.SETUP)", "state.eq(State.PULSE), self.hv.eq(1)")
PULSE_BEGINS = (*CONTROL, "self.hv.eq(1), left")
BITS = "each bit of each result is that of its neuron and its image"
DEFECTS = (
    Refuted(CONTROLLER, "high voltage never with SEN", 5, *PULSE_BEGINS, "self.hv.eq(1), self.sen.eq(1), left"),
    Refuted(CONTROLLER, "a cycle between high voltage and SEN", 6, *NO_SETUP),
    Refuted(CONTROLLER, "two cycles between pulses", 6, *NO_SETUP),
    Refuted(
        CONTROLLER,
        "lines stand still before, in and after a pulse",
        5,
        *PULSE_BEGINS,
        "self.hv.eq(1), self.mask.eq(0), left",
    ),
    Refuted(CONTROLLER, "a pulse is a SET or a RESET", 5, *CONTROL, "self.operation.eq(operation),", ""),
    Refuted(CONTROLLER, "a pulse acts where the mask says", 5, *CONTROL, "self.masked.eq(1),", ""),
    # A pulse whose end is looked for in the lengths of now.
    Refuted(
        CONTROLLER,
        "a pulse no longer than its limit",
        6,
        *CONTROL,
        "with m.Case(State.PULSE), m.If(last)",
        'with m.Case(State.PULSE), m.If(left == rest["set_pulse"])',
    ),
    Refuted(CONTROLLER, "a pulse no longer than its limit", 6, *CONTROL, "0, length - 1)", "0, length)"),
    Refuted(
        CONTROLLER,
        "a pulse is what the order has for each of its devices",
        8,
        *CONTROL,
        "if self.block.ternary else ~low",
        "if self.block.ternary else low",
    ),
    Refuted(
        CONTROLLER,
        "no device sees SET and RESET in one order",
        15,
        *CONTROL,
        "low if operation is Operation.SET else ~low",
        "low",
    ),
    Refuted(
        CONTROLLER,
        "high voltage only where an order asks for it",
        5,
        *CONTROL,
        "self.tile.eq(order.tile)",
        "self.tile.eq(0)",
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
        COLUMNS, "one array at once under high voltage", 6, StackHardware, "_lane", "self.hv & self.selected", "self.hv"
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
# The longest way to a failure.
MORE_DEFECTS = (Refuted(DENSE, BITS, 18, *GATHER, "reserved != 2", "reserved != 3"),)
