"""What one scrape shows: the state of every query and of every database, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporters.business.irregularities import Kind
from exporters.business.plan import Plan, Query


@dataclass(frozen=True, slots=True)
class Histogram:
    """One histogram as SQL counted it: cumulative counts per bound, in the order of the series' ``buckets``."""

    buckets: tuple[float, ...]
    count: float
    sum: float


# Label values in the order of the series' ``labels``.
Labels = tuple[str, ...]
# By the name of the series: each label set with its value.
Values = Mapping[str, Mapping[Labels, "float | Histogram"]]


@dataclass(frozen=True, slots=True)
class QueryState:
    """One query after its last turn; times are Unix seconds.

    ``values`` is None where nothing may be shown; ``duration_seconds`` is None before the first turn, ``last_success``
    before the first success. ``success`` is about the last turn, also where older values are still shown.
    """

    query: Query
    success: bool
    values: Values | None
    duration_seconds: float | None
    last_success: float | None
    irregularities: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One database after its last refresh. ``reads``: this exporter reads it, and no other replica does."""

    name: str
    up: bool
    reads: bool
    duration_seconds: float | None
    last_refresh: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a scrape shows; after ``lifetime_seconds`` the databases are asked again."""

    plan: Plan
    databases: tuple[DatabaseState, ...]
    queries: tuple[QueryState, ...]
    lifetime_seconds: float
    reload_success: bool
    last_reload: float
