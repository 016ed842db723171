"""ECP5: counting on carry chains of CCU2C, whose look-up tables take the XNOR in.

Half a CCU2C with a table f and inputs A, B, C, D gives `f ^ cin` and passes on `f ? cin : f(A, B, 0, 0)`. With f = A
^ B ^ C ^ D it therefore adds (A ^ B), (C ^ D) and the carry: two mismatches of an input and a weight, or two bits of
numbers. With a table that is 0 but for `f(A, B, 0, 0) = A ^ B`, and C = D = 1, the sum output shows the carry that
comes in and a new one, A ^ B, goes out: the end of one adder and the start of the next. Adders one behind another
thus cost a half for each bit of the sum and nothing for the XNOR: about 1.5 halves (sites of a LUT4) an input.
Mismatches are counted, and the comparison with the threshold adds what makes them matches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import TypeAlias

from hdl.neurons.netlist import ONE, ZERO, Cell, Net, Netlist, Parameter, table
from hdl.neurons.ripple import Addition, ripple_sums

Term: TypeAlias = tuple[Net, Net]
"""A bit as the XOR of two nets."""

LONGEST, LONGEST_REGISTERED = 128, 32
"""Halves in one physical chain: of a combinational netlist, of one with registers."""
ADD = table(4, lambda a, b, c, d: a ^ b ^ c ^ d)
START = table(4, lambda a, b, c, d: (a ^ b) and not (c or d))
END = 0
NOTHING = (ZERO, ZERO, ZERO, ZERO)


@dataclass
class Chain:
    """A physical chain that halves are added to; it is cut where it gets too long and where the stage changes.

    Whatever reads a sum lies further on in the chain or in another, so that no path passes the chain twice.
    """

    netlist: Netlist
    halves: list[tuple[int, tuple[Net, ...], Net]] = field(default_factory=list)
    stage: int = 0
    shown: Net | None = None
    """The carry out of the last adder, which the next half is to show."""

    def start(self, carry: Term, moment: tuple[int, int]) -> None:
        """Send a carry, after the last adder's is shown."""
        longest = LONGEST_REGISTERED if self.netlist.levels else LONGEST
        if moment[0] != self.stage or len(self.halves) >= longest:
            self.cut()
        self.stage = moment[0]
        self._half(START, (*carry, ONE, ONE), self.shown or self.netlist.net(*moment))
        self.shown = None

    def sum(self, init: int, inputs: tuple[Net, Net, Net, Net], moment: tuple[int, int]) -> Net:
        """A half with the carry before it; its sum."""
        made = self.netlist.net(*moment)
        self._half(init, inputs, made)
        return made

    def carry(self, moment: tuple[int, int]) -> Net:
        """The carry out of the last half."""
        self.shown = self.netlist.net(*moment)
        return self.shown

    def _half(self, init: int, inputs: tuple[Net, ...], made: Net) -> None:
        self.halves.append((init, tuple(self.netlist.at(net, self.stage) for net in inputs), made))

    def cut(self) -> None:
        """End the chain: make its cells."""
        if self.shown:
            self._half(END, NOTHING, self.shown)
        if len(self.halves) % 2:
            self._half(END, NOTHING, self.netlist.net())
        carry = ZERO
        for (init0, low, s0), (init1, high, s1) in zip(self.halves[::2], self.halves[1::2], strict=True):
            inputs = {
                f"{port}{half}": [net]
                for half, nets in enumerate((low, high))
                for port, net in zip("ABCD", nets, strict=True)
            }
            parameters: dict[str, Parameter] = {
                "INIT0": (init0, 16),
                "INIT1": (init1, 16),
                "INJECT1_0": "NO",
                "INJECT1_1": "NO",
            }
            before, carry = carry, self.netlist.net(s1.stage, s1.depth)
            outputs = {"S0": [s0], "S1": [s1], "COUT": [carry]}
            self.netlist.cells.append(Cell("CCU2C", parameters, {"CIN": [before], **inputs}, outputs))
        self.halves, self.shown = [], None


@dataclass(frozen=True)
class ChainAdders:
    """Adders one behind another on chains of CCU2C."""

    chain: Chain
    leaves: tuple[int, ...] = (0, 0)

    def count(self, bits: Sequence[Term]) -> list[Term]:
        return list(bits)

    def add(self, additions: Sequence[Addition[Term]]) -> list[list[Term]]:
        moment = self.chain.netlist.moment(
            net
            for addition in additions
            for term in (*addition.a.bits, *addition.b.bits, addition.carry)
            for net in term
        )
        return [self._add(addition, moment) for addition in additions]

    def _add(self, addition: Addition[Term], moment: tuple[int, int]) -> list[Term]:
        none = (ZERO, ZERO)
        self.chain.start(addition.carry, moment)
        pairs = zip_longest(addition.a.bits, addition.b.bits, fillvalue=none)
        sums = [self.chain.sum(ADD, (*a, *b), moment) for a, b in pairs]
        if len(sums) < addition.maximum.bit_length():
            sums.append(self.chain.carry(moment))
        return [(net, ZERO) for net in sums]


def ecp5_count(netlist: Netlist, bits: Sequence[Net]) -> list[Net]:
    """The number of ones among `bits`, bit 0 first."""
    chain = Chain(netlist)
    (number,) = ripple_sums([[(bit, ZERO) for bit in bits]], ChainAdders(chain))
    chain.cut()
    return [bit for bit, _ in number.bits]


def ecp5_neuron(netlist: Netlist, x: Sequence[Net], w: Sequence[Net], threshold: Sequence[Net]) -> Net:
    """Whether at least `threshold` bits of `x` equal those of `w`: mismatches + threshold <= inputs.

    That is so if adding 2^k - 1 - inputs as well gives no carry out of k bits. Three numbers become two where they are
    added: the XOR of three bits, and the carry of the three one place below.
    """
    *terms, last = zip(x, w, strict=True)
    chain, width = Chain(netlist), len(threshold)
    (mismatches,) = ripple_sums([terms], ChainAdders(chain))
    number = [*(_joined(netlist, term) for term in mismatches.bits), *[ZERO] * width][:width]
    added = [(1 << width) - 1 - len(x) >> place & 1 for place in range(width)]
    moment = netlist.moment([*number, *threshold, *last])
    chain.start(last, moment)
    below, before = (ZERO, ZERO), 0
    for pair, here in zip(zip(number, threshold, strict=True), added, strict=True):
        chain.sum(table(4, partial(_three, here, before)), (*pair, *below), moment)
        below, before = pair, here
    fire = chain.sum(table(4, partial(_three, 1, before)), (ZERO, ZERO, *below), moment)
    chain.cut()
    return fire


def _joined(netlist: Netlist, term: Term) -> Net:
    if term[1] == ZERO:
        return term[0]
    inputs = dict(zip("ABCD", (*term, ZERO, ZERO), strict=True))
    return netlist.cell("LUT4", {"INIT": (ADD, 16)}, inputs, {"Z": 1})["Z"][0]


def _three(here: int, before: int, a: int, b: int, c: int, d: int) -> int:
    """Sum bit of a, b and a constant, and the carry of c, d and a constant: 0 where c and d are, as `START` needs."""
    return a ^ b ^ here ^ (c | d if before else c & d)
