"""Golden bit planes and stochastic bits: against their definitions written out, and against probability."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_model_random_bits import sequence

from model.errors import HafnetError
from model.presentations import bernoulli, planes, stochastic_bits


@pytest.mark.parametrize(("bits", "kept"), [(1, 1), (3, 2), (8, 8), (16, 5)])
def test_planes_are_the_binary_digits_from_the_top(bits: int, kept: int) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, (20, 7))
    found = planes(values, bits, kept)
    assert found.shape == (20, kept, 7)
    assert found.dtype == np.uint8
    for image, row in enumerate(values.tolist()):
        for index, value in enumerate(row):
            digits = f"{value:0{bits}b}"[:kept]
            assert "".join(map(str, found[image, :, index])) == digits


def test_the_planes_of_values_make_the_values() -> None:
    values = np.random.default_rng(1).integers(0, 256, (50, 9))
    weights = 2 ** np.arange(7, -1, -1)
    assert np.array_equal((planes(values, 8, 8) * weights[:, np.newaxis]).sum(axis=1), values)


@pytest.mark.parametrize(
    ("values", "bits", "presentations", "draws"),
    [(1, 1, 1, 1), (7, 5, 3, 2), (10, 8, 2, 4), (9, 16, 2, 4), (6, 8, 1, 6), (5, 3, 4, 1)],
)
def test_stochastic_bits_are_what_one_draw_after_the_other_gives(
    values: int, bits: int, presentations: int, draws: int
) -> None:
    """The definition, a cycle at a time: a word of each generator, cut into numbers, each of which meets a value."""
    images = np.random.default_rng(2).integers(0, 1 << bits, (6, values)).tolist()
    generators = [sequence(11, number) for number in range(-(-draws * bits // 32))]
    expected = []
    for image in images:
        presented = []
        for _ in range(presentations):
            row: list[int] = []
            for first in range(0, values, draws):
                word = sum(next(generator) << (32 * number) for number, generator in enumerate(generators))
                for k, value in enumerate(image[first : first + draws]):
                    row.append(int(value > (word >> (k * bits)) % (1 << bits)))
            presented.append(row)
        expected.append(presented)
    found = stochastic_bits(images, bits, presentations, 11, draws=draws)
    assert found.tolist() == expected
    later = stochastic_bits(images[4:], bits, presentations, 11, draws=draws, first=4)
    assert later.tolist() == expected[4:]


def test_images_in_parts_are_as_images_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).integers(0, 256, (30, 20))
    whole = stochastic_bits(values, 8, 4, 5, draws=3)
    monkeypatch.setattr("model.presentations.CHUNK", 200)
    assert np.array_equal(stochastic_bits(values, 8, 4, 5, draws=3), whole)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_value_is_1_for_just_as_many_numbers_as_it_says(bits: int) -> None:
    """Of the 2^bits numbers, each once, v are less than v: the probability is v / 2^bits exactly."""
    size = 1 << bits
    numbers = np.repeat(np.arange(size), size).reshape(size, size)
    found = bernoulli(np.arange(size)[np.newaxis], bits, size, numbers)
    assert found.sum(axis=1).tolist() == [list(range(size))]


@pytest.mark.parametrize("draws", [1, 5, 256])
def test_the_mean_of_stochastic_bits_is_the_value_within_binomial_error(draws: int) -> None:
    """All 256 values, 4,000 bits each: within 5 standard deviations, and chi-squared of all within 5 of its own."""
    presentations, size = 4000, 256
    values = np.arange(size)
    found = stochastic_bits(values[np.newaxis], 8, presentations, 4, draws=draws)[0].mean(axis=0)
    share = values / size
    assert found[0] == 0
    deviations = (found - share)[1:] / np.sqrt(share * (1 - share) / presentations)[1:]
    assert np.abs(deviations).max() < 5
    assert abs((deviations**2).sum() - (size - 1)) < 5 * np.sqrt(2 * (size - 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: planes([[1, 8]], 3, 2), "value 8 does not fit in 3 bits, which hold 0 … 7"),
        (lambda: planes([[-1]], 3, 2), "value -1 does not fit in 3 bits"),
        (lambda: planes([[1]], 0, 1), "values have 0 bits, but may have 1 to 16"),
        (lambda: planes([[1]], 17, 1), "values have 17 bits"),
        (lambda: planes([[1]], 3, 4), "4 planes of 3 bits, but 1 to 3 can be presented"),
        (lambda: planes([[1]], 3, 0), "0 planes of 3 bits"),
        (lambda: planes([1], 3, 1), r"values have shape \(1,\)"),
        (lambda: planes([[0.5]], 3, 1), "values are float64, but must be integers"),
        (lambda: stochastic_bits([[1, 2]], 3, 0, 1), "0 presentations, but at least 1 is needed"),
        (lambda: stochastic_bits([[1, 2]], 3, 1, 1, draws=3), "3 draws a cycle, but 2 values take 1 to 2"),
        (lambda: stochastic_bits([[1, 2]], 3, 1, -1), "random source: seed -1 is outside"),
        (
            lambda: bernoulli([[1, 2]], 3, 2, [[0, 0]]),
            "1 cycles of drawing, but 1 images in 2 presentations of 1 take 2",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(HafnetError, match=message):
        call()


def test_no_image_has_no_bits() -> None:
    assert stochastic_bits(np.zeros((0, 5), dtype=np.uint8), 8, 3, 1).shape == (0, 3, 5)
