"""``platform.yaml``: what all domains of one platform share."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from generator.model.base import (
    DashedName,
    DurationText,
    EmailAddress,
    EnvironmentVariable,
    FilePath,
    HostPort,
    HttpUrl,
    Model,
    Name,
    Text,
    TimeOfDay,
    Timezone,
    Title,
    Version,
)
from generator.model.hours import QuietHours, Rotation, Weekday
from generator.model.tracing import Tracing

Access = Literal["none", "read", "write", "full"]


class Targets(Model):
    """The oldest version of each program that the output must load in."""

    prometheus: Version = "2.42"
    alertmanager: Version = "0.25"
    grafana: Version = "9.4"


class PostgresSource(Model):
    """A database that the business exporter reads; the connection string stays in an environment variable or file.

    ``max_age``: for how long the last good values of a query that fails are still shown, None: not at all.
    """

    type: Literal["postgres"]
    dsn_env: EnvironmentVariable | None = None
    dsn_file: FilePath | None = None
    max_age: DurationText | None = None


class Job(Model):
    """A scrape job of Prometheus."""

    targets: Annotated[list[HostPort], Field(min_length=1)]
    interval: DurationText | None = None
    timeout: DurationText | None = None
    metrics_path: Annotated[str, Field(pattern=r"^/\S*$")] = "/metrics"
    scheme: Literal["http", "https"] = "http"
    labels: dict[Name, Text] = {}


class Scrape(Model):
    """How often Prometheus scrapes and evaluates, and what."""

    interval: DurationText = "15s"
    evaluation_interval: DurationText = "15s"
    jobs: dict[DashedName, Job] = {}


class SlackChannel(Model):
    """Slack by incoming webhook; ``channel`` is a ``#channel`` or a ``@person``."""

    type: Literal["slack"]
    api_url_file: FilePath
    channel: Text
    quiet_hours: list[QuietHours] = []


class EmailChannel(Model):
    """Email through one SMTP server."""

    model_config = ConfigDict(serialize_by_alias=True)

    type: Literal["email"]
    to: Annotated[list[EmailAddress], Field(min_length=1)]
    from_: Annotated[EmailAddress, Field(alias="from")]
    smarthost: HostPort
    auth_username: Text | None = None
    auth_password_file: FilePath | None = None
    require_tls: bool = True
    quiet_hours: list[QuietHours] = []


class SnsChannel(Model):
    """SMS through Amazon SNS: a topic, or one phone number."""

    type: Literal["sns"]
    region: DashedName
    topic_arn: Annotated[str, Field(pattern=r"^arn:[^\s]+$")] | None = None
    phone_number: Annotated[str, Field(pattern=r"^\+[0-9]{6,15}$")] | None = None
    role_arn: Annotated[str, Field(pattern=r"^arn:[^\s]+$")] | None = None
    api_url: HttpUrl | None = None
    quiet_hours: list[QuietHours] = []


class PagerDutyChannel(Model):
    """A phone call through PagerDuty's Events API v2."""

    type: Literal["pagerduty"]
    routing_key_file: FilePath
    url: HttpUrl | None = None
    quiet_hours: list[QuietHours] = []


class WebhookChannel(Model):
    """A webhook; a secret address stays in ``url_file`` (Alertmanager 0.26 and later)."""

    type: Literal["webhook"]
    url: HttpUrl | None = None
    url_file: FilePath | None = None
    credentials_file: FilePath | None = None
    quiet_hours: list[QuietHours] = []


Channel = Annotated[
    SlackChannel | EmailChannel | SnsChannel | PagerDutyChannel | WebhookChannel, Field(discriminator="type")
]


class Cadence(Model):
    """When a message goes out: at once, ``every`` so often, or ``at`` a time of day (on a ``day`` of the week)."""

    every: DurationText | None = None
    at: TimeOfDay | None = None
    day: Weekday | None = None
    group_wait: DurationText | None = None
    group_interval: DurationText | None = None
    repeat: DurationText | None = None


class SeverityRow(Model):
    """One row of the escalation matrix.

    ``next`` names contacts in the order in which they are told; ``team-lead`` and ``team-member`` stand for the lead
    and the member of the alert's owner.
    """

    same_as: DashedName | None = None
    respond_within: DurationText | None = None
    channels: list[DashedName] = []
    next: DashedName | list[DashedName] | None = None
    playbook: Name | None = None


class RoutingKey(Model):
    """A contact's own PagerDuty service."""

    routing_key_file: FilePath


class Contact(Model):
    """A person, a team, or a rotation: per channel (by its name) the address that replaces the channel's own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | RoutingKey]

    title: Title | None = None
    lead: DashedName | None = None
    member: DashedName | None = None
    quiet_hours: list[QuietHours] = []
    rotation: Rotation | None = None


class Monitoring(Model):
    """Who hears that the monitoring itself is blind or broken, and which channel the Watchdog feeds."""

    owner: DashedName | None = None
    severity: DashedName | None = None
    channels: list[DashedName] = []
    watchdog: DashedName | None = None


class Role(Model):
    """What a role may do."""

    dashboards: Access = "none"
    alerts: Access = "none"
    configuration: Access = "none"


class Playbook(Model):
    """Steps to take, who is kept informed and how, and what tools there are."""

    title: Title | None = None
    steps: Annotated[list[Text], Field(min_length=1)]
    communication: dict[Name, Text] = {}
    tools: list[Text] = []


class Links(Model):
    """Where people reach what was generated; messages and dashboards link there."""

    prometheus: HttpUrl
    alertmanager: HttpUrl
    grafana: HttpUrl
    runbooks: HttpUrl


class Durations(Model):
    """In an environment only: scales ``for``, ``within``, cadences and response times, nothing else.

    ``slots``: ``always`` lets daily and weekly messages go out at any time, once in a day or week as scaled.
    """

    scale: Annotated[float, Field(gt=0, le=1, strict=False)] = 1.0
    slots: Literal["in_time", "always"] = "in_time"


class Platform(Model):
    """The whole of ``platform.yaml``, with an environment's overlay already laid over it."""

    platform: Name
    title: Title
    timezone: Timezone = "UTC"
    targets: Targets = Targets()
    sources: dict[DashedName, PostgresSource] = {}
    scrape: Scrape = Scrape()
    alertmanagers: Annotated[list[HostPort], Field(min_length=1)] = ["alertmanager:9093"]
    channels: dict[DashedName, Channel]
    notifications: dict[DashedName, Cadence] = {"immediate": Cadence()}
    severities: Annotated[list[DashedName], Field(min_length=1)] = [
        "critical", "high", "medium", "warning", "low", "info",
    ]  # fmt: skip
    escalation: dict[DashedName, SeverityRow] = {}
    contacts: dict[DashedName, Contact]
    monitoring: Monitoring = Monitoring()
    tracing: Tracing | None = None
    roles: dict[Name, Role] = {}
    playbooks: dict[Name, Playbook] = {}
    links: Links
    durations: Durations = Durations()
