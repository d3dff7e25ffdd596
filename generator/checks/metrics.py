"""Metrics: each comes from one place, and its keys fit that place."""

import math
from collections.abc import Iterator
from itertools import pairwise

from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.model import Metric

_ORIGINS = ("sql", "query", "promql", "expr")
# Which keys mean something only for metrics from some of the origins.
_ONLY = {
    "column": ("query",),
    "job": ("promql",),
    "per": ("promql",),
    "source": ("sql",),
    "buckets": ("sql",),
    "absent": ("sql", "query", "promql"),
}

# Which types a metric may have from which origins.
_TYPES = {"gauge": _ORIGINS, "counter": ("sql", "query"), "histogram": ("sql",)}


def check(files: Files) -> Iterator[Problem]:
    """Metrics from nowhere or from two places, and keys that mean nothing there."""
    for file in files.domains:
        for name, metric in file.model.metrics.items():
            yield from _metric(file, name, metric)


def _metric(file: DomainFile, name: str, metric: Metric) -> Iterator[Problem]:
    path = ("metrics", name)
    origins = [key for key in _ORIGINS if getattr(metric, key) is not None]
    if len(origins) != 1:
        message = f'metric "{name}" must come from exactly one of sql, query, promql and expr'
        hint = f"it has {' and '.join(origins)}" if origins else "add one, such as sql: SELECT count(*) AS value FROM …"
        yield Problem(file.key_span(path), "metric-origin", message, (hint,))
        return
    origin = origins[0]
    for key, allowed in _ONLY.items():
        if key in metric.model_fields_set and origin not in allowed:
            message = f"{key} means nothing for a metric that comes from {origin}"
            hint = f"it goes with {' or '.join(allowed)}"
            yield Problem(file.key_span((*path, key)), "metric-key", message, (hint,))
    if origin == "query" and metric.column is None:
        yield Problem(file.span((*path, "query")), "metric-key", f'metric "{name}" takes no column of its query')
    if origin == "promql" and metric.job is None:
        message = f'metric "{name}" must name the scrape job that its series come from'
        hint = "add job: without it nobody can tell a good value from a lost one"
        yield Problem(file.key_span((*path, "promql")), "metric-key", message, (hint,))
    if origin == "promql" and metric.absent == "error":
        message = "series of promql cannot be required; absent is zero or gone here"
        hint = "an alert with no_data: alert tells when they are lost"
        yield Problem(file.span((*path, "absent")), "metric-key", message, (hint,))
    if origin == "promql" and metric.absent == "zero" and (metric.by or metric.per):
        message = "only a metric without labels can be 0 where promql gives no series"
        yield Problem(file.span((*path, "absent")), "metric-key", message, ("leave absent out, or leave by out",))
        return
    yield from _type(file, name, metric, origin)
    if metric.absent == "zero" and not (isinstance(metric.by, dict) and all(metric.by.values())) and metric.by:
        message = "a group without rows can only be 0 where the values of every label are listed"
        span = file.span((*path, "absent"))
        yield Problem(span, "missing-values", message, ("write by: {priority: [high, medium, low]}",))


def _type(file: DomainFile, name: str, metric: Metric, origin: str) -> Iterator[Problem]:
    path = ("metrics", name)
    if origin not in _TYPES[metric.type]:
        message = f"a {metric.type} comes from {' or '.join(_TYPES[metric.type])}, not from {origin}"
        yield Problem(file.span((*path, "type")), "metric-key", message)
    if metric.type == "histogram" and metric.buckets is None:
        message = f'histogram "{name}" has no buckets'
        yield Problem(file.span((*path, "type")), "metric-key", message, ("add buckets: [0.1, 0.5, 1, 5]",))
    if metric.buckets is not None:
        span = file.span((*path, "buckets"))
        if metric.type != "histogram":
            yield Problem(span, "metric-key", "only a histogram has buckets", ("add type: histogram",))
        bounds = [float(bound) for bound in metric.buckets]
        rising = all(left < right for left, right in pairwise(bounds))
        if not rising or not all(map(math.isfinite, bounds)):
            yield Problem(span, "metric-key", "buckets must rise from each to the next and be finite")
