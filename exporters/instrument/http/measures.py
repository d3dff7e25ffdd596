"""The four families of HTTP servers in OpenTelemetry's semantic conventions, by their names in Prometheus."""

import logging
import math
import os
import threading
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Gauge, Histogram

from exporters.instrument.http.labels import OTHER, SCHEMES, VERSIONS, known_methods
from exporters.instrument.workers import shared_folder

_log = logging.getLogger(__name__)

# Seconds: the boundaries that the conventions advise for http.server.request.duration.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
# Bytes. The conventions advise none; the first is for messages without a body.
SIZE_BUCKETS = (0, 2**10, 2**14, 2**18, 2**22, 2**26)
_LABELS = (
    "http_request_method",
    "http_route",
    "http_response_status_code",
    "error_type",
    "network_protocol_version",
    "url_scheme",
)
# How many label sets there may be, as in OpenTelemetry's SDKs. What comes after loses its route and its kind of error.
MOST_LABEL_SETS = 2000

# Route, status (empty where no answer was sent), kind of error.
Outcome = tuple[str, int | str, str]
_Observe = Callable[[float], None]
_Observers = tuple[_Observe, _Observe, _Observe]


class Measures:
    """The families in a registry."""

    def __init__(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> None:
        self.buckets = buckets
        self._methods = known_methods()
        self._is_shared = shared_folder() is not None
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            _LABELS,
            buckets=buckets,
            registry=registry,
        )
        self._received = Histogram(
            "http_server_request_body_size_bytes",
            "Size of HTTP server request bodies.",
            _LABELS,
            buckets=SIZE_BUCKETS,
            registry=registry,
        )
        self._sent = Histogram(
            "http_server_response_body_size_bytes",
            "Size of HTTP server response bodies.",
            _LABELS,
            buckets=SIZE_BUCKETS,
            registry=registry,
        )
        self._active = Gauge(
            "http_server_active_requests",
            "Number of active HTTP server requests.",
            ("http_request_method", "url_scheme"),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._label_sets = 0
        self._lock = threading.Lock()
        if self._is_shared:
            os.register_at_fork(after_in_child=self._begin_at_zero)

    def kind(self, method: str, scheme: str, version: str) -> "Kind":
        """What requests of a method, a scheme and a version of HTTP count into, each as the client sent it."""
        return self._kinds.get((method, scheme, version)) or self._new_kind(method, scheme, version)

    def new_observers(self, kind: "Kind", outcome: Outcome) -> _Observers:
        """The three histograms of a label set, or of a coarser one when there are too many."""
        with self._lock:
            if self._label_sets >= MOST_LABEL_SETS:
                _, status, error = outcome
                outcome = ("", status, error and OTHER)
            observers = kind.observers.get(outcome)
            if observers is None:
                method, scheme, version = kind.labels
                labels = (method, *outcome, version, scheme)
                families = (self._duration, self._received, self._sent)
                duration, received, sent = (family.labels(*labels).observe for family in families)
                observers = kind.observers[outcome] = duration, received, sent
                self._label_sets += 1
                if self._label_sets == MOST_LABEL_SETS:
                    _log.warning("%d label sets of HTTP requests: further ones lose their route", MOST_LABEL_SETS)
            return observers

    def _new_kind(self, method: str, scheme: str, version: str) -> "Kind":
        labels = (self._methods.get(method, OTHER), SCHEMES.get(scheme, ""), VERSIONS.get(version, ""))
        with self._lock:
            kind = self._kinds.get(labels)
            if kind is None:
                kind = self._kinds[labels] = Kind(self, labels, self._gauge(labels[0], labels[1]))
            return kind

    def _gauge(self, method: str, scheme: str) -> Gauge:
        gauge = self._gauges.get((method, scheme))
        if gauge is None:
            gauge = self._gauges[method, scheme] = self._active.labels(method, scheme)
            if self._is_shared:
                # A worker that had this process id before, and was killed, may have left its number.
                gauge.set(0)
        return gauge

    def _begin_at_zero(self) -> None:
        # What a parent is answering when it forks is not its child's.
        self._lock = threading.Lock()
        for gauge in self._gauges.values():
            gauge.set(0)


class Kind:
    """Requests of one method, scheme and version; the histograms that they used before are at hand."""

    __slots__ = ("_measures", "began", "ended", "labels", "observers")

    def __init__(self, measures: Measures, labels: tuple[str, str, str], active: Gauge) -> None:
        self._measures = measures
        self.labels = labels
        self.observers: dict[Outcome, _Observers] = {}
        self.began: Callable[[], None] = active.inc
        self.ended: Callable[[], None] = active.dec

    def record(self, outcome: Outcome, seconds: float, received: int, sent: int) -> None:
        """Count a request that is over, with the bytes of its two bodies."""
        observers = self.observers.get(outcome) or self._measures.new_observers(self, outcome)
        duration, request_size, response_size = observers
        duration(seconds)
        request_size(received)
        response_size(sent)
        if _log.isEnabledFor(logging.DEBUG):
            route, status, error = outcome
            words = (self.labels[0], route or "(no route)", status, f"{seconds * 1000:.1f} ms", error)
            _log.debug("%s", " ".join(str(word) for word in words if word != ""))


_measures: WeakKeyDictionary[CollectorRegistry, Measures] = WeakKeyDictionary()
_lock = threading.Lock()


def measures_of(registry: CollectorRegistry, duration_targets: Iterable[float]) -> Measures:
    """The families of a registry, made when they are asked for first.

    ``duration_targets``: seconds that become boundaries beside the conventions' own.

    Raises:
        ValueError: a target is no positive number, or the registry has the families with other boundaries.
    """
    targets = tuple(float(target) for target in duration_targets)
    if wrong := [target for target in targets if not 0 < target < math.inf]:
        raise ValueError(f"{wrong[0]} is no time in which a request could be answered")
    buckets = tuple(sorted({*DURATION_BUCKETS, *targets}))
    with _lock:
        found = _measures.get(registry)
        if found is None:
            found = _measures[registry] = Measures(registry, buckets)
        elif found.buckets != buckets:
            raise ValueError("duration_targets differ from those that this process measures with already")
        return found
