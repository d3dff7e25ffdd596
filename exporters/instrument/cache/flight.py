"""Loads of what the cache does not have: one for a key, however many wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence


class LoadError(RuntimeError):
    """A load that ended without a result."""


class Flight:
    """One load, and those who wait for it.

    ``is_current`` is no more so when its key or one of its tags was changed since it began: its result is theirs who
    waited, and is not kept.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tags
        self.is_current = True
        self.callers: set[asyncio.Future[bytes]] = set()
        self.data: bytes | None = None
        self.task: asyncio.Task[None] | None = None

    def land(self, data: bytes) -> None:
        """Give everybody who waits the result."""
        self.data = data
        for caller in self.callers:
            if not caller.done():
                caller.set_result(data)

    def fail(self, error: BaseException) -> None:
        """Raise for everybody who waits."""
        for caller in self.callers:
            if not caller.done():
                caller.set_exception(error)


class Flights:
    """The loads of one cache that are under way."""

    def __init__(self) -> None:
        self._by_key: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    async def join(self, key: str, tags: Sequence[str], load: Callable[[Flight], Awaitable[None]]) -> bytes:
        """What is loaded for a key, now or already.

        ``load`` lands the flight, and may go on after that.

        Raises:
            LoadError: the load was cancelled from within.
            Exception: what it raised.
        """
        flight = self._by_key.get(key)
        if flight is None:
            flight = self._by_key[key] = Flight(tags)
            flight.task = asyncio.get_running_loop().create_task(self._run(key, flight, load))
            self._tasks.add(flight.task)
            flight.task.add_done_callback(self._tasks.discard)
        if flight.data is not None:
            return flight.data
        caller: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        flight.callers.add(caller)
        try:
            return await caller
        finally:
            flight.callers.discard(caller)
            if not flight.callers and flight.data is None:
                self._abandon(key, flight)

    def outdate(self, key: str) -> None:
        """A key has changed: who comes now needs a load that begins now."""
        flight = self._by_key.pop(key, None)
        if flight is not None:
            flight.is_current = False

    def outdate_tag(self, tag: str) -> None:
        """So have all with a tag."""
        for key in [key for key, flight in self._by_key.items() if tag in flight.tags]:
            self.outdate(key)

    def outdate_all(self) -> None:
        """Any key may have changed."""
        for key in list(self._by_key):
            self.outdate(key)

    async def close(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _abandon(self, key: str, flight: Flight) -> None:
        # Nobody waits any more; one that never ends would stand in the way of those who come.
        self._end(key, flight)
        if flight.task is not None:
            flight.task.cancel()

    async def _run(self, key: str, flight: Flight, load: Callable[[Flight], Awaitable[None]]) -> None:
        try:
            await load(flight)
        except asyncio.CancelledError:
            flight.fail(LoadError("the load was cancelled"))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        except Exception as error:
            flight.fail(error)
        finally:
            self._end(key, flight)

    def _end(self, key: str, flight: Flight) -> None:
        if self._by_key.get(key) is flight:
            del self._by_key[key]
