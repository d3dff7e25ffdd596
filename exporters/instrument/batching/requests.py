"""What callers ask for, and the batches that it travels in."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BatchError(RuntimeError):
    """A call whose answer cannot be given to those who asked."""


@dataclass(frozen=True)
class Failed:
    """In place of a result."""

    error: BaseException


@dataclass(eq=False)
class Request(Generic[K, V]):
    """One key, and all who wait for it, each with the loop's time of its call."""

    key: K
    arrived: float
    callers: "dict[asyncio.Future[V | Failed], float]" = field(default_factory=dict)
    batch: "Batch[K, V] | None" = None

    def is_waited_for(self) -> bool:
        """Whether there is a caller that was not cancelled."""
        return any(not caller.done() for caller in self.callers)

    def arrivals(self) -> list[float]:
        """When those who wait came."""
        return [arrived for caller, arrived in self.callers.items() if not caller.done()]

    def settle(self, outcome: V | Failed) -> None:
        """Give everybody who waits the result, or the error."""
        for caller in self.callers:
            if not caller.done():
                caller.set_result(outcome)


class Batch(Generic[K, V]):
    """Requests that travel together. Until it leaves, further callers can join what it has."""

    def __init__(self, requests: list[Request[K, V]], unsent: dict[K, Request[K, V]]) -> None:
        self._requests = requests
        self._unsent = unsent
        self.task: asyncio.Task[Sequence[V | Failed]] | None = None
        for request in requests:
            request.batch = self

    def arrivals(self) -> list[float]:
        """When those who wait for it came."""
        return [arrived for request in self._requests for arrived in request.arrivals()]

    def depart(self) -> tuple[K, ...]:
        """The keys to send: those that somebody waits for. Nobody can join them from now on."""
        self._close()
        self._requests = [request for request in self._requests if request.is_waited_for()]
        return tuple(request.key for request in self._requests)

    def end_if_unwanted(self) -> None:
        """Stop the work for it, sent or not, when nobody waits any more."""
        if self.task is not None and not any(request.callers for request in self._requests):
            self.task.cancel()

    def settle(self, outcomes: Sequence[V | Failed]) -> None:
        """Give everybody the outcome of its key, which are in the order of the keys that were sent."""
        for request, outcome in zip(self._requests, outcomes, strict=True):
            request.settle(outcome)

    def fail(self, error: BaseException) -> None:
        """Give everybody the error; nothing of it can be joined any more."""
        self._close()
        for request in self._requests:
            request.settle(Failed(error))

    def _close(self) -> None:
        # Also what nobody waits for any more: who came now would wait for a request that never leaves.
        for request in self._requests:
            if self._unsent.get(request.key) is request:
                del self._unsent[request.key]
