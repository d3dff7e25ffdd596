"""From layer to layer, and to what is behind them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from exporters.instrument.cache.codec import Entry
from exporters.instrument.cache.flight import Flight
from exporters.instrument.cache.layout import NEVER
from exporters.instrument.cache.link import AwayError
from exporters.instrument.cache.parts import Parts
from exporters.instrument.cache.reads import Missing
from exporters.instrument.cache.store import Store

_log = logging.getLogger(__name__)
Load = Callable[[str], Awaitable[Any]]


class Lookups:
    """Lookups and loads of one cache."""

    def __init__(self, name: str, parts: Parts, store: Store | None, clock: Callable[[], float]) -> None:
        self._name = name
        self._parts = parts
        self._store = store
        self._clock = clock

    def in_memory(self, key: str) -> Entry | None:
        """The entry of the memory layer, if it has not expired."""
        entry = self._parts.memory.used(key)
        if entry is None or entry[0] > self._clock():
            return entry
        self._parts.memory.drop(key)
        return None

    async def find(self, key: str) -> Entry | Missing:
        """What memory has, or Redis.

        Raises:
            AwayError: memory has nothing, and Redis could not be asked.
        """
        found = self._find_here(key)
        return self._counted(key, await self._parts.reads.find(key)) if found is None else found

    async def find_many(self, keys: Sequence[str]) -> list[Entry | Missing | BaseException]:
        """The same of each key, or the error."""
        found: dict[str, Entry | Missing | BaseException] = {}
        asked: dict[str, asyncio.Future[Entry | Missing]] = {}
        for key in keys:
            here = self._find_here(key)
            if here is None:
                asked[key] = self._parts.reads.find(key)
            else:
                found[key] = here
        answers = await asyncio.gather(*asked.values(), return_exceptions=True)
        for key, answer in zip(asked, answers, strict=True):
            found[key] = answer if isinstance(answer, BaseException) else self._counted(key, answer)
        return [found[key] for key in keys]

    def _find_here(self, key: str) -> Entry | Missing | None:
        tally = self._parts.tally
        if (entry := self.in_memory(key)) is not None:
            tally.memory_hits += 1
            return entry
        if (pending := self._pending(key)) is not None:
            tally.memory_hits += 1
            # Where it is a deletion, what Redis and the store have is old.
            return Missing(NEVER) if pending[0] is None else Entry(0.0, pending[0])
        tally.memory_misses += 1
        return None

    def _counted(self, key: str, found: Entry | Missing) -> Entry | Missing:
        tally = self._parts.tally
        if isinstance(found, Entry):
            tally.redis_hits += 1
        else:
            tally.redis_misses += 1
            _log.debug("%s: %s is not there", self._name, key)
        return found

    async def load(
        self, key: str, load: Load | None, ttl_seconds: float | None, tags: tuple[str, ...], missing: Missing | None
    ) -> bytes:
        """The data of what ``load``, or the store, has for a key; it is kept if ``missing`` is still true.

        ``missing``: what the lookup said, None if Redis was away.

        Raises:
            LoadError, ValueError, Exception: as ``Cache.get_or_load``.
        """
        if load is None and self._store is None:
            raise ValueError("get_or_load needs load, or a store")
        return await self._parts.flights.join(key, tags, partial(self._fly, key, load, ttl_seconds, missing))

    async def _fly(
        self, key: str, load: Load | None, ttl_seconds: float | None, missing: Missing | None, flight: Flight
    ) -> None:
        parts = self._parts
        versions = await self._versions(key, missing, flight)
        try:
            value = await (self._from_store if load is None else load)(key)
        except _NothingError:
            flight.land(parts.making.encode(None))
            return
        data = parts.making.encode(value)
        entry = parts.making.entry_of(data, ttl_seconds, tuple(flight.tags))
        flight.land(data)
        is_kept = False
        # After Redis was away the versions may be those of an emptied one.
        if versions and flight.is_current:
            try:
                is_kept = bool(await parts.writes.add([parts.making.filling(key, entry, parts.tally.get, versions)]))
            except AwayError:
                _log.debug("%s: %s was loaded while Redis is away", self._name, key)
        if flight.is_current and (is_kept or not parts.link.is_ready):
            parts.making.keep(key, entry)

    async def _versions(self, key: str, missing: Missing | None, flight: Flight) -> list[tuple[bytes, bytes]]:
        if missing is None:
            return []
        versions = [(self._parts.layout.hash_of(key), missing.version)]
        if flight.tags:
            try:
                versions += await self._parts.reads.versions(flight.tags)
            except AwayError:
                return []
        return versions

    async def _from_store(self, key: str) -> Any:
        pending = self._pending(key)
        if self._store is None or (pending is not None and pending[0] is None):
            raise _NothingError
        values = await self._store.load_many([key])
        if key not in values:
            raise _NothingError
        return values[key]

    def _pending(self, key: str) -> tuple[bytes | None] | None:
        return None if self._parts.behind is None else self._parts.behind.find(key)


class _NothingError(Exception):
    """The store has nothing for a key."""
