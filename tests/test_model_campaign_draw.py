"""Maps of weight errors: how many, where, and what is read instead."""

import numpy as np
import pytest

from model.campaign.draw import Misreads, err, expected_errors, faulty
from model.errors import HafnetError
from model.network import Signs
from model.random_network import random_network

SHAPE = (300, 400)


def weights(ternary: bool) -> Signs:
    random = np.random.default_rng(1)
    return random.choice(np.array([-1, 0, 1] if ternary else [-1, 1], dtype=np.int8), SHAPE)


@pytest.mark.parametrize("ternary", [False, True])
def test_nothing_or_everything_errs_at_the_ends(ternary: bool) -> None:
    before = weights(ternary)
    assert np.array_equal(err(before, 0.0, np.random.default_rng(2), ternary), before)
    assert np.all(err(before, 1.0, np.random.default_rng(2), ternary) != before)


@pytest.mark.parametrize("rate", [0.001, 0.03, 0.5])
def test_a_binary_weight_that_errs_has_the_other_sign(rate: float) -> None:
    before = weights(False)
    after = err(before, rate, np.random.default_rng(2), False)
    assert after.dtype == np.int8
    assert np.array_equal(after[after != before], -before[after != before])
    expected = rate * before.size
    assert abs(np.sum(after != before) - expected) < 5 * np.sqrt(expected)
    for value in (-1, 1):  # neither sign errs more often
        share = np.mean(after[before == value] != value)
        assert share == pytest.approx(rate, rel=0.3)


def test_a_ternary_weight_that_errs_moves_by_one_step() -> None:
    before = weights(True)
    after = err(before, 0.2, np.random.default_rng(2), True)
    hit = after != before
    assert np.all(np.abs(after.astype(int) - before) <= 1)
    for value in (-1, 0, 1):
        assert np.mean(hit[before == value]) == pytest.approx(0.2, rel=0.05)
    assert np.mean(after[hit & (before == 0)]) == pytest.approx(0, abs=0.05)


def test_each_weight_may_have_its_own_rate() -> None:
    before, rates = weights(False), np.zeros(SHAPE)
    rates[7, 11:13] = 1
    after = err(before, rates, np.random.default_rng(2), False)
    assert np.argwhere(after != before).tolist() == [[7, 11], [7, 12]]


@pytest.mark.parametrize("text", ["40-30-20-5", "40-30t-20-5t"])
def test_errors_at_a_lower_rate_are_a_part_of_those_at_a_higher_one(text: str) -> None:
    network = random_network(text, seed=1)
    own = {layer.name: layer.arrays["weights"] for layer in network.layers}
    low, high = (faulty(network, dict.fromkeys(own, rate), seed=3, number=4) for rate in (0.05, 0.2))
    for name, before in own.items():
        few, many = low[name] != before, high[name] != before
        assert 0 < few.sum() < many.sum()
        assert not np.any(few & ~many)
        assert np.array_equal(low[name][few], high[name][few])


def test_seed_number_and_layer_draw_for_themselves_and_only_layers_with_a_rate_err() -> None:
    network = random_network("20-20-20-20", seed=1)
    rates = {"hidden0": 0.5, "hidden1": 0.5}
    maps = [faulty(network, rates, seed, number) for seed, number in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert all(set(each) == {"hidden0", "hidden1"} for each in maps)
    hits = [each[layer.name] != layer.arrays["weights"] for each in maps[:3] for layer in network.hidden]
    assert len({hit.tobytes() for hit in hits}) == 6
    assert all(np.array_equal(maps[0][name], maps[3][name]) for name in rates)
    alone = faulty(network, {"hidden1": 0.5}, 0, 0)  # what one layer draws does not depend on others
    assert np.array_equal(alone["hidden1"], maps[0]["hidden1"])


def test_ternary_cells_may_read_as_their_devices_do() -> None:
    chances = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.0, 0.4, 0.6]])
    before, reads = weights(True), Misreads(chances)
    assert expected_errors(before, reads) == pytest.approx(np.sum(1 - np.diag(chances)[before.astype(int) + 1]))
    after = err(before, reads, np.random.default_rng(2), True)
    for row, value in enumerate((-1, 0, 1)):
        held = before == value
        found = [np.mean(after[held] == other) for other in (-1, 0, 1)]
        assert found == pytest.approx(chances[row], abs=5 * np.sqrt(0.25 / held.sum()))
    assert not np.any((before == 1) & (after == -1))


def test_ternary_cells_that_never_err_read_as_they_are() -> None:
    before = weights(True)
    assert np.array_equal(err(before, Misreads(np.eye(3)), np.random.default_rng(2), True), before)


@pytest.mark.parametrize(
    ("chances", "says"),
    [
        (np.eye(2), r"reads of ternary cells have shape \(2, 2\), but \(3, 3\) is needed"),
        (np.eye(3) * 2, "the chance of a ternary read is 2, but a probability is from 0 to 1"),
        (np.eye(3) / 2, r"the chances of a ternary read add up to \[0.5 0.5 0.5\], but must to 1"),
    ],
)
def test_reads_that_cannot_be_are_said(chances: np.ndarray, says: str) -> None:
    with pytest.raises(HafnetError, match=says):
        Misreads(chances)
