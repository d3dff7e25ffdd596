"""The routing tree: few routes, driven by labels."""

from collections.abc import Iterator

from generator import durations, naming
from generator.emit.alertmanager.blocks import Block
from generator.emit.alertmanager.intervals import slot
from generator.emit.alertmanager.matchers import equal, in_list, none_of, one_of
from generator.plan import week
from generator.plan.types import Cadence, ContactRoute, Plan, Quiet

# Instances that escalate in one evaluation arrive one after the other: the shortest wait that gathers them.
_ESCALATION_WAIT = 1000
_WATCHDOG_INTERVAL = 60_000


def root(plan: Plan) -> Block:
    """The tree; its own receiver is the catch-all, also for alerts that match a cadence and no channel."""
    quickest = min(plan.cadences, key=lambda cadence: (cadence.at is not None, cadence.group_interval, cadence.name))
    return {
        "receiver": naming.UNROUTED_RECEIVER,
        # One message is one alert; its instances, which differ in other labels, share it.
        "group_by": ["platform", "domain", "alertname", "severity"],
        **_timing(quickest),
        "routes": [
            _watchdog_route(plan),
            _escalation_route(plan, quickest),
            *(_cadence_route(plan, cadence) for cadence in plan.cadences),
        ],
    }


def _timing(cadence: Cadence) -> Block:
    return {
        "group_wait": durations.text(cadence.group_wait),
        "group_interval": durations.text(cadence.group_interval),
        "repeat_interval": durations.text(cadence.repeat_interval),
    }


def _watchdog_route(plan: Plan) -> Block:
    matchers = [equal("alertname", naming.WATCHDOG)]
    if plan.monitoring.watchdog is None:
        return {"matchers": matchers, "receiver": naming.DISCARD_RECEIVER}
    return {
        "matchers": matchers,
        "receiver": naming.WATCHDOG_RECEIVER,
        "group_wait": "0s",
        "group_interval": durations.text(_WATCHDOG_INTERVAL),
        # Half an interval, so that every tick sends: an exact multiple slips to the next one.
        "repeat_interval": durations.text(_WATCHDOG_INTERVAL // 2),
    }


def _escalation_route(plan: Plan, quickest: Cadence) -> Block:
    """Escalated copies go to their contact alone, whatever their cadence; no ``continue``."""
    routes = [_contact_route(route) for route in plan.contact_routes]
    wait = min(_ESCALATION_WAIT, quickest.group_wait)
    return {"matchers": ['escalation=~".+"'], "group_wait": durations.text(wait), "routes": routes}


def _contact_route(route: ContactRoute) -> Block:
    """A contact's route; that of a rotation has a child for each person, which is open while that one is on call.

    The children have no matchers and differ in their receivers, so each has an entry of its own in the notification
    log: whoever takes over is told of what still fires.
    """
    matchers = [equal("escalation", route.contact), one_of("severity", route.severities)]
    if not route.on_call:
        receiver = naming.contact_receiver(route.contact, route.severities[0])
        return {"matchers": matchers, "receiver": receiver, **_muted(route.quiet)}
    routes = [
        {
            "receiver": naming.contact_receiver(person.contact, route.severities[0]),
            "active_time_intervals": [interval.name for interval in person.active],
            **_muted(person.quiet),
            "continue": True,
        }
        for person in route.on_call
    ]
    return {"matchers": matchers, "routes": routes}


def _muted(quiet: tuple[Quiet, ...]) -> Block:
    return {"mute_time_intervals": [one.interval.name for one in quiet]} if quiet else {}


def _cadence_route(plan: Plan, cadence: Cadence) -> Block:
    """A child per channel, or several where quiet hours let some severities through.

    A child does not inherit time intervals, so each names its own. A slot needs only quiet hours that meet it: where
    none does, one message a day stays one.
    """
    is_slot = cadence.at is not None
    receiver = naming.digest_receiver if is_slot else naming.channel_receiver
    active: Block = {"active_time_intervals": [cadence.name]} if is_slot else {}
    routes: list[Block] = [
        {
            "matchers": [in_list("channels", channel.name), *severities],
            "receiver": receiver(channel.name),
            **active,
            **_muted(quiet),
            "continue": True,
        }
        for channel in plan.channels
        for severities, quiet in _quiet_by_severity(plan, _meeting(channel.quiet, cadence))
    ]
    grouping: Block = {"group_by": ["platform", "domain"]} if is_slot else {}
    return {"matchers": [equal("notification", cadence.name)], **grouping, **_timing(cadence), "routes": routes}


def _meeting(quiet: tuple[Quiet, ...], cadence: Cadence) -> tuple[Quiet, ...]:
    """The quiet hours that a cadence may meet."""
    if cadence.at is None:
        return quiet
    own = slot(cadence).stretches
    return tuple(one for one in quiet if any(week.meet(a, b) for a in own for b in one.interval.stretches))


def _quiet_by_severity(plan: Plan, every: tuple[Quiet, ...]) -> Iterator[tuple[tuple[str, ...], tuple[Quiet, ...]]]:
    """Quiet hours, with the matchers of the severities that they hold for.

    Whatever severity is none of the platform's is disturbed by the fewest of them.
    """
    alike: dict[tuple[Quiet, ...], list[str]] = {}
    for severity in plan.severities:
        quiet = tuple(one for one in every if severity.name not in one.except_)
        alike.setdefault(quiet, []).append(severity.name)
    fewest = min(alike, key=len)
    others = tuple(name for quiet, names in alike.items() if quiet != fewest for name in names)
    for quiet, names in alike.items():
        if quiet != fewest:
            yield (one_of("severity", tuple(names)),), quiet
    yield (none_of("severity", others),) if others else (), fewest
