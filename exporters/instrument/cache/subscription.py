"""Messages about changes that other processes made. Those that were missed count as changes of everything."""

import asyncio
import contextlib
import logging

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from exporters.instrument.cache.layout import Layout
from exporters.instrument.cache.nearby import Nearby

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 1.0
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.05, 1.0


class Subscription:
    """One connection that listens, and begins anew when it is lost or silent."""

    def __init__(self, redis: Redis, layout: Layout, nearby: Nearby, timeout_seconds: float) -> None:
        self._redis = redis
        self._layout = layout
        self._nearby = nearby
        self._timeout = timeout_seconds
        self._task: asyncio.Task[None] | None = None
        self._delay = _FIRST_DELAY_SECONDS

    def begin(self) -> None:
        """Listen from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while True:
            channel = self._redis.pubsub()
            try:
                await self._listen(channel)
            except Exception as error:
                # Whatever it is: who does not listen again has old values for good.
                _log.debug("the connection for messages is lost: %s", type(error).__name__)
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await channel.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(self._delay)
            self._delay = min(2 * self._delay, _LONGEST_DELAY_SECONDS)

    async def _listen(self, channel: PubSub) -> None:
        async with asyncio.timeout(self._timeout):
            await channel.subscribe(self._layout.channel)
        is_silent = False
        while True:
            async with asyncio.timeout(_QUIET_SECONDS + self._timeout):
                message = await channel.get_message(timeout=_QUIET_SECONDS)
            if message is not None:
                is_silent = False
                self._received(message)
            elif is_silent:
                raise TimeoutError
            else:
                # A connection that is dead without a word is found out by asking.
                is_silent = True
                async with asyncio.timeout(self._timeout):
                    await channel.ping()

    def _received(self, message: dict[str, object]) -> None:
        if message["type"] == "subscribe":
            # Also when redis-py has connected again by itself: either way there may have been messages before.
            self._delay = _FIRST_DELAY_SECONDS
            self._nearby.messages_missed()
        elif message["type"] == "message":
            try:
                sender, kind, *names = orjson.loads(message["data"])  # type: ignore[arg-type]
            except (ValueError, TypeError):
                return
            if not all(isinstance(name, str) for name in names):
                return
            if sender != self._layout.sender:
                self._take(kind, names)

    def _take(self, kind: str, names: list[str]) -> None:
        if kind == "keys":
            _log.debug("%d keys were changed by another process", len(names))
            self._nearby.changed(names)
        elif kind == "tag":
            _log.debug("tags %s were invalidated by another process", names)
            for tag in names:
                self._nearby.tag_changed(tag)
        else:
            _log.debug("all entries were removed by another process")
            self._nearby.all_removed()
