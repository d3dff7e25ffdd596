"""What a scrape says of answers that are not plain numbers, and that no query can write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import Cluster, cluster
from tests.exporters.running import Scrape, gauge, query
from tests.exporters.shop import COUNTED, ORDERS, health, irregular, is_well, next_refresh, shop, shown

# A value of a row that no message may show.
SECRET = "Kv-4711"
REFRESHES = 5


@dataclass(frozen=True)
class Case:
    """A query and what a scrape shows of it; ``series`` are fields of its gauge, ``values`` by what follows its name.

    ``odd``: the kinds that are counted, once per refresh; ``said``: what the log says of it, once.
    """

    name: str
    sql: str
    values: dict[str, float] = field(default_factory=dict)
    odd: tuple[str, ...] = ()
    said: str = ""
    series: dict[str, Any] = field(default_factory=dict)
    success: bool = True

    def query(self) -> dict[str, Any]:
        return query(f"sales/{self.name}", self.sql, gauge(f"shop_sales_{self.name}", **self.series))


def refused(name: str, sql: str, kind: str, said: str, **series: Any) -> Case:
    """A case in which the query fails as a whole."""
    return Case(name, sql, {}, (kind,), said, series, success=False)


PRIORITY = {"priority": ["high", "low"]}
ANY: dict[str, list[str]] = {"label": []}
HISTOGRAM = {"type": "histogram", "buckets": [1.0, 5.0]}
NOT_NUMBERS = {
    "text": ("text", f"'{SECRET}'::text"),
    "text_that_is_a_number": ("text", "'4711'::text"),
    "date": ("date", "current_date"),
    "timestamp": ("timestamptz", "now()"),
    "interval": ("interval", "interval '2 hours'"),
    "json": ("json", "'4711'::json"),
    "money": ("money", "4711::money"),
    "array": ("int4[]", "ARRAY[4711]"),
}
INFINITE = {
    "nan": "'NaN'::float8",
    "infinity": "'Infinity'::float8",
    "minus_infinity": "'-Infinity'::float8",
    "numeric_nan": "'NaN'::numeric",
    "too_large": "1e400::numeric",
}

CASES = [
    *(
        refused(name, f"SELECT {sql} AS value", "wrong_type", f'column "value" is {type_}, not a number')
        for name, (type_, sql) in NOT_NUMBERS.items()
    ),
    refused(
        "one_text_among_nulls", f"SELECT * FROM (VALUES (NULL), ('{SECRET}'), (NULL)) AS v (value)",
        "wrong_type", 'column "value" is text, not a number',
    ),
    *(
        refused(name, f"SELECT {sql} AS value", "not_finite", 'column "value" holds NaN, an infinity or a number too')
        for name, sql in INFINITE.items()
    ),
    refused(
        "one_nan_of_two", "SELECT * FROM (VALUES ('a', 1), ('b', 'NaN'::float8)) AS v (label, value)",
        "not_finite", 'column "value" holds NaN', labels=ANY,
    ),
    Case("whole", "SELECT 42 AS value", {"": 42}),
    Case("numeric", "SELECT 0.5::numeric AS value", {"": 0.5}),
    Case("tiny", "SELECT 1e-300::float8 AS value", {"": 1e-300}),
    Case("large", "SELECT 9223372036854775807 AS value", {"": 2.0**63}),
    Case("true", "SELECT true AS value", {"": 1}),
    Case("false", "SELECT false AS value", {"": 0}),
    Case("null_gone", "SELECT NULL AS value", {}, ("null",), 'column "value" is NULL in 1 row'),
    Case("null_date", "SELECT NULL::date AS value", {}, ("null",), 'column "value" is NULL in 1 row'),
    Case(
        "null_zero", "SELECT NULL::int AS value", {"": 0}, ("null",), 'column "value" is NULL in 1 row',
        {"absent": "zero"},
    ),
    refused("null_error", "SELECT NULL::int AS value", "missing_group", "it has no value", absent="error"),
    Case("no_rows_gone", "SELECT 1 AS value WHERE false", {}, ("no_rows",), "the answer has no rows"),
    Case(
        "no_rows_zero", "SELECT 1 AS value WHERE false", {"": 0}, ("no_rows",), "the answer has no rows",
        {"absent": "zero"},
    ),
    refused("no_rows_error", "SELECT 1 AS value WHERE false", "missing_group", "it has no value", absent="error"),
    Case(
        "group_gone", "SELECT 'high' AS priority, 7 AS value", {'{priority="high"}': 7},
        series={"labels": PRIORITY},
    ),
    Case(
        "group_zero", "SELECT 'high' AS priority, 7 AS value", {'{priority="high"}': 7, '{priority="low"}': 0},
        series={"labels": PRIORITY, "absent": "zero"},
    ),
    Case(
        "groups_zero", "SELECT 'x' AS priority, 7 AS value WHERE false",
        {'{priority="high"}': 0, '{priority="low"}': 0}, ("no_rows",), "the answer has no rows",
        {"labels": PRIORITY, "absent": "zero"},
    ),
    refused(
        "group_error", "SELECT 'high' AS priority, 7 AS value",
        "missing_group", 'a group of "priority" has no value', labels=PRIORITY, absent="error",
    ),
    refused(
        "two_rows_of_a_label_set", "SELECT 'a' AS label, value FROM (VALUES (1), (2)) AS v (value)",
        "duplicate", 'two rows have the same "label"', labels=ANY,
    ),
    refused("two_rows_without_labels", "VALUES (1), (2)", "duplicate", "two rows have no labels", column="column1"),
    refused("two_columns", "SELECT 1 AS value, 2 AS value", "duplicate", 'more than one column "value"'),
    refused(
        "many_label_values", "SELECT n AS label, n AS value FROM generate_series(1, 10000) AS n",
        "too_many_rows", "the answer has more than 1000 rows", labels=ANY,
    ),
    Case(
        "just_not_too_many", "SELECT n AS label, n AS value FROM generate_series(1, 1000) AS n",
        {f'{{label="{n}"}}': n for n in range(1, 1001)}, series={"labels": ANY},
    ),
    refused("missing_column", "SELECT 1 AS number", "missing_column", 'the answer has no column "value"'),
    refused("missing_label", "SELECT 1 AS value", "missing_column", 'the answer has no column "label"', labels=ANY),
    Case(
        "unknown_label_value", f"SELECT '{SECRET}' AS priority, 7 AS value", {f'{{priority="{SECRET}"}}': 7},
        ("unknown_label_value",), 'label "priority" is new in 1 row', {"labels": PRIORITY},
    ),
    Case(
        "label_null", "SELECT NULL AS label, 7 AS value", {'{label=""}': 7},
        ("null_label",), 'label "label" is NULL in 1 row', {"labels": ANY},
    ),
    refused(
        "label_null_and_empty", "SELECT label, 7 AS value FROM (VALUES (NULL), ('')) AS v (label)",
        "duplicate", 'two rows have the same "label"', labels=ANY,
    ),
    Case(
        "labels_as_written",
        r"""SELECT label, 7 AS value FROM (VALUES ('say "no"'), (E'two\nlines'), (E'back\\slash'), ('🔔 Glöckchen'),
            (' spaces '), ('x} 5'), ('')) AS v (label)""",
        {
            r'{label="say \"no\""}': 7, r'{label="two\nlines"}': 7, r'{label="back\\slash"}': 7,
            '{label="🔔 Glöckchen"}': 7, '{label=" spaces "}': 7, '{label="x} 5"}': 7, '{label=""}': 7,
        },
        series={"labels": ANY},
    ),
    Case(
        "labels_of_types",
        "SELECT true AS a, 1.50::numeric AS b, date '2026-02-03' AS c, 'x '::char(4) AS d, 7 AS value",
        {'{a="true",b="1.50",c="2026-02-03",d="x"}': 7},
        series={"labels": {"a": [], "b": [], "c": [], "d": []}},
    ),
    refused("negative_total", "SELECT -1 AS value", "negative", 'counter "value" is negative', type="counter"),
    Case(
        "histogram", "SELECT 1 AS bucket_0, 2 AS bucket_1, 4 AS count, 12.5 AS sum",
        {'_bucket{le="1.0"}': 1, '_bucket{le="5.0"}': 2, '_bucket{le="+Inf"}': 4, "_count": 4, "_sum": 12.5},
        series=HISTOGRAM,
    ),
    refused(
        "falling_buckets", "SELECT 2 AS bucket_0, 1 AS bucket_1, 4 AS count, 12.5 AS sum",
        "negative", "the counts of its buckets fall, or are negative", **HISTOGRAM,
    ),
    refused(
        "half_a_histogram", "SELECT 1 AS bucket_0, 4 AS count, 12.5 AS sum",
        "missing_column", 'the answer has no column "bucket_1"', **HISTOGRAM,
    ),
    refused("division_by_zero", "SELECT 1 / 0 AS value", "sql_error", "DivisionByZero (SQLSTATE 22012)"),
    refused(
        "cast_that_fails", f"SELECT label::int AS value FROM (VALUES ('{SECRET}')) AS v (label)",
        "sql_error", "InvalidTextRepresentation (SQLSTATE 22P02)",
    ),
    refused("no_such_column", "SELECT nmae AS value FROM orders", "sql_error", 'column "nmae" does not exist'),
    refused("not_sql", "SELEC 1 AS value", "sql_error", "syntax error at or near"),
]  # fmt: skip
NAMES = [case.name for case in CASES]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@dataclass(frozen=True)
class Seen:
    """Scrapes, each after another refresh, and all that was logged."""

    scrapes: list[Scrape]
    log: str


@pytest.fixture(scope="module")
def seen(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """All cases in one plan: none may be in another's way."""
    queries = [case.query() for case in CASES]
    with shop(postgres, tmp_path_factory.mktemp("answers"), queries, interval=0.5) as (running, _):
        running.until_scrape(lambda scrape: scrape.value("shop_up", database="shop") == 1)
        return Seen([next_refresh(running) for _ in range(REFRESHES)], running.said())


def test_cases_have_names_of_their_own() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_an_answer(seen: Seen, case: Case) -> None:
    name = f"shop_sales_{case.name}"
    before = None
    for scrape in seen.scrapes:
        assert health(scrape)[case.name] == case.success
        found = {series.removeprefix(name): value for series, value in shown(scrape).items() if _is_of(series, name)}
        assert found == case.values
        counts = {kind: times for (named, kind), times in irregular(scrape).items() if named == case.name}
        assert {kind for kind in counts if kind != "unreachable"} == set(case.odd)
        if before is not None:
            # Once for each refresh; between two scrapes of a busy machine there may be more than one.
            more = {kind: times - before[kind] for kind, times in counts.items()}
            assert more.keys() == before.keys()
            assert all(more[kind] >= 1 for kind in case.odd)
            assert len({more[kind] for kind in case.odd}) <= 1
            assert not any(times for kind, times in more.items() if kind not in case.odd and kind != "unreachable")
        before = counts
    lines = [
        line
        for line in seen.log.splitlines()
        if re.search(rf"query sales/{case.name}[: ]", line) and "unreachable" not in line
    ]
    assert len(lines) == len(case.odd), lines
    for line, kind in zip(lines, case.odd, strict=True):
        level, said = ("WARNING", f" fails: {kind}: ") if not case.success else ("INFO", f": {kind}: ")
        assert f"Z {level} sales.yaml: query sales/{case.name}{said}" in line
        assert case.said in line


def _is_of(series: str, name: str) -> bool:
    rest = series.removeprefix(name)
    return series.startswith(name) and (not rest or rest.startswith(("{", "_bucket{", "_count", "_sum")))


def test_no_message_holds_a_value_of_a_row(seen: Seen) -> None:
    assert SECRET not in seen.log
    assert "4711" not in seen.log


def test_a_counter_does_not_fall_unless_it_may(postgres: Cluster, tmp_path: Path) -> None:
    count = {"type": "counter", "absent": "zero"}
    queries = [
        query("sales/sold", COUNTED, gauge("shop_sales_sold_total", **count)),
        query("sales/reset", COUNTED, gauge("shop_sales_reset_total", **count, resets=True)),
    ]
    with shop(postgres, tmp_path, queries, interval=0.5) as (running, name):
        assert shown(running.until_scrape(is_well)) == {"shop_sales_sold_total": 3, "shop_sales_reset_total": 3}
        postgres.execute("DELETE FROM orders WHERE id > 1", database=name)
        fallen = next_refresh(running)
        assert shown(fallen) == {"shop_sales_sold_total": 3, "shop_sales_reset_total": 1}
        assert is_well(fallen)
        postgres.execute("INSERT INTO orders VALUES (4), (5), (6)", database=name)
        risen = next_refresh(running)
        assert shown(risen) == {"shop_sales_sold_total": 6, "shop_sales_reset_total": 4}
        assert risen.irregularities("sales/sold", "counter_fell") == 1
        assert risen.irregularities("sales/reset", "counter_fell") == 0
        assert running.said().count("query sales/sold: counter_fell: ") == 1


def test_a_row_that_vanishes_takes_its_series_along(postgres: Cluster, tmp_path: Path) -> None:
    by_id = "SELECT id, 1 AS value FROM orders"
    queries = [
        query("sales/gone", by_id, gauge("shop_sales_gone", labels={"id": []})),
        query("sales/zero", by_id, gauge("shop_sales_zero", labels={"id": ["1", "2", "3"]}, absent="zero")),
    ]
    with shop(postgres, tmp_path, queries, interval=0.5) as (running, name):
        running.until_scrape(is_well)
        postgres.execute("DELETE FROM orders WHERE id = 2", database=name)
        assert shown(next_refresh(running)) == {
            'shop_sales_gone{id="1"}': 1,
            'shop_sales_gone{id="3"}': 1,
            'shop_sales_zero{id="1"}': 1,
            'shop_sales_zero{id="2"}': 0,
            'shop_sales_zero{id="3"}': 1,
        }


ARMED = f"""
{ORDERS};
CREATE SEQUENCE numbers;
CREATE FUNCTION sneak() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO orders VALUES (9) RETURNING id';
CREATE FUNCTION leave() RETURNS int LANGUAGE plpgsql AS 'BEGIN COMMIT; INSERT INTO orders VALUES (9); RETURN 1; END'
"""
ATTEMPTS = {
    "insert": "INSERT INTO orders VALUES (9) RETURNING id AS value",
    "cte": "WITH new AS (INSERT INTO orders VALUES (9) RETURNING id) SELECT id AS value FROM new",
    "delete": "DELETE FROM orders RETURNING id AS value",
    "drop": "DROP TABLE orders",
    "second_statement": "SELECT 1 AS value; DROP TABLE orders",
    "broken_out": "SELECT 1 AS value) AS answer; COMMIT; DROP TABLE orders; SELECT * FROM (SELECT 1 AS value",
    "commented_out": "SELECT 1 AS value) AS answer; DROP TABLE orders --",
    "commit": "COMMIT",
    "nextval": "SELECT nextval('numbers') AS value",
    "writable": "SELECT (set_config('transaction_read_only', 'off', true) = 'off')::int AS value",
    "function": "SELECT sneak() AS value",
    "procedure": "SELECT leave() AS value",
    "lock": "SELECT id AS value FROM orders WHERE id = 1 FOR UPDATE",
    "create": "CREATE TEMP TABLE mine AS SELECT 1 AS value",
    "into": "SELECT 1 AS value INTO mine",
    "copy": "COPY orders TO PROGRAM 'true'",
}
# PostgreSQL 15 makes one in a transaction that only reads, 16 refuses.
LARGE_OBJECT = "SELECT lo_create(0)::int AS value"
# What a transaction that only reads lets pass.
TOLERATED = {
    "later_writable": "SELECT (set_config('default_transaction_read_only', 'off', false) = 'off')::int AS value",
    "no_timeout": "SELECT (set_config('statement_timeout', '0', false) = '0')::int AS value",
}


@pytest.mark.parametrize("user", ["monitoring", "postgres"])
def test_nothing_that_a_query_tries_changes_anything(postgres: Cluster, tmp_path: Path, user: str) -> None:
    queries = [
        query("sales/orders", COUNTED),
        query("sales/large_object", LARGE_OBJECT),
        *(query(f"sales/{name}", sql) for name, sql in (ATTEMPTS | TOLERATED).items()),
    ]
    with shop(postgres, tmp_path, queries, schema=ARMED, user=user, interval=0.5) as (running, name):
        running.until_scrape(lambda scrape: health(scrape)["orders"] == 1)
        for _ in range(2):
            scrape = next_refresh(running)
            succeeding = {query for query, success in health(scrape).items() if success}
            assert succeeding - {"large_object"} == {"orders", *TOLERATED}
            assert {irregular(scrape).get((attempt, "sql_error"), 0) > 0 for attempt in ATTEMPTS} == {True}
            assert shown(scrape)["shop_sales_orders"] == 3
        (state,) = postgres.execute(
            """SELECT (SELECT array_agg(id ORDER BY id) FROM orders), (SELECT is_called FROM numbers),
                (SELECT count(*) FROM pg_largeobject_metadata),
                (SELECT count(*) FROM pg_class WHERE relname = 'mine')""",
            database=name,
        )
        assert state == ([1, 2, 3], False, 0, 0)


def test_a_role_that_may_only_read_is_enough(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [query("sales/orders", COUNTED)], interval=0.5) as (running, name):
        assert shown(running.until_scrape(is_well)) == {"shop_sales_orders": 3}
        postgres.execute("REVOKE SELECT ON orders FROM monitoring", database=name)
        denied = next_refresh(running)
        assert (health(denied), shown(denied)) == ({"orders": 0}, {})
        assert "query sales/orders fails: sql_error: permission denied for table orders" in running.said()
        postgres.execute("GRANT SELECT ON orders TO monitoring", database=name)
        assert is_well(next_refresh(running))
