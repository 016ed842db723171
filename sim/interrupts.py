"""Ctrl-C and the signals that ask a process to end: what runs below it ends too, and nothing stays half done.

The command answers to them from its first moment on. This module imports nothing that takes time, for it comes first.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, TypeAlias

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HURRY = 2
"""Seconds after which another signal ends the process at once: sooner, it is the same one, sent twice."""

Handlers: TypeAlias = dict[signal.Signals, Any]
"""What answers to each signal, as the module `signal` has it."""


class Stopped(SystemExit):
    """A signal asks the process to end. Where nobody catches it, the exit code is right all the same."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.sentence = _sentence(number)


def end_at_once() -> Handlers:
    """From now on a signal ends the process with a sentence: where there is nothing to put in order.

    Returns what answered before.
    """
    return _answer(_end)


def unwind() -> Handlers:
    """From now on a signal ends all processes below this one and raises Stopped, so that everything is put in order.

    Returns what answered before.
    """
    before = end_at_once()
    import psutil  # which takes a moment, and must be there when the signal comes

    this = psutil.Process()
    began: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if began and time.monotonic() - began[0] < HURRY:
            return
        _end_all(lambda: set(this.children(recursive=True)))
        if began:
            _end(number, frame)
        began.append(time.monotonic())
        raise Stopped(number)

    _answer(stop)
    return before


def put_back(handlers: Handlers) -> None:
    """Let what answered before answer again."""
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _answer(handler: Callable[[int, FrameType | None], None]) -> Handlers:
    if threading.current_thread() is not threading.main_thread():
        return {}  # only the main thread may say so, and gets the signals
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, present in before.items():
        if present is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, handler)
    return before


def _end_all(children: Callable[[], set[Any]]) -> None:
    """Kill processes and what they have started. They are stopped first: a `make` would start another compiler."""
    import psutil

    found: set[Any] = set()
    while more := children() - found:
        for each in more:
            with suppress(psutil.Error):
                each.suspend()
        found |= more
    for each in found:
        with suppress(psutil.Error):
            each.kill()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    with suppress(OSError):
        os.write(2, f"hafnet: {_sentence(number)}\n".encode())
    os._exit(128 + number)


def _sentence(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
