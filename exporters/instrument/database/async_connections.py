"""psycopg's connections for asyncio, measured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Self, cast

from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline, AsyncServerCursor
from psycopg.abc import AdaptContext, ConnParam, Params, Query, QueryNoTemplate
from psycopg.rows import AsyncRowFactory, Row

from exporters.instrument.database.async_cursors import MonitoredAsyncCursor, MonitoredAsyncServerCursor
from exporters.instrument.database.measured_classes import measured_class
from exporters.instrument.database.occupancy import Place
from exporters.instrument.database.recorder import Monitoring, Recorder, broken_off
from exporters.instrument.database.timing import Timing


class MonitoredAsyncConnection(AsyncConnection[Row]):
    """A connection whose operations count, whatever cursors they are done with."""

    recorder: Recorder | None = None
    place: Place | None = None

    @classmethod
    async def connect(  # type: ignore[override]  # psycopg's takes any other keyword for one of libpq's
        cls,
        conninfo: str = "",
        *,
        monitoring: Monitoring | None = None,
        autocommit: bool = False,
        prepare_threshold: int | None = 5,
        context: AdaptContext | None = None,
        row_factory: AsyncRowFactory[Row] | None = None,
        cursor_factory: type[AsyncCursor[Row]] | None = None,
        **kwargs: ConnParam,
    ) -> Self:
        """As psycopg's, and measured from then on."""
        if monitoring is None:
            monitoring = Monitoring()
        started = perf_counter()
        connection = await super().connect(
            conninfo,
            autocommit=autocommit,
            prepare_threshold=prepare_threshold,
            context=context,
            row_factory=row_factory,
            cursor_factory=cursor_factory,
            **kwargs,
        )
        connection.recorder = Recorder(connection, monitoring)
        if monitoring.occupancy is not None:
            connection.place = monitoring.occupancy.connected(perf_counter() - started)
        return connection

    @property
    def cursor_factory(self) -> type[AsyncCursor[Row]]:
        """What makes cursors: whichever is set, its measured form."""
        return self._cursor_factory

    @cursor_factory.setter
    def cursor_factory(self, factory: type[AsyncCursor[Row]]) -> None:
        self._cursor_factory = cast(type[AsyncCursor[Row]], measured_class(factory, MonitoredAsyncCursor))

    @property
    def server_cursor_factory(self) -> type[AsyncServerCursor[Row]]:
        """What makes server-side cursors, likewise."""
        return self._server_cursor_factory

    @server_cursor_factory.setter
    def server_cursor_factory(self, factory: type[AsyncServerCursor[Row]]) -> None:
        measured = measured_class(factory, MonitoredAsyncServerCursor)
        self._server_cursor_factory = cast(type[AsyncServerCursor[Row]], measured)

    async def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool = False
    ) -> AsyncCursor[Row]:
        """As psycopg's."""
        # psycopg's own overloads keep template strings from having parameters beside them.
        asked = cast(QueryNoTemplate, query)
        if not self.closed:
            return await super().execute(asked, params, prepare=prepare, binary=binary)
        # No cursor is made any more, that would count.
        with Timing(self.recorder, query):
            return await super().execute(asked, params, prepare=prepare, binary=binary)

    async def close(self) -> None:
        """As psycopg's."""
        await super().close()
        if self.place is not None and self.closed:
            self.place.leave()

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[AsyncPipeline]:
        """As psycopg's."""
        with broken_off(self):
            async with super().pipeline() as pipeline:
                yield pipeline

    def __del__(self, *arguments: Any) -> None:
        super().__del__(*arguments)
        if self.place is not None:
            self.place.leave_later()
