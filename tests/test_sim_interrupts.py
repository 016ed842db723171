"""What answers to a signal."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest

from sim import interrupts
from sim.interrupts import SIGNALS, Stopped, put_back, unwind

END_ALL = interrupts._end_all


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What answers is what did, at the end; and no process of the tests ends."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with monkeypatch.context() as patched:
        patched.setattr(interrupts, "_end_all", lambda children: None)
        yield
    put_back(before)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_unwinds_once(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(interrupts, "_end", lambda number, frame: ended.append(number))
    monkeypatch.setattr(os, "_exit", ended.append)
    unwind()
    with pytest.raises(Stopped) as stopped:
        send(number)
    assert stopped.value.code == 128 + number
    send(signal.SIGTERM)  # the same one, sent again by `timeout` or `make`
    assert ended == []
    monkeypatch.setattr(interrupts, "HURRY", 0)
    with pytest.raises(Stopped):  # in place of the end of this process
        send(signal.SIGINT)
    assert ended == [signal.SIGINT]


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    unwind()
    send(signal.SIGHUP)


def test_another_thread_changes_nothing() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    other = threading.Thread(target=unwind)
    other.start()
    other.join()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_the_children_of_children_end_too() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 99 & echo; sleep 99; :'; :"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = psutil.Process(process.pid)
        while len(below := first.children(recursive=True)) < 3:
            pass
        END_ALL(lambda: {first, *first.children(recursive=True)})
        for each in below:
            each.wait(timeout=10)
