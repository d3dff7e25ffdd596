"""psycopg_pool's pool for asyncio, measured."""

from dataclasses import replace
from functools import wraps
from inspect import isawaitable
from time import perf_counter
from typing import Any, TypeVar, Unpack, cast

from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from psycopg_pool.abc import AsyncConnectionCB, AsyncConninfoParam, AsyncKwargsParam

from exporters.instrument.database.async_connections import MonitoredAsyncConnection
from exporters.instrument.database.environment import hidden_conninfo
from exporters.instrument.database.occupancy import Occupancy
from exporters.instrument.database.pool_measures import pool_measures_of
from exporters.instrument.database.pool_options import AsyncPoolOptions, fill
from exporters.instrument.database.recorder import Monitoring, paused

AC = TypeVar("AC", bound=MonitoredAsyncConnection[Any])


class MonitoredAsyncPool(AsyncConnectionPool[AC]):
    """psycopg's pool, which is measured, and so are its connections.

    ``conninfo``: None takes it from the environment.
    ``name``: the label of its series.
    ``monitoring``: how its connections are measured.

    Raises:
        ValueError: the name is empty, ``DB_PORT`` is no port, or an option is not what it could be.
    """

    def __init__(
        self,
        conninfo: AsyncConninfoParam | None = None,
        *,
        name: str,
        connection_class: type[AC] | None = None,
        kwargs: AsyncKwargsParam | None = None,
        open: bool = False,
        monitoring: Monitoring | None = None,
        **options: Unpack[AsyncPoolOptions],
    ) -> None:
        if not name:
            raise ValueError("name is empty")
        if monitoring is None:
            monitoring = Monitoring()
        self._occupancy = Occupancy(pool_measures_of(monitoring.registry, name))
        fill(options)
        options["configure"] = _unmeasured(options.get("configure"))
        options["check"] = _unmeasured(options.get("check"))
        options["reset"] = _unmeasured(options.get("reset"))
        super().__init__(
            hidden_conninfo() if conninfo is None else conninfo,
            connection_class=connection_class or cast(type[AC], MonitoredAsyncConnection),
            kwargs=_with_monitoring(kwargs, replace(monitoring, name=name, occupancy=self._occupancy)),
            name=name,
            open=open,
            **options,
        )
        if open:
            self._occupancy.opened(self.min_size, self.max_size)

    async def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        """As psycopg's."""
        await super().open()
        self._occupancy.opened(self.min_size, self.max_size)
        if wait:
            await self.wait(timeout)

    async def close(self, timeout: float = 5.0) -> None:
        """As psycopg's."""
        try:
            await super().close(timeout)
        finally:
            self._occupancy.closed()

    async def resize(self, min_size: int, max_size: int | None = None) -> None:
        """As psycopg's."""
        await super().resize(min_size, max_size)
        if not self.closed:
            self._occupancy.opened(self.min_size, self.max_size)

    async def getconn(self, timeout: float | None = None) -> AC:
        """As psycopg's."""
        pending = self._occupancy.measures.pending
        started = perf_counter()
        pending.inc()
        try:
            connection = await super().getconn(timeout)
        except (PoolTimeout, TooManyRequests) as error:
            self._occupancy.refused(error)
            raise
        finally:
            pending.dec()
        if connection.place is not None:
            connection.place.take(perf_counter() - started)
        return connection

    async def putconn(self, conn: AC) -> None:
        """As psycopg's."""
        # Before: as soon as the pool has it back, somebody else may take it.
        if conn.place is not None and conn.place.is_in(self._occupancy):
            conn.place.give_back(conn.closed)
        await super().putconn(conn)

    def __del__(self) -> None:
        if hasattr(self, "_occupancy"):
            self._occupancy.closed_later()

    @staticmethod
    async def check_connection(conn: AC) -> None:
        """As psycopg's; it does not count."""
        with paused(conn):
            await AsyncConnectionPool.check_connection(conn)


def _unmeasured(callback: AsyncConnectionCB[Any] | None) -> AsyncConnectionCB[Any] | None:
    if callback is None:
        return None

    @wraps(callback)
    async def quiet(connection: MonitoredAsyncConnection[Any]) -> None:
        with paused(connection):
            await callback(connection)

    return quiet


def _with_monitoring(kwargs: AsyncKwargsParam | None, monitoring: Monitoring) -> AsyncKwargsParam:
    if not callable(kwargs):
        return {**(kwargs or {}), "monitoring": monitoring}

    async def arguments() -> dict[str, Any]:
        found = kwargs()
        return {**(await found if isawaitable(found) else found), "monitoring": monitoring}

    return arguments
