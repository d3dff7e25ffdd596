"""What is done when Redis answers again, before anybody reads from it: what it missed, and what it may not keep."""

import logging
from itertools import islice

from redis.asyncio import Redis

from exporters.instrument.cache.layout import Layout
from exporters.instrument.cache.measures import Operation
from exporters.instrument.cache.missed import Missed
from exporters.instrument.cache.nearby import Nearby
from exporters.instrument.cache.writes import Change, Writes

_log = logging.getLogger(__name__)
_KEYS_AT_ONCE = 500
_HASHES_AT_ONCE = 1000


class Recovery:
    """Works in small steps, for each has to be done within the timeout of one attempt."""

    def __init__(
        self, redis: Redis, layout: Layout, missed: Missed, nearby: Nearby, *, keeps_after_restart: bool
    ) -> None:
        self._redis = redis
        self._layout = layout
        self._missed = missed
        self._nearby = nearby
        self._keeps_after_restart = keeps_after_restart
        self._known_run = b""
        self._removing_at: int | None = None

    async def step(self, writes: Writes) -> bool:
        """Do some of it; whether there is more.

        Raises:
            RedisError, OSError: Redis is away.
        """
        self._nearby.flights.outdate_all()
        writes.outdate_fills()
        run = str((await self._redis.info("server"))["run_id"]).encode()
        if run != self._known_run:
            await self._met(run)
        missed = self._missed
        if missed.everything and self._removing_at is None:
            self._removing_at = 0
        if self._removing_at is not None:
            await self._remove_some(self._removing_at, run, writes)
        elif missed.tags:
            await self._untag_some(writes)
        elif missed.keys:
            await self._delete_some(writes)
        return bool(missed) or self._removing_at is not None

    async def _met(self, run: bytes) -> None:
        # Redis writes to disk later than it answers: one that was restarted, or took over, has older entries.
        found = await self._redis.get(self._layout.run)
        is_another = found != run if found is not None else bool(self._known_run)
        if is_another and not self._keeps_after_restart:
            _log.debug("Redis was restarted: all entries are removed")
            self._removing_at = 0
        elif found != run:
            await self._redis.set(self._layout.run, run)
        self._known_run = run

    async def _remove_some(self, at: int, run: bytes, writes: Writes) -> None:
        layout = self._layout
        last = min(at + _HASHES_AT_ONCE, layout.hashes)
        await self._redis.unlink(*(b"%b%d" % (layout.hash_prefix, number) for number in range(at, last)))
        self._removing_at = last
        if last == layout.hashes:
            await self._redis.set(layout.run, run)
            await self._redis.publish(layout.channel, writes.message("all"))
            self._removing_at = None
            self._missed.everything = False

    async def _untag_some(self, writes: Writes) -> None:
        tag = self._missed.tags.pop()
        left = 1
        try:
            _, left = await writes.untag_now(tag)
        finally:
            if left:
                self._missed.add(tags=[tag])

    async def _delete_some(self, writes: Writes) -> None:
        some = list(islice(self._missed.keys, _KEYS_AT_ONCE))
        self._missed.keys.difference_update(some)
        is_done = False
        try:
            await writes.send_now([Change("delete", key, _UNMEASURED) for key in some])
            is_done = True
        finally:
            if not is_done:
                self._missed.add(some)
        _log.debug("%d keys that were changed while Redis was away are removed", len(some))


_UNMEASURED = Operation()
