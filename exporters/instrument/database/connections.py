"""psycopg's connections, measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Self, cast

from psycopg import Connection, Cursor, Pipeline, ServerCursor
from psycopg.abc import AdaptContext, ConnParam, Params, Query, QueryNoTemplate
from psycopg.rows import Row, RowFactory

from exporters.instrument.database.cursors import MonitoredCursor, MonitoredServerCursor
from exporters.instrument.database.measured_classes import measured_class
from exporters.instrument.database.occupancy import Place
from exporters.instrument.database.recorder import Monitoring, Recorder, broken_off
from exporters.instrument.database.timing import Timing


class MonitoredConnection(Connection[Row]):
    """A connection whose operations count, whatever cursors they are done with."""

    recorder: Recorder | None = None
    place: Place | None = None

    @classmethod
    def connect(  # type: ignore[override]  # psycopg's takes any other keyword for one of libpq's
        cls,
        conninfo: str = "",
        *,
        monitoring: Monitoring | None = None,
        autocommit: bool = False,
        prepare_threshold: int | None = 5,
        context: AdaptContext | None = None,
        row_factory: RowFactory[Row] | None = None,
        cursor_factory: type[Cursor[Row]] | None = None,
        **kwargs: ConnParam,
    ) -> Self:
        """As psycopg's, and measured from then on."""
        if monitoring is None:
            monitoring = Monitoring()
        started = perf_counter()
        connection = super().connect(
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
    def cursor_factory(self) -> type[Cursor[Row]]:
        """What makes cursors: whichever is set, its measured form."""
        return self._cursor_factory

    @cursor_factory.setter
    def cursor_factory(self, factory: type[Cursor[Row]]) -> None:
        self._cursor_factory = cast(type[Cursor[Row]], measured_class(factory, MonitoredCursor))

    @property
    def server_cursor_factory(self) -> type[ServerCursor[Row]]:
        """What makes server-side cursors, likewise."""
        return self._server_cursor_factory

    @server_cursor_factory.setter
    def server_cursor_factory(self, factory: type[ServerCursor[Row]]) -> None:
        self._server_cursor_factory = cast(type[ServerCursor[Row]], measured_class(factory, MonitoredServerCursor))

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool = False
    ) -> Cursor[Row]:
        """As psycopg's."""
        # psycopg's own overloads keep template strings from having parameters beside them.
        asked = cast(QueryNoTemplate, query)
        if not self.closed:
            return super().execute(asked, params, prepare=prepare, binary=binary)
        # No cursor is made any more, that would count.
        with Timing(self.recorder, query):
            return super().execute(asked, params, prepare=prepare, binary=binary)

    def close(self) -> None:
        """As psycopg's."""
        super().close()
        if self.place is not None and self.closed:
            self.place.leave()

    @contextmanager
    def pipeline(self) -> Iterator[Pipeline]:
        """As psycopg's."""
        with broken_off(self), super().pipeline() as pipeline:
            yield pipeline

    def __del__(self, *arguments: Any) -> None:
        super().__del__(*arguments)
        if self.place is not None:
            self.place.leave_later()
