"""Sampled moments of a year, as bits of a number: when somebody is quiet, and when on call.

Time zones change their clocks on different days, so two of them are never held against each other by the clock alone.
A week of each month has all combinations of offsets but one, which has a week of its own; samples are 5 minutes apart.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from generator.model import QuietHours, Rotation
from generator.plan import quiet_hours, week

STEP = 5
_PER_WEEK = week.WEEK // STEP
# No clock is asked which year it is. In the first week of November only Europe has changed its clocks.
_WEEKS = [datetime(2027, month, 15, tzinfo=UTC) for month in range(1, 13)] + [datetime(2027, 11, 1, tzinfo=UTC)]
ALWAYS = (1 << len(_WEEKS) * _PER_WEEK) - 1


def quiet(written: Iterable[QuietHours], severity: str, timezone: str) -> int:
    """When quiet hours keep alerts of a severity back."""
    found = 0
    for hours in written:
        if severity not in hours.except_:
            found |= _within(tuple(quiet_hours.parts_of_week(hours)), hours.timezone or timezone)
    return found


def on_call(rotation: Rotation, person: str, timezone: str) -> int:
    """When a person of a rotation may be on call: of people who take turns any may be at any time."""
    if not rotation.shifts:
        return ALWAYS
    parts = tuple(
        (week.minutes_of_week(shift.from_), week.minutes_of_week(shift.to))
        for shift in rotation.shifts
        if shift.person == person
    )
    return _within(parts, rotation.timezone or timezone)


def first(samples: int, timezone: str) -> datetime:
    """The first of some moments, on the clock of a time zone."""
    number = (samples & -samples).bit_length() - 1
    return _moment(number).astimezone(ZoneInfo(timezone))


def shortest_stretch(samples: int) -> int:
    """The length in minutes of the shortest stretch that begins and ends within a week; a week if there is none."""
    shortest = _PER_WEEK
    for number in range(len(_WEEKS)):
        text = f"{samples >> (number * _PER_WEEK) & ((1 << _PER_WEEK) - 1):0{_PER_WEEK}b}"
        runs = [len(run) for run in text.split("0") if run]
        if text.startswith("1") and runs:
            runs = runs[1:]
        if text.endswith("1") and runs:
            runs = runs[:-1]
        shortest = min([shortest, *runs])
    return shortest * STEP


def _moment(number: int) -> datetime:
    return _WEEKS[number // _PER_WEEK] + timedelta(minutes=STEP * (number % _PER_WEEK))


@cache
def _within(parts: tuple[tuple[int, int], ...], timezone: str) -> int:
    """The moments that are in some parts of the week on the clock of a time zone."""
    taken = bytearray(week.WEEK)
    for start, end in parts:
        for minute in range(start, start + ((end - start) % week.WEEK or week.WEEK)):
            taken[minute % week.WEEK] = 1
    return int("".join("1" if taken[minute] else "0" for minute in reversed(_minutes(timezone))), 2)


@cache
def _minutes(timezone: str) -> tuple[int, ...]:
    """The minute of the week of each moment."""
    zone = ZoneInfo(timezone)
    local = (_moment(number).astimezone(zone) for number in range(len(_WEEKS) * _PER_WEEK))
    return tuple(moment.weekday() * week.DAY + moment.hour * 60 + moment.minute for moment in local)
