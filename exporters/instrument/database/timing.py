"""One operation, from its call to its end, in a ``with`` statement of any method that does it."""

from time import perf_counter
from types import TracebackType

from psycopg import pq
from psycopg.pq.abc import PGresult

from exporters.instrument.database.recorder import Recorder

_TUPLES_OK = pq.ExecStatus.TUPLES_OK


class Timing:
    """``recorder`` is None where nothing is measured; ``operation`` is what it is, where that is not the query's own.

    ``started``: when it began, if that was before; by ``perf_counter``.
    """

    __slots__ = (
        "_operation",
        "_query",
        "_recorder",
        "_seconds",
        "_started",
        "affected",
        "is_queued",
        "rows",
        "was_sent",
    )

    def __init__(
        self,
        recorder: Recorder | None,
        query: object,
        operation: str = "",
        *,
        is_queued: bool = False,
        started: float | None = None,
    ) -> None:
        self._recorder = recorder
        self._query = query
        self._operation = operation
        self._seconds = 0.0
        self._started = started
        self.rows: int | None = None
        self.affected = -1
        # In a pipeline: it is counted when its result comes, unless it was never sent.
        self.is_queued = is_queued
        self.was_sent = False

    def begin(self) -> None:
        """The clock runs."""
        self._started = perf_counter()

    def pause(self) -> None:
        """The clock stands still: the application does something else meanwhile."""
        if self._started is not None:
            self._seconds += perf_counter() - self._started
            self._started = None

    def sent(self, cursor: object) -> None:
        """A statement goes out in a pipeline."""
        self.was_sent = True
        if self._recorder is not None:
            self._recorder.sent(cursor, self._query)

    def result(self, result: PGresult | None) -> None:
        """What came of it."""
        if result is None:
            return
        if result.status == _TUPLES_OK:
            self.rows = self.affected = result.ntuples
        else:
            affected = result.command_tuples
            self.affected = -1 if affected is None else affected

    def end(self, error: BaseException | None = None) -> None:
        """Count it, once."""
        if self._started is not None:
            self._seconds += perf_counter() - self._started
            self._started = None
        recorder, self._recorder = self._recorder, None
        if recorder is None or (self.is_queued and (error is None or self.was_sent)):
            return
        if error is None:
            recorder.succeeded(self._query, self._seconds, self.rows, self.affected, self._operation)
        else:
            recorder.failed(self._query, self._seconds, error, self._operation)

    def __enter__(self) -> "Timing":
        if self._started is None:
            self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)
