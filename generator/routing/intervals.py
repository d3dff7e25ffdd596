"""Time intervals of Alertmanager: whether one holds at a moment, and when it begins or ends next.

From timeinterval/timeinterval.go at v0.25.0.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_SHORTEST_MONTH, _LONGEST_MONTH = 28, 31
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
# The 29th of February on a given weekday comes back after 28 years, or after 40 where a century is left out.
_YEARS_AHEAD = 41
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

Range = tuple[int, int]
Ranges = tuple[Range, ...] | None


class IntervalError(ValueError):
    """A time interval that Alertmanager refuses."""


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """Everything that is given has to hold; None holds always, and an empty tuple never.

    ``times`` are minutes of the day without the last; the other ranges include both ends. Sunday is weekday 0, and a
    negative day of the month counts from its end.
    """

    times: Ranges
    weekdays: Ranges
    days_of_month: Ranges
    months: Ranges
    years: Ranges
    location: tzinfo

    def contains(self, moment: datetime) -> bool:
        """Whether it holds at a moment."""
        local = moment.astimezone(self.location)
        minute = local.hour * 60 + local.minute
        if self.times is not None and not any(start <= minute < end for start, end in self.times):
            return False
        return self.has_day(local.date())

    def has_day(self, day: date) -> bool:
        """Whether it holds at some time of a day of its location."""
        return (
            self._has_day_of_month(day)
            and _within(day.month, self.months)
            and _within(day.isoweekday() % 7, self.weekdays)
            and _within(day.year, self.years)
        )

    def _has_day_of_month(self, day: date) -> bool:
        if self.days_of_month is None:
            return True
        length = self._days_in_month(day)
        for start, end in self.days_of_month:
            first, last = (place + length + 1 if place < 0 else place for place in (start, end))
            if first <= length and min(first, length) <= day.day <= min(last, length):
                return True
        return False

    def _days_in_month(self, day: date) -> int:
        """As Alertmanager counts: hours by 24, so that a month in which the clock goes forward has a day less."""
        first = datetime(day.year, day.month, 1, tzinfo=self.location)
        following = first.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)
        return (following.astimezone(UTC) - first.astimezone(UTC)) // _DAY


def _within(value: int, ranges: Ranges) -> bool:
    return ranges is None or any(first <= value <= last for first, last in ranges)


def holds(intervals: Iterable[TimeInterval], moment: datetime) -> bool:
    """Whether any of them holds."""
    return any(one.contains(moment) for one in intervals)


def boundaries(intervals: Sequence[TimeInterval], after: datetime) -> Iterator[datetime]:
    """Every moment after ``after`` at which one of them may begin or end, in order."""
    first = after.astimezone(UTC).date()
    for day in (first + number * _DAY for number in range(_YEARS_AHEAD * 366)):
        nearby = (day - _DAY, day, day + _DAY)  # a day of UTC is part of two elsewhere
        found = {moment for one in intervals for local in nearby for moment in _of_day(one, local)}
        yield from sorted(moment for moment in found if moment > after and moment.date() == day)


def _of_day(interval: TimeInterval, day: date) -> Iterator[datetime]:
    """When an interval may begin or end on a day: its times, midnight, and where the clock is changed."""
    if not interval.has_day(day) and not interval.has_day(day - _DAY):
        return
    for minute in {0, *(edge for times in interval.times or () for edge in times)}:
        local = datetime(day.year, day.month, day.day, tzinfo=interval.location) + timedelta(minutes=minute)
        for fold in (0, 1):
            yield local.replace(fold=fold).astimezone(UTC)
    midnight = datetime(day.year, day.month, day.day, tzinfo=interval.location)
    yield from _clock_changes(midnight.astimezone(UTC), (midnight + _DAY).astimezone(UTC), interval.location)


def _clock_changes(start: datetime, end: datetime, location: tzinfo) -> Iterator[datetime]:
    """Where between two moments the clock is put forward or back, to the minute."""
    if start.astimezone(location).utcoffset() == end.astimezone(location).utcoffset():
        return
    while end - start > _MINUTE:
        middle = start + (end - start) // 2 // _MINUTE * _MINUTE
        if middle.astimezone(location).utcoffset() == start.astimezone(location).utcoffset():
            start = middle
        else:
            end = middle
    yield end


def time_interval(values: Mapping[str, Any]) -> TimeInterval:
    """An interval from the values of a configuration."""
    known = {"times", "weekdays", "days_of_month", "months", "years", "location"}
    if strange := set(values) - known:
        raise IntervalError(f"a time interval has no {sorted(strange)[0]}")
    location = values.get("location")
    try:
        zone = ZoneInfo(location) if location else UTC
    except (KeyError, ValueError, OSError) as error:
        raise IntervalError(f"unknown time zone {location}") from error
    times = values.get("times")
    return TimeInterval(
        None if times is None else tuple(map(_times, times)),
        _ranges(values.get("weekdays"), _weekday),
        _ranges(values.get("days_of_month"), _day_of_month),
        _ranges(values.get("months"), _month),
        _ranges(values.get("years"), int),
        zone,
    )


def _times(values: Mapping[str, str]) -> Range:
    start, end = _minute(values["start_time"]), _minute(values["end_time"])
    if start >= end:
        raise IntervalError("start time cannot be equal or greater than end time")
    return start, end


def _minute(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise IntervalError(f"couldn't parse timestamp {text}, invalid format")
    return int(text[:2]) * 60 + int(text[3:])


def _ranges(values: Iterable[object] | None, member: Callable[[str], int]) -> Ranges:
    if values is None:
        return None
    return tuple(_range(str(value).lower(), member) for value in values)


def _range(text: str, member: Callable[[str], int]) -> Range:
    first, _, last = text.partition(":")
    try:
        start, end = member(first), member(last or first)
    except ValueError as error:
        raise IntervalError(f"couldn't parse range {text}, invalid format") from error
    # Alertmanager knows only the shortest month here, and takes no range from the end of a month to its beginning.
    first_day, last_day = (place if place >= 0 else _SHORTEST_MONTH + place for place in (start, end))
    if first_day > last_day or start < 0 < end:
        raise IntervalError(f"{text} ends before it starts")
    return start, end


def _day_of_month(text: str) -> int:
    day = int(text)
    if not 1 <= abs(day) <= _LONGEST_MONTH:
        raise ValueError(f"{day} is not a valid day of the month: out of range")
    return day


def _weekday(text: str) -> int:
    return _WEEKDAYS.index(text)


def _month(text: str) -> int:
    return _MONTHS.index(text) + 1 if text in _MONTHS else int(text)
