"""Quiet hours and rotations, held as Alertmanager holds them, against what was written."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import model
from generator.emit import alertmanager
from generator.plan import quiet_hours, rotations, week
from generator.plan.types import TimeInterval
from generator.routing.intervals import TimeInterval as Interval
from generator.routing.intervals import holds, time_interval

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ZONES = ["UTC", "Europe/Stockholm", "America/New_York", "Australia/Sydney", "America/Santiago", "Asia/Kathmandu"]
PEOPLE = ["anna", "bo", "carin", "david"]

zones = st.sampled_from(ZONES)
times = st.integers(0, week.DAY - 1).map(week.time_of_day)
times_of_week = st.integers(0, week.WEEK - 1).map(week.time_of_week)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)


@lru_cache(maxsize=64)
def read(interval: TimeInterval) -> tuple[Interval, ...]:
    return tuple(time_interval(one) for one in alertmanager.time_interval(interval)["time_intervals"])


def is_open(interval: TimeInterval, moment: datetime) -> bool:
    """Whether an interval holds, read from what is emitted as Alertmanager reads it."""
    return holds(read(interval), moment)


def on_call(intervals: Mapping[str, tuple[TimeInterval, ...]], moment: datetime) -> set[str]:
    return {person for person, found in intervals.items() if any(is_open(one, moment) for one in found)}


@st.composite
def turns(draw: st.DrawFn) -> model.Rotation:
    """People who take turns, some weeks swapped, over clock changes and ends of months."""
    starts = date(2026, 1, 1) + draw(st.integers(0, 500)) * DAY
    hand_over = f"{week.WEEKDAYS[starts.weekday()]} {draw(times)}"
    weeks = draw(st.integers(1, 60))
    swaps = draw(st.dictionaries(st.integers(0, weeks - 1), st.sampled_from(PEOPLE), max_size=4))
    return model.Rotation.model_validate(
        {
            "timezone": draw(zones),
            "people": draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5)),
            "hand_over": hand_over,
            "starts": starts.isoformat(),
            "until": (starts + weeks * 7 * DAY).isoformat(),
            "swaps": {(starts + number * 7 * DAY).isoformat(): person for number, person in swaps.items()},
        }
    )


def whose_turn(rotation: model.Rotation, moment: datetime) -> set[str]:
    """Who should be on call: counted by hand-overs that have passed on the clock of the place."""
    assert rotation.starts and rotation.until and rotation.hand_over and rotation.timezone
    zone, minute = ZoneInfo(rotation.timezone), week.minutes(rotation.hand_over.split()[1])
    first, last = date.fromisoformat(rotation.starts), date.fromisoformat(rotation.until)
    passed = -1
    for number in range((last - first).days // 7 + 1):
        day = first + number * 7 * DAY
        if datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone).astimezone(UTC) <= moment:
            passed = number
    if passed < 0 or passed == (last - first).days // 7:
        return set(rotations.people(rotation))
    own = rotation.people[passed % len(rotation.people)]
    return {rotation.swaps.get((first + passed * 7 * DAY).isoformat(), own)}


@settings(max_examples=60, deadline=None)
@given(turns(), st.lists(moments, min_size=5, max_size=20))
def test_turns_are_kept_to_the_minute(rotation: model.Rotation, some: list[datetime]) -> None:
    assert rotation.starts and rotation.until and rotation.hand_over and rotation.timezone
    intervals = rotations.intervals("duty", rotation, "UTC")
    first, last = date.fromisoformat(rotation.starts), date.fromisoformat(rotation.until)
    zone, minute = ZoneInfo(rotation.timezone), week.minutes(rotation.hand_over.split()[1])
    edges = []
    for number in range((last - first).days // 7 + 1):
        day = first + number * 7 * DAY
        edge = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone).astimezone(UTC)
        edges += [edge - MINUTE, edge]
    for moment in [*some, *edges]:
        assert on_call(intervals, moment) == whose_turn(rotation, moment), moment


def test_the_last_day_of_a_month_in_which_clocks_are_changed_is_somebodys() -> None:
    """Alertmanager counts 30 days in March where clocks go forward; a stretch of local dates would lose the 31st."""
    rotation = model.Rotation.model_validate(
        {"timezone": "Europe/Stockholm", "people": ["anna", "bo"], "hand_over": "monday 09:00"}
        | {"starts": "2027-03-22", "until": "2027-04-19"}
    )
    noon = datetime(2027, 3, 31, 12, tzinfo=ZoneInfo("Europe/Stockholm"))
    assert on_call(rotations.intervals("duty", rotation, "UTC"), noon) == {"bo"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), times_of_week, times_of_week), min_size=1, max_size=5),
    zones,
    st.lists(moments, min_size=10, max_size=30),
)
def test_shifts_are_kept_on_the_clock_of_the_place(
    written: list[tuple[str, str, str]], zone: str, some: list[datetime]
) -> None:
    shifts = [{"person": person, "from": start, "to": end} for person, start, end in written]
    rotation = model.Rotation.model_validate({"timezone": zone, "shifts": shifts})
    intervals = rotations.intervals("duty", rotation, "UTC")
    for moment in some:
        local = moment.astimezone(ZoneInfo(zone))
        now = local.weekday() * week.DAY + local.hour * 60 + local.minute
        expected = set()
        for person, start, end in written:
            begins, ends = week.minutes_of_week(start), week.minutes_of_week(end)
            if (now - begins) % week.WEEK < ((ends - begins) % week.WEEK or week.WEEK):
                expected.add(person)
        assert on_call(intervals, moment) == expected


@st.composite
def hours(draw: st.DrawFn) -> model.QuietHours:
    start, end = draw(st.lists(times, min_size=2, max_size=2, unique=True))
    days = draw(st.lists(st.sampled_from(week.WEEKDAYS), unique=True))
    whole = {} if draw(st.booleans()) and days else {"from": start, "to": end}
    return model.QuietHours.model_validate({**whole, "days": days, "timezone": draw(zones)})


@settings(max_examples=100, deadline=None)
@given(st.lists(hours(), min_size=1, max_size=3), st.lists(moments, min_size=10, max_size=30))
def test_quiet_hours_are_quiet_when_they_were_written_to_be(
    written: list[model.QuietHours], some: list[datetime]
) -> None:
    (found,) = quiet_hours.quiet(written, "channel/slack", "UTC")
    for moment in some:
        expected = any(_was_meant(one, moment) for one in written)
        assert is_open(found.interval, moment) == expected
        assert any(quiet_hours.holds(one, moment, "UTC") for one in written) == expected


def _was_meant(one: model.QuietHours, moment: datetime) -> bool:
    """Whether the last beginning on one of its days is nearer than its length, on the clock of the place."""
    local = moment.astimezone(ZoneInfo(one.timezone or "UTC"))
    start = week.minutes(one.from_) if one.from_ else 0
    end = week.minutes(one.to) if one.to else week.DAY
    length = end - start if end > start else end - start + week.DAY
    now = local.weekday() * week.DAY + local.hour * 60 + local.minute
    begins = [week.WEEKDAYS.index(day) * week.DAY + start for day in one.days or week.WEEKDAYS]
    return any((now - begin) % week.WEEK < length for begin in begins)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"from": "22:00", "to": "07:00"}, "22:00 to 07:00 (Europe/Stockholm)"),
        ({"days": ["saturday", "sunday"]}, "on Saturday and Sunday (Europe/Stockholm)"),
        (
            {"from": "12:00", "to": "13:00", "days": ["monday", "tuesday", "friday"], "timezone": "UTC"},
            "12:00 to 13:00 on Monday, Tuesday and Friday (UTC)",
        ),
    ],
)
def test_quiet_hours_in_words(written: dict[str, object], expected: str) -> None:
    assert quiet_hours.text(model.QuietHours.model_validate(written), "Europe/Stockholm") == expected


def test_quiet_hours_that_let_the_same_through_are_one_interval() -> None:
    written = [
        model.QuietHours.model_validate({"from": "22:00", "to": "07:00", "except": ["high", "critical"]}),
        model.QuietHours.model_validate({"days": ["sunday"], "except": ["critical", "high"]}),
        model.QuietHours.model_validate({"from": "12:00", "to": "13:00"}),
    ]
    one, other = quiet_hours.quiet(written, "channel/slack", "UTC")
    assert (one.interval.name, one.except_) == ("quiet/channel/slack/except/critical/high", ("critical", "high"))
    assert (other.interval.name, other.except_) == ("quiet/channel/slack", ())
    assert one.text == "22:00 to 07:00 (UTC) and on Sunday (UTC)"
