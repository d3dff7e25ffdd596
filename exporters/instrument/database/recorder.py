"""What one connection's operations are counted by, and the options that decide how."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from weakref import ref

from prometheus_client import REGISTRY, CollectorRegistry
from psycopg import AsyncConnection, Connection, Error, OperationalError

from exporters.instrument.database.occupancy import Occupancy, Place
from exporters.instrument.database.operations import Operations, error_type, operations_of
from exporters.instrument.database.slow_queries import SlowQueries
from exporters.instrument.database.statements import Statement, statement_of

_log = logging.getLogger("exporters.instrument.database")

AnyConnection = Connection[Any] | AsyncConnection[Any]


@dataclass(frozen=True)
class Monitoring:
    """How connections are measured.

    ``slow_query_seconds``: from when on an operation is logged; None logs none.
    ``slow_queries_per_second``: the most lines of that log in a second.
    ``registry``: where the series go.
    ``name``: what the log calls the connection; of a pool, the pool's name.
    ``occupancy``: of the pool that the connections are for, which the pool itself sets.

    Raises:
        ValueError: a number that is no duration, or less than one line a second.
    """

    slow_query_seconds: float | None = 1.0
    slow_queries_per_second: int = 10
    registry: CollectorRegistry = REGISTRY
    name: str = ""
    occupancy: Occupancy | None = None
    slow: SlowQueries | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        seconds = self.slow_query_seconds
        slow = None if seconds is None else SlowQueries(seconds, self.slow_queries_per_second)
        object.__setattr__(self, "slow", slow)


class Recorder:
    """``is_paused``: what the pool itself asks of the connection does not count."""

    def __init__(self, connection: AnyConnection, monitoring: Monitoring) -> None:
        info = connection.info
        # No more than a weak one: psycopg's connections go, and their sockets with them, as soon as nobody has them.
        self._connection = ref(connection)
        self._operations: Operations = operations_of(monitoring.registry, info.dbname, info.host, str(info.port))
        self._slow = monitoring.slow
        self._name = monitoring.name
        self.is_paused = False
        # Statements of a pipeline that were sent, in the order in which their results will come.
        self._sent: deque[tuple[object, object, float]] = deque()

    def succeeded(self, query: object, seconds: float, rows: int | None, affected: int, operation: str = "") -> None:
        """Count an operation: with the ``rows`` that came back, or those it ``affected`` (-1: unknown)."""
        if self.is_paused:
            return
        statement = statement_of(query, self._connection())
        self._operations.count(operation or statement.operation, statement.kind, "", seconds, rows)
        if self._slow is not None and seconds >= self._slow.seconds:
            self._slow.say(_named(statement, operation), seconds, self._name, affected if rows is None else rows, "")

    def failed(self, query: object, seconds: float, error: BaseException, operation: str = "") -> None:
        """Count an operation that ended with an exception."""
        if self.is_paused:
            return
        statement = _named(statement_of(query, self._connection()), operation)
        name = error_type(error)
        self._operations.count(statement.operation, statement.kind, name, seconds, None)
        # The message may hold values, so it is left to whoever catches the exception.
        sqlstate = (error.sqlstate if isinstance(error, Error) else None) or "no SQLSTATE"
        _log.debug("%s failed: %s (%s)", statement.operation, name, sqlstate)
        if self._slow is not None and seconds >= self._slow.seconds:
            self._slow.say(statement, seconds, self._name, -1, name)

    def sent(self, cursor: object, query: object) -> None:
        """A cursor sends a statement in a pipeline."""
        self._sent.append((cursor, query, perf_counter()))

    def arrived(self, cursor: object) -> tuple[object, float] | None:
        """The query whose result came to a cursor in a pipeline, and when it was sent; None outside of one."""
        if not self._sent or self._sent[0][0] is not cursor:
            return None
        _, query, started = self._sent.popleft()
        return query, started

    def abandoned(self, error: BaseException) -> None:
        """A pipeline ended, and the results of these statements never came."""
        while self._sent:
            _, query, started = self._sent.popleft()
            self.failed(query, perf_counter() - started, error)


def _named(statement: Statement, operation: str) -> Statement:
    if not operation:
        return statement
    return Statement(operation, statement.kind, statement.masked, statement.digest)


def recorder_of(connection: AnyConnection) -> Recorder | None:
    """What counts a connection's operations; None where it is not measured."""
    found: Recorder | None = getattr(connection, "recorder", None)
    return found


@contextmanager
def broken_off(connection: AnyConnection) -> Iterator[None]:
    """Around a pipeline: statements whose results never came end with its error."""
    error: BaseException = OperationalError("the pipeline ended")
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        recorder = recorder_of(connection)
        # One inside of another ends with it.
        if recorder is not None and (connection.closed or not connection.pgconn.pipeline_status):
            recorder.abandoned(error)


@contextmanager
def paused(connection: AnyConnection) -> Iterator[None]:
    """What the pool asks of a connection for itself does not count; one that it breaks is not idle any more."""
    recorder = recorder_of(connection)
    if recorder is not None:
        recorder.is_paused = True
    try:
        yield
    finally:
        if recorder is not None:
            recorder.is_paused = False
        place: Place | None = getattr(connection, "place", None)
        if place is not None and connection.closed:
            place.leave()
