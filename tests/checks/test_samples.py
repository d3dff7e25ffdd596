"""Sampled moments say what the hours themselves say."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import model
from generator.checks import _samples
from generator.plan import quiet_hours, week

ZONES = ["UTC", "Europe/Stockholm", "America/New_York", "Australia/Sydney"]
TIMES = st.integers(0, week.DAY // 5 - 1).map(lambda number: week.time_of_day(5 * number))


@st.composite
def hours(draw: st.DrawFn) -> model.QuietHours:
    start, end = draw(st.lists(TIMES, min_size=2, max_size=2, unique=True))
    days = draw(st.lists(st.sampled_from(week.WEEKDAYS), unique=True))
    except_ = draw(st.sampled_from([[], ["high"]]))
    zone = draw(st.sampled_from(ZONES))
    return model.QuietHours.model_validate(
        {"from": start, "to": end, "days": days, "timezone": zone, "except": except_}
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(hours(), min_size=1, max_size=3), st.integers(0, 60))
def test_a_channel_is_quiet_when_its_hours_hold(written: list[model.QuietHours], start: int) -> None:
    found = _samples.quiet(written, "high", "UTC")
    expected = [one for one in written if not one.except_]
    for number in range(start, _samples.ALWAYS.bit_length(), 61):
        one = found >> number & 1
        moment = _samples.first(1 << number, "UTC")
        assert bool(one) == any(quiet_hours.holds(hours, moment, "UTC") for hours in expected), moment


def offsets(moment: datetime) -> tuple[timedelta | None, ...]:
    return tuple(moment.astimezone(ZoneInfo(name)).utcoffset() for name in ZONES)


def test_every_combination_of_offsets_of_a_year_is_among_the_samples() -> None:
    year = {offsets(datetime(2027, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)) for number in range(365)}
    count = _samples.ALWAYS.bit_length()
    sampled = {offsets(_samples.first(1 << number, "UTC")) for number in range(0, count, 288)}
    assert year <= sampled


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        ([], week.WEEK),
        ([{"from": "22:00", "to": "07:00"}], 15 * 60),
        ([{"from": "22:00", "to": "07:00"}, {"from": "12:00", "to": "13:00"}], 5 * 60),
        ([{"from": "07:00", "to": "22:00", "days": ["monday", "tuesday"]}], 9 * 60),
    ],
)
def test_the_shortest_stretch(written: list[dict[str, object]], minutes: int) -> None:
    quiet = _samples.quiet([model.QuietHours.model_validate(one) for one in written], "high", "UTC")
    assert _samples.shortest_stretch(_samples.ALWAYS & ~quiet) == minutes
