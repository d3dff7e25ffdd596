"""Payloads as Alertmanager hands them to templates, recorded once and varied."""

from collections.abc import Iterable, Mapping
from typing import Any

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
    "summary": "Queue backup (Collections)",
    "description": "Settlements that wait to be processed. Condition: pending_settlements > 100.",
    "value": "150 settlements",
    "threshold": "> 100 settlements",
    "runbook_url": "https://runbooks.fire22.example/collections.md#collectionsqueuebackup",
    "dashboard_url": "https://grafana.fire22.example/d/fire22-collections?viewPanel=7",
}
NONE: Mapping[str, str] = {}


def alert(status: str = "firing", labels: Mapping[str, str] = NONE, annotations: Mapping[str, str] = NONE) -> Payload:
    """One alert of a payload."""
    return {
        "status": status,
        "labels": {**LABELS, **labels},
        "annotations": {**ANNOTATIONS, **annotations},
        "startsAt": "2026-11-22T10:00:00Z",
        "endsAt": "2026-11-22T11:00:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.fire22.example/graph",
        "fingerprint": "0123456789abcdef",
    }


def payload(*alerts: Payload) -> Payload:
    """A whole payload; what is common is what all alerts have."""
    return {
        "receiver": "channel-slack",
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": _common(alert["labels"] for alert in alerts),
        "commonAnnotations": _common(alert["annotations"] for alert in alerts),
        "externalURL": "http://0123456789ab:9093",
    }


def _common(all_: Iterable[dict[str, str]]) -> dict[str, str]:
    first, *others = all_
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def split(priority: str, status: str = "firing") -> Payload:
    """An instance of an alert that has several."""
    return alert(status, {"priority": priority}, {"summary": f"Queue backup (Collections) (priority {priority})"})


MESSAGES: dict[str, Payload] = {
    "firing_one": payload(alert()),
    "firing_several": payload(split("high"), split('low "or" +1 & <b>')),
    "firing_and_resolved": payload(split("high", "resolved"), split("low")),
    "resolved": payload(alert("resolved")),
    "escalated": payload(alert(labels={"escalation": "on-call-engineer"})),
    "event": payload(alert("resolved", annotations={"resolved": "no new event for 1h"})),
    "digest": payload(
        alert(labels={"notification": "daily", "severity": "warning"}),
        alert(
            labels={"alertname": "CollectionsProcessingDelay", "notification": "daily", "severity": "warning"},
            annotations={"summary": "Processing delay (Collections)", "value": "1h", "threshold": "> 45m"},
        ),
    ),
    "bare": payload({**alert(), "labels": {"alertname": "Foreign"}, "annotations": {}}),
}
