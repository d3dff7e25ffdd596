"""The week in minutes, and days on which clocks are changed."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.plan import week
from generator.plan.types import Stretch

MINUTE = st.integers(0, week.WEEK - 1)


def taken(parts: tuple[Stretch, ...]) -> set[int]:
    """The minutes of the week that stretches take."""
    return {
        week.WEEKDAYS.index(day) * week.DAY + minute
        for part in parts
        for day in part.weekdays
        for minute in range(part.start, part.end)
    }


@given(MINUTE, MINUTE)
def test_stretches_take_each_minute_from_start_to_end_once(start: int, end: int) -> None:
    parts = week.stretches(start, end, "Europe/Stockholm")
    length = (end - start) % week.WEEK or week.WEEK
    found = taken(parts)
    assert found == {minute % week.WEEK for minute in range(start, start + length)}
    assert sum((part.end - part.start) * len(part.weekdays) for part in parts) == length
    # Days that are taken whole share a stretch, so a turn of a week is three of them at most.
    assert len(parts) <= 3
    assert {part.timezone for part in parts} == {"Europe/Stockholm"}


@given(st.lists(st.tuples(MINUTE, MINUTE), max_size=4))
def test_gaps_are_what_nobody_takes(parts: list[tuple[int, int]]) -> None:
    covered = {
        minute % week.WEEK
        for start, end in parts
        for minute in range(start, start + ((end - start) % week.WEEK or week.WEEK))
    }
    found = week.gaps(parts)
    assert covered.isdisjoint(minute for start, end in found for minute in range(start, end))
    assert len(covered) + sum(end - start for start, end in found) == week.WEEK
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(MINUTE)
def test_a_time_of_the_week_reads_back(minute: int) -> None:
    assert week.minutes_of_week(week.time_of_week(minute)) == minute


@pytest.mark.parametrize(
    ("timezone", "at", "weekday", "expected"),
    [
        pytest.param("UTC", "02:30", None, None, id="UTC has none"),
        pytest.param("Europe/Stockholm", "02:30", None, (date(2026, 3, 29), False), id="skipped in spring"),
        pytest.param("Europe/Stockholm", "01:58", None, (date(2026, 3, 29), False), id="ends in what is skipped"),
        pytest.param("Europe/Stockholm", "01:55", None, None, id="ends just before"),
        pytest.param("Europe/Stockholm", "03:00", None, None, id="begins just after"),
        pytest.param("Europe/Stockholm", "02:30", "monday", None, id="never on a Monday"),
        pytest.param("Europe/London", "01:30", "sunday", (date(2026, 3, 29), False), id="another zone"),
        pytest.param("America/New_York", "01:30", None, (date(2026, 11, 1), True), id="twice in autumn"),
        pytest.param("Australia/Lord_Howe", "02:15", None, (date(2026, 10, 4), False), id="by half an hour"),
        pytest.param("Asia/Tokyo", "02:30", None, None, id="no summer time"),
    ],
)
def test_clock_changes(timezone: str, at: str, weekday: str | None, expected: tuple[date, bool] | None) -> None:
    assert week.clock_change(timezone, week.minutes(at), 5, weekday) == expected


def test_stretches_that_meet() -> None:
    morning = Stretch(540, 600, ("monday", "tuesday"), timezone="Europe/Stockholm")
    slot = Stretch(570, 575, timezone="Europe/Stockholm")
    assert week.meet(morning, slot)
    assert week.meet(morning, replace(slot, weekdays=("tuesday",)))
    assert not week.meet(morning, replace(slot, weekdays=("sunday",)))
    assert not week.meet(morning, replace(slot, start=600, end=605))
    assert not week.meet(morning, replace(slot, start=535, end=540))
    assert week.meet(morning, Stretch(600, 605, timezone="Europe/Helsinki"))
