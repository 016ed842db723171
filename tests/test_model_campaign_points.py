"""Campaigns: their points and tasks, and what they refuse."""

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.campaign.engine import Engine
from model.campaign.outcome import collect, points_csv
from model.campaign.points import BLOCK, CLEAN, NEURON_MAPS, Campaign, Point, at_rates
from model.errors import HafnetError
from model.golden import classify
from model.network import DenseLayer
from model.random_network import random_network
from model.samples import Samples

NETWORK = random_network((12, 40, 3), seed=1)
VALUES = np.random.default_rng(2).integers(0, 2, (50, 12))
SAMPLES = Samples(VALUES, classify(NETWORK, VALUES))
"""Labelled so that without errors all are right."""


def campaign(*rates: float, **options: Any) -> Campaign:
    return Campaign(NETWORK, SAMPLES, at_rates(NETWORK, rates), **options)


def results(asked: Campaign) -> dict[str, Any]:
    assert SAMPLES.labels is not None
    engine = Engine(asked.network, SAMPLES.values, SAMPLES.labels)
    return {task.key: asked.run(task, engine) for task in asked.tasks()}


def test_points_are_in_order_behind_one_without_errors() -> None:
    asked = campaign(0.1, 1e-3, 0.1, 0, maps=7)
    assert [point.label for point in asked.points] == ["no errors", "0", "0.001", "0.1"]
    assert [point.value for point in asked.points] == [None, 0, 1e-3, 0.1]
    counts = [sum(task.point == index for task in asked.tasks()) for index in range(4)]
    assert counts == [1, 1, 7, 7]  # where nothing errs all maps are alike


def test_points_near_each_other_have_names_of_their_own() -> None:
    rates = (0.1, 0.1000000001, 0.10000000000001)
    asked = campaign(*rates, maps=1)
    assert [point.label for point in asked.points[1:]] == list(map(repr, sorted(rates)))
    assert asked.on_axis
    rows = list(csv.DictReader(io.StringIO(points_csv(collect(asked, results(asked))))))
    assert [float(row["point"]) for row in rows[1:]] == sorted(rates)
    assert [float(row["weight error rate"]) for row in rows[1:]] == sorted(rates)


def test_accuracy_falls_with_errors_and_stays_without() -> None:
    asked = campaign(0.02, 0.5, maps=20)
    outcome = collect(asked, results(asked))
    clean, few, many = (each.summary.mean for each in outcome.points)
    assert clean == 1
    assert 1 > few > many > 0
    assert [len(each.accuracies) for each in outcome.points] == [1, 20, 20]


def test_the_neurons_are_ranked_by_what_their_errors_change() -> None:
    asked = campaign(neurons=0.3)
    outcome = collect(asked, results(asked))
    assert len(outcome.neurons) == 43
    assert {(each.layer, each.neuron) for each in outcome.neurons} == {
        *(("hidden0", number) for number in range(40)),
        *(("output", number) for number in range(3)),
    }
    shares = [each.changed for each in outcome.neurons]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    for each in outcome.neurons:  # all were right: whatever changes is wrong now
        assert each.changed == each.lost
        times = each.changed * 50 * NEURON_MAPS
        assert times == pytest.approx(round(times))


def test_a_neuron_that_counts_for_nothing_is_the_last() -> None:
    """Without thresholds that they can reach, errors in the weights of a neuron change nothing."""
    hidden = NETWORK.hidden[0]
    assert isinstance(hidden, DenseLayer)
    thresholds = hidden.thresholds.copy()
    thresholds[5] = 0
    deaf = replace(NETWORK, hidden=(replace(hidden, thresholds=thresholds),))
    asked = Campaign(deaf, SAMPLES, (), neurons=0.5)
    found = {(each.layer, each.neuron): each for each in collect(asked, results(asked)).neurons}
    assert found["hidden0", 5].changed == found["hidden0", 5].lost == 0
    assert max(each.changed for each in found.values()) > 0


def test_keys_name_what_is_asked_and_nothing_else() -> None:
    few, many = campaign(0.1, maps=3, neurons=0.1), campaign(0.3, 0.1, maps=5, neurons=0.1)
    assert {task.key for task in few.tasks()} < {task.key for task in many.tasks()}
    assert few.settings == many.settings
    keys = [task.key for task in many.tasks()]
    assert len(set(keys)) == len(keys) == 1 + 2 * 5 + -(-40 // BLOCK) + 1
    renamed = Campaign(NETWORK, SAMPLES, (Point("weak", 1.5, {"hidden0": 0.1, "output": 0.1}),), maps=3)
    assert {task.key for task in renamed.tasks()} < {task.key for task in few.tasks()}
    one_layer = Campaign(NETWORK, SAMPLES, at_rates(NETWORK, [0.1], ["hidden0"]), maps=3)
    assert len({task.key for task in one_layer.tasks()} & {task.key for task in few.tasks()}) == 1
    for_each = {"hidden0": np.full((40, 12), 0.1), "output": np.full((3, 40), 0.1)}
    assert Point("", 0, for_each).digest != few.points[1].digest


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (Campaign(random_network((12, 40, 3), seed=2), SAMPLES, ()), "network"),
        (Campaign(NETWORK, SAMPLES.first(49), ()), "samples"),
        (Campaign(NETWORK, Samples(SAMPLES.values, np.zeros(50, int)), ()), "samples"),
        (Campaign(NETWORK, SAMPLES, (), seed=1), "seed"),
    ],
)
def test_settings_tell_what_is_another_campaign(other: Campaign, name: str) -> None:
    differs = [key for key, value in campaign().settings.items() if other.settings[key] != value]
    assert differs == [name]
    same = Campaign(
        replace(NETWORK, origin={"recipe": "another"}), Samples(SAMPLES.values.astype(np.uint8), SAMPLES.labels), ()
    )
    assert same.settings == campaign().settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: campaign(1.5), "error rate 1.5 is not a probability from 0 to 1"),
        (lambda: campaign(-1e-9), "error rate -1e-09 is not a probability"),
        (lambda: campaign(float("nan")), "error rate nan is not a probability"),
        (lambda: Point("", 0, {"hidden0": np.array([[0.5, 2.0]])}), "error rate 2 is not a probability"),
        (lambda: campaign(neurons=1.01), "error rate 1.01 is not a probability"),
        (lambda: campaign(maps=0), "0 maps are not possible, at least 1 is needed"),
        (lambda: campaign(seed=-1), "seed -1 is not possible"),
        (lambda: at_rates(NETWORK, [0.1], ["hidden1"]), "'hidden1' is no layer of weights .* has hidden0, output"),
        (lambda: Campaign(NETWORK, SAMPLES, (Point("", 0, {"x": 0.1}),)), "'x' is no layer of weights"),
        (lambda: Campaign(NETWORK, Samples(VALUES), ()), "the samples have no labels"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(HafnetError, match=message):
        make()


def test_a_pool_has_no_weights_to_err() -> None:
    network = random_network("4x4x2-m2-3", seed=1)
    with pytest.raises(HafnetError, match="'hidden0' is no layer of weights of this network, which has output"):
        at_rates(network, [0.1], ["hidden0"])
    assert [*at_rates(network, [0.1])[0].rates] == ["output"]


def test_only_the_first_point_is_clean() -> None:
    assert not CLEAN.errs
    assert not Point("", 0, {"a": 0.0, "b": np.zeros((2, 2))}).errs
    assert Point("", 0, {"a": 0.0, "b": np.array([[0, 1e-9]])}).errs
