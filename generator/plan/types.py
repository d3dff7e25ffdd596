"""What is true of one platform: frozen, complete, every reference resolved. Durations are whole milliseconds."""

from dataclasses import dataclass
from typing import Literal

from generator.condition.tree import Condition, Quantity


@dataclass(frozen=True, slots=True)
class Job:
    """A scrape job of Prometheus."""

    name: str
    targets: tuple[str, ...]
    interval: int
    timeout: int
    metrics_path: str
    scheme: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A database of the business exporter; one of ``dsn_env`` and ``dsn_file`` is set.

    ``max_age`` is for how long the last good values of a query that fails are still shown, 0: not at all.
    """

    name: str
    dsn_env: str | None
    dsn_file: str | None
    max_age: int


@dataclass(frozen=True, slots=True)
class Slack:
    """Where a Slack message goes."""

    api_url_file: str
    channel: str


@dataclass(frozen=True, slots=True)
class Email:
    """Where an email goes, and through which server."""

    to: tuple[str, ...]
    from_: str
    smarthost: str
    auth_username: str | None
    auth_password_file: str | None
    require_tls: bool


@dataclass(frozen=True, slots=True)
class Sns:
    """Where an SMS goes."""

    region: str
    topic_arn: str | None
    phone_number: str | None
    role_arn: str | None
    api_url: str | None


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """Which PagerDuty service is triggered."""

    routing_key_file: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Which webhook is called."""

    url: str | None
    url_file: str | None
    credentials_file: str | None


Delivery = Slack | Email | Sns | PagerDuty | Webhook


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of a time interval, as Alertmanager knows them: everything that is given has to hold.

    ``start`` and ``end`` are minutes of the day, the last left out; the other ranges include both ends.
    """

    start: int = 0
    end: int = 24 * 60
    weekdays: tuple[str, ...] = ()
    days: tuple[int, int] | None = None
    months: tuple[int, int] | None = None
    years: tuple[int, int] | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """Stretches of time under one name; it holds where any of them does."""

    name: str
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Quiet hours: nothing goes out in ``interval``, but for alerts of the severities in ``except_``.

    ``text`` is what people read.
    """

    interval: TimeInterval
    except_: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to reach people."""

    name: str
    delivery: Delivery
    quiet: tuple[Quiet, ...] = ()


@dataclass(frozen=True, slots=True)
class Cadence:
    """When messages go out. ``at`` is HH:MM in ``timezone``; ``day`` a weekday's name; both None: at any time.

    ``is_open``: a slot that does not wait for its time of day (an environment's ``slots: always``).
    """

    name: str
    group_wait: int
    group_interval: int
    repeat_interval: int
    at: str | None
    day: str | None
    timezone: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class OnCall:
    """One person of a rotation: told while any of ``active`` holds and none of ``quiet``."""

    contact: str
    title: str
    channels: tuple[Channel, ...]
    active: tuple[TimeInterval, ...]
    quiet: tuple[Quiet, ...]


@dataclass(frozen=True, slots=True)
class ContactTitle:
    """How people call a contact, whether or not anything is ever escalated to it."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class ContactRoute:
    """How one contact is told of an escalation: the deliveries for alerts of the severities listed.

    Of a rotation, which has no ``channels`` of its own, ``on_call`` are its people. ``quiet`` are the contact's quiet
    hours that hold for these severities.
    """

    contact: str
    title: str
    severities: tuple[str, ...]
    channels: tuple[Channel, ...]
    quiet: tuple[Quiet, ...] = ()
    on_call: tuple[OnCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step: whom the alert goes to when it was not taken ``after`` milliseconds of firing.

    ``people`` is how people call those of a rotation; none where the contact is no rotation.
    """

    contact: str
    title: str
    after: int
    channels: tuple[str, ...]
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Severity:
    """A severity, ``rank`` 0 the worst, with its row of the matrix unrolled.

    ``escalates_after``: how many milliseconds of firing after which each of those who come next is told.
    """

    name: str
    rank: int
    respond_within: int | None
    channels: tuple[str, ...]
    escalates_after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Playbook:
    """Steps, who is kept informed and how, tools."""

    name: str
    title: str
    steps: tuple[str, ...]
    communication: tuple[tuple[str, str], ...]
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses without a trailing slash."""

    prometheus: str
    alertmanager: str
    grafana: str
    runbooks: str


@dataclass(frozen=True, slots=True)
class QueryHealth:
    """Seen while the exporter's query ``query`` (``domain/name``) succeeds."""

    query: str


@dataclass(frozen=True, slots=True)
class JobHealth:
    """Seen while ``job`` is up, and was for ``window`` (0: now); ``per_instance``: each target for itself."""

    job: str
    window: int
    per_instance: bool


Health = QueryHealth | JobHealth


@dataclass(frozen=True, slots=True)
class Held:
    """A series that survives blindness: ``record`` holds the last value of ``series`` while ``health`` is lost.

    ``labels`` are those that it carries; ``expr`` is the whole PromQL of its recording rule; ``source`` is the
    database or job that it comes from.
    """

    record: str
    series: str
    labels: tuple[str, ...]
    health: Health
    source: str
    expr: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule; those of a group stand in the order in which they need each other."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT of the exporter's plan.

    ``name`` is ``domain/metric``, ``domain/query`` or ``domain/record``. ``within`` is the event window in
    milliseconds that the SQL takes as the parameter ``within`` in seconds, else None.
    """

    name: str
    source: str
    sql: str
    series: tuple["ExporterSeries", ...]
    within: int | None
    file: str


@dataclass(frozen=True, slots=True)
class ExporterSeries:
    """What the exporter makes of one column of a query's result.

    Where a query groups by several sets of labels at once, ``grouping`` is the value of its column ``grouping_set`` in
    the rows that belong to this series (PostgreSQL, "Grouping Operations").
    """

    name: str
    help: str
    type: Literal["gauge", "counter", "histogram"]
    column: str
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    absent: Literal["zero", "gone", "error"]
    buckets: tuple[float, ...] = ()
    grouping: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that Prometheus keeps.

    ``series`` is its full name, ``labels`` its labels with their known values (``instance`` among them where it is
    kept per instance). ``fold`` is how series fold where one number is wanted. ``promql`` is the expression that
    is recorded under ``series`` (``promql:`` and ``expr:`` metrics), None where the exporter gives it. ``sql`` is the
    query as written, for runbooks. ``zero_filled``: while its job is seen, a ``promql:`` metric without a series
    counts as 0 for alerts (``absent: zero``).
    """

    domain: str
    name: str
    title: str
    help: str
    series: str
    unit: str
    type: Literal["gauge", "counter", "histogram"]
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    fold: Literal["sum", "max", "min", "avg"] | None
    origin: Literal["sql", "promql", "expr"]
    promql: str | None
    sql: str | None
    job: str | None
    definition: Quantity | None
    health: Health | None
    source: str | None
    zero_filled: bool
    show: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    """The number that an alert compares a metric with, in base units, for panels and gauges."""

    op: Literal[">", ">=", "<", "<=", "=", "!="]
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Kpi:
    """A gauge with its target."""

    domain: str
    name: str
    title: str
    metric: Metric
    target: Threshold
    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    ``expr`` is the PromQL of the base rule; ``labels`` are the static labels of the contract, in order; ``by`` the
    labels that its instances carry beside them. ``threshold`` is None where the condition compares no metric with a
    constant, ``threshold_text`` is what people read. ``metric`` is the first metric that it looks at, ``leaves`` are
    the exporter's and services' metrics that the expression comes from, ``expr:`` metrics unfolded, and ``reads`` the
    held series among them. ``worst`` is the held series of the worst row's value, which is in ``value_unit``.
    ``value_text`` is said in place of the number where the number says nothing. ``matching_sql`` lists the offending
    rows; ``unlisted`` counts those beyond the limit of ``each``. ``notes`` say something more per value of the first
    label in ``by``.
    """

    domain: str
    name: str
    alertname: str
    kind: Literal["metrics", "rows", "promql"]
    condition: Condition | None
    text: str
    expr: str
    by: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    severity: str
    owner: str
    notification: str
    channels: tuple[str, ...]
    subject: str
    source: str | None
    for_: int
    keep_firing_for: int
    no_data: Literal["keep", "ok", "alert"]
    escalations: tuple[Escalation, ...]
    summary: str
    description: str
    metric: Metric | None
    threshold: Threshold | None
    threshold_text: str
    value_unit: str
    value_text: str | None
    worst: Held | None
    reads: tuple[Held, ...]
    leaves: tuple[Metric, ...]
    is_event: bool
    within: int | None
    each: str | None
    steps: tuple[str, ...]
    playbook: Playbook | None
    matching_sql: str | None
    unlisted: str | None
    notes: tuple[tuple[str, str], ...]
    runbook_url: str
    dashboard_url: str
    panel: str
    file: str


@dataclass(frozen=True, slots=True)
class Record:
    """Rows that alerts look at one by one."""

    name: str
    title: str
    table: str
    is_event: bool
    within: int | None


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain, whole."""

    name: str
    title: str
    description: str
    owner: str
    dashboard_path: str | None
    refresh: int
    dashboard_uid: str
    group: str
    queries: tuple[Query, ...]
    metrics: tuple[Metric, ...]
    records: tuple[Record, ...]
    kpis: tuple[Kpi, ...]
    alerts: tuple[Alert, ...]
    held: tuple[Held, ...]
    recordings: tuple[Recording, ...]
    file: str


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Who hears that the monitoring itself is blind or broken; ``watchdog`` is a channel or None.

    What is not urgent has the ``mildest_severity`` and the ``slowest_notification``.
    """

    owner: str
    severity: str
    channels: tuple[str, ...]
    notification: str
    watchdog: str | None
    mildest_severity: str = "info"
    slowest_notification: str = "immediate"


@dataclass(frozen=True, slots=True)
class SampledPath:
    """The share that is kept of the traces that begin with a request to a path, or ``below`` it; it ends in a slash."""

    path: str
    below: bool
    ratio: float


@dataclass(frozen=True, slots=True)
class TracedService:
    """A service that sends spans; ``endpoint`` is the address before ``/v1/traces``, without a slash at its end.

    ``ratio`` is the share that is kept where no path says otherwise. Of ``paths`` the first that matches holds, and
    ``excluded`` comes before all of them.
    """

    name: str
    version: str | None
    endpoint: str
    ratio: float
    excluded: tuple[SampledPath, ...]
    paths: tuple[SampledPath, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One platform in one environment; domains, channels and the rest are sorted by name, metrics and alerts are in
    the order of their file."""

    platform: str
    environment: str | None
    directory: str
    title: str
    timezone: str
    prometheus_version: tuple[int, ...]
    alertmanager_version: tuple[int, ...]
    grafana_version: tuple[int, ...]
    scrape_interval: int
    evaluation_interval: int
    jobs: tuple[Job, ...]
    alertmanagers: tuple[str, ...]
    sources: tuple[Source, ...]
    channels: tuple[Channel, ...]
    cadences: tuple[Cadence, ...]
    severities: tuple[Severity, ...]
    contacts: tuple[ContactTitle, ...]
    contact_routes: tuple[ContactRoute, ...]
    monitoring: Monitoring
    links: Links
    domains: tuple[Domain, ...]
    traced: tuple[TracedService, ...] = ()
