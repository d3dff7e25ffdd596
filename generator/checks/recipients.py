"""Recipients: every alert reaches somebody."""

from collections.abc import Iterator

from generator.diagnostics import Problem
from generator.load import Files
from generator.plan import people


def _has_channels(files: Files, severity: str) -> bool:
    """Whether the matrix has channels for a severity; a row that cannot be found is a problem already."""
    model = files.platform.model
    written = model.escalation.get(severity)
    is_lost = written is not None and written.same_as is not None and written.same_as not in model.escalation
    return is_lost or bool(people.row(model, severity).channels)


def check(files: Files) -> Iterator[Problem]:
    """Alerts that would reach nobody."""
    platform = files.platform
    model = platform.model
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            known = alert.severity in model.severities
            if known and not alert.channels and not _has_channels(files, alert.severity):
                message = f'alert "{name}" would reach nobody'
                hint = f'it lists no channels, and the escalation matrix has none for severity "{alert.severity}"'
                yield Problem(file.key_span(("alerts", name)), "no-recipient", message, (hint,))
    if not model.channels:
        span = platform.key_span(("channels",))
        yield Problem(span, "no-recipient", "the platform has no channels: nothing would reach anybody")
    elif not model.contacts:
        span = platform.key_span(("contacts",))
        yield Problem(span, "no-recipient", "the platform has no contacts: nobody can own an alert")
