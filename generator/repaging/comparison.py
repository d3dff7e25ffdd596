"""Which alerts would be told again, and why: their identity changes, or the keys under which people were told of them.

Alertmanager knows an alert by its labels, so one with another label is another alert. An alert that stays the same is
told again where a key of the notification log is new for it. Timing, thresholds, annotations and addresses are neither.
What is no longer there, or no longer called so, lasts until Alertmanager has heard nothing of it for some minutes.
Alertmanager remembers keys for days, so an edit that is taken back may tell nobody: that is not known here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from generator import naming
from generator.repaging.deployed import Group, Rule
from generator.repaging.instances import instance_labels
from generator.routing.notification_log import Key, NotificationLog


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A static label has another value; None: the alert does not have it."""

    label: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class InstancesChange:
    """Other labels tell the instances apart."""

    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A step of the escalation goes to somebody else."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RouteChange:
    """A part of a key is another one; ``before`` is empty where it is one more. ``receiver`` is the one that tells."""

    part: Literal["integration", "receiver", "group_by", "matchers"]
    receiver: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What lasts of the old alert comes to other receivers, since the routes that it took are no longer there."""

    receivers: tuple[str, ...]


Cause = LabelChange | InstancesChange | ContactChange | RouteChange | Leftover


@dataclass(frozen=True, slots=True)
class Repaged:
    """An alert that is told again; ``escalated``: its escalated copies alone."""

    alertname: str
    escalated: bool
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The groups by their domains, and the way to people."""

    groups: Mapping[str, Group]
    log: NotificationLog


def repaged(before: Deployment, after: Deployment) -> Iterator[Repaged]:
    """The alerts that would be told again when ``after`` comes in the place of ``before``.

    A domain that only ``before`` has may have been renamed; one that neither has stays as it is.
    """
    renamed = dict(_renamed(before.groups, after.groups))
    lasting = {name for group in after.groups.values() for name in group.alerts} | {old for _, old in renamed.values()}
    for domain, group in after.groups.items():
        old = before.groups.get(domain)
        for name in group.alerts:
            pair = (old, name) if old is not None and name in old.alerts else renamed.get(name)
            if pair is not None and name != naming.WATCHDOG:  # whatever becomes of that one, no person is told
                yield from _Alert(name, *_side(*pair), *_side(group, name), before.log, after.log).repaged()
    for group in before.groups.values():
        for name in (name for name in group.alerts if name not in lasting and name != naming.WATCHDOG):
            base, copies, _ = _side(group, name)
            for escalated, rules in ((False, [base]), (True, copies.values())):
                if causes := tuple(_leftover(rules, before.log, after.log)):
                    yield Repaged(name, escalated, causes)


def _renamed(before: Mapping[str, Group], after: Mapping[str, Group]) -> Iterator[tuple[str, tuple[Group, str]]]:
    """The alerts that are new by their name alone: one that watches the same is no longer there."""
    old, new = ({name for group in groups.values() for name in group.alerts} for groups in (before, after))
    vanished: dict[tuple[str, tuple[str, str]], list[tuple[Group, str]]] = {}
    for domain, group in before.items():
        where = domain if domain in after else ""  # a domain that is gone may be any that is new
        for name in (name for name in group.alerts if name not in new):
            vanished.setdefault((where, _watched(group, name)), []).append((group, name))
    for domain, group in after.items():
        where = domain if domain in before else ""
        for name in (name for name in group.alerts if vanished and name not in old):
            if found := vanished.get((where, _watched(group, name))):
                yield name, found.pop(0)


def _watched(group: Group, name: str) -> tuple[str, str]:
    """What an alert looks at, whatever it and its domain are called.

    The expression of an alert on rows counts those of its own name, so what makes them match is asked for besides.
    """
    rule = next(iter(group.alerts[name].values()))
    threshold = rule.threshold if naming.counts_rows(rule.expr) else ""
    return naming.without_names(rule.expr, group.name), threshold


def _leftover(rules: Iterable[Rule], old: NotificationLog, new: NotificationLog) -> Iterator[Leftover]:
    """What becomes of rules that are no longer there, until their alerts end."""
    labels = [rule.labels for rule in rules] if old is not new else []
    if receivers := {key.receiver for one in labels for key in new.keys(one) - old.keys(one)}:
        yield Leftover(tuple(sorted(receivers)))


def _side(group: Group, name: str) -> tuple[Rule, dict[str, Rule], Mapping[str, str]]:
    """An alert itself, its escalated copies by their contacts, and what its group records."""
    copies = dict(group.alerts[name])
    base = copies.pop("", None) or next(iter(copies.values()))
    return base, copies, group.recordings


@dataclass(frozen=True, slots=True)
class _Alert:
    """One alert as it is deployed and as it will be."""

    name: str
    old: Rule
    old_copies: Mapping[str, Rule]
    old_recordings: Mapping[str, str]
    new: Rule
    new_copies: Mapping[str, Rule]
    new_recordings: Mapping[str, str]
    old_log: NotificationLog
    new_log: NotificationLog

    def repaged(self) -> Iterator[Repaged]:
        identity: tuple[Cause, ...] = (*label_changes(self.old.labels, self.new.labels), *self._instances())
        if identity:
            left = _leftover((self.old, *self.old_copies.values()), self.old_log, self.new_log)
            yield Repaged(self.name, False, (*identity, *left))
            return
        if ways := tuple(self._ways(self.old, self.new)):
            yield Repaged(self.name, False, ways)
        if steps := tuple(dict.fromkeys(self._steps())):
            yield Repaged(self.name, True, steps)

    def _instances(self) -> Iterator[InstancesChange]:
        if (self.old.expr, self.old_recordings) == (self.new.expr, self.new_recordings):
            return
        before = instance_labels(self.old.expr, self.old_recordings)
        after = instance_labels(self.new.expr, self.new_recordings)
        if before is None or after is None:
            return
        before, after = before - self.old.labels.keys(), after - self.new.labels.keys()
        if before != after:
            yield InstancesChange(tuple(sorted(before)), tuple(sorted(after)))

    def _ways(self, old: Rule, new: Rule) -> Iterator[RouteChange]:
        if self.old_log is not self.new_log:
            yield from route_changes(self.old_log.keys(old.labels), self.new_log.keys(new.labels))

    def _steps(self) -> Iterator[Cause]:
        """What becomes of the escalated copies: a step that is added tells nobody again."""
        gone = [contact for contact in self.old_copies if contact not in self.new_copies]
        come = [contact for contact in self.new_copies if contact not in self.old_copies]
        yield from (ContactChange(before, after) for before, after in zip(gone, come, strict=False))
        yield from _leftover([self.old_copies[contact] for contact in gone], self.old_log, self.new_log)
        for contact, new in self.new_copies.items():
            if contact in self.old_copies:
                yield from self._ways(self.old_copies[contact], new)


def label_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[LabelChange]:
    """The labels that differ, in the order in which they will stand; where the domain does, so does the name."""
    names = dict.fromkeys((*after, *before))
    changed = [name for name in names if before.get(name) != after.get(name)]
    return [
        LabelChange(name, before.get(name), after.get(name))
        for name in changed
        if name != "alertname" or "domain" not in changed
    ]


def route_changes(before: Iterable[Key], after: Iterable[Key]) -> list[RouteChange]:
    """Why there are new keys: in what each differs from the one in whose place it comes."""
    old, new = frozenset(before), frozenset(after)
    gone = sorted(old - new)
    return list(dict.fromkeys(change for key in sorted(new - old) for change in _route_changes(key, old, gone)))


def _route_changes(key: Key, old: frozenset[Key], gone: list[Key]) -> Iterator[RouteChange]:
    beside = [other for other in old if _place(other) == _place(key)]
    if beside:
        kinds = {other.integration for other in beside if other in gone} - {key.integration}
        yield RouteChange("integration", key.receiver, tuple(sorted(kinds)), (key.integration,))
        return
    other = max(gone, key=lambda other: _likeness(other, key), default=None)
    if other is None:
        yield RouteChange("receiver", key.receiver, (), (key.receiver,))
        return
    if other.path != key.path:
        texts = [[text for level in one.path for text in level] for one in (other, key)]
        before, after = (tuple(text for text in texts[side] if text not in texts[1 - side]) for side in (0, 1))
        if before or after or (other.receiver, other.group) == (key.receiver, key.group):
            yield RouteChange("matchers", key.receiver, before, after)
    if other.receiver != key.receiver:
        yield RouteChange("receiver", key.receiver, (other.receiver,), (key.receiver,))
    if other.group != key.group:
        before, after = (tuple(name for name, _ in one.group) for one in (other, key))
        yield RouteChange("group_by", key.receiver, before, after)


def _place(key: Key) -> tuple[object, ...]:
    return key.path, key.group, key.receiver


def _likeness(key: Key, other: Key) -> tuple[bool, ...]:
    """How much two keys have in common, the most telling first."""
    return key.path == other.path, key.receiver == other.receiver, key.group == other.group
