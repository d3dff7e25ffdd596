"""Several exporters of one database: one reads, the others stand by, and a loss of the reader costs a scrape or two."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.clusters import Cluster, cluster
from tests.exporters.running import DSN, Running, Scrape, exporter, gauge, plan_file, query
from tests.programs import until

INTERVAL = 0.5
WITHIN = 10.0
SCHEMA = """
CREATE TABLE orders (shop text NOT NULL);
INSERT INTO orders VALUES ('north'), ('north'), ('south');
CREATE TABLE stays (seconds float8 NOT NULL);
CREATE TABLE events (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
"""
ORDERS = query(
    "shop/orders", "SELECT shop, count(*) AS value FROM orders GROUP BY shop", gauge("shop_orders", labels={"shop": []})
)
# Nothing to wait for until a test puts a row there.
STAYS = query(
    "shop/stays", "SELECT count(*) AS value FROM (SELECT pg_sleep(seconds) FROM stays) AS stay", gauge("shop_stays")
)
EVENTS = query(
    "shop/events",
    "SELECT name AS event, 1 AS value FROM events WHERE at > now() - make_interval(secs => $1)",
    gauge("shop_events", labels={"event": []}),
    within_seconds=WITHIN,
)
BUSINESS = ("shop_orders", "shop_stays", "shop_events")


@dataclass
class Shop:
    """A database and the exporters that it is given."""

    cluster: Cluster
    database: str
    folder: Path
    serving: ExitStack
    numbers: Iterator[int] = field(default_factory=count)

    def plan(self, *queries: Mapping[str, Any], interval: float = INTERVAL) -> Path:
        return plan_file(self.folder / f"plan{next(self.numbers)}.yml", queries or [ORDERS, EVENTS], interval=interval)

    def start(self, plan: Path, *options: str) -> Running:
        environment = {DSN: self.cluster.dsn("monitoring", self.database)}
        name = f"exporter{next(self.numbers)}"
        return self.serving.enter_context(exporter(plan, self.folder, environment, *options, name=name))

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        return self.cluster.execute(*statements, database=self.database)

    def calls(self, part: str) -> int:
        """How often the exporters have run statements with this text."""
        [(calls,)] = self.execute(
            "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements JOIN pg_roles ON userid = pg_roles.oid"
            f" JOIN pg_database ON dbid = pg_database.oid WHERE datname = '{self.database}'"
            f" AND rolname = 'monitoring' AND query LIKE '%{part}%'"
        )
        assert isinstance(calls, int)
        return calls

    def sleepers(self) -> int:
        """How many sessions of exporters are inside the query that takes its time."""
        [(found,)] = self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitoring' AND wait_event = 'PgSleep'"
        )
        assert isinstance(found, int)
        return found

    def until_it_stays(self, reader: Running) -> None:
        """Scrape without waiting for the answer until the reader is inside that query."""

        def asleep() -> bool:
            address = urlsplit(reader.url)
            with closing(HTTPConnection(address.hostname or "", address.port)) as asking:
                asking.request("GET", "/metrics")
                return self.sleepers() == 1

        until(asleep)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster(shared_preload_libraries="pg_stat_statements") as running:
        yield running


@pytest.fixture
def shop(postgres: Cluster, tmp_path: Path) -> Iterator[Shop]:
    schema = f"CREATE EXTENSION pg_stat_statements; {SCHEMA}"
    with postgres.database("replicas", schema) as database, ExitStack() as serving:
        yield Shop(postgres, database, tmp_path, serving)


def reads(scrape: Scrape) -> bool:
    """Whether this replica reads, with all that belongs to it; a mixture fails."""
    assert scrape.value("shop_up", database="shop") == 1, scrape.text
    health = set(scrape.samples("shop_query_success").values())
    business = {name for name in BUSINESS if scrape.samples(name)}
    if scrape.value("shop_reading", database="shop") == 1:
        assert health == {1.0}, scrape.text
        return True
    assert scrape.value("shop_reading", database="shop") == 0
    assert health == {0.0}, scrape.text
    assert business == set(), scrape.text
    return False


def reader_of(replicas: Sequence[Running]) -> tuple[Running, list[Running]]:
    """The one that reads, and the others."""

    def settled() -> list[Running]:
        scrapes = [replica.scrape() for replica in replicas]
        if any(scrape.value("shop_up", database="shop") == 0 for scrape in scrapes):
            return []
        return [replica for replica, scrape in zip(replicas, scrapes, strict=True) if reads(scrape)]

    [reader] = until(settled)
    return reader, [replica for replica in replicas if replica is not reader]


def shown(scrape: Scrape, name: str, label: str) -> dict[str, float]:
    return {dict(labels)[label]: value for labels, value in scrape.samples(name).items()}


def read_at(scrape: Scrape) -> float | None:
    return scrape.value("shop_last_refresh_timestamp_seconds", database="shop")


@pytest.mark.parametrize("replicas", [2, 3])
def test_one_reads_and_the_others_ask_nothing(shop: Shop, replicas: int) -> None:
    plan = shop.plan()
    running = [shop.start(plan) for _ in range(replicas)]
    reader, others = reader_of(running)
    first = reader.scrape()
    before = shop.calls("FROM orders")
    refreshes: set[float | None] = set()
    while len(refreshes) < 6:
        assert not any(reads(other.scrape()) for other in others)
        scrape = reader.scrape()
        assert reads(scrape)
        assert shown(scrape, "shop_orders", "shop") == {"north": 2, "south": 1}
        refreshes.add(read_at(scrape))
    assert shop.calls("FROM orders") - before == len(refreshes - {read_at(first)})
    assert all("irregularities" not in other.scrape().text for other in others)
    assert all(other.said().count("standing by") == 1 for other in others)


def test_another_reads_when_the_reader_is_stopped(shop: Shop) -> None:
    plan = shop.plan()
    reader, [other] = reader_of([shop.start(plan), shop.start(plan)])
    tries = shop.calls("pg_try_advisory_lock")
    reader.process.terminate()
    assert reader.process.wait(20) == 0
    other.until_scrape(reads)
    assert shop.calls("pg_try_advisory_lock") - tries <= 2


def test_another_reads_when_the_reader_is_killed_while_it_refreshes(shop: Shop) -> None:
    plan = shop.plan(STAYS, interval=4)
    reader, [other] = reader_of([shop.start(plan), shop.start(plan)])
    shop.execute("INSERT INTO stays VALUES (3.5)")
    shop.until_it_stays(reader)
    tries = shop.calls("pg_try_advisory_lock")
    reader.process.kill()
    killed = time.monotonic()
    # PostgreSQL looks once a second whether its client is still there.
    until(lambda: shop.sleepers() == 0)
    assert time.monotonic() - killed < 3, "the query ran to its end, and held the lock as long"
    shop.execute("DELETE FROM stays")
    other.until_scrape(reads)
    assert shop.calls("pg_try_advisory_lock") - tries <= 2


def test_a_reader_that_nobody_scrapes_gives_the_database_up(shop: Shop) -> None:
    plan = shop.plan()
    reader, [other] = reader_of([shop.start(plan), shop.start(plan)])
    other.until_scrape(reads)
    assert "nobody scrapes; the session ends" in reader.said()
    assert not reads(reader.scrape())
    assert reads(other.scrape())


@pytest.mark.parametrize("where", ["idle", "in a transaction"])
def test_a_reader_that_hangs_loses_the_database(shop: Shop, where: str) -> None:
    plan = shop.plan(STAYS)
    reader, [other] = reader_of([shop.start(plan), shop.start(plan)])
    if where == "in a transaction":
        shop.execute("INSERT INTO stays VALUES (0.3)")
        shop.until_it_stays(reader)
    os.kill(reader.process.pid, signal.SIGSTOP)
    try:
        shop.execute("DELETE FROM stays")
        other.until_scrape(reads)
    finally:
        os.kill(reader.process.pid, signal.SIGCONT)
    assert not reads(reader.scrape())
    assert reads(other.scrape())


def test_two_plans_do_not_block_each_other(shop: Shop) -> None:
    one, two = shop.start(shop.plan(ORDERS)), shop.start(shop.plan(ORDERS, EVENTS))
    one.until_scrape(reads)
    two.until_scrape(reads)
    assert reads(one.scrape())
    assert reads(two.scrape())


def business(scrape: Scrape) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {key: value for key, value in scrape.values.items() if key[0] in BUSINESS}


def test_groups_do_not_stand_by_for_each_other(shop: Shop) -> None:
    plan = shop.plan()
    production = shop.start(plan)
    production.until_scrape(lambda scrape: scrape.value("shop_reading", database="shop") == 1)
    staging = shop.start(plan, "--replica-group", "staging")
    staging.until_scrape(lambda scrape: scrape.value("shop_reading", database="shop") == 1)
    assert production.scrape().value("shop_reading", database="shop") == 1


def test_domains_split_a_plan_and_together_give_what_one_gives(shop: Shop) -> None:
    shop.execute("INSERT INTO events VALUES ('to come', now() + interval '1 hour')")
    plan = shop.plan(ORDERS, {**STAYS, "name": "depot/stays"}, {**EVENTS, "name": "office/events"})
    whole = shop.start(plan)
    parts = [shop.start(plan, "--domains", domains) for domains in ("shop", "depot,office")]
    again = shop.start(plan, "--domains", "office, depot")
    everything = whole.until_scrape(reads)
    scrapes = [part.until_scrape(reads) for part in parts]
    assert not reads(again.scrape()), "the same part is another replica of it"
    assert all(reads(running.scrape()) for running in (whole, *parts))
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for scrape in scrapes:
        assert business(scrape)
        assert not business(scrape).keys() & found.keys()
        found |= business(scrape)
    assert found == business(everything)
    queries = [set(scrape.samples("shop_query_success")) for scrape in (everything, *scrapes)]
    assert queries[0] == queries[1] | queries[2]
    assert not queries[1] & queries[2]


@dataclass
class Seen:
    """What a Prometheus that scrapes two replicas once an interval has seen."""

    health: list[float] = field(default_factory=list)
    events: set[str] = field(default_factory=set)

    def look(self, replica: Running) -> float:
        """Scrape one; its health, 0 where it does not answer."""
        try:
            scrape = replica.scrape(timeout=INTERVAL * 2)
        except requests.RequestException:
            return 0.0  # up 0, and no sample
        self.events |= shown(scrape, "shop_events", "event").keys()
        return min(scrape.samples("shop_query_success").values())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_failover_costs_a_scrape_or_two_and_no_event(shop: Shop, end: signal.Signals) -> None:
    plan = shop.plan()
    reader, [other] = reader_of([shop.start(plan), shop.start(plan)])
    seen = Seen()
    happened = set()
    for turn in range(12):
        begun = time.monotonic()
        happened.add(f"{turn}")
        shop.execute(f"INSERT INTO events VALUES ('{turn}')")
        # The worst moment: the other one was just told that somebody reads.
        best = seen.look(other)
        if turn == 5:
            reader.process.send_signal(end)
            reader.process.wait(20)
        seen.health.append(max(best, seen.look(reader)))
        until(lambda begun=begun: time.monotonic() >= begun + INTERVAL)  # type: ignore[misc]
    assert reads(other.scrape())
    blind = [turn for turn, health in enumerate(seen.health) if health == 0]
    assert blind[:1] == [5], "it would be no test if nobody saw a gap"
    assert len(blind) <= 2, "one scrape, two where the machine is slow"
    assert seen.events == happened


def test_what_happened_in_an_outage_is_shown_by_whoever_reads_after_it(shop: Shop) -> None:
    plan = shop.plan()
    replicas = [shop.start(plan), shop.start(plan)]
    reader_of(replicas)
    shop.execute(f"INSERT INTO events VALUES ('missed', now() - make_interval(secs => {WITHIN - 1}))")
    shop.cluster.stop()
    for replica in replicas:
        replica.until_scrape(lambda scrape: scrape.value("shop_up", database="shop") == 0)
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + 1 + 2 * INTERVAL)
    shop.cluster.start()
    reader, [other] = reader_of(replicas)
    recovered = time.monotonic()
    assert shown(reader.scrape(), "shop_events", "event") == {"missed": 1}
    reader.process.kill()
    taken = other.until_scrape(reads)
    assert time.monotonic() - recovered < WITHIN, "this machine is too slow for the test"
    assert shown(taken, "shop_events", "event") == {"missed": 1}
