"""Entries that are brought into the cache before anybody asks for them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from exporters.instrument.cache.codec import Entry
from exporters.instrument.cache.link import AwayError
from exporters.instrument.cache.making import checked_keys
from exporters.instrument.cache.parts import Parts
from exporters.instrument.cache.reads import Missing
from exporters.instrument.cache.writes import Change

Source = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
T = TypeVar("T")
_AT_ONCE = 500


class Warming:
    """One call of the application. What it does is no operation, and is not counted as one.

    The memory layer takes what it has room for: nothing that is in use goes for what nobody has asked for.
    """

    def __init__(self, parts: Parts, ttl_seconds: float | None, tags: tuple[str, ...]) -> None:
        self._parts = parts
        self._ttl_seconds = ttl_seconds
        self._tags = tags

    async def take(self, values: Sequence[tuple[str, Any]]) -> int:
        """Bring values in, in place of what was there; how many."""
        checked_keys([key for key, _ in values])
        parts, changes = self._parts, []
        for key, value in values:
            entry = parts.making.entry(value, self._ttl_seconds, self._tags)
            change = parts.making.change("set", key, entry, parts.unmeasured)
            parts.nearby.changed((key,))
            if parts.memory.has_room():
                change.kept = parts.making.keep(key, entry)
            changes.append(change)
        await self._sent(changes)
        parts.tally.warmed += len(changes)
        return len(changes)

    async def load(self, keys: Sequence[str], load_many: Source) -> int:
        """Load those that are not there; how many that were.

        Raises:
            Exception: what the load raised.
        """
        checked_keys(keys)
        parts = self._parts
        keys = [key for key in dict.fromkeys(keys) if key not in parts.memory]
        found = await asyncio.gather(*(parts.quiet_reads.find(key) for key in keys), return_exceptions=True)
        missing = {key: one for key, one in zip(keys, found, strict=True) if not isinstance(one, Entry)}
        if not missing:
            return 0
        tags: list[tuple[bytes, bytes]] | None = []
        try:
            if self._tags:
                tags = await parts.quiet_reads.versions(self._tags)
        except AwayError:
            tags = None
        outdated = parts.writes.outdated
        values = await load_many(list(missing))
        changes = []
        for key in missing.keys() & values.keys():
            entry = parts.making.entry(values[key], self._ttl_seconds, self._tags)
            change = parts.making.change("fill", key, entry, parts.unmeasured)
            one = missing[key]
            if isinstance(one, Missing) and tags is not None and outdated == parts.writes.outdated:
                change.versions = [(parts.layout.hash_of(key), one.version), *tags]
                changes.append(change)
            elif not parts.link.is_ready and parts.memory.has_room():
                parts.making.keep(key, entry)
        await self._sent(changes)
        parts.tally.warmed += len(missing.keys() & values.keys())
        return len(missing.keys() & values.keys())

    async def _sent(self, changes: Sequence[Change]) -> None:
        if changes:
            with contextlib.suppress(AwayError):
                await self._parts.writes.add(changes)


def batches(many: Iterable[T]) -> Iterator[list[T]]:
    """Some at a time."""
    rest = iter(many)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
