"""Writes a platform of any size: every domain has 20 metrics, 20 alerts and a dashboard of at least 20 panels."""

from pathlib import Path

PLATFORM = """\
platform: synthetic
title: Synthetic
sources:
  warehouse: {type: postgres, dsn_env: WAREHOUSE_DSN}
scrape:
  interval: 15s
  jobs:
    api: {targets: ["api:8000"]}
channels:
  slack: {type: slack, api_url_file: /run/secrets/slack, channel: "#alerts"}
  email: {type: email, to: [ops@synthetic.example], from: alerts@synthetic.example, smarthost: "smtp.example:587"}
notifications:
  immediate: {}
  hourly: {every: 1h}
  daily: {at: "09:00"}
escalation:
  critical: {respond_within: 5m, channels: [slack, email], next: on-call}
  high: {respond_within: 15m, channels: [slack], next: team-lead}
  medium: {respond_within: 1h, channels: [slack]}
contacts:
  on-call: {slack: "#on-call", email: on-call@synthetic.example}
  anna: {slack: "@anna"}
  team: {slack: "#team", lead: anna}
playbooks:
  incident:
    steps: [Acknowledge the alert, Assess the impact, Notify who is concerned, Fix it, Write down what was learnt]
    communication: {internal: The incident channel}
    tools: [Dashboards]
links:
  prometheus: https://prometheus.synthetic.example
  alertmanager: https://alertmanager.synthetic.example
  grafana: https://grafana.synthetic.example
  runbooks: https://runbooks.synthetic.example
"""

METRICS = 20
SINGLE, SHARED, SERVICE = 10, 5, 3  # metrics with a SELECT each, from one SELECT, from a service; the rest are computed
ROW_ALERTS, METRIC_ALERTS = 6, 14


def write_platform(folder: Path, domains: int) -> Path:
    """Write ``folder/synthetic`` with so many domains; the same bytes every time."""
    platform = folder / "synthetic"
    platform.mkdir(parents=True)
    (platform / "platform.yaml").write_text(PLATFORM)
    for number in range(domains):
        name = f"part_{number:04}"
        (platform / f"{name}.yaml").write_text("\n".join(_domain(name, number)) + "\n")
    return platform


def _domain(name: str, number: int) -> list[str]:
    return [
        f"domain: {name}",
        f"title: Part {number}",
        f"description: The part of the business with the number {number}.",
        "owner: team",
        "source: warehouse",
        f"dashboard: {{path: /monitoring/{name.replace('_', '-')}, refresh: 30s}}",
        *_queries(number),
        *_records(number),
        "metrics:",
        *_single_metrics(number),
        *_shared_metrics(),
        *_service_metrics(name),
        *_computed_metrics(),
        "kpis:",
        *(f'  kpi_{kpi}: {{title: Share {kpi}, metric: share_{kpi}, target: ">= 9{kpi}%"}}' for kpi in range(4)),
        "alerts:",
        *_row_alerts(),
        *_metric_alerts(number),
    ]


def _queries(number: int) -> list[str]:
    columns = ", ".join(
        f"count(*) FILTER (WHERE state = 'done' AND step = {share})::float8 / nullif(count(*), 0) AS share_{share}"
        for share in range(SHARED)
    )
    return [
        "queries:",
        "  shares:",
        f"    sql: SELECT {columns} FROM orders_{number} WHERE created_at > now() - interval '1 day'",
    ]


def _records(number: int) -> list[str]:
    return [
        "records:",
        "  order:",
        f"    table: orders_{number}",
        "    where: state IN ('open', 'waiting')",
        "    fields:",
        "      order_age: {sql: now() - created_at, unit: seconds}",
        "      order_value: {sql: value, unit: usd}",
        "      priority: {sql: priority, values: [high, medium, low]}",
        "      disputed: {sql: is_disputed, boolean: true}",
    ]


def _single_metrics(number: int) -> list[str]:
    lines = []
    for metric in range(SINGLE):
        lines += [
            f"  waiting_{metric}:",
            f"    help: Orders that wait in step {metric}.",
            "    unit: orders",
        ]
        select = f"FROM orders_{number} WHERE state = 'waiting' AND step = {metric}"
        if metric % 3:
            lines.append(f"    sql: SELECT count(*) AS value {select}")
        else:
            lines += [
                "    by: {priority: [high, medium, low]}",
                "    total: sum",
                "    absent: zero",
                f"    sql: SELECT priority, count(*) AS value {select} GROUP BY priority",
            ]
    return lines


def _shared_metrics() -> list[str]:
    return [
        f"  share_{share}: {{help: Orders of step {share}., unit: ratio, query: shares, column: share_{share}}}"
        for share in range(SHARED)
    ]


def _service_metrics(name: str) -> list[str]:
    matched = f'job="api",route=~"/{name}/.*"'
    return [
        "  request_rate:",
        "    help: Requests per second.",
        "    unit: rps",
        "    job: api",
        f"    promql: sum(rate(http_requests_total{{{matched}}}[5m]))",
        "  error_rate:",
        "    help: Share of requests that failed.",
        "    unit: ratio",
        "    job: api",
        f'    promql: sum(rate(http_requests_total{{{matched},status=~"5.."}}[5m])) / '
        f"(sum(rate(http_requests_total{{{matched}}}[5m])) > 0)",
        "  response_time:",
        "    help: Response time that 95 of 100 requests stay under.",
        "    unit: seconds",
        "    job: api",
        "    promql: histogram_quantile(0.95, "
        f"sum by (le) (rate(http_request_duration_seconds_bucket{{{matched}}}[5m])))",
    ]


def _computed_metrics() -> list[str]:
    return [
        "  waiting_total: {help: Orders that wait in the first steps., unit: orders, expr: waiting_1 + waiting_2}",
        "  waiting_gap: {help: How far two steps are apart., unit: orders, expr: abs(waiting_4 - waiting_5)}",
    ]


def _row_alerts() -> list[str]:
    conditions = [
        "order_age > 24 hours AND priority = high",
        "order_age > 48 hours",
        "order_value > $10000",
        "disputed",
        "order_value > $500 AND NOT disputed AND priority != low",
        "order_age > 2 hours AND (priority = high OR order_value > $5000)",
    ]
    severities = ["critical", "high", "high", "medium", "medium", "critical"]
    lines = []
    for number, (condition, severity) in enumerate(zip(conditions, severities, strict=True)):
        lines += _alert(f"rows_{number}", condition, severity)
    return lines


def _metric_alerts(number: int) -> list[str]:
    lines = []
    for metric in range(SINGLE):
        threshold = 100 + 10 * metric + number % 7
        lines += _alert(f"waiting_{metric}_high", f"waiting_{metric} > {threshold}", ["high", "medium"][metric % 2])
    lines += _alert("share_low", "share_0 < 90% OR share_1 < 80%", "high")
    lines += _alert("errors", "error_rate > 1% AND request_rate > 1 rps", "critical")
    lines += _alert("slow", "response_time > 500ms", "high")
    lines += _alert("backlog", "waiting_total > waiting_3 * 4", "medium")
    return lines


def _alert(name: str, condition: str, severity: str) -> list[str]:
    return [
        f"  {name}:",
        f"    condition: {condition}",
        f"    severity: {severity}",
        "    notification: immediate",
        "    channels: [slack]",
        "    runbook: incident",
    ]
