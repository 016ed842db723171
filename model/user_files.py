"""Opens the files of users: the one place where Hafnet reads what someone else has put there.

A regular file, or a link to one: anything else (a pipe, a device, a folder) could wait or go on for ever. None larger
than its kind can be. Text is UTF-8, with or without a byte order mark, and with the line ends of any system.
"""

import codecs
import os
import stat
from io import BufferedReader
from pathlib import Path

from model.errors import HafnetError

MEBIBYTE = 2**20
LARGEST_TEXT = 64 * MEBIBYTE
"""Bytes of a file of text: a table, a manifest."""
LARGEST_DATA = 4096 * MEBIBYTE
"""Bytes of a file that is read into memory whole: a file of a data set, an image."""
LARGEST_TENSORS = 65536 * MEBIBYTE
"""Bytes of a .safetensors file, which is not read before it is needed."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_FOREIGN = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF32_BE: "UTF-32"}


def opened(path: Path | str, limit: int = LARGEST_DATA, hint: str = "") -> BufferedReader:
    """A regular file, open to be read; it never waits for another process.

    Raises HafnetError for one that is not there, where the sentence ends with `hint`, for one that is no regular file
    or cannot be opened, and for one of more than `limit` bytes.
    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise HafnetError(f"{path}: no such file" + (hint and f"; {hint}")) from None
    except (OSError, ValueError, TypeError) as error:
        kind = _kind(path)  # a socket cannot even be opened: what it is says more than why
        raise HafnetError(f"{path}: {kind or f'cannot be opened ({_reason(error)})'}") from None
    try:
        status = os.fstat(number)
        kind = _not_regular(status.st_mode)
        if kind is not None:
            raise HafnetError(f"{path}: {kind}")
        if status.st_size > limit:
            raise _too_large(path, limit)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def check(path: Path | str, limit: int = LARGEST_TENSORS, hint: str = "") -> None:
    """Raises HafnetError as `opened` does: for files that a library opens by their names."""
    opened(path, limit, hint).close()


def read_bytes(path: Path | str, limit: int = LARGEST_DATA, hint: str = "") -> bytes:
    """The bytes of a file. Raises HafnetError as `opened` does, and where it cannot be read."""
    parts, left = [], limit + 1
    try:
        with opened(path, limit, hint) as file:
            # A file may grow, and some of those that systems make say that they are empty.
            once = os.fstat(file.fileno()).st_size + MEBIBYTE
            while left and (part := file.read(min(left, once))):
                parts.append(part)
                left -= len(part)
    except OSError as error:
        raise HafnetError(f"{path}: cannot be read ({_reason(error)})") from None
    if not left:
        raise _too_large(path, limit)
    return b"".join(parts)


def read_text(path: Path | str, limit: int = LARGEST_TEXT, hint: str = "") -> str:
    """The text of a file, its lines ended by \\n. Raises HafnetError as `opened` does, and where it is not UTF-8."""
    data = read_bytes(path, limit, hint)
    for mark, name in _FOREIGN.items():
        if data.startswith(mark):
            raise HafnetError(f"{path}: is text in {name}, but UTF-8 is expected: save it again as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise HafnetError(
            f"{path}: byte {data[error.start]:02x} in line {line} is no UTF-8: save it again as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _too_large(path: Path | str, limit: int) -> HafnetError:
    most = f"{limit // MEBIBYTE} MiB" if limit >= MEBIBYTE else f"{limit} bytes"
    return HafnetError(f"{path}: is larger than {most}, the most that is read of such a file")


def _not_regular(mode: int) -> str | None:
    """What is said of anything but a regular file."""
    if stat.S_ISREG(mode):
        return None
    return f"is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, but a regular file is needed"


def _kind(path: Path | str) -> str | None:
    try:
        return _not_regular(Path(path).stat().st_mode)
    except (OSError, ValueError, TypeError):
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
