"""psycopg_pool's pool, measured."""

from dataclasses import replace
from functools import wraps
from time import perf_counter
from typing import Any, TypeVar, Unpack, cast

from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests
from psycopg_pool.abc import ConnectionCB, ConninfoParam, KwargsParam

from exporters.instrument.database.connections import MonitoredConnection
from exporters.instrument.database.environment import hidden_conninfo
from exporters.instrument.database.occupancy import Occupancy
from exporters.instrument.database.pool_measures import pool_measures_of
from exporters.instrument.database.pool_options import PoolOptions, fill
from exporters.instrument.database.recorder import Monitoring, paused

C = TypeVar("C", bound=MonitoredConnection[Any])


class MonitoredPool(ConnectionPool[C]):
    """psycopg's pool, which is measured, and so are its connections.

    ``conninfo``: None takes it from the environment.
    ``name``: the label of its series.
    ``monitoring``: how its connections are measured.

    Raises:
        ValueError: the name is empty, ``DB_PORT`` is no port, or an option is not what it could be.
    """

    def __init__(
        self,
        conninfo: ConninfoParam | None = None,
        *,
        name: str,
        connection_class: type[C] | None = None,
        kwargs: KwargsParam | None = None,
        open: bool = True,
        monitoring: Monitoring | None = None,
        **options: Unpack[PoolOptions],
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
            connection_class=connection_class or cast(type[C], MonitoredConnection),
            kwargs=_with_monitoring(kwargs, replace(monitoring, name=name, occupancy=self._occupancy)),
            name=name,
            open=open,
            **options,
        )
        if open:
            self._occupancy.opened(self.min_size, self.max_size)

    def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        """As psycopg's."""
        super().open()
        self._occupancy.opened(self.min_size, self.max_size)
        if wait:
            self.wait(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """As psycopg's."""
        try:
            super().close(timeout)
        finally:
            self._occupancy.closed()

    def resize(self, min_size: int, max_size: int | None = None) -> None:
        """As psycopg's."""
        super().resize(min_size, max_size)
        if not self.closed:
            self._occupancy.opened(self.min_size, self.max_size)

    def getconn(self, timeout: float | None = None) -> C:
        """As psycopg's."""
        pending = self._occupancy.measures.pending
        started = perf_counter()
        pending.inc()
        try:
            connection = super().getconn(timeout)
        except (PoolTimeout, TooManyRequests) as error:
            self._occupancy.refused(error)
            raise
        finally:
            pending.dec()
        if connection.place is not None:
            connection.place.take(perf_counter() - started)
        return connection

    def putconn(self, conn: C) -> None:
        """As psycopg's."""
        # Before: as soon as the pool has it back, somebody else may take it.
        if conn.place is not None and conn.place.is_in(self._occupancy):
            conn.place.give_back(conn.closed)
        super().putconn(conn)

    def __del__(self) -> None:
        super().__del__()
        if hasattr(self, "_occupancy"):
            self._occupancy.closed_later()

    @staticmethod
    def check_connection(conn: C) -> None:
        """As psycopg's; it does not count."""
        with paused(conn):
            ConnectionPool.check_connection(conn)


def _unmeasured(callback: ConnectionCB[Any] | None) -> ConnectionCB[Any] | None:
    if callback is None:
        return None

    @wraps(callback)
    def quiet(connection: MonitoredConnection[Any]) -> None:
        with paused(connection):
            callback(connection)

    return quiet


def _with_monitoring(kwargs: KwargsParam | None, monitoring: Monitoring) -> KwargsParam:
    if callable(kwargs):
        return lambda: {**kwargs(), "monitoring": monitoring}
    return {**(kwargs or {}), "monitoring": monitoring}
