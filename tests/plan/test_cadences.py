import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import model
from generator.plan.cadences import HOUR, MINUTE, RETENTION, SECOND, cadence, repeat_interval

IMMEDIATE = model.Cadence()
HOURLY = model.Cadence(every="1h")
DAILY = model.Cadence(at="09:00")
WEEKLY = model.Cadence(at="09:00", day="monday")
SLOT = 5 * MINUTE - SECOND
SLOT_REPEAT = 144 * SLOT - SLOT // 2


def timing(written: model.Cadence, scale: float = 1.0) -> tuple[int, int, int]:
    planned = cadence("any", written, "UTC", scale)
    return planned.group_wait, planned.group_interval, planned.repeat_interval


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(IMMEDIATE, (10 * SECOND, MINUTE, 4 * HOUR - 30 * SECOND), id="immediate"),
        pytest.param(HOURLY, (30 * SECOND, HOUR, 30 * MINUTE), id="hourly"),
        pytest.param(DAILY, (30 * SECOND, SLOT, SLOT_REPEAT), id="daily"),
        pytest.param(WEEKLY, (30 * SECOND, SLOT, SLOT_REPEAT), id="weekly"),
        pytest.param(
            model.Cadence(every="1h", group_interval="5m"),
            (30 * SECOND, 5 * MINUTE, HOUR - 150 * SECOND),
            id="hourly, news within five minutes",
        ),
        pytest.param(model.Cadence(group_wait="0s", repeat="1h"), (0, MINUTE, HOUR - 30 * SECOND), id="written out"),
    ],
)
def test_timing(written: model.Cadence, expected: tuple[int, int, int]) -> None:
    assert timing(written) == expected


def test_scale_shortens_what_is_no_time_of_day() -> None:
    assert timing(IMMEDIATE, 0.01) == (100, 600, 4 * HOUR // 100 - 300)
    assert timing(HOURLY, 0.01) == (300, 36 * SECOND, 18 * SECOND)
    daily = cadence("daily", DAILY, "Europe/Stockholm", 0.01)
    assert (daily.at, daily.group_interval, daily.timezone) == ("09:00", 2990, "Europe/Stockholm")
    # Still between its window (one minute) and its period, so a slot gives one message.
    assert MINUTE < daily.repeat_interval < 24 * HOUR


def test_open_slots_repeat_after_a_day_or_a_week_as_scaled() -> None:
    daily, weekly = (cadence("any", written, "UTC", 0.01, slots_are_open=True) for written in (DAILY, WEEKLY))
    assert (daily.group_interval, daily.repeat_interval) == (3 * SECOND, 24 * HOUR // 100 - 1500)
    assert (weekly.is_open, weekly.repeat_interval) == (True, 7 * 24 * HOUR // 100 - 1500)
    # What has no time of day has no slot to open.
    assert cadence("any", HOURLY, "UTC", 0.01, slots_are_open=True) == cadence("any", HOURLY, "UTC", 0.01)


@given(st.integers(1, 4 * RETENTION), st.integers(1, 2 * RETENTION))
def test_a_repeat_never_slips_and_is_never_forgotten(repeat: int, group_interval: int) -> None:
    emitted = repeat_interval(repeat, group_interval)
    assert 0 < emitted <= RETENTION
    # Never an exact multiple: that one slips to the tick after it.
    assert emitted % group_interval or group_interval == 1
    # The tick on which Alertmanager repeats is the one nearest to what was asked for.
    tick = -(-emitted // group_interval) * group_interval
    nearest = max(group_interval, min(repeat, RETENTION // group_interval * group_interval))
    assert abs(tick - nearest) <= group_interval / 2 + 1


@pytest.mark.parametrize("scale", [0.000001, 0.01, 1.0])
@pytest.mark.parametrize("written", [IMMEDIATE, HOURLY, DAILY, WEEKLY])
def test_intervals_are_positive_whatever_the_scale(written: model.Cadence, scale: float) -> None:
    _, group_interval, repeat = timing(written, scale)
    assert group_interval > 0
    assert repeat > 0
