"""Labels: names that are free to use, values listed once, and alerts split only by labels that are there."""

from collections.abc import Iterator

from generator import naming
from generator.checks._hints import near
from generator.condition.tree import Condition
from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.model import Alert, Metric
from generator.plan.resolution import label_names, resolve

# The column of a query that holds the number; a label of that name would have to be the same column.
_VALUE = "value"
# PromQL reads these as a number or a word of its own where it groups by labels.
_PROMQL_WORDS = frozenset({"inf", "nan", "without"})
# The condition language reads these, in any case, as its own: nothing that a condition names can be called so.
_CONDITION_WORDS = frozenset({"and", "or", "not"})
_CONDITION_HINT = "a condition reads that as a word of its own; choose another name"
# What every alert's rule writes, over whatever its series have there.
_WRITTEN = naming.RESERVED_LABELS - {"type", "job", "instance", "le", "quantile"}
_RESERVED = naming.RESERVED_LABELS | _PROMQL_WORDS | _CONDITION_WORDS


def check(files: Files) -> Iterator[Problem]:
    """Label names that are taken, values listed twice, and alerts split by what is no label."""
    for file in files.domains:
        for name, metric in file.model.metrics.items():
            yield from _metric(file, name, metric)
        yield from _unspeakable(file)
        for name, record in file.model.records.items():
            if record.each is not None and record.each.label in _RESERVED:
                path = ("records", name, "each", "label")
                yield Problem(file.span(path), "reserved-label", *_reserved(record.each.label))
        for name, alert in file.model.alerts.items():
            if alert.by:
                yield from _by(files, file, name, alert)


def _unspeakable(file: DomainFile) -> Iterator[Problem]:
    """Metrics and fields that no condition could name."""
    for name in _CONDITION_WORDS & file.model.metrics.keys():
        message = f'a metric cannot be called "{name}"'
        yield Problem(file.key_span(("metrics", name)), "reserved-name", message, (_CONDITION_HINT,))
    for record_name, record in file.model.records.items():
        for name in _CONDITION_WORDS & record.fields.keys():
            span = file.key_span(("records", record_name, "fields", name))
            yield Problem(span, "reserved-name", f'a field cannot be called "{name}"', (_CONDITION_HINT,))


def _reserved(label: str) -> tuple[str, tuple[str, ...]]:
    if label == _VALUE:
        return 'a label cannot be called "value"', ("that is the column with the number",)
    if label in _PROMQL_WORDS:
        return f'a label cannot be called "{label}"', ("PromQL has a meaning of its own for that; choose another name",)
    if label in _CONDITION_WORDS:
        return f'a label cannot be called "{label}"', (_CONDITION_HINT,)
    return f'label "{label}" is reserved', ("Tocsin or Prometheus sets it; choose another name",)


def _metric(file: DomainFile, name: str, metric: Metric) -> Iterator[Problem]:
    written_as_list = isinstance(metric.by, list)
    for index, label in enumerate(metric.by):
        path = ("metrics", name, "by", index if written_as_list else label)
        span = file.span if written_as_list else file.key_span
        taken = metric.column or _VALUE if metric.sql is not None or metric.query is not None else None
        if label in _RESERVED or label == _VALUE == taken:
            yield Problem(span(path), "reserved-label", *_reserved(label))
        elif label == taken:
            message = f'label "{label}" is the column that the number is taken from'
            yield Problem(span(path), "reserved-label", message)
        if isinstance(metric.by, list) and label in metric.by[:index]:
            yield Problem(span(path), "duplicate-name", f'label "{label}" is listed twice')
        for place, value in enumerate(metric.by[label] if isinstance(metric.by, dict) else ()):
            if isinstance(metric.by, dict) and value in metric.by[label][:place]:
                message = f'value "{value}" is listed twice'
                yield Problem(file.span((*path, place)), "duplicate-name", message)


def _by(files: Files, file: DomainFile, name: str, alert: Alert) -> Iterator[Problem]:
    condition = resolve(files).conditions.get((file.model.domain, name))
    if isinstance(condition, Condition) and condition.record is not None:
        each = file.model.records[condition.record].each
        if each is not None:
            message = f'record "{condition.record}" makes one alert per row already; by cannot split that further'
            hint = f"each row has the label {each.label}"
            yield Problem(file.key_span(("alerts", name, "by")), "alert-key", message, (hint,))
            return
    taken = _taken(alert, condition)
    for index, label in enumerate(alert.by):
        span = file.span(("alerts", name, "by", index))
        if label in taken:
            yield Problem(span, "reserved-label", *_reserved(label))
            continue
        if label in alert.by[:index]:
            yield Problem(span, "duplicate-name", f'label "{label}" is listed twice')
        if isinstance(condition, Condition):
            known = _splits(file, condition)
            if label not in known:
                if condition.kind == "rows":
                    message = f'the alert cannot be split by "{label}": that is no field with values'
                    hint = near("field", label, known)
                else:
                    message = f'the alert cannot be split by "{label}": that is no label of what it compares'
                    hint = near("label", label, known)
                yield Problem(span, "unknown-label", message, (hint,))


def _taken(alert: Alert, condition: object) -> frozenset[str]:
    """What `by` must not make a label of; the labels of metrics are looked at where they are declared."""
    if alert.promql is not None:
        return _WRITTEN | _PROMQL_WORDS
    return _RESERVED if isinstance(condition, Condition) and condition.kind == "rows" else frozenset()


def _splits(file: DomainFile, condition: Condition) -> tuple[str, ...]:
    """What an alert on this condition may be split by."""
    if condition.record is not None:
        fields = file.model.records[condition.record].fields
        return tuple(name for name, field in fields.items() if field.values is not None)
    return label_names(condition)
