"""The platform's metrics, out of Prometheus: what its rules record, and what its exporters give.

A compiled metric is called ``<platform>_<domain>_<metric>``; names with a colon are the rules' own. A domain's
rules are one group, ``<platform>_<domain>``: so Prometheus itself says which domains there are.
"""

import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Literal, Protocol, TypeVar

from exporters.instrument.api.answers import (
    Current,
    CurrentMetric,
    CurrentSeries,
    History,
    HistoryMetric,
    HistorySeries,
    Point,
)
from exporters.instrument.api.parameters import CurrentParameters, HistoryParameters
from exporters.instrument.api.prometheus import Prometheus
from exporters.instrument.api.prometheus_answers import Groups, Matrix, Vector

POINTS = 500
SERIES = 500
_INTERVAL_SECONDS = 15
# Domains come and go with deployments.
_DOMAINS_SECONDS = 60


class _Found(Protocol):
    metric: dict[str, str]


F = TypeVar("F", bound=_Found)


class Metrics:
    """The metrics of one platform."""

    def __init__(self, platform: str, prometheus: Prometheus) -> None:
        self._platform = platform
        self._prometheus = prometheus
        self._lock = threading.Lock()
        self._domains: tuple[str, ...] = ()
        self._domains_until = -math.inf

    def current(self, asked: CurrentParameters) -> bytes:
        """The metrics now, as JSON.

        Raises:
            Refusal: Prometheus does not answer as it should.
        """
        until = time.monotonic() + self._prometheus.timeout_seconds
        domains = self._known_domains(until)
        now = time.time()
        parameters = {"query": self._query(asked.metric), "time": f"{now:.3f}", "limit": str(SERIES + 1)}
        found = self._prometheus.ask("query", parameters, Vector, until)
        shown = _sorted(one for one in found.result if one.value is not None)
        metrics = [
            CurrentMetric(
                name=name,
                domain=_domain(name, self._platform, domains),
                series=[_current(one.metric, one.value[1]) for one in series if one.value is not None],
            )
            for name, series in _by_name(shown[:SERIES])
        ]
        truncated = len(shown) > SERIES
        return _json(Current(platform=self._platform, time=round(now, 3), truncated=truncated, metrics=metrics))

    def history(self, asked: HistoryParameters) -> bytes:
        """The metrics over time, as JSON.

        Raises:
            Refusal: Prometheus does not answer as it should.
        """
        until = time.monotonic() + self._prometheus.timeout_seconds
        domains = self._known_domains(until)
        step, seconds = steps(asked.hours, asked.step)
        # Whole steps since 1970, as Grafana does it: the points of two questions are the same ones.
        end = math.floor(time.time() / step) * step
        start = end - seconds
        parameters = {
            "query": self._query(asked.metric), "start": str(start), "end": str(end), "step": str(step),
            "limit": str(SERIES + 1),
        }  # fmt: skip
        found = self._prometheus.ask("query_range", parameters, Matrix, until)
        shown = _sorted(one for one in found.result if one.values)
        metrics = [
            HistoryMetric(
                name=name,
                domain=_domain(name, self._platform, domains),
                series=[HistorySeries(labels=_labels(one.metric), points=_points(one.values)) for one in series],
            )
            for name, series in _by_name(shown[:SERIES])
        ]
        return _json(
            History(
                platform=self._platform,
                start=start,
                end=end,
                step_seconds=step,
                truncated=len(shown) > SERIES,
                metrics=metrics,
            )
        )

    def _query(self, names: Sequence[str]) -> str:
        """All of the platform; of these names where there are any. Both stand in it, so none can be another's."""
        wanted = f', __name__=~"{"|".join(sorted(set(names)))}"' if names else ""
        return f'{{__name__=~"{self._platform}_[a-zA-Z0-9_]+"{wanted}}}'

    def _known_domains(self, until: float) -> tuple[str, ...]:
        with self._lock:
            if time.monotonic() < self._domains_until:
                return self._domains
        answer = self._prometheus.ask("rules", {"type": "record"}, Groups, until)
        prefix = f"{self._platform}_"
        found = {group.name.removeprefix(prefix) for group in answer.groups if group.name.startswith(prefix)}
        with self._lock:
            # The longest first: a domain's name may be another's beginning.
            self._domains = tuple(sorted(found, key=lambda domain: (-len(domain), domain)))
            self._domains_until = time.monotonic() + _DOMAINS_SECONDS
            return self._domains


def steps(hours: float, step: int | None) -> tuple[int, int]:
    """Seconds between two points, and from the first to the last: whole steps, and no more than ``POINTS`` points."""
    seconds = hours * 3600
    unit = _INTERVAL_SECONDS if step is None else 1
    least = math.ceil(seconds / (POINTS - 1) / unit) * unit
    taken = max(least, unit if step is None else step)
    return taken, math.floor(seconds / taken) * taken


def _domain(name: str, platform: str, domains: Iterable[str]) -> str | None:
    return next((domain for domain in domains if name.startswith(f"{platform}_{domain}_")), None)


def _sorted(found: Iterable[F]) -> list[F]:
    return sorted(found, key=lambda one: (_name(one), sorted(one.metric.items())))


def _by_name(found: Iterable[F]) -> list[tuple[str, list[F]]]:
    return [(name, list(series)) for name, series in groupby(found, key=_name)]


def _name(found: _Found) -> str:
    return found.metric.get("__name__", "")


def _labels(metric: Mapping[str, str]) -> dict[str, str]:
    return {label: value for label, value in metric.items() if label != "__name__"}


def _current(metric: Mapping[str, str], value: float) -> CurrentSeries:
    finite = math.isfinite(value)
    return CurrentSeries(
        labels=_labels(metric), value=value if finite else None, non_finite=None if finite else _non_finite(value)
    )


def _non_finite(value: float) -> Literal["NaN", "+Inf", "-Inf"]:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def _points(values: Iterable[tuple[float, float]]) -> list[Point]:
    return [(when, value if math.isfinite(value) else None) for when, value in values]


def _json(answer: Current | History) -> bytes:
    return answer.model_dump_json().encode()
