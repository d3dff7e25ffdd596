"""Payloads as Alertmanager hands them to templates, recorded once and varied."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

Payload = dict[str, Any]

LABELS = {
    "alertname": "CollectionsQueueBackup",
    "platform": "fire22",
    "domain": "collections",
    "subject": "pending_settlements",
    "source": "fire22",
    "severity": "critical",
    "owner": "ops",
    "notification": "immediate",
    "channels": "slack,email,sms",
}
ANNOTATIONS = {
    "summary": "Settlements wait to be processed",
    "description": "Settlements that wait to be processed. Condition: pending_settlements > 100.",
    "value": "150 settlements",
    "threshold": "> 100 settlements",
    "runbook_url": "https://runbooks.fire22.example/collections.md#collectionsqueuebackup",
    "dashboard_url": "https://grafana.fire22.example/d/fire22-collections?viewPanel=7",
}
NONE: Mapping[str, str] = {}


def silence_url(labels: Mapping[str, str]) -> str:
    """The address that silences an alert of these labels, its escalations with it."""
    names = sorted(labels.keys() - {"escalation"}, key=lambda name: (name != "alertname", name))
    matchers = ", ".join(f"{name}={json.dumps(labels[name], ensure_ascii=False)}" for name in names)
    return "https://alertmanager.fire22.example/#/silences/new?filter=" + quote(f"{{{matchers}}}", safe="")


def alert(
    status: str = "firing", labels: Mapping[str, str] = NONE, annotations: Mapping[str, str] = NONE, minute: int = 0
) -> Payload:
    """One alert of a payload; it began at a minute past ten."""
    whole = {**LABELS, **labels}
    return {
        "status": status,
        "labels": whole,
        "annotations": {**ANNOTATIONS, "silence_url": silence_url(whole), **annotations},
        "startsAt": f"2026-11-22T10:{minute:02}:00Z",
        "endsAt": "2026-11-22T11:00:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.fire22.example/graph",
        "fingerprint": "0123456789abcdef",
    }


def payload(*alerts: Payload) -> Payload:
    """A whole payload; what is common is what all alerts have."""
    labels = _common(alert["labels"] for alert in alerts)
    grouped = ("alertname", "domain", "platform", "severity")
    return {
        "receiver": "channel-slack",
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {name: labels[name] for name in grouped if name in labels},
        "commonLabels": labels,
        "commonAnnotations": _common(alert["annotations"] for alert in alerts),
        "externalURL": "http://0123456789ab:9093",
    }


def _common(all_: Iterable[dict[str, str]]) -> dict[str, str]:
    first, *others = all_
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def split(priority: str, status: str = "firing", minute: int = 0) -> Payload:
    """An instance of an alert that has several."""
    summary = f"Settlements wait to be processed (priority {priority})"
    return alert(status, {"priority": priority}, {"summary": summary}, minute)


def escalated(*, after: str = "5m", from_: str = "Operations", minute: int = 5) -> Payload:
    """The copy of an alert that goes to who comes next."""
    told = {"escalated_after": after, "escalated_from": from_}
    return alert(labels={"escalation": "on-call-engineer"}, annotations=told, minute=minute)


def daily(name: str, severity: str, summary: str, value: str, threshold: str) -> Payload:
    """An alert of a daily message."""
    labels = {"alertname": name, "notification": "daily", "severity": severity}
    page = f"https://runbooks.fire22.example/collections.md#{name.lower()}"
    return alert(
        labels=labels,
        annotations={"summary": summary, "value": value, "threshold": threshold, "runbook_url": page},
    )


def many(count: int) -> Iterable[Payload]:
    """Alerts of one domain, of several severities in no order."""
    for number in range(count):
        severity = ("warning", "high", "low", "medium", "critical")[number % 5]
        yield daily(
            f"CollectionsStep{number}Slow",
            severity,
            f"Settlements stay long in step {number}",
            f"{number + 46}m 0s",
            "> 45m",
        )


MESSAGES: dict[str, Payload] = {
    "firing_one": payload(alert()),
    "firing_several": payload(split("high", minute=7), split('low "or" +1 & <b>', minute=2)),
    "firing_and_resolved": payload(split("high", "resolved"), split("low")),
    "resolved": payload(alert("resolved")),
    "escalated": payload(escalated()),
    "escalated_twice": payload(escalated(after="10m", from_="Operations and Anna", minute=10)),
    "event": payload(alert("resolved", annotations={"resolved": "no new event for 1h"})),
    "digest": payload(*many(12)),
    "bare": payload({**alert(), "labels": {"alertname": "Foreign"}, "annotations": {}}),
}
