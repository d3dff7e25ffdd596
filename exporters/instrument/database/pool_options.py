"""psycopg_pool's own options, with the defaults that fit a service."""

from typing import Any, TypedDict

from psycopg_pool.abc import AsyncConnectFailedCB, AsyncConnectionCB, ConnectFailedCB, ConnectionCB

# Seconds that a caller waits for a connection before `PoolTimeout`: callers of a service have no 30, as psycopg has.
_TIMEOUT = 5.0
# Seconds after which an attempt to connect is given up and the next caller begins a new one. The pauses within an
# attempt double, so with psycopg's 300 a database that is back may wait for minutes until it is asked.
_RECONNECT_TIMEOUT = 10.0
_MIN_SIZE = 4


class Sizes(TypedDict, total=False):
    """How many connections, and for how long."""

    min_size: int
    max_size: int | None
    timeout: float
    max_waiting: int
    max_lifetime: float
    max_idle: float
    reconnect_timeout: float
    num_workers: int
    close_returns: bool


class PoolOptions(Sizes, total=False):
    """Options that ``psycopg_pool.ConnectionPool`` is given."""

    configure: ConnectionCB[Any] | None
    check: ConnectionCB[Any] | None
    reset: ConnectionCB[Any] | None
    reconnect_failed: ConnectFailedCB | None


class AsyncPoolOptions(Sizes, total=False):
    """Options that ``psycopg_pool.AsyncConnectionPool`` is given."""

    configure: AsyncConnectionCB[Any] | None
    check: AsyncConnectionCB[Any] | None
    reset: AsyncConnectionCB[Any] | None
    reconnect_failed: AsyncConnectFailedCB | None


def fill(options: PoolOptions | AsyncPoolOptions) -> None:
    """Put in what was not said."""
    options.setdefault("timeout", _TIMEOUT)
    options.setdefault("reconnect_timeout", _RECONNECT_TIMEOUT)
    if "min_size" not in options:
        max_size = options.get("max_size")
        options["min_size"] = _MIN_SIZE if max_size is None else min(_MIN_SIZE, max_size)
