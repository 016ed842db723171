"""Standard output and standard error of the command: work never ends because nobody can be told of it."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("stdout", "stderr")


class Outlet(io.FileIO):
    """A file that drops what cannot be written. `error` is the first error, if there was one."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = self.error or error
            return memoryview(data).nbytes

    @property
    def full(self) -> str | None:
        """Why something was lost, unless whoever read it went away, which is theirs to do (`… | head -1`)."""
        return None if self.error is None or self.error.errno == errno.EPIPE else self.error.strerror


@contextmanager
def outlets() -> Iterator[Outlet | None]:
    """While the block runs, standard output and error are outlets; that of standard output, where there is one.

    Those of a test, which are no files of the process, stay as they are.
    """
    _take_free_descriptors()
    before = {name: getattr(sys, name) for name in NAMES}
    made: dict[str, Outlet] = {}
    for name, stream in before.items():
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            made[name] = Outlet(stream.fileno())
            text = io.TextIOWrapper(
                io.BufferedWriter(made[name]),
                stream.encoding,
                stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, text)
    try:
        yield made.get("stdout")
    finally:
        for name in made:
            getattr(sys, name).flush()
            setattr(sys, name, before[name])


def _take_free_descriptors() -> None:
    """Where the shell has closed a standard stream (`>&-`), nothing else must get its number by chance."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free
