"""A plan at work: its databases, what a scrape gets, and how another plan takes its place."""

import asyncio
import gzip as gzip_
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path

from exporters.business import connection, exposition
from exporters.business import memory as remembering
from exporters.business.check import examine
from exporters.business.database import LIFETIME, Database
from exporters.business.exposition import Format
from exporters.business.memory import Memory
from exporters.business.plan import Plan, Query, Source
from exporters.business.problems import Invalid
from exporters.business.snapshot import DatabaseState, Snapshot
from exporters.business.web.pages import Ready, TooLate

log = logging.getLogger(__name__)

# A scrape that gives less time than this would make everybody's refresh fail.
_SHORTEST_BUDGET_SECONDS = 0.5
# A scrape that comes meanwhile should still get its answer, and waits ten seconds if nobody tells it otherwise.
_FIRST_BUDGET_SECONDS = 4.5
# How much longer than it usually takes a refresh may take.
_MARGIN = 1.5
# The part of a scrape's time that the databases get; the rest is for the transaction's end and the exposition.
_BUDGET = 0.9


class Exporter:
    """What ``tocsin-exporter serve`` serves.

    ``load`` gives the plan, anew at each reload; ``dsn`` the connection string of a source; ``state`` is the file in
    which the memory outlives this process, None to let it die; ``group`` the name that replicas of one plan share.
    """

    def __init__(
        self,
        load: Callable[[], Plan],
        plan_path: Path,
        *,
        dsn: Callable[[str, Source], str] = connection.dsn,
        state: Path | None = None,
        group: str = "",
    ) -> None:
        self.plan = load()
        self._load = load
        self._path = plan_path
        self._dsn = dsn
        self._state = state
        self._group = group
        self._saved = b""
        self._unsaved = False
        self._memory = Memory(self.plan.interval_seconds)
        self._restore()
        self._databases = self._open(self.plan)
        self._reload_success = True
        self._last_reload = time.time()
        self._encoded: dict[tuple[Format, frozenset[Database], bool], asyncio.Task[bytes]] = {}
        self._encoded_of: tuple[object, ...] = ()
        self._reloading = asyncio.Lock()
        self._first: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def title(self) -> str:
        """The exporter's name, for its page."""
        return f"Tocsin exporter: {self.plan.platform}"

    @property
    def description(self) -> str:
        """What it does, in a line."""
        sources = ", ".join(sorted(self.plan.sources))
        return f"{len(self.plan.queries)} queries on {sources}, at most every {self._lifetime:.3g} s"

    async def metrics(self, format_: Format, *, gzip: bool, timeout_seconds: float) -> bytes:
        """The exposition, at most one scrape interval old; the databases are asked where it is older.

        Raises:
            TooLate: a refresh did not end within the time.
        """
        late = frozenset[Database]()
        if any(not database.is_fresh for database in self._databases):
            late = await self._late(timeout_seconds)
        return await self._bytes(format_, late, gzip=gzip)

    async def _late(self, timeout_seconds: float) -> frozenset[Database]:
        """Refresh what is old; the databases that were not ready in time while others were.

        Waits also for those of a plan that takes the place of this one meanwhile.

        Raises:
            TooLate: none was ready.
        """
        deadline = time.monotonic() + timeout_seconds
        asked: tuple[Database, ...] = ()
        late = frozenset[Database]()
        while asked is not self._databases:
            asked = self._databases
            tasks = {asyncio.create_task(one.fresh(self._budget(one, timeout_seconds))): one for one in asked}
            done, pending = await asyncio.wait(tasks, timeout=max(0.0, deadline - time.monotonic()))
            for task in pending:
                task.cancel()  # the waiting, not the refresh
            await asyncio.gather(*pending, return_exceptions=True)
            if not done:
                raise TooLate
            late = frozenset(tasks[task] for task in pending)
        return late

    def _budget(self, database: Database, timeout_seconds: float) -> float:
        """The time for a refresh: most of the scrape's.

        Where that is less than the refresh usually takes, it gets what it needs: else whoever has little time would
        make queries fail for all.
        """
        own = max(min(timeout_seconds * _BUDGET, self._lifetime), _SHORTEST_BUDGET_SECONDS)
        usual = database.usual_seconds
        return own if own >= usual else max(own, min(usual * _MARGIN, self._lifetime))

    def ready(self) -> Ready:
        """Ready until it closes: a database that is down is said by the metrics, not by silence."""
        if self._closed:
            return Ready(False, "closing")
        states = [database.state for database in self._databases]
        return Ready(True, "\n".join(["ready", *(f"source {state.name}: {_condition(state)}" for state in states)]))

    async def reload(self, first: Callable[[], None] = lambda: None) -> None:
        """Read the plan again and try what is new in it beside the old one; swap, or keep the old one and say why.

        ``first`` is something else to read again, which may raise ``Invalid`` too.
        """
        async with self._reloading:
            try:
                first()
                plan = self._load()
                changed = _changed(self.plan, plan)
                # What a query may cost is a question for `tocsin-exporter check`.
                found = await examine(plan, self._path, only=changed, run=False, max_cost=inf, dsn=self._dsn)
                if errors := [problem for problem in found.problems if not problem.warning]:
                    raise Invalid(errors)
            except Invalid as invalid:
                self._reload_success = False
                log.error("reload failed, what was stays:\n%s", str(invalid).rstrip())
            else:
                await self._swap(plan)
            self._encoded_of = ()

    async def start(self) -> None:
        """Ask for the first time before anybody does, so that what is wrong is said at once."""
        budget = min(self._lifetime, _FIRST_BUDGET_SECONDS)
        self._first = [asyncio.create_task(database.fresh(budget)) for database in self._databases]

    async def close(self) -> None:
        """End every session, and what runs in it."""
        self._closed = True
        await asyncio.gather(*(database.close() for database in self._databases))
        await asyncio.gather(*self._first, return_exceptions=True)
        self._save()

    @property
    def _lifetime(self) -> float:
        return self.plan.interval_seconds * LIFETIME

    async def _swap(self, plan: Plan) -> None:
        self._memory.interval_seconds = plan.interval_seconds
        before = {database.name: database for database in self._databases}
        databases = self._open(plan)
        for database in databases:
            if (old := before.pop(database.name, None)) is not None:
                await database.succeed(old)
        self.plan, self._databases = plan, databases
        self._reload_success, self._last_reload = True, time.time()
        await asyncio.gather(*(old.close() for old in before.values()))
        log.info("reloaded: %d queries on %d sources", len(plan.queries), len(plan.sources))

    def _open(self, plan: Plan) -> tuple[Database, ...]:
        return tuple(
            Database(
                name,
                tuple(query for query in plan.queries if query.source == name),
                interval_seconds=plan.interval_seconds,
                max_age_seconds=source.max_age_seconds,
                memory=self._memory,
                dsn=partial(self._dsn, name, source),
                group=self._group,
            )
            for name, source in sorted(plan.sources.items())
        )

    async def _bytes(self, format_: Format, late: frozenset[Database], *, gzip: bool) -> bytes:
        of = tuple((database, database.generation) for database in self._databases)
        if of != self._encoded_of:
            self._encoded, self._encoded_of = {}, of
            self._save()
        task = self._encoding(format_, late, gzip=gzip)
        return task.result() if task.done() else await asyncio.shield(task)

    def _encoding(self, format_: Format, late: frozenset[Database], *, gzip: bool) -> asyncio.Task[bytes]:
        key = (format_, late, gzip)
        if key not in self._encoded:
            # In a thread: thousands of series take longer than other scrapes should wait.
            if gzip:
                work = _compressed(self._encoding(format_, late, gzip=False))
            else:
                work = asyncio.to_thread(exposition.encode, self._snapshot(late), format_)
            self._encoded[key] = asyncio.create_task(work)
        return self._encoded[key]

    def _snapshot(self, late: frozenset[Database]) -> Snapshot:
        return Snapshot(
            plan=self.plan,
            databases=tuple(
                replace(one.state, up=False, reads=False) if one in late else one.state for one in self._databases
            ),
            queries=tuple(
                replace(state, success=False, values=None) if one in late else state
                for one in self._databases
                for state in one.query_states()
            ),
            lifetime_seconds=self._lifetime,
            reload_success=self._reload_success,
            last_reload=self._last_reload,
        )

    def _restore(self) -> None:
        if self._state is None:
            return
        try:
            self._memory.restore(self._state.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.warning(
                "%s cannot be read, so events of the time before this start may be missed: %s", self._state, error
            )

    def _save(self) -> None:
        if self._state is None:
            return
        content = self._memory.dump(self.plan.queries)
        if content == self._saved:
            return
        try:
            remembering.save(self._state, content)
        except OSError as error:
            if not self._unsaved:
                log.warning(
                    "%s cannot be written, so events during a restart may be missed: %s", self._state, error.strerror
                )
            self._unsaved = True
        else:
            if self._unsaved:
                log.info("%s is written again", self._state)
            self._saved, self._unsaved = content, False


def _condition(state: DatabaseState) -> str:
    if state.duration_seconds is None:
        return "not asked yet"
    return "up" if state.up else "down"


def _changed(before: Plan, after: Plan) -> frozenset[str]:
    """The names of the queries that are new, were edited, or are asked of another source."""
    known: dict[str, tuple[Query, Source]] = {
        query.name: (query, before.sources[query.source]) for query in before.queries
    }
    return frozenset(
        query.name for query in after.queries if known.get(query.name) != (query, after.sources[query.source])
    )


async def _compressed(text: asyncio.Task[bytes]) -> bytes:
    # Level 9 takes twenty times as long for a fifth less.
    return await asyncio.to_thread(gzip_.compress, await asyncio.shield(text), compresslevel=1, mtime=0)
