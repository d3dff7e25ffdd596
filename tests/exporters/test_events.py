"""Events on a real PostgreSQL: counted while they are young, and not lost to an outage of anything."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
import ryaml

from tests.clusters import Cluster, cluster
from tests.compiling import PLATFORMS, compiled, planned
from tests.exporters.running import DSN, Running, Scrape, exporter, gauge, plan_file, query
from tests.programs import until

WITHIN = 1.0
INTERVAL = 0.2
# Two refreshes further apart than this have missed something (memory.py); on a busy machine any two may be.
LATE = 2 * INTERVAL
SCHEMA = "CREATE TABLE events (name text PRIMARY KEY, at timestamptz NOT NULL); CREATE TABLE sales (shop text)"
YOUNG = "FROM events WHERE at > now() - make_interval(secs => $1)"
QUERIES = (
    query("shop/now", "SELECT extract(epoch FROM now())::float8 AS value"),
    query("shop/count", f"SELECT count(*) AS value {YOUNG}", within_seconds=WITHIN),
    query(
        "shop/listed",
        f"SELECT name AS event, 1 AS value {YOUNG}",
        gauge("shop_listed", labels={"event": []}),
        within_seconds=WITHIN,
    ),
    query(
        "shop/sales",
        "SELECT shop, count(*) AS value FROM sales GROUP BY shop",
        {**gauge("shop_sales_total", labels={"shop": []}), "type": "counter"},
    ),
)


@dataclass
class Shop:
    """A database with events, and the exporter that counts them; its state and its log outlive it."""

    cluster: Cluster
    database: str
    folder: Path
    plan: Path
    happened: dict[str, float] = field(default_factory=dict)
    serving: ExitStack = field(default_factory=ExitStack)

    def start(self, *options: str) -> Running:
        environment = {DSN: self.cluster.dsn("monitoring", self.database)}
        return self.serving.enter_context(exporter(self.plan, self.folder, environment, *options))

    def stop(self) -> None:
        self.serving.close()

    @property
    def state(self) -> Path:
        """The file in which the exporter keeps what a restart must not forget."""
        return self.folder / "exporter.state" / "shop.json"

    def happens(self, name: str, *, age: float = 0, table: str = "events") -> None:
        """An event, some seconds ago."""
        statement = (
            f"INSERT INTO {table} VALUES ('{name}', clock_timestamp() - make_interval(secs => {age}))"
            " RETURNING extract(epoch FROM at)::float8"
        )
        [(at,)] = self.execute(statement)
        assert isinstance(at, float)
        self.happened[name] = at

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        return self.cluster.execute(*statements, database=self.database)

    def until_too_old(self, name: str) -> None:
        """Wait until only a widened window reaches an event; a wait for a time, and the event's age is the subject."""
        until(lambda: time.time() > self.happened[name] + WITHIN + LATE)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def shop(postgres: Cluster, tmp_path: Path) -> Iterator[Shop]:
    plan = plan_file(tmp_path / "plan.yml", QUERIES, interval=INTERVAL)
    with postgres.database("events", SCHEMA) as database:
        found = Shop(postgres, database, tmp_path, plan)
        with found.serving:
            yield found


def listed(scrape: Scrape) -> set[str]:
    """The events that a scrape shows."""
    return {dict(labels)["event"] for labels in scrape.samples("shop_listed")}


def now(scrape: Scrape) -> float:
    """The database's time at the refresh that a scrape shows."""
    value = scrape.value("shop_shop_now")
    assert value is not None, scrape.text
    return value


def works(scrape: Scrape) -> bool:
    return all(value == 1 for value in scrape.samples("shop_query_success").values())


def until_gone(running: Running, name: str) -> tuple[list[Scrape], Scrape]:
    """Every scrape while an event is shown, and the first without it."""
    seen: list[Scrape] = []

    def gone(scrape: Scrape) -> bool:
        assert works(scrape), scrape.text
        assert scrape.value("shop_shop_count") == len(listed(scrape)), "one snapshot, one window"
        seen.append(scrape)
        return name not in listed(scrape)

    last = running.until_scrape(gone)
    return seen[:-1], last


def test_an_event_counts_while_it_is_younger_than_within_and_no_longer(shop: Shop) -> None:
    running = shop.start()
    running.until_scrape(works)
    shop.happens("old", age=WITHIN + 5)
    shop.happens("sale")
    first = running.until_scrape(lambda scrape: now(scrape) > shop.happened["sale"])
    seen, last = until_gone(running, "sale")
    seen.insert(0, first)
    assert all(listed(scrape) == {"sale"} for scrape in seen)
    assert now(last) - shop.happened["sale"] >= WITHIN
    assert listed(last) == set()
    late = sum(step for step in (now(two) - now(one) for one, two in pairwise([*seen, last])) if step > LATE)
    assert now(seen[-1]) - shop.happened["sale"] < WITHIN or late, "it is shown though no refresh was late"


def database_stops(shop: Shop, running: Running) -> Running:
    shop.happens("missed")
    shop.cluster.stop()
    running.until_scrape(lambda scrape: scrape.value("shop_up", database="shop") == 0)
    shop.until_too_old("missed")
    shop.cluster.start()
    return running


def exporter_stops(shop: Shop, running: Running) -> Running:
    shop.stop()
    shop.happens("missed")
    shop.until_too_old("missed")
    return shop.start()


def exporter_is_killed(shop: Shop, running: Running) -> Running:
    running.process.kill()
    running.process.wait()
    return exporter_stops(shop, running)


def both_stop(shop: Shop, running: Running) -> Running:
    shop.stop()
    shop.happens("missed")
    shop.cluster.stop()
    again = shop.start()
    again.until_scrape(lambda scrape: scrape.value("shop_up", database="shop") == 0)
    shop.until_too_old("missed")
    shop.cluster.start()
    return again


def query_fails(shop: Shop, running: Running) -> Running:
    shop.execute("ALTER TABLE events RENAME TO elsewhere")
    failing = running.until_scrape(lambda scrape: scrape.success("shop/count") == scrape.success("shop/listed") == 0)
    assert (failing.success("shop/now"), failing.success("shop/sales")) == (1, 1)
    assert failing.value("shop_shop_count") is None
    shop.happens("missed", table="elsewhere")
    running.until_scrape(lambda scrape: now(scrape) > shop.happened["missed"] + WITHIN + LATE)
    shop.execute("ALTER TABLE elsewhere RENAME TO events")
    return running


def nobody_scrapes(shop: Shop, running: Running) -> Running:
    shop.happens("missed")
    shop.until_too_old("missed")
    return running


def exporter_hangs(shop: Shop, running: Running) -> Running:
    os.kill(running.process.pid, signal.SIGSTOP)
    shop.happens("missed")
    shop.until_too_old("missed")
    os.kill(running.process.pid, signal.SIGCONT)
    return running


OUTAGES = (
    database_stops,
    exporter_stops,
    exporter_is_killed,
    both_stop,
    query_fails,
    nobody_scrapes,
    exporter_hangs,
)


@pytest.mark.parametrize("outage", OUTAGES)
def test_what_happened_in_an_outage_counts_after_it_as_long_as_any_event(
    shop: Shop, outage: Callable[[Shop, Running], Running]
) -> None:
    running = shop.start()
    running.until_scrape(works)
    shop.happens("before", age=WITHIN / 2)
    running.until_scrape(lambda scrape: listed(scrape) == {"before"})
    _, last = until_gone(running, "before")
    shop.happens("never seen", age=now(last) - shop.happened["before"] + 5)
    running = outage(shop, running)
    first = running.until_scrape(works)
    assert now(first) - shop.happened["missed"] > WITHIN
    assert listed(first) == {"missed"}
    seen, last = until_gone(running, "missed")
    # A restarted exporter asked once before anybody scraped it: that refresh was the first.
    assert now(last) - now(first) > WITHIN - LATE
    assert all(listed(scrape) == {"missed"} for scrape in seen)
    assert listed(last) == set()


def test_events_of_all_times_of_an_outage_are_shown(shop: Shop) -> None:
    running = shop.start()
    running.until_scrape(works)
    for index in range(8):
        shop.happens(f"{index}", age=-index * WITHIN / 4)
    shop.until_too_old("7")
    assert len(listed(running.until_scrape(works))) == 8


def test_without_its_state_a_restarted_exporter_looks_back_as_declared(shop: Shop) -> None:
    running = shop.start()
    running.until_scrape(works)
    shop.stop()
    assert shop.state.exists()
    shop.state.unlink()
    shop.happens("missed")
    shop.until_too_old("missed")
    shop.happens("to come", age=-100)
    running = shop.start()
    assert listed(running.until_scrape(works)) == {"to come"}
    assert "state" not in running.said(), "a first start is nothing to warn of"


@pytest.mark.parametrize("content", [b'{"version":1,"queries":{"shop/cou', b"[" * 100_000], ids=["cut off", "nested"])
def test_a_broken_state_is_said_once_and_replaced(shop: Shop, content: bytes) -> None:
    shop.state.parent.mkdir()
    shop.state.write_bytes(content)
    shop.happens("missed", age=WITHIN + 1)
    shop.happens("to come", age=-100)
    running = shop.start()
    assert listed(running.until_scrape(works)) == {"to come"}
    assert running.said().count("shop.json cannot be read") == 1
    assert b'"shop/count"' in shop.state.read_bytes()
    shop.stop()
    shop.start().until_scrape(works)
    assert running.said().count("shop.json cannot be read") == 1


@pytest.mark.parametrize("obstacle", ["a file", "a folder"])
def test_a_state_that_cannot_be_written_is_said_once(shop: Shop, obstacle: str) -> None:
    folder = shop.folder / "here"
    if obstacle == "a file":
        folder.touch()
    else:
        (folder / "shop.json").mkdir(parents=True)
    running = shop.start("--state-dir", str(folder))
    running.until_scrape(works)
    shop.happens("sale")
    running.until_scrape(lambda scrape: listed(scrape) == {"sale"})
    until_gone(running, "sale")
    nobody_scrapes(shop, running)
    assert listed(running.until_scrape(works)) == {"missed"}, "while it runs it forgets nothing"
    shop.stop()
    assert running.said().count("shop.json cannot be written") == 1


def sales(scrape: Scrape, where: str) -> float | None:
    return scrape.value("shop_sales_total", shop=where)


def test_a_counter_does_not_fall_over_a_restart(shop: Shop) -> None:
    shop.execute("INSERT INTO sales SELECT 'north' FROM generate_series(1, 10)", "INSERT INTO sales VALUES ('south')")
    running = shop.start()
    assert sales(running.until_scrape(works), "north") == 10
    shop.execute("DELETE FROM sales WHERE ctid IN (SELECT ctid FROM sales WHERE shop = 'north' LIMIT 4)")
    fell = running.until_scrape(lambda scrape: scrape.irregularities("shop/sales", "counter_fell"))
    assert sales(fell, "north") == 10
    shop.stop()
    shop.execute("DELETE FROM sales WHERE ctid IN (SELECT ctid FROM sales WHERE shop = 'north' LIMIT 5)")
    running = shop.start()
    again = running.until_scrape(works)
    assert (sales(again, "north"), sales(again, "south")) == (10, 1)
    assert again.irregularities("shop/sales", "counter_fell") == 1
    running.process.kill()
    running.process.wait()
    shop.stop()
    shop.execute("INSERT INTO sales SELECT 'north' FROM generate_series(1, 3)")
    running = shop.start()
    assert sales(running.until_scrape(works), "north") == 13
    shop.execute("INSERT INTO sales VALUES ('north')")
    running.until_scrape(lambda scrape: sales(scrape, "north") == 14)


@pytest.fixture(scope="module")
def claims_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The queries of one listed alert as the generator compiles them, with a window of seconds and not hours."""
    folder = tmp_path_factory.mktemp("everything")
    plan = ryaml.loads((compiled(planned(PLATFORMS["everything"]), folder) / "exporter/business.yml").read_text())
    queries = [dict(found, within_seconds=WITHIN) for found in plan["queries"] if "/claim" in found["name"]]
    assert len(queries) == 2
    sources = {"parcels": {"type": "postgres", "dsn_env": DSN}}
    path = folder / "claims.yml"
    path.write_text(ryaml.dumps({**plan, "interval_seconds": INTERVAL, "sources": sources, "queries": queries}))
    return path


def claims(scrape: Scrape, what: str) -> dict[str, float]:
    samples = scrape.samples(f"everything_deliveries_big_claim_{what}")
    return {dict(labels)["claim"]: value for labels, value in samples.items()}


def unlisted(scrape: Scrape) -> float | None:
    return scrape.value("everything_deliveries_big_claim_unlisted_rows")


def test_a_listed_alert_has_a_series_per_row_the_worst_ones_first(
    postgres: Cluster, claims_plan: Path, tmp_path: Path
) -> None:
    def insert(*amounts: int, reason: str = "lost") -> None:
        values = ", ".join(f"('{reason}', {amount})" for amount in amounts)
        postgres.execute(f"INSERT INTO claims (reason, amount) VALUES {values}", database=database)

    def amounts(scrape: Scrape) -> list[float]:
        assert claims(scrape, "matching_rows") == dict.fromkeys(claims(scrape, "worst_usd"), 1)
        return sorted(claims(scrape, "worst_usd").values(), reverse=True)

    schema = (PLATFORMS["everything"] / "schema.sql").read_text()
    with postgres.database("claims", schema) as database:
        environment = {DSN: postgres.dsn("monitoring", database)}
        with exporter(claims_plan, tmp_path, environment) as running:
            health = frozenset({("query", "deliveries/claim/big_claim")})
            quiet = running.until_scrape(lambda scrape: scrape.samples("everything_query_success").get(health) == 1)
            assert (claims(quiet, "matching_rows"), unlisted(quiet)) == ({}, 0)

            insert(500)
            insert(501, 900)
            insert(9000, 9001, reason="late")
            few = running.until_scrape(lambda scrape: claims(scrape, "worst_usd"))
            assert (amounts(few), unlisted(few)) == ([900, 501], 0)
            ids = postgres.execute("SELECT id::text, amount FROM claims WHERE amount IN (501, 900)", database=database)
            assert claims(few, "worst_usd") == {str(key): float(str(amount)) for key, amount in ids}
            running.until_scrape(lambda scrape: not claims(scrape, "worst_usd"))

            insert(601, 607, 603, 606, 602, 605, 604)
            many = running.until_scrape(lambda scrape: claims(scrape, "worst_usd"))
            assert (amounts(many), unlisted(many)) == ([607, 606, 605, 604, 603], 2)
            end = running.until_scrape(lambda scrape: not claims(scrape, "worst_usd"))
            assert unlisted(end) == 0

            insert(*range(701, 708))
            newest = "SELECT extract(epoch FROM clock_timestamp() - max(filed_at))::float8 > %s FROM claims" % (
                WITHIN + LATE
            )
            until(lambda: postgres.execute(newest, database=database) == [(True,)])
            late = running.until_scrape(lambda scrape: scrape.samples("everything_query_success").get(health) == 1)
            assert (amounts(late), unlisted(late)) == ([707, 706, 705, 704, 703], 2)
