"""Plans by hand, for tests of emitters: complete, small, and changed with ``dataclasses.replace``."""

from generator import model
from generator.plan.cadences import cadence
from generator.plan.types import (
    Alert,
    Cadence,
    Channel,
    ContactRoute,
    ContactTitle,
    Domain,
    Email,
    Job,
    Links,
    Metric,
    Monitoring,
    PagerDuty,
    Plan,
    Record,
    Severity,
    Slack,
    Sns,
    Webhook,
)

CHANNELS = (
    Channel(
        "email",
        Email(("ops@fire22.example", "lead@fire22.example"), "alerts@fire22.example", "smtp.fire22.example:587",
              "alerts", "/run/secrets/smtp", True),
    ),
    Channel("hook", Webhook("http://127.0.0.1:9/hook", None, "/run/secrets/hook")),
    Channel("phone", PagerDuty("/run/secrets/pagerduty", None)),
    Channel("security", Slack("/run/secrets/slack", "#security")),
    Channel("slack", Slack("/run/secrets/slack", "#fire22-alerts")),
    Channel("sms", Sns("eu-north-1", "arn:aws:sns:eu-north-1:1:oncall", None, None, None)),
)  # fmt: skip
SEVERITIES = ("critical", "high", "medium", "warning", "low", "info")
WRITTEN_CADENCES = {
    "daily": model.Cadence(at="09:00"),
    "hourly": model.Cadence(every="1h"),
    "immediate": model.Cadence(),
    "weekly": model.Cadence(at="09:00", day="monday"),
}
ONCALL = ContactRoute(
    "on-call-engineer",
    "On-call engineer",
    ("critical",),
    (
        Channel("phone", PagerDuty("/run/secrets/pagerduty-oncall", None)),
        Channel("sms", Sns("eu-north-1", None, "+46700000001", None, None)),
    ),
)
ANNA = ContactRoute(
    "anna", 'Anna "the {{lead}}"', ("high", "medium"), (Channel("slack", Slack("/run/secrets/slack", "@anna")),)
)
CONTACTS = (
    ContactTitle("anna", ANNA.title),
    ContactTitle("on-call-engineer", ONCALL.title),
    ContactTitle("ops", "Operations"),
)


def cadences(scale: float = 1.0) -> tuple[Cadence, ...]:
    """The four cadences that platforms have."""
    return tuple(cadence(name, written, "UTC", scale) for name, written in WRITTEN_CADENCES.items())


def plan(*domains: Domain, scale: float = 1.0) -> Plan:
    """A platform with every kind of channel and cadence."""
    return Plan(
        platform="fire22",
        environment=None,
        directory="fire22",
        title="Fire22",
        timezone="UTC",
        prometheus_version=(2, 42),
        alertmanager_version=(0, 25),
        grafana_version=(9, 4),
        scrape_interval=15_000,
        evaluation_interval=15_000,
        jobs=(
            Job("fire22-api", ("api:8000",), 5_000, 5_000, "/metrics", "http", ()),
            Job("fire22-host", ("a:9100", "b:9100"), 30_000, 10_000, "/metrics", "https", (("site", "on: \"{{x}}\""),)),
        ),
        alertmanagers=("alertmanager-0:9093", "alertmanager-1:9093"),
        sources=(),
        channels=CHANNELS,
        cadences=cadences(scale),
        severities=tuple(Severity(name, rank, 300_000, (), (300_000, 600_000)) for rank, name in enumerate(SEVERITIES)),
        contacts=CONTACTS,
        contact_routes=(ANNA, ONCALL),
        monitoring=Monitoring("ops", "critical", ("email", "slack"), "immediate", "hook"),
        links=Links(
            "https://prometheus.fire22.example",
            "https://alertmanager.fire22.example",
            "https://grafana.fire22.example",
            "https://runbooks.fire22.example",
        ),
        domains=domains,
    )  # fmt: skip


def domain(
    name: str = "collections",
    *,
    metrics: tuple[Metric, ...] = (),
    records: tuple[Record, ...] = (),
    alerts: tuple[Alert, ...] = (),
) -> Domain:
    """A domain that holds what is given."""
    return Domain(
        name=name,
        title=name.capitalize(),
        description="",
        owner="ops",
        dashboard_path=None,
        refresh=15_000,
        dashboard_uid=f"fire22-{name}",
        group=f"fire22_{name}",
        queries=(),
        metrics=metrics,
        records=records,
        kpis=(),
        alerts=alerts,
        held=(),
        recordings=(),
        file=f"domains/fire22/{name}.yaml",
    )


def metric(name: str, *labels: str) -> Metric:
    """A gauge with labels of unknown values."""
    return Metric(
        domain="collections",
        name=name,
        title=name,
        help=name,
        series=f"fire22_collections_{name}",
        unit="none",
        type="gauge",
        labels=tuple((label, ()) for label in labels),
        fold="sum",
        origin="sql",
        promql=None,
        sql="SELECT 1 AS value",
        job=None,
        definition=None,
        health=None,
        source="fire22",
        show=True,
        zero_filled=False,
    )
