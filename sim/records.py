"""The files by which words enter and leave a simulation: see hafnet_source.sv and hafnet_monitor.sv."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model import bits

CYCLE_BYTES = 8


@dataclass(frozen=True, eq=False)
class Record:
    """What passed on a stream: (words,) cycles, and (words, width) bits."""

    cycles: npt.NDArray[np.int64]
    bits: bits.Bits


def file(folder: Path, number: int, stream: str) -> Path:
    """The file of a stream in pass `number`."""
    return folder / f"pass{number}_{stream}.hex"


def packet_beats(rows: bits.Bits, width: int) -> list[list[int]]:
    """(packets, n) bits to the beats of `width` bits of each packet."""
    count = -(-rows.shape[1] // width)
    beats = bits.to_ints(np.pad(rows, ((0, 0), (0, count * width - rows.shape[1]))).reshape(-1, width))
    return [beats[start : start + count] for start in range(0, len(beats), count)]


def write_packets(path: Path, rows: bits.Bits, width: int) -> None:
    """Write (packets, n) bits as beats of `width` bits (a multiple of 8) with TLAST above them."""
    count = -(-rows.shape[1] // width)
    padded = np.pad(rows, ((0, 0), (0, count * width - rows.shape[1])))
    digits = bits.pack_bytes(padded.reshape(-1, width))[:, ::-1].tobytes().hex()
    size = width // 4
    beats = (digits[start : start + size] for start in range(0, len(digits), size))
    path.write_text(
        "".join(f"{int(beat % count == count - 1)}{word}\n" for beat, word in enumerate(beats)), encoding="utf-8"
    )


def with_wrong_packets(lines: Sequence[str], count: int) -> tuple[list[str], int]:
    """The lines of packets of `count` beats, with packets of wrong length before and between the first of them, and how
    many these are: one that is too short, where there can be one, one that is a beat too long, and one twice as long.
    """
    first = [line[1:] for line in lines[:count]]
    wrong = [first[: count - 1]] * (count > 1) + [[*first, first[0]], [*first, *first]]
    found: list[str] = []
    for packet, start in zip(wrong, range(0, len(lines), count), strict=False):
        found += [f"{int(beat == len(packet) - 1)}{word}" for beat, word in enumerate(packet)]
        found += lines[start : start + count]
    told = min(len(wrong), len(lines) // count)
    return [*found, *lines[told * count :]], told


def read(path: Path, width: int) -> Record:
    """Read what a monitor of `width` bits wrote. Raises ValueError where it holds unknown bits (x or z)."""
    size = CYCLE_BYTES + -(-width // 8)
    lines = np.frombuffer(bytes.fromhex(path.read_text(encoding="utf-8")), dtype=np.uint8).reshape(-1, size)
    cycles = np.ascontiguousarray(lines[:, :CYCLE_BYTES]).view(">i8").astype(np.int64).reshape(-1)
    return Record(cycles, bits.unpack_bytes(np.ascontiguousarray(lines[:, : CYCLE_BYTES - 1 : -1]), width))
