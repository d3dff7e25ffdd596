"""What operators write, as pydantic models: frozen, strict, unknown keys refused."""

from generator.model.domain import (
    Alert,
    Dashboard,
    Domain,
    Each,
    Field,
    Kpi,
    Metric,
    Query,
    Record,
)
from generator.model.hours import QuietHours, Rotation, Shift
from generator.model.platform import (
    Cadence,
    Channel,
    Contact,
    EmailChannel,
    Job,
    Links,
    Monitoring,
    PagerDutyChannel,
    Platform,
    Playbook,
    PostgresSource,
    Role,
    RoutingKey,
    Scrape,
    SeverityRow,
    SlackChannel,
    SnsChannel,
    Targets,
    WebhookChannel,
)
from generator.model.tracing import TracedService, Tracing

__all__ = [
    "Alert", "Cadence", "Channel", "Contact", "Dashboard", "Domain", "Each", "EmailChannel", "Field", "Job", "Kpi",
    "Links", "Metric", "Monitoring", "PagerDutyChannel", "Platform", "Playbook", "PostgresSource", "Query",
    "QuietHours", "Record", "Role", "Rotation", "RoutingKey", "Scrape", "SeverityRow", "Shift", "SlackChannel",
    "SnsChannel", "Targets", "TracedService", "Tracing", "WebhookChannel",
]  # fmt: skip
