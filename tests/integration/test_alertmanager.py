"""A real Alertmanager delivers what the compiled configuration says, to servers of this test on loopback."""

import contextlib
import html
import json
import os
import re
import socketserver
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default as email_policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
import requests

from generator import model
from generator.emit import alertmanager
from generator.plan.cadences import cadence
from generator.plan.types import Channel, ContactRoute, Email, Monitoring, PagerDuty, Plan, Record, Slack, Sns, Webhook
from tests import programs, silences
from tests.emit import messages, plans

HOSTILE = (
    "Quote \" ' ` brace {{ .Labels }} }} {{ end }} back\\slash 🔥 é <script>alert(1)</script>"
    " <!channel> & $1 | second\nline"
)
SNS_ANSWER = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"


@dataclass
class Inbox:
    """What arrived, by path or protocol."""

    arrived: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, what: str) -> None:
        self.arrived.setdefault(where, []).append(what)

    def wait(self, where: str, count: int = 1) -> list[str]:
        deadline = time.monotonic() + 15
        while len(self.arrived.get(where, ())) < count:
            assert time.monotonic() < deadline, f"nothing at {where}; there is: {self.arrived}"
            time.sleep(0.02)
        return self.arrived[where]


def http_server(inbox: Inbox) -> ThreadingHTTPServer:
    """Slack, PagerDuty, SNS and a webhook in one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.add(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())
            inbox.add(f"{self.path} authorization", self.headers.get("Authorization", ""))
            answer = {"/sns/": SNS_ANSWER, "/slack": b"ok", "/pagerduty": b"{}"}.get(self.path, b"")
            self.send_response(202 if self.path == "/pagerduty" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def smtp_server(inbox: Inbox) -> socketserver.ThreadingTCPServer:
    """A mail server that takes everything."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().decode().strip().upper():
                if line == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = b""
                    while (part := self.rfile.readline()) not in (b".\r\n", b""):  # the end, or a sender that is gone
                        text += part
                    inbox.add("smtp", text.decode())
                self.wfile.write(b"221 bye\r\n" if line == "QUIT" else b"250 fine\r\n")
                if line == "QUIT":
                    return

    return socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)


def the_plan(folder: Path, port: int, smtp_port: int) -> Plan:
    """The usual plan, its time shortened a hundredfold, its channels ending at this test's servers."""
    address = f"http://127.0.0.1:{port}"
    secret = folder / "secret"
    secret.write_text("s3cret", "utf-8")
    slack = folder / "slack"
    slack.write_text(f"{address}/slack", "utf-8")
    mail = Email(("ops@example.org",), "a@example.org", f"127.0.0.1:{smtp_port}", None, None, False)
    channels = (
        Channel("email", mail),
        Channel("hook", Webhook(f"{address}/hook", None, str(secret))),
        Channel("phone", PagerDuty(str(secret), f"{address}/pagerduty")),
        Channel("slack", Slack(str(slack), "#alerts")),
        Channel("sms", Sns("eu-north-1", None, "+46700000001", None, f"{address}/sns")),
    )
    start = datetime.now(UTC) - timedelta(minutes=5)
    later = datetime.now(UTC) + timedelta(hours=6)
    slots = [
        cadence(name, model.Cadence(at=f"{at:%H:%M}", group_wait="10s", group_interval="1000m"), "UTC", 0.01)
        for name, at in (("now", start), ("later", later))
    ]
    lead = ContactRoute("anna", "Anna", ("critical",), (Channel("hook", Webhook(f"{address}/anna", None, None)),))
    domain = plans.domain(
        metrics=(plans.metric("pending_settlements", "priority"),),
        records=(Record("settlement", "Settlement", "settlements", False, None),),
    )
    return replace(
        plans.plan(domain, scale=0.01),
        channels=channels,
        cadences=(*plans.cadences(0.01), *slots),
        contact_routes=(lead,),
        monitoring=Monitoring("ops", "critical", ("hook",), "immediate", None),
    )


@dataclass(frozen=True)
class Running:
    """An Alertmanager, where it answers, and what it delivered."""

    address: str
    inbox: Inbox

    def post(self, labels: dict[str, str], annotations: dict[str, str] | None = None, *, ended: bool = False) -> None:
        alert: dict[str, Any] = {
            "labels": {**messages.LABELS, **labels},
            "annotations": {**messages.ANNOTATIONS, **(annotations or {})},
        }
        if ended:
            alert["endsAt"] = datetime.now(UTC).isoformat()
        requests.post(f"{self.address}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()

    def status(self, **labels: str) -> dict[str, Any]:
        """How an alert stands, by labels that single it out."""
        filters = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
        (alert,) = requests.get(f"{self.address}/api/v2/alerts", params={"filter": filters}, timeout=5).json()
        status: dict[str, Any] = alert["status"]
        return status


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """A server in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("alertmanager")
    inbox = Inbox()
    web, mail = http_server(inbox), smtp_server(inbox)
    with serving(web), serving(mail):
        for artefact in alertmanager.emit(the_plan(folder, web.server_address[1], mail.server_address[1])):
            path = folder / artefact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(artefact.content)
        with create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = folder / "log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [
                    "prometheus-alertmanager",
                    f"--config.file={folder}/alertmanager/alertmanager.yml",
                    f"--storage.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--cluster.listen-address=",
                ],
                stderr=stderr,
                env={**os.environ, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"},
            )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                with contextlib.suppress(requests.ConnectionError):
                    if requests.get(f"{address}/-/ready", timeout=5).ok:
                        break
                time.sleep(0.05)
            yield Running(address, inbox)
        finally:
            process.terminate()
            process.wait(timeout=20)
        complaints = [line for line in log.read_text().splitlines() if re.search("level=(warn|error)", line)]
        assert not complaints


@pytest.fixture(scope="module")
def told(running: Running) -> Running:
    """One hostile alert over every channel."""
    labels = {"alertname": "Hostile", "channels": "email,hook,phone,slack,sms", "transaction": HOSTILE}
    running.post(labels, {"summary": HOSTILE, "description": HOSTILE})
    return running


ONE_LINE = " ".join(HOSTILE.split())


def test_webhook(told: Running) -> None:
    (message,) = told.inbox.wait("/hook")
    (alert,) = json.loads(message)["alerts"]
    assert (alert["annotations"]["summary"], alert["labels"]["transaction"]) == (HOSTILE, HOSTILE)
    assert told.inbox.wait("/hook authorization") == ["Bearer s3cret"]


def test_slack(told: Running) -> None:
    (attachment,) = json.loads(told.inbox.wait("/slack")[0])["attachments"]
    # Of what Slack reads as markup nothing is left but our own links and times.
    assert html.unescape(attachment["title"]) == f"[CRITICAL] {ONE_LINE}"
    assert "<" not in attachment["title"]
    assert re.findall(r"<(?!https://|!date\^\d+\^)", attachment["text"]) == []
    assert HOSTILE in html.unescape(attachment["text"])


def test_email(told: Running) -> None:
    mail = message_from_string(told.inbox.wait("smtp")[0], policy=email_policy)
    assert mail["Subject"] == f"[CRITICAL] {ONE_LINE}"
    text, page = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert HOSTILE in text
    assert "<script" not in page
    assert HOSTILE in html.unescape(page)


def test_phone(told: Running) -> None:
    event = json.loads(told.inbox.wait("/pagerduty")[0])
    assert (event["routing_key"], event["event_action"]) == ("s3cret", "trigger")
    assert event["payload"]["summary"] == f"[CRITICAL] {ONE_LINE}: 150 settlements (threshold > 100 settlements)"
    assert event["payload"]["severity"] == "critical"
    assert HOSTILE in event["payload"]["custom_details"]["firing"]


def test_a_long_title_is_one_that_pagerduty_takes(running: Running) -> None:
    said = {"summary": "é" * 3000, "value": "ö" * 3000, "threshold": "ü" * 3000}
    running.post({"alertname": "Lengthy", "channels": "phone"}, said)

    def arrived() -> list[dict[str, Any]]:
        events = [json.loads(one)["payload"] for one in list(running.inbox.arrived.get("/pagerduty", ()))]
        return [one for one in events if one["class"] == "Lengthy"]

    (payload,) = programs.until(arrived, 15)
    # Alertmanager would cut it without regard to what is in it, and complain.
    assert payload["summary"] == f"[CRITICAL] {'é' * 300}…: {'ö' * 200} (threshold {'ü' * 200})"


def test_sms(told: Running) -> None:
    sent = urllib.parse.parse_qs(told.inbox.wait("/sns/")[0])
    assert sent["PhoneNumber"] == ["+46700000001"]
    # With so long an identifier there is no room for the time.
    assert sent["Message"] == [
        "FIRING CRITICAL Hostile (Quote \" ' ? brace (( .Labels )) 150 settlements (> 100 settlements), Operations"
    ]
    assert "Subject" not in sent


def test_a_silence_from_the_message_covers_the_escalation_and_nothing_else(told: Running) -> None:
    labels = {"alertname": "Hostile", "channels": "email,hook,phone,slack,sms", "transaction": HOSTILE}
    told.post({**labels, "escalation": "anna"})
    (escalated,) = (json.loads(one) for one in told.inbox.wait("/anna"))
    assert escalated["receiver"] == "contact-anna-critical"
    told.post({**labels, "transaction": "another"})
    attachment = json.loads(told.inbox.wait("/slack")[0])["attachments"][0]
    link = re.findall(r"<(https://[^|>]*/silences/new[^|>]*)\|Silence>", attachment["text"])[0]
    link = html.unescape(link)
    assert silences.matchers(link) == {**messages.LABELS, **labels}
    by = [silences.silence(told.address, link)]
    states = {}
    for _ in range(100):
        alerts = requests.get(
            f"{told.address}/api/v2/alerts", params={"filter": 'alertname="Hostile"'}, timeout=5
        ).json()
        states = {
            (alert["labels"]["transaction"], alert["labels"].get("escalation")): alert["status"]["silencedBy"]
            for alert in alerts
        }
        if states[HOSTILE, None]:
            break
        time.sleep(0.05)
    assert states == {(HOSTILE, None): by, (HOSTILE, "anna"): by, ("another", None): []}


def about(inbox: Inbox, where: str, alertname: str) -> list[Any]:
    """The messages about one alert."""
    found = (json.loads(one) for one in list(inbox.arrived.get(where, ())))
    return [one for one in found if any(alert["labels"]["alertname"] == alertname for alert in one["alerts"])]


def test_who_was_told_hears_the_end(running: Running) -> None:
    labels = {"alertname": "Brief", "channels": "hook"}
    running.post(labels)
    deadline = time.monotonic() + 15
    while not about(running.inbox, "/hook", "Brief"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.post(labels, ended=True)
    while [one["status"] for one in about(running.inbox, "/hook", "Brief")] != ["firing", "resolved"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_slot_speaks_in_its_window_alone(running: Running) -> None:
    for notification in ("now", "later"):
        running.post({"alertname": f"Slot{notification}", "channels": "hook", "notification": notification})
    deadline = time.monotonic() + 15
    while not about(running.inbox, "/hook", "Slotnow"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    assert about(running.inbox, "/hook", "Slotnow")[0]["receiver"] == "digest-hook"
    assert about(running.inbox, "/hook", "Slotlater") == []


@pytest.mark.parametrize(
    ("name", "changed", "is_muted"),
    [
        pytest.param("Same", {}, True, id="same subject"),
        pytest.param("Other", {"subject": "error_rate"}, False, id="another subject"),
        pytest.param("Split", {"priority": "high"}, False, id="another series"),
        pytest.param("Nameless", {"subject": ""}, False, id="no subject"),
        pytest.param("Row", {"subject": "settlement"}, False, id="rows of one record"),
    ],
)
def test_the_worst_mutes_the_others(running: Running, name: str, changed: dict[str, str], is_muted: bool) -> None:
    common = {"channels": "hook", "domain": "muting"}
    running.post({**common, "alertname": "Worst"})
    running.post({**common, "alertname": "WorstRow", "subject": "settlement"})
    running.post({**common, "alertname": f"Muted{name}", "severity": "high", **changed})
    for _ in range(20):
        status = running.status(alertname=f"Muted{name}")
        if bool(status["inhibitedBy"]) == is_muted and status["state"] != "unprocessed":
            break
        time.sleep(0.05)
    assert bool(status["inhibitedBy"]) == is_muted
