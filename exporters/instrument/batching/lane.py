"""The queue of one event loop: who waits, what leaves when, and who gets what came back."""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Generic

from exporters.instrument.batching.options import Limits
from exporters.instrument.batching.requests import Batch, BatchError, Failed, K, Request, V
from exporters.instrument.batching.sending import Sending


class Lane(Generic[K, V]):
    """Batches are cut when one may leave, not before: while all are busy, those who wait fill the next one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, sending: Sending[K, V]) -> None:
        self.loop = loop
        self._limits = limits
        self._sending = sending
        # In the order of arrival. What is unsent and does not wait is in a batch that the rate limit holds back.
        self._waiting: dict[K, Request[K, V]] = {}
        self._unsent: dict[K, Request[K, V]] = {}
        self._running: set[asyncio.Task[Sequence[V | Failed]]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False

    async def load(self, key: K) -> V:
        """The result for a key."""
        now = self.loop.time()
        request = self._unsent.get(key)
        if request is None:
            request = self._unsent[key] = self._waiting[key] = Request(key, now)
        caller: asyncio.Future[V | Failed] = self.loop.create_future()
        request.callers[caller] = now
        self._send_what_is_due()
        try:
            outcome = await caller
        except asyncio.CancelledError:
            self._leave(request, caller)
            raise
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome

    async def close(self) -> None:
        """Send what waits without waiting for more, and come back when all has been answered."""
        self._is_closing = True
        self._send_what_is_due()
        while self._running:
            await asyncio.wait(self._running)

    def _leave(self, request: Request[K, V], caller: "asyncio.Future[V | Failed]") -> None:
        del request.callers[caller]
        if request.callers:
            return
        for requests in (self._waiting, self._unsent):
            if requests.get(request.key) is request:
                del requests[request.key]
        if request.batch is not None:
            request.batch.end_if_unwanted()

    def _send_what_is_due(self) -> None:
        while self._waiting and len(self._running) < self._limits.concurrent_batches:
            due = next(iter(self._waiting.values())).arrived + self._limits.wait_seconds
            is_full = len(self._waiting) >= self._limits.batch_size
            if not (is_full or self._is_closing or due <= self.loop.time()):
                if self._timer is None:
                    self._timer = self.loop.call_at(due, self._wait_is_over)
                return
            self._send_one()

    def _wait_is_over(self) -> None:
        self._timer = None
        self._send_what_is_due()

    def _send_one(self) -> None:
        keys = tuple(islice(self._waiting, self._limits.batch_size))
        batch = Batch([self._waiting.pop(key) for key in keys], self._unsent)
        batch.task = self.loop.create_task(self._sending.send(batch))
        self._running.add(batch.task)
        batch.task.add_done_callback(partial(self._answered, batch))

    def _answered(self, batch: Batch[K, V], task: "asyncio.Task[Sequence[V | Failed]]") -> None:
        self._running.discard(task)
        if task.cancelled():
            batch.fail(BatchError("the call was cancelled"))
        elif (error := task.exception()) is not None:
            batch.fail(error)
        else:
            batch.settle(task.result())
        self._send_what_is_due()
