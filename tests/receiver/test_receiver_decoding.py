"""From what a service is sent to what a person got: tables, no server."""

import json
import urllib.parse
from email.message import EmailMessage
from typing import Any

import pytest

from demo.receiver import decoding, mail
from demo.receiver.message import Unreadable

LINK = "https://grafana.example/d/collections?viewPanel=7&from=now"


def slack_body(**attachment: Any) -> bytes:
    filled = {"title": "[CRITICAL] Queue &lt;b&gt;", "text": "150", "color": "danger", **attachment}
    return json.dumps({"channel": "#alerts", "username": "Alertmanager", "attachments": [filled]}).encode()


def test_slack() -> None:
    text = f"150 (threshold &gt; 100)\n<{LINK.replace('&', '&amp;')}|Dashboard> · <https://silence.example/|Silence>"
    message = decoding.slack(slack_body(title_link=LINK, text=text))
    assert (message.kind, message.to, message.status) == ("slack", "#alerts", "firing")
    assert message.title == "[CRITICAL] Queue <b>"
    assert f"150 (threshold > 100)\nDashboard <{LINK}> · Silence <https://silence.example/>" in message.text
    assert message.links == (LINK, "https://silence.example/")


@pytest.mark.parametrize(
    ("attachment", "status"),
    [
        pytest.param({"color": "good"}, "resolved", id="good"),
        pytest.param({"color": "#439fe0"}, "firing", id="mild"),
        pytest.param({"color": "danger", "title": "[CRITICAL] Unresolved tickets"}, "firing", id="the word alone"),
        pytest.param({"color": "", "title": "[resolved, escalated to Anna] Queue"}, "resolved", id="title"),
        pytest.param({"color": "", "title": "[no new event for 1h] Fraud"}, "resolved", id="event"),
        pytest.param({"color": "", "title": "[HIGH] Queue resolved slowly"}, "firing", id="no colour"),
    ],
)
def test_how_a_slack_message_stands(attachment: dict[str, str], status: str) -> None:
    assert decoding.slack(slack_body(**attachment)).status == status


def test_a_time_of_slack_is_read_as_where_slack_cannot_show_it() -> None:
    text = "Since <!date^1795341600^{date_short_pretty} {time}|2026-11-22 10:00 UTC> · <!channel>"
    message = decoding.slack(slack_body(text=text))
    assert message.text.endswith("Since 2026-11-22 10:00 UTC · !channel")


def test_a_slack_message_of_text_alone() -> None:
    message = decoding.slack(b'{"text": "see <https://a.example|this>\\nand that"}')
    assert (message.title, message.links) == ("see this <https://a.example>", ("https://a.example",))


def sms_body(**fields: str) -> bytes:
    return urllib.parse.urlencode({"Action": "Publish", "PhoneNumber": "+46700000001", **fields}).encode()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param("FIRING CRITICAL Queue 150 (> 100) ops", "firing", id="firing"),
        pytest.param("ESCALATED to Anna: CRITICAL Queue 150. Operations did not respond", "firing", id="escalated"),
        pytest.param("RESOLVED CRITICAL Queue ops", "resolved", id="resolved"),
        pytest.param("NO NEW EVENT FOR 1H CRITICAL Fraud ops", "resolved", id="event"),
        pytest.param("FIRING HIGH TicketsResolved 3", "firing", id="the word alone"),
    ],
)
def test_how_a_text_message_stands(text: str, status: str) -> None:
    message = decoding.sms(sms_body(Message=text))
    assert (message.to, message.status, message.title, message.text) == ("+46700000001", status, text, text)


def test_a_text_message_to_a_topic() -> None:
    body = urllib.parse.urlencode({"Action": "Publish", "TopicArn": "arn:aws:sns:x:1:oncall", "Message": "é € +"})
    message = decoding.sms(body.encode())
    assert (message.to, message.title) == ("arn:aws:sns:x:1:oncall", "é € +")


@pytest.mark.parametrize(
    ("action", "status"), [("trigger", "firing"), ("acknowledge", "firing"), ("resolve", "resolved")]
)
def test_phone(action: str, status: str) -> None:
    event = {
        "routing_key": "olle",
        "event_action": action,
        "dedup_key": "1",
        "client_url": "https://alertmanager.example/#/alerts",
        "links": [{"href": LINK, "text": "Dashboard"}],
        "payload": {"summary": "[CRITICAL] Queue", "severity": "critical", "custom_details": {"firing": "150 rows"}},
    }
    message = decoding.phone(json.dumps(event).encode())
    assert (message.to, message.status, message.title) == ("olle", status, "[CRITICAL] Queue")
    assert message.text == f"[CRITICAL] Queue\nfiring: 150 rows\nDashboard <{LINK}>"
    assert message.links == (LINK, "https://alertmanager.example/#/alerts")


def test_webhook() -> None:
    alert = {
        "labels": {"alertname": "Queue"},
        "annotations": {"summary": "Queue backup", "dashboard_url": LINK},
        "generatorURL": "https://prometheus.example/graph",
    }
    other = {"labels": {"alertname": "Delay"}, "annotations": {"summary": "Delay"}}
    body = {"status": "resolved", "alerts": [alert, other, alert], "externalURL": "http://alertmanager:9093"}
    message = decoding.webhook(json.dumps(body).encode(), "tickets")
    assert (message.to, message.status, message.title) == ("tickets", "resolved", "Queue, Delay")
    assert message.text == f"summary: Queue backup\ndashboard_url: {LINK}\nsummary: Delay"
    assert message.links == (LINK, "https://prometheus.example/graph", "http://alertmanager:9093")


def test_a_webhook_of_another_shape() -> None:
    message = decoding.webhook(b'{"alerts": "none", "anything": [1]}', "x")
    assert (message.title, message.text, message.status) == ("x", "", "firing")


def mail_bytes(subject: str, text: str | None, page: str | None) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "alerts@example.org", "ops@example.org, anna@example.org", subject
    if text is not None:
        made.set_content(text)
    if page is not None:
        (made.set_content if text is None else made.add_alternative)(page, subtype="html")
    return made.as_bytes()


def test_email() -> None:
    page = f'<p>150</p><a href="{LINK.replace("&", "&amp;")}">D</a><a href="https://silence.example/">S</a>'
    content = mail_bytes("[CRITICAL] Kö 🔥", f"150, see {LINK}.\n", page)
    ops, anna = mail.decoded(content, ["ops@example.org", "anna@example.org"])
    assert (ops.to, anna.to) == ("ops@example.org", "anna@example.org")
    assert (ops.kind, ops.status, ops.title) == ("email", "firing", "[CRITICAL] Kö 🔥")
    assert ops.text == f"150, see {LINK}."
    assert ops.links == (LINK, "https://silence.example/")
    assert ops.payload["from"] == "alerts@example.org"
    assert ops.payload["to"] == "ops@example.org, anna@example.org"
    assert ops.payload["html"] == page


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        ("[resolved] Queue", "resolved"),
        ("[resolved, escalated to Anna] Queue", "resolved"),
        ("[no new event for 1h] Fraud", "resolved"),
        ("[CRITICAL] Queue [resolved]", "firing"),
        ("[CRITICAL, escalated to Anna] Queue", "firing"),
    ],
)
def test_how_a_mail_stands(subject: str, status: str) -> None:
    (message,) = mail.decoded(mail_bytes(subject, "text", None), ["ops@example.org"])
    assert message.status == status


def test_a_mail_of_html_alone_is_read_as_text() -> None:
    page = "<title>T</title><style>p {}</style><h1>Queue</h1><p>150 &gt; <b>100</b></p><script>x()</script>"
    (message,) = mail.decoded(mail_bytes("S", None, page), ["ops@example.org"])
    assert message.text == "Queue\n150 >\n100"


def test_undecodable_bytes_of_a_mail_are_replaced() -> None:
    content = b"From: a\xff@b\r\nSubject: \xff\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xff and more\r\n"
    (message,) = mail.decoded(content, ["ops@example.org"])
    assert "and more" in message.text
    json.dumps(message.payload).encode("utf-8")
    message.title.encode("utf-8")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"Content-Type: text/plain; charset=klingon\r\n\r\nx\xff\r\n", id="charset"),
        pytest.param(b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--y\r\n", id="multipart"),
        pytest.param(b'From: <<>>,,\r\nTo: "\r\nSubject: =?x?q?=ZZ?=\r\n\r\nx', id="headers"),
        pytest.param(b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n", id="base64"),
    ],
)
def test_a_broken_mail_is_read_or_refused(content: bytes) -> None:
    try:
        mail.decoded(content, ["ops@example.org"])
    except Unreadable as error:
        assert str(error)


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        pytest.param(decoding.slack, b"{}", id="slack empty"),
        pytest.param(decoding.slack, b'{"text": ["x"], "attachments": {"title": "x"}}', id="slack types"),
        pytest.param(decoding.slack, b"[]", id="slack list"),
        pytest.param(decoding.slack, b"\xff", id="slack bytes"),
        pytest.param(decoding.sms, b"Action=Publish&PhoneNumber=%2B1", id="sms without text"),
        pytest.param(decoding.sms, b"Action=Publish&Message=x", id="sms to nobody"),
        pytest.param(decoding.sms, b"Action=Subscribe&PhoneNumber=1&Message=x", id="sms action"),
        pytest.param(decoding.sms, b"\xff\x00=%zz", id="sms bytes"),
        pytest.param(decoding.phone, b'{"routing_key": "x", "event_action": "trigger"}', id="phone without summary"),
        pytest.param(decoding.phone, b'{"event_action": "resolve"}', id="phone without key"),
        pytest.param(decoding.phone, b'{"routing_key": "x", "event_action": "dance"}', id="phone action"),
        pytest.param(lambda body: decoding.webhook(body, "x"), b'"x"', id="webhook string"),
    ],
)
def test_what_a_service_would_refuse_is_unreadable(decode: Any, body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(body)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/x, and (http://b.example/y).", ("https://a.example/x", "http://b.example/y")),
        ("https://a.example https://a.example", ("https://a.example",)),
        ("javascript:alert(1) ftp://a.example mailto:a@b", ()),
        ('"https://a.example/#/x?filter=%7Ba%3D%22b%22%7D"', ("https://a.example/#/x?filter=%7Ba%3D%22b%22%7D",)),
    ],
)
def test_links(text: str, found: tuple[str, ...]) -> None:
    assert decoding.links([text]) == found
