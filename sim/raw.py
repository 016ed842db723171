"""The true random sources that simulations have in place of real ones, and the numbers that an encoder gets of them."""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from model import bits
from model.topology import StochasticInput
from model.whitening import packed, von_neumann, xor_whitened


def raw_bits(seed: int) -> Iterator[int]:
    """The bits of hafnet_raw.sv with SEED `seed`, from the first one on."""
    state = seed
    while True:
        yield state >> 31
        state ^= state << 13 & 0xFFFF_FFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFF_FFFF


def seed_of(source: int) -> int:
    """SEED of a source."""
    return 0x9E37_79B9 * (source + 1) & 0xFFFF_FFFF


class Entropy:
    """The random numbers that `hdl.inputs.whitening.Whitener` makes of the raw bits, in order; see
    `model.golden.Entropy`."""

    def __init__(self, given: StochasticInput) -> None:
        self.given = given
        self.sources = [raw_bits(seed_of(source)) for source in range(given.external)]
        self.mixed: bits.Bits = np.zeros(0, dtype=np.uint8)

    def __call__(self, start: int, count: int) -> npt.NDArray[np.uint16]:
        """(count, draws) numbers from number row `start` on."""
        depth, draws = self.given.depth, self.given.draws
        needed = (start + count) * draws * depth
        while len(unlike := von_neumann(self.mixed)) < needed:
            more = [list(itertools.islice(source, 4 * needed)) for source in self.sources]
            self.mixed = np.concatenate([self.mixed, xor_whitened(more)])
        words = packed(unlike[start * draws * depth : needed], depth)
        return np.array(words, dtype=np.uint16).reshape(count, draws)
