"""What the tests of faults share: an exporter on a database of its own, and what they look at in a scrape.

Their queries are called ``sales/<name>``, so that all that a query gives begins with ``shop_sales_``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.clusters import Cluster
from tests.exporters.running import DSN, Running, Scrape, exporter, plan_file
from tests.programs import until

ORDERS = "CREATE TABLE orders (id int); INSERT INTO orders SELECT generate_series(1, 3)"
COUNTED = "SELECT count(*) AS value FROM orders"

_numbers = count(1)


@contextmanager
def database(postgres: Cluster, schema: str = ORDERS) -> Iterator[str]:
    """An own database of a test; its name."""
    with postgres.database(f"shop_{next(_numbers)}", schema) as name:
        yield name


@contextmanager
def shop(
    postgres: Cluster,
    folder: Path,
    queries: Sequence[Mapping[str, Any]],
    *,
    schema: str = ORDERS,
    user: str = "monitoring",
    **plan: Any,
) -> Iterator[tuple[Running, str]]:
    """A running exporter, and the name of the database that it reads."""
    with database(postgres, schema) as name:
        path = plan_file(folder / "plan.yml", queries, **plan)
        with exporter(path, folder, {DSN: postgres.dsn(user, name)}) as running:
            yield running, name


def shown(scrape: Scrape) -> dict[str, float]:
    """All that the queries gave, by the series as it is written."""
    lines = [line.rpartition(" ") for line in scrape.text.splitlines() if line.startswith("shop_sales_")]
    return {series: float(value) for series, _, value in lines}


def health(scrape: Scrape) -> dict[str, float]:
    """The success of every query, by the last part of its name."""
    found = scrape.samples("shop_query_success")
    return {dict(labels)["query"].removeprefix("sales/"): value for labels, value in found.items()}


def irregular(scrape: Scrape) -> dict[tuple[str, str], float]:
    """What was odd how often, by the last part of the query's name and the kind."""
    found = {}
    for labels, value in scrape.samples("shop_query_irregularities_total").items():
        named = dict(labels)
        found[named["query"].removeprefix("sales/"), named["kind"]] = value
    return found


def is_well(scrape: Scrape) -> bool:
    """Whether the database is up and every query succeeded."""
    return scrape.value("shop_up", database="shop") == 1 and set(health(scrape).values()) == {1.0}


def refreshed_at(scrape: Scrape) -> float | None:
    """When the database was last asked."""
    return scrape.value("shop_last_refresh_timestamp_seconds", database="shop")


def next_refresh(running: Running, timeout: float = 10) -> Scrape:
    """The first scrape that shows a later refresh than the one now; each has this scrape timeout."""
    before = refreshed_at(running.scrape(timeout))
    return until(lambda: scrape if refreshed_at(scrape := running.scrape(timeout)) != before else None)


def backends(postgres: Cluster, name: str, where: str = "true") -> list[int]:
    """The processes that the server has for an exporter."""
    rows = postgres.execute(
        "SELECT pid FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND application_name = 'tocsin-exporter' AND {where}"
    )
    return [int(str(pid)) for (pid,) in rows]


def asleep(postgres: Cluster, name: str) -> int:
    """The process that just runs pg_sleep for an exporter; waits until there is one."""
    return until(lambda: backends(postgres, name, "state = 'active' AND query LIKE '%pg_sleep%'"), 20)[0]


@contextmanager
def meanwhile(work: Callable[[], Scrape]) -> Iterator["Future[Scrape]"]:
    """Something that goes on in a thread while the test does something else."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)
