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
from model.encoding import Thermometer
from model.errors import HafnetError
from model.samples import Samples
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
