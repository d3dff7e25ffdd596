"""An upstream that fails: what is tried again and when, when nothing is sent any more, and what a scrape says of it."""

import asyncio
import itertools
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import requests
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from exporters.instrument.batching import Batcher, Breaker, Limits, Retries, is_transient
from exporters.instrument.batching.measures import WAIT_BUCKETS
from exporters.instrument.batching.transience import retry_after
from tests.compiling import ROOT
from tests.instrument.measured import Measured
from tests.instrument.upstreams import AT_ONCE, Answered, Response, Upstream, run, says_no, series, turns, until
from tests.programs import program

DOMAIN = yaml.safe_load((ROOT / "domains/fastbreak/batching.yaml").read_text())


def batcher(
    fetch: Any, retries: Retries = AT_ONCE, breaker: Breaker | None = None, **limits: Any
) -> tuple[Batcher[str, str], CollectorRegistry]:
    registry = CollectorRegistry()
    limits = {"batch_size": 1, **limits}
    return Batcher(
        "players", fetch, limits=Limits(**limits), retries=retries, breaker=breaker, registry=registry
    ), registry


async def outcome(players: Batcher[str, str], key: str = "a") -> str:
    try:
        return await asyncio.wait_for(players.load(key), 20)
    except Exception as error:
        return type(error).__name__


class NameOfHttpx(Exception):
    """What another library's error is not, although its name is the same."""


NameOfHttpx.__name__ = "NetworkError"


@pytest.mark.parametrize(("error", "passes"), [
    (ConnectionResetError(), True), (TimeoutError(), True), (socket.gaierror(), True), (OSError(), False),
    (FileNotFoundError(), False), (ValueError(), False), (NameOfHttpx(), False),
    (httpx.ConnectError(""), True), (httpx.ReadTimeout(""), True), (httpx.RemoteProtocolError(""), True),
    (httpx.UnsupportedProtocol(""), False), (httpx.InvalidURL(""), False), (requests.ConnectionError(), True),
    (requests.ReadTimeout(), True), (requests.exceptions.InvalidURL(), False),
    (says_no(429), True), (says_no(500), True), (says_no(503), True), (says_no(599), True), (says_no(600), False),
    (says_no(400), False), (says_no(404), False), (says_no(408), False),
], ids=lambda value: None)  # fmt: skip
def test_what_may_pass_by_itself_is_told_by_type_or_status(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


@pytest.mark.parametrize(("header", "seconds"), [
    ("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("-1", None), ("1.5", None), ("soon", None), ("", None), ("٣", None),
    ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0), (None, None), ("Mon, 99 Jan 1990 00:00:00 GMT", None),
], ids=lambda value: None)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(says_no(429, header)) == seconds


@pytest.mark.parametrize("text", [
    lambda at: format_datetime(at, usegmt=True), lambda at: format_datetime(at).replace("+0000", "-0000"),
], ids=["GMT", "no zone"])  # fmt: skip
def test_a_date_is_that_of_greenwich_wherever_this_machine_is(text: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = retry_after(says_no(429, text(datetime.now(UTC) + timedelta(seconds=60))))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found is not None
    assert 55 < found <= 60


def test_headers_of_real_clients_are_read() -> None:
    # A plain dictionary does not know that the names of headers have no case.
    assert retry_after(Answered(Response(429, {"retry-after": "3"}))) == 3.0
    request = httpx.Request("GET", "http://shop")
    ours = httpx.Response(503, headers={"retry-after": "4"}, request=request)
    with pytest.raises(httpx.HTTPStatusError) as raised:
        ours.raise_for_status()
    assert (retry_after(raised.value), is_transient(raised.value)) == (4.0, True)
    theirs = requests.Response()
    theirs.status_code, theirs.headers["Retry-After"] = 429, "5"
    with pytest.raises(requests.HTTPError) as refused:
        theirs.raise_for_status()
    assert (retry_after(refused.value), is_transient(refused.value)) == (5.0, True)


@pytest.mark.parametrize(("errors", "retries", "calls", "found"), [
    (2, AT_ONCE, 3, "A"),
    (3, AT_ONCE, 3, "Answered"),
    (1, Retries(attempts=0), 1, "Answered"),
    (1, Retries(on=lambda error: False), 1, "Answered"),
])  # fmt: skip
def test_it_is_retried_so_often_and_then_the_error_is_the_callers(
    errors: int, retries: Retries, calls: int, found: str
) -> None:
    async def main() -> None:
        upstream = Upstream(*[says_no(503)] * errors)
        players, registry = batcher(upstream.fetch, retries)
        assert await outcome(players) == found
        measured = series(registry)
        assert len(upstream.calls) == calls
        assert (measured["retries_total"], measured["errors_total"]) == (calls - 1, found == "Answered")
        assert (measured["size_count"], measured["duration_seconds_count"]) == (1, 1)

    run(main())


def test_the_delay_doubles_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def main() -> None:
        players, _ = batcher(Upstream(*[says_no(503)] * 6).fetch, Retries(attempts=6, longest_delay_seconds=6))
        monkeypatch.setattr("exporters.instrument.batching.sending.asyncio.sleep", sleep)
        assert await players.load("a") == "A"
        monkeypatch.undo()

    for _ in range(20):
        run(main())
    delays = [slept[at::6] for at in range(6)]
    assert all(
        least <= delay <= least + 0.25 for least, of in zip((0.5, 1, 2, 4), delays, strict=False) for delay in of
    )
    assert set(delays[4] + delays[5]) == {6}
    # Jitter: no two batches that failed together come back together.
    assert len(set(delays[0])) > 10


def test_retry_after_is_waited_for_and_longer_than_the_longest_delay_ends_it() -> None:
    async def main() -> None:
        upstream = Upstream(says_no(429, "1"))
        players, _ = batcher(upstream.fetch)
        assert await players.load("a") == "A"
        assert 1 <= upstream.times[1] - upstream.times[0] < 5
        upstream.errors = [says_no(429, "6")]
        assert await outcome(players) == "Answered"
        assert len(upstream.calls) == 3

    run(main())


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_batch_try() -> None:
    async def main() -> None:
        upstream = Upstream(says_no(503), says_no(503))
        breaker = Breaker(failures=3, open_seconds=0.2)
        players, registry = batcher(upstream.fetch, Retries(attempts=0), breaker, concurrent_batches=20)
        assert [await outcome(players) for _ in range(3)] == ["Answered", "Answered", "A"]
        # The success in between began the row anew; errors that are not the upstream's fault do not count.
        upstream.errors = [says_no(503), says_no(503), says_no(404), says_no(503), says_no(503), says_no(503)]
        assert {await outcome(players) for _ in range(6)} == {"Answered"}
        calls, before = len(upstream.calls), series(registry)
        assert await outcome(players) == "CircuitOpenError"
        # What was not sent is in no series, or the share of failed batches would be that of a breaker's.
        assert series(registry) == before
        await until(lambda: asyncio.get_running_loop().time() > upstream.times[-1] + 0.25)
        upstream.gate.clear()
        tries = [asyncio.create_task(outcome(players, key)) for key in "abcdefgh"]
        await turns()
        assert len(upstream.calls) == calls + 1
        upstream.gate.set()
        assert sorted(await asyncio.gather(*tries)) == ["A", *["CircuitOpenError"] * 7]
        assert await asyncio.gather(*(outcome(players, key) for key in "abc")) == ["A", "B", "C"]

    run(main())


def test_slow_answers_do_not_open_the_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = itertools.count(step=3600)
    monkeypatch.setattr("interlock._clock.SystemClock.monotonic", lambda clock: next(hours))

    async def main() -> None:
        players, _ = batcher(Upstream().fetch, breaker=Breaker(failures=1, open_seconds=1e9))
        assert [await outcome(players) for _ in range(3)] == ["A"] * 3

    run(main())


def test_a_try_that_fails_keeps_the_breaker_open_for_as_long_again() -> None:
    async def main() -> None:
        upstream = Upstream(says_no(503), says_no(503))
        players, _ = batcher(upstream.fetch, Retries(attempts=0), Breaker(failures=1, open_seconds=0.1))
        for _ in range(2):
            assert [await outcome(players) for _ in range(2)] == ["Answered", "CircuitOpenError"]
            await until(lambda: asyncio.get_running_loop().time() > upstream.times[-1] + 0.15)
        assert await outcome(players) == "A"

    run(main())


def test_a_try_that_nobody_waits_for_leaves_the_next_one_to_try() -> None:
    async def main() -> None:
        upstream = Upstream(says_no(503))
        players, registry = batcher(upstream.fetch, Retries(attempts=0), Breaker(failures=1, open_seconds=0.05))
        assert await outcome(players) == "Answered"
        await until(lambda: asyncio.get_running_loop().time() > upstream.times[-1] + 0.06)
        upstream.gate.clear()
        gone = asyncio.create_task(players.load("a"))
        await upstream.is_called(2)
        gone.cancel()
        await until(lambda: upstream.cancelled == 1)
        await turns()
        assert series(registry)["errors_total"] == 1
        tries = [asyncio.create_task(outcome(players, key)) for key in "ab"]
        await turns()
        upstream.gate.set()
        assert await asyncio.gather(*tries) == ["A", "CircuitOpenError"]

    run(main())


def test_requests_that_wait_are_joined_and_measured_once_each() -> None:
    async def main() -> None:
        upstream = Upstream(is_open=False)
        players, registry = batcher(upstream.fetch, batch_size=2, calls_per_second=10)
        assert set(series(registry).values()) == {0}
        tasks = [asyncio.create_task(players.load(key)) for key in "aaabcddd"]
        await turns()
        tasks[-1].cancel()
        await upstream.is_called(2)
        assert series(registry)["request_batches_in_flight"] == 2
        upstream.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert series(registry) == {
            "size_count": 2, "size_sum": 4, "wait_seconds_count": 7, "duration_seconds_count": 2,
            "deduplicated_total": 3, "retries_total": 0, "errors_total": 0, "rate_limited_total": 3,
            "request_batches_in_flight": 0,
        }  # fmt: skip

    run(main())


def test_the_wait_ends_where_the_duration_begins_and_that_holds_the_retries() -> None:
    async def main() -> None:
        upstream = Upstream(says_no(503))
        retries = Retries(first_delay_seconds=0.1)
        players, registry = batcher(upstream.fetch, retries, batch_size=9, wait_seconds=0.2)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(players.load("a"), players.load("a"))
        left, whole = upstream.times[0] - began, asyncio.get_running_loop().time() - began
        measured = Measured.of(registry)
        # Two callers waited, one batch was answered.
        assert 2 * 0.19 < measured.only("request_batch_wait_seconds_sum") <= 2 * left
        assert 0.1 <= measured.only("request_batch_duration_seconds_sum") <= whole - 0.19

    run(main())


def test_every_way_to_fail_for_good_counts_once() -> None:
    async def main() -> None:
        async def fetch(keys: Sequence[str]) -> Any:
            if keys == ("cancelled",):
                raise asyncio.CancelledError
            return [] if keys == ("short",) else [KeyError()]

        players, registry = batcher(fetch)
        assert [await outcome(players, key) for key in ("cancelled", "short", "no")] == ["BatchError"] * 2 + [
            "KeyError"
        ]
        assert series(registry)["errors_total"] == 2

    run(main())


def exposed() -> tuple[CollectorRegistry, set[str]]:
    registry = CollectorRegistry()

    async def main() -> None:
        upstream = Upstream()
        async with Batcher("players", upstream.fetch, registry=registry) as players:
            load = asyncio.create_task(players.load("a"))
            await turns(1)
        await load

    run(main())
    return registry, {sample.name for family in registry.collect() for sample in family.samples}


def test_all_that_the_domain_reads_is_exposed_with_its_labels() -> None:
    _, names = exposed()
    queries = [metric["promql"] for metric in DOMAIN["metrics"].values()]
    read = {name for query in queries for name in re.findall(r"request_batch\w+", query)}
    assert len(read) == 11
    assert read <= names
    grouped = {
        label.strip()
        for query in queries
        for by in re.findall(r"(?:by|on) \((.*?)\)", query)
        for label in by.split(",")
    }
    assert grouped == {"upstream", "le", ""}


def test_a_boundary_stands_where_an_alert_compares() -> None:
    compared = [alert["condition"] for alert in DOMAIN["alerts"].values()] + [
        f"{kpi['metric']} {kpi['target']}" for kpi in DOMAIN["kpis"].values()
    ]
    seconds = {float(at) for text in compared for at in re.findall(r"^wait_time_p95 \S+ ([\d.]+)s$", text)}
    assert seconds == {1.0}
    assert seconds < set(WAIT_BUCKETS)
    assert Limits().wait_seconds in WAIT_BUCKETS


def test_promtool_finds_nothing_to_say() -> None:
    registry, _ = exposed()
    said = subprocess.run(
        [program("promtool"), "check", "metrics"], input=generate_latest(registry), capture_output=True, timeout=60
    )
    assert (said.returncode, said.stdout + said.stderr) == (0, b"")


class Service(ThreadingHTTPServer):
    """Answers by a script: a status, with ``Retry-After``, or ``None``, which is an end in the middle of the answer."""

    script: list[tuple[int | None, str]]
    asked: list[tuple[str, float]]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        service = self.server
        assert isinstance(service, Service)
        keys = self.path.partition("=")[2]
        service.asked.append((keys, time.monotonic()))
        status, retry_after = service.script.pop(0) if service.script else (200, "")
        body = keys.upper().encode()
        self.send_response(status or 200)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if status else body[:1])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Handler) as running:
        running.script, running.asked = [], []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


async def over_http(service: Service, retries: Retries, load: Sequence[str]) -> tuple[list[Any], dict[str, float]]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.server_port}", trust_env=False) as client:

        async def fetch(keys: Sequence[str]) -> Sequence[str]:
            answer = (await client.get("/", params={"keys": ".".join(keys)})).raise_for_status()
            return answer.text.split(".")

        players, registry = batcher(fetch, retries, batch_size=len(load))
        found = await asyncio.gather(*(players.load(key) for key in load), return_exceptions=True)
    return found, series(registry)


@pytest.mark.parametrize("answer", [(503, ""), (None, ""), (429, "0")], ids=["503", "dies in the middle", "429"])
def test_a_service_that_fails_for_a_moment_is_asked_again(service: Service, answer: tuple[int | None, str]) -> None:
    service.script = [answer, answer]
    found, measured = run(over_http(service, AT_ONCE, ["id-1", "id-2"]))
    assert found == ["ID-1", "ID-2"]
    assert [keys for keys, _ in service.asked] == ["id-1.id-2"] * 3
    assert (measured["retries_total"], measured["errors_total"]) == (2, 0)


@pytest.mark.parametrize(("answer", "error"), [
    ((503, ""), httpx.HTTPStatusError), ((None, ""), httpx.RemoteProtocolError),
])  # fmt: skip
def test_a_service_that_stays_down_fails_all_callers(service: Service, answer: Any, error: type[Exception]) -> None:
    service.script = [answer] * 3
    found, measured = run(over_http(service, AT_ONCE, ["id-1", "id-2"]))
    assert [type(one) for one in found] == [error] * 2
    assert (len(service.asked), measured["errors_total"]) == (3, 1)


@pytest.mark.parametrize("by_date", [False, True])
def test_a_service_says_when_to_come_again(service: Service, by_date: bool) -> None:
    # A date has whole seconds: the second after next begins in more than one.
    service.script = [(429, formatdate(time.time() + 2, usegmt=True) if by_date else "1")]
    found, _ = run(over_http(service, AT_ONCE, ["id-1"]))
    assert found == ["ID-1"]
    (_, first), (_, second) = service.asked
    assert (0.5 if by_date else 1) <= second - first < 10


def test_nobody_is_listening(service: Service) -> None:
    service.server_close()
    service.socket = socket.create_server(("127.0.0.1", 0))
    found, measured = run(over_http(service, AT_ONCE, ["id-1"]))
    assert [type(one) for one in found] == [httpx.ConnectError]
    assert (measured["retries_total"], measured["errors_total"]) == (2, 1)
