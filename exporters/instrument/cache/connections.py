"""Connections of a cache's own: what it waits for and how often it tries is its business, and so is their end."""

from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def own_client(redis: Redis) -> Redis:
    """A client that connects as another one does, but neither waits nor repeats by itself.

    One whose way to connect is unusual, such as by Sentinel, is returned as it is.

    Raises:
        ValueError: it decodes what Redis answers, and values are bytes.
    """
    pool = redis.connection_pool
    if pool.connection_kwargs.get("decode_responses"):
        raise ValueError("the client of Redis has decode_responses set, and values are bytes")
    if type(pool) not in (ConnectionPool, BlockingConnectionPool):
        return redis
    how = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0), "retry_on_error": [], "socket_timeout": None}
    return Redis(connection_pool=ConnectionPool(connection_class=_quick(pool.connection_class), **how))


def _quick(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """The same kind of connection, that writes commands by hiredis, as redis-py does where it is not asyncio's.

    A batch has thousands of arguments, and to write them in Python is most of its time.
    """

    def pack_command(self: AbstractConnection, *arguments: Any) -> list[bytes]:
        name, *others = arguments
        words = name.encode() if isinstance(name, str) else bytes(name)
        return [hiredis.pack_command((*words.split(), *others))]

    return type(f"Quick{kind.__name__}", (kind,), {"pack_command": pack_command})
