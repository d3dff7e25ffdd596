"""The routing tree with what children inherit merged in, and the routes that take an alert.

From dispatch/route.go at v0.25.0: children in their order, depth first; ``continue`` counts only after a match; a route
takes an alert itself only where no child does. Children inherit the receiver, the grouping and the timing, never
the time intervals.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from generator import durations
from generator.routing.matchers import Labels, Matcher, MatcherError, all_match, matcher, parse_matchers, texts

_YEARS = re.compile(r"(\d+)y(.*)")
_YEAR = 365 * 24 * 3_600_000
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class RouteError(ValueError):
    """A route that Alertmanager refuses."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route, complete; durations are milliseconds. ``group_by`` None: by all labels.

    ``path`` holds the texts of the matchers of every route from the root to this one.
    """

    path: tuple[tuple[str, ...], ...]
    matchers: tuple[Matcher, ...]
    receiver: str
    continue_: bool
    group_by: tuple[str, ...] | None
    group_wait: int
    group_interval: int
    repeat_interval: int
    mute_time_intervals: tuple[str, ...]
    active_time_intervals: tuple[str, ...]
    routes: tuple["Route", ...]

    def match(self, labels: Labels) -> tuple["Route", ...]:
        """The routes that take an alert, in their order; none where this one's matchers do not match."""
        if not all_match(self.matchers, labels):
            return ()
        found: list[Route] = []
        for child in self.routes:
            taken = child.match(labels)
            found.extend(taken)
            if taken and not child.continue_:
                break
        return tuple(found) or (self,)

    @property
    def key(self) -> str:
        """What Alertmanager knows a route by across reloads (dispatch/route.go, Key)."""
        return "/".join(f"{{{','.join(level)}}}" for level in self.path)

    @property
    def repeats_after(self) -> int:
        """After how long a message is sent again: on a tick of ``group_interval``, and an exact multiple slips one."""
        return (self.repeat_interval // self.group_interval + 1) * self.group_interval


# dispatch.DefaultRouteOpts
_DEFAULT = Route((), (), "", False, (), 30_000, 300_000, 4 * 3_600_000, (), (), ())


def root(values: Mapping[str, Any]) -> Route:
    """The tree of ``route:``; MatcherError or RouteError where it cannot be read."""
    if values.get("receiver") in (None, ""):
        raise RouteError("root route must specify a default receiver")
    if any(values.get(key) for key in ("match", "match_re", "matchers")):
        raise RouteError("root route must not have any matchers")
    return _route(values, _DEFAULT)


def matchers_of(values: Mapping[str, Any], prefix: str = "") -> tuple[Matcher, ...]:
    """The three ways to write matchers, which all have to match: ``match``, ``match_re`` and ``matchers``."""
    equal = values.get(f"{prefix}match") or {}
    regular = values.get(f"{prefix}match_re") or {}
    if strange := [name for name in (*equal, *regular) if not _LABEL.fullmatch(name)]:
        raise MatcherError(f"invalid label name {strange[0]!r}")
    return (
        *(matcher(name, "=", value) for name, value in equal.items()),
        # Anchored already, which shows in the key of a route.
        *(matcher(name, "=~", f"^(?:{value})$") for name, value in regular.items()),
        *(one for text in values.get(f"{prefix}matchers") or () for one in parse_matchers(text)),
    )


def _route(values: Mapping[str, Any], parent: Route) -> Route:
    matchers = matchers_of(values)
    route = replace(
        parent,
        path=(*parent.path, texts(matchers)),
        matchers=matchers,
        receiver=values.get("receiver") or parent.receiver,
        continue_=bool(values.get("continue")),
        group_by=_group_by(values.get("group_by") or (), parent),
        **{
            key: _milliseconds(values[key])
            for key in ("group_wait", "group_interval", "repeat_interval")
            if values.get(key) is not None
        },
        mute_time_intervals=tuple(values.get("mute_time_intervals") or ()),
        active_time_intervals=tuple(values.get("active_time_intervals") or ()),
        routes=(),
    )
    if not route.group_interval or not route.repeat_interval:
        raise RouteError("group_interval and repeat_interval cannot be zero")
    return replace(route, routes=tuple(_route(child, route) for child in values.get("routes") or ()))


def _group_by(names: Sequence[str], parent: Route) -> tuple[str, ...] | None:
    if not names:
        return parent.group_by
    if "..." not in names:
        return tuple(names)
    if len(set(names)) > 1:
        raise RouteError("cannot have wildcard group_by (`...`) and other labels at the same time")
    return None


def _milliseconds(text: str) -> int:
    """A duration of Prometheus's model package, which knows years and a bare 0 besides."""
    if text == "0":
        return 0
    years = _YEARS.fullmatch(text)
    if years is None:
        return durations.milliseconds(text)
    return int(years[1]) * _YEAR + (durations.milliseconds(years[2]) if years[2] else 0)
