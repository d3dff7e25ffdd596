"""Where Redis is, by the environment."""

import os
from collections.abc import Mapping

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig


def redis_from_environment(environment: Mapping[str, str] = os.environ) -> Redis:
    """A client of ``REDIS_HOST`` (localhost) and ``REDIS_PORT`` (6379), with ``REDIS_PASSWORD`` if it is set.

    It neither waits nor retries by itself: a cache that uses it bounds both.

    Raises:
        ValueError: the port is no number.
    """
    return Redis(
        host=environment.get("REDIS_HOST") or "localhost",
        port=int(environment.get("REDIS_PORT") or 6379),
        password=environment.get("REDIS_PASSWORD") or None,
        socket_timeout=None,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 0),
        # Something of hosted servers, which others refuse at each connection.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
