"""The four families as they are kept: in plain numbers of one process, or where several workers count together.

A counter of prometheus_client takes a microsecond, and a request would need eight. So where no other process has to
see them, numbers are added up here and become families when a scrape asks; workers that share a folder go by way of
prometheus_client, whose format those files have.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# Bytes. The conventions advise no boundaries; the first is for messages without a body.
SIZE_BUCKETS = (0, 2**10, 2**14, 2**18, 2**22, 2**26)
LABELS = (
    "http_request_method",
    "http_route",
    "http_response_status_code",
    "error_type",
    "network_protocol_version",
    "url_scheme",
)
ACTIVE_LABELS = ("http_request_method", "url_scheme")
DURATION = ("http_server_request_duration_seconds", "Duration of HTTP server requests.")
RECEIVED = ("http_server_request_body_size_bytes", "Size of HTTP server request bodies.")
SENT = ("http_server_response_body_size_bytes", "Size of HTTP server response bodies.")
ACTIVE = ("http_server_active_requests", "Number of active HTTP server requests.")

# Seconds, bytes received, bytes sent.
Record = Callable[[float, int, int], None]


class Active(Protocol):
    """How many requests of a method and scheme are being answered."""

    def inc(self) -> None:
        """One begins."""

    def dec(self) -> None:
        """One ends."""


class Series(Protocol):
    """Where requests are counted."""

    def record(self, labels: tuple[str, ...]) -> Record:
        """What counts a request of these labels."""

    def active(self, labels: tuple[str, str]) -> Active:
        """The gauge of a method and a scheme."""

    def begin_at_zero(self) -> None:
        """In a process that was forked: what its parent is answering is not its own."""


class OwnSeries(Collector):
    """The numbers of this process alone."""

    def __init__(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> None:
        self._buckets = buckets
        self._requests: dict[tuple[str, ...], _Requests] = {}
        self._active: dict[tuple[str, str], _Active] = {}
        registry.register(self)

    def record(self, labels: tuple[str, ...]) -> Record:
        """See ``Series``."""
        return self._requests.setdefault(labels, _Requests(self._buckets)).record

    def active(self, labels: tuple[str, str]) -> Active:
        """See ``Series``."""
        return self._active.setdefault(labels, _Active())

    def begin_at_zero(self) -> None:
        """See ``Series``."""
        for requests in self._requests.values():
            requests.begin_anew()
        for active in self._active.values():
            active.begin_at_zero()

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses others of the same."""
        for name, text in (DURATION, RECEIVED, SENT):
            yield HistogramMetricFamily(name, text, labels=LABELS)
        yield GaugeMetricFamily(*ACTIVE, labels=ACTIVE_LABELS)

    def collect(self) -> Iterator[Metric]:
        """The numbers now; those of one request are all in it, or none."""
        *histograms, active = self.describe()
        for labels, requests in list(self._requests.items()):
            for family, (bounds, counts, total) in zip(histograms, requests.values(), strict=True):
                assert isinstance(family, HistogramMetricFamily)
                family.add_metric(labels, _cumulative(bounds, counts), total)
        for pair, gauge in list(self._active.items()):
            active.add_sample(ACTIVE[0], dict(zip(ACTIVE_LABELS, pair, strict=True)), gauge.value)
        yield from histograms
        yield active


class _Requests:
    """Requests of one label set.

    Its lock may be taken again by who has it: a garbage collection may begin under it and throw away a request that is
    being answered, which then counts.
    """

    __slots__ = ("_buckets", "_bytes", "_durations", "_lock", "_received", "_seconds", "_sent", "_sent_bytes")

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self._buckets = buckets
        self._lock = threading.RLock()
        self._durations = [0] * (len(buckets) + 1)
        self._received = [0] * (len(SIZE_BUCKETS) + 1)
        self._sent = [0] * (len(SIZE_BUCKETS) + 1)
        self._seconds = 0.0
        self._bytes = self._sent_bytes = 0

    def record(self, seconds: float, received: int, sent: int) -> None:
        """Count one."""
        with self._lock:
            self._durations[bisect_left(self._buckets, seconds)] += 1
            self._seconds += seconds
            self._received[bisect_left(SIZE_BUCKETS, received)] += 1
            self._bytes += received
            self._sent[bisect_left(SIZE_BUCKETS, sent)] += 1
            self._sent_bytes += sent

    def begin_anew(self) -> None:
        """In a process that was forked: who had the lock may be a thread that is not there."""
        self._lock = threading.RLock()

    def values(self) -> list[tuple[Sequence[float], list[int], float]]:
        """Boundaries, counts and sum of each of the three."""
        with self._lock:
            return [
                (self._buckets, self._durations.copy(), self._seconds),
                (SIZE_BUCKETS, self._received.copy(), self._bytes),
                (SIZE_BUCKETS, self._sent.copy(), self._sent_bytes),
            ]


class _Active:
    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.value = 0

    def inc(self) -> None:
        with self._lock:
            self.value += 1

    def dec(self) -> None:
        with self._lock:
            self.value -= 1

    def begin_at_zero(self) -> None:
        self._lock = threading.RLock()
        self.value = 0


class SharedSeries:
    """What all workers count together, in the files of prometheus_client."""

    def __init__(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> None:
        self._histograms = [
            Histogram(name, text, LABELS, buckets=bounds, registry=registry)
            for (name, text), bounds in ((DURATION, buckets), (RECEIVED, SIZE_BUCKETS), (SENT, SIZE_BUCKETS))
        ]
        self._active = Gauge(*ACTIVE, ACTIVE_LABELS, multiprocess_mode="livesum", registry=registry)
        self._gauges: dict[tuple[str, str], Gauge] = {}

    def record(self, labels: tuple[str, ...]) -> Record:
        """See ``Series``."""
        duration, received, sent = (family.labels(*labels).observe for family in self._histograms)

        def record(seconds: float, received_bytes: int, sent_bytes: int) -> None:
            duration(seconds)
            received(received_bytes)
            sent(sent_bytes)

        return record

    def active(self, labels: tuple[str, str]) -> Active:
        """See ``Series``."""
        gauge = self._gauges.get(labels)
        if gauge is None:
            gauge = self._gauges[labels] = self._active.labels(*labels)
            # A worker that had this process id before, and was killed, may have left its number.
            gauge.set(0)
        return gauge

    def begin_at_zero(self) -> None:
        """See ``Series``."""
        for gauge in self._gauges.values():
            gauge.set(0)


def _cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """As ``add_metric`` wants it: each boundary with all that is not above it."""
    names = [floatToGoString(bound) for bound in (*bounds, float("inf"))]  # type: ignore[no-untyped-call]
    return list(zip(names, accumulate(counts), strict=True))
