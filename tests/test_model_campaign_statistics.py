"""Means and confidence intervals."""

import numpy as np
import pytest
from scipy import stats

from model.campaign.statistics import Summary, summarise


def test_the_interval_is_students() -> None:
    accuracies = [0.91, 0.93, 0.94, 0.9, 0.95]
    low, high = stats.t.interval(0.95, 4, np.mean(accuracies), stats.sem(accuracies))
    found = summarise(accuracies)
    assert (found.maps, found.least, found.most) == (5, 0.9, 0.95)
    assert found.mean == pytest.approx(0.926)
    assert found.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)


def test_the_mean_is_within_the_interval_as_often_as_promised() -> None:
    random, inside = np.random.default_rng(1), 0
    for accuracies in random.normal(0.9, 0.01, (2000, 6)):
        found = summarise(accuracies.tolist())
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.9 <= found.high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)


def test_one_map_has_no_interval_and_equal_ones_an_empty_one() -> None:
    assert summarise([0.5]) == Summary(1, 0.5, None, None, None, 0.5, 0.5)
    assert summarise([0.5, 0.5]) == Summary(2, 0.5, 0.5, 0.5, 0.0, 0.5, 0.5)


def test_an_interval_ends_where_accuracy_does() -> None:
    low, high = summarise([0.0, 0.02]), summarise([0.98, 1.0])
    assert low.low == 0
    assert high.high == 1
