"""A plan tried on a real PostgreSQL: what is wrong is said at its line, all at once, and nothing is run that writes."""

import asyncio
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exporters.business import trial
from exporters.business.check import Checked, examine, table
from exporters.business.plan import load
from exporters.business.problems import render
from exporters.business.trial import CheckedQuery
from tests.clusters import Cluster, cluster
from tests.exporters.running import DSN, gauge, plan_file, query
from tests.programs import free_port, until

ROOT = Path(__file__).parents[2]
PLAN = Path("output/shop/exporter/business.yml")
SCHEMA = """
    CREATE TABLE orders (
        id bigint PRIMARY KEY,
        status text,
        amount numeric(14, 2),
        placed_at timestamptz,
        took interval,
        document jsonb
    );
    INSERT INTO orders
    SELECT i, 'status-' || i, i, now() - i * interval '1 minute', i * interval '1 s', '{}'
    FROM generate_series(1, 14) i;
    CREATE TABLE y (id int);
    INSERT INTO y VALUES (1);
"""
# What the role of the tests may not read.
HIDDEN = (
    "CREATE TABLE salaries (amount numeric)",
    "REVOKE ALL ON salaries FROM monitoring",
    "CREATE SCHEMA vault",
    "CREATE TABLE vault.gold (bars int)",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(scope="module")
def shop(server: Cluster) -> Iterator[str]:
    """A shop's database as a role that may only read sees it: its connection string."""
    with server.database("shop", SCHEMA) as name:
        server.execute(*HIDDEN, database=name)
        yield server.dsn("monitoring", name)


@pytest.fixture(autouse=True)
def here(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DSN, shop)
    return tmp_path


def tried(
    *queries: dict[str, Any], plan: Path = PLAN, more: Mapping[str, Any] | None = None, **options: Any
) -> Checked:
    """What is said of a plan with these queries."""
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan_file(plan, queries, **(more or {}))
    return asyncio.run(examine(load(plan), plan, **options))


def said(*queries: dict[str, Any], **options: Any) -> str:
    return render(tried(*queries, **options).problems)


def domain_file(text: str, path: str = "domains/shop/sales.yaml") -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def metric(sql: str, **more: Any) -> dict[str, Any]:
    """The query of a metric that the domain file has as a block, its first line the fifth."""
    block = "".join(f"      {line}\n" for line in sql.splitlines())
    domain_file(f"domain: sales\nmetrics:\n  orders:\n    sql: |\n{block}    unit: none\n")
    return query("sales/orders", sql, **more)


def test_a_whole_platform_passes_with_a_role_that_only_reads(server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ROOT / "output/fire22/exporter/business.yml"
    with server.database("fire22", (ROOT / "domains/fire22/schema.sql").read_text()) as name:
        monkeypatch.setenv("FIRE22_DSN", server.dsn("monitoring", name))
        checked = asyncio.run(examine(load(plan), plan))
    assert render(checked.problems) == ""
    assert [row.name for row in checked.queries] == [one.name for one in load(plan).queries]
    assert all(row.cost and row.rows is not None and row.seconds and not row.note for row in checked.queries)


# What is written in the block, what is said of it from the place on.
FAULTS = {
    "missing-table": (
        "SELECT count(*) AS value\nFROM ordrs",
        """\
6:12: error[sql-error]: sales/orders: relation "ordrs" does not exist
 6 |       FROM ordrs
   |            ^
    = help: a table outside of the search_path of the role is written with its schema
""",
    ),
    "missing-column": (
        "SELECT sum(amout) AS value\nFROM orders",
        """\
5:18: error[sql-error]: sales/orders: column "amout" does not exist
 5 |       SELECT sum(amout) AS value
   |                  ^
    = help: perhaps you meant to reference the column "orders.amount"
""",
    ),
    "syntax": (
        "SELECT count(* AS value FROM orders",
        """\
5:22: error[sql-error]: sales/orders: syntax error at or near "AS"
 5 |       SELECT count(* AS value FROM orders
   |                      ^
""",
    ),
    "denied-table": (
        "SELECT sum(amount) AS value FROM salaries",
        """\
5:40: error[permission]: sales/orders: permission denied for table salaries
 5 |       SELECT sum(amount) AS value FROM salaries
   |                                        ^
    = help: GRANT SELECT ON salaries TO monitoring
""",
    ),
    "denied-schema": (
        "SELECT sum(bars) AS value FROM vault.gold",
        """\
5:38: error[permission]: sales/orders: permission denied for schema vault
 5 |       SELECT sum(bars) AS value FROM vault.gold
   |                                      ^
    = help: GRANT USAGE ON SCHEMA vault TO monitoring
""",
    ),
    "denied-function": (
        "SELECT length(pg_read_file('PG_VERSION')) AS value",
        """\
5:21: error[permission]: sales/orders: permission denied for function pg_read_file
 5 |       SELECT length(pg_read_file('PG_VERSION')) AS value
   |                     ^
    = help: GRANT EXECUTE ON FUNCTION pg_read_file TO monitoring
""",
    ),
    "interval": (
        "SELECT avg(took) AS value FROM orders",
        """\
5:27: error[wrong-type]: sales/orders: column "value" is of type interval, not a number
 5 |       SELECT avg(took) AS value FROM orders
   |                           ^
    = help: write extract(epoch FROM …), which gives seconds
""",
    ),
    "timestamp": (
        "SELECT max(placed_at) AS value FROM orders",
        """\
5:32: error[wrong-type]: sales/orders: column "value" is of type timestamp with time zone, not a number
 5 |       SELECT max(placed_at) AS value FROM orders
   |                                ^
    = help: write extract(epoch FROM …), which gives Unix seconds
""",
    ),
    "text": (
        "SELECT max(status) AS value FROM orders",
        """\
5:29: error[wrong-type]: sales/orders: column "value" is of type text, not a number
 5 |       SELECT max(status) AS value FROM orders
   |                             ^
    = help: a text is a label; if it holds numbers, write (…)::numeric
""",
    ),
    "json": (
        "SELECT document AS value FROM orders",
        """\
5:26: error[wrong-type]: sales/orders: column "value" is of type jsonb, not a number
 5 |       SELECT document AS value FROM orders
   |                          ^
    = help: take one number out of it: (… ->> 'key')::numeric
""",
    ),
    "no-such-column": (
        "SELECT count(*) AS number, 1 AS one FROM orders",
        """\
4:5: error[missing-column]: sales/orders: the answer has no column "value"
 4 |     sql: |
   |     ^
    = help: it has number, one
""",
    ),
    "column-twice": (
        "SELECT 1 AS value, 2 AS value",
        """\
5:31: error[duplicate]: sales/orders: the answer has more than one column "value"
 5 |       SELECT 1 AS value, 2 AS value
   |                               ^
""",
    ),
    "parameter": (
        "SELECT count(*) AS value FROM orders WHERE placed_at > now() - make_interval(secs => $1)",
        """\
4:5: error[parameter]: sales/orders: it takes the parameter $1; there is none without within_seconds
 4 |     sql: |
   |     ^
""",
    ),
    "division-by-zero": (
        "SELECT 1 / (count(*) - 14) AS value FROM orders",
        """\
4:5: error[sql-error]: sales/orders: DivisionByZero (SQLSTATE 22012)
 4 |     sql: |
   |     ^
""",
    ),
    "not-a-number": (
        "SELECT 'NaN'::float8 AS value",
        """\
4:5: error[not-finite]: sales/orders: shop_sales_orders: column "value" holds NaN, an infinity or a number too large
 4 |     sql: |
   |     ^
    = help: leave out what is no number: NULLIF(…, 'NaN')
""",
    ),
    "two-rows": (
        "SELECT id AS value FROM orders",
        """\
4:5: error[duplicate]: sales/orders: shop_sales_orders: two rows have no labels
 4 |     sql: |
   |     ^
    = help: group by exactly the columns that are labels
""",
    ),
}


@pytest.mark.parametrize(("sql", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_said_where_it_is_written(sql: str, expected: str) -> None:
    assert said(metric(sql)) == f"domains/shop/sales.yaml:{expected}"


# Whoever writes the plan writes SQL that the exporter runs: it reads, or is not run.
NOT_ONE_SELECT = {
    "two-statements": ("SELECT 1; DROP TABLE y", "this is more than one statement"),
    "ends-the-transaction": ("SELECT 1 AS value; COMMIT; DROP TABLE y", "this is more than one statement"),
    "closes-the-subquery": ("SELECT 1) AS x; DROP TABLE y; --", 'syntax error at or near ")"'),
    "closes-and-opens-it": (
        "SELECT 1 AS value) AS x; COMMIT; DROP TABLE y; SELECT * FROM (SELECT 1 AS value",
        'syntax error at or near ")"',
    ),
    "writing-cte": (
        "WITH gone AS (DELETE FROM y RETURNING id) SELECT count(*) AS value FROM gone",
        "this is not one SELECT that only reads",
    ),
    "insert": ("INSERT INTO y VALUES (2) RETURNING id AS value", "this is not one SELECT that only reads"),
    "drop": ("DROP TABLE y", "this is not one SELECT that only reads"),
    "commit": ("COMMIT", "this is not one SELECT that only reads"),
    "select-into": ("SELECT 1 AS value INTO z", "this is not one SELECT that only reads"),
    "locks-rows": ("SELECT id AS value FROM y FOR UPDATE", "this is not one SELECT that only reads"),
    "explain-analyze": ("EXPLAIN ANALYZE DELETE FROM y", "this is not one SELECT that only reads"),
    "analyze": ("ANALYZE y", "this is not one SELECT that only reads"),
    "nothing": ("-- nothing", "this is not one SELECT that only reads"),
}


@pytest.mark.parametrize(("sql", "message"), NOT_ONE_SELECT.values(), ids=NOT_ONE_SELECT)
def test_what_is_not_one_reading_select_is_refused_and_never_run(
    sql: str, message: str, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As superuser: what stops it is not the role.
    monkeypatch.setenv(DSN, server.dsn(database="shop"))
    errors = [problem for problem in tried(metric(sql)).problems if not problem.warning]
    assert [problem.message for problem in errors] == [f"sales/orders: {message}"]
    assert server.execute("SELECT id FROM y", database="shop") == [(1,)]
    assert server.execute("SELECT to_regclass('z')", database="shop") == [(None,)]


def test_the_when_of_a_query_is_no_way_around(server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DSN, server.dsn(database="shop"))
    for when in ("SELECT true; DROP TABLE y", "WITH gone AS (DELETE FROM y RETURNING true) SELECT * FROM gone"):
        problems = tried(query("sales/orders", "SELECT 1 AS value", when=when)).problems
        assert {problem.code for problem in problems} == {"not-one-select", "superuser"}
    assert server.execute("SELECT id FROM y", database="shop") == [(1,)]


def test_a_superuser_is_warned_of(server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DSN, server.dsn(database="shop"))
    (problem,) = tried(metric("SELECT count(*) AS value FROM orders")).problems
    assert (problem.code, problem.warning) == ("superuser", True)
    assert problem.message.startswith("source shop: its role is a superuser")


# The domain file, the query that was compiled from it, and what is said.
RECORD = """\
domain: sales
records:
  order:
    table: orders
    where: status <> 'sent'
    at: placed_at
    within: 1h
    each: {label: order, sql: identity}
    fields:
      amount: {sql: amount, unit: usd}
      wait: {sql: now() - placed, unit: seconds}
"""
COUNTED = "SELECT count(*) FILTER (WHERE {}) AS value FROM orders"
PLACES = {
    "one-line": (
        "metrics:\n  orders: {help: Orders., sql: SELECT sum(amout) AS value FROM orders, unit: none}\n",
        query("sales/orders", "SELECT sum(amout) AS value FROM orders"),
        """\
domains/shop/sales.yaml:2:43: error[sql-error]: sales/orders: column "amout" does not exist
 2 |   orders: {help: Orders., sql: SELECT sum(amout) AS value FROM orders, unit: none}
   |                                           ^
    = help: perhaps you meant to reference the column "orders.amount"
""",
    ),
    "folded": (
        "metrics:\n  orders:\n    sql: >-\n      SELECT sum(amout) AS value\n      FROM orders\n    unit: none\n",
        query("sales/orders", "SELECT sum(amout) AS value FROM orders"),
        """\
domains/shop/sales.yaml:4:18: error[sql-error]: sales/orders: column "amout" does not exist
 4 |       SELECT sum(amout) AS value
   |                  ^
    = help: perhaps you meant to reference the column "orders.amount"
""",
    ),
    "the-same-line-twice": (
        "metrics:\n  orders:\n    sql: |\n      SELECT 1 AS value\n      FROM orders\n      UNION ALL\n"
        "      SELECT count(*)\n      FROM orders\n      WHERE state = ''\n    unit: none\n  other:\n    sql: |\n"
        "      FROM orders\n      WHERE state = ''\n",
        query(
            "sales/orders",
            "SELECT 1 AS value\nFROM orders\nUNION ALL\nSELECT count(*)\nFROM orders\nWHERE state = ''\n",
        ),
        """\
domains/shop/sales.yaml:9:13: error[sql-error]: sales/orders: column "state" does not exist
 9 |       WHERE state = ''
   |             ^
    = help: perhaps you meant to reference the column "orders.status"
""",
    ),
    "shared-query": (
        "queries:\n  orders:\n    sql: |\n      SELECT count(*) AS all_orders,\n             sum(amout) AS value\n"
        "      FROM orders\nmetrics:\n  value: {query: orders, column: value}\n",
        query("sales/orders", "SELECT count(*) AS all_orders,\n       sum(amout) AS value\nFROM orders\n"),
        """\
domains/shop/sales.yaml:5:18: error[sql-error]: sales/orders: column "amout" does not exist
 5 |              sum(amout) AS value
   |                  ^
    = help: perhaps you meant to reference the column "orders.amount"
""",
    ),
    "record": (
        RECORD,
        query("sales/order", COUNTED.format("EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP - placed)) > 60")),
        """\
domains/shop/sales.yaml:11:27: error[sql-error]: sales/order: column "placed" does not exist
 11 |       wait: {sql: now() - placed, unit: seconds}
    |                           ^
    = help: perhaps you meant to reference the column "orders.placed_at"
""",
    ),
    "record-with-the-name-in-two-places": (
        RECORD.replace("status <> 'sent'", "placed IS NOT NULL"),
        query("sales/order", COUNTED.format("EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP - placed)) > 60")),
        """\
domains/shop/sales.yaml:3:3: error[sql-error]: sales/order: column "placed" does not exist
 SQL | SELECT count(*) FILTER (WHERE EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP - placed)) > 60) AS value FROM orders
     |                                                                       ^
    = help: perhaps you meant to reference the column "orders.placed_at"
""",
    ),
    "record-in-a-long-line": (
        RECORD.replace("status <> 'sent'", "placed IS NOT NULL"),
        query("sales/order", COUNTED.format("status = 'sent' OR " * 9 + "placed > now()")),
        """\
domains/shop/sales.yaml:3:3: error[sql-error]: sales/order: column "placed" does not exist
 SQL | …= 'sent' OR status = 'sent' OR status = 'sent' OR placed > now()) AS value FROM orders
     |                                                    ^
    = help: perhaps you meant to reference the column "orders.placed_at"
""",
    ),
    "row-by-row": (
        RECORD,
        query("sales/order/late_order", "SELECT CAST((identity) AS text) AS order, 1 AS value FROM orders"),
        """\
domains/shop/sales.yaml:8:31: error[sql-error]: sales/order/late_order: column "identity" does not exist
 8 |     each: {label: order, sql: identity}
   |                               ^
""",
    ),
    "the-file-has-changed": (
        "metrics:\n  others: {sql: SELECT 1 AS value}\n",
        query("sales/orders", "SELECT 1 AS value,\n       amout\nFROM orders"),
        """\
domains/shop/sales.yaml: error[sql-error]: sales/orders: column "amout" does not exist
 SQL line 2 |        amout
            |        ^
    = help: perhaps you meant to reference the column "orders.amount"
""",
    ),
    "the-file-is-no-yaml": (
        "metrics: [",
        query("sales/orders", "SELECT amout AS value FROM orders"),
        """\
domains/shop/sales.yaml: error[sql-error]: sales/orders: column "amout" does not exist
 SQL | SELECT amout AS value FROM orders
     |        ^
    = help: perhaps you meant to reference the column "orders.amount"
""",
    ),
}


@pytest.mark.parametrize(("text", "asked", "expected"), PLACES.values(), ids=PLACES)
def test_the_line_of_the_domain_file_is_found(text: str, asked: dict[str, Any], expected: str) -> None:
    domain_file(text)
    assert said(asked) == expected


BAD = "SELECT amout AS value FROM orders"
HELP = '    = help: perhaps you meant to reference the column "orders.amount"\n'


def test_a_domain_in_python_has_no_line() -> None:
    domain_file("DOMAIN = 1\n", "domains/shop/sales.py")
    assert said(query("sales/orders", BAD) | {"file": "sales.py"}) == (
        'domains/shop/sales.py: error[sql-error]: sales/orders: column "amout" does not exist\n'
        f" SQL | {BAD}\n     |        ^\n{HELP}"
    )


@pytest.mark.parametrize("file", ["sales.yaml", "../../../secret.yaml", "/etc/hostname"])
def test_a_domain_file_that_is_not_at_hand_is_named_and_the_plan_shown(file: str) -> None:
    Path("secret.yaml").write_text("metrics: {orders: {sql: amout}}\n")
    text = said(query("sales/others", "SELECT 1 AS value"), query("sales/orders", BAD) | {"file": file})
    line = PLAN.read_text().splitlines().index(f"  sql: {BAD}") + 1
    assert text == (
        f'{PLAN}:{line}:15: error[sql-error]: sales/orders ({file}): column "amout" does not exist\n'
        f" {line} |   sql: {BAD}\n    |               ^\n{HELP}"
    )


def test_a_plan_that_a_person_wrote_is_its_own_file() -> None:
    asked = query("sales/orders", "SELECT 1 AS value", when="SELECT truth") | {"file": "plan.yml"}
    text = said(query("sales/others", "SELECT 1 AS value"), asked, plan=Path("plan.yml"))
    line = Path("plan.yml").read_text().splitlines().index("  when: SELECT truth") + 1
    assert text == (
        f'plan.yml:{line}:16: error[sql-error]: sales/orders: column "truth" does not exist\n'
        f" {line} |   when: SELECT truth\n    |                ^\n"
    )


@pytest.mark.parametrize("plan", ["output/shop.demo/exporter/business.yml", "elsewhere/business.yml", "business.yml"])
def test_domain_files_are_found_from_every_place_of_a_plan(plan: str) -> None:
    assert said(metric(BAD), plan=Path(plan)).startswith("domains/shop/sales.yaml:5:14: error[sql-error]")


def test_domain_files_are_found_from_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = metric(BAD)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert said(asked, plan=here / PLAN).startswith(f"{here}/domains/shop/sales.yaml:5:14: error[sql-error]")


def test_all_problems_are_said_at_once_and_in_order() -> None:
    checked = tried(
        query("sales/c", "SELECT ''::text AS value, now() AS other", gauge("shop_c"), gauge("shop_d", column="other")),
        query("sales/b", BAD),
        query("sales/a", "SELECT 1 AS value", gauge("shop_a", column="count", labels={"size": []})),
        query("sales/fine", "SELECT 1 AS value"),
    )
    assert [(problem.code, problem.message) for problem in checked.problems] == [
        ("wrong-type", 'sales/c (sales.yaml): column "value" is of type text, not a number'),
        ("wrong-type", 'sales/c (sales.yaml): column "other" is of type timestamp with time zone, not a number'),
        ("sql-error", 'sales/b (sales.yaml): column "amout" does not exist'),
        ("missing-column", 'sales/a (sales.yaml): the answer has no column "count"'),
        ("missing-column", 'sales/a (sales.yaml): the answer has no column "size"'),
    ]
    assert [row.note for row in checked.queries] == ["failed", "failed", "failed", ""]


def test_histograms_and_grouping_sets_have_columns_of_their_own() -> None:
    histogram = gauge("shop_waits", type="histogram", buckets=[1.0, 2.0])
    fine = "SELECT 1 AS bucket_0, 2 AS bucket_1, 3 AS count, 4.5 AS sum"
    checked = tried(query("sales/waits", fine, histogram))
    assert (checked.problems, checked.queries[0].series) == ((), 5)
    wrong = fine.replace("2 AS bucket_1, ", "").replace("4.5", "interval '1 s'")
    grouped = query("sales/sets", "SELECT 1 AS value, '0' AS grouping_set", gauge("shop_sets", grouping_set=0))
    assert [problem.message for problem in tried(query("sales/waits", wrong, histogram), grouped).problems] == [
        'sales/waits (sales.yaml): the answer has no column "bucket_1"',
        'sales/waits (sales.yaml): column "sum" is of type interval, not a number',
        'sales/sets (sales.yaml): column "grouping_set" is of type text, not a whole number',
    ]


def test_every_type_that_is_a_number_passes() -> None:
    kinds = ("int2", "int4", "int8", "float4", "float8", "numeric", "oid")
    queries = [query(f"sales/{kind}", f"SELECT 1::{kind} AS value") for kind in kinds]
    domain = query("sales/domain", "SELECT 1::information_schema.cardinal_number AS value")
    checked = tried(*queries, domain, query("sales/bool", "SELECT true AS value;"))
    assert render(checked.problems) == ""
    assert [row.series for row in checked.queries] == [1] * 9


def test_the_window_of_events_is_a_number_of_seconds() -> None:
    counted = "SELECT count(*) AS value FROM orders WHERE placed_at > now() - make_interval(secs => $1)"
    checked = tried(
        query("sales/events", counted, within_seconds=240.5),
        query("sales/forgotten", "SELECT 1 AS value", within_seconds=60.0),
        query("sales/more", f"{counted} + make_interval(secs => $2)", within_seconds=60.0),
    )
    assert [(problem.code, problem.warning, problem.message) for problem in checked.problems] == [
        ("parameter", True, "sales/forgotten (sales.yaml): it has within_seconds, but no $1 that takes it"),
        (
            "parameter",
            False,
            "sales/more (sales.yaml): it takes the parameter $2; there is only $1, the seconds of within_seconds",
        ),
    ]
    assert [row.series for row in checked.queries] == [1, 1, None]


def test_a_query_for_another_server_is_not_tried_and_that_is_said() -> None:
    missing = "SELECT a FROM only_elsewhere"
    version = "SELECT current_setting('server_version_num')::int {} 10000"
    checked = tried(
        query("sales/elsewhere", missing, when=version.format("<")),
        query("sales/here", "SELECT 1 AS value", when=version.format(">")),
        query("sales/unknown", missing, when="SELECT NULL::boolean"),
        query("sales/never", missing, when="SELECT true WHERE false"),
        query("sales/number", missing, when="SELECT 1"),
    )
    (problem,) = checked.problems
    assert problem.message == "sales/number (sales.yaml): when has to give one boolean, and takes no parameter"
    elsewhere = "does not apply to this server"
    assert [row.note for row in checked.queries] == [elsewhere, "", elsewhere, elsewhere, "failed"]


def test_what_costs_too_much_is_said_and_not_run() -> None:
    cross = "SELECT count(*) AS value FROM orders a, orders b, orders c, orders d, orders e"
    checked = tried(metric(cross), max_cost=100_000)
    (row,) = checked.queries
    assert row.cost is not None and row.cost > 100_000 and row.rows is None
    assert render(checked.problems) == (
        f"domains/shop/sales.yaml:4:5: error[cost]: sales/orders: it costs {row.cost:,.0f} units of the planner,"
        " more than 100,000\n 4 |     sql: |\n   |     ^\n"
        "    = help: index what it filters and joins by, narrow what it reads, or raise --max-cost\n"
    )


def test_many_values_of_a_label_warn_and_are_not_told() -> None:
    grouped = "SELECT status, count(*) AS value FROM orders GROUP BY status"
    known = [f"status-{number}" for number in range(1, 15)]
    listed = tried(query("sales/listed", grouped, gauge("shop_listed", labels={"status": known})))
    assert (listed.problems, listed.queries[0].series) == ((), 14)
    text = said(
        query("sales/free", grouped, gauge("shop_free", labels={"status": []})),
        query("sales/half", grouped, gauge("shop_half", labels={"status": known[:4]})),
        query("sales/some", f"{grouped} LIMIT 10", gauge("shop_some", labels={"status": []})),
    )
    assert re.findall(r"\w+\[.*", text) == [
        'warning[cardinality]: sales/free (sales.yaml): label "status" has 14 values that are not listed,'
        " and each is a series",
        'warning[unknown-label-value]: sales/half (sales.yaml): shop_half: label "status" is new in 10 rows',
    ]
    assert "status-5" not in text


def test_more_rows_than_the_limit_is_an_error() -> None:
    one = gauge("shop_rows", labels={"id": []})
    checked = tried(query("sales/rows", "SELECT id, 1 AS value FROM orders", one, row_limit=13))
    assert [problem.message for problem in checked.problems] == [
        "sales/rows (sales.yaml): the answer has more than 13 rows"
    ]
    fine = tried(query("sales/rows", "SELECT id, 1 AS value FROM orders", one, row_limit=14))
    assert (fine.problems, fine.queries[0].series) == ((), 14)


def test_without_a_run_only_the_planner_is_asked_and_only_the_named_queries() -> None:
    path = PLAN
    path.parent.mkdir(parents=True)
    slow = query("sales/slow", "SELECT 1 AS value FROM pg_sleep(60)")
    plan_file(path, [slow, query("sales/bad", BAD), query("sales/rows", "SELECT id AS value FROM orders")])
    plan = load(path)
    started = time.monotonic()
    assert asyncio.run(examine(plan, path, only={"sales/slow", "sales/rows"}, run=False)).problems == ()
    assert time.monotonic() - started < 10
    (problem,) = asyncio.run(examine(plan, path, only={"sales/bad"}, run=False)).problems
    assert problem.code == "sql-error"


def test_a_query_that_hangs_is_ended_on_the_server(server: Cluster) -> None:
    started = time.monotonic()
    checked = tried(
        metric("SELECT 1 AS value FROM pg_sleep(60)"), query("sales/after", "SELECT 1 AS value"), timeout_seconds=0.5
    )
    assert time.monotonic() - started < 10
    assert render(checked.problems) == (
        "domains/shop/sales.yaml:4:5: error[timeout]: sales/orders: no answer within 0.5 s\n"
        " 4 |     sql: |\n   |     ^\n"
    )
    assert [row.series for row in checked.queries] == [None, 1]
    assert server.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
                          " AND pid <> pg_backend_pid() AND state = 'active'") == [(0,)]  # fmt: skip


def test_a_locked_table_is_not_waited_for(server: Cluster) -> None:
    with psycopg.connect(server.dsn(database="shop")) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        checked = tried(
            query("sales/locked", "SELECT count(*) AS value FROM orders"),
            query("sales/free", "SELECT 1 AS value"),
            timeout_seconds=0.5,
        )
    assert [(problem.code, problem.message) for problem in checked.problems] == [
        ("lock-timeout", "sales/locked (sales.yaml): a table that it reads was locked for 0.25 s")
    ]
    assert [row.note for row in checked.queries] == ["failed", ""]


@contextmanager
def meanwhile(what: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=what)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def asleep(server: Cluster) -> int:
    """The backend that sleeps for a test, once it does."""
    found = until(lambda: server.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    (pid,) = found[0]
    assert isinstance(pid, int)
    return pid


THREE = (
    query("sales/before", "SELECT 1 AS value"),
    query("sales/breaks", "SELECT 1 AS value FROM pg_sleep(60)"),
    query("sales/after", "SELECT 1 AS value"),
)


def source_line() -> str:
    return f"{PLAN}:{PLAN.read_text().splitlines().index('  shop:') + 1}:3"


def test_a_session_that_breaks_is_one_problem(server: Cluster) -> None:
    with meanwhile(lambda: server.execute(f"SELECT pg_terminate_backend({asleep(server)})")):
        checked = tried(*THREE)
    assert render(checked.problems) == (
        f"{source_line()}: error[connection-lost]: source shop: at sales/breaks: terminating connection due to"
        " administrator command; 2 queries were not checked\n"
    )
    assert [row.note for row in checked.queries] == ["", "not checked", "not checked"]


def test_a_server_that_stands_still_is_not_waited_for(server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_STATEMENTS", 1)
    monkeypatch.setattr(trial, "_GRACE_SECONDS", 0.1)
    stopped: list[int] = []

    def stop() -> None:
        stopped.append(asleep(server))
        os.kill(stopped[0], signal.SIGSTOP)

    try:
        with meanwhile(stop):
            text = said(*THREE, timeout_seconds=3)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert text == (
        f"{source_line()}: error[connection-lost]: source shop: at sales/breaks: the server does not answer;"
        " 2 queries were not checked\n"
    )


@pytest.mark.parametrize(("dsn", "reason"), [
    ("host=127.0.0.1 port={free} user=anna password=hunter-two dbname=shop", "connection"),
    ("host=127.0.0.1 port={port} user=anna password=hunter-two dbname=shop", 'role "…" does not exist'),
    ("host=127.0.0.1 port={port} user=monitoring password=hunter-two dbname=hunter-two", 'database "…" does not exist'),
    ("postgres://anna:hunter-two@127.0.0.1:port/shop", "connection"),
    ("host=127.0.0.1 hunter-two", "is not one that libpq reads"),
    ("", "its connection string is empty"),
], ids=["nobody-listens", "no-such-role", "no-such-database", "bad-port", "not-a-dsn", "empty"])  # fmt: skip
def test_a_database_that_cannot_be_had_is_one_problem_without_secrets(
    dsn: str, reason: str, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN, dsn.format(port=server.port, free=free_port()))
    checked = tried(*THREE)
    (problem,) = checked.problems
    text = render(checked.problems) + table(checked)
    assert text.startswith(f"{source_line()}: error[unreachable]: source shop: ")
    assert problem.message.endswith("; 3 queries were not checked")
    assert reason in text and text.count("source shop") == 1
    assert "hunter" not in text and "anna" not in text


def test_one_source_that_is_down_does_not_hide_another(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKS_DSN", f"host=127.0.0.1 port={free_port()}")
    sources = {"shop": {"type": "postgres", "dsn_env": DSN}, "books": {"type": "postgres", "dsn_env": "BOOKS_DSN"}}
    checked = tried(
        query("sales/orders", BAD), query("books/sums", "SELECT 1 AS value") | {"source": "books"},
        more={"sources": sources},
    )  # fmt: skip
    assert [problem.code for problem in checked.problems] == ["unreachable", "sql-error"]
    assert [row.note for row in checked.queries] == ["failed", "not checked"]


def test_the_summary_is_a_table() -> None:
    rows = (
        CheckedQuery("sales/orders", 12345.678, 3, 6, 0.0123),
        CheckedQuery("sales/slow", 1_500_000.0, note="failed"),
        CheckedQuery("sales/elsewhere", note="does not apply to this server"),
    )
    assert table(Checked(rows, ())) == (
        "query                   cost  rows  series    ms\n"
        "sales/orders        12,345.7     3       6  12.3\n"
        "sales/slow       1,500,000.0     –       –     –  failed\n"
        "sales/elsewhere            –     –       –     –  does not apply to this server"
    )
