"""Time intervals: slots, quiet hours, and who is on call."""

from typing import Any

from generator.emit.alertmanager.blocks import Block
from generator.plan import week
from generator.plan.cadences import slot_minutes
from generator.plan.types import Cadence, Plan, Stretch, TimeInterval


def time_intervals(plan: Plan) -> tuple[TimeInterval, ...]:
    """Every interval that a route of the tree names, once."""
    quiet = (
        *(one for channel in plan.channels for one in channel.quiet),
        *(one for route in plan.contact_routes for one in route.quiet),
        *(one for route in plan.contact_routes for person in route.on_call for one in person.quiet),
    )
    on_call = (one for route in plan.contact_routes for person in route.on_call for one in person.active)
    slots = (slot(cadence) for cadence in plan.cadences if cadence.at is not None)
    return tuple(dict.fromkeys((*slots, *(one.interval for one in quiet), *on_call)))


def slot(cadence: Cadence) -> TimeInterval:
    """From the time of day on, the next whole minutes above a group interval: one tick falls into it for certain."""
    assert cadence.at is not None  # asked for slots alone
    if cadence.is_open:
        return TimeInterval(cadence.name, (Stretch(),))
    start = week.minutes(cadence.at)
    length = slot_minutes(cadence.group_interval)
    end = start + length
    spans = [(start, min(end, week.DAY), 0)]
    if end > week.DAY:
        spans.append((0, end - week.DAY, 1))
    return TimeInterval(cadence.name, tuple(_stretch(cadence, *span) for span in spans))


def _stretch(cadence: Cadence, start: int, end: int, days_later: int) -> Stretch:
    if cadence.day is None:
        return Stretch(start, end, timezone=cadence.timezone)
    weekday = week.WEEKDAYS[(week.WEEKDAYS.index(cadence.day) + days_later) % 7]
    return Stretch(start, end, (weekday,), timezone=cadence.timezone)


def time_interval(interval: TimeInterval) -> dict[str, Any]:
    """A time interval as plain values."""
    return {"name": interval.name, "time_intervals": [_stretch_block(one) for one in interval.stretches]}


def _stretch_block(stretch: Stretch) -> Block:
    times = {"start_time": week.time_of_day(stretch.start), "end_time": week.time_of_day(stretch.end)}
    is_whole_day = (stretch.start, stretch.end) == (0, week.DAY)
    has_days = stretch.weekdays or stretch.days or stretch.months or stretch.years
    return {
        **({} if is_whole_day and has_days else {"times": [times]}),
        **({"location": stretch.timezone} if stretch != Stretch() else {}),
        **({"weekdays": list(stretch.weekdays)} if stretch.weekdays else {}),
        **({"days_of_month": [_range(stretch.days)]} if stretch.days else {}),
        **({"months": [_range(stretch.months)]} if stretch.months else {}),
        **({"years": [_range(stretch.years)]} if stretch.years else {}),
    }


def _range(range_: tuple[int, int]) -> str:
    first, last = range_
    return str(first) if first == last else f"{first}:{last}"
