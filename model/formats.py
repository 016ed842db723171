"""The file formats of memory images: words of a known width, lowest address first, to bytes and back.

Reading is strict: every line must be the one that writing gives, letter case apart. A file that another tool has
rearranged is refused rather than guessed at.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import bincopy

from model.errors import VALUE, HafnetError, cut, short


class Format(Protocol):
    """A way to write words into a file."""

    def write(self, words: Sequence[int], width: int) -> bytes:
        """Unsigned words of `width` bits to the bytes of a file."""

    def read(self, data: bytes, width: int, count: int) -> list[int]:
        """The inverse. Raises HafnetError, naming the line or word, unless `data` holds `count` words of `width`."""


def _fitting(words: list[int], width: int) -> list[int]:
    for index, word in enumerate(words):
        if word >> width:
            raise HafnetError(f"word {index} is {cut(hex(word), VALUE)}, but must fit in {width} bits")
    return words


@dataclass(frozen=True)
class Text:
    """One word a line in hexadecimal, between the lines of a head and a tail.

    Members: templates of `head` ({width}, {count}), of an `entry` and of the `last` one ({address}, {digits}), `tail`.
    """

    head: str = ""
    entry: str = "{digits}"
    last: str = "{digits}"
    tail: str = ""

    def _frame(self, width: int, count: int) -> list[tuple[str, str] | str]:
        """What each line of the file must be: literally, or before and after its digits."""
        entries = [self.entry] * (count - 1) + [self.last]
        return [
            *self.head.format(width=width, count=count).splitlines(),
            *(_split(entry, address) for address, entry in enumerate(entries)),
            *self.tail.splitlines(),
        ]

    def write(self, words: Sequence[int], width: int) -> bytes:
        digits = iter(f"{word:0{-(-width // 4)}x}" for word in words)
        frame = self._frame(width, len(words))
        lines = [line if isinstance(line, str) else line[0] + next(digits) + line[1] for line in frame]
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    def read(self, data: bytes, width: int, count: int) -> list[int]:
        lines = _lines(data)
        frame = self._frame(width, count)
        if len(lines) != len(frame):
            raise HafnetError(f"{len(lines)} lines, but {count} words need {len(frame)}")
        words = []
        for number, (line, expected) in enumerate(zip(lines, frame, strict=True), 1):
            if isinstance(expected, str):
                if line != expected:
                    raise HafnetError(f"line {number} is {short(line)}, but must be {short(expected)}")
                continue
            before, after = expected
            digits = line.removeprefix(before).removesuffix(after)
            if line != before + digits + after or len(digits) != -(-width // 4) or set(digits) - set(string.hexdigits):
                pattern = before + "#" * -(-width // 4) + after
                raise HafnetError(
                    f"line {number} is {short(line)}, but must be {short(pattern)} with # a hexadecimal digit"
                )
            words.append(int(digits, 16))
        return _fitting(words, width)


def _lines(data: bytes) -> list[str]:
    """Lines of any system's line ends. Any byte decodes: a strange one fails as a wrong line."""
    lines = data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _split(entry: str, address: int) -> tuple[str, str]:
    before, after = entry.split("{digits}")
    return before.format(address=address), after


class Raw:
    """Little-endian bytes, ceil(width / 8) a word, and nothing else."""

    def write(self, words: Sequence[int], width: int) -> bytes:
        return b"".join(word.to_bytes(-(-width // 8), "little") for word in words)

    def read(self, data: bytes, width: int, count: int) -> list[int]:
        size = -(-width // 8)
        if len(data) != size * count:
            raise HafnetError(f"{len(data)} bytes, but {count} words of {size} bytes need {size * count}")
        words = [int.from_bytes(data[start : start + size], "little") for start in range(0, len(data), size)]
        return _fitting(words, width)


class IntelHex:
    """The bytes of `Raw` from address 0, as records of Intel's Hexadecimal Object File Format (revision A, 1988).

    Written and read by bincopy: it is maintained and took a third of the time of intelhex for 2 MiB.
    """

    def write(self, words: Sequence[int], width: int) -> bytes:
        file = bincopy.BinFile()
        file.add_binary(RAW.write(words, width))
        text: str = file.as_ihex()
        return text.encode("ascii")

    def read(self, data: bytes, width: int, count: int) -> list[int]:
        records = _lines(data)
        for number, record in enumerate(records, 1):
            try:
                bincopy.unpack_ihex(record)
            except (bincopy.Error, ValueError, IndexError) as error:
                raise HafnetError(f"line {number} is not a record of Intel HEX ({error})") from None
        if not records or records[-1].upper() != ":00000001FF":
            raise HafnetError(f"the end-of-file record is missing after line {len(records)}")
        file = bincopy.BinFile()
        try:
            file.add_ihex("\n".join(records))
        except (bincopy.Error, ValueError) as error:
            raise HafnetError(f"the records do not make up a memory ({error})") from None
        segments = [(segment.address, bytes(segment.data)) for segment in file.segments]
        if len(segments) != 1 or segments[0][0] != 0:
            raise HafnetError(
                f"records start at {short([address for address, _ in segments])}, but must follow each other from 0"
            )
        return RAW.read(segments[0][1], width, count)


RAW = Raw()

# By extension. `hex` is what $readmemh reads (IEEE 1800-2017, 21.4), `coe` AMD/Xilinx, `mif` Intel/Altera.
FORMATS: Mapping[str, Format] = {
    "hex": Text(),
    "bin": RAW,
    "ihex": IntelHex(),
    "coe": Text(
        head="memory_initialization_radix=16;\nmemory_initialization_vector=",
        entry="{digits},",
        last="{digits};",
    ),
    "mif": Text(
        head="WIDTH={width};\nDEPTH={count};\n\nADDRESS_RADIX=UNS;\nDATA_RADIX=HEX;\n\nCONTENT BEGIN",
        entry="    {address} : {digits};",
        last="    {address} : {digits};",
        tail="END;",
    ),
}
