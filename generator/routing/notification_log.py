"""Alertmanager's notification log: under which keys it remembers that people were told of an alert.

From dispatch/route.go (Key), dispatch/dispatch.go (GroupKey, getGroupLabels), nflog/nflog.go (stateKey, receiverKey)
and notify/notify.go (createReceiverStage, needsUpdate) at v0.25.0. What is remembered under a key are the label sets
that fired: an alert whose labels and keys a reload leaves as they were is not told again, one that comes under a key
without it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.routing.matchers import Labels
from generator.routing.tree import Route, root

_INTEGRATIONS = "_configs"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The matchers on the way to a route, the labels that group, and one integration of a receiver.

    ``integration`` is its kind (``slack``), ``index`` its place among those of its kind in the receiver.
    """

    path: tuple[tuple[str, ...], ...]
    group: tuple[tuple[str, str], ...]
    receiver: str
    integration: str
    index: int


@dataclass(frozen=True, slots=True)
class NotificationLog:
    """What of a configuration decides the keys: the tree, and each receiver's integrations."""

    route: Route
    integrations: Mapping[str, tuple[tuple[str, int], ...]]

    def keys(self, labels: Labels) -> frozenset[Key]:
        """The keys under which people are told of an alert with these labels; none where nobody is."""
        return frozenset(
            Key(route.path, group_labels(route, labels), route.receiver, integration, index)
            for route in self.route.match(labels)
            for integration, index in self.integrations.get(route.receiver, ())
        )


def notification_log(values: Mapping[str, Any]) -> NotificationLog:
    """Read from a configuration's plain values; a ValueError says what Alertmanager would not take."""
    receivers = {str(one["name"]): tuple(_integrations(one)) for one in values.get("receivers") or ()}
    return NotificationLog(root(values.get("route") or {}), receivers)


def group_labels(route: Route, labels: Labels) -> tuple[tuple[str, str], ...]:
    """The labels by which a route groups an alert, sorted; labels that the alert lacks are not among them."""
    names = labels if route.group_by is None else set(route.group_by) & labels.keys()
    return tuple((name, labels[name]) for name in sorted(names))


def _integrations(receiver: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [
        (key.removesuffix(_INTEGRATIONS), index)
        for key, configs in receiver.items()
        if key.endswith(_INTEGRATIONS)
        for index in range(len(configs or ()))
    ]
