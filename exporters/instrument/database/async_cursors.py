"""psycopg's cursors for asyncio, measured."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Self, cast

from psycopg import AsyncCopy, AsyncCursor, AsyncServerCursor
from psycopg.abc import Params, Query, QueryNoTemplate
from psycopg.copy import AsyncWriter
from psycopg.rows import Row

from exporters.instrument.database.pipelines import PipelinedCursor
from exporters.instrument.database.server_cursors import FETCH, MOVE, NamedCursor


class MonitoredAsyncCursor(PipelinedCursor[Row], AsyncCursor[Row]):
    """A cursor whose operations count."""

    async def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """As psycopg's."""
        with self._timing(query) as timing:
            # psycopg's own overloads keep template strings from having parameters beside them.
            await super().execute(cast(QueryNoTemplate, query), params, prepare=prepare, binary=binary)
            timing.result(self.pgresult)
        return self

    async def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """As psycopg's; all of it is one operation."""
        with self._timing(query) as timing:
            await super().executemany(query, params_seq, returning=returning)
            timing.affected = self.rowcount

    async def stream(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, size: int = 1
    ) -> AsyncIterator[Row]:
        """As psycopg's; what is done with a row before the next one is asked for is not its time."""
        rows = cast(AsyncGenerator[Row, None], super().stream(query, params, binary=binary, size=size))
        timing = self._timing(query)
        number = 0
        try:
            while True:
                timing.begin()
                try:
                    row = await anext(rows)
                except StopAsyncIteration:
                    break
                timing.pause()
                number += 1
                yield row
        except GeneratorExit:
            timing.begin()
            await rows.aclose()
            raise
        except BaseException as error:
            timing.end(error)
            raise
        finally:
            timing.rows = number
            timing.end()

    @asynccontextmanager
    async def copy(
        self, statement: Query, params: Params | None = None, *, writer: AsyncWriter | None = None
    ) -> AsyncIterator[AsyncCopy]:
        """As psycopg's; what the application does within counts."""
        with self._timing(statement) as timing:
            async with super().copy(statement, params, writer=writer) as copy:
                yield copy
            timing.affected = self.rowcount


class MonitoredAsyncServerCursor(NamedCursor[Row], AsyncServerCursor[Row]):
    """A server-side cursor: each of its round trips counts."""

    async def execute(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, **kwargs: object
    ) -> Self:
        """As psycopg's."""
        with self._declaring(query):
            await super().execute(query, params, binary=binary, **kwargs)
        return self

    async def fetchone(self) -> Row | None:
        """As psycopg's."""
        with self._timing(FETCH) as timing:
            row = await super().fetchone()
            timing.result(self.pgresult)
        return row

    async def fetchmany(self, size: int = 0) -> list[Row]:
        """As psycopg's."""
        with self._timing(FETCH) as timing:
            rows = await super().fetchmany(size)
            timing.result(self.pgresult)
        return rows

    async def fetchall(self) -> list[Row]:
        """As psycopg's."""
        with self._timing(FETCH) as timing:
            rows = await super().fetchall()
            timing.result(self.pgresult)
        return rows

    async def __anext__(self) -> Row:
        before, started = self.pgresult, perf_counter()
        try:
            row = await super().__anext__()
        except StopAsyncIteration:
            self._stepped(before, started)
            raise
        except BaseException as error:
            self._stepped(before, started, error)
            raise
        if self.pgresult is not before:
            self._stepped(before, started)
        return row

    async def scroll(self, value: int, mode: str = "relative") -> None:
        """As psycopg's."""
        with self._timing(MOVE):
            await super().scroll(value, mode)
