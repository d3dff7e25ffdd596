"""Whether a timezone exists, as far as the machine's tz database knows."""

from zoneinfo import ZoneInfo, available_timezones

from generator.diagnostics import Problem, Span


def exists(name: str) -> bool:
    """Whether the tz database has it; a machine without one knows UTC alone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return name == "UTC"
    return True


def unknown_timezone(name: str, span: Span) -> Problem | None:
    """The problem with a timezone that nobody knows; None for one that exists, or where that cannot be told."""
    if exists(name) or not available_timezones():
        return None
    hint = "names are those of the tz database: Europe/Stockholm, America/New_York, UTC"
    return Problem(span, "unknown-timezone", f'no timezone is called "{name}"', (hint,))
