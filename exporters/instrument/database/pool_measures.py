"""The series of a pool by its name: OpenTelemetry's for client connection pools."""

import threading
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from exporters.instrument.families import families_of
from exporters.instrument.workers import shared_folder

# Seconds. The conventions advise none for these three; these are those of an operation.
TIME_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_NAME = "db_client_connection_pool_name"
TIMEOUT, TOO_MANY_REQUESTS = "PoolTimeout", "TooManyRequests"


@dataclass(frozen=True)
class PoolMeasures:
    """The series of all pools of one name."""

    idle: Gauge
    used: Gauge
    max: Gauge
    idle_min: Gauge
    pending: Gauge
    timeouts: Counter
    refusals: Counter
    wait: Histogram
    create: Histogram
    use: Histogram

    def begin_at_zero(self) -> None:
        """Forget what another process counted in these gauges."""
        for gauge in (self.idle, self.used, self.max, self.idle_min, self.pending):
            gauge.set(0)


class _Families:
    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, (_NAME, *labels), multiprocess_mode="livesum", registry=registry)

        def histogram(name: str, text: str) -> Histogram:
            return Histogram(name, text, (_NAME,), buckets=TIME_BUCKETS, registry=registry)

        self._lock = threading.Lock()
        self._is_shared = shared_folder() is not None
        self.by_name: dict[str, PoolMeasures] = {}
        self._count = gauge(
            "db_client_connection_count", "Connections of a pool by their state.", "db_client_connection_state"
        )
        self._max = gauge("db_client_connection_max", "The most connections that a pool may have.")
        self._idle_min = gauge("db_client_connection_idle_min", "The fewest connections that a pool keeps open.")
        self._pending = gauge("db_client_connection_pending_requests", "Callers that wait for a connection of a pool.")
        self._timeouts = Counter(
            "db_client_connection_timeouts_total",
            "Callers that got no connection of a pool: in time, or because too many waited.",
            (_NAME, "error_type"),
            registry=registry,
        )
        self._wait = histogram("db_client_connection_wait_time_seconds", "Time until a caller had a connection.")
        self._create = histogram("db_client_connection_create_time_seconds", "Time to make a new connection.")
        self._use = histogram("db_client_connection_use_time_seconds", "Time from taking a connection to its return.")

    def of(self, name: str) -> PoolMeasures:
        with self._lock:
            if name not in self.by_name:
                self.by_name[name] = self._new(name)
            return self.by_name[name]

    def _new(self, name: str) -> PoolMeasures:
        measures = PoolMeasures(
            self._count.labels(name, "idle"),
            self._count.labels(name, "used"),
            self._max.labels(name),
            self._idle_min.labels(name),
            self._pending.labels(name),
            self._timeouts.labels(name, TIMEOUT),
            self._timeouts.labels(name, TOO_MANY_REQUESTS),
            self._wait.labels(name),
            self._create.labels(name),
            self._use.labels(name),
        )
        if self._is_shared:
            # A worker that had this process id before, and was killed, may have left its numbers.
            measures.begin_at_zero()
        return measures


def pool_measures_of(registry: CollectorRegistry, name: str) -> PoolMeasures:
    """The series of a pool in a registry, all there from the start; pools of one name share them."""
    return families_of(registry, _Families).of(name)
