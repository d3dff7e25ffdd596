"""Files and Plan to the explanation of one alert."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from generator import durations, naming
from generator.condition import format_quantity
from generator.condition.tree import FieldSymbol, MetricSymbol, Reference, Symbol
from generator.emit import dashboards, rule_tests
from generator.emit.annotations import annotations
from generator.explain.description import Code, Explanation, Limit, Named, Panel, Runbook, Sight, Written
from generator.load import Files
from generator.masking import mask
from generator.plan import people, wording
from generator.plan.alerts import against_constant, comparisons
from generator.plan.types import Alert, Health, Metric, Plan, Query, QueryHealth
from generator.source import Path

OUTPUT = "output"  # where the command writes to unless told otherwise


def describe(files: Files, plan: Plan, domain: str, name: str) -> Explanation:
    """Everything that is worth knowing of an alert that the plan has."""
    alert = next(each for found in plan.domains if found.name == domain for each in found.alerts if each.name == name)
    tests = tuple(replace(one, path=_output(plan, one.path)) for one in rule_tests.tested(plan, alert))
    playbook = None if alert.steps else alert.playbook
    return Explanation(
        path=f"{plan.platform}/{domain}/{name}",
        platform=plan.platform,
        environment=plan.environment,
        domain=domain,
        name=name,
        alertname=alert.alertname,
        summary=alert.summary,
        description=_description(files, alert),
        written=_written(files, alert),
        meaning=_meaning(plan, alert),
        condition=alert.text,
        names=tuple(_names(files, plan, alert)),
        by=alert.by,
        severity=alert.severity,
        owner=alert.owner,
        owner_title=people.title(files.platform.model, alert.owner),
        threshold=_threshold(alert),
        wait=durations.text(alert.for_),
        cooldown=durations.text(alert.keep_firing_for),
        counting=wording.counting(durations.text(alert.within)) if alert.within is not None else None,
        sight=_sight(plan, alert),
        notification=alert.notification,
        told=tuple(_told(files, plan, alert)),
        taking=wording.taking(alert),
        quiet=tuple(wording.quiet(plan, alert)),
        rows=Code("rows", "sql", alert.matching_sql, None) if alert.matching_sql is not None else None,
        rule=Code(_output(plan, f"prometheus/rules/{domain}.yml"), "promql", alert.expr, None),
        held=tuple(Code(held.record, "promql", held.expr, _held(held.health)) for held in alert.reads),
        numbers=tuple(_numbers(plan, alert)),
        panel=Panel(_panel_title(plan, alert), alert.dashboard_url),
        runbook=Runbook(
            alert.runbook_url,
            playbook.title if playbook else None,
            alert.steps or (playbook.steps if playbook else ()),
        ),
        tests=tests,
        untested=None if tests else _untested(alert),
        annotations=tuple(annotations(plan, alert).items()),
    )


def _output(plan: Plan, path: str) -> str:
    return f"{OUTPUT}/{plan.directory}/{path}"


def _written(files: Files, alert: Alert) -> Written:
    """The alert's own lines, or those that decide who hears of the platform's own alerts."""
    path: Path = ("alerts", alert.name)
    for file in files.domains:
        if file.model.domain == alert.domain:
            block = file.source.block(path)
            python = None if block else "It is written in Python."
            return Written(file.source.path, file.key_span(path).line, mask(block), python)
    path, platform = ("monitoring",), files.platform
    source = platform.overlay if platform.overlay and platform.overlay.block(path) else platform.source
    note = "Nobody writes this alert: it comes with every platform, and platform.yaml says who hears of it."
    return Written(source.path, source.key_span(path).line, mask(source.block(path)), note)


def _description(files: Files, alert: Alert) -> str | None:
    """What somebody wrote to describe it; what stands in for that in messages is said elsewhere."""
    for file in files.domains:
        if file.model.domain == alert.domain:
            return file.model.alerts[alert.name].description
    return alert.description


def _meaning(plan: Plan, alert: Alert) -> str:
    """When it fires, in one sentence."""
    lasting = f" for {durations.text(alert.for_)}" if alert.for_ else ""
    condition = " ".join(alert.text.split())
    if alert.name == "watchdog" and alert.domain == naming.OWN_DOMAIN:
        what = "Always fires"
    elif alert.kind == "rows":
        verb = "has had" if lasting else "has"
        what = f"Fires {'once' if lasting else 'as soon as'} {_row(plan, alert)} {verb} {condition}{lasting}"
    elif alert.kind == "metrics":
        verb = "has been true" if lasting else "is true"
        what = f"Fires {'once' if lasting else 'as soon as'} {condition} {verb}{lasting}"
    elif lasting:
        what = f"Fires once its PromQL has returned something{lasting}"
    else:
        what = "Fires as soon as its PromQL returns anything"
    if alert.no_data == "alert":
        what += ", or its data is missing"
    return f"{what}{f', one alert for each {_all(alert.by)}' if alert.by else ''}."


def _row(plan: Plan, alert: Alert) -> str:
    records = (record for domain in plan.domains if domain.name == alert.domain for record in domain.records)
    table = next(record.table for record in records if record.name == alert.subject)
    return f"an event of the last {durations.text(alert.within)} in {table}" if alert.within else f"a row of {table}"


def _all(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def _names(files: Files, plan: Plan, alert: Alert) -> Iterator[Named]:
    """What the names of the condition stand for; of ``expr:`` metrics also those that they are made of."""
    metrics = {(metric.domain, metric.name): metric for domain in plan.domains for metric in domain.metrics}
    for symbol in alert.condition.symbols if alert.condition is not None else ():
        if isinstance(symbol, FieldSymbol):
            yield _field(symbol)
        else:
            metric = metrics[symbol.domain, symbol.name]
            expr = _expr(files, symbol)
            yield Named(_called(metric, alert), metric.help + (f" It is {expr}." if expr else ""), metric.unit)
    named = alert.condition.symbols if alert.condition is not None else ()
    known = {(symbol.domain, symbol.name) for symbol in named if isinstance(symbol, MetricSymbol)}
    for leaf in alert.leaves:
        if (leaf.domain, leaf.name) not in known:
            yield Named(_called(leaf, alert), leaf.help, leaf.unit)


def _called(metric: Metric, alert: Alert) -> str:
    return metric.name if metric.domain == alert.domain else f"{metric.domain}.{metric.name}"


def _field(field: FieldSymbol) -> Named:
    kind = "true or false" if field.boolean else field.unit or _either(field.values or ())
    return Named(field.name, " ".join(field.sql.split()), kind)


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _expr(files: Files, symbol: Symbol) -> str | None:
    """What an ``expr:`` metric is made of, as written."""
    if not isinstance(symbol, MetricSymbol):
        return None
    file = next(found for found in files.domains if found.model.domain == symbol.domain)
    return file.model.metrics[symbol.name].expr


def _threshold(alert: Alert) -> Limit:
    """The number that decides; for rows, the first one that the condition compares a field with."""
    if alert.threshold is not None:
        found = alert.threshold
        return Limit(alert.threshold_text, found.op, found.value, found.unit)
    compared = comparisons(alert.condition.root) if alert.kind == "rows" and alert.condition is not None else ()
    for field, op, number in filter(None, map(against_constant, compared)):
        name = f"{field.symbol.name} " if isinstance(field, Reference) else ""
        return Limit(f"{name}{op} {format_quantity(number.value, number.unit)}", op, number.value, number.unit)
    return Limit(alert.threshold_text, None, None, None)


def _sight(plan: Plan, alert: Alert) -> Sight:
    healths = [held.health for held in alert.reads] or [leaf.health for leaf in alert.leaves if leaf.health]
    seen_by = tuple(dict.fromkeys(map(_seen_by, healths))) or tuple(
        f"query {query.name}" for query in _queries(plan, alert)
    )
    sources = {alert.source, *(held.source for held in alert.reads), *(leaf.source for leaf in alert.leaves)} - {None}
    if alert.domain == naming.OWN_DOMAIN:
        return Sight(alert.source, (), "It is the one that tells: it reads what Prometheus itself knows.", ())
    own = next(domain for domain in plan.domains if domain.name == naming.OWN_DOMAIN)
    told_by = tuple(each.alertname for each in own.alerts if each.source in sources)
    lost = wording.when_lost(alert)
    return Sight(
        alert.source, seen_by, f"{lost}." if lost else "Only its own PromQL decides: nothing is held.", told_by
    )


def _seen_by(health: Health) -> str:
    if isinstance(health, QueryHealth):
        return f"query {health.query}"
    each = " on each target" if health.per_instance else ""
    return f"job {health.job}{each}{f', up for {durations.text(health.window)}' if health.window else ''}"


def _held(health: Health) -> str:
    lost = f"query {health.query} fails" if isinstance(health, QueryHealth) else f"job {health.job} cannot be seen"
    return f"keeps its last value while {lost}"


def _told(files: Files, plan: Plan, alert: Alert) -> Iterator[wording.Told]:
    """As a runbook says it, people by their titles."""
    if alert.alertname == naming.WATCHDOG:
        yield wording.Told("again and again", "whoever waits for its silence", plan.monitoring.watchdog or "no channel")
        return
    cadence = next(found for found in plan.cadences if found.name == alert.notification)
    for told in wording.told(alert, cadence):
        who = told.who if told.who != alert.owner else people.title(files.platform.model, told.who)
        yield replace(told, who=who)


def _queries(plan: Plan, alert: Alert) -> tuple[Query, ...]:
    """The exporter's queries that the alert's numbers come from."""
    series = {leaf.series for leaf in alert.leaves if leaf.origin == "sql"}
    if alert.kind == "rows":
        names = (naming.matching_rows, naming.unlisted_rows)
        series = {name(plan.platform, alert.domain, alert.name) for name in names}
    return tuple(
        query for domain in plan.domains for query in domain.queries if any(one.name in series for one in query.series)
    )


def _numbers(plan: Plan, alert: Alert) -> Iterator[Code]:
    for query in _queries(plan, alert):
        note = f"on {query.source}"
        if query.within is not None:
            note += f", where $1 is {_seconds(query.within)}, its window in seconds"
        yield Code(query.name, "sql", query.sql.strip(), note)
    for leaf in alert.leaves:
        if leaf.promql is not None:
            yield Code(leaf.series, "promql", leaf.promql.strip(), f"on job {leaf.job}" if leaf.job else None)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g}"


def _panel_title(plan: Plan, alert: Alert) -> str:
    """The title of the panel that the alert's messages link to, as the dashboard has it."""
    number = naming.panel_id(alert.panel)
    place = f"/{alert.domain}.json"
    board = json.loads(next(found.content for found in dashboards.emit(plan) if found.path.endswith(place)))
    flat = [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", ()))]
    return next((str(panel["title"]) for panel in flat if panel["id"] == number), "")


def _untested(alert: Alert) -> str:
    if alert.condition is None:
        return "None: nobody but its author knows which values make PromQL as written fire."
    return "None: no single metric decides."
