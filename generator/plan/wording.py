"""An alert in people's words: who is told and when, and what is to know of it beside its condition."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator import durations
from generator.plan.types import Alert, Cadence, Escalation, Plan, Quiet


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of an alert, when, and over what."""

    when: str
    who: str
    channels: str


def told(alert: Alert, cadence: Cadence) -> Iterator[Told]:
    """Who hears of an alert: at first its owner, over its own channels, then whoever comes next."""
    yield Told(when_told(cadence), alert.owner, ", ".join(alert.channels))
    for step in alert.escalations:
        yield Told(f"not taken {durations.text(step.after)} after it fired", _who(step), ", ".join(step.channels))


def _who(step: Escalation) -> str:
    """``Anna``, or of a rotation ``On call: Anna, Erik or Mats``."""
    if not step.people:
        return step.title
    *others, last = step.people
    return f"{step.title}: {', '.join(others)}{' or ' if others else ''}{last}"


def quiet(plan: Plan, alert: Alert) -> Iterator[str]:
    """The quiet hours of whoever hears of an alert: what has ended by their end, they never hear of."""
    (cadence,) = (one for one in plan.cadences if one.name == alert.notification)
    found: dict[str, None] = {}
    if cadence.at is None:
        for channel in plan.channels:
            if channel.name in alert.channels:
                found |= dict.fromkeys(_quiet(channel.name, channel.quiet, alert.severity))
    contacts = {step.contact for step in alert.escalations}
    for route in plan.contact_routes:
        if route.contact in contacts and alert.severity in route.severities:
            for person in route.on_call or (route,):
                found |= dict.fromkeys(_quiet(person.title, person.quiet, alert.severity))
    yield from found


def _quiet(who: str, hours: tuple[Quiet, ...], severity: str) -> Iterator[str]:
    for one in hours:
        if severity not in one.except_:
            yield f"{who} is quiet {one.text}: what still fires then is told afterwards"


def when_told(cadence: Cadence) -> str:
    """When the messages of a cadence go out."""
    if cadence.at is not None and not cadence.is_open:
        day = f"on {cadence.day.capitalize()}" if cadence.day else "every day"
        return f"{day} at {cadence.at} {cadence.timezone}"
    wait = f"within {durations.text(cadence.group_wait)}" if cadence.group_wait else "at once"
    # Alertmanager repeats at the first tick of its group interval after the repeat interval.
    ticks = -(-cadence.repeat_interval // cadence.group_interval) if cadence.group_interval else 0
    repeat = ticks * cadence.group_interval or cadence.repeat_interval
    return f"{wait}, again every {durations.text(repeat)} while it fires"


def taking(alert: Alert) -> str:
    """What taking an alert means."""
    if alert.escalations:
        return "Take it by silencing it, with the link in the message: then nobody else is told."
    return "It does not escalate."


def notes(alert: Alert) -> Iterator[str]:
    """What is to know of an alert beside its condition."""
    if alert.by:
        yield f"One alert for each {' and '.join(alert.by)}"
    if alert.keep_firing_for:
        yield f"Resolves when it has been fine for {durations.text(alert.keep_firing_for)}"
    if alert.within is not None:
        yield counting(durations.text(alert.within))
    if lost := when_lost(alert):
        yield lost


def counting(window: str) -> str:
    """What an alert on events counts, and what its end means."""
    return f"Counts events of the last {window}: resolved means no new one since, not that they are dealt with"


def when_lost(alert: Alert) -> str | None:
    """What becomes of an alert while its data cannot be seen; None where only its own PromQL knows."""
    if alert.source is not None and alert.no_data == "keep":
        return f"While {alert.source} cannot be read it stays as it was: a lost series is not good news"
    if alert.no_data == "ok" and alert.condition is not None:
        return "While its data is missing it does not fire"
    if alert.no_data == "alert":
        return "Fires when its data is missing"
    return None
