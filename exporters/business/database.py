"""One database: asked at most once per interval however many scrape, by one replica at a time.

Nobody asks while nobody scrapes. Replicas of one plan agree by an advisory lock of their session: who holds it reads,
the others stand by. A session that is not used for a few intervals is given up, and the lock with it, so that a replica
that Prometheus no longer reaches does not keep another from reading.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import LiteralString, get_args

import psycopg
from psycopg.rows import TupleRow

from exporters.business import refresh as refreshing
from exporters.business.connection import Connection, Unreachable, connect, described
from exporters.business.irregularities import Failure, Irregularity, Refusal
from exporters.business.memory import Memory
from exporters.business.plan import Query
from exporters.business.refresh import Pace
from exporters.business.snapshot import DatabaseState, QueryState, Values

log = logging.getLogger(__name__)

# The part of the scrape interval that an answer lives: less than all of it, or every other scrape would get an old one.
LIFETIME = 0.9
# The intervals without a scrape after which a session is given up.
_LEASE_INTERVALS = 4
_SHORTEST_LEASE_SECONDS = 3
_FIRST_BACKOFF_SECONDS = 1.0
# A query whose time ran out has had a fair try with this part of the refresh's.
_FAIR_SHARE = 0.3
_FAILURES = frozenset(get_args(Failure) + get_args(Refusal))
# The server's time, and when the holder of an advisory lock was last active (PostgreSQL, "pg_locks": a lock of one
# bigint stands there in two halves, with objsubid 1).
_READER = """
SELECT extract(epoch FROM pg_catalog.now())::float8,
    (SELECT extract(epoch FROM least(holder.xact_start, holder.state_change))::float8
     FROM pg_catalog.pg_locks AS held JOIN pg_catalog.pg_stat_activity AS holder USING (pid)
     WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
       AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
       AND (held.classid::int8 << 32 | held.objid::int8) = %s
     LIMIT 1)
"""


@dataclass(slots=True)
class _Session:
    """A connection with what it was made of, and whether it holds the lock."""

    connection: Connection
    dsn: str
    key: int | None = None


@dataclass(slots=True)
class _Shown:
    """What a query shows: its last good values and when they were read, by this machine's monotonic clock."""

    success: bool = False
    values: Values | None = None
    read_at: float = 0.0
    duration: float | None = None
    pace: Pace = field(default_factory=Pace)
    expiry: asyncio.TimerHandle | None = None


def _forget_expiry(shown: _Shown) -> None:
    if shown.expiry is not None:
        shown.expiry.cancel()
        shown.expiry = None


def _pace(turn: refreshing.Turn, before: Pace, budget: float) -> Pace:
    late = any(irregularity.kind == "timeout" for irregularity in turn.irregularities)
    fair = turn.limit_seconds >= budget * _FAIR_SHARE
    return Pace(
        float("inf") if late else turn.duration_seconds, time.monotonic() if fair or not late else before.tried_at
    )


def lock_key(name: str, queries: Iterable[Query], group: str = "") -> int:
    """The advisory lock that replicas of one plan share: from its queries, so that another plan has another one."""
    text = "\n".join([group, name, *sorted(query.model_dump_json() for query in queries)])
    return int.from_bytes(hashlib.sha256(f"tocsin-exporter\n{text}".encode()).digest()[:8], "big", signed=True)


class Database:
    """Reads the queries of one source; ``generation`` rises when what is shown changes."""

    def __init__(
        self,
        name: str,
        queries: tuple[Query, ...],
        *,
        interval_seconds: float,
        max_age_seconds: float,
        memory: Memory,
        dsn: Callable[[], str],
        group: str = "",
    ) -> None:
        self.name = name
        self.queries = queries
        self.lifetime_seconds = interval_seconds * LIFETIME
        self.generation = 0
        self._interval = interval_seconds
        self._max_age = max_age_seconds
        self._memory = memory
        self._dsn = dsn
        self._key = lock_key(name, queries, group)
        self._shown = {query.name: _Shown() for query in queries}
        self._noted: set[tuple[str, str]] = set()
        self._failing: dict[str, str] = {}
        self._session: _Session | None = None
        self._running: asyncio.Task[None] | None = None
        self._fresh_until = float("-inf")
        self._failures = 0
        self._idle: asyncio.TimerHandle | None = None
        self._standing = False
        self._trouble: str | None = None
        self._state = DatabaseState(name, up=False, reads=False, duration_seconds=None, last_refresh=None)

    @property
    def is_fresh(self) -> bool:
        """Whether the last answer still lives."""
        return time.monotonic() < self._fresh_until

    @property
    def state(self) -> DatabaseState:
        """The database after its last refresh."""
        return self._state

    def query_states(self) -> tuple[QueryState, ...]:
        """The queries after their last turns."""
        found = []
        for query in self.queries:
            shown, known = self._shown[query.name], self._memory.of(query)
            found.append(
                QueryState(
                    query=query,
                    success=shown.success,
                    values=shown.values,
                    duration_seconds=shown.duration,
                    last_success=known.last_success,
                    irregularities=dict(known.irregularities),
                )
            )
        return tuple(found)

    async def fresh(self, budget_seconds: float) -> None:
        """Return when the answer is fresh; the first who finds it old sets the budget of the refresh for all.

        A refresh that took longer than its answer lives is as fresh as it gets.
        """
        found = self.generation
        while not self.is_fresh and self.generation == found:
            if self._running is None:
                self._running = asyncio.create_task(self._refresh(budget_seconds))
                self._running.add_done_callback(self._ended)
            await asyncio.shield(self._running)

    async def close(self) -> None:
        """Cancel what runs, in PostgreSQL too, and end the session."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for shown in self._shown.values():
            _forget_expiry(shown)
        await self._give_up()

    @property
    def usual_seconds(self) -> float:
        """What its queries took last, all that ended."""
        return sum(
            shown.pace.duration_seconds for shown in self._shown.values() if shown.pace.duration_seconds < float("inf")
        )

    async def succeed(self, before: "Database") -> None:
        """Take over the session of the database that this one replaces, which asks nothing from then on."""
        if before._running is not None:
            await asyncio.gather(before._running, return_exceptions=True)
        before._fresh_until = float("inf")
        for query in self.queries:
            if query in before.queries:
                shown = self._shown[query.name] = before._shown[query.name]
                _forget_expiry(shown)
        self._noted, self._failing, self._trouble = before._noted, before._failing, before._trouble
        self._state = before._state
        session, before._session = before._session, None
        if before._idle is not None:
            before._idle.cancel()
        if session is None:
            return
        try:
            if session.dsn != self._dsn():
                raise Unreachable("it moved")
            if session.key is not None and session.key != self._key:
                async with asyncio.timeout(self.lifetime_seconds):
                    await session.connection.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", [session.key])
                session.key = None
        except (psycopg.Error, TimeoutError, Unreachable):
            await session.connection.close()
            return
        self._session = session

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("source %s: a fault of the exporter's own", self.name, exc_info=error)

    async def _refresh(self, budget: float) -> None:
        started, began = time.monotonic(), time.time()
        if self._idle is not None:
            self._idle.cancel()
        due = self._due(started)
        try:
            refreshed = await self._read(due, budget, started)
        except Unreachable as error:
            self._fail(due, str(error), started)
        except asyncio.CancelledError:
            await self._give_up()
            raise
        except Exception:
            log.exception("source %s: a fault of the exporter's own", self.name)
            await self._give_up()
            self._fail(due, "a fault of the exporter's own", started)
        else:
            if refreshed is not None:
                self._take(refreshed, began)
            self._failures = 0
            # A session that broke in the middle took the lock with it.
            reads = refreshed is not None and self._session is not None
            self._state = DatabaseState(
                self.name, up=True, reads=reads, duration_seconds=time.monotonic() - started,
                last_refresh=began if refreshed is not None else self._state.last_refresh,
            )  # fmt: skip
            self._fresh_until = started + self.lifetime_seconds
            if self._trouble is not None:
                log.info("source %s: reached again", self.name)
                self._trouble = None
        self.generation += 1
        self._idle = asyncio.get_running_loop().call_later(self._lease, self._leave)

    async def _read(self, due: list[Query], budget: float, started: float) -> refreshing.Refreshed | None:
        """One refresh, None where another replica reads; a session that broke while it lay idle is replaced at once.

        Raises:
            Unreachable: the database cannot be had.
        """
        for last in (False, True):
            reused = self._session is not None
            left = budget - (time.monotonic() - started)
            if left <= 0:
                raise Unreachable("no time was left to reach it")
            session = await self._connected(left)
            try:
                return await self._lead_and_read(session, due, budget - (time.monotonic() - started))
            except refreshing.Lost as error:
                await self._give_up()
                if last or not reused:
                    raise Unreachable(str(error)) from None
        raise AssertionError("one of two attempts returns or raises")

    async def _lead_and_read(self, session: _Session, due: list[Query], left: float) -> refreshing.Refreshed | None:
        if not await self._leads(session, left):
            self._stand_by(*await self._reader(session, left))
            return None
        self._standing = False
        paces = {name: shown.pace for name, shown in self._shown.items()}
        budget = max(left, 0.1)
        refreshed = await refreshing.refresh(session.connection, due, paces, self._memory.window, budget, session.dsn)
        for turn in refreshed.turns:
            self._shown[turn.query.name].pace = _pace(turn, paces[turn.query.name], budget)
        if session.connection.closed:
            await self._give_up()
        return refreshed

    async def _connected(self, left: float) -> _Session:
        if self._session is None or self._session.connection.closed:
            dsn = self._dsn()
            connection = await connect(dsn, timeout_seconds=left, lease_seconds=self._lease)
            self._session = _Session(connection, dsn)
        return self._session

    async def _leads(self, session: _Session, left: float) -> bool:
        if session.key == self._key:
            return True
        (held,) = await self._of_lock(session, "SELECT pg_catalog.pg_try_advisory_lock(%s)", left)
        if held:
            session.key = self._key
        return bool(held)

    async def _reader(self, session: _Session, left: float) -> tuple[float, float]:
        """The database's time now, and when the session that holds the lock was last active.

        A session that is frozen, or that nobody scrapes, holds the lock and sees nothing. Where the server does not
        show another role's sessions, it was last active before its lease.
        """
        now, active = await self._of_lock(session, _READER, left)
        return now, now - self._lease if active is None else active

    async def _of_lock(self, session: _Session, sql: LiteralString, left: float) -> TupleRow:
        """The one row of a SELECT about the lock.

        Raises:
            refreshing.Lost: the session broke, or did not answer in the time left.
        """
        try:
            async with asyncio.timeout(max(left, 0.1)):
                cursor = await session.connection.execute(sql, [self._key])
                row = await cursor.fetchone()
        except (psycopg.Error, TimeoutError) as error:
            raise refreshing.Lost(described(error, session.dsn)) from None
        assert row is not None  # a SELECT without FROM has one row
        return row

    def _due(self, now: float) -> list[Query]:
        """The queries whose last good values are older than they may be."""
        due = []
        for query in self.queries:
            shown = self._shown[query.name]
            lifetime = (query.interval_seconds or 0) * LIFETIME
            if not shown.success or now - shown.read_at >= lifetime:
                due.append(query)
        return due

    def _take(self, refreshed: refreshing.Refreshed, began: float) -> None:
        for turn in refreshed.turns:
            query, shown = turn.query, self._shown[turn.query.name]
            values, irregularities = turn.values, turn.irregularities
            if values is not None:
                values, fell = self._memory.steady(query, values)
                irregularities += fell
                self._memory.succeeded(query, refreshed.now, began)
            self._memory.noticed(query, irregularities)
            self._report(query, irregularities, failed=values is None)
            shown.success, shown.duration = values is not None, turn.duration_seconds
            self._show(shown, values)

    def _fail(self, due: list[Query], reason: str, started: float) -> None:
        """A refresh that gave nothing; the next one comes a little later each time."""
        self._lost(due, reason, time.monotonic() - started)
        self._failures += 1
        backoff = _FIRST_BACKOFF_SECONDS * 2 ** min(self._failures - 1, 16)
        self._fresh_until = time.monotonic() + min(backoff, self.lifetime_seconds)

    def _lost(self, due: list[Query], reason: str, seconds: float) -> None:
        if self._trouble != reason:
            log.warning("source %s: cannot be reached: %s", self.name, reason)
        self._trouble = reason
        self._state = DatabaseState(
            self.name, up=False, reads=False, duration_seconds=seconds, last_refresh=self._state.last_refresh
        )
        for query in self.queries:
            shown = self._shown[query.name]
            shown.success = False
            self._show(shown, None)
        for query in due:
            self._memory.noticed(query, [Irregularity("unreachable", reason)])

    def _stand_by(self, now: float, active: float) -> None:
        if not self._standing:
            log.info("source %s: another session holds its lock; standing by", self.name)
        self._standing = True
        self._memory.seen_elsewhere(self.queries, now, active, after_outage=self._trouble is not None)
        for shown in self._shown.values():
            shown.success, shown.values = False, None

    def _show(self, shown: _Shown, values: Values | None) -> None:
        now = time.monotonic()
        left = self._max_age - (now - shown.read_at)
        if values is not None:
            shown.values, shown.read_at = values, now
            _forget_expiry(shown)
        elif left <= 0:
            shown.values = None
        elif shown.values is not None and shown.expiry is None:
            shown.expiry = asyncio.get_running_loop().call_later(left, self._expire, shown)

    def _expire(self, shown: _Shown) -> None:
        """Drop values that have become too old while their query failed."""
        shown.expiry = None
        shown.values = None
        self.generation += 1

    def _report(self, query: Query, irregularities: tuple[Irregularity, ...], *, failed: bool) -> None:
        """Say each kind once: a failure when it begins, changes and ends, anything else when it is first seen."""
        place = f"{query.file}: query {query.name}"
        before = self._failing.pop(query.name, None)
        if before is not None and not failed:
            log.info("%s: succeeds again", place)
        for kind in dict.fromkeys(irregularity.kind for irregularity in irregularities):
            details = [irregularity.detail for irregularity in irregularities if irregularity.kind == kind]
            text = f"{kind}: {details[0]}{f' (and {len(details) - 1} more)' if len(details) > 1 else ''}"
            if failed and kind in _FAILURES:
                self._failing[query.name] = kind
                if before != kind:
                    log.warning("%s fails: %s", place, text)
            elif (query.name, kind) not in self._noted:
                self._noted.add((query.name, kind))
                log.info("%s: %s", place, text)

    @property
    def _lease(self) -> float:
        return max(_SHORTEST_LEASE_SECONDS, _LEASE_INTERVALS * self._interval)

    def _leave(self) -> None:
        if self._running is None and self._session is not None:
            log.info("source %s: nobody scrapes; the session ends", self.name)
            self._running = asyncio.create_task(self._give_up())
            self._running.add_done_callback(self._ended)

    async def _give_up(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        session, self._session = self._session, None
        if session is not None:
            await session.connection.close()
