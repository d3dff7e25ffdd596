"""Statements in a pipeline: each lasts from when it is sent until its result has come, whatever is sent meanwhile."""

from typing import Any

from psycopg._cursor_base import BaseCursor
from psycopg._queries import PostgresQuery
from psycopg.abc import PQGen
from psycopg.pq.abc import PGresult
from psycopg.rows import Row

from exporters.instrument.database.recorder import recorder_of
from exporters.instrument.database.timing import Timing


class PipelinedCursor(BaseCursor[Any, Row]):
    """The two places in which psycopg's cursors, sync and asyncio, send a statement and look at its result."""

    _queueing: Timing | None = None
    _was_queued = False

    def _timing(self, query: object) -> Timing:
        """The clock of an operation that begins now."""
        is_queued = bool(self.connection.pgconn.pipeline_status)
        timing = Timing(recorder_of(self.connection), query, is_queued=is_queued)
        self._queueing = timing if is_queued else None
        return timing

    def _maybe_prepare_gen(
        self, pgq: PostgresQuery, *, prepare: bool | None = None, binary: bool | None = None
    ) -> PQGen[None]:
        if self._queueing is not None:
            self._was_queued = True
            self._queueing.sent(self)
        yield from super()._maybe_prepare_gen(pgq, prepare=prepare, binary=binary)

    def _check_results(self, results: list[PGresult]) -> None:
        recorder = recorder_of(self.connection) if self._was_queued else None
        arrived = None if recorder is None else recorder.arrived(self)
        if recorder is None or arrived is None:
            super()._check_results(results)
            return
        query, started = arrived
        with Timing(recorder, query, started=started) as timing:
            super()._check_results(results)
            timing.result(results[0])
