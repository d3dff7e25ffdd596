"""What becomes of an alert at a moment: the routes that take it, and for each why nobody is told, if so.

Alertmanager first inhibits, then looks at the route's time intervals, then at silences (notify/notify.go at v0.25.0).
All three suppress, so only the reason that is given depends on the order; here a silence goes before a closed window,
because it stays when the window opens.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from generator.routing.inhibition import InhibitRule, inhibit_rule
from generator.routing.intervals import TimeInterval, boundaries, holds, time_interval
from generator.routing.matchers import Labels, Matcher, all_match
from generator.routing.tree import Route, RouteError, root

Silence = tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The parts of Alertmanager's configuration that decide who is told."""

    route: Route
    inhibit_rules: tuple[InhibitRule, ...]
    time_intervals: Mapping[str, tuple[TimeInterval, ...]]

    def is_open(self, route: Route, moment: datetime) -> bool:
        """Whether a route tells anybody at a moment, by its time intervals."""
        active = [one for name in route.active_time_intervals for one in self.time_intervals[name]]
        muted = [one for name in route.mute_time_intervals for one in self.time_intervals[name]]
        return (not route.active_time_intervals or holds(active, moment)) and not holds(muted, moment)

    def opens(self, route: Route, moment: datetime) -> datetime | None:
        """The first moment from ``moment`` on at which a route tells people; None: it never does."""
        if self.is_open(route, moment):
            return moment
        names = (*route.active_time_intervals, *route.mute_time_intervals)
        every = [one for name in names for one in self.time_intervals[name]]
        return next((edge for edge in boundaries(every, moment) if self.is_open(route, edge)), None)

    def inhibitors(self, labels: Labels, firing: Sequence[Labels]) -> list[Labels]:
        """The firing alerts that mute an alert; any one would."""
        return [source for rule in self.inhibit_rules for source in rule.inhibitors(labels, firing)]


@dataclass(frozen=True, slots=True)
class Situation:
    """What else is true while an alert fires: the other firing alerts, and the silences that hold."""

    firing: tuple[Labels, ...] = ()
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one route makes of an alert at a moment.

    ``told_at`` is when the first message leaves, after ``group_wait``; None: never, as things stand. Of the reasons why
    not, ``inhibited_by`` and ``silenced`` hold for as long as the other alert fires and the silence lasts.
    """

    route: Route
    told_at: datetime | None
    inhibited_by: Labels | None = None
    silenced: bool = False


def configuration(values: Mapping[str, Any]) -> Configuration:
    """The plain values of a configuration, read; a ValueError says what Alertmanager would not take."""
    route = root(values.get("route") or {})
    intervals = {
        str(one["name"]): tuple(map(time_interval, one.get("time_intervals") or ()))
        for key in ("mute_time_intervals", "time_intervals")
        for one in values.get(key) or ()
    }
    receivers = {one["name"] for one in values.get("receivers") or ()}
    _declared(route, receivers, intervals)
    rules = tuple(map(inhibit_rule, values.get("inhibit_rules") or ()))
    return Configuration(route, rules, intervals)


def _declared(route: Route, receivers: Iterable[str], intervals: Iterable[str]) -> None:
    """Refuse names that nothing has."""
    if route.receiver not in receivers:
        raise RouteError(f'undefined receiver "{route.receiver}" used in route')
    for name in (*route.mute_time_intervals, *route.active_time_intervals):
        if name not in intervals:
            raise RouteError(f"undefined time interval {name} used in route")
    for child in route.routes:
        _declared(child, receivers, intervals)


def outcomes(
    what: Configuration, labels: Labels, moment: datetime, situation: Situation | None = None
) -> tuple[Outcome, ...]:
    """What becomes of an alert that begins to fire at a moment, for each route that takes it."""
    situation = situation or Situation()
    inhibitor = next(iter(what.inhibitors(labels, situation.firing)), None)
    silenced = any(all_match(silence, labels) for silence in situation.silences)
    suppressed = silenced or inhibitor is not None
    return tuple(
        Outcome(
            route,
            None if suppressed else what.opens(route, moment + timedelta(milliseconds=route.group_wait)),
            inhibitor,
            silenced,
        )
        for route in what.route.match(labels)
    )
