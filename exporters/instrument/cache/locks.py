"""Who writes a key has it to himself until store and cache agree."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager


class Locks:
    """A lock for each key that somebody writes, in the order of coming."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def held(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks of several keys. All take them in the same order, so that no two wait for each other."""
        mine: list[str] = []
        waiting = ""
        try:
            for key in sorted(set(keys)):
                lock, users = self._locks.setdefault(key, (asyncio.Lock(), []))
                users.append(None)
                waiting = key
                await lock.acquire()
                waiting = ""
                mine.append(key)
            yield
        finally:
            for key in mine:
                self._locks[key][0].release()
            for key in [*mine, waiting] if waiting else mine:
                users = self._locks[key][1]
                users.pop()
                if not users:
                    del self._locks[key]
