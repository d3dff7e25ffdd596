"""Severities: every one named exists, and the rows of the escalation matrix say what they must."""

from collections.abc import Iterator

from generator.checks._hints import near, unknown
from generator.diagnostics import Problem, Span
from generator.load import Files
from generator.model import SeverityRow


def check(files: Files) -> Iterator[Problem]:
    """Severities that do not exist, and rows of the matrix that contradict themselves."""
    platform = files.platform
    known = platform.model.severities
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            if alert.severity not in known:
                yield unknown("severity", file.span(("alerts", name, "severity")), alert.severity, known)
    monitored = platform.model.monitoring.severity
    if monitored is not None and monitored not in known:
        yield unknown("severity", platform.span(("monitoring", "severity")), monitored, known)
    for index, severity in enumerate(known):
        if severity in known[:index]:
            message = f'severity "{severity}" is listed twice'
            yield Problem(platform.span(("severities", index)), "duplicate-name", message)
    for severity, row in platform.model.escalation.items():
        key = platform.key_span(("escalation", severity))
        if severity not in known:
            yield unknown("severity", key, severity, known)
        if row.same_as is not None:
            yield from _same_as(files, severity, row, row.same_as)
        elif row.next is not None:
            yield from _next(files, severity, row, key)


def _same_as(files: Files, severity: str, row: SeverityRow, other: str) -> Iterator[Problem]:
    rows = files.platform.model.escalation
    span = files.platform.span(("escalation", severity, "same_as"))
    if row.model_fields_set - {"same_as"}:
        beside = ", ".join(sorted(row.model_fields_set - {"same_as"}))
        message = f"a row that is the same as another says nothing else, but here it says {beside}"
        yield Problem(span, "escalation-row", message)
    if other not in rows:
        message = f'severity "{other}" has no row of its own here'
        yield Problem(span, "unknown-severity", message, (near("row", other, rows),))
        return
    chain = [severity]
    current: str | None = other
    while current is not None and current in rows and current not in chain:
        chain.append(current)
        current = rows[current].same_as
    if current == severity:
        message = "this row is the same as itself"
        yield Problem(span, "escalation-circle", message, (" -> ".join([*chain, severity]),))


def _next(files: Files, severity: str, row: SeverityRow, key: Span) -> Iterator[Problem]:
    span = files.platform.span(("escalation", severity, "next"))
    if row.respond_within is None:
        message = f'nobody can come next after "{severity}" without a time to respond'
        yield Problem(span, "escalation-row", message, ("add respond_within: 15m",))
    if not row.channels:
        message = f'row "{severity}" says who comes next but not over which channels'
        yield Problem(span, "escalation-row", message, ("add channels: […]",))
