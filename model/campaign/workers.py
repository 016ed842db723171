"""Doing the tasks of a campaign on all cores of this machine, or on those of a Dask cluster.

Both by Dask (M. Rocklin, "Dask: Parallel Computation with Blocked algorithms and Task Scheduling", SciPy 2015). On this
machine its workers are threads of this process: torch and numpy let go of the interpreter while they compute, and
network and samples are there already. (Processes would each import torch and be sent everything; benchmarks/faults.py
measures both.)
"""

import asyncio
import logging
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from model.campaign.engine import Engine, one_core
from model.campaign.points import Campaign, Task
from model.errors import VALUE, HafnetError, cut

PATIENCE = 10
"""Seconds that a scheduler may take to answer."""

_building = threading.Lock()
_engines: list[tuple[Campaign, Engine]] = []


def compute(
    campaign: Campaign, tasks: Sequence[Task], scheduler: str | None = None
) -> Generator[tuple[Task, Any], None, None]:
    """Each task with its result, as soon as it is done.

    `scheduler` is the address of a Dask scheduler whose workers have the same Hafnet; None: threads here, one a core.
    Whoever stops before the end closes the iterator, and with it the workers. Raises HafnetError where no scheduler
    answers at the address, or has no workers.
    """
    if not tasks:
        return
    from dask.distributed import as_completed
    from distributed.utils import silence_logging_cmgr

    # Errors of a worker come here as they are. What Dask would tell besides is what it lacks where a run is stopped.
    with silence_logging_cmgr(logging.CRITICAL), one_core(), _client(scheduler) as client:
        shared = client.scatter(campaign, broadcast=True, hash=False)
        futures = client.map(do, tasks, campaign=shared, pure=False)
        places = dict(zip(futures, tasks, strict=True))
        for future, result in as_completed(futures, with_results=True):
            yield places[future], result


@contextmanager
def _client(scheduler: str | None) -> Iterator[Any]:
    import dask.config
    from dask.distributed import Client, LocalCluster
    from dask.system import CPU_COUNT  # those that this process may use

    if scheduler is None:
        # Scheduler and worker tell how they are over HTTP, whether anyone asks or not: only on this machine, then.
        private = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
        threads = {"processes": False, "n_workers": 1, "threads_per_worker": CPU_COUNT, "memory_limit": None}
        with (
            tempfile.TemporaryDirectory(prefix="hafnet-") as scratch,  # Dask's own would stay
            dask.config.set({"temporary-directory": scratch}),
            LocalCluster(**threads, **private, silence_logs=False) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        asyncio.run(_knock(scheduler))  # a client that finds nobody would wait for itself when the process ends
    except (OSError, ValueError) as error:
        raise HafnetError(
            f"--scheduler {cut(scheduler, VALUE)}: no Dask scheduler answers there ({error or 'silence'}); "
            "give its address, as tcp://10.0.0.1:8786, which `dask scheduler` tells"
        ) from None
    with Client(scheduler) as client:
        if not client.scheduler_info()["workers"]:
            raise HafnetError(f"--scheduler {scheduler}: the scheduler has no workers")
        yield client


async def _knock(address: str) -> None:
    from dask.distributed import rpc

    async with rpc(address, timeout=PATIENCE) as scheduler:
        await asyncio.wait_for(scheduler.identity(), PATIENCE)


def do(task: Task, campaign: Campaign) -> Any:
    """The result of a task, on a worker."""
    return campaign.run(task, _engine(campaign))


def _engine(campaign: Campaign) -> Engine:
    """The engine of a campaign, made once in a process."""
    with _building:
        if not _engines or _engines[0][0] is not campaign:
            samples = campaign.samples
            assert samples.labels is not None  # the campaign has seen to it
            _engines[:] = [(campaign, Engine(campaign.network, samples.values, samples.labels))]
        return _engines[0][1]
