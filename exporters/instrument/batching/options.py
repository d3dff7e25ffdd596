"""What can be set, and what is so if nothing is. Times are in seconds."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from exporters.instrument.batching.transience import is_transient
from exporters.instrument.bounds import at_least


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many requests travel together, how long they wait for each other, and how often it may be called.

    ``calls_per_second`` spaces calls evenly, retries among them, without a burst; None is as often as needed.

    Raises:
        ValueError: a number that nothing could be sent with.
    """

    batch_size: int = 50
    wait_seconds: float = 0.2
    concurrent_batches: int = 3
    calls_per_second: float | None = None

    def __post_init__(self) -> None:
        at_least("batch_size", self.batch_size, 1)
        at_least("wait_seconds", self.wait_seconds, 0)
        at_least("concurrent_batches", self.concurrent_batches, 1)
        if self.calls_per_second is not None and not 0 < self.calls_per_second < math.inf:
            raise ValueError(f"calls_per_second is {self.calls_per_second}, which is no rate")


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often a failed call is repeated, and after how long.

    The delay doubles each time, and up to half of the first is added by chance. ``Retry-After`` of an error is kept to;
    one that is longer than ``longest_delay_seconds`` ends it, for asking earlier would not be right.

    ``on`` says which errors may pass by themselves. These alone are retried, and count for the circuit breaker.

    Raises:
        ValueError: a number that means no time, or no count.
    """

    attempts: int = 2
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 30.0
    on: Callable[[Exception], bool] = is_transient

    def __post_init__(self) -> None:
        at_least("attempts", self.attempts, 0)
        at_least("first_delay_seconds", self.first_delay_seconds, 0)
        at_least("longest_delay_seconds", self.longest_delay_seconds, self.first_delay_seconds)


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """After how many failed batches in a row nothing is sent, and for how long; then one batch tries.

    Raises:
        ValueError: a number that means no time, or no count.
    """

    failures: int = 5
    open_seconds: float = 30.0

    def __post_init__(self) -> None:
        at_least("failures", self.failures, 1)
        if not 0 < self.open_seconds < math.inf:
            raise ValueError(f"open_seconds is {self.open_seconds}, which is no time to wait")
