"""Two runs never write the same file or folder at once, and none believes what another run replaces meanwhile.

A writer locks what it writes, so that a second one ends before any work. A reader locks nothing, because it must work
in a folder that cannot be written, and keep nobody from writing: it asks at its end whether what it read is still
there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from model.errors import HafnetError

SUFFIX = ".lock"
PATIENCE = 0.2
"""Seconds that a run which is just ending may take to go."""


@contextmanager
def exclusive(target: Path | str) -> Iterator[None]:
    """While the block runs, no other process and no other thread has `target`, a file or folder that is to be written.

    The lock is a file beside it, TARGET.lock, which is gone at the end; that of a killed run does no harm. A thread may
    take a lock that it has again. Folders above are made. Raises HafnetError where another run has the lock, and where
    the folder that `target` lies in cannot be written.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = target.resolve()
        # One object for a place in a process: it counts how often its thread has taken the lock.
        lock = FileLock(place.with_name(place.name + SUFFIX), is_singleton=True)
        lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 10)
    except Timeout:
        raise HafnetError(f"another run is under way in {target}: wait for its end, or take another folder") from None
    except OSError as error:
        raise HafnetError(f"{target.parent} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        if lock.lock_counter == 1:
            # While it is still ours: whoever has opened it already finds that it is gone, and makes a new one.
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def steady(*files: Path) -> Iterator[None]:
    """Raises HafnetError where another run replaces one of the files while the block reads what belongs to it.

    Then whatever the block found, and whatever it raised, is not worth telling.
    """
    check = watch(*files)
    try:
        yield
    except Exception:
        check()
        raise
    check()


def watch(*files: Path) -> Callable[[], None]:
    """What raises HafnetError when one of the files is no longer the same as now."""
    before = {file: _identity(file) for file in files}

    def check() -> None:
        for file, identity in before.items():
            if _identity(file) != identity:
                raise HafnetError(f"{file.parent} was written anew while this run read it: start it again")

    return check


def _identity(file: Path) -> tuple[int, ...]:
    """The same for the same file, as long as nobody writes it; empty where there is none."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
