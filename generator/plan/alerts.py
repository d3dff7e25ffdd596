"""Alerts planned: expressions, labels, thresholds, who is told and when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from generator import durations, model, naming
from generator.condition import Scope, format_quantity, leading_comparisons, references, to_promql
from generator.condition.tree import (
    And,
    Comparison,
    ComparisonOp,
    Condition,
    MetricSymbol,
    Node,
    Number,
    Or,
    Quantity,
    Reference,
)
from generator.plan import people, recordings, rows
from generator.plan.recordings import Recorder
from generator.plan.resolution import Resolution
from generator.plan.types import Alert, Cadence, Held, Links, Metric, QueryHealth, Threshold

_FLIPPED: dict[ComparisonOp, ComparisonOp] = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "=", "!=": "!="}


@dataclass(frozen=True, slots=True)
class Context:
    """What the alerts of one domain are planned with."""

    platform: model.Platform
    file: model.Domain
    path: str
    resolution: Resolution
    metrics: Mapping[tuple[str, str], Metric]
    recorder: Recorder
    cadences: dict[str, Cadence]
    links: Links
    evaluation_interval: int
    with_sql: bool

    @property
    def scope(self) -> Scope:
        """The names that the domain's conditions may use."""
        return self.resolution.symbols.scopes[self.file.domain]


def comparisons(node: Node) -> Iterator[Comparison]:
    """Every comparison of a condition, from left to right."""
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, And | Or):
        for part in node.parts:
            yield from comparisons(part)


def against_constant(comparison: Comparison) -> tuple[Quantity, ComparisonOp, Number] | None:
    """The comparison as quantity, operator, constant; None where neither side is a constant."""
    if isinstance(comparison.right, Number):
        return comparison.left, comparison.op, comparison.right
    if isinstance(comparison.left, Number):
        return comparison.right, _FLIPPED[comparison.op], comparison.left
    return None


def dashboard_url(links: Links, platform: str, domain: str, panel: str) -> str:
    """The address of one panel."""
    return f"{links.grafana}/d/{naming.dashboard_uid(platform, domain)}?viewPanel={naming.panel_id(panel)}"


def runbook_url(links: Links, domain: str, alertname: str) -> str:
    """The address of an alert's section in its domain's runbook."""
    return f"{links.runbooks}/{domain}.md#{alertname.lower()}"


def spoken(name: str) -> str:
    """``settlement_overdue`` as ``Settlement overdue``."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def plan_alert(context: Context, name: str, written: model.Alert) -> Alert:
    """One alert; the checks have found nothing wrong with it."""
    condition = None
    if written.condition is not None:
        resolved = context.resolution.conditions[context.file.domain, name]
        assert isinstance(resolved, Condition), "the checks ran before planning"
        condition = resolved
    if condition is not None and condition.kind == "rows":
        return _RowAlert(context, name, written, condition).plan()
    return _MetricAlert(context, name, written, condition).plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What distinguishes alerts on metrics from those on rows; the names are those of the plan's Alert."""

    kind: Literal["metrics", "rows", "promql"]
    expr: str
    by: tuple[str, ...]
    subject: str
    source: str | None
    reads: tuple[Held, ...]
    leaves: tuple[Metric, ...] = ()
    panel: str
    for_default: int
    description: str
    metric: Metric | None = None
    threshold: Threshold | None = None
    threshold_text: str
    value_unit: str
    worst: Held | None = None
    is_event: bool = False
    within: int | None = None
    each: str | None = None
    matching_sql: str | None = None
    unlisted: str | None = None


class _Base:
    """What every alert has, wherever its numbers come from."""

    def __init__(self, context: Context, name: str, written: model.Alert, condition: Condition | None) -> None:
        self.context = context
        self.name = name
        self.written = written
        self.condition = condition
        self.platform = context.platform
        self.domain = context.file.domain
        self.owner = written.owner or context.file.owner
        self.matrix = people.row(self.platform, written.severity)
        self.alertname = naming.alert(self.domain, name)

    def labels(self, subject: str, source: str | None, channels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        named = [
            ("platform", self.platform.platform),
            ("domain", self.domain),
            ("subject", subject),
            ("source", source or ""),
            ("severity", self.written.severity),
            ("owner", self.owner),
            ("notification", self.written.notification),
            ("channels", ",".join(channels)),
        ]
        return tuple((key, value) for key, value in named if value)

    def duration(self, default: int) -> int:
        if self.written.for_ is None:
            return default
        return self.scaled(self.written.for_)

    def scaled(self, text: str) -> int:
        return people.scaled(durations.milliseconds(text), self.platform.durations.scale)

    def channels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.written.channels or self.matrix.channels))

    def steps(self) -> tuple[str, ...]:
        runbook = self.written.runbook
        if isinstance(runbook, list):
            return tuple(runbook)
        if isinstance(runbook, str) and runbook not in self.platform.playbooks:
            return (runbook,)
        return ()

    def finish(self, facts: _Facts) -> Alert:
        """The alert of these facts."""
        written, channels = self.written, self.channels()
        cadence = self.context.cadences[written.notification]
        escalates = written.escalate and cadence.at is None
        runbook = written.runbook if isinstance(written.runbook, str) else None
        no_data = written.no_data
        expr = facts.expr
        if no_data == "alert" and facts.reads:
            blind = sorted({recordings.lost(self.platform.platform, held.health, facts.by) for held in facts.reads})
            expr = "\nor ".join([f"({expr})", *blind])
        return Alert(
            domain=self.domain,
            name=self.name,
            alertname=self.alertname,
            kind=facts.kind,
            condition=self.condition,
            text=written.condition or written.promql or "",
            expr=expr,
            by=facts.by,
            labels=self.labels(facts.subject, facts.source, channels),
            severity=written.severity,
            owner=self.owner,
            notification=written.notification,
            channels=channels,
            subject=facts.subject,
            source=facts.source,
            for_=self.duration(facts.for_default),
            keep_firing_for=self.scaled(written.cooldown) if written.cooldown else 0,
            no_data=no_data,
            escalations=people.escalations(self.platform, written.severity, self.owner) if escalates else (),
            summary=written.summary or f"{spoken(self.name)} ({self.context.file.title})",
            description=written.description or facts.description,
            metric=facts.metric,
            threshold=facts.threshold,
            threshold_text=facts.threshold_text,
            value_unit=facts.value_unit,
            value_text=None,
            worst=facts.worst,
            reads=facts.reads,
            leaves=facts.leaves,
            is_event=facts.is_event,
            within=facts.within,
            each=facts.each,
            steps=self.steps(),
            playbook=people.playbook(self.platform, runbook)
            or (None if self.steps() else people.playbook(self.platform, self.matrix.playbook)),
            matching_sql=facts.matching_sql,
            unlisted=facts.unlisted,
            notes=(),
            runbook_url=runbook_url(self.context.links, self.domain, self.alertname),
            dashboard_url=dashboard_url(self.context.links, self.platform.platform, self.domain, facts.panel),
            panel=facts.panel,
            file=self.context.path,
        )


class _MetricAlert(_Base):
    """A condition over metrics, or PromQL as written."""

    def plan(self) -> Alert:
        if self.condition is None:
            return self.finish(
                _Facts(
                    kind="promql",
                    expr=self.written.promql or "",
                    by=tuple(self.written.by),
                    subject=self.name,
                    source=None,
                    reads=(),
                    panel=f"alert/{self.name}",
                    for_default=2 * self.context.evaluation_interval,
                    description=f"{spoken(self.name)}.",
                    threshold_text=self.written.promql or "",
                    value_unit="none",
                )
            )
        condition, recorder = self.condition, self.context.recorder
        first = self._metric(condition.symbols[0])
        read = [self._metric(symbol) for symbol in condition.symbols]
        leaves = tuple(dict.fromkeys(leaf for metric in read for leaf in self._leaves(metric)))
        reader = recorder.unheld if self.written.no_data == "ok" else recorder.series
        expr = to_promql(condition, reader, tuple(self.written.by))
        reads: tuple[Held, ...] = ()
        if self.written.no_data != "ok":
            records = dict.fromkeys(recorder.read(leaf) for leaf in leaves)
            reads = tuple(recorder.held[record] for record in records if record in recorder.held)
        threshold, text = self._threshold(condition, first)
        return self.finish(
            _Facts(
                kind="metrics",
                expr=expr,
                by=condition.labels,
                subject=first.name,
                source=next((leaf.source for leaf in leaves if leaf.source), None),
                reads=reads,
                leaves=leaves,
                panel=f"trend/{first.name}" if first.domain == self.domain else f"alert/{self.name}",
                for_default=2 * self.context.evaluation_interval,
                description=first.help,
                metric=first,
                threshold=threshold,
                threshold_text=text,
                value_unit=self._value_unit(condition),
            )
        )

    def _metric(self, symbol: object) -> Metric:
        assert isinstance(symbol, MetricSymbol), "a condition over metrics names metrics alone"
        return self.context.metrics[symbol.domain, symbol.name]

    def _leaves(self, metric: Metric) -> Iterator[Metric]:
        if metric.definition is None:
            yield metric
            return
        for reference in references(metric.definition):
            yield from self._leaves(self._metric(reference.symbol))

    def _threshold(self, condition: Condition, first: Metric) -> tuple[Threshold | None, str]:
        """The threshold of the first metric, for panels, and the one that the value is read against."""
        leading = leading_comparisons(condition.root, condition.labels)
        told = against_constant(leading[0]) if len(leading) == 1 else None
        text = f"{told[1]} {format_quantity(told[2].value, told[2].unit)}" if told is not None else condition.text
        found = next(filter(None, map(against_constant, comparisons(condition.root))), None)
        if found is not None and isinstance(found[0], Reference) and self._metric(found[0].symbol) is first:
            return Threshold(found[1], found[2].value, first.unit), text
        return None, text

    @staticmethod
    def _value_unit(condition: Condition) -> str:
        """The unit of the number with which the alert fires; none where the parts of an OR differ in theirs."""
        leading = leading_comparisons(condition.root, condition.labels)
        units = {each.right.unit if isinstance(each.left, Number) else each.left.unit for each in leading}
        return units.pop() if len(units) == 1 else "none"


class _RowAlert(_Base):
    """A condition over the rows of a record."""

    def plan(self) -> Alert:
        condition = self.condition
        assert condition is not None and condition.record is not None
        record = self.context.file.records[condition.record]
        source = record.source or self.context.file.source or ""
        within = self.scaled(record.within) if record.within else None
        row = rows.RowAlert(self.name, condition, tuple(self.written.by))
        queries = rows.RecordQueries(
            self.platform.platform, self.domain, condition.record, record,
            self.context.scope.records[condition.record], within,
        )  # fmt: skip
        health, recorder = QueryHealth(queries.health(row)), self.context.recorder
        names = tuple(label for label, _ in rows.labels(row, record))
        platform = self.platform.platform

        def hold(series: str, name: str, labels: tuple[str, ...], query: QueryHealth) -> Held:
            return recorder.hold(name, series, recordings.any_replica(series, labels), labels, query, source)

        matching_series = naming.matching_rows(platform, self.domain, self.name)
        matching = hold(matching_series, f"{self.name}_matching_rows", names, health)
        worst = unlisted = None
        unit = rows.worst_unit(condition)
        if unit is not None:
            series = naming.worst(platform, self.domain, self.name, unit)
            worst = hold(series, f"{self.name}_worst", names, health)
        if record.each:
            series = naming.unlisted_rows(platform, self.domain, self.name)
            shared = QueryHealth(f"{self.domain}/{condition.record}")
            unlisted = hold(series, f"{self.name}_unlisted_rows", (), shared).record
        expr = f"{matching.record} > 0"
        if self.written.no_data == "ok":
            some = f"{recordings.any_replica(matching_series, names)} > 0"
            expr = recordings.while_seen(platform, some, health)
        title = record.title or spoken(condition.record)
        return self.finish(
            _Facts(
                kind="rows",
                expr=expr,
                by=names,
                subject=condition.record,
                source=source,
                reads=(matching,) if self.written.no_data != "ok" else (),
                panel=f"alert/{self.name}",
                for_default=0,
                description=f"{title} with {condition.text}.",
                threshold_text=condition.text,
                value_unit=unit or "none",
                worst=worst,
                is_event=within is not None,
                within=within,
                each=record.each.label if record.each else None,
                matching_sql=rows.matching_sql(record, condition, within) if self.context.with_sql else None,
                unlisted=unlisted,
            )
        )
