"""Rotations as time intervals in which a person is on call.

The same shifts every week are times of the week, which Alertmanager knows in any time zone, for ever. Turns are not: it
knows no "every third week". So each turn is written out as dates, in UTC, where every day has 24 hours and every month
its last day (timeinterval.go counts a month's days by its hours). Outside of what is written out, all are on call.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from generator import model, naming
from generator.plan import week
from generator.plan.types import Stretch, TimeInterval

_DAY = timedelta(days=1)
_TURN = timedelta(days=7)
_FIRST_YEAR, _LAST_YEAR = 1970, 9999


def people(rotation: model.Rotation) -> tuple[str, ...]:
    """Everybody who may be on call, once, in the order in which they are named."""
    named = (*rotation.people, *(shift.person for shift in rotation.shifts), *rotation.swaps.values())
    return tuple(dict.fromkeys(named))


def ends(rotation: model.Rotation, timezone: str) -> datetime | None:
    """When the last turn ends; None where the same shifts come every week."""
    if rotation.until is None or rotation.shifts:
        return None
    return _moment(date.fromisoformat(rotation.until), rotation, timezone)


def intervals(contact: str, rotation: model.Rotation, timezone: str) -> Mapping[str, tuple[TimeInterval, ...]]:
    """When each person is on call."""
    if rotation.shifts:
        zone = rotation.timezone or timezone
        found: dict[str, list[Stretch]] = {person: [] for person in people(rotation)}
        for shift in rotation.shifts:
            start, end = week.minutes_of_week(shift.from_), week.minutes_of_week(shift.to)
            found[shift.person].extend(week.stretches(start, end, zone))
        return {
            person: (TimeInterval(naming.on_call_interval(contact, person), tuple(parts)),)
            for person, parts in found.items()
        }
    turns = list(_turns(rotation, timezone))
    outside = (*_until(turns[0][1]), *_from(turns[-1][2]))
    undecided = TimeInterval(naming.on_call_interval(contact, None), outside)
    return {
        person: (
            *(
                [TimeInterval(naming.on_call_interval(contact, person), own)]
                if (own := tuple(part for who, start, end in turns if who == person for part in _between(start, end)))
                else []
            ),
            undecided,
        )
        for person in people(rotation)
    }


def _turns(rotation: model.Rotation, timezone: str) -> Iterator[tuple[str, datetime, datetime]]:
    """Who is on call from when until when, in UTC; weeks of one person in a row are one turn."""
    assert rotation.starts is not None and rotation.until is not None, "the checks ran before planning"
    day, last = date.fromisoformat(rotation.starts), date.fromisoformat(rotation.until)
    number = 0
    turn: tuple[str, datetime, datetime] | None = None
    while day < last:
        person = rotation.swaps.get(day.isoformat(), rotation.people[number % len(rotation.people)])
        start, end = _moment(day, rotation, timezone), _moment(day + _TURN, rotation, timezone)
        if turn is not None and turn[0] == person:
            turn = (person, turn[1], end)
        else:
            if turn is not None:
                yield turn
            turn = (person, start, end)
        day, number = day + _TURN, number + 1
    if turn is not None:
        yield turn


def _moment(day: date, rotation: model.Rotation, timezone: str) -> datetime:
    """The hand-over on a day, in UTC."""
    assert rotation.hand_over is not None, "the checks ran before planning"
    minute = week.minutes_of_week(rotation.hand_over) % week.DAY
    local = datetime.combine(day, time(minute // 60, minute % 60), ZoneInfo(rotation.timezone or timezone))
    return local.astimezone(UTC)


def _between(start: datetime, end: datetime) -> Iterator[Stretch]:
    """The stretches from one minute to another, in UTC: parts of days, and whole days by month."""
    if start == end:
        return
    if start.date() == end.date():
        yield _on(start.date(), _minute(start), _minute(end))
        return
    first = start.date()
    if _minute(start):
        yield _on(first, _minute(start), week.DAY)
        first += _DAY
    while first < end.date():
        following = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        after = min(following, end.date())
        yield _days(first, after - _DAY)
        first = after
    if _minute(end):
        yield _on(end.date(), 0, _minute(end))


def _until(end: datetime) -> Iterator[Stretch]:
    """All time before a minute."""
    yield Stretch(years=(_FIRST_YEAR, end.year - 1))
    if end.month > 1:
        yield Stretch(months=(1, end.month - 1), years=(end.year, end.year))
    yield from _between(datetime(end.year, end.month, 1, tzinfo=UTC), end)


def _from(start: datetime) -> Iterator[Stretch]:
    """All time from a minute on."""
    month = datetime(start.year, start.month, 1, tzinfo=UTC) + timedelta(days=31)
    yield from _between(start, month.replace(day=1))
    if start.month < 12:
        yield Stretch(months=(start.month + 1, 12), years=(start.year, start.year))
    yield Stretch(years=(start.year + 1, _LAST_YEAR))


def _on(day: date, start: int, end: int) -> Stretch:
    return Stretch(start, end, (), (day.day, day.day), (day.month, day.month), (day.year, day.year))


def _days(first: date, last: date) -> Stretch:
    return Stretch(days=(first.day, last.day), months=(first.month, first.month), years=(first.year, first.year))


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
