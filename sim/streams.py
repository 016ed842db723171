"""Sources, sinks and monitors of valid/ready streams, with random back-pressure.

A word passes at a rising clock edge at which valid and ready are both high. Nothing here polls: a source waits for
ready, a sink or monitor for valid, so that a cycle in which nothing can happen costs no Python.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from cocotb.triggers import First, ReadOnly, RisingEdge, Timer

from sim import clocking

Stall = Callable[[], bool]

PATIENCE = 20_000
"""Cycles that a source waits for ready, and a host for the end of a command, before it gives up."""


def never() -> bool:
    """No back-pressure."""
    return False


def stalls(seed: int, probability: float) -> Stall:
    """Back-pressure in any one cycle with this probability, the same for the same seed."""
    source = random.Random(seed)
    return lambda: source.random() < probability


async def send(
    clk: Any, valid: Any, ready: Any, signals: Sequence[Any], words: Sequence[Sequence[int]], stall: Stall
) -> None:
    """Send each of `words`, one integer for each of `signals`, with gaps where `stall` says so.

    Raises AssertionError where a word is not taken within PATIENCE cycles.
    """
    valid.value = 0
    await RisingEdge(clk)
    for word in words:
        while stall():
            await RisingEdge(clk)
        for signal, value in zip(signals, word, strict=True):
            signal.value = value
        valid.value = 1
        while True:
            await RisingEdge(clk)
            if int(ready.value):
                break
            taken = RisingEdge(ready)
            if await First(taken, Timer(PATIENCE * clocking.PERIOD_NS, "ns")) is not taken:
                raise AssertionError(f"a word was not taken within {PATIENCE} cycles")
        valid.value = 0


async def receive(
    clk: Any, valid: Any, ready: Any, signals: Sequence[Any], count: int, stall: Stall
) -> list[tuple[int, ...]]:
    """Take `count` words, withholding `ready` where `stall` says so; each is one integer for each of `signals`."""
    words: list[tuple[int, ...]] = []
    ready.value = 0
    while len(words) < count:
        held = stall()
        ready.value = 0 if held else 1
        if not held and stall is never:
            words.append(await watch_one(clk, valid, ready, signals))
            continue
        await RisingEdge(clk)
        if not held and int(valid.value):
            words.append(tuple(int(signal.value) for signal in signals))
    ready.value = 0
    return words


async def watch_one(clk: Any, valid: Any, ready: Any, signals: Sequence[Any]) -> tuple[int, ...]:
    """The next word that passes."""
    while True:
        await ReadOnly()
        if not int(valid.value):
            await RisingEdge(valid)
        elif not int(ready.value):
            await RisingEdge(ready)
        else:
            await RisingEdge(clk)
            if int(valid.value) and int(ready.value):
                return tuple(int(signal.value) for signal in signals)


async def watch(clk: Any, valid: Any, ready: Any, signals: Sequence[Any], count: int) -> list[tuple[int, ...]]:
    """The next `count` words that pass, without taking part."""
    return [await watch_one(clk, valid, ready, signals) for _ in range(count)]
