"""What ``exporters.instrument.database`` says of a database under load: FastBreak's four figures, out of the series.

A cluster of its own on this machine, with two tables of 100,000 rows that fit into memory and are not written to disk:
what is measured is the way of a query through psycopg, a pool, loopback and PostgreSQL, and no disk. First one caller
alone, then 100 at once on a pool of 20, as threads and as tasks of asyncio; the clients take their processor time from
the same cores as PostgreSQL. Eight of ten queries are simple (one row by its primary key), two complex (a join of one
player's 100 sales with an aggregate).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import cast

import psycopg
from prometheus_client import CollectorRegistry, Metric

from exporters.instrument.database import Monitoring, monitored_async_pool, monitored_connect, monitored_pool
from tests.clusters import Cluster, cluster

ROWS, PLAYERS = 100_000, 1_000
CALLERS, POOL = 100, 20
QUERIES = 10_000
ALONE = 3_000
ROUNDS, ROUND = 60, 100
COUNT = "db_client_connection_count"
SIMPLE = "SELECT price, sold_at FROM sale WHERE id = %s"
COMPLEX = (
    "SELECT p.name, count(*), avg(s.price), max(s.sold_at) FROM player AS p JOIN sale AS s ON s.player = p.id"
    " WHERE p.id = %s GROUP BY p.name"
)
SCHEMA = (
    "CREATE TABLE player (id int PRIMARY KEY, name text NOT NULL, joined timestamptz NOT NULL)",
    "CREATE TABLE sale (id int PRIMARY KEY, player int NOT NULL REFERENCES player, price numeric NOT NULL,"
    " sold_at timestamptz NOT NULL)",
    f"INSERT INTO player SELECT g, 'player ' || g, now() FROM generate_series(1, {ROWS}) AS g",
    f"INSERT INTO sale SELECT g, 1 + g % {PLAYERS}, g % 97, now() FROM generate_series(1, {ROWS}) AS g",
    "CREATE INDEX ON sale (player)",
    "VACUUM ANALYZE",
)


@dataclass(frozen=True, slots=True)
class Load:
    """Milliseconds of an average query of each kind, operations a second, and the most connections in use at once."""

    simple_ms: float
    complex_ms: float
    per_second: float
    most_active: int
    errors: int


@dataclass(frozen=True, slots=True)
class Figures:
    """``index_share``: scans of the two tables that used an index. ``added_us``: what measuring adds to a query."""

    alone: Load
    threads: Load
    tasks: Load
    index_share: float
    bare_us: float
    added_us: float


def measured() -> Figures:
    """Start a cluster, put it under load, and read the series."""
    with cluster(shared_buffers="256MB", max_connections="50") as found:
        found.execute(*SCHEMA)
        before = _scans(found)
        alone = _alone(found)
        threads = _threads(found)
        tasks = asyncio.run(_tasks(found))
        by_index, by_all = (now - then for now, then in zip(_scans(found), before, strict=True))
        bare, added = _cost(found)
    return Figures(alone, threads, tasks, by_index / by_all, bare, added)


def _queries(number: int, seed: int) -> Iterator[tuple[str, int]]:
    chance = Random(seed)
    for _ in range(number):
        if chance.random() < 0.2:
            yield COMPLEX, chance.randint(1, PLAYERS)
        else:
            yield SIMPLE, chance.randint(1, ROWS)


def _alone(found: Cluster) -> Load:
    registry = CollectorRegistry()
    with (
        monitored_pool(found.dsn(), name="bench", max_size=POOL, registry=registry) as pool,
        _watched(registry) as most,
    ):
        pool.wait()
        begun = time.perf_counter()
        for query, number in _queries(ALONE, 1):
            with pool.connection() as connection:
                connection.execute(query, [number]).fetchall()
        seconds = time.perf_counter() - begun
    return _load(registry, seconds, most())


def _threads(found: Cluster) -> Load:
    registry = CollectorRegistry()

    def call(seed: int) -> None:
        for query, number in _queries(QUERIES // CALLERS, seed):
            with pool.connection() as connection:
                connection.execute(query, [number]).fetchall()

    with (
        monitored_pool(found.dsn(), name="bench", max_size=POOL, timeout=60, registry=registry) as pool,
        _watched(registry) as most,
        ThreadPoolExecutor(CALLERS) as threads,
    ):
        pool.wait()
        begun = time.perf_counter()
        for done in [threads.submit(call, seed) for seed in range(CALLERS)]:
            done.result()
        seconds = time.perf_counter() - begun
    return _load(registry, seconds, most())


async def _tasks(found: Cluster) -> Load:
    registry = CollectorRegistry()

    async def call(seed: int) -> None:
        for query, number in _queries(QUERIES // CALLERS, seed):
            async with pool.connection() as connection:
                await (await connection.execute(query, [number])).fetchall()

    async with monitored_async_pool(found.dsn(), name="bench", max_size=POOL, timeout=60, registry=registry) as pool:
        await pool.wait()
        with _watched(registry) as most:
            begun = time.perf_counter()
            await asyncio.gather(*(call(seed) for seed in range(CALLERS)))
            seconds = time.perf_counter() - begun
    return _load(registry, seconds, most())


@contextmanager
def _watched(registry: CollectorRegistry) -> Iterator[Callable[[], int]]:
    """The most connections in use that a scrape of this one series saw, 20 times a second."""
    seen = [0]
    over = threading.Event()
    count = cast(CollectorRegistry, registry.restricted_registry([COUNT]))

    def watch() -> None:
        while not over.wait(0.05):
            used = _values(count, COUNT, db_client_connection_state="used")
            seen.append(int(sum(used)))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: max(seen)
    finally:
        over.set()
        watching.join()


def _values(registry: CollectorRegistry, name: str, **labels: str) -> list[float]:
    families: list[Metric] = list(registry.collect())
    return [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


def _load(registry: CollectorRegistry, seconds: float, most: int) -> Load:
    series = "db_client_operation_duration_seconds"

    def average_ms(kind: str) -> float:
        total = sum(_values(registry, f"{series}_sum", db_query_kind=kind))
        return 1000 * total / sum(_values(registry, f"{series}_count", db_query_kind=kind))

    number = sum(_values(registry, f"{series}_count"))
    errors = int(number - sum(_values(registry, f"{series}_count", error_type="")))
    return Load(average_ms("simple"), average_ms("complex"), number / seconds, most, errors)


def _scans(found: Cluster) -> tuple[float, float]:
    """Index scans and all scans, of tables of at least 10,000 rows, as FastBreak's domain counts them."""
    ((by_index, by_all),) = found.execute(
        "SELECT sum(idx_scan)::float8, sum(idx_scan + seq_scan)::float8 FROM pg_stat_user_tables"
        " WHERE n_live_tup >= 10000"
    )
    assert isinstance(by_index, float)
    assert isinstance(by_all, float)
    return by_index, by_all


def _cost(found: Cluster) -> tuple[float, float]:
    """Processor time of a simple query with psycopg alone, and what measuring adds to it: microseconds."""

    def calls(connection: psycopg.Connection) -> float:
        begun = time.process_time()
        for number in range(1, ROUND + 1):
            connection.execute(SIMPLE, [number]).fetchone()
        return (time.process_time() - begun) / ROUND * 1e6

    monitoring = Monitoring(registry=CollectorRegistry())
    with (
        psycopg.connect(found.dsn(), autocommit=True) as bare,
        monitored_connect(found.dsn(), autocommit=True, monitoring=monitoring) as ours,
    ):
        rounds = [(calls(bare), calls(ours)) for _ in range(ROUNDS)]
    # The least of each: what else the machine does only adds.
    bare_us = min(one for one, _ in rounds)
    return bare_us, min(other for _, other in rounds) - bare_us


def main() -> None:
    """Measure and print."""
    found = measured()
    print(f"| queries | one caller | {CALLERS} threads | {CALLERS} tasks |")
    print("|---|---:|---:|---:|")
    loads = (found.alone, found.threads, found.tasks)
    print(f"| simple, average | {' | '.join(f'{load.simple_ms:.2f} ms' for load in loads)} |")
    print(f"| complex, average | {' | '.join(f'{load.complex_ms:.2f} ms' for load in loads)} |")
    print(f"| most connections in use, of {POOL} | {' | '.join(str(load.most_active) for load in loads)} |")
    print(f"| queries a second | {' | '.join(f'{load.per_second:,.0f}' for load in loads)} |")
    print(f"| failed | {' | '.join(str(load.errors) for load in loads)} |")
    print()
    print(f"Scans that used an index: {found.index_share:.2%}")
    print(f"Processor time of a simple query: {found.bare_us:.0f} µs, and {found.added_us:.1f} µs to measure it")


if __name__ == "__main__":
    main()
