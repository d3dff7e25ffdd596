"""Other services, as a batcher calls them, and what it says of them."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from exporters.instrument.batching import Retries
from tests.instrument.measured import Measured

AT_ONCE = Retries(first_delay_seconds=0, longest_delay_seconds=5)
T = TypeVar("T")


@dataclass
class Answered(Exception):
    """What HTTP clients raise for an answer that says no."""

    response: "Response"


@dataclass
class Response:
    """The part of an answer that is looked at."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


def says_no(status: int, retry_after: str | None = None) -> Answered:
    """The error of a status."""
    return Answered(Response(status, {} if retry_after is None else {"Retry-After": retry_after}))


class Upstream:
    """Answers a key with its capital letters, when the gate is open, after the errors that are still to come."""

    def __init__(self, *errors: Exception, is_open: bool = True) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.times: list[float] = []
        self.errors = list(errors)
        self.gate = asyncio.Event()
        self.running = self.most_at_once = 0
        self.cancelled = 0
        if is_open:
            self.gate.set()

    async def fetch(self, keys: Sequence[str]) -> Sequence[str | Exception]:
        self.calls.append(tuple(keys))
        self.times.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self.gate.wait()
            if self.errors:
                raise self.errors.pop(0)
            return [key.upper() for key in keys]
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def is_called(self, times: int) -> None:
        """Wait until there were so many calls."""
        await until(lambda: len(self.calls) >= times)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop that has no task left at its end, and says nothing of exceptions that nobody took."""
    said: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
        result = await main
        await turns(3)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect(1)  # what is young; all of a whole test run would take its time
        return result

    result = asyncio.run(watched())
    assert not said
    return result


async def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0)


async def turns(count: int = 20) -> None:
    """Let the loop turn so often that whatever can happen without waiting has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


def series(registry: CollectorRegistry, upstream: str = "players") -> dict[str, float]:
    """An upstream's series without what is in buckets; those in seconds are left out."""
    return {
        sample.name.removeprefix("request_batch_"): sample.value
        for sample in Measured.of(registry).samples
        if sample.labels == {"upstream": upstream} and not sample.name.endswith(("_created", "_seconds_sum"))
    }
