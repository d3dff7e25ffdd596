"""Connections: what counts as an operation, however it is done, and what is said of it."""

import asyncio
import gc
import logging
import re
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import assert_type

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from psycopg.rows import DictRow, TupleRow, dict_row

from exporters.instrument.database import (
    MonitoredAsyncConnection,
    MonitoredConnection,
    Monitoring,
    monitored_async_connect,
    monitored_async_pool,
    monitored_connect,
    monitored_pool,
)
from exporters.instrument.database import operations as counting
from exporters.instrument.database.environment import conninfo_of
from tests.clusters import Cluster
from tests.instrument.measured import Measured
from tests.instrument.queries import DURATION, ROWS, operations, returned, seconds
from tests.programs import program, until

SCHEMA = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g"
SLOW = "exporters.instrument.database.slow_queries"
# The last one has an SQLSTATE that nobody else has.
FAILING = (
    "SELECT * FROM missing",
    "SELECT 1/0",
    "INSERT INTO t VALUES (1)",
    "DO $$ BEGIN RAISE 'own' USING ERRCODE = 'ZX123'; END $$",
)
Do = Callable[[str, Monitoring], None]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(scope="module")
def dsn(cluster: Cluster) -> Iterator[str]:
    with cluster.database("shop", SCHEMA) as name:
        yield cluster.dsn(database=name)


def _every_way(dsn: str, monitoring: Monitoring) -> None:
    with monitored_connect(dsn, monitoring=monitoring) as connection:
        cursor = connection.execute("SELECT a FROM t WHERE id <= %s", [3])
        assert cursor.fetchall() == [("x",)] * 3
        connection.execute(b"SELECT count(*) FROM t")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(number, "y") for number in range(2000, 2005)])
        cursor.executemany("DELETE FROM t WHERE id = %s RETURNING id", [(2000,), (2001,)], returning=True)
        assert len(list(cursor.stream("SELECT id FROM t"))) == 1003
        left = cursor.stream("SELECT id FROM t ORDER BY id")
        assert [next(left), next(left)] == [(1,), (2,)]
        left.close()  # type: ignore[attr-defined]  # psycopg gives a generator and calls it an iterator
        with cursor.copy("COPY t FROM STDIN") as copy:
            copy.write_row((3000, "z"))
        with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            assert list(copy.rows()) == [("1",)]
        connection.cursor_factory = psycopg.ClientCursor
        assert isinstance(connection.execute("UPDATE t SET a = %s WHERE id = 1", ["w"]), psycopg.ClientCursor)
        connection.rollback()


async def _every_way_async(dsn: str, monitoring: Monitoring) -> None:
    async with await monitored_async_connect(dsn, monitoring=monitoring) as connection:
        cursor = await connection.execute("SELECT a FROM t WHERE id <= %s", [3])
        assert await cursor.fetchall() == [("x",)] * 3
        await connection.execute(b"SELECT count(*) FROM t")
        await cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(number, "y") for number in range(2000, 2005)])
        await cursor.executemany("DELETE FROM t WHERE id = %s RETURNING id", [(2000,), (2001,)], returning=True)
        assert len([row async for row in cursor.stream("SELECT id FROM t")]) == 1003
        left = cursor.stream("SELECT id FROM t ORDER BY id")
        assert [await anext(left), await anext(left)] == [(1,), (2,)]
        await left.aclose()  # type: ignore[attr-defined]  # as above
        async with cursor.copy("COPY t FROM STDIN") as copy:
            await copy.write_row((3000, "z"))
        async with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            assert [row async for row in copy.rows()] == [("1",)]
        connection.cursor_factory = psycopg.AsyncClientCursor
        updating = await connection.execute("UPDATE t SET a = %s WHERE id = 1", ["w"])
        assert isinstance(updating, psycopg.AsyncClientCursor)
        await connection.rollback()


def _named(dsn: str, monitoring: Monitoring) -> None:
    with (
        monitored_connect(dsn, monitoring=monitoring) as connection,
        connection.cursor("named", scrollable=True) as cursor,
    ):
        cursor.itersize = 400
        cursor.execute("SELECT id FROM t JOIN t AS u USING (id)")
        assert sum(1 for _ in cursor) == 1000  # in three parts
        cursor.scroll(0, "absolute")
        assert cursor.fetchone() is not None
        assert len(cursor.fetchmany(5)) == 5
        assert len(cursor.fetchall()) == 994
        with suppress(psycopg.errors.UndefinedTable), connection.cursor("failing") as failing:
            failing.execute("SELECT * FROM missing")


async def _named_async(dsn: str, monitoring: Monitoring) -> None:
    async with (
        await monitored_async_connect(dsn, monitoring=monitoring) as connection,
        connection.cursor("named", scrollable=True) as cursor,
    ):
        cursor.itersize = 400
        await cursor.execute("SELECT id FROM t JOIN t AS u USING (id)")
        assert len([row async for row in cursor]) == 1000
        await cursor.scroll(0, "absolute")
        assert await cursor.fetchone() is not None
        assert len(await cursor.fetchmany(5)) == 5
        assert len(await cursor.fetchall()) == 994
        with suppress(psycopg.errors.UndefinedTable):
            async with connection.cursor("failing") as failing:
                await failing.execute("SELECT * FROM missing")


def _pipelines(dsn: str, monitoring: Monitoring) -> None:
    connection = monitored_connect(dsn, monitoring=monitoring, autocommit=True)
    with connection.pipeline(), connection.pipeline():
        cursor = connection.execute("SELECT 1")
        connection.execute("SELECT count(*), pg_sleep(0.2) FROM t")
        cursor.executemany("DELETE FROM t WHERE id = %s", [(-1,), (-2,)])
        with suppress(psycopg.ProgrammingError):
            cursor.execute("UPDATE t SET a = %s", [])  # never sent
    with suppress(psycopg.errors.DivisionByZero), connection.pipeline():
        connection.execute("SELECT 1/0 FROM t")
        connection.execute("INSERT INTO t VALUES (0)")  # not done after that
    with suppress(psycopg.OperationalError), connection.pipeline():
        connection.execute("UPDATE t SET a = 'v' WHERE id = 1")
        connection.close()


async def _pipelines_async(dsn: str, monitoring: Monitoring) -> None:
    connection = await monitored_async_connect(dsn, monitoring=monitoring, autocommit=True)
    async with connection.pipeline(), connection.pipeline():
        cursor = await connection.execute("SELECT 1")
        await connection.execute("SELECT count(*), pg_sleep(0.2) FROM t")
        await cursor.executemany("DELETE FROM t WHERE id = %s", [(-1,), (-2,)])
        with suppress(psycopg.ProgrammingError):
            await cursor.execute("UPDATE t SET a = %s", [])
    with suppress(psycopg.errors.DivisionByZero):
        async with connection.pipeline():
            await connection.execute("SELECT 1/0 FROM t")
            await connection.execute("INSERT INTO t VALUES (0)")
    with suppress(psycopg.OperationalError):
        async with connection.pipeline():
            await connection.execute("UPDATE t SET a = 'v' WHERE id = 1")
            await connection.close()


def _failing(dsn: str, monitoring: Monitoring) -> None:
    connection = monitored_connect(dsn, monitoring=monitoring, autocommit=True)
    for text in FAILING:
        with suppress(psycopg.Error):
            connection.execute(text)
    with suppress(LookupError), connection.cursor().copy("COPY t FROM STDIN"):
        raise LookupError
    with suppress(psycopg.Error):
        list(connection.cursor().stream("SELECT 1/(3 - g) FROM generate_series(1, 5) g"))
    with suppress(psycopg.OperationalError):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with suppress(psycopg.OperationalError):
        connection.execute("VALUES (1)")


async def _failing_async(dsn: str, monitoring: Monitoring) -> None:
    connection = await monitored_async_connect(dsn, monitoring=monitoring, autocommit=True)
    for text in FAILING:
        with suppress(psycopg.Error):
            await connection.execute(text)
    with suppress(LookupError):
        async with connection.cursor().copy("COPY t FROM STDIN"):
            raise LookupError
    with suppress(psycopg.Error):
        async for _ in connection.cursor().stream("SELECT 1/(3 - g) FROM generate_series(1, 5) g"):
            pass
    with suppress(psycopg.OperationalError):
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with suppress(psycopg.OperationalError):
        await connection.execute("VALUES (1)")


def _run(do: Callable[[str, Monitoring], object]) -> Do:
    def run(dsn: str, monitoring: Monitoring) -> None:
        done = do(dsn, monitoring)
        if asyncio.iscoroutine(done):
            asyncio.run(done)

    return run


@pytest.mark.parametrize("do", [_run(_every_way), _run(_every_way_async)], ids=["sync", "asyncio"])
def test_each_way_to_run_a_statement_counts_once(do: Do, dsn: str, registry: CollectorRegistry) -> None:
    do(dsn, Monitoring(registry=registry))
    assert operations(registry) == {
        ("SELECT", "simple", ""): 3, ("SELECT", "complex", ""): 1, ("INSERT", "simple", ""): 1,
        ("DELETE", "simple", ""): 1, ("COPY", "simple", ""): 1, ("COPY", "complex", ""): 1,
        ("UPDATE", "simple", ""): 1,
    }  # fmt: skip
    # One stream was left after two rows.
    assert returned(registry) == {"SELECT": (4, 3 + 1 + 1003 + 2)}


@pytest.mark.parametrize("do", [_run(_named), _run(_named_async)], ids=["sync", "asyncio"])
def test_each_round_trip_of_a_server_side_cursor_counts(do: Do, dsn: str, registry: CollectorRegistry) -> None:
    do(dsn, Monitoring(registry=registry))
    assert operations(registry) == {
        ("DECLARE", "complex", ""): 1, ("FETCH", "complex", ""): 6, ("MOVE", "complex", ""): 1,
        ("DECLARE", "simple", "UndefinedTable"): 1,
    }  # fmt: skip
    assert returned(registry) == {"FETCH": (6, 2000)}


@pytest.mark.parametrize("do", [_run(_pipelines), _run(_pipelines_async)], ids=["sync", "asyncio"])
def test_a_statement_in_a_pipeline_counts_when_its_result_comes(do: Do, dsn: str, registry: CollectorRegistry) -> None:
    do(dsn, Monitoring(registry=registry))
    found = operations(registry)
    assert found == {
        ("SELECT", "simple", ""): 1, ("SELECT", "complex", ""): 1, ("DELETE", "simple", ""): 2,
        ("UPDATE", "simple", "ProgrammingError"): 1, ("SELECT", "simple", "DivisionByZero"): 1,
        ("INSERT", "simple", "PipelineAborted"): 1, ("UPDATE", "simple", "OperationalError"): 1,
    }  # fmt: skip
    # Those that wait behind the slow one end when it does.
    assert seconds(registry, "DELETE") >= 0.2


@pytest.mark.parametrize("do", [_run(_failing), _run(_failing_async)], ids=["sync", "asyncio"])
def test_what_fails_counts_with_the_name_of_its_sqlstate(do: Do, dsn: str, registry: CollectorRegistry) -> None:
    do(dsn, Monitoring(registry=registry))
    assert operations(registry) == {
        ("SELECT", "simple", "UndefinedTable"): 1, ("SELECT", "simple", "DivisionByZero"): 2,
        ("INSERT", "simple", "UniqueViolation"): 1, ("DO", "complex", "DatabaseError"): 1,
        ("COPY", "simple", "LookupError"): 1, ("SELECT", "simple", "AdminShutdown"): 1,
        ("VALUES", "simple", "OperationalError"): 1,
    }  # fmt: skip
    assert returned(registry) == {}


async def _cancelled_async(dsn: str, monitoring: Monitoring) -> None:
    async with await monitored_async_connect(dsn, monitoring=monitoring, autocommit=True) as connection:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.execute("SELECT pg_sleep(60)"), 0.1)
        await connection.execute("VALUES (1)")


def test_a_cancelled_await_counts(dsn: str, registry: CollectorRegistry) -> None:
    asyncio.run(_cancelled_async(dsn, Monitoring(registry=registry)))
    cancelled = ("SELECT", "simple", "asyncio.exceptions.CancelledError")
    assert operations(registry) == {cancelled: 1, ("VALUES", "simple", ""): 1}


def test_a_duration_is_that_of_the_database_and_not_of_who_reads(dsn: str, registry: CollectorRegistry) -> None:
    with monitored_connect(dsn, monitoring=Monitoring(registry=registry)) as connection:
        connection.execute("SELECT pg_sleep(0.2)")
        before = seconds(registry, "SELECT")
        assert before >= 0.2
        began = time.perf_counter()
        for _ in connection.cursor().stream("SELECT pg_sleep(0.1) FROM generate_series(1, 3)"):
            time.sleep(0.3)
        whole = time.perf_counter() - began
    assert 0.1 <= seconds(registry, "SELECT") - before <= whole - 3 * 0.3


def test_the_labels_name_the_server_and_the_database(cluster: Cluster, dsn: str, registry: CollectorRegistry) -> None:
    with monitored_connect(dsn, monitoring=Monitoring(registry=registry)) as connection:
        connection.execute("SELECT 1")
    (sample,) = (one for one in Measured.of(registry).samples if one.name == f"{DURATION}_count")
    assert sample.labels == {
        "db_system_name": "postgresql", "db_namespace": "shop", "db_operation_name": "SELECT",
        "db_query_kind": "simple", "error_type": "", "server_address": "127.0.0.1", "server_port": str(cluster.port),
    }  # fmt: skip
    boundaries = [one.labels["le"] for one in Measured.of(registry).samples if one.name == f"{DURATION}_bucket"]
    assert boundaries == ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "5.0", "10.0", "+Inf"]


def test_ten_thousand_texts_are_few_series(dsn: str, registry: CollectorRegistry) -> None:
    with monitored_connect(dsn, monitoring=Monitoring(registry=registry)) as connection, connection.pipeline():
        for number in range(10_000):
            connection.execute(f"SELECT {number}, 'v{number}' AS c{number}")
    assert operations(registry) == {("SELECT", "simple", ""): 10_000}


def test_databases_without_end_end_in_one_series(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counting, "MOST_LABEL_SETS", 10)
    for number in range(20):
        counting.operations_of(registry, f"tenant{number}", "127.0.0.1", "5432").count("SELECT", "simple", "X", 0.1, 1)
    for series in (f"{DURATION}_count", f"{ROWS}_count"):
        found = {one.labels["db_namespace"]: one.value for one in Measured.of(registry).samples if one.name == series}
        assert len(found) == 6
        assert found[""] == 15
    assert caplog.messages == ["10 label sets of database operations: further ones lose their database"]


def test_slow_queries_are_logged_without_values(
    dsn: str, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    monitoring = Monitoring(registry=registry, slow_query_seconds=0.1)
    with monitored_connect(dsn, monitoring=monitoring, autocommit=True) as connection:
        connection.execute("SELECT 1")
        connection.execute("SELECT pg_sleep(0.1), 'Zxq', %s::text FROM t WHERE id < 2 -- Zxq", ["Zxq"])
        connection.execute("DO $$ BEGIN PERFORM pg_sleep(0.1), 'Zxq'; END $$")
        connection.execute("SET statement_timeout = 100")
        with suppress(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60), 'Zxq'")
    first, second, third = (record for record in caplog.records if record.name == SLOW)
    assert first.levelno == logging.WARNING
    assert first.getMessage()[13:].partition(" s, ")[2] == (
        "SELECT, 1 rows: SELECT pg_sleep(?), ?, %s::text FROM t WHERE id < ?"
    )
    assert second.getMessage().partition(" s, ")[2].startswith("DO, rows unknown: text ")
    assert third.getMessage().partition(" s, ")[2] == ("SELECT, rows unknown, QueryCanceled: SELECT pg_sleep(?), ?")
    assert "Zxq" not in caplog.text


def test_a_storm_of_slow_queries_is_counted_and_not_logged(
    dsn: str, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    monitoring = Monitoring(registry=registry, slow_query_seconds=0, slow_queries_per_second=3)

    with monitored_connect(dsn, monitoring=monitoring) as connection:
        asked = 0

        def said_how_many_were_left_out_twice() -> bool:
            nonlocal asked
            connection.execute("SELECT 1")
            asked += 1
            return caplog.text.count("were not logged") == 2

        until(said_how_many_were_left_out_twice)
    left_out = [int(number) for number in re.findall(r"\((\d+) more were not logged\)", caplog.text)]
    assert sum(left_out) + len(caplog.messages) == asked
    assert len(caplog.messages) < asked / 2


def test_the_log_of_slow_queries_can_be_turned_off(
    dsn: str, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    monitoring = Monitoring(registry=registry, slow_query_seconds=None)
    with monitored_connect(dsn, monitoring=monitoring) as connection:
        connection.execute("SELECT pg_sleep(1.1)")
    assert not caplog.messages


def test_errors_are_logged_by_their_sqlstate(
    dsn: str, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "exporters.instrument.database")
    with monitored_connect(dsn, monitoring=Monitoring(registry=registry)) as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="Zxq"):
            connection.execute("SELECT %s::int", ["Zxq"])
        connection.rollback()
    assert caplog.messages == ["SELECT failed: InvalidTextRepresentation (22P02)"]


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_threshold_that_is_no_duration_is_an_error(seconds: float) -> None:
    with pytest.raises(ValueError, match="slow_query_seconds"):
        Monitoring(slow_query_seconds=seconds)


def test_no_line_a_second_is_an_error() -> None:
    with pytest.raises(ValueError, match="slow_queries_per_second"):
        Monitoring(slow_queries_per_second=0)


def test_the_environment_says_where_the_database_is() -> None:
    found = {"DB_HOST": "db", "DB_PORT": "5433", "DB_NAME": "a b", "DB_USER": "u", "DB_PASSWORD": "it's \\ Zxq"}
    parameters = psycopg.conninfo.conninfo_to_dict(conninfo_of(found))
    assert parameters == {"host": "db", "port": "5433", "dbname": "a b", "user": "u", "password": "it's \\ Zxq"}
    assert conninfo_of({"DB_HOST": "", "OTHER": "x"}) == ""


@pytest.mark.parametrize("port", ["five", "0", "65536", "5432,5433", "-1", " ", "٣"])
def test_a_port_that_is_none_is_an_error(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PORT", port)
    with pytest.raises(ValueError, match="DB_PORT"):
        monitored_pool(name="orders")
    with pytest.raises(ValueError, match="DB_PORT"):
        monitored_connect()


def test_the_password_is_nowhere_to_be_read(
    cluster: Cluster, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = {"DB_HOST": "127.0.0.1", "DB_PORT": str(cluster.port), "DB_USER": "nobody", "DB_PASSWORD": "Zxq"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(psycopg.OperationalError) as failed:
        monitored_connect(monitoring=Monitoring(registry=registry))
    with monitored_pool(name="orders", registry=registry, timeout=0.2) as pool:
        with pytest.raises(psycopg.OperationalError) as refused, pool.connection():
            pass
        until(lambda: "error connecting" in caplog.text)
        seen = [repr(pool), repr(vars(pool)), str(failed.value), str(refused.value), caplog.text]
    assert not [text for text in seen if "Zxq" in text]


def test_a_connection_that_nobody_has_is_gone_at_once(dsn: str, registry: CollectorRegistry) -> None:
    connection = monitored_connect(dsn, monitoring=Monitoring(registry=registry))
    connection.execute("SELECT 1")
    connection.close()
    gone = weakref.ref(connection)
    gc.disable()
    try:
        del connection
        assert gone() is None
    finally:
        gc.enable()


def test_promtool_finds_nothing_to_say(dsn: str, registry: CollectorRegistry) -> None:
    with monitored_pool(dsn, name="orders", timeout=60, registry=registry) as pool, pool.connection() as connection:
        connection.execute("SELECT 1")
    said = subprocess.run(
        [program("promtool"), "check", "metrics"], input=generate_latest(registry), capture_output=True, timeout=60
    )
    # OpenTelemetry's name for the gauge ends as only a histogram's series may, and FastBreak's domain reads that name.
    lines = [line for line in (said.stdout + said.stderr).decode().splitlines() if line]
    assert lines == ['db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix']


def test_rows_are_typed_as_psycopg_types_them(dsn: str, registry: CollectorRegistry) -> None:
    monitoring = Monitoring(registry=registry)
    connection = monitored_connect(dsn, monitoring=monitoring, row_factory=dict_row)
    assert_type(connection, MonitoredConnection[DictRow])
    row = connection.execute("SELECT 1 AS one").fetchone()
    assert_type(row, DictRow | None)
    assert row == {"one": 1}
    connection.close()
    with monitored_pool(dsn, name="tuples", timeout=60, registry=registry) as pool, pool.connection() as found:
        assert_type(found, MonitoredConnection[TupleRow])
        assert isinstance(found, psycopg.Connection)
        assert_type(found.execute("SELECT 1").fetchone(), TupleRow | None)
    with (
        monitored_pool(dsn, name="dicts", timeout=60, registry=registry, row_factory=dict_row) as dicts,
        dicts.connection() as one,
    ):
        assert_type(one.execute("SELECT 1 AS one").fetchall(), list[DictRow])
        assert one.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
    asyncio.run(_typed_async(dsn, registry))


async def _typed_async(dsn: str, registry: CollectorRegistry) -> None:
    async with (
        monitored_async_pool(dsn, name="dicts", timeout=60, registry=registry, row_factory=dict_row) as pool,
        pool.connection() as connection,
    ):
        assert_type(connection, MonitoredAsyncConnection[DictRow])
        assert isinstance(connection, psycopg.AsyncConnection)
        assert await (await connection.execute("SELECT 1 AS one")).fetchone() == {"one": 1}
