"""The Postgres exporter's plan on real servers: what it says is compared with what the test did there."""

import asyncio
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import make_conninfo

from demo import postgres
from exporters.business import exposition
from exporters.business.connection import connect
from exporters.business.plan import Plan, load
from exporters.business.refresh import Turn, refresh
from exporters.business.snapshot import DatabaseState, Histogram, QueryState, Snapshot
from tests.clusters import Cluster, cluster
from tests.exporters.conventions import Exempt, problems
from tests.programs import until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "exporters" / "postgres"
PLAN = load(FOLDER / "plan.yml")
SERIES = {series.name: series for query in PLAN.queries for series in query.series}
KNOWN_NAMES = (
    Exempt(
        "suffixes", r"pg_(locks|stat_activity|stat_archiver_\w+|stat_user_tables_\w+)_count", "a name that people know"
    ),
    Exempt("labels", r"pg_replication_slots_wal_status", "a name that people know"),
    Exempt("units", r"pg_settings_autovacuum_\w+_max_age", "the name of a setting"),
)
# In a name PostgreSQL allows everything but NUL, and Prometheus in a label's value too.
ODD = 'it\'s "odd"\\ \n{ü=𝄞}'
WORLD = """
CREATE TABLE orders (id bigserial PRIMARY KEY, customer integer, note text);
CREATE INDEX orders_customer ON orders (customer);
CREATE INDEX orders_customer_twin ON orders (customer);
CREATE INDEX orders_customer_some ON orders (customer) WHERE customer > 5;
CREATE INDEX orders_customer_down ON orders (customer DESC);
CREATE INDEX orders_note ON orders (note);
CREATE INDEX orders_note_and_more ON orders (note) INCLUDE (customer);
CREATE INDEX orders_lower ON orders (lower(note));
CREATE INDEX orders_lower_twin ON orders  (  lower(note));
INSERT INTO orders (customer, note) SELECT n % 100, 'note ' || n FROM generate_series(1, 10000) AS n;
CREATE TABLE products (id integer PRIMARY KEY, code text UNIQUE);
CREATE TABLE lines (
    order_id bigint REFERENCES orders, product integer REFERENCES products, code text REFERENCES products (code)
);
CREATE INDEX lines_code ON lines (code, product);
CREATE INDEX lines_order ON lines (order_id) WHERE order_id > 5;
CREATE TABLE bare (n integer);
CREATE TABLE pairs (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE halves (a integer, b integer, FOREIGN KEY (a, b) REFERENCES pairs);
CREATE INDEX halves_a ON halves (a) INCLUDE (b);
CREATE TABLE codes (code text);
CREATE UNIQUE INDEX codes_strict ON codes (code) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX codes_plain ON codes (code);
CREATE TABLE names (name text);
CREATE UNIQUE INDEX names_plain ON names (name);
CREATE UNIQUE INDEX names_strict ON names (name) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX products_id ON products (id) NULLS NOT DISTINCT;
CREATE TABLE bloated (n integer, filler text);
INSERT INTO bloated SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n;
DELETE FROM bloated WHERE n % 4 <> 0 AND n < 20000;
CREATE SEQUENCE tickets AS smallint;
SELECT setval('tickets', 32000);
CREATE TABLE narrow (id integer);
CREATE SEQUENCE wide OWNED BY narrow.id;
SELECT setval('wide', 2000000000);
CREATE SEQUENCE falling INCREMENT BY -1 MINVALUE -100 MAXVALUE -1;
SELECT setval('falling', -34);
CREATE SEQUENCE circle MAXVALUE 3 CYCLE;
SELECT setval('circle', 3);
CREATE UNLOGGED TABLE drafts (id bigserial);
SELECT setval('drafts_id_seq', 4611686018427387904);
CREATE TABLE parts (n integer) PARTITION BY RANGE (n);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
"""


@dataclass(frozen=True)
class Seen:
    """What one refresh of the plan gave."""

    turns: Mapping[str, Turn]

    @property
    def values(self) -> dict[str, dict[tuple[str, ...], float | Histogram]]:
        found: dict[str, dict[tuple[str, ...], float | Histogram]] = {}
        for turn in self.turns.values():
            for name, values in (turn.values or {}).items():
                found.setdefault(name, {}).update(values)
        return found

    @property
    def odd(self) -> dict[str, list[tuple[str, str]]]:
        """What was irregular, by query."""
        return {
            name: [(it.kind, it.detail) for it in turn.irregularities]
            for name, turn in self.turns.items()
            if turn.irregularities or turn.values is None
        }

    def all(self, name: str, **labels: str) -> dict[tuple[str, ...], float | Histogram]:
        """The values of a series whose labels include these."""
        places = {list(SERIES[name].labels).index(label): value for label, value in labels.items()}
        return {
            key: value
            for key, value in self.values.get(name, {}).items()
            if all(key[place] == value for place, value in places.items())
        }

    def one(self, name: str, **labels: str) -> float:
        """The only such value."""
        found = self.all(name, **labels)
        assert len(found) == 1, (name, labels, self.values.get(name))
        (value,) = found.values()
        assert not isinstance(value, Histogram)
        return value

    @property
    def text(self) -> str:
        """The exposition of it."""
        states = tuple(
            QueryState(turn.query, turn.values is not None, turn.values, turn.duration_seconds, 1.0, {})
            for turn in self.turns.values()
        )
        database = DatabaseState("postgres", up=True, reads=True, duration_seconds=1.0, last_refresh=1.0)
        return exposition.encode(Snapshot(PLAN, (database,), states, 13.5, True, 1.0), "text").decode()


def read(dsn: str, plan: Plan = PLAN) -> Seen:
    """One refresh of the plan, as the exporter does it, on a session of its own."""

    async def once() -> Seen:
        connection = await connect(dsn, timeout_seconds=30, lease_seconds=60)
        async with connection:
            refreshed = await refresh(connection, plan.queries, {}, lambda query, now: 0.0, 60, dsn)
        return Seen({turn.query.name: turn for turn in refreshed.turns})

    return asyncio.run(once())


def once(dsn: str, met: Callable[[Seen], object]) -> Seen:
    """What a refresh gave as soon as something about it is true."""

    def attempt() -> list[Seen]:
        seen = read(dsn)
        return [seen] if met(seen) else []

    return until(attempt, 20)[0]


def watcher(server: Cluster, database: str = "postgres") -> str:
    """The connection string of a role that has pg_monitor and nothing else."""
    with suppress(psycopg.errors.DuplicateObject):
        server.execute("CREATE ROLE watcher LOGIN", "GRANT pg_monitor TO watcher")
    return make_conninfo(server.dsn("watcher"), dbname=database)


def stranger(server: Cluster, database: str = "postgres") -> str:
    """The connection string of a role that has no rights but PUBLIC's."""
    with suppress(psycopg.errors.DuplicateObject):
        server.execute("CREATE ROLE stranger LOGIN")
    return make_conninfo(server.dsn("stranger"), dbname=database)


@contextmanager
def database(server: Cluster, name: str, *statements: str) -> Iterator[str]:
    """A database of any name in which these statements ran; its superuser's connection string."""
    quoted = sql.Identifier(name).as_string()
    server.execute(f"CREATE DATABASE {quoted}")
    try:
        dsn = make_conninfo(server.dsn(), dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
                # Statistics are written down once a second; VACUUM would count once more what waits to be.
                connection.execute("SELECT pg_stat_force_next_flush()")
        yield dsn
    finally:
        server.execute(f"DROP DATABASE {quoted} WITH (FORCE)")


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster(
        shared_preload_libraries="pg_stat_statements", autovacuum="off", max_connections="40",
        superuser_reserved_connections="4", **{"pg_stat_statements.track_planning": "on"},
    ) as running:  # fmt: skip
        yield running


@pytest.fixture(scope="module")
def plain() -> Iterator[Cluster]:
    """A server that has not loaded pg_stat_statements."""
    with cluster(autovacuum="off") as running:
        yield running


@pytest.fixture(scope="module")
def world(server: Cluster) -> Iterator[str]:
    with database(server, "world", WORLD, "VACUUM ANALYZE") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection, suppress(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_failed ON orders (customer)")
        yield dsn


@pytest.fixture(scope="module")
def seen(world: str) -> Seen:
    return read(world)


def test_an_empty_database_and_a_role_with_pg_monitor_alone_give_all_but_what_they_cannot(plain: Cluster) -> None:
    seen = read(watcher(plain))
    assert seen.odd == {}
    absent = {query.name for query in PLAN.queries if not seen.turns[query.name].values}
    assert absent == {
        "database/bloat", "database/indexes", "database/maintenance", "database/table_sizes",
        "database/tables", "server/checkpointer", "server/replication_slots", "server/replication_standbys",
        "statements/top",
    }  # fmt: skip


def test_a_role_with_pg_monitor_alone_sees_all_but_bloat_and_sequences(server: Cluster, world: str, seen: Seen) -> None:
    limited = read(watcher(server, "world"))
    assert limited.odd == {}
    assert limited.one("pg_sequences_readable", datname="world") == 0
    missing = {name: values for name, values in seen.values.items() if len(limited.values.get(name, ())) < len(values)}
    assert set(missing) == {"pg_table_bloat_bytes", "pg_table_bloat_ratio", "pg_sequence_used_ratio"}
    server.execute("GRANT pg_read_all_data TO watcher")
    try:
        allowed = read(watcher(server, "world"))
    finally:
        server.execute("REVOKE pg_read_all_data FROM watcher")
    assert {name: set(values) for name, values in allowed.values.items()} == {
        name: set(values) for name, values in seen.values.items()
    }


HIDDEN = {"server/connections", "server/activity", "server/replication", "server/wal_files"}


def test_without_pg_monitor_what_is_hidden_fails(server: Cluster) -> None:
    with database(server, "hidden", "CREATE EXTENSION pg_stat_statements") as dsn:
        seen = read(stranger(server, "hidden"))
        assert set(seen.odd) == HIDDEN
        for name in HIDDEN - {"server/wal_files"}:
            assert [kind for kind, _ in seen.odd[name]] == ["missing_group"]
        assert seen.one("pg_stat_statements_available") == 0
        assert read(dsn).odd == {}


def test_nothing_is_irregular_and_the_conventions_hold(seen: Seen) -> None:
    assert seen.odd == {}
    assert problems(seen.text, PLAN, KNOWN_NAMES) == []


def test_every_counter_passes_resets_through() -> None:
    counters = [series for series in SERIES.values() if series.type == "counter"]
    assert counters
    assert all(series.resets for series in counters)


def test_tables_are_counted(world: str) -> None:
    before = read(world)
    with psycopg.connect(world, autocommit=True) as connection:
        for _ in range(3):
            connection.execute("SELECT count(*) FROM bare")
        connection.execute("INSERT INTO bare SELECT generate_series(1, 50)")
        connection.execute("UPDATE bare SET n = -n WHERE n <= 20")
        connection.execute("DELETE FROM bare WHERE n > 40")
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        connection.execute("SELECT note FROM orders WHERE id = 7")

    def change(after: Seen, column: str, table: str = "bare") -> float:
        name = f"pg_stat_user_tables_{column}"
        return after.one(name, relname=table) - before.one(name, relname=table)

    # A session writes its statistics down when it ends, a moment after the client has gone.
    after = once(world, lambda seen: change(seen, "n_tup_del"))
    changes = {
        column: change(after, column)
        for column in ("seq_scan", "idx_scan", "n_tup_ins", "n_tup_upd", "n_tup_hot_upd", "n_tup_del", "n_live_tup",
                       "n_dead_tup", "n_mod_since_analyze")
    }  # fmt: skip
    assert changes == {
        "seq_scan": 5, "idx_scan": 0, "n_tup_ins": 50, "n_tup_upd": 20, "n_tup_hot_upd": 20, "n_tup_del": 10,
        "n_live_tup": 40, "n_dead_tup": 30, "n_mod_since_analyze": 80,
    }  # fmt: skip
    assert change(after, "idx_scan", "orders") == 1
    assert after.one("pg_stat_user_indexes_idx_scan", indexrelname="orders_pkey") == (
        before.one("pg_stat_user_indexes_idx_scan", indexrelname="orders_pkey") + 1
    )
    assert after.one("pg_stat_user_tables_vacuum_count", relname="bare") == 1
    assert after.one("pg_stat_user_tables_analyze_count", relname="bare") == 1
    assert after.one("pg_stat_user_tables_last_vacuum", relname="bare") == pytest.approx(
        after.one("pg_postmaster_start_time_seconds"), abs=300
    )
    assert after.all("pg_stat_user_tables_last_autovacuum") == {}
    tables = {relname for _, _, relname in after.values["pg_stat_user_tables_seq_scan"]}
    assert tables == {
        "orders", "products", "lines", "bare", "pairs", "halves", "codes", "names", "bloated", "narrow", "drafts",
        "parts_1",
    }  # fmt: skip
    assert {relname for _, _, relname in after.values["pg_stat_user_tables_last_analyze"]} == tables
    assert after.one("pg_tables", datname="world") == len(tables)


def test_sizes_are_the_files(world: str, seen: Seen) -> None:
    with psycopg.connect(world) as connection:
        rows = connection.execute(
            "SELECT relname, relkind, pg_table_size(oid), pg_relation_size(oid), pg_indexes_size(oid) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
        ).fetchall()
        found = connection.execute("SELECT pg_database_size('world')").fetchone()
    heaps = {name: heap for name, kind, _, heap, _ in rows if kind == "r"}
    assert heaps["orders"] > 500_000
    for name, kind, table, heap, indexes in rows:
        if kind == "i":
            assert seen.one("pg_index_size_bytes", indexrelname=name) == heap
        elif name != "bare":
            assert seen.one("pg_stat_user_tables_table_size_bytes", relname=name) == table
            assert seen.one("pg_stat_user_tables_heap_size_bytes", relname=name) == heap
            assert seen.one("pg_stat_user_tables_index_size_bytes", relname=name) == indexes
    assert found is not None
    assert seen.one("pg_database_size_bytes", datname="world") == pytest.approx(found[0], rel=0.02)


def test_indexes_that_nobody_needs_are_found(seen: Seen) -> None:
    def flagged(name: str) -> set[str]:
        return {labels[3] for labels, value in seen.values[name].items() if value}

    duplicates = {"orders_customer_twin", "orders_note", "orders_lower_twin"}
    assert flagged("pg_index_duplicate") == duplicates | {"codes_plain", "names_plain", "products_id"}
    assert flagged("pg_index_invalid") == {"orders_failed"}
    assert flagged("pg_index_unused") == duplicates | {
        "orders_customer", "orders_customer_some", "orders_customer_down", "orders_note_and_more", "orders_lower",
        "lines_code", "lines_order", "halves_a",
    }  # fmt: skip
    for flag in ("duplicate", "invalid", "unused"):
        assert seen.one(f"pg_indexes_{flag}", datname="world") == len(flagged(f"pg_index_{flag}"))
    assert seen.one("pg_indexes", datname="world") == len(seen.values["pg_index_size_bytes"])


def test_indexes_that_are_being_rebuilt_are_not_invalid(server: Cluster) -> None:
    schema = "CREATE TABLE busy (id integer PRIMARY KEY, note text); CREATE INDEX busy_note ON busy (note)"
    with database(server, "rebuilt", schema) as dsn, psycopg.connect(dsn) as writer:
        writer.execute("INSERT INTO busy VALUES (1)")
        with psycopg.connect(dsn, autocommit=True) as builder:
            thread = threading.Thread(target=builder.execute, args=["REINDEX TABLE CONCURRENTLY busy"])
            thread.start()
            try:
                building = once(dsn, lambda seen: seen.one("pg_indexes", datname="rebuilt") == 4)
                hidden = read(stranger(server, "rebuilt"))
            finally:
                writer.commit()
                thread.join(10)
    assert building.one("pg_indexes_invalid", datname="rebuilt") == 0
    assert hidden.one("pg_indexes_invalid", datname="rebuilt") == 0
    assert building.odd == {}


def test_foreign_keys_without_an_index_are_counted(world: str, seen: Seen) -> None:
    # order_id has a partial index only, product is not the first column of its index, b is only included; code is.
    assert seen.one("pg_foreign_keys_unindexed", datname="world") == 3
    (listing,) = re.findall(r"```sql\n(SELECT conrelid.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    with psycopg.connect(world) as connection:
        listed = {name for _, name, _ in connection.execute(listing.encode())}
    assert listed == {"lines_order_id_fkey", "lines_product_fkey", "halves_a_b_fkey"}


def test_limits_are_said_where_a_query_has_many_rows_by_intent() -> None:
    limits = {query.name: query.row_limit for query in PLAN.queries if "row_limit" in query.model_fields_set}
    assert limits["database/sequences"] == 101
    assert limits["statements/top"] == 150


def test_bloat_is_estimated(seen: Seen) -> None:
    assert seen.one("pg_table_bloat_ratio", relname="bloated") == pytest.approx(0.75, abs=0.05)
    assert seen.one("pg_table_bloat_bytes", relname="bloated") == pytest.approx(2_100_000, rel=0.1)
    assert seen.one("pg_table_bloat_ratio", relname="orders") < 0.1


def test_sequences_near_their_end_are_first(seen: Seen) -> None:
    ratios = {labels[2]: value for labels, value in seen.values["pg_sequence_used_ratio"].items()}
    assert ratios.pop("orders_id_seq") == pytest.approx(0, abs=1e-9)
    assert ratios == {
        "tickets": pytest.approx(31999 / 32766),
        "wide": pytest.approx(2e9 / 2**31, rel=1e-6),
        "falling": pytest.approx(33 / 99),
        "drafts_id_seq": pytest.approx(0.5),
    }
    assert seen.one("pg_sequences_readable", datname="world") == 5


def test_of_many_sequences_few_are_locked(server: Cluster) -> None:
    many = "DO $$ BEGIN FOR n IN 1..700 LOOP EXECUTE format('CREATE SEQUENCE s%s', n); END LOOP; END $$"
    small = "CREATE SEQUENCE small MAXVALUE 10; SELECT setval('small', 10)"
    (query,) = (query for query in PLAN.queries if query.name == "database/sequences")
    with database(server, "sequences", many, small) as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute(query.sql.encode())
            (locked,) = connection.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowExclusiveLock'"
            ).fetchone() or (None,)
        seen = read(dsn)
    assert locked == 500
    assert seen.odd == {}
    assert seen.one("pg_sequences_readable", datname="sequences") == 701
    assert seen.all("pg_sequence_used_ratio") == {("sequences", "public", "small"): 1}


def test_sessions_and_what_they_wait_for(server: Cluster, world: str) -> None:
    def session() -> psycopg.Connection[Any]:
        return stack.enter_context(psycopg.connect(world, autocommit=True))

    def at_rest() -> Seen | None:
        seen = read(world)
        return seen if not any(seen.all("pg_stat_activity_count", datname="world").values()) else None

    before = until(at_rest, 10)
    assert before.one("pg_connections_usable") == 36
    assert before.one("pg_longest_idle_in_transaction_seconds") == 0
    with ExitStack() as stack:
        holder, waiter, idle, broken = session(), session(), session(), session()
        holder.execute("BEGIN; LOCK TABLE lines IN EXCLUSIVE MODE")
        with suppress(psycopg.errors.DivisionByZero):
            broken.execute("BEGIN; SELECT 1 / 0")
        idle.execute("SELECT 1")
        thread = threading.Thread(target=waiter.execute, args=["INSERT INTO lines DEFAULT VALUES"])
        thread.start()
        try:
            seen = once(world, lambda seen: seen.one("pg_blocked_sessions"))
            later = once(world, lambda seen: seen.one("pg_longest_lock_wait_seconds") > 0.3)
        finally:
            holder.execute("COMMIT")
            thread.join(10)
    states = {state: count for (_, state), count in seen.all("pg_stat_activity_count", datname="world").items()}
    assert states == {
        "active": 1, "idle": 1, "idle in transaction": 1, "idle in transaction (aborted)": 1,
        "fastpath function call": 0, "disabled": 0,
    }  # fmt: skip
    assert seen.one("pg_connections_used") == before.one("pg_connections_used") + 4
    assert (seen.one("pg_blocked_sessions"), seen.one("pg_blocking_sessions")) == (1, 1)
    assert 0 <= seen.one("pg_longest_lock_wait_seconds") < later.one("pg_longest_lock_wait_seconds")
    waited = later.one("pg_longest_lock_wait_seconds")
    for name in ("transaction", "query", "idle_in_transaction"):
        assert later.one(f"pg_longest_{name}_seconds") > waited * 0.9
    assert later.one("pg_stat_activity_max_tx_duration", datname="world", state="active") > waited * 0.9
    assert later.one("pg_stat_activity_max_tx_duration", datname="world", state="idle") == 0
    assert seen.one("pg_locks_count", datname="world", mode="exclusivelock") == 1
    assert seen.one("pg_locks_count", datname="world", mode="rowexclusivelock") == 1
    assert seen.one("pg_locks_count", datname="world", mode="accessexclusivelock") == 0


def test_deadlocks_and_transactions_are_counted(world: str) -> None:
    def counted(what: str) -> float:
        return read(world).one(f"pg_stat_database_{what}", datname="world")

    deadlocks, rollbacks, commits = counted("deadlocks"), counted("xact_rollback"), counted("xact_commit")
    with psycopg.connect(world) as one, psycopg.connect(world) as other:
        one.execute("LOCK TABLE narrow")
        other.execute("LOCK TABLE products")

        def cross() -> None:
            with suppress(psycopg.errors.DeadlockDetected):
                one.execute("LOCK TABLE products")
            one.rollback()

        thread = threading.Thread(target=cross)
        thread.start()
        with suppress(psycopg.errors.DeadlockDetected):
            other.execute("LOCK TABLE narrow")
        other.rollback()
        thread.join(10)
    until(lambda: counted("deadlocks") == deadlocks + 1 and counted("xact_rollback") >= rollbacks + 2, 10)
    assert counted("xact_commit") > commits
    assert counted("blks_hit") > 0


def test_prepared_transactions_are_seen() -> None:
    with cluster(max_prepared_transactions="2") as server:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("BEGIN; CREATE TABLE half (n integer); PREPARE TRANSACTION 'half'")
        seen = read(dsn)
        assert seen.one("pg_prepared_transactions") == 1
        assert 0 < seen.one("pg_longest_prepared_transaction_seconds") < 60
        server.execute("ROLLBACK PREPARED 'half'")


def test_a_crash_begins_the_statistics_anew(plain: Cluster) -> None:
    before = read(plain.dsn()).one("pg_postmaster_start_time_seconds")
    plain.stop("immediate")
    plain.start()
    seen = read(plain.dsn())
    assert seen.one("pg_postmaster_start_time_seconds") > before
    assert seen.one("pg_stat_database_stats_reset", datname="postgres") == pytest.approx(
        seen.one("pg_postmaster_start_time_seconds"), abs=5
    )
    assert seen.one("pg_stat_database_stats_reset", datname="postgres") > before


def test_nothing_waits_behind_a_migration(world: str) -> None:
    """A table that somebody alters has no size for a while; all else goes on, and nobody queues for a lock."""
    with psycopg.connect(world) as migration:
        migration.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        migration.execute("REINDEX INDEX lines_code")
        migration.execute("ALTER SEQUENCE wide CACHE 5")
        (toast,) = migration.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'names')"
        ).fetchone() or (None,)
        migration.execute(f"REINDEX INDEX {toast}".encode())
        with psycopg.connect(world) as reader:
            reader.execute("LOCK TABLE products IN ACCESS SHARE MODE")
            with psycopg.connect(world, autocommit=True) as queued:
                thread = threading.Thread(target=queued.execute, args=["ALTER TABLE products ADD COLUMN more text"])
                thread.start()
                try:
                    until(lambda: read(world).one("pg_blocked_sessions"), 10)
                    seen = read(world)
                finally:
                    reader.rollback()
                    migration.rollback()
                    thread.join(10)
    assert seen.odd == {}
    sized = {labels[2] for labels in seen.values["pg_stat_user_tables_table_size_bytes"]}
    assert {"bare", "bloated", "narrow"} <= sized
    assert not sized & {"orders", "products", "names"}
    assert seen.one("pg_stat_user_tables_n_live_tup", relname="orders") == 10000
    assert not seen.all("pg_sequence_used_ratio", sequencename="wide")
    assert seen.all("pg_sequence_used_ratio", sequencename="tickets")
    measured = {labels[3] for labels in seen.values["pg_index_size_bytes"]}
    assert "lines_code" not in measured
    assert "lines_order" in measured
    assert max(turn.duration_seconds for turn in seen.turns.values()) < 0.9  # lock_timeout is 1 s


def test_server_facts(server: Cluster, world: str, seen: Seen) -> None:
    with psycopg.connect(world) as connection:
        row = connection.execute(
            "SELECT version(), extract(epoch FROM pg_postmaster_start_time())::float8, age(datfrozenxid),"
            " mxid_age(datminmxid), extract(epoch FROM stats_reset)::float8"
            " FROM pg_database JOIN pg_stat_database USING (datname) WHERE datname = 'world'"
        ).fetchone()
    assert row is not None
    version, started, xids, mxids, reset = row
    assert list(seen.values["pg_server_info"]) == [(version, version.split()[1])]
    assert seen.one("pg_postmaster_start_time_seconds") == pytest.approx(started)
    assert seen.one("pg_database_unfrozen_transactions", datname="world") == pytest.approx(xids, abs=100)
    assert seen.one("pg_database_transaction_freeze_ratio", datname="world") == pytest.approx(xids / 200e6, abs=1e-6)
    assert seen.one("pg_database_unfrozen_multixacts", datname="world") == pytest.approx(mxids, abs=10)
    assert seen.one("pg_database_multixact_freeze_ratio", datname="world") == pytest.approx(mxids / 400e6, abs=1e-6)
    assert seen.one("pg_stat_database_stats_reset", datname="world") == pytest.approx(reset or started, abs=60)
    assert seen.one("pg_settings_max_connections") == 40
    assert seen.one("pg_settings_superuser_reserved_connections") == 4
    assert seen.one("pg_settings_autovacuum") == 0
    assert seen.one("pg_settings_shared_buffers_bytes") == 32 * 2**20
    assert seen.one("pg_wal_size_bytes") == 16 * 2**20 * seen.one("pg_wal_segments") > 0
    before = {name: read(world).one(name) for name in ("pg_wal_lsn_location_bytes", "pg_stat_wal_bytes_total")}
    checkpoints = seen.one("pg_stat_bgwriter_checkpoints_req_total")
    server.execute("CREATE TABLE filled AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)", "CHECKPOINT")
    server.execute("DROP TABLE filled")
    once(world, lambda seen: all(seen.one(name) > value + 1e6 for name, value in before.items()))
    until(lambda: read(world).one("pg_stat_bgwriter_checkpoints_req_total") > checkpoints, 10)


def test_odd_names_come_out_as_they_are(server: Cluster) -> None:
    odd = sql.Identifier(ODD).as_string()
    schema = (
        f"CREATE SCHEMA {odd}; CREATE TABLE {odd}.{odd} (n serial PRIMARY KEY); INSERT INTO {odd}.{odd} DEFAULT VALUES"
    )
    with database(server, ODD, schema, "VACUUM ANALYZE") as dsn:
        seen = read(dsn)
        assert seen.odd == {}
        assert seen.one("pg_stat_user_tables_n_live_tup", datname=ODD, schemaname=ODD, relname=ODD) == 1
        assert seen.one("pg_index_unused", datname=ODD, schemaname=ODD, relname=ODD) == 0
        assert seen.one("pg_database_size_bytes", datname=ODD) > 1e6
        assert problems(seen.text, PLAN, KNOWN_NAMES) == []


def test_of_many_tables_the_largest_are_shown(server: Cluster) -> None:
    many = (
        "DO $$ BEGIN FOR n IN 1..600 LOOP"
        " EXECUTE format('CREATE TABLE t%s (n integer PRIMARY KEY)', n); END LOOP; END $$"
    )
    large = "INSERT INTO t7 SELECT generate_series(1, 100)"
    with database(server, "many", many, large) as dsn:
        seen = read(dsn)
        assert seen.one("pg_stat_user_tables_n_live_tup", relname="t7") == 100
        assert seen.odd == {}
        for name in ("pg_stat_user_tables_seq_scan", "pg_stat_user_tables_table_size_bytes",
                     "pg_stat_user_indexes_idx_scan", "pg_index_size_bytes"):  # fmt: skip
            assert len(seen.values[name]) == 500, name
        assert seen.one("pg_tables", datname="many") == 600
        assert seen.one("pg_indexes", datname="many") == 600


@pytest.mark.parametrize("schema", ["public", ODD], ids=["public", "another"])
def test_statements_are_counted_and_never_reset(server: Cluster, schema: str) -> None:
    counted = "INSERT INTO target SELECT n FROM generate_series(1, 1000) AS n, pg_sleep(0.05)"
    quoted = sql.Identifier(schema).as_string()
    setup = f"CREATE SCHEMA IF NOT EXISTS {quoted}; CREATE EXTENSION pg_stat_statements SCHEMA {quoted}"
    with database(server, "counted", setup, "CREATE TABLE target (n integer)") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for _ in range(4):
                connection.execute(counted)
            (queryid,) = connection.execute(
                f"SELECT queryid FROM {quoted}.pg_stat_statements JOIN pg_database ON oid = dbid"
                " WHERE datname = 'counted' AND query LIKE 'INSERT INTO target%'".encode()
            ).fetchone() or (None,)
        labels = {"queryid": str(queryid), "datname": "counted", "user": "postgres"}
        limited = watcher(server, "counted")
        # Without the right to look into the extension's schema nothing fails.
        assert read(limited).odd == {}
        assert read(limited).one("pg_stat_statements_available") == (schema == "public")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"GRANT USAGE ON SCHEMA {quoted} TO watcher".encode())
        for role in (dsn, limited):
            seen = read(role)
            assert seen.odd == {}
            assert seen.one("pg_stat_statements_available") == 1
            assert seen.one("pg_stat_statements_calls_total", **labels) == 4
            assert seen.one("pg_stat_statements_rows_total", **labels) == 4000
            assert 0.2 <= seen.one("pg_stat_statements_seconds_total", **labels) < 60
            assert 0 < seen.one("pg_stat_statements_plan_seconds_total", **labels) < 1
            assert len(seen.values["pg_stat_statements_calls_total"]) <= 150
            assert "generate_series" not in seen.text
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(counted)
        assert read(dsn).one("pg_stat_statements_calls_total", **labels) == 5


def test_of_many_statements_the_100_with_most_time_are_shown(server: Cluster) -> None:
    with database(server, "busy", "CREATE EXTENSION pg_stat_statements") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for width in range(150):
                connection.execute(f"SELECT {', '.join(['1'] * (width + 1))}".encode())
            connection.execute("SELECT pg_sleep(0.3)")
            (queryid,) = connection.execute(
                "SELECT queryid FROM pg_stat_statements JOIN pg_database ON oid = dbid"
                " WHERE datname = 'busy' AND query LIKE 'SELECT pg_sleep%'"
            ).fetchone() or (None,)
        seen = read(dsn)
        assert 100 <= len(seen.values["pg_stat_statements_seconds_total"]) <= 150
        assert seen.one("pg_stat_statements_seconds_total", queryid=str(queryid), datname="busy") > 0.29


def test_a_new_slow_statement_is_shown_though_others_took_more_in_all() -> None:
    with cluster(shared_preload_libraries="pg_stat_statements", autovacuum="off") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            for width in range(110):
                query = f"SELECT pg_sleep(0.001), {', '.join(['1'] * (width + 1))}"
                for _ in range(8):
                    connection.execute(query.encode())
            connection.execute("SELECT 1 FROM pg_sleep(0.004)")
            (queryid,) = connection.execute(
                "SELECT queryid FROM pg_stat_statements WHERE query LIKE 'SELECT $1 FROM pg_sleep%'"
            ).fetchone() or (None,)
        seen = read(server.dsn())
        assert seen.odd == {}
        assert seen.one("pg_stat_statements_calls_total", queryid=str(queryid)) == 1
        assert 100 <= len(seen.values["pg_stat_statements_calls_total"]) <= 150


def test_without_the_library_or_the_extension_statements_are_not_available(server: Cluster, plain: Cluster) -> None:
    with database(plain, "unloaded", "CREATE EXTENSION pg_stat_statements") as dsn:
        with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute("SELECT count(*) FROM pg_stat_statements")
        for seen in (read(dsn), read(server.dsn())):
            assert seen.odd == {}
            assert seen.one("pg_stat_statements_available") == 0
            assert "pg_stat_statements_calls_total" not in seen.values


def test_an_extension_of_an_older_version_is_not_available(server: Cluster) -> None:
    with database(server, "older", "CREATE EXTENSION pg_stat_statements VERSION '1.7'") as dsn:
        seen = read(dsn)
        assert seen.odd == {}
        assert seen.one("pg_stat_statements_available") == 0


@contextmanager
def standby(primary: Cluster) -> Iterator[Cluster]:
    """A streaming standby of a running cluster, through a replication slot ``copy``."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    copy = Cluster(primary.programs, folder, primary.settings)
    copy.settings["cluster_name"] = "copy"
    try:
        copy.run(
            "pg_basebackup", "-D", str(folder / "data"), "-R", "-X", "stream",
            "-c", "fast", "--no-sync", "-C", "-S", "copy", "-d", primary.dsn(),
        )  # fmt: skip
        copy.start()
        yield copy
    finally:
        copy.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def test_a_primary_and_its_standby(plain: Cluster) -> None:
    plain.execute("CREATE TABLE IF NOT EXISTS replicated (n integer PRIMARY KEY)")
    plain.execute("CREATE UNLOGGED TABLE IF NOT EXISTS unlogged (n serial)")
    receiver = {"application_name": "copy", "client_addr": "127.0.0.1", "slot_name": "copy", "state": "streaming"}
    source = watcher(plain)
    with standby(plain) as copy:
        target = copy.dsn("watcher")
        primary = once(source, lambda seen: seen.one("pg_replication_standbys"))
        assert primary.odd == {}
        assert set(read(stranger(plain)).odd) == HIDDEN | {"server/replication_standbys"}
        assert primary.one("pg_replication_is_replica") == primary.one("pg_replication_lag_seconds") == 0
        assert primary.one("pg_replication_slots_slot_is_active", slot_name="copy", slot_type="physical") == 1
        assert primary.one("pg_replication_slots_wal_status", slot_name="copy", wal_status="reserved") == 1
        plain.execute("INSERT INTO replicated SELECT generate_series(1, 10000)")
        until(lambda: read(source).one("pg_stat_replication_pg_wal_lsn_diff", **receiver) == 0)
        for lag in ("write", "flush", "replay"):
            assert read(source).one(f"pg_stat_replication_{lag}_lag_seconds", **receiver) < 30

        replica = once(target, lambda seen: seen.one("pg_replication_receiving"))
        assert replica.odd == read(copy.dsn()).odd == {}
        assert problems(replica.text, PLAN, KNOWN_NAMES) == []
        assert replica.one("pg_replication_is_replica") == 1
        assert until(lambda: read(target).one("pg_replication_lag_seconds") == 0)
        assert replica.one("pg_wal_lsn_location_bytes") == pytest.approx(
            primary.one("pg_wal_lsn_location_bytes"), rel=0.2
        )
        assert replica.one("pg_stat_user_tables_table_size_bytes", relname="replicated") > 0

        copy.execute("SELECT pg_wal_replay_pause()")
        plain.execute("INSERT INTO replicated SELECT generate_series(10001, 20000)")
        behind = once(
            target,
            lambda seen: seen.one("pg_replication_lag_bytes") > 500_000 and seen.one("pg_replication_lag_seconds") > 0,
        )
        assert behind.odd == {}
        assert read(source).one("pg_stat_replication_pg_wal_lsn_diff", **receiver) > 500_000
    plain.execute("INSERT INTO replicated SELECT generate_series(20001, 30000)")
    gone = once(source, lambda seen: not seen.one("pg_replication_standbys"))
    assert gone.odd == {}
    assert "pg_stat_replication_pg_wal_lsn_diff" not in gone.values
    assert gone.one("pg_replication_slots_slot_is_active", slot_name="copy") == 0
    assert gone.one("pg_replication_slots_active", slot_name="copy", database="") == 0
    assert gone.one("pg_replication_slots_pg_wal_lsn_diff", slot_name="copy", database="") > 0
    plain.execute("SELECT pg_drop_replication_slot('copy')")


def test_a_slot_that_reserves_nothing_has_no_status(plain: Cluster) -> None:
    plain.execute("SELECT pg_create_physical_replication_slot('idle')")
    plain.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'", "SELECT pg_reload_conf()")
    try:
        idle = read(plain.dsn())
        plain.execute("SELECT pg_create_physical_replication_slot('kept', true)")
        both = once(plain.dsn(), lambda seen: seen.all("pg_replication_slots_safe_wal_size_bytes"))
    finally:
        plain.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        plain.execute("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
    assert idle.odd == both.odd == {}
    assert idle.one("pg_replication_slots_active") == idle.one("pg_replication_slots_slot_is_active") == 0
    for name in ("pg_wal_lsn_diff", "wal_status", "safe_wal_size_bytes"):
        assert not idle.all(f"pg_replication_slots_{name}")
    assert set(both.values["pg_replication_slots_wal_status"]) == {("kept", "physical", "reserved")}
    assert both.one("pg_replication_slots_safe_wal_size_bytes", slot_name="kept", slot_type="physical") > 2**20
    assert problems(both.text, PLAN, KNOWN_NAMES) == []


@contextmanager
def embedded(version: int) -> Iterator[Cluster]:
    """A server of the versions that come in a package of PyPI."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    try:
        running = Cluster(postgres.embedded(folder, version), folder, {"autovacuum": "off"})
        try:
            running.create()
            running.start()
            yield running
        finally:
            running.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("version", [16, 18])
def test_other_versions(version: int) -> None:
    with embedded(version) as other:
        virtual = "CREATE TABLE doubled (n integer, twice integer GENERATED ALWAYS AS (n * 2) VIRTUAL)"
        more = f"{virtual}; INSERT INTO doubled SELECT generate_series(1, 1000)" if version >= 18 else "SELECT 1"
        with database(other, "world", WORLD, more, "VACUUM ANALYZE") as dsn:
            seen = read(dsn)
            assert seen.odd == {}
            assert bool(seen.all("pg_table_bloat_ratio", relname="doubled")) == (version >= 18)
            assert problems(seen.text, PLAN, KNOWN_NAMES) == []
            assert read(watcher(other, "world")).odd == {}
        ((full, short),) = seen.values["pg_server_info"]
        assert full.startswith(f"PostgreSQL {version}.")
        assert short.startswith(f"{version}.")
        assert ("pg_stat_checkpointer_num_timed_total" in seen.values) == (version >= 17)
        assert ("pg_stat_bgwriter_checkpoints_timed_total" in seen.values) == (version < 17)
        assert bool(seen.all("pg_stat_activity_count", state="starting")) == (version >= 18)
        assert seen.one("pg_index_duplicate", indexrelname="orders_customer_twin") == 1
        assert seen.one("pg_table_bloat_ratio", relname="bloated") == pytest.approx(0.75, abs=0.05)
        assert seen.one("pg_stat_statements_available") == 0


def test_no_search_path_leads_elsewhere(server: Cluster) -> None:
    """Relations, functions and types of the plan's SQL have namesakes in a schema that comes first; none is used."""
    text = "\n".join(query.sql + (query.when or "") for query in PLAN.queries)
    words = sorted(set(re.findall(r"[a-z_][a-z0-9_]*", text)))
    namesakes = """
        CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
        DO $$ DECLARE it record; BEGIN
            FOR it IN SELECT relname FROM pg_class
                WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
            LOOP EXECUTE format('CREATE TABLE evil.%I ()', it.relname); END LOOP;
            FOR it IN SELECT proname, pg_get_function_identity_arguments(oid) AS arguments,
                pg_get_function_result(oid) AS result FROM pg_proc
                WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND proname = ANY (:words)
            LOOP BEGIN
                EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
                    || '''BEGIN RAISE ''''evil''''; END''', it.proname, it.arguments, it.result);
            EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP;
            CREATE DOMAIN evil.text AS integer; CREATE DOMAIN evil.oid AS text;
        END $$
    """.replace(":words", "'{" + ",".join(words) + "}'")
    with database(server, "trap", WORLD, "CREATE EXTENSION pg_stat_statements", "VACUUM ANALYZE", namesakes) as dsn:
        server.execute("ALTER DATABASE trap SET search_path = evil, pg_catalog")
        with psycopg.connect(dsn) as connection:
            with pytest.raises(psycopg.errors.RaiseException, match="evil"):
                connection.execute("SELECT clock_timestamp()")
            connection.rollback()
            shadowed = connection.execute(
                "SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc"
                " WHERE pronamespace = 'evil'::pg_catalog.regnamespace"
            ).fetchone()
        assert shadowed is not None
        assert shadowed[0] > 40
        seen = read(dsn)
        assert seen.odd == {}
        assert seen.all("pg_stat_user_tables_seq_scan", relname="orders")
        assert seen.values["pg_stat_statements_calls_total"]


def promql(node: Any) -> Iterator[str]:
    """Every expression in a domain file."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "promql" and isinstance(value, str):
                yield value
            yield from promql(value)
    elif isinstance(node, list):
        for item in node:
            yield from promql(item)


def test_the_plan_gives_all_that_the_domains_read() -> None:
    """Each series by its name, and each label that an expression groups, matches or selects by."""
    own = exposition.Names.of(PLAN)
    labels = {name: set(series.labels) for name, series in SERIES.items()} | {own.up: {"database"}}
    read_by_domains = set()
    for path in sorted((ROOT / "domains").glob("*/*.yaml")):
        for expression in promql(yaml.safe_load(path.read_text())):
            named = set(re.findall(r"\bpg_[a-z0-9_]+\b", expression))
            read_by_domains |= named
            lists = re.findall(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^()]*)\)", expression)
            wanted = {label.strip() for part in lists for label in part.split(",") if label.strip()}
            wanted |= set(re.findall(r"[{,]\s*([a-zA-Z_]\w*)\s*(?:=|!=|=~|!~)", expression))
            for name in named:
                assert name in labels, (path, name)
                assert wanted - {"job", "instance"} <= labels[name], (path, name, wanted)
    assert len(read_by_domains) >= 11


def test_the_readme_lists_every_series_and_query() -> None:
    text = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| `(pg_\w+)` \| (\w+) \| (.*?) \|", text, re.MULTILINE)
    listed = {name: (type_, tuple(re.findall(r"`(\w+)`", labels))) for name, type_, labels in rows}
    assert len(listed) == len(rows)
    assert listed == {
        name: ("untyped" if series.type == "unknown" else series.type, tuple(series.labels))
        for name, series in SERIES.items()
    }
    assert set(re.findall(r"`((?:server|database|statements)/\w+)`", text)) == {query.name for query in PLAN.queries}
