"""Conditions: what the condition language says about alerts, ``expr:`` metrics and targets, at the word it is about."""

from collections.abc import Iterator

from generator.condition import parse_target
from generator.condition.tree import Condition, Fault
from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.plan.resolution import resolve

Path = tuple[str | int, ...]


def check(files: Files) -> Iterator[Problem]:
    """Conditions, expressions and targets that do not make sense, and alerts with no condition or two."""
    resolution = resolve(files)
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            if (alert.condition is None) == (alert.promql is None):
                message = f'alert "{name}" needs exactly one of condition and promql'
                yield Problem(file.key_span(("alerts", name)), "alert-condition", message)
            if alert.promql is not None and "no_data" in alert.model_fields_set:
                message = "no_data means nothing for an alert with promql: nobody knows which series it needs"
                hint = "say it in the expression, with absent(…)"
                yield Problem(file.key_span(("alerts", name, "no_data")), "alert-key", message, (hint,))
            found = resolution.conditions.get((file.model.domain, name), ())
            if not isinstance(found, Condition):
                yield from (_problem(file, ("alerts", name, "condition"), fault) for fault in found)
        for name, kpi in file.model.kpis.items():
            metric = file.model.metrics.get(kpi.metric)
            if metric is not None:
                target = parse_target(kpi.target, metric.unit)
                if isinstance(target[0], Fault):
                    yield from (_problem(file, ("kpis", name, "target"), fault) for fault in target)
    by_name = {file.model.domain: file for file in files.domains}
    for found_fault in resolution.symbols.faults:
        path = ("metrics", found_fault.metric, "expr")
        yield _problem(by_name[found_fault.domain], path, found_fault.fault)


def _problem(file: DomainFile, path: Path, fault: Fault) -> Problem:
    return Problem(file.text_span(path, fault.start, fault.end), fault.code, fault.message, fault.help)
