import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from model import golden
from model.campaign.engine import Engine
from model.campaign.outcome import collect
from model.campaign.points import Campaign, at_rates
from model.encoding import FixedPoint, Thermometer
from model.errors import HafnetError
from model.samples import Samples
from model.training import recipe
from model.training.datasets import DataSet, load_digits
from model.training.recipe import Epoch, Recipe, Trained, choose_levels, classify, pick_device, progress_bar, train

SMALL = Recipe(hidden=(32, 16), levels=3, epochs=6, learning_rate=0.02)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(load_digits(), SMALL, "cpu")


def test_training_learns(trained: Trained) -> None:
    assert trained.history[-1].loss < trained.history[0].loss
    assert trained.accuracy > 0.6  # six epochs of a tiny network; chance is 0.1


def test_accuracy_is_that_of_the_folded_network(trained: Trained) -> None:
    test = load_digits().test
    classes = golden.infer(trained.network, test.values).classes
    assert np.array_equal(classes, classify(trained.torch_module, test))
    assert trained.accuracy == np.mean(classes == test.labels)


@pytest.mark.parametrize("values", [1, 500])
def test_classes_are_the_same_in_parts_of_any_size(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, values: int
) -> None:
    test = load_digits().test.first(50)
    whole = classify(trained.torch_module, test)
    monkeypatch.setattr(recipe, "EVALUATION_VALUES", values)
    assert np.array_equal(classify(trained.torch_module, test), whole)


def test_network_tells_where_it_came_from(trained: Trained) -> None:
    assert str(trained.network.topology) == "192-32-16-10"
    assert trained.network.encoding == Thermometer(64, (4, 8, 12))
    assert trained.network.origin == {
        "recipe": "32-16, levels 3, epochs 6, batch 64, learning rate 0.02, smoothing 0.1, noise 0.1875",
        "data": "digits",
        "seed": 0,
        "accuracy": trained.accuracy,
        "epochs": 6,
        "torch": torch.__version__,
    }


def test_same_seed_same_network_whatever_else_is_drawn_or_however_many_cores(trained: Trained) -> None:
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    threads, used = torch.get_num_threads(), set[int]()
    torch.set_num_threads(2)
    try:
        again = train(load_digits(), SMALL, "cpu", lambda _: used.add(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)
    assert used == {1}
    assert again.network == trained.network
    assert again.history == trained.history


def test_another_seed_another_network(trained: Trained) -> None:
    other = train(load_digits(), Recipe(hidden=(32, 16), levels=3, epochs=1, seed=1), "cpu")
    assert other.network != trained.network
    assert other.history[0] != trained.history[0]


def test_training_with_errors_makes_a_network_that_bears_them(trained: Trained) -> None:
    recipe = replace(SMALL, error_rate=0.15)
    hardened = train(load_digits(), recipe, "cpu")
    assert hardened.network.origin["recipe"] == f"{SMALL}, error rate 0.15"
    assert train(load_digits(), recipe, "cpu").network == hardened.network
    accuracies = []
    for each in (trained, hardened):
        test = load_digits().test
        campaign = Campaign(each.network, test, at_rates(each.network, [0.15]), maps=100)
        assert test.labels is not None
        engine = Engine(each.network, test.values, test.labels)
        results = {task.key: campaign.run(task, engine) for task in campaign.tasks()}
        accuracies.append(collect(campaign, results).points[1].summary)
    plain, better = accuracies
    assert plain.high is not None
    assert better.low is not None
    assert plain.high < better.low


def test_convolutions_that_trained_with_errors_bear_them() -> None:
    recipe, found = Recipe(topology="8x8x1b5-16c3-16c3-10", epochs=3, learning_rate=0.02, noise=0), []
    test = load_digits().test
    assert test.labels is not None
    for error_rate in (0.0, 0.1):
        network = train(load_digits(), replace(recipe, error_rate=error_rate), "cpu").network
        campaign = Campaign(network, test, at_rates(network, [0.1]), maps=40)
        engine = Engine(network, test.values, test.labels)
        results = {task.key: campaign.run(task, engine) for task in campaign.tasks()}
        found.append(collect(campaign, results).points[1].summary)
    assert found[0].high is not None
    assert found[1].low is not None
    assert found[0].high < found[1].low


def test_progress_is_told_every_epoch_and_shown() -> None:
    text = io.StringIO()
    told: list[Epoch] = []
    with progress_bar(2, Console(file=text, width=120)) as report:

        def both(epoch: Epoch) -> None:
            told.append(epoch)
            report(epoch)

        made = train(load_digits(), Recipe(hidden=(8,), epochs=2), "cpu", both)
    assert tuple(told) == made.history
    assert [epoch.number for epoch in told] == [1, 2]
    assert "2/2" in text.getvalue()
    assert f"loss {told[-1].loss:.3f}, accuracy {told[-1].accuracy:.1%}" in text.getvalue()


def tiny(samples: int, noise: int = 0) -> DataSet:
    values = np.random.default_rng(noise).integers(0, 9, (samples, 5))
    part = Samples(values, (values[:, 0] > 4).astype(np.int64))
    return DataSet("tiny", part, part, 2)


@pytest.mark.parametrize("samples", [2, 63, 64, 65])
@pytest.mark.parametrize("hidden", [(), (3,)])
def test_any_number_of_samples_and_no_hidden_layer(samples: int, hidden: tuple[int, ...]) -> None:
    made = train(tiny(samples), Recipe(hidden=hidden, epochs=1), "cpu")
    assert len(made.network.hidden) == len(hidden)


def planes(low: int, high: int, channels: int = 1) -> DataSet:
    """Samples of 4 x 3 pixels, labelled 0 … 2."""
    values = np.random.default_rng(0).integers(low, high, (30, 12 * channels), endpoint=True)
    values[:2] = [[low], [high]]
    part = Samples(values, np.arange(30) % 3)
    return DataSet("planes", part, part, 3)


@pytest.mark.parametrize(
    ("text", "low", "high", "encoding"),
    [
        ("4x3x1b5-6c2-3", 0, 31, FixedPoint(12, 5, 0)),
        ("4x3x1b5/2-6c2-3", -16, 15, FixedPoint(12, 5, -16, 2)),
        ("12b6-5-3", -16, 15, FixedPoint(12, 6, -32)),
        ("4x3x1-6c2-m1x2-4-3", 0, 3, Thermometer(12, (2,))),
        ("4x3x3-6c2-avg-3", 0, 3, Thermometer(12, (1, 2, 3))),
        ("36-3", 0, 3, Thermometer(12, (1, 2, 3))),
    ],
)
def test_any_topology_in_place_of_hidden_layers_and_levels(text: str, low: int, high: int, encoding: Any) -> None:
    made = train(planes(low, high), Recipe(topology=text, epochs=1, batch=8), "cpu")
    assert str(made.network.topology) == text
    assert made.network.encoding == encoding
    recipe = f"{text}, epochs 1, batch 8, learning rate 0.01, smoothing 0.1, noise 0.1875"
    assert made.network.origin["recipe"] == recipe


def test_the_same_dense_network_however_it_is_said(trained: Trained) -> None:
    again = train(load_digits(), replace(SMALL, topology="192-32-16-10"), "cpu")
    assert again.network == trained.network


def test_bytes_train_as_other_integers_do() -> None:
    recipe, made = Recipe(topology="4x3x1b8-6c2-3", epochs=2), []
    for kind in (np.uint8, np.int16, np.int64):
        data = planes(0, 255)
        part = Samples(data.train.values.astype(kind), data.train.labels)
        made.append(train(DataSet("same", part, part, 3), recipe, "cpu").network)
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4x3x1b5-6c2-4", "shape '4x3x1b5-6c2-4' ends with 4 classes, but data set 'planes' has 3"),
        ("4x3x1b4-6c2-3", "values of data set 'planes' reach from 0 to 16, but codes of 4 bits from 0 to 15"),
        ("4x3x2b5-6c2-3", "samples of data set 'planes' have 12 values, but shape '4x3x2b5-6c2-3' takes 24 values"),
        ("5x3x1-6c2-3", "have 12 values, but shape '5x3x1-6c2-3' takes 15 bits, no multiple of that"),
        ("3x2x1-6c2-3", "takes 6 bits, no multiple of that"),
        ("4x3x17-6c2-3", "17 levels need at least 18 distinct input values, but the data have 17"),
    ],
)
def test_topologies_that_do_not_fit_the_data(text: str, message: str) -> None:
    data = planes(0, 16)
    with pytest.raises(HafnetError, match=message):
        train(data, Recipe(topology=text), "cpu")


def test_test_samples_must_fit_the_codes_too() -> None:
    train_part, test_part = planes(0, 15).train, planes(-1, 15).train
    with pytest.raises(HafnetError, match="reach from -1 to 15, but codes of 4 bits from -8 to 7"):
        train(DataSet("two", train_part, test_part, 3), Recipe(topology="12b4-3"), "cpu")


@pytest.mark.filterwarnings("ignore::model.errors.HafnetWarning")  # a class has no sample, of course
def test_one_sample_is_refused() -> None:
    with pytest.raises(HafnetError, match="batch norm cannot learn from 1 training sample"):
        train(tiny(1), Recipe(levels=1), "cpu")


@pytest.mark.parametrize(
    ("values", "count", "levels"),
    [
        (range(17), 1, (8,)),
        (range(17), 4, (4, 7, 10, 13)),
        (range(256), 1, (128,)),
        (range(5), 4, (1, 2, 3, 4)),
        (range(-8, 9), 3, (-4, 0, 4)),
        ([0, 1], 1, (1,)),
        ([-1, 1], 1, (0,)),
    ],
)
def test_levels(values: Any, count: int, levels: tuple[int, ...]) -> None:
    assert choose_levels(np.array([values]), count) == levels


def test_more_levels_than_the_values_can_tell_apart() -> None:
    with pytest.raises(HafnetError, match="4 levels need at least 5 distinct input values, but the data have 2"):
        choose_levels(np.array([[0, 255]]), 4)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"hidden": (64, 0)}, "hidden layer 1 of 0 is not possible, the least is 1"),
        ({"levels": 0}, "levels 0 is not possible, the least is 1"),
        ({"epochs": 0}, "epochs 0 is not possible, the least is 1"),
        ({"batch": 1}, "batch 1 is not possible, the least is 2"),
        ({"seed": -1}, "seed -1 is not possible, the least is 0"),
        ({"seed": 2**63}, "does not fit in 63 bits"),
        ({"learning_rate": 0.0}, "learning rate 0.0 is not above 0 and at most 1"),
        ({"learning_rate": float("nan")}, "learning rate nan is not above 0 and at most 1"),
        ({"smoothing": 1.0}, "smoothing 1.0 is not from 0 to below 1"),
        ({"noise": -0.1}, "noise -0.1 is not from 0 to 1"),
        ({"topology": "8x8-3"}, "shape '8x8-3': '8x8': an input is written such as"),
        ({"topology": "8r8x16-2"}, "training takes bits or fixed-point codes, not random bits"),
        ({"topology": "8-3t-2"}, "layer 3t is ternary"),
        ({"error_rate": 1.1}, "error rate 1.1 is not from 0 to 1"),
        ({"error_rate": float("nan")}, "error rate nan is not from 0 to 1"),
    ],
)
def test_recipes_that_are_refused(members: dict[str, Any], message: str) -> None:
    with pytest.raises(HafnetError, match=message):
        Recipe(**members)


def test_device(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HafnetError, match="device 'tpu' is not known: it must be cpu or cuda"):
        pick_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device(None) == pick_device("cpu") == torch.device("cpu")
    with pytest.raises(HafnetError, match="'cuda' is asked for, but this torch finds no GPU"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device(None) == pick_device("cuda") == torch.device("cuda")
