"""What a service calls: ``load`` for one key, and one call for many keys goes out."""

import asyncio
from types import TracebackType
from typing import Generic

from prometheus_client import REGISTRY, CollectorRegistry

from exporters.instrument.batching.lane import Lane
from exporters.instrument.batching.measures import measures_of
from exporters.instrument.batching.options import Breaker, Limits, Retries
from exporters.instrument.batching.requests import K, V
from exporters.instrument.batching.sending import Fetch, Sending, circuit_breaker

_LIMITS = Limits()
_RETRIES = Retries()
_BREAKER = Breaker()


class Batcher(Generic[K, V]):
    """Requests to one upstream, which leave together.

    ``upstream``: its name, the label of all series.
    ``fetch``: one call for many keys, never the same one twice; the results in the order of the keys. A result that is
    an exception is raised for those who asked for that key alone. Its timeout is its own business.
    ``breaker``: None is none.
    ``registry``: where the series go.

    Raises:
        ValueError: the upstream has no name.
    """

    def __init__(
        self,
        upstream: str,
        fetch: Fetch[K, V],
        *,
        limits: Limits = _LIMITS,
        retries: Retries = _RETRIES,
        breaker: Breaker | None = _BREAKER,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        if not upstream:
            raise ValueError("upstream is empty")
        self._upstream = upstream
        self._fetch = fetch
        self._limits = limits
        self._retries = retries
        self._measures = measures_of(registry, upstream)
        self._breaker = None if breaker is None else circuit_breaker(upstream, breaker, retries)
        self._lane: Lane[K, V] | None = None
        self._is_closed = False

    async def load(self, key: K) -> V:
        """The result for a key, alone or with others of the same moment.

        Raises:
            CircuitOpenError: the upstream failed too often just now, so it was not asked.
            BatchError: what came back does not fit what was asked.
            RuntimeError: the batcher is closed, or at work in another thread's event loop.
            Exception: what ``fetch`` raised after all retries, or gave as this key's result.
        """
        if self._is_closed:
            raise RuntimeError(f"the batcher of {self._upstream} is closed")
        return await self._lane_of(asyncio.get_running_loop()).load(key)

    async def close(self) -> None:
        """Send what waits, come back when all has been answered, and refuse what comes after."""
        self._is_closed = True
        if self._lane is not None and self._lane.loop is asyncio.get_running_loop():
            await self._lane.close()

    async def __aenter__(self) -> "Batcher[K, V]":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _lane_of(self, loop: asyncio.AbstractEventLoop) -> Lane[K, V]:
        lane = self._lane
        if lane is None or lane.loop is not loop:
            if lane is not None and lane.loop.is_running():
                raise RuntimeError(f"the batcher of {self._upstream} is at work in another thread's event loop")
            sending = Sending(self._fetch, self._measures, self._retries, self._breaker, self._limits.calls_per_second)
            lane = self._lane = Lane(loop, self._limits, sending)
        return lane
