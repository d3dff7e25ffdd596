"""The alerts of one domain and the routes of a platform, as they are deployed and as they will be.

What is deployed is read from the files of an earlier run; what will be comes from the plan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ryaml
from pydantic import BaseModel, ValidationError

from generator.emit import alertmanager
from generator.emit.annotations import literal
from generator.plan.types import Domain, Plan
from generator.routing.notification_log import NotificationLog, notification_log


@dataclass(frozen=True, slots=True)
class Rule:
    """An alerting rule; ``labels`` are the static ones, with ``alertname``, and ``threshold`` is what people read."""

    expr: str
    labels: Mapping[str, str]
    threshold: str


@dataclass(frozen=True, slots=True)
class Group:
    """The rules of one domain.

    ``alerts`` are the rules of one name by the contact that they are escalated to, empty for the alert itself;
    ``recordings`` are the expressions by the series that they record.
    """

    name: str
    alerts: Mapping[str, Mapping[str, Rule]]
    recordings: Mapping[str, str]


def group(name: str, rules: Iterable[Rule], recordings: Mapping[str, str]) -> Group:
    """The rules of one domain, in their order."""
    alerts: dict[str, dict[str, Rule]] = {}
    for rule in rules:
        alerts.setdefault(rule.labels["alertname"], {})[rule.labels.get("escalation", "")] = rule
    return Group(name, alerts, recordings)


def planned_group(domain: Domain) -> Group:
    """The rules of a domain that will be."""
    found = []
    for alert in domain.alerts:
        labels = {"alertname": alert.alertname, **dict(alert.labels)}
        threshold = literal(alert.threshold_text)
        found.append(Rule(alert.expr, labels, threshold))
        for escalation in alert.escalations:
            found.append(Rule(alert.expr, {**labels, "escalation": escalation.contact}, threshold))
    return group(domain.group, found, {one.record: one.expr for one in domain.recordings})


def planned_log(plan: Plan) -> NotificationLog:
    """The way to people that will be."""
    return notification_log(alertmanager.configuration(plan))


class _Rule(BaseModel):
    alert: str | None = None
    record: str | None = None
    expr: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Group(BaseModel):
    name: str
    rules: list[_Rule]


class _RulesFile(BaseModel):
    groups: list[_Group]


def deployed_group(content: bytes) -> Group | None:
    """The rules of a file of an earlier run; None where it is something else."""
    try:
        groups = _RulesFile.model_validate(_values(content)).groups
    except ValidationError:
        return None
    every = [rule for group in groups for rule in group.rules]
    found = (
        Rule(one.expr, {**one.labels, "alertname": one.alert}, one.annotations.get("threshold", ""))
        for one in every
        if one.alert is not None
    )
    recordings = {one.record: one.expr for one in every if one.record is not None}
    return group(groups[0].name if groups else "", found, recordings)


def deployed_log(content: bytes) -> NotificationLog | None:
    """The way to people by a configuration of an earlier run; None where it is something else."""
    values = _values(content)
    try:
        return notification_log(values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # not of the shape of a configuration, or with patterns that are not understood here


def _values(content: bytes) -> Any:
    try:
        return ryaml.loads(content.decode())
    except ValueError:
        return None
