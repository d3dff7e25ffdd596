"""Server-side cursors: the statement is declared, and each fetch is an operation of its own."""

from typing import Any

from psycopg._cursor_base import BaseCursor
from psycopg.pq.abc import PGresult
from psycopg.rows import Row

from exporters.instrument.database.recorder import recorder_of
from exporters.instrument.database.timing import Timing

DECLARE, FETCH, MOVE = "DECLARE", "FETCH", "MOVE"


class NamedCursor(BaseCursor[Any, Row]):
    """What the server-side cursors of both kinds of connection share. Their kind is that of the declared statement."""

    # A cursor of that name may have been declared elsewhere.
    _declared: object = ""

    def _declaring(self, query: object) -> Timing:
        self._declared = query
        return self._timing(DECLARE)

    def _timing(self, operation: str) -> Timing:
        return Timing(recorder_of(self.connection), self._declared, operation)

    def _stepped(self, before: PGresult | None, started: float, error: BaseException | None = None) -> None:
        """Count a step of an iteration, if it went to the server: then there is another result, or an error."""
        if self.pgresult is before and error is None:
            return
        timing = Timing(recorder_of(self.connection), self._declared, FETCH, started=started)
        timing.result(self.pgresult)
        timing.end(error)
