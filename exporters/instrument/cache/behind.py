"""Write-behind: writes that are acknowledged before the store has them, and brought there in batches."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from exporters.instrument.cache.measures import Tally
from exporters.instrument.cache.options import WriteBehind
from exporters.instrument.cache.store import Store

_log = logging.getLogger(__name__)


class UnsavedError(RuntimeError):
    """Writes that the store did not take before there was no more time."""


class Behind:
    """The writes of one cache that its store does not have. The last of a key counts; None in place of data deletes.

    What fails is tried again in ever smaller batches, so that one value that the store never takes stops no other.
    """

    def __init__(self, store: Store, options: WriteBehind, decode: Callable[[bytes], Any], tally: Tally) -> None:
        self._store = store
        self._options = options
        self._decode = decode
        self._tally = tally
        self._waiting: dict[str, bytes | None] = {}
        self._leaving: dict[str, bytes | None] = {}
        # Keys that were written again while their write was under way.
        self._in_both = 0
        self._changed = asyncio.Condition()
        self._is_closing = False
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def find(self, key: str) -> tuple[bytes | None] | None:
        """What is to be written for a key, in a tuple; None if nothing is."""
        for pending in (self._waiting, self._leaving):
            if key in pending:
                return (pending[key],)
        return None

    async def add(self, writes: Mapping[str, bytes | None]) -> None:
        """Take writes, as soon as there is room; of many, one after the other.

        Raises:
            UnsavedError: there was no room before the end.
        """
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        for key, data in writes.items():
            if not self._has_room(key):
                async with self._changed:
                    await self._changed.wait_for(partial(self._has_room_or_end, key))
            if self._is_over:
                raise UnsavedError("the cache is closed")
            if key in self._leaving and key not in self._waiting:
                self._in_both += 1
            self._waiting[key] = data
            self._count()
        async with self._changed:
            self._changed.notify_all()

    async def close(self, timeout_seconds: float) -> None:
        """Bring all to the store.

        Raises:
            UnsavedError: there was not enough time.
        """
        self._is_closing = True
        if self._task is not None:
            async with self._changed:
                self._changed.notify_all()
            await asyncio.wait((self._task,), timeout=timeout_seconds)
            if not self._task.done():
                self._task.cancel()
                await asyncio.wait((self._task,))
        self._is_over = True
        async with self._changed:
            self._changed.notify_all()
        if self._pending():
            raise UnsavedError(f"{self._pending()} writes are not in the store")

    def _pending(self) -> int:
        return len(self._waiting) + len(self._leaving) - self._in_both

    def _has_room(self, key: str) -> bool:
        return self._pending() < self._options.most_pending or self.find(key) is not None

    def _has_room_or_end(self, key: str) -> bool:
        return self._is_over or self._has_room(key)

    def _count(self) -> None:
        self._tally.pending = self._pending()

    async def _run(self) -> None:
        size, delay = self._options.batch_size, self._options.first_delay_seconds
        while True:
            await self._wait_for_a_batch()
            if not self._waiting:
                self._is_over = True
                return
            self._leaving = {key: self._waiting.pop(key) for key in tuple(islice(self._waiting, size))}
            try:
                await self._send(self._leaving)
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise
                # The store may have been cancelled from within, too.
                _log.debug("the store did not take %d writes: %s", len(self._leaving), type(error).__name__)
                self._put_back()
                size = max(1, size // 2)
                await asyncio.sleep(delay)
                delay = min(2 * delay, self._options.longest_delay_seconds)
            else:
                self._leave()
                size = min(2 * size, self._options.batch_size)
                delay = self._options.first_delay_seconds
            self._count()
            async with self._changed:
                self._changed.notify_all()

    async def _wait_for_a_batch(self) -> None:
        options = self._options
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._is_closing)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.interval_seconds):
                    await self._changed.wait_for(
                        lambda: len(self._waiting) >= min(options.batch_size, options.most_pending) or self._is_closing
                    )

    async def _send(self, writes: Mapping[str, bytes | None]) -> None:
        saved = {key: self._decode(data) for key, data in writes.items() if data is not None}
        deleted = [key for key, data in writes.items() if data is None]
        if saved:
            await self._store.save_many(saved)
        if deleted:
            await self._store.delete_many(deleted)

    def _put_back(self) -> None:
        # At the end, so that others have their turn; what was written since is newer.
        for key, data in self._leaving.items():
            self._waiting.setdefault(key, data)
        self._leave()

    def _leave(self) -> None:
        self._leaving = {}
        self._in_both = 0
