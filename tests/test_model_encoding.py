"""Encodings: what integers become, what hardware knows of it, and every rule in one sentence."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.encoding import Encoding, FixedPoint, Stochastic, Thermometer
from model.errors import HafnetError
from model.topology import BitInput, PlaneInput, Presentations, StochasticInput


def test_a_thermometer_code_is_one_bit_a_level() -> None:
    encoding = Thermometer(2, (0, 2, 5))
    code = encoding.encode([[0, 5], [1, 2], [-1, 9]])
    assert code.tolist() == [[1, 0, 0, 1, 1, 1], [1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]
    assert code.dtype == np.uint8
    assert encoding.input == BitInput(6)
    assert encoding.range == (-1, 5)


def test_small_integers_are_compared_with_large_levels() -> None:
    assert Thermometer(1, (-300, 300)).encode(np.array([[255]], dtype=np.uint8)).tolist() == [[1, 0]]


@given(st.integers(1, 16), st.integers(-(2**31) + 1, 2**31 - 1), st.data())
def test_a_code_is_the_distance_from_the_lowest_value(depth: int, low: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(low, low + 2**depth - 1), min_size=1, max_size=5))
    for encoding in (FixedPoint(len(values), depth, low), Stochastic(len(values), depth, low)):
        assert encoding.range == (low, low + 2**depth - 1)
        codes = encoding.encode([encoding.range[:1] * len(values), values, encoding.range[1:] * len(values)])
        assert codes.dtype == np.uint16
        assert codes[0].tolist() == [0] * len(values)
        assert codes[1].tolist() == [value - low for value in values]
        assert codes[2].tolist() == [2**depth - 1] * len(values)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_codes_come_from_integers_of_any_type(dtype: type[np.integer[Any]]) -> None:
    assert FixedPoint(2, 4, -3).encode(np.array([[0, 12]], dtype=dtype)).tolist() == [[3, 15]]


def test_what_hardware_knows_of_an_encoding() -> None:
    assert FixedPoint(5, 8).input == FixedPoint(5, 8, 0, 8).input == PlaneInput(5, 8, 8)
    assert FixedPoint(5, 8) == FixedPoint(5, 8, planes=8) != FixedPoint(5, 8, planes=7)
    assert FixedPoint(5, 8, -128, 3).input == PlaneInput(5, 8, 3)
    assert FixedPoint(5, 8, -128, 3).input.presentations.weights == (4, 2, 1)
    assert Stochastic(5, 8, 1, 16, 4, 99).input == StochasticInput(5, 8, 16, 4, 99)
    assert Stochastic(5, 8, external=2).input == StochasticInput(5, 8, 8, external=2)
    assert Stochastic(5, 8, 1, 16, 4, 99).input.presentations == Presentations(16)


def test_members_of_numpy_become_integers() -> None:
    one = np.int64(1)
    for encoding in (
        Thermometer(one, (one,)),  # type: ignore[arg-type]
        FixedPoint(one, one, one, one),  # type: ignore[arg-type]
        Stochastic(one, one, one, one, one, one),  # type: ignore[arg-type]
    ):
        members = [
            each for value in vars(encoding).values() for each in (value if isinstance(value, tuple) else (value,))
        ]
        assert {type(member) for member in members} == {int}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Thermometer(0, (1,)), "encoding: 0 input values, but at least 1 is needed"),
        (lambda: Thermometer(1, ()), "encoding: a thermometer needs at least 1 level and has none"),
        (lambda: Thermometer(1, (1, 3, 3)), "encoding: level 3 follows 3, but levels must rise"),
        (lambda: Thermometer(1, (2**31,)), "encoding: levels (2147483648,) do not all fit in 32 bits"),
        (lambda: Thermometer(1.0, (1,)), "encoding: the number of values is 1.0, but must be an integer"),  # type: ignore[arg-type]
        (lambda: Thermometer(1, (True,)), "encoding: a level is True, but must be an integer"),
        (lambda: FixedPoint(0, 8), "encoding: 0 input values, but at least 1 is needed"),
        (lambda: FixedPoint(1, 0), "encoding: codes of 0 bits are not possible, only of 1 … 16"),
        (lambda: FixedPoint(1, 17), "encoding: codes of 17 bits are not possible, only of 1 … 16"),
        (lambda: FixedPoint(1, 8, 2**31), "encoding: the lowest value 2147483648 does not fit in 32 bits"),
        (lambda: FixedPoint(1, 8, planes=0), "encoding: 0 planes of codes of 8 bits, but 1 … 8 are there"),
        (lambda: FixedPoint(1, 8, planes=9), "encoding: 9 planes of codes of 8 bits, but 1 … 8 are there"),
        (lambda: FixedPoint(1, 8, planes="4"), "encoding: planes is '4', but must be an integer"),  # type: ignore[arg-type]
        (lambda: Stochastic(1, 17), "encoding: codes of 17 bits are not possible, only of 1 … 16"),
        (lambda: Stochastic(1, 8, 0, 0), "encoding: 0 presentations are not possible, only 1 … 4096"),
        (lambda: Stochastic(1, 8, 0, 4097), "encoding: 4097 presentations are not possible, only 1 … 4096"),
        (lambda: Stochastic(1, 8, draws=65), "encoding: 65 draws a cycle are not possible, only 1 … 64"),
        (lambda: Stochastic(1, 8, seed=-1), "encoding: seed -1 is outside 0 … 2^64 - 1"),
        (lambda: Stochastic(1, 8, seed=2**64), "encoding: seed 18446744073709551616 is outside 0 … 2^64 - 1"),
        (lambda: Stochastic(1, 8, external=-1), "encoding: -1 external random sources are not possible, only 0 … 64"),
        (lambda: Stochastic(1, 8, external=1, seed=2), "encoding: seed 2 is of no use to 1 random sources outside"),
    ],
)
def test_an_impossible_encoding_is_refused(build: Callable[[], Encoding], message: str) -> None:
    with pytest.raises(HafnetError, match=f"^{re.escape(message)}$"):
        build()


@pytest.mark.parametrize("encoding", [Thermometer(2, (1,)), FixedPoint(2, 3, -1), Stochastic(2, 3, -1)])
def test_inputs_that_do_not_fit_are_refused(encoding: Encoding) -> None:
    for shape in ((3,), (1, 3), (1, 1), (1, 2, 1)):
        message = f"inputs have shape {shape}, but the encoding takes (samples, 2)"
        with pytest.raises(HafnetError, match=f"^{re.escape(message)}$"):
            encoding.encode(np.zeros(shape, dtype=np.int64))
    with pytest.raises(HafnetError, match=r"^inputs are float64, but the encoding takes integers$"):
        encoding.encode(np.zeros((1, 2)))


@pytest.mark.parametrize("value", [-2, 7, 2**40, -(2**40), 2**64 - 1])
def test_a_value_out_of_range_is_named(value: int) -> None:
    values = np.array([[6, 0], [value, 3]], dtype=np.uint64 if value >= 2**63 else np.int64)
    message = f"inputs: value {value} of sample 1, input 0 is outside -1 … 6, which 3 bits hold"
    for encoding in (FixedPoint(2, 3, -1), Stochastic(2, 3, -1)):
        with pytest.raises(HafnetError, match=f"^{re.escape(message)}$"):
            encoding.encode(values)
