"""What one query, one database, one scraper or one bad moment must not cost the others."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests

from tests.clusters import Cluster, cluster
from tests.exporters.running import DSN, Running, exporter, plan_file, query
from tests.exporters.shop import COUNTED, ORDERS, asleep, database, health, is_well, next_refresh, shop, shown
from tests.programs import until

ONE = query("sales/one", "SELECT 1 AS value")
OTHER_DSN = "DEPOT_DSN"
SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


def slow(name: str, seconds: float) -> dict[str, object]:
    return query(f"sales/{name}", f"SELECT 1 AS value FROM pg_sleep({seconds})")


@pytest.mark.parametrize("seconds", [[0.8], [0.5, 0.5], [0.25, 0.25, 0.25, 0.25]], ids=str)
def test_slow_queries_that_fit_succeed_beside_one_that_hangs(
    postgres: Cluster, tmp_path: Path, seconds: list[float]
) -> None:
    queries = [slow(f"slow{number}", each) for number, each in enumerate(seconds)]
    well = {"one": 1.0, "hangs": 0.0} | {f"slow{number}": 1.0 for number in range(len(seconds))}
    with shop(postgres, tmp_path, [ONE, slow("hangs", 3600), *queries], interval=2) as (running, _):
        running.scrape()
        until(lambda: health(next_refresh(running, timeout=2)) == well)
        for _ in range(3):
            assert health(next_refresh(running, timeout=2)) == well


def test_the_first_scrape_is_answered_though_a_query_hangs(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, slow("hangs", 3600)], interval=60) as (running, _):
        assert health(running.scrape()) == {"one": 1, "hangs": 0}


def impatient(running: Running, seconds: float) -> int:
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": str(seconds)}
    return requests.get(f"{running.url}/metrics", headers=headers, timeout=10).status_code


def test_who_has_little_time_does_not_make_queries_fail_for_all(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, slow("slow", 0.7)], interval=1) as (running, _):
        running.until_scrape(is_well)
        for _ in range(3):
            until(lambda: impatient(running, 0.1) == 503)
            assert is_well(running.scrape())


def test_a_database_that_freezes_costs_the_others_nothing(postgres: Cluster, tmp_path: Path) -> None:
    source = {"type": "postgres", "max_age_seconds": 0}
    sources = {"shop": {**source, "dsn_env": DSN}, "depot": {**source, "dsn_env": OTHER_DSN}}
    away = {**slow("away", 0.5), "source": "depot"}
    with database(postgres) as one, database(postgres) as two:
        plan = plan_file(tmp_path / "plan.yml", [query("sales/one", COUNTED), away], interval=1, sources=sources)
        environment = {DSN: postgres.dsn("monitoring", one), OTHER_DSN: postgres.dsn("monitoring", two)}
        with exporter(plan, tmp_path, environment) as running, ThreadPoolExecutor(1) as pool:
            running.until_scrape(lambda scrape: set(health(scrape).values()) == {1.0})
            enough = threading.Event()
            scraping = pool.submit(lambda: [running.scrape(2) for _ in iter(enough.is_set, True)])
            pid = asleep(postgres, two)
            os.kill(pid, signal.SIGSTOP)
            try:
                until(lambda: running.scrape(2).value("shop_up", database="depot") == 0)
            finally:
                os.kill(pid, signal.SIGCONT)
                enough.set()
            # Every scrape was answered with 200, and the other database's number was in each.
            assert all(scrape.value("shop_sales_one") == 3 for scrape in scraping.result())
            running.until_scrape(lambda scrape: set(health(scrape).values()) == {1.0})


@pytest.mark.parametrize(
    "dsn",
    [
        f"host=127.0.0.1 port= password={SECRET}",
        f"host=127.0.0.1 sslmode= password={SECRET}",
        f"host=127.0.0.1 connect_timeout= password={SECRET}",
        f"host=db..{SECRET} dbname=shop",
        f"host={'x' * 70}.{SECRET}",
        f"host=127.0.0.1 port=1 options='-c statement_timeout={SECRET}'",
    ],
)
def test_a_connection_string_that_lost_a_part_is_not_shown(tmp_path: Path, dsn: str) -> None:
    plan = plan_file(tmp_path / "plan.yml", [ONE])
    with exporter(plan, tmp_path, {DSN: dsn}) as running:
        scrape = running.scrape()
        assert scrape.value("shop_up", database="shop") == 0
        ready = requests.get(f"{running.url}/readyz", timeout=5).text
        assert SECRET not in scrape.text + ready + running.said()
        assert "Traceback" not in running.said()


def test_a_reload_keeps_the_last_good_values(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, query("sales/two", COUNTED)], interval=0.5, max_age=300) as (running, name):
        running.until_scrape(is_well)
        postgres.execute("DROP TABLE orders", database=name)
        running.until_scrape(lambda scrape: health(scrape)["two"] == 0)
        running.reload()
        until(lambda: "reloaded" in running.said())
        assert shown(next_refresh(running)) == {"shop_sales_one": 1, "shop_sales_two": 3}
        postgres.execute(ORDERS, database=name)
        running.until_scrape(is_well)


def test_state_that_could_not_be_written_is_written_later(postgres: Cluster, tmp_path: Path) -> None:
    events = query("sales/events", "SELECT $1::float8 AS value", within_seconds=60.0)
    folder = tmp_path / "exporter.state"
    with database(postgres) as name:
        plan = plan_file(tmp_path / "plan.yml", [events])
        folder.write_text("no folder")
        with exporter(plan, tmp_path, {DSN: postgres.dsn("monitoring", name)}) as running:
            running.until_scrape(lambda _: "cannot be written" in running.said())
            folder.unlink()
            running.until_scrape(lambda _: (folder / "shop.json").is_file())
            assert running.said().count("cannot be written") == 1
            assert "is written again" in running.said()


def test_a_session_that_sees_nothing_is_no_reader(postgres: Cluster, tmp_path: Path) -> None:
    """Who holds the lock and is frozen does not make the others believe that somebody looks."""
    schema = f"{ORDERS}; CREATE TABLE events (at timestamptz NOT NULL)"
    events = query(
        "sales/events", "SELECT count(*) AS value FROM events WHERE at > now() - make_interval(secs => $1)",
        within_seconds=2.0,
    )  # fmt: skip
    with shop(postgres, tmp_path, [events], interval=0.5, schema=schema) as (running, name):
        running.until_scrape(is_well)
        (key,) = postgres.execute(
            "SELECT pid, (classid::int8 << 32 | objid::int8) FROM pg_locks WHERE locktype = 'advisory'"
            f" AND database = (SELECT oid FROM pg_database WHERE datname = '{name}')"
        )
        holder = _hold(postgres, name, int(str(key[1])), int(str(key[0])))
        try:
            running.until_scrape(lambda scrape: scrape.value("shop_reading", database="shop") == 0)
            postgres.execute("INSERT INTO events VALUES (now())", database=name)
            until(lambda: _older(postgres, name, 4))
            assert running.scrape().value("shop_reading", database="shop") == 0
        finally:
            holder.close()
        scrape = running.until_scrape(is_well)
        assert scrape.value("shop_sales_events") == 1


def _hold(postgres: Cluster, name: str, key: int, pid: int) -> "psycopg.Connection[tuple[object, ...]]":
    """A session that takes the exporter's lock from it and does nothing more."""
    holder = psycopg.connect(postgres.dsn("monitoring", name), autocommit=True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(holder.execute, "SELECT pg_advisory_lock(%s)", [key])
        until(lambda: postgres.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        waiting.result(20)
    return holder


def _older(postgres: Cluster, name: str, seconds: float) -> bool:
    """Whether the event is older than that."""
    return bool(postgres.execute(f"SELECT 1 FROM events WHERE at < now() - interval '{seconds} s'", database=name))
