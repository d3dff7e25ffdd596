"""One refresh: every query of one database in one snapshot, each at its own risk.

The transaction is READ ONLY and REPEATABLE READ, so that the numbers fit each other; a savepoint around each query
keeps its failure to itself. The server ends what takes too long (statement_timeout, lock_timeout), and where the server
does not answer at all, the client cancels.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import psycopg

from exporters.business import samples, statements
from exporters.business.answer import Answer
from exporters.business.connection import Connection, described
from exporters.business.irregularities import Irregularity, Kind, Refused
from exporters.business.plan import Query
from exporters.business.snapshot import Values

# Also after a success: what a transaction that only reads lets pass (lo_create before PostgreSQL 16, set_config) is
# undone, and the tables are free for others.
_UNDO = "ROLLBACK TO SAVEPOINT turn; RELEASE SAVEPOINT turn"
# A lock that is not had at once belongs to a migration: to wait for it is to stand in everybody's way.
_LONGEST_LOCK_SECONDS = 1.0
# How long the server may take to end a statement whose time is over, before the client cancels it.
_GRACE_SECONDS = 1.0
# The parts of what is left that one query may take while others wait; and how much longer than last time it may take.
_LARGEST_SHARE = 0.9
_MARGIN = 1.5
_QUERY_CANCELED = "57014"
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one query; ``values`` is None where it failed, ``limit_seconds`` is the time that it was given."""

    query: Query
    values: Values | None
    duration_seconds: float
    irregularities: tuple[Irregularity, ...]
    limit_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Refreshed:
    """All turns of a refresh. ``now`` is the database's time, in Unix seconds."""

    now: float
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a query took last, infinite if its time ran out; ``tried_at``: when it last had a good part of the time."""

    duration_seconds: float = 0.0
    tried_at: float = 0.0


class Lost(Exception):
    """The session broke; the text says why, without secrets."""


async def refresh(
    connection: Connection,
    queries: Iterable[Query],
    paces: Mapping[str, Pace],
    window: Callable[[Query, float], float],
    budget_seconds: float,
    dsn: str,
) -> Refreshed:
    """Ask every query its turn, the quick ones first.

    Those whose time ran out last time come last, the one first that has waited longest for a good part of it.
    ``window`` gives the seconds that a query of events looks back from the database's now. ``dsn`` is only there to be
    kept out of messages.

    Raises:
        Lost: the session broke before a query had its turn; after a break in the middle the rest is ``unreachable``.
    """
    deadline = time.monotonic() + budget_seconds
    order = sorted(queries, key=lambda query: _place(paces.get(query.name, Pace()), query.name))
    try:
        now = await _begin(connection, budget_seconds)
    except (psycopg.Error, TimeoutError) as error:
        raise Lost(described(error, dsn)) from None
    turns: list[Turn] = []
    broken: str | None = None
    for index, query in enumerate(order):
        if broken is not None:
            turns.append(_failed(query, "unreachable", broken, 0.0))
            continue
        left, pace = deadline - time.monotonic(), paces.get(query.name, Pace())
        limit = _limit(left, pace, last=index == len(order) - 1)
        if limit <= 0:
            turns.append(_failed(query, "timeout", "no time was left of the refresh's budget", 0.0))
            continue
        started = time.monotonic()
        try:
            turn = await _turn(connection, query, limit, window(query, now), dsn)
            turns.append(replace(turn, limit_seconds=limit))
        except (psycopg.Error, TimeoutError) as error:
            broken = described(error, dsn)
            late = isinstance(error, TimeoutError)
            turns.append(_failed(query, "timeout" if late else "unreachable", broken, time.monotonic() - started))
    if broken is None:
        broken = await _end(connection)
    if broken is not None:
        await connection.close()
    return Refreshed(now, tuple(turns))


def _place(pace: Pace, name: str) -> tuple[float, float, str]:
    late = pace.duration_seconds == float("inf")
    return pace.duration_seconds, pace.tried_at if late else 0.0, name


def _limit(left: float, pace: Pace, *, last: bool) -> float:
    """The seconds that a query may take of those that are left, so that one that hangs leaves something to the others.

    Half of them; more for one that is known to need more; most for one whose time ran out: who has waited longest for
    that comes first of those, so that in one of their refreshes each has enough, if there is enough.
    """
    if last:
        return left
    if pace.duration_seconds == float("inf"):
        return left * _LARGEST_SHARE
    return max(left / 2, min(left * _LARGEST_SHARE, pace.duration_seconds * _MARGIN))


async def _begin(connection: Connection, budget_seconds: float) -> float:
    async with asyncio.timeout(budget_seconds):
        await statements.run(connection, statements.BEGIN)
        cursor = await connection.execute(b"SELECT extract(epoch FROM pg_catalog.now())::float8")
        row = await cursor.fetchone()
    assert row is not None  # a SELECT without FROM has one row
    return float(row[0])


async def _end(connection: Connection) -> str | None:
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await connection.execute(b"COMMIT")
    except (psycopg.Error, TimeoutError) as error:
        return type(error).__name__
    return None


async def _turn(connection: Connection, query: Query, limit: float, within: float, dsn: str) -> Turn:
    """One query inside its savepoint; whatever PostgreSQL or the answer says against it is its own failure.

    Raises:
        psycopg.Error, TimeoutError: the session is not usable any more.
    """
    started = time.monotonic()
    async with asyncio.timeout(limit + _GRACE_SECONDS):
        try:
            answer = await _answer(connection, query, limit, within)
        except psycopg.Error as error:
            if connection.closed:
                raise
            spent = time.monotonic() - started
            return _failed(query, _kind(error, spent, limit), described(error, dsn), spent)
    spent = time.monotonic() - started
    if answer is None:
        return Turn(query, {}, spent, ())
    try:
        reading = samples.read(query, answer)
    except Refused as refused:
        return Turn(query, None, spent, (refused.irregularity,))
    return Turn(query, reading.values, spent, reading.irregularities)


async def _answer(connection: Connection, query: Query, limit: float, within: float) -> Answer | None:
    """What a query says, None where it does not apply to this server.

    Each statement goes by the extended protocol, which takes one and no more, and is planned anew: a plan that is kept
    breaks when a column's type changes.
    """
    milliseconds = max(1, int(limit * 1000))
    lock = max(1, min(int(_LONGEST_LOCK_SECONDS * 1000), milliseconds // 2))
    await statements.run(
        connection,
        f"SAVEPOINT turn; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {lock}",
    )
    try:
        if query.when is not None:
            truth = await statements.answer(connection, statements.inside(query.when, limit=1))
            if truth.rows != ((b"t",),):
                return None
        return await statements.answer(
            connection, statements.asking(query), within if query.within_seconds is not None else None
        )
    finally:
        if not connection.closed:
            await statements.run(connection, _UNDO)


def _kind(error: psycopg.Error, spent: float, limit: float) -> Kind:
    if error.sqlstate == _LOCK_NOT_AVAILABLE:
        return "lock_timeout"
    if error.sqlstate == _QUERY_CANCELED:
        # PostgreSQL has one code for its own timeout and for somebody's pg_cancel_backend.
        return "timeout" if spent >= limit * 0.9 else "cancelled"
    return "sql_error"


def _failed(query: Query, kind: Kind, detail: str, seconds: float) -> Turn:
    return Turn(query, None, seconds, (Irregularity(kind, detail),))
