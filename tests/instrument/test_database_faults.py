"""PostgreSQL is killed in the middle of a load, and comes back: nobody hangs, and the numbers are right."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import PoolTimeout

from exporters.instrument.database import monitored_async_pool, monitored_pool
from tests import clusters
from tests.instrument.queries import CLOSED, Pool, operations, pool, pool_count
from tests.programs import until

pytestmark = pytest.mark.timeout(240)
CALLERS, SIZE = 8, 4
# Without a COMMIT that could fail after an answer.
ALONE = {"autocommit": True}
QUERY = "SELECT g FROM generate_series(1, 100) AS g"


class Load:
    """What callers met with until they were told to stop."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.over = threading.Event()

    def meets(self, outcome: str) -> Callable[[], bool]:
        """A condition: somebody more meets with it."""
        before = self.outcomes.count(outcome)
        return lambda: self.outcomes.count(outcome) > before + CALLERS


def _postmaster(cluster: clusters.Cluster) -> int:
    return int((cluster.folder / "data" / "postmaster.pid").read_text("utf-8").split()[0])


def _has_started(cluster: clusters.Cluster) -> bool:
    try:
        cluster.start()
    except RuntimeError:  # backends of the one that was killed are still there
        return False
    return True


def _kill_and_restart(cluster: clusters.Cluster, load: Load) -> None:
    until(load.meets("answer"))
    os.kill(_postmaster(cluster), signal.SIGKILL)
    until(load.meets("no connection"))
    until(lambda: _has_started(cluster))
    until(load.meets("answer"))
    load.over.set()


@contextmanager
def _killing(load: Load) -> Iterator[clusters.Cluster]:
    with clusters.cluster() as cluster, ThreadPoolExecutor(1) as threads:
        killing = threads.submit(_kill_and_restart, cluster, load)
        try:
            yield cluster
        finally:
            load.over.set()
        killing.result()


def _under_load(registry: CollectorRegistry, load: Load) -> None:
    def call() -> None:
        while not load.over.is_set():
            try:
                with found.connection() as connection:
                    assert len(connection.execute(QUERY).fetchall()) == 100
                load.outcomes.append("answer")
            except PoolTimeout:
                load.outcomes.append("no connection")
            except psycopg.Error:
                load.outcomes.append("error")

    with (
        _killing(load) as cluster,
        monitored_pool(
            cluster.dsn(), name="orders", max_size=SIZE, timeout=0.5, kwargs=ALONE, registry=registry
        ) as found,
    ):
        with ThreadPoolExecutor(CALLERS) as threads:
            for done in [threads.submit(call) for _ in range(CALLERS)]:
                done.result(180)
        until(lambda: pool(registry, "orders") == Pool(SIZE, 0, 0, SIZE, SIZE))


def _under_load_async(registry: CollectorRegistry, load: Load) -> None:
    async def run(dsn: str) -> None:
        async def call() -> None:
            while not load.over.is_set():
                try:
                    async with found.connection() as connection:
                        assert len(await (await connection.execute(QUERY)).fetchall()) == 100
                    load.outcomes.append("answer")
                except PoolTimeout:
                    load.outcomes.append("no connection")
                except psycopg.Error:
                    load.outcomes.append("error")

        async with monitored_async_pool(
            dsn, name="orders", max_size=SIZE, timeout=0.5, kwargs=ALONE, registry=registry
        ) as found:
            await asyncio.wait_for(asyncio.gather(*(call() for _ in range(CALLERS))), 180)
            while pool(registry, "orders") != Pool(SIZE, 0, 0, SIZE, SIZE):
                await asyncio.sleep(0.01)

    with _killing(load) as cluster:
        asyncio.run(run(cluster.dsn()))


@pytest.mark.parametrize("under_load", [_under_load, _under_load_async], ids=["sync", "asyncio"])
def test_postgresql_is_killed_under_load(under_load: Callable[[CollectorRegistry, Load], None]) -> None:
    registry, load = CollectorRegistry(), Load()
    under_load(registry, load)
    found, met = operations(registry), Counter(load.outcomes)
    assert met["answer"] == found.pop(("SELECT", "simple", ""))
    assert met["error"] == sum(found.values()) > 0
    assert met["no connection"] == pool_count(registry, "orders", "timeouts_total", "PoolTimeout")
    assert pool(registry, "orders") == CLOSED
