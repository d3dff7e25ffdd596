"""Time intervals: against Alertmanager's own package, and by hand through both changes of the clock."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from generator.routing.evaluation import configuration
from generator.routing.intervals import IntervalError, boundaries, time_interval

# 200 random intervals with moments, many of them around changes of the clock and the ends of months, and what
# ContainsTime of the Go package github.com/prometheus/alertmanager/timeinterval v0.25.0 answers for each.
ANSWERS = json.loads((Path(__file__).parents[1] / "golden" / "routing" / "time_intervals.json").read_text())


def test_every_interval_holds_when_alertmanager_says_so() -> None:
    asked = 0
    for case in ANSWERS:
        interval = time_interval(case["interval"])
        for moment, holds in zip(case["moments"], case["holds"], strict=True):
            when = datetime.fromtimestamp(moment, UTC)
            assert interval.contains(when) == (holds == "1"), (case["interval"], when.isoformat())
            asked += 1
    assert asked > 4000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NIGHT = {"times": [{"start_time": "02:30", "end_time": "02:40"}]}


@pytest.mark.parametrize(
    ("location", "moment", "holds"),
    [
        ("Europe/Stockholm", "2026-03-28T01:30:00+00:00", True),  # 02:30 CET
        ("Europe/Stockholm", "2026-03-29T00:30:00+00:00", False),  # 01:30 CET, and an hour later it is 03:30 CEST
        ("Europe/Stockholm", "2026-03-29T01:30:00+00:00", False),
        ("Europe/Stockholm", "2026-03-30T00:30:00+00:00", True),  # 02:30 CEST
        ("Europe/Stockholm", "2026-10-25T00:30:00+00:00", True),  # 02:30 CEST, and again
        ("Europe/Stockholm", "2026-10-25T01:30:00+00:00", True),  # 02:30 CET
        ("Europe/Stockholm", "2026-10-25T01:40:00+00:00", False),
        ("America/New_York", "2026-03-08T06:30:00+00:00", False),  # 01:30 EST, then 03:30 EDT
        ("America/New_York", "2026-03-08T07:30:00+00:00", False),
        ("America/New_York", "2026-03-09T06:30:00+00:00", True),  # 02:30 EDT
        ("America/New_York", "2026-11-01T06:30:00+00:00", False),  # 01:30 EST: what comes twice is the hour from one on
        ("America/New_York", "2026-11-01T07:30:00+00:00", True),  # 02:30 EST
        (None, "2026-03-29T02:30:00+00:00", True),
        (None, "2026-03-29T02:30:00+02:00", False),
    ],
)
def test_when_the_clock_is_changed(location: str | None, moment: str, holds: bool) -> None:
    values: dict[str, Any] = NIGHT | ({"location": location} if location else {})
    assert time_interval(values).contains(at(moment)) is holds


def opening(values: dict[str, Any], moment: str) -> str | None:
    """When a route that is active in one interval opens, in that interval's own time."""
    tree = {"receiver": "r", "routes": [{"active_time_intervals": ["slot"]}]}
    config = configuration({
        "route": tree, "receivers": [{"name": "r"}], "time_intervals": [{"name": "slot", "time_intervals": [values]}],
    })  # fmt: skip
    opens = config.opens(config.route.routes[0], at(moment))
    return opens.astimezone(ZoneInfo(values.get("location", "UTC"))).isoformat() if opens else None


NINE = {"times": [{"start_time": "09:00", "end_time": "09:06"}]}
LATE = {"times": [{"start_time": "02:30", "end_time": "03:30"}]}
MONDAY, WEEKEND = {"weekdays": ["monday"]}, {"weekdays": ["saturday:saturday", "sunday"]}
LEAP_DAY = {"days_of_month": ["29"], "months": ["february"]}
STOCKHOLM = {"location": "Europe/Stockholm"}


@pytest.mark.parametrize(
    ("values", "moment", "expected"),
    [
        pytest.param(NINE, "2026-12-07T08:59:59Z", "2026-12-07T09:00:00+00:00", id="soon"),
        pytest.param(NINE, "2026-12-07T09:05:59Z", "2026-12-07T09:05:59+00:00", id="open now"),
        pytest.param(NINE, "2026-12-07T09:06:00Z", "2026-12-08T09:00:00+00:00", id="just closed"),
        pytest.param(NINE | MONDAY, "2026-12-07T10:00:00Z", "2026-12-14T09:00:00+00:00", id="next week"),
        pytest.param(NINE | STOCKHOLM, "2026-03-28T12:00:00Z", "2026-03-29T09:00:00+02:00", id="clock forward"),
        pytest.param(NINE | STOCKHOLM, "2026-10-24T12:00:00Z", "2026-10-25T09:00:00+01:00", id="clock back"),
        pytest.param(NIGHT | STOCKHOLM, "2026-03-28T12:00:00Z", "2026-03-30T02:30:00+02:00", id="no such hour"),
        pytest.param(NIGHT | STOCKHOLM, "2026-10-25T00:45:00Z", "2026-10-25T02:30:00+01:00", id="the hour comes twice"),
        pytest.param(LATE | STOCKHOLM, "2026-03-28T12:00:00Z", "2026-03-29T03:00:00+02:00", id="opened by the clock"),
        pytest.param(LEAP_DAY, "2026-12-07T09:00:00Z", "2028-02-29T00:00:00+00:00", id="leap day"),
        pytest.param(WEEKEND, "2026-12-07T09:00:00Z", "2026-12-12T00:00:00+00:00", id="weekend"),
        pytest.param({"years": ["2020"]}, "2026-12-07T09:00:00Z", None, id="never again"),
    ],
)
def test_when_a_window_opens(values: dict[str, Any], moment: str, expected: str | None) -> None:
    assert opening(values, moment) == expected


def test_nothing_begins_or_ends_between_the_boundaries() -> None:
    """Minute by minute through both changes of the clock, for the intervals of the table above."""
    random = Random(3)
    for case in random.sample(ANSWERS, 25):
        interval = time_interval(case["interval"])
        start = datetime(2026, *random.choice(((3, 28), (3, 7), (10, 24), (10, 31), (12, 30))), 12, tzinfo=UTC)
        edges = set()
        for edge in boundaries([interval], start):
            if edge > start + timedelta(days=2):
                break
            edges.add(edge)
            if len(edges) > 50:
                break
        before = interval.contains(start)
        for minute in range(1, 2 * 24 * 60):
            moment = start + timedelta(minutes=minute)
            now = interval.contains(moment)
            assert now == before or moment in edges, (case["interval"], moment.isoformat())
            before = now


def test_muted_and_active_together() -> None:
    values = {
        "route": {
            "receiver": "r",
            "routes": [{"active_time_intervals": ["day"], "mute_time_intervals": ["lunch"], "routes": [{}]}],
        },
        "receivers": [{"name": "r"}],
        "mute_time_intervals": [
            {"name": "lunch", "time_intervals": [{"times": [{"start_time": "12:00", "end_time": "13:00"}]}]}
        ],
        "time_intervals": [
            {"name": "day", "time_intervals": [{"times": [{"start_time": "08:00", "end_time": "17:00"}]}]}
        ],
    }
    config = configuration(values)
    route = config.route.routes[0]
    found = {hour: config.is_open(route, datetime(2026, 12, 7, hour, 30, tzinfo=UTC)) for hour in (7, 8, 12, 13, 17)}
    assert found == {7: False, 8: True, 12: False, 13: True, 17: False}
    assert config.opens(route, at("2026-12-07T12:30:00+00:00")) == at("2026-12-07T13:00:00+00:00")
    assert config.opens(route, at("2026-12-07T17:30:00+00:00")) == at("2026-12-08T08:00:00+00:00")
    assert config.is_open(route.routes[0], at("2026-12-07T12:30:00+00:00")), "time intervals are not inherited"


@pytest.mark.parametrize(
    "values",
    [
        {"location": "Nowhere/Land"},
        {"times": [{"start_time": "9:00", "end_time": "10:00"}]},
        {"times": [{"start_time": "10:00", "end_time": "10:00"}]},
        {"times": [{"start_time": "24:00", "end_time": "24:00"}]},
        {"weekdays": ["noday"]},
        {"weekdays": ["friday:monday"]},
        {"months": ["13th"]},
        {"days_of_month": ["-1:1"]},
        {"days_of_month": ["20:10"]},
        {"days_of_month": ["0"]},
        {"days_of_month": ["32"]},
        {"months": ["december:january"]},
        {"years": ["2027:2026"]},
        {"hours": ["9"]},
    ],
)
def test_what_alertmanager_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(IntervalError):
        time_interval(values)
