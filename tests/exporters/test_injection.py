"""Hostile text in rows, in YAML and in the plan itself: nothing writes, and nobody's text becomes a metric.

Each attack is made twice: with the role that may only read, and with a superuser, who is stopped by the form of the
statements alone. What a superuser's functions reach all the same is listed, and tried, at the end.
"""

import asyncio
import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import yaml
from prometheus_client.openmetrics import parser as openmetrics

from exporters.business.exporter import Exporter
from exporters.business.plan import load as read_plan
from generator.diagnostics import Problem
from generator.load import Files, load
from generator.plan.build import plan
from tests.clusters import Cluster, cluster
from tests.compiling import PLATFORMS, compiled, problems
from tests.exporters.running import DSN, Running, Scrape, exporter, gauge, parsed, plan_file, query
from tests.programs import program, prometheus, run, until

ROLES = ("monitoring", "postgres")
SECRET = "the secret of the server"

# What must be as it was: a table, a sequence, a large object, the list of tables. wipe() is an owner's function that
# everybody may call.
CANARY = """
    CREATE TABLE canary (id int PRIMARY KEY, name text);
    INSERT INTO canary VALUES (1, 'alive');
    CREATE SEQUENCE numbers;
    GRANT SELECT, USAGE, UPDATE ON SEQUENCE numbers TO PUBLIC;
    CREATE FUNCTION wipe() RETURNS int VOLATILE SECURITY DEFINER LANGUAGE sql
        AS $$ DELETE FROM canary; SELECT 1 $$;
    CREATE FUNCTION wipe_at_will() RETURNS int VOLATILE SECURITY DEFINER LANGUAGE plpgsql AS $$
        BEGIN
            SET transaction_read_only = off;
            DELETE FROM canary;
            RETURN 1;
        END $$;
    CREATE PROCEDURE wipe_and_commit() LANGUAGE plpgsql AS $$
        BEGIN
            COMMIT;
            DELETE FROM canary;
        END $$;
    SELECT lo_create(4711);
"""
ALIVE = (
    "SELECT (SELECT string_agg(id || name, ',') FROM canary), (SELECT last_value || is_called::text FROM numbers),"
    " (SELECT string_agg(oid::text, ',') FROM pg_largeobject_metadata),"
    " (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),"
    " (SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_')"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as running:
        # That the attack on files would work: a superuser's own COPY writes beside the data.
        running.execute(f"COPY (SELECT 1) TO PROGRAM 'touch {running.folder / 'control'}'")
        assert (running.folder / "control").exists()
        (running.folder / "secret").write_text(SECRET)
        yield running


@contextmanager
def canary(server: Cluster, name: str, more: str = "") -> Iterator[str]:
    """A database with what must not change, looked at before and after; its name."""
    touched = server.folder / "touched"
    with server.database(name, CANARY + more) as database:
        before = server.execute(ALIVE, database=database)
        yield database
        assert server.execute(ALIVE, database=database) == before
        assert not touched.exists()
        assert (server.folder / "secret").read_text() == SECRET


def names(text: str) -> set[str]:
    """The names of all samples and families of an exposition, each line read by itself."""
    found = set()
    for line in text.split("\n"):
        if line in ("", "# EOF"):
            continue
        match = re.match(r"(?:# (?:HELP|TYPE|UNIT) )?([a-z_][a-z0-9_]*)(?=[ {])", line)
        assert match, line
        found.add(match[1])
    return found


def assert_no_fakes(text: str) -> None:
    """Every line is about something that the exporter means to say."""
    assert {name for name in names(text) if not name.startswith(("shop_", "process_"))} == set()


# Text that means something to SQL, to the expositions, to terminals, to templates or to whoever reads too little of it.
HOSTILE = (
    "'; DROP TABLE canary; --",
    "' OR '1'='1",
    '"',
    "'",
    "\\",
    '\\"',
    "\\n",
    "\\\\\n",
    "\n",
    "x} 1\nfake_metric 2",
    'x"} 1\nfake_metric{a="b"} 2\n# TYPE fake_metric counter\n# HELP fake_metric x',
    'x\\"} 1\nfake_metric 2',
    "\n# EOF\nfake_metric 3",
    "\r\nfake_metric 4\r",
    "\u2028fake_metric 5\u2029fake_metric 6",
    "\x85fake_metric 7\x0b\x0c\x1c\x1d\x1e",
    "{",
    "}",
    '",fake="1',
    ", =",
    "# TYPE fake_metric gauge",
    " ",
    "\t1",
    "1 # {trace_id=\"x\"} 1",
    "\x1b[2J\x07\x01",
    "{{ $labels.name }}",
    "${jndi:ldap://x}",
    "%s%n%(x)s",
    "$1",
    "$$",
    "NaN",
    "<script>alert(1)</script>",
    "å漢😀",
    "e\u0301",
    "x" * 5000,
)  # fmt: skip


@contextmanager
def hostile_rows(server: Cluster, folder: Path) -> Iterator[Running]:
    with canary(server, "shop_rows", "CREATE TABLE goods (name text, amount int)") as database:
        for number, text in enumerate(HOSTILE):
            quoted = "'" + text.replace("'", "''") + "'"
            server.execute(f"INSERT INTO goods VALUES ({quoted}, {number})", database=database)
        labelled = gauge("shop_goods", labels={"name": []})
        known = gauge("shop_known", labels={"name": list(HOSTILE[:16])}, absent="zero", help="\n".join(HOSTILE[:16]))
        queries = [
            query("sales/goods", "SELECT name, amount AS value FROM goods", labelled),
            query("sales/known", "SELECT name, amount AS value FROM goods WHERE false", known),
        ]
        source = {'x"} 1\nfake_metric 8': {"type": "postgres", "dsn_env": DSN}}
        for each in queries:
            each["source"] = next(iter(source))
        plan = plan_file(folder / "plan.yml", queries, interval=1, sources=source)
        with exporter(plan, folder, {DSN: server.dsn("monitoring", database)}) as running:
            yield running


def test_hostile_rows_are_label_values_and_no_more(server: Cluster, tmp_path: Path) -> None:
    expected = {frozenset({("name", text)}): float(number) for number, text in enumerate(HOSTILE)}
    with hostile_rows(server, tmp_path) as running:
        scrape = running.scrape()
        assert_no_fakes(scrape.text)
        assert scrape.samples("shop_goods") == expected
        assert scrape.samples("shop_known") == {frozenset({("name", text)}): 0.0 for text in HOSTILE[:16]}
        assert scrape.success("sales/goods") == 1

        accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
        text = requests.get(f"{running.url}/metrics", headers=accept, timeout=10).content.decode()
        assert_no_fakes(text)
        assert text.count("# EOF\n") == 1
        families = {family.name: family for family in openmetrics.text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
        goods = families["shop_goods"].samples
        assert {frozenset(sample.labels.items()): sample.value for sample in goods} == expected

        (tmp_path / "metrics").write_text(scrape.text)
        assert run("sh", "-c", f"{program('promtool')} check metrics < {tmp_path / 'metrics'}") == ""


def test_prometheus_reads_hostile_rows_as_label_values(server: Cluster, tmp_path: Path) -> None:
    with hostile_rows(server, tmp_path) as running:
        config = tmp_path / "prometheus.yml"
        target = running.url.removeprefix("http://")
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        with prometheus(config, tmp_path) as url:

            def asked(what: str) -> list[dict[str, Any]]:
                answer = requests.get(f"{url}/api/v1/query", params={"query": what}, timeout=5)
                found: list[dict[str, Any]] = answer.json()["data"]["result"]
                return found

            goods = until(lambda: asked("shop_goods"))
            assert {one["metric"]["name"]: float(one["value"][1]) for one in goods} == {
                text: float(number) for number, text in enumerate(HOSTILE)
            }
            assert [one["value"][1] for one in asked("up")] == ["1"]
            all_names = requests.get(f"{url}/api/v1/label/__name__/values", timeout=5).json()["data"]
            assert [name for name in all_names if "fake" in name] == []


@dataclass(frozen=True)
class Attack:
    """SQL of a plan, and what becomes of it: the value that it gives, or the kind of its failure."""

    sql: str
    becomes: float | str = "sql_error"
    when: str | None = None

    def query(self, name: str) -> dict[str, Any]:
        """It as a query of a plan."""
        return query(f"sales/{name}", self.sql, **({} if self.when is None else {"when": self.when}))


# {touch} is a program that leaves a file behind, {secret} a file that only the server may read.
ATTACKS = {
    # More than one statement, and out of the SELECT that each query is wrapped in.
    "second": Attack("SELECT 1 AS value; DROP TABLE canary"),
    "second_and_comment": Attack("SELECT 1 AS value; DROP TABLE canary --"),
    "out_and_back": Attack("SELECT 1 AS value) AS a; DROP TABLE canary; SELECT * FROM (SELECT 1 AS value"),
    "out_and_commit": Attack("SELECT 1) AS a; COMMIT; DELETE FROM canary; BEGIN; SELECT * FROM (SELECT 1 AS value"),
    "out_and_comment": Attack("SELECT 1 AS value) AS answer; DELETE FROM canary; --"),
    "out_and_open_comment": Attack("SELECT 1 AS value) AS answer; DELETE FROM canary; /*"),
    "out_and_join": Attack("SELECT 7 AS value) AS a, (SELECT 1 AS other", 7),
    "out_and_into": Attack("SELECT 1 AS value) AS a UNION SELECT 1 AS value INTO copied FROM (SELECT 1"),
    "out_and_lock": Attack("SELECT 1 AS value) AS a, canary FOR UPDATE; --"),
    "open_comment": Attack("SELECT 1 AS value /*"),
    "line_comment": Attack("SELECT 2 AS value -- ) AS answer; DROP TABLE canary", 2),
    "block_comment": Attack("SELECT 3 AS value /* ; DROP TABLE canary */", 3),
    "semicolon": Attack("SELECT 4 AS value;;", 4),
    "semicolons_between": Attack("SELECT 4 AS value; ;SELECT 1"),
    "dollar_quotes": Attack("SELECT length($$'; DROP TABLE canary; --$$) AS value", 24),
    "open_dollar_quote": Attack("SELECT $x$ AS value"),
    "escape_string": Attack("SELECT length(E'\\'; DROP TABLE canary; --') AS value", 24),
    "psql_shell": Attack("\\! {touch}"),
    "psql_gexec": Attack("SELECT 'DROP TABLE canary' AS value \\gexec"),
    "parameter": Attack("SELECT $1::int AS value"),
    # Statements that are no SELECT, or not only one.
    "delete": Attack("DELETE FROM canary RETURNING 1 AS value"),
    "insert": Attack("INSERT INTO canary VALUES (2, 'x') RETURNING 1 AS value"),
    "update": Attack("UPDATE canary SET name = 'x' RETURNING 1 AS value"),
    "merge": Attack("MERGE INTO canary USING canary AS c ON true WHEN MATCHED THEN DELETE"),
    "truncate": Attack("TRUNCATE canary"),
    "drop": Attack("DROP TABLE canary"),
    "create": Attack("CREATE TABLE copied AS SELECT 1 AS value"),
    "temporary": Attack("CREATE TEMPORARY TABLE copied AS SELECT 1 AS value"),
    "into": Attack("SELECT 1 AS value INTO copied"),
    "writing_cte": Attack("WITH gone AS (DELETE FROM canary RETURNING 1) SELECT count(*) AS value FROM gone"),
    "lock": Attack("SELECT id AS value FROM canary FOR UPDATE"),
    "do": Attack("DO $$ BEGIN DELETE FROM canary; END $$"),
    "call": Attack("CALL wipe_and_commit()"),
    "explain": Attack("EXPLAIN ANALYZE DELETE FROM canary"),
    "commit": Attack("COMMIT"),
    "read_write": Attack("SET TRANSACTION READ WRITE"),
    "copy_to_program": Attack("COPY (SELECT 1) TO PROGRAM '{touch}'"),
    "copy_from_program": Attack("COPY canary FROM PROGRAM '{touch}'"),
    "copy_to_file": Attack("COPY canary TO '{secret}'"),
    "prepare": Attack("PREPARE x AS DELETE FROM canary"),
    "load": Attack("LOAD 'plpgsql'"),
    "role": Attack("CREATE ROLE intruder SUPERUSER"),
    "grant": Attack("GRANT ALL ON canary TO PUBLIC"),
    "system": Attack("ALTER SYSTEM SET archive_command = '{touch}'"),
    # Functions that write.
    "nextval": Attack("SELECT nextval('numbers') AS value"),
    "setval": Attack("SELECT setval('numbers', 99) AS value"),
    "own_function": Attack("SELECT wipe() AS value"),
    "own_function_at_will": Attack("SELECT wipe_at_will() AS value"),
    "settings": Attack("SELECT (set_config('transaction_read_only', 'off', false) = 'off')::int AS value"),
    "own_function_in_xml": Attack("SELECT length(query_to_xml('SELECT wipe()', true, true, '')::text) AS value"),
    "delete_in_xml": Attack("SELECT length(query_to_xml('DELETE FROM canary', true, true, '')::text) AS value"),
    # What asks whether a query applies.
    "when_delete": Attack("SELECT 1 AS value", when="DELETE FROM canary RETURNING true"),
    "when_two": Attack("SELECT 1 AS value", when="SELECT true; DROP TABLE canary"),
    "when_out": Attack("SELECT 1 AS value", when="SELECT true) AS a; DROP TABLE canary; SELECT * FROM (SELECT true"),
    "when_commit": Attack("DELETE FROM canary", when="COMMIT"),
    "when_set": Attack("SELECT 1 AS value", when="SET default_transaction_read_only = off"),
    "when_copy": Attack("SELECT 1 AS value", when="COPY (SELECT true) TO PROGRAM '{touch}'"),
    "when_do": Attack("SELECT 1 AS value", when="DO $$ BEGIN DELETE FROM canary; END $$"),
}  # fmt: skip


def armed(attack: Attack, server: Cluster) -> Attack:
    """An attack on this server's files."""

    def filled(sql: str) -> str:
        touch, secret = f"touch {server.folder / 'touched'}", str(server.folder / "secret")
        return sql.replace("{touch}", touch).replace("{secret}", secret)

    return Attack(filled(attack.sql), attack.becomes, filled(attack.when) if attack.when else None)


def outcomes(running: Running, attacks: Iterable[str]) -> dict[str, float | str]:
    """What became of attacks: the value, or the kinds of what was odd."""
    scrape = running.scrape()
    assert_no_fakes(scrape.text)
    odd: dict[str, str] = {}
    for labels in scrape.samples("shop_query_irregularities_total"):
        said = dict(labels)
        odd[said["query"]] = " ".join(sorted([*odd.get(said["query"], "").split(), said["kind"]]))
    found: dict[str, float | str] = {}
    for name in attacks:
        value = scrape.value(f"shop_sales_{name}")
        assert scrape.success(f"sales/{name}") == (value is not None), name
        found[name] = odd[f"sales/{name}"] if value is None else value
    return found


# Asked before all others and behind them: whatever these do, it is not to them.
INNOCENT = {"a": Attack("SELECT count(*) AS value FROM canary", 1), "z": Attack("SELECT 5 AS value", 5)}

# What is one SELECT that only reads, however it looks.
ONE_SELECT = {"line_comment", "block_comment", "semicolon", "dollar_quotes", "escape_string"}


@pytest.mark.parametrize("role", ROLES)
def test_a_hostile_plan_writes_nothing(server: Cluster, tmp_path: Path, role: str) -> None:
    attacks = {name: armed(attack, server) for name, attack in (INNOCENT | ATTACKS).items()}
    with canary(server, f"shop_plan_{role}") as database:
        plan = plan_file(tmp_path / "plan.yml", [attack.query(name) for name, attack in attacks.items()], interval=5)
        with exporter(plan, tmp_path, {DSN: server.dsn(role, database)}) as running:
            assert outcomes(running, attacks) == {name: attack.becomes for name, attack in attacks.items()}
        # The command that tries a plan refuses the same, and runs none of it.
        done = checked(plan, server.dsn(role, database))
        failed = set(re.findall(r"error\[[a-z-]+\]: sales/(\w+)", done))
        assert set(attacks) - failed == {*INNOCENT, *ONE_SELECT}


def checked(plan: Path, dsn: str) -> str:
    """What ``tocsin-exporter check`` says against a plan."""
    command = [sys.executable, "-m", "exporters", "check", str(plan)]
    done = subprocess.run(
        command, env={**os.environ, DSN: dsn}, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done.stderr


# What a read-only transaction lets pass, and what is undone all the same when the query has had its turn. Whether
# PostgreSQL itself refuses the functions of large objects depends on its version.
UNDONE = {
    "lo_create": "SELECT 1 AS value FROM lo_create(4712)",
    "lo_from_bytea": "SELECT 1 AS value FROM lo_from_bytea(4713, 'x')",
    "lo_unlink": "SELECT 1 AS value FROM lo_unlink(4711)",
    "set_config": "SELECT 1 AS value FROM set_config('search_path', 'nowhere', false)",
    "set_role": "SELECT 1 AS value FROM set_config('role', 'pg_monitor', false)",
    "notify": "SELECT 1 AS value FROM pg_notify('alarm', 'fire')",
}


@pytest.mark.parametrize("role", ROLES)
def test_what_a_query_changes_in_its_transaction_is_undone(server: Cluster, tmp_path: Path, role: str) -> None:
    behind = query("sales/zz", "SELECT count(*) AS value FROM canary WHERE current_user = session_user")
    queries = [*(query(f"sales/{name}", sql) for name, sql in UNDONE.items()), behind]
    with canary(server, f"shop_undone_{role}") as database:
        plan = plan_file(tmp_path / "plan.yml", queries, interval=0.2)
        with (
            psycopg.connect(server.dsn("postgres", database), autocommit=True) as listener,
            exporter(plan, tmp_path, {DSN: server.dsn(role, database)}) as running,
        ):
            listener.execute("LISTEN alarm")
            first = running.scrape()
            asked = first.value("shop_last_refresh_timestamp_seconds", database="shop")
            again = running.until_scrape(
                lambda scrape: scrape.value("shop_last_refresh_timestamp_seconds", database="shop") != asked
            )
            for scrape in (first, again):
                assert scrape.success("sales/set_config") == scrape.success("sales/notify") == 1
                assert scrape.value("shop_sales_zz") == 1
            assert list(listener.notifies(timeout=0)) == []


@dataclass(frozen=True)
class Reach:
    """What a function does that no transaction stops: for the role that may only read, and for a superuser."""

    sql: str
    reader: float | str
    superuser: float | str


REACH = {
    "reads_files": Reach("SELECT length(pg_read_file('{folder}/secret')) AS value", "sql_error", len(SECRET)),
    "lists_files": Reach("SELECT count(*) AS value FROM pg_ls_dir('{folder}') AS f WHERE f = 'secret'", "sql_error", 1),
    "writes_files": Reach("SELECT lo_export(4711, '{folder}/exported') AS value", "sql_error", 1),
    "connects": Reach(
        "SELECT id AS value FROM dblink('{dsn}', 'DELETE FROM canary RETURNING id') AS gone (id int)", "sql_error", 1
    ),
    "terminates": Reach(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) AS value FROM pg_stat_activity"
        " WHERE application_name = 'bystander'", "sql_error", 1,
    ),
    "reconfigures": Reach("SELECT pg_reload_conf() AS value", "sql_error", 1),
    "resets": Reach("SELECT 1 AS value FROM pg_stat_reset()", "sql_error", 1),
    # Everybody may: a lock that an application waits for, kept until the session ends.
    "locks": Reach("SELECT 1 AS value FROM pg_advisory_lock(42)", 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_what_only_the_rights_of_the_role_stop(server: Cluster, tmp_path: Path, role: str) -> None:
    exported = server.folder / "exported"
    exported.unlink(missing_ok=True)
    reader = role == "monitoring"
    with server.database(f"shop_reach_{role}", f"CREATE EXTENSION dblink; {CANARY}") as database:
        dsn = server.dsn("postgres", database)
        queries = [
            query(f"sales/{name}", reach.sql.format(folder=server.folder, dsn=dsn)) for name, reach in REACH.items()
        ]
        plan = plan_file(tmp_path / "plan.yml", queries, interval=5)
        with (
            psycopg.connect(dsn, application_name="bystander", autocommit=True) as bystander,
            exporter(plan, tmp_path, {DSN: server.dsn(role, database)}) as running,
        ):
            expected = {name: reach.reader if reader else reach.superuser for name, reach in REACH.items()}
            assert outcomes(running, REACH) == expected
            assert server.execute("SELECT count(*) FROM canary", database=database) == [(int(reader),)]
            assert exported.exists() != reader
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND objsubid = 1"
            assert server.execute(held) == [(1,)]
            if reader:
                bystander.execute("SELECT 1")


# A platform of one domain, in which hostile text takes every place in turn.
DOMAIN: dict[str, Any] = {
    "domain": "orders", "title": "Orders", "owner": "owner", "source": "shop",
    "records": {"order": {
        "table": "orders",
        "where": "status = 'open'",
        "fields": {
            "order_age": {"sql": "now() - created_at", "unit": "seconds"},
            "state": {"sql": "status", "values": ["open", "done"]},
        },
    }},
    "queries": {"both": {"sql": "SELECT status AS state, count(*) AS orders FROM orders GROUP BY status"}},
    "metrics": {
        "open_orders": {
            "help": "Orders.", "unit": "orders", "by": {"state": ["open"]}, "absent": "zero",
            "sql": "SELECT status AS state, count(*) AS value FROM orders GROUP BY status",
        },
        "all_orders": {"help": "Orders.", "unit": "orders", "by": ["state"], "query": "both", "column": "orders"},
    },
    "alerts": {"forgotten": {
        "condition": "order_age > 2 hours AND state = open", "severity": "high", "channels": ["email"],
    }},
}  # fmt: skip
# What YAML may hold: the compiler refuses control characters and what is longer than it ever need be.
WORDS = tuple(text for text in HOSTILE if len(text) < 1000 and not re.search("[\x1b\x85]", text))
Place = tuple[str, ...]
RECORD, METRIC, ALERT = ("records", "order"), ("metrics", "open_orders"), ("alerts", "forgotten")
STATE = (*RECORD, "fields", "state")
WRITING_CTE = "WITH gone AS (DELETE FROM canary RETURNING 1) SELECT"

# Hostile text that the compiler refuses, with the code of its problem.
REFUSED: dict[Place, tuple[tuple[Any, str], ...]] = {
    (*RECORD, "table"): tuple((text, "invalid-value") for text in (
        "orders; DROP TABLE canary", "orders --", "orders, canary", "orders AS o", '"orders"', "orders/**/",
        "(SELECT 1) x", "orders\n", "pg_read_file('x')",
    )),
    (*RECORD, "where"): (
        ("true; DROP TABLE canary", "sql-expression"),
        ("true) OR (true", "sql-syntax"),
        ("true)) AS a; DROP TABLE canary; --", "sql-expression"),
        ("true /* x", "sql-syntax"),
        ("true UNION SELECT true", "sql-expression"),
        ("$1 = 1", "sql-placeholder"),
        (f"({WRITING_CTE} true FROM gone)", "not-one-select"),
        ("(SELECT true INTO copied)", "not-one-select"),
        ("COPY canary TO PROGRAM 'x'", "sql-expression"),
        ("DO $$ BEGIN END $$", "sql-expression"),
        ("\\! touch x", "sql-syntax"),
        ("pg_read_file('x') IS NULL", "sql-function"),
        ("pg_catalog.pg_read_file('x') IS NULL", "sql-function"),
        ("\"pg_read_file\"('x') IS NULL", "sql-function"),
        ("pg_terminate_backend(1)", "sql-function"),
        ("pg_advisory_lock(1) IS NULL", "sql-function"),
        ("set_config('a.b', 'c', false) = 'c'", "sql-function"),
        ("nextval('numbers') > 0", "sql-function"),
    ),
    (*STATE, "sql"): (
        ("status; DROP TABLE canary", "sql-expression"),
        ("status) FROM canary; --", "sql-expression"),
        ("status, id", "sql-syntax"),
        ("lo_export(1, 'x')", "sql-function"),
    ),
    (*RECORD, "each"): (
        ({"label": "number", "sql": "id; DROP TABLE canary"}, "sql-expression"),
        ({"label": "number", "sql": "id) AS text), (wipe()"}, "sql-syntax"),
        ({"label": 'x"} 1\nfake_metric 2', "sql": "id"}, "unsafe-name"),
        ({"label": "number", "sql": "id", "limit": "1; DROP TABLE canary"}, "wrong-type"),
    ),
    (*ALERT, "condition"): (
        ("order_age > 2 hours; DROP TABLE canary", "condition-syntax"),
        ("order_age > 2 hours --", "condition-syntax"),
        ("order_age > 2' hours", "condition-syntax"),
        ("order_age > (SELECT 1)", "condition-syntax"),
        ("order_age > wipe()", "condition-syntax"),
        ("order_age > 2 hours) OR (state = open", "condition-syntax"),
        ("order_age > 2 hours OR 1 = 1", "constant-comparison"),
        ("order_age > 2 hours AND state = \"open' OR '1'='1\"", "unknown-word"),
        ("order_age > 2 hours AND state = 'x; DROP TABLE canary'", "unknown-word"),
    ),
    (*METRIC, "sql"): (
        ("SELECT 'x' AS state, 1 AS value; DROP TABLE canary", "not-one-select"),
        ("SELECT 1) AS a; DROP TABLE canary; SELECT * FROM (SELECT 1", "not-one-select"),
        ("SELECT 'x' AS state, 1 AS value) AS a, (SELECT 1", "sql-syntax"),
        ("SELECT 'a\\' AS state, 1 AS value; DROP TABLE canary --'", "not-one-select"),
        ("SELECT 'x' AS state, 1 AS value /* /* */ */; DROP TABLE canary", "not-one-select"),
        (f"{WRITING_CTE} 'x' AS state, 1 AS value FROM gone", "not-one-select"),
        ("SELECT name AS state, 1 AS value INTO copied FROM canary", "not-one-select"),
        ("SELECT name AS state, id AS value FROM canary FOR UPDATE", "not-one-select"),
        ("COPY (SELECT 1) TO PROGRAM 'x'", "not-one-select"),
        ("DO $$ BEGIN DELETE FROM canary; END $$", "not-one-select"),
        ("CALL wipe_and_commit()", "not-one-select"),
        ("EXPLAIN ANALYZE DELETE FROM canary", "not-one-select"),
        ("TABLE canary", "not-one-select"),
        ("SELECT 'x' AS state, 1 AS value \\gexec", "sql-syntax"),
        ("SELECT 'x' AS state, lo_create(0) AS value", "sql-function"),
        ("SELECT 'x' AS state, lo_create /* */ (0) AS value", "sql-function"),
        ("SELECT 'x' AS state, 1 AS value FROM pg_sleep(1)", "sql-function"),
        ("SELECT 'x' AS state, 1 AS value FROM dblink('x', 'y') AS t (id int)", "sql-function"),
        ("SELECT 'x' AS state, 1 AS value LIMIT $1", "sql-placeholder"),
    ),
    (*METRIC, "help"): (("Orders.\0", "control-character"),),
    (*METRIC, "by"): (({"state": ["a\0b"]}, "control-character"),),
    ("metrics", "all_orders", "column"): (('orders" FROM canary; --', "unsafe-name"),),
    ("source",): (("x'; --", "unsafe-name"),),
    **{(*place, text): ((value, "unsafe-name"),)
       for text in ('x"} 1', "x\nfake_metric 2", "x{y}", "x-y", "X", "é", "__name__")
       for place, value in (
           ((*METRIC, "by"), ["open"]), (("metrics",), DOMAIN["metrics"]["open_orders"]),
           (("records",), DOMAIN["records"]["order"]), (("alerts",), DOMAIN["alerts"]["forgotten"]),
           ((*RECORD, "fields"), DOMAIN["records"]["order"]["fields"]["state"]),
    )},
}  # fmt: skip

# Hostile text that the compiler takes, because it is only text, or a SELECT that does not write; with the query that
# PostgreSQL refuses then.
TAKEN: dict[Place, tuple[tuple[Any, str | None], ...]] = {
    (*RECORD, "where"): (
        ("true --", None),
        ("true /* ; DROP TABLE canary */", None),
        ("status = '''; DROP TABLE canary; --'", None),
        (r"status = E'\'; DROP TABLE canary; --'", None),
        (r"status = E'\\' AND status <> ' OR wipe() = 1 --'", None),
        (r"status = E'\x27; DROP TABLE canary; --'", None),
        ("status = $$'; DROP TABLE canary; --$$", None),
        (r"status = $x$' OR wipe() = 1 --\$x$", None),
        (r"status = U&'\0027; DROP TABLE canary'", None),
        ("EXISTS (SELECT 1 FROM canary)", None),
        ("wipe() = 1", "orders/order"),
        ("query_to_xml_and_xmlschema('SELECT wipe()', true, true, '') IS NULL", "orders/order"),
    ),
    (*STATE, "sql"): (("status --", None), ("'; DROP TABLE canary; --'", None)),
    (*STATE, "values"): ((["open", *WORDS], None),),
    (*RECORD, "each"): (
        ({"label": "number", "sql": "'; DROP TABLE canary; --' || id"}, None),
        ({"label": "number", "sql": "E'x\"} 1\\nfake_metric 2' || id"}, None),
    ),
    (*ALERT, "condition"): (("order_age > 99999999999999999999999999 hours", None),),
    (*ALERT, "summary"): (("x\nfake_metric 2", None),),
    (*METRIC, "title"): (("x\nfake_metric 2", None),),
    (*METRIC, "help"): (("Orders.\nfake_metric 2\n# TYPE fake_metric counter", None), ('"\\', None)),
    (*METRIC, "sql"): (
        ("SELECT status AS state, count(*) AS value FROM orders GROUP BY status --", None),
        (r"SELECT E'\'; DROP TABLE canary; --' AS state, 1 AS value", None),
        ("SELECT $q$'; DROP TABLE canary; --$q$ AS state, 1 AS value", None),
        ("SELECT 'x' AS state, 1 AS value /* /* */ ; DROP TABLE canary */", None),
        ("SELECT name AS state, wipe() AS value FROM canary", "orders/open_orders"),
    ),
}  # fmt: skip


def written(folder: Path, place: Place, value: Any) -> list[Problem]:
    """Write the platform with one place of its domain changed; what the compiler says against it."""
    domain = copy.deepcopy(DOMAIN)
    around = domain
    for name in place[:-1]:
        around = around[name]
    around[place[-1]] = value
    return compiled_problems(folder, domain)


def compiled_problems(folder: Path, domain: Mapping[str, Any]) -> list[Problem]:
    """Write a platform with this domain; what the compiler says against it."""
    shutil.copy(PLATFORMS["minimal"] / "platform.yaml", folder)
    (folder / "orders.yaml").write_text(yaml.safe_dump(domain, allow_unicode=True, sort_keys=False), encoding="utf-8")
    files = load(folder)
    return problems(files) if isinstance(files, Files) else list(files)


def places(texts: Mapping[Place, tuple[tuple[Any, Any], ...]]) -> list[Any]:
    """Each text at its place as a case of a test."""
    return [
        pytest.param(place, text, outcome, id=f"{'.'.join(place)}-{number}")
        for place, all_ in texts.items()
        for number, (text, outcome) in enumerate(all_)
    ]


@pytest.mark.parametrize(("place", "text", "code"), places(REFUSED))
def test_hostile_yaml_is_refused(tmp_path: Path, place: Place, text: Any, code: str) -> None:
    assert code in {problem.code for problem in written(tmp_path, place, text)}


ORDERS = (PLATFORMS["minimal"] / "schema.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def orders(server: Cluster) -> Iterator[str]:
    """The name of a database with an order of each hostile status, all of them old."""
    with canary(server, "shop_orders", ORDERS) as database:
        with psycopg.connect(f"{server.socket_dsn} dbname={database}", autocommit=True) as connection:
            insert = "INSERT INTO orders (status, created_at) VALUES (%s, now() - interval '3 hours')"
            connection.cursor().executemany(insert, [[text] for text in ("open", *HOSTILE)])
        yield database


def served(server: Cluster, database: str, folder: Path, role: str) -> Scrape:
    """What a compiled platform's plan gives, its own names only."""
    files = load(folder)
    assert isinstance(files, Files)
    path = compiled(plan(files), folder / "output") / "exporter/business.yml"

    async def asked() -> bytes:
        served = Exporter(lambda: read_plan(path), path, dsn=lambda *_: server.dsn(role, database))
        try:
            return await served.metrics("text", gzip=False, timeout_seconds=10)
        finally:
            await served.close()

    text = asyncio.run(asked()).decode()
    assert {name for name in names(text) if not name.startswith(("minimal_", "process_"))} == set()
    return parsed(text)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("place", "text", "fails"), places(TAKEN))
def test_hostile_yaml_that_is_taken_does_nothing(
    server: Cluster, orders: str, tmp_path: Path, place: Place, text: Any, fails: str | None, role: str
) -> None:
    assert written(tmp_path, place, text) == []
    before = server.execute(ALIVE, database=orders)
    scrape = served(server, orders, tmp_path, role)
    failed = {dict(labels)["query"] for labels, value in scrape.samples("minimal_query_success").items() if value != 1}
    assert failed == ({fails} if fails else set())
    assert server.execute(ALIVE, database=orders) == before


def test_hostile_words_are_compared_as_they_are(server: Cluster, orders: str, tmp_path: Path) -> None:
    """A condition per word: each counts the one row that has it; as label values all of them are filled with zeros."""
    words = [text for text in WORDS if "\n" not in text and not ('"' in text and "'" in text)]
    domain = copy.deepcopy(DOMAIN)
    domain["records"]["order"]["where"] = "true"
    domain["records"]["order"]["fields"]["state"]["values"] = words
    domain["metrics"]["open_orders"]["by"]["state"] = list(WORDS)
    domain["metrics"]["open_orders"]["sql"] += " HAVING false"
    quoted = [f"'{word}'" if '"' in word else f'"{word}"' for word in words]
    forgotten = domain["alerts"].pop("forgotten")
    for number, word in enumerate(quoted):
        domain["alerts"][f"word_{number}"] = {**forgotten, "condition": f"order_age > 2 hours AND state = {word}"}
    assert compiled_problems(tmp_path, domain) == []
    scrape = served(server, orders, tmp_path, "monitoring")
    found = {word: scrape.value(f"minimal_orders_word_{number}_matching_rows") for number, word in enumerate(words)}
    assert found == dict.fromkeys(words, 1.0)
    zeros = {frozenset({("state", text)}): 0.0 for text in WORDS}
    assert scrape.samples("minimal_orders_open_orders") == zeros
    all_ = {frozenset({("state", text)}): 1.0 for text in ("open", *HOSTILE)}
    assert scrape.samples("minimal_orders_all_orders") == all_


def test_a_function_in_disguise_is_refused(tmp_path: Path) -> None:
    """The compiler knows functions by their names, so a name has to show itself; what stops the rest is the role."""
    disguised = r"""SELECT 'x' AS state, U&"lo\005fcreate"(4712) AS value"""
    assert {problem.code for problem in written(tmp_path, (*METRIC, "sql"), disguised)} == {"sql-function"}
