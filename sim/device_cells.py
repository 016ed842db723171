"""What an array of two devices a cell holds, and what reading it gives, step by step: the reference of a bench."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdl.arrays.array import Operation, Side
from model import bits, device_images, random_bits
from model.faults import FREE, CellFaults

FIRST_STREAM = 3
"""Any stream but the first, so that it is seen to be looked at."""


def generators(seed: int, columns: int) -> random_bits.States:
    """The states of an array's generators before their first step."""
    return random_bits.states(seed, np.arange(FIRST_STREAM, FIRST_STREAM + device_images.streams(columns)))


@dataclass(frozen=True)
class Chip:
    """What an array starts from: the `words` of its weights, which devices are `formed` (words as in the image), their
    `faults`, and the `seed` of its noise.
    """

    words: Sequence[int]
    formed: Sequence[int]
    faults: CellFaults
    seed: int

    @classmethod
    def random(cls, rows: int, columns: int, ternary: bool, seed: int) -> "Chip":
        """Devices in any state, a third of them stuck, a third of them pristine, half of the cells weak."""
        random, cells = np.random.default_rng(seed), (rows, columns)
        words = random.integers(0, 2, (rows, columns * (2 if ternary else 1)), np.uint8)
        faults = CellFaults(
            random.choice(np.array([FREE, FREE, FREE, FREE, 0, 1], dtype=np.int8), (2, *cells)),
            random.integers(0, 2, cells, np.uint8),
            np.where(random.random(cells) < 0.5, random.integers(0, 256, cells), 0).astype(np.uint8),
        )
        formed = (random.random((rows, 2 * columns)) < 2 / 3).astype(np.uint8)
        return cls(bits.to_ints(words), bits.to_ints(formed), faults, seed)

    def memories(self, columns: int, ternary: bool, noisy: bool) -> dict[str, tuple[Sequence[int], int]]:
        """What the array loads: what the path of each image adds to the array's -> its words, and their width."""
        found: dict[str, tuple[Sequence[int], int]] = {
            "": (self.words, columns * (2 if ternary else 1)),
            "_formed": (self.formed, 2 * columns),
            "_faults": (bits.to_ints(device_images.fault_rows(self.faults)), 5 * columns),
        }
        if noisy:
            noise = device_images.noise_words(generators(self.seed, columns))
            found |= {
                "_weak": (device_images.weak_words(self.faults), 8 * columns),
                "_noise": (noise, device_images.SEED),
            }
        return found

    def job(self) -> dict[str, Any]:
        """Itself in a bench's job."""
        faults = {name: getattr(self.faults, name).tolist() for name in ("stuck", "mismatch", "weak")}
        return {"words": list(self.words), "formed": list(self.formed), "faults": faults, "seed": self.seed}

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> "Chip":
        """The inverse of `job`."""
        return cls(job["words"], job["formed"], CellFaults(**job["faults"]), job["seed"])


class DeviceCells:
    """The devices of an array, pulse by pulse and read by read."""

    def __init__(self, chip: Chip, columns: int, ternary: bool, noisy: bool) -> None:
        self.columns, self.ternary, self.noisy, self.faults = columns, ternary, noisy, chip.faults
        self.generators, self.drawn = generators(chip.seed, columns), 0
        held = bits.from_ints(chip.words, columns * (2 if ternary else 1))
        planes = (held[:, :columns], held[:, columns:] if ternary else 1 - held)
        formed = bits.from_ints(chip.formed, 2 * columns)
        self.low = np.stack(planes).astype(np.bool_)
        self.formed = np.stack((formed[:, :columns], formed[:, columns:])).astype(np.bool_)
        self.erred = 0

    def pulse(self, row: int, operation: Operation, side: Side, mask: int) -> None:
        """SET and RESET move the devices that are formed, FORM those that are not."""
        chosen = bits.from_int(mask, self.columns).astype(np.bool_)
        low, formed = self.low[side.value, row], self.formed[side.value, row]
        if operation == Operation.SET:
            low |= chosen & formed
        elif operation == Operation.RESET:
            low &= ~(chosen & formed)
        elif operation == Operation.FORM:
            fresh = chosen & ~formed
            low[:] = np.where(fresh, True, low)
            formed |= fresh

    def sense(self, row: int) -> npt.NDArray[np.int8]:
        """The weights that one cycle of sensing reads: +1, -1, or 0 where a ternary array does not decide."""
        stuck = self.faults.stuck[:, row]
        states = np.where(stuck == FREE, self.low[:, row] & self.formed[:, row], stuck)
        weights = states[0].astype(np.int8) - states[1].astype(np.int8)
        mismatch = bits.to_signs(self.faults.mismatch[row])
        if not self.ternary:
            weights = np.where(weights == 0, mismatch, weights)
        if self.noisy:
            words = random_bits.words(self.generators, self.drawn, 1)
            octets = words.astype("<u4").view(np.uint8)[0, : self.columns]
            self.drawn += 1
            errs = octets < self.faults.weak[row]
            self.erred += int(errs.sum())
            wrong = np.where(weights == 0, mismatch, 0) if self.ternary else -weights
            weights = np.where(errs, wrong, weights)
        found: npt.NDArray[np.int8] = weights.astype(np.int8)
        return found
