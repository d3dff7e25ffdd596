"""The numbers of one process, in memory or in a file that other processes read: whole ones, of eight bytes each."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

GENERATIONS = 3
# Seconds. The conventions have no pauses of CPython; those of the JVM advise 0.01, 0.1, 1 and 10.
PAUSE_BUCKETS = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BOUNDARIES = tuple(round(seconds * 1e9) for seconds in PAUSE_BUCKETS)
# When the process began, then for each generation: objects collected, uncollectable ones, nanoseconds, and how many
# collections fell into each bucket.
_BEFORE_BUCKETS = 3
_EACH = _BEFORE_BUCKETS + len(PAUSE_BUCKETS) + 1
LENGTH = 1 + GENERATIONS * _EACH
SIZE = 8 * LENGTH


@dataclass(frozen=True)
class Collections:
    """What one generation's collections came to."""

    collected: int
    uncollectable: int
    seconds: float
    # One more than there are boundaries.
    in_buckets: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.in_buckets)


def add(numbers: memoryview, generation: int, nanoseconds: int, collected: int, uncollectable: int) -> None:
    """Count one collection, with nothing that a collector would have to look after."""
    at = 1 + generation * _EACH
    numbers[at] += collected
    numbers[at + 1] += uncollectable
    numbers[at + 2] += nanoseconds
    numbers[at + _BEFORE_BUCKETS + bisect_left(_BOUNDARIES, nanoseconds)] += 1


def total(processes: Sequence[Sequence[int]]) -> tuple[Collections, ...]:
    """What processes came to together, by generation."""
    sums = [sum(process[place] for process in processes) for place in range(LENGTH)]
    return tuple(_collections(sums, 1 + generation * _EACH) for generation in range(GENERATIONS))


def _collections(sums: list[int], at: int) -> Collections:
    collected, uncollectable, nanoseconds = sums[at : at + _BEFORE_BUCKETS]
    in_buckets = tuple(sums[at + _BEFORE_BUCKETS : at + _EACH])
    return Collections(collected, uncollectable, nanoseconds / 1e9, in_buckets)
