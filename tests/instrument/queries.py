"""What was measured of a database's clients, read as a scrape reads it."""

from collections import Counter
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from tests.instrument.measured import Measured

DURATION = "db_client_operation_duration_seconds"
ROWS = "db_client_response_returned_rows"
POOL = "db_client_connection_pool_name"


def operations(registry: CollectorRegistry) -> dict[tuple[str, str, str], int]:
    """How many operations there were, by name, kind and error."""
    return {
        (one.labels["db_operation_name"], one.labels["db_query_kind"], one.labels["error_type"]): int(one.value)
        for one in Measured.of(registry).samples
        if one.name == f"{DURATION}_count"
    }


def seconds(registry: CollectorRegistry, operation: str) -> float:
    """How long the operations of one name took together."""
    return sum(
        one.value
        for one in Measured.of(registry).samples
        if one.name == f"{DURATION}_sum" and one.labels["db_operation_name"] == operation
    )


def returned(registry: CollectorRegistry) -> dict[str, tuple[int, int]]:
    """How many operations returned rows, and how many rows, by the operation's name."""
    counts: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for one in Measured.of(registry).samples:
        if one.name == f"{ROWS}_count":
            counts[one.labels["db_operation_name"]] += int(one.value)
        elif one.name == f"{ROWS}_sum":
            rows[one.labels["db_operation_name"]] += int(one.value)
    return {name: (number, rows[name]) for name, number in counts.items()}


@dataclass(frozen=True)
class Pool:
    """A pool's gauges."""

    idle: int
    used: int
    pending: int
    max: int
    idle_min: int


CLOSED = Pool(0, 0, 0, 0, 0)


def pool(registry: CollectorRegistry, name: str) -> Pool:
    """The gauges of a pool."""
    return pool_in(Measured.of(registry), name)


def pool_in(found: Measured, name: str) -> Pool:
    """The same, of a scrape."""
    values = {
        (one.name.removeprefix("db_client_connection_"), one.labels.get("db_client_connection_state", "")): one.value
        for one in found.samples
        if one.labels.get(POOL) == name
    }
    keys = [("count", "idle"), ("count", "used"), ("pending_requests", ""), ("max", ""), ("idle_min", "")]
    return Pool(*(int(values[key]) for key in keys))


def pool_count(registry: CollectorRegistry, name: str, series: str, error: str = "") -> int:
    """A counter of a pool, by the end of its name."""
    (value,) = (
        one.value
        for one in Measured.of(registry).samples
        if one.name == f"db_client_connection_{series}"
        and one.labels[POOL] == name
        and one.labels.get("error_type", "") == error
    )
    return int(value)
