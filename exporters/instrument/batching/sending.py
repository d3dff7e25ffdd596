"""A batch's way: past the circuit breaker and the rate limit, out, again if need be, and back."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Generic

from aiolimiter import AsyncLimiter
from interlock import CircuitBreaker, Config
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from exporters.instrument.batching.measures import Measures
from exporters.instrument.batching.options import Breaker, Retries
from exporters.instrument.batching.requests import Batch, BatchError, Failed, K, V
from exporters.instrument.batching.transience import retry_after

_log = logging.getLogger(__name__)

Fetch = Callable[[Sequence[K]], Awaitable[Sequence[V | Exception]]]


class Sending(Generic[K, V]):
    """How one event loop sends to one upstream.

    ``breaker`` is shared by all loops of the process; the rate limit is a loop's own.
    """

    def __init__(
        self,
        fetch: Fetch[K, V],
        measures: Measures,
        retries: Retries,
        breaker: CircuitBreaker | None,
        calls_per_second: float | None,
    ) -> None:
        self._fetch = fetch
        self._measures = measures
        self._breaker = breaker
        # A bucket of one call has no burst, so no second has more calls than allowed.
        self._limiter = None if calls_per_second is None else AsyncLimiter(1, 1 / calls_per_second)
        self._retries = retries
        self._backoff = wait_exponential_jitter(
            multiplier=retries.first_delay_seconds,
            max=retries.longest_delay_seconds,
            jitter=retries.first_delay_seconds / 2,
        )

    async def send(self, batch: Batch[K, V]) -> Sequence[V | Failed]:
        """The outcomes of what the batch left with.

        Raises:
            CircuitOpenError: the circuit breaker let nothing out.
            BatchError: the answer does not fit what was asked.
            Exception: what the call raised, after all retries.
        """
        if self._breaker is None:
            return await self._passed(batch)
        return await self._breaker.call_async(self._passed, batch)

    async def _passed(self, batch: Batch[K, V]) -> Sequence[V | Failed]:
        was_limited = await self._limited()
        now = asyncio.get_running_loop().time()
        keys = batch.depart()
        arrivals = batch.arrivals()
        if not keys:
            # All were cancelled this very moment. For the breaker that is no answer of the upstream.
            raise asyncio.CancelledError
        measures = self._measures
        measures.size.observe(len(keys))
        for arrived in arrivals:
            measures.wait.observe(now - arrived)
        measures.deduplicated.inc(len(arrivals) - len(keys))
        if was_limited:
            measures.rate_limited.inc(len(arrivals))
        measures.in_flight.inc()
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s: %d keys of %d callers leave", measures.upstream, len(keys), len(arrivals))
        answer = "stopped"
        started = perf_counter()
        try:
            outcomes = await self._answered(keys)
            answer = "answered"
            return outcomes
        except Exception as error:
            measures.errors.inc()
            answer = f"failed with {type(error).__qualname__}"
            raise
        finally:
            seconds = perf_counter() - started
            measures.duration.observe(seconds)
            measures.in_flight.dec()
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("%s: %d keys %s, %.0f ms", measures.upstream, len(keys), answer, seconds * 1000)

    async def _answered(self, keys: tuple[K, ...]) -> Sequence[V | Failed]:
        async for attempt in AsyncRetrying(
            sleep=asyncio.sleep,
            stop=stop_after_attempt(1 + self._retries.attempts),
            wait=self._delay,
            retry=retry_if_exception(self._is_retried),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    await self._limited()
                    self._measures.retries.inc()
                    if _log.isEnabledFor(logging.DEBUG):
                        number = attempt.retry_state.attempt_number
                        _log.debug("%s: %d keys, attempt %d", self._measures.upstream, len(keys), number)
                return _outcomes(keys, await self._called(keys))
        raise AssertionError("the last attempt returns or raises")

    async def _called(self, keys: tuple[K, ...]) -> Sequence[V | Exception]:
        try:
            return await self._fetch(keys)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # A task within the call was cancelled, and not this one: those who wait do so in vain.
            raise BatchError("the call was cancelled") from None

    async def _limited(self) -> bool:
        """Whether the rate limit made it wait."""
        if self._limiter is None:
            return False
        must_wait = not self._limiter.has_capacity()
        await self._limiter.acquire()
        return must_wait

    def _is_retried(self, error: BaseException) -> bool:
        if not isinstance(error, Exception) or not self._retries.on(error):
            return False
        return (retry_after(error) or 0.0) <= self._retries.longest_delay_seconds

    def _delay(self, state: RetryCallState) -> float:
        backoff = self._backoff(state)
        error = state.outcome.exception() if state.outcome is not None else None
        asked = retry_after(error) if error is not None else None
        if asked is None:
            return backoff
        # Who was turned away together does not come back together.
        return max(backoff, asked + random.uniform(0, self._backoff.jitter))


class _Classifier:
    """Errors that no retry could have mended say nothing of the upstream's health."""

    def __init__(self, is_failure: Callable[[Exception], bool]) -> None:
        self._is_failure = is_failure

    def is_failure(self, *, result: object, exception: Exception | None) -> bool:
        return exception is not None and self._is_failure(exception)


def circuit_breaker(upstream: str, breaker: Breaker, retries: Retries) -> CircuitBreaker:
    """One that opens after so many failures in a row, whatever their duration, and then lets one through at a time."""
    config = Config(
        failure_rate_threshold=1.0,
        window_size=breaker.failures,
        minimum_number_of_calls=breaker.failures,
        wait_duration_in_open=breaker.open_seconds,
        permitted_calls_in_half_open=1,
        max_concurrent_probes=1,
        slow_call_duration_threshold=math.inf,
    )
    return CircuitBreaker(name=upstream, config=config, classifier=_Classifier(retries.on))


def _outcomes(keys: Sequence[K], results: Sequence[V | Exception]) -> Sequence[V | Failed]:
    answer: object = results
    # The keys of a mapping would pass for results, and so would the letters of a text.
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise BatchError(f"the call for {len(keys)} keys returned a {type(results).__name__}, not a list of results")
    if len(results) != len(keys):
        raise BatchError(f"the call for {len(keys)} keys returned {len(results)} results")
    return [_outcome(result) for result in results]


def _outcome(result: V | Exception) -> V | Failed:
    if isinstance(result, asyncio.CancelledError):
        # Raised as it is, it would look as if the caller had been cancelled.
        return Failed(BatchError("the call for this key was cancelled"))
    return Failed(result) if isinstance(result, BaseException) else result
