"""The walk over all of Redis that removes what is expired and counts what is there. One process at a time goes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from exporters.instrument.cache.layout import SWEEP, Layout
from exporters.instrument.cache.link import AwayError, Link
from exporters.instrument.cache.measures import Tally

_log = logging.getLogger(__name__)
# About a millisecond of Redis.
_FIELDS_PER_STEP = 1000
# A first walk, of which nobody knows the result, is faster by this.
_HASTE = 10
_SHORTEST_PAUSE_SECONDS = 0.005
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Sweeper:
    """Walks for one cache, or waits until whoever walks is gone."""

    def __init__(
        self, link: Link, layout: Layout, tally: Tally, sweep_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._link = link
        self._layout = layout
        self._tally = tally
        self._seconds = sweep_seconds
        self._clock = clock
        self._lock_milliseconds = int(sweep_seconds * 1000) + 10_000
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Walk from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Walk no more, and let others."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait((self._task,))
        if self._link.is_ready:
            with contextlib.suppress(AwayError):
                await self._link.call(
                    lambda: self._link.redis.eval(_RELEASE, 1, self._layout.sweeper, self._layout.sender)
                )

    async def _run(self) -> None:
        while True:
            try:
                known = await self._read_size()
                if not await self._is_ours() or not await self._walk(
                    self._seconds if known else self._seconds / _HASTE
                ):
                    await asyncio.sleep(self._seconds / _HASTE)
            except Exception as error:
                # Whatever it is: without the walk Redis grows for good.
                _log.debug("the walk has stopped, and begins anew: %s", type(error).__name__)
                await asyncio.sleep(self._seconds / _HASTE)

    async def _is_ours(self) -> bool:
        redis, layout = self._link.redis, self._layout
        taken = await self._link.call(
            lambda: redis.set(layout.sweeper, layout.sender, nx=True, px=self._lock_milliseconds)
        )
        if taken:
            return True
        return bool(await self._link.call(lambda: redis.get(layout.sweeper)) == layout.sender.encode())

    async def _read_size(self) -> bool:
        found = await self._link.call(lambda: self._link.redis.get(self._layout.size))
        if found is None:
            return False
        self._tally.redis_keys, self._tally.redis_bytes = map(int, found.split())
        return True

    async def _walk(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        began = loop.time()
        number, cursor, keys, size, expired = 0, b"0", 0, 0, 0
        while number < self._layout.hashes:
            answer = await self._step(number, cursor)
            if not answer:
                # Another has taken over.
                return False
            cursor, (number, gone, here, taken) = answer
            keys, size, expired = keys + here, size + taken, expired + gone
            self._tally.expired += gone
            due = began + seconds * number / self._layout.hashes
            await asyncio.sleep(max(_SHORTEST_PAUSE_SECONDS, due - loop.time()))
        redis, layout = self._link.redis, self._layout
        await self._link.call(lambda: redis.set(layout.size, f"{keys} {size}"))
        self._tally.redis_keys, self._tally.redis_bytes = keys, size
        _log.debug("%d keys in Redis, %d expired ones were removed", keys, expired)
        return True

    async def _step(self, number: int, cursor: bytes) -> tuple[bytes, list[int]] | None:
        layout = self._layout
        arguments = [
            layout.sender, self._lock_milliseconds, int(self._clock() * 1000), layout.hash_prefix, layout.tag_prefix,
            layout.hashes, number, cursor, _FIELDS_PER_STEP,
        ]  # fmt: skip
        found: tuple[bytes, list[int]] | None = await self._link.run(SWEEP, [layout.sweeper], arguments)
        return found
