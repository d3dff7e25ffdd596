"""Scrapes of a real PostgreSQL: one snapshot, one refresh however many ask, within the time that a scraper gives."""

import asyncio
import gzip
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import ryaml
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporters.business.plan import load
from tests.clusters import Cluster, cluster
from tests.compiling import PLATFORMS, ROOT, compiled, planned
from tests.exporters.conventions import Exempt, problems, same
from tests.exporters.running import DSN, Scrape, exporter, gauge, plan_file, query
from tests.programs import prometheus, until


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster(shared_preload_libraries="pg_stat_statements") as running:
        yield running


def works(scrape: Scrape) -> bool:
    """Whether every query of any platform succeeds."""
    [name] = {name for name, _ in scrape.values if name.endswith("_query_success")}
    return set(scrape.samples(name).values()) == {1.0}


# One snapshot

ACCOUNTS = """
CREATE TABLE receivable (account int PRIMARY KEY, amount bigint NOT NULL);
CREATE TABLE payable (account int PRIMARY KEY, amount bigint NOT NULL);
INSERT INTO receivable SELECT account, 0 FROM generate_series(1, 10) AS account;
INSERT INTO payable SELECT account, 0 FROM generate_series(1, 10) AS account;
"""
# Every commit leaves both sums equal.
WRITES = """
DO $$ DECLARE turn int := 0; BEGIN
    LOOP
        turn := turn + 1;
        UPDATE receivable SET amount = amount + turn WHERE account = 1 + turn % 10;
        UPDATE payable SET amount = amount + turn WHERE account = 1 + (turn * 7) % 10;
        COMMIT;
    END LOOP;
END $$
"""
SUMS = {
    "shop/receivable": "SELECT sum(amount) AS value FROM receivable",
    "shop/payable": "SELECT sum(amount) AS value FROM payable",
}


@contextmanager
def writer(postgres: Cluster, database: str) -> Iterator[None]:
    """A session that writes as fast as it can."""

    def write() -> None:
        with suppress(psycopg.errors.QueryCanceled):
            connection.execute(WRITES)

    with psycopg.connect(postgres.dsn(database=database), autocommit=True) as connection:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            connection.cancel_safe(timeout=10)
            thread.join()


def test_a_refresh_is_one_snapshot(postgres: Cluster, tmp_path: Path) -> None:
    plan = plan_file(tmp_path / "plan.yml", [query(name, sql) for name, sql in SUMS.items()], interval=0.001)
    sums: dict[float | None, tuple[float | None, ...]] = {}
    with (
        postgres.database("sums", ACCOUNTS) as database,
        exporter(plan, tmp_path, {DSN: postgres.dsn("monitoring", database)}) as running,
        writer(postgres, database),
    ):
        running.until_scrape(works)
        while len(sums) < 500:
            scrape = running.scrape()
            assert works(scrape), scrape.text
            at = scrape.value("shop_last_refresh_timestamp_seconds", database="shop")
            sums[at] = (scrape.value("shop_shop_receivable"), scrape.value("shop_shop_payable"))
        with psycopg.connect(postgres.dsn("monitoring", database), autocommit=True) as apart:

            def sum_of(name: str) -> object:
                row = apart.execute(SUMS[name]).fetchone()
                assert row is not None
                return row[0]

            # The writer writes fast enough for the test to mean something.
            until(lambda: sum_of("shop/receivable") != sum_of("shop/payable"))
    assert [pair for pair in sums.values() if pair[0] != pair[1]] == []
    assert len(set(sums.values())) > 100, "the writer stood still"


# One refresh for all

SCRAPERS = 200
SECONDS = 30.0
# An answer lives a little less than the interval, or every other scrape of one Prometheus would get an old one.
LIFETIME = 0.9
TABLES = ("orders", "parcels", "refunds", "returns", "visits")
REQUEST = (
    b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept: text/plain;version=0.0.4\r\n"
    b"X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
)
GENERATION = re.compile(rb"^shop_last_refresh_timestamp_seconds\{[^}]*\} (\S+)$", re.MULTILINE)


@dataclass
class Answers:
    """What all scrapers got: each different body by its refresh, and how many there were."""

    bodies: dict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    count: int = 0

    async def scrape(self, port: int, until: float) -> None:
        """Scrape over one connection until a time of the loop's clock."""
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while loop.time() < until:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            [length] = re.findall(rb"(?i)^content-length: (\d+)\r$", head, re.MULTILINE)
            body = await reader.readexactly(int(length))
            [generation] = GENERATION.findall(body)
            self.bodies[generation].add(body)
            self.count += 1
        writer.close()
        await writer.wait_closed()

    async def scrape_all(self, port: int) -> float:
        """All scrapers at once; the seconds that they took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(self.scrape(port, started + SECONDS) for _ in range(SCRAPERS)))
        return loop.time() - started


def families(body: bytes) -> list[bytes]:
    return re.findall(rb"^# (?:TYPE|HELP) .*$", body, re.MULTILINE)


def test_however_many_scrape_the_database_is_asked_once_an_interval(postgres: Cluster, tmp_path: Path) -> None:
    queries = [query(f"shop/{table}", f"SELECT count(*) AS value FROM {table}") for table in TABLES]
    plan = plan_file(tmp_path / "plan.yml", queries, interval=1)
    schema = "CREATE EXTENSION pg_stat_statements;" + ";".join(f"CREATE TABLE {table} (id int)" for table in TABLES)

    def calls() -> dict[str, int]:
        statement = "SELECT query, calls FROM pg_stat_statements JOIN pg_roles ON userid = pg_roles.oid"
        rows = postgres.execute(f"{statement} WHERE rolname = 'monitoring'", database=database)
        return {table: sum(int(str(times)) for text, times in rows if f"FROM {table}" in str(text)) for table in TABLES}

    answers = Answers()
    with (
        postgres.database("many", schema) as database,
        exporter(plan, tmp_path, {DSN: postgres.dsn("monitoring", database)}) as running,
    ):
        running.until_scrape(works)
        before = calls()
        seconds = asyncio.run(answers.scrape_all(int(running.url.rpartition(":")[2])))
        after = calls()
    assert answers.count > SCRAPERS * 10
    for table in TABLES:
        assert seconds * 0.8 <= after[table] - before[table] <= seconds / LIFETIME + 2
    assert {len(bodies) for bodies in answers.bodies.values()} == {1}, "one refresh, one text"
    assert len({tuple(families(body)) for bodies in answers.bodies.values() for body in bodies}) == 1
    assert len(answers.bodies) <= seconds / LIFETIME + 2
    assert running.said().count("\n") <= 1, running.said()


# Within the time that a scraper gives

SLOW = query("shop/slow", "SELECT count(*) AS value FROM (SELECT pg_sleep(seconds) FROM naps) AS nap")
QUICK = query("shop/quick", "SELECT count(*) AS value FROM naps")


NAPS = "CREATE TABLE naps (seconds float8)"


@pytest.fixture
def naps(tmp_path: Path) -> Path:
    """A plan with a slow query, whose answers live longer than any of these tests."""
    return plan_file(tmp_path / "plan.yml", [SLOW, QUICK], interval=60)


def test_a_refresh_keeps_to_the_time_that_the_scraper_gives(postgres: Cluster, naps: Path, tmp_path: Path) -> None:
    with (
        postgres.database("naps", NAPS) as database,
        exporter(naps, tmp_path, {DSN: postgres.dsn("monitoring", database)}) as running,
    ):
        running.until_scrape(works)
        postgres.execute("INSERT INTO naps VALUES (60)", database=database)
        running.reload()
        until(lambda: "reloaded" in running.said())
        started = time.monotonic()
        scrape = running.scrape(timeout=2)
        assert time.monotonic() - started < 2
        assert (scrape.success("shop/slow"), scrape.success("shop/quick")) == (0, 1)
        assert scrape.irregularities("shop/slow", "timeout") == 1
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        assert postgres.execute(asleep) == [(0,)]


def test_who_has_less_time_than_the_refresh_hears_so_and_costs_nobody_anything(
    postgres: Cluster, naps: Path, tmp_path: Path
) -> None:
    def ask(timeout: float) -> tuple[int, float, str]:
        started = time.monotonic()
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": f"{timeout}"}
        answer = requests.get(f"{running.url}/metrics", headers=headers, timeout=30)
        return answer.status_code, time.monotonic() - started, answer.text

    with (
        postgres.database("naps", f"{NAPS}; INSERT INTO naps VALUES (4)") as database,
        exporter(naps, tmp_path, {DSN: postgres.dsn("monitoring", database)}) as running,
        ThreadPoolExecutor() as threads,
    ):
        timeouts = (10, 2, 10, 2, 1)
        answers = list(threads.map(ask, timeouts))
        for timeout, (status, seconds, text) in zip(timeouts, answers, strict=True):
            assert status == (200 if timeout == 10 else 503), text
            assert seconds < timeout
        last = running.scrape(timeout=1)
    assert {text for status, _, text in answers if status == 200} == {last.text}
    assert works(last)
    assert last.value("shop_shop_slow") == 1


def without_process(body: bytes) -> bytes:
    """A text without what is measured when the text is made."""
    return re.sub(rb"^process_.*\n", b"", body, flags=re.MULTILINE)


def test_every_format_has_the_same_values(postgres: Cluster, tmp_path: Path) -> None:
    counter = {**gauge("shop_sold_total", labels={"shop": []}), "type": "counter"}
    histogram = {**gauge("shop_took_seconds"), "type": "histogram", "buckets": [0.5, 5.0]}
    queries = [
        query(
            "shop/sold", "SELECT * FROM (VALUES ('a\"b\\c', 3), (E'two\nlines', 4.25)) AS sold (shop, value)", counter
        ),
        query("shop/took", "SELECT 1 AS bucket_0, 2 AS bucket_1, 3 AS count, 12.5 AS sum", histogram),
        query("shop/temperature", "SELECT -1.5e-7::float8 AS value"),
    ]
    plan = plan_file(tmp_path / "plan.yml", queries, interval=60)
    with exporter(plan, tmp_path, {DSN: postgres.dsn()}) as running:
        running.until_scrape(works)

        def ask(accept: str, encoding: str) -> requests.Response:
            headers = {"Accept": accept, "Accept-Encoding": encoding}
            answer = requests.get(f"{running.url}/metrics", headers=headers, timeout=10, stream=True)
            assert answer.status_code == 200
            return answer

        text, openmetrics = "text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"
        bodies = {}
        for accept in (text, openmetrics):
            bodies[accept] = ask(accept, "identity").content
            packed = ask(accept, "gzip")
            assert packed.headers["Content-Encoding"] == "gzip"
            unpacked = gzip.decompress(packed.raw.read(decode_content=False))
            assert without_process(unpacked) == without_process(bodies[accept])
    families = {
        text: list(text_families(bodies[text].decode())),
        openmetrics: list(openmetrics_families(bodies[openmetrics].decode())),  # type: ignore[no-untyped-call]
    }
    values = {
        accept: {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in found
            if not family.name.startswith("process_")
            for sample in family.samples
        }
        for accept, found in families.items()
    }
    assert values[text] == values[openmetrics]
    assert values[text]["shop_sold_total", frozenset({("shop", "two\nlines")})] == 4.25
    assert values[text]["shop_took_seconds_bucket", frozenset({("le", "+Inf")})] == 3
    kinds = {
        accept: {family.name: (family.type, family.documentation) for family in found}
        for accept, found in families.items()
    }
    assert kinds[text] == kinds[openmetrics]


# Compiled plans


@dataclass(frozen=True)
class Platform:
    """A compiled plan, the tables that it asks, some rows in them, and what it may do against the conventions."""

    name: str
    schema: Path
    rows: str
    exempt: tuple[Exempt, ...] = ()


AGES = Exempt("samples", ".*_(worst|age)_seconds", "the time since something grows by itself")
PLATFORM_TABLES = ROOT / "tests" / "platforms"
SERVED = (
    Platform(
        "minimal",
        PLATFORM_TABLES / "minimal" / "schema.sql",
        "INSERT INTO orders (status, created_at) VALUES ('open', now() - interval '1 hour'), ('done', now())",
    ),
    Platform(
        "everything",
        PLATFORM_TABLES / "everything" / "schema.sql",
        """
        INSERT INTO parcels (size, status, depot, fragile, weight_kg, declared_value, created_at, delivered_at) VALUES
            ('small', 'waiting', 'north', true, 2, 20000, now() - interval '3 days', NULL),
            ('large', 'lost', 'south', false, 4, NULL, now() - interval '9 days', NULL),
            ('large', 'delivered', 'south', false, 4, 7, now() - interval '2 hours', now());
        INSERT INTO claims (reason, amount) VALUES ('lost', 501), ('damaged', 900), ('late', 9000);
        INSERT INTO books.invoices (customer, amount, issued_at) VALUES ('one', 200, now() - interval '40 days');
        GRANT USAGE ON SCHEMA books TO monitoring; GRANT SELECT ON ALL TABLES IN SCHEMA books TO monitoring;
        """,
        (
            AGES,
            Exempt(
                "labels", ".*_(big_claim|parcels_by_size|waiting_by_depot)(_.*)?", "names that try what may be written"
            ),
        ),
    ),
    Platform(
        "fire22",
        ROOT / "domains" / "fire22" / "schema.sql",
        (ROOT / "tests" / "domains" / "fire22_world.sql").read_text(),
        (
            AGES,
            Exempt("units", "fire22_adjustment_pending_adjustment_age_seconds", "the document's alert names the age"),
            Exempt("labels", "fire22_free_play_campaign_.*", "the document says campaign_spend, compared per campaign"),
            Exempt("labels", "fire22_balance_large_transaction_.*", "the document's name for what is listed by row"),
        ),
    ),
)


def compiled_plan(platform: str, folder: Path, interval: float) -> Path:
    """The plan as the generator compiles it, with databases of these tests."""
    path = compiled(planned(PLATFORMS[platform]), folder) / "exporter" / "business.yml"
    plan: dict[str, Any] = ryaml.loads(path.read_text())
    sources = {name: {"type": "postgres", "dsn_env": DSN} for name in plan["sources"]}
    path.write_text(ryaml.dumps({**plan, "sources": sources, "interval_seconds": interval}))
    return path


@pytest.mark.parametrize("platform", SERVED, ids=[platform.name for platform in SERVED])
def test_a_compiled_plan_follows_the_conventions(platform: Platform, postgres: Cluster, tmp_path: Path) -> None:
    path = compiled_plan(platform.name, tmp_path, interval=1)
    plan = load(path)
    refreshed = f"{platform.name}_last_refresh_timestamp_seconds"
    accepts = {"text": "text/plain;version=0.0.4", "openmetrics": "application/openmetrics-text;version=1.0.0"}
    texts: dict[str, list[str]] = {accept: [] for accept in accepts.values()}
    with (
        postgres.database("compiled", f"{platform.schema.read_text()}\n{platform.rows}") as database,
        exporter(path, tmp_path, {DSN: postgres.dsn("monitoring", database)}) as running,
    ):
        first = running.until_scrape(works)
        for _ in range(2):
            for accept in accepts.values():
                answer = running.session.get(f"{running.url}/metrics", headers={"Accept": accept}, timeout=10)
                texts[accept].append(answer.text)
            before = first.samples(refreshed)
            first = running.until_scrape(lambda scrape, before=before: scrape.samples(refreshed) != before)
    for one, two in texts.values():
        assert problems(one, plan, platform.exempt) == []
        assert same(one, two, plan, platform.exempt) == []
        faults = [line.split(": ") for line in (*problems(one, plan), *same(one, two, plan))]
        for exempt in platform.exempt:
            assert any(fault[0] == exempt.rule and re.fullmatch(exempt.names, fault[1]) for fault in faults), exempt


# Compiled rules


def asked(prometheus: str, expression: str) -> list[tuple[float, float]]:
    """An expression's value for each of its series, with the time of it."""
    answer = requests.get(f"{prometheus}/api/v1/query", params={"query": expression}, timeout=5)
    assert answer.ok, answer.text
    return [(float(at), float(value)) for at, value in (found["value"] for found in answer.json()["data"]["result"])]


def test_a_record_alert_holds_while_its_query_fails(postgres: Cluster, tmp_path: Path) -> None:
    plan = compiled_plan("fire22", tmp_path, interval=1)
    groups = yaml.safe_load((tmp_path / "prometheus" / "rules" / "collections.yml").read_text())["groups"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{**group, "interval": "1s"} for group in groups]}))
    series = "fire22_collections_settlement_overdue_matching_rows"
    held = "fire22_collections:settlement_overdue_matching_rows:held"
    health = 'max(fire22_query_success{query="collections/settlement"})'
    firing = 'count(ALERTS{alertname="CollectionsSettlementOverdue", alertstate="firing", escalation=""})'
    schema = (ROOT / "domains" / "fire22" / "schema.sql").read_text()

    def values(expression: str) -> list[float]:
        return [value for _, value in asked(url, expression)]

    with postgres.database("held", schema) as database, ExitStack() as serving:
        postgres.execute(
            "INSERT INTO customers (name) VALUES ('one')",
            "INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date)"
            " SELECT 1, 10, 'high', 'pending', now() - interval '25 hours', now() FROM generate_series(1, 2)",
            database=database,
        )
        environment = {DSN: postgres.dsn("monitoring", database)}
        replicas = [serving.enter_context(exporter(plan, tmp_path, environment, name=name)) for name in ("one", "two")]
        targets = [replica.url.removeprefix("http://") for replica in replicas]
        scrape = {"job_name": "fire22-business", "static_configs": [{"targets": targets}]}
        settings = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config = {"global": settings, "rule_files": ["rules.yml"], "scrape_configs": [scrape]}
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        url = serving.enter_context(prometheus(tmp_path / "prometheus.yml", tmp_path))

        until(lambda: values(held) == [2] and values(firing) == [1])
        until(lambda: sorted(values('fire22_query_success{query="collections/settlement"}')) == [0, 1])
        assert values(series) == [2]

        postgres.execute("ALTER TABLE settlements RENAME TO elsewhere", database=database)
        until(lambda: values(health) == [0] and values(series) == [])
        [(blind, _)] = asked(url, f"timestamp({held})")
        until(lambda: asked(url, f"timestamp({held})")[0][1] >= blind + 3)
        assert values(held) == [2]
        assert values(firing) == [1]
        assert values(health) == [0]

        postgres.execute(
            "UPDATE elsewhere SET status = 'completed', completed_at = now()",
            "ALTER TABLE elsewhere RENAME TO settlements",
            database=database,
        )
        until(lambda: values(held) == [0] and values(firing) == [])
