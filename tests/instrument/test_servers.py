"""The services behind real servers: what Prometheus reads, and what clients do that no test client can."""

import gzip
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest
import requests
from websockets.sync.client import connect

from tests.instrument.measured import DURATION, RECEIVED, SENT, Kind
from tests.instrument.services import PART
from tests.instrument.serving import GUNICORN, UVICORN, UVICORN_WSGI, Served, served
from tests.programs import program, until

SERVERS = {
    "fastapi": ("fastapi_app", UVICORN),
    "starlette": ("starlette_app", UVICORN),
    "flask": ("flask_app", GUNICORN),
    "flask-uvicorn": ("flask_app", UVICORN_WSGI),
}
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=list(SERVERS))
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    app, command = SERVERS[request.param]
    with served(app, tmp_path_factory.mktemp(request.param), *command) as running:
        for path in ("/items/1", "/items/2", "/sub/x/1", "/fails", "/healthcare/5", "/static/none", "/nothing"):
            running.get(path)
        running.get("/items/3", "HEAD")
        running.get("/items/3", "PROPFIND")
        yield running


def template(service: Served, text: str) -> str:
    """A route as the framework writes it."""
    return re.sub(r"{(\w+)}", r"<\1>", text) if service.app == "flask_app" else text


def test_each_request_is_counted_by_route_and_outcome(service: Served) -> None:
    found = {kind: count for kind, count in service.scrape().counts().items() if "health" not in kind.route}
    item = template(service, "/items/{item}")
    assert found == {
        Kind("GET", item): 2, Kind("GET", template(service, "/sub/x/{a}")): 1, Kind("GET", "", "404"): 1,
        Kind("GET", "/fails", "500", "LookupError"): 1,
        # FastAPI answers HEAD only where it was told to, and Flask has no rule for what it does not allow.
        Kind("HEAD", item, "405" if service.app == "fastapi_app" else "200"): 1,
        Kind("_OTHER", "" if service.app == "flask_app" else item, "405"): 1,
    }  # fmt: skip


def test_only_whole_names_are_excluded(service: Served) -> None:
    routes = {kind.route for kind in service.scrape().counts() if "health" in kind.route}
    assert len(routes) == 1
    assert routes.pop().startswith("/healthcare/")


def test_promtool_has_no_complaint(service: Served) -> None:
    text = service.get("/metrics").content
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(("accept", "kind"), [
    ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text; version=1.0.0"),
    ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
    ("*/*", "text/plain; version=0.0.4"),
])  # fmt: skip
def test_the_page_is_what_was_asked_for(service: Served, accept: str, kind: str) -> None:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}
    connection.request("GET", "/metrics", headers=headers)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b'target_info{service_name="shop"} 1' in gzip.decompress(answer.read())
    connection.close()


def test_the_processs_own_series_come_along(service: Served) -> None:
    names = {sample.name for sample in service.scrape().samples}
    assert {"process_resident_memory_bytes", "python_gc_collections_total"} <= names


@pytest.mark.parametrize("server", ["fastapi", "flask"])
def test_sizes_durations_and_those_who_leave(server: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    app, command = SERVERS[server]
    with served(app, tmp_path_factory.mktemp(server), *command) as service:
        stream = "/stream/{parts}" if server == "fastapi" else "/stream/<int:parts>"
        assert len(service.get("/stream/20").content) == 20 * PART
        # Of unknown length, so in chunks.
        assert requests.post(f"{service.url}/echo", data=iter([b"a" * 500, b"b" * 5]), timeout=30).text == "505"
        whole, left = Kind("GET", stream), Kind("GET", stream, "200", "client_disconnected")
        # A thread counts when it has sent, and the client may be faster.
        until(lambda: service.scrape().counts().keys() >= {whole, Kind("POST", "/echo")})
        found = service.scrape()
        assert found.by_kind(f"{RECEIVED}_sum")[Kind("POST", "/echo")] == 505
        assert found.by_kind(f"{SENT}_sum")[whole] == 20 * PART
        assert 0.2 <= found.by_kind(f"{DURATION}_sum")[whole] < 20

        begun = time.monotonic()
        service.leave("/stream/3000", after=3 * PART)
        until(lambda: service.scrape().counts().get(left) == 1)
        found = service.scrape()
        assert found.active() == 0
        assert time.monotonic() - begun < 25
        assert 3 * PART <= found.by_kind(f"{SENT}_sum")[left] < 3000 * PART


def test_requests_are_active_while_they_are_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served("fastapi_app", tmp_path_factory.mktemp("active"), *UVICORN) as service, ExitStack() as open_ones:
        connections = [open_ones.enter_context(closing(service.asking("/slow/3"))) for _ in range(3)]
        until(lambda: service.scrape().active() == 3)
        assert [connection.getresponse().read() for connection in connections] == [b'"slow"'] * 3
        assert service.scrape().active() == 0


def test_a_websocket_is_no_request(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served("fastapi_app", tmp_path_factory.mktemp("talk"), *UVICORN) as service:
        with connect(f"ws://127.0.0.1:{service.port}/talk") as talk:
            talk.send("hello")
            assert talk.recv() == "hello"
            assert service.scrape().active() == 0
        assert service.scrape().counts() == {}
