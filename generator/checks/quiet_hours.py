"""Quiet hours: they begin and end, leave time to be told in, and never keep an alert from everybody who matters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from generator.checks._hints import unknown
from generator.checks._timezones import exists, unknown_timezone
from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.model import Alert, Cadence, QuietHours
from generator.plan import people, quiet_hours, week
from generator.plan.cadences import cadence, slot_minutes

_DAY = timedelta(days=1)
# Any year has all weekdays and, where clocks are changed, both changes; no clock is asked which year it is.
_YEAR = [datetime(2027, 1, 1, tzinfo=UTC) + number * _DAY for number in range(365)]
# A week of summer time and one of winter time, in both hemispheres.
_WEEKS = [*_YEAR[17:24], *_YEAR[199:206]]


def check(files: Files) -> Iterator[Problem]:
    """Quiet hours that contradict themselves, never end, cover a slot, or hide what must be heard."""
    model = files.platform.model
    found: list[Problem] = []
    for kind, owners in (("channels", model.channels), ("contacts", model.contacts)):
        for name, owner in owners.items():
            path = (kind, name, "quiet_hours")
            found.extend(list(_hours(files, path, owner.quiet_hours)) or _endless(files, path, owner.quiet_hours))
    yield from found
    if not found and exists(model.timezone):
        yield from _slots(files)
        yield from _hidden(files)


def _hours(files: Files, path: tuple[str, str, str], written: Sequence[QuietHours]) -> Iterator[Problem]:
    platform = files.platform
    severities = platform.model.severities
    for index, hours in enumerate(written):
        span = platform.span((*path, index))
        if (hours.from_ is None) != (hours.to is None):
            message = f"quiet hours {'from ' + hours.from_ if hours.from_ else f'to {hours.to}'} have only one end"
            yield Problem(span, "quiet-hours", message, ('write both: {from: "22:00", to: "07:00"}',))
        elif hours.from_ is not None and hours.from_ == hours.to:
            message = f"quiet hours from {hours.from_} to {hours.to} are no time at all"
            hint = "for whole days leave out both, and say which: {days: [saturday, sunday]}"
            yield Problem(span, "quiet-hours", message, (hint,))
        for number, severity in enumerate(hours.except_):
            if severity not in severities:
                yield unknown("severity", platform.span((*path, index, "except", number)), severity, severities)
        if hours.timezone is not None:
            problem = unknown_timezone(hours.timezone, platform.span((*path, index, "timezone")))
            if problem is not None:
                yield problem


def _endless(files: Files, path: tuple[str, str, str], written: Sequence[QuietHours]) -> Iterator[Problem]:
    """Quiet hours that leave nothing of the week."""
    for severity in files.platform.model.severities:
        parts = [part for one in written if severity not in one.except_ for part in quiet_hours.parts_of_week(one)]
        if parts and not week.gaps(parts):
            message = f'{path[0][:-1]} "{path[1]}" is quiet all week: "{severity}" would never be told'
            span = files.platform.key_span(path)
            yield Problem(span, "never-open", message, ("leave some of the week, or leave it out",))
            return


def _is_quiet(files: Files, channel: str, severity: str, moment: datetime) -> bool:
    model = files.platform.model
    return any(
        severity not in hours.except_ and quiet_hours.holds(hours, moment, model.timezone)
        for hours in model.channels[channel].quiet_hours
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """An alert, and the channels that tell of it at first."""

    name: str
    body: Alert
    file: DomainFile
    channels: tuple[str, ...]


def _told(files: Files) -> Iterator[_Told]:
    model = files.platform.model
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            channels = alert.channels or people.row(model, alert.severity).channels
            known = tuple(channel for channel in channels if channel in model.channels)
            if known and alert.enabled and alert.notification in model.notifications:
                yield _Told(name, alert, file, known)


def _slots(files: Files) -> Iterator[Problem]:
    """Daily and weekly messages over a channel that is quiet just then, always or for a part of their window."""
    model = files.platform.model
    said: set[tuple[str, str, str]] = set()
    for told in _told(files):
        name = told.body.notification
        if (slot := model.notifications[name]).at is None:
            continue
        for channel in told.channels:
            if (key := (channel, name, told.body.severity)) in said:
                continue
            said.add(key)
            length = slot_minutes(cadence(name, slot, model.timezone, 1.0).group_interval)
            found = [
                tuple(_is_quiet(files, channel, told.body.severity, moment) for moment in window)
                for window in _windows(slot, length, model.timezone)
            ]
            place = told.file.key_span(("alerts", told.name))
            quiet = files.platform.key_span(("channels", channel, "quiet_hours"))
            hint = (
                f'alert "{told.name}" ({place.path}:{place.line}) goes there; its quiet hours are at line {quiet.line}'
            )
            span = files.platform.span(("notifications", name, "at"))
            if all(begins and ends for begins, ends in found):
                message = f'"{name}" goes out at {slot.at}, when channel "{channel}" is always quiet'
                yield Problem(span, "never-open", message, (hint,))
            elif any(begins != ends for begins, ends in found):
                message = (
                    f'"{name}" goes out within {length} minutes of {slot.at}, while channel "{channel}" begins'
                    " or ends to be quiet"
                )
                yield Problem(span, "quiet-hours", message, (hint,))


def _windows(slot: Cadence, length: int, timezone: str) -> Iterator[tuple[datetime, datetime]]:
    """The first and the last minute of every slot of a year."""
    minute, zone = week.minutes(slot.at or ""), ZoneInfo(timezone)
    for day in _YEAR:
        local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
        if slot.day in (None, week.WEEKDAYS[local.weekday()]):
            start = local.astimezone(UTC)
            yield start, start + timedelta(minutes=length - 1)


def _hidden(files: Files) -> Iterator[Problem]:
    """Alerts that must be heard at once, and that at some time of the week no channel would tell of."""
    model = files.platform.model
    found: dict[tuple[tuple[str, ...], str], datetime | None] = {}
    for told in _told(files):
        if model.notifications[told.body.notification].at is not None or (why := _urgent(files, told)) is None:
            continue
        key = (told.channels, told.body.severity)
        if key not in found:
            found[key] = _all_quiet(files, *key)
        if (moment := found[key]) is not None:
            at = f"{_day(moment)} at {moment:%H:%M}"
            message = f'nobody would be told of "{told.name}" on {at}: all of its channels are quiet'
            hints = (f"let it through (except: [{told.body.severity}]), or add a channel that is not quiet then", why)
            yield Problem(told.file.key_span(("alerts", told.name)), "quiet-alert", message, hints)
    monitoring = people.monitoring(model)
    channels = tuple(channel for channel in monitoring.channels if channel in model.channels)
    if channels and (moment := _all_quiet(files, channels, monitoring.severity)) is not None:
        at = f"{_day(moment)} at {moment:%H:%M}"
        message = f"nobody would be told on {at} that the monitoring is blind: all of its channels are quiet"
        hint = f"let it through (except: [{monitoring.severity}]), or add a channel that is not quiet then"
        yield Problem(files.platform.key_span(("monitoring",)), "quiet-alert", message, (hint,))


def _urgent(files: Files, told: _Told) -> str | None:
    """Why an alert cannot wait for the end of quiet hours; None if it can."""
    model = files.platform.model
    alert = told.body
    owner = alert.owner or told.file.model.owner
    if alert.escalate and people.escalations(model, alert.severity, owner):
        return "who comes next would be told before the first, unless it says escalate: false"
    if alert.severity == model.severities[0]:
        return f'"{alert.severity}" is the worst severity, which cannot wait'
    return None


def _all_quiet(files: Files, channels: tuple[str, ...], severity: str) -> datetime | None:
    """A moment at which all of some channels are quiet; it begins where the quiet hours of one of them do."""
    model = files.platform.model
    for channel in channels:
        for hours in model.channels[channel].quiet_hours:
            zone = ZoneInfo(hours.timezone or model.timezone)
            minute = week.minutes(hours.from_) if hours.from_ else 0
            for day in _WEEKS:
                local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
                if all(_is_quiet(files, one, severity, local.astimezone(UTC)) for one in channels):
                    return local
    return None


def _day(moment: datetime) -> str:
    return week.WEEKDAYS[moment.weekday()].capitalize()
