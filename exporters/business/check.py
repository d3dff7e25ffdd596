"""A plan against its live databases: what PostgreSQL says of each query, and what it costs, before it is relied on.

Nothing is printed here.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from exporters.business import connection as connections
from exporters.business import statements
from exporters.business.connection import Unreachable
from exporters.business.plan import Plan, Query, Source
from exporters.business.problems import Problem
from exporters.business.trial import CheckedQuery, Limits, Lost, Turn, attempt
from exporters.business.written import source_place

# In the planner's units, of which one is about a page read in sequence. PostgreSQL 15 on two shared cores works off
# 125,000 to 250,000 of them in a second when all is in memory: this is 4 to 8 s, and Prometheus waits for 10.
DEFAULT_MAX_COST = 1_000_000.0
DEFAULT_TIMEOUT_SECONDS = 30.0

_CONNECT_SECONDS = 10.0
_LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Checked:
    """All queries in the order of the plan, and all that is wrong, sorted."""

    queries: tuple[CheckedQuery, ...]
    problems: tuple[Problem, ...]


async def examine(
    plan: Plan,
    plan_path: Path,
    *,
    only: Collection[str] | None = None,
    run: bool = True,
    max_cost: float = DEFAULT_MAX_COST,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    dsn: Callable[[str, Source], str] = connections.dsn,
) -> Checked:
    """Try the queries of a plan, or ``only`` those of these names, on their databases.

    ``run``: ask each one once, too, unless it costs more than ``max_cost`` or is wrong already. ``timeout_seconds`` is
    for each statement. ``dsn`` gives the connection string of a source.
    """
    limits = Limits(run, max_cost, timeout_seconds)
    asked = [query for query in plan.queries if only is None or query.name in only]
    sources = {query.source: [one for one in asked if one.source == query.source] for query in asked}
    found = await asyncio.gather(
        *(_source(plan, plan_path, name, queries, limits, dsn) for name, queries in sources.items())
    )
    rows = {row.name: row for checked in found for row in checked.queries}
    return Checked(
        tuple(rows[query.name] for query in asked),
        tuple(sorted({problem for checked in found for problem in checked.problems})),
    )


def table(checked: Checked) -> str:
    """What was tried, for people: a line per query, aligned, without a line break at the end."""
    lines = [("query", "cost", "rows", "series", "ms", "")]
    for row in checked.queries:
        cost = "–" if row.cost is None else f"{row.cost:,.1f}"
        rows, series = ("–" if number is None else f"{number:,}" for number in (row.rows, row.series))
        ms = "–" if row.seconds is None else f"{row.seconds * 1000:,.1f}"
        lines.append((row.name, cost, rows, series, ms, row.note))
    widths = [max(len(line[at]) for line in lines) for at in range(5)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(line[at].rjust(widths[at]) for at in range(1, 5)), line[5]]).rstrip()
        for line in lines
    )


async def _source(
    plan: Plan,
    plan_path: Path,
    name: str,
    queries: Sequence[Query],
    limits: Limits,
    dsn: Callable[[str, Source], str],
) -> Checked:
    try:
        text = dsn(name, plan.sources[name])
        connection = await connections.connect(text, timeout_seconds=_CONNECT_SECONDS, lease_seconds=_LEASE_SECONDS)
    except Unreachable as error:
        return Checked(_unasked(queries), (_of_source(plan_path, name, "unreachable", str(error), queries),))
    rows: list[CheckedQuery] = []
    problems: list[Problem] = []
    try:
        if await _is_superuser(connection):
            where = source_place(plan_path, name)
            message = (
                f"source {name}: its role is a superuser, whom a read-only transaction does not stop from everything"
            )
            hint = "connect as a role that may read the tables and nothing else"
            problems.append(
                Problem(where.path, where.line, where.column, "superuser", message, help=hint, warning=True)
            )
        for query in queries:
            rows.append(await attempt(Turn(plan, plan_path, query, connection, text, limits), problems))
    except Lost as lost:
        left = queries[len(rows) :]
        rows += _unasked(left)
        problems.append(_of_source(plan_path, name, "connection-lost", f"at {left[0].name}: {lost}", left))
    finally:
        await connection.close()
    return Checked(tuple(rows), tuple(problems))


async def _is_superuser(connection: connections.Connection) -> bool:
    sql = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    try:
        return (await statements.answer(connection, sql)).rows == ((b"t",),)
    except psycopg.Error:
        return False  # what is wrong with the session is said of its queries


def _unasked(queries: Sequence[Query]) -> tuple[CheckedQuery, ...]:
    return tuple(CheckedQuery(query.name, note="not checked") for query in queries)


def _of_source(plan_path: Path, source: str, code: str, reason: str, queries: Sequence[Query]) -> Problem:
    where = source_place(plan_path, source)
    count = "1 query was" if len(queries) == 1 else f"{len(queries)} queries were"
    message = f"source {source}: {reason.removeprefix(f'source {source}: ')}; {count} not checked"
    return Problem(where.path, where.line, where.column, code, message)
