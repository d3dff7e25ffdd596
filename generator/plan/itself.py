"""The domain that watches the monitoring itself: blindness, failing rules and deliveries, and the Watchdog."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from generator import durations, naming
from generator.condition.promql import quoted
from generator.plan import people
from generator.plan.alerts import dashboard_url, runbook_url
from generator.plan.types import Alert, Domain, Escalation, Job, JobHealth, Links, Monitoring, Playbook, QueryHealth

BLIND_AFTER = 120_000
# Longer than the window that it looks back: for some five seconds after each start and reload Prometheus has not found
# Alertmanager yet, and drops what it would send just then. That is sent again a minute later, and nobody's trouble.
DROPPED_AFTER = 360_000
# A rotation that is written out until a date is written on in time, by people who may be on leave.
ROTATION_WARNING = timedelta(days=14)
NAMED_ALERTS = 50
PROMETHEUS_JOB = "prometheus"
ALERTMANAGER_JOB = "alertmanager"
_STEPS = {
    "source": (
        "Look at the exporter or service and at the database or host behind it: is it up, and can Prometheus reach it?",
        "Until it is seen again, the alerts named in the message keep their last state: firing ones do not resolve.",
        "Watch the business by other means while this lasts.",
    ),
    "query": (
        "Read the exporter's log for the query that the message names, and run it by hand with the monitoring role.",
        "Correct the domain file or the database, then check that the query succeeds again.",
    ),
    "rules": (
        "Open Prometheus's rule page and read the error of the failing rule.",
        "A rule that fails raises no alert: treat what it watches as unwatched until it evaluates again.",
    ),
    "delivery": (
        "Read Alertmanager's log: it names the receiver that refuses messages.",
        "Tell the people whom that receiver serves by other means; look at Alertmanager's page for what is firing.",
    ),
    "rotation": (
        "Write the rotation on in platform.yaml: a later `until`, and its people as they are now.",
        "After that date everybody in it is on call at once.",
    ),
    "alertmanagers": (
        "Look at the Alertmanager that the message names: is it up, and can the others reach its cluster port?",
        "The others go on sending; as long as they do not see each other, each sends, and people are told twice.",
        "Silences that are made meanwhile hold on those alone that see each other.",
    ),
    "watchdog": ("Nothing to do: this alert always fires, so that its silence shows a broken chain.",),
}


@dataclass(frozen=True, slots=True)
class Watcher:
    """Plans the alerts of the platform's own domain.

    ``rotations`` are those that end: the contact, its title, and when.
    """

    platform: str
    monitoring: Monitoring
    escalations: tuple[Escalation, ...]
    playbook: Playbook | None
    links: Links
    scale: float
    evaluation_interval: int
    rotations: tuple[tuple[str, str, datetime], ...]

    def alert(  # noqa: PLR0913  # each alert names what it differs in
        self,
        name: str,
        expr: str,
        *,
        steps: str,
        summary: str,
        description: str,
        alertname: str | None = None,
        by: tuple[str, ...] = (),
        subject: str | None = None,
        source: str | None = None,
        severity: str | None = None,
        is_urgent: bool = True,
        for_: int = BLIND_AFTER,
        real_time: bool = False,
        notes: tuple[tuple[str, str], ...] = (),
        value: str = "failing",
        threshold: str | None = None,
    ) -> Alert:
        """One alert of the monitoring itself; ``real_time``: its ``for_`` is not scaled, as its window is not.

        What has a ``severity`` of its own tells nobody; what is not urgent is told in the mildest way there is.
        """
        silent = severity is not None
        channels = () if silent else self.monitoring.channels
        severity = severity or (self.monitoring.severity if is_urgent else self.monitoring.mildest_severity)
        notification = self.monitoring.notification if is_urgent else self.monitoring.slowest_notification
        subject = subject or name
        alertname = alertname or naming.camel(name)
        labels = (
            ("platform", self.platform),
            ("domain", naming.OWN_DOMAIN),
            ("subject", subject),
            ("source", source or ""),
            ("severity", severity),
            ("owner", self.monitoring.owner),
            ("notification", notification),
            ("channels", ",".join(channels)),
        )
        panel = f"alert/{name}"
        return Alert(
            domain=naming.OWN_DOMAIN,
            name=name,
            alertname=alertname,
            kind="promql",
            condition=None,
            text=expr,
            expr=expr,
            by=by,
            labels=tuple((key, value) for key, value in labels if value),
            severity=severity,
            owner=self.monitoring.owner,
            notification=notification,
            channels=channels,
            subject=subject,
            source=source,
            for_=for_ if real_time else people.scaled(for_, self.scale),
            keep_firing_for=0,
            no_data="ok",
            escalations=self.escalations if is_urgent and not silent else (),
            summary=summary,
            description=description,
            metric=None,
            threshold=None,
            threshold_text=threshold or (f"for {durations.text(for_)}" if for_ else "once"),
            value_unit="none",
            value_text=value,
            worst=None,
            reads=(),
            leaves=(),
            is_event=False,
            within=None,
            each=None,
            steps=_STEPS[steps],
            playbook=self.playbook if is_urgent and not silent else None,
            matching_sql=None,
            unlisted=None,
            notes=notes,
            runbook_url=runbook_url(self.links, naming.OWN_DOMAIN, alertname),
            dashboard_url=dashboard_url(self.links, self.platform, naming.OWN_DOMAIN, panel),
            panel=panel,
            file="platform.yaml",
        )

    def watchdog(self) -> Alert:
        """The alert that always fires."""
        return self.alert(
            "watchdog", "vector(1)", steps="watchdog", severity="none", for_=0, value="working",
            summary="The alerting chain works.",
            description="Always fires; a dead man's switch outside listens for it.",
        )  # fmt: skip

    def failures(self) -> Iterator[Alert]:
        """Rules that do not evaluate, messages that do not get out."""
        yield self.alert(
            "rule_evaluation_failures",
            f'sum(increase(prometheus_rule_evaluation_failures_total{{job="{PROMETHEUS_JOB}"}}[5m])) > 0',
            steps="rules", for_=0,
            summary="Rules fail to evaluate.",
            description="A rule that fails to evaluate cannot fire, and what it raised resolves.",
        )  # fmt: skip
        yield self.alert(
            "notifications_dropped",
            f'sum(increase(prometheus_notifications_dropped_total{{job="{PROMETHEUS_JOB}"}}[5m])) > 0',
            steps="delivery", for_=DROPPED_AFTER, real_time=True,
            summary="Prometheus cannot hand alerts to Alertmanager.",
            description="Alerts were dropped on their way to Alertmanager.",
        )  # fmt: skip
        yield self.alert(
            "notifications_failing",
            "sum by (integration)"
            f' (increase(alertmanager_notifications_failed_total{{job="{ALERTMANAGER_JOB}"}}[10m])) > 0',
            steps="delivery", for_=0, by=("integration",),
            summary="Alertmanager cannot deliver messages.",
            description="A receiver refuses messages or does not answer.",
        )  # fmt: skip

    def rotations_that_end(self) -> Iterator[Alert]:
        """Rotations that are written out until a date: it comes near, or it has passed."""
        for contact, title, end in self.rotations:
            warning = (end - ROTATION_WARNING).timestamp()
            yield self.alert(
                naming.rotation_ends(contact), f"vector(time()) >= {warning:.0f}",
                steps="rotation", for_=0, subject=contact, is_urgent=False, value=f"ends on {end:%Y-%m-%d}",
                threshold=f"{ROTATION_WARNING.days} days before",
                summary=f"The rotation {title} has to be written on.",
                description=f"Who is on call is written out until {end:%Y-%m-%d %H:%M} UTC; then everybody in it is.",
            )  # fmt: skip

    def alertmanagers(self, number: int) -> Iterator[Alert]:
        """Where several Alertmanagers share the work: one that is missing, and those that do not see each other.

        Alone it has nobody to miss it; with others nobody would notice, since they send what it does not.
        """
        if number < 2:
            return
        up = f'up{{job="{ALERTMANAGER_JOB}"}}'
        yield self.alert(
            "alertmanager_down",
            f"max by (instance) ({up}) == 0 and on() (max({up}) == 1)",
            steps="alertmanagers", by=("instance",), subject=ALERTMANAGER_JOB, source=ALERTMANAGER_JOB,
            value="not seen",
            summary="An Alertmanager is down.",
            description="One Alertmanager does not answer. The others send, but fewer may fail now.",
        )  # fmt: skip
        members = f'alertmanager_cluster_members{{job="{ALERTMANAGER_JOB}"}}'
        yield self.alert(
            "alertmanager_members_inconsistent",
            f"min by (instance) ({members}) < {number} and on() (min({up}) == 1)",
            steps="alertmanagers", by=("instance",), value="apart",
            summary="Alertmanagers do not see each other.",
            description=f"An Alertmanager sees fewer than the {number} that there are: each may send on its own.",
        )  # fmt: skip

    def blindness(self, domains: tuple[Domain, ...]) -> Iterator[Alert]:
        """One alert per source that cannot be seen, and one for single queries that fail."""
        queries: dict[str, list[str]] = {}
        for domain in domains:
            for query in domain.queries:
                queries.setdefault(query.source, []).append(query.name)
        blind_by_source: dict[str, list[str]] = {}
        blind_by_query: dict[str, list[str]] = {}
        blind_by_job: dict[str, list[str]] = {}
        hosts: dict[str, list[str]] = {}
        for alert in (alert for domain in domains for alert in domain.alerts):
            for held in alert.reads:
                if isinstance(held.health, QueryHealth):
                    blind_by_source.setdefault(held.source, []).append(alert.alertname)
                    blind_by_query.setdefault(held.health.query, []).append(alert.alertname)
                if isinstance(held.health, JobHealth):
                    blind_by_job.setdefault(held.health.job, []).append(alert.alertname)
                    if held.health.per_instance:
                        hosts.setdefault(held.health.job, []).append(alert.alertname)
        success = naming.query_success(self.platform)
        for source, names in sorted(queries.items()):
            chosen = "" if len(queries) == 1 else f"{{query=~{quoted('|'.join(sorted(names)))}}}"
            blind = blind_by_source.get(source, [])
            yield self._source(source, source, f"absent(max({success}{chosen}) == 1)", blind)
            if len(names) > 1:
                by_query = {name: blind_by_query.get(name, []) for name in names}
                yield self._queries(source, f"{success}{chosen}", by_query)
        for job, blind in sorted(blind_by_job.items()):
            # A job may have the name of a database: both are watched.
            name = f"job_{job}" if job in queries else job
            yield self._source(name, job, f"absent(max(up{{job={quoted(job)}}}) == 1)", blind)
        for job, names in sorted(hosts.items()):
            up = f"up{{job={quoted(job)}}}"
            yield self.alert(
                naming.underscored(f"instance_blind_{job}"),
                f"max by (instance) ({up}) == 0 and on() (max({up}) == 1)",
                steps="source", by=("instance",), subject=job, source=job, value="not seen",
                summary=f"A target of {job} cannot be seen.",
                description=f"One target of {job} does not answer; its alerts keep their last state."
                f" Blind: {_listed(names)}.",
            )  # fmt: skip

    def _queries(self, source: str, success: str, blind: dict[str, list[str]]) -> Alert:
        """Single queries that fail while others succeed: when all fail, the source's alert says so once."""
        notes = tuple((query, _listed(alerts)) for query, alerts in sorted(blind.items()) if alerts)
        return self.alert(
            naming.underscored(f"query_failing_{source}"),
            f"max by (query) ({success}) == 0 and on() (max({success}) == 1)",
            steps="query", by=("query",), notes=notes[: 4 * NAMED_ALERTS], subject=source, source=source,
            summary=f"A query on {source} fails.",
            description="What it counts cannot be seen; alerts on it keep their last state.",
        )  # fmt: skip

    def _source(self, name: str, source: str, expr: str, alerts: list[str]) -> Alert:
        blind = f" Blind: {_listed(alerts)}." if alerts else ""
        return self.alert(
            naming.underscored(f"source_blind_{name}"), expr,
            steps="source", subject=source, source=source, value="not seen",
            summary=f"{source} cannot be seen.",
            description=f"Nothing of {source} can be seen; alerts on it keep their last state.{blind}",
        )  # fmt: skip


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    rest = len(unique) - NAMED_ALERTS
    return ", ".join(unique[:NAMED_ALERTS]) + (f" and {rest} more" if rest > 0 else "")


def jobs(declared: tuple[Job, ...], alertmanagers: tuple[str, ...], interval: int, timeout: int) -> tuple[Job, ...]:
    """The declared jobs, and those of Prometheus and Alertmanager themselves where nobody declared them."""
    own = {
        PROMETHEUS_JOB: Job(PROMETHEUS_JOB, ("localhost:9090",), interval, timeout, "/metrics", "http", ()),
        ALERTMANAGER_JOB: Job(ALERTMANAGER_JOB, alertmanagers, interval, timeout, "/metrics", "http", ()),
    }
    names = {job.name for job in declared}
    added = [job for name, job in own.items() if name not in names]
    return tuple(sorted((*declared, *added), key=lambda job: job.name))


def domain(watcher: Watcher, domains: tuple[Domain, ...], alertmanagers: int, refresh: int) -> Domain:
    """The platform's own domain; ``alertmanagers``: how many there are."""
    alerts = (
        *watcher.blindness(domains),
        *watcher.failures(),
        *watcher.alertmanagers(alertmanagers),
        *watcher.rotations_that_end(),
        watcher.watchdog(),
    )
    return Domain(
        name=naming.OWN_DOMAIN,
        title="Monitoring itself",
        description="Whether the monitoring sees, decides and delivers.",
        owner=watcher.monitoring.owner,
        dashboard_path=None,
        refresh=refresh,
        dashboard_uid=naming.dashboard_uid(watcher.platform, naming.OWN_DOMAIN),
        group=naming.group(watcher.platform, naming.OWN_DOMAIN),
        queries=(),
        metrics=(),
        records=(),
        kpis=(),
        alerts=alerts,
        held=(),
        recordings=(),
        file="platform.yaml",
    )
