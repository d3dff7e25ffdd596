"""A snapshot as the bytes that a scrape gets."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    Sample,
    UnknownMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.utils import floatToGoString

from exporters.business.plan import Plan, Query, Series
from exporters.business.snapshot import DatabaseState, Histogram, Labels, QueryState, Snapshot

Format = Literal["text", "openmetrics"]

_PROCESS = ProcessCollector(registry=None)
_Plain = GaugeMetricFamily | CounterMetricFamily | UnknownMetricFamily
_FAMILIES: Mapping[str, type[_Plain]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "unknown": UnknownMetricFamily,
}


def content_type(format_: Format) -> str:
    """The value of the header Content-Type."""
    return CONTENT_TYPE_PLAIN_0_0_4 if format_ == "text" else openmetrics.CONTENT_TYPE_LATEST


def encode(snapshot: Snapshot, format_: Format) -> bytes:
    """The exposition of a snapshot, its families sorted by name; a family without a sample is left out."""
    names = Names.of(snapshot.plan)
    shown = (
        *_business(snapshot),
        *_of_databases(snapshot, names),
        *_of_queries(snapshot, names),
        *_of_itself(snapshot, names),
        *_PROCESS.collect(),
    )
    families = _Families(sorted((family for family in shown if family.samples), key=_SORTED_BY[format_]))
    if format_ == "text":
        return generate_latest(families)
    # The names of a plan need no escaping; allowing UTF-8 spares a look at every character of each.
    text: bytes = openmetrics.generate_latest(families, escaping=openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
    return text


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the exporter's metrics about itself."""

    up: str
    reading: str
    scrape_duration: str
    last_refresh: str
    query_success: str
    query_duration: str
    query_last_success: str
    query_irregularities: str
    reload_success: str
    last_reload: str

    @classmethod
    def of(cls, plan: Plan) -> "Names":
        """The names that one plan gives them."""
        return cls(
            up=f"{plan.platform}_up",
            reading=f"{plan.platform}_reading",
            scrape_duration=f"{plan.platform}_scrape_duration_seconds",
            last_refresh=f"{plan.platform}_last_refresh_timestamp_seconds",
            query_success=plan.query_success,
            query_duration=f"{plan.platform}_query_duration_seconds",
            query_last_success=f"{plan.platform}_query_last_success_timestamp_seconds",
            query_irregularities=f"{plan.platform}_query_irregularities_total",
            reload_success=f"{plan.platform}_config_last_reload_successful",
            last_reload=f"{plan.platform}_config_last_reload_success_timestamp_seconds",
        )


@dataclass(frozen=True, slots=True)
class _Families:
    """What the library's encoders take."""

    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


def _name_in_text(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _name_in_openmetrics(family: Metric) -> str:
    return family.name


_SORTED_BY = {"text": _name_in_text, "openmetrics": _name_in_openmetrics}


def _of_databases(snapshot: Snapshot, names: Names) -> Iterator[Metric]:
    texts: dict[str, tuple[str, Callable[[DatabaseState], float | None]]] = {
        names.up: ("Whether the database answered the last refresh.", lambda state: state.up),
        names.reading: (
            "Whether this exporter reads the database; where it does not, another replica does.",
            lambda state: state.reads,
        ),
        names.scrape_duration: (
            "How long the last refresh from the database took.",
            lambda state: state.duration_seconds,
        ),
        names.last_refresh: ("When the database was last asked.", lambda state: state.last_refresh),
    }
    for name, (text, value) in texts.items():
        yield _gauge(name, text, "database", {state.name: value(state) for state in snapshot.databases})


def _of_queries(snapshot: Snapshot, names: Names) -> Iterator[Metric]:
    texts: dict[str, tuple[str, Callable[[QueryState], float | None]]] = {
        names.query_success: ("Whether the query's last turn gave values.", lambda state: state.success),
        names.query_duration: ("How long the query's last turn took.", lambda state: state.duration_seconds),
        names.query_last_success: ("When the query last gave values.", lambda state: state.last_success),
    }
    for name, (text, value) in texts.items():
        yield _gauge(name, text, "query", {state.query.name: value(state) for state in snapshot.queries})
    text = "What was odd about the query or its answers, by kind."
    odd = CounterMetricFamily(names.query_irregularities, text, labels=["query", "kind"])
    for state in sorted(snapshot.queries, key=lambda state: state.query.name):
        for kind, times in sorted(state.irregularities.items()):
            odd.add_metric([state.query.name, kind], times)
    yield odd


def _of_itself(snapshot: Snapshot, names: Names) -> Iterator[Metric]:
    text = "Whether the last attempt to load the plan succeeded."
    yield GaugeMetricFamily(names.reload_success, text, value=snapshot.reload_success)
    yield GaugeMetricFamily(names.last_reload, "When the plan in use was loaded.", value=snapshot.last_reload)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float | None]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for labelled, value in sorted(values.items()):
        if value is not None:
            family.add_metric([labelled], value)
    return family


def _business(snapshot: Snapshot) -> Iterator[Metric]:
    """The families of the plan's series; what several queries give, each for other servers, is one family."""
    variants: dict[str, list[tuple[QueryState, Series]]] = {}
    for state in snapshot.queries:
        for series in state.query.series:
            variants.setdefault(series.name, []).append((state, series))
    for found in variants.values():
        text = _help(snapshot, found[0][1], [state.query for state, _ in found])
        yield _merged([_family(series, text, (state.values or {}).get(series.name, {})) for state, series in found])


def _help(snapshot: Snapshot, series: Series, queries: Sequence[Query]) -> str:
    names = " or ".join(query.name for query in queries)
    seconds = min(max(snapshot.lifetime_seconds, query.interval_seconds or 0) for query in queries)
    return f"{series.help} Query {names}, asked at most every {seconds:g} s."


def _merged(variants: Sequence[Metric]) -> Metric:
    """The first family with the samples of all; of two samples with the same labels the first is kept."""
    if len(variants) > 1:
        kept: dict[tuple[object, ...], Sample] = {}
        for sample in chain.from_iterable(family.samples for family in variants):
            kept.setdefault((sample.name, *sorted(sample.labels.items())), sample)
        variants[0].samples = list(kept.values())
    return variants[0]


def _family(series: Series, text: str, values: Mapping[Labels, float | Histogram]) -> Metric:
    labels = tuple(series.labels)
    if series.type == "histogram":
        histogram = HistogramMetricFamily(series.name, text, labels=labels)
        for labelled, value in sorted(values.items()):
            assert isinstance(value, Histogram)  # samples.read makes nothing else of one
            histogram.add_metric(labelled, _buckets(series, value), value.sum)
        return histogram
    family = _FAMILIES[series.type](series.name, text, labels=labels)
    for labelled, value in sorted(values.items()):
        assert not isinstance(value, Histogram)  # as above
        family.add_metric(labelled, value)
    return family


def _buckets(series: Series, value: Histogram) -> list[tuple[str, float]]:
    bounds = (*series.buckets, math.inf)
    counts = (*value.buckets, value.count)
    return [(floatToGoString(bound), count) for bound, count in zip(bounds, counts, strict=True)]  # type: ignore[no-untyped-call]
