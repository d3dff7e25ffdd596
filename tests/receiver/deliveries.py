"""A real Alertmanager whose compiled configuration ends at a receiver of the test."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from demo.receiver import Kind, Message, Receiver
from generator import model
from generator.emit import alertmanager as emitter
from generator.plan.cadences import cadence
from generator.plan.types import (
    Channel,
    ContactRoute,
    ContactTitle,
    Email,
    Monitoring,
    PagerDuty,
    Plan,
    Slack,
    Sns,
    Webhook,
)
from tests import programs
from tests.emit import messages, plans

PEOPLE: dict[tuple[Kind, str], str] = {
    ("slack", "#alerts"): "Collections team",
    ("email", "ops@example.org"): "Collections team",
    ("email", "lead@example.org"): "Anna",
    ("slack", "@anna"): "Anna",
    ("sms", "+46700000001"): "Olle",
    ("sms", "+46700000002"): "Anna",
    ("phone", "olle-key"): "Olle",
    ("phone", "anna-key"): "Anna",
    ("webhook", "tickets"): "Ticket system",
}


def the_plan(folder: Path, receiver: Receiver) -> Plan:
    """Every kind of channel, and a contact who is told in every way but by webhook; groups wait a tenth of a second."""
    secrets = {"slack": f"{receiver.url}/slack", "olle": "olle-key", "anna": "anna-key"}
    for name, secret in secrets.items():
        (folder / name).write_text(secret, "utf-8")
    sender, smarthost = "alerts@example.org", f"127.0.0.1:{receiver.smtp_port}"

    def channel(name: str, delivery: Email | Webhook | PagerDuty | Slack | Sns) -> Channel:
        return Channel(name, delivery)

    channels = (
        channel("email", Email(("ops@example.org", "lead@example.org"), sender, smarthost, None, None, False)),
        channel("hook", Webhook(f"{receiver.url}/webhook/tickets", None, None)),
        channel("phone", PagerDuty(f"{folder}/olle", f"{receiver.url}/pagerduty")),
        channel("slack", Slack(f"{folder}/slack", "#alerts")),
        channel("sms", Sns("eu-north-1", None, "+46700000001", None, f"{receiver.url}/sns")),
    )
    anna = (
        channel("email", Email(("lead@example.org",), sender, smarthost, None, None, False)),
        channel("phone", PagerDuty(f"{folder}/anna", f"{receiver.url}/pagerduty")),
        channel("slack", Slack(f"{folder}/slack", "@anna")),
        channel("sms", Sns("eu-north-1", None, "+46700000002", None, f"{receiver.url}/sns")),
    )
    quick = cadence("immediate", model.Cadence(group_wait="100ms", group_interval="1s"), "UTC", 1)
    return replace(
        plans.plan(plans.domain()),
        channels=channels,
        cadences=(quick,),
        contacts=(ContactTitle("anna", "Anna"), ContactTitle("ops", "Operations")),
        contact_routes=(ContactRoute("anna", "Anna", ("critical", "high", "medium"), anna),),
        monitoring=Monitoring("ops", "critical", ("hook",), "immediate", None),
    )


@dataclass(frozen=True)
class Delivering:
    """An Alertmanager and the receiver at its other end."""

    address: str
    receiver: Receiver

    def post(
        self, alertname: str, channels: str, *, ended: bool = False, annotations: dict[str, str] | None = None,
        **labels: str,
    ) -> None:  # fmt: skip
        alert: dict[str, Any] = {
            "labels": {**messages.LABELS, "alertname": alertname, "channels": channels, **labels},
            "annotations": {**messages.ANNOTATIONS, "summary": f"{alertname} is overdue", **(annotations or {})},
        }
        if ended:
            alert["endsAt"] = datetime.now(UTC).isoformat()
        requests.post(f"{self.address}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()

    def arrived(self, alertname: str, count: int = 1, seconds: float = 30) -> tuple[Message, ...]:
        """The messages about one alert, once there are so many."""
        return self.receiver.wait(at_least(count, alertname), seconds)


def at_least(count: int, alertname: str) -> Callable[[tuple[Message, ...]], tuple[Message, ...] | None]:
    """A condition: that many messages speak of the alert."""

    def condition(arrived: tuple[Message, ...]) -> tuple[Message, ...] | None:
        about = tuple(one for one in arrived if alertname in one.title + one.text)
        return about if len(about) >= count else None

    return condition


@contextmanager
def delivering(folder: Path, receiver: Receiver) -> Iterator[Delivering]:
    """An Alertmanager that runs what is compiled for the receiver."""
    for artefact in emitter.emit(the_plan(folder, receiver)):
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artefact.content)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    with (
        mock.patch.dict(os.environ, keys),
        programs.alertmanager(folder / "alertmanager" / "alertmanager.yml", folder) as address,
    ):
        yield Delivering(address, receiver)
