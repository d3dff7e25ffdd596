"""The series of batches in a registry, one label set for each upstream."""

import threading
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from exporters.instrument.families import families_of
from exporters.instrument.workers import shared_folder

SIZE_BUCKETS = (1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 200, 500, 1000)
# Seconds. Who waits as long as the default allows, 0.2, falls between that and 0.25; 1 is where an alert compares.
WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# Seconds. Retries and what an upstream asks to wait before them are in it.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_LABELS = ("upstream",)


@dataclass(frozen=True)
class Measures:
    """The series of one upstream."""

    upstream: str
    size: Histogram
    wait: Histogram
    duration: Histogram
    deduplicated: Counter
    retries: Counter
    errors: Counter
    rate_limited: Counter
    in_flight: Gauge


class _Families:
    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, _LABELS, buckets=buckets, registry=registry)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, _LABELS, registry=registry)

        self._is_shared = shared_folder() is not None
        self._measures: dict[str, Measures] = {}
        self._lock = threading.Lock()
        self._size = histogram("request_batch_size", "Requests in a batch that was sent.", SIZE_BUCKETS)
        self._wait = histogram(
            "request_batch_wait_seconds", "Time from a request's call to the sending of its batch.", WAIT_BUCKETS
        )
        self._duration = histogram(
            "request_batch_duration_seconds",
            "Time from the sending of a batch to its answer, retries included.",
            DURATION_BUCKETS,
        )
        self._deduplicated = counter(
            "request_batch_deduplicated_total", "Requests answered by an equal one of the same batch."
        )
        self._retries = counter("request_batch_retries_total", "Repeated batches.")
        self._errors = counter("request_batch_errors_total", "Batches that failed after all retries.")
        self._rate_limited = counter("request_batch_rate_limited_total", "Requests that waited for the rate limit.")
        self._in_flight = Gauge(
            "request_batches_in_flight",
            "Number of batches being answered.",
            _LABELS,
            multiprocess_mode="livesum",
            registry=registry,
        )

    def of(self, upstream: str) -> Measures:
        with self._lock:
            if upstream not in self._measures:
                self._measures[upstream] = self._new(upstream)
            return self._measures[upstream]

    def _new(self, upstream: str) -> Measures:
        in_flight = self._in_flight.labels(upstream)
        if self._is_shared:
            # A worker that had this process id before, and was killed, may have left its number.
            in_flight.set(0)
        return Measures(
            upstream,
            self._size.labels(upstream),
            self._wait.labels(upstream),
            self._duration.labels(upstream),
            self._deduplicated.labels(upstream),
            self._retries.labels(upstream),
            self._errors.labels(upstream),
            self._rate_limited.labels(upstream),
            in_flight,
        )


def measures_of(registry: CollectorRegistry, upstream: str) -> Measures:
    """The series of an upstream in a registry, all there from the start, made when they are asked for first."""
    return families_of(registry, _Families).of(upstream)
