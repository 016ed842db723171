"""Xilinx 7 series: counting in dual look-up tables, and on carry chains that add seven bits to three.

A LUT6_2 with five inputs is a full adder of two matches, x and w raw, and a sum bit: half a table an input leaves
half a bit an input. Those are added on CARRY4, where position i gives `s ^ carry` and passes on `s ? carry : d`. Of
seven bits of one weight, five (a, their number) go to the tables of two positions, one is d and s's other part at the
first, one is the carry that comes in. The first position adds a's parity, so that a // 2 is left, 0, 1 or 2: the
second's parity and d. Two tables for four bits fewer, and the carry out is of four times the weight, where the next
such pair may go on with six bits. The comparison takes two numbers and the threshold, one table a bit. About 0.8
tables an input in all.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from hdl.neurons.netlist import ONE, ZERO, Net, Netlist, table

RUN, RUN_REGISTERED = 32, 8
"""Inputs that share one run of sum bits, about: in a combinational netlist, in one with registers."""
WHOLE, WORTH = 5, 4
"""Bits of one weight from which a pair of positions is begun, and is added to one before it."""


def dual(netlist: Netlist, low: Callable[..., int | bool], high: Callable[..., int | bool], *inputs: Net) -> list[Net]:
    """A LUT6_2 of up to five inputs: outputs O5 of `low` and O6 of `high`."""
    init = table(5, lambda *b: low(*b[: len(inputs)])) | table(5, lambda *b: high(*b[: len(inputs)])) << 32
    ports = {f"I{place}": net for place, net in enumerate((*inputs, *[ZERO] * (5 - len(inputs)), ONE))}
    made = netlist.cell("LUT6_2", {"INIT": (init, 64)}, ports, {"O5": 1, "O6": 1})
    return [made["O5"][0], made["O6"][0]]


def lut(netlist: Netlist, function: Callable[..., int | bool], *inputs: Net) -> Net:
    """A LUT1 … LUT6."""
    size = len(inputs)
    ports = {f"I{place}": net for place, net in enumerate(inputs)}
    return netlist.cell(f"LUT{size}", {"INIT": (table(size, function), 1 << size)}, ports, {"O": 1})["O"][0]


def run(netlist: Netlist, pairs: Sequence[tuple[Net, Net]]) -> tuple[Net, list[Net]]:
    """Matches of (x, w) pairs as one bit and bits of twice its weight."""
    twos: list[Net] = []
    if len(pairs) == 1:
        return lut(netlist, lambda x, w: x == w, *pairs[0]), twos
    if len(pairs) % 2:
        inputs = [net for pair in pairs[:3] for net in pair]
        ones = lut(netlist, lambda x, w, y, v, z, u: (x == w) ^ (y == v) ^ (z == u), *inputs)
        twos.append(lut(netlist, lambda x, w, y, v, z, u: (x == w) + (y == v) + (z == u) > 1, *inputs))
        place = 3
    else:
        both, ones = dual(
            netlist,
            lambda x, w, y, v: (x == w) & (y == v),
            lambda x, w, y, v: (x == w) ^ (y == v),
            *pairs[0],
            *pairs[1],
        )
        twos.append(both)
        place = 2
    for at in range(place, len(pairs), 2):
        carry, ones = dual(
            netlist,
            lambda x, w, y, v, z: (x == w) + (y == v) + z > 1,
            lambda x, w, y, v, z: (x == w) ^ (y == v) ^ z,
            *pairs[at],
            *pairs[at + 1],
            ones,
        )
        twos.append(carry)
    return ones, twos


def chain(
    netlist: Netlist, first: Net, positions: Sequence[tuple[Net, Net]], moment: tuple[int, int]
) -> tuple[list[Net], Net]:
    """Positions (s, d) of a carry chain that begins with `first`; their outputs and the last carry."""
    sums: list[Net] = []
    carries: list[Net] = []
    for at in range(0, len(positions), 4):
        some = positions[at : at + 4]
        filled = [*some, *[(ZERO, ZERO)] * (4 - len(some))]
        made = netlist.cell(
            "CARRY4",
            {},
            {
                "CI": carries[-1] if at else ZERO,
                "CYINIT": ZERO if at else first,
                "S": [s for s, _ in filled],
                "DI": [d for _, d in filled],
            },
            {"O": 4, "CO": 4},
            moment,
        )
        sums += made["O"][: len(some)]
        carries += made["CO"][: len(some)]
    return sums, carries[-1]


def compress(netlist: Netlist, columns: Sequence[Sequence[Net]]) -> list[list[Net]]:
    """Bits by weight, until no weight has more than two."""
    now = [list(column) for column in columns]
    while max(map(len, now)) > 2:
        new: list[list[Net]] = [[] for _ in range(len(now) + 2)]
        # Whole sevens first: full adders take what they leave, when there are none any more.
        if max(map(len, now)) >= WHOLE:
            for weight, column in enumerate(now):
                while len(column) >= WHOLE:
                    _pairs(netlist, now, weight, new)
        else:
            for weight, column in enumerate(now):
                if len(column) > 2:
                    inputs = [column.pop(0) for _ in range(3)]
                    carry, one = dual(netlist, lambda a, b, c: a + b + c > 1, lambda a, b, c: a ^ b ^ c, *inputs)
                    new[weight].append(one)
                    new[weight + 1].append(carry)
        now = [[*old, *made] for old, made in zip([*now, [], []], new, strict=True)]
        while not now[-1]:
            now.pop()
    return now


def _pairs(netlist: Netlist, columns: Sequence[list[Net]], weight: int, new: Sequence[list[Net]]) -> None:
    """Pairs of positions from `weight` on, as far as it is worth it; bits are taken from `columns`, put into `new`."""
    first, groups = columns[weight].pop(0), []
    for at in range(weight, len(columns), 2):
        if at > weight and len(columns[at]) < WORTH:
            break
        groups.append([columns[at].pop(0) for _ in range(min(6, len(columns[at])))])
    moment = netlist.moment([first, *(net for group in groups for net in group)])
    positions: list[tuple[Net, Net]] = []
    for group in groups:
        *five, d = group
        parity = table(6, lambda *b: sum(b) & 1)
        six = {f"I{place}": net for place, net in enumerate((*five, *[ZERO] * (5 - len(five)), d))}
        s = netlist.cell("LUT6", {"INIT": (parity, 64)}, six, {"O": 1}, moment)["O"][0]
        init = table(5, lambda *b: sum(b) >> 2 & 1) | table(5, lambda *b: sum(b) >> 1 & 1) << 32
        made = netlist.cell("LUT6_2", {"INIT": (init, 64)}, {**six, "I5": ONE}, {"O5": 1, "O6": 1}, moment)
        positions += [(s, d), (made["O6"][0], made["O5"][0])]
    sums, carry = chain(netlist, first, positions, moment)
    for place, net in enumerate([*sums, carry]):
        new[weight + place].append(net)


def xc7_count(netlist: Netlist, bits: Sequence[Net]) -> list[Net]:
    """The number of ones among `bits`, bit 0 first."""
    width = len(bits).bit_length()
    rows = compress(netlist, [bits])
    low = next((place for place, row in enumerate(rows) if len(row) > 1), len(rows))
    moment = netlist.moment(net for row in rows for net in row)
    number = [row[0] for row in rows[:low]]
    positions = []
    for row in rows[low:]:
        a, b = (*row, ZERO, ZERO)[:2]
        init, ports = (table(2, lambda a, b: a ^ b), 4), {"I0": a, "I1": b}
        positions.append((netlist.cell("LUT2", {"INIT": init}, ports, {"O": 1}, moment)["O"][0], a))
    if positions:
        sums, carry = chain(netlist, ZERO, positions, moment)
        number += [*sums, carry]
    return [*number, *[ZERO] * width][:width]


def xc7_neuron(netlist: Netlist, x: Sequence[Net], w: Sequence[Net], threshold: Sequence[Net]) -> Net:
    """Whether at least `threshold` bits of `x` equal those of `w`."""
    pairs = list(zip(x, w, strict=True))
    runs = -(-len(pairs) // (RUN_REGISTERED if netlist.levels else RUN))
    ends = [len(pairs) * part // runs for part in range(runs + 1)]
    made = [run(netlist, pairs[low:high]) for low, high in pairwise(ends)]
    rows = compress(netlist, [[ones for ones, _ in made], [bit for _, twos in made for bit in twos]])
    return _at_least(netlist, rows, threshold)


def _at_least(netlist: Netlist, rows: Sequence[Sequence[Net]], threshold: Sequence[Net]) -> Net:
    """Whether the sum of up to two bits of each weight is >= `threshold`: a carry out of rows + ~threshold + 1."""
    width = len(threshold)
    columns = [tuple((*(rows[place] if place < len(rows) else ()), ZERO, ZERO)[:2]) for place in range(width)]
    moment = netlist.moment([*threshold, *(net for column in columns for net in column)])
    below, positions = ZERO, []
    for (a, b), t in zip(columns[:-1], threshold, strict=False):
        # s adds the three bits of this weight and the carry of the three below; the chain, the rest.
        init = (
            table(5, lambda a, b, t, d, _: a + b + (1 - t) > 1)
            | table(5, lambda a, b, t, d, _: a ^ b ^ t ^ d ^ 1) << 32
        )
        ports = {"I0": a, "I1": b, "I2": t, "I3": below, "I4": ZERO, "I5": ONE}
        made = netlist.cell("LUT6_2", {"INIT": (init, 64)}, ports, {"O5": 1, "O6": 1}, moment)
        positions.append((made["O6"][0], below))
        below = made["O5"][0]
    _, carry = chain(netlist, ONE, positions, moment)
    return lut(netlist, lambda a, b, t, d, c: a + b + (1 - t) + d + c > 1, *columns[-1], threshold[-1], below, carry)
