"""What a scrape says while the database is away, slow, locked, full or frozen, and that it recovers by itself."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from tests.clusters import Cluster, cluster
from tests.exporters.running import DSN, Running, Scrape, exporter, plan_file, query
from tests.exporters.shop import (
    COUNTED,
    ORDERS,
    asleep,
    backends,
    database,
    health,
    irregular,
    is_well,
    meanwhile,
    next_refresh,
    refreshed_at,
    shop,
    shown,
)
from tests.programs import until

ONE = query("sales/one", "SELECT 1 AS value")
TWO = query("sales/two", COUNTED)
WELL = {"shop_sales_one": 1, "shop_sales_two": 3}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        # Everybody may in without a password but the clerk, who needs the right one.
        access = running.folder / "data" / "pg_hba.conf"
        access.write_text(f"host all clerk 127.0.0.1/32 scram-sha-256\n{access.read_text()}")
        running.execute(
            "SELECT pg_reload_conf()", "CREATE ROLE clerk LOGIN PASSWORD 'Right-4711' IN ROLE pg_read_all_data"
        )
        yield running


def is_down(scrape: Scrape) -> bool:
    """Whether the database is said to be down."""
    return scrape.value("shop_up", database="shop") == 0


def assert_nothing_shown(scrape: Scrape) -> None:
    """The database is down: no number of the business, and every query is known to have none."""
    assert scrape.samples("shop_up") == {frozenset({("database", "shop")}): 0}
    assert scrape.samples("shop_reading") == {frozenset({("database", "shop")}): 0}
    assert set(health(scrape).values()) == {0}
    assert shown(scrape) == {}


def failures(scrape: Scrape) -> dict[tuple[str, str], float]:
    """What was odd how often, but not that the first refresh found no session in the time that it had."""
    return {what: times for what, times in irregular(scrape).items() if what[1] != "unreachable"}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_server_stops_and_starts(postgres: Cluster, tmp_path: Path, mode: str) -> None:
    with shop(postgres, tmp_path, [ONE, TWO], interval=0.5) as (running, name):
        assert shown(running.until_scrape(is_well)) == WELL
        postgres.stop(mode)
        try:
            assert_nothing_shown(running.until_scrape(is_down))
            until(lambda: _refused_again(running, 3))
            last = running.scrape()
            assert_nothing_shown(last)
        finally:
            postgres.start()
        back = running.until_scrape(is_well)
        assert shown(back) == WELL
        # At most the attempt that was on its way when the server came.
        assert back.irregularities("sales/one", "unreachable") <= last.irregularities("sales/one", "unreachable") + 1
        said = running.said()
        assert said.count("source shop: cannot be reached") <= 2
        assert said.count("source shop: reached again") == 1
        assert len(backends(postgres, name)) == 1


def _refused_again(running: Running, times: int) -> bool:
    scrape = running.scrape()
    assert_nothing_shown(scrape)
    return scrape.irregularities("sales/one", "unreachable") >= times


def test_a_server_that_was_not_there_at_start(tmp_path: Path) -> None:
    queries = [ONE, query("sales/two", "SELECT 2 AS value")]
    with cluster() as later:
        later.stop()
        dsn = later.dsn()
        with exporter(plan_file(tmp_path / "plan.yml", queries, interval=0.5), tmp_path, {DSN: dsn}) as running:
            first = running.scrape()
            assert_nothing_shown(first)
            assert refreshed_at(first) is None
            assert first.samples("shop_query_last_success_timestamp_seconds") == {}
            until(lambda: _refused_again(running, 3))
            assert _lines(running, "cannot be reached") == 1
            later.start()
            assert shown(running.until_scrape(is_well)) == {"shop_sales_one": 1, "shop_sales_two": 2}


def _lines(running: Running, text: str) -> int:
    return sum(text in line for line in running.said().splitlines())


@contextmanager
def _deaf() -> Iterator[tuple[int, list[float]]]:
    """A port where somebody picks up and hangs up at once; the times of the calls."""
    calls: list[float] = []

    def answer() -> None:
        while True:
            try:
                with listener.accept()[0]:
                    calls.append(time.monotonic())
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1], calls
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_attempts_to_reach_the_server_become_rarer(tmp_path: Path) -> None:
    with _deaf() as (port, calls):
        dsn = f"host=127.0.0.1 port={port} user=clerk dbname=none sslmode=disable gssencmode=disable"
        with exporter(plan_file(tmp_path / "plan.yml", [ONE], interval=15), tmp_path, {DSN: dsn}) as running:
            while len(calls) < 3:
                assert_nothing_shown(running.scrape())
            last = running.scrape()
            assert last.irregularities("sales/one", "unreachable") == len(calls) == 3
            assert calls[1] - calls[0] >= 1
            assert calls[2] - calls[1] >= 2
            assert _lines(running, "cannot be reached") == 1
            assert_nothing_shown(last)


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"host=127.0.0.1 port={silent.getsockname()[1]} user=clerk dbname=none"
        with exporter(plan_file(tmp_path / "plan.yml", [ONE], interval=0.5), tmp_path, {DSN: dsn}) as running:
            started = time.monotonic()
            assert_nothing_shown(running.scrape(2))
            assert time.monotonic() - started < 2
            until(lambda: _refused_again(running, 4))
            assert _lines(running, "source shop: cannot be reached") == 1, running.said()


SECRETS = {"host": "db.kontor.example", "user": "clerk", "password": "Wrong-4711", "dbname": "kontor_books"}


def _dsn(postgres: Cluster, **parts: str) -> str:
    given = {"hostaddr": "127.0.0.1", "port": str(postgres.port), **SECRETS, **parts}
    return " ".join(f"{name}='{value}'" for name, value in given.items() if value)


def _assert_discreet(running: Running) -> None:
    """Nothing that anybody can read of it holds a part of the connection string."""
    pages = [requests.get(f"{running.url}{page}", timeout=10).text for page in ("/", "/metrics", "/readyz", "/healthz")]
    log = running.said().replace(running.url, "")
    for secret in (*SECRETS.values(), "Right-4711", "127.0.0.1"):
        assert secret not in log
        assert not any(secret in page for page in pages)


@pytest.fixture
def kontor(postgres: Cluster) -> Iterator[None]:
    with postgres.database(SECRETS["dbname"], ORDERS):
        yield


@pytest.mark.usefixtures("kontor")
def test_a_wrong_password_that_becomes_right(postgres: Cluster, tmp_path: Path) -> None:
    with exporter(plan_file(tmp_path / "plan.yml", [TWO], interval=0.5), tmp_path, {DSN: _dsn(postgres)}) as running:
        until(lambda: is_down(running.scrape()) and running.scrape().irregularities("sales/two", "unreachable") >= 3)
        assert_nothing_shown(running.scrape())
        assert _lines(running, "source shop: cannot be reached: ") == 1
        assert "password authentication failed" in running.said()
        _assert_discreet(running)
        postgres.execute(f"ALTER ROLE clerk PASSWORD '{SECRETS['password']}'")
        try:
            assert shown(running.until_scrape(is_well)) == {"shop_sales_two": 3}
        finally:
            postgres.execute("ALTER ROLE clerk PASSWORD 'Right-4711'")
        _assert_discreet(running)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"hostaddr": "", "host": "db.kontor.invalid"}, "cannot be reached: "),
        ({"port": "1"}, "Connection refused"),
        ({"dbname": "kontor_gone"}, 'database "…" does not exist'),
        ({"user": "kontor_nobody"}, 'role "…" does not exist'),
        ({"application_name": "x' password='unended"}, "its connection string is not one that libpq reads"),
    ],
    ids=["unknown host", "refused", "unknown database", "unknown role", "unreadable"],
)
@pytest.mark.usefixtures("kontor")
def test_what_is_said_of_a_wrong_connection_string(
    postgres: Cluster, tmp_path: Path, parts: dict[str, str], said: str
) -> None:
    dsn = _dsn(postgres, **({"password": "Right-4711"} | parts))
    dsn = dsn.removesuffix("'") if "unended" in dsn else dsn
    with exporter(plan_file(tmp_path / "plan.yml", [TWO], interval=0.5), tmp_path, {DSN: dsn}) as running:
        until(lambda: _refused_again_two(running))
        assert _lines(running, "source shop: cannot be reached: ") == 1
        assert said in running.said()
        assert not any(part in running.said() for part in parts.values() if len(part) > 1)
        _assert_discreet(running)


def _refused_again_two(running: Running) -> bool:
    scrape = running.scrape()
    assert_nothing_shown(scrape)
    return scrape.irregularities("sales/two", "unreachable") >= 2


def test_the_variable_is_not_set(tmp_path: Path) -> None:
    with exporter(plan_file(tmp_path / "plan.yml", [ONE], interval=0.5), tmp_path, {}) as running:
        assert_nothing_shown(running.scrape())
        text = f"source shop: set {DSN} to its connection string, or {DSN}_FILE to a file"
        assert _lines(running, text) == 1


@pytest.mark.usefixtures("kontor")
def test_the_file_of_the_connection_string_appears_later(postgres: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "secret" / "dsn"
    plan = plan_file(tmp_path / "plan.yml", [TWO], interval=0.5)
    with exporter(plan, tmp_path, {}, "--dsn-file", str(file)) as running:
        assert_nothing_shown(running.scrape())
        assert _lines(running, f"source shop: {file}: no such file or directory") == 1
        file.parent.mkdir()
        file.write_text(f"{_dsn(postgres, password='Right-4711')}\n")
        assert shown(running.until_scrape(is_well)) == {"shop_sales_two": 3}
        _assert_discreet(running)


HANGS = "SELECT 1 AS value FROM pg_sleep(3600)"
# What a refresh has when a scrape gives it two seconds: less than them, so that the answer is there in time.
PATIENCE = 2.0


def _refresh_in_time(running: Running, before: Scrape) -> Scrape:
    """The first scrape after a refresh that is later than one scrape; none takes longer than it said it would wait."""
    while True:
        started = time.monotonic()
        scrape = running.scrape(PATIENCE)
        assert time.monotonic() - started < PATIENCE, running.said()
        if refreshed_at(scrape) != refreshed_at(before):
            return scrape


def test_a_query_that_hangs_fails_alone(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [query("sales/hangs", HANGS), ONE, TWO], interval=1.2) as (running, name):
        scrape = running.until_scrape(lambda scrape: health(scrape) == {"hangs": 0, "one": 1, "two": 1})
        for _ in range(2):
            before, scrape = scrape, _refresh_in_time(running, scrape)
            assert health(scrape) == {"hangs": 0, "one": 1, "two": 1}
            assert shown(scrape) == WELL
            assert scrape.value("shop_up", database="shop") == 1
            assert failures(scrape)["hangs", "timeout"] == failures(before)["hangs", "timeout"] + 1
            assert backends(postgres, name, "state = 'active'") == []
        assert set(failures(scrape)) == {("hangs", "timeout")}
        assert _lines(running, "sales.yaml: query sales/hangs fails: timeout: ") == 1


def test_five_of_eight_queries_hang(postgres: Cluster, tmp_path: Path) -> None:
    hanging = [query(f"sales/a{number}", HANGS) for number in range(5)]
    # More than the five leave them the first time.
    fine = [query(f"sales/b{number}", f"{COUNTED}, pg_sleep(0.06)") for number in range(3)]
    expected = {f"a{number}": 0 for number in range(5)} | {f"b{number}": 1 for number in range(3)}
    with shop(postgres, tmp_path, [*hanging, *fine], interval=1.2) as (running, name):
        scrape = running.until_scrape(lambda scrape: health(scrape) == expected)
        for _ in range(2):
            scrape = _refresh_in_time(running, scrape)
            assert health(scrape) == expected
            assert shown(scrape) == {f"shop_sales_b{number}": 3 for number in range(3)}
            assert backends(postgres, name, "state = 'active'") == []


def test_a_slow_query_fails_once_and_then_goes_last(postgres: Cluster, tmp_path: Path) -> None:
    # 60 percent of what the refresh has; the first time it is given half.
    queries = [ONE, query("sales/slow", "SELECT 1 AS value FROM pg_sleep(0.54)"), TWO]
    with shop(postgres, tmp_path, queries, interval=1) as (running, _):
        running.until_scrape(is_well)
        for _ in range(3):
            scrape = next_refresh(running)
            assert health(scrape) == {"one": 1, "slow": 1, "two": 1}
        assert failures(scrape) == {("slow", "timeout"): 1}
        assert _lines(running, "sales.yaml: query sales/slow: succeeds again") == 1


@pytest.mark.parametrize("type_", ["int", "numeric", "float8"])
def test_a_table_that_disappears_and_comes_back(postgres: Cluster, tmp_path: Path, type_: str) -> None:
    ids = query("sales/ids", "SELECT max(id) AS value FROM orders")
    with shop(postgres, tmp_path, [ONE, ids], interval=0.5) as (running, name):
        running.until_scrape(is_well)
        postgres.execute("DROP TABLE orders", database=name)
        without = next_refresh(running)
        assert (health(without), shown(without)) == ({"one": 1, "ids": 0}, {"shop_sales_one": 1})
        assert without.value("shop_up", database="shop") == 1
        assert 'query sales/ids fails: sql_error: relation "orders" does not exist' in running.said()
        postgres.execute(f"CREATE TABLE orders (id {type_}); INSERT INTO orders VALUES (7)", database=name)
        again = next_refresh(running)
        assert (health(again), shown(again)) == ({"one": 1, "ids": 1}, {"shop_sales_one": 1, "shop_sales_ids": 7})


def test_a_column_whose_type_changes(postgres: Cluster, tmp_path: Path) -> None:
    ids = query("sales/ids", "SELECT max(id) AS value FROM orders")
    with shop(postgres, tmp_path, [ONE, ids], interval=0.5) as (running, name):
        running.until_scrape(is_well)
        postgres.execute("ALTER TABLE orders ALTER COLUMN id TYPE numeric", database=name)
        # No "cached plan must not change result type".
        changed = next_refresh(running)
        assert is_well(changed)
        assert shown(changed) == {"shop_sales_one": 1, "shop_sales_ids": 3}
        assert failures(changed) == {}


def test_a_locked_table(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, TWO], interval=0.5) as (running, name):
        running.until_scrape(is_well)
        with psycopg.connect(f"{postgres.socket_dsn} dbname={name}") as holder:
            holder.execute("SET lock_timeout = '1s'; SET deadlock_timeout = '10ms'")
            holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            for times in (1, 2):
                # At once, though the exporter may just wait for the table.
                holder.execute(f"ALTER TABLE orders ADD COLUMN more_{times} int; INSERT INTO orders VALUES (9)")
                scrape = next_refresh(running)
                assert (health(scrape), shown(scrape)) == ({"one": 1, "two": 0}, {"shop_sales_one": 1})
                assert scrape.value("shop_up", database="shop") == 1
                assert failures(scrape) == {("two", "lock_timeout"): times}
            with meanwhile(lambda: next_refresh(running)) as waiting:
                until(lambda: backends(postgres, name, "wait_event_type = 'Lock'"))
                holder.execute("ALTER TABLE orders ADD COLUMN more_3 int")
                holder.commit()
                assert is_well(waiting.result())
        assert shown(next_refresh(running)) == {"shop_sales_one": 1, "shop_sales_two": 5}
        assert _lines(running, "query sales/two fails: lock_timeout: ") == 1


def test_a_migration_does_not_wait_longer_than_a_query(postgres: Cluster, tmp_path: Path) -> None:
    """What a query has read is free again as soon as the query is over, though the refresh goes on."""
    slow = query("sales/slow", "SELECT 1 AS value FROM pg_sleep(0.5)")
    with shop(postgres, tmp_path, [TWO, slow], interval=2) as (running, name):
        running.until_scrape(is_well)
        with meanwhile(lambda: next_refresh(running)) as refresh:
            asleep(postgres, name)
            postgres.execute("SET lock_timeout = '100ms'; DROP TABLE orders", database=name)
            assert is_well(refresh.result())


def test_all_connections_are_taken(tmp_path: Path) -> None:
    with cluster(max_connections="5", superuser_reserved_connections="3") as small, database(small) as name:
        dsn = small.dsn("monitoring", name)
        plan = plan_file(tmp_path / "plan.yml", [ONE, TWO], interval=0.5)
        others = [psycopg.connect(dsn), psycopg.connect(dsn)]
        with exporter(plan, tmp_path, {DSN: dsn}) as running:
            assert_nothing_shown(running.scrape())
            until(lambda: _refused_again(running, 2))
            assert _lines(running, "source shop: cannot be reached: ") == 1
            assert "remaining connection slots are reserved" in running.said()
            others.pop().close()
            assert shown(running.until_scrape(is_well)) == WELL
            # Now the exporter has one of the two, the others fill up what is left, and it goes on with its own.
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(dsn)
            before = running.scrape().irregularities("sales/one", "unreachable")
            for _ in range(2):
                scrape = next_refresh(running)
                assert (is_well(scrape), shown(scrape)) == (True, WELL)
            assert scrape.irregularities("sales/one", "unreachable") == before
        for other in others:
            other.close()


def test_a_session_that_is_ended_while_it_lies_idle(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, TWO], interval=0.5) as (running, name):
        before = running.until_scrape(is_well)
        (first,) = backends(postgres, name)
        postgres.execute(f"SELECT pg_terminate_backend({first}, 10000)")
        scrape = next_refresh(running)
        assert (is_well(scrape), shown(scrape)) == (True, WELL)
        assert irregular(scrape) == irregular(before)
        (second,) = backends(postgres, name)
        assert first != second


QUICK_AND_SLOW = [
    ONE,
    query("sales/slow", "SELECT 1 AS value FROM pg_sleep(0.3)"),
    query("sales/slower", "SELECT 1 AS value FROM pg_sleep(0.4)"),
]


def test_a_session_that_is_ended_in_the_middle_of_a_refresh(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, QUICK_AND_SLOW, interval=1.5) as (running, name):
        before = running.until_scrape(is_well)
        with meanwhile(lambda: next_refresh(running)) as refresh:
            postgres.execute(f"SELECT pg_terminate_backend({asleep(postgres, name)})")
            scrape = refresh.result()
        assert (health(scrape), shown(scrape)) == ({"one": 1, "slow": 0, "slower": 0}, {"shop_sales_one": 1})
        assert scrape.value("shop_up", database="shop") == 1
        assert scrape.value("shop_reading", database="shop") == 0
        for late in ("sales/slow", "sales/slower"):
            assert scrape.irregularities(late, "unreachable") == before.irregularities(late, "unreachable") + 1
        assert is_well(next_refresh(running))


def test_a_query_that_somebody_cancels(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, QUICK_AND_SLOW, interval=1.5) as (running, name):
        running.until_scrape(is_well)
        with meanwhile(lambda: next_refresh(running)) as refresh:
            postgres.execute(f"SELECT pg_cancel_backend({asleep(postgres, name)})")
            scrape = refresh.result()
        assert health(scrape) == {"one": 1, "slow": 0, "slower": 1}
        assert shown(scrape) == {"shop_sales_one": 1, "shop_sales_slower": 1}
        assert failures(scrape) == {("slow", "cancelled"): 1}
        assert is_well(next_refresh(running))


def _answers(running: Running, enough: threading.Event) -> list[int]:
    """The status of scrape after scrape; each comes within the time that the scrape waits."""
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": str(PATIENCE)}
    found = []
    while not enough.is_set():
        found.append(requests.get(f"{running.url}/metrics", headers=headers, timeout=PATIENCE).status_code)
    return found


def test_a_server_that_freezes_in_the_middle_of_a_refresh(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, QUICK_AND_SLOW, interval=1.5) as (running, name):
        running.until_scrape(is_well)
        enough = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            answers = pool.submit(_answers, running, enough)
            pid = asleep(postgres, name)
            os.kill(pid, signal.SIGSTOP)
            try:
                # The session is given up; the lock of the replicas is still its own.
                without = running.until_scrape(lambda scrape: set(health(scrape).values()) == {0})
            finally:
                os.kill(pid, signal.SIGCONT)
                enough.set()
            assert 503 in answers.result()
            assert set(answers.result()) == {200, 503}
        assert without.value("shop_up", database="shop") == 1
        assert without.value("shop_reading", database="shop") == 0
        assert shown(without) == {}
        assert without.irregularities("sales/slow", "timeout") == 1
        assert without.irregularities("sales/slower", "unreachable") == 1
        assert set(shown(running.until_scrape(is_well))) == {"shop_sales_one", "shop_sales_slow", "shop_sales_slower"}
        until(lambda: pid not in backends(postgres, name))
        assert len(backends(postgres, name)) == 1


def test_a_replica_whose_server_freezes_does_not_wait_for_ever(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, TWO], interval=1) as (reading, name):
        reading.until_scrape(is_well)
        (reader,) = backends(postgres, name)
        environment = {DSN: postgres.dsn("monitoring", name)}
        with exporter(tmp_path / "plan.yml", tmp_path, environment, name="replica") as standing_by:
            assert standing_by.scrape().value("shop_reading", database="shop") == 0
            (pid,) = (pid for pid in backends(postgres, name) if pid != reader)
            os.kill(pid, signal.SIGSTOP)
            try:
                # Who is not scraped gives up the lock.
                standing_by.until_scrape(lambda scrape: is_well(reading.scrape()) and is_down(scrape))
                again = standing_by.until_scrape(lambda scrape: is_well(reading.scrape()) and not is_down(scrape))
            finally:
                os.kill(pid, signal.SIGCONT)
            assert (set(health(again).values()), shown(again)) == ({0}, {})
            assert (is_well(reading.scrape()), shown(reading.scrape())) == (True, WELL)


def test_the_last_good_values_are_shown_until_they_are_too_old(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, TWO], interval=1.5, max_age=2) as (running, name):
        running.until_scrape(is_well)
        postgres.execute("ALTER TABLE orders RENAME TO gone", database=name)
        ages = _ages_while_failing(running)
        assert min(ages) < 2 < max(ages) + 1.5
        assert max(ages) <= 2.1
        postgres.execute("ALTER TABLE gone RENAME TO orders", database=name)
        running.until_scrape(is_well)


def test_the_last_good_values_of_a_server_that_is_down(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE, TWO], interval=1.5, max_age=2) as (running, _):
        running.until_scrape(is_well)
        postgres.stop()
        try:
            ages = _ages_while_failing(running)
            assert_nothing_shown(running.scrape())
        finally:
            postgres.start()
        assert max(ages) <= 2.1


def _ages_while_failing(running: Running) -> list[float]:
    """The ages in seconds at which a value of a query was shown beside its success 0, until it was not any more."""
    running.until_scrape(lambda scrape: scrape.success("sales/two") == 0)
    ages: list[float] = []
    while True:
        scrape = running.scrape()
        age = time.time() - float(scrape.value("shop_query_last_success_timestamp_seconds", query="sales/two") or 0)
        assert scrape.success("sales/two") == 0
        if "shop_sales_two" not in shown(scrape):
            return ages
        assert shown(scrape)["shop_sales_two"] == 3
        ages.append(age)
        assert age < 20
        time.sleep(0.02)
