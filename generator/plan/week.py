"""The week in minutes, from Monday's midnight on, and what of it a stretch of days and times takes."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from generator.plan.types import Stretch

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = 24 * 60
WEEK = 7 * DAY
# The years in which clock changes are looked for: rules change, and no clock is asked which year it is.
_YEARS = range(2026, 2031)


def minutes(time_of_day: str) -> int:
    """``09:30`` as 570."""
    return int(time_of_day[:2]) * 60 + int(time_of_day[3:])


def minutes_of_week(time_of_week: str) -> int:
    """``tuesday 09:30`` as 2,010."""
    day, _, at = time_of_week.partition(" ")
    return WEEKDAYS.index(day) * DAY + minutes(at)


def time_of_day(minute: int) -> str:
    """570 as ``09:30``; the end of a day is ``24:00``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def time_of_week(minute: int) -> str:
    """2,010 as ``tuesday 09:30``."""
    day, minute = divmod(minute % WEEK, DAY)
    return f"{WEEKDAYS[day]} {time_of_day(minute)}"


def stretches(start: int, end: int, timezone: str) -> tuple[Stretch, ...]:
    """From a minute of the week to another, or around the week's end to it; the whole week where both are one.

    Days that are taken whole share a stretch.
    """
    length = (end - start) % WEEK or WEEK
    whole: list[str] = []
    parts: list[Stretch] = []
    at = start
    while at < start + length:
        day, first = divmod(at, DAY)
        last = min(DAY, first + start + length - at)
        name = WEEKDAYS[day % 7]
        if (first, last) == (0, DAY):
            whole.append(name)
        else:
            parts.append(Stretch(first, last, (name,), timezone=timezone))
        at += last - first
    if whole:
        parts.append(Stretch(weekdays=tuple(sorted(whole, key=WEEKDAYS.index)), timezone=timezone))
    return tuple(parts)


def gaps(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches of the week that none of ``parts`` (start and end, as above) takes, in order."""
    taken = bytearray(WEEK)
    for start, end in parts:
        length = (end - start) % WEEK or WEEK
        for at in range(start, start + length):
            taken[at % WEEK] = 1
    found: list[tuple[int, int]] = []
    for at in range(WEEK):
        if taken[at]:
            continue
        if found and found[-1][1] == at:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


def meet(one: Stretch, other: Stretch) -> bool:
    """Whether two stretches of the week may have a minute in common; in two time zones nobody can tell for all year."""
    if one.timezone != other.timezone:
        return True
    same_day = not one.weekdays or not other.weekdays or set(one.weekdays) & set(other.weekdays)
    return bool(same_day) and one.start < other.end and other.start < one.end


def clock_change(timezone: str, start: int, length: int, weekday: str | None) -> tuple[date, bool] | None:
    """The first day on which a stretch of the day is not there, or is there twice, since clocks are changed.

    ``start`` and ``length`` are minutes; ``weekday`` None: every day. True: it is there twice.
    """
    if timezone == "UTC":
        return None
    zone = ZoneInfo(timezone)
    days = (date(_YEARS[0], 1, 1) + timedelta(days=number) for number in range(366 * len(_YEARS)))
    for day in days:
        if weekday is not None and WEEKDAYS[day.weekday()] != weekday:
            continue
        for minute in (start, start + length - 1):
            local = datetime.combine(day, time(), zone) + timedelta(minutes=minute)
            first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
            if first is not None and second is not None and first != second:
                return local.date(), second < first
    return None
