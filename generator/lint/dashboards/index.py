"""What the plan says that dashboards must agree with, looked up once."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from generator import naming
from generator.plan.types import Alert, Domain, Metric, Plan, Threshold

FOLDER = "grafana/dashboards/"


@dataclass(frozen=True, slots=True)
class Expected:
    """What one panel must show: the values of its thresholds, whether red is among their colours, its unit."""

    values: frozenset[float]
    red: bool
    unit: str | None


@dataclass(frozen=True, slots=True)
class PlanIndex:
    """A plan as the lint asks for it. ``titles`` collects those met so far, which must differ."""

    plan: Plan
    domains: dict[str, Domain]
    uids: frozenset[str]
    runbooks: frozenset[str]
    series: frozenset[str]
    rising: frozenset[str]
    worst_severities: frozenset[str]
    titles: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> "PlanIndex":
        """Index a plan."""
        rising = frozenset(name for domain in plan.domains for name in _rising(domain))
        known = {name for domain in plan.domains for name in _series(plan.platform, domain)}
        known |= {"ALERTS", "ALERTS_FOR_STATE", "up", naming.query_success(plan.platform)}
        return cls(
            plan,
            {f"{FOLDER}{domain.name}.json": domain for domain in plan.domains},
            frozenset(domain.dashboard_uid for domain in plan.domains)
            | {naming.dashboard_uid(plan.platform, "overview")},
            frozenset(alert.runbook_url.partition("#")[0] for domain in plan.domains for alert in domain.alerts),
            frozenset(known) | rising,
            rising,
            frozenset(severity.name for severity in plan.severities if severity.rank == 0),
        )

    def uid(self, path: str) -> str:
        """The uid that the dashboard in a file must have."""
        domain = self.domains.get(path)
        return domain.dashboard_uid if domain else naming.dashboard_uid(self.plan.platform, "overview")

    def expected(self, path: str) -> dict[int, Expected]:
        """What each panel of a domain's dashboard must agree with, by the panel's id."""
        domain = self.domains.get(path)
        if domain is None:
            return {}
        by_panel: dict[str, list[Alert]] = {}
        for alert in domain.alerts:
            by_panel.setdefault(alert.panel, []).append(alert)
        targets: dict[str, list[Threshold]] = {}
        found = {}
        for kpi in domain.kpis:
            targets.setdefault(kpi.metric.series, []).append(kpi.target)
            found[f"kpi/{kpi.name}"] = Expected(frozenset({kpi.target.value}), True, _unit(kpi.metric))
        for metric in domain.metrics:
            drawn = [alert for alert in by_panel.get(f"trend/{metric.name}", ()) if _is_drawn(metric, alert)]
            of_alerts = self._of_alerts(metric, drawn)
            found[f"now/{metric.name}"] = of_alerts
            of_targets = targets.get(metric.series, []) if metric.type == "gauge" else []
            if not drawn and of_targets:
                of_alerts = Expected(frozenset({of_targets[0].value}), True, _unit(metric))
            found[f"trend/{metric.name}"] = of_alerts
            found[f"breakdown/{metric.name}"] = Expected(frozenset(), False, _unit(metric))
        found.update({key: self._of_alert(alerts[0]) for key, alerts in by_panel.items() if key.startswith("alert/")})
        return {naming.panel_id(key): expected for key, expected in found.items()}

    def _of_alert(self, alert: Alert) -> Expected:
        if alert.kind == "metrics" and alert.metric:
            return self._of_alerts(alert.metric, [alert] if _is_drawn(alert.metric, alert) else [])
        return Expected(frozenset({1}), alert.severity in self.worst_severities, None)

    def _of_alerts(self, metric: Metric, alerts: list[Alert]) -> Expected:
        values = frozenset(alert.threshold.value for alert in alerts if alert.threshold)
        red = any(alert.severity in self.worst_severities for alert in alerts)
        return Expected(values, red, _unit(metric))


def _is_drawn(metric: Metric, alert: Alert) -> bool:
    """Whether an alert's threshold is a number on the axis of its panel."""
    limit = alert.threshold
    same = alert.metric is not None and alert.metric.series == metric.series
    return limit is not None and metric.type == "gauge" and limit.unit == metric.unit and same


def _unit(metric: Metric) -> str | None:
    return None if metric.type == "counter" else metric.unit


def _rising(domain: Domain) -> Iterator[str]:
    """Names of counters and of the parts of histograms: only their rates mean anything."""
    for metric in domain.metrics:
        if metric.type == "counter":
            yield metric.series
        elif metric.type == "histogram":
            yield from (f"{metric.series}_{part}" for part in ("bucket", "sum", "count"))


def _series(platform: str, domain: Domain) -> Iterator[str]:
    yield from (metric.series for metric in domain.metrics)
    yield from (series.name for query in domain.queries for series in query.series)
    yield from (recording.record for recording in domain.recordings)
    for held in domain.held:
        yield from (held.record, held.series)
    for alert in domain.alerts:
        if alert.kind == "rows":
            yield naming.matching_rows(platform, domain.name, alert.name)
            yield naming.unlisted_rows(platform, domain.name, alert.name)
        if alert.worst:
            yield alert.worst.series
        if alert.unlisted:
            yield alert.unlisted
