"""Which connections of a pool are idle and which are used, told by the connections themselves."""

import os
import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from weakref import WeakSet

from prometheus_client import Gauge

from exporters.instrument.database.pool_measures import TOO_MANY_REQUESTS, PoolMeasures


class Occupancy:
    """What one pool adds to the series of its name."""

    def __init__(self, measures: PoolMeasures) -> None:
        self.measures = measures
        self.lock = threading.Lock()
        self._sizes = 0, 0
        _all.add(self)

    def opened(self, min_size: int, max_size: int) -> None:
        """The pool is open with these sizes, or goes on with others."""
        _let_the_departed_leave()
        with self.lock:
            self._resize(min_size, max_size)

    def closed(self) -> None:
        """The pool is closed; connections that are used go when they come back."""
        _let_the_departed_leave()
        with self.lock:
            self._resize(0, 0)

    def closed_later(self) -> None:
        """The same from a finalizer, which may run anywhere, also where a lock is held."""
        _departed.append(self.closed)

    def connected(self, seconds: float) -> "Place":
        """A new connection, which took so long to make."""
        _let_the_departed_leave()
        self.measures.create.observe(seconds)
        return Place(self)

    def refused(self, error: Exception) -> None:
        """A caller got no connection."""
        is_refusal = type(error).__name__ == TOO_MANY_REQUESTS
        (self.measures.refusals if is_refusal else self.measures.timeouts).inc()

    def forked(self) -> None:
        """This process is a child, in which nothing is open: what was, is the parent's."""
        self.lock = threading.Lock()
        self._sizes = 0, 0
        self.measures.begin_at_zero()

    def _resize(self, min_size: int, max_size: int) -> None:
        before, self._sizes = self._sizes, (min_size, max_size)
        self.measures.idle_min.inc(min_size - before[0])
        self.measures.max.inc(max_size - before[1])


class Place:
    """One connection's place in its pool; who is told of each step does not matter, only the state that it is in."""

    __slots__ = ("_at", "_forks", "_occupancy", "_taken_at")

    def __init__(self, occupancy: Occupancy) -> None:
        self._occupancy = occupancy
        self._forks = _forks
        self._at: Gauge | None = None
        self._taken_at = 0.0
        self._move(occupancy.measures.idle)

    def is_in(self, occupancy: Occupancy) -> bool:
        """Whether the connection is of this pool."""
        return self._occupancy is occupancy

    def take(self, waited: float) -> None:
        """Somebody has it, after waiting so long."""
        measures = self._occupancy.measures
        measures.wait.observe(waited)
        self._taken_at = perf_counter()
        self._move(measures.used)

    def give_back(self, is_broken: bool) -> None:
        """It comes back to the pool, which throws it away if it is broken."""
        measures = self._occupancy.measures
        if self._at is measures.used:
            measures.use.observe(perf_counter() - self._taken_at)
            self._move(None if is_broken else measures.idle)

    def leave(self) -> None:
        """It is closed, for good."""
        if self._at is not None:
            self._move(None)

    def leave_later(self) -> None:
        """The same from a finalizer."""
        if self._at is not None:
            _departed.append(self.leave)

    def _move(self, to: Gauge | None) -> None:
        occupancy = self._occupancy
        with occupancy.lock:
            at, self._at = self._at, to
            # After a fork a connection is the parent's, in whose numbers it stays.
            if at is to or self._forks != _forks:
                return
            if at is not None:
                at.dec()
            if to is not None:
                to.inc()


_all: WeakSet[Occupancy] = WeakSet()
_departed: deque[Callable[[], None]] = deque()
# How many forks lie between the first process and this one.
_forks = 0


def _let_the_departed_leave() -> None:
    while _departed:
        try:
            leave = _departed.popleft()
        except IndexError:  # another thread was faster
            return
        leave()


def _after_fork() -> None:
    global _forks
    _forks += 1
    _departed.clear()
    for occupancy in list(_all):
        occupancy.forked()


os.register_at_fork(after_in_child=_after_fork)
