"""The plan of a sum of many bits by ripple adders that use their carry input: a + b + bit, from small to large.

Such a tree wastes nothing where a sum fills its bits: 2^k - 1 bits are two sums of 2^(k-1) - 1 bits and one bit. For
other counts the plan is the cheapest of those that are not lopsided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

Bit = TypeVar("Bit")


@dataclass
class Number(Generic[Bit]):
    """A number up to `maximum`, bit 0 first."""

    bits: list[Bit]
    maximum: int


@dataclass
class Addition(Generic[Bit]):
    """a + b + carry; the sum goes up to `maximum` and has as many bits as that needs."""

    a: Number[Bit]
    b: Number[Bit]
    carry: Bit

    @property
    def maximum(self) -> int:
        return self.a.maximum + self.b.maximum + 1


class Adders(Protocol[Bit]):
    """How a target adds. Sums of one height are asked for together, so that they can share carry chains."""

    @property
    def leaves(self) -> tuple[int, ...]:
        """Cells that the target counts 0, 1, 2 … bits with directly."""
        ...

    def count(self, bits: Sequence[Bit]) -> list[Bit]:
        """A number of bits for which `leaves` gives a cost, counted."""
        ...

    def add(self, additions: Sequence[Addition[Bit]]) -> list[list[Bit]]:
        """The sum of each addition. It costs a cell for each bit of the longer number and one for the carries."""
        ...


def addition_cost(a: int, b: int) -> int:
    return max(a.bit_length(), b.bit_length()) + 1


@cache
def cost(count: int, leaves: tuple[int, ...]) -> int:
    """Cells that the plan for `count` bits takes."""
    if count < len(leaves):
        return leaves[count]
    a, b = split(count, leaves)
    return cost(a, leaves) + cost(b, leaves) + addition_cost(a, b)


@cache
def split(count: int, leaves: tuple[int, ...]) -> tuple[int, int]:
    """How many bits the two sums have that `count` bits are best made of, besides the bit that is the carry."""
    rest = count - 1
    full = [(1 << k) - 1 for k in range(1, rest.bit_length())]
    larger = {rest - rest // 2, *(max(part, rest - part) for part in full if rest <= 4 * part)}
    best = min(sorted(larger), key=lambda a: cost(a, leaves) + cost(rest - a, leaves) + addition_cost(a, rest - a))
    return best, rest - best


def ripple_sums(groups: Sequence[Sequence[Bit]], adders: Adders[Bit]) -> list[Number[Bit]]:
    """The number of ones in each group."""
    pending: dict[int, list[tuple[Number[Bit], Addition[Bit]]]] = {}

    def plan(bits: Sequence[Bit]) -> tuple[Number[Bit], int]:
        """A number, whose bits come later if its height is not 0."""
        if len(bits) < len(adders.leaves):
            return Number(adders.count(bits), len(bits)), 0
        first, _ = split(len(bits), adders.leaves)
        (a, left), (b, right) = plan(bits[1 : first + 1]), plan(bits[first + 1 :])
        number: Number[Bit] = Number([], len(bits))
        height = max(left, right) + 1
        pending.setdefault(height, []).append((number, Addition(a, b, bits[0])))
        return number, height

    numbers = [plan(group)[0] for group in groups]
    for height in sorted(pending):
        level = pending[height]
        for (number, _), made in zip(level, adders.add([addition for _, addition in level]), strict=True):
            number.bits = made
    return numbers
