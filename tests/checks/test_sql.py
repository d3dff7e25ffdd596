"""What SQL is let through, and what is not."""

from pathlib import Path

import pytest
import yaml

from tests.checks.shop import problems

SELECTS = [
    "SELECT count(*) AS value FROM orders",
    "select 1 as VALUE",
    "SELECT 1 value",
    "(SELECT 1 AS value)",
    "SELECT 1 AS value -- a comment; with a semicolon",
    "WITH x AS (SELECT 1 AS a) SELECT a AS value FROM x",
    "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT max(n) AS value FROM x",
    "SELECT 1 AS value UNION ALL SELECT 2 AS value",
    "SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY x) AS value FROM t",
    "SELECT count(*) FILTER (WHERE a = 'x;y')::float8 / nullif(count(*), 0) AS value FROM t",
    "SELECT count(*) AS value FROM t WHERE tags @> '{a}' AND j ? 'key' AND name LIKE '%s' AND a % 5 = 0",
    "SELECT count(*) AS value FROM t WHERE created_at >= date_trunc('day', now() AT TIME ZONE 'UTC')",
    "SELECT update AS value FROM delete_log",
    "SELECT 'DROP TABLE x; :name %s $1' AS value",
    "SELECT arr[1:2] AS value FROM t",
    'SELECT u&b | u & "c" AS value FROM t',
]
NOT_SELECTS = {
    "not-one-select": [
        "DELETE FROM orders",
        "SELECT 1 AS value; SELECT 2 AS value",
        "SELECT 1 AS value;",
        "SELECT 1 AS value INTO x FROM t",
        "SELECT 1 AS value FROM t FOR NO KEY UPDATE",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a AS value FROM x",
        "WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT a AS value FROM x",
        "TABLE t",
        "VALUES (1)",
        "EXPLAIN ANALYZE DELETE FROM t",
        "CALL f()",
        "DO $$ BEGIN END $$",
        "COPY t TO '/tmp/x'",
        "SET ROLE postgres",
        "LOCK TABLE t",
        "TRUNCATE t",
    ],
    "sql-function": [
        "SELECT pg_sleep(1) AS value",
        "SELECT \"pg_sleep\" (1) AS value",
        "SELECT pg_catalog.pg_terminate_backend(1) AS value",
        "SELECT lo_import('/etc/passwd') AS value",
        "SELECT x AS value FROM dblink('host=x', 'SELECT 1') AS t(x int)",
        "SELECT set_config('a', 'b', false) AS value",
        'SELECT U&"pg\\005fsleep"(1) AS value',
    ],
    "sql-placeholder": ["SELECT $1 AS value", "SELECT :a AS value", "SELECT 1 AS value WHERE a = %(b)s"],
    "sql-syntax": ["SELECT 1 AS value FROM", "SELECT (1 AS value", "SELECT 'a AS value", "--"],
    "sql-columns": [
        "SELECT *", "SELECT t.* FROM t", "SELECT count(*)", "SELECT 1 AS \"Value\"", "SELECT 1 AS value, 2"],
}  # fmt: skip
EXPRESSIONS = [
    "amount", "now() - created_at", "amount AT TIME ZONE 'UTC'", "(SELECT max(x) FROM rates)", "a IN ('x', 'y')",
    "CASE WHEN a THEN 1 ELSE 2 END", "interval '1 day'", "EXISTS (SELECT 1 FROM t)", "a::text", "j -> 'b' ->> 'c'",
    "greatest(a, b)", "name LIKE 'a%' -- comment",
]  # fmt: skip
NOT_EXPRESSIONS = [
    "SELECT 1", "DELETE FROM t", "a; b", "a, b", "a AS b", "*", "count(*)", "sum(a) OVER ()", "$1", "pg_sleep(1)", "(a",
    "a FROM b", "COMMIT", "WITH x AS (SELECT 1) SELECT 1",
]  # fmt: skip


def metric(sql: str) -> str:
    return yaml.safe_dump({"metrics": {"number": {"help": "A number.", "unit": "none", "sql": sql}}})


def field(sql: str) -> str:
    record = {"table": "t", "where": sql, "fields": {"flag": {"sql": sql, "boolean": True}}}
    return yaml.safe_dump({"records": {"row": record}})


@pytest.mark.parametrize("sql", SELECTS)
def test_select(tmp_path: Path, sql: str) -> None:
    assert problems(tmp_path, metric(sql)) == []


@pytest.mark.parametrize(("code", "sql"), [(code, sql) for code, texts in NOT_SELECTS.items() for sql in texts])
def test_no_select(tmp_path: Path, code: str, sql: str, caplog: pytest.LogCaptureFixture) -> None:
    found = problems(tmp_path, metric(sql))
    assert {problem.code for problem in found} == {code}
    assert not caplog.records, "what a library thinks of the input is no matter for the terminal"


@pytest.mark.parametrize("sql", EXPRESSIONS)
def test_expression(tmp_path: Path, sql: str) -> None:
    assert problems(tmp_path, field(sql)) == []


@pytest.mark.parametrize("sql", NOT_EXPRESSIONS)
def test_no_expression(tmp_path: Path, sql: str) -> None:
    found = problems(tmp_path, field(sql))
    assert len(found) >= 2, "both where and the field are wrong"
    assert {problem.code for problem in found} <= {"sql-expression", "sql-syntax", "sql-placeholder", "sql-function"}
