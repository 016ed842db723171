"""The golden random source against its authors' algorithm, written out one step at a time, and published vectors."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from model import random_bits
from model.errors import HafnetError

MASK = 0xFFFFFFFF
JUMP = (0x8764000B, 0xF542D2D3, 0x6FA035C3, 0x77F2DB5B)
"""The jump polynomial of xoshiro128plusplus.c: 2^64 steps."""


def rotl(x: int, k: int) -> int:
    return (x << k | x >> (32 - k)) & MASK


def next_word(s: list[int]) -> int:
    """`next()` of xoshiro128plusplus.c."""
    result = (rotl((s[0] + s[3]) & MASK, 7) + s[0]) & MASK
    t = s[1] << 9 & MASK
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotl(s[3], 11)
    return result


def jump(s: list[int]) -> None:
    """`jump()` of xoshiro128plusplus.c."""
    found = [0, 0, 0, 0]
    for polynomial, bit in itertools.product(JUMP, range(32)):
        if polynomial >> bit & 1:
            found = [a ^ b for a, b in zip(found, s, strict=True)]
        next_word(s)
    s[:] = found


def sequence(seed: int, stream: int) -> Iterator[int]:
    """The words of a generator, one after the other."""
    low, high = random_bits.splitmix64(seed, 2)
    s = [low & MASK, low >> 32, high & MASK, high >> 32]
    for _ in range(stream):
        jump(s)
    while True:
        yield next_word(s)


def test_splitmix64_gives_the_published_values() -> None:
    """Those of the reference splitmix64.c in the tests of the Rust crate rand_xoshiro."""
    assert random_bits.splitmix64(1477776061723855037, 5) == [
        1985237415132408290,
        2979275885539914483,
        13511426838097143398,
        8488337342461049707,
        15141737807933549159,
    ]


def test_the_algorithm_written_out_gives_the_published_values() -> None:
    """Those of the state 1, 2, 3, 4 from the reference xoshiro128plusplus.c."""
    s = [1, 2, 3, 4]
    assert [next_word(s) for _ in range(5)] == [641, 1573767, 3222811527, 3517856514, 836907274]


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (1, 0), (2**64 - 1, 1), (12345, 3)])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 15, 16, 17, 1000, 4097])
def test_draws_are_those_of_the_sequential_algorithm(seed: int, stream: int, count: int) -> None:
    start = 5
    expected = list(itertools.islice(sequence(seed, stream), start, start + count))
    found = random_bits.draws(seed, stream, start, count)
    assert found.dtype == np.uint32
    assert found.tolist() == expected


def test_a_long_run_is_the_sequential_one() -> None:
    count = 200_000
    expected = np.fromiter(itertools.islice(sequence(7, 0), count), dtype=np.uint32)
    assert np.array_equal(random_bits.draws(7, 0, 0, count), expected)
    assert random_bits.draws(7, 0, count - 1, 1)[0] == expected[-1]


def test_runs_join_where_one_ends() -> None:
    whole = random_bits.draws(3, 2, 0, 100_000)
    parts = [random_bits.draws(3, 2, start, 25_000) for start in range(0, 100_000, 25_000)]
    assert np.array_equal(np.concatenate(parts), whole)
    far = 2**64 - 5  # the last words before those of the next stream
    assert np.array_equal(random_bits.draws(3, 2, far, 10)[5:], random_bits.draws(3, 3, 0, 5))


def test_the_state_is_the_one_between_two_words() -> None:
    s = list(random_bits.state(9, 1, 4))
    assert [next_word(s) for _ in range(3)] == random_bits.draws(9, 1, 4, 3).tolist()


@pytest.mark.parametrize(("width", "each"), [(1, 1), (1, 33), (5, 13), (8, 4), (8, 5), (16, 2), (16, 3), (11, 32)])
def test_numbers_are_consecutive_bits_of_the_generators_side_by_side(width: int, each: int) -> None:
    streams = [sequence(6, stream) for stream in range(-(-each * width // 32))]
    found = random_bits.numbers(6, width, each, 2, 9).tolist()
    for group in range(11):
        word = sum(next(stream) << (32 * index) for index, stream in enumerate(streams))
        if group >= 2:
            assert found[group - 2] == [word >> (width * k) & ((1 << width) - 1) for k in range(each)]


@pytest.mark.parametrize(("seed", "stream", "value"), [(-1, 0, "seed -1"), (2**64, 0, "seed 1"), (0, -1, "stream -1")])
def test_a_seed_out_of_range_is_refused(seed: int, stream: int, value: str) -> None:
    with pytest.raises(HafnetError, match=f"random source: {value}.* is outside 0 … 2\\^64 - 1"):
        random_bits.draws(seed, stream, 0, 1)


def test_generators_side_by_side_are_those_of_their_streams() -> None:
    streams = np.array([5, 0, 2**40 + 3, 5])
    states = random_bits.states(9, streams)
    assert [tuple(each) for each in states.tolist()] == [random_bits.state(9, stream) for stream in streams.tolist()]
    assert [tuple(each) for each in random_bits.advance(states, 3).tolist()] == [
        random_bits.state(9, stream, 3) for stream in streams.tolist()
    ]
    found = random_bits.words(states, 7, 20)
    assert found.shape == (20, 4)
    for column, stream in enumerate(streams.tolist()):
        assert np.array_equal(found[:, column], random_bits.draws(9, stream, 7, 20))
    assert random_bits.states(9, streams[:0]).shape == (0, 4)
