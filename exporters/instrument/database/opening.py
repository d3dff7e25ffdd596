"""What a service calls: a pool or a connection in one line, typed by its rows."""

from typing import Any, Unpack, cast, overload

from prometheus_client import REGISTRY, CollectorRegistry
from psycopg.rows import AsyncRowFactory, Row, RowFactory, TupleRow
from psycopg_pool.abc import AsyncConninfoParam, ConninfoParam

from exporters.instrument.database.async_connections import MonitoredAsyncConnection
from exporters.instrument.database.async_pools import MonitoredAsyncPool
from exporters.instrument.database.connections import MonitoredConnection
from exporters.instrument.database.environment import conninfo_of
from exporters.instrument.database.pool_options import AsyncPoolOptions, PoolOptions
from exporters.instrument.database.pools import MonitoredPool
from exporters.instrument.database.recorder import Monitoring


class _Pool(PoolOptions, total=False):
    slow_query_seconds: float | None
    slow_queries_per_second: int
    registry: CollectorRegistry


class _AsyncPool(AsyncPoolOptions, total=False):
    slow_query_seconds: float | None
    slow_queries_per_second: int
    registry: CollectorRegistry


def _monitoring(options: _Pool | _AsyncPool) -> Monitoring:
    return Monitoring(
        options.pop("slow_query_seconds", 1.0),
        options.pop("slow_queries_per_second", 10),
        options.pop("registry", REGISTRY),
    )


@overload
def monitored_pool(
    conninfo: ConninfoParam | None = None,
    *,
    name: str,
    row_factory: None = None,
    kwargs: dict[str, Any] | None = None,
    open: bool = True,
    **options: Unpack[_Pool],
) -> MonitoredPool[MonitoredConnection[TupleRow]]: ...


@overload
def monitored_pool(
    conninfo: ConninfoParam | None = None,
    *,
    name: str,
    row_factory: RowFactory[Row],
    kwargs: dict[str, Any] | None = None,
    open: bool = True,
    **options: Unpack[_Pool],
) -> MonitoredPool[MonitoredConnection[Row]]: ...


def monitored_pool(
    conninfo: ConninfoParam | None = None,
    *,
    name: str,
    row_factory: RowFactory[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    open: bool = True,
    **options: Unpack[_Pool],
) -> MonitoredPool[MonitoredConnection[Any]]:
    """A pool of measured connections, open unless told otherwise.

    ``conninfo``: None takes it from ``DB_HOST``, ``DB_PORT``, ``DB_NAME``, ``DB_USER`` and ``DB_PASSWORD``.
    ``name``: the label of the pool's series.
    ``row_factory``: of its connections; ``kwargs``: what else each ``connect`` is given.
    ``options``: those of ``Monitoring``, and psycopg_pool's own.

    Raises:
        ValueError: the name is empty, ``DB_PORT`` is no port, or an option is not what it could be.
    """
    monitoring = _monitoring(options)
    arguments = {**(kwargs or {}), "row_factory": row_factory}
    pool = cast(PoolOptions, options)
    return MonitoredPool(conninfo, name=name, kwargs=arguments, open=open, monitoring=monitoring, **pool)


@overload
def monitored_async_pool(
    conninfo: AsyncConninfoParam | None = None,
    *,
    name: str,
    row_factory: None = None,
    kwargs: dict[str, Any] | None = None,
    **options: Unpack[_AsyncPool],
) -> MonitoredAsyncPool[MonitoredAsyncConnection[TupleRow]]: ...


@overload
def monitored_async_pool(
    conninfo: AsyncConninfoParam | None = None,
    *,
    name: str,
    row_factory: AsyncRowFactory[Row],
    kwargs: dict[str, Any] | None = None,
    **options: Unpack[_AsyncPool],
) -> MonitoredAsyncPool[MonitoredAsyncConnection[Row]]: ...


def monitored_async_pool(
    conninfo: AsyncConninfoParam | None = None,
    *,
    name: str,
    row_factory: AsyncRowFactory[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    **options: Unpack[_AsyncPool],
) -> MonitoredAsyncPool[MonitoredAsyncConnection[Any]]:
    """The same for asyncio, opened by ``async with`` or ``await pool.open()``, as psycopg wants it."""
    monitoring = _monitoring(options)
    arguments = {**(kwargs or {}), "row_factory": row_factory}
    pool = cast(AsyncPoolOptions, options)
    return MonitoredAsyncPool(conninfo, name=name, kwargs=arguments, monitoring=monitoring, **pool)


@overload
def monitored_connect(
    conninfo: str | None = None,
    *,
    row_factory: None = None,
    autocommit: bool = False,
    monitoring: Monitoring | None = None,
    **kwargs: Any,
) -> MonitoredConnection[TupleRow]: ...


@overload
def monitored_connect(
    conninfo: str | None = None,
    *,
    row_factory: RowFactory[Row],
    autocommit: bool = False,
    monitoring: Monitoring | None = None,
    **kwargs: Any,
) -> MonitoredConnection[Row]: ...


def monitored_connect(
    conninfo: str | None = None,
    *,
    row_factory: RowFactory[Any] | None = None,
    autocommit: bool = False,
    monitoring: Monitoring | None = None,
    **kwargs: Any,
) -> MonitoredConnection[Any]:
    """One measured connection; ``conninfo`` as for a pool, ``kwargs`` are those of psycopg's ``connect``.

    Raises:
        ValueError: ``DB_PORT`` is no port.
        psycopg.OperationalError: there is no connection to be had.
    """
    return MonitoredConnection[Any].connect(
        conninfo_of() if conninfo is None else conninfo,
        row_factory=row_factory,
        autocommit=autocommit,
        monitoring=monitoring,
        **kwargs,
    )


@overload
async def monitored_async_connect(
    conninfo: str | None = None,
    *,
    row_factory: None = None,
    autocommit: bool = False,
    monitoring: Monitoring | None = None,
    **kwargs: Any,
) -> MonitoredAsyncConnection[TupleRow]: ...


@overload
async def monitored_async_connect(
    conninfo: str | None = None,
    *,
    row_factory: AsyncRowFactory[Row],
    autocommit: bool = False,
    monitoring: Monitoring | None = None,
    **kwargs: Any,
) -> MonitoredAsyncConnection[Row]: ...


async def monitored_async_connect(
    conninfo: str | None = None,
    *,
    row_factory: AsyncRowFactory[Any] | None = None,
    autocommit: bool = False,
    monitoring: Monitoring | None = None,
    **kwargs: Any,
) -> MonitoredAsyncConnection[Any]:
    """The same for asyncio."""
    return await MonitoredAsyncConnection[Any].connect(
        conninfo_of() if conninfo is None else conninfo,
        row_factory=row_factory,
        autocommit=autocommit,
        monitoring=monitoring,
        **kwargs,
    )
