"""Maps of weight errors: how many, where, and what is read instead."""

import numpy as np
import pytest

from model.campaign.draw import err, faulty
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
