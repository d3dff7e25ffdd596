"""What tests ask a running stack: messages about an alert, and what Prometheus and Alertmanager say of it."""

import json
import re
from collections.abc import Iterable
from typing import Any

import requests

from demo.addresses import Inbox
from demo.incident import about, alert_of
from demo.processes import page
from demo.receiver import Message
from demo.stack import Stack
from generator.plan.types import Alert
from tests.programs import until

# Long enough for anything on a machine that is busy with other tests; nothing waits for it in vain.
PATIENCE = 90
_ITERATIONS = re.compile(r"^prometheus_rule_group_iterations_total\S+ (\S+)$", re.MULTILINE)


class Watched:
    """One alert of a running stack."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.name = name
        self.alert: Alert = alert_of(stack.plan, name)

    def messages(self, status: str | None = None) -> list[Message]:
        """The messages about it, in order."""
        return [
            one for one in self.stack.receiver.messages() if about(one, self.alert) and status in (None, one.status)
        ]

    def told(self, status: str = "firing") -> set[Inbox]:
        """Who got a message about it."""
        return {(one.kind, one.to) for one in self.messages(status)}

    def wait_told(self, inboxes: Iterable[Inbox], status: str = "firing", seconds: float = PATIENCE) -> None:
        """Wait until all of them got a message about it."""
        wanted = set(inboxes)
        self.stack.receiver.wait(lambda messages: wanted <= self.told(status) or None, seconds)

    def is_over(self) -> bool:
        """Whether everybody who was told has heard the end since, and nothing is left of it anywhere."""
        last = {(one.kind, one.to): one.status for one in self.messages()}
        return set(last.values()) <= {"resolved"} and not self.instances() and not self.is_active_in_alertmanager()

    def wait_state(self, state: str | None, seconds: float = PATIENCE) -> None:
        """Wait until Prometheus has it ``firing`` or ``pending``, or not at all (None)."""
        until(lambda: (self.states() == ({state} if state else set())) or None, seconds)

    def states(self) -> set[str]:
        """How its instances stand in Prometheus, the escalated copies left out."""
        return {one["state"] for one in self.instances() if "escalation" not in one["labels"]}

    def instances(self) -> list[dict[str, Any]]:
        """Its instances in Prometheus, escalated copies among them."""
        found = query_api(self.stack, "alerts")["alerts"]
        return [one for one in found if one["labels"]["alertname"] == self.alert.alertname]

    def active_at(self, escalation: str | None = None) -> list[str]:
        """Since when its instances are active, as Prometheus says."""
        return [one["activeAt"] for one in self.instances() if one["labels"].get("escalation") == escalation]

    def is_active_in_alertmanager(self) -> bool:
        """Whether Alertmanager has it firing, whoever may be told."""
        name = json.dumps(self.alert.alertname)
        url = f"{self.stack.plan.links.alertmanager}/api/v2/alerts"
        return bool(requests.get(url, params={"filter": f"alertname={name}"}, timeout=10).json())


def query_api(stack: Stack, what: str, **parameters: str) -> dict[str, Any]:
    """The data of an answer of Prometheus's API."""
    answer = requests.get(f"{stack.plan.links.prometheus}/api/v1/{what}", params=parameters, timeout=10)
    data: dict[str, Any] = answer.json()["data"]
    return data


def value(stack: Stack, promql: str) -> float | None:
    """The one number that a query gives; None where it gives none."""
    result = query_api(stack, "query", query=promql)["result"]
    return float(result[0]["value"][1]) if result else None


def evaluations(stack: Stack) -> float:
    """How many evaluations of the groups of rules Prometheus has begun since it started."""
    text = page(f"{stack.plan.links.prometheus}/metrics") or ""
    return min((float(count) for count in _ITERATIONS.findall(text)), default=0.0)


def wait_evaluations(stack: Stack, number: int) -> None:
    """Wait until every group was evaluated so many times more."""
    before = evaluations(stack)
    until(lambda: evaluations(stack) >= before + number or None, PATIENCE + number)
