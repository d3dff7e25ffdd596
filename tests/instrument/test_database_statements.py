"""What is said of a statement by its text: its operation, its kind, and no value that it holds."""

import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from exporters.instrument.database.kinds import AGGREGATES
from exporters.instrument.database.statements import LONGEST_TEXT, statement_of
from tests.clusters import Cluster

CASES: list[tuple[str, str, str]] = [
    # One table, nothing else.
    ("SELECT a, b FROM t WHERE id = %s", "SELECT", "simple"),
    ("select a from s.t as x where x.a = ANY(%s) and b @> %s order by a limit %s for update of x", "SELECT", "simple"),
    ("SELECT a FROM t WHERE id = %(id)s AND b = %(b)b AND c = %t", "SELECT", "simple"),
    ("SELECT a %% 2, 'count(' FROM t WHERE b LIKE '50%%' AND c LIKE %s", "SELECT", "simple"),
    ("SELECT a % 2 FROM ONLY t", "SELECT", "simple"),
    ("SELECT a FROM t WHERE id = $1", "SELECT", "simple"),
    ("-- why\n/* and /* how */ */ SELECT a->'x'->>'y' FROM t WHERE a ? 'k' AND count = 3;", "SELECT", "simple"),
    ("SELECT upper(a), now() - INTERVAL '1 day' FROM t", "SELECT", "simple"),
    ("SELECT * FROM unnest(%s::int[])", "SELECT", "simple"),
    ("(SELECT a FROM t)", "SELECT", "simple"),
    ("TABLE t", "SELECT", "simple"),
    ("SELECT 1", "SELECT", "simple"),
    ("VALUES (1), (2)", "VALUES", "simple"),
    ("INSERT INTO t (a, b) VALUES (%s, %s), (3, 4) RETURNING id", "INSERT", "simple"),
    ("INSERT INTO sum (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b", "INSERT", "simple"),
    ("INSERT INTO t DEFAULT VALUES", "INSERT", "simple"),
    ("UPDATE t SET a = a + 1 WHERE id = 1 RETURNING *", "UPDATE", "simple"),
    ("DELETE FROM t WHERE id IN (1, 2) RETURNING id", "DELETE", "simple"),
    ("COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER true, NULL 'x')", "COPY", "simple"),
    ("COPY t TO STDOUT", "COPY", "simple"),
    # Joins.
    ("SELECT a FROM t JOIN u USING (id)", "SELECT", "complex"),
    ("SELECT a FROM t, u WHERE t.id = u.id", "SELECT", "complex"),
    ("SELECT a FROM t NATURAL JOIN u", "SELECT", "complex"),
    ("SELECT a FROM t, LATERAL f(t.a)", "SELECT", "complex"),
    ("UPDATE t SET a = u.a FROM u WHERE t.id = u.id", "UPDATE", "complex"),
    ("DELETE FROM t USING u WHERE t.id = u.id", "DELETE", "complex"),
    ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = u.a", "MERGE", "complex"),
    # Sub-queries and common table expressions.
    ("SELECT a FROM t WHERE id IN (SELECT id FROM u)", "SELECT", "complex"),
    ("SELECT EXISTS (SELECT 1 FROM t)", "SELECT", "complex"),
    ("SELECT ARRAY(SELECT a FROM t)", "SELECT", "complex"),
    ("SELECT a FROM (SELECT a FROM t) x", "SELECT", "complex"),
    ("SELECT * FROM (VALUES (1)) x", "SELECT", "complex"),
    ("UPDATE t SET a = (SELECT max(a) FROM t)", "UPDATE", "complex"),
    ("INSERT INTO t SELECT * FROM u", "INSERT", "complex"),
    ("SELECT a INTO u FROM t", "SELECT", "complex"),
    ("COPY (SELECT a FROM t) TO STDOUT", "COPY", "complex"),
    ("WITH x AS (SELECT 1) SELECT * FROM x", "SELECT", "complex"),
    ("WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM x", "INSERT", "complex"),
    ("with recursive x as (select 1) update t set a = 1 where id in (select * from x)", "UPDATE", "complex"),
    ("WITH x AS MATERIALIZED (SELECT 1) DELETE FROM t", "DELETE", "complex"),
    # Aggregates, groups, window functions, set operations.
    ("SELECT count(*) FROM t", "SELECT", "complex"),
    ("SELECT Count(*) FILTER (WHERE a > 1) FROM t", "SELECT", "complex"),
    ("SELECT jsonb_agg (a) FROM t", "SELECT", "complex"),
    ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t", "SELECT", "complex"),
    ("SELECT a FROM t GROUP BY a", "SELECT", "complex"),
    ("SELECT row_number() OVER () FROM t", "SELECT", "complex"),
    ("SELECT lag(a) OVER w FROM t WINDOW w AS (ORDER BY b)", "SELECT", "complex"),
    ("SELECT a FROM t UNION ALL SELECT a FROM u", "SELECT", "complex"),
    ("SELECT a FROM t EXCEPT SELECT a FROM u", "SELECT", "complex"),
    # More than one statement.
    ("SELECT 1; SELECT 2", "SELECT", "complex"),
    ("DELETE FROM t; INSERT INTO t VALUES (1)", "OTHER", "complex"),
    # What is no query.
    ("BEGIN", "BEGIN", "complex"),
    ("SET LOCAL statement_timeout = '5s'", "SET", "complex"),
    ("create index on t (a)", "CREATE", "complex"),
    ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN", "complex"),
    ("CALL f(1)", "CALL", "complex"),
    ("ALTER ROLE bob PASSWORD 'x'", "ALTER", "complex"),
    # What nobody can read.
    ("SELECT FROM WHERE ((", "SELECT", "complex"),
    ("SELECT 'open", "SELECT", "complex"),
    ("frobnicate t", "OTHER", "complex"),
    ("WITH RECURSIVE", "OTHER", "complex"),
    ("", "OTHER", "complex"),
    ("-- nothing", "OTHER", "complex"),
    (f"SELECT {'%(' * (LONGEST_TEXT // 3)}", "SELECT", "complex"),
    (f"SELECT {'(' * (LONGEST_TEXT // 3)}1{')' * (LONGEST_TEXT // 3)}", "SELECT", "complex"),
    (f"SELECT a FROM t WHERE id IN ({'1, ' * LONGEST_TEXT}1)", "SELECT", "complex"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "operation", "kind"), CASES, ids=[case[0][:60] for case in CASES])
def test_a_statement_has_an_operation_and_a_kind(text: str, operation: str, kind: str) -> None:
    found = statement_of(text, None)
    assert (found.operation, found.kind) == (operation, kind)


@pytest.mark.parametrize(
    "query",
    [
        b"SELECT a FROM t WHERE id = %s",
        sql.SQL("SELECT {} FROM {} WHERE id = %s").format(sql.Identifier("a"), sql.Identifier("s", "t")),
        sql.SQL("SELECT a FROM t WHERE id = %s"),
        SimpleNamespace(strings=("SELECT a FROM t WHERE id = ", " AND b = ", "")),
    ],
    ids=["bytes", "composed", "SQL", "template string"],
)
def test_every_form_of_a_query_is_read(query: object) -> None:
    found = statement_of(query, None)
    assert (found.operation, found.kind) == ("SELECT", "simple")


def test_what_is_no_query_has_an_operation_all_the_same() -> None:
    assert {statement_of(query, None).operation for query in (None, 5, object())} == {"OTHER"}


def test_the_aggregates_are_those_of_postgresql(cluster: Cluster) -> None:
    found = cluster.execute("SELECT proname FROM pg_proc WHERE prokind = 'a' AND oid < 16384")
    assert {name for (name,) in found} <= AGGREGATES


SECRET = "Zxq"
# Every form in which PostgreSQL takes a value, around a word that must not be seen.
LITERALS = [
    f"'{SECRET}'", f"'it''s {SECRET} ''x'", f"E'{SECRET}'", f"E'a\\'{SECRET}\\'b'", f"e'\\\\' || '{SECRET}'",
    f"U&'{SECRET}'", f"U&'!0041{SECRET}' UESCAPE '!'", f"N'{SECRET}'", f"$${SECRET}$$", f"$x${SECRET} ' $x$",
    f"$x$ $y$ {SECRET} $y$ $x$", f"'a' '{SECRET}'", f"'a'\n'{SECRET}'", f"'{SECRET}'::text",
    f"CAST('{SECRET}' AS text)",
    f"text '{SECRET}'", f"'-- {SECRET}'", f"'/* ' || '{SECRET} */'", f"a -> '{SECRET}'", f"a #>> '{{{SECRET}}}'",
    f"ARRAY['{SECRET}']", f"ROW('{SECRET}', 1)", f"INTERVAL '{SECRET}'", f"f(x => '{SECRET}')", f"'%s {SECRET} %%'",
    f"b /* {SECRET} */", f"b -- {SECRET}\n", f"b /* /* */ '{SECRET}' */",
]  # fmt: skip
PATTERNS = [
    "SELECT {} FROM t", "SELECT a FROM t WHERE b = {} AND c = {}", "INSERT INTO t VALUES ({}, {}) RETURNING a",
    "UPDATE t SET a = {}, b = %s WHERE c = {}", "DELETE FROM t WHERE a IN ({}, {})",
    "WITH x AS (SELECT {}) SELECT * FROM x", "COPY (SELECT {}) TO STDOUT", "ALTER ROLE bob PASSWORD {}",
    "DO {}", "SELECT {}; SELECT {}", "SET x = {}", "CALL f({}, {})", "SELECT a FROM t WHERE {} {}",
]  # fmt: skip


@given(st.sampled_from(PATTERNS), st.lists(st.sampled_from(LITERALS), min_size=2, max_size=2))
def test_no_value_is_shown(pattern: str, literals: list[str]) -> None:
    assert SECRET not in str(statement_of(pattern.format(*literals), None))


NUMBERS = ["9", "9_000", "9.5", ".5", "9.0_1e5", "0x9f", "0o7_0", "0b101", "0b102", "-9", "X'9F'", "B'101'"]


@pytest.mark.parametrize("number", NUMBERS)
def test_no_number_is_shown(number: str) -> None:
    found = str(statement_of(f"SELECT a FROM t WHERE b = {number} AND c = %s", None))
    assert found.replace("-", "").replace(".", "") == "SELECT a FROM t WHERE b = ? AND c = %s"


def test_what_is_no_value_is_shown() -> None:
    text = 'SELECT "A b", %(x)s::int[]  FROM s.t /* c */ WHERE a=$1 AND b IN (1,2)'
    assert str(statement_of(text, None)) == 'SELECT "A b", %(x)s::int[] FROM s.t WHERE a=$1 AND b IN (?,?)'


@pytest.mark.parametrize("text", ["ALTER ROLE bob PASSWORD 'x'", "SELECT FROM", "SELECT E'\\'' FROM t", "DO $$ x $$"])
def test_what_cannot_be_read_is_shown_as_a_short_hash(text: str) -> None:
    found = str(statement_of(text, None))
    assert found.startswith("text ")
    assert len(found) == len("text 12345678")
    assert found != str(statement_of(f"{text} ", None))


def test_reading_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for text in (
        "COPY t FROM STDIN frobnicate 'x'",
        "ALTER ROLE bob PASSWORD 'x'",
        "SELECT 1; ALTER ROLE b PASSWORD 'x'",
    ):
        statement_of(text, None)
    assert not caplog.records
    # Other people's use of sqlglot is theirs.
    logging.getLogger("sqlglot").warning("heard")
    assert caplog.messages == ["heard"]
