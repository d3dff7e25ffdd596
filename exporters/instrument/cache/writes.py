"""Changes on their way to Redis, one after the other in the order of the calls, many in one round trip."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import orjson

from exporters.instrument.cache.codec import Entry
from exporters.instrument.cache.layout import LEASE_MILLISECONDS, NEVER, UNTAG, WRITE, Layout
from exporters.instrument.cache.link import Link
from exporters.instrument.cache.measures import Operation

_log = logging.getLogger(__name__)
_MOST_PER_TRIP = 500
_MOST_BYTES_PER_TRIP = 2**20
_UNTAGGED_AT_ONCE = 500


@dataclass(slots=True, eq=False)
class Group:
    """Changes that one call made; ``done`` is there when all are, with how many entries they made or removed.

    Raises, when ``done`` is awaited:
        AwayError: Redis did not take one of them.
    """

    done: "asyncio.Future[int]"
    left: int
    entries: int = 0
    error: Exception | None = None

    def settle(self, entries: int, error: Exception | None = None) -> None:
        """One of them is done."""
        self.left -= 1
        self.entries += entries
        self.error = self.error or error
        if not self.left and not self.done.done():
            if self.error is None:
                self.done.set_result(self.entries)
            else:
                self.done.set_exception(self.error)


@dataclass(slots=True, eq=False)
class Change:
    """What happens to a key, or to all entries with a tag.

    ``raw`` is the packed ``entry``, and ``kept`` what the memory layer has of it. ``versions`` are those that have to
    be as they were for a fill.
    """

    kind: Literal["set", "fill", "delete", "tag"]
    name: str
    operation: Operation
    entry: Entry | None = None
    raw: bytes = b""
    kept: Entry | None = None
    ttl_seconds: float = 0.0
    versions: Sequence[tuple[bytes, bytes]] = ()
    group: Group | None = field(default=None, repr=False)


class Writes:
    """The queue of one cache.

    ``outdated``: how often versions that were read before were made worthless.
    ``done``: told of each change that Redis has taken; ``failed``: of those of which that is not known.
    """

    def __init__(
        self,
        link: Link,
        layout: Layout,
        done: Callable[[Change], None],
        failed: Callable[[Sequence[Change]], None],
    ) -> None:
        self._link = link
        self._layout = layout
        self._done = done
        self._failed = failed
        self._queue: deque[Change] = deque()
        self._on_trip: Sequence[Change] = ()
        self._trip: asyncio.Task[None] | None = None
        self.outdated = 0

    def add(self, changes: Sequence[Change]) -> "asyncio.Future[int]":
        """Put changes, at least one, into the queue; what is awaited is the end of all."""
        loop = asyncio.get_running_loop()
        group = Group(loop.create_future(), len(changes))
        for change in changes:
            change.group = group
        self._queue.extend(changes)
        if self._trip is None or self._trip.done():
            self._trip = loop.create_task(self._travel())
        return group.done

    async def close(self) -> None:
        """Come back when all are done."""
        while self._trip is not None and not self._trip.done():
            await asyncio.wait((self._trip,))

    def outdate_fills(self) -> None:
        """Redis may have lost the versions: what was loaded for those that it had is not kept, sent or not."""
        self.outdated += 1
        for change in (*self._on_trip, *self._queue):
            if change.kind == "fill":
                change.versions = [(self._layout.hash_of(change.name), NEVER)]

    async def send_now(self, changes: Sequence[Change]) -> list[int]:
        """Send changes of keys, whether Redis is there or not; how many entries each made or removed."""
        keys, arguments = self._command(changes)
        found: list[int] = await self._link.run_now(WRITE, keys, arguments)
        return found

    async def untag_now(self, tag: str) -> tuple[int, int]:
        """Remove some entries with a tag, whether Redis is there or not; how many, and how many may be left."""
        removed, left = await self._link.run_now(UNTAG, *self._untagging(tag))
        return removed, left

    def message(self, kind: Literal["keys", "tag", "all"], names: Sequence[str] = ()) -> bytes:
        """What other processes are told."""
        return orjson.dumps([self._layout.sender, kind, *names])

    async def _travel(self) -> None:
        while self._queue:
            self._on_trip = changes = self._next()
            operations = {change.operation for change in changes}
            for operation in operations:
                operation.begin()
            try:
                if changes[0].kind == "tag":
                    entries = [await self._untag(changes[0].name)]
                else:
                    entries = await self._link.call(partial(self.send_now, changes))
                for change, number in zip(changes, entries, strict=True):
                    self._settle(change, number)
            except Exception as error:
                # Nobody is left waiting, whatever it is.
                self._failed(changes)
                for change in changes:
                    if change.group is not None:
                        change.group.settle(0, error)
            finally:
                self._on_trip = ()
                for operation in operations:
                    operation.end()

    def _next(self) -> list[Change]:
        queue = self._queue
        changes = [queue.popleft()]
        size = len(changes[0].raw)
        if changes[0].kind != "tag":
            while queue and queue[0].kind != "tag" and len(changes) < _MOST_PER_TRIP and size < _MOST_BYTES_PER_TRIP:
                changes.append(queue.popleft())
                size += len(changes[-1].raw)
        return changes

    def _settle(self, change: Change, entries: int) -> None:
        if change.kind != "fill" or entries:
            self._done(change)
        if change.group is not None:
            change.group.settle(entries)

    async def _untag(self, tag: str) -> int:
        removed, left = 0, 1
        while left:
            now, left = await self._link.run(UNTAG, *self._untagging(tag))
            removed += now
        return removed

    def _untagging(self, tag: str) -> tuple[list[bytes], list[object]]:
        layout = self._layout
        return [layout.tag_prefix + tag.encode(), layout.tag_version(tag)], [
            tag, layout.hash_prefix, layout.channel, self.message("tag", [tag]), layout.next_version(),
            LEASE_MILLISECONDS, _UNTAGGED_AT_ONCE,
        ]  # fmt: skip

    def _command(self, changes: Sequence[Change]) -> tuple[list[bytes], list[object]]:
        layout = self._layout
        told = [change.name for change in changes if change.kind != "fill"]
        arguments: list[object] = [
            layout.channel, self.message("keys", told) if told else b"", layout.tag_prefix, layout.next_version(),
            LEASE_MILLISECONDS,
        ]  # fmt: skip
        for change in changes:
            arguments += (change.kind, change.name)
            if change.entry is None:
                continue
            arguments += (change.raw, layout.hash_life(change.ttl_seconds), len(change.entry.tags))
            if change.entry.tags:
                member = f"{layout.number_of(change.name)}:{change.name}"
                for tag in change.entry.tags:
                    arguments += (tag, member)
            if change.kind == "fill":
                arguments.append(len(change.versions))
                for versioned in change.versions:
                    arguments += versioned
        return [layout.hash_of(change.name) for change in changes], arguments


def nobody_waits(done: "asyncio.Future[int]") -> None:
    """Say that the end of changes is nobody's business: an error of theirs is told to nobody."""
    done.add_done_callback(lambda done: done.cancelled() or done.exception())
