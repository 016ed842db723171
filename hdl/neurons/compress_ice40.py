"""iCE40: counting in four-input tables, and on the carry chain of SB_CARRY.

The carry takes the table's raw inputs, so that it cannot take an XNOR in; tables can. Four matches m0 … m3 and a bit
z become a sum bit and two bits of twice its weight in five tables: p = m0 ^ m1 and q = m2 ^ m3 straight from inputs
and weights, s = z ^ p ^ q, and the carries of z + m0 + m1 and of the rest, `z if p else m0` and `~s if q else m2`:
the second reads s, because where q is 1 the sum before it is ~s. 1.25 tables an input leave half a bit an input,
whose sum on ripple adders takes three quarters of a table an input: 2.0 in all. The comparison takes carries only,
and one table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from hdl.neurons.netlist import ONE, ZERO, Net, Netlist, table
from hdl.neurons.ripple import Addition, Number, ripple_sums

LONGEST = 64
"""Cells in one physical chain."""
RUN = 21
"""There are so many runs that this times their square is not less than the inputs: a run costs a quarter of a table."""


def lut(netlist: Netlist, function: Callable[..., int | bool], *inputs: Net) -> Net:
    """A table of up to four inputs."""
    init = table(4, lambda *bits: function(*bits[: len(inputs)]))
    ports = dict(zip(("I0", "I1", "I2", "I3"), (*inputs, ZERO, ZERO, ZERO, ZERO), strict=False))
    return netlist.cell("SB_LUT4", {"LUT_INIT": (init, 16)}, ports, {"O": 1})["O"][0]


def run(netlist: Netlist, pairs: Sequence[tuple[Net, Net]]) -> tuple[Net, list[Net]]:
    """Matches of (x, w) pairs as one bit and bits of twice its weight."""
    ones, twos, place = ZERO, [], len(pairs) % 4
    if place == 1:
        ones = lut(netlist, lambda x, w: x == w, *pairs[0])
    elif place:
        ones = lut(netlist, lambda x, w, y, v: (x == w) ^ (y == v), *pairs[0], *pairs[1])
        twos.append(lut(netlist, lambda x, w, y, v: (x == w) & (y == v), *pairs[0], *pairs[1]))
        if place == 3:
            # The carries of two and of three exclude each other.
            both, odd = twos.pop(), ones
            ones = lut(netlist, lambda p, x, w: p ^ (x == w), odd, *pairs[2])
            twos.append(lut(netlist, lambda g, p, x, w: g | p & (x == w), both, odd, *pairs[2]))
    for at in range(place, len(pairs), 4):
        first, second, third, fourth = pairs[at : at + 4]
        p = lut(netlist, lambda x, w, y, v: (x == w) ^ (y == v), *first, *second)
        q = lut(netlist, lambda x, w, y, v: (x == w) ^ (y == v), *third, *fourth)
        s = lut(netlist, lambda z, p, q: z ^ p ^ q, ones, p, q)
        twos.append(lut(netlist, lambda p, z, x, w: z if p else x == w, p, ones, *first))
        twos.append(lut(netlist, lambda q, s, x, w: not s if q else x == w, q, s, *third))
        ones = s
    return ones, twos


@dataclass(frozen=True)
class ChainAdders:
    """Adders one behind another on carry chains: the cell that shows one's carry out sends the next one's carry in."""

    netlist: Netlist
    leaves: tuple[int, ...] = (0, 0, 2, 2, 3)

    def count(self, bits: Sequence[Net]) -> list[Net]:
        if len(bits) < 2:
            return list(bits)
        weights = range(len(bits).bit_length())
        return [lut(self.netlist, lambda *ones, k=k: sum(ones) >> k & 1, *bits) for k in weights]

    def add(self, additions: Sequence[Addition[Net]]) -> list[list[Net]]:
        moment = self.netlist.moment(
            net for addition in additions for net in (*addition.a.bits, *addition.b.bits, addition.carry)
        )
        sums, carry, length = [], ZERO, 0
        for place, addition in enumerate(additions):
            if not length:
                carry = self.carry(addition.carry, addition.carry, ZERO, moment)
            made = []
            for a, b in zip_longest(addition.a.bits, addition.b.bits, fillvalue=ZERO):
                made.append(self.table(lambda _, a, b, c: a ^ b ^ c, a, b, carry, moment))
                carry = self.carry(a, b, carry, moment)
            length += len(made) + 1
            is_last = place + 1 == len(additions) or length >= LONGEST
            following = ZERO if is_last else additions[place + 1].carry
            if len(made) < addition.maximum.bit_length():
                made.append(self.table(lambda _, a, b, c: c, following, following, carry, moment))
            if is_last:
                length = 0
            else:
                carry = self.carry(following, following, carry, moment)
            sums.append(made)
        return sums

    def carry(self, a: Net, b: Net, carry: Net, moment: tuple[int, int]) -> Net:
        return self.netlist.cell("SB_CARRY", {}, {"I0": a, "I1": b, "CI": carry}, {"CO": 1}, moment)["CO"][0]

    def table(self, function: Callable[..., int], a: Net, b: Net, carry: Net, moment: tuple[int, int]) -> Net:
        """The table of the cell whose carry has the inputs `a` and `b`; its first input is free."""
        inputs = {"I0": ZERO, "I1": a, "I2": b, "I3": carry}
        return self.netlist.cell("SB_LUT4", {"LUT_INIT": (table(4, function), 16)}, inputs, {"O": 1}, moment)["O"][0]


def total(netlist: Netlist, ones: Sequence[Net], twos: Sequence[Net]) -> list[Net]:
    """The number that 2^k - 1 bits and bits of twice their weight make.

    Half of the single bits and one become the lowest bits of numbers, the others the carries where those are added.
    """
    adders, share = ChainAdders(netlist), (len(ones) + 1) // 2
    ends = [len(twos) * part // share for part in range(share + 1)]
    parts = ripple_sums([twos[low:high] for low, high in pairwise(ends)], adders)
    numbers = [Number([one, *part.bits], 1 + 2 * part.maximum) for one, part in zip(ones[:share], parts, strict=True)]
    carries = list(ones[share:])
    while len(numbers) > 1:
        joined = [Addition(a, b, carries.pop()) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        sums = adders.add(joined)
        numbers = [Number(bits, addition.maximum) for bits, addition in zip(sums, joined, strict=True)]
    return numbers[0].bits


def ice40_count(netlist: Netlist, bits: Sequence[Net]) -> list[Net]:
    """The number of ones among `bits`, bit 0 first."""
    return ripple_sums([bits], ChainAdders(netlist))[0].bits


def ice40_neuron(netlist: Netlist, x: Sequence[Net], w: Sequence[Net], threshold: Sequence[Net]) -> Net:
    """Whether at least `threshold` bits of `x` equal those of `w`: no carry out of threshold + ~number."""
    pairs = list(zip(x, w, strict=True))
    runs = 1
    while len(pairs) > RUN * runs**2:
        runs = 2 * runs + 1
    # A multiple of 4 and 1 each: the rest, where it is not 0, makes the last run a little longer.
    fours = (len(pairs) - runs) // 4
    ends = [4 * (fours * part // runs) + part for part in range(runs)] + [len(pairs)]
    made = [run(netlist, pairs[low:high]) for low, high in pairwise(ends)]
    number = total(netlist, [one for one, _ in made], [bit for _, twos in made for bit in twos])
    inverted = [netlist.inverted(bit) for bit in number] + [ONE] * (len(threshold) - len(number))
    adders, moment, carry = ChainAdders(netlist), netlist.moment([*inverted, *threshold]), ZERO
    for a, b in zip(inverted, threshold, strict=True):
        carry = adders.carry(a, b, carry, moment)
    return adders.table(lambda _, a, b, c: not c, ZERO, ZERO, carry, moment)
