"""A Prometheus that is away, slow, broken or asked by many: what the API says, and what it never says."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from exporters.instrument.api import Limits, prometheus
from tests.instrument.pages import Played, api, ask, asked, nothing, played, whole

SECRET = "correct-horse-battery"
Answer = Callable[[BaseHTTPRequestHandler, Played], None]
BRIEF = Limits(prometheus_seconds=0.3)
PATIENT = Limits(prometheus_seconds=60)


def status(code: int, body: bytes = b"{}", **headers: str) -> Answer:
    return lambda handler, known: whole(handler, code, body, **headers)


def hanging(handler: BaseHTTPRequestHandler, known: Played) -> None:
    known.over.wait(60)


def dripping(handler: BaseHTTPRequestHandler, known: Played) -> None:
    """Each byte in time, the whole never."""
    handler.send_response(200)
    handler.end_headers()
    while not known.over.wait(0.02):
        handler.wfile.write(b" ")


def half(handler: BaseHTTPRequestHandler, known: Played) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"status":"succ')


def hanging_up(handler: BaseHTTPRequestHandler, known: Played) -> None:
    handler.close_connection = True


def no_http(handler: BaseHTTPRequestHandler, known: Played) -> None:
    handler.wfile.write(b"220 mail ready\r\n\r\n")


@pytest.mark.parametrize(("answer", "code", "said"), [
    (hanging, 504, "too long"),
    (dripping, 504, "too long"),
    (status(504), 504, "too long"),
    (hanging_up, 503, "cannot be reached"),
    (status(503, b'{"status":"error","errorType":"timeout"}'), 503, "not ready"),
    (half, 502, "HTTP"),
    (no_http, 503, "cannot be reached"),
    (status(500), 502, "500"),
    (status(422), 502, "422"),
    (status(401), 502, "password"),
    (status(302, Location="http://127.0.0.1:9/"), 502, "302"),
    pytest.param(status(200, b"<html>welcome</html>"), 502, "API", id="html"),
    pytest.param(status(200, b'{"status":"success","data":{"groups":3}}'), 502, "API", id="other JSON"),
    pytest.param(status(200, b"\xff" * 100), 502, "API", id="no text"),
    pytest.param(status(200, b"[" * 60_000), 502, "API", id="deep"),
    (status(200, b"not gzip", **{"Content-Encoding": "gzip"}), 502, "HTTP"),
    (status(200, b" " * 70_000), 502, "more than fits"),
])  # fmt: skip
@pytest.mark.parametrize("path", ["/api/metrics/current", "/api/metrics/history"])
def test_a_prometheus_that_does_not_answer_as_it_should(
    path: str, answer: Answer, code: int, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prometheus, "_LONGEST_ANSWER", 2**16)
    caplog.set_level(logging.DEBUG)
    limits = BRIEF if code == 504 else PATIENT
    with played(answer) as upstream:
        url = upstream.url.replace("//", f"//nobody:{SECRET}@")
        found = ask(api(url, limits=limits), path)
    assert (found.status_code, found.headers["content-type"]) == (code, "application/problem+json"), found.text
    assert said in found.json()["detail"]
    assert found.headers["cache-control"] == "no-store"
    told = "".join(record.getMessage() for record in caplog.records) + found.text
    assert said in told
    assert SECRET not in told
    assert "nobody" not in told
    assert "Traceback" not in caplog.text


@pytest.mark.timeout(60)
def test_who_asks_does_not_wait_for_an_answer_that_never_ends() -> None:
    with played(dripping) as upstream, pytest.raises(TimeoutError):
        prometheus.Prometheus(upstream.url, timeout_seconds=0.3).check()


def test_no_redirect_is_followed_with_the_question_or_the_password() -> None:
    with played(nothing) as elsewhere, played(status(307, Location=f"{elsewhere.url}/api/v1/query")) as upstream:
        assert ask(api(upstream.url), "/api/metrics/current").status_code == 502
        assert elsewhere.asked == []


@pytest.mark.parametrize("by_file", [False, True])
def test_the_password_goes_to_prometheus(by_file: bool, tmp_path: Path) -> None:
    (tmp_path / "auth").write_text(f"nobody:{SECRET}:2\n")
    with played(nothing) as upstream:
        if by_file:
            app = api(upstream.url, prometheus_auth_file=tmp_path / "auth", limits=Limits(keep_seconds=0))
        else:
            app = api(upstream.url.replace("//", f"//nobody:{SECRET}%3A2@"))
        assert ask(app, "/api/metrics/current").status_code == 200
        assert {headers["Authorization"] for headers in upstream.headers} == {
            "Basic bm9ib2R5OmNvcnJlY3QtaG9yc2UtYmF0dGVyeToy"
        }
        if by_file:
            # One that is changed is taken on; one that is lost is said, without its name.
            (tmp_path / "auth").unlink()
            lost = ask(app, "/api/metrics/current")
            assert lost.status_code == 503
            assert str(tmp_path) not in lost.text


def test_equal_questions_of_one_moment_are_asked_once_and_kept() -> None:
    first = threading.Event()

    def slow(handler: BaseHTTPRequestHandler, known: Played) -> None:
        first.set()
        known.over.wait(0.2)
        nothing(handler, known)

    with played(slow) as upstream:
        app = api(upstream.url, limits=Limits(prometheus_seconds=60, keep_seconds=60))
        same = ["/api/metrics/history?hours=2&metric=a&metric=b", "/api/metrics/history?metric=b&metric=a&hours=2.0"]
        found = asyncio.run(asked(app, *same * 10))
        assert {answer.status_code for answer in found} == {200}
        assert len({answer.text for answer in found}) == 1
        assert [path.partition("?")[0] for path in upstream.asked] == ["/api/v1/rules", "/api/v1/query_range"]
        kept = ask(app, same[0])
        assert len(upstream.asked) == 2
        assert 50 <= int(kept.headers["cache-control"].removeprefix("private, max-age=")) < 60
        # Another question is another one; the domains are known by now.
        ask(app, "/api/metrics/history?hours=3")
        assert len(upstream.asked) == 3


def test_what_fails_is_not_kept_and_is_logged_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=prometheus.__name__)
    broken = threading.Event()
    broken.set()
    with played(
        lambda handler, known: whole(handler, 500, b"") if broken.is_set() else nothing(handler, known)
    ) as upstream:
        app = api(upstream.url)
        for _ in range(3):
            assert ask(app, "/api/metrics/current").status_code == 502
        broken.clear()
        assert ask(app, "/api/metrics/current").status_code == 200
    assert [record.getMessage() for record in caplog.records] == ["Prometheus answers 500", "Prometheus answers again"]


def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    goes_on = threading.Event()

    def held(handler: BaseHTTPRequestHandler, known: Played) -> None:
        goes_on.wait(60)
        nothing(handler, known)

    async def run(url: str, upstream: Played) -> int:
        app = api(url, limits=PATIENT)
        one = asyncio.create_task(asked(app, "/api/metrics/current"))
        while not upstream.asked:
            await asyncio.sleep(0.01)
        other = asyncio.create_task(asked(app, "/api/metrics/current"))
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        goes_on.set()
        (answer,) = await other
        return answer.status_code

    with played(held) as upstream:
        assert asyncio.run(run(upstream.url, upstream)) == 200
        assert len(upstream.asked) == 2


def test_too_many_different_questions_are_refused_and_the_service_goes_on() -> None:
    with played(hanging) as upstream:
        app = api(upstream.url, limits=Limits(prometheus_seconds=3))
        began = time.monotonic()
        questions = [f"/api/metrics/history?hours={hours}" for hours in range(1, 41)]
        found = asyncio.run(asked(app, *questions, "/api/system/info"))
        assert time.monotonic() - began < 60
        assert [answer.status_code for answer in found].count(504) == 32
        assert [answer.status_code for answer in found].count(503) == 8
        assert found[-1].status_code == 200


def test_a_connection_is_used_again() -> None:
    clients: list[int] = []

    def answer(handler: BaseHTTPRequestHandler, known: Played) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = False
        clients.append(handler.client_address[1])
        nothing(handler, known)

    with played(answer) as upstream:
        app = api(upstream.url)
        for hours in (1, 2, 3):
            assert ask(app, f"/api/metrics/history?hours={hours}").status_code == 200
    assert len(clients) == 4
    assert len(set(clients)) == 1
