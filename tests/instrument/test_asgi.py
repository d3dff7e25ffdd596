"""One exchange after the other over ASGI: what is counted, as what, and what is let through."""

import asyncio
import random
import string
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CollectorRegistry

from exporters.instrument import DURATION_BUCKETS, instrument_asgi
from exporters.instrument.http import measures
from exporters.instrument.interfaces import ASGIApplication, Message, Receive, Scope, Send
from tests.instrument.calls import LEFT, answering, ask, asked, body, scope, start
from tests.instrument.measured import ACTIVE, DURATION, RECEIVED, SENT, Kind, Measured
from tests.instrument.scripts import script


class Refused(Exception):
    """An exception with a module."""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def measured(app: ASGIApplication, registry: CollectorRegistry, **options: Any) -> ASGIApplication:
    return instrument_asgi(app, service_name="shop", registry=registry, **options)


def raising(error: BaseException, *messages: Message) -> ASGIApplication:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(*messages)(scope, receive, send)
        raise error

    return app


def failing() -> FastAPI:
    app = FastAPI()

    @app.get("/raises")
    async def raises() -> None:
        raise Refused("no")

    @app.get("/unavailable")
    async def unavailable() -> None:
        raise HTTPException(503)

    @app.get("/handled")
    async def handled() -> None:
        raise LookupError("no")

    async def take(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({}, 404)

    app.add_exception_handler(LookupError, take)
    return app


NAME = f"{__name__}.Refused"


@pytest.mark.parametrize(("app", "path", "kind", "comes_out"), [
    (raising(Refused("no")), "/", Kind("GET", "", "500", NAME), Refused),
    (raising(ValueError("no")), "/", Kind("GET", "", "500", "ValueError"), ValueError),
    (raising(Refused("no"), start(200), body(b"a", more_body=True)), "/", Kind("GET", "", "200", NAME), Refused),
    (raising(Refused("no"), start(trailers=True), body(b"a")), "/", Kind("GET", "", "200", NAME), Refused),
    (raising(Refused("no"), start(500), body(b"sorry")), "/", Kind("GET", "", "500", NAME), Refused),
    (raising(asyncio.CancelledError()), "/", Kind("GET", "", "", "asyncio.exceptions.CancelledError"),
     asyncio.CancelledError),
    (raising(Refused("no"), start(), body(b"whole")), "/", Kind("GET", "", "200"), Refused),
    (answering(start(503), body()), "/", Kind("GET", "", "503", "503"), None),
    (answering(start(404), body()), "/", Kind("GET", "", "404"), None),
    (answering(), "/", Kind("GET", "", "500", "500"), None),
    (answering(start(), body(b"a", more_body=True)), "/", Kind("GET", "", "200", "incomplete_response"), None),
    (failing(), "/raises", Kind("GET", "/raises", "500", NAME), Refused),
    (failing(), "/unavailable", Kind("GET", "/unavailable", "503", "503"), None),
    (failing(), "/handled", Kind("GET", "/handled", "404"), None),
])  # fmt: skip
def test_an_answer_is_counted_once_by_how_it_ended(
    registry: CollectorRegistry, app: ASGIApplication, path: str, kind: Kind, comes_out: type[BaseException] | None
) -> None:
    if comes_out is None:
        ask(measured(app, registry), path)
    else:
        with pytest.raises(comes_out):
            ask(measured(app, registry), path)
    found = Measured.of(registry)
    assert found.counts() == {kind: 1}
    assert found.active() == 0


async def _reads_until_it_is_told(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _sends_to_nobody(scope: Scope, receive: Receive, send: Send) -> None:
    await _reads_until_it_is_told(scope, receive, send)
    await answering(start(), body(b"never seen"))(scope, receive, send)


async def _begins(scope: Scope, receive: Receive, send: Send) -> None:
    await answering(start(), body(b"12345", more_body=True))(scope, receive, send)
    await _sends_to_nobody(scope, receive, send)


async def _breaks(scope: Scope, receive: Receive, send: Send) -> None:
    await _reads_until_it_is_told(scope, receive, send)
    raise Refused("the client has left")


LEAVING: list[Message] = [{"type": "http.request", "body": b"abc", "more_body": True}, LEFT]


@pytest.mark.parametrize(("app", "status", "sent"), [
    (_reads_until_it_is_told, "", 0), (_sends_to_nobody, "", 0), (_begins, "200", 5), (_breaks, "", 0),
])  # fmt: skip
def test_a_client_that_leaves_is_counted_with_what_it_got(
    registry: CollectorRegistry, app: ASGIApplication, status: str, sent: int
) -> None:
    try:
        asyncio.run(asked(measured(app, registry), scope("/"), LEAVING))
    except Refused:
        assert app is _breaks
    found = Measured.of(registry)
    assert found.counts() == {Kind("GET", "", status, "client_disconnected"): 1}
    assert found.only(f"{SENT}_sum") == sent
    assert found.only(f"{RECEIVED}_sum") == 3
    assert found.active() == 0


@pytest.mark.parametrize(("last", "status"), [("http.response.start", ""), ("http.response.body", "200")])
def test_a_server_that_cannot_send_has_lost_the_client(registry: CollectorRegistry, last: str, status: str) -> None:
    async def broken(message: Message) -> None:
        if message["type"] == last:
            raise OSError("broken pipe")

    async def receive() -> Message:
        raise AssertionError

    app = measured(answering(start(), body(b"abc")), registry)

    async def called() -> None:
        await app(scope("/"), receive, broken)

    with pytest.raises(OSError, match="broken pipe"):
        asyncio.run(called())
    found = Measured.of(registry)
    assert found.counts() == {Kind("GET", "", status, "client_disconnected"): 1}
    assert found.only(f"{SENT}_sum") == 0


def test_a_cancelled_request_ends_and_stays_cancelled(registry: CollectorRegistry) -> None:
    begun = asyncio.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def cancelled() -> bool:
        task = asyncio.create_task(asked(measured(waits, registry), scope("/")))
        await begun.wait()
        assert Measured.of(registry).active() == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert asyncio.run(cancelled())
    assert Measured.of(registry).active() == 0


COLLECTED = """
import faulthandler, gc
from prometheus_client import CollectorRegistry, generate_latest
from exporters.instrument import instrument_asgi
# A deadlock ends here.
faulthandler.dump_traceback_later(100, exit=True)
registry = CollectorRegistry()

class Never:
    def __await__(self):
        yield self

async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": scope["status"], "headers": []})
    await Never()

async def send(message):
    pass

app = instrument_asgi(answer, service_name="shop", registry=registry)
asked = 0

def request(status):
    global asked
    asked += 1
    scope = {"type": "http", "method": "GET", "path": "/", "http_version": "1.1", "status": status}
    call = app(scope, None, send)
    call.send(None)
    return call

def forgotten(status):
    cycle = [request(status)]
    cycle.append(cycle)

forgotten(200)
gc.collect()
gc.disable()
# What was imported needs no looking through.
gc.freeze()

def with_a_collection_in_it(does, after, status):
    forgotten(status)
    gc.set_threshold(gc.get_count()[0] + after, 1000, 1000)
    gc.enable()
    does()
    gc.disable()
    gc.collect()

for allocations in range(1, 100):
    with_a_collection_in_it(lambda: list(registry.collect()), allocations, 200)
for allocations in range(1, 30):
    # Both of a label set that is new.
    with_a_collection_in_it(request(500 + allocations).close, allocations, 300 + allocations)
samples = [one for family in registry.collect() for one in family.samples]
found = sum(one.value for one in samples if one.name == "http_server_request_duration_seconds_count")
assert found == asked, (found, asked)
"""


def test_a_request_that_the_garbage_collector_ends_counts_wherever_a_collection_begins() -> None:
    script(COLLECTED)


FORKED = """
import faulthandler, os, threading
from prometheus_client import CollectorRegistry
from exporters.instrument.http.measures import measures_of
measures = measures_of(CollectorRegistry(), ())
kind = measures.kind("GET", "http", "1.1")
kind.record(("/", 200, ""), 0.1, 0, 5)
(requests,) = measures._series._requests.values()
held, done = threading.Event(), threading.Event()

def counting():
    with requests._lock:
        held.set()
        done.wait()

thread = threading.Thread(target=counting)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    faulthandler.dump_traceback_later(60, exit=True)
    kind.record(("/", 200, ""), 0.1, 0, 5)
    os._exit(0)
done.set()
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_that_is_forked_while_a_thread_counts_goes_on_to_count() -> None:
    script(FORKED)


def test_each_stream_has_its_own_size_and_lasts_until_its_end(registry: CollectorRegistry) -> None:
    app = FastAPI()

    @app.get("/stream/{parts}")
    async def stream(parts: int) -> StreamingResponse:
        async def pieces() -> Any:
            for _ in range(parts):
                await asyncio.sleep(0.02)
                yield b"x" * 1000

        return StreamingResponse(pieces())

    @app.get("/small")
    async def small() -> str:
        return "ok"

    served = measured(app, registry)
    ask(served, "/small")
    ask(served, "/stream/5")
    found = Measured.of(registry)
    streamed, direct = Kind("GET", "/stream/{parts}"), Kind("GET", "/small")
    assert found.by_kind(f"{SENT}_sum") == {streamed: 5000, direct: 4}
    assert found.by_kind(f"{DURATION}_sum")[streamed] >= 0.1
    assert found.counts() == {streamed: 1, direct: 1}


@pytest.mark.parametrize("status", [200, 503])
def test_what_is_done_in_the_background_is_not_the_clients_time(registry: CollectorRegistry, status: int) -> None:
    app = FastAPI()
    during: list[float] = []

    async def later() -> None:
        during.append(Measured.of(registry).active())
        await asyncio.sleep(0.2)

    @app.get("/job", status_code=status)
    async def job(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "begun"

    ask(measured(app, registry), "/job")
    found = Measured.of(registry)
    assert during == [0]
    assert found.only(f"{DURATION}_sum") < 0.2
    assert found.counts() == {Kind("GET", "/job", str(status), "503" if status == 503 else ""): 1}


@pytest.mark.parametrize(("method", "messages", "size"), [
    ("GET", [start(), body(b"ab", more_body=True), body(b"c")], 3),
    ("HEAD", [start(), body(b"abc")], 0),
    ("GET", [start(204), body()], 0),
    ("GET", [start(), {"type": "http.response.body"}], 0),
    ("GET", [start(trailers=True), body(b"abc"), {"type": "http.response.trailers", "headers": []}], 3),
    ("GET", [{"type": "http.response.early_hint", "links": []}, start(), body(b"abc")], 3),
    ("GET", [start(103), start(), body(b"abc")], 3),
    ("GET", [start(), {"type": "http.response.pathsend", "path": __file__}], None),
])  # fmt: skip
def test_the_size_of_an_answer_is_that_of_the_body_that_was_sent(
    registry: CollectorRegistry, method: str, messages: list[Message], size: int | None
) -> None:
    ask(measured(answering(*messages), registry), "/", method)
    found = Measured.of(registry)
    assert found.only(f"{SENT}_sum") == (Path(__file__).stat().st_size if size is None else size)
    assert [kind.error for kind in found.counts()] == [""]


def test_the_size_of_a_request_is_what_was_read_of_its_body(registry: CollectorRegistry) -> None:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    parts: list[Message] = [
        {"type": "http.request", "body": b"a" * 700, "more_body": True},
        {"type": "http.request", "body": b"b" * 7},
    ]
    asyncio.run(asked(measured(app, registry), scope("/echo", "POST"), parts))
    assert Measured.of(registry).by_kind(f"{RECEIVED}_sum") == {Kind("POST", "/echo"): 707}


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_websockets_and_lifespan_pass_through_untouched(registry: CollectorRegistry, kind: str) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, receive, send])

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        return

    given: Scope = {"type": kind, "path": "/metrics"}

    async def called() -> None:
        await measured(app, registry)(given, receive, send)

    asyncio.run(called())
    assert seen == [given, receive, send]
    assert given == {"type": kind, "path": "/metrics"}
    assert Measured.of(registry).counts() == {}


@pytest.mark.parametrize(("sent", "label", "shown"), [
    ({"method": "PATCH"}, "http_request_method", "PATCH"),
    ({"method": "QUERY"}, "http_request_method", "QUERY"),
    ({"method": "get"}, "http_request_method", "_OTHER"),
    ({"method": "BREW"}, "http_request_method", "_OTHER"),
    ({"http_version": "1.0"}, "network_protocol_version", "1.0"),
    ({"http_version": "2"}, "network_protocol_version", "2"),
    ({"http_version": "7.3"}, "network_protocol_version", ""),
    ({"scheme": "https"}, "url_scheme", "https"),
    ({"scheme": "gopher"}, "url_scheme", ""),
])  # fmt: skip
def test_a_label_says_only_what_is_known(
    registry: CollectorRegistry, sent: dict[str, str], label: str, shown: str
) -> None:
    ask(measured(answering(start(), body()), registry), "/", **sent)
    for sample in Measured.of(registry).samples:
        if label in sample.labels:
            assert sample.labels[label] == shown


def test_the_list_of_known_methods_is_the_one_that_opentelemetrys_variable_gives(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, BREW")
    app = measured(answering(start(), body()), registry)
    for method in ("BREW", "GET", "POST"):
        ask(app, "/", method)
    assert {kind.method for kind in Measured.of(registry).counts()} == {"GET", "BREW", "_OTHER"}


def test_ten_thousand_random_requests_make_no_more_series_than_one(registry: CollectorRegistry) -> None:
    chance = random.Random(5)
    app = measured(failing(), registry)

    async def all_of_them() -> None:
        for _ in range(10_000):
            word = "".join(chance.choices(string.printable, k=12))
            sent = {"http_version": word[:3], "scheme": word[3:6]}
            await asked(app, scope(f"/{word}", word[6:], **sent))

    asyncio.run(all_of_them())
    found = Measured.of(registry)
    assert found.counts() == {Kind("_OTHER", "", "404"): 10_000}
    assert len(found.text.splitlines()) < 80


def test_label_sets_are_bounded_whatever_an_application_makes_up(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(measures, "MOST_LABEL_SETS", 20)

    async def inventive(scope: Scope, receive: Receive, send: Send) -> None:
        raise type(f"Error{scope['path'][1:]}", (Exception,), {})

    app = measured(inventive, registry)
    for number in range(100):
        with pytest.raises(Exception, match=r"^$"):
            ask(app, f"/{number}")
    counts = Measured.of(registry).counts()
    assert len(counts) == 21
    assert counts[Kind("GET", "", "500", "_OTHER")] == 80
    assert len(caplog.records) == 1


def test_what_is_excluded_leaves_no_trace(registry: CollectorRegistry) -> None:
    app = measured(answering(start(), body(b"ok")), registry, exclude_paths=["/health", "/static/"])
    for path in ("/health", "/static/app.js"):
        assert ask(app, path)[1]["body"] == b"ok"
    ask(app, "/healthcare/5")
    found = Measured.of(registry)
    assert sum(found.counts().values()) == 1
    assert len([sample for sample in found.samples if sample.name == ACTIVE]) == 1


def test_targets_become_boundaries_beside_the_standard_ones(registry: CollectorRegistry) -> None:
    ask(measured(answering(start(), body()), registry, duration_targets=[0.2, 0.5]), "/")
    found = [sample.labels["le"] for sample in Measured.of(registry).samples if sample.name == f"{DURATION}_bucket"]
    assert [float(bound) for bound in found] == sorted({*DURATION_BUCKETS, 0.2, float("inf")})


def test_the_service_is_named_in_target_info_alone(registry: CollectorRegistry) -> None:
    app = measured(answering(start(), body()), registry)
    ask(app, "/")
    named = [sample for sample in Measured.of(registry).samples if "service_name" in sample.labels]
    assert [(sample.name, sample.labels) for sample in named] == [("target_info", {"service_name": "shop"})]


@pytest.mark.parametrize(("options", "message"), [
    ({"service_name": ""}, "service_name is empty"),
    ({"service_name": "other"}, "called 'shop' already"),
    ({"exclude_paths": "/health"}, "list of paths"),
    ({"duration_targets": [0]}, "no time"),
    ({"duration_targets": [0.2]}, "differ from those"),
])  # fmt: skip
def test_what_cannot_be_right_is_refused_at_once(
    registry: CollectorRegistry, options: dict[str, Any], message: str
) -> None:
    app = answering(start(), body())
    measured(app, registry)
    measured(app, registry)
    with pytest.raises(ValueError, match=message):
        instrument_asgi(app, registry=registry, **{"service_name": "shop", **options})


def test_scrapes_are_answered_unless_the_service_does_that_itself(registry: CollectorRegistry) -> None:
    app = measured(answering(start(), body(b"mine")), registry)
    assert b"target_info" in ask(app, "/metrics")[1]["body"]
    assert b"target_info" in ask(app, "/api/metrics", root_path="/api")[1]["body"]
    assert Measured.of(registry).counts() == {}
    kept = measured(answering(start(), body(b"mine")), registry, metrics_path=None)
    assert ask(kept, "/metrics")[1]["body"] == b"mine"
