"""`Journal`: a file that keeps every result of a campaign from the moment it is there.

JSON lines. The first tells the settings that all results depend on; each of the others is one result, written in one
piece and flushed to the disk. A process that is killed leaves whole lines and perhaps the start of one, which the next
one cuts off. Results are named by what was asked, not by when, so that a campaign with more points or more maps takes
over those that are there.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from model.errors import HafnetError
from model.files import write_whole
from model.readers import check_version

VERSION = 1


class Journal:
    """Results by key, on disk at `path`; a context manager.

    Members: `results`, by key, those of earlier runs at first. With `restart` these are dropped. Raises HafnetError for
    a journal of other settings, and for a file that is no journal.
    """

    def __init__(self, path: Path, settings: Mapping[str, str], restart: bool = False) -> None:
        self.results: dict[str, Any] = {}
        if restart or not path.exists():
            write_whole(path, _line({"version": VERSION, **settings}))
        else:
            self._read(path, settings)
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, key: str, result: Any) -> None:
        """Keep a result; when this returns, it is on the disk."""
        self._file.write(_line({"key": key, "result": result}))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.results[key] = result

    def _read(self, path: Path, settings: Mapping[str, str]) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if not whole:
            raise HafnetError(f"{path}: not a journal of a campaign")
        try:
            first, *rest = map(json.loads, data[:whole].splitlines())
            check_version(first["version"], VERSION)
            self.results = {each["key"]: each["result"] for each in rest}
        except HafnetError as error:
            raise HafnetError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise HafnetError(f"{path}: not a journal of a campaign ({type(error).__name__}: {error})") from None
        changed = [name for name, value in settings.items() if first.get(name) != value]
        if changed:
            raise HafnetError(
                f"{path} holds results of another {' and another '.join(changed)}, which cannot be continued: "
                "start anew with --restart"
            )
        if whole < len(data):
            os.truncate(path, whole)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"
