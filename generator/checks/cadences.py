"""Cadences: every one named exists and can be kept, in a timezone that exists."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from generator.checks._hints import unknown
from generator.diagnostics import Problem
from generator.load import Files


def check(files: Files) -> Iterator[Problem]:
    """Cadences that do not exist or contradict themselves, and a timezone that nobody knows."""
    platform = files.platform
    known = platform.model.notifications
    if not known:
        message = "without a cadence no message goes out"
        yield Problem(platform.key_span(("notifications",)), "cadence-form", message, ("add immediate: {}",))
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            if alert.notification not in known:
                written = "notification" in alert.model_fields_set
                span = file.span(("alerts", name, "notification")) if written else file.key_span(("alerts", name))
                yield unknown(
                    "notification",
                    span,
                    alert.notification,
                    known,
                    lambda near: platform.key_span(("notifications", near)),
                )
    for name, cadence in known.items():
        if cadence.every is not None and cadence.at is not None:
            message = "a cadence is every so often or at a time of day, not both"
            yield Problem(platform.span(("notifications", name, "every")), "cadence-form", message)
        if cadence.day is not None and cadence.at is None:
            message = "a day of the week needs a time of day"
            yield Problem(platform.span(("notifications", name, "day")), "cadence-form", message, ('add at: "09:00"',))
    yield from _timezone(files)


def _timezone(files: Files) -> Iterator[Problem]:
    name = files.platform.model.timezone
    if name == "UTC":
        return
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        if not available_timezones():
            return  # a machine without the tz database cannot tell
        message = f'no timezone is called "{name}"'
        hint = "names are those of the tz database: Europe/Stockholm, America/New_York, UTC"
        yield Problem(files.platform.span(("timezone",)), "unknown-timezone", message, (hint,))
