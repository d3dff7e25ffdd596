"""A real Alertmanager keeps quiet hours and rotations; what is compiled has a boundary at one of the next minutes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from demo.receiver import Message, Receiver
from generator.emit import alertmanager
from generator.plan import week
from tests import programs
from tests.compiling import planned

# Far from UTC, with half an hour: an interval that forgot its zone would be open at another time.
ZONE = "Asia/Kathmandu"
DAY = timedelta(days=1)

PLATFORM = """\
platform: bakery
title: Bakery
timezone: UTC
channels:
  desk: {type: webhook, url: "URL/webhook/desk", quiet_hours: [QUIET]}
contacts:
  owner: {}
  anna: {desk: "URL/webhook/anna"}
  bo: {desk: "URL/webhook/bo"}
  carin: {desk: "URL/webhook/carin", quiet_hours: [QUIET]}
  shifts: {rotation: {timezone: ZONE, shifts: [SHIFTS]}}
  turns: {rotation: {timezone: ZONE, TURNS}}
notifications:
  immediate: {group_wait: 100ms, group_interval: 1s}
escalation:
  critical: {respond_within: 5m, channels: [desk], next: [shifts, turns, carin]}
monitoring: {owner: owner, severity: critical, channels: [desk]}
links:
  prometheus: http://localhost:9090
  alertmanager: http://localhost:9093
  grafana: http://localhost:3000
  runbooks: http://localhost:8000
"""
DOMAIN = "domain: orders\ntitle: Orders\nowner: owner\n"


def written(url: str, boundary: datetime) -> str:
    """The platform, with a hand-over and an end of quiet hours at a minute."""
    local = boundary.astimezone(ZoneInfo(ZONE))
    hand_over, other = (f"{week.WEEKDAYS[day.weekday()]} {day:%H:%M}" for day in (local, local + 3 * DAY))
    before = f"{local - timedelta(hours=1):%H:%M}"
    texts = {
        "URL": url,
        "QUIET": f'{{from: "{before}", to: "{local:%H:%M}", timezone: {ZONE}, except: [critical]}}',
        "SHIFTS": f"{{person: anna, from: {other}, to: {hand_over}}}, {{person: bo, from: {hand_over}, to: {other}}}",
        "TURNS": f"people: [anna, bo], hand_over: {hand_over}, starts: {local - 7 * DAY:%Y-%m-%d},"
        f" until: {local + 7 * DAY:%Y-%m-%d}",
        "ZONE": ZONE,
    }
    found = PLATFORM
    for name, text in texts.items():
        found = found.replace(name, text)
    # Of critical alerts Carin is quiet like anybody else.
    return found.replace(", except: [critical]}]}\n  shifts", "}]}\n  shifts")


@dataclass(frozen=True)
class Running:
    """An Alertmanager, the receiver at its other end, and the minute at which both kinds of hours change."""

    address: str
    receiver: Receiver
    boundary: datetime

    def post(self, name: str, severity: str, escalation: str | None = None, *, ended: bool = False) -> None:
        labels = {"alertname": name, "platform": "bakery", "domain": "orders", "severity": severity}
        labels |= {"notification": "immediate", "channels": "desk"} | ({"escalation": escalation} if escalation else {})
        alert: dict[str, Any] = {"labels": labels, "annotations": {"summary": name}}
        if ended:
            alert["endsAt"] = datetime.now(UTC).isoformat()
        requests.post(f"{self.address}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()

    def heard(self, name: str) -> list[tuple[str, str]]:
        """Who heard what of an alert, in order."""
        return [(one.to, one.status) for one in self.receiver.messages() if _is_about(one, name)]

    def wait(self, name: str, *expected: tuple[str, str], seconds: float) -> None:
        """Wait until exactly this was heard of an alert; ``heard`` says what was, if not."""
        try:
            self.receiver.wait(lambda _: self.heard(name) == list(expected) or None, seconds)
        except TimeoutError:
            assert self.heard(name) == list(expected)


def _is_about(message: Message, name: str) -> bool:
    return bool(message.payload["commonLabels"]["alertname"] == name)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    nowhere = ("127.0.0.1", 0)
    with Receiver(nowhere, nowhere, title="Bakery") as receiver:
        # Enough of a minute is left to be told before it ends.
        boundary = (datetime.now(UTC) + timedelta(seconds=90)).replace(second=0, microsecond=0)
        folder = tmp_path / "bakery"
        folder.mkdir()
        (folder / "platform.yaml").write_text(written(receiver.url, boundary), "utf-8")
        (folder / "orders.yaml").write_text(DOMAIN, "utf-8")
        for artefact in alertmanager.emit(planned(folder)):
            path = tmp_path / artefact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(artefact.content)
        with programs.alertmanager(tmp_path / "alertmanager/alertmanager.yml", tmp_path) as address:
            yield Running(address, receiver, boundary)


def test_at_the_boundary_the_next_is_told_and_what_was_quiet_is_heard(running: Running) -> None:
    running.post("Mild", "high")
    running.post("Brief", "high")
    running.post("Worst", "critical")
    for contact in ("shifts", "turns", "carin"):
        running.post(f"To-{contact}", "critical", contact)
    soon = 15.0
    running.wait("Worst", ("desk", "firing"), seconds=soon)
    running.wait("To-shifts", ("anna", "firing"), seconds=soon)
    running.wait("To-turns", ("anna", "firing"), seconds=soon)
    running.post("Brief", "high", ended=True)
    assert datetime.now(UTC) < running.boundary, "this machine is too slow to be told of anything within 30 s"
    assert [running.heard(name) for name in ("Mild", "Brief", "To-carin")] == [[], [], []]

    left = (running.boundary - datetime.now(UTC)).total_seconds() + soon
    running.wait("Mild", ("desk", "firing"), seconds=left)
    running.wait("To-carin", ("carin", "firing"), seconds=left)
    running.wait("To-shifts", ("anna", "firing"), ("bo", "firing"), seconds=left)
    running.wait("To-turns", ("anna", "firing"), ("bo", "firing"), seconds=left)
    later = [one for one in running.receiver.messages() if one.at >= running.boundary.timestamp()]
    assert sorted(one.to for one in later) == ["bo", "bo", "carin", "desk"]

    for contact in ("shifts", "turns", "carin"):
        running.post(f"To-{contact}", "critical", contact, ended=True)
    running.post("Mild", "high", ended=True)
    running.wait("Mild", ("desk", "firing"), ("desk", "resolved"), seconds=soon)
    running.wait("To-carin", ("carin", "firing"), ("carin", "resolved"), seconds=soon)
    # Whoever handed over does not hear the end, and what ended in quiet hours is never heard of.
    for name in ("To-shifts", "To-turns"):
        running.wait(name, ("anna", "firing"), ("bo", "firing"), ("bo", "resolved"), seconds=soon)
    assert running.heard("Brief") == []


def test_the_warning_begins_two_weeks_before_a_rotation_ends(tmp_path: Path) -> None:
    """promtool's clock starts in 1970, so Prometheus itself is asked, just before and at the moment."""
    folder = tmp_path / "bakery"
    folder.mkdir()
    boundary = datetime(2026, 12, 7, 9, tzinfo=UTC)
    (folder / "platform.yaml").write_text(written("http://localhost", boundary), "utf-8")
    (folder / "orders.yaml").write_text(DOMAIN, "utf-8")
    own = next(domain for domain in planned(folder).domains if domain.name == "tocsin")
    (alert,) = (one for one in own.alerts if one.name.startswith("rotation_ends"))
    assert (alert.name, alert.severity, alert.escalations) == ("rotation_ends_turns", "info", ())
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(json.dumps({"scrape_configs": []}), "utf-8")
    moment = (boundary + 7 * DAY - 14 * DAY).timestamp()
    with programs.prometheus(configuration, tmp_path) as address:
        found = {
            offset: requests.get(
                f"{address}/api/v1/query", params={"query": alert.expr, "time": str(moment + offset)}, timeout=5
            ).json()["data"]["result"]
            for offset in (-1, 0, 1)
        }
    assert [bool(found[offset]) for offset in (-1, 0, 1)] == [False, True, True]
