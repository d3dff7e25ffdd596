"""Events: an alert on an event is told at once, and the event counts for long enough to be told and escalated."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator import durations
from generator.condition.tree import Condition
from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.model import Alert, Record
from generator.plan import people
from generator.plan.cadences import cadence
from generator.plan.resolution import resolve


def check(files: Files) -> Iterator[Problem]:
    """Alerts on events that wait, come at a slot, or would be over before they were told or escalated."""
    conditions = resolve(files).conditions
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            condition = conditions.get((file.model.domain, name))
            if not isinstance(condition, Condition) or condition.record is None:
                continue
            record = file.model.records[condition.record]
            if record.within is not None:
                event = _Event(files, file, name, alert, condition.record, record, record.within)
                yield from event.waiting()
                yield from event.window()


@dataclass(frozen=True, slots=True)
class _Event:
    """One alert on an event, with what it takes to check it."""

    files: Files
    file: DomainFile
    name: str
    alert: Alert
    record_name: str
    record: Record
    written: str

    def waiting(self) -> Iterator[Problem]:
        """An event has happened: there is nothing to wait for."""
        alert, path = self.alert, ("alerts", self.name)
        if alert.for_ is not None and durations.milliseconds(alert.for_) > 0:
            message = f'an alert on an event fires at once; "{self.record_name}" is one (it has within)'
            yield Problem(self.file.span((*path, "for")), "event-alert", message, ("leave for out",))
        known = self.files.platform.model.notifications
        found = known.get(alert.notification)
        if found is not None and (found.every is not None or found.at is not None):
            at_once = [name for name, other in known.items() if other.every is None and other.at is None]
            message = f'an event of "{self.record_name}" may be over before the {alert.notification} message goes out'
            hint = f"notification: {at_once[0]}" if at_once else "notification: immediate"
            yield Problem(self.file.span((*path, "notification")), "event-alert", message, (f"write {hint}",))

    def window(self) -> Iterator[Problem]:
        """How long the event counts against how long it takes to tell and to escalate it."""
        model = self.files.platform.model
        scale = model.durations.scale
        within = people.scaled(durations.milliseconds(self.written), scale)
        scrape = durations.milliseconds(model.scrape.interval)
        evaluation = durations.milliseconds(model.scrape.evaluation_interval)
        notification = model.notifications.get(self.alert.notification)
        if notification is None or notification.at is not None:
            return
        timing = cadence(self.alert.notification, notification, model.timezone, scale)
        least = 2 * scrape + evaluation + timing.group_wait + timing.group_interval
        if within < least:
            message = (
                f'an event of "{self.record_name}" may be over before "{self.name}" is told: '
                f"it counts for {durations.text(within)}"
            )
            hint = (
                f"two scrapes ({durations.text(2 * scrape)}), an evaluation ({durations.text(evaluation)}), group_wait "
                f"({durations.text(timing.group_wait)}) and group_interval ({durations.text(timing.group_interval)}) "
                f"take {durations.text(least)}: let it count for longer"
            )
            yield Problem(self.file.span(("records", self.record_name, "within")), "event-window", message, (hint,))
        owner = self.alert.owner or self.file.model.owner
        steps = people.escalations(model, self.alert.severity, owner) if self.alert.escalate else ()
        if steps and within <= steps[-1].after + 2 * scrape:
            yield self._too_short(within, steps[-1].contact, steps[-1].after, scrape)

    def _too_short(self, within: int, contact: str, after: int, scrape: int) -> Problem:
        span = self.file.span(("records", self.record_name, "within"))
        message = (
            f'alert "{self.name}" escalates to {contact} after {durations.text(after)}, '
            f'but an event of "{self.record_name}" counts for {durations.text(within)}'
        )
        longer = f"let within (line {span.line}) be longer than {durations.text(after + 2 * scrape)}"
        hint = f"{longer} (two scrapes more), or write escalate: false here"
        return Problem(self.file.key_span(("alerts", self.name)), "event-window", message, (hint,))
