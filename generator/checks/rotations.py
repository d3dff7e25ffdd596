"""Rotations: somebody who can be told is on call at every time of the week, and Alertmanager can tell who."""

from collections.abc import Iterator
from datetime import date, timedelta

from generator.checks._hints import unknown
from generator.checks._timezones import exists, unknown_timezone
from generator.diagnostics import Problem, Span
from generator.load import Files
from generator.model import Rotation
from generator.plan import people, week

Path = tuple[str | int, ...]

_TURN = timedelta(days=7)
# Each week is four stretches of Alertmanager's configuration.
_YEARS = range(2000, 2101)
_LONGEST = timedelta(days=3 * 366)


def check(files: Files) -> Iterator[Problem]:
    """Rotations over nobody, with a gap, without an end, or that clocks would upset."""
    for name, contact in files.platform.model.contacts.items():
        if contact.rotation is None:
            continue
        path: Path = ("contacts", name, "rotation")
        if people.addresses(contact) or contact.quiet_hours:
            message = f'"{name}" is a rotation: it has no addresses and quiet hours but those of its people'
            yield Problem(files.platform.key_span(("contacts", name)), "rotation-form", message)
        yield from _people(files, path, contact.rotation)
        yield from _rotation(files, path, contact.rotation)


def _people(files: Files, path: Path, rotation: Rotation) -> Iterator[Problem]:
    known = files.platform.model.contacts
    for span, name in named(files, path, rotation):
        if name not in known:
            yield unknown("contact", span, name, known, lambda near: files.platform.key_span(("contacts", near)))
        elif known[name].rotation is not None:
            message = f'"{name}" is a rotation itself: a rotation is over people'
            yield Problem(span, "escalation-circle", message)


def named(files: Files, path: Path, rotation: Rotation) -> Iterator[tuple[Span, str]]:
    """Everybody whom a rotation names, and where."""
    span = files.platform.span
    yield from ((span((*path, "people", index)), name) for index, name in enumerate(rotation.people))
    yield from ((span((*path, "swaps", day)), name) for day, name in rotation.swaps.items())
    yield from ((span((*path, "shifts", index, "person")), one.person) for index, one in enumerate(rotation.shifts))


def _rotation(files: Files, path: Path, rotation: Rotation) -> Iterator[Problem]:
    platform = files.platform
    if rotation.timezone is not None:
        problem = unknown_timezone(rotation.timezone, platform.span((*path, "timezone")))
        if problem is not None:
            yield problem
            return
    if bool(rotation.people) == bool(rotation.shifts):
        message = "a rotation has either people, a week each in turn, or the same shifts every week"
        hint = "people: [anna, bo] with hand_over, starts and until, or shifts: [{person: anna, from: …, to: …}, …]"
        yield Problem(platform.key_span(path), "rotation-form", message, (hint,))
    elif rotation.shifts:
        yield from _shifts(files, path, rotation)
    else:
        yield from _turns(files, path, rotation)


def _shifts(files: Files, path: Path, rotation: Rotation) -> Iterator[Problem]:
    platform = files.platform
    for key in ("hand_over", "starts", "until", "swaps"):
        if getattr(rotation, key):
            message = f"{key} is for people who take turns; shifts say themselves when they begin"
            yield Problem(platform.key_span((*path, key)), "rotation-form", message)
    parts = [(week.minutes_of_week(shift.from_), week.minutes_of_week(shift.to)) for shift in rotation.shifts]
    for start, end in week.gaps(parts):
        message = f"nobody is on call from {week.time_of_week(start)} to {week.time_of_week(end)}"
        hint = "let a shift begin where the one before it ends"
        yield Problem(platform.key_span((*path, "shifts")), "rotation-gap", message, (hint,))
    for index, shift in enumerate(rotation.shifts):
        for key, at in (("from", shift.from_), ("to", shift.to)):
            yield from _clock_change(files, (*path, "shifts", index, key), rotation, at)


def _turns(files: Files, path: Path, rotation: Rotation) -> Iterator[Problem]:
    platform = files.platform
    if rotation.until is None:
        message = (
            f"Alertmanager knows weekdays and dates, but no {_ordinal(len(rotation.people))}: turns are written out"
            " as dates, so this rotation has to say until when"
        )
        hint = "until: a date, on the weekday of the hand-over; the monitoring warns two weeks before"
        yield Problem(platform.key_span(path), "rotation-endless", message, (hint,))
    missing = [key for key in ("hand_over", "starts") if getattr(rotation, key) is None]
    if missing:
        message = f"people who take turns need {' and '.join(missing)}"
        hint = "hand_over: monday 09:00, starts: the date of the first one's first day"
        yield Problem(platform.key_span(path), "rotation-form", message, (hint,))
    if rotation.hand_over is None:
        return
    weekday = rotation.hand_over.split()[0]
    yield from _clock_change(files, (*path, "hand_over"), rotation, rotation.hand_over)
    days: dict[str, date] = {}
    for key, text in (("starts", rotation.starts), ("until", rotation.until)):
        if text is None:
            continue
        problem = _day(platform.span((*path, key)), text, weekday)
        if problem is not None:
            yield problem
        else:
            days[key] = date.fromisoformat(text)
    if len(days) < 2:
        return
    starts, until = days["starts"], days["until"]
    if not starts < until <= starts + _LONGEST:
        fault = "over before it starts" if until <= starts else "too long"
        message = f"a rotation from {starts} until {until} is {fault}"
        hint = "write out between one week and three years"
        yield Problem(platform.span((*path, "until")), "rotation-dates", message, (hint,))
    for day in rotation.swaps:
        span = platform.key_span((*path, "swaps", day))
        problem = _day(span, day, weekday)
        if problem is not None:
            yield problem
        elif not starts <= date.fromisoformat(day) < until:
            message = f"{day} is not within the rotation, which is from {starts} until {until}"
            yield Problem(span, "rotation-dates", message)


def _day(span: Span, text: str, weekday: str) -> Problem | None:
    """What is wrong with a date on which somebody is to take over."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return Problem(span, "rotation-dates", f"there is no day {text}", ("write year, month and day: 2026-11-30",))
    if day.year not in _YEARS:
        hint = "write out between one week and three years, and write on when the monitoring asks for it"
        return Problem(span, "rotation-dates", f"{text} is too far away", (hint,))
    written = week.WEEKDAYS[day.weekday()]
    if written == weekday:
        return None
    before = day - timedelta(days=(day.weekday() - week.WEEKDAYS.index(weekday)) % 7)
    message = f"{text} is a {written.capitalize()}, but the hand-over is on {weekday.capitalize()}"
    return Problem(span, "rotation-dates", message, (f"near are {before} and {before + _TURN}",))


def _clock_change(files: Files, path: Path, rotation: Rotation, at: str) -> Iterator[Problem]:
    """A hand-over at a time that a day has not, or twice, would not be where it was meant."""
    timezone = rotation.timezone or files.platform.model.timezone
    if not exists(timezone):
        return
    weekday, _, time = at.partition(" ")
    found = week.clock_change(timezone, week.minutes(time), 1, weekday)
    if found is not None:
        day, is_twice = found
        what = "comes twice" if is_twice else "does not exist"
        message = f"{time} {what} on {day} in {timezone}, when clocks are changed"
        yield Problem(files.platform.span(path), "clock-change", message, ("hand over at another time",))


def _ordinal(count: int) -> str:
    return f'"every { ({2: "second", 3: "third"}.get(count, f"{count}th")) } week"' if count > 1 else "turns of a week"
