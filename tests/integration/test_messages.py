"""From a rule to its messages, on a real Prometheus and Alertmanager: people can act on what comes."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.receiver import Kind, Message, Receiver
from generator.load import Files, load
from tests import programs, silences
from tests.compiling import compiled, planned, problems
from tests.emit import messages
from tests.pages import serving

GOLDEN = Path(__file__).parents[1] / "golden" / "webhook" / "firing.json"
HOSTILE = "Quote \" ' ` {{ .Labels }} back\\slash 🔥 é <script> <!channel> & + $1 | 50%\nline"
ESCAPED = HOSTILE.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
SERIES = f"""\
shop_waiting{{stall="plain"}} 101
shop_waiting{{stall="{ESCAPED}"}} 150
"""
PATIENCE = 60

PLATFORM = """
platform: shop
title: Shop
scrape:
  interval: 1s
  evaluation_interval: 1s
  jobs:
    stalls: {targets: ["<stalls>"]}
alertmanagers: ["<alertmanager>"]
channels:
  hook: {type: webhook, url: "<receiver>/webhook/tickets"}
  slack: {type: slack, api_url_file: <folder>/slack, channel: "#shop"}
notifications:
  immediate: {group_wait: 1s, group_interval: 2s}
severities: [high, low]
escalation:
  high: {respond_within: 3s, channels: [hook, slack], next: ada}
contacts:
  ops: {title: Shop operations}
  ada: {title: Ada, hook: "<receiver>/webhook/ada", slack: "@ada"}
monitoring: {owner: ops, severity: low, channels: [hook]}
links: {prometheus: "http://p", alertmanager: "http://alerts.example", grafana: "http://g", runbooks: "http://r"}
"""

ORDERS = """
domain: orders
title: Orders
owner: ops
metrics:
  waiting:
    help: Orders that wait.
    unit: orders
    by: [stall]
    job: stalls
    promql: max by (stall) (shop_waiting{job="stalls"})
alerts:
  pile:
    condition: waiting > 100
    severity: high
    for: 1s
    channels: [hook, slack]
    summary: Orders pile up
  heap:
    promql: max by (stall) (shop_waiting{job="stalls"}) > 100
    by: [stall]
    severity: high
    for: 1s
    channels: [hook]
"""


@dataclass(frozen=True)
class Shop:
    """What runs, and what arrives."""

    alertmanager: str
    receiver: Receiver

    def told(self, kind: Kind, to: str, alertname: str, status: str = "firing") -> Message:
        """The first message over one channel about both instances of an alert."""

        def condition(arrived: tuple[Message, ...]) -> Message | None:
            for one in arrived:
                if (one.kind, one.to, one.status) == (kind, to, status) and _about(one, alertname):
                    return one
            return None

        return self.receiver.wait(condition, PATIENCE)


def _about(message: Message, alertname: str) -> bool:
    if message.kind != "webhook":
        return "×2" in message.title
    return [alert["labels"]["alertname"] for alert in message.payload["alerts"]] == [alertname] * 2


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(("127.0.0.1", 0), ("127.0.0.1", 0), title="Shop", people={}))
        (folder / "slack").write_text(f"{receiver.url}/slack", "utf-8")
        addresses = {
            "folder": str(folder),
            "receiver": receiver.url,
            "stalls": stack.enter_context(serving(lambda path: SERIES)),
            "alertmanager": "127.0.0.1:1",
        }
        output = _compiled(folder, addresses)
        config = output / "alertmanager" / "alertmanager.yml"
        alertmanager = stack.enter_context(programs.alertmanager(config, folder))
        output = _compiled(folder, {**addresses, "alertmanager": alertmanager.removeprefix("http://")})
        stack.enter_context(programs.prometheus(output / "prometheus" / "prometheus.yml", folder))
        yield Shop(alertmanager, receiver)


def _compiled(folder: Path, addresses: dict[str, str]) -> Path:
    text = re.sub("<(receiver|folder|stalls|alertmanager)>", lambda match: addresses[match[1]], PLATFORM)
    domains = folder / "domains" / "shop"
    domains.mkdir(parents=True, exist_ok=True)
    (domains / "platform.yaml").write_text(text, "utf-8")
    (domains / "orders.yaml").write_text(ORDERS, "utf-8")
    loaded = load(domains)
    assert isinstance(loaded, Files), loaded
    assert problems(loaded) == []
    return compiled(planned(domains), folder / "output")


def normalised(payload: dict[str, Any]) -> dict[str, Any]:
    """Without what differs between two runs: times, ports, the order of instances."""
    text = re.sub(r"2\d{3}-\d\d-\d\dT[\d:.]+Z", "<time>", json.dumps(payload))
    text = re.sub(r"http://[\w.-]+:\d+", "http://<host>", text)
    found: dict[str, Any] = json.loads(text)
    found["alerts"].sort(key=lambda alert: alert["fingerprint"])
    return found


def test_what_a_webhook_is_told(shop: Shop, bless: bool) -> None:
    found = normalised(shop.told("webhook", "tickets", "OrdersPile").payload)
    if bless:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(GOLDEN.read_text("utf-8"))
    for alert in found["alerts"]:
        assert {"summary", "value", "threshold", "runbook_url", "dashboard_url", "silence_url"} <= set(
            alert["annotations"]
        )


def test_recorded_payloads_have_the_shape_of_real_ones(shop: Shop) -> None:
    """Templates see what a webhook is sent, but for three things that are the webhook's own."""
    real = shop.told("webhook", "tickets", "OrdersPile").payload
    for recorded in messages.MESSAGES.values():
        assert recorded.keys() == real.keys() - {"version", "groupKey", "truncatedAlerts"}
        for alert in recorded["alerts"]:
            assert {name: type(value) for name, value in alert.items()} == {
                name: type(value) for name, value in real["alerts"][0].items()
            }
            assert datetime.fromisoformat(alert["startsAt"]).tzinfo
    ours = messages.MESSAGES["firing_one"]
    assert ours["alerts"][0]["labels"].keys() == real["alerts"][0]["labels"].keys() - {"stall"}
    assert ours["alerts"][0]["annotations"].keys() == real["alerts"][0]["annotations"].keys()
    assert ours["groupLabels"].keys() == real["groupLabels"].keys()


def test_slack_and_the_webhook_silence_by_the_same_addresses(shop: Shop) -> None:
    hook, slack = shop.told("webhook", "tickets", "OrdersPile"), shop.told("slack", "#shop", "OrdersPile")
    links = {alert["annotations"]["silence_url"] for alert in hook.payload["alerts"]}
    assert len(links) == 2
    assert {link for link in slack.links if "/#/silences/new" in link} == links


def test_an_escalation_tells_when_it_began(shop: Shop) -> None:
    hook, slack = shop.told("webhook", "tickets", "OrdersPile"), shop.told("slack", "@ada", "OrdersPile")
    began = {int(datetime.fromisoformat(alert["startsAt"]).timestamp()) for alert in hook.payload["alerts"]}
    assert {int(at) for at in re.findall(r"<!date\^(\d+)\^", slack.payload["attachments"][0]["text"])} == began
    assert "Escalated to Ada: Shop operations did not respond within 3s." in slack.text


@pytest.mark.parametrize("alertname", ["OrdersHeap", "OrdersPile"])
def test_a_silence_covers_one_instance_and_its_escalation(shop: Shop, alertname: str) -> None:
    shop.told("webhook", "ada", alertname)
    told = shop.told("webhook", "tickets", alertname).payload["alerts"]
    (hostile,) = [alert for alert in told if alert["labels"]["stall"] == HOSTILE]
    link = hostile["annotations"]["silence_url"]
    assert silences.matchers(link) == hostile["labels"]
    made = silences.silence(shop.alertmanager, link)

    def silenced() -> set[tuple[str, str, str]] | None:
        alerts = requests.get(f"{shop.alertmanager}/api/v2/alerts", timeout=5).json()
        found = [alert["labels"] for alert in alerts if made in alert["status"]["silencedBy"]]
        return (
            {(one["alertname"], one["stall"], one.get("escalation", "")) for one in found} if len(found) > 1 else None
        )

    assert programs.until(silenced, PATIENCE) == {(alertname, HOSTILE, ""), (alertname, HOSTILE, "ada")}
