"""What a service calls: two layers that answer as one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, TypeVar, cast

from prometheus_client import REGISTRY, CollectorRegistry
from redis.asyncio import Redis

from exporters.instrument.cache.changes import Changes
from exporters.instrument.cache.codec import Entry
from exporters.instrument.cache.link import AwayError
from exporters.instrument.cache.lookups import Lookups
from exporters.instrument.cache.making import checked_keys, checked_tags
from exporters.instrument.cache.measures import measures_of
from exporters.instrument.cache.options import Options, WriteBehind
from exporters.instrument.cache.parts import Parts
from exporters.instrument.cache.reads import Missing
from exporters.instrument.cache.store import Store
from exporters.instrument.cache.warming import Source, Warming, batches

_OPTIONS = Options()
_PASS_ON_SECONDS = 1.0
T = TypeVar("T")


class Cache:
    """Memory in front of Redis, for one event loop.

    ``name``: before its names in Redis, unless ``options.key_prefix`` says otherwise. Caches of the same name share
    their entries, in whatever process.
    ``store``: what stands behind it. With one, what is set and deleted is acknowledged when the store has it;
    with ``write_behind`` too, at once, and the store gets it later.
    ``registry``: where the series go.
    ``clock``: seconds since 1970, by which entries expire.

    No operation raises because Redis is away: a lookup finds what memory has, a change reaches memory, and Redis is put
    right when it is back. Both are counted as errors. Values are those of the codec, JSON unless the options say
    otherwise; each caller gets its own. None is a value like others.

    Raises:
        ValueError: the name is empty, ``write_behind`` has no store, or the client decodes what Redis answers.
    """

    def __init__(
        self,
        name: str,
        redis: Redis,
        options: Options = _OPTIONS,
        *,
        store: Store | None = None,
        write_behind: WriteBehind | None = None,
        registry: CollectorRegistry = REGISTRY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not name:
            raise ValueError("name is empty")
        self._name = name
        self._store = store
        self._parts = parts = Parts(name, redis, options, store, write_behind, clock)
        self._used = parts.memory.used
        self._making = parts.making
        self._decode = options.codec.decode
        self._clock = clock
        self._tally = parts.tally
        self._gets = parts.tally.get
        self._lookups = Lookups(name, parts, store, clock)
        self._changes = Changes(name, parts, store)
        self._measures = measures_of(registry)
        self._measures.add(parts.tally)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._passing_on: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key; ``default`` if there is none, or nobody can tell because Redis is away.

        Raises:
            ValueError: the key is empty.
        """
        started = perf_counter()
        entry = self._used(key)
        if entry is not None and entry[0] > self._clock():
            value = self._decode(entry[1])
            self._tally.memory_hits += 1
            self._gets.hit_at_once(perf_counter() - started)
            return value
        self._begin(key)
        try:
            found = await self._lookups.find(key)
        except AwayError:
            self._gets.error += 1
            self._gets.waited(perf_counter() - started)
            return default
        resumed = perf_counter()
        if isinstance(found, Entry):
            self._gets.hit += 1
            default = self._decode(found.data)
        else:
            self._gets.miss += 1
        ended = perf_counter()
        self._gets.worked(ended - resumed)
        self._gets.waited(ended - started)
        return default

    async def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those keys that there are, in one round trip to Redis for some hundred.

        Raises:
            ValueError: a key is empty.
        """
        started = perf_counter()
        keys = list(dict.fromkeys(keys))
        self._begin(*keys)
        found = await self._lookups.find_many(keys)
        values: dict[str, Any] = {}
        resumed = perf_counter()
        for key, one in zip(keys, found, strict=True):
            if isinstance(one, Entry):
                values[key] = self._decode(one.data)
            elif isinstance(one, BaseException) and not isinstance(one, AwayError):
                raise one
        errors = sum(isinstance(one, AwayError) for one in found)
        self._gets.worked(perf_counter() - resumed)
        self._gets.hit += len(values)
        self._gets.error += errors
        self._gets.miss += len(keys) - len(values) - errors
        self._gets.waited(perf_counter() - started)
        return values

    async def get_or_load(
        self,
        key: str,
        load: Callable[[str], Awaitable[T]] | None = None,
        *,
        ttl_seconds: float | None = None,
        tags: Iterable[str] = (),
    ) -> T:
        """The value of a key: from the cache, or else what ``load`` returns for it, which is kept.

        However many callers of this process wait for a key, one load is made; a caller that is cancelled harms no
        other, and a load that nobody waits for any more is cancelled. If its key or one of its tags is changed
        meanwhile, its result is not kept.
        ``load``: by default the store's; None if that has nothing, which is not kept.

        Raises:
            LoadError: the load was cancelled from within.
            ValueError: a key or tag is empty, a time is no time, or there is neither ``load`` nor a store.
            Exception: what the load raised. Nothing is kept.
        """
        started = perf_counter()
        entry = self._used(key)
        if entry is not None and entry[0] > self._clock():
            value: T = self._decode(entry[1])
            self._tally.memory_hits += 1
            self._gets.hit_at_once(perf_counter() - started)
            return value
        self._begin(key)
        tags = checked_tags(tags)
        missing: Missing | None = None
        if key in self._parts.flights:
            self._tally.memory_misses += 1
            self._gets.miss += 1
            self._gets.waited(perf_counter() - started)
        else:
            found = await self._looked_up(key, started)
            # Another load may have ended while this lookup was under way.
            there = found if isinstance(found, Entry) else self._lookups.in_memory(key)
            if there is not None:
                return cast(T, self._decode(there.data))
            missing = found if isinstance(found, Missing) else None
        return cast(T, self._decode(await self._lookups.load(key, load, ttl_seconds, tags, missing)))

    async def set(self, key: str, value: Any, *, ttl_seconds: float | None = None, tags: Iterable[str] = ()) -> None:
        """Keep a value, in place of what there was and of its tags.

        ``ttl_seconds``: how long, at most; by default that of the options.

        Raises:
            ValueError: a key or tag is empty, or a time is no time.
            TypeError: the value cannot be encoded.
            Exception: what the store raised. The cache then has nothing for the key.
        """
        started = perf_counter()
        self._begin(key)
        entry = self._making.entry(value, ttl_seconds, tags)
        self._tally.set.worked(perf_counter() - started)
        await self._changes.set({key: value}, {key: entry}, started)

    async def set_many(
        self, values: Mapping[str, Any], *, ttl_seconds: float | None = None, tags: Iterable[str] = ()
    ) -> None:
        """Keep values, all for as long and with the same tags. The store gets them in one call.

        Raises:
            ValueError, TypeError: as for ``set``; nothing is written then.
            Exception: what the store raised. The cache then has nothing for all of the keys.
        """
        started = perf_counter()
        self._begin(*values)
        tags = checked_tags(tags)
        entries = {key: self._making.entry(value, ttl_seconds, tags) for key, value in values.items()}
        self._tally.set.worked(perf_counter() - started)
        if entries:
            await self._changes.set(dict(values), entries, started)

    async def delete(self, *keys: str) -> None:
        """Forget keys, in the store too if there is one.

        Raises:
            ValueError: a key is empty.
            Exception: what the store raised. The cache then has nothing for the keys all the same.
        """
        started = perf_counter()
        self._begin(*keys)
        if keys:
            await self._changes.delete(list(dict.fromkeys(keys)), started)

    async def invalidate(self, *keys: str) -> None:
        """Forget what the cache has of keys, and leave the store as it is.

        Raises:
            ValueError: a key is empty.
        """
        started = perf_counter()
        self._begin(*keys)
        if keys:
            await self._changes.forget(list(dict.fromkeys(keys)), started)

    async def invalidate_tag(self, tag: str) -> None:
        """Forget all entries with a tag, in Redis and in the memory of every process.

        Raises:
            ValueError: the tag is empty.
        """
        started = perf_counter()
        self._begin()
        checked_tags((tag,))
        await self._changes.untag(tag, started)

    async def warm(
        self,
        wanted: Mapping[str, Any] | Iterable[str],
        load_many: Source | None = None,
        *,
        ttl_seconds: float | None = None,
        tags: Iterable[str] = (),
    ) -> int:
        """Bring keys into the cache before they are asked for; how many were loaded.

        ``wanted``: values by their keys; or keys, of which those that the cache does not have are loaded.
        ``load_many``: the values of those keys that there are, some hundred at a time; by default the store's.

        Raises:
            ValueError: a key or tag is empty, a time is no time, or there is neither ``load_many`` nor a store.
            Exception: what the load raised. What was loaded before stays.
        """
        self._begin()
        warming = Warming(self._parts, ttl_seconds, checked_tags(tags))
        if isinstance(wanted, Mapping):
            return sum([await warming.take(some) for some in batches(wanted.items())])
        if load_many is None:
            if self._store is None:
                raise ValueError("keys without values need load_many, or a store")
            load_many = self._store.load_many
        return sum([await warming.load(some, load_many) for some in batches(wanted)])

    async def close(self, timeout_seconds: float = 30.0) -> None:
        """Bring what is pending to the store, finish what was begun, and refuse what comes after.

        Raises:
            UnsavedError: the store did not take all in that time.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + timeout_seconds
        try:
            await self._changes.close(timeout_seconds)
            if self._parts.behind is not None:
                await self._parts.behind.close(max(0.0, deadline - time.monotonic()))
        finally:
            if self._passing_on is not None:
                self._passing_on.cancel()
            if self._loop is not None:
                await self._parts.close()
            self._parts.memory.clear()
            self._measures.remove(self._tally)

    async def __aenter__(self) -> "Cache":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _begin(self, *keys: str) -> None:
        checked_keys(keys)
        if self._is_closed:
            raise RuntimeError(f"the cache {self._name} is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._parts.begin()
            self._pass_on()
        elif self._loop is not loop:
            raise RuntimeError(f"the cache {self._name} belongs to another event loop")

    def _pass_on(self) -> None:
        if self._loop is not None:
            self._measures.pass_on()
            self._passing_on = self._loop.call_later(_PASS_ON_SECONDS, self._pass_on)

    async def _looked_up(self, key: str, started: float) -> Entry | Missing | None:
        found: Entry | Missing | None = None
        try:
            found = await self._lookups.find(key)
        except AwayError:
            self._gets.error += 1
        else:
            self._gets.hit += isinstance(found, Entry)
            self._gets.miss += isinstance(found, Missing)
        self._gets.waited(perf_counter() - started)
        return found
