"""Files to Plan. Nothing here can fail: the checks found nothing wrong with the files."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from generator import durations, model, naming
from generator.condition import parse_target
from generator.condition.tree import Fault
from generator.condition.units import plain
from generator.load import DomainFile, Files
from generator.plan import alerts, itself, people, rows, tracing
from generator.plan.cadences import cadence
from generator.plan.recordings import Recorder, facts
from generator.plan.resolution import Resolution, resolve
from generator.plan.types import (
    Alert,
    Cadence,
    Domain,
    ExporterSeries,
    Health,
    Job,
    JobHealth,
    Kpi,
    Links,
    Metric,
    Plan,
    Query,
    QueryHealth,
    Record,
    Source,
    Threshold,
)

_DEFAULT_TIMEOUT = 10_000
MetricKey = tuple[str, str]


def plan(files: Files, *, with_sql: bool = True) -> Plan:
    """Everything that is true of one platform in one environment.

    Without its SQL a plan has no queries, and its alerts on rows do not list them: enough to know who is told.
    """
    platform = files.platform.model
    scale = platform.durations.scale
    found = resolve(files)
    metrics = {key: metric for file in files.domains for key, metric in _metrics(platform, file, found)}
    slots_are_open = platform.durations.slots == "always"
    cadences = {
        name: cadence(name, written, platform.timezone, scale, slots_are_open=slots_are_open)
        for name, written in sorted(platform.notifications.items())
    }
    links = Links(**{name: value.rstrip("/") for name, value in platform.links.model_dump().items()})
    evaluation = durations.milliseconds(platform.scrape.evaluation_interval)
    planned = tuple(
        _domain(platform, file, found, metrics, cadences, links, evaluation, with_sql=with_sql)
        for file in files.domains
    )
    monitoring = people.monitoring(platform)
    escalations = people.escalations(platform, monitoring.severity, monitoring.owner)
    playbook = people.playbook(platform, people.row(platform, monitoring.severity).playbook)
    ending = people.rotations_that_end(platform)
    watcher = itself.Watcher(platform.platform, monitoring, escalations, playbook, links, scale, evaluation, ending)
    scrape = durations.milliseconds(platform.scrape.interval)
    own = itself.domain(watcher, planned, len(platform.alertmanagers), max(30_000, scrape))
    environment = files.environment
    declared = tuple(_job(name, job, scrape) for name, job in sorted(platform.scrape.jobs.items()))
    alertmanagers = tuple(platform.alertmanagers)
    return Plan(
        platform=platform.platform,
        environment=environment,
        directory=platform.platform if environment is None else f"{platform.platform}.{environment}",
        title=platform.title,
        timezone=platform.timezone,
        prometheus_version=_version(platform.targets.prometheus),
        alertmanager_version=_version(platform.targets.alertmanager),
        grafana_version=_version(platform.targets.grafana),
        scrape_interval=scrape,
        evaluation_interval=evaluation,
        jobs=itself.jobs(declared, alertmanagers, scrape, min(scrape, _DEFAULT_TIMEOUT)),
        alertmanagers=alertmanagers,
        sources=tuple(_source(name, source) for name, source in sorted(platform.sources.items())),
        channels=people.channels(platform),
        cadences=tuple(cadences.values()),
        severities=people.severities(platform),
        contacts=people.contact_titles(platform),
        contact_routes=people.contact_routes(platform),
        monitoring=monitoring,
        links=links,
        domains=tuple(sorted((*planned, own), key=lambda domain: domain.name)),
        traced=tracing.services(platform.tracing) if platform.tracing else (),
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _source(name: str, source: model.PostgresSource) -> Source:
    # No environment scales max_age: what is too old for people does not depend on how fast the alerts are.
    max_age = durations.milliseconds(source.max_age) if source.max_age else 0
    return Source(name, source.dsn_env, source.dsn_file, max_age)


def _job(name: str, job: model.Job, default: int) -> Job:
    interval = durations.milliseconds(job.interval) if job.interval else default
    timeout = durations.milliseconds(job.timeout) if job.timeout else min(interval, _DEFAULT_TIMEOUT)
    return Job(
        name, tuple(job.targets), interval, timeout, job.metrics_path, job.scheme, tuple(sorted(job.labels.items()))
    )


def _metrics(platform: model.Platform, file: DomainFile, found: Resolution) -> list[tuple[MetricKey, Metric]]:
    domain = file.model
    planned = []
    for name, written in domain.metrics.items():
        key = (domain.domain, name)
        symbol = found.symbols.metrics[key]
        health, source = _health(domain, name, written)
        sql = written.sql
        if written.query is not None:
            sql = domain.queries[written.query].sql
        metric = Metric(
            domain=domain.domain,
            name=name,
            title=written.title or alerts.spoken(name),
            help=written.help,
            series=naming.metric(platform.platform, domain.domain, name, written.unit, written.type),
            unit=written.unit,
            type=written.type,
            labels=tuple((label.name, label.values) for label in symbol.labels),
            fold=written.total,
            origin="expr" if written.expr is not None else "promql" if written.promql is not None else "sql",
            promql=written.promql,
            sql=sql,
            job=written.job,
            definition=symbol.definition,
            health=health,
            source=source,
            zero_filled=written.promql is not None and written.absent == "zero",
            show=written.show,
        )
        planned.append((key, metric))
    return planned


def _health(domain: model.Domain, name: str, metric: model.Metric) -> tuple[Health | None, str | None]:
    if metric.expr is not None:
        return None, None
    if metric.promql is not None:
        seen = facts(metric.promql)
        if seen.only_up or metric.job is None:
            return None, None
        return JobHealth(metric.job, seen.window, metric.per == "instance"), metric.job
    shared = domain.queries.get(metric.query) if metric.query else None
    source = metric.source or (shared.source if shared else None) or domain.source
    return QueryHealth(f"{domain.domain}/{metric.query or name}"), source


def _domain(
    platform: model.Platform,
    file: DomainFile,
    found: Resolution,
    metrics: Mapping[MetricKey, Metric],
    cadences: dict[str, Cadence],
    links: Links,
    evaluation: int,
    *,
    with_sql: bool,
) -> Domain:
    written = file.model
    name = written.domain
    recorder = Recorder(platform.platform, name, metrics)
    own = tuple(metrics[name, metric] for metric in written.metrics)
    for metric in own:
        if metric.origin == "promql":
            recorder.own(metric)
    for metric in own:
        if metric.origin == "expr":
            recorder.own(metric)
    path = PurePosixPath(file.source.path).name
    context = alerts.Context(platform, written, path, found, metrics, recorder, cadences, links, evaluation, with_sql)
    planned = tuple(alerts.plan_alert(context, alert, body) for alert, body in written.alerts.items() if body.enabled)
    scale = platform.durations.scale
    return Domain(
        name=name,
        title=written.title,
        description=written.description or "",
        owner=written.owner,
        dashboard_path=written.dashboard.path,
        refresh=durations.milliseconds(written.dashboard.refresh),
        dashboard_uid=naming.dashboard_uid(platform.platform, name),
        group=naming.group(platform.platform, name),
        queries=(*_metric_queries(written, metrics, path), *_record_queries(platform, context, planned, path))
        if with_sql
        else (),
        metrics=own,
        records=tuple(
            Record(
                key,
                record.title or alerts.spoken(key),
                record.table,
                record.within is not None,
                people.scaled(durations.milliseconds(record.within), scale) if record.within else None,
            )
            for key, record in written.records.items()
        ),
        kpis=tuple(_kpi(name, key, kpi, metrics) for key, kpi in written.kpis.items()),
        alerts=planned,
        held=tuple(recorder.held.values()),
        recordings=tuple(recorder.recordings.values()),
        file=path,
    )


def _kpi(domain: str, name: str, kpi: model.Kpi, metrics: Mapping[MetricKey, Metric]) -> Kpi:
    metric = metrics[domain, kpi.metric]
    op, number = parse_target(kpi.target, metric.unit)
    assert not isinstance(op, Fault) and not isinstance(number, Fault), "the checks ran before planning"
    return Kpi(domain, name, kpi.title, metric, Threshold(op, number.value, metric.unit), kpi.target)


def _metric_queries(written: model.Domain, metrics: Mapping[MetricKey, Metric], path: str) -> list[Query]:
    domain = written.domain
    shared: dict[str, list[ExporterSeries]] = {}
    queries: list[Query] = []
    for name, metric in written.metrics.items():
        planned = metrics[domain, name]
        if planned.origin != "sql":
            continue
        series = ExporterSeries(
            name=planned.series,
            help=metric.help,
            type=metric.type,
            column=metric.column or "value",
            labels=planned.labels,
            absent=metric.absent,
            buckets=tuple(sorted(float(bucket) for bucket in metric.buckets or ())),
        )
        if metric.query is not None:
            shared.setdefault(metric.query, []).append(series)
            continue
        sql = _histogram_sql(metric.sql or "", series) if metric.type == "histogram" else metric.sql or ""
        queries.append(Query(f"{domain}/{name}", planned.source or "", sql, (series,), None, path))
    for name, found in shared.items():
        query = written.queries[name]
        queries.append(
            Query(f"{domain}/{name}", query.source or written.source or "", query.sql, tuple(found), None, path)
        )
    return queries


def _histogram_sql(sql: str, series: ExporterSeries) -> str:
    """Count the observations that a SELECT yields into cumulative buckets, anew at every refresh."""
    names = [label for label, _ in series.labels]
    counted = [
        f"count(*) FILTER (WHERE value <= {plain(bound)}) AS bucket_{index}"
        for index, bound in enumerate(series.buckets)
    ]
    columns = ", ".join([*names, *counted, "count(value) AS count", "sum(value) AS sum"])
    grouped = f" GROUP BY {', '.join(names)}" if names else ""
    return f"SELECT {columns} FROM (\n{sql}\n) AS observation{grouped}"


def _record_queries(
    platform: model.Platform, context: alerts.Context, planned: tuple[Alert, ...], path: str
) -> list[Query]:
    written = context.file
    queries: list[Query] = []
    for name, record in written.records.items():
        found = tuple(
            rows.RowAlert(alert.name, alert.condition, tuple(written.alerts[alert.name].by))
            for alert in planned
            if alert.condition is not None and alert.condition.record == name
        )
        within = (
            people.scaled(durations.milliseconds(record.within), platform.durations.scale) if record.within else None
        )
        builder = rows.RecordQueries(
            platform.platform, written.domain, name, record, context.scope.records[name], within
        )
        queries.extend(builder.queries(found, record.source or written.source or "", path))
    return queries
