"""FastBreak's bad day in two minutes, kept as a record: just beside every threshold, beyond it, right again."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.addresses import Inbox
from demo.receiver import Message
from demo.stack import Stack
from generator.plan.types import Plan
from tests.end_to_end.fastbreak_alerts import ALERTS, Expected
from tests.end_to_end.fastbreak_series import FORGOTTEN, FastBreak
from tests.end_to_end.scrape_target import served
from tests.end_to_end.stacks import overlaid
from tests.programs import until

OVERLAY = Path(__file__).with_name("fastbreak_overlay.yaml")
_PLACE = re.compile(r" \((mountpoint \S+, )?instance 127\.0\.0\.1:\d+\)$")
# The longest `for` is 9 s at this scale; to it come an evaluation, and the 100 ms that a group waits.
LONG_ENOUGH = timedelta(seconds=12)
# A cooldown is 3 s.
PAST_COOLDOWN = timedelta(seconds=5)
PATIENCE = 60

DISK_FILLING = next(alert for alert in ALERTS if alert.key == "disk_filling")
DISK_ALMOST_FULL = next(alert for alert in ALERTS if alert.key == "disk_almost_full")
# Right again when the window forgets what was bad yesterday, an hour ago, five minutes ago.
FORGOTTEN_LATER = {"low_availability", "alert_spam", "slow_queries_detected"}


@dataclass
class Record:
    """What was seen, phase by phase; ``firing`` are the names of alerts that fire in Prometheus.

    What did not come in time is missing here, so that the tests of it fail and no others.
    """

    plan: Plan
    compiled: Path
    beside: tuple[Message, ...] = ()
    firing_beside: set[str] = field(default_factory=set)
    values_beside: dict[str, list[float]] = field(default_factory=dict)
    beyond: tuple[Message, ...] = ()
    beyond_seconds: float = 0.0
    muted_by: dict[str, set[str]] = field(default_factory=dict)
    firing_on_the_boundary: set[str] = field(default_factory=set)
    told_on_the_boundary: tuple[Message, ...] = ()
    messages: tuple[Message, ...] = ()
    firing_afterwards: set[str] = field(default_factory=set)
    pages: dict[str, str] = field(default_factory=dict)


def is_about(message: Message, alert: Expected) -> bool:
    """Whether a message tells of an alert, its beginning or its end."""
    if message.kind == "webhook":
        return message.title == alert.name
    return without_place(message.title.partition("] ")[2]) == alert.summary


def without_place(text: str) -> str:
    """What a message says, without the host and file system that it is about."""
    return _PLACE.sub("", text)


def inboxes(messages: tuple[Message, ...], alert: Expected, status: str) -> list[Inbox]:
    """Where messages about an alert arrived, sorted; twice where two did."""
    return sorted((one.kind, one.to) for one in messages if one.status == status and is_about(one, alert))


def play(folder: Path) -> Record:
    """Run the whole story."""
    plan, compiled = overlaid("fastbreak", OVERLAY.read_text("utf-8"), folder, "rehearsal")
    record, fastbreak = Record(plan, compiled), FastBreak(plan)
    running = folder / "running"
    running.mkdir()
    with served(fastbreak.targets), Stack(plan, compiled, running, history=fastbreak.history()) as stack:
        prometheus = _Prometheus(plan.links.prometheus)
        until(stack.is_seen, PATIENCE)
        _just_beside(record, stack, prometheus)
        _beyond(record, stack, prometheus, fastbreak)
        _right_again(record, stack, prometheus, fastbreak)
        record.pages = {
            link: _shown(link) for message in record.messages for link in message.links if _is_followed(plan, link)
        }
    return record


def _just_beside(record: Record, stack: Stack, prometheus: "_Prometheus") -> None:
    record.firing_beside = prometheus.firing_during(LONG_ENOUGH)
    record.values_beside = {alert.metric: prometheus.values(alert.metric) for alert in ALERTS}
    record.beside = stack.receiver.messages()


def _beyond(record: Record, stack: Stack, prometheus: "_Prometheus", fastbreak: FastBreak) -> None:
    fastbreak.break_everything()
    # Twenty samples of three times 5,780 are missed then, six of them today.
    until(lambda: prometheus.values("fastbreak_system_availability_ratio <= 0.9989"), PATIENCE)
    fastbreak.mend_collector()
    told = [alert for alert in ALERTS if alert is not DISK_FILLING]
    _wait_told(stack, told, "firing")
    record.beyond_seconds = time.time() - fastbreak.born
    record.muted_by = _muted(record.plan.links.alertmanager)
    record.beyond = stack.receiver.messages()


def _right_again(record: Record, stack: Stack, prometheus: "_Prometheus", fastbreak: FastBreak) -> None:
    fastbreak.mend_everything()
    fastbreak.disk(89.9)
    over = [alert for alert in ALERTS if alert is not DISK_FILLING and alert.key not in FORGOTTEN_LATER]
    _wait_told(stack, over, "resolved")
    _wait_told(stack, [DISK_FILLING], "firing")
    fastbreak.disk(80)
    prometheus.firing_during(PAST_COOLDOWN)
    record.firing_on_the_boundary = prometheus.firing()
    record.told_on_the_boundary = stack.receiver.messages()
    fastbreak.disk(79.9)
    _wait_told(stack, ALERTS, "resolved", max(0.0, fastbreak.born + FORGOTTEN - time.time()) + PATIENCE)
    prometheus.firing_during(PAST_COOLDOWN)
    record.firing_afterwards = prometheus.firing()
    record.messages = stack.receiver.messages()


def _wait_told(stack: Stack, alerts: Sequence[Expected], status: str, seconds: float = PATIENCE) -> None:
    """Wait until everybody who is to be told of these alerts was, others perhaps too; give up after that long."""
    with suppress(TimeoutError):
        stack.receiver.wait(lambda messages: _were_told(messages, alerts, status), seconds)


def _were_told(messages: tuple[Message, ...], alerts: Sequence[Expected], status: str) -> bool:
    return all(not Counter(alert.inboxes) - Counter(inboxes(messages, alert, status)) for alert in alerts)


def _muted(alertmanager: str) -> dict[str, set[str]]:
    """Names of alerts that Alertmanager mutes now, to the names of those that mute them."""
    alerts = json.loads(_page(f"{alertmanager}/api/v2/alerts"))
    names = {alert["fingerprint"]: str(alert["labels"]["alertname"]) for alert in alerts}
    return {
        alert["labels"]["alertname"]: {names[one] for one in alert["status"]["inhibitedBy"]}
        for alert in alerts
        if alert["status"]["inhibitedBy"]
    }


def _is_followed(plan: Plan, link: str) -> bool:
    return link.startswith((f"{plan.links.runbooks}/", f"{plan.links.grafana}/d/"))


def _shown(link: str) -> str:
    """What whoever follows a link sees."""
    try:
        return _page(link)
    except urllib.error.HTTPError as error:
        return str(error)


def _page(url: str) -> str:
    """What an address leads to: where it ends and what stands there."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode("utf-8")
        return text if answer.geturl() == url else f"{urllib.parse.unquote(answer.geturl())}\n{text}"


@dataclass
class _Prometheus:
    url: str

    def firing_during(self, while_: timedelta) -> set[str]:
        """Everything that fires until every group was evaluated that long from now on."""
        enough = datetime.now(UTC) + while_
        seen: set[str] = set()

        def evaluated() -> bool:
            seen.update(self.firing())
            groups = self._get("rules")["groups"]
            return all(datetime.fromisoformat(group["lastEvaluation"]) > enough for group in groups)

        until(evaluated, while_.total_seconds() + PATIENCE)
        return seen

    def firing(self) -> set[str]:
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def values(self, expr: str) -> list[float]:
        """The values of a query's series."""
        return [float(series["value"][1]) for series in self._get("query", query=expr)["result"]]

    def _get(self, path: str, **parameters: str) -> Any:
        return json.loads(_page(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))["data"]
