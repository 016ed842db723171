"""`Journal`: a file that keeps every result of a campaign from the moment it is there.

JSON lines, each with the CRC-32 of what stands before it. The first tells the settings that all results depend on; each
of the others is one result, written in one piece and flushed to the disk. A process that is killed leaves whole lines
and perhaps the start of one, which the next one cuts off; nothing else is believed unless it is whole. Results are
named by what was asked, not by when, so that a campaign with more points or more maps takes over those that are there.
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from model.errors import HafnetError
from model.files import naming, write_whole
from model.locks import exclusive
from model.readers import check_version

VERSION = 2
_LINE = re.compile(rb'(?P<text>\{.*),"crc32":"(?P<crc32>[0-9a-f]{8})"\}')
ANEW = "start anew with --restart, or delete it"


class Journal:
    """Results by key, on disk at `path`, which nobody else may use meanwhile; a context manager.

    Members: `results`, by key, those of earlier runs at first. `check` is given key and result of each of these, and
    says by HafnetError what is wrong. With `restart` earlier results are dropped. Raises HafnetError for a journal of
    other settings, a file that is no journal or is damaged, and where another run is under way.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, str],
        check: Callable[[str, Any], None] = lambda key, result: None,
        restart: bool = False,
    ) -> None:
        self.path, self.results, self._check = path, dict[str, Any](), check
        with ExitStack() as opened:
            opened.enter_context(exclusive(path))
            if restart or not path.exists():
                write_whole(path, _line({"version": VERSION, **settings}))
            else:
                self._read(settings)
            # Without a buffer: what a full disk does not take must not be tried again when the file is closed.
            self._file = opened.enter_context(path.open("ab", buffering=0))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def add(self, key: str, result: Any) -> None:
        """Keep a result; when this returns, it is on the disk. Raises OSError where the disk is full."""
        line, size = _line({"key": key, "result": result}), os.fstat(self._file.fileno()).st_size
        try:
            with naming(self.path):
                while line:
                    line = line[self._file.write(line) :]
                os.fsync(self._file.fileno())
        except OSError:
            os.ftruncate(self._file.fileno(), size)
            raise
        self.results[key] = result

    def _read(self, settings: Mapping[str, str]) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if not whole:
            state = "breaks off in its first line" if data else "is empty"
            raise HafnetError(f"{self.path} {state}, and holds no results: {ANEW}")
        head, *lines = data[:whole].splitlines()
        self._read_settings(head, settings)
        for number, line in enumerate(lines, 2):
            try:
                self._take(_contents(line))
            except HafnetError as error:
                raise HafnetError(f"{self.path}, line {number}: {error}: remove the line, or {ANEW}") from None
        if whole < len(data):
            os.truncate(self.path, whole)

    def _read_settings(self, line: bytes, settings: Mapping[str, str]) -> None:
        try:
            version = _parsed(line).get("version")
            check_version(version, VERSION)
            first = _contents(line)
        except HafnetError as error:
            raise HafnetError(f"{self.path} cannot be continued ({error}): {ANEW}") from None
        changed = [name for name, value in settings.items() if first.get(name) != value]
        if changed:
            raise HafnetError(
                f"{self.path} holds results of another {' and another '.join(changed)}, which cannot be continued: "
                "start anew with --restart"
            )

    def _take(self, content: Mapping[str, Any]) -> None:
        key = content.get("key")
        if set(content) != {"key", "result"} or not isinstance(key, str):
            raise HafnetError("this is no result")
        if key in self.results:
            raise HafnetError(f"a second result of {_short(key)}")
        self._check(key, content["result"])
        self.results[key] = content["result"]


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()[:-1]
    return text + b',"crc32":"%08x"}\n' % zlib.crc32(text)


def _contents(line: bytes) -> dict[str, Any]:
    """What a line says before its CRC-32. Raises HafnetError where that is not the right one."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise HafnetError("it does not end with a CRC-32")
    right = b"%08x" % zlib.crc32(found["text"])
    if right != found["crc32"]:
        raise HafnetError(f"its CRC-32 is {right.decode()}, but it says {found['crc32'].decode()}")
    return _parsed(found["text"] + b"}")


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HafnetError(f"no JSON: {_short(str(error))}") from None
    if not isinstance(found, dict):
        raise HafnetError("no JSON object")
    return found


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
