"""One query tried on its live database: prepared, compared with its series, explained, and run once.

What is wrong with it becomes problems at the place where it is written; no value of a row is told.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

import orjson
import psycopg
from psycopg.postgres import types

from exporters.business import samples, statements
from exporters.business.connection import Connection, described
from exporters.business.irregularities import Refused
from exporters.business.plan import Plan, Query
from exporters.business.problems import Problem
from exporters.business.samples import Reading
from exporters.business.snapshot import Histogram
from exporters.business.written import Key, place

# Prometheus, "Instrumentation": keep the cardinality of metrics below 10, and investigate what exceeds that.
_MANY_VALUES = 10
_LONGEST_LOCK_SECONDS = 5.0
# What the client adds to the server's own timeouts before it takes the server for dead.
_GRACE_SECONDS = 5.0
_STATEMENTS = 6
_EXPLAIN = "EXPLAIN (FORMAT JSON) "
# Of all that PostgreSQL prepares, a cursor takes only a SELECT, and an insensitive one none that locks.
_CURSOR = "DECLARE answer INSENSITIVE CURSOR FOR "
_ELSEWHERE = "does not apply to this server"

_BOOLEAN = types["bool"].oid
_WHOLE = frozenset(types[name].oid for name in ("int2", "int4", "int8"))
_INSTEAD = {
    types[name].oid: help_
    for names, help_ in (
        (("interval", "time", "timetz"), "write extract(epoch FROM …), which gives seconds"),
        (("date", "timestamp", "timestamptz"), "write extract(epoch FROM …), which gives Unix seconds"),
        (("text", "varchar", "bpchar", "name"), "a text is a label; if it holds numbers, write (…)::numeric"),
        (("json", "jsonb"), "take one number out of it: (… ->> 'key')::numeric"),
        (("money",), "write (…)::numeric"),
    )
    for name in names
}
# What to do about an answer that is refused; the others say enough themselves.
_AGAINST = {
    "duplicate": "group by exactly the columns that are labels",
    "too_many_rows": "group by less, or fold rare values into one",
    "not_finite": "leave out what is no number: NULLIF(…, 'NaN')",
    "missing_group": "absent: error refuses an answer in which a group is missing; see that there is one, or change it",
}
_DENIED = re.compile(r"permission denied for (.+) (\S+)$")
_ODD_LABELS = {
    "null_label": "NULL becomes an empty label; give it a name: coalesce(…, 'none')",
    "unknown_label_value": "list all values with the label, or fold those that are not listed into one",
}
_ONE = "one SELECT that only reads, with its CTEs before it"


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """One query: the planner's units; rows, series and seconds of one run; None where it did not come to that."""

    name: str
    cost: float | None = None
    rows: int | None = None
    series: int | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Whether queries are run, the planner's units that each may cost, and the seconds that a statement may take."""

    run: bool
    max_cost: float
    timeout_seconds: float

    @property
    def lock_seconds(self) -> float:
        """How long a statement waits for a lock."""
        return min(_LONGEST_LOCK_SECONDS, self.timeout_seconds / 2)


class _Wrong(Exception):
    """No more can be learnt about a query; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


class Lost(Exception):
    """The session broke; the text says why."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One query on the session of its source."""

    plan: Plan
    plan_path: Path
    query: Query
    connection: Connection
    dsn: str
    limits: Limits

    def problem(
        self,
        code: str,
        message: str,
        *,
        key: Key = "sql",
        position: int | None = None,
        help: str | None = None,
        warning: bool = False,
    ) -> Problem:
        """A problem at the place where the query is written; ``position`` counts the characters of its SQL from 1."""
        where = place(self.plan, self.plan_path, self.query, key, position)
        named = self.query.name
        if PurePath(where.path).name != PurePath(self.query.file).name:
            named += f" ({self.query.file})"
        return Problem(where.path, where.line, where.column, code, f"{named}: {message}", where.excerpt, help, warning)

    @contextmanager
    def blaming(self, key: Key, before: int) -> Iterator[None]:
        """PostgreSQL's errors as problems of the SQL; ``before`` characters of the statement are not its own.

        Raises:
            _Wrong: PostgreSQL refuses the SQL.
            Lost: the session broke.
        """
        try:
            yield
        except psycopg.Error as error:
            raise self._said(error, key, before) from None

    def _said(self, error: psycopg.Error, key: Key, before: int) -> Exception:
        text = described(error, self.dsn)
        state = error.sqlstate or ""
        if self.connection.closed or not state or state[:2] == "08" or state[:3] == "57P":
            return Lost(text)
        if state == "57014":
            message = f"no answer within {self.limits.timeout_seconds:g} s"
            return _Wrong(self.problem("timeout", message, key=key))
        if state == "55P03":
            message = f"a table that it reads was locked for {self.limits.lock_seconds:g} s"
            return _Wrong(self.problem("lock-timeout", message, key=key))
        position = int(error.diag.statement_position) - before if error.diag.statement_position else None
        sql = (self.query.when or "") if key == "when" else self.query.sql
        if position is not None and not 1 <= position <= len(sql) + 1:
            position = None
        if state == "42601" and position is None:
            return _Wrong(self.problem("not-one-select", "this is more than one statement", key=key, help=_ONE))
        if state == "42501":
            return _Wrong(self._denied(text, key))
        return _Wrong(self.problem("sql-error", text, key=key, position=position, help=_hint(error)))

    def _denied(self, text: str, key: Key) -> Problem:
        role = self.connection.info.user
        found = _DENIED.match(text)
        if found is None or "…" in text:
            help_ = f"role {role} needs the right to SELECT from all that it reads"
            return self.problem("permission", text, key=key, help=help_)
        kind, name = found.groups()
        right = {"schema": "USAGE ON SCHEMA", "function": "EXECUTE ON FUNCTION"}.get(kind, "SELECT ON")
        sql = (self.query.when or "") if key == "when" else self.query.sql
        word = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql)
        position = word.start() + 1 if word else None
        return self.problem("permission", text, key=key, position=position, help=f"GRANT {right} {name} TO {role}")


def _hint(error: psycopg.Error) -> str | None:
    if error.sqlstate == "42P01":
        return "a table outside of the search_path of the role is written with its schema"
    hint = error.diag.message_hint if (error.sqlstate or "").startswith("42") else None
    return f"{hint[0].lower()}{hint[1:].rstrip('.')}" if hint else None


async def attempt(turn: Turn, problems: list[Problem]) -> CheckedQuery:
    """One query in a transaction of its own; what is wrong with it is added to ``problems``."""
    found: list[Problem] = []
    row = CheckedQuery(turn.query.name)
    try:
        async with _transaction(turn):
            row = await _look(turn, found)
    except _Wrong as wrong:
        found.append(wrong.problem)
    problems += found
    failed = any(not problem.warning for problem in found)
    return CheckedQuery(row.name, row.cost, row.rows, row.series, row.seconds, "failed" if failed else row.note)


@asynccontextmanager
async def _transaction(turn: Turn) -> AsyncIterator[None]:
    """A transaction that only reads, with the limits of the check; it is rolled back.

    Raises:
        Lost: the session broke, or the server does not answer at all.
    """
    limits = turn.limits
    statement, lock = (max(1, round(each * 1000)) for each in (limits.timeout_seconds, limits.lock_seconds))
    begin = f"{statements.BEGIN}; SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}"
    try:
        async with asyncio.timeout(_STATEMENTS * limits.timeout_seconds + _GRACE_SECONDS):
            await turn.connection.execute(begin.encode())
            try:
                yield
            finally:
                with suppress(psycopg.Error):
                    await turn.connection.execute(b"ROLLBACK")
    except psycopg.Error as error:
        raise Lost(described(error, turn.dsn)) from None
    except TimeoutError:
        raise Lost("the server does not answer") from None


async def _look(turn: Turn, found: list[Problem]) -> CheckedQuery:
    query, limits = turn.query, turn.limits
    if query.when is not None and not await _applies(turn, query.when):
        return CheckedQuery(query.name, note=_ELSEWHERE)
    with turn.blaming("sql", 0):
        shape = await statements.shape(turn.connection, query.sql, seconds=query.within_seconds is not None)
    await _reads(turn, "sql", query.sql)
    _parameters(turn, shape, found)
    found += await _misfits(turn, shape)
    cost = await _cost(turn)
    if cost > limits.max_cost:
        message = f"it costs {cost:,.0f} units of the planner, more than {limits.max_cost:,.0f}"
        help_ = "index what it filters and joins by, narrow what it reads, or raise --max-cost"
        found.append(turn.problem("cost", message, help=help_))
    if not limits.run or any(not problem.warning for problem in found):
        return CheckedQuery(query.name, cost)
    return await _run(turn, cost, found)


async def _applies(turn: Turn, when: str) -> bool:
    with turn.blaming("when", 0):
        shape = await statements.shape(turn.connection, when)
    await _reads(turn, "when", when)
    if shape.parameters or [column.type for column in shape.columns] != [_BOOLEAN]:
        raise _Wrong(turn.problem("when", "when has to give one boolean, and takes no parameter", key="when"))
    with turn.blaming("when", 0):
        answer = await statements.answer(turn.connection, when)
    return bool(answer.rows) and answer.rows[0][0] == b"t"


async def _reads(turn: Turn, key: Key, sql: str) -> None:
    """See that a statement that PostgreSQL can prepare is one SELECT that neither writes nor locks."""
    seconds = key == "sql" and turn.query.within_seconds is not None
    try:
        with turn.blaming(key, len(_CURSOR)):
            await statements.shape(turn.connection, _CURSOR + sql, seconds=seconds)
    except _Wrong as wrong:
        if wrong.problem.code != "sql-error":
            raise
        blamed = wrong.problem
        message = turn.problem("", "this is not one SELECT that only reads", key=key).message
        raise _Wrong(
            Problem(blamed.path, blamed.line, blamed.column, "not-one-select", message, blamed.excerpt, _ONE)
        ) from None


def _parameters(turn: Turn, shape: statements.Shape, found: list[Problem]) -> None:
    """See that what the SQL takes is what it is given.

    Raises:
        _Wrong: it takes more, so that nothing can be asked.
    """
    given = turn.query.within_seconds is not None
    if shape.parameters > given:
        only = "only $1, the seconds of within_seconds" if given else "none without within_seconds"
        raise _Wrong(turn.problem("parameter", f"it takes the parameter ${shape.parameters}; there is {only}"))
    if given and not re.search(r"\$1(?!\d)", turn.query.sql):
        message = "it has within_seconds, but no $1 that takes it"
        found.append(turn.problem("parameter", message, warning=True))


async def _misfits(turn: Turn, shape: statements.Shape) -> list[Problem]:
    """Columns that the series need and that are missing, there twice, or of a type that is no number."""
    names = [column.name for column in shape.columns]
    kinds = {column.name: column.type for column in shape.columns}
    series = turn.query.series
    numbers = {name for one in series for name in samples.value_columns(one)}
    found = []
    for name in dict.fromkeys(name for one in series for name in samples.columns_of(one)):
        if name not in names:
            has = ", ".join(names) or "no columns"
            message = f'the answer has no column "{name}"'
            found.append(turn.problem("missing-column", message, help=f"it has {has}"))
        elif names.count(name) > 1:
            message = f'the answer has more than one column "{name}"'
            found.append(turn.problem("duplicate", message, position=_alias(turn.query.sql, name)))
        elif name in numbers and kinds[name] not in samples.NUMBER_TYPES:
            found.append(await _wrong_type(turn, name, kinds[name], "a number", _INSTEAD.get(kinds[name])))
        elif name == "grouping_set" and kinds[name] not in _WHOLE:
            help_ = "write grouping(…) AS grouping_set"
            found.append(await _wrong_type(turn, name, kinds[name], "a whole number", help_))
    return found


async def _wrong_type(turn: Turn, name: str, kind: int, wanted: str, help_: str | None) -> Problem:
    with turn.blaming("sql", 0):
        answer = await statements.answer(turn.connection, f"SELECT pg_catalog.format_type({kind}, NULL)")
    called = (answer.rows[0][0] or b"").decode()
    message = f'column "{name}" is of type {called}, not {wanted}'
    return turn.problem("wrong-type", message, position=_alias(turn.query.sql, name), help=help_)


def _alias(sql: str, name: str) -> int | None:
    """Where a column gets its name, as a character of the SQL from 1."""
    found = list(re.finditer(rf'\bas\s+("?{re.escape(name)}"?)(?!\w)', sql, re.IGNORECASE))
    return found[-1].start(1) + 1 if found else None


async def _cost(turn: Turn) -> float:
    with turn.blaming("sql", len(_EXPLAIN) + len(statements.BEFORE)):
        answer = await statements.answer(
            turn.connection, _EXPLAIN + statements.asking(turn.query), turn.query.within_seconds
        )
    plans = orjson.loads(answer.rows[0][0] or b"")
    return float(plans[0]["Plan"]["Total Cost"])


async def _run(turn: Turn, cost: float, found: list[Problem]) -> CheckedQuery:
    query = turn.query
    started = time.perf_counter()
    with turn.blaming("sql", len(statements.BEFORE)):
        answer = await statements.answer(turn.connection, statements.asking(query), query.within_seconds)
    seconds = time.perf_counter() - started
    try:
        reading = samples.read(query, answer)
    except Refused as refused:
        kind, detail = refused.irregularity.kind, refused.irregularity.detail
        found.append(turn.problem(kind.replace("_", "-"), detail, help=_AGAINST.get(kind)))
        return CheckedQuery(query.name, cost, seconds=seconds)
    found += _odd_labels(turn, reading)
    return CheckedQuery(query.name, cost, len(answer.rows), _count(query, reading), seconds)


def _count(query: Query, reading: Reading) -> int:
    """The samples that a scrape gets of an answer."""
    return sum(
        # Beside the buckets there are +Inf, the sum and the count.
        len(value.buckets) + 3 if isinstance(value, Histogram) else 1
        for series in query.series
        for value in reading.values.get(series.name, {}).values()
    )


def _odd_labels(turn: Turn, reading: Reading) -> Iterator[Problem]:
    for irregularity in reading.irregularities:
        if help_ := _ODD_LABELS.get(irregularity.kind):
            yield turn.problem(irregularity.kind.replace("_", "-"), irregularity.detail, help=help_, warning=True)
    if "row_limit" in turn.query.model_fields_set:
        return  # whoever says how many rows there may be has thought of it
    for name, count in sorted(_unlisted(turn.query, reading).items()):
        if count > _MANY_VALUES:
            message = f'label "{name}" has {count} values that are not listed, and each is a series'
            help_ = "list them with the label, or fold the rare ones into one"
            yield turn.problem("cardinality", message, help=help_, warning=True)


def _unlisted(query: Query, reading: Reading) -> dict[str, int]:
    """How many values of each label the plan does not list."""
    values: dict[str, set[str]] = {}
    for series in query.series:
        for at, (name, known) in enumerate(series.labels.items()):
            found = {labels[at] for labels in reading.values.get(series.name, {})}
            values.setdefault(name, set()).update(found - set(known))
    return {name: len(found) for name, found in values.items()}
