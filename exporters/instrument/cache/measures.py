"""The series of caches in a registry. All caches of a process add up in them.

What happens on the way of every lookup is added up in plain numbers, for a counter of prometheus_client costs a
microsecond. They are passed on every second, before each scrape, and when the process ends.
"""

import atexit
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

from exporters.instrument.cache.reporter import Reporter
from exporters.instrument.families import families_of
from exporters.instrument.workers import shared_folder

# Seconds. Memory answers in some microseconds, Redis in some hundred, a busy loop in milliseconds.
DURATION_BUCKETS = (
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
OPERATIONS = {"get": ("hit", "miss", "error"), "set": ("ok", "error"), "delete": ("ok", "error")}
LAYERS = ("memory", "redis")
RESULTS = ("hit", "miss")
REASONS = ("expired", "evicted", "tag", "key")


class Operation:
    """One kind of operation of one cache, in numbers that only grow.

    ``busy_seconds`` is time in which at least one piece of its work was under way, so that no second counts twice.
    """

    __slots__ = ("_since", "_working", "busy_seconds", "counts", "error", "hit", "miss", "ok", "seconds")

    def __init__(self) -> None:
        self.hit = self.miss = self.ok = self.error = 0
        self.counts = [0] * (len(DURATION_BUCKETS) + 1)
        self.seconds = 0.0
        self.busy_seconds = 0.0
        self._working = 0
        self._since = 0.0

    def begin(self) -> None:
        """A piece of work begins, such as a round trip."""
        if not self._working:
            self._since = perf_counter()
        self._working += 1

    def end(self) -> None:
        """It has ended."""
        self._working -= 1
        if not self._working:
            self.busy_seconds += perf_counter() - self._since

    def worked(self, seconds: float) -> None:
        """A piece of work without any wait has just ended."""
        if not self._working:
            self.busy_seconds += seconds

    def waited(self, seconds: float) -> None:
        """A call is over after so long."""
        self.seconds += seconds
        self.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1

    def hit_at_once(self, seconds: float) -> None:
        """A call found what it wanted without any wait: all of the above in one, for there are many."""
        self.hit += 1
        if not self._working:
            self.busy_seconds += seconds
        self.seconds += seconds
        self.counts[bisect_left(DURATION_BUCKETS, seconds)] += 1

    def values(self) -> list[float]:
        """All numbers, in an order that stays."""
        return [self.hit, self.miss, self.ok, self.error, self.busy_seconds, self.seconds, *self.counts]


class Tally:
    """What one cache did.

    ``sizes`` tells how many keys its memory layer has, how many bytes they take, and how many were evicted so far.
    """

    def __init__(self, sizes: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)) -> None:
        self.operations = {name: Operation() for name in OPERATIONS}
        self.get, self.set, self.delete = self.operations.values()
        self.memory_hits = self.memory_misses = self.redis_hits = self.redis_misses = 0
        self.expired = self.by_tag = self.by_key = self.warmed = 0
        self.pending = self.redis_keys = self.redis_bytes = 0
        self.sizes = sizes

    def lookups(self) -> list[float]:
        """Hits and misses of each layer."""
        return [self.memory_hits, self.memory_misses, self.redis_hits, self.redis_misses]

    def invalidations(self) -> list[float]:
        """In the order of the reasons."""
        return [self.expired, self.sizes()[2], self.by_tag, self.by_key]


class Measures:
    """The families in a registry, and the caches that count into them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        folder = shared_folder()
        self._lock = threading.Lock()
        self._tallies: dict[Tally, dict[str, list[float]]] = {}
        self._reporter = Reporter(folder)
        # First, so that it is asked before the families at each scrape.
        registry.register(_Before(self.pass_on))
        counter, gauge = _makers(registry)
        operations = counter("cache_operations_total", "Operations of caches, one for each key.", "operation", "result")
        busy = counter(
            "cache_busy_seconds_total", "Time spent on the operations, without waits for others.", "operation"
        )
        durations = _Durations(
            "cache_operation_duration_seconds",
            "Time that callers waited for an operation.",
            ("operation",),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        lookups = counter("cache_layer_lookups_total", "Lookups in a layer.", "layer", "result")
        invalidations = counter("cache_invalidations_total", "Entries that left the cache.", "reason")
        self._operations = {
            name: (
                {result: operations.labels(name, result) for result in results},
                busy.labels(name),
                durations.labels(name),
            )
            for name, results in OPERATIONS.items()
        }
        self._lookups = [lookups.labels(layer, result) for layer in LAYERS for result in RESULTS]
        self._invalidations = [invalidations.labels(reason) for reason in REASONS]
        self._warmed = Counter("cache_warmed_keys_total", "Keys loaded by cache warming.", registry=registry)
        keys = gauge("cache_keys", "Keys in a layer.", "layer")
        sizes = gauge("cache_memory_bytes", "Memory of a layer.", "layer")
        self._keys = {layer: keys.labels(layer) for layer in LAYERS}
        self._bytes = {layer: sizes.labels(layer) for layer in LAYERS}
        self._pending = gauge("cache_write_behind_pending", "Writes that are not yet in the store behind the cache.")
        # One that had this process id before, and was killed, may have left its numbers.
        self._pass_sizes()
        atexit.register(self.pass_on)

    def add(self, tally: Tally) -> None:
        """A cache begins to count."""
        with self._lock:
            self._tallies[tally] = {}

    def remove(self, tally: Tally) -> None:
        """A cache has ended."""
        self.pass_on()
        with self._lock:
            self._tallies.pop(tally, None)
        self.pass_on()

    def pass_on(self) -> None:
        """Bring the series up to date."""
        with self._lock:
            for tally, passed in self._tallies.items():
                self._pass_counts(tally, passed)
            self._pass_sizes()

    def _pass_counts(self, tally: Tally, passed: dict[str, list[float]]) -> None:
        for name, operation in tally.operations.items():
            results, busy, durations = self._operations[name]
            hit, miss, ok, error, busy_seconds, seconds, *counts = _growth(passed, name, operation.values())
            for result, number in zip(("hit", "miss", "ok", "error"), (hit, miss, ok, error), strict=True):
                if number:
                    results[result].inc(number)
            busy.inc(busy_seconds)
            durations.add(counts, seconds)
        for name, counters, values in (
            ("lookups", self._lookups, tally.lookups()),
            ("invalidations", self._invalidations, tally.invalidations()),
            ("warmed", [self._warmed], [tally.warmed]),
        ):
            for one, number in zip(counters, _growth(passed, name, values), strict=True):
                one.inc(number)

    def _pass_sizes(self) -> None:
        tallies = list(self._tallies)
        sizes = [tally.sizes() for tally in tallies]
        self._keys["memory"].set(sum(keys for keys, _, _ in sizes))
        self._bytes["memory"].set(sum(size for _, size, _ in sizes))
        keys, size = sum(tally.redis_keys for tally in tallies), sum(tally.redis_bytes for tally in tallies)
        # A process that only forks others has nothing to tell, and does not keep them from it.
        speaks = (keys or size) and self._reporter.speaks()
        self._keys["redis"].set(keys if speaks else 0)
        self._bytes["redis"].set(size if speaks else 0)
        self._pending.set(sum(tally.pending for tally in tallies))


class _Before(Collector):
    """Has no series of its own: it sees that others are right when they are asked."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do

    def describe(self) -> Iterator[Metric]:
        yield from ()

    def collect(self) -> Iterator[Metric]:
        self._do()
        yield from ()


class _Durations(Histogram):
    """A histogram that takes many observations at once, which prometheus_client has no way for."""

    def add(self, counts: Sequence[float], seconds: float) -> None:
        """So many observations in each bucket, and their sum."""
        for bucket, number in zip(self._buckets, counts, strict=True):
            if number:
                bucket.inc(number)
        self._sum.inc(seconds)


def _makers(registry: CollectorRegistry) -> tuple[Callable[..., Counter], Callable[..., Gauge]]:
    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=registry)

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, multiprocess_mode="livesum", registry=registry)

    return counter, gauge


def _growth(passed: dict[str, list[float]], name: str, values: Sequence[float]) -> list[float]:
    before = passed.get(name) or [0] * len(values)
    passed[name] = list(values)
    return [now - then for now, then in zip(values, before, strict=True)]


def measures_of(registry: CollectorRegistry) -> Measures:
    """The measures of a registry, all series there from the start, made when they are asked for first."""
    return families_of(registry, Measures)
