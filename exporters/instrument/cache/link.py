"""Redis, which may be away: nobody waits for it longer than the options say, and what it missed comes first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import Redis

from exporters.instrument.cache.layout import Script
from exporters.instrument.cache.options import Options

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.02, 0.5
# Errors of a server that is not what it should be at the moment; others say that the command is wrong for it.
_TRANSIENT = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, OSError)
_ERRORS = (exceptions.RedisError, OSError)


class AwayError(ConnectionError):
    """Redis could not be asked in time."""


class Link:
    """Calls of Redis.

    ``returned``: what has to be done when Redis answers again, before anybody else asks it. While it says True, there
    is more to do.
    """

    def __init__(self, redis: Redis, options: Options, returned: Callable[[], Awaitable[bool]]) -> None:
        self.redis = redis
        self._timeout = options.timeout_seconds
        self._patience = options.patience_seconds
        self._attempts = 1 + options.retries
        self._returned = returned
        self._is_ready = False
        self._ready = asyncio.Event()
        self._gave_up_at = 0.0
        self._returning: asyncio.Task[None] | None = None
        self._is_replica = False

    @property
    def is_ready(self) -> bool:
        """Whether Redis answered last time."""
        return self._is_ready

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        """What a script returns.

        Raises:
            AwayError: Redis is away, or refuses the command.
        """
        return await self.call(lambda: self.run_now(script, keys, arguments))

    async def run_now(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        """The same, once, whether Redis is there or not."""
        try:
            return await self.redis.evalsha(script.sha, len(keys), *keys, *arguments)
        except exceptions.NoScriptError:
            return await self.redis.eval(script.text, len(keys), *keys, *arguments)

    async def call(self, command: Callable[[], Awaitable[_T]]) -> _T:
        """What a command returns, repeated if it failed.

        Raises:
            AwayError: Redis is away, or refuses the command.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        for attempt in range(self._attempts):
            if attempt:
                _log.debug("asking Redis again, attempt %d", attempt + 1)
            if not self._is_ready:
                await self._wait(deadline)
            try:
                async with asyncio.timeout_at(min(loop.time() + self._timeout, deadline)):
                    return await command()
            except _ERRORS as error:
                self.lost(error)
                if not isinstance(error, _TRANSIENT):
                    break
        raise AwayError("Redis did not answer")

    def lost(self, error: BaseException | None = None) -> None:
        """Something went wrong: nobody asks Redis before it was put right."""
        self._is_replica = self._is_replica or _says_replica(error)
        if self._is_ready:
            _log.debug("Redis is away: %s", _reason(error))
            self.begin()

    def begin(self) -> None:
        """Reach Redis, for the first time or again."""
        loop = asyncio.get_running_loop()
        self._is_ready = False
        self._ready.clear()
        self._gave_up_at = loop.time() + self._patience
        if self._returning is None or self._returning.done():
            self._returning = loop.create_task(self._return())

    async def close(self) -> None:
        """Stop trying."""
        self._is_ready = False
        self._gave_up_at = 0.0
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.wait((self._returning,))

    async def _wait(self, deadline: float) -> None:
        now = asyncio.get_running_loop().time()
        until = min(deadline, self._gave_up_at)
        try:
            if until <= now:
                raise AwayError("Redis is away")
            async with asyncio.timeout_at(until):
                await self._ready.wait()
        except TimeoutError:
            raise AwayError("Redis is away") from None

    async def _return(self) -> None:
        delay = _FIRST_DELAY_SECONDS
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    if self._is_replica:
                        # It keeps its connections when another server takes over, whom only new ones reach.
                        self._is_replica = False
                        await self.redis.connection_pool.disconnect(inuse_connections=False)
                    has_more = await self._returned()
            except Exception as error:
                # Whatever it is: who does not try again is away for good.
                self._is_replica = self._is_replica or _says_replica(error)
                _log.debug("Redis is still away: %s", _reason(error))
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY_SECONDS)
                continue
            if not has_more:
                break
        self._is_ready = True
        self._ready.set()
        _log.debug("Redis is there")


def _says_replica(error: BaseException | None) -> bool:
    # Redis 6 says it of a script in the text alone.
    return isinstance(error, exceptions.ReadOnlyError) or (
        isinstance(error, exceptions.ResponseError) and "-READONLY " in str(error)
    )


def _reason(error: BaseException | None) -> str:
    # What Redis answers may repeat what it was sent.
    return type(error).__name__ if error is not None else "a change did not get there"
