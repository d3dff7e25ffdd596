"""The recordings of one domain's rule group: promql metrics, series held through blindness, and expr metrics.

The held form is the one of the design's section "A lost series is not good news": the last value stays while the health
of where it comes from is lost, and only then.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import promql_parser

from generator import durations, naming
from generator.condition import quantity_to_promql
from generator.condition.promql import quoted
from generator.condition.tree import MetricSymbol
from generator.plan.types import Health, Held, JobHealth, Metric, QueryHealth, Recording


@dataclass(frozen=True, slots=True)
class PromqlFacts:
    """What a ``promql:`` expression looks at: its longest range in milliseconds, and the series that it names."""

    window: int
    names: frozenset[str]

    @property
    def only_up(self) -> bool:
        """Whether it looks at nothing but ``up``, which is there while targets are down, too."""
        return self.names == {"up"}


@lru_cache(maxsize=1024)
def facts(promql: str) -> PromqlFacts:
    """Read an expression that parses."""
    longest = datetime.timedelta()
    names: set[str] = set()

    def visit(node: object) -> bool:
        nonlocal longest
        if isinstance(node, promql_parser.VectorSelector):
            names.add(node.name or "")
        if isinstance(node, promql_parser.MatrixSelector):
            longest = max(longest, node.range or longest)
            names.add(node.vector_selector.name or "")
        if isinstance(node, promql_parser.SubqueryExpr):
            longest = max(longest, node.range or longest)
        return True

    promql_parser.walk(promql_parser.parse(promql), visit)
    return PromqlFacts(int(longest.total_seconds() * 1000), frozenset(names))


def selector(name: str, labels: Mapping[str, str]) -> str:
    """The series of a metric with exactly these labels."""
    if not labels:
        return name
    return f"{name}{{{','.join(f'{label}={quoted(value)}' for label, value in labels.items())}}}"


def seen(platform: str, health: Health) -> str:
    """PromQL that has one sample exactly while the source of a series can be seen."""
    if isinstance(health, QueryHealth):
        return f"(max({naming.query_success(platform)}{{query={quoted(health.query)}}}) == 1)"
    up = f"up{{job={quoted(health.job)}}}"
    if health.window:
        up = f"min_over_time({up}[{durations.text(health.window)}])"
    return f"({up} == 1)" if health.per_instance else f"(max({up}) == 1)"


def lost(platform: str, health: Health, by: tuple[str, ...]) -> str:
    """PromQL that has a sample, without a number, while nothing of the source can be seen.

    An alert that is split by ``instance`` has one for each target that cannot be seen, too.
    """
    nothing = f"absent{seen(platform, health)} * NaN"
    if isinstance(health, JobHealth) and health.per_instance and "instance" in by:
        return f"max by (instance) {down(platform, health)} * NaN\nor {nothing}"
    return nothing


def down(platform: str, health: JobHealth) -> str:
    """PromQL that has a sample for each target of a job that cannot be seen."""
    return seen(platform, health).replace(" == 1)", " == 0)")


def held_expr(platform: str, record: str, value: str, health: Health, *, zero_filled: bool = False) -> str:
    """The recording rule of a held series over ``value``; ``zero_filled``: 0 where it is seen to be missing."""
    if isinstance(health, JobHealth) and health.per_instance:
        kept = f"{record} and on(instance) {down(platform, health)}"
        return f"({value} and on(instance) {seen(platform, health)})\nor ({kept})"
    healthy = seen(platform, health)
    zero = f"\nor on() (0 * {healthy})" if zero_filled else ""
    return f"({value} and on() {healthy})\nor ({record} unless on() {healthy}){zero}"


def any_replica(series: str, labels: tuple[str, ...]) -> str:
    """PromQL of an exporter's series with exactly its own labels, whichever replicas serve it under whichever labels.

    ``without (instance, job)`` would let through the labels of scrape jobs and of discovered targets: two replicas
    would be two alerts, and a match between them many-to-many.
    """
    return f"max by ({', '.join(labels)}) ({series})" if labels else f"max({series})"


def while_seen(platform: str, value: str, health: Health) -> str:
    """PromQL that has ``value`` only while its source can be seen: ``max_age`` shows older values to people alone."""
    return f"{value} and on() {seen(platform, health)}"


def given(platform: str, domain: str, metric: Metric) -> str:
    """The series by which the recordings of ``domain`` know a ``promql:`` metric.

    What another group records may be older than this group's look at ``up``: when the job comes back, its value would
    be missing for one evaluation and the alert would resolve. So the metric is recorded here once more.
    """
    if metric.domain == domain or metric.health is None or metric.origin != "promql":
        return metric.series
    return naming.recording(platform, domain, f"{metric.domain}_{metric.name}", "current")


class Recorder:
    """Gives conditions the names of the series that they read, and remembers what must be recorded for that."""

    def __init__(self, platform: str, domain: str, metrics: Mapping[tuple[str, str], Metric]) -> None:
        self.platform = platform
        self.domain = domain
        self.metrics = metrics
        self.held: dict[str, Held] = {}
        self.recordings: dict[str, Recording] = {}

    def own(self, metric: Metric) -> None:
        """Record a metric of this domain under its own name."""
        if metric.origin == "promql":
            self._record(metric.series, metric.promql or "")
        elif metric.origin == "expr":
            self._expr(metric, metric.series)

    def series(self, symbol: MetricSymbol) -> str:
        """The series with which a condition reads a metric: held, or by its own name where nothing can blind it."""
        return self.read(self.metrics[symbol.domain, symbol.name])

    def read(self, metric: Metric) -> str:
        """As ``series``, from the planned metric."""
        name = self._local(metric)
        if metric.origin == "expr":
            record = metric.series if metric.domain == self.domain else naming.held(self.platform, self.domain, name)
            self._expr(metric, record)
            return record
        if metric.health is None or metric.source is None:
            return metric.series
        labels = tuple(label for label, _ in metric.labels)
        series = given(self.platform, self.domain, metric)
        if series != metric.series:
            self._record(series, metric.promql or "")
        value = any_replica(series, labels) if metric.origin == "sql" else series
        filled = metric.zero_filled and not labels
        return self.hold(name, series, value, labels, metric.health, metric.source, zero_filled=filled).record

    def unheld(self, symbol: MetricSymbol) -> str:
        """The series with which a condition reads a metric whose loss is to count as good news (``no_data: ok``)."""
        metric = self.metrics[symbol.domain, symbol.name]
        if metric.origin == "sql":
            record = naming.recording(self.platform, self.domain, self._local(metric), "max")
            value = any_replica(metric.series, tuple(label for label, _ in metric.labels))
            assert metric.health is not None  # where it comes from a query, that query's
            self._record(record, while_seen(self.platform, value, metric.health))
            return record
        if metric.origin == "expr" and metric.definition is not None:
            record = naming.recording(self.platform, self.domain, self._local(metric), "current")
            if record not in self.recordings:
                by = tuple(label for label, _ in metric.labels)
                self._record(record, quantity_to_promql(metric.definition, self.unheld, by))
            return record
        if metric.zero_filled and metric.health is not None and not metric.labels:
            record = naming.recording(self.platform, self.domain, self._local(metric), "filled")
            self._record(record, f"{metric.series}\nor on() (0 * {seen(self.platform, metric.health)})")
            return record
        return metric.series

    def hold(
        self,
        name: str,
        series: str,
        value: str,
        labels: tuple[str, ...],
        health: Health,
        source: str,
        *,
        zero_filled: bool = False,
    ) -> Held:
        """Hold ``value`` of ``series`` in this group under ``name``."""
        record = naming.held(self.platform, self.domain, name)
        if record not in self.held:
            expr = held_expr(self.platform, record, value, health, zero_filled=zero_filled)
            self.held[record] = Held(record, series, labels, health, source, expr)
            self._record(record, expr)
        return self.held[record]

    def _local(self, metric: Metric) -> str:
        return metric.name if metric.domain == self.domain else f"{metric.domain}_{metric.name}"

    def _expr(self, metric: Metric, record: str) -> None:
        if record in self.recordings or metric.definition is None:
            return
        by = tuple(label for label, _ in metric.labels)
        expr = quantity_to_promql(metric.definition, self.series, by)
        self._record(record, expr)

    def _record(self, record: str, expr: str) -> None:
        self.recordings.setdefault(record, Recording(record, expr))
