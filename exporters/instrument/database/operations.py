"""The two families of database clients in OpenTelemetry's semantic conventions that count operations."""

import logging
import threading
from collections.abc import Callable

import psycopg
from prometheus_client import CollectorRegistry, Histogram

from exporters.instrument.families import families_of

_log = logging.getLogger(__name__)

# Seconds and rows: the boundaries that the conventions advise.
DURATION_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
ROWS_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_LABELS = ("db_system_name", "db_namespace", "db_operation_name", "db_query_kind", "server_address", "server_port")
_SYSTEM = "postgresql"
# How many label sets there may be, as in OpenTelemetry's SDKs. What comes after loses its database and kind of error.
MOST_LABEL_SETS = 2000
OTHER_ERROR = "_OTHER"

_Observe = Callable[[float], None]


class Operations:
    """What is counted of one database of one server; ``server`` is address and port."""

    def __init__(self, families: "_Families", namespace: str, server: tuple[str, str]) -> None:
        self._families = families
        self._namespace = namespace
        self._server = server
        self._durations: dict[tuple[str, str, str], _Observe] = {}
        self._rows: dict[tuple[str, str], _Observe] = {}

    def count(self, operation: str, kind: str, error: str, seconds: float, rows: int | None) -> None:
        """Count an operation; ``rows`` are those that came back, None where it is none that returns any."""
        observe = self._durations.get((operation, kind, error)) or self._new_duration(operation, kind, error)
        observe(seconds)
        if rows is not None:
            (self._rows.get((operation, kind)) or self._new_rows(operation, kind))(rows)

    def _new_duration(self, operation: str, kind: str, error: str) -> _Observe:
        families = self._families
        if families.is_full():
            series = families.duration.labels("", "", operation, kind, "", "", error and OTHER_ERROR)
        else:
            series = families.duration.labels(_SYSTEM, self._namespace, operation, kind, *self._server, error)
        observe: _Observe = series.observe
        self._durations[operation, kind, error] = observe
        return observe

    def _new_rows(self, operation: str, kind: str) -> _Observe:
        families = self._families
        if families.is_full():
            series = families.rows.labels("", "", operation, kind, "", "")
        else:
            series = families.rows.labels(_SYSTEM, self._namespace, operation, kind, *self._server)
        observe: _Observe = series.observe
        self._rows[operation, kind] = observe
        return observe


class _Families:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.duration = Histogram(
            "db_client_operation_duration_seconds",
            "Duration of database client operations.",
            (*_LABELS, "error_type"),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.rows = Histogram(
            "db_client_response_returned_rows",
            "Rows that a database operation returned.",
            _LABELS,
            buckets=ROWS_BUCKETS,
            registry=registry,
        )
        self._operations: dict[tuple[str, str, str], Operations] = {}
        self._label_sets = 0
        self._lock = threading.Lock()

    def of(self, namespace: str, address: str, port: str) -> Operations:
        key = namespace, address, port
        found = self._operations.get(key)
        # Databases that are too many share one object, and what it counts has no name of a database.
        return found or self._operations.setdefault(key, Operations(self, namespace, (address, port)))

    def is_full(self) -> bool:
        with self._lock:
            self._label_sets += 1
            if self._label_sets == MOST_LABEL_SETS:
                _log.warning("%d label sets of database operations: further ones lose their database", MOST_LABEL_SETS)
            return self._label_sets > MOST_LABEL_SETS


def operations_of(registry: CollectorRegistry, namespace: str, address: str, port: str) -> Operations:
    """What is counted in a registry of one database; made when it is asked for first."""
    return families_of(registry, _Families).of(namespace, address, port)


def error_type(error: BaseException) -> str:
    """psycopg's name for the error's SQLSTATE (``UniqueViolation``), or its class; others by their qualified name."""
    kind = type(error)
    if isinstance(error, psycopg.Error) or kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
