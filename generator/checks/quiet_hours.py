"""Quiet hours: they begin and end, leave time to be told in, and never keep an alert from everybody who matters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from generator import durations
from generator.checks import _samples
from generator.checks._hints import unknown
from generator.checks._timezones import exists, unknown_timezone
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files
from generator.model import Alert, Cadence, QuietHours
from generator.plan import people, quiet_hours, week
from generator.plan.cadences import MINUTE, cadence, slot_minutes

_DAY = timedelta(days=1)
# Any year has all weekdays and, where clocks are changed, both changes; no clock is asked which year it is.
_YEAR = [datetime(2027, 1, 1, tzinfo=UTC) + number * _DAY for number in range(365)]


def check(files: Files) -> Iterator[Problem]:
    """Quiet hours that contradict themselves, never end, cover a slot, or hide what must be heard."""
    model = files.platform.model
    if not any(owner.quiet_hours for owner in (*model.channels.values(), *model.contacts.values())):
        return  # or every alert of a large platform would be looked at in vain
    found: list[Problem] = []
    for kind, owners in (("channels", model.channels), ("contacts", model.contacts)):
        for name, owner in owners.items():
            path = (kind, name, "quiet_hours")
            found.extend(list(_hours(files, path, owner.quiet_hours)) or _endless(files, path, owner.quiet_hours))
    yield from found
    rotations = [contact.rotation for contact in model.contacts.values() if contact.rotation is not None]
    zones = {model.timezone, *(one.timezone for one in rotations if one.timezone is not None)}
    if not found and all(map(exists, zones)):
        yield from _slots(files)
        yield from _ticks(files)
        yield from _hidden(files)
        yield from _people(files)


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
    model = files.platform.model
    for severity in model.severities if written and exists(model.timezone) else ():
        if _samples.quiet(written, severity, model.timezone) == _samples.ALWAYS:
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
    """Every alert that somebody wrote."""
    model = files.platform.model
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            channels = alert.channels or people.row(model, alert.severity).channels
            known = tuple(channel for channel in channels if channel in model.channels)
            if known and alert.enabled and alert.notification in model.notifications:
                yield _Told(name, alert, file, known)


def _slots(files: Files) -> Iterator[Problem]:
    """Daily and weekly messages over a channel that is quiet just then, always or now and then."""
    model = files.platform.model
    asked: dict[tuple[str, str, str], tuple[str, Span]] = {}
    for told in _told(files):
        for channel in told.channels:
            key = (told.body.notification, channel, told.body.severity)
            asked.setdefault(key, (f'alert "{told.name}"', told.file.key_span(("alerts", told.name))))
    monitoring = people.monitoring(model)
    ending = [name for name, one in model.contacts.items() if one.rotation is not None and one.rotation.people]
    for name in ending:
        for channel in monitoring.channels:
            key = (monitoring.slowest_notification, channel, monitoring.mildest_severity)
            what = f'the warning before the rotation "{name}" ends'
            asked.setdefault(key, (what, files.platform.key_span(("contacts", name))))
    for (name, channel, severity), (what, place) in asked.items():
        slot = model.notifications[name]
        if slot.at is None or channel not in model.channels or not model.channels[channel].quiet_hours:
            continue
        length = slot_minutes(cadence(name, slot, model.timezone, 1.0).group_interval)
        found: dict[int, set[bool]] = {}
        for begins, ends in _windows(slot, length, model.timezone):
            states = {_is_quiet(files, channel, severity, begins), _is_quiet(files, channel, severity, ends)}
            found.setdefault(begins.astimezone(ZoneInfo(model.timezone)).weekday(), set()).update(states)
        quiet = files.platform.key_span(("channels", channel, "quiet_hours"))
        hint = f"{what} ({place.path}:{place.line}) goes there; its quiet hours are at line {quiet.line}"
        span = files.platform.span(("notifications", name, "at"))
        if all(states == {True} for states in found.values()):
            message = f'"{name}" goes out at {slot.at}, when channel "{channel}" is always quiet'
            yield Problem(span, "never-open", message, (hint,))
        elif any(len(states) > 1 for states in found.values()):
            message = (
                f'"{name}" goes out within {length} minutes of {slot.at}, when channel "{channel}" is quiet at times'
                " and at times not, on the same day of the week"
            )
            yield Problem(span, "quiet-hours", message, (hint,))


def _ticks(files: Files) -> Iterator[Problem]:
    """Cadences so slow that Alertmanager may never look at a group while its channel is not quiet."""
    model = files.platform.model
    said: set[tuple[str, str]] = set()
    for told in _told(files):
        name = told.body.notification
        if model.notifications[name].at is not None:
            continue
        interval = cadence(name, model.notifications[name], model.timezone, 1.0).group_interval
        for channel in told.channels:
            hours = model.channels[channel].quiet_hours
            if not hours or (name, channel) in said:
                continue
            quiet = _samples.quiet(hours, told.body.severity, model.timezone)
            stretch = _samples.shortest_stretch(_samples.ALWAYS & ~quiet)
            if quiet and interval >= stretch * MINUTE:
                said.add((name, channel))
                message = (
                    f'"{name}" looks every {durations.text(interval)} for what is new, but channel "{channel}" is not'
                    f" quiet for {durations.text(stretch * MINUTE)} only"
                )
                place = told.file.key_span(("alerts", told.name))
                hint = f'alert "{told.name}" ({place.path}:{place.line}) might never be told: write a group_interval'
                yield Problem(files.platform.key_span(("notifications", name)), "never-open", message, (hint,))


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
    for told in _told(files):
        if model.notifications[told.body.notification].at is not None or (why := _urgent(files, told)) is None:
            continue
        if (found := _all_quiet(files, told.channels, told.body.severity)) is not None:
            at, places = found
            message = f'nobody would be told of "{told.name}" on {at}: all of its channels are quiet'
            hint = f"let it through (except: [{told.body.severity}]), or add a channel that is not quiet then"
            yield Problem(told.file.key_span(("alerts", told.name)), "quiet-alert", message, (hint, why, places))
    monitoring = people.monitoring(model)
    channels = tuple(channel for channel in monitoring.channels if channel in model.channels)
    if channels and (found := _all_quiet(files, channels, monitoring.severity)) is not None:
        at, places = found
        message = f"nobody would be told on {at} that the monitoring is blind: all of its channels are quiet"
        hint = f"let it through (except: [{monitoring.severity}]), or add a channel that is not quiet then"
        yield Problem(files.platform.key_span(("monitoring",)), "quiet-alert", message, (hint, places))


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


def _all_quiet(files: Files, channels: tuple[str, ...], severity: str) -> tuple[str, str] | None:
    """When all of some channels are quiet at once, and a hint where that is written; None: never."""
    model = files.platform.model
    common = _samples.ALWAYS
    for channel in channels:
        common &= _samples.quiet(model.channels[channel].quiet_hours, severity, model.timezone)
    if not common:
        return None
    lines = sorted({files.platform.key_span(("channels", channel, "quiet_hours")) for channel in channels})
    places = ", ".join(f"{span.path}:{span.line}" for span in lines)
    return _moment(common, model.timezone), f"their quiet hours: {places}"


def _moment(samples: int, timezone: str) -> str:
    found = _samples.first(samples, timezone)
    return f"{week.WEEKDAYS[found.weekday()].capitalize()} at {found:%H:%M} {timezone}"


def _people(files: Files) -> Iterator[Problem]:
    """Those who come next: never reached in their shifts, or all of them quiet when the worst is not taken."""
    model = files.platform.model
    monitoring = people.monitoring(model)
    asked = {
        (told.body.owner or told.file.model.owner, told.body.severity): None
        for told in _told(files)
        if told.body.escalate and model.notifications[told.body.notification].at is None
    }
    asked[monitoring.owner, monitoring.severity] = None
    said: set[tuple[str, str]] = set()
    for owner, severity in asked:
        common = _samples.ALWAYS
        steps = people.escalations(model, severity, owner)
        for step in steps:
            if step.contact not in model.contacts:
                continue
            common &= _step(files, step.contact, severity)
            if (step.contact, severity) not in said:
                said.add((step.contact, severity))
                yield from _shifts(files, step.contact, severity)
        are_known = steps and all(step.contact in model.contacts for step in steps)
        if are_known and common and severity == model.severities[0] and (owner, severity) not in said:
            said.add((owner, severity))
            names = " and ".join(f'"{step.contact}"' for step in steps)
            message = (
                f'nobody would come next after "{severity}" on {_moment(common, model.timezone)}: {names}'
                f" {'is' if len(steps) == 1 else 'are'} quiet"
            )
            hint = f"the worst severity cannot wait: let it through (except: [{severity}])"
            yield Problem(files.platform.key_span(("escalation", severity)), "quiet-alert", message, (hint,))


def _step(files: Files, contact: str, severity: str) -> int:
    """When whoever a contact stands for may be quiet."""
    model = files.platform.model
    rotation = model.contacts[contact].rotation
    if rotation is None:
        return _samples.quiet(model.contacts[contact].quiet_hours, severity, model.timezone)
    told = 0
    for person in people.behind(model, contact):
        quiet = _samples.quiet(model.contacts[person].quiet_hours, severity, model.timezone)
        if not rotation.shifts and quiet:
            return quiet  # it may be the week of this one
        told |= _samples.on_call(rotation, person, model.timezone) & ~quiet
    return _samples.ALWAYS & ~told


def _shifts(files: Files, contact: str, severity: str) -> Iterator[Problem]:
    """People of a rotation who are quiet whenever they are on call."""
    model = files.platform.model
    rotation = model.contacts[contact].rotation
    if rotation is None or not rotation.shifts:
        return
    for person in people.behind(model, contact):
        quiet = _samples.quiet(model.contacts[person].quiet_hours, severity, model.timezone)
        if quiet and not _samples.on_call(rotation, person, model.timezone) & ~quiet:
            message = f'"{person}" is quiet in all shifts of "{contact}", which comes next after "{severity}"'
            yield Problem(files.platform.key_span(("contacts", person, "quiet_hours")), "never-open", message)
