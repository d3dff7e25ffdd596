"""Quiet hours as time intervals in which a route is muted."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from generator import model, naming
from generator.plan import week
from generator.plan.types import Quiet, Stretch, TimeInterval


def quiet(written: Sequence[model.QuietHours], owner: str, timezone: str) -> tuple[Quiet, ...]:
    """The quiet hours of ``owner`` (``channel/slack``, ``contact/anna``), by the severities that they let through."""
    found: dict[tuple[str, ...], list[model.QuietHours]] = {}
    for hours in written:
        found.setdefault(tuple(sorted(hours.except_)), []).append(hours)
    return tuple(
        Quiet(
            TimeInterval(
                naming.quiet_interval(owner, except_),
                tuple(stretch for hours in alike for stretch in stretches(hours, timezone)),
            ),
            except_,
            " and ".join(text(hours, timezone) for hours in alike),
        )
        for except_, alike in found.items()
    )


def stretches(hours: model.QuietHours, timezone: str) -> Iterator[Stretch]:
    """When they hold: over midnight, the rest belongs to the day after."""
    zone = hours.timezone or timezone
    start, end = _start_and_end(hours)
    weekdays = (
        tuple(sorted(set(hours.days), key=week.WEEKDAYS.index)) if len(set(hours.days)) < len(week.WEEKDAYS) else ()
    )
    if start < end:
        yield Stretch(start, end, weekdays, timezone=zone)
        return
    yield Stretch(start, week.DAY, weekdays, timezone=zone)
    if end:
        after = {week.WEEKDAYS[(week.WEEKDAYS.index(day) + 1) % 7] for day in weekdays}
        yield Stretch(0, end, _in_order(after), timezone=zone)


def parts_of_week(hours: model.QuietHours) -> Iterator[tuple[int, int]]:
    """The same as minutes of the week in their own time zone, from and to."""
    start, end = _start_and_end(hours)
    for day in hours.days or week.WEEKDAYS:
        midnight = week.WEEKDAYS.index(day) * week.DAY
        yield midnight + start, midnight + end + (week.DAY if end <= start else 0)


def holds(hours: model.QuietHours, moment: datetime, timezone: str) -> bool:
    """Whether they hold at a moment."""
    local = moment.astimezone(ZoneInfo(hours.timezone or timezone))
    start, end = _start_and_end(hours)
    minute = local.hour * 60 + local.minute
    days = hours.days or week.WEEKDAYS
    today, yesterday = week.WEEKDAYS[local.weekday()], week.WEEKDAYS[local.weekday() - 1]
    if start < end:
        return today in days and start <= minute < end
    return (today in days and minute >= start) or (yesterday in days and minute < end)


def text(hours: model.QuietHours, timezone: str) -> str:
    """``22:00 to 07:00 on Saturday and Sunday (Europe/Stockholm)``."""
    days = [day.capitalize() for day in dict.fromkeys(hours.days)]
    on = f"on {', '.join(days[:-1])}{' and ' if len(days) > 1 else ''}{days[-1]}" if days else ""
    times = f"{hours.from_} to {hours.to}" if hours.from_ and hours.to else ""
    return f"{' '.join(filter(None, (times, on)))} ({hours.timezone or timezone})"


def _start_and_end(hours: model.QuietHours) -> tuple[int, int]:
    if hours.from_ is None or hours.to is None:
        return 0, week.DAY
    return week.minutes(hours.from_), week.minutes(hours.to)


def _in_order(days: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(days, key=week.WEEKDAYS.index))
