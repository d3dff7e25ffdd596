"""psycopg, measured: a pool and a connection, sync and for asyncio."""

from exporters.instrument.database.async_connections import MonitoredAsyncConnection
from exporters.instrument.database.async_pools import MonitoredAsyncPool
from exporters.instrument.database.connections import MonitoredConnection
from exporters.instrument.database.opening import (
    monitored_async_connect,
    monitored_async_pool,
    monitored_connect,
    monitored_pool,
)
from exporters.instrument.database.pools import MonitoredPool
from exporters.instrument.database.recorder import Monitoring

__all__ = [
    "MonitoredAsyncConnection",
    "MonitoredAsyncPool",
    "MonitoredConnection",
    "MonitoredPool",
    "Monitoring",
    "monitored_async_connect",
    "monitored_async_pool",
    "monitored_connect",
    "monitored_pool",
]
