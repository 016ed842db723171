"""Random bits that hardware and golden model agree on to the last one: the generator xoshiro128++.

D. Blackman, S. Vigna, Scrambled linear pseudorandom number generators, ACM TOMS 47 (2021), 36: 128 bits of state, 32
bits a step, a period of 2^128 - 1. The state is seeded from one integer by splitmix64, as the authors advise, and
generators of different `stream` numbers run 2^64 steps apart in one sequence, as the authors' jump function has it.

A step is linear over GF(2). So any number of steps is a product of matrices, and a long run is made of many short ones
side by side, each of which starts where the one before it ends: the sequence is that of the sequential definition.
"""

import functools

import numpy as np
import numpy.typing as npt

from model import bits
from model.errors import HafnetError

WORD = 32
"""Bits of a word of the generator."""
STATE = 128
"""Bits of its state."""

Words = npt.NDArray[np.uint32]
States = npt.NDArray[np.uint32]
"""(n, 4) uint32, one state a row, its words in the order of the authors' array `s`."""

MASK64 = (1 << 64) - 1
MOST_STATES = 4096
"""States side by side: 1,024 to 16,384 measured alike."""


def splitmix64(seed: int, count: int) -> list[int]:
    """The first `count` outputs, 64 bits each, of S. Vigna's splitmix64 from the state `seed`."""
    outputs = []
    for index in range(1, count + 1):
        z = (seed + index * 0x9E3779B97F4A7C15) & MASK64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        outputs.append(z ^ (z >> 31))
    return outputs


def state(seed: int, stream: int = 0, start: int = 0) -> tuple[int, int, int, int]:
    """The four words of the state of generator `stream` after `start` steps.

    From two outputs of splitmix64 come, low half first, the words of stream 0 before its first step; they are never
    all 0. Raises HafnetError for a seed or stream that is not in 0 … 2^64 - 1.
    """
    s0, s1, s2, s3 = _state(seed, stream, start)[0].tolist()
    return s0, s1, s2, s3


def draws(seed: int, stream: int, start: int, count: int) -> Words:
    """Words number `start` to `start + count - 1` of generator `stream`: (count,) uint32.

    Raises HafnetError as `state` does.
    """
    return _run(_state(seed, stream, start), count)[:, 0]


def states(seed: int, streams: npt.NDArray[np.int64]) -> States:
    """The states of several generators before their first step: (n,) numbers of streams to (n, 4).

    Raises HafnetError as `state` does.
    """
    rows = _to_bits(np.repeat(_state(seed, 0, 0), len(streams), axis=0))
    for exponent in range(int(streams.max(initial=0)).bit_length()):
        chosen = (streams >> exponent & 1).astype(np.bool_)
        rows[chosen] = _product(rows[chosen], _steps(64 + exponent))
    return _from_bits(rows)


def words(states: States, start: int, count: int) -> Words:
    """Words number `start` to `start + count - 1` of several generators, (n, 4) their states: (count, n) uint32."""
    return _run(advance(states, start), count)


def numbers(seed: int, width: int, each: int, start: int, count: int) -> npt.NDArray[np.uint16]:
    """`count` groups of `each` random numbers of `width` bits (1 to 16), from group `start` on: (count, each) uint16.

    A group is one word of each of the generators 0 … ceil(each * width / 32) - 1, that of generator 0 lowest; number k
    is the group's bits k * width … k * width + width - 1, and bits above the last number are dropped. It is what
    `hdl.inputs.random_source.RandomWords` gives in a cycle. Raises HafnetError as `state` does.
    """
    streams = -(-each * width // WORD)
    groups = _run(np.concatenate([_state(seed, stream, start) for stream in range(streams)]), count)
    octets = np.pad(groups.astype("<u4", copy=False).view(np.uint8), [(0, 0), (0, 2)])
    low = np.arange(each) * width  # a number lies within three bytes, from that of its lowest bit on
    found = octets[:, low // 8].astype(np.uint32)
    for byte in (1, 2):
        found |= octets[:, low // 8 + byte].astype(np.uint32) << np.uint32(8 * byte)
    return ((found >> (low % 8).astype(np.uint32)) & np.uint32((1 << width) - 1)).astype(np.uint16)


def _run(states: States, count: int) -> Words:
    """The next `count` words of each of n states: (count, n)."""
    generators = len(states)
    lanes = max(1, min(1 << count.bit_length() // 2, MOST_STATES // generators))
    length = -(-count // lanes)
    while len(states) < lanes * generators:
        states = np.concatenate([states, advance(states, length * (len(states) // generators))])
    s = np.ascontiguousarray(states[: lanes * generators].T)
    words = np.empty((length, lanes * generators), dtype=np.uint32)
    for row in words:
        row[:] = _rotated(s[0] + s[3], 7) + s[0]
        _step(s)
    return words.reshape(length, lanes, generators).swapaxes(0, 1).reshape(-1, generators)[:count]


def _rotated(words: Words, count: int) -> Words:
    return words << np.uint32(count) | words >> np.uint32(WORD - count)


def _step(s: Words) -> None:
    """One step of every state, in place; (4, n), one state a column."""
    shifted = s[1] << np.uint32(9)
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = _rotated(s[3], 11)


def _state(seed: int, stream: int, start: int) -> States:
    for what, value in (("seed", seed), ("stream", stream)):
        if not 0 <= value <= MASK64:
            raise HafnetError(f"random source: {what} {value} is outside 0 … 2^64 - 1")
    seeded = np.array([splitmix64(seed, 2)], dtype="<u8").view("<u4").astype(np.uint32)
    return advance(seeded, (stream << 64) + start)


def _product(left: bits.Bits, right: bits.Bits) -> bits.Bits:
    """The product of two matrices over GF(2): sums of at most 128 ones, exact in float32."""
    product: bits.Bits = (left.astype(np.float32) @ right.astype(np.float32)).astype(np.uint8) & np.uint8(1)
    return product


@functools.cache
def _steps(exponent: int) -> bits.Bits:
    """2^exponent steps as a matrix: row i is what becomes of the state of which only bit i is 1."""
    if exponent:
        half = _steps(exponent - 1)
        return _product(half, half)
    s = np.ascontiguousarray(_from_bits(np.eye(STATE, dtype=np.uint8)).T)
    _step(s)
    return _to_bits(s.T)


def advance(states: States, steps: int) -> States:
    """The states, (n, 4), after so many steps."""
    rows = _to_bits(states)
    for exponent in range(steps.bit_length()):
        if steps >> exponent & 1:
            rows = _product(rows, _steps(exponent))
    return _from_bits(rows)


def _to_bits(states: States) -> bits.Bits:
    return bits.unpack_bytes(np.ascontiguousarray(states).astype("<u4").view(np.uint8), STATE)


def _from_bits(rows: bits.Bits) -> States:
    return bits.pack_bytes(rows).view("<u4").astype(np.uint32)
