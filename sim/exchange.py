"""Words into one stream of a block and out of another, cycle by cycle, with what a producer and a consumer may do."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cocotb.triggers import RisingEdge

from sim import clocking
from sim.streams import Stall, never, stalls

PATIENCE = 2000
"""Cycles without any progress after which a bench gives up."""


@dataclass(frozen=True)
class Stream:
    """The signals of one stream."""

    valid: Any
    ready: Any
    payload: tuple[Any, ...]


def stream(ports: Any, name: str) -> Stream:
    """The stream `name` of a block (see `sim.rack.Ports`)."""
    valid, ready, payload = (getattr(ports, f"{name}__{part}") for part in ("valid", "ready", "payload"))
    return Stream(valid, ready, (payload,))


@dataclass
class Passed:
    """What came out, and the cycles in which words were taken, first offered, and passed on."""

    words: list[tuple[int, ...]] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)


def bursts(seed: int, change: float) -> Stall:
    """Pauses and work in runs: each cycle they take turns with this probability."""
    source, paused = random.Random(seed), False

    def stall() -> bool:
        nonlocal paused
        paused ^= source.random() < change
        return paused

    return stall


def every(cycles: int) -> Stall:
    """Work in one of so many cycles."""
    number = itertools.count(1)
    return lambda: next(number) % cycles != 0


def pauses(seed: int) -> list[tuple[Stall, Stall]]:
    """Pairs of a producer and a consumer: both irregular, one the brake, the other one, and both with long pauses."""
    pairs = [(stalls(seed, one), stalls(seed + 1, other)) for one, other in ((0.5, 0.5), (0.9, 0.1), (0.1, 0.9))]
    return [*pairs, (bursts(seed, 0.05), bursts(seed + 1, 0.05))]


async def exchange(
    clk: Any,
    source: Stream,
    sink: Stream,
    words: Sequence[tuple[int, ...]],
    count: int,
    pause: tuple[Stall, Stall] = (never, never),
    interval: int = 1,
    rest: int = 20,
) -> Passed:
    """Send `words` and take `count` others, pausing where `pause` says so for the producer and the consumer.

    The consumer takes a word every `interval` cycles at most. A word on offer may neither change nor go before it is
    taken; once all have come, no other may come within `rest` cycles.
    """
    found = Passed()
    offer, held, quiet, busy = False, None, 0, 0
    while quiet < rest or len(found.words) < count or len(found.taken) < len(words):
        assert quiet < PATIENCE, f"{len(found.taken)} of {len(words)} words in, {len(found.words)} of {count} out"
        if not offer and len(found.taken) < len(words) and not pause[0]():
            offer = True
            for signal, value in zip(source.payload, words[len(found.taken)], strict=True):
                signal.value = value
        ready = busy == 0 and not pause[1]()
        source.valid.value, sink.ready.value = int(offer), int(ready)
        await RisingEdge(clk)
        quiet, busy = quiet + 1, max(0, busy - 1)
        if offer and int(source.ready.value):
            found.taken.append(clocking.cycle())
            offer, quiet = False, 0
        word = tuple(int(signal.value) for signal in sink.payload) if int(sink.valid.value) else None
        assert held is None or word == held, f"{held} was offered and became {word}"
        if word is not None and held is None:
            found.offered.append(clocking.cycle())
        held = None if ready else word
        if word is not None and ready:
            assert len(found.words) < count, f"more than {count} words come out"
            found.words.append(word)
            found.passed.append(clocking.cycle())
            quiet, busy = 0, interval - 1
    source.valid.value = sink.ready.value = 0
    return found


def first_difference(found: Sequence[Any], expected: Sequence[Any]) -> str:
    """Where two sequences differ first, or that they do not."""
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        if one != other:
            return f"word {index} is {one}, not {other}"
    return "no word differs"
