"""The receiver's own conduct: bad requests, waiting, failing, its stream, and its end."""

import json
import smtplib
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
import requests
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from demo.receiver import Kind, Receiver

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    people: dict[tuple[Kind, str], str] = {("slack", "@anna"): "Anna"}
    with Receiver(LOOPBACK, LOOPBACK, title="Test", people=people, routes=[Route("/more", more)]) as running:
        yield running


async def more(request: Request) -> Response:
    return PlainTextResponse("a further page")


def slack(receiver: Receiver, text: str, channel: str = "#alerts", timeout: float = 10) -> requests.Response:
    return requests.post(f"{receiver.url}/slack", json={"channel": channel, "text": text}, timeout=timeout)


def a_mail(text: str = "text") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "[CRITICAL] Queue"
    made.set_content(text)
    return made


def send(receiver: Receiver, mail: EmailMessage, *to: str, timeout: float = 10) -> None:
    with smtplib.SMTP("127.0.0.1", receiver.smtp_port, timeout=timeout) as client:
        client.send_message(mail, to_addrs=to)


@pytest.mark.parametrize("path", ["slack", "sns", "sns/", "pagerduty", "webhook/x"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[1]", b"{", b'{"payload": 1, "attachments": [null, 1, {"title": 1}]}']
)
def test_a_bad_request_is_refused_and_ignored(receiver: Receiver, path: str, body: bytes) -> None:
    answer = requests.post(f"{receiver.url}/{path}", data=body, timeout=10)
    is_fine = path == "webhook/x" and body.startswith(b'{"')
    assert answer.status_code == (200 if is_fine else 400)
    assert "Traceback" not in answer.text
    assert len(receiver.messages()) == is_fine


def test_deep_json_is_refused(receiver: Receiver) -> None:
    for depth in (300, 100_000):
        body = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        assert requests.post(f"{receiver.url}/webhook/x", data=body, timeout=10).status_code == 400
    assert requests.get(f"{receiver.url}/api/messages", timeout=10).json() == []


def test_what_is_too_large_is_refused(receiver: Receiver) -> None:
    assert slack(receiver, "x" * 1_100_000).status_code == 413
    with pytest.raises(smtplib.SMTPException):
        send(receiver, a_mail("line of text\n" * 100_000), "b@example.org")
    assert receiver.messages() == ()


def test_answers(receiver: Receiver) -> None:
    assert slack(receiver, "x").text == "ok"
    event = {"routing_key": "k", "event_action": "trigger", "payload": {"summary": "s"}}
    first = requests.post(f"{receiver.url}/pagerduty", json={**event, "dedup_key": "d"}, timeout=10)
    assert (first.status_code, first.json()["status"], first.json()["dedup_key"]) == (202, "success", "d")
    assert requests.post(f"{receiver.url}/pagerduty", json=event, timeout=10).json()["dedup_key"]
    form = {"Action": "Publish", "PhoneNumber": "1", "Message": "x"}
    assert "<MessageId>" in requests.post(f"{receiver.url}/sns", data=form, timeout=10).text
    assert requests.get(f"{receiver.url}/healthz", timeout=10).text == "ok"
    assert requests.get(f"{receiver.url}/more", timeout=10).text == "a further page"
    assert requests.get(f"{receiver.url}/slack", timeout=10).status_code == 405


def test_what_is_listed(receiver: Receiver) -> None:
    slack(receiver, "one", "@anna")
    slack(receiver, "two")
    listed = requests.get(f"{receiver.url}/api/messages", timeout=10).json()
    assert [(one["number"], one["person"], one["title"]) for one in listed] == [
        (1, "Anna", "one"),
        (2, "#alerts", "two"),
    ]


def test_only_this_machine_is_answered(receiver: Receiver) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        assert requests.get(receiver.url, headers={"Host": host}, timeout=10).status_code == 400
    assert requests.get(receiver.url, headers={"Host": f"localhost:{receiver.http_port}"}, timeout=10).ok
    other_site = requests.post(
        f"{receiver.url}/slack", json={"text": "x"}, headers={"Sec-Fetch-Site": "cross-site"}, timeout=10
    )
    assert (other_site.status_code, receiver.messages()) == (403, ())


def test_every_page_has_a_policy(receiver: Receiver) -> None:
    for path in ("/", "/more", "/page/page.js", "/nowhere"):
        answer = requests.get(f"{receiver.url}{path}", timeout=10)
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_title_is_escaped() -> None:
    with Receiver(LOOPBACK, LOOPBACK, title="<script>alert(1)</script>") as receiver:
        assert "<script>alert" not in requests.get(receiver.url, timeout=10).text


def test_waiting_ends_with_what_is_waited_for(receiver: Receiver) -> None:
    timer = threading.Timer(0.1, slack, (receiver, "late"))
    timer.start()
    assert receiver.wait(lambda arrived: arrived[0].title if arrived else None, 10) == "late"
    timer.join()


def test_waiting_in_vain_says_what_arrived(receiver: Receiver) -> None:
    slack(receiver, "the only one")
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"1\. slack to #alerts, firing: the only one"):
        receiver.wait(lambda arrived: len(arrived) > 1, 0.1)
    assert 0.1 <= time.monotonic() - began < 5


def test_clearing_forgets(receiver: Receiver) -> None:
    receiver.fail("slack", "refuse")
    slack(receiver, "refused")
    receiver.fail("slack", None)
    slack(receiver, "one")
    receiver.clear()
    assert (receiver.messages(), receiver.refused) == ((), 0)
    slack(receiver, "two")
    assert [(one.number, one.title) for one in receiver.messages()] == [(1, "two")]


def test_refusing(receiver: Receiver) -> None:
    receiver.fail("slack", "refuse")
    receiver.fail("email", "refuse", "b@example.org")
    assert slack(receiver, "x").status_code == 500
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(receiver, a_mail(), "b@example.org")
    assert refused.value.recipients["b@example.org"][0] == 451
    assert (receiver.refused, receiver.messages()) == (2, ())
    send(receiver, a_mail(), "c@example.org")
    assert [one.to for one in receiver.messages()] == ["c@example.org"]


def test_hanging_until_the_client_goes(receiver: Receiver) -> None:
    receiver.fail("slack", "hang")
    receiver.fail("email", "hang")
    with pytest.raises(requests.ReadTimeout):
        slack(receiver, "x", timeout=0.2)
    with pytest.raises((TimeoutError, smtplib.SMTPException)):
        send(receiver, a_mail(), "b@example.org", timeout=0.2)
    receiver.fail("slack", None)
    receiver.fail("email", None)
    assert slack(receiver, "y").ok
    send(receiver, a_mail(), "b@example.org")
    assert [one.kind for one in receiver.messages()] == ["slack", "email"]
    assert receiver.refused == 2


def test_what_hangs_is_refused_when_the_hanging_ends(receiver: Receiver) -> None:
    receiver.fail("slack", "hang", "@anna")
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(slack(receiver, "x", "@anna").status_code))
    thread.start()
    receiver.wait(lambda _: receiver.refused, 10)
    assert slack(receiver, "to others").ok
    receiver.fail("slack", None, "@anna")
    thread.join(10)
    assert answers == [500]


def test_the_end_holds_nothing_up() -> None:
    with Receiver(LOOPBACK, LOOPBACK, title="Test") as receiver:
        receiver.fail("slack", "hang")
        receiver.fail("email", "hang")
        waiting = [
            threading.Thread(target=attempt, args=(slack, receiver, "x")),
            threading.Thread(target=attempt, args=(send, receiver, a_mail(), "b@example.org")),
        ]
        for thread in waiting:
            thread.start()
        receiver.wait(lambda _: receiver.refused == 2, 10)
        stream = requests.get(f"{receiver.url}/events", stream=True, timeout=10)
        assert next(stream.iter_lines())
        began = time.monotonic()
    for thread in waiting:
        thread.join(10)
    stream.close()
    assert time.monotonic() - began < 4


def attempt(deliver: Any, *arguments: Any) -> None:
    """Deliver, whatever comes of it."""
    try:
        deliver(*arguments)
    except (requests.RequestException, smtplib.SMTPException, OSError):
        return


def test_it_serves_again_on_the_same_ports(receiver: Receiver) -> None:
    slack(receiver, "before")
    receiver.__exit__(None, None, None)
    with Receiver(("127.0.0.1", receiver.http_port), ("127.0.0.1", receiver.smtp_port), title="Again") as again:
        assert slack(again, "after").ok
        send(again, a_mail(), "b@example.org")
        assert [one.number for one in again.messages()] == [1, 2]


# --- the stream ---


def events(receiver: Receiver, count: int, last: str = "") -> list[tuple[str, str, Any]]:
    """The first events of a stream: id, name, data."""
    with requests.get(
        f"{receiver.url}/events", stream=True, headers={"Last-Event-ID": last} if last else {}, timeout=10
    ) as stream:
        found: list[tuple[str, str, Any]] = []
        fields: dict[str, str] = {}
        for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
            if not line and "event" in fields:
                found.append((fields["id"], fields["event"], json.loads(fields["data"])))
                fields = {}
                if len(found) == count:
                    return found
            name, _, value = line.partition(": ")
            fields[name] = value
    raise AssertionError(f"the stream ended after {found}")


def test_the_stream_replays_messages_and_news_in_order(receiver: Receiver) -> None:
    receiver.say("It begins\nnow")
    slack(receiver, "one", "@anna")
    receiver.say("It ends")
    (_, start, given), *others = events(receiver, 4)
    assert (start, given["title"]) == ("start", "Test")
    assert given["people"] == [{"kind": "slack", "to": "@anna", "person": "Anna"}]
    assert [(name, data.get("title", data["text"])) for _, name, data in others] == [
        ("news", "It begins\nnow"), ("message", "one"), ("news", "It ends")
    ]  # fmt: skip


def test_the_stream_goes_on_where_it_was_left(receiver: Receiver) -> None:
    for text in ("one", "two", "three"):
        slack(receiver, text)
    seen = events(receiver, 3)
    assert [data["title"] for _, _, data in events(receiver, 1, seen[-1][0])] == ["three"]


@pytest.mark.parametrize("last", ["nonsense", "other-7", "-1", "²", "other-²"])
def test_the_stream_starts_anew_after_what_it_does_not_know(receiver: Receiver, last: str) -> None:
    slack(receiver, "one")
    assert [name for _, name, _ in events(receiver, 2, last.encode().decode("latin-1"))] == ["start", "message"]


def test_clearing_starts_the_stream_anew(receiver: Receiver) -> None:
    slack(receiver, "one")
    last = events(receiver, 2)[-1][0]
    receiver.clear()
    slack(receiver, "two")
    assert [(name, data["title"]) for _, name, data in events(receiver, 2, last)] == [
        ("start", "Test"),
        ("message", "two"),
    ]
