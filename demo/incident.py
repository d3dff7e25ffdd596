"""One incident from its cause to the last message about it: begun, told, escalated, put right, and heard to be over."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from demo.addresses import Inbox, reached, reached_contact
from demo.receiver import Message, Receiver
from generator.plan.types import Alert, Plan

# What it takes beside the alert's own times: a scrape, an evaluation, a message, and patience.
_MARGIN_SECONDS = 60
# A person at the page is to see how it stands before it is over.
_LINGER_SECONDS = 5
# What looks back five minutes takes as long to see that traffic changed.
_LOOK_BACK_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Expected:
    """Who is to hear of an alert: at once, and who comes next; ``hears_end``: whether they hear its end, too."""

    at_once: frozenset[Inbox]
    later: frozenset[Inbox]
    hears_end: bool


def expected(plan: Plan, alert: Alert) -> Expected:
    """Who is to hear of an alert that nobody takes."""
    at_once = frozenset(inbox for name in alert.channels for inbox in reached(plan, name))
    later = frozenset(
        inbox for step in alert.escalations for inbox in reached_contact(plan, step.contact, alert.severity)
    )
    (cadence,) = (one for one in plan.cadences if one.name == alert.notification)
    return Expected(at_once, later, cadence.at is None)


def alert_of(plan: Plan, name: str) -> Alert:
    """The alert that is called ``domain/alert``; KeyError where there is none."""
    domain, _, alert = name.partition("/")
    for found in (one for each in plan.domains if each.name == domain for one in each.alerts):
        if found.name == alert:
            return found
    raise KeyError(name)


def about(message: Message, alert: Alert) -> bool:
    """Whether a message is about an alert: by where it leads, or, where there is no room for that, by its name."""
    leads = {alert.runbook_url, alert.dashboard_url}
    return not leads.isdisjoint(message.links) or (
        message.kind == "sms" and alert.alertname in re.findall(r"\w+", message.text)
    )


@dataclass
class Incident:
    """What is done, and what the receiver has to hear of it."""

    plan: Plan
    alert: Alert
    begins: str
    ends: str
    begin: Callable[[], None]
    end: Callable[[], None]
    receiver: Receiver
    report: Callable[[str], None]

    def run(self) -> bool:
        """All of it, from begin to end; whether everybody heard what they were to hear."""
        wanted = expected(self.plan, self.alert)
        last = max((step.after for step in self.alert.escalations), default=0) / 1000
        wait = self.alert.for_ / 1000 + last + _MARGIN_SECONDS
        before = len(self.receiver.messages())
        self._say(f"Incident: {self.begins}")
        self.begin()
        told = self._heard(before, "firing", wanted.at_once | wanted.later, wait + _LOOK_BACK_SECONDS)
        time.sleep(_LINGER_SECONDS)
        self._say(f"Put right: {self.ends}")
        self.end()
        over = not wanted.hears_end or self._heard(
            before, "resolved", wanted.at_once | wanted.later, _MARGIN_SECONDS + 2 * _LOOK_BACK_SECONDS
        )
        if wanted.hears_end:
            self._say("It is over." if over else "Not everybody has heard that it is over.")
        else:
            self._say("It is over; a daily or weekly message tells no end.")
        return told and over

    def _heard(self, before: int, status: str, inboxes: frozenset[Inbox], seconds: float) -> bool:
        def missing(messages: tuple[Message, ...]) -> bool:
            return not inboxes - set(self._inboxes(messages[before:], status))

        try:
            return self.receiver.wait(lambda messages: missing(messages) or None, seconds)
        except TimeoutError:
            return False

    def _inboxes(self, messages: tuple[Message, ...], status: str) -> Iterator[Inbox]:
        return ((one.kind, one.to) for one in messages if one.status == status and about(one, self.alert))

    def _say(self, text: str) -> None:
        self.report(text)
        self.receiver.say(text)
