"""ECP5: counting on carry chains of CCU2C, whose look-up tables take the XNOR in.

Half a CCU2C with a table f and inputs A, B, C, D gives `f ^ cin` and passes on `f ? cin : f(A, B, 0, 0)`. With
f = A ^ B ^ C ^ D it therefore adds (A ^ B), (C ^ D) and the carry: two mismatches of an input and a weight, or two bits
of numbers. With a table that is 0 but for `f(A, B, 0, 0) = A ^ B`, and C = D = 1, the sum output shows the carry that
comes in and a new one, A ^ B, goes out: the end of one adder and the start of the next. Adders one behind another thus
cost a half for each bit of the sum and nothing for the XNOR: about 1.5 halves (sites of a LUT4) an input. Mismatches are
counted, and the comparison with the threshold adds what makes them matches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hdl.netlist import ONE, ZERO, Net, Netlist, table
from hdl.ripple import Addition, ripple_sums

Term: TypeAlias = tuple[Net, Net]
"""A bit as the XOR of two nets."""

LONGEST = 32
"""Halves in one physical chain."""
ADD = table(4, lambda a, b, c, d: a ^ b ^ c ^ d)
START = table(4, lambda a, b, c, d: (a ^ b) & ~(c | d) & 1)
END = 0


@dataclass(frozen=True)
class Half:
    """Half a CCU2C."""

    init: int
    inputs: tuple[Net, Net, Net, Net] = (ZERO, ZERO, ZERO, ZERO)


def start(carry: Term) -> Half:
    """Shows the carry before it and sends a new one."""
    return Half(START, (*carry, ONE, ONE))


def chain(netlist: Netlist, halves: Sequence[Half], moment: tuple[int, int]) -> list[Net]:
    """One physical chain; the sum output of each half."""
    padded = [*halves, *[Half(END)] * (len(halves) % 2)]
    carry, sums = ZERO, []
    for low, high in zip(padded[::2], padded[1::2], strict=True):
        inputs = {
            f"{port}{half}": net
            for half, chosen in enumerate((low, high))
            for port, net in zip("ABCD", chosen.inputs, strict=True)
        }
        parameters = {"INIT0": (low.init, 16), "INIT1": (high.init, 16), "INJECT1_0": "NO", "INJECT1_1": "NO"}
        made = netlist.cell(
            "CCU2C", parameters, {"CIN": carry, **inputs}, {"S0": 1, "S1": 1, "COUT": 1}, moment
        )
        carry = made["COUT"][0]
        sums += [made["S0"][0], made["S1"][0]]
    return sums[: len(halves)]


@dataclass(frozen=True)
class ChainAdders:
    """Adders one behind another on chains of CCU2C."""

    netlist: Netlist
    leaves: tuple[int, ...] = (0, 0)

    def count(self, bits: Sequence[Term]) -> list[Term]:
        return list(bits)

    def add(self, additions: Sequence[Addition[Term]]) -> list[list[Term]]:
        halves, moment = [], self.netlist.moment(
            net for addition in additions for term in (*addition.a.bits, *addition.b.bits, addition.carry) for net in term
        )
        for addition in additions:
            a, b = addition.a.bits, addition.b.bits
            width = max(len(a), len(b))
            padded = ([*bits, *[(ZERO, ZERO)] * (width - len(bits))] for bits in (a, b))
            halves.append([start(addition.carry), *(Half(ADD, (*x, *y)) for x, y in zip(*padded, strict=True))])
        sums: list[list[Term]] = []
        while halves:
            some, total = 0, 1
            while some < len(halves) and (not some or total + len(halves[some]) <= LONGEST):
                total += len(halves[some])
                some += 1
            made = chain(self.netlist, [*(half for part in halves[:some] for half in part), Half(END)], moment)
            place = 1
            for part in halves[:some]:
                # The sum's top bit is what the next start, or the end, shows of the carry.
                width = additions[len(sums)].maximum.bit_length()
                sums.append([(net, ZERO) for net in made[place : place + width]])
                place += len(part)
            halves = halves[some:]
        return sums


def ecp5_count(netlist: Netlist, bits: Sequence[Net]) -> list[Net]:
    """The number of ones among `bits`, bit 0 first."""
    (number,) = ripple_sums([[(bit, ZERO) for bit in bits]], ChainAdders(netlist))
    return [bit for bit, _ in number.bits]


def ecp5_neuron(netlist: Netlist, x: Sequence[Net], w: Sequence[Net], threshold: Sequence[Net]) -> Net:
    """Whether at least `threshold` bits of `x` equal those of `w`."""
    *terms, last = zip(x, w, strict=True)
    (mismatches,) = ripple_sums([terms], ChainAdders(netlist))
    return _at_most(netlist, mismatches.bits, last, threshold, len(x))


def _at_most(netlist: Netlist, number: Sequence[Term], carry: Term, threshold: Sequence[Net], limit: int) -> Net:
    """Whether `number` + `carry` + `threshold` <= `limit`.

    That is so if adding 2^k - 1 - `limit` as well gives no carry out of k bits. Three numbers become two where they
    are added: the XOR of three bits, and the carry of the three one place below.
    """
    width, nets = len(threshold), []
    for first, second in number:
        joined = (first,) if second is ZERO else netlist.cell(
            "LUT4", {"INIT": (0x6666, 16)}, {"A": first, "B": second, "C": ZERO, "D": ZERO}, {"Z": 1}
        )["Z"]
        nets += list(joined)
    nets += [ZERO] * (width - len(nets))
    added = (1 << width) - 1 - limit
    halves = [start(carry)]
    below: tuple[Net, Net] = (ZERO, ZERO)
    for place, pair in enumerate(zip(nets, threshold, strict=True)):
        here, before = added >> place & 1, place and added >> (place - 1) & 1
        halves.append(Half(_three(here, before), (*pair, *below)))
        below = pair
    before = added >> (width - 1) & 1
    halves.append(Half(table(4, lambda a, b, c, d: not _carry(c, d, before)), (ZERO, ZERO, *below)))
    moment = netlist.moment([*nets, *threshold, *carry])
    return chain(netlist, halves, moment)[-1]


def _carry(a: int, b: int, constant: int) -> int:
    return a | b if constant else a & b


def _three(here: int, before: int) -> int:
    """The table for a bit of the number, one of the threshold and one of the constant, and for those one place below."""
    return table(4, lambda a, b, c, d: a ^ b ^ here ^ _carry(c, d, before))
