"""The sections of one domain's dashboard."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.condition.tree import MetricSymbol
from generator.emit.dashboards import panel, query, text
from generator.emit.dashboards.layout import Section
from generator.emit.dashboards.panel import Viz
from generator.emit.dashboards.thresholds import (
    Step,
    alert_steps,
    drawable,
    metric_steps,
    neutral,
    present_steps,
    severity_colour,
    target_steps,
)
from generator.emit.dashboards.units import Fields, shown_unit, span, unit
from generator.plan.types import Alert, Domain, Kpi, Metric, Plan

STATES: list[Fields] = [
    {
        "type": "value",
        "options": {
            "1": {"text": "pending", "color": "yellow", "index": 0},
            "2": {"text": "firing", "color": "red", "index": 1},
        },
    }
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a domain's panels need to know of the platform around it."""

    plan: Plan
    ranks: Mapping[str, int]
    metrics: Mapping[tuple[str, str], Metric]

    def rank(self, severity: str) -> int:
        """How bad a severity is, 0 the worst; the Watchdog's is none of the platform's."""
        return self.ranks.get(severity, len(self.ranks))


def surroundings(plan: Plan) -> Surroundings:
    """Look up severities and metrics once for all dashboards."""
    return Surroundings(
        plan,
        {severity.name: severity.rank for severity in plan.severities},
        {(metric.domain, metric.name): metric for domain in plan.domains for metric in domain.metrics},
    )


def sections(around: Surroundings, domain: Domain) -> list[Section]:
    """Targets, numbers of now, breakdowns, trends, alerts: from the most to the least looked at."""
    alerts: dict[str, list[Alert]] = {}
    for alert in domain.alerts:
        alerts.setdefault(alert.panel, []).append(alert)
    watched = {kpi.metric.name for kpi in domain.kpis if kpi.metric.domain == domain.name}
    return [
        Section("targets", "Targets", 6, 6, [_kpi(kpi) for kpi in domain.kpis]),
        Section("now", "Now", 6, 4, [_firing(around, domain), *_numbers(around, domain, watched, alerts)]),
        Section("breakdowns", "Breakdowns", 3, 7, list(_breakdowns(domain))),
        Section("trends", "Trends", 2, 8, list(_trends(around, domain, watched, alerts))),
        Section("alerts", "Alerts", 2, 8, [_states(around, domain), *_alerts(around, domain)] if domain.alerts else []),
    ]


def kpi_description(kpi: Kpi) -> str:
    """What a KPI's number is, and what it should be."""
    return f"{_help(kpi.metric)}\n\nTarget: {text.code(kpi.text)}"


def kpi_query(kpi: Kpi, board: str) -> tuple[str, str]:
    """A KPI's query and legend on a dashboard."""
    labels = () if query.is_one_number(kpi.metric) else query.label_names(kpi.metric)
    return query.value(kpi.metric, board), query.series_legend(labels, kpi.title)


def _kpi(kpi: Kpi) -> Viz:
    grafana_unit = shown_unit(kpi.metric)
    top = 1 if grafana_unit == "percentunit" else 2 * abs(kpi.target.value) or 1
    return panel.gauge(
        f"kpi/{kpi.name}",
        text.plain(kpi.title),
        kpi_description(kpi),
        [kpi_query(kpi, kpi.domain)],
        grafana_unit,
        target_steps(kpi.target),
        top,
    )


def _firing(around: Surroundings, domain: Domain) -> Viz:
    expr = query.firing_count(f'platform="{around.plan.platform}",domain="{domain.name}"')
    description = "How many of this domain's alerts fire now, escalations not counted again."
    return panel.stat(
        "now/firing/alerts", "Firing alerts", description, [(expr, "firing")], "short", present_steps("red")
    )


def _numbers(
    around: Surroundings, domain: Domain, watched: set[str], alerts: Mapping[str, list[Alert]]
) -> Iterator[Viz]:
    for metric in domain.metrics:
        if not metric.show or metric.name in watched or metric.type == "histogram" or not query.is_one_number(metric):
            continue
        steps = alert_steps(drawn, around.rank) if (drawn := _drawn(metric, alerts)) else neutral()
        yield panel.stat(
            f"now/{metric.name}",
            text.plain(metric.title),
            _help(metric) + _alert_lines(drawn),
            [(query.value(metric, metric.domain), text.legend(metric.title))],
            shown_unit(metric),
            steps,
        )


def _breakdowns(domain: Domain) -> Iterator[Viz]:
    for metric in domain.metrics:
        if metric.show and metric.labels and metric.type != "histogram":
            labels = query.label_names(metric)
            by = ", ".join(labels).replace("_", " ")
            yield panel.bar_gauge(
                f"breakdown/{metric.name}",
                text.plain(f"{metric.title} by {by}"),
                _help(metric),
                [(query.per_series(metric, metric.domain), query.series_legend(labels, metric.title))],
                shown_unit(metric),
                [{"color": "blue", "value": None}],
            )


def _trends(
    around: Surroundings, domain: Domain, watched: set[str], alerts: Mapping[str, list[Alert]]
) -> Iterator[Viz]:
    metrics_of_alerts = (alert.metric for alert in domain.alerts)
    looked_at = watched | {metric.name for metric in metrics_of_alerts if metric and metric.domain == domain.name}
    for metric in domain.metrics:
        key = f"trend/{metric.name}"
        if metric.name not in looked_at and key not in alerts and not (metric.type == "histogram" and metric.show):
            continue
        own = alerts.get(key, [])
        yield _trend(
            key,
            metric,
            [*_lines(metric, domain.name), *_compared(around, metric, own, domain.name)],
            metric_steps(metric, own, domain.kpis, around.rank),
            own,
        )


def _trend(key: str, metric: Metric, lines: list[tuple[str, str]], steps: list[Step], alerts: list[Alert]) -> Viz:
    return panel.time_series(
        key, text.plain(metric.title), _help(metric) + _alert_lines(alerts), lines, shown_unit(metric), steps
    )


def _lines(metric: Metric, board: str) -> list[tuple[str, str]]:
    """What a trend shows of a metric: each series, before them all of them folded; of a histogram, its quantiles."""
    labels = query.label_names(metric)
    if metric.type == "histogram":
        return [
            (query.quantile(metric, share), " ".join([f"p{share * 100:g}", query.series_legend(labels, "")]).strip())
            for share in query.QUANTILES
        ]
    lines = [(query.per_series(metric, metric.domain), query.series_legend(labels, metric.title))]
    if metric.labels and metric.fold:
        lines.insert(0, (query.value(metric, board), {"sum": "total"}.get(metric.fold, metric.fold)))
    return lines


def _compared(around: Surroundings, metric: Metric, alerts: list[Alert], board: str) -> Iterator[tuple[str, str]]:
    """The other metrics that the alerts compare this one with, where the axis is the same."""
    seen = {(metric.domain, metric.name)}
    for alert in alerts:
        for symbol in alert.condition.symbols if alert.condition else ():
            if not isinstance(symbol, MetricSymbol) or (symbol.domain, symbol.name) in seen:
                continue
            seen.add((symbol.domain, symbol.name))
            other = around.metrics[symbol.domain, symbol.name]
            if shown_unit(other) == shown_unit(metric) and other.type != "histogram":
                labels = query.series_legend(query.label_names(other), "")
                yield query.per_series(other, board), f"{text.legend(other.title)} {labels}".strip()


def _states(around: Surroundings, domain: Domain) -> Viz:
    here = f'platform="{around.plan.platform}",domain="{domain.name}"'
    by = ("alertname", *sorted({label for alert in domain.alerts for label in alert.by}))
    return panel.state_timeline(
        "alerts/states",
        "State of alerts",
        "Pending and firing alerts of this domain over time, escalations not shown again.",
        [(query.alert_states(here, by), query.series_legend(by, ""))],
        STATES,
    )


def _alerts(around: Surroundings, domain: Domain) -> Iterator[Viz]:
    for alert in domain.alerts:
        if alert.panel != f"alert/{alert.name}":
            continue
        if alert.kind == "rows":
            yield _row_alert(around, alert)
        elif alert.metric and alert.kind == "metrics":
            steps = metric_steps(alert.metric, [alert], (), around.rank)
            lines = [*_lines(alert.metric, domain.name), *_compared(around, alert.metric, [alert], domain.name)]
            yield _trend(alert.panel, alert.metric, lines, steps, [alert])
        else:
            yield _opaque_alert(around, alert)


def _row_alert(around: Surroundings, alert: Alert) -> Viz:
    queries = [(query.matching_rows(around.plan.platform, alert), query.series_legend(alert.by, "matching rows"))]
    overrides: tuple[Fields, ...] = ()
    if alert.worst:
        labels = query.series_legend(alert.worst.labels, "")
        queries.append((query.worst(alert.worst), f"worst {labels}".strip()))
        overrides = (_own_axis(panel.reference(1), unit(alert.value_unit)),)
    if alert.unlisted:
        queries.append((alert.unlisted, "more rows, not listed"))
    return _counted(around, alert, queries, overrides)


def _own_axis(reference: str, grafana_unit: str) -> Fields:
    return panel.override(
        "byFrameRefID",
        reference,
        unit=grafana_unit,
        **span(grafana_unit),
        custom__axisPlacement="right",
        custom__thresholdsStyle={"mode": "off"},
        custom__fillOpacity=0,
    )


def _opaque_alert(around: Surroundings, alert: Alert) -> Viz:
    """An alert in PromQL of its own says nothing of its numbers: show how many of its instances fire."""
    matchers = f'platform="{around.plan.platform}",domain="{alert.domain}",alertname="{alert.alertname}"'
    return _counted(around, alert, [(query.firing_instances(matchers), "firing")], ())


def _counted(around: Surroundings, alert: Alert, queries: list[tuple[str, str]], overrides: tuple[Fields, ...]) -> Viz:
    steps = present_steps(severity_colour(around.rank(alert.severity)))
    title = text.plain(alert.name.replace("_", " ").capitalize())
    description = f"{text.markdown(alert.summary)}{_alert_lines([alert])}".strip()
    return panel.time_series(alert.panel, title, description, queries, "short", steps, overrides)


def _drawn(metric: Metric, alerts: Mapping[str, list[Alert]]) -> list[Alert]:
    return drawable(metric, alerts.get(f"trend/{metric.name}", ()))


def _help(metric: Metric) -> str:
    per_second = " Per second." if metric.type == "counter" else ""
    return text.markdown(metric.help) + per_second


def _alert_lines(alerts: list[Alert]) -> str:
    return "".join(f"\n\nAlert {text.code(alert.name)} ({alert.severity}): {text.code(alert.text)}" for alert in alerts)


__all__ = ["STATES", "Surroundings", "kpi_description", "kpi_query", "sections", "surroundings"]
