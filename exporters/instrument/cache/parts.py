"""The parts of one cache, put together."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from exporters.instrument.cache.behind import Behind
from exporters.instrument.cache.connections import own_client
from exporters.instrument.cache.flight import Flights
from exporters.instrument.cache.layout import Layout
from exporters.instrument.cache.link import Link
from exporters.instrument.cache.making import Making
from exporters.instrument.cache.measures import Operation, Tally
from exporters.instrument.cache.memory import Memory
from exporters.instrument.cache.missed import Missed
from exporters.instrument.cache.nearby import Nearby
from exporters.instrument.cache.options import Options, WriteBehind
from exporters.instrument.cache.reads import Reads
from exporters.instrument.cache.recovery import Recovery
from exporters.instrument.cache.store import Store
from exporters.instrument.cache.subscription import Subscription
from exporters.instrument.cache.sweeper import Sweeper
from exporters.instrument.cache.writes import Change, Writes

_log = logging.getLogger(__name__)


class Parts:
    """What a cache consists of, and what its parts tell each other."""

    def __init__(
        self,
        name: str,
        redis: Redis,
        options: Options,
        store: Store | None,
        write_behind: WriteBehind | None,
        clock: Callable[[], float],
    ) -> None:
        self._timeout = options.timeout_seconds
        self._own = own_client(redis)
        self._is_own = self._own is not redis
        redis = self._own
        self.memory = Memory(options.memory_keys, options.memory_bytes)
        self.tally = Tally(self.memory.sizes)
        self.layout = Layout(name, options)
        self.making = Making(options, self.memory, clock)
        self.flights = Flights()
        self.link = Link(redis, options, self._returned)
        self.reads = Reads(self.link, self.layout, self.tally.get, self.making.keep, clock)
        # What warming asks is no operation of the application.
        self.unmeasured = Operation()
        self.quiet_reads = Reads(self.link, self.layout, self.unmeasured, lambda key, entry: entry, clock)
        self.nearby = Nearby(self.memory, self.reads, self.flights)
        self.writes = Writes(self.link, self.layout, self._written, self._failed)
        self.behind = None
        if write_behind is not None:
            if store is None:
                raise ValueError("write_behind is given, and no store to write to")
            self.behind = Behind(store, write_behind, options.codec.decode, self.tally)
        self._missed = Missed(options.remembered_changes)
        self._recovery = Recovery(
            redis, self.layout, self._missed, self.nearby, keeps_after_restart=options.keeps_after_restart
        )
        self._subscription = Subscription(redis, self.layout, self.nearby, options.timeout_seconds)
        self.sweeper = Sweeper(self.link, self.layout, self.tally, options.sweep_seconds, clock)

    def begin(self) -> None:
        """Everything that goes on by itself."""
        self.layout.begin()
        self.link.begin()
        self._subscription.begin()
        self.sweeper.begin()

    async def close(self) -> None:
        """Finish what was begun, and stop."""
        await self.flights.close()
        await self.writes.close()
        await self.reads.close()
        await self.quiet_reads.close()
        await self.sweeper.close()
        await self._subscription.close()
        await self.link.close()
        if self._is_own:
            # One that hangs may not take the bytes that are still to be sent.
            with contextlib.suppress(RedisError, OSError):
                async with asyncio.timeout(self._timeout):
                    await self._own.connection_pool.aclose()

    def missed(self, keys: Iterable[str] = (), tags: Iterable[str] = ()) -> None:
        """Redis does not know of changes."""
        self._missed.add(keys, tags)
        self.link.lost()

    async def _returned(self) -> bool:
        return await self._recovery.step(self.writes)

    def _written(self, change: Change) -> None:
        # What a lookup brought meanwhile may be from before.
        if change.kind == "tag":
            self.nearby.tag_changed(change.name)
        elif change.kind == "delete":
            self.nearby.changed((change.name,))
        elif change.kind == "set" and change.kept is not None:
            self.memory.drop_unless(change.name, change.kept)
            self.reads.outdate(change.name)

    def _failed(self, changes: Sequence[Change]) -> None:
        keys = [change.name for change in changes if change.kind in ("set", "delete")]
        tags = [change.name for change in changes if change.kind == "tag"]
        if keys or tags:
            _log.debug("Redis does not know of %d changes", len(keys) + len(tags))
            self.missed(keys, tags)
