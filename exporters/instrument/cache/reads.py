"""Lookups in Redis: at once when none is under way, and else together with all that come meanwhile."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from exporters.instrument.cache.codec import Entry, unpacked
from exporters.instrument.cache.layout import NEVER, READ, Layout
from exporters.instrument.cache.link import AwayError, Link
from exporters.instrument.cache.measures import Operation

_log = logging.getLogger(__name__)
_MOST_PER_TRIP = 500
# Two, so that one is prepared and read while Redis works on the other.
_MOST_TRIPS = 2
# A field that no hash of versions has.
_NO_KEY = "-"


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing is there for a key; what is loaded for it may be kept if the version of its hash is still the same."""

    version: bytes


@dataclass(slots=True, eq=False)
class _Read:
    key: str
    hash: bytes
    callers: list["asyncio.Future[Entry | Missing]"] = field(default_factory=list)
    # Not so when the key was changed since: those who come then have to ask anew, and the answer is not kept.
    is_current: bool = True


class Reads:
    """Lookups of one cache.

    ``gets``: the operation whose work they are. ``keep``: told of each entry that was found and has not changed since.
    """

    def __init__(
        self,
        link: Link,
        layout: Layout,
        gets: Operation,
        keep: Callable[[str, Entry], object],
        clock: Callable[[], float],
    ) -> None:
        self._link = link
        self._layout = layout
        self._gets = gets
        self._keep = keep
        self._clock = clock
        self._joinable: dict[str, _Read] = {}
        self._waiting: list[_Read] = []
        self._trips: set[asyncio.Task[None]] = set()
        self._running = 0

    def find(self, key: str) -> "asyncio.Future[Entry | Missing]":
        """What is there for a key. Each caller has a future of its own.

        Raises, when it is awaited:
            AwayError: Redis could not be asked.
        """
        read = self._joinable.get(key)
        if read is None:
            read = self._joinable[key] = _Read(key, self._layout.hash_of(key))
            self._ask(read)
        return self._caller(read)

    async def versions(self, tags: Sequence[str]) -> list[tuple[bytes, bytes]]:
        """Where the versions of tags are, and what they are now.

        Raises:
            AwayError: Redis could not be asked.
        """
        reads = [_Read(_NO_KEY, self._layout.tag_version(tag), is_current=False) for tag in tags]
        callers = [self._caller(read) for read in reads]
        for read in reads:
            self._ask(read)
        found = await asyncio.gather(*callers)
        return [(read.hash, one.version) for read, one in zip(reads, found, strict=True) if isinstance(one, Missing)]

    def outdate(self, key: str) -> None:
        """A key has changed."""
        read = self._joinable.pop(key, None)
        if read is not None:
            read.is_current = False

    def outdate_all(self) -> None:
        """Any key may have changed."""
        for read in self._joinable.values():
            read.is_current = False
        self._joinable.clear()

    async def close(self) -> None:
        """Come back when all are answered."""
        while self._trips:
            await asyncio.wait(self._trips)

    def _caller(self, read: _Read) -> "asyncio.Future[Entry | Missing]":
        caller: asyncio.Future[Entry | Missing] = asyncio.get_running_loop().create_future()
        read.callers.append(caller)
        return caller

    def _ask(self, read: _Read) -> None:
        self._waiting.append(read)
        if self._running < _MOST_TRIPS:
            self._running += 1
            trip = asyncio.get_running_loop().create_task(self._travel())
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)

    async def _travel(self) -> None:
        while self._waiting:
            reads, self._waiting = self._waiting[:_MOST_PER_TRIP], self._waiting[_MOST_PER_TRIP:]
            self._gets.begin()
            try:
                arguments: list[object] = [int(self._clock() * 1000)]
                arguments += [read.key for read in reads]
                found = await self._link.run(READ, [read.hash for read in reads], arguments)
                for read, answer in zip(reads, found, strict=True):
                    self._answered(read, answer)
            except Exception as error:
                # Nobody is left waiting, whatever it is.
                for read in reads:
                    self._failed(read, error)
            finally:
                self._gets.end()
        # In the same step in which nobody was found waiting: who comes next has to begin another.
        self._running -= 1

    def _answered(self, read: _Read, answer: bytes | list[bytes]) -> None:
        found: Entry | Missing
        if isinstance(answer, list):
            found = Missing(answer[0])
        else:
            try:
                found = unpacked(answer)
            except ValueError:
                _log.debug("what Redis has for %s is no entry of a cache", read.key)
                found = Missing(NEVER)
            else:
                if read.is_current:
                    self._keep(read.key, found)
        self._end(read)
        for caller in read.callers:
            if not caller.done():
                caller.set_result(found)

    def _failed(self, read: _Read, error: Exception) -> None:
        self._end(read)
        for caller in read.callers:
            if not caller.done():
                caller.set_exception(AwayError("Redis did not answer") if isinstance(error, AwayError) else error)

    def _end(self, read: _Read) -> None:
        if read.is_current and self._joinable.get(read.key) is read:
            del self._joinable[read.key]
