"""Campaigns on the cores of this machine, and on a cluster of Dask."""

import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dask.distributed import LocalCluster

from model.campaign import workers
from model.campaign.engine import Engine
from model.campaign.points import Campaign, at_rates
from model.campaign.workers import compute
from model.errors import HafnetError
from model.random_network import random_network
from model.samples import Samples

BEHIND_A_SOCKET: dict[str, Any] = {
    "processes": False,
    "protocol": "tcp",
    "host": "127.0.0.1",
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
}


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    network, random = random_network("6x6x3-8c3-20-5", seed=1), np.random.default_rng(2)
    samples = Samples(random.integers(0, 2, (80, 108)), random.integers(0, 5, 80))
    return Campaign(network, samples, at_rates(network, [0.01, 0.1]), maps=6, neurons=0.1)


@pytest.fixture(scope="module")
def expected(campaign: Campaign) -> dict[str, object]:
    assert campaign.samples.labels is not None
    engine = Engine(campaign.network, campaign.samples.values, campaign.samples.labels)
    return {task.key: campaign.run(task, engine) for task in campaign.tasks()}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """As it would be on another machine."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalCluster(n_workers=2, threads_per_worker=1, local_directory=scratch, **BEHIND_A_SOCKET) as cluster,
    ):
        yield cluster


def test_all_cores_give_what_one_gives(
    campaign: Campaign, expected: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing stays in the system's temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads = torch.get_num_threads()
    found = {task.key: result for task, result in compute(campaign, list(campaign.tasks()))}
    assert found == expected
    assert torch.get_num_threads() == threads
    assert not list(tmp_path.iterdir())


def test_a_cluster_gives_what_one_core_gives(
    campaign: Campaign, expected: dict[str, object], cluster: LocalCluster
) -> None:
    tasks = list(campaign.tasks())[3:]
    found = {task.key: result for task, result in compute(campaign, tasks, cluster.scheduler_address)}
    assert found == {task.key: expected[task.key] for task in tasks}


def test_dask_says_nothing_meanwhile(campaign: Campaign) -> None:
    logger, said = logging.getLogger("distributed"), io.StringIO()
    handler = logging.StreamHandler(said)  # as Dask has one, where nobody else has
    logger.addHandler(handler)
    try:
        for _ in compute(campaign, list(campaign.tasks())[:3]):
            logger.getChild("scheduler").error("Couldn't gather keys")
        assert said.getvalue() == ""
        logger.getChild("scheduler").error("after it")
        assert "after it" in said.getvalue()
    finally:
        logger.removeHandler(handler)


def test_nothing_to_do_asks_nobody(campaign: Campaign) -> None:
    assert list(compute(campaign, [], "nobody")) == []


def test_a_mistake_on_a_worker_is_told_here(campaign: Campaign) -> None:
    network = random_network("20b4-4", seed=1)
    wrong = Campaign(network, Samples(np.full((1, 20), 16), np.zeros(1, int)), at_rates(network, [0.1]))
    with pytest.raises(HafnetError, match="value 16 of sample 0"):
        list(compute(wrong, list(wrong.tasks())))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "carrier-pigeon://coop:1", ""])
def test_where_no_scheduler_answers(campaign: Campaign, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    with pytest.raises(HafnetError, match=f"--scheduler {address}: no Dask scheduler answers there"):
        list(compute(campaign, list(campaign.tasks()), address))


def test_a_scheduler_without_workers(campaign: Campaign) -> None:
    with (
        LocalCluster(n_workers=0, **BEHIND_A_SOCKET) as cluster,
        pytest.raises(HafnetError, match="the scheduler has no workers"),
    ):
        list(compute(campaign, list(campaign.tasks()), cluster.scheduler_address))
