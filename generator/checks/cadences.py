"""Cadences: every one named exists and can be kept, in a timezone that exists."""

from collections.abc import Iterator

from generator import durations
from generator.checks._hints import unknown
from generator.checks._timezones import exists, unknown_timezone
from generator.diagnostics import Problem
from generator.load import Files
from generator.plan import cadences, people, week

# Alertmanager's --cluster.peer-timeout.
_PEER_TIMEOUT = 15 * cadences.SECOND
_AT_ONCE = durations.text(cadences.AT_ONCE_GROUP_INTERVAL)


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
    problem = unknown_timezone(platform.model.timezone, platform.span(("timezone",)))
    if problem is not None:
        yield problem
    else:
        yield from _clock_changes(files)
    yield from _ticks(files)
    yield from _peers(files)
    yield from _before_told(files)


def _clock_changes(files: Files) -> Iterator[Problem]:
    """A slot at a time that a day has not, or twice, would be left out, or come twice."""
    platform = files.platform
    zone = platform.model.timezone
    for name, written in platform.model.notifications.items():
        if written.at is None or not exists(zone):
            continue
        length = cadences.slot_minutes(cadences.cadence(name, written, zone, 1.0).group_interval)
        found = week.clock_change(zone, week.minutes(written.at), length, written.day)
        if found is not None:
            day, is_twice = found
            what = "comes twice" if is_twice else "does not exist"
            message = f"{written.at} {what} on {day} in {zone}, when clocks are changed"
            then = "come twice" if is_twice else "be left out"
            hint = f"the message would {then}: choose another time"
            yield Problem(platform.span(("notifications", name, "at")), "clock-change", message, (hint,))


def _ticks(files: Files) -> Iterator[Problem]:
    """Reminders that Alertmanager cannot keep to: between its ticks, or after it has forgotten that it told."""
    platform = files.platform
    for name, written in platform.model.notifications.items():
        path = ("notifications", name)
        kept = durations.text(cadences.RETENTION)
        for key in ("every", "group_interval", "repeat"):
            text = getattr(written, key)
            if text is not None and durations.milliseconds(text) > cadences.RETENTION:
                message = (
                    f"{key} is {text}, but Alertmanager remembers for {kept} alone (--data.retention) what it has told"
                )
                hint = 'for a message a week write day: monday and at: "09:00"'
                yield Problem(platform.span((*path, key)), "cadence-form", message, (hint,))
                break
        else:
            interval = written.group_interval or written.every or _AT_ONCE
            if written.repeat is None or written.at is not None or not (tick := durations.milliseconds(interval)):
                continue
            count, rest = divmod(durations.milliseconds(written.repeat), tick)
            if rest:
                choices = [durations.text(one * tick) for one in (count, count + 1) if one]
                message = (
                    f"a reminder goes out on a tick of group_interval ({interval}): {written.repeat} falls between"
                )
                hint = f"write {' or '.join(choices)}"
                yield Problem(platform.span((*path, "repeat")), "cadence-form", message, (hint,))


def _peers(files: Files) -> Iterator[Problem]:
    """Of several Alertmanagers the second waits for the first: if ticks are shorter, it tells what is no longer so."""
    platform = files.platform
    if len(platform.model.alertmanagers) < 2:
        return
    for name, written in platform.model.notifications.items():
        for key in ("every", "group_interval"):
            text = getattr(written, key)
            if text is not None and 0 < durations.milliseconds(text) <= _PEER_TIMEOUT:
                message = (
                    f"{key} is {text}, but of several Alertmanagers the second waits"
                    f" {durations.text(_PEER_TIMEOUT)} for the first"
                )
                hint = "write more than that: what it tells later than the next tick may no longer be so"
                yield Problem(platform.span(("notifications", name, key)), "cadence-form", message, (hint,))


def _before_told(files: Files) -> Iterator[Problem]:
    """A further instance of an alert waits for the next tick; who comes next must not be told before that."""
    platform = files.platform
    model = platform.model
    seen: set[tuple[str, str]] = set()
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            written = model.notifications.get(alert.notification)
            row = people.row(model, alert.severity)
            key = (alert.notification, alert.severity)
            if written is None or written.at is not None or not alert.escalate or not row.next or key in seen:
                continue
            seen.add(key)
            timing = cadences.cadence(alert.notification, written, model.timezone, 1.0)
            wait = durations.milliseconds(row.respond_within) if row.respond_within else 0
            if 0 < wait < max(timing.group_wait, timing.group_interval):
                every = durations.text(max(timing.group_wait, timing.group_interval))
                message = (
                    f'"{name}" is told {alert.notification}, up to {every} after it fired, but who comes next after'
                    f' "{alert.severity}" is told after {durations.text(wait)}'
                )
                hint = "choose a quicker notification (or group_interval), a longer respond_within, or escalate: false"
                is_written = "notification" in alert.model_fields_set
                path = ("alerts", name, "notification") if is_written else ("alerts", name)
                span = file.span(path) if is_written else file.key_span(path)
                yield Problem(span, "escalation-too-soon", message, (hint,))
