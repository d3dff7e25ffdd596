"""Changes of the application: to the store by the mode of writing, and to both layers."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

from exporters.instrument.cache.codec import Entry
from exporters.instrument.cache.link import AwayError
from exporters.instrument.cache.locks import Locks
from exporters.instrument.cache.measures import Operation
from exporters.instrument.cache.parts import Parts
from exporters.instrument.cache.store import Store
from exporters.instrument.cache.writes import Change, nobody_waits

_log = logging.getLogger(__name__)


class Changes:
    """Changes of one cache. ``started`` is when the application called."""

    def __init__(self, name: str, parts: Parts, store: Store | None) -> None:
        self._name = name
        self._parts = parts
        self._store = store
        self._locks = Locks()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._sets, self._deletes = parts.tally.set, parts.tally.delete

    async def set(self, values: Mapping[str, Any], entries: Mapping[str, Entry], started: float) -> None:
        """Values, and the entries that they are.

        Raises:
            Exception: what the store raised. Then the cache has nothing for the keys.
        """
        if self._store is None:
            await self._keep(entries, started)
            return
        async with self._alone(entries):
            write = partial(self._store.save_many, values)
            if self._parts.behind is not None:
                write = partial(self._parts.behind.add, {key: entry.data for key, entry in entries.items()})
            await self._stored(self._sets, list(entries), started, write)
            await self._keep(entries, started)

    async def delete(self, keys: Sequence[str], started: float) -> None:
        """Forget keys.

        Raises:
            Exception: what the store raised. The cache has nothing for the keys all the same.
        """
        if self._store is None:
            await self.forget(keys, started)
            return
        async with self._alone(keys):
            write = partial(self._store.delete_many, keys)
            if self._parts.behind is not None:
                write = partial(self._parts.behind.add, dict.fromkeys(keys))
            await self._stored(self._deletes, keys, started, write)
            await self.forget(keys, started)

    async def forget(self, keys: Sequence[str], started: float) -> None:
        """Forget what the cache has of keys."""
        _log.debug("%s: %d keys are removed", self._name, len(keys))
        dropped = self._parts.nearby.changed(keys)
        try:
            removed = await self._parts.writes.add([Change("delete", key, self._deletes) for key in keys])
        except AwayError:
            self._parts.tally.by_key += dropped
            self._deletes.error += len(keys)
        else:
            self._parts.tally.by_key += removed
            self._deletes.ok += len(keys)
        self._deletes.waited(perf_counter() - started)

    async def untag(self, tag: str, started: float) -> None:
        """Forget all entries with a tag."""
        _log.debug("%s: tag %s is invalidated", self._name, tag)
        dropped = self._parts.nearby.tag_changed(tag)
        try:
            removed = await self._parts.writes.add([Change("tag", tag, self._deletes)])
        except AwayError:
            self._parts.tally.by_tag += dropped
            self._deletes.error += 1
        else:
            self._parts.tally.by_tag += removed
            self._deletes.ok += 1
        self._deletes.waited(perf_counter() - started)

    async def close(self, timeout_seconds: float) -> None:
        """Come back when all writes to the store are in the cache too, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()

    @asynccontextmanager
    async def _alone(self, keys: Iterable[str]) -> AsyncIterator[None]:
        self._under_way += 1
        self._idle.clear()
        try:
            async with self._locks.held(keys):
                yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _keep(self, entries: Mapping[str, Entry], started: float) -> None:
        resumed = perf_counter()
        parts = self._parts
        changes = [parts.making.setting(key, entry, self._sets) for key, entry in entries.items()]
        for key in entries:
            parts.reads.outdate(key)
            parts.flights.outdate(key)
        done = parts.writes.add(changes)
        self._sets.worked(perf_counter() - resumed)
        try:
            await done
        except AwayError:
            self._sets.error += len(changes)
        else:
            self._sets.ok += len(changes)
        self._sets.waited(perf_counter() - started)

    async def _stored(
        self, operation: Operation, keys: Sequence[str], started: float, write: Callable[[], Awaitable[None]]
    ) -> None:
        # Behind the cache there is no work for the store yet, but at most a wait for room.
        is_work = self._parts.behind is None
        if is_work:
            operation.begin()
        try:
            await write()
        except BaseException as error:
            # The store may have it or not. A caller can leave while he waits for room behind the cache, too.
            self._parts.nearby.changed(keys)
            forgotten = self._parts.writes.add([Change("delete", key, self._deletes) for key in keys])
            nobody_waits(forgotten)
            operation.error += len(keys)
            operation.waited(perf_counter() - started)
            if isinstance(error, Exception):
                await asyncio.wait((forgotten,))
            raise
        finally:
            if is_work:
                operation.end()
