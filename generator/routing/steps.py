"""Who is told of an alert, at once and then at each step of its escalation, through the compiled routing tree.

A step of the escalation is the same alert with the label ``escalation``, which its rule raises later; what becomes of
it is asked of the same tree as the first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from generator import naming
from generator.emit import alertmanager
from generator.emit.alertmanager import Receiver
from generator.plan.types import Alert, Channel, Email, Escalation, Plan, Quiet, Slack, Sns, Webhook
from generator.routing.evaluation import Configuration, Outcome, Situation, configuration, outcomes
from generator.routing.intervals import holds
from generator.routing.matchers import Labels, matcher
from generator.routing.tree import Route

Reason = Literal["discarded", "inhibited", "silenced", "never open"]


@dataclass(frozen=True, slots=True)
class Told:
    """What some receivers make of an alert: who is told over which channels, from when on, and how often.

    ``at`` is None where nobody is told, for ``reason``; ``waits_until`` says that they are not told at once, since the
    time intervals ``window`` are closed until then, and ``closed`` why in words: None where somebody else is on call.
    Repeats come ``every`` so many milliseconds, or at ``again_at`` where a window paces them. ``closes``: quiet hours
    or a hand-over may come before the alert ends, and then they do not hear of its end.
    """

    receivers: tuple[str, ...]
    who: str
    over: tuple[str, ...]
    at: datetime | None
    waits_until: datetime | None
    window: tuple[str, ...]
    closed: str | None
    closes: bool
    every: int | None
    again_at: datetime | None
    hears_end: bool
    reason: Reason | None
    inhibited_by: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """What happens ``after`` so many milliseconds of firing; ``contact`` is None for the alert itself."""

    after: int
    contact: str | None
    group_wait: int
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """All of it. ``alert`` is None for bare labels, which no rule escalates."""

    name: str | None
    alert: Alert | None
    owner: str
    labels: tuple[tuple[str, str], ...]
    fires_at: datetime
    silenced: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: an alert, or bare labels, at a time; ``title`` gives the name that people call a contact by."""

    plan: Plan
    title: Callable[[str], str]
    alert: Alert | None
    labels: tuple[tuple[str, str], ...]
    fires_at: datetime
    also: tuple[Alert, ...] = ()
    silenced: bool = False


def alert_labels(alert: Alert, given: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The labels of one instance of an alert; those that tell instances apart stand for themselves unless given."""
    split = {name: f"<{name}>" for name in alert.by}
    return {"alertname": alert.alertname, **dict(alert.labels), **split, **dict(given)}


def answer(question: Question) -> Answer:
    """Who is told, when, over what, and why not."""
    plan, alert = question.plan, question.alert
    labels = dict(question.labels) if alert is None else alert_labels(alert, question.labels)
    # A silence that a message's link makes has the alert's labels without `escalation`, so it covers every step.
    silence = tuple(matcher(name, "=", value) for name, value in labels.items())
    firing = tuple(alert_labels(other) for other in question.also)
    worker = _Steps(question, configuration(alertmanager.configuration(plan)), Situation(
        firing, (silence,) if question.silenced else ()
    ))  # fmt: skip
    escalations = alert.escalations if alert is not None else ()
    owner = labels.get("owner", "")
    return Answer(
        name=f"{plan.platform}/{alert.domain}/{alert.name}" if alert is not None else None,
        alert=alert,
        owner=question.title(owner) if owner else "",
        labels=tuple(labels.items()),
        fires_at=question.fires_at,
        silenced=question.silenced,
        steps=(worker.step(labels, None), *(worker.step(labels, escalation) for escalation in escalations)),
    )


class _Steps:
    """Asks the tree, and puts a platform's names to what it answers."""

    def __init__(self, question: Question, tree: Configuration, situation: Situation) -> None:
        self._question = question
        self._tree = tree
        self._situation = situation
        self._receivers = {one.name: one for one in alertmanager.receivers(question.plan)}
        self._named = {other.alertname: f"{other.domain}/{other.name}" for other in question.also}
        self._contacts = {
            (route.contact, naming.contact_receiver(one.contact, route.severities[0])): (
                one.title if one is route else f"{one.title} ({route.title})"
            )
            for route in question.plan.contact_routes
            for one in route.on_call or (route,)
        }
        self._quiet = {one.interval.name: one.text for one in _every_quiet(question.plan)}
        self._slots = {cadence.name for cadence in question.plan.cadences}

    def step(self, labels: Labels, escalation: Escalation | None) -> Step:
        after = escalation.after if escalation is not None else 0
        moment = self._question.fires_at + timedelta(milliseconds=after)
        contact = {"escalation": escalation.contact} if escalation is not None else {}
        found = outcomes(self._tree, {**labels, **contact}, moment, self._situation)
        told = _together([self._told(outcome, {**labels, **contact}, moment) for outcome in found])
        wait = max(outcome.route.group_wait for outcome in found)
        in_order = tuple(sorted(told, key=lambda one: one.waits_until is not None))
        return Step(after, escalation.contact if escalation is not None else None, wait, in_order)

    def _told(self, outcome: Outcome, labels: Labels, moment: datetime) -> Told:
        route, receiver = outcome.route, self._receivers[outcome.route.receiver]
        reason = _reason(outcome, receiver)
        at = outcome.told_at.astimezone(moment.tzinfo) if outcome.told_at is not None and reason is None else None
        intervals = (*route.active_time_intervals, *route.mute_time_intervals)
        is_contact = (labels.get("escalation", ""), receiver.name) in self._contacts
        quiet = self._who(receiver, labels) if is_contact else receiver.channels[0].name if receiver.channels else ""
        waits = at is not None and not self._tree.is_open(route, moment + timedelta(milliseconds=route.group_wait))
        again_at = self._again_at(route, at) if at is not None else None
        return Told(
            receivers=(receiver.name,),
            who=self._who(receiver, labels) if reason is None else "nobody",
            over=tuple(map(address, receiver.channels)) if reason is None else (),
            at=at,
            waits_until=at if waits else None,
            window=intervals if waits or reason == "never open" else (),
            closed=self._closed(quiet, route, moment) if waits else None,
            closes=bool(set(intervals) - self._slots),
            every=route.repeats_after if at is not None and again_at is None else None,
            again_at=again_at,
            hears_end=receiver.tells_end and reason is None,
            reason=reason,
            inhibited_by=self._named.get((outcome.inhibited_by or {}).get("alertname", "")),
        )

    def _closed(self, who: str, route: Route, moment: datetime) -> str | None:
        """Why a route waits; None where a rotation has somebody else on call."""
        at = moment + timedelta(milliseconds=route.group_wait)
        active = [one for name in route.active_time_intervals for one in self._tree.time_intervals[name]]
        if active and not holds(active, at) and self._slots.isdisjoint(route.active_time_intervals):
            return None
        quiet = [name for name in route.mute_time_intervals if holds(self._tree.time_intervals[name], at)]
        if quiet:
            return f"{who} is quiet {' and '.join(self._quiet[name] for name in quiet)}"
        slots = self._slots.intersection(route.active_time_intervals)
        return f"outside its window: {', '.join(sorted(slots))}" if slots else None

    def _again_at(self, route: Route, at: datetime) -> datetime | None:
        """When a window lets the next message through; None where none holds it up."""
        due = at + timedelta(milliseconds=route.repeats_after)
        opens = self._tree.opens(route, due)
        return None if opens is None or opens == due else opens.astimezone(at.tzinfo)

    def _who(self, receiver: Receiver, labels: Labels) -> str:
        """How people call whoever a receiver reaches."""
        contact = labels.get("escalation", "")
        if (contact, receiver.name) in self._contacts:
            return self._contacts[contact, receiver.name]
        if receiver.name == naming.WATCHDOG_RECEIVER:
            return "dead man's switch"
        if receiver.name == naming.UNROUTED_RECEIVER:
            return self._question.title(self._question.plan.monitoring.owner)
        owner = labels.get("owner")
        return self._question.title(owner) if owner else "everybody there"


def _every_quiet(plan: Plan) -> Iterator[Quiet]:
    for channel in plan.channels:
        yield from channel.quiet
    for route in plan.contact_routes:
        yield from route.quiet
        for person in route.on_call:
            yield from person.quiet


def _reason(outcome: Outcome, receiver: Receiver) -> Reason | None:
    if not receiver.channels:
        return "discarded"
    if outcome.inhibited_by is not None:
        return "inhibited"
    if outcome.silenced:
        return "silenced"
    return "never open" if outcome.told_at is None else None


def _together(told: Sequence[Told]) -> Iterator[Told]:
    """One where receivers differ in nothing but their channels."""
    groups: dict[Told, list[Told]] = {}
    for one in told:
        groups.setdefault(replace(one, receivers=(), over=()), []).append(one)
    for alike, group in groups.items():
        receivers = tuple(name for one in group for name in one.receivers)
        yield replace(alike, receivers=receivers, over=tuple(dict.fromkeys(way for one in group for way in one.over)))


def address(channel: Channel) -> str:
    """A channel's name and where it leads, without anything that opens it."""
    match channel.delivery:
        case Slack(channel=where):
            return f"{channel.name} {where}"
        case Email(to=to):
            return f"{channel.name} {', '.join(to)}"
        case Sns(phone_number=str(number)):
            return f"{channel.name} {number}"
        case Sns(topic_arn=str(arn)):
            return f"{channel.name} {arn.rpartition(':')[2]}"
        case Webhook(url=str(url)):
            return f"{channel.name} {_host(url)}"
        case _:
            return channel.name


def _host(url: str) -> str:
    """What of an address may be shown: neither a password in it nor a path that may be one."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
