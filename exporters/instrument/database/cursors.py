"""psycopg's cursors, measured."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Self, cast

from psycopg import Copy, Cursor, ServerCursor
from psycopg.abc import Params, Query, QueryNoTemplate
from psycopg.copy import Writer
from psycopg.rows import Row

from exporters.instrument.database.pipelines import PipelinedCursor
from exporters.instrument.database.server_cursors import FETCH, MOVE, NamedCursor


class MonitoredCursor(PipelinedCursor[Row], Cursor[Row]):
    """A cursor whose operations count."""

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """As psycopg's."""
        with self._timing(query) as timing:
            # psycopg's own overloads keep template strings from having parameters beside them.
            super().execute(cast(QueryNoTemplate, query), params, prepare=prepare, binary=binary)
            timing.result(self.pgresult)
        return self

    def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """As psycopg's; all of it is one operation."""
        with self._timing(query) as timing:
            super().executemany(query, params_seq, returning=returning)
            timing.affected = self.rowcount

    def stream(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, size: int = 1
    ) -> Iterator[Row]:
        """As psycopg's; what is done with a row before the next one is asked for is not its time."""
        rows = cast(Generator[Row, None, None], super().stream(query, params, binary=binary, size=size))
        timing = self._timing(query)
        number = 0
        try:
            while True:
                timing.begin()
                try:
                    row = next(rows)
                except StopIteration:
                    break
                timing.pause()
                number += 1
                yield row
        except GeneratorExit:
            timing.begin()
            rows.close()
            raise
        except BaseException as error:
            timing.end(error)
            raise
        finally:
            timing.rows = number
            timing.end()

    @contextmanager
    def copy(self, statement: Query, params: Params | None = None, *, writer: Writer | None = None) -> Iterator[Copy]:
        """As psycopg's; what the application does within counts."""
        with self._timing(statement) as timing:
            with super().copy(statement, params, writer=writer) as copy:
                yield copy
            timing.affected = self.rowcount


class MonitoredServerCursor(NamedCursor[Row], ServerCursor[Row]):
    """A server-side cursor: each of its round trips counts."""

    def execute(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, **kwargs: object
    ) -> Self:
        """As psycopg's."""
        with self._declaring(query):
            super().execute(query, params, binary=binary, **kwargs)
        return self

    def fetchone(self) -> Row | None:
        """As psycopg's."""
        with self._timing(FETCH) as timing:
            row = super().fetchone()
            timing.result(self.pgresult)
        return row

    def fetchmany(self, size: int = 0) -> list[Row]:
        """As psycopg's."""
        with self._timing(FETCH) as timing:
            rows = super().fetchmany(size)
            timing.result(self.pgresult)
        return rows

    def fetchall(self) -> list[Row]:
        """As psycopg's."""
        with self._timing(FETCH) as timing:
            rows = super().fetchall()
            timing.result(self.pgresult)
        return rows

    def __next__(self) -> Row:
        before, started = self.pgresult, perf_counter()
        try:
            row = super().__next__()
        except StopIteration:
            self._stepped(before, started)
            raise
        except BaseException as error:
            self._stepped(before, started, error)
            raise
        if self.pgresult is not before:
            self._stepped(before, started)
        return row

    def scroll(self, value: int, mode: str = "relative") -> None:
        """As psycopg's."""
        with self._timing(MOVE):
            super().scroll(value, mode)
