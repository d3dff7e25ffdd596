"""Pools: whose connection is where, and who waits, whatever happens to them."""

import asyncio
import gc
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from exporters.instrument.database import MonitoredConnection, MonitoredPool, monitored_async_pool, monitored_pool
from tests.clusters import Cluster
from tests.compiling import ROOT
from tests.instrument.queries import CLOSED, Pool, operations, pool, pool_count
from tests.programs import run, until

NAME = "orders"
TERMINATE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def dsn(cluster: Cluster) -> str:
    return cluster.dsn()


def _pool(
    dsn: str, registry: CollectorRegistry, name: str = NAME, **options: Any
) -> MonitoredPool[MonitoredConnection[Any]]:
    """One whose callers are patient: the machine may be slow."""
    return monitored_pool(dsn, name=name, timeout=60, registry=registry, **options)


def _is(registry: CollectorRegistry, expected: Pool, name: str = NAME) -> None:
    """Wait until the gauges are these, and stay so while nothing happens."""
    with suppress(AssertionError):
        until(lambda: pool(registry, name) == expected)
    assert pool(registry, name) == expected


def test_a_pool_says_which_connections_are_idle_and_which_are_used(dsn: str, registry: CollectorRegistry) -> None:
    found = _pool(dsn, registry, min_size=2, max_size=3)
    _is(registry, Pool(2, 0, 0, 3, 2))
    with found.connection(), found.connection():
        assert pool(registry, NAME) == Pool(0, 2, 0, 3, 2)
        third = found.getconn()
        assert pool(registry, NAME) == Pool(0, 3, 0, 3, 2)
    assert pool(registry, NAME) == Pool(2, 1, 0, 3, 2)
    found.resize(3, 5)
    _is(registry, Pool(3, 1, 0, 5, 3))
    found.close()
    # What is used when a pool closes is closed when it comes back.
    assert pool(registry, NAME) == Pool(0, 1, 0, 0, 0)
    found.putconn(third)
    found.close()
    assert pool(registry, NAME) == CLOSED
    assert pool_count(registry, NAME, "wait_time_seconds_count") == 3
    assert pool_count(registry, NAME, "use_time_seconds_count") == 3
    assert pool_count(registry, NAME, "create_time_seconds_count") == 4


def test_a_pool_for_asyncio_says_the_same(dsn: str, registry: CollectorRegistry) -> None:
    async def do() -> None:
        found = monitored_async_pool(dsn, name=NAME, min_size=2, max_size=3, timeout=60, registry=registry)
        assert pool(registry, NAME) == CLOSED
        await found.open(wait=True, timeout=120)
        assert pool(registry, NAME) == Pool(2, 0, 0, 3, 2)
        async with found.connection(), found.connection():
            assert pool(registry, NAME) == Pool(0, 2, 0, 3, 2)
            third = await found.getconn()
            waiting = [asyncio.create_task(found.getconn(timeout)) for timeout in (60, 0.05, 60)]
            with pytest.raises(PoolTimeout):
                await waiting[1]
            assert pool(registry, NAME) == Pool(0, 3, 2, 3, 2)
            waiting[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting[0]
            assert pool(registry, NAME) == Pool(0, 3, 1, 3, 2)
            await found.resize(3, 4)
            await found.putconn(await waiting[2])
        await found.putconn(third)
        await found.check()
        await found.close()

    asyncio.run(do())
    assert pool(registry, NAME) == CLOSED
    assert pool_count(registry, NAME, "timeouts_total", "PoolTimeout") == 1
    assert operations(registry) == {}


def test_who_gets_no_connection_counts(dsn: str, registry: CollectorRegistry) -> None:
    with (
        _pool(dsn, registry, max_size=1, max_waiting=1) as found,
        ThreadPoolExecutor(1) as threads,
    ):
        held = found.getconn()
        waiting = threads.submit(found.getconn, 60)
        _is(registry, Pool(0, 1, 1, 1, 1))
        with pytest.raises(TooManyRequests):
            found.getconn()
        found.putconn(held)
        held = waiting.result(60)
        assert pool(registry, NAME) == Pool(0, 1, 0, 1, 1)
        with pytest.raises(PoolTimeout):
            found.getconn(0.05)
        assert pool(registry, NAME) == Pool(0, 1, 0, 1, 1)
        found.putconn(held)
    assert pool(registry, NAME) == CLOSED
    assert pool_count(registry, NAME, "timeouts_total", "PoolTimeout") == 1
    assert pool_count(registry, NAME, "timeouts_total", "TooManyRequests") == 1
    assert pool_count(registry, NAME, "wait_time_seconds_count") == 2


def test_who_waits_when_a_pool_closes_waits_no_more(dsn: str, registry: CollectorRegistry) -> None:
    with _pool(dsn, registry, max_size=1) as found, ThreadPoolExecutor(1) as threads:
        held = found.getconn()
        waiting = threads.submit(found.getconn, 60)
        _is(registry, Pool(0, 1, 1, 1, 1))
        found.close()
        with pytest.raises(PoolClosed):
            waiting.result(60)
        assert pool(registry, NAME) == Pool(0, 1, 0, 0, 0)
        found.putconn(held)
    assert pool(registry, NAME) == CLOSED
    assert pool_count(registry, NAME, "timeouts_total", "PoolTimeout") == 0


def test_what_nobody_may_give_back_changes_nothing(dsn: str, registry: CollectorRegistry) -> None:
    with (
        _pool(dsn, registry, max_size=1) as one,
        _pool(dsn, registry, "others", max_size=1) as other,
    ):
        connection = one.getconn()
        with pytest.raises(ValueError, match="comes from pool"):
            other.putconn(connection)
        assert pool(registry, NAME) == Pool(0, 1, 0, 1, 1)
        one.putconn(connection)
        with pytest.raises(ValueError, match="doesn't come from any pool"):
            one.putconn(connection)
        _is(registry, Pool(1, 0, 0, 1, 1), "others")
        assert pool(registry, NAME) == Pool(1, 0, 0, 1, 1)


def test_pools_of_one_name_add_up(dsn: str, registry: CollectorRegistry) -> None:
    with _pool(dsn, registry, max_size=2) as one:
        with _pool(dsn, registry, max_size=1) as other, other.connection():
            _is(registry, Pool(2, 1, 0, 3, 3))
        _is(registry, Pool(2, 0, 0, 2, 2))
        with one.connection():
            assert pool(registry, NAME) == Pool(1, 1, 0, 2, 2)


def _break(found: MonitoredPool[Any]) -> None:
    with suppress(psycopg.OperationalError), found.connection() as connection:
        connection.execute(TERMINATE)


def _close(found: MonitoredPool[Any]) -> None:
    with found.connection() as connection:
        connection.close()


def _drain(found: MonitoredPool[Any]) -> None:
    with found.connection():
        found.drain()


def _check(found: MonitoredPool[Any]) -> None:
    _kill_idle(found)
    found.check()


def _take_checked(found: MonitoredPool[Any]) -> None:
    _kill_idle(found)
    with ExitStack() as taken:
        for _ in range(2):
            assert taken.enter_context(found.connection()).execute("VALUES (1)").fetchone() == (1,)


def _kill_idle(found: MonitoredPool[Any]) -> None:
    found.wait(120)
    pids = []
    with ExitStack() as taken:
        for _ in range(2):
            pids.append(taken.enter_context(found.connection()).info.backend_pid)
    with psycopg.connect(str(found.conninfo), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::int[]) AS pid", [pids])


@pytest.mark.parametrize("do", [_break, _close, _drain, _check, _take_checked])
def test_connections_that_break_are_replaced(do: Any, dsn: str, registry: CollectorRegistry) -> None:
    check = ConnectionPool.check_connection
    with _pool(dsn, registry, max_size=2, check=check) as found:
        _is(registry, Pool(2, 0, 0, 2, 2))
        do(found)
        _is(registry, Pool(2, 0, 0, 2, 2))
        assert pool_count(registry, NAME, "create_time_seconds_count") > 2
    assert pool(registry, NAME) == CLOSED


def test_a_connection_that_breaks_in_a_reset_is_replaced(dsn: str, registry: CollectorRegistry) -> None:
    broken: list[int] = []

    def reset(connection: MonitoredConnection[Any]) -> None:
        if not broken:
            broken.append(connection.info.backend_pid)
            connection.execute(TERMINATE)

    with _pool(dsn, registry, max_size=1, reset=reset) as found:
        with found.connection():
            pass
        with found.connection() as connection:
            assert [connection.info.backend_pid] != broken
            assert pool(registry, NAME) == Pool(0, 1, 0, 1, 1)
        _is(registry, Pool(1, 0, 0, 1, 1))
    assert operations(registry) == {}


def test_a_connection_that_cannot_be_configured_is_none_of_the_pool(
    dsn: str, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    # A record that pytest keeps would keep the exception, its frames, and the connection in them.
    caplog.set_level(logging.CRITICAL, "psycopg.pool")
    refused: list[int] = []

    def configure(connection: MonitoredConnection[Any]) -> None:
        if not refused:
            refused.append(connection.info.backend_pid)
            raise LookupError

    with _pool(dsn, registry, max_size=1, configure=configure) as found:
        found.wait(120)
        assert pool_count(registry, NAME, "create_time_seconds_count") == 2
        _is(registry, Pool(1, 0, 0, 1, 1))


def test_closing_a_connection_may_mean_giving_it_back(dsn: str, registry: CollectorRegistry) -> None:
    with _pool(dsn, registry, max_size=1, close_returns=True) as found:
        connection = found.getconn()
        connection.close()
        assert pool(registry, NAME) == Pool(1, 0, 0, 1, 1)
    assert pool(registry, NAME) == CLOSED


def test_a_pool_that_nobody_has_is_closed(dsn: str, registry: CollectorRegistry) -> None:
    found = _pool(dsn, registry, max_size=2)
    _is(registry, Pool(2, 0, 0, 2, 2))
    del found
    gc.collect()
    _pool(dsn, registry, "others", max_size=1).close()
    assert pool(registry, NAME) == CLOSED


def test_what_a_pool_asks_for_itself_is_no_operation(dsn: str, registry: CollectorRegistry) -> None:
    def configure(connection: MonitoredConnection[Any]) -> None:
        connection.execute("SET application_name = 'x'")
        connection.commit()

    def reset(connection: MonitoredConnection[Any]) -> None:
        connection.execute("DISCARD ALL")
        connection.commit()

    with _pool(
        dsn,
        registry,
        max_size=2,
        check=ConnectionPool.check_connection,
        configure=configure,
        reset=reset,
        kwargs={"autocommit": True},
    ) as found:
        found.wait(120)
        with found.connection() as connection:
            connection.execute("VALUES (1)")
        found.check()
        with found.connection() as connection:
            connection.execute("VALUES (1)")
    assert operations(registry) == {("VALUES", "simple", ""): 2}


def test_a_pool_has_a_name() -> None:
    with pytest.raises(ValueError, match="name is empty"):
        monitored_pool(name="", open=False)


FORKED = """
import json, os, sys
from pathlib import Path
from exporters.instrument.database import monitored_pool
from exporters.instrument.workers import Workers
from prometheus_client import CollectorRegistry, REGISTRY, generate_latest
from tests.instrument.measured import Measured
from tests.instrument.queries import pool, pool_in
from tests.programs import until
dsn, folder = sys.argv[1], os.environ.get("PROMETHEUS_MULTIPROC_DIR")

def scraped():
    registry = REGISTRY
    if folder:
        registry = CollectorRegistry()
        registry.register(Workers(Path(folder)))
    return pool_in(Measured.of(registry), "orders")

def say(what):
    print(json.dumps([what, *vars(scraped()).values()]), flush=True)

here = monitored_pool(dsn, name="orders", max_size=3, timeout=60, registry=REGISTRY)
later = monitored_pool(dsn, name="orders", max_size=2, open=False, timeout=60, registry=REGISTRY)
here.wait(120)
held = here.getconn()
say("before")
child = os.fork()
if child == 0:
    if not folder:
        say("child")
    later.open(wait=True, timeout=120)
    with later.connection() as connection:
        connection.execute("SELECT 1")
        say("child that opened its own")
    del held
    later.resize(2, 2)
    say("child that forgot its parent's")
    os._exit(0)
os.waitpid(child, 0)
here.putconn(held)
until(lambda: scraped().idle == 3)
say("parent")
"""


@pytest.mark.parametrize("is_shared", [False, True], ids=["one process", "several"])
def test_a_fork_leaves_each_process_its_own_connections(is_shared: bool, dsn: str, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT), **({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)} if is_shared else {})}
    said = run("env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-c", FORKED, dsn)
    found = [json.loads(line) for line in said.splitlines() if line.startswith("[")]
    parent = [2, 1, 0, 3, 3]
    assert found == [
        ["before", *parent],
        *([] if is_shared else [["child", 0, 0, 0, 0, 0]]),
        ["child that opened its own", *([3, 2, 0, 5, 5] if is_shared else [1, 1, 0, 2, 2])],
        ["child that forgot its parent's", *([4, 1, 0, 5, 5] if is_shared else [2, 0, 0, 2, 2])],
        # What the child was doing when it ended is nobody's any more.
        ["parent", 3, 0, 0, 3, 3],
    ]


OUTLIVED = """
from prometheus_client import CollectorRegistry
from exporters.instrument.database import monitored_pool
from exporters.instrument.database.pool_measures import pool_measures_of
from tests.instrument.queries import CLOSED, pool
stale = pool_measures_of(CollectorRegistry(), "orders")
for gauge in (stale.idle, stale.used, stale.max, stale.idle_min, stale.pending):
    gauge.set(7)
registry = CollectorRegistry()
monitored_pool("", name="orders", open=False, registry=registry)
assert pool(registry, "orders") == CLOSED, pool(registry, "orders")
"""


def test_a_worker_does_not_take_over_what_one_with_its_process_id_had(tmp_path: Path) -> None:
    run("env", f"PYTHONPATH={ROOT}", f"PROMETHEUS_MULTIPROC_DIR={tmp_path}", sys.executable, "-c", OUTLIVED)
