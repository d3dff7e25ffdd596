"""Answers that several may have: equal questions at one time are asked once, and the answer is kept for a while."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from exporters.instrument.api.problems import Refusal
from exporters.instrument.api.threads import in_thread

_KEPT_BYTES = 32 * 2**20
_KEPT_ANSWERS = 1000
# Different questions at one time. Each has a thread that waits for Prometheus, which itself answers 20 at once.
_QUESTIONS = 32


@dataclass(frozen=True)
class Kept:
    """An answer, and until when it is kept (monotonic)."""

    body: bytes
    until: float


class Shared:
    """Answers by their questions.

    Futures of threads and no tasks, so that it does not matter which event loop asks.
    """

    def __init__(self, keep_seconds: float) -> None:
        self._keep_seconds = keep_seconds
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._asked: dict[Hashable, Future[Kept]] = {}

    async def answer(self, question: Hashable, make: Callable[[], bytes], timeout_seconds: float) -> Kept:
        """The answer that is kept or on its way, else what ``make`` makes of it in a thread.

        A caller that leaves takes nothing from the others.

        Raises:
            Refusal: what ``make`` refuses; 504 it took too long; 503 too many different ones are asked.
        """
        with self._lock:
            kept = self._kept.get(question)
            if kept is not None and kept.until > time.monotonic():
                return kept
            future = self._asked.get(question)
            if future is None:
                if len(self._asked) >= _QUESTIONS:
                    raise Refusal(503, "too many different questions are being asked")
                future = self._asked[question] = in_thread(partial(self._make, question, make))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_seconds)
        except TimeoutError:
            raise Refusal(504, "Prometheus took too long") from None

    def _make(self, question: Hashable, make: Callable[[], bytes]) -> Kept:
        try:
            kept = Kept(make(), time.monotonic() + self._keep_seconds)
            self._keep(question, kept)
            return kept
        finally:
            with self._lock:
                del self._asked[question]

    def _keep(self, question: Hashable, kept: Kept) -> None:
        with self._lock:
            self._kept.pop(question, None)
            self._kept[question] = kept
            now = time.monotonic()
            size = sum(len(one.body) for one in self._kept.values())
            # The oldest stands first, and is the first to have run out.
            while self._kept and (
                size > _KEPT_BYTES or len(self._kept) > _KEPT_ANSWERS or next(iter(self._kept.values())).until <= now
            ):
                _, gone = self._kept.popitem(last=False)
                size -= len(gone.body)
